package infer

import "testing"

// quiet builds a host with a call every other second for half an hour, each of which
// fetches a menu without saying whose; and health checks and metrics.
func quiet(seed uint64, length int64) *world {
	w := newWorld(seed)
	healthChecks(w, length)
	return w
}

// TestOnlyCall asserts that queries without any key are linked where that is safe.
func TestOnlyCall(t *testing.T) {
	res := &result{shapes: map[string]*[2]tally{}}
	for seed := range uint64(4) {
		w := quiet(seed, 1800*sec)
		ds, _ := w.play(Config{})
		if err := res.add(w, ds); err != nil {
			t.Fatal(err)
		}
	}
	for name, s := range res.shapes {
		t.Logf("%-24s of calls %5d of %5d: %d linked, %d of them right", name, s[1].belong, s[1].asked, s[1].linked, s[1].right)
	}
	menu, all := res.shapes["menu without a number"][1], res.total[1]
	if menu.right*2 < menu.belong || all.precision() < precision {
		t.Errorf("%d of %d found, precision %.4f", menu.right, menu.belong, all.precision())
	}
}
