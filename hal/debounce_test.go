package hal_test

import (
	"testing"
	"time"

	"heptap/hal"
)

var zero = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

const ms = time.Millisecond

// sample is one call of Sample.
type sample struct {
	at            time.Duration
	pressed, edge bool
}

type change struct {
	pressed bool
	at      time.Duration
}

func TestDebouncer(t *testing.T) {
	const settle = 20 * ms
	tests := []struct {
		name    string
		pressed bool // found so
		samples []sample
		want    []change
	}{
		{name: "nothing", samples: []sample{{0, false, false}, {500 * ms, false, false}}},
		{name: "clean press",
			samples: []sample{{100 * ms, true, true}, {119 * ms, true, false}, {120 * ms, true, false}, {140 * ms, true, false}},
			want:    []change{{true, 100 * ms}}},
		{name: "press not settled", samples: []sample{{100 * ms, true, true}, {119*ms + 999*time.Microsecond, true, false}}},
		{name: "bouncing press counts from its last edge",
			samples: []sample{{100 * ms, true, true}, {102 * ms, false, true}, {103 * ms, true, true}, {105 * ms, false, true},
				{106 * ms, true, true}, {120 * ms, true, false}, {126 * ms, true, false}},
			want: []change{{true, 106 * ms}}},
		{name: "spike", samples: []sample{{100 * ms, true, true}, {105 * ms, false, true}, {125 * ms, false, false}, {300 * ms, false, false}}},
		{name: "edges at the same level restart the rest",
			samples: []sample{{100 * ms, true, true}, {115 * ms, true, true}, {120 * ms, true, false}, {135 * ms, true, false}},
			want:    []change{{true, 115 * ms}}},
		{name: "chatter never settles",
			samples: []sample{{0, true, true}, {10 * ms, false, true}, {20 * ms, true, true}, {30 * ms, false, true}, {40 * ms, true, true}}},
		{name: "press and release",
			samples: []sample{{0, true, true}, {20 * ms, true, false}, {200 * ms, false, true}, {203 * ms, true, true}, {204 * ms, false, true}, {224 * ms, false, false}},
			want:    []change{{true, 0}, {false, 204 * ms}}},
		{name: "found pressed, released", pressed: true,
			samples: []sample{{10 * ms, true, false}, {50 * ms, false, true}, {70 * ms, false, false}},
			want:    []change{{false, 50 * ms}}},
		{name: "a level without an edge is no press",
			samples: []sample{{100 * ms, true, false}, {200 * ms, true, false}, {30000 * ms, true, false}}},
		{name: "until the edge comes",
			samples: []sample{{100 * ms, true, false}, {200 * ms, true, false}, {210 * ms, true, true}, {230 * ms, true, false}},
			want:    []change{{true, 210 * ms}}},
		{name: "an edge of an earlier spike does not make a press",
			samples: []sample{{0, false, true}, {20 * ms, false, false}, {100 * ms, true, false}, {200 * ms, true, false}}},
		{name: "a release needs no edge",
			samples: []sample{{0, true, true}, {20 * ms, true, false}, {500 * ms, false, false}, {520 * ms, false, false}},
			want:    []change{{true, 0}, {false, 500 * ms}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := hal.NewDebouncer(settle, tt.pressed)
			var got []change
			for _, s := range tt.samples {
				if ev, ok := d.Sample(s.pressed, s.edge, zero.Add(s.at)); ok {
					got = append(got, change{ev.Pressed, ev.At.Sub(zero)})
				}
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("change %d: got %v, want %v", i, got[i], tt.want[i])
				}
			}
		})
	}
}

func TestDebouncerWait(t *testing.T) {
	d := hal.NewDebouncer(0, false)
	check := func(at, want time.Duration) {
		t.Helper()
		if got := d.Wait(zero.Add(at), 500*ms); got != want {
			t.Errorf("Wait at %v = %v, want %v", at, got, want)
		}
	}
	check(0, 500*ms)
	d.Sample(true, true, zero)
	check(0, hal.DefaultSettle)
	check(20*ms, 5*ms)
	check(time.Second, hal.DefaultSettle)
	d.Sample(true, false, zero.Add(hal.DefaultSettle))
	check(time.Second, 500*ms)
}

// FuzzDebouncer checks that whatever a contact does, changes alternate, their
// times do not go back, and each is a rest of at least the settle time.
func FuzzDebouncer(f *testing.F) {
	f.Add(false, []byte{3, 10, 3, 25, 1, 25, 2, 5, 0, 30})
	f.Add(true, []byte{0, 0, 1, 255, 3, 1, 2, 1})
	f.Fuzz(func(t *testing.T, pressed bool, steps []byte) {
		const settle = 20 * ms
		d := hal.NewDebouncer(settle, pressed)
		at, last := zero, zero
		for i := 0; i+1 < len(steps); i += 2 {
			at = at.Add(time.Duration(steps[i+1]) * ms)
			ev, ok := d.Sample(steps[i]&1 != 0, steps[i]&2 != 0, at)
			if w := d.Wait(at, time.Second); w <= 0 || w > time.Second {
				t.Fatalf("Wait = %v", w)
			}
			if !ok {
				continue
			}
			if ev.Pressed == pressed || ev.Pressed != (steps[i]&1 != 0) || ev.At.Before(last) || at.Sub(ev.At) < settle {
				t.Fatalf("event %+v after pressed %t at %v, sampled at %v", ev, pressed, last, at)
			}
			pressed, last = ev.Pressed, ev.At
		}
	})
}

func TestDebouncerAllocs(t *testing.T) {
	d := hal.NewDebouncer(0, false)
	at := zero
	n := testing.AllocsPerRun(100, func() {
		at = at.Add(30 * ms)
		d.Sample(true, true, at)
		at = at.Add(30 * ms)
		d.Sample(false, true, at)
	})
	if n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
