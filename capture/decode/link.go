package decode

import (
	"encoding/binary"

	"heptap/capture"
)

// Ethertypes (IANA, IEEE 802 numbers).
const (
	etherIPv4      = 0x0800
	etherARP       = 0x0806
	etherFrame     = 0x6558 // a whole Ethernet frame: transparent Ethernet bridging
	etherRARP      = 0x8035
	etherVLAN      = 0x8100 // 802.1Q
	etherIPv6      = 0x86dd
	etherPPP       = 0x880b
	etherMPLS      = 0x8847
	etherMPLSMulti = 0x8848
	etherPPPoEDisc = 0x8863
	etherPPPoE     = 0x8864
	etherQinQ      = 0x88a8 // 802.1ad service tag
	etherMACsec    = 0x88e5
	etherPBB       = 0x88e7 // 802.1ah backbone service instance tag
	etherVNTag     = 0x8926 // Cisco
	etherETag      = 0x893f // 802.1BR
	etherNSH       = 0x894f
	etherQinQOld1  = 0x9100 // service tags before 802.1ad
	etherQinQOld2  = 0x9200
	etherQinQOld3  = 0x9300

	minEtherType = 0x0600 // below: an 802.3 length, or LLC in a cooked header
)

// Sizes in octets.
const (
	etherHeader = 14
	vlanTag     = 4
	vnTag       = 6
	eTag        = 8
	pbbTag      = 4 // up to the inner addresses
	snapHeader  = 8
	islHeader   = 26
	nullHeader  = 4
	sllHeader   = 16
	sll2Header  = 20
)

// isTag says whether etherType announces a VLAN tag.
func isTag(etherType uint16) bool {
	switch etherType {
	case etherVLAN, etherQinQ, etherQinQOld1, etherQinQOld2, etherQinQOld3:
		return true
	}
	return false
}

// isKnown says whether etherType is one that real networks carry.
func isKnown(etherType uint16) bool {
	switch etherType {
	case etherIPv4, etherARP, etherRARP, etherIPv6, etherMPLS, etherMPLSMulti, etherPPPoEDisc, etherPPPoE, etherMACsec, etherPBB,
		etherVNTag, etherETag, etherNSH,
		0x0842, // wake on LAN
		0x22f3, // TRILL
		0x8137, // IPX
		0x8808, // flow control
		0x8809, // slow protocols: LACP
		0x888e, // 802.1X
		0x8892, // PROFINET
		0x88b8, // GOOSE
		0x88ba, // sampled values
		0x88cc, // LLDP
		0x88e1, // HomePlug
		0x88f5, // MVRP
		0x88f7, // PTP
		0x8902, // connectivity fault management
		0x8906, // Fibre Channel
		0x8914, // its initialisation
		0x8915, // RDMA
		0x9000: // loop test
		return true
	}
	return isTag(etherType)
}

// tag takes the next VLAN tag inwards, given as its tag control information.
func (d *decoder) tag(tci uint16) {
	d.tags++
	d.vid, d.hasVLAN = tci&0x0fff, true
	d.encap |= capture.EncapVLAN
}

// link reads the link header of f and returns the ethertype of what follows.
// For links without an ethertype it answers with that of IPv4 or IPv6.
func (d *decoder) link(f *capture.Frame) (etherType uint16, reason capture.DropReason) {
	d.b, d.wire = f.Data, max(f.Length, len(f.Data))
	switch f.Link {
	case capture.LinkEthernet:
		return d.ethernet()
	case capture.LinkLinuxSLL:
		if len(d.b) < sllHeader {
			return 0, capture.DropLinkShort
		}
		etherType = d.u16(sllHeader - 2)
		d.skip(sllHeader)
		return etherType, capture.DropNone
	case capture.LinkLinuxSLL2:
		if len(d.b) < sll2Header {
			return 0, capture.DropLinkShort
		}
		etherType = d.u16(0)
		d.skip(sll2Header)
		return etherType, capture.DropNone
	case capture.LinkRaw, capture.LinkRaw12, capture.LinkRaw14:
		return d.rawIP(capture.DropIPShort)
	case capture.LinkIPv4:
		return etherIPv4, capture.DropNone
	case capture.LinkIPv6:
		return etherIPv6, capture.DropNone
	case capture.LinkNull, capture.LinkLoop:
		return d.loopback(f.Link == capture.LinkNull)
	}
	d.unknown = uint16(f.Link)
	return 0, capture.DropLinkType
}

// ethernet reads the addresses and the ethertype of an Ethernet frame.
func (d *decoder) ethernet() (uint16, capture.DropReason) {
	if len(d.b) < etherHeader {
		return 0, capture.DropLinkShort
	}
	etherType := d.u16(etherHeader - 2)
	if etherType < minEtherType && isISL(d.b) {
		return d.isl()
	}
	d.addresses = capture.Ethernet{Dst: [6]byte(d.b), Src: [6]byte(d.b[6:])}
	d.skip(etherHeader)
	return etherType, capture.DropNone
}

// open reads the header that etherType, neither IPv4 nor IPv6, announces, and
// returns the next ethertype.
func (d *decoder) open(etherType uint16) (uint16, capture.DropReason) {
	switch etherType {
	case etherVLAN, etherQinQ, etherQinQOld1, etherQinQOld2, etherQinQOld3:
		if d.tags == capture.MaxVLANTags {
			return 0, capture.DropVLANDepth
		}
		if len(d.b) < vlanTag {
			return 0, capture.DropLinkShort
		}
		d.tag(d.u16(0))
		return d.tagged(vlanTag)
	case etherVNTag:
		return d.portTag(vnTag)
	case etherETag:
		return d.portTag(eTag)
	case etherFrame:
		d.tags = 0
		return d.ethernet()
	case etherARP, etherRARP:
		return 0, capture.DropARP
	case etherMPLS, etherMPLSMulti:
		return d.mpls()
	case etherPPPoE:
		return d.pppoe()
	case etherPPP:
		return d.ppp()
	case etherPPPoEDisc:
		return 0, capture.DropPPPoE
	case etherPBB:
		return d.pbb()
	case etherNSH:
		return d.nsh()
	case etherMACsec:
		return 0, capture.DropMACsec
	}
	if etherType < minEtherType {
		return d.snap()
	}
	d.unknown = etherType
	return 0, capture.DropEtherType
}

// tagged skips a tag of size octets that ends with an ethertype.
func (d *decoder) tagged(size int) (uint16, capture.DropReason) {
	etherType := d.u16(size - 2)
	d.skip(size)
	return etherType, capture.DropNone
}

// portTag skips the tag of a port extender, which names a port, not a VLAN.
func (d *decoder) portTag(size int) (uint16, capture.DropReason) {
	if d.tags == capture.MaxVLANTags {
		return 0, capture.DropVLANDepth
	}
	if len(d.b) < size {
		return 0, capture.DropLinkShort
	}
	d.tags++
	d.encap |= capture.EncapOther
	return d.tagged(size)
}

// snap reads an LLC header. IP under SNAP (RFC 1042) is opened, all other LLC
// is spanning tree and its kind.
func (d *decoder) snap() (uint16, capture.DropReason) {
	const header = "\xaa\xaa\x03\x00\x00\x00" // DSAP, SSAP, UI, organisation 0
	if n := min(len(header), len(d.b)); string(d.b[:n]) != header[:n] {
		if n >= 2 {
			d.unknown = d.u16(0)
		}
		return 0, capture.DropLLC
	}
	if len(d.b) < snapHeader {
		return 0, capture.DropLinkShort
	}
	etherType := d.u16(len(header))
	if etherType != etherIPv4 && etherType != etherIPv6 {
		d.unknown = d.u16(0)
		return 0, capture.DropLLC
	}
	d.skip(snapHeader)
	return etherType, capture.DropNone
}

// isISL says whether b, an Ethernet header, is the beginning of one of Cisco's
// inter-switch link: its destination address, which ends in type and user bits.
func isISL(b []byte) bool {
	return (b[0] == 0x01 || b[0] == 0x03) && string(b[1:5]) == "\x00\x0c\x00\x00"
}

// isl reads an inter-switch link header around an Ethernet frame: after the
// Ethernet header SNAP of Cisco's, 15 bits of VLAN id, and 5 octets of no
// interest.
func (d *decoder) isl() (uint16, capture.DropReason) {
	if reason := d.enter(capture.EncapVLAN, islHeader); reason != capture.DropNone {
		return 0, reason
	}
	d.tag(d.u16(20) >> 1)
	d.skip(islHeader)
	return etherFrame, capture.DropNone
}

// rawIP tells IPv4 from IPv6 by the version field. short is the reason when
// there is none.
func (d *decoder) rawIP(short capture.DropReason) (uint16, capture.DropReason) {
	if len(d.b) == 0 {
		return 0, short
	}
	switch d.b[0] >> 4 {
	case 4:
		return etherIPv4, capture.DropNone
	case 6:
		return etherIPv6, capture.DropNone
	}
	return 0, capture.DropIPVersion
}

// loopback reads the address family before the packet. LINKTYPE_NULL has it
// in the order of the machine that captured, which nobody recorded: all
// families are below 256, so either order is told from the other.
func (d *decoder) loopback(anyOrder bool) (uint16, capture.DropReason) {
	if len(d.b) < nullHeader {
		return 0, capture.DropLinkShort
	}
	family := binary.BigEndian.Uint32(d.b)
	if anyOrder && family > 0xffff {
		family = binary.LittleEndian.Uint32(d.b)
	}
	switch family {
	case 2: // AF_INET everywhere
		d.skip(nullHeader)
		return etherIPv4, capture.DropNone
	case 24, 28, 30: // AF_INET6 of NetBSD and OpenBSD, FreeBSD, Darwin
		d.skip(nullHeader)
		return etherIPv6, capture.DropNone
	}
	d.unknown = uint16(family)
	return 0, capture.DropEtherType
}
