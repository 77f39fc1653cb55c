package soak_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMonths is what months bring, one after the other: outages, another configuration, floods. Neither
// memory nor goroutines grow from one time to the next.
func TestMonths(t *testing.T) {
	ctx, site, b := start(t, time.Hour)
	months, growth := 6, 1.4 // what a few months show is rough
	if long() {
		months, growth = 300, 1.1
	}
	var memory, goroutines []float64
	for month := range months {
		if err := site.Uplink.Pull(); err != nil {
			t.Fatal(err)
		}
		_, stop := inject(t, site.A)
		time.Sleep(300 * time.Millisecond) // of it
		if out, err := b.Type(ctx, fmt.Sprintf("set system agent-id %d", 3000+month), "commit", "exit"); err != nil || !strings.Contains(out, "committed") {
			t.Fatalf("%v\n%s", err, out)
		}
		time.Sleep(300 * time.Millisecond)
		stop()
		if err := site.Uplink.Plug(); err != nil {
			t.Fatal(err)
		}
		if err := b.Settled(ctx); err != nil {
			t.Fatal(err)
		}
		m, err := b.Metrics(ctx)
		if err != nil {
			t.Fatal(err)
		}
		memory, goroutines = append(memory, resident(t, b.Probe().PID())), append(goroutines, m["go_goroutines"])
		if month%max(1, months/10) == 0 {
			t.Logf("month %d: %.1f MiB, %.0f goroutines", month+1, memory[month]/(1<<20), goroutines[month])
		}
	}
	// What is the least in a third of the time is what is surely held.
	third := months / 3
	for what, series := range map[string][]float64{"octets resident": memory, "goroutines": goroutines} {
		early, late := slices.Min(series[third:2*third]), slices.Min(series[2*third:])
		if late > early*growth+2 {
			t.Errorf("%s: %.0f in the second third, %.0f in the last one: %.0f", what, early, late, series)
		}
	}
	if _, err := b.Finish(); err != nil {
		t.Error(err)
	}
}
