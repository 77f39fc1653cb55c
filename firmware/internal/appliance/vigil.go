package appliance

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"heptap/hal"
)

// vigil feeds the watchdog for as long as somebody vouches for the box: each
// step of the boot for the time that it may take at most, then the probe, by the sign
// of life that its pipeline gives. When nobody does any more, it says so and stops,
// and the watchdog resets the box.
type vigil struct {
	dog  hal.Watchdog // nil: the box has none
	log  *slog.Logger
	gave func(what string) // called when the box is given up

	mu    sync.Mutex
	what  string
	until time.Time
	kick  chan struct{}
}

func newVigil(dog hal.Watchdog, log *slog.Logger, gave func(what string)) *vigil {
	return &vigil{dog: dog, log: log, gave: gave, kick: make(chan struct{}, 1)}
}

// vouch says that the box is fine for another d, because of what it does. It
// replaces what was said before, so that a step that is done no longer counts.
func (v *vigil) vouch(what string, d time.Duration) {
	v.mu.Lock()
	v.what, v.until = what, time.Now().Add(d)
	v.mu.Unlock()
	select {
	case v.kick <- struct{}{}:
	default:
	}
}

// meanwhile vouches for what do does, for d at most. Then what was vouched for before has as
// much time as it had left.
func (v *vigil) meanwhile(what string, d time.Duration, do func() error) error {
	v.mu.Lock()
	before, until := v.what, v.until
	v.mu.Unlock()
	began := time.Now()
	v.vouch(what, d)
	err := do()
	v.mu.Lock()
	if v.what == what {
		v.what, v.until = before, until.Add(time.Since(began))
	}
	v.mu.Unlock()
	return err
}

// hurry is how long a box that was given up has for its last words.
const hurry = 10 * time.Second

// run feeds until ctx is done, or until nobody vouches for the box: then the dog
// is left running, unfed, and run returns.
func (v *vigil) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := false
	for {
		v.mu.Lock()
		what, left := v.what, time.Until(v.until)
		v.mu.Unlock()
		if left <= 0 {
			v.log.Error("the watchdog is not fed any more: the box will be reset", "waited_for", what)
			if v.dog != nil {
				if _, err := v.dog.SetTimeout(hurry); err != nil {
					v.log.Warn("the watchdog's timeout", "err", err)
				}
			}
			v.gave(what)
			return
		}
		var err error
		if v.dog != nil {
			err = v.dog.Feed()
		}
		if err != nil && !failing {
			v.log.Error("the watchdog cannot be fed", "err", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-v.kick:
		}
	}
}
