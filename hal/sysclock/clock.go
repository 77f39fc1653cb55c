// Package sysclock is hal.Clock on Linux, by adjtimex(2). Reading needs no right;
// the rest needs CAP_SYS_TIME.
package sysclock

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
)

// Clock is CLOCK_REALTIME. The zero Clock is ready for use.
type Clock struct{}

var _ hal.Clock = Clock{}

// Read implements hal.Clock. Of three readings it takes the one during which
// least time passed.
func (Clock) Read() (wall, mono int64) {
	best := int64(-1)
	for range 3 {
		before, w, after := read(unix.CLOCK_MONOTONIC), read(unix.CLOCK_REALTIME), read(unix.CLOCK_MONOTONIC)
		if gap := after - before; best < 0 || gap < best {
			best, wall, mono = gap, w, before+gap/2
		}
	}
	return wall, mono
}

func read(clock int32) int64 {
	var ts unix.Timespec
	if unix.ClockGettime(clock, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

// Kept implements hal.Clock.
func (Clock) Kept() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, fmt.Errorf("ask for the clock's state: %w", err)
	}
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, nil
}

// Step implements hal.Clock.
func (Clock) Step(by time.Duration) error {
	t := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO}
	// Nanoseconds count upwards: -0.25 s is -1 s and 0.75 s.
	sec := by / time.Second
	nsec := by % time.Second
	if nsec < 0 {
		sec, nsec = sec-1, nsec+time.Second
	}
	setTime(&t.Time, int64(sec), int64(nsec))
	if _, err := unix.Adjtimex(&t); err != nil {
		return fmt.Errorf("step the clock by %v: %w", by, err)
	}
	return nil
}

// Slew implements hal.Clock.
func (Clock) Slew(by time.Duration) error {
	by = min(max(by, -hal.MaxSlew), hal.MaxSlew)
	t := unix.Timex{Modes: unix.ADJ_OFFSET_SINGLESHOT}
	setOffset(&t, by.Microseconds())
	if _, err := unix.Adjtimex(&t); err != nil {
		return fmt.Errorf("slew the clock by %v: %w", by, err)
	}
	return nil
}

// Trust implements hal.Clock.
func (Clock) Trust(maxError time.Duration) error {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return fmt.Errorf("ask for the clock's state: %w", err)
	}
	t.Modes = unix.ADJ_STATUS | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR
	t.Status &^= unix.STA_UNSYNC
	setErrors(&t, maxError.Microseconds())
	if _, err := unix.Adjtimex(&t); err != nil {
		return fmt.Errorf("tell the kernel that the clock is right: %w", err)
	}
	return nil
}
