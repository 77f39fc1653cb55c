package conversation

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"heptap/capture"
)

const protoSCTP = capture.ProtoSCTP

// packet is what goes into one IP packet.
type packet struct {
	at       int64
	from     Side
	src, dst netip.Addr
	proto    uint8
	body     []byte // from the UDP, TCP or SCTP header on
	opens    bool   // of the handshake
	closes   bool
	data     bool // carries octets of the stream
	media    bool
}

// Where the checksum of a transport header is.
const (
	noChecksum  = 0
	checksumUDP = 6
	checksumTCP = 16
)

// newPacket fills in the checksum of body, which the packet keeps.
func newPacket(at int64, from Side, src, dst netip.AddrPort, proto uint8, body []byte, checksum int) packet {
	p := packet{at: at, from: from, src: src.Addr(), dst: dst.Addr(), proto: proto, body: body}
	if checksum != noChecksum {
		pseudo := append(p.src.AsSlice(), p.dst.AsSlice()...)
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(body)))
		pseudo = append(pseudo, 0, 0, 0, proto)
		sum := ^fold(add(add(0, pseudo), body))
		if sum == 0 && proto == capture.ProtoUDP {
			sum = 0xffff // RFC 768: 0 means that there is none
		}
		binary.BigEndian.PutUint16(body[checksum:], sum)
	}
	return p
}

func (w *work) udp(at int64, from Side, src, dst netip.AddrPort, payload []byte) {
	b := binary.BigEndian.AppendUint16(nil, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(append(b, 0, 0), payload...)
	w.packets = append(w.packets, newPacket(at, from, src, dst, capture.ProtoUDP, b, checksumUDP))
}

func sortPackets(p []packet) {
	slices.SortStableFunc(p, func(a, b packet) int { return cmp.Compare(a.at, b.at) })
}

// add is the sum of RFC 1071; b is padded to an even length.
func add(sum uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
		if sum >= 1<<31 {
			sum = sum&0xffff + sum>>16
		}
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// stack is how an end's IP behaves.
type stack struct {
	ttl, tos byte
	id       uint16
	noID     bool // identification 0 in what may not be fragmented (RFC 6864 4.1)
}

// frame is one frame on its way to the probe.
type frame struct {
	at    int64
	from  Side
	port  uint8
	media bool
	data  []byte
}

// frame wraps the packets in IP and Ethernet.
func (w *work) frame() {
	var stacks [2]stack
	for side := range stacks {
		stacks[side] = stack{ttl: []byte{64, 128, 255, 61}[w.r.IntN(4)], tos: []byte{0, 0x60, 0xb8}[w.r.IntN(3)], id: uint16(w.r.Uint32()), noID: w.chance(30)}
	}
	for i := range w.packets {
		p := &w.packets[i]
		w.frames = append(w.frames, frame{at: p.at, from: p.from, media: p.media, data: p.ethernet(&stacks[p.from])})
	}
}

func (p *packet) ethernet(s *stack) []byte {
	b := []byte{2, 0, 0, 0, 0, 2 - byte(p.from), 2, 0, 0, 0, 0, 1 + byte(p.from)}
	if p.src.Is4() {
		b = append(b, 8, 0, 0x45, s.tos)
		b = binary.BigEndian.AppendUint16(b, uint16(20+len(p.body)))
		id, flags := s.id, byte(0)
		if s.id++; s.noID {
			id, flags = 0, 0x40
		}
		b = binary.BigEndian.AppendUint16(b, id)
		b = append(b, flags, 0, s.ttl, p.proto, 0, 0)
		b = append(append(b, p.src.AsSlice()...), p.dst.AsSlice()...)
		checksumIP(b[14:34])
	} else {
		b = append(b, 0x86, 0xdd, 0x60|s.tos>>4, s.tos<<4, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(p.body)))
		b = append(b, p.proto, s.ttl)
		b = append(append(b, p.src.AsSlice()...), p.dst.AsSlice()...)
	}
	return append(b, p.body...)
}

// checksumIP fills in the checksum of an IPv4 header.
func checksumIP(h []byte) {
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], ^fold(add(0, h)))
}

// network returns where the outermost IP header of an Ethernet frame begins,
// behind VLAN tags, and its version, or 0.
func network(b []byte) (offset, version int) {
	for offset = 12; offset+2 <= len(b); offset += 4 {
		switch binary.BigEndian.Uint16(b[offset:]) {
		case 0x8100, 0x88a8:
			continue
		case 0x0800:
			return offset + 2, 4
		case 0x86dd:
			return offset + 2, 6
		}
		break
	}
	return 0, 0
}
