package infer

import (
	"maps"
	"slices"
	"testing"
)

// seeds of the workloads, and how long each lasts.
const (
	numSeeds  = 3
	lasts     = 60 * sec
	precision = 0.99
)

func measure(t *testing.T, build func(seed uint64, length int64) *world) *result {
	t.Helper()
	res := newResult()
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
	for _, name := range slices.Sorted(maps.Keys(res.shapes)) {
		s := res.shapes[name]
		t.Logf("%-32s asked %6d  of calls %6d  linked %6d  precision %.4f  recall %.4f  %v", name, s.asked, s.belong, s.linked, s.precision(), s.recall(), *res.none[name])
	}
	t.Logf("%-32s asked %6d  of calls %6d  linked %6d  precision %.4f  recall %.4f", "all", res.total.asked, res.total.belong, res.total.linked, res.total.precision(), res.total.recall())
	for score, n := range res.scores {
		if n[0] > 0 {
			t.Logf("score %2d: %6d links, %.1f %% right", score, n[0], 100*float64(n[1])/float64(n[0]))
		}
	}
	return res
}

func TestFirstWorkload(t *testing.T) {
	if res := measure(t, first); res.total.precision() < precision {
		t.Errorf("precision %.4f, want at least %v", res.total.precision(), precision)
	}
}

func TestSecondWorkload(t *testing.T) {
	if res := measure(t, second); res.total.precision() < precision {
		t.Errorf("precision %.4f, want at least %v", res.total.precision(), precision)
	}
}
