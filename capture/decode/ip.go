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
	protoTCP         = capture.ProtoTCP
	protoUDP         = capture.ProtoUDP
	protoIPv6        = 41
	protoRouting     = 43
	protoFragment    = 44
	protoGRE         = 47
	protoESP         = 50
	protoAH          = 51
	protoICMPv6      = 58
	protoNone        = 59 // no next header
	protoDestination = 60
	protoEtherIP     = 97
	protoL2TP        = 115
	protoSCTP        = capture.ProtoSCTP
	protoMobility    = 135
	protoMPLS        = 137
	protoHIP         = 139
	protoShim6       = 140
)

// Header sizes in octets.
const (
	ipv4Header = 20
	ipv6Header = 40
)

// maxExtensions is how many extension headers decode walks. RFC 8200 4.1
// foresees seven kinds, destination options twice.
const maxExtensions = 8

// ipv4 reads an IPv4 header (RFC 791 3.1).
func (d *decoder) ipv4() capture.DropReason {
	b := d.b
	if len(b) > 0 && b[0]>>4 != 4 {
		return capture.DropIPVersion
	}
	if len(b) < ipv4Header {
		return capture.DropIPShort
	}
	header, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = d.wire // segmentation offload: the length was to be filled in later
	} else {
		d.known = true
	}
	if header < ipv4Header || total < header {
		return capture.DropIPLength
	}
	if len(b) < header {
		return capture.DropIPShort
	}
	d.src, d.dst = b[12:16:16], b[16:20:20]
	d.b = b[header:max(header, min(total, len(b)))]
	d.wire = total - header
	d.id = binary.BigEndian.Uint16(b[4:])
	d.tos, d.ttl, d.protocol = b[1], b[8], b[9]
	d.depth++
	if where := binary.BigEndian.Uint16(b[6:]); where&0x3fff != 0 { // more fragments, or an offset
		d.fragment = capture.Fragment{ID: uint32(d.id), Offset: where & 0x1fff * 8, More: where&0x2000 != 0, Valid: true}
		return capture.DropNone
	}
	if d.protocol == protoAH {
		return d.skipExtensions(false)
	}
	return capture.DropNone
}

// ipv6 reads an IPv6 header (RFC 8200 3) and its extensions.
func (d *decoder) ipv6() capture.DropReason {
	b := d.b
	if len(b) > 0 && b[0]>>4 != 6 {
		return capture.DropIPVersion
	}
	if len(b) < ipv6Header {
		return capture.DropIPShort
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	d.protocol = b[6]
	if length == 0 && d.protocol == protoHopByHop {
		length = d.wire - ipv6Header // jumbo payload option: longer than the field can say
	} else {
		d.known = true
	}
	d.src, d.dst = b[8:24:24], b[24:40:40]
	d.b = b[ipv6Header:max(ipv6Header, min(ipv6Header+length, len(b)))]
	d.wire = length
	d.id, d.tos, d.ttl = 0, b[0]<<4|b[1]>>4, b[7]
	d.depth++
	if d.protocol == protoUDP {
		return capture.DropNone
	}
	return d.skipExtensions(true)
}

// skipExtensions reads extension headers, up to and with that of a fragment. In
// IPv4 (v6 false) the only one is the authentication header (RFC 4302 3.1.1).
func (d *decoder) skipExtensions(v6 bool) capture.DropReason {
	for range maxExtensions {
		if !isExtension(d.protocol, v6) {
			return capture.DropNone
		}
		b := d.b
		if len(b) < 8 { // no extension header is shorter
			return capture.DropIPv6Extension
		}
		var size int
		switch d.protocol {
		case protoFragment:
			size = 8
			// Offset 0 with no more fragments is an atomic fragment, a whole
			// packet (RFC 6946).
			if where := binary.BigEndian.Uint16(b[2:]); where&0xfff9 != 0 {
				d.fragment = capture.Fragment{ID: binary.BigEndian.Uint32(b[4:]), Offset: where &^ 7, More: where&1 != 0, Valid: true}
				d.protocol = b[0]
				d.skip(size)
				return capture.DropNone
			}
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
		d.protocol = b[0]
		d.skip(size)
	}
	if isExtension(d.protocol, v6) {
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
