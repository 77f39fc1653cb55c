package haltest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"heptap/hal"
)

// Button is a hal.Button that the test presses. It starts released.
type Button struct {
	name string
	wake chan struct{} // holds a token when there is news

	mu      sync.Mutex // guards what follows
	pressed bool
	running bool
	closed  bool
	err     error
	queue   []hal.ButtonEvent
}

var _ hal.Button = (*Button)(nil)

// NewButton returns a released button.
func NewButton(name string) *Button {
	return &Button{name: name, wake: make(chan struct{}, 1)}
}

// Name implements hal.Button.
func (b *Button) Name() string { return b.name }

// Press presses the button. Pressing a pressed button does nothing.
func (b *Button) Press() { b.set(true) }

// Release lets go of it. Releasing a released button does nothing.
func (b *Button) Release() { b.set(false) }

func (b *Button) set(pressed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pressed == pressed {
		return
	}
	b.pressed = pressed
	if b.running {
		b.queue = append(b.queue, hal.ButtonEvent{Pressed: pressed, At: time.Now()})
		b.notify()
	}
}

func (b *Button) notify() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Break makes the Run under way, or else the next one, return err.
func (b *Button) Break(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	b.notify()
}

// Run implements hal.Button.
func (b *Button) Run(ctx context.Context, emit func(hal.ButtonEvent)) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return fmt.Errorf("button %s: %w", b.name, os.ErrClosed)
	}
	b.running = true
	b.queue = append(b.queue[:0], hal.ButtonEvent{Pressed: b.pressed, At: time.Now()})
	b.notify()
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.running = false
		b.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
		}
		events, err := b.take()
		for _, ev := range events {
			emit(ev)
		}
		if err != nil {
			return err
		}
	}
}

func (b *Button) take() ([]hal.ButtonEvent, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	events, err := b.queue, b.err
	b.queue, b.err = nil, nil
	return events, err
}

// Close implements hal.Button.
func (b *Button) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}
