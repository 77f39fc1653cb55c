package stream

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"heptap/capture"
)

// key names a connection whichever way its packets go: a is the end with the
// smaller address (and port, when they are equal). An IPv4 address is the low
// half of the second word.
type key struct {
	a, b   [2]uint64
	ports  uint32 // a's<<16 | b's
	tunnel uint32
	v6     bool
}

// set fills k from p. side says which end sent p: 0 for a, 1 for b. It is not
// ok when the addresses are no pair, or both ends are the same.
func (k *key) set(p *capture.Packet) (side int, ok bool) {
	switch {
	case len(p.Src) == 4 && len(p.Dst) == 4:
		k.a = [2]uint64{0, uint64(binary.BigEndian.Uint32(p.Src))}
		k.b = [2]uint64{0, uint64(binary.BigEndian.Uint32(p.Dst))}
		k.v6 = false
	case len(p.Src) == 16 && len(p.Dst) == 16:
		k.a = [2]uint64{binary.BigEndian.Uint64(p.Src), binary.BigEndian.Uint64(p.Src[8:])}
		k.b = [2]uint64{binary.BigEndian.Uint64(p.Dst), binary.BigEndian.Uint64(p.Dst[8:])}
		k.v6 = true
	default:
		return 0, false
	}
	k.tunnel = p.Tunnel
	switch order(k.a, k.b, p.SrcPort, p.DstPort) {
	case -1:
		k.ports = uint32(p.SrcPort)<<16 | uint32(p.DstPort)
		return 0, true
	case 1:
		k.a, k.b = k.b, k.a
		k.ports = uint32(p.DstPort)<<16 | uint32(p.SrcPort)
		return 1, true
	}
	return 0, false
}

func order(a, b [2]uint64, aPort, bPort uint16) int {
	switch {
	case a[0] != b[0]:
		return less(a[0] < b[0])
	case a[1] != b[1]:
		return less(a[1] < b[1])
	case aPort != bPort:
		return less(aPort < bPort)
	}
	return 0
}

func less(is bool) int {
	if is {
		return -1
	}
	return 1
}

// flow returns the five-tuple of what side sends.
func (k *key) flow(side int) capture.FiveTuple {
	f := capture.FiveTuple{
		Proto:  capture.ProtoTCP,
		Tunnel: k.tunnel,
		Src:    netip.AddrPortFrom(k.addr(k.a), uint16(k.ports>>16)),
		Dst:    netip.AddrPortFrom(k.addr(k.b), uint16(k.ports)),
	}
	if side == 1 {
		return f.Reverse()
	}
	return f
}

func (k *key) addr(w [2]uint64) netip.Addr {
	if !k.v6 {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(w[1]))))
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], w[0])
	binary.BigEndian.PutUint64(b[8:], w[1])
	return netip.AddrFrom16(b)
}

// hash mixes k with 64 x 64 -> 128 bit products, after wyhash. It is
// unpredictable to who does not know the seed, so that nobody can aim at a slot.
func (k *key) hash(seed *[4]uint64) uint64 {
	var h uint64
	if k.v6 {
		h = mix(k.a[0]^seed[0], k.a[1]^seed[1]) ^ bits.RotateLeft64(mix(k.b[0]^seed[2], k.b[1]^seed[3]), 17)
		h = mix(h^seed[1], uint64(k.ports)^seed[0])
	} else {
		h = mix(k.a[1]<<32^k.b[1]^seed[0], uint64(k.ports)^seed[1])
	}
	return mix(h^seed[2], uint64(k.tunnel)^seed[3])
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
