package onboard

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal/haltest"
	"heptap/hal/sysclock"
)

// TestClock steps the clock of the machine, which is its own here.
func TestClock(t *testing.T) {
	haltest.TestClock(t, sysclock.Clock{}, func() int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC_RAW, &ts); err != nil {
			t.Fatal(err)
		}
		return ts.Nano()
	}, time.Sleep)
}
