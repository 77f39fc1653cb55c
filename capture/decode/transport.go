package decode

import (
	"encoding/binary"

	"heptap/capture"
)

// Header sizes in octets.
const (
	udpHeader  = 8
	tcpHeader  = 20
	sctpHeader = 12
)

// transport reads what an IP packet carries. It fills in p and returns 0, or
// opens a tunnel and returns the ethertype of what is in it.
func (d *decoder) transport(p *capture.Packet) (etherType uint16, reason capture.DropReason) {
	switch {
	case d.fragment.Valid:
		d.fill(p, 0, 0, d.b[:len(d.b):len(d.b)], d.wire)
		p.TCP, p.SCTP, p.Fragment = capture.TCP{}, capture.SCTP{}, d.fragment
		return 0, capture.DropNone
	case d.protocol == protoUDP:
		return d.udp(p)
	case d.protocol == protoTCP:
		return 0, d.tcp(p)
	case d.protocol == protoSCTP:
		return 0, d.sctp(p)
	}
	return d.openProtocol()
}

// udp reads a UDP header (RFC 768).
func (d *decoder) udp(p *capture.Packet) (uint16, capture.DropReason) {
	b := d.b
	if len(b) < udpHeader {
		return 0, capture.DropUDPShort
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length < udpHeader || length > d.wire {
		return 0, capture.DropUDPLength
	}
	end := min(length, len(b))
	payload := b[udpHeader:end:end]
	length -= udpHeader
	srcPort, dstPort := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if len(payload) > 0 {
		if mayTunnel(payload[0], srcPort, dstPort) {
			v := view{b: payload, wire: length, known: true}
			if etherType, reason := d.openUDP(v, srcPort, dstPort); etherType != 0 || reason != capture.DropNone {
				return etherType, reason
			}
		}
	} else if length > 0 {
		return 0, capture.DropUDPShort // it could be a tunnel
	}
	d.fill(p, srcPort, dstPort, payload, length)
	p.TCP, p.SCTP, p.Fragment = capture.TCP{}, capture.SCTP{}, capture.Fragment{}
	return 0, capture.DropNone
}

// tcp reads a TCP header (RFC 9293 3.1). When only its options are cut, there
// is still all that a segment is followed by.
func (d *decoder) tcp(p *capture.Packet) capture.DropReason {
	b := d.b
	if len(b) < tcpHeader {
		return capture.DropTCPShort
	}
	header := int(b[12]>>4) * 4
	if header < tcpHeader || header > d.wire {
		return capture.DropTCPLength
	}
	d.fill(p, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), b[min(header, len(b)):len(b):len(b)], d.wire-header)
	p.TCP = capture.TCP{
		Seq: binary.BigEndian.Uint32(b[4:]), Ack: binary.BigEndian.Uint32(b[8:]),
		Window: binary.BigEndian.Uint16(b[14:]), Flags: b[13] & (1<<6 - 1),
	}
	if p.TCP.Flags&capture.FlagSYN != 0 && header > tcpHeader {
		p.TCP.MSS = mss(b[tcpHeader:min(header, len(b))])
	}
	p.SCTP, p.Fragment = capture.SCTP{}, capture.Fragment{}
	return capture.DropNone
}

// mss finds the maximum segment size among the options of a TCP header (RFC
// 9293 3.2).
func mss(b []byte) uint16 {
	const end, nop, kind, size = 0, 1, 2, 4
	for len(b) >= 2 && b[0] != end {
		switch {
		case b[0] == nop:
			b = b[1:]
		case b[0] == kind && b[1] == size && len(b) >= size:
			return binary.BigEndian.Uint16(b[2:])
		case b[1] < 2 || int(b[1]) > len(b):
			return 0
		default:
			b = b[b[1]:]
		}
	}
	return 0
}

// sctp reads the common header of SCTP (RFC 9260 3.1).
func (d *decoder) sctp(p *capture.Packet) capture.DropReason {
	b := d.b
	if len(b) < sctpHeader {
		return capture.DropSCTPShort
	}
	d.fill(p, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), b[sctpHeader:len(b):len(b)], d.wire-sctpHeader)
	p.SCTP.VTag = binary.BigEndian.Uint32(b[4:])
	p.TCP, p.Fragment = capture.TCP{}, capture.Fragment{}
	return capture.DropNone
}
