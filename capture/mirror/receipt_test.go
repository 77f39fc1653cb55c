package mirror_test

import (
	"math/rand/v2"
	"testing"

	"heptap/capture/mirror"
)

// path is a stream on its way: lost before the mirror point, in the mirror or
// behind it, with reports that are a little old (RFC 3550 6.4.1).
type path struct {
	before, in, after float64
	burst             int
	old               int // packets by which a report is behind
	deaf              bool
}

// run sends n packets with a report every 250 and returns what was found.
func (w path) run(seed uint64, n int) (r mirror.Receipts) {
	rng := rand.New(rand.NewPCG(seed, 5))
	var pair mirror.LossPair
	var own mirror.OwnLoss
	var report mirror.ReportedLoss
	var queue []mirror.ReportedLoss
	gone, was := 0, false
	for i := range n {
		if gone == 0 && rng.Float64() < w.before/float64(max(1, w.burst)) {
			gone = max(1, w.burst)
		}
		before, in, after := gone > 0, rng.Float64() < w.in, rng.Float64() < w.after
		gone = max(0, gone-1)
		own.Expected++
		if before || in {
			own.Missing++
			if !was {
				own.Runs++
			}
		}
		was = before || in
		report.Highest++
		if (before || after) && !w.deaf {
			report.Lost++
		}
		if queue = append(queue, report); len(queue) > w.old+1 {
			queue = queue[1:]
		}
		if i%250 == 249 {
			r.Add(pair.Add(own, queue[0]))
		}
	}
	return r
}

func TestLossPairSides(t *testing.T) {
	for _, c := range []struct {
		name string
		path path
		want func(r mirror.Receipts) uint64
	}{
		{"nothing lost", path{}, func(r mirror.Receipts) uint64 { return r.Clean }},
		{"before", path{before: .05}, func(r mirror.Receipts) uint64 { return r.Shared }},
		{"before, in bursts, old reports", path{before: .05, burst: 5, old: 50}, func(r mirror.Receipts) uint64 { return r.Shared + r.Clean }},
		{"in the mirror", path{in: .05}, func(r mirror.Receipts) uint64 { return r.Mirror }},
		{"in the mirror, less before", path{in: .06, before: .01, old: 20}, func(r mirror.Receipts) uint64 { return r.Mirror }},
		{"after", path{after: .05, old: 20}, func(r mirror.Receipts) uint64 { return r.After }},
		{"everywhere but in the mirror", path{before: .05, after: .02, old: 20}, func(r mirror.Receipts) uint64 { return r.Shared + r.After }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all, right uint64
			for seed := range uint64(500) {
				r := c.path.run(seed, 2000)
				all += r.Clean + r.Shared + r.Mirror + r.After
				right += c.want(r)
			}
			if all < 400 || right*100 < all*97 {
				t.Errorf("%d of %d comparisons were right", right, all)
			}
		})
	}
}

// TestLossPairNeverAccuses: whatever happens outside of the mirror, with
// reports up to a second old and bursts of any length, hardly any comparison
// finds the mirror, as chance at three deviations would.
func TestLossPairNeverAccuses(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var all mirror.Receipts
	for seed := range uint64(5000) {
		w := path{before: rng.ExpFloat64() * .03, after: rng.ExpFloat64() * .03, burst: 1 + rng.IntN(30), old: rng.IntN(50)}
		r := w.run(seed, 2000)
		all.Clean += r.Clean
		all.After += r.After
		all.Shared += r.Shared
		all.Mirror += r.Mirror
	}
	if n := all.Clean + all.After + all.Shared + all.Mirror; n < 4000 || all.Mirror*1000 > n {
		t.Errorf("%d of %d comparisons accuse a good mirror: %+v", all.Mirror, n, all)
	}
}

func TestLossPairBegins(t *testing.T) {
	own := func(expected, missing uint32) mirror.OwnLoss {
		return mirror.OwnLoss{Expected: expected, Missing: missing, Runs: missing}
	}
	type step struct {
		own    mirror.OwnLoss
		report mirror.ReportedLoss
		want   mirror.Side
	}
	drops := own(2000, 100)
	drops.KernelDrops = 1
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"found", []step{{own(0, 0), mirror.ReportedLoss{Highest: 10}, mirror.SideOpen}, {own(2000, 100), mirror.ReportedLoss{Highest: 2010}, mirror.SideMirror}}},
		{"it rests, and looks again", []step{
			{own(0, 0), mirror.ReportedLoss{Highest: 10}, mirror.SideOpen}, {own(2000, 100), mirror.ReportedLoss{Highest: 2010}, mirror.SideMirror},
			{own(4000, 200), mirror.ReportedLoss{Highest: 4010}, mirror.SideOpen}, {own(32000, 200), mirror.ReportedLoss{Highest: 32010}, mirror.SideOpen},
			{own(34000, 200), mirror.ReportedLoss{Highest: 34010}, mirror.SideClean}}},
		{"too short", []step{{own(0, 0), mirror.ReportedLoss{}, mirror.SideOpen}, {own(1000, 100), mirror.ReportedLoss{Highest: 1000}, mirror.SideOpen}}},
		{"our ring dropped", []step{{own(0, 0), mirror.ReportedLoss{}, mirror.SideOpen}, {drops, mirror.ReportedLoss{Highest: 2000}, mirror.SideOpen}}},
		{"about another time", []step{{own(0, 0), mirror.ReportedLoss{}, mirror.SideOpen}, {own(5000, 100), mirror.ReportedLoss{Highest: 2000}, mirror.SideOpen}}},
		{"the sender began anew", []step{{own(5000, 0), mirror.ReportedLoss{Highest: 5000}, mirror.SideOpen}, {own(2000, 100), mirror.ReportedLoss{Highest: 2000}, mirror.SideOpen}}},
		{"sequence numbers wrap", []step{{own(0, 0), mirror.ReportedLoss{Highest: 1<<32 - 100}, mirror.SideOpen}, {own(2000, 0), mirror.ReportedLoss{Highest: 1900}, mirror.SideClean}}},
		{"duplicates make the loss negative (RFC 3550 6.4.1)", []step{
			{own(0, 0), mirror.ReportedLoss{}, mirror.SideOpen}, {own(2000, 0), mirror.ReportedLoss{Highest: 2000, Lost: -50}, mirror.SideClean}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p mirror.LossPair
			for i, s := range c.steps {
				if got, _ := p.Add(s.own, s.report); got != s.want {
					t.Fatalf("step %d: %v, want %v", i, got, s.want)
				}
			}
		})
	}
}

// TestCommonLoss holds the totals against streams whose loss is known.
func TestCommonLoss(t *testing.T) {
	for _, c := range []struct {
		name       string
		streams    int
		lose       func(rng *rand.Rand, stream, at int) bool // in this second
		low, high  float64                                   // share of common instants
		everything bool                                      // practically all loss is in them
	}{
		{"nothing", 20, func(*rand.Rand, int, int) bool { return false }, 0, 0, false},
		{"one stream", 20, func(_ *rand.Rand, s, _ int) bool { return s == 3 }, 0, 0, false},
		{"all, now and then", 20, func(_ *rand.Rand, _, at int) bool { return at%40 == 0 }, .03, .08, true},
		{"each on its own", 20, func(rng *rand.Rand, _, _ int) bool { return rng.Float64() < .05 }, 0, 0, false},
		{"half, now and then", 20, func(_ *rand.Rand, s, at int) bool { return s%2 == 0 && at%40 == 0 }, 0, 0, false},
		{"three streams are no crowd", 3, func(_ *rand.Rand, _, at int) bool { return at%40 == 0 }, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(9, 9))
			l := mirror.NewCommonLoss(0)
			lost := make([]uint64, c.streams)
			for at := range 2000 {
				l.Tick(int64(at) * second)
				for s := range c.streams {
					if c.lose(rng, s, at) {
						lost[s] += 5
					}
					if at%2 == s%2 { // they report every 2 s, each in its own phase
						l.Add(int64(at)*second, 100, lost[s])
						lost[s] = 0
					}
				}
			}
			x := l.Totals()
			share := float64(x.CommonInstants) / max(1, float64(x.Instants))
			if share < c.low || share > c.high {
				t.Errorf("%.3f of the instants are common, want %.3f to %.3f: %+v", share, c.low, c.high, x)
			}
			if c.everything && (x.LostCommon*10 < x.Lost*9 || x.Swing < 3*x.Even) {
				t.Errorf("the loss is not in the common instants: %+v", x)
			}
			if c.streams < 4 && x.Instants > 0 {
				t.Errorf("%d instants", x.Instants)
			}
		})
	}
}

func TestCommonLossClock(t *testing.T) {
	l := mirror.NewCommonLoss(0)
	for _, mono := range []int64{0, 1, 1 << 62, -1 << 62, 0, 2 * second, second, 5 * second} {
		for range 10 {
			l.Add(mono, 100, 5)
		}
		l.Tick(mono)
	}
	if n := l.Totals().Instants; n > 10 {
		t.Errorf("%d instants in a few calls", n)
	}
	if n := testing.AllocsPerRun(100, func() { l.Add(6*second, 100, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
