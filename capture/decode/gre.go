package decode

import "heptap/capture"

// Protocol types of GRE that are no ethertypes of ours.
const (
	greERSPAN  = 0x88be // types I and II
	greERSPAN3 = 0x22eb
)

// Flags of the GRE header.
const (
	greChecksum = 0x8000
	greRouting  = 0x4000
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080 // version 1 only
)

// gre reads a GRE header (RFC 2784, RFC 2890; with routing RFC 1701).
func (d *decoder) gre() (uint16, capture.DropReason) {
	if reason := d.enter(capture.EncapGRE, 4); reason != capture.DropNone {
		return 0, reason
	}
	flags, etherType := d.u16(0), d.u16(2)
	switch flags & 7 {
	case 0:
	case 1:
		return d.pptp(flags, etherType)
	default:
		return d.unreadable(protoGRE)
	}
	d.skip(4)
	if flags&(greChecksum|greRouting) != 0 {
		if len(d.b) < 4 {
			return 0, capture.DropTunnelShort
		}
		d.skip(4)
	}
	var key uint32
	if flags&greKey != 0 {
		if len(d.b) < 4 {
			return 0, capture.DropTunnelShort
		}
		key = uint32(d.u16(0))<<16 | uint32(d.u16(2))
		d.skip(4)
	}
	if flags&greSequence != 0 {
		if len(d.b) < 4 {
			return 0, capture.DropTunnelShort
		}
		d.skip(4)
	}
	if flags&greRouting != 0 {
		if reason := d.greRoutes(); reason != capture.DropNone {
			return 0, reason
		}
	}
	switch etherType {
	case greERSPAN:
		return d.erspan(flags&greSequence != 0)
	case greERSPAN3:
		return d.erspan3()
	case etherFrame:
		d.greNetwork(key)
		return etherFrame, capture.DropNone
	}
	d.network(idGRE, key)
	if etherType < minEtherType { // 0 is Cisco's keep-alive
		d.unknown = etherType
		return 0, capture.DropEtherType
	}
	return etherType, capture.DropNone
}

// greNetwork takes note of the key around an Ethernet frame. In NVGRE (RFC 7637
// 3.2) its low octet belongs to a flow, and virtual subnets below 0x1000 are
// reserved: those are plain keys.
func (d *decoder) greNetwork(key uint32) {
	if vsid := key >> 8; vsid >= 0x1000 {
		d.network(idNVGRE, vsid)
		return
	}
	d.network(idGRE, key)
}

// greRoutes skips source route entries (RFC 1701): address family, offset,
// length, and so many octets; the last one has neither family nor length.
func (d *decoder) greRoutes() capture.DropReason {
	for range 16 {
		if len(d.b) < 4 {
			return capture.DropTunnelShort
		}
		family, length := d.u16(0), int(d.b[3])
		d.skip(4)
		if family == 0 && length == 0 {
			return capture.DropNone
		}
		if len(d.b) < length {
			return capture.DropTunnelShort
		}
		d.skip(length)
	}
	d.unknown = protoGRE
	return capture.DropTunnel
}

// pptp reads version 1 of GRE around PPP (RFC 2637 4.1). The key is length and
// call id, which differs by direction.
func (d *decoder) pptp(flags, etherType uint16) (uint16, capture.DropReason) {
	size := 8
	if flags&greSequence != 0 {
		size += 4
	}
	if flags&greAck != 0 {
		size += 4
	}
	if len(d.b) < size {
		return 0, capture.DropTunnelShort
	}
	length := int(d.u16(4))
	if etherType != etherPPP || flags&(greChecksum|greRouting|greKey) != greKey || flags&greSequence == 0 || length == 0 {
		return d.unreadable(protoGRE) // an acknowledgement has no payload
	}
	d.skip(size)
	d.b = d.b[:min(length, len(d.b))]
	d.wire, d.known = length, true
	return etherPPP, capture.DropNone
}

// erspan reads types I and II (draft-foschiano-erspan 4.1, 4.2). Type I has no
// header of its own, and its GRE no sequence number.
func (d *decoder) erspan(sequence bool) (uint16, capture.DropReason) {
	const header = 8
	d.encap |= capture.EncapERSPAN
	if len(d.b) == 0 {
		return 0, capture.DropTunnelShort
	}
	version := d.b[0] >> 4
	if !sequence && version == 1 { // type II without its number, or an address that begins with 1
		switch d.isEthernet(likely) {
		case yes:
			version = 0
		case cut:
			return 0, capture.DropTunnelShort
		}
	}
	switch {
	case version == 1:
		if len(d.b) < header {
			return 0, capture.DropTunnelShort
		}
		d.skip(header)
	case version == 2 && sequence:
		return d.erspan3()
	}
	return etherFrame, capture.DropNone
}

// erspan3 reads type III (draft-foschiano-erspan 4.3).
func (d *decoder) erspan3() (uint16, capture.DropReason) {
	header := 12
	d.encap |= capture.EncapERSPAN
	if len(d.b) < header {
		return 0, capture.DropTunnelShort
	}
	if d.b[0]>>4 != 2 {
		return d.unreadable(greERSPAN3)
	}
	frameType := d.b[10] >> 2 & 0x1f
	if d.b[11]&1 != 0 { // the platform's own subheader
		header += 8
	}
	if len(d.b) < header {
		return 0, capture.DropTunnelShort
	}
	d.skip(header)
	switch frameType {
	case 0:
		return etherFrame, capture.DropNone
	case 2:
		return d.rawIP(capture.DropTunnelShort)
	}
	return d.unreadable(greERSPAN3)
}
