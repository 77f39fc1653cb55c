package panel

import (
	"testing"
	"time"
)

// every is one of each pattern.
func every() []Pattern {
	all := []Pattern{{}, Off(), On(), Slow(), Blink(), Fast(), Heartbeat(), Countdown()}
	for n := range 8 {
		all = append(all, Pulse(n))
	}
	return all
}

// trace follows a pattern by its own next changes.
func trace(p Pattern, from, to time.Duration) (changes []time.Duration, first bool) {
	on, next := p.At(from)
	first = on
	for next < to {
		changes = append(changes, next)
		was := on
		on, next = p.At(next)
		if on == was && next != Never {
			changes = append(changes, -1) // not a change at all
		}
	}
	return changes, first
}

func TestPatternsAgainstSampling(t *testing.T) {
	for _, p := range every() {
		on, next := p.At(0)
		for d := time.Duration(0); d < 25*time.Second; d += ms {
			got, n := p.At(d)
			if n <= d {
				t.Fatalf("%v at %v: next change at %v", p, d, n)
			}
			if d < next && got != on {
				t.Fatalf("%v at %v: %t, but the next change was to be at %v", p, d, got, next)
			}
			if d == next && got == on && n != Never {
				t.Fatalf("%v at %v: no change", p, d)
			}
			if d >= next {
				on, next = got, n
			}
		}
	}
}

func TestPatternTimes(t *testing.T) {
	tests := []struct {
		pattern  Pattern
		name     string
		in       time.Duration // a whole number of cycles
		flashes  int           // that begin in it
		lit      time.Duration // sum
		constant bool
	}{
		{Pattern{}, "off", time.Minute, 0, 0, true},
		{Off(), "off", time.Minute, 0, 0, true},
		{On(), "on", time.Minute, 0, time.Minute, true},
		{Slow(), "slow", 10 * time.Second, 5, 5 * time.Second, false},
		{Blink(), "blink", 10 * time.Second, 10, 5 * time.Second, false},
		{Fast(), "fast", 10 * time.Second, 40, 5 * time.Second, false},
		{Heartbeat(), "heartbeat", 10 * time.Second, 20, 2 * time.Second, false},
		{Pulse(1), "pulse 1", 30 * time.Second, 10, 1500 * ms, false},
		{Pulse(4), "pulse 4", 30 * time.Second, 40, 6 * time.Second, false},
		{Countdown(), "countdown", CountdownTime, 21, 7400 * ms, false},
	}
	for _, tt := range tests {
		flashes, lit, was := 0, time.Duration(0), false
		for d := time.Duration(0); d < tt.in; d += ms {
			on, _ := tt.pattern.At(d)
			if on && !was && !tt.constant {
				flashes++
			}
			if on {
				lit += ms
			}
			was = on
		}
		if flashes != tt.flashes || lit != tt.lit || tt.pattern.String() != tt.name {
			t.Errorf("%v: %d flashes lit for %v, want %s, %d, %v", tt.pattern, flashes, lit, tt.name, tt.flashes, tt.lit)
		}
		if _, next := tt.pattern.At(0); (next == Never) != tt.constant {
			t.Errorf("%v: next change at %v", tt.pattern, next)
		}
	}
}

func TestCountdownEndsLit(t *testing.T) {
	for _, d := range []time.Duration{CountdownTime, CountdownTime + ms, time.Hour} {
		if on, next := Countdown().At(d); !on || next != Never {
			t.Errorf("at %v: %t, next %v", d, on, next)
		}
	}
	changes, first := trace(Countdown(), 0, time.Hour)
	if len(changes) != 42 || !first || changes[41] != CountdownTime {
		t.Errorf("%d changes: %v", len(changes), changes)
	}
	for i := 4; i < len(changes); i++ {
		if changes[i]-changes[i-2] > changes[i-2]-changes[i-4] {
			t.Errorf("slower at %v", changes[i])
		}
	}
}

func TestBeforeTheBeginning(t *testing.T) {
	for _, p := range every() {
		on, next := p.At(-time.Hour)
		if on0, next0 := p.At(0); on != on0 || next != next0 {
			t.Errorf("%v: %t %v", p, on, next)
		}
	}
}

func TestPatternsDiffer(t *testing.T) {
	seen := map[string]Pattern{}
	for _, p := range []Pattern{Off(), On(), Slow(), Blink(), Fast(), Heartbeat(), Pulse(1), Pulse(2), Pulse(3), Pulse(4), Countdown()} {
		var bits []byte
		for d := time.Duration(0); d < 3*time.Second; d += 5 * ms {
			on, _ := p.At(d)
			bits = append(bits, map[bool]byte{true: '1', false: '0'}[on])
		}
		if q, ok := seen[string(bits)]; ok {
			t.Errorf("%v looks like %v", p, q)
		}
		seen[string(bits)] = p
	}
}

func TestFill(t *testing.T) {
	for percent, want := range map[int]Pattern{-5: Pulse(1), 0: Pulse(1), 1: Pulse(1), 25: Pulse(1), 26: Pulse(2),
		50: Pulse(2), 51: Pulse(3), 75: Pulse(3), 76: Pulse(4), 100: Pulse(4), 1000: Pulse(4)} {
		if got := Fill(percent); got != want {
			t.Errorf("%d %%: %v, want %v", percent, got, want)
		}
	}
}

func BenchmarkPatternAt(b *testing.B) {
	p, d := Countdown(), time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		_, d = p.At(d % CountdownTime)
	}
}
