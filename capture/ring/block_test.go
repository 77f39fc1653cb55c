package ring

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/capture"
)

// synthetic builds a block as the kernel does, of frames of size octets.
func synthetic(frames, size int) []byte {
	const mac = 82 // what an Ethernet frame gets: TPACKET_ALIGN(68) and 2 to align the network header
	step := (mac + size + 15) &^ 15
	b := make([]byte, blockMin+frames*step+4096)
	put := func(off int, v uint32) { binary.NativeEndian.PutUint32(b[off:], v) }
	put(blockStatus, unix.TP_STATUS_USER)
	put(blockFrames, uint32(frames))
	put(blockFirst, uint32(blockMin))
	for i := range frames {
		off := blockMin + i*step
		if i < frames-1 {
			put(off+hdrNext, uint32(step))
		}
		put(off+hdrSec, 1700000000)
		put(off+hdrNsec, uint32(i))
		put(off+hdrSnaplen, uint32(size))
		put(off+hdrLen, uint32(size+1))
		binary.NativeEndian.PutUint16(b[off+hdrMAC:], mac)
		if i%2 == 1 {
			put(off+hdrStatus, unix.TP_STATUS_VLAN_VALID|unix.TP_STATUS_VLAN_TPID_VALID)
			put(off+hdrTCI, uint32(i))
			binary.NativeEndian.PutUint16(b[off+hdrTPID:], 0x88a8)
		}
		for j := range size {
			b[off+mac+j] = byte(i)
		}
	}
	return b
}

func fixedClock() *clock {
	c := &clock{read: func() (int64, int64) { return 1700000001e9, 5e9 }}
	c.measure()
	return c
}

func TestWalk(t *testing.T) {
	block := synthetic(100, 200)
	var w walker
	w.start(block)
	clk, frames, seen := fixedClock(), make([]capture.Frame, 7), 0
	for w.left > 0 {
		n := w.fill(frames, clk, capture.LinkEthernet, 3)
		if n == 0 || (n < len(frames) && w.left > 0) {
			t.Fatalf("stopped after %d frames", seen+n)
		}
		for _, f := range frames[:n] {
			want := capture.Frame{Data: bytes.Repeat([]byte{byte(seen)}, 200), Length: 201,
				Wall: 1700000000e9 + int64(seen), Mono: 4e9 + int64(seen), Link: capture.LinkEthernet, Port: 3}
			if seen%2 == 1 {
				want.HasVLAN, want.VLANTCI, want.VLANTPID = true, uint16(seen), 0x88a8
			}
			if !bytes.Equal(f.Data, want.Data) || cap(f.Data) != 200 {
				t.Fatalf("frame %d: %x, capacity %d", seen, f.Data, cap(f.Data))
			}
			f.Data, want.Data = nil, nil
			if f.Length != want.Length || f.Wall != want.Wall || f.Mono != want.Mono || f.HasVLAN != want.HasVLAN ||
				f.VLANTCI != want.VLANTCI || f.VLANTPID != want.VLANTPID || f.Port != want.Port || f.Link != want.Link {
				t.Fatalf("frame %d: %+v, want %+v", seen, f, want)
			}
			seen++
		}
	}
	if seen != 100 {
		t.Errorf("%d frames, want 100", seen)
	}
}

func TestWalkStopsAtCorruptHeader(t *testing.T) {
	for name, corrupt := range map[string]func(b []byte, off int){
		"next":            func(b []byte, off int) { binary.NativeEndian.PutUint32(b[off+hdrNext:], 1<<31) },
		"next wraps":      func(b []byte, off int) { binary.NativeEndian.PutUint32(b[off+hdrNext:], 0xffffffff) },
		"next is nothing": func(b []byte, off int) { binary.NativeEndian.PutUint32(b[off+hdrNext:], 0) },
		"snaplen":         func(b []byte, off int) { binary.NativeEndian.PutUint32(b[off+hdrSnaplen:], 0xffffffff) },
		"mac": func(b []byte, off int) {
			binary.NativeEndian.PutUint32(b[off+hdrSnaplen:], uint32(len(b)-off))
		},
	} {
		block := synthetic(10, 100)
		corrupt(block, blockMin+4*192)
		var w walker
		w.start(block)
		frames := make([]capture.Frame, 20)
		n := w.fill(frames, fixedClock(), capture.LinkEthernet, 0)
		if n < 4 || n > 5 || w.left != uint32(10-n) {
			t.Errorf("%s: %d frames, %d left", name, n, w.left)
		}
		if more := w.fill(frames, fixedClock(), capture.LinkEthernet, 0); more != 0 {
			t.Errorf("%s: %d frames after the corrupt one", name, more)
		}
	}
}

func FuzzWalk(f *testing.F) {
	f.Add(synthetic(3, 60))
	f.Add(synthetic(1, 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, block []byte) {
		clk := fixedClock()
		var w walker
		w.start(block)
		frames := make([]capture.Frame, 5)
		for total := 0; w.left > 0; {
			before := w.left
			n := w.fill(frames, clk, capture.LinkEthernet, 0)
			if int(before-w.left) != n {
				t.Fatalf("%d frames, left went from %d to %d", n, before, w.left)
			}
			for _, fr := range frames[:n] {
				inside(t, block, fr.Data)
			}
			if total += n; total > len(block) {
				t.Fatal("more frames than octets")
			}
			if n < len(frames) {
				break
			}
		}
	})
}

func inside(t *testing.T, block, view []byte) {
	if cap(view) != len(view) {
		t.Fatalf("capacity %d of %d octets", cap(view), len(view))
	}
	if len(view) == 0 {
		return
	}
	for i := range block {
		if &block[i] == &view[0] {
			if i+len(view) > len(block) {
				t.Fatal("view ends outside the block")
			}
			return
		}
	}
	t.Fatal("view begins outside the block")
}

func TestWalkAllocates(t *testing.T) {
	block, clk := synthetic(1000, 200), fixedClock()
	frames := make([]capture.Frame, 64)
	if n := testing.AllocsPerRun(100, func() {
		var w walker
		w.start(block)
		clk.measure()
		for w.left > 0 {
			w.fill(frames, clk, capture.LinkEthernet, 0)
		}
	}); n != 0 {
		t.Errorf("%v allocations per block", n)
	}
}

func BenchmarkWalk(b *testing.B) {
	block, clk := synthetic(4000, 214), fixedClock()
	frames := make([]capture.Frame, 256)
	var w walker
	b.ReportAllocs()
	for b.Loop() {
		if w.left == 0 {
			w.start(block)
		}
		w.fill(frames, clk, capture.LinkEthernet, 0)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(frames)), "ns/frame")
}

// TestBlocksComeAndGo runs the ring over memory that no kernel fills.
func TestBlocksComeAndGo(t *testing.T) {
	good, empty, bad := synthetic(5, 100), synthetic(0, 0), synthetic(6, 100)
	binary.NativeEndian.PutUint32(bad[blockMin+2*192+hdrSnaplen:], 1<<30)
	const size = 8192
	mem := make([]byte, 3*size)
	for i, b := range [][]byte{good, empty, bad} {
		copy(mem[i*size:(i+1)*size], b)
	}
	cfg, err := Config{Interface: "none"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r := &Ring{cfg: cfg, clk: *fixedClock(), sock: &socket{fd: -1, mem: mem, geo: Geometry{size, 3}}}
	frames := make([]capture.Frame, 4)
	for i, want := range []struct{ n, ours, lost int }{
		{4, 3, 0}, // the first block, in part
		{1, 3, 0}, // its end: it stays ours while its frames are lent
		{2, 1, 4}, // the empty one is given back at once, the bad one ends early
		{0, 0, 4}, // nothing more
	} {
		n := r.deliver(frames)
		ours := 0
		for b := range 3 {
			if r.sock.ours(b) {
				ours++
			}
		}
		if n != want.n || ours != want.ours || r.Stats().KernelDrops != uint64(want.lost) {
			t.Errorf("step %d: %d frames, %d blocks ours, %+v; want %+v", i, n, ours, r.Stats(), want)
		}
	}
}

func TestReadClocks(t *testing.T) {
	readClocks := newClocks()
	w1, m1 := readClocks()
	w2, m2 := readClocks()
	if m2 < m1 {
		t.Errorf("monotonic time ran from %d to %d", m1, m2)
	}
	if d := time.Since(time.Unix(0, w2)).Abs(); d > time.Hour || w1 == 0 {
		t.Errorf("wall time is off by %v", d)
	}
	if n := testing.AllocsPerRun(100, func() { readClocks() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestMonoAcrossSteps steps the wall clock at random while a simulated kernel
// fills blocks, and compares Mono with the truth.
func TestMonoAcrossSteps(t *testing.T) {
	const ms = int64(time.Millisecond)
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		mono, shift := int64(1e12), int64(17e17)
		c := &clock{read: func() (int64, int64) { return mono + shift + rnd.Int64N(2000), mono }}
		c.drained(0)
		var prev, worst int64
		for range 400 {
			if rnd.IntN(20) == 0 {
				shift += rnd.Int64N(20e9) - 10e9
			}
			if rnd.IntN(3) == 0 {
				c.drained(70 * time.Millisecond)
				mono += rnd.Int64N(100 * ms)
			}
			var stamps [][2]int64 // wall, true mono; the block is as old as 10 ms
			for range rnd.IntN(20) {
				mono += rnd.Int64N(ms)
				if rnd.IntN(200) == 0 {
					shift += rnd.Int64N(4e9) - 2e9
				}
				stamps = append(stamps, [2]int64{mono + shift, mono})
			}
			c.measure()
			for _, s := range stamps {
				got := c.at(s[0])
				if got < prev {
					t.Fatalf("seed %d: mono ran back by %d ns", seed, prev-got)
				}
				if got > mono {
					t.Fatalf("seed %d: mono is %d ns in the future", seed, got-mono)
				}
				prev = got
				worst = max(worst, got-s[1], s[1]-got)
			}
		}
		if worst > 400*ms {
			t.Errorf("seed %d: mono was off by %v", seed, time.Duration(worst))
		}
	}
}
