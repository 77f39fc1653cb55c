package decode

import (
	"encoding/binary"

	"heptap/capture"
)

// IP protocol numbers and IPv6 extension headers (IANA).
const (
	protoHopByHop    = 0
	protoICMP        = 1
	protoIGMP        = 2
	protoIPIP        = 4
	protoIPv6        = 41
	protoRouting     = 43
	protoFragment    = 44
	protoGRE         = 47
	protoAH          = 51
	protoICMPv6      = 58
	protoDestination = 60
	protoEtherIP     = 97
	protoL2TP        = 115
	protoMobility    = 135
	protoMPLS        = 137
	protoHIP         = 139
	protoShim6       = 140
)

// maxExtensions is how many extension headers decode walks. RFC 8200 4.1
// foresees seven kinds, destination options twice.
const maxExtensions = 8

// packet is the view of one IP packet.
type packet struct {
	src, dst []byte
	payload  []byte // after the last header before the transport, as captured
	length   int    // what payload has according to the IP header
	id       uint16
	protocol uint8
	ttl, tos uint8
}

// parseIPv4 reads the IPv4 packet at the start of b, which had wire octets
// before the capture cut it.
func (p *packet) parseIPv4(b []byte, wire int) capture.DropReason {
	if len(b) > 0 && b[0]>>4 != 4 {
		return capture.DropIPVersion
	}
	if len(b) < ipv4Header {
		return capture.DropIPShort
	}
	header, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = wire // segmentation offload: the length was to be filled in later
	}
	if header < ipv4Header || total < header {
		return capture.DropIPLength
	}
	if len(b) < header {
		return capture.DropIPShort
	}
	if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 { // more fragments, or an offset
		return capture.DropFragment
	}
	p.src, p.dst = b[12:16:16], b[16:20:20]
	p.payload = b[header:max(header, min(total, len(b)))]
	p.length = total - header
	p.id = binary.BigEndian.Uint16(b[4:])
	p.tos, p.ttl, p.protocol = b[1], b[8], b[9]
	if p.protocol == protoAH {
		return p.skipExtensions(false)
	}
	return capture.DropNone
}

// parseIPv6 reads the IPv6 packet at the start of b, which had wire octets
// before the capture cut it.
func (p *packet) parseIPv6(b []byte, wire int) capture.DropReason {
	if len(b) > 0 && b[0]>>4 != 6 {
		return capture.DropIPVersion
	}
	if len(b) < ipv6Header {
		return capture.DropIPShort
	}
	p.length, p.protocol = int(binary.BigEndian.Uint16(b[4:])), b[6]
	if p.length == 0 && p.protocol == protoHopByHop {
		p.length = wire - ipv6Header // jumbo payload option: longer than the field can say
	}
	p.src, p.dst = b[8:24:24], b[24:40:40]
	p.payload = b[ipv6Header:min(ipv6Header+p.length, len(b))]
	p.tos, p.ttl = b[0]<<4|b[1]>>4, b[7]
	if p.protocol == capture.ProtoUDP {
		return capture.DropNone
	}
	return p.skipExtensions(true)
}

// skipExtensions moves p's payload past extension headers. In IPv4 (v6 false)
// the only one is the authentication header (RFC 4302 3.1.1).
func (p *packet) skipExtensions(v6 bool) capture.DropReason {
	for range maxExtensions {
		if !isExtension(p.protocol, v6) {
			return capture.DropNone
		}
		b := p.payload
		if len(b) < 8 { // no extension header is shorter
			return capture.DropIPv6Extension
		}
		var size int
		switch p.protocol {
		case protoFragment:
			// Offset 0 with no more fragments is an atomic fragment, a whole
			// packet (RFC 6946).
			if binary.BigEndian.Uint16(b[2:])&0xfff9 != 0 {
				return capture.DropFragment
			}
			size = 8
		case protoAH: // in words of 4 octets, less 2 (RFC 4302 2.2)
			size = (int(b[1]) + 2) * 4
			if size < 12 {
				return capture.DropIPv6Extension
			}
		default: // in words of 8 octets, less 1 (RFC 8200 4.3)
			size = (int(b[1]) + 1) * 8
		}
		if size > len(b) {
			return capture.DropIPv6Extension
		}
		p.protocol, p.payload, p.length = b[0], b[size:], p.length-size
	}
	if isExtension(p.protocol, v6) {
		return capture.DropIPv6Extension
	}
	return capture.DropNone
}

func isExtension(protocol uint8, v6 bool) bool {
	switch protocol {
	case protoAH:
		return true
	case protoHopByHop, protoRouting, protoFragment, protoDestination, protoMobility, protoHIP, protoShim6:
		return v6
	}
	return false
}
