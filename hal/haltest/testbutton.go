package haltest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"heptap/hal"
)

// ButtonUnderTest is a released button and two ways to work it. Press and
// Release change the contact and may return before the button has noticed.
type ButtonUnderTest struct {
	Button         hal.Button
	Press, Release func()
}

// patience is how long a suite waits for what must happen.
const patience = 20 * time.Second

// TestButton checks an implementation of hal.Button. open opens the button
// anew; it is called once per case, and the button it opened is closed before
// the next.
func TestButton(t *testing.T, open func(t *testing.T) ButtonUnderTest) {
	cases := []struct {
		name string
		run  func(t *testing.T, u ButtonUnderTest)
	}{
		{"presses", buttonPresses},
		{"pressed before Run", buttonPressedBefore},
		{"run again", buttonRunAgain},
		{"context done before", buttonDone},
		{"close", buttonClose},
		{"open again", buttonPresses},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			u := open(t)
			if u.Button.Name() == "" {
				t.Error("the name is empty")
			}
			c.run(t, u)
			for range 2 {
				if err := u.Button.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
		})
	}
}

// watch is a Run under way.
type watch struct {
	t      *testing.T
	cancel context.CancelFunc
	events chan hal.ButtonEvent
	done   chan error
	last   time.Time
}

func startWatch(t *testing.T, b hal.Button) *watch {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watch{t: t, cancel: cancel, last: time.Now(),
		events: make(chan hal.ButtonEvent, 64), done: make(chan error, 1)}
	go func() {
		err := b.Run(ctx, func(ev hal.ButtonEvent) { w.events <- ev })
		close(w.events) // an emit after Run has returned panics
		w.done <- err
	}()
	return w
}

func (w *watch) want(pressed bool) {
	w.t.Helper()
	select {
	case ev, ok := <-w.events:
		switch {
		case !ok:
			w.t.Fatalf("Run returned: %v", <-w.done)
		case ev.Pressed != pressed:
			w.t.Fatalf("pressed is %t, want %t", ev.Pressed, pressed)
		case ev.At.Before(w.last) || ev.At.After(time.Now()):
			w.t.Fatalf("at %v, which is not between %v and now", ev.At, w.last)
		}
		w.last = ev.At
	case <-time.After(patience):
		w.t.Fatalf("no event, want pressed %t", pressed)
	}
}

// stop ends Run and checks that nothing was reported beyond what was wanted.
func (w *watch) stop() {
	w.t.Helper()
	w.cancel()
	select {
	case err := <-w.done:
		if err != nil {
			w.t.Errorf("Run: %v, want nil after its context is done", err)
		}
	case <-time.After(patience):
		w.t.Fatal("Run does not return")
	}
	for ev := range w.events {
		w.t.Errorf("unexpected event, pressed %t", ev.Pressed)
	}
}

func buttonPresses(t *testing.T, u ButtonUnderTest) {
	w := startWatch(t, u.Button)
	w.want(false)
	for range 3 {
		u.Press()
		w.want(true)
		u.Release()
		w.want(false)
	}
	w.stop()
}

func buttonPressedBefore(t *testing.T, u ButtonUnderTest) {
	// Only a button that has been watched is known to have taken the press.
	w := startWatch(t, u.Button)
	w.want(false)
	u.Press()
	w.want(true)
	w.stop()
	w = startWatch(t, u.Button)
	w.want(true)
	u.Release()
	w.want(false)
	w.stop()
}

func buttonRunAgain(t *testing.T, u ButtonUnderTest) {
	for range 2 {
		w := startWatch(t, u.Button)
		w.want(false)
		u.Press()
		w.want(true)
		u.Release()
		w.want(false)
		w.stop()
		u.Press() // nobody watches: this is not reported later
		u.Release()
	}
}

func buttonDone(t *testing.T, u ButtonUnderTest) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan error, 1)
	go func() { done <- u.Button.Run(ctx, func(hal.ButtonEvent) {}) }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Run does not return")
	}
}

func buttonClose(t *testing.T, u ButtonUnderTest) {
	if err := u.Button.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := u.Button.Run(t.Context(), func(hal.ButtonEvent) {}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Run after Close: %v, want os.ErrClosed", err)
	}
}
