package soak_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

// TestMonths is what months bring, one after the other: outages, another configuration, floods. Neither
// memory nor goroutines grow from one time to the next.
func TestMonths(t *testing.T) {
	site, err := lab.OpenSite(lab.SiteConfig{})
	need(t, err)
	t.Cleanup(func() {
		if err := site.Close(); err != nil {
			t.Error(err)
		}
	})
	binary, err := box.Binary()
	need(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	b, err := box.Start(ctx, site, box.Config{Binary: binary, Lines: append([]string{"set capture span0 interface span0", "set system board generic"}, limits...)})
	if err != nil {
		t.Fatal(err)
	}
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
		commit(ctx, t, binary, site, fmt.Sprintf("set system agent-id %d", 3000+month))
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

// commit changes the configuration at the console.
func commit(ctx context.Context, t *testing.T, binary string, s *lab.Site, line string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, "console", "-socket", filepath.Join(s.Dir(), "spool", "console.sock"))
	cmd.Stdin = strings.NewReader(line + "\ncommit\nexit\n")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "committed") {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}
