package decode

import "heptap/capture"

// Ports of tunnels over UDP (IANA, but for those said to be somebody's).
const (
	portL2TP     = 1701
	portGTP      = 2152
	portTeredo   = 3544
	portVXLAN    = 4789
	portVXLANGPE = 4790
	portGeneve   = 6081
	portHPERM    = 7932 // Hewlett-Packard's
	portVXLANOld = 8472 // Linux's, from before there was a number
	portTZSP     = 37008
)

// mayTunnel says from its first octet whether a datagram may be a tunnel. RTP
// and RTCP begin with 0x80 to 0xbf, SIP with a letter: of what may be found on
// any port nothing does.
func mayTunnel(first byte, src, dst uint16) bool {
	if first < 0x40 {
		return true
	}
	if first >= 0x80 { // RTP, or VXLAN with a group policy
		return first == 0x88 && (isVXLAN(dst) || isVXLAN(src))
	}
	return dst == portL2TP || src == portL2TP || dst == portTeredo || src == portTeredo
}

func isVXLAN(port uint16) bool { return port == portVXLAN || port == portVXLANOld }

// tunnelUDP is what a datagram is found to carry.
type tunnelUDP struct {
	is        verdict
	what      capture.Encap
	etherType uint16 // of what is inside
	skip      int    // octets before it
	kind, id  uint32 // of the network; kind 0 for none
}

// openUDP opens the tunnel in a datagram, or returns 0 and no reason when it is
// none. On the ports of tunnels the content must agree; on any other it must
// prove that it is one.
func (d *decoder) openUDP(v view, src, dst uint16) (uint16, capture.DropReason) {
	t := v.onPort(dst)
	if t.is == no {
		t = v.onPort(src)
	}
	if t.is == no {
		t = v.anywhere()
	}
	switch t.is {
	case no:
		return 0, capture.DropNone
	case cut:
		return 0, capture.DropTunnelShort
	}
	if reason := d.enter(t.what, 0); reason != capture.DropNone {
		return 0, reason
	}
	if t.kind != 0 {
		d.network(t.kind, t.id)
	}
	d.view = v.from(t.skip)
	return t.etherType, capture.DropNone
}

// onPort judges the content of a datagram by what the port, most often of its
// destination, is for.
func (v view) onPort(port uint16) (t tunnelUDP) {
	switch port {
	case portVXLAN, portVXLANOld, portVXLANGPE:
		return v.vxlan(possible)
	case portGeneve:
		return v.geneve()
	case portGTP:
		return v.gtp(possible)
	case portTZSP:
		return v.tzsp(possible)
	case portHPERM:
		return v.hperm()
	case portL2TP:
		return v.l2tp()
	case portTeredo:
		return v.teredo()
	}
	return t
}

// anywhere judges by content alone.
func (v view) anywhere() (t tunnelUDP) {
	switch {
	case v.b[0] == 0x08:
		return v.vxlan(certain)
	case v.b[0]&0xf8 == 0x30:
		return v.gtp(certain)
	case v.b[0] == 0x01:
		return v.tzsp(certain)
	}
	return t
}

// inside judges what a tunnel carries.
func (v view) inside(etherType uint16, want proof) verdict {
	switch etherType {
	case etherIPv4:
		return v.isIPv4(want)
	case etherIPv6:
		return v.isIPv6(want)
	case etherFrame:
		return v.isEthernet(want)
	}
	if want == certain {
		return no
	}
	return yes
}

// vxlan judges VXLAN (RFC 7348 5), with the group policy and generic protocol
// extensions (draft-smith-vxlan-group-policy, draft-ietf-nvo3-vxlan-gpe).
func (v view) vxlan(want proof) (t tunnelUDP) {
	const header = 8
	const flagVNI, flagNext, flagPolicy = 0x08, 0x04, 0x80
	if t.is = v.has(header); t.is != yes {
		return t
	}
	t.is = no
	flags, etherType := v.b[0], uint16(etherFrame)
	switch {
	case flags&flagVNI == 0 || v.b[7] != 0:
		return t
	case flags == flagVNI:
		if v.u16(1) != 0 || v.b[3] != 0 {
			return t
		}
	case flags == flagVNI|flagPolicy: // don't learn and policy applied, then the group
		if v.b[1]&^0x48 != 0 {
			return t
		}
	case flags == flagVNI|flagNext:
		if etherType = nextProtocol(v.b[3]); v.u16(1) != 0 || etherType == 0 {
			return t
		}
	default: // another version, or operation and maintenance
		return t
	}
	t.what, t.etherType, t.skip = capture.EncapVXLAN, etherType, header
	t.kind, t.id = idVXLAN, uint32(v.u16(4))<<8|uint32(v.b[6])
	t.is = v.from(header).inside(etherType, want)
	return t
}

// geneve judges Geneve (RFC 8926 3.4, 3.5).
func (v view) geneve() (t tunnelUDP) {
	header := 8
	if t.is = v.has(header); t.is != yes {
		return t
	}
	t.is = no
	if v.b[0]>>6 != 0 || v.b[1]&0x3f != 0 || v.b[7] != 0 || v.u16(2) < minEtherType {
		return t
	}
	end := header + int(v.b[0]&0x3f)*4
	for header < end {
		if t.is = v.has(header + 4); t.is != yes {
			return t
		}
		header += 4 + int(v.b[header+3]&0x1f)*4
	}
	t.is = no
	if header != end {
		return t
	}
	if t.is = v.has(end); t.is != yes {
		return t
	}
	t.what, t.etherType, t.skip = capture.EncapGeneve, v.u16(2), end
	t.kind, t.id = idGeneve, uint32(v.u16(4))<<8|uint32(v.b[6])
	t.is = v.from(end).inside(t.etherType, possible)
	return t
}

// tzsp judges the TaZmen sniffer protocol: version 1, a received or a sent
// frame, Ethernet, then tags up to an end tag.
func (v view) tzsp(want proof) (t tunnelUDP) {
	if t.is = v.has(4); t.is != yes {
		return t
	}
	t.is = no
	if v.b[0] != 1 || v.b[1] > 1 || v.u16(2) != 1 {
		return t
	}
	off := 4
	for range 64 {
		if t.is = v.has(off + 1); t.is != yes {
			return t
		}
		switch v.b[off] {
		case 0: // padding
			off++
		case 1: // end
			t.what, t.etherType, t.skip = capture.EncapTZSP, etherFrame, off+1
			t.is = v.from(t.skip).isEthernet(max(want, likely))
			return t
		default:
			if t.is = v.has(off + 2); t.is != yes {
				return t
			}
			off += 2 + int(v.b[off+1])
		}
	}
	t.is = no
	return t
}

// hperm judges Hewlett-Packard's encapsulated remote mirroring: twelve octets
// that nobody has described, then a frame.
func (v view) hperm() (t tunnelUDP) {
	const header = 12
	t.what, t.etherType, t.skip = capture.EncapHPERM, etherFrame, header
	t.is = v.from(header).isEthernet(likely)
	return t
}

// gtp judges a G-PDU of GTP-U (3GPP TS 29.281 5.1, 5.2).
func (v view) gtp(want proof) (t tunnelUDP) {
	const flagExtension, flagAny = 4, 7
	header := 8
	if t.is = v.has(header); t.is != yes {
		return t
	}
	t.is = no
	length := header + int(v.u16(2))
	if v.b[0]>>3 != 6 || v.b[1] != 0xff || length > v.wire || want == certain && length != v.wire {
		return t
	}
	v.b, v.wire = v.b[:min(length, len(v.b))], length
	if v.b[0]&flagAny != 0 { // sequence number, N-PDU number and next type are there or not together
		header += 4
		if t.is = v.has(header); t.is != yes {
			return t
		}
		next := v.b[0]&flagExtension != 0 && v.b[11] != 0
		for next {
			if t.is = v.has(header + 1); t.is != yes {
				return t
			}
			size := int(v.b[header]) * 4
			if size == 0 {
				t.is = no
				return t
			}
			header += size
			if t.is = v.has(header); t.is != yes {
				return t
			}
			next = v.b[header-1] != 0
		}
	}
	if t.is = v.has(header + 1); t.is != yes {
		return t
	}
	t.what, t.skip = capture.EncapGTP, header
	in := v.from(header)
	switch in.b[0] >> 4 {
	case 4:
		t.etherType, t.is = etherIPv4, in.isIPv4(want)
	case 6:
		t.etherType, t.is = etherIPv6, in.isIPv6(max(want, likely))
	default: // a session of Ethernet, not of IP
		t.etherType, t.is = etherFrame, in.isEthernet(max(want, likely))
	}
	return t
}

// l2tp judges a data message over UDP of L2TPv2 with PPP in it (RFC 2661 3.1),
// or of L2TPv3 with Ethernet (RFC 3931 4.1.2).
func (v view) l2tp() (t tunnelUDP) {
	const flagControl, flagLength, flagSequence, flagOffset = 0x8000, 0x4000, 0x0800, 0x0200
	const reserved = 0x34f0
	if t.is = v.has(8); t.is != yes {
		return t
	}
	t.is, t.what = no, capture.EncapOther
	flags := v.u16(0)
	switch {
	case flags == 3: // version 3
		if v.u16(2) != 0 || v.u16(4) == 0 && v.u16(6) == 0 {
			return t
		}
		t.etherType = etherFrame
		t.skip, t.is = pseudowire(v.from(8), likely)
		t.skip += 8
		return t
	case flags&(flagControl|reserved|15) != 2:
		return t
	}
	off := 6
	if flags&flagLength != 0 {
		if int(v.u16(2)) != v.wire {
			return t
		}
		off += 2
	}
	if flags&flagSequence != 0 {
		off += 4
	}
	if flags&flagOffset != 0 {
		if t.is = v.has(off + 2); t.is != yes {
			return t
		}
		off += 2 + int(v.u16(off))
	}
	t.etherType, t.skip = etherPPP, off
	t.is = v.from(off).pppOverUDP()
	return t
}

// pppOverUDP judges PPP: IP, or a control protocol (0xc000 and above, RFC 1661
// 2) behind address and control fields.
func (v view) pppOverUDP() verdict {
	off := 0
	if r := v.has(4); r != yes {
		return r
	}
	if v.u16(0) == 0xff03 {
		off = 2
	}
	protocol := uint16(v.b[off])
	if off++; protocol&1 == 0 {
		protocol = v.u16(off - 1)
		off++
	}
	switch {
	case protocol == 0x0021:
		return v.from(off).isIPv4(possible)
	case protocol == 0x0057:
		return v.from(off).isIPv6(likely)
	case protocol >= 0x8000 && v.u16(0) == 0xff03:
		return yes
	}
	return no
}

// teredo judges an IPv6 packet to or from a Teredo server or relay (RFC 4380
// 5.1.1), which ends with the datagram.
func (v view) teredo() (t tunnelUDP) {
	off := 0
	if t.is = v.has(2); t.is != yes {
		return t
	}
	if v.u16(0) == 1 { // authentication
		if t.is = v.has(4); t.is != yes {
			return t
		}
		off = 4 + int(v.b[2]) + int(v.b[3]) + 9
		if t.is = v.has(off + 2); t.is != yes {
			return t
		}
	}
	if v.u16(off) == 0 { // origin indication
		off += 8
	}
	t.what, t.etherType, t.skip = capture.EncapOther, etherIPv6, off
	t.is = v.from(off).isIPv6(certain)
	return t
}
