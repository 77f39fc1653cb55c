package haltest

import (
	"math"
	"testing"
	"time"

	"heptap/hal"
)

// TestClock holds that c does what hal.Clock says. It moves the clock, and moves it
// back: with a real one it belongs on a machine of its own. pass lets so much time
// pass by raw, a clock that nothing moves, in ns.
func TestClock(t *testing.T, c hal.Clock, raw func() int64, pass func(time.Duration)) {
	// read reads all clocks at one instant: of some attempts the one that took least, as a
	// guest may not be scheduled between two readings.
	read := func() (wall, mono, at int64) {
		least := int64(math.MaxInt64)
		for range 10 {
			before := raw()
			w, m := c.Read()
			if took := raw() - before; took < least {
				least, wall, mono, at = took, w, m, before
			}
		}
		return wall, mono, at
	}
	offset := func() time.Duration {
		wall, mono, _ := read()
		return time.Duration(wall - mono)
	}
	const good = 2 * time.Millisecond // two readings of two clocks on a slow machine
	near := func(what string, got, want time.Duration) {
		t.Helper()
		if d := got - want; d > good || d < -good {
			t.Errorf("%s: the clock moved by %v, want %v", what, got, want)
		}
	}
	_, before := c.Read()
	pass(20 * time.Millisecond)
	if _, after := c.Read(); after-before < int64(20*time.Millisecond) {
		t.Errorf("in 20 ms the monotonic clock moved by %v", time.Duration(after-before))
	}
	for _, by := range []time.Duration{time.Hour, -250 * time.Millisecond, 1500 * time.Millisecond, -time.Hour - 1250*time.Millisecond} {
		was := offset()
		if err := c.Step(by); err != nil {
			t.Fatal(err)
		}
		near("a step", offset()-was, by)
	}
	ahead := func() time.Duration {
		wall, _, at := read()
		return time.Duration(wall - at)
	}
	was, apart := ahead(), offset()
	if err := c.Slew(100 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	near("a slew at first", ahead()-was, 0)
	pass(6 * time.Second) // 500 ppm of these are 3 ms
	if moved := ahead() - was; moved < 1500*time.Microsecond || moved > 20*time.Millisecond {
		t.Errorf("six seconds into a slew the clock had moved by %v", moved)
	}
	near("a slew against the monotonic clock", offset()-apart, 0)
	if err := c.Slew(0); err != nil {
		t.Fatal(err)
	}
	if err := c.Trust(10 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if kept, err := c.Kept(); err != nil || !kept {
		t.Errorf("after Trust nobody keeps the clock: %v, %v", kept, err)
	}
}
