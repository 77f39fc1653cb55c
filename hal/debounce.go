package hal

import "time"

// DefaultSettle is how long a contact must rest before its level counts.
// Tactile switches bounce for up to about 10 ms.
const DefaultSettle = 25 * time.Millisecond

// Debouncer turns the edges and levels of a bouncing contact into presses and
// releases. It is a pure state machine: it knows the time only from its
// arguments, starts nothing and allocates nothing.
//
// A change counts once the level has been the same for the settle time with no
// edge in between; it is dated when that rest began. A chattering contact
// therefore changes nothing, and a pulse shorter than the settle time never
// happened.
//
// A press also needs an edge. A level alone is not enough, because a line
// whose driver has failed reads low, low means pressed on most boards, and a
// button held long enough erases the box. A release is believed without one.
type Debouncer struct {
	settle  time.Duration
	stable  bool      // the level that counts
	raw     bool      // the level last sampled
	since   time.Time // start of raw's rest
	edge    bool      // an edge was seen since stable last settled
	pending bool      // raw has not settled yet
}

// NewDebouncer returns a Debouncer of a button that is found pressed or not. A
// settle time of 0 or less means DefaultSettle.
func NewDebouncer(settle time.Duration, pressed bool) Debouncer {
	if settle <= 0 {
		settle = DefaultSettle
	}
	return Debouncer{settle: settle, stable: pressed, raw: pressed}
}

// Sample takes the level read at a time, and whether the driver reported an
// edge since the last sample. It returns the change that this settles, if any.
// Times must not go back.
func (d *Debouncer) Sample(pressed, edge bool, at time.Time) (ButtonEvent, bool) {
	d.edge = d.edge || edge
	if edge || pressed != d.raw {
		d.raw, d.since, d.pending = pressed, at, true
	}
	if !d.pending || at.Sub(d.since) < d.settle {
		return ButtonEvent{}, false
	}
	if d.raw && !d.stable && !d.edge {
		return ButtonEvent{}, false // stays pending: an edge may yet be reported
	}
	d.pending, d.edge = false, false
	if d.raw == d.stable {
		return ButtonEvent{}, false
	}
	d.stable = d.raw
	return ButtonEvent{Pressed: d.stable, At: d.since}, true
}

// Wait returns how long after now the next Sample is due, if nothing happens
// before: at most longest, and never 0 or less.
func (d *Debouncer) Wait(now time.Time, longest time.Duration) time.Duration {
	if !d.pending {
		return longest
	}
	left := d.settle - now.Sub(d.since)
	if left <= 0 {
		left = d.settle // pressed without an edge: keep looking
	}
	return min(left, longest)
}
