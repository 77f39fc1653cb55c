package onboard

import (
	"path/filepath"
	"testing"
	"time"

	"heptap/hal"
	"heptap/hal/haltest"
	"heptap/hal/watchdog"
	"heptap/scripts/lab/guest/inside"
)

const identity = "i6300ESB timer"

// TestWatchdog holds the driver against a watchdog on PCI. One in software is
// there as well, and must not be taken for it.
func TestWatchdog(t *testing.T) {
	inside.Load(t, "softdog")
	found, err := watchdog.List()
	if err != nil || len(found) != 2 {
		t.Fatalf("found %+v, %v", found, err)
	}
	for _, wanted := range []watchdog.Wanted{{Identity: identity}, {Identity: "Software Watchdog"}} {
		t.Run(wanted.Identity, func(t *testing.T) {
			haltest.TestWatchdog(t, func(t *testing.T) haltest.WatchdogUnderTest {
				w, err := watchdog.Open(wanted)
				if err != nil {
					t.Fatal(err)
				}
				if w.Name() != wanted.Identity {
					t.Errorf("opened %q", w.Name())
				}
				if second, err := watchdog.Open(wanted); err == nil {
					t.Error("opened twice")
					second.Close()
				}
				s, err := w.State()
				if err != nil {
					t.Fatal(err)
				}
				return haltest.WatchdogUnderTest{Watchdog: w, Running: func() bool {
					return take(t, filepath.Join("/sys/class/watchdog", s.Device, "state")) == "active"
				}}
			})
		})
	}
}

// TestWatchdogBites is begun before the reset, and ends after it.
func TestWatchdogBites(t *testing.T) {
	inside.Load(t, "i6300esb")
	w, err := watchdog.Open(watchdog.Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.State()
	if err != nil || w.Name() != identity {
		t.Fatalf("%s: %+v, %v", w.Name(), s, err)
	}
	if s.LastReset != 0 {
		if s.LastReset != hal.ResetByWatchdog {
			t.Errorf("the last reset: %v, want that by the watchdog", s.LastReset)
		}
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
		return
	}
	if has, err := w.SetTimeout(4 * time.Second); err != nil || has != 4*time.Second {
		t.Fatalf("timeout %v, %v", has, err)
	}
	for range 6 { // longer than the timeout, fed
		time.Sleep(time.Second)
		if err := w.Feed(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil { // as if the program had died
		t.Fatal(err)
	}
	inside.Ask(t, "bite")
	time.Sleep(time.Minute)
	t.Fatal("not fed for a minute, and not reset")
}
