package haltest

import (
	"errors"
	"os"
	"sync"
	"testing"

	"heptap/hal"
)

// LEDUnderTest is an LED and a way to see its light that does not go through
// the LED itself.
type LEDUnderTest struct {
	LED hal.LED
	Lit func() bool // whether the light is on; also called after Close
}

// TestLED checks an implementation of hal.LED. open opens the light anew; it
// is called once per case, and the LED it opened is closed before the next.
func TestLED(t *testing.T, open func(t *testing.T) LEDUnderTest) {
	cases := []struct {
		name string
		run  func(t *testing.T, u LEDUnderTest)
	}{
		{"name", ledName},
		{"set", ledSet},
		{"concurrent", ledConcurrent},
		{"close", ledClose},
		{"open again", ledSet},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			u := open(t)
			c.run(t, u)
			if err := u.LED.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if u.Lit() {
				t.Error("lit after Close")
			}
		})
	}
}

func ledName(t *testing.T, u LEDUnderTest) {
	name := u.LED.Name()
	if name == "" {
		t.Error("the name is empty")
	}
	setLED(t, u, true)
	if got := u.LED.Name(); got != name {
		t.Errorf("the name was %q and is now %q", name, got)
	}
}

func ledSet(t *testing.T, u LEDUnderTest) {
	for i, on := range []bool{false, true, true, false, false, true} {
		setLED(t, u, on)
		if t.Failed() {
			t.Fatalf("at step %d", i)
		}
	}
	for i := range 100 {
		setLED(t, u, i%2 == 0)
	}
}

func setLED(t *testing.T, u LEDUnderTest, on bool) {
	t.Helper()
	if err := u.LED.Set(on); err != nil {
		t.Errorf("Set(%t): %v", on, err)
	}
	if u.Lit() != on {
		t.Errorf("lit is %t after Set(%t)", !on, on)
	}
}

func ledConcurrent(t *testing.T, u LEDUnderTest) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 25 {
				if err := u.LED.Set((i+j)%2 == 0); err != nil {
					t.Errorf("Set: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	setLED(t, u, true)
}

func ledClose(t *testing.T, u LEDUnderTest) {
	setLED(t, u, true)
	if err := u.LED.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if u.Lit() {
		t.Error("lit after Close")
	}
	if err := u.LED.Set(true); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Set after Close: %v, want os.ErrClosed", err)
	}
	if u.Lit() {
		t.Error("Set after Close lit it")
	}
}
