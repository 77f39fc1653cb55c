package sigtran

import "encoding/binary"

// Kind is an adaptation layer.
type Kind uint8

// The adaptation layers that View reads.
const (
	None Kind = iota
	M2UA
	M3UA
	M2PA
)

// String returns the layer's name, "" of None.
func (k Kind) String() string {
	switch k {
	case M2UA:
		return "M2UA"
	case M3UA:
		return "M3UA"
	case M2PA:
		return "M2PA"
	}
	return ""
}

// Payload protocol identifiers (IANA) and registered ports.
const (
	ppidM2UA = 2
	ppidM3UA = 3
	ppidM2PA = 5

	portM2UA = 2904
	portM3UA = 2905
	portM2PA = 3565
)

// PPID returns the layer's payload protocol identifier, 0 of None.
func (k Kind) PPID() uint32 {
	switch k {
	case M2UA:
		return ppidM2UA
	case M3UA:
		return ppidM3UA
	case M2PA:
		return ppidM2PA
	}
	return 0
}

// Claims reports whether a user message with this payload protocol identifier,
// as a big-endian number, and these ports is to be given to Parse.
func Claims(ppid uint32, srcPort, dstPort uint16) bool {
	return claimed(ppid, srcPort, dstPort) != None
}

// claimed is the layer that identifier and ports say. An identifier of another
// protocol is believed, whatever the ports.
func claimed(ppid uint32, srcPort, dstPort uint16) Kind {
	switch ppid {
	case ppidM2UA, ppidM2UA << 24:
		return M2UA
	case ppidM3UA, ppidM3UA << 24:
		return M3UA
	case ppidM2PA, ppidM2PA << 24:
		return M2PA
	case 0:
		if k := registered(dstPort); k != None {
			return k
		}
		return registered(srcPort)
	}
	return None
}

func registered(port uint16) Kind {
	switch port {
	case portM2UA:
		return M2UA
	case portM3UA:
		return M3UA
	case portM2PA:
		return M2PA
	}
	return None
}

// Sniff says by its octets alone which layer b is a message of; None when it is
// of none, or of a class that M3UA and M2UA share.
func Sniff(b []byte) Kind {
	if !plausible(b) {
		return None
	}
	switch class := b[2]; {
	case typeName(M3UA, class, b[3]) != "" && typeName(M2UA, class, b[3]) == "":
		return M3UA
	case typeName(M2UA, class, b[3]) != "" && typeName(M3UA, class, b[3]) == "":
		return M2UA
	case typeName(M2PA, class, b[3]) != "" && len(b) >= headerSize+sequenceSize:
		return M2PA
	}
	return None
}

// plausible reports whether b begins with a common header whose length fits it:
// padding may be missing or not be counted.
func plausible(b []byte) bool {
	if len(b) < headerSize || b[0] != version || b[1] != 0 {
		return false
	}
	n, have := int64(binary.BigEndian.Uint32(b[4:])), int64(len(b))
	return n >= headerSize && n-have < 4 && have-n < 4
}
