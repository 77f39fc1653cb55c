package periphgpio

import (
	"fmt"
	"os"
	"sync"

	"periph.io/x/conn/v3/gpio"

	"heptap/hal"
)

// closer is what gpioioctl's lines have beside the interface: it gives the
// line back to the kernel and forgets how it was configured.
type closer interface{ Close() }

// LED is a hal.LED on an output pin.
type LED struct {
	name      string
	pin       gpio.PinOut
	activeLow bool

	mu     sync.Mutex
	closed bool // guarded by mu
}

var _ hal.LED = (*LED)(nil)

// NewLED returns the LED on pin, which it owns from then on, and darkens it.
// With activeLow the LED is lit by a low level.
func NewLED(name string, pin gpio.PinOut, activeLow bool) (*LED, error) {
	l := &LED{name: name, pin: pin, activeLow: activeLow}
	if err := l.Set(false); err != nil {
		return nil, err
	}
	return l, nil
}

// Name implements hal.LED.
func (l *LED) Name() string { return l.name }

// Set implements hal.LED.
func (l *LED) Set(on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("led %s: %w", l.name, os.ErrClosed)
	}
	return l.out(on)
}

func (l *LED) out(on bool) error {
	if err := l.pin.Out(gpio.Level(on != l.activeLow)); err != nil {
		release(l.pin)
		return fmt.Errorf("led %s: %w", l.name, err)
	}
	return nil
}

// Close implements hal.LED.
func (l *LED) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if err := l.out(false); err != nil {
		return err // out has released the pin
	}
	release(l.pin)
	return nil
}

func release(pin any) {
	if c, ok := pin.(closer); ok {
		c.Close()
	}
}
