package haltest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"heptap/hal"
	"heptap/hal/haltest"
)

func TestFakeLED(t *testing.T) {
	haltest.TestLED(t, func(*testing.T) haltest.LEDUnderTest {
		l := haltest.NewLED("fake")
		return haltest.LEDUnderTest{LED: l, Lit: l.Lit}
	})
}

func TestFakeButton(t *testing.T) {
	haltest.TestButton(t, func(*testing.T) haltest.ButtonUnderTest {
		b := haltest.NewButton("fake")
		return haltest.ButtonUnderTest{Button: b, Press: b.Press, Release: b.Release}
	})
}

func TestFakeWatchdog(t *testing.T) {
	haltest.TestWatchdog(t, func(*testing.T) haltest.WatchdogUnderTest {
		w := haltest.NewWatchdog("fake", 0)
		return haltest.WatchdogUnderTest{Watchdog: w, Running: w.Running}
	})
}

func TestFakeSerial(t *testing.T) {
	haltest.TestSerial(t, func(*testing.T) haltest.SerialUnderTest {
		s := haltest.NewSerial("fake")
		return haltest.SerialUnderTest{Serial: s, Far: s.Far(), Unplug: s.Unplug, Plug: s.Plug}
	})
}

func TestWatchdogBites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := haltest.NewWatchdog("w", hal.ResetByWatchdog)
		if s, err := w.State(); err != nil || s.LastReset != hal.ResetByWatchdog {
			t.Fatalf("state %+v, %v", s, err)
		}
		time.Sleep(haltest.WatchdogDefault - time.Second)
		if err := w.Feed(); err != nil || w.Bitten() {
			t.Fatalf("err %v, bitten %t", err, w.Bitten())
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(haltest.WatchdogDefault)
		if !w.Bitten() || w.Feeds() != 1 {
			t.Errorf("bitten %t, fed %d times: a closed one runs on", w.Bitten(), w.Feeds())
		}
	})
}

func TestWatchdogUnstoppable(t *testing.T) {
	w := haltest.NewWatchdog("w", 0)
	w.Unstoppable()
	if err := w.Stop(); !errors.Is(err, hal.ErrStillRunning) || !w.Running() {
		t.Errorf("err %v, running %t", err, w.Running())
	}
}

func TestLEDRecords(t *testing.T) {
	l := haltest.NewLED("l")
	broken := errors.New("broken")
	for _, on := range []bool{true, true, false} {
		if err := l.Set(on); err != nil {
			t.Fatal(err)
		}
	}
	l.Fail(broken)
	if err := l.Set(true); !errors.Is(err, broken) {
		t.Fatalf("err %v", err)
	}
	got := l.Transitions()
	if len(got) != 2 || !got[0].On || got[1].On || l.Sets() != 4 || l.Lit() {
		t.Fatalf("transitions %v, %d sets, lit %t", got, l.Sets(), l.Lit())
	}
}

func TestButtonBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := haltest.NewButton("b")
		broken := errors.New("broken")
		var events []hal.ButtonEvent
		done := make(chan error, 1)
		go func() { done <- b.Run(t.Context(), func(ev hal.ButtonEvent) { events = append(events, ev) }) }()
		synctest.Wait()
		b.Press()
		b.Break(broken)
		if err := <-done; !errors.Is(err, broken) {
			t.Fatalf("err %v", err)
		}
		if len(events) != 2 || events[0].Pressed || !events[1].Pressed {
			t.Fatalf("events %v", events)
		}
	})
}

func TestFakeAddresses(t *testing.T) {
	haltest.TestAddresses(t, func(*testing.T) haltest.AddressesUnderTest {
		a := haltest.NewAddresses("a", "b")
		return haltest.AddressesUnderTest{Addresses: a, State: func(t *testing.T, name string) haltest.Interface {
			i, _ := a.Interface(name)
			return i
		}}
	})
}

func TestFakeClock(t *testing.T) {
	c := haltest.NewClock(time.Unix(1_700_000_000, 0))
	haltest.TestClock(t, c, c.Raw, c.Pass)
}
