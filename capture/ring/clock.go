package ring

import (
	"time"

	"golang.org/x/sys/unix"
)

// stepMin is the least change of the distance between the two clocks that is
// believed to be a step of the wall clock. Reading both clocks one after the
// other is good to about a microsecond.
const stepMin = 50 * int64(time.Microsecond)

// clock converts wall time into monotonic time, see the package comment. All
// values are nanoseconds. One clock belongs to one source and its reader.
type clock struct {
	read   func() (wall, mono int64) // both clocks at one instant
	offset int64                     // mono - wall
	now    int64                     // when the current block was opened
	last   int64                     // Mono of the last frame
	set    bool                      // offset has been measured
	card   card                      // of the network card, where frames are stamped by it

	// After a step, until a frame from after it has been seen.
	stepped bool
	old     int64 // offset before the step
	stepAt  int64 // when it was noticed
	floor   int64 // no frame still to come is older than this
}

// measure looks at both clocks: before each block, and when the ring is empty.
func (c *clock) measure() {
	wall, mono := c.read()
	c.now = mono
	offset := mono - wall
	switch diff := offset - c.offset; {
	case !c.set:
		c.offset, c.set = offset, true
	case diff > stepMin || diff < -stepMin:
		c.old, c.offset = c.offset, offset
		c.stepped, c.stepAt = true, mono
	}
	if c.stepped && c.floor >= c.stepAt {
		c.stepped = false
	}
}

// drained says that the ring is empty: a frame still to come is not older
// than age.
func (c *clock) drained(age time.Duration) {
	c.measure()
	c.floor = c.now - int64(age)
}

// at returns the monotonic time of a frame stamped wall.
func (c *clock) at(wall int64) int64 {
	m := wall + c.offset
	if c.stepped {
		m = c.acrossStep(wall)
	}
	m = max(min(m, c.now), c.last)
	c.last = m
	return m
}

// bySystem is at, of a frame that the card has not stamped.
func (c *clock) bySystem(wall int64) int64 {
	if c.card.read != nil {
		c.card.plain++
		c.card.unstamped++
	}
	return c.at(wall)
}

// byCard returns both times of a frame with that stamp of the card's. The wall
// time is that of the wall clock as it is set now.
func (c *clock) byCard(stamp int64) (wall, mono int64) {
	m := max(min(c.card.believe(stamp, c.now), c.now), c.last)
	c.last = m
	return m - c.offset, m
}

// opened tells the card when the kernel began a block, by the system's clock: as it has
// always stamped that itself, no frame of it is older.
func (c *clock) opened(block []byte) {
	low := c.floor
	if !c.stepped && len(block) >= blockMin {
		low = max(low, int64(u32(block, blockFirstSec))*1e9+int64(u32(block, blockFirstNsec))+c.offset)
	}
	c.card.begin(min(low, c.now))
}

func (c *clock) acrossStep(wall int64) int64 {
	low := max(c.last, c.floor)
	if m := wall + c.old; m >= low && m <= c.now {
		return m
	}
	m := wall + c.offset
	if m >= low && m <= c.now {
		c.stepped = false // from after the step, as are all that follow
	}
	return max(m, low)
}

// newClocks returns a function that reads both clocks at one instant. It asks
// the Go runtime, which reads them without entering the kernel.
//
// A reading is good when little time has passed since one just before it. If
// something came in between, it tries again and takes the best of three.
func newClocks() func() (wall, mono int64) {
	const (
		good  = 5 * time.Microsecond
		tries = 3
	)
	// A time.Time does not show its monotonic reading, but differences do.
	var zero time.Time // when CLOCK_MONOTONIC was zeroMono
	var zeroMono int64
	for i, best := 0, time.Duration(0); i < tries; i++ {
		before := time.Now()
		mono := Now()
		gap := time.Since(before)
		if i == 0 || gap < best {
			zero, zeroMono, best = before.Add(gap/2), mono, gap
		}
	}
	return func() (wall, mono int64) {
		before := time.Now()
		for i, best := 0, time.Duration(0); i < tries; i++ {
			t := time.Now()
			gap := t.Sub(before)
			if i == 0 || gap < best {
				wall, mono, best = t.UnixNano(), zeroMono+int64(t.Sub(zero)), gap
			}
			if gap <= good {
				break
			}
			before = t
		}
		return wall, mono
	}
}

// Now returns the clock of Frame.Mono: CLOCK_MONOTONIC, in nanoseconds.
func Now() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return ts.Nano()
}
