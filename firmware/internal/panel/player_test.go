package panel

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heptap/firmware/internal/health"
	"heptap/hal"
	"heptap/hal/haltest"
)

type rig struct {
	*Player
	fakes [NumRoles]*haltest.LED
	start time.Time
	stop  func() error
}

func play(t *testing.T, s State, log *slog.Logger) *rig {
	t.Helper()
	r := &rig{Player: NewPlayer(s, log), start: time.Now()}
	leds := map[Role]hal.LED{}
	for role := range NumRoles {
		r.fakes[role] = haltest.NewLED(role.String())
		leds[role] = r.fakes[role]
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, leds) }()
	r.stop = func() error { cancel(); return <-done }
	synctest.Wait()
	return r
}

// at returns when the LED of a role changed, since the start.
func (r *rig) at(role Role) (times []time.Duration) {
	for _, tr := range r.fakes[role].Transitions() {
		times = append(times, tr.At.Sub(r.start))
	}
	return times
}

func TestPlayerFollowsPatterns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := State{Capture: CaptureNoSIP, Uplink: UplinkUp}
		r := play(t, s, nil)
		time.Sleep(10*time.Second - ms)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		for role, p := range Patterns(s) {
			changes, first := trace(p, 0, 10*time.Second-ms)
			want := len(changes)
			if first {
				want++
			}
			got := r.fakes[role].Transitions()
			if n := len(got); n > 0 && !got[n-1].On && got[n-1].At.Sub(r.start) == 10*time.Second-ms {
				got = got[:n-1] // darkened at the end
			}
			if len(got) != want {
				t.Errorf("%v, %v: %d changes, want %d", Role(role), p, len(got), want)
			}
			for _, tr := range got {
				if on, _ := p.At(tr.At.Sub(r.start)); on != tr.On {
					t.Errorf("%v, %v at %v: %t", Role(role), p, tr.At.Sub(r.start), tr.On)
				}
			}
			if r.fakes[role].Lit() {
				t.Errorf("%v is lit at the end", Role(role))
			}
			if sets := r.fakes[role].Sets(); sets > want+2 {
				t.Errorf("%v was set %d times for %d changes", Role(role), sets, want)
			}
		}
	})
}

func TestPlayerSetsOnlyOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := play(t, State{Uplink: UplinkUp}, nil)
		for range 100 {
			time.Sleep(100 * ms)
			r.Update(func(s *State) { s.Spool.Cap++ }) // nothing that shows
		}
		if up, spool := r.fakes[Uplink].Sets(), r.fakes[Spool].Sets(); up != 1 || spool != 1 {
			t.Errorf("uplink was set %d times, spool %d", up, spool)
		}
		r.Update(func(s *State) { s.Uplink = UplinkOff })
		synctest.Wait()
		if r.fakes[Uplink].Lit() || r.fakes[Uplink].Text() != "off" || r.fakes[Spool].Text() != "empty" {
			t.Errorf("lit %t, %q, %q", r.fakes[Uplink].Lit(), r.fakes[Uplink].Text(), r.fakes[Spool].Text())
		}
		_ = r.stop()
	})
}

func TestPlayerPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := play(t, State{Capture: CaptureDrops, Uplink: UplinkUp}, nil)
		time.Sleep(1300 * ms)
		began := time.Since(r.start)
		r.Update(func(s *State) { s.Press = PhaseCountdown })
		time.Sleep(CountdownTime + time.Second)
		var got []time.Duration
		for _, d := range r.at(Status) {
			if d > began {
				got = append(got, d-began)
			}
		}
		want, _ := trace(Countdown(), 0, time.Hour)
		if len(got) != len(want) || got[0] != want[0] || got[40] != want[40] {
			t.Errorf("the countdown does not start with its phase: %v, want %v", got, want)
		}
		if r.fakes[Capture].Lit() || r.fakes[Uplink].Lit() || !r.fakes[Status].Lit() {
			t.Error("others are lit, or status is not")
		}
		// Patterns that repeat share their beat, whenever they came on.
		r.Update(func(s *State) { *s = State{Health: health.Fault} })
		time.Sleep(777 * ms)
		r.Update(func(s *State) { s.Capture = CaptureDrops })
		mark := time.Since(r.start) + 250*ms
		time.Sleep(2 * time.Second)
		a, b := after(r.at(Status), mark), after(r.at(Capture), mark)
		if len(a) < 10 || len(a) != len(b) || a[0] != b[0] {
			t.Errorf("out of step: %v, %v", a, b)
		}
		_ = r.stop()
	})
}

func after(times []time.Duration, mark time.Duration) []time.Duration {
	for i, d := range times {
		if d >= mark {
			return times[i:]
		}
	}
	return nil
}

func TestPlayerSurvivesAnLED(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := play(t, State{Capture: CaptureDrops, Uplink: UplinkUp}, slog.New(slog.NewTextHandler(&log, nil)))
		broken := r.fakes[Capture]
		broken.Fail(errors.New("device or resource busy"))
		before := broken.Sets()
		time.Sleep(30 * time.Second)
		if n := broken.Sets() - before; n < 4 || n > 8 {
			t.Errorf("tried %d times in 30 s", n)
		}
		if n := len(r.at(Status)); n < 100 {
			t.Errorf("the status LED stopped with it: %d changes", n)
		}
		broken.Fail(nil)
		was := len(r.at(Capture))
		time.Sleep(10 * time.Second)
		if n := len(r.at(Capture)) - was; n < 30 {
			t.Errorf("it does not work again: %d changes", n)
		}
		_ = r.stop()
		text := log.String()
		if strings.Count(text, "led failed") != 1 || strings.Count(text, "led works again") != 1 || !strings.Contains(text, "resource busy") {
			t.Errorf("log: %s", text)
		}
	})
}

func TestPlayerWithoutLEDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p, done := NewPlayer(State{}, nil), make(chan error, 1)
		go func() { done <- p.Run(ctx, map[Role]hal.LED{Status: nil, NumRoles: haltest.NewLED("x")}) }()
		synctest.Wait()
		p.Update(func(s *State) { s.Booting = true })
		time.Sleep(time.Hour)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}
