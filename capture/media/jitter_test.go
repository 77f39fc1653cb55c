package media_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"heptap/capture/media"
)

const ms = int64(1_000_000)

// near reports whether a and b differ by at most tol nanoseconds.
func near(a, b, tol int64) bool { return a-b <= tol && b-a <= tol }

// Jitter against RFC 3550 A.8, done in floating point with the clock's own
// units.
func TestJitterIsRFC3550(t *testing.T) {
	for _, c := range []struct {
		pt    uint8
		clock float64
		step  uint32
	}{{8, 8000, 160}, {9, 8000, 160}, {34, 90000, 3003}, {11, 44100, 882}, {6, 16000, 320}, {17, 22050, 441}} {
		rng := rand.New(rand.NewPCG(1, uint64(c.pt)))
		s, tab := newSender(1), media.New(media.Config{Streams: 1})
		s.pt = c.pt
		ts := uint32(math.MaxUint32 - 50*c.step) // wraps
		var j, sum, most, prev float64
		var x media.Snapshot
		for i := range 5000 {
			sent := float64(c.step) / c.clock * 1e9 * float64(i)
			mono := int64(sent) + rng.Int64N(30*ms)
			transit := float64(mono) - sent
			if i > 0 {
				j += (math.Abs(transit-prev) - j) / 16
				sum += j
				most = max(most, j)
			}
			prev = transit
			mustAdd(t, tab, s.packet(uint16(i), ts, mono))
			ts += c.step
		}
		x = one(t, tab)
		if !near(int64(x.Jitter), int64(j), 1000) || !near(int64(x.MeanJitter), int64(sum/4999), 1000) || !near(int64(x.MaxJitter), int64(most), 1000) {
			t.Errorf("payload type %d: jitter %d %d %d, want %.0f %.0f %.0f", c.pt, x.Jitter, x.MeanJitter, x.MaxJitter, j, sum/4999, most)
		}
		if x.ClockRate != uint32(c.clock) || x.PayloadType != c.pt {
			t.Errorf("clock %d, payload type %d", x.ClockRate, x.PayloadType)
		}
	}
}

// A perfectly regular stream interrupted by everything that is not jitter has
// none.
func TestNoJitterInvented(t *testing.T) {
	regular := func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64, n int) {
		for range n {
			s.pt = 8
			mustAdd(t, tab, s.packet(*seq, *ts, *mono))
			*seq++
			*ts += 160
			*mono += 20 * ms
		}
	}
	for name, disturb := range map[string]func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64){
		"telephone-event": func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64) {
			// RFC 4733: updates and three ends with one timestamp; the ends come at once.
			s.pt = 101
			for i := range 12 {
				mustAdd(t, tab, s.packet(*seq, *ts, *mono))
				*seq++
				if i < 9 {
					*mono += 20 * ms
				}
			}
			*ts += 9 * 160
		},
		"comfort noise": func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64) {
			s.pt = 13
			for i := range 6 {
				mustAdd(t, tab, s.packet(*seq, *ts, *mono))
				*seq++
				*mono += int64(100+50*i) * ms // not what the timestamps say
				*ts += 160
			}
		},
		"silence": func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64) {
			*mono += 1500 * ms
			*ts += 1500 * 8
		},
		"timestamps set anew": func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64) {
			*ts += 0x12345678
		},
		"hold": func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64) {
			*mono += 30_000 * ms
		},
		"restart": func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64) {
			*seq += 20000
			*ts = 77
			*mono += 300 * ms
		},
		"loss": func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64) {
			*seq += 7
			*ts += 7 * 160
			*mono += 7 * 20 * ms
		},
		"same timestamp": func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64) {
			for range 5 {
				mustAdd(t, tab, s.packet(*seq, *ts, *mono))
				*seq++
				*mono += 3 * ms
			}
			*ts += 160
			*mono += 5 * ms
		},
		"duplicates": func(tab *media.Table, s *sender, seq *uint16, ts *uint32, mono *int64) {
			mustAdd(t, tab, s.packet(*seq-2, *ts-320, *mono-10*ms))
		},
	} {
		s, tab := newSender(1), media.New(media.Config{Streams: 1})
		seq, ts, mono := uint16(100), uint32(5000), 1000*ms
		regular(tab, s, &seq, &ts, &mono, 100)
		for range 5 {
			disturb(tab, s, &seq, &ts, &mono)
			regular(tab, s, &seq, &ts, &mono, 50)
		}
		if x := one(t, tab); int64(x.MaxJitter) > 100 || x.PayloadType != 8 {
			t.Errorf("%s: jitter up to %d ns: %+v", name, x.MaxJitter, x)
		}
	}
}

func TestTimestampJumpIsCounted(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 1})
	for i := range 100 {
		if i == 50 {
			s.ts += 1 << 20
		}
		mustAdd(t, tab, s.next(int64(i)*20*ms))
	}
	if x := one(t, tab); x.TimestampJumps != 1 {
		t.Errorf("%d jumps", x.TimestampJumps)
	}
}

func TestClockOfDynamicPayloadTypes(t *testing.T) {
	for _, c := range []struct {
		clock, step uint32
		want        uint32
	}{
		{8000, 160, 8000}, {16000, 320, 16000}, {24000, 480, 24000}, {32000, 640, 32000}, {44100, 882, 44100},
		{48000, 960, 48000}, {90000, 3000, 90000}, {12000, 240, 0},
	} {
		rng := rand.New(rand.NewPCG(2, uint64(c.clock)))
		s, tab := newSender(1), media.New(media.Config{Streams: 1})
		s.pt = 111
		var clock uint32
		for i := range 400 {
			mono := int64(float64(c.step) / float64(c.clock) * 1e9 * float64(i))
			mustAdd(t, tab, s.packet(uint16(i), uint32(i)*c.step, mono+rng.Int64N(5*ms)))
		}
		x := one(t, tab)
		if clock = x.ClockRate; clock != c.want {
			t.Errorf("clock %d, want %d of %d", clock, c.want, c.clock)
		}
		if has := int64(x.MeanJitter) > ms/2 && int64(x.MeanJitter) < 3*ms; has != (c.want != 0) {
			t.Errorf("clock %d: mean jitter %d ns", c.clock, x.MeanJitter)
		}
	}
}

// A stream of a dynamic audio type with telephone-events in between keeps the
// audio's clock; one whose codec changes gets the new one's.
func TestClockAcrossDynamicTypes(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 1})
	var seq uint16
	var ts uint32
	var mono int64
	send := func(pt uint8, n int, step uint32) {
		s.pt = pt
		for range n {
			mustAdd(t, tab, s.packet(seq, ts, mono))
			seq, ts, mono = seq+1, ts+step, mono+20*ms
		}
	}
	last := func() (x media.Snapshot) {
		tab.Snapshot(mono, func(y *media.Snapshot) { x = *y })
		return x
	}
	send(96, 200, 960)
	send(101, 10, 0)
	send(96, 200, 960)
	if x := last(); x.ClockRate != 48000 || x.PayloadType != 96 || x.PayloadChanges != 2 || int64(x.MaxJitter) > 1000 {
		t.Errorf("with events: %+v", x)
	}
	send(97, 2000, 160)
	if x := last(); x.ClockRate != 8000 || x.PayloadType != 97 || x.LastPayloadType != 97 || int64(x.MaxJitter) > 1000 {
		t.Errorf("after the change: %+v", x)
	}
}

func TestSkewAndDelta(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 1})
	for i := range 1000 { // the sender's clock is 1 % slow: 20.2 ms for 160 units
		mustAdd(t, tab, s.next(int64(i)*20_200_000))
	}
	x := one(t, tab)
	if !near(x.Skew, -999*200_000, 10000) || x.MaxSkew != x.Skew {
		t.Errorf("skew %d, most %d", x.Skew, x.MaxSkew)
	}
	if x.MaxDelta != 20_200_000 || x.IntervalMaxDelta != 20_200_000 {
		t.Errorf("delta %d, in the interval %d", x.MaxDelta, x.IntervalMaxDelta)
	}
}

// The interval's maxima begin anew with each snapshot; the stream's do not.
func TestIntervalMaxima(t *testing.T) {
	s, tab := newSender(1), media.New(media.Config{Streams: 1})
	var got []media.Snapshot
	mono := int64(0)
	for i := range 1000 {
		mono += 20 * ms
		if i == 80 {
			mono += 300 * ms
		}
		mustAdd(t, tab, s.next(mono))
		tab.Snapshot(mono, func(x *media.Snapshot) { got = append(got, *x) })
	}
	if len(got) < 9 {
		t.Fatalf("%d snapshots", len(got))
	}
	end := got[len(got)-1]
	if end.IntervalMaxDelta != 20*ms || end.MaxDelta != 320*ms || int64(end.MaxJitter) != 300*ms/16 || int64(end.IntervalMaxJitter) > ms/10 {
		t.Errorf("%+v", end)
	}
}
