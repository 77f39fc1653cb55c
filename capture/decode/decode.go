package decode

import (
	"encoding/binary"

	"heptap/capture"
)

// Header sizes in octets.
const (
	udpHeader   = 8
	ipv4Header  = 20
	ipv6Header  = 40
	etherHeader = 14
	vlanTag     = 4
	snapHeader  = 8
	nullHeader  = 4
	sllHeader   = 16
	sll2Header  = 20
)

// Decode fills in p from the UDP datagram in f and returns
// capture.DropNone. p's slices borrow from f.Data. Any other reason says why f
// is not one; p is then left as it was.
func Decode(f *capture.Frame, p *capture.Packet) capture.DropReason {
	var t tags
	if f.HasVLAN {
		t.push(f.VLANTCI)
	}
	etherType, off, reason := network(f, &t)
	if reason != capture.DropNone {
		return reason
	}
	var ip packet
	wire := max(f.Length, len(f.Data)) - off
	switch etherType {
	case etherIPv4:
		reason = ip.parseIPv4(f.Data[off:], wire)
	case etherIPv6:
		reason = ip.parseIPv6(f.Data[off:], wire)
	default:
		return etherTypeReason(etherType)
	}
	if reason != capture.DropNone {
		return reason
	}
	if ip.protocol != capture.ProtoUDP {
		return protocolReason(ip.protocol)
	}
	b := ip.payload
	if len(b) < udpHeader {
		return capture.DropUDPShort
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length < udpHeader || length > ip.length {
		return capture.DropUDPLength
	}
	end := min(length, len(b))
	// Field by field: a composite literal is built on the stack and copied.
	p.Src, p.Dst = ip.src, ip.dst
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.Payload = b[udpHeader:end:end]
	p.Wall, p.Mono, p.Port = f.Wall, f.Mono, f.Port
	p.VLAN, p.HasVLAN = t.vid, t.n > 0
	p.IPID, p.TTL, p.TOS = ip.id, ip.ttl, ip.tos
	p.Protocol = capture.ProtoUDP
	p.Truncated = length > end
	return capture.DropNone
}

// protocolReason says why a packet of an IP protocol other than UDP is not
// decoded.
func protocolReason(protocol uint8) capture.DropReason {
	switch protocol {
	case capture.ProtoTCP:
		return capture.DropTCP
	case capture.ProtoSCTP:
		return capture.DropSCTP
	case protoICMP, protoICMPv6:
		return capture.DropICMP
	case protoIGMP:
		return capture.DropIGMP
	case protoIPIP, protoIPv6, protoGRE, protoEtherIP, protoL2TP, protoMPLS:
		return capture.DropTunnel
	}
	return capture.DropIPProtocol
}
