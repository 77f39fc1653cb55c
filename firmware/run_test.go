package main

import (
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/probe"
)

func TestMachineMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no /proc/meminfo")
	}
	if n := machineMemory(); n < 32<<20 || n%1024 != 0 {
		t.Errorf("%d octets", n)
	}
}

// What the tables may hold with the defaults is what a small box must have.
func TestDefaultBudget(t *testing.T) {
	cfg := config.Default()
	pc := probe.Config{Inputs: make([]probe.Input, 1), Media: mediaConfig(cfg), Assembly: assemblyConfig(cfg), Beyond: beyondConfig(cfg),
		Correlate: correlateConfig(cfg, 1), ISUP: cfg.Records.ISUP}
	if n := pc.MemoryBytes() >> 20; n > 400 {
		t.Errorf("%d MiB", n)
	}
}

// TestPlan asserts that the defaults fit small machines, and that what was configured
// stays.
func TestPlan(t *testing.T) {
	const conf = "set capture span0 interface eth1\nset collector central address 192.0.2.10:9060\n"
	for _, c := range []struct {
		name        string
		machine     int64 // MiB, as Linux says it of a board with a power of two
		more        string
		calls, most int
		ring        int64 // MiB
	}{
		{name: "not known", calls: 50000, most: 560, ring: 64},
		{name: "1 GiB", machine: 950, calls: 50000, most: 950 * 3 / 4, ring: 64},
		{name: "512 MiB", machine: 450, calls: 12500, most: 450 * 3 / 4, ring: 16},
		{name: "256 MiB", machine: 230, calls: 6250, most: 230, ring: 8},
		{name: "512 MiB, for many calls", machine: 480, more: "set calls max 40000\nset capture span0 ring-size 16MiB\n", calls: 40000, most: 480 * 3 / 4, ring: 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := config.Parse(strings.NewReader(conf+c.more), "test")
			if err != nil {
				t.Fatal(err)
			}
			given := cfg.Ports[0].RingSize
			r := &runner{cfg: cfg, log: slog.New(slog.DiscardHandler)}
			pc, n, err := r.plan(c.machine << 20)
			if err != nil {
				t.Fatal(err)
			}
			if r.cfg.Calls.Max != c.calls || pc.Correlate.Calls != c.calls || r.cfg.Ports[0].RingSize != c.ring<<20 || n.total() > int64(c.most)<<20 || n.rings != c.ring<<20 {
				t.Errorf("%d calls, ring of %d MiB, %d MiB in all: %+v", r.cfg.Calls.Max, r.cfg.Ports[0].RingSize>>20, n.total()>>20, n)
			}
			if cfg.Ports[0].RingSize != given {
				t.Error("somebody else's configuration was changed")
			}
		})
	}
}
