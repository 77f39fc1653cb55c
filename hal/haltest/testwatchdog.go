package haltest

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"heptap/hal"
)

// WatchdogUnderTest is an open watchdog, which can be stopped, and a way to
// look at it that does not go through it.
type WatchdogUnderTest struct {
	Watchdog hal.Watchdog
	Running  func() bool // whether it runs; also called after Stop and Close
}

// TestWatchdog checks an implementation of hal.Watchdog. open opens the
// watchdog anew; it is called once per case, and the one it opened is stopped
// or closed before the next. The suite never lets the time run out: on hardware
// the box lives on.
func TestWatchdog(t *testing.T, open func(t *testing.T) WatchdogUnderTest) {
	cases := []struct {
		name string
		run  func(t *testing.T, u WatchdogUnderTest)
	}{
		{"state", watchdogState},
		{"timeout", watchdogTimeout},
		{"timeout refused", watchdogRefusal},
		{"pretimeout", watchdogPretimeout},
		{"feed", watchdogFeed},
		{"concurrent", watchdogConcurrent},
		{"stop", watchdogStop},
		{"close leaves it running", watchdogClose},
		{"open again", watchdogFeed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			u := open(t)
			if !u.Running() {
				t.Error("opened, and does not run")
			}
			c.run(t, u)
			if err := u.Watchdog.Stop(); err != nil {
				t.Errorf("Stop: %v", err)
			}
		})
	}
}

func stateOf(t *testing.T, w hal.Watchdog) hal.WatchdogState {
	t.Helper()
	s, err := w.State()
	if err != nil {
		t.Fatalf("State: %v", err)
	}
	return s
}

func watchdogState(t *testing.T, u WatchdogUnderTest) {
	name, s := u.Watchdog.Name(), stateOf(t, u.Watchdog)
	switch {
	case name == "" || s.Device == "":
		t.Errorf("name %q, device %q", name, s.Device)
	case s.Timeout <= 0 || s.Timeout%time.Second != 0 || s.Pretimeout < 0 || s.Pretimeout >= s.Timeout:
		t.Errorf("timeout %v, pretimeout %v", s.Timeout, s.Pretimeout)
	case !s.Stoppable:
		t.Error("cannot be stopped: the suite is not for this one")
	}
	if again := stateOf(t, u.Watchdog); again != s {
		t.Errorf("state was %+v and is now %+v", s, again)
	}
}

func watchdogTimeout(t *testing.T, u WatchdogUnderTest) {
	for _, c := range []struct{ ask, want time.Duration }{
		{30 * time.Second, 30 * time.Second},
		{10*time.Second + time.Nanosecond, 11 * time.Second}, // never shorter than asked for
		{12 * time.Second, 12 * time.Second},
	} {
		has, err := u.Watchdog.SetTimeout(c.ask)
		if err != nil || has != c.want {
			t.Errorf("SetTimeout(%v) = %v, %v, want %v", c.ask, has, err, c.want)
		}
		if s := stateOf(t, u.Watchdog); s.Timeout != has {
			t.Errorf("timeout is %v after SetTimeout returned %v", s.Timeout, has)
		}
	}
	has, err := u.Watchdog.SetTimeout(100 * 24 * time.Hour)
	if err != nil || has < 12*time.Second {
		t.Errorf("the longest timeout: %v, %v", has, err)
	}
	if s := stateOf(t, u.Watchdog); s.Timeout != has {
		t.Errorf("timeout is %v after SetTimeout returned %v", s.Timeout, has)
	}
}

func watchdogRefusal(t *testing.T, u WatchdogUnderTest) {
	before := stateOf(t, u.Watchdog)
	for _, d := range []time.Duration{0, -time.Second} {
		if has, err := u.Watchdog.SetTimeout(d); err == nil {
			t.Errorf("SetTimeout(%v) = %v, want an error", d, has)
		}
	}
	if s := stateOf(t, u.Watchdog); s != before {
		t.Errorf("state was %+v and is now %+v", before, s)
	}
}

func watchdogPretimeout(t *testing.T, u WatchdogUnderTest) {
	w := u.Watchdog
	if _, err := w.SetTimeout(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	has, err := w.SetPretimeout(10 * time.Second)
	if errors.Is(err, errors.ErrUnsupported) {
		if s := stateOf(t, w); s.Pretimeout != 0 {
			t.Errorf("pretimeout is %v, and not supported", s.Pretimeout)
		}
		return
	}
	if err != nil || has != 10*time.Second || stateOf(t, w).Pretimeout != has {
		t.Fatalf("SetPretimeout(10s) = %v, %v; state %+v", has, err, stateOf(t, w))
	}
	for _, d := range []time.Duration{-time.Second, 30 * time.Second, time.Hour} {
		if has, err := w.SetPretimeout(d); err == nil {
			t.Errorf("SetPretimeout(%v) = %v with a timeout of 30 s, want an error", d, has)
		}
	}
	if _, err := w.SetTimeout(10 * time.Second); err != nil || stateOf(t, w).Pretimeout != 0 {
		t.Errorf("err %v; state %+v, want no pretimeout", err, stateOf(t, w))
	}
	if has, err := w.SetPretimeout(0); err != nil || has != 0 {
		t.Errorf("SetPretimeout(0) = %v, %v", has, err)
	}
}

func watchdogFeed(t *testing.T, u WatchdogUnderTest) {
	before := stateOf(t, u.Watchdog)
	for range 100 {
		if err := u.Watchdog.Feed(); err != nil {
			t.Fatalf("Feed: %v", err)
		}
	}
	if s := stateOf(t, u.Watchdog); s != before || !u.Running() {
		t.Errorf("state was %+v and is now %+v, running %t", before, s, u.Running())
	}
}

func watchdogConcurrent(t *testing.T, u WatchdogUnderTest) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				_, err := u.Watchdog.State()
				if err := errors.Join(err, u.Watchdog.Feed()); err != nil {
					t.Errorf("State, Feed: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func watchdogStop(t *testing.T, u WatchdogUnderTest) {
	for range 2 {
		if err := u.Watchdog.Stop(); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
	if u.Running() {
		t.Error("runs after Stop")
	}
	watchdogUseless(t, u.Watchdog)
}

func watchdogClose(t *testing.T, u WatchdogUnderTest) {
	for range 2 {
		if err := u.Watchdog.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := u.Watchdog.Stop(); err != nil {
		t.Errorf("Stop after Close: %v", err)
	}
	if !u.Running() {
		t.Error("does not run after Close")
	}
	watchdogUseless(t, u.Watchdog)
}

// watchdogUseless checks what a closed watchdog answers.
func watchdogUseless(t *testing.T, w hal.Watchdog) {
	t.Helper()
	_, state := w.State()
	_, timeout := w.SetTimeout(time.Minute)
	_, pretimeout := w.SetPretimeout(time.Second)
	for name, err := range map[string]error{"State": state, "SetTimeout": timeout, "SetPretimeout": pretimeout, "Feed": w.Feed()} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s when closed: %v, want os.ErrClosed", name, err)
		}
	}
	if w.Name() == "" {
		t.Error("the name is gone")
	}
}
