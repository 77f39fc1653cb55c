package ring

import "time"

// What a card's clock is followed by.
const (
	cardStep   = int64(time.Second)            // from one comparison with the monotonic clock to the next
	cardAgain  = int64(10 * time.Millisecond)  // at the earliest, when a frame's time cannot be
	cardBound  = int64(10 * time.Millisecond)  // how far a frame's time may be outside of the time in which its block was filled
	cardApart  = int64(500 * time.Microsecond) // a comparison that took longer says nothing
	cardSilent = int64(10 * time.Second)       // without a comparison that says something, the clock is given up
	cardRate   = 1e-3                          // a clock that goes more wrongly than that was set meanwhile
	badBlocks  = 3                             // blocks in succession with times that cannot be
	unstamped  = 1000                          // frames without a time of the card's, and none with one
)

// card is the clock of a network card that stamps frames, as it is compared with
// CLOCK_MONOTONIC: once a second, with its rate. It is no clock of the
// system's: it may count from the card's start, or in TAI, and goes as its crystal does.
// It is the reader's.
type card struct {
	read func() (card, mono, apart int64, ok bool) // both clocks at one instant, which is known but for apart; nil: none

	base, mono int64   // the last comparison
	rate       float64 // how much more CLOCK_MONOTONIC goes in a nanosecond of the card's
	tried      int64   // monotonic time of the last attempt
	known      bool

	low  int64 // no frame of the current block is from before this
	bad  int   // blocks in succession with a time that cannot be
	here bool  // the current block has one

	stamped, refused, plain uint64 // frames since tally was called
	everStamped             bool
	unstamped               int // frames in succession
}

// follow compares the clocks if it is time, and says whether the card's is known.
func (c *card) follow(now int64) bool {
	if c.read != nil && (!c.known || now-c.tried >= cardStep) {
		c.compare(now)
	}
	return c.known && now-c.mono < cardSilent
}

// compare compares the clocks.
func (c *card) compare(now int64) {
	c.tried = now
	base, mono, apart, ok := c.read()
	if !ok || apart > cardApart {
		return
	}
	rate := 0.0
	if d := base - c.base; c.known && d >= cardStep/2 && d < cardSilent {
		rate = float64(mono-c.mono-d) / float64(d)
		if rate > cardRate || rate < -cardRate {
			rate = 0
		}
	} else if c.known && d >= 0 && d < cardStep/2 {
		rate = c.rate // too soon to tell
	}
	c.base, c.mono, c.rate, c.known = base, mono, rate, true
}

// mono returns the monotonic time at which the card's clock showed stamp.
func (c *card) at(stamp int64) int64 {
	d := stamp - c.base
	return c.mono + d + int64(float64(d)*c.rate)
}

// begin says that the frames that follow are of another block, and none of them from
// before low.
func (c *card) begin(low int64) {
	if !c.here {
		c.bad = 0
	}
	c.low, c.here = low, false
}

// believe returns the monotonic time of a frame with that stamp, which is read
// now. One that cannot be, by cardBound, is the nearest that can.
func (c *card) believe(stamp, now int64) int64 {
	m := c.at(stamp)
	if !c.known || m < c.low-cardBound || m > now+cardBound {
		if c.read != nil && now-c.tried >= cardAgain { // it may have been set
			c.compare(now)
			m = c.at(stamp)
		}
		if !c.known || m < c.low-cardBound || m > now+cardBound {
			c.refused++
			if !c.here {
				c.here = true
				c.bad++
			}
			if !c.known {
				return now
			}
			return min(max(m, c.low), now)
		}
	}
	c.stamped++
	c.unstamped, c.everStamped = 0, true
	return m
}

// verdict says why the card's clock is not to be used any more; "" if it is.
func (c *card) verdict() string {
	switch {
	case c.bad >= badBlocks:
		return "its times are more than 10ms from those of the system"
	case !c.everStamped && c.unstamped >= unstamped:
		return "the card stamps no frames"
	}
	return ""
}
