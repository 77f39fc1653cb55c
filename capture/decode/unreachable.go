package decode

import (
	"encoding/binary"

	"heptap/capture"
)

// ICMP types that say that a packet did not arrive.
const (
	icmpUnreachable   = 3 // RFC 792
	icmpv6Unreachable = 1 // RFC 4443 3.1
	icmpHeader        = 8
)

// Unreachable reads a frame of which Decode has said DropICMP. It reports
// whether it is an ICMP or ICMPv6 error that says that a TCP segment did not reach
// its destination, and then fills in p: with the addresses, ports and TCP.Seq of
// the segment that it quotes, and with ICMP's type and code in Unknown, the type in
// the high octet. Protocol is ProtoICMP, TCP has nothing else, Payload is empty.
func Unreachable(f *capture.Frame, p *capture.Packet) bool {
	var d decoder
	if f.HasVLAN {
		d.tag(f.VLANTCI)
	}
	etherType, reason := d.link(f)
	if reason != capture.DropNone || d.walk(etherType, p) != capture.DropICMP {
		return false
	}
	v6 := d.protocol == protoICMPv6
	if len(d.b) < icmpHeader || !v6 && d.b[0] != icmpUnreachable || v6 && (d.b[0] != icmpv6Unreachable || len(d.src) != 16) {
		return false
	}
	what := binary.BigEndian.Uint16(d.b)
	if !d.quote(d.b[icmpHeader:], v6) {
		return false
	}
	d.protocol = protoICMP
	d.fill(p, binary.BigEndian.Uint16(d.b), binary.BigEndian.Uint16(d.b[2:]), nil, 0)
	p.TCP, p.SCTP, p.Fragment = capture.TCP{Seq: binary.BigEndian.Uint32(d.b[4:])}, capture.SCTP{}, capture.Fragment{}
	p.Unknown = what
	p.Wall, p.Mono, p.Port = f.Wall, f.Mono, f.Port
	return true
}

// quote moves d to the TCP header of the packet that an error quotes, of which
// there are at least ports and sequence number (RFC 792: 64 bits of data).
func (d *decoder) quote(b []byte, v6 bool) bool {
	const enough = 8
	var header int
	switch {
	case v6 && len(b) >= ipv6Header && b[0]>>4 == 6:
		header, d.protocol = ipv6Header, b[6]
		d.src, d.dst = b[8:24:24], b[24:40:40]
	case !v6 && len(b) >= ipv4Header && b[0]>>4 == 4 && binary.BigEndian.Uint16(b[6:])&0x1fff == 0:
		header, d.protocol = int(b[0]&0x0f)*4, b[9]
		d.src, d.dst = b[12:16:16], b[16:20:20]
	default:
		return false
	}
	if d.protocol != protoTCP || header < ipv4Header || len(b) < header+enough {
		return false
	}
	d.b = b[header:]
	return true
}
