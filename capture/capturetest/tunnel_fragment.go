package capturetest

import (
	"encoding/binary"
	"slices"
)

// Fragments cuts the IP packet in an Ethernet frame into fragments whose IP
// packets have at most mtu octets (RFC 791 3.2, RFC 8200 4.5), in order, each
// in a frame with the same link header. A packet that fits is returned alone.
// IPv4 fragments keep the identification of the packet, those of IPv6 get id.
func Fragments(frame []byte, mtu int, id uint32) [][]byte {
	etherType, ip := network(frame)
	header := frame[:len(frame)-len(ip)]
	if len(ip) <= mtu {
		return [][]byte{slices.Clone(frame)}
	}
	v6 := etherType == 0x86dd
	size, extra := int(ip[0]&15)*4, 0
	if v6 {
		size, extra = 40, 8
	}
	head, data := ip[:size], ip[size:]
	step := (mtu - size - extra) &^ 7
	if step <= 0 {
		panic("capturetest: no fragment fits")
	}
	var out [][]byte
	for off := 0; off < len(data); off += step {
		part := data[off:min(off+step, len(data))]
		more := off+len(part) < len(data)
		h := slices.Clone(head)
		if v6 {
			h = append(h, head[6], 0, 0, 0)
			h = binary.BigEndian.AppendUint32(h, id)
			h[6] = 44
			binary.BigEndian.PutUint16(h[4:], uint16(8+len(part)))
			binary.BigEndian.PutUint16(h[42:], uint16(off))
			if more {
				h[43] |= 1
			}
		} else {
			binary.BigEndian.PutUint16(h[2:], uint16(size+len(part)))
			binary.BigEndian.PutUint16(h[6:], uint16(off/8))
			if more {
				h[6] |= 0x20
			}
			sumIPv4(h)
		}
		out = append(out, join(header, h, part))
	}
	return out
}
