package media_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"heptap/capture/media"
)

// call is what a sender sends from at on: packets first, first+1, ... with the
// timestamps ts, ts+160, ... every 20 ms. order changes which of them arrive,
// and in what order.
type call struct {
	first uint16
	ts    uint32
	n     int
	order []int // instead of 0..n-1
}

// play sends c and returns when the last packet came.
func (c call) play(t testing.TB, s *sender, tab *media.Table, at int64) int64 {
	t.Helper()
	order := c.order
	if order == nil {
		order = run(0, c.n)
	}
	for i, n := range order {
		s.mark = n == 0
		if i > 0 {
			at += 20 * ms
		}
		mustAdd(t, tab, s.packet(c.first+uint16(n), c.ts+uint32(n)*160, at))
	}
	return at
}

// TestNextCall has one call follow another on the same ports with the same
// SSRC, 1.5 s later: each must have a stream of its own, with nothing of the
// other in it.
func TestNextCall(t *testing.T) {
	prefix := func(order ...int) []int { return append(order, run(4, 90)...) }
	for name, c := range map[string]struct{ a, b call }{
		"the same again":                  {call{1, 0, 300, nil}, call{1, 0, 300, nil}},
		"the same again, within 100":      {call{1, 0, 90, nil}, call{1, 0, 90, nil}},
		"the same again, not confirmed":   {call{1, 0, 40, nil}, call{1, 0, 40, nil}},
		"the same again, over the wrap":   {call{65500, 1<<32 - 800, 120, nil}, call{65500, 1<<32 - 800, 120, nil}},
		"one number, other timestamps":    {call{1, 0, 90, nil}, call{1, 1e9, 90, nil}},
		"anywhere":                        {call{1000, 5000, 200, nil}, call{40000, 3e9, 200, nil}},
		"before the first":                {call{50, 8000, 60, nil}, call{1, 0, 60, nil}},
		"forward by 2, timestamp back":    {call{1, 160000, 100, nil}, call{102, 160000, 100, nil}},
		"forward by 2, timestamp far":     {call{1, 0, 100, nil}, call{102, 1 << 20, 100, nil}},
		"forward by 60, timestamp back":   {call{1, 8000, 50, nil}, call{110, 8000, 50, nil}},
		"forward by 2000, timestamp back": {call{1, 0, 300, nil}, call{2300, 0, 300, nil}},
		"forward by 2999, another clock":  {call{1, 0, 300, nil}, call{3299, 3e9, 300, nil}},
		// The timestamp is the time of day, say, and tells nothing; the jump is more
		// than 1.5 s can hold.
		"forward by 2000, timestamp in step":  {call{1, 0, 300, nil}, call{2300, 160 * (300 + 75), 300, nil}},
		"forward by 20000, timestamp in step": {call{1, 0, 300, nil}, call{20300, 160 * (300 + 75), 300, nil}},
		"back by 20000, timestamp in step":    {call{30001, 0, 300, nil}, call{10000, 160 * (300 + 75), 300, nil}},

		"every packet twice":     {call{1, 0, 90, nil}, call{1, 0, 4, []int{0, 0, 1, 1, 2, 2, 3, 3}}},
		"the first late":         {call{1, 0, 90, nil}, call{1, 0, 90, prefix(1, 0, 2, 3)}},
		"the first later":        {call{1, 0, 300, nil}, call{1, 0, 90, prefix(2, 3, 1, 0)}},
		"the second lost":        {call{1, 0, 300, nil}, call{1, 0, 90, prefix(0, 2, 3)}},
		"the first thrice, late": {call{1, 0, 300, nil}, call{30000, 7, 90, prefix(2, 2, 2, 0, 1, 3)}},
		"of two packets":         {call{1, 0, 2, nil}, call{1, 0, 2, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			s, tab := newSender(1), media.New(media.Config{Streams: 4})
			end := c.a.play(t, s, tab, 1000)
			begin := end + 1500*ms
			last := c.b.play(t, s, tab, begin)
			var got []media.Snapshot
			tab.Snapshot(last, func(x *media.Snapshot) {
				if x.Ended {
					got = append(got, *x)
				}
			})
			if len(got) != 1 {
				t.Fatalf("%d streams have ended, want the first", len(got))
			}
			got = append(got, one(t, tab))
			if got[0].ID == got[1].ID || tab.Stats().Created != 2 {
				t.Error("one stream")
			}
			checkCall(t, got[0], c.a, 1000, end)
			checkCall(t, got[1], c.b, begin, last)
		})
	}
}

func checkCall(t *testing.T, x media.Snapshot, c call, first, last int64) {
	t.Helper()
	order := c.order
	if order == nil {
		order = run(0, c.n)
	}
	markers, copies := uint64(0), 0 // of the packet that arrived first: they count, their times do not
	seen := make(map[int]bool)
	for _, n := range order {
		if n == 0 && !seen[0] {
			markers++
		}
		seen[n] = true
		if n == order[0] {
			copies++
		}
	}
	count(order).check(t, x)
	if x.FirstMono != first || x.FirstWall != first+1_700_000_000e9 || x.LastMono != last {
		t.Errorf("from %d to %d, want %d to %d", x.FirstMono, x.LastMono, first, last)
	}
	if x.Octets != 160*x.Packets || uint64(x.Markers) != markers || x.PayloadType != 8 || x.MaxDelta > 20*ms*int64(copies) || x.TimestampJumps != 0 {
		t.Errorf("%+v", x)
	}
	if x.Confirmed != (len(seen) >= 50) {
		t.Errorf("confirmed %t after %d packets", x.Confirmed, len(seen))
	}
}

// TestPauses has one stream pause: it must stay one, whatever the sender or
// the network makes of it.
func TestPauses(t *testing.T) {
	type packet struct {
		seq int
		ts  int64 // ms
		at  int64 // ms
	}
	regular := func(seq int, ts, at int64, n int) (out []packet) {
		for i := range n {
			out = append(out, packet{seq + i, ts + 20*int64(i), at + 20*int64(i)})
		}
		return out
	}
	const n, e = 500, 10_000 // packets before the pause, and when they end
	for name, c := range map[string]struct {
		pt                         uint8
		khz                        int64 // timestamp units per ms
		after                      []packet
		missing, strays, reordered uint64
		dups                       uint64
		gen                        uint32
	}{
		"network down for 3 s":                 {8, 8, regular(n+150, e+3000, e+3000, 100), 150, 0, 0, 0, 0},
		"network down for 30 s":                {8, 8, regular(n+1500, e+30000, e+30000, 100), 1500, 0, 0, 0, 0},
		"network down for 3 s, dynamic type":   {100, 90, regular(n+150, e+3000, e+3000, 100), 150, 0, 0, 0, 0},
		"network down for 1 s":                 {8, 8, regular(n+49, e+980, e+980, 100), 49, 0, 0, 0, 0},
		"hold, the timestamp runs":             {8, 8, regular(n, e+20000, e+20000, 100), 0, 0, 0, 0, 0},
		"hold, the timestamp stands":           {8, 8, regular(n, e, e+20000, 100), 0, 0, 0, 0, 0},
		"hold, stands, and some are lost":      {8, 8, regular(n+6, e+120, e+20000, 100), 6, 0, 0, 0, 0},
		"hold, stands for half, some lost":     {8, 8, regular(n+6, e+10000, e+20000, 100), 6, 0, 0, 0, 0},
		"hold, then anything":                  {8, 8, regular(n, e-5000, e+20000, 100), 0, 0, 0, 0, 0},
		"late by a second":                     {8, 8, append([]packet{{n + 1, e + 20, e + 20}, {n, e, e + 1500}}, regular(n+2, e+1500, e+1520, 9)...), 0, 0, 1, 0, 0},
		"the last one again and again":         {8, 8, []packet{{n - 1, e - 20, e + 5000}, {n - 1, e - 20, e + 10000}, {n, e, e + 15000}}, 0, 0, 0, 2, 0},
		"one that has been seen":               {8, 8, append([]packet{{n - 9, e - 180, e + 2000}}, regular(n, e+2000, e+2020, 9)...), 0, 1, 0, 0, 0},
		"one stray":                            {8, 8, append([]packet{{30000, 0, e + 2000}}, regular(n+100, e+2000, e+2020, 9)...), 100, 1, 0, 0, 0},
		"strays that are no beginning":         {8, 8, append([]packet{{30000, 0, e + 2000}, {9000, 0, e + 2001}, {40000, 0, e + 3000}}, regular(n+200, e+4000, e+4020, 9)...), 200, 3, 0, 0, 0},
		"a beginning after 0.9 s":              {8, 8, regular(30000, 0, e+900, 100), 0, 0, 0, 0, 1},
		"one packet a second, some lost":       {8, 8, []packet{{n, e, e + 1000}, {n + 2, e + 2000, e + 3000}, {n + 5, e + 5000, e + 6000}}, 3, 0, 0, 0, 0},
		"a beginning, interrupted by the rest": {8, 8, []packet{{30000, 0, e + 2000}, {n, e + 2000, e + 2001}, {30001, 160, e + 2020}, {n + 1, e + 2020, e + 2021}}, 0, 2, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, tab := newSender(1), media.New(media.Config{Streams: 4})
			s.pt = c.pt
			for _, p := range append(regular(0, 0, 0, n), c.after...) {
				mustAdd(t, tab, s.packet(uint16(p.seq), uint32(p.ts*c.khz), p.at*ms))
			}
			x := one(t, tab)
			if tab.Stats().Created != 1 || x.Missing != c.missing || uint64(x.Strays) != c.strays || uint64(x.Reordered) != c.reordered ||
				x.Duplicates != c.dups || x.Gen != c.gen || x.Packets+uint64(x.Strays) != uint64(n+len(c.after)) {
				t.Errorf("want %+v\ngot %+v", c, x)
			}
			if end := c.after[len(c.after)-1].at; x.LastMono != end*ms {
				t.Errorf("ends at %d ms, want %d", x.LastMono/ms, end)
			}
		})
	}
}

// TestOutageOfVideo: a sequence number that fits nowhere, but is where the
// sender must be by now, is no other call.
func TestOutageOfVideo(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 4})
	s.pt = 97
	send := func(from, to int) {
		for i := from; i < to; i++ { // 600 packets a second, ten to a frame
			mustAdd(t, tab, s.packet(uint16(i), uint32(i/10*1500), int64(i)*second/600))
		}
	}
	send(0, 6000)
	send(12000, 18000)
	x := one(t, tab)
	if x.Packets != 12000 || x.Missing != 0 || x.Gen != 1 || x.ClockRate != 90000 {
		t.Errorf("%+v", x)
	}
}

// TestClockLearntBesideAStray: where a stray's time is kept is where the
// estimate of the clock begins.
func TestClockLearntBesideAStray(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 4})
	s.pt = 96
	at := int64(0)
	for range 10 {
		mustAdd(t, tab, s.next(at))
		at += 20 * ms
	}
	mustAdd(t, tab, s.packet(40000, 1e9, at+1500*ms))
	at += 1600 * ms
	for range 200 {
		mustAdd(t, tab, s.next(at))
		at += 20 * ms
	}
	if x := one(t, tab); x.ClockRate != 8000 || uint64(x.Strays) != 1 || x.Packets != 210 {
		t.Errorf("%+v", x)
	}
}

// TestNextCallInAFullTable: without a place for the new stream the old one
// goes on, and nothing is lost.
func TestNextCallInAFullTable(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 2})
	end := call{5000, 0, 100, nil}.play(t, s, tab, 0)
	call{5000, 0, 100, nil}.play(t, newSender(2), tab, 0)
	call{1, 0, 100, nil}.play(t, s, tab, end+1500*ms)
	var packets uint64
	for _, x := range flush(tab) {
		packets += x.Packets
		if x.SSRC == s.ssrc && (x.Gen != 1 || x.Packets != 200 || x.Expected != 200 || uint64(x.Strays) != 0 || x.MaxDelta != 1520*ms) {
			t.Errorf("%+v", x)
		}
	}
	if st := tab.Stats(); packets != 300 || st.Created != 2 || st.Confirmed != 0 {
		t.Errorf("%d packets, %+v", packets, st)
	}
	// A candidate may be succeeded in a full table only in another's place.
	s, tab = newSender(1), media.New(media.Config{Streams: 1})
	end = call{5000, 0, 10, nil}.play(t, s, tab, 0)
	call{1, 0, 100, nil}.play(t, s, tab, end+1500*ms)
	if x := one(t, tab); x.Packets != 110 || x.Gen != 1 || !x.Confirmed {
		t.Errorf("%+v", x)
	}
}

// TestManyCalls plays calls back to back on a few flows, with random numbers
// and lengths, and compares the sums, and every single call.
func TestManyCalls(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 11))
	tab := media.New(media.Config{Streams: 40})
	type sent struct {
		call
		begin, end int64
	}
	calls := make(map[int64]sent)
	var got int
	take := func(x *media.Snapshot) {
		if !x.Ended {
			return
		}
		got++
		c, ok := calls[x.FirstMono]
		if !ok {
			t.Fatalf("no call began at %d: %+v", x.FirstMono, *x)
		}
		checkCall(t, *x, c.call, c.begin, c.end)
	}
	at := int64(0)
	for i := range 2000 {
		s := newSender(uint32(i % 5)) // each flow rests while the others play
		c := call{first: uint16(rng.Uint32()), ts: rng.Uint32(), n: 2 + rng.IntN(300)}
		if rng.IntN(2) == 0 {
			c.first, c.ts = 1, 0
		}
		at += second + rng.Int64N(5*second)
		calls[at] = sent{c, at, at + int64(c.n-1)*20*ms}
		at = c.play(t, s, tab, at)
		tab.Snapshot(at, take)
	}
	tab.Flush(take)
	if st := tab.Stats(); got != 2000 || st.Created != 2000 || st.Full != 0 || st.Candidates+st.Confirmed != 0 {
		t.Errorf("%d calls, %+v", got, st)
	}
}

func TestNextCallDoesNotAllocate(t *testing.T) {
	tab, s := media.New(media.Config{Streams: 1000}), newSender(0)
	s.pt = 96 // the clock is not known: all are tried
	ended := 0
	take := func(x *media.Snapshot) {
		if x.Ended {
			ended++
		}
	}
	at := int64(0)
	n := testing.AllocsPerRun(2000, func() {
		at += 2 * second
		for i := range uint16(5) {
			tab.Add(s.packet(1+i, uint32(i)*160, at+int64(i)*20*ms))
		}
		tab.Snapshot(at, take)
	})
	if n != 0 || ended < 2000 {
		t.Fatalf("%v allocations per call, %d calls ended", n, ended)
	}
}

// BenchmarkNextCall is the five packets of a call, and its last snapshot.
func BenchmarkNextCall(b *testing.B) {
	tab, s := media.New(media.Config{Idle: time.Hour}), newSender(0)
	b.ReportAllocs()
	at := int64(0)
	for b.Loop() {
		at += 2 * second
		for i := range uint16(5) {
			tab.Add(s.packet(1+i, uint32(i)*160, at+int64(i)*20*ms))
		}
		tab.Snapshot(at, func(*media.Snapshot) {})
	}
}
