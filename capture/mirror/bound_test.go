package mirror

import (
	"math"
	"testing"
)

func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n      uint64
		z         float64
		low, high float64
	}{
		{0, 0, 1.96, 0, 1},
		{0, 10, 1.96, 0, .2775},
		{5, 10, 1.96, .2366, .7634},
		{10, 10, 1.96, .7225, 1},
		{1, 1000, 1.96, .000177, .005642},
	} {
		low, high := wilson(c.k, c.n, c.z)
		if math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("%d of %d: %.6f to %.6f, want %.6f to %.6f", c.k, c.n, low, high, c.low, c.high)
		}
	}
}

// TestSure: certain is where Wilson's lower bound passes the share, for every n.
func TestSure(t *testing.T) {
	for _, p := range []float64{1e-4, .005, .3, .8} {
		for _, n := range []uint64{1, 4, 20, 100, 10_000, 1_000_000} {
			for k := uint64(0); k <= n; k += max(1, n/50) {
				low, _ := wilson(k, n, z99)
				if got := sure(k, n, p) >= certain; got != (low > p) && math.Abs(low-p) > 1e-4 {
					t.Errorf("%d of %d above %v: %d %%, and the bound is %v", k, n, p, sure(k, n, p), low)
				}
				z := (float64(k)/float64(n) - p) / math.Sqrt(p*(1-p)/float64(n))
				if got, want := sure(k, n, p), uint8(min(99, 50*math.Erfc(-z/math.Sqrt2))); got != want {
					t.Errorf("%d of %d above %v: %d %%, want %d %%", k, n, p, got, want)
				}
			}
		}
	}
	if sure(5, 0, .5) != 0 || sure(7, 5, .5) != sure(5, 5, .5) {
		t.Error("nonsense is not taken for nothing")
	}
}

func TestAtLeast(t *testing.T) {
	for _, c := range []struct {
		k, n    int
		q, want float64
	}{{0, 5, .5, 1}, {5, 5, .5, 1. / 32}, {9, 10, .5, 11. / 1024}, {1, 4, 0, 0}, {1, 4, 1, 1}, {3, 4, .1, .0037}} {
		if got := atLeast(c.k, c.n, c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%d of %d at %v: %v, want %v", c.k, c.n, c.q, got, c.want)
		}
	}
}

// TestWindow: sums are those of the last 60 steps, whatever the steps were.
func TestWindow(t *testing.T) {
	w := window{step: second}
	var all []counts
	for i := range 500 {
		d := counts{cTime: uint64(second), cRTP: uint64(i % 7)}
		if i%10 == 0 {
			d[cTime] /= 2
		}
		w.add(&d)
		all = append(all, d)
		var most, least uint64
		for k, at := uint64(0), len(all)-1; at >= 0; at-- {
			k += all[at][cRTP]
			if len(all)-at <= 60 {
				least = k
			}
			if len(all)-at <= 68 {
				most = k
			}
		}
		if got := w.sum[cRTP]; got < least || got > most {
			t.Fatalf("after %d: %d, want %d to %d", i, got, least, most)
		}
	}
	if s := w.sum[cTime] / uint64(second); s < 60 || s > 66 { // a bucket with half a step in it gets longer than a step
		t.Errorf("the window covers %d s", s)
	}
}
