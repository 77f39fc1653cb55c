package periphgpio

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"periph.io/x/conn/v3/gpio"

	"heptap/hal"
)

const (
	// longestWait is how long Run may take to notice that its context is done.
	longestWait = 500 * time.Millisecond

	// A wait this long that comes back in less than half the time without an
	// edge says that the driver cannot wait. One may be an accident.
	judgedWait    = 5 * time.Millisecond
	maxEarlyWaits = 10

	// maxGap is how long a pressed button may go without being looked at. A
	// release in such a gap cannot be dated, and what a press means depends on
	// how long it lasted.
	maxGap = 2 * time.Second
)

// ButtonConfig says how a button is wired.
type ButtonConfig struct {
	ActiveLow bool          // pressed is low
	Pull      gpio.Pull     // bias to ask for; the zero value is gpio.Float, which asks for none
	Settle    time.Duration // see hal.Debouncer; 0 means hal.DefaultSettle
}

// Button is a hal.Button on an input pin.
type Button struct {
	name   string
	pin    gpio.PinIn
	cfg    ButtonConfig
	closed atomic.Bool
}

var _ hal.Button = (*Button)(nil)

// NewButton makes pin, which it owns from then on, an input that reports both
// edges, and returns the button on it.
func NewButton(name string, pin gpio.PinIn, cfg ButtonConfig) (*Button, error) {
	if err := pin.In(cfg.Pull, gpio.BothEdges); err != nil {
		release(pin)
		return nil, fmt.Errorf("button %s: %w", name, err)
	}
	return &Button{name: name, pin: pin, cfg: cfg}, nil
}

// Name implements hal.Button.
func (b *Button) Name() string { return b.name }

func (b *Button) pressed() bool { return bool(b.pin.Read()) != b.cfg.ActiveLow }

// Run implements hal.Button. It notices the end of ctx within 500 ms. It
// returns an error when the line can no longer be waited for, and when it has
// not been looked at for two seconds during a press.
func (b *Button) Run(ctx context.Context, emit func(hal.ButtonEvent)) error {
	if b.closed.Load() {
		return fmt.Errorf("button %s: %w", b.name, os.ErrClosed)
	}
	if ctx.Err() != nil {
		return nil
	}
	now := time.Now()
	down := b.pressed()
	debouncer := hal.NewDebouncer(b.cfg.Settle, down)
	emit(hal.ButtonEvent{Pressed: down, At: now})
	early := 0
	for ctx.Err() == nil {
		wait := debouncer.Wait(time.Now(), longestWait)
		start := time.Now()
		edge := b.pin.WaitForEdge(wait)
		last := now
		now = time.Now()
		switch {
		case edge || now.Sub(start) >= wait/2:
			early = 0
		case wait >= judgedWait:
			if early++; early == maxEarlyWaits {
				return fmt.Errorf("button %s: line is dead: waiting for an edge returns at once", b.name)
			}
		}
		if gap := now.Sub(last); down && gap > maxGap {
			return fmt.Errorf("button %s: not watched for %v while pressed", b.name, gap.Round(time.Millisecond))
		}
		if ev, ok := debouncer.Sample(b.pressed(), edge, now); ok {
			down = ev.Pressed
			emit(ev)
		}
	}
	return nil
}

// Close implements hal.Button.
func (b *Button) Close() error {
	if !b.closed.Swap(true) {
		release(b.pin)
	}
	return nil
}
