package decode

import "heptap/capture"

// The kinds of network ids that tell tunnels apart.
const (
	idVXLAN = iota + 1
	idGeneve
	idGRE
	idNVGRE
)

// enter takes note that an encapsulation with a header of at least size octets
// is opened.
func (d *decoder) enter(what capture.Encap, size int) capture.DropReason {
	if len(d.b) < size {
		return capture.DropTunnelShort
	}
	if d.layers >= capture.MaxEncaps {
		return capture.DropTunnelDepth
	}
	d.layers++
	d.encap |= what
	return capture.DropNone
}

// network takes note of a network id, which is in both directions the same. 0
// stands for the network there is without one.
func (d *decoder) network(kind, id uint32) {
	if id == 0 {
		return
	}
	// The finaliser of MurmurHash3: different ids in one place stay different.
	h := (d.tunnel*0x9e3779b1 + kind<<28) ^ id
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	h ^= h >> 16
	d.tunnel = max(h, 1)
}

// unreadable is the end of a tunnel that we cannot open any further.
func (d *decoder) unreadable(what uint16) (uint16, capture.DropReason) {
	d.unknown = what
	return 0, capture.DropTunnel
}

// openProtocol reads what an IP protocol other than UDP, TCP and SCTP carries.
func (d *decoder) openProtocol() (uint16, capture.DropReason) {
	switch d.protocol {
	case protoIPIP:
		return etherIPv4, d.enter(capture.EncapIPIP, 0)
	case protoIPv6:
		return etherIPv6, d.enter(capture.EncapIPIP, 0)
	case protoGRE:
		return d.gre()
	case protoMPLS: // RFC 4023
		return etherMPLS, capture.DropNone
	case protoEtherIP:
		return d.etherIP()
	case protoL2TP:
		return d.l2tp3()
	case protoESP:
		return 0, capture.DropESP
	case protoICMP, protoICMPv6:
		return 0, capture.DropICMP
	case protoIGMP:
		return 0, capture.DropIGMP
	}
	d.unknown = uint16(d.protocol)
	return 0, capture.DropIPProtocol
}

// etherIP reads version and reserved bits of EtherIP (RFC 3378 3).
func (d *decoder) etherIP() (uint16, capture.DropReason) {
	if reason := d.enter(capture.EncapOther, 2); reason != capture.DropNone {
		return 0, reason
	}
	if d.u16(0) != 0x3000 {
		return d.unreadable(protoEtherIP)
	}
	d.skip(2)
	return etherFrame, capture.DropNone
}

// pbb reads the service instance tag of 802.1ah, a frame's own addresses behind
// it.
func (d *decoder) pbb() (uint16, capture.DropReason) {
	if reason := d.enter(capture.EncapOther, pbbTag); reason != capture.DropNone {
		return 0, reason
	}
	d.skip(pbbTag)
	return etherFrame, capture.DropNone
}

// nsh reads a network service header (RFC 8300 2.2).
func (d *decoder) nsh() (uint16, capture.DropReason) {
	if reason := d.enter(capture.EncapOther, 8); reason != capture.DropNone {
		return 0, reason
	}
	size := int(d.b[1]&0x3f) * 4
	next := nextProtocol(d.b[3])
	if d.b[0]>>5 != 0 || size < 8 || next == 0 { // a version, or operation and maintenance
		return d.unreadable(etherNSH)
	}
	if len(d.b) < size {
		return 0, capture.DropTunnelShort
	}
	d.skip(size)
	return next, capture.DropNone
}

// nextProtocol returns the ethertype for a next protocol of NSH (RFC 8300 9.1.4)
// and VXLAN-GPE, or 0.
func nextProtocol(n byte) uint16 {
	switch n {
	case 1:
		return etherIPv4
	case 2:
		return etherIPv6
	case 3:
		return etherFrame
	case 4:
		return etherNSH
	case 5:
		return etherMPLS
	}
	return 0
}

// maxLabels is how long a label stack may be.
const maxLabels = 16

// mpls reads a label stack (RFC 3032 2.1). Nothing in it says what is below.
func (d *decoder) mpls() (uint16, capture.DropReason) {
	if reason := d.enter(capture.EncapMPLS, 0); reason != capture.DropNone {
		return 0, reason
	}
	for range maxLabels {
		if len(d.b) < 4 {
			return 0, capture.DropTunnelShort
		}
		bottom := d.b[2]&1 != 0
		d.skip(4)
		if bottom {
			return d.underLabels()
		}
	}
	return 0, capture.DropMPLS
}

// underLabels tells IP and an Ethernet frame, with a control word before it or
// without, apart by content. The first nibble alone does not: an address may
// begin like an IP version (RFC 4928 3) or like a control word (RFC 4448 4.6).
func (d *decoder) underLabels() (uint16, capture.DropReason) {
	if len(d.b) == 0 {
		return 0, capture.DropTunnelShort
	}
	switch d.b[0] >> 4 {
	case 4:
		return d.firstOf(guess{d.isIPv4(certain), etherIPv4, 0}, guess{d.isEthernet(likely), etherFrame, 0}, guess{yes, etherIPv4, 0})
	case 6:
		return d.firstOf(guess{d.isEthernet(certain), etherFrame, 0}, guess{d.isIPv6(likely), etherIPv6, 0}, guess{d.isEthernet(likely), etherFrame, 0})
	}
	control := no
	if d.b[0] == 0 {
		control = d.from(4).isEthernet(likely)
	}
	return d.firstOf(guess{control, etherFrame, 4}, guess{d.isEthernet(likely), etherFrame, 0})
}

// guess is what may follow a label stack, behind skip octets.
type guess struct {
	is        verdict
	etherType uint16
	skip      int
}

// firstOf takes the first guess that holds.
func (d *decoder) firstOf(guesses ...guess) (uint16, capture.DropReason) {
	for _, g := range guesses {
		switch g.is {
		case yes:
			d.skip(g.skip)
			return g.etherType, capture.DropNone
		case cut:
			return 0, capture.DropTunnelShort
		}
	}
	return 0, capture.DropMPLS
}

// pppoe reads the header of a PPPoE session (RFC 2516 4).
func (d *decoder) pppoe() (uint16, capture.DropReason) {
	const header = 6
	if reason := d.enter(capture.EncapPPPoE, header); reason != capture.DropNone {
		return 0, reason
	}
	if d.u16(0) != 0x1100 { // version, type and code
		return 0, capture.DropPPPoE
	}
	length := int(d.u16(4))
	d.skip(header)
	d.b = d.b[:min(length, len(d.b))]
	d.wire, d.known = length, true
	return etherPPP, capture.DropNone
}

// ppp reads the protocol field of PPP (RFC 1661 2), with or without the address
// and control fields (RFC 1662 3.1), compressed to one octet or not.
func (d *decoder) ppp() (uint16, capture.DropReason) {
	if len(d.b) > 0 && d.b[0] == 0xff {
		if len(d.b) < 2 {
			return 0, capture.DropTunnelShort
		}
		if d.b[1] == 3 {
			d.skip(2)
		}
	}
	if len(d.b) == 0 {
		return 0, capture.DropTunnelShort
	}
	protocol, size := uint16(d.b[0]), 1
	if protocol&1 == 0 { // only the last octet is odd
		if len(d.b) < 2 {
			return 0, capture.DropTunnelShort
		}
		protocol, size = d.u16(0), 2
	}
	d.skip(size)
	switch protocol {
	case 0x0021:
		return etherIPv4, capture.DropNone
	case 0x0057:
		return etherIPv6, capture.DropNone
	case 0x0281:
		return etherMPLS, capture.DropNone
	case 0x0283:
		return etherMPLSMulti, capture.DropNone
	}
	d.unknown = protocol
	return 0, capture.DropPPP
}

// l2tp3 reads a data message of L2TPv3 over IP (RFC 3931 4.1.1).
func (d *decoder) l2tp3() (uint16, capture.DropReason) {
	if reason := d.enter(capture.EncapOther, 4); reason != capture.DropNone {
		return 0, reason
	}
	if d.u16(0) == 0 && d.u16(2) == 0 { // session 0: a control message
		return d.unreadable(protoL2TP)
	}
	skip, is := pseudowire(d.from(4), likely)
	switch is {
	case yes:
		d.skip(4 + skip)
		return etherFrame, capture.DropNone
	case cut:
		return 0, capture.DropTunnelShort
	}
	return d.unreadable(protoL2TP)
}

// pseudowire finds the Ethernet frame behind the session id of L2TPv3. Before it
// may be a cookie of 4 or 8 octets and a sublayer of 4: nothing says so but what
// the two ends agreed.
func pseudowire(v view, want proof) (skip int, is verdict) {
	for skip = 0; skip <= 12; skip += 4 {
		if is = v.from(skip).isEthernet(want); is != no {
			return skip, is
		}
	}
	return 0, no
}
