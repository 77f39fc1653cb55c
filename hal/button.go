package hal

import (
	"context"
	"time"
)

// ButtonEvent is one change of a button, already debounced.
type ButtonEvent struct {
	Pressed bool

	// At is when the change happened, which is a little before it is reported.
	// It carries the monotonic clock: use Sub, which a stepped wall clock does
	// not disturb.
	At time.Time
}

// Button is one momentary push button.
//
// Two Runs at a time, and a Close during a Run, are undefined.
type Button interface {
	// Name returns the name the button was opened under. It never changes.
	Name() string

	// Run reports the button to emit until ctx is done, and then returns nil.
	// The first event is the state it found; from then on presses and releases
	// alternate, in order, with At never going back. What happened before Run
	// is not reported. emit is called on Run's goroutine, never after Run has
	// returned, and must not block for long: changes that come faster than
	// they are taken may be lost, in whole presses.
	//
	// Any other return is an error: the button can no longer be watched. A
	// press that was under way is then void: it was neither released nor held.
	// After Close the error wraps os.ErrClosed.
	Run(ctx context.Context, emit func(ButtonEvent)) error

	// Close gives the button back. Closing twice does nothing.
	Close() error
}
