package hal

import "time"

// Clock is the machine's wall clock, and the monotonic one that it is compared
// with.
//
// Methods may be called from any goroutine.
type Clock interface {
	// Read returns both clocks at one instant: nanoseconds since 1970 in UTC, and
	// of CLOCK_MONOTONIC, which no step moves.
	Read() (wall, mono int64)

	// Kept reports whether somebody keeps the wall clock right, as far as the
	// kernel has been told: Trust, or another program, has done so lately.
	Kept() (bool, error)

	// Step moves the wall clock at once.
	Step(by time.Duration) error

	// Slew moves the wall clock by letting both clocks run a little faster or slower, by
	// at most MaxSlew in all, and forgets what was left of the last Slew.
	Slew(by time.Duration) error

	// Trust tells the kernel that the wall clock is right but for an error of at
	// most this much. It then sets the hardware clock by it now and then.
	Trust(maxError time.Duration) error
}

// MaxSlew is the most that one Slew moves a clock: at 500 ppm, which is what the
// kernel does (adjtime(3)), it takes a quarter of an hour.
const MaxSlew = 500 * time.Millisecond
