package decode

import (
	"encoding/binary"

	"heptap/capture"
)

// plain decodes what nearly every frame of a busy port is, RTP over UDP over IP
// without options over Ethernet, at half the cost of the general way: nothing of
// it is ever out of a register. It returns false for all that is anything else
// or may be a tunnel, and then has not touched p. Where it returns true, the
// general way would have filled in the same.
func plain(f *capture.Frame, p *capture.Packet) bool {
	b := f.Data
	off := etherHeader
	var ethernet capture.Ethernet
	if f.Link == capture.LinkLinuxSLL {
		off = sllHeader
	} else if f.Link != capture.LinkEthernet {
		return false
	}
	if len(b) < off+ipv4Header+udpHeader {
		return false
	}
	etherType := binary.BigEndian.Uint16(b[off-2:])
	if off == etherHeader {
		ethernet = capture.Ethernet{Dst: [6]byte(b), Src: [6]byte(b[6:])}
	}
	vid, tags, encap := f.VLANTCI&0x0fff, 1, capture.EncapVLAN
	if !f.HasVLAN {
		vid, tags, encap = 0, 0, 0
	}
	for etherType == etherVLAN || etherType == etherQinQ {
		if tags++; tags > capture.MaxVLANTags || len(b) < off+vlanTag {
			return false
		}
		vid, encap = binary.BigEndian.Uint16(b[off:])&0x0fff, capture.EncapVLAN
		etherType = binary.BigEndian.Uint16(b[off+2:])
		off += vlanTag
	}
	b = b[off:]
	var src, dst []byte
	var wire int
	var id uint16
	var tos, ttl byte
	switch {
	case etherType == etherIPv4 && len(b) >= ipv4Header+udpHeader && b[0] == 0x45 && b[9] == protoUDP && binary.BigEndian.Uint16(b[6:])&0x3fff == 0:
		wire = int(binary.BigEndian.Uint16(b[2:])) - ipv4Header
		src, dst = b[12:16:16], b[16:20:20]
		id, tos, ttl = binary.BigEndian.Uint16(b[4:]), b[1], b[8]
		b = b[ipv4Header:]
	case etherType == etherIPv6 && len(b) >= ipv6Header+udpHeader && b[0]>>4 == 6 && b[6] == protoUDP:
		wire = int(binary.BigEndian.Uint16(b[4:]))
		src, dst = b[8:24:24], b[24:40:40]
		tos, ttl = b[0]<<4|b[1]>>4, b[7]
		b = b[ipv6Header:]
	default:
		return false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	end := min(length, len(b))
	if end <= udpHeader || length > wire {
		return false
	}
	srcPort, dstPort := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if mayTunnel(b[udpHeader], srcPort, dstPort) {
		return false
	}
	p.Src, p.Dst = src, dst
	p.SrcPort, p.DstPort = srcPort, dstPort
	p.Payload = b[udpHeader:end:end]
	p.Wall, p.Mono, p.Port = f.Wall, f.Mono, f.Port
	p.Length, p.Truncated = length-udpHeader, length > end
	p.Tunnel, p.Encap, p.Depth = 0, encap, 0
	p.VLAN, p.HasVLAN = vid, tags > 0
	p.IPID, p.TTL, p.TOS, p.Protocol = id, ttl, tos, protoUDP
	p.Unknown, p.Ethernet = 0, ethernet
	p.TCP, p.SCTP, p.Fragment = capture.TCP{}, capture.SCTP{}, capture.Fragment{}
	return true
}
