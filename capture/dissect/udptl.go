package dissect

import (
	"encoding/binary"

	"heptap/capture"
)

// isUDPTL reports whether p is a packet of T.38 over UDPTL (ITU-T T.38 9.1,
// annex A: ASN.1, aligned PER). Nothing in it is a mark, so all of it has to fit:
//
//	sequence 2
//	IFP packet: length, then octets that begin with a possible type
//	0x00: number of older IFP packets, each with its length
//	0x80: FEC: 1, number of packets, number of FEC strings, each with its length
//
// and nothing may follow. Sequence numbers from 0x8000 on look like RTP and are
// not looked at: a fax has some thousands of packets, counted from 0.
func isUDPTL(p *capture.Packet) bool {
	b := p.Payload
	if len(b) < 5 || p.Truncated {
		return false
	}
	ifp, b, ok := openType(b[2:])
	if !ok || !isIFP(ifp) || len(b) < 2 {
		return false
	}
	switch b[0] {
	case 0x00:
		b = b[1:]
	case 0x80:
		if len(b) < 4 || b[1] != 1 {
			return false
		}
		b = b[3:]
	default:
		return false
	}
	n := int(b[0])
	for b = b[1:]; n > 0; n-- {
		var older []byte
		if older, b, ok = openType(b); !ok || len(older) == 0 {
			return false
		}
	}
	return len(b) == 0
}

// openType cuts off octets with their length before them, in one octet or in
// two (X.691 11.9).
func openType(b []byte) (octets, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	n, size := int(b[0]), 1
	if b[0]&0x80 != 0 {
		if b[0]&0x40 != 0 || len(b) < 2 {
			return nil, nil, false
		}
		n, size = int(binary.BigEndian.Uint16(b)&0x3fff), 2
	}
	if len(b) < size+n {
		return nil, nil, false
	}
	return b[size : size+n], b[size+n:], true
}

// isIFP judges an IFP packet by its first octet: data present or not, indicator
// or data, extension, one of 16 indicators or 9 kinds of data (T.38 annex A).
func isIFP(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	extended := b[0]&0x20 != 0
	kind := b[0] >> 1 & 0x0f
	switch b[0] >> 6 {
	case 0: // indicator
		return len(b) == 1 && b[0]&1 == 0 || extended && len(b) == 2
	case 1: // data of a kind, none there
		return len(b) <= 2 && (extended || kind <= 8)
	case 3: // data
		return len(b) > 2 && (extended || kind <= 8)
	}
	return false
}
