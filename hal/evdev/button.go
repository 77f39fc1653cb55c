package evdev

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
)

// longestWait is how long Run may take to notice that its context is done.
const longestWait = 500 * time.Millisecond

// ButtonConfig says which key is the button.
type ButtonConfig struct {
	Device string        // name of the input device, as path.Match reads it
	Key    uint16        // code, of linux/input-event-codes.h: 116 is KEY_POWER
	Settle time.Duration // see hal.Debouncer; 0 means hal.DefaultSettle
}

// Button is a hal.Button on a key of an input device.
type Button struct {
	name   string
	cfg    ButtonConfig
	open   func() (source, error)
	clock  func() (time.Time, time.Duration) // now, and the same of the kernel's monotonic clock
	closed atomic.Bool
}

var _ hal.Button = (*Button)(nil)

// OpenButton returns the button that cfg describes. If there is none now, the
// error wraps fs.ErrNotExist.
func OpenButton(name string, cfg ButtonConfig) (*Button, error) {
	if _, err := path.Match(cfg.Device, ""); err != nil || cfg.Device == "" || cfg.Key == 0 || cfg.Key >= keyCodes {
		return nil, fmt.Errorf("button %s: no such thing as key %d of input device %q", name, cfg.Key, cfg.Device)
	}
	b := &Button{name: name, cfg: cfg, clock: monotonic,
		open: func() (source, error) { return openKey(cfg.Device, cfg.Key) }}
	s, err := b.open()
	if err != nil {
		return nil, fmt.Errorf("button %s: %w", name, err)
	}
	return b, s.Close()
}

// monotonic reads both clocks, which run as one. By what it returns an event of
// the kernel's clock is never dated before it was, even if the process had to
// wait between the two readings; that this was not long is tried a few times.
func monotonic() (now time.Time, kernel time.Duration) {
	const short, tries = 100 * time.Microsecond, 8
	gap := time.Duration(math.MaxInt64)
	for i := 0; i < tries && gap > short; i++ {
		before := kernelClock()
		at := time.Now()
		if d := kernelClock() - before; d < gap {
			now, kernel, gap = at, before, d
		}
	}
	return now, kernel
}

func kernelClock() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail with this clock
	return time.Duration(ts.Nano())
}

// Name implements hal.Button.
func (b *Button) Name() string { return b.name }

// Run implements hal.Button. It notices the end of ctx within 500 ms. When the
// device is gone it returns an error; a later Run looks for it anew. So it does
// when events were lost during a press, whose end cannot be told then.
func (b *Button) Run(ctx context.Context, emit func(hal.ButtonEvent)) error {
	if b.closed.Load() {
		return fmt.Errorf("button %s: %w", b.name, os.ErrClosed)
	}
	if ctx.Err() != nil {
		return nil
	}
	s, err := b.open()
	if err != nil {
		return fmt.Errorf("button %s: %w", b.name, err)
	}
	w := watch{button: b, source: s, emit: emit}
	err = errors.Join(w.run(ctx), s.Close())
	if err != nil {
		return fmt.Errorf("button %s: %w", b.name, err)
	}
	return nil
}

// Close implements hal.Button.
func (b *Button) Close() error {
	b.closed.Store(true)
	return nil
}

// watch is one Run.
type watch struct {
	button *Button
	source source
	emit   func(hal.ButtonEvent)

	debouncer hal.Debouncer
	raw, down bool // the key; the button, debounced
	lost      bool // events were lost, up to the next report
	start     time.Time
	base      time.Duration // start, of the kernel's clock
	last      time.Time     // newest time that the debouncer has been told
}

func (w *watch) run(ctx context.Context) error {
	w.start, w.base = w.button.clock()
	w.last = w.start
	down, err := w.source.Pressed()
	if err != nil {
		return err
	}
	w.raw, w.down = down, down
	w.debouncer = hal.NewDebouncer(w.button.cfg.Settle, down)
	w.emit(hal.ButtonEvent{Pressed: down, At: w.start})
	buffer := make([]byte, 64*eventBytes)
	var events []event
	for ctx.Err() == nil {
		now := time.Now()
		if err := w.source.SetReadDeadline(now.Add(w.debouncer.Wait(now, longestWait))); err != nil {
			return err
		}
		n, err := w.source.Read(buffer)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		events = decode(events[:0], buffer[:max(n, 0)])
		for _, ev := range events {
			if err := w.take(ev); err != nil {
				return err
			}
		}
		if n < len(buffer) { // all has been read: what rests, rests until now
			w.sample(w.raw, false, time.Now())
		}
	}
	return nil
}

func (w *watch) take(ev event) error {
	switch {
	case ev.kind == evSyn && ev.code == synDropped:
		w.lost = true
	case w.lost && ev.kind == evSyn && ev.code == synReport:
		w.lost = false
		return w.resume()
	case w.lost || ev.kind != evKey || ev.code != w.button.cfg.Key || ev.value > 1: // 2 is a repeat
	default:
		at := w.start.Add(ev.at - w.base)
		w.sample(w.raw, false, at) // what came before may have settled by then
		w.sample(ev.value == 1, true, at)
	}
	return nil
}

// resume looks at the key after events were lost.
func (w *watch) resume() error {
	if w.down || w.raw {
		return errors.New("events were lost during a press")
	}
	down, err := w.source.Pressed()
	if err != nil {
		return err
	}
	if down {
		w.sample(true, true, time.Now())
	}
	return nil
}

func (w *watch) sample(pressed, edge bool, at time.Time) {
	if at.Before(w.last) { // of before Run, by a hair
		at = w.last
	}
	w.last = at
	w.raw = pressed
	if ev, ok := w.debouncer.Sample(pressed, edge, at); ok {
		w.down = ev.Pressed
		w.emit(ev)
	}
}
