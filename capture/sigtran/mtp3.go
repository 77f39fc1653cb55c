package sigtran

import "encoding/binary"

const (
	maxITU    = 1<<14 - 1 // the greatest point code of ITU-T
	labelITU  = 4         // octets of a routing label
	labelWide = 7
)

// mtp3 takes in an MTP3 message, from the service information octet on.
func (v *View) mtp3(b []byte) {
	if v.hasMSU || v.Type != TypeData || v.Class != ClassMAUP && v.Class != ClassM2PA {
		return
	}
	if len(b) < 1+labelITU {
		v.Cut = true
		return
	}
	v.SI, v.MP, v.NI = b[0]&15, b[0]>>4&3, b[0]>>6
	v.hasMSU = true
	b = b[1:]
	if !makesSense(v.SI, b[labelITU:], 12) && len(b) > labelWide && makesSense(v.SI, b[labelWide:], 14) {
		v.Variant = Wide
		v.DPC, v.OPC, v.SLS = code24(b), code24(b[3:]), b[6]
		v.MSU = b[labelWide:]
		return
	}
	label := binary.LittleEndian.Uint32(b)
	v.Variant = ITU
	v.DPC, v.OPC, v.SLS = label&maxITU, label>>14&maxITU, uint8(label>>28)
	v.MSU = b[labelITU:]
}

// code24 reads a point code of ANSI: member, cluster, network (T1.111.4).
func code24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }

// makesSense reports whether b may be a message of a user part: of ISUP a CIC
// of so many bits and a type of ITU-T or ANSI, of SCCP a type (Q.713 2.1).
// Of others nothing is known, and the answer is no.
func makesSense(si uint8, b []byte, bits int) bool {
	switch si {
	case ISUP:
		return len(b) >= 3 && int(b[1])>>(bits-8) == 0 && (b[2] >= 1 && b[2] <= 67 || b[2] >= 0xe9 && b[2] <= 0xed)
	case SCCP:
		return len(b) >= 1 && b[0] >= 1 && b[0] <= 20
	}
	return false
}
