package stream

import "math/bits"

// index finds entries by their key's hash: open addressing with linear
// probing, as in package media. A slot holds hash<<32 | entry number; 0 is a
// free slot, and entry numbers begin at 1. The home of a hash is its top bits,
// so a slot alone says where it would rather be.
type index struct {
	slots []uint64
	shift uint32 // 32 - log2(len(slots))
}

// indexSlots returns how many slots a table for n entries has: a power of two
// that is at most half full, so a run of occupied slots is short and a lookup
// ends.
func indexSlots(n int) int { return 1 << max(8, bits.Len(uint(2*n-1))) }

func newIndex(n int) index {
	size := indexSlots(n)
	return index{slots: make([]uint64, size), shift: uint32(32 - bits.Len(uint(size-1)))}
}

// find returns the first entry under hash h, looking from place i on, and the
// place after it. 0 means there is none.
func (x *index) find(h, i uint32) (n, next uint32) {
	mask := uint32(len(x.slots) - 1)
	for ; x.slots[i&mask] != 0; i++ {
		if s := x.slots[i&mask]; uint32(s>>32) == h {
			return uint32(s), i + 1
		}
	}
	return 0, i
}

func (x *index) home(h uint32) uint32 { return h >> x.shift }

// insert puts entry n under hash h. The table is never full: it has twice as
// many slots as there are entries.
func (x *index) insert(h, n uint32) {
	mask := uint32(len(x.slots) - 1)
	i := x.home(h)
	for x.slots[i&mask] != 0 {
		i++
	}
	x.slots[i&mask] = uint64(h)<<32 | uint64(n)
}

// remove takes entry n, which is under hash h, out and closes the gap: what
// follows in the run moves towards its home, so no slot stays behind as a
// tombstone.
func (x *index) remove(h, n uint32) {
	mask := uint32(len(x.slots) - 1)
	i := x.home(h) & mask
	for x.slots[i] != uint64(h)<<32|uint64(n) {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; x.slots[j] != 0; j = (j + 1) & mask {
		home := x.home(uint32(x.slots[j] >> 32))
		if (j-home)&mask >= (j-i)&mask {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = 0
}
