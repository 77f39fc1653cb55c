package haltest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"heptap/hal"
)

// Bounds of a fake watchdog's timeout.
const (
	WatchdogDefault = time.Minute
	WatchdogLongest = 10 * time.Minute
)

// Watchdog is a hal.Watchdog that resets nothing: it only says whether it
// would have. It runs from the start, as an open one does.
type Watchdog struct {
	name string

	mu      sync.Mutex // guards what follows
	state   hal.WatchdogState
	fed     time.Time
	feeds   int
	running bool
	closed  bool
	bitten  bool
	err     error
}

var _ hal.Watchdog = (*Watchdog)(nil)

// NewWatchdog returns a running watchdog with a timeout of WatchdogDefault,
// that can be stopped and can warn.
func NewWatchdog(name string, cause hal.ResetCause) *Watchdog {
	return &Watchdog{name: name, fed: time.Now(), running: true,
		state: hal.WatchdogState{Device: "watchdog0", Timeout: WatchdogDefault, Stoppable: true, LastReset: cause}}
}

// Name implements hal.Watchdog.
func (w *Watchdog) Name() string { return w.name }

// use calls f with the lock held, unless the watchdog is closed or fails.
func (w *Watchdog) use(f func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look()
	err := w.err
	switch {
	case w.closed:
		err = os.ErrClosed
	case err == nil:
		err = f()
	}
	if err != nil {
		return fmt.Errorf("watchdog %s: %w", w.name, err)
	}
	return nil
}

// look bites when the time is over.
func (w *Watchdog) look() {
	if w.running && time.Since(w.fed) >= w.state.Timeout {
		w.bitten = true
	}
}

// State implements hal.Watchdog.
func (w *Watchdog) State() (s hal.WatchdogState, err error) {
	err = w.use(func() error { s = w.state; return nil })
	return s, err
}

// SetTimeout implements hal.Watchdog.
func (w *Watchdog) SetTimeout(d time.Duration) (has time.Duration, err error) {
	err = w.use(func() error {
		if d <= 0 {
			return errors.New("timeout must be longer than 0")
		}
		has = min((d + time.Second - 1).Truncate(time.Second), WatchdogLongest)
		w.state.Timeout, w.fed = has, time.Now()
		if has <= w.state.Pretimeout {
			w.state.Pretimeout = 0
		}
		return nil
	})
	return has, err
}

// SetPretimeout implements hal.Watchdog.
func (w *Watchdog) SetPretimeout(d time.Duration) (has time.Duration, err error) {
	err = w.use(func() error {
		if d < 0 || d >= w.state.Timeout {
			return errors.New("pretimeout must be from 0 to less than the timeout")
		}
		has = (d + time.Second - 1).Truncate(time.Second)
		w.state.Pretimeout = has
		return nil
	})
	return has, err
}

// Feed implements hal.Watchdog.
func (w *Watchdog) Feed() error {
	return w.use(func() error {
		w.feeds++
		w.fed = time.Now()
		return nil
	})
}

// Stop implements hal.Watchdog.
func (w *Watchdog) Stop() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look()
	switch {
	case w.closed:
		return nil
	case !w.state.Stoppable:
		w.closed = true
		return fmt.Errorf("watchdog %s: %w", w.name, hal.ErrStillRunning)
	}
	w.closed, w.running = true, false
	return nil
}

// Close implements hal.Watchdog.
func (w *Watchdog) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	return nil
}

// Unstoppable makes it one that goes on for ever.
func (w *Watchdog) Unstoppable() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Stoppable = false
}

// Fail makes every use from now on return err; nil heals it.
func (w *Watchdog) Fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// Running says whether the time runs.
func (w *Watchdog) Running() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

// Bitten says whether the box would have been reset by now.
func (w *Watchdog) Bitten() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look()
	return w.bitten
}

// Feeds returns how often it has been fed.
func (w *Watchdog) Feeds() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.feeds
}
