package panel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heptap/hal"
	"heptap/hal/haltest"
)

// TestHold lets go after every time around each boundary.
func TestHold(t *testing.T) {
	tests := []struct {
		held   time.Duration
		want   Intent
		phases string
	}{
		{0, Mark, "1 0"},
		{ms, Mark, "1 0"},
		{time.Second, Mark, "1 0"},
		{ShutdownAfter - 1, Mark, "1 0"},
		{ShutdownAfter, SafeShutdown, "1 2 0"},
		{ShutdownAfter + 1, SafeShutdown, "1 2 0"},
		{CountdownAfter - 1, SafeShutdown, "1 2 0"},
		{CountdownAfter, NoIntent, "1 2 3 0"},
		{20 * time.Second, NoIntent, "1 2 3 0"},
		{ResetAfter - 1, NoIntent, "1 2 3 0"},
		{ResetAfter, FactoryReset, "1 2 3 0"},
		{ResetAfter + releaseLatency - 1, FactoryReset, "1 2 3 0"},
		{ResetAfter + releaseLatency + 1, FactoryReset, "1 2 3 4 0"},
		{time.Hour, FactoryReset, "1 2 3 4 0"},
	}
	for _, tt := range tests {
		t.Run(tt.held.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := haltest.NewButton("b")
				h := watchButton(t, b)
				for range 2 { // and once more: nothing is left over
					h.reset()
					b.Press()
					time.Sleep(tt.held)
					synctest.Wait()
					b.Release()
					synctest.Wait()
					var want []Intent
					if tt.want != NoIntent {
						want = []Intent{tt.want}
					}
					if fmt.Sprint(h.intents) != fmt.Sprint(want) || strings.Join(h.phases, " ") != tt.phases {
						t.Errorf("intents %v, phases %v, want %v, %v", h.intents, h.phases, want, tt.phases)
					}
				}
				if err := h.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

type hand struct {
	intents []Intent
	phases  []string
	stop    func() error
}

func (h *hand) reset() { h.intents, h.phases = nil, nil }

func watchButton(t *testing.T, b hal.Button) *hand {
	t.Helper()
	h := &hand{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	g := Gestures{Phase: func(p Phase) { h.phases = append(h.phases, fmt.Sprint(uint8(p))) }}
	go func() { done <- g.Run(ctx, b, func(i Intent) { h.intents = append(h.intents, i) }) }()
	h.stop = func() error { cancel(); return <-done }
	synctest.Wait()
	return h
}

func TestStuckButtonIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := haltest.NewButton("b")
		b.Press()
		h := watchButton(t, b)
		time.Sleep(time.Hour)
		b.Release()
		synctest.Wait()
		if len(h.intents) != 0 || len(h.phases) != 0 {
			t.Fatalf("intents %v, phases %v", h.intents, h.phases)
		}
		b.Press()
		b.Release()
		synctest.Wait()
		if len(h.intents) != 1 || h.intents[0] != Mark {
			t.Fatalf("intents %v", h.intents)
		}
		_ = h.stop()
	})
}

func TestLostButtonVoidsThePress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := haltest.NewButton("front")
		for _, held := range []time.Duration{time.Second, 6 * time.Second, 16 * time.Second} {
			h := watchButton(t, b)
			b.Press()
			time.Sleep(held)
			gone := errors.New("line is dead")
			b.Break(gone)
			if err := h.stop(); !errors.Is(err, gone) || !strings.Contains(err.Error(), "button front") {
				t.Errorf("err %v", err)
			}
			if len(h.intents) != 0 || h.phases[len(h.phases)-1] != "0" {
				t.Errorf("held %v: intents %v, phases %v", held, h.intents, h.phases)
			}
			h = watchButton(t, b) // runs again, still pressed
			time.Sleep(time.Minute)
			b.Release()
			synctest.Wait()
			if err := h.stop(); err != nil || len(h.intents) != 0 {
				t.Errorf("err %v, intents %v", err, h.intents)
			}
		}
	})
}

func TestEndDuringAPress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := haltest.NewButton("b")
		h := watchButton(t, b)
		b.Press()
		time.Sleep(16 * time.Second)
		if err := h.stop(); err != nil || len(h.intents) != 0 || strings.Join(h.phases, " ") != "1 2 3 0" {
			t.Errorf("err %v, intents %v, phases %v", err, h.intents, h.phases)
		}
	})
}

// quitter is a button whose Run breaks the contract.
type quitter struct{ hal.Button }

func (quitter) Run(context.Context, func(hal.ButtonEvent)) error { return nil }

func TestButtonThatQuits(t *testing.T) {
	if err := (Gestures{}).Run(t.Context(), quitter{haltest.NewButton("q")}, func(Intent) {}); err == nil {
		t.Error("no error")
	}
}

var zero = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// TestMachine drives the machine by hand where a clock would not go.
func TestMachine(t *testing.T) {
	type step struct {
		do    string // "p" press, "r" release, "t" tick
		at    time.Duration
		want  Intent
		phase Phase
	}
	found := step{"r", 0, NoIntent, PhaseIdle}
	tests := []struct {
		name  string
		steps []step
	}{
		{"a late release counts from when it happened", []step{found, {"p", 0, 0, PhasePressed}, {"t", ShutdownAfter, 0, PhaseShutdown},
			{"r", ShutdownAfter - 1, Mark, PhaseIdle}}},
		{"let go within the countdown, reported after its end", []step{found, {"p", 0, 0, PhasePressed}, {"t", ShutdownAfter, 0, PhaseShutdown},
			{"t", CountdownAfter, 0, PhaseCountdown}, {"t", ResetAfter, 0, PhaseCountdown}, {"r", ResetAfter - 1, NoIntent, PhaseIdle}}},
		{"ticks too early do nothing", []step{found, {"t", time.Hour, 0, PhaseIdle}, {"p", time.Hour, 0, PhasePressed},
			{"t", time.Hour + ShutdownAfter - 1, 0, PhasePressed}}},
		{"stopped through the whole countdown", []step{found, {"p", 0, 0, PhasePressed}, {"t", 26 * time.Second, 0, PhaseIdle},
			{"t", 27 * time.Second, 0, PhaseIdle}, {"r", 28 * time.Second, NoIntent, PhaseIdle}}},
		{"stopped before its end", []step{found, {"p", 0, 0, PhasePressed}, {"t", 5 * time.Second, 0, PhaseShutdown},
			{"t", 15 * time.Second, 0, PhaseCountdown}, {"t", 28 * time.Second, 0, PhaseIdle}, {"r", 29 * time.Second, NoIntent, PhaseIdle}}},
		{"a long hold without ticks resets nothing", []step{found, {"p", 0, 0, PhasePressed}, {"r", ResetAfter, NoIntent, PhaseIdle}}},
		{"a second press is none", []step{found, {"p", 0, 0, PhasePressed}, {"p", 4 * time.Second, 0, PhasePressed},
			{"r", 6 * time.Second, SafeShutdown, PhaseIdle}, {"r", 7 * time.Second, NoIntent, PhaseIdle}}},
		{"found pressed", []step{{"p", 0, 0, PhaseIdle}, {"t", time.Hour, 0, PhaseIdle}, {"r", 6 * time.Second, NoIntent, PhaseIdle},
			{"p", 7 * time.Second, 0, PhasePressed}, {"r", 8 * time.Second, Mark, PhaseIdle}}},
		{"reset comes once", []step{found, {"p", 0, 0, PhasePressed}, {"t", 5 * time.Second, 0, PhaseShutdown},
			{"t", 15 * time.Second, 0, PhaseCountdown}, {"t", ResetAfter + releaseLatency, FactoryReset, PhaseReset},
			{"t", time.Minute, NoIntent, PhaseReset}, {"r", time.Minute, NoIntent, PhaseIdle}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var g Gesture
			for i, s := range tt.steps {
				var got Intent
				switch at := zero.Add(s.at); s.do {
				case "t":
					got = g.Tick(at)
				default:
					got = g.Event(hal.ButtonEvent{Pressed: s.do == "p", At: at})
				}
				if got != s.want || g.Phase() != s.phase {
					t.Fatalf("step %d: %v, phase %d, want %v, %d", i, got, g.Phase(), s.want, s.phase)
				}
			}
		})
	}
}

// TestBounces puts a bouncing contact through hal's debouncer first.
func TestBounces(t *testing.T) {
	d := hal.NewDebouncer(0, false)
	var g Gesture
	g.Event(hal.ButtonEvent{At: zero})
	var intents []Intent
	at := time.Duration(0)
	sample := func(pressed, edge bool, step time.Duration) {
		at += step
		if ev, ok := d.Sample(pressed, edge, zero.Add(at)); ok {
			if i := g.Event(ev); i != NoIntent {
				intents = append(intents, i)
			}
		}
	}
	bounce := func(pressed bool) {
		for i := range 9 {
			sample((i%2 == 0) == pressed, true, 2*ms)
		}
		for range 10 {
			sample(pressed, false, 10*ms)
		}
	}
	for range 3 {
		bounce(true)
		bounce(false)
	}
	bounce(true)
	for range 60 {
		sample(true, false, 100*ms)
	}
	bounce(false)
	if fmt.Sprint(intents) != "[mark mark mark safe shutdown]" {
		t.Errorf("intents %v", intents)
	}
}

// FuzzGesture checks that no history of events and ticks resets the box unless
// one press was seen to last from its beginning to the end of the countdown.
func FuzzGesture(f *testing.F) {
	f.Add([]byte{0, 0, 1, 1, 2, 50, 2, 100, 2, 105})
	f.Add([]byte{1, 1, 2, 50, 0, 255, 1, 1, 2, 50, 2, 101, 2, 103, 0, 10})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var g Gesture
		at, pressed, first := zero, time.Time{}, true
		for i := 0; i+1 < len(steps); i += 2 {
			at = at.Add(time.Duration(steps[i+1]) * 100 * ms)
			var got Intent
			held := time.Duration(-1)
			switch steps[i] % 3 {
			case 0, 1:
				down := steps[i]%3 == 1
				got = g.Event(hal.ButtonEvent{Pressed: down, At: at})
				if !pressed.IsZero() {
					held = at.Sub(pressed)
				}
				if down && pressed.IsZero() && !first {
					pressed = at
				} else if !down {
					pressed = time.Time{}
				}
				first = false
			case 2:
				if !pressed.IsZero() {
					held = at.Sub(pressed)
				}
				got = g.Tick(at)
			}
			if got == FactoryReset && held < ResetAfter || got == SafeShutdown && (held < ShutdownAfter || held >= CountdownAfter) ||
				got == Mark && (held < 0 || held >= ShutdownAfter) {
				t.Fatalf("step %d: %v after %v", i/2, got, held)
			}
			if next, ok := g.Next(); ok && next.Before(pressed) {
				t.Fatalf("due at %v, before the press at %v", next, pressed)
			}
		}
	})
}
