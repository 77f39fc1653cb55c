package media_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"heptap/capture/media"
)

// What an impairment relay drops, duplicates and delays is what is counted,
// to the packet.
func TestImpairedExactly(t *testing.T) {
	kinds := []struct{ loss, burst, dup, late float64 }{
		{}, {loss: 0.01}, {loss: 0.2}, {loss: 0.02, burst: 0.9}, {dup: 0.1}, {late: 0.1}, {late: 0.9},
		{loss: 0.05, dup: 0.05, late: 0.05}, {0.3, 0.3, 0.3, 0.3}, {loss: 0.01, burst: 0.995},
	}
	for seed := range uint64(40) {
		for i, k := range kinds {
			t.Run(fmt.Sprintf("%d/%d", i, seed), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, uint64(i)))
				order := impaired(rng, 1+rng.IntN(4000), k.loss, k.burst, k.dup, k.late)
				if len(order) == 0 {
					return // everything was dropped
				}
				// Jumps of 3000 and more are a restart by definition, and what is
				// late by more than 100 numbers cannot be placed.
				s, tab := newSender(1), media.New(media.Config{Streams: 4})
				first := uint16(rng.Uint32())
				for j, n := range order {
					mustAdd(t, tab, s.packet(first+uint16(n), uint32(n)*160, int64(j)*20e6))
				}
				count(order).check(t, one(t, tab))
			})
		}
	}
}

// arrivals feeds the given sequence numbers to a new table.
func arrivals(t *testing.T, seqs ...int) media.Snapshot {
	t.Helper()
	s, tab := newSender(1), media.New(media.Config{Streams: 4})
	for i, n := range seqs {
		mustAdd(t, tab, s.packet(uint16(n), uint32(n)*160, int64(i)*20e6))
	}
	return one(t, tab)
}

func run(from, to int) (out []int) {
	for n := from; n < to; n++ {
		out = append(out, n)
	}
	return out
}

func TestSequences(t *testing.T) {
	cat := func(runs ...[]int) (out []int) {
		for _, r := range runs {
			out = append(out, r...)
		}
		return out
	}
	for _, c := range []struct {
		name                                      string
		seqs                                      []int
		expected, missing, dups, reordered, stray uint64
		runs                                      uint64
		gen                                       uint32
	}{
		{name: "one", seqs: []int{7}, expected: 1},
		{name: "wrap", seqs: run(65530, 65546), expected: 16},
		{name: "wrap with loss", seqs: []int{65534, 65537}, expected: 4, missing: 2, runs: 1},
		{name: "late over the wrap", seqs: []int{65535, 65537, 65536}, expected: 3, reordered: 1},
		{name: "two wraps", seqs: run(0, 140000), expected: 140000},
		{name: "late first", seqs: []int{10, 9, 11}, expected: 3, reordered: 1},
		{name: "late first, a gap", seqs: []int{10, 7, 11}, expected: 5, missing: 2, reordered: 1, runs: 1},
		{name: "late first over 0", seqs: []int{1, 65535, 2}, expected: 4, missing: 1, reordered: 1, runs: 1},
		{name: "late first, twice", seqs: []int{10, 7, 8, 8, 5}, expected: 6, missing: 2, reordered: 3, dups: 1, runs: 2},
		{name: "duplicates", seqs: []int{1, 1, 2, 2, 1, 3}, expected: 3, dups: 3},
		{name: "gap filled late", seqs: []int{1, 2, 5, 3, 4, 4, 6}, expected: 6, reordered: 2, dups: 1},
		{name: "late by 100", seqs: cat(run(0, 10), run(11, 111), []int{10}), expected: 111, reordered: 1},
		{name: "late by 101", seqs: cat(run(0, 10), run(11, 112), []int{10}), expected: 112, missing: 1, stray: 1, runs: 1},
		{name: "jump by 63", seqs: cat(run(0, 200), run(262, 400)), expected: 400, missing: 62, runs: 1},
		{name: "jump by 64", seqs: cat(run(0, 200), run(263, 400)), expected: 400, missing: 63, runs: 1},
		{name: "jump by 65", seqs: cat(run(0, 200), run(264, 400)), expected: 400, missing: 64, runs: 1},
		{name: "jump by 127", seqs: cat(run(0, 200), run(326, 400)), expected: 400, missing: 126, runs: 1},
		{name: "jump by 128", seqs: cat(run(0, 200), run(327, 400)), expected: 400, missing: 127, runs: 1},
		{name: "jump by 129", seqs: cat(run(0, 200), run(328, 400)), expected: 400, missing: 128, runs: 1},
		{name: "jump by 2999", seqs: cat(run(0, 200), run(3198, 3400)), expected: 3400, missing: 2998, runs: 1},
		{name: "jumps in a row", seqs: []int{0, 2, 66, 130, 258, 1000, 1002}, expected: 1003, missing: 996, runs: 6},
		{name: "restart", seqs: cat(run(5000, 5100), run(0, 100)), expected: 200, gen: 1},
		{name: "restart forward", seqs: cat(run(0, 100), run(20000, 20100)), expected: 200, gen: 1},
		{name: "restart with duplicates", seqs: cat(run(5000, 5100), []int{0, 0, 1, 1, 2}), expected: 103, dups: 2, gen: 1},
		{name: "restart with loss before", seqs: cat(run(5000, 5100), []int{5101}, run(0, 50)), expected: 152, missing: 1, runs: 1, gen: 1},
		{name: "restart, late first", seqs: cat(run(5000, 5100), []int{10, 11, 9, 12}), expected: 104, reordered: 1, gen: 1},
		{name: "three generations", seqs: cat(run(5000, 5100), run(0, 100), run(9000, 9100)), expected: 300, gen: 2},
		{name: "one stray", seqs: cat(run(0, 100), []int{30000}, run(100, 200)), expected: 200, stray: 1},
		{name: "strays that do not follow each other", seqs: cat(run(0, 100), []int{30000, 100, 30001, 101}), expected: 102, stray: 2},
	} {
		x := arrivals(t, c.seqs...)
		if x.Expected != c.expected || x.Missing != c.missing || x.Duplicates != c.dups || uint64(x.Reordered) != c.reordered ||
			uint64(x.Strays) != c.stray || x.Gen != c.gen || uint64(x.LossEvents) != c.runs {
			t.Errorf("%s: %+v\n%+v", c.name, c, x)
		}
		if x.Packets+uint64(x.Strays) != uint64(len(c.seqs)) || x.Lost != int64(x.Missing)-int64(x.Duplicates) ||
			x.Octets != 160*x.Packets {
			t.Errorf("%s: does not add up: %+v", c.name, x)
		}
	}
}

func TestLossSince(t *testing.T) {
	// 100 packets: one run of 10 lost. Random loss of 10 % would lose runs of 1/(1-0.1).
	var s []int
	for n := range 100 {
		if n < 40 || n >= 50 {
			s = append(s, n)
		}
	}
	x := arrivals(t, s...)
	percent, burst := x.LossSince(&media.Mark{})
	if percent != 10 || burst != 9 {
		t.Errorf("%v %%, burst ratio %v; want 10, 9", percent, burst)
	}
	if percent, burst = x.LossSince(&x.Mark); percent != 0 || burst != 1 {
		t.Errorf("nothing new: %v %%, burst ratio %v", percent, burst)
	}
	// A late packet takes back the loss of the interval before.
	if percent, burst = x.LossSince(&media.Mark{Expected: 90, Missing: 11, LossEvents: 2}); percent != 0 || burst != 1 {
		t.Errorf("less lost than before: %v %%, burst ratio %v", percent, burst)
	}
}
