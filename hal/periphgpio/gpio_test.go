package periphgpio_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"heptap/hal"
	"heptap/hal/haltest"
	"heptap/hal/periphgpio"
)

// line is a gpiotest.Pin that behaves like gpioioctl's lines where the package
// has to mind: reading an output counts as a fault, and so do waits that are
// not finite and positive.
type line struct {
	gpiotest.Pin
	t      *testing.T
	output atomic.Bool
	closed atomic.Int32
	outErr error
}

func newLine(t *testing.T) *line {
	l := &line{Pin: gpiotest.Pin{N: "LINE", Num: 3, EdgesChan: make(chan gpio.Level, 256)}, t: t}
	l.Pin.WaitForEdge(time.Nanosecond) // sets Clock, which it does without its lock
	return l
}

func (l *line) Close() { l.closed.Add(1) }

func (l *line) In(p gpio.Pull, e gpio.Edge) error {
	l.output.Store(false)
	return l.Pin.In(p, e)
}

func (l *line) Out(v gpio.Level) error {
	if l.outErr != nil {
		return l.outErr
	}
	l.output.Store(true)
	return l.Pin.Out(v)
}

func (l *line) Read() gpio.Level {
	if l.output.Load() {
		l.t.Error("an output was read")
	}
	return l.Pin.Read()
}

func (l *line) WaitForEdge(d time.Duration) bool {
	if d <= 0 || d > 500*time.Millisecond {
		l.t.Errorf("WaitForEdge(%v)", d)
	}
	return l.Pin.WaitForEdge(d)
}

// level reads the line from outside.
func (l *line) level() gpio.Level { return l.Pin.Read() }

// drive changes the line from outside.
func (l *line) drive(v gpio.Level) {
	_ = l.Pin.Out(v)
	l.EdgesChan <- v
}

func TestLED(t *testing.T) {
	for name, activeLow := range map[string]bool{"active high": false, "active low": true} {
		t.Run(name, func(t *testing.T) {
			haltest.TestLED(t, func(t *testing.T) haltest.LEDUnderTest {
				p := newLine(t)
				l, err := periphgpio.NewLED("led", p, activeLow)
				if err != nil {
					t.Fatal(err)
				}
				lit := func() bool { return bool(p.level()) != activeLow }
				if lit() {
					t.Error("lit after opening")
				}
				t.Cleanup(func() {
					if n := p.closed.Load(); n != 1 {
						t.Errorf("the line was closed %d times", n)
					}
				})
				return haltest.LEDUnderTest{LED: l, Lit: lit}
			})
		})
	}
}

func TestLEDStartsOverAfterAnError(t *testing.T) {
	p := newLine(t)
	l, err := periphgpio.NewLED("status", p, true)
	if err != nil {
		t.Fatal(err)
	}
	busy := errors.New("device or resource busy")
	p.outErr = busy
	if err := l.Set(true); !errors.Is(err, busy) || !strings.Contains(err.Error(), "status") {
		t.Fatalf("err %v", err)
	}
	if p.closed.Load() != 1 {
		t.Fatal("the line was not closed: its next Out would go to a line it does not hold")
	}
	p.outErr = nil
	if err := l.Set(true); err != nil || p.level() != gpio.Low {
		t.Fatalf("err %v, level %v", err, p.level())
	}
	p.outErr = busy
	if _, err := periphgpio.NewLED("status", p, false); !errors.Is(err, busy) {
		t.Fatalf("err %v", err)
	}
}

func TestButton(t *testing.T) {
	for name, cfg := range map[string]periphgpio.ButtonConfig{
		"active low, pull up":    {ActiveLow: true, Pull: gpio.PullUp},
		"active high, pull down": {Pull: gpio.PullDown, Settle: 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			haltest.TestButton(t, func(t *testing.T) haltest.ButtonUnderTest {
				p := newLine(t)
				b, err := periphgpio.NewButton("button", p, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if p.Pull() != cfg.Pull {
					t.Errorf("pull %v, want %v", p.Pull(), cfg.Pull)
				}
				return haltest.ButtonUnderTest{Button: b,
					Press:   func() { p.drive(gpio.Level(!cfg.ActiveLow)) },
					Release: func() { p.drive(gpio.Level(cfg.ActiveLow)) }}
			})
		})
	}
}

func TestNewButtonFails(t *testing.T) {
	if _, err := periphgpio.NewButton("b", gpio.INVALID, periphgpio.ButtonConfig{}); err == nil || !strings.Contains(err.Error(), "button b") {
		t.Fatalf("err %v", err)
	}
}

// run watches a button on pin and returns what was reported and how it ended.
func run(ctx context.Context, t *testing.T, pin gpio.PinIn) (<-chan hal.ButtonEvent, <-chan error) {
	t.Helper()
	b, err := periphgpio.NewButton("b", pin, periphgpio.ButtonConfig{ActiveLow: true, Pull: gpio.PullUp})
	if err != nil {
		t.Fatal(err)
	}
	events, done := make(chan hal.ButtonEvent, 64), make(chan error, 1)
	go func() { done <- b.Run(ctx, func(ev hal.ButtonEvent) { events <- ev }) }()
	synctest.Wait()
	if ev := <-events; ev.Pressed {
		t.Fatal("found pressed")
	}
	return events, done
}

func TestButtonBounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newLine(t)
		events, done := run(ctx, t, p)
		for i, v := range []gpio.Level{gpio.Low, gpio.High, gpio.Low, gpio.High, gpio.Low} {
			p.drive(v)
			time.Sleep(time.Duration(i) * time.Millisecond)
		}
		rest := time.Now().Add(-4 * time.Millisecond)
		time.Sleep(time.Second)
		select {
		case ev := <-events:
			if !ev.Pressed || ev.At.Sub(rest).Abs() > time.Millisecond {
				t.Errorf("pressed %t, %v after the last bounce", ev.Pressed, ev.At.Sub(rest))
			}
		default:
			t.Error("the press was not reported")
		}
		cancel()
		if err := <-done; err != nil || len(events) != 0 {
			t.Errorf("err %v, %d more events", err, len(events))
		}
	})
}

func TestButtonEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, done := run(ctx, t, newLine(t))
		time.Sleep(1234 * time.Millisecond)
		start := time.Now()
		cancel()
		if err := <-done; err != nil || time.Since(start) > 500*time.Millisecond {
			t.Fatalf("err %v after %v", err, time.Since(start))
		}
	})
}

// failing turns into what a gpioioctl line is once its chip is gone: reads
// give Low, waits return at once.
type failing struct {
	*line
	gone atomic.Bool
}

func (f *failing) Read() gpio.Level {
	return gpio.Level(bool(f.line.Read()) && !f.gone.Load())
}

func (f *failing) WaitForEdge(d time.Duration) bool {
	return !f.gone.Load() && f.line.WaitForEdge(d)
}

func TestDeadLineIsNoPress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{line: newLine(t)}
		events, done := run(t.Context(), t, f)
		f.gone.Store(true)
		if err := <-done; err == nil || !strings.Contains(err.Error(), "dead") {
			t.Errorf("err %v", err)
		}
		if len(events) != 0 {
			t.Errorf("%d events from a dead line", len(events))
		}
	})
}

// stalling does not come back from a wait for a while, as when the whole
// process is stopped.
type stalling struct {
	*line
	stall atomic.Int64
}

func (s *stalling) WaitForEdge(d time.Duration) bool {
	time.Sleep(time.Duration(s.stall.Swap(0)))
	return s.line.WaitForEdge(d)
}

func TestStallVoidsAPress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &stalling{line: newLine(t)}
		events, done := run(ctx, t, s)
		s.stall.Store(int64(30 * time.Second))
		time.Sleep(31 * time.Second) // released: nothing is lost
		s.drive(gpio.Low)
		if ev := <-events; !ev.Pressed {
			t.Fatal("not pressed")
		}
		s.stall.Store(int64(30 * time.Second))
		if err := <-done; err == nil || !strings.Contains(err.Error(), "not watched") {
			t.Errorf("err %v", err)
		}
		if len(events) != 0 {
			t.Errorf("%d events", len(events))
		}
		cancel()
	})
}
