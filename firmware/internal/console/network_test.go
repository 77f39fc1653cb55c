package console

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestPingAndResolve(t *testing.T) {
	r := newRig(t, "set capture span0 interface eth1\n")
	for _, line := range []string{"ping 192.0.2.1\n", "resolve a.example\n"} {
		if out, done := r.script(t, line); done || !strings.Contains(out, "not from here") {
			t.Errorf("%q where nobody asks: %q", line, out)
		}
	}
	r.o.Ping = func(_ context.Context, host string, count int, tell func(string)) error {
		tell(fmt.Sprintf("%d to %s\x1b[2J", count, host))
		if host == "none" {
			return errors.New("nobody answers")
		}
		return nil
	}
	r.o.Resolve = func(_ context.Context, name string, tell func(string)) error { tell(name + " is it"); return nil }
	for _, c := range []struct {
		line, want string
		done       bool
	}{
		{"ping 192.0.2.1", "  5 to 192.0.2.1", true},
		{"ping 192.0.2.1 17", "  17 to 192.0.2.1", true},
		{"ping none", "nobody answers", false},
		{"ping", "ping HOST [N]", false},
		{"ping a b", "ping HOST [N]", false},
		{"ping a 1 2", "ping HOST [N]", false},
		{"resolve a.example", "  a.example is it", true},
		{"resolve", "resolve NAME", false},
		{"resolve a b", "resolve NAME", false},
	} {
		out, done := r.script(t, c.line+"\n")
		if done != c.done || !strings.Contains(out, c.want) || strings.Contains(out, "\x1b[2J") {
			t.Errorf("%s: %v, %q, want %q", c.line, done, out, c.want)
		}
	}
}

func TestTestLEDs(t *testing.T) {
	r := newRig(t, "set capture span0 interface eth1\n")
	live := &Live{}
	r.o.Live = func() *Live { return live }
	if out, done := r.script(t, "test leds\n"); done || !strings.Contains(out, "not from here") {
		t.Errorf("without LEDs: %q", out)
	}
	live.TestLEDs = func(_ context.Context, tell func(string)) error { tell("status alone is lit"); return nil }
	if out, done := r.script(t, "test leds\n"); !done || !strings.Contains(out, "  status alone is lit\n") {
		t.Errorf("%v, %q", done, out)
	}
}

// TestPingStops has one that goes on until ^C, and one until its user is gone.
func TestPingStops(t *testing.T) {
	r := newRig(t, "set capture span0 interface eth1\n")
	ended := make(chan error, 1)
	r.o.Ping = func(ctx context.Context, _ string, _ int, tell func(string)) error {
		tell("begins")
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	if out := r.say(t, "ping a\r\x03"); !strings.Contains(out, "begins") {
		t.Errorf("%q", out)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
