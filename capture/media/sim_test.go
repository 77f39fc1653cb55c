package media_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"heptap/capture"
	"heptap/capture/media"
)

// sender makes the packets of one stream.
type sender struct {
	p    capture.Packet
	buf  [12 + 160]byte
	pt   uint8
	ssrc uint32
	seq  uint16
	ts   uint32
	mark bool
}

func newSender(n uint32) *sender {
	s := &sender{pt: 8, ssrc: 0x1000 + n}
	s.p = capture.Packet{
		Src: []byte{10, byte(n >> 16), byte(n >> 8), byte(n)}, Dst: []byte{192, 0, 2, 1},
		SrcPort: uint16(10000 + 2*(n%20000)), DstPort: 20000, Protocol: capture.ProtoUDP,
	}
	return s
}

// packet is valid until the next call.
func (s *sender) packet(seq uint16, ts uint32, mono int64) *capture.Packet {
	s.buf[0], s.buf[1] = 0x80, s.pt
	if s.mark {
		s.buf[1] |= 0x80
	}
	binary.BigEndian.PutUint16(s.buf[2:], seq)
	binary.BigEndian.PutUint32(s.buf[4:], ts)
	binary.BigEndian.PutUint32(s.buf[8:], s.ssrc)
	s.p.Payload = s.buf[:]
	s.p.Mono, s.p.Wall = mono, mono+1_700_000_000e9
	return &s.p
}

// next sends the next packet of a regular 20 ms stream at mono.
func (s *sender) next(mono int64) *capture.Packet {
	s.seq++
	s.ts += 160
	return s.packet(s.seq, s.ts, mono)
}

func mustAdd(t testing.TB, tab *media.Table, p *capture.Packet) {
	t.Helper()
	if v := tab.Add(p); v != media.Counted {
		t.Fatalf("verdict %d", v)
	}
}

// flush returns the last snapshots of all streams.
func flush(tab *media.Table) []media.Snapshot {
	var out []media.Snapshot
	tab.Flush(func(x *media.Snapshot) { out = append(out, *x) })
	return out
}

func one(t testing.TB, tab *media.Table) media.Snapshot {
	t.Helper()
	out := flush(tab)
	if len(out) != 1 {
		t.Fatalf("%d streams, want 1", len(out))
	}
	if !out[0].Ended {
		t.Fatal("the last snapshot is not Ended")
	}
	return out[0]
}

// impaired is the order in which the numbers 0..n-1 arrive after a network
// that drops, duplicates and delays.
func impaired(rng *rand.Rand, n int, loss, burst, dup, late float64) []int {
	const distance = 60
	slots := make([][]int, n+distance+2)
	dropping := false
	for i := range n {
		if dropping {
			dropping = rng.Float64() < burst
		} else {
			dropping = rng.Float64() < loss
		}
		if dropping {
			continue
		}
		at := i
		if rng.Float64() < late {
			at += 1 + rng.IntN(distance)
		}
		slots[at] = append(slots[at], i)
		if rng.Float64() < dup {
			again := min(at+rng.IntN(3), i+distance)
			slots[again] = append(slots[again], i)
		}
	}
	var order []int
	for _, s := range slots {
		order = append(order, s...)
	}
	return order
}

// truth counts what impaired made, from the numbers alone.
type truth struct {
	packets, expected, missing, duplicates, reordered, runs uint64
}

func count(order []int) truth {
	tr := truth{packets: uint64(len(order))}
	seen := make(map[int]bool)
	lo, hi := order[0], order[0]
	for _, n := range order {
		switch {
		case seen[n]:
			tr.duplicates++
		case n < hi:
			tr.reordered++
		}
		seen[n] = true
		lo, hi = min(lo, n), max(hi, n)
	}
	tr.expected = uint64(hi - lo + 1)
	for n := lo; n <= hi; n++ {
		if !seen[n] {
			tr.missing++
			if seen[n-1] {
				tr.runs++
			}
		}
	}
	return tr
}

func (tr truth) check(t *testing.T, x media.Snapshot) {
	t.Helper()
	got := truth{x.Packets, x.Expected, x.Missing, x.Duplicates, uint64(x.Reordered), uint64(x.LossEvents)}
	if got != tr {
		t.Errorf("got  %+v\nwant %+v", got, tr)
	}
	if x.Lost != int64(tr.expected)-int64(tr.packets) {
		t.Errorf("lost %d of %d expected, %d packets", x.Lost, tr.expected, tr.packets)
	}
	if uint64(x.Strays) != 0 || x.Gen != 0 {
		t.Errorf("%d strays, generation %d", x.Strays, x.Gen)
	}
}
