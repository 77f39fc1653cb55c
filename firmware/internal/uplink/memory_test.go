package uplink

import "testing"

// What passes between two barriers is kept for the next, and an outage's memory is given
// back.
func TestMemoryKeepsWhatIsUsed(t *testing.T) {
	m := newMemory(16 << 20)
	rec, seq := make([]byte, m.pageSize/4), uint64(0)
	made := map[*page]bool{}
	cycle := func(pages int) {
		for len(m.pages) < pages || m.fits(len(rec)) {
			m.push(seq, rec)
			seq++
		}
		for _, p := range m.pages {
			made[p] = true
		}
		m.drop(func(*page) bool { return true })
		if m.used != 0 || len(m.pages) != 0 {
			t.Fatalf("%d octets in %d pages of none", m.used, len(m.pages))
		}
	}
	const usual = 5
	for range 3 {
		cycle(usual)
	}
	if n := len(m.free); n < usual-1 || n > usual {
		t.Errorf("%d pages are kept, want all %d that are in use, or one less", n, usual)
	}
	cycle(m.limit / m.pageSize) // an outage
	if n := len(m.free) * m.pageSize; n > m.limit/keptShare {
		t.Errorf("%d octets are kept right after an outage", n)
	}
	cycles := 0
	for ; len(m.free) > usual; cycles++ {
		if cycle(usual); cycles > 100 {
			t.Fatalf("%d pages are kept after %d barriers", len(m.free), cycles)
		}
	}
	clear(made)
	for range 32 {
		cycle(usual)
	}
	if n := len(made) - usual; n > 32 {
		t.Errorf("%d pages were made anew in 32 barriers of %d pages", n, usual)
	}
}
