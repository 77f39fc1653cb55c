package haltest

import (
	"fmt"
	"os"
	"sync"
	"time"

	"heptap/hal"
)

// Transition is one change of a fake LED's light.
type Transition struct {
	On bool
	At time.Time
}

// LED is a hal.LED that records what it is told. It starts dark.
type LED struct {
	name string

	mu          sync.Mutex // guards what follows
	on, closed  bool
	sets        int
	err         error
	text        string
	transitions []Transition
}

var (
	_ hal.LED       = (*LED)(nil)
	_ hal.Annotator = (*LED)(nil)
)

// NewLED returns a dark LED.
func NewLED(name string) *LED { return &LED{name: name} }

// Name implements hal.LED.
func (l *LED) Name() string { return l.name }

// Set implements hal.LED.
func (l *LED) Set(on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sets++
	switch {
	case l.closed:
		return fmt.Errorf("led %s: %w", l.name, os.ErrClosed)
	case l.err != nil:
		return l.err
	}
	l.light(on)
	return nil
}

func (l *LED) light(on bool) {
	if l.on != on {
		l.on = on
		l.transitions = append(l.transitions, Transition{On: on, At: time.Now()})
	}
}

// Close implements hal.LED.
func (l *LED) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.light(false)
		l.closed = true
	}
	return nil
}

// Annotate implements hal.Annotator.
func (l *LED) Annotate(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
}

// Fail makes every Set from now on return err; nil heals the LED.
func (l *LED) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// Lit says whether the light is on.
func (l *LED) Lit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.on
}

// Text returns the last annotation.
func (l *LED) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

// Sets returns how often Set has been called.
func (l *LED) Sets() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sets
}

// Transitions returns a copy of the changes so far, oldest first.
func (l *LED) Transitions() []Transition {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Transition(nil), l.transitions...)
}
