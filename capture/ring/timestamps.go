package ring

import (
	"errors"
	"sync/atomic"
	"time"

	"heptap/capture"
)

// After the card's clock was given up it is tried again: so far apart at first, and at most.
const (
	stampRetry     = time.Minute
	stampRetryMost = time.Hour
)

// stamping is what a ring knows of the card's clock. The reader owns it, but for
// shown and the counters.
type stamping struct {
	clock   cardClock
	on      bool
	since   int64         // monotonic time when it was switched on
	retry   int64         // monotonic time of the next attempt
	backoff time.Duration // after that

	shown                                  atomic.Pointer[capture.Timestamps] // without the counters
	stamped, refused, unstamped, fallbacks atomic.Uint64
}

// Timestamps returns which clock the frames have their time of.
func (r *Ring) Timestamps() capture.Timestamps {
	st := &r.stamps
	var t capture.Timestamps
	if p := st.shown.Load(); p != nil {
		t = *p
	}
	t.Wanted = r.cfg.HardwareTime
	t.Stamped, t.Refused, t.Unstamped, t.Fallbacks = st.stamped.Load(), st.refused.Load(), st.unstamped.Load(), st.fallbacks.Load()
	return t
}

// startStamping begins to use the card's clock, if that is wanted and can be.
func (r *Ring) startStamping() {
	if !r.cfg.HardwareTime || r.sock == nil {
		return
	}
	r.endStamping()
	st, c := &r.stamps, &r.clk.card
	clock, err := r.sys.openCard(r.sock.fd, r.cfg.Interface)
	if err == nil {
		st.clock = clock
		*c = card{read: clock.read}
		if now := r.clk.now; !c.follow(now) {
			err = errors.New("its clock cannot be read")
		}
	}
	if err == nil {
		err = r.sys.stampBy(r.sock.fd, true)
	}
	if err != nil {
		r.endStamping()
		r.later(err.Error())
		return
	}
	st.on, st.since = true, r.clk.now
	r.showStamping()
	r.cfg.Logger.Info("hardware timestamps", "card_ahead", r.Timestamps().Offset.String())
}

// later notes why the card's clock is not used, and when it is tried again.
func (r *Ring) later(reason string) {
	st := &r.stamps
	st.backoff = min(max(2*st.backoff, stampRetry), stampRetryMost)
	st.retry = r.clk.now + int64(st.backoff)
	if old := st.shown.Swap(&capture.Timestamps{Reason: reason}); old == nil || old.Reason != reason {
		r.cfg.Logger.Warn("no hardware timestamps; frames have the system's time", "reason", reason)
	}
}

// endStamping goes back to the system's clock. What is in the ring keeps the card's
// stamps, and the last comparison serves for these.
func (r *Ring) endStamping() {
	st := &r.stamps
	if st.on && r.sock != nil {
		_ = r.sys.stampBy(r.sock.fd, false)
	}
	if st.clock.close != nil {
		_ = st.clock.close()
	}
	st.on, st.clock, r.clk.card.read = false, cardClock{}, nil
}

// mindStamping is called between two blocks, and when there is none: it follows the
// card's clock, and gives it up when it proves wrong.
func (r *Ring) mindStamping() {
	if !r.cfg.HardwareTime {
		return
	}
	st, c := &r.stamps, &r.clk.card
	r.countStamps()
	now := r.clk.now
	if !st.on {
		if now >= st.retry && r.sock != nil {
			r.startStamping()
		}
		return
	}
	last := c.tried
	reason := c.verdict()
	if !c.follow(now) && reason == "" {
		reason = "its clock cannot be read any more"
	}
	if reason != "" {
		st.fallbacks.Add(1)
		r.endStamping()
		r.later(reason)
		return
	}
	if c.tried != last {
		r.showStamping()
	}
	if now-st.since >= int64(stampRetry) {
		st.backoff = 0
	}
}

func (r *Ring) showStamping() {
	c := &r.clk.card
	r.stamps.shown.Store(&capture.Timestamps{Hardware: true, Offset: time.Duration(c.base - (c.mono - r.clk.offset)), Rate: -c.rate * 1e6})
}

// countStamps brings the counters up to date.
func (r *Ring) countStamps() {
	st, c := &r.stamps, &r.clk.card
	st.stamped.Add(c.stamped)
	st.refused.Add(c.refused)
	st.unstamped.Add(c.plain)
	c.stamped, c.refused, c.plain = 0, 0, 0
}
