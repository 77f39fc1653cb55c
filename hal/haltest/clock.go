package haltest

import (
	"sync"
	"time"

	"heptap/hal"
)

// Clock is a hal.Clock that the test moves. Its monotonic clock begins at one
// second, its wall clock wherever the test says.
type Clock struct {
	mu         sync.Mutex // guards what follows
	raw        int64
	wall, mono int64
	kept       bool
	slewed     time.Duration // what a Slew has yet to do; it is done at 500 ppm
	Steps      []time.Duration
	Err        error // of Step, Slew and Trust
}

var _ hal.Clock = (*Clock)(nil)

// NewClock returns a clock that nobody keeps.
func NewClock(wall time.Time) *Clock {
	return &Clock{wall: wall.UnixNano(), mono: int64(time.Second)}
}

// Raw is the time that has passed, in ns.
func (c *Clock) Raw() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw
}

// Pass lets time pass, on both clocks.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw += int64(d)
	most := d / 2000
	by := min(max(c.slewed, -most), most)
	c.slewed -= by
	c.wall += int64(d + by)
	c.mono += int64(d + by)
}

// Jump moves the wall clock as another program would.
func (c *Clock) Jump(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall += int64(by)
}

// Read implements hal.Clock.
func (c *Clock) Read() (wall, mono int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall, c.mono
}

// Kept implements hal.Clock.
func (c *Clock) Kept() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept, nil
}

// Step implements hal.Clock.
func (c *Clock) Step(by time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Err == nil {
		c.wall += int64(by)
		c.Steps = append(c.Steps, by)
	}
	return c.Err
}

// Slew implements hal.Clock.
func (c *Clock) Slew(by time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Err == nil {
		c.slewed = min(max(by, -hal.MaxSlew), hal.MaxSlew)
	}
	return c.Err
}

// Trust implements hal.Clock.
func (c *Clock) Trust(time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = c.Err == nil
	return c.Err
}
