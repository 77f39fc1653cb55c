package infer

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// seeds of the workloads, and how long each lasts.
const (
	numSeeds  = 2
	lasts     = 90 * sec
	precision = 0.99
)

func measure(t *testing.T, build func(seed uint64, length int64) *world) *result {
	t.Helper()
	res := &result{shapes: map[string]*[2]tally{}}
	for seed := range uint64(numSeeds) {
		w := build(seed, lasts)
		ds, m := w.play(Config{})
		if err := res.add(w, ds); err != nil {
			t.Fatal(err)
		}
		st := m.Stats()
		sum := st.Linked + st.Passed + st.Waiting
		for _, n := range st.None {
			sum += n
		}
		if st.Waiting != 0 || sum != st.Taken() || len(ds) != int(sum-st.Passed) {
			t.Errorf("seed %d: %d taken, %d decided: %+v", seed, st.Taken(), len(ds), st)
		}
	}
	row := func(name string, s *[2]tally) {
		t.Logf("%-28s of calls %6d of %6d  precision %s cold, %s warm  recall %s cold, %s warm  wrong %d", name, s[0].belong+s[1].belong, s[0].asked+s[1].asked,
			share(s[0].right, s[0].linked), share(s[1].right, s[1].linked), share(s[0].right, s[0].belong), share(s[1].right, s[1].belong), s[0].linked+s[1].linked-s[0].right-s[1].right)
	}
	for _, name := range slices.Sorted(maps.Keys(res.shapes)) {
		row(name, res.shapes[name])
	}
	row("all", &res.total)
	for score, n := range res.scores {
		if n[0] > 0 {
			t.Logf("score %2d: %6d links, %s %% right", score, n[0], share(n[1], n[0]))
		}
	}
	return res
}

// share prints a part of a whole in per cent.
func share(part, whole int) string {
	if whole == 0 {
		return "     -"
	}
	return fmt.Sprintf("%6.2f", 100*float64(part)/float64(whole))
}

func TestFirstWorkload(t *testing.T) {
	measure(t, first).check(t, 0.94)
}

func TestSecondWorkload(t *testing.T) {
	measure(t, second).check(t, 0.82)
}

// check asserts the precision, in sum and of each kind of query, and the least recall, cold and warm.
func (res *result) check(t *testing.T, recall float64) {
	t.Helper()
	for _, n := range res.total {
		if got := float64(n.right) / float64(n.belong); got < recall {
			t.Errorf("recall %.4f, want at least %v", got, recall)
		}
	}
	for _, s := range append(slices.Collect(maps.Values(res.shapes)), &res.total) {
		all := tally{linked: s[0].linked + s[1].linked, right: s[0].right + s[1].right}
		if all.linked >= 100 && all.precision() < precision {
			t.Errorf("precision %.4f, want at least %v", all.precision(), precision)
		}
	}
}

// TestCalibration holds scores against the measured share of links that are right,
// for all scores from 50 on. Below 80 they are no more than an order.
func TestCalibration(t *testing.T) {
	var all [100][2]int
	for _, build := range []func(uint64, int64) *world{first, second} {
		w := build(100, lasts)
		ds, _ := w.play(Config{MinScore: 50})
		res := &result{shapes: map[string]*[2]tally{}}
		if err := res.add(w, ds); err != nil {
			t.Fatal(err)
		}
		for i, n := range res.scores {
			all[i][0] += n[0]
			all[i][1] += n[1]
		}
	}
	for _, bin := range [][2]int{{50, 69}, {70, 79}, {80, 89}, {90, 94}, {95, 97}, {98, 98}, {99, 99}} {
		var links, right, sum int
		for s := bin[0]; s <= bin[1]; s++ {
			links += all[s][0]
			right += all[s][1]
			sum += s * all[s][0]
		}
		said, measured := float64(sum)/float64(max(links, 1)), 100*float64(right)/float64(max(links, 1))
		t.Logf("score %2d to %2d: %6d links, said %5.1f %%, measured %6.2f %%", bin[0], bin[1], links, said, measured)
		if bin[0] >= 80 && links > 200 && measured < said-1 {
			t.Errorf("score %d to %d: %.1f %% right of %d links", bin[0], bin[1], measured, links)
		}
	}
}

func TestThirdWorkload(t *testing.T) {
	measure(t, third).check(t, 0.82)
}
