package media

import (
	"strconv"
	"testing"
	"unsafe"
)

// What a packet in sequence touches is two cache lines, each used whole.
func TestLayout(t *testing.T) {
	if strconv.IntSize != 64 {
		t.Skip("64-bit integers are aligned otherwise")
	}
	var s stream
	for _, c := range []struct {
		name string
		have uintptr
		want uintptr
	}{
		{"the second line", unsafe.Offsetof(s.packets), 64},
		{"the rest", unsafe.Offsetof(s.w1), 128},
		{"size", unsafe.Sizeof(s), 384},
		{"a watcher's size", unsafe.Sizeof(watcher{}), 160},
	} {
		if c.have != c.want {
			t.Errorf("%s at %d, want %d", c.name, c.have, c.want)
		}
	}
}

// Removing from the index must leave every other key reachable, whatever the
// runs of occupied slots look like.
func TestIndexRemove(t *testing.T) {
	x := newIndex(indexSlots(512))
	mask := uint32(len(x.slots) - 1)
	hash := func(n uint32) uint32 { return n % 7 << 29 / 3 * 2 } // few homes, long runs
	find := func(n uint32) bool {
		for i, probe := hash(n)>>x.shift, 0; probe < maxProbe; i, probe = i+1, probe+1 {
			switch x.slots[i&mask] {
			case 0:
				return false
			case uint64(hash(n))<<32 | uint64(n):
				return true
			}
		}
		return false
	}
	for n := uint32(1); n <= 120; n++ {
		if !x.insert(hash(n), n) {
			t.Fatalf("insert %d", n)
		}
	}
	for k := uint32(0); k < 120; k++ {
		n := k*77%120 + 1
		if !find(n) {
			t.Fatalf("%d lost before its turn", n)
		}
		x.remove(hash(n), n)
		if find(n) {
			t.Fatalf("%d still there", n)
		}
	}
	for i, s := range x.slots {
		if s != 0 {
			t.Fatalf("slot %d is %x", i, s)
		}
	}
}

func TestIndexRefusesLongProbes(t *testing.T) {
	x := newIndex(indexSlots(4096))
	n := uint32(1)
	for ; x.insert(0xfffff000, n); n++ {
	}
	if n-1 != maxProbe {
		t.Fatalf("%d keys with one hash, want %d", n-1, maxProbe)
	}
}

// The extended sequence number has 32 bits; a stream that outlives them must
// not be seen to lose or gain packets.
func TestExpectedBeyond32Bits(t *testing.T) {
	var s stream
	s.begin(7)
	want := uint64(1)
	for range 40 { // a snapshot now and then, 40 x 2^28 packets in all
		s.highest += 1 << 28
		want += 1 << 28
		s.rebase()
		if got := s.expected(); got != want {
			t.Fatalf("expected %d, want %d", got, want)
		}
		if s.late(50) != true {
			t.Fatal("a number in the window is taken for one before the beginning")
		}
	}
}
