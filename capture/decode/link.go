package decode

import (
	"encoding/binary"

	"heptap/capture"
)

// Ethertypes (IANA, IEEE 802 numbers).
const (
	etherIPv4      = 0x0800
	etherARP       = 0x0806
	etherRARP      = 0x8035
	etherVLAN      = 0x8100 // 802.1Q
	etherIPv6      = 0x86dd
	etherMPLS      = 0x8847
	etherMPLSMulti = 0x8848
	etherPPPoEDisc = 0x8863
	etherPPPoE     = 0x8864
	etherQinQ      = 0x88a8 // 802.1ad service tag
	etherQinQOld   = 0x9100 // service tag before 802.1ad

	minEtherType = 0x0600 // below: an 802.3 length, or LLC in a cooked header
)

// tags counts the VLAN tags of one frame and keeps the innermost VLAN id.
type tags struct {
	n   int
	vid uint16
}

// push takes the next tag inwards, given as its tag control information.
func (t *tags) push(tci uint16) {
	t.n++
	t.vid = tci & 0x0fff
}

// network returns the ethertype of what f carries and its offset in f.Data.
// For links without an ethertype it answers with that of IPv4 or IPv6.
func network(f *capture.Frame, t *tags) (etherType uint16, off int, reason capture.DropReason) {
	b := f.Data
	switch f.Link {
	case capture.LinkEthernet:
		if len(b) < etherHeader {
			return 0, 0, capture.DropLinkShort
		}
		return inside(b, binary.BigEndian.Uint16(b[etherHeader-2:]), etherHeader, t)
	case capture.LinkLinuxSLL:
		if len(b) < sllHeader {
			return 0, 0, capture.DropLinkShort
		}
		return inside(b, binary.BigEndian.Uint16(b[sllHeader-2:]), sllHeader, t)
	case capture.LinkLinuxSLL2:
		return cooked2(b, t)
	case capture.LinkRaw, capture.LinkRaw12, capture.LinkRaw14:
		return rawIP(b)
	case capture.LinkIPv4:
		return etherIPv4, 0, capture.DropNone
	case capture.LinkIPv6:
		return etherIPv6, 0, capture.DropNone
	case capture.LinkNull, capture.LinkLoop:
		return loopback(b, f.Link == capture.LinkNull)
	}
	return 0, 0, capture.DropLinkType
}

// inside follows VLAN tags and SNAP from etherType, whose content is at off.
func inside(b []byte, etherType uint16, off int, t *tags) (uint16, int, capture.DropReason) {
	for etherType == etherVLAN || etherType == etherQinQ || etherType == etherQinQOld {
		if t.n == capture.MaxVLANTags {
			return 0, 0, capture.DropVLANDepth
		}
		if len(b) < off+vlanTag {
			return 0, 0, capture.DropLinkShort
		}
		t.push(binary.BigEndian.Uint16(b[off:]))
		etherType = binary.BigEndian.Uint16(b[off+2:])
		off += vlanTag
	}
	if etherType < minEtherType {
		return snap(b, off)
	}
	return etherType, off, capture.DropNone
}

// snap reads the LLC header at off. IP under SNAP (RFC 1042) is opened, all
// other LLC is spanning tree and its kind.
func snap(b []byte, off int) (uint16, int, capture.DropReason) {
	const header = "\xaa\xaa\x03\x00\x00\x00" // DSAP, SSAP, UI, organisation 0
	if n := min(len(header), len(b)-off); string(b[off:off+n]) != header[:n] {
		return 0, 0, capture.DropLLC
	}
	if len(b) < off+snapHeader {
		return 0, 0, capture.DropLinkShort
	}
	etherType := binary.BigEndian.Uint16(b[off+len(header):])
	if etherType != etherIPv4 && etherType != etherIPv6 {
		return 0, 0, capture.DropLLC
	}
	return etherType, off + snapHeader, capture.DropNone
}

// cooked2 reads a Linux cooked v2 header, which begins with the ethertype.
func cooked2(b []byte, t *tags) (uint16, int, capture.DropReason) {
	if len(b) < sll2Header {
		return 0, 0, capture.DropLinkShort
	}
	return inside(b, binary.BigEndian.Uint16(b), sll2Header, t)
}

// rawIP tells IPv4 from IPv6 by the version field.
func rawIP(b []byte) (uint16, int, capture.DropReason) {
	if len(b) == 0 {
		return 0, 0, capture.DropIPShort
	}
	switch b[0] >> 4 {
	case 4:
		return etherIPv4, 0, capture.DropNone
	case 6:
		return etherIPv6, 0, capture.DropNone
	}
	return 0, 0, capture.DropIPVersion
}

// loopback reads the address family before the packet. LINKTYPE_NULL has it
// in the order of the machine that captured, which nobody recorded: all
// families are below 256, so either order is told from the other.
func loopback(b []byte, anyOrder bool) (uint16, int, capture.DropReason) {
	if len(b) < nullHeader {
		return 0, 0, capture.DropLinkShort
	}
	family := binary.BigEndian.Uint32(b)
	if anyOrder && family > 0xffff {
		family = binary.LittleEndian.Uint32(b)
	}
	switch family {
	case 2: // AF_INET everywhere
		return etherIPv4, nullHeader, capture.DropNone
	case 24, 28, 30: // AF_INET6 of NetBSD and OpenBSD, FreeBSD, Darwin
		return etherIPv6, nullHeader, capture.DropNone
	}
	return 0, 0, capture.DropEtherType
}

// etherTypeReason says why an ethertype other than IP is not decoded.
func etherTypeReason(etherType uint16) capture.DropReason {
	switch etherType {
	case etherARP, etherRARP:
		return capture.DropARP
	case etherMPLS, etherMPLSMulti:
		return capture.DropMPLS
	case etherPPPoE, etherPPPoEDisc:
		return capture.DropPPPoE
	}
	return capture.DropEtherType
}
