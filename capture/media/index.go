package media

import (
	"encoding/binary"
	"math/bits"

	"heptap/capture"
)

// key says which stream a packet belongs to.
//
//	w0..w3  IPv4: source<<32 | destination, 0, 0, 0; IPv6: source, source, destination, destination
//	ports   source port<<48 | destination port<<32 | SSRC
//	meta    mirror port | metaIPv6 | metaTunnel
//	tunnel  capture.FiveTuple.Tunnel; what is in no tunnel need not look at it
type key struct {
	w0, w1, w2, w3 uint64
	ports          uint64
	tunnel         uint32
	meta           uint16
}

const (
	metaIPv6   = 0x100
	metaTunnel = 0x200 // tunnel is not 0
)

// set fills k from p and reports whether p's addresses are a pair.
func (k *key) set(p *capture.Packet, ssrc uint32) bool {
	switch {
	case len(p.Src) == 4 && len(p.Dst) == 4:
		k.w0 = uint64(binary.BigEndian.Uint32(p.Src))<<32 | uint64(binary.BigEndian.Uint32(p.Dst))
		k.w1, k.w2, k.w3 = 0, 0, 0
		k.meta = uint16(p.Port)
	case len(p.Src) == 16 && len(p.Dst) == 16:
		k.w0, k.w1 = binary.BigEndian.Uint64(p.Src), binary.BigEndian.Uint64(p.Src[8:])
		k.w2, k.w3 = binary.BigEndian.Uint64(p.Dst), binary.BigEndian.Uint64(p.Dst[8:])
		k.meta = uint16(p.Port) | metaIPv6
	default:
		return false
	}
	if k.tunnel = p.Tunnel; k.tunnel != 0 {
		k.meta |= metaTunnel
	}
	k.ports = uint64(p.SrcPort)<<48 | uint64(p.DstPort)<<32 | uint64(ssrc)
	return true
}

// hash mixes k with 64 x 64 -> 128 bit products, after wyhash: fast without
// AES instructions, and unpredictable to who does not know the seed.
func (k *key) hash(seed *[4]uint64) uint32 {
	h := mix(k.w0^seed[0], k.ports^seed[1])
	if k.meta >= metaIPv6 {
		h ^= mix(k.w1^seed[2], k.w2^seed[3]) + k.w3
		h ^= mix(uint64(k.tunnel)^seed[1], seed[0])
	}
	return uint32(mix(h^seed[2], uint64(k.meta)^seed[3]) >> 32)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// index finds entries by their key's hash. A slot holds hash<<32 | entry
// number; 0 is a free slot, and entry numbers begin at 1. The home of a hash
// is its top bits, so a slot alone says where it would rather be.
//
// It begins small and doubles when it is half full: a few thousand streams
// then fit into the processor's first cache, whatever the cap.
type index struct {
	slots []uint64
	shift uint32 // 32 - log2(len(slots))
	used  int
}

// maxProbe bounds a lookup. At half load the longest run of occupied slots is
// about 60 for 2^17 slots; a key that finds none free is refused.
const maxProbe = 128

// firstSlots is the size an index begins with. Doubling one of 2^17 slots takes
// about half a millisecond.
const firstSlots = 1 << 10

// indexSlots returns how many slots an index of n streams has: a power of two
// that is at most half full.
func indexSlots(n int) int { return max(firstSlots, 1<<bits.Len(uint(2*n-1))) }

func newIndex(size int) index {
	return index{slots: make([]uint64, size), shift: uint32(32 - bits.Len(uint(size-1)))}
}

// insert puts entry n under hash h and reports whether there was room.
func (x *index) insert(h, n uint32) bool {
	if 2*(x.used+1) > len(x.slots) {
		x.grow()
	}
	mask := uint32(len(x.slots) - 1)
	for i, probe := h>>x.shift, 0; probe < maxProbe; i, probe = i+1, probe+1 {
		if x.slots[i&mask] == 0 {
			x.slots[i&mask] = uint64(h)<<32 | uint64(n)
			x.used++
			return true
		}
	}
	return false
}

// grow doubles x. Runs of occupied slots only get shorter by it, so everything
// finds room again.
func (x *index) grow() {
	old := x.slots
	*x = newIndex(2 * len(old))
	mask := uint32(len(x.slots) - 1)
	for _, slot := range old {
		if slot == 0 {
			continue
		}
		i := uint32(slot>>32) >> x.shift
		for x.slots[i&mask] != 0 {
			i++
		}
		x.slots[i&mask] = slot
		x.used++
	}
}

// remove takes entry n, which is under hash h, out and closes the gap: what
// follows in the run moves towards its home, so no slot stays behind as a
// tombstone and no lookup gets longer with age.
func (x *index) remove(h, n uint32) {
	mask := uint32(len(x.slots) - 1)
	i := h >> x.shift & mask
	for x.slots[i] != uint64(h)<<32|uint64(n) {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; x.slots[j] != 0; j = (j + 1) & mask {
		home := uint32(x.slots[j]>>32) >> x.shift
		if (j-home)&mask >= (j-i)&mask {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = 0
	x.used--
}
