package hep

import (
	"encoding/binary"
	"net/netip"
)

// Octets of a HEP1 or HEP2 header before the addresses, and of HEP2's block
// after them (an unpacked C struct: two octets of padding at its end).
const (
	legacyHeader = 8
	legacyTime   = 12
)

// Legacy reports whether b begins as HEP1 or HEP2 does.
func Legacy(b []byte) bool { return len(b) > 0 && (b[0] == 1 || b[0] == 2) }

// ParseAny reads b, one datagram, as HEP1, HEP2 or HEP3. The packet's slices
// borrow from b. HEP1 and HEP2 carry SIP alone, so Type is TypeSIP; HEP1 has no
// time: Wall is 0, and the time of arrival is the nearest there is. Errors are
// *ParseError.
func ParseAny(b []byte) (Packet, error) {
	if Legacy(b) {
		return parseLegacy(b)
	}
	v, err := Parse(b)
	if err != nil {
		return Packet{}, err
	}
	return v.Packet(), nil
}

// parseLegacy follows the family, not the header length in b[1]: sngrep
// writes a truncated total there.
func parseLegacy(b []byte) (Packet, error) {
	if len(b) < legacyHeader {
		return Packet{}, fault(len(b), 0, FaultTruncated)
	}
	var size int // of an address
	switch b[2] {
	case familyIPv4:
		size = 4
	case familyIPv6:
		size = 16
	default:
		return Packet{}, fault(2, 0, FaultFamily)
	}
	need := legacyHeader + 2*size
	if b[0] == 2 {
		need += legacyTime
	}
	if len(b) < need {
		return Packet{}, fault(len(b), 0, FaultTruncated)
	}
	addrs := b[legacyHeader:]
	src, _ := netip.AddrFromSlice(addrs[:size])
	dst, _ := netip.AddrFromSlice(addrs[size : 2*size])
	p := Packet{
		Src:     netip.AddrPortFrom(src.Unmap(), binary.BigEndian.Uint16(b[4:])),
		Dst:     netip.AddrPortFrom(dst.Unmap(), binary.BigEndian.Uint16(b[6:])),
		Proto:   b[3],
		Type:    TypeSIP,
		Payload: b[need:len(b):len(b)],
	}
	if b[0] == 2 {
		// The senders' host order, which in practice is little-endian.
		t := addrs[2*size:]
		sec, usec := binary.LittleEndian.Uint32(t), binary.LittleEndian.Uint32(t[4:])
		p.Wall = joinTime(sec, usec)
		p.AgentID = uint32(binary.LittleEndian.Uint16(t[8:]))
	}
	return p, nil
}
