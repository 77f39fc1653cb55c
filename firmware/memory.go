package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"time"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/legs"
	"heptap/firmware/internal/probe"
)

// gcPercent is how much garbage may pile up, in percent of what is live. The
// hot paths make none, so the collector runs seldom all the same, every ten seconds
// with 10,000 calls; and a small box has better uses for its memory than Go's default of 100.
const gcPercent = 5

// needs is what the probe will use at most, in octets.
type needs struct{ rings, pipeline, log, recent, packets int64 }

const needsOther = 48 << 20 // the Go runtime, the binary, metrics, the spool's page index

func (n needs) total() int64 { return n.rings + n.pipeline + n.log + n.recent + n.packets + needsOther }

// needs works out what a probe of r.cfg will use at most.
func (r *runner) needs(pc *probe.Config) (n needs, err error) {
	for _, p := range r.cfg.Ports {
		n.rings += p.RingSize * int64(p.Rings)
	}
	o, err := r.uplinkOptions()
	if err != nil {
		return n, err
	}
	log, err := o.MemoryBudget()
	if err != nil {
		return n, err
	}
	n.log, n.pipeline = int64(log), pc.MemoryBytes()
	for i := range r.cfg.Collector {
		if c := &r.cfg.Collector[i]; c.Transport.NATS() && c.NATS.Partitions > 1 {
			n.log += int64(r.cfg.Calls.Max) * legs.Bytes
		}
	}
	if r.cfg.Intake.On() {
		o := r.intakeOptions()
		n.pipeline += o.MemoryBytes()
	}
	if r.cfg.Syslog.On() {
		o := r.syslogOptions()
		n.pipeline += o.MemoryBytes()
	}
	if c := recentConfig(r.cfg); c.Bytes > 0 {
		n.recent = c.MemoryBytes()
	}
	if c := packetsConfig(r.cfg); c.Bytes > 0 {
		n.packets = c.MemoryBytes()
	}
	return n, nil
}

// The defaults are halved, so often at most, until what they need is at most this
// share of the machine's memory: the kernel and whatever else runs there need some, too.
const (
	maxHalvings       = 3
	shareNum, shareOf = 3, 4
)

// plan makes the pipeline's configuration, and what that needs, on a machine with so many
// octets of memory, 0 for one that does not say. What the configuration leaves at
// its default is made smaller where there is not enough.
func (r *runner) plan(machine int64) (pc probe.Config, n needs, err error) {
	r.cfg.Ports = slices.Clone(r.cfg.Ports) // who gave us the configuration has these
	counts, sizes := leftAtDefault(&r.cfg)
	for halved := 0; ; halved++ {
		if pc, err = r.pipeline(); err != nil {
			return pc, n, err
		}
		if n, err = r.needs(&pc); err != nil || machine == 0 || n.total() <= machine/shareOf*shareNum || halved == maxHalvings {
			return pc, n, err
		}
		for _, p := range counts {
			*p /= 2
		}
		for _, p := range sizes {
			*p /= 2
		}
	}
}

// leftAtDefault returns the bounds of what is held that are what they are by default.
func leftAtDefault(c *config.Config) (counts []*int, sizes []*int64) {
	d := config.Default()
	for p, def := range map[*int]int{&c.Calls.Max: d.Calls.Max, &c.Media.Streams: d.Media.Streams, &c.Streams.Connections: d.Streams.Connections} {
		if *p == def {
			counts = append(counts, p)
		}
	}
	for p, def := range map[*int64]int64{&c.Spool.Memory: d.Spool.Memory, &c.Streams.Memory: d.Streams.Memory, &c.Recent.Memory: d.Recent.Memory,
		&c.Packets.Memory: d.Packets.Memory} {
		if *p == def {
			sizes = append(sizes, p)
		}
	}
	for i := range c.Ports {
		if p := &c.Ports[i].RingSize; *p == config.DefaultRingSize {
			sizes = append(sizes, p)
		}
	}
	return counts, sizes
}

// budget prints what the probe will use at most, before it takes any of it, and
// keeps the garbage collector to it: without that the heap may grow to twice
// what is live. GOMEMLIMIT in the environment has the last word.
func (r *runner) budget(n needs, machine int64) {
	total, c := n.total(), &r.cfg
	r.log.Info("memory budget, at most", "total_MiB", total>>20, "rings_MiB", n.rings>>20,
		"calls_and_streams_MiB", n.pipeline>>20, "log_MiB", n.log>>20, "recent_MiB", n.recent>>20, "packets_MiB", n.packets>>20, "other_MiB", needsOther>>20,
		"calls", c.Calls.Max, "streams", c.Media.Streams, "connections", c.Streams.Connections)
	if machine > 0 && total > machine {
		r.log.Warn("the memory budget is more than this machine has; a flood may end the probe: lower calls max, media streams, streams connections or the ring-size",
			"budget_MiB", total>>20, "machine_MiB", machine>>20)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(total - n.rings) // the kernel's rings are not Go's memory
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// What a burst has left is given back when it is more than this, which is looked at so often.
const (
	spareOctets = 3 << 20 // a little more than the garbage between two collections of 10,000 calls
	spareEvery  = 10 * time.Second
)

// giveBack hands what a burst has left of the heap back to the machine. By itself the Go
// runtime holds on to a tenth of what is live: more than the garbage that gcPercent allows.
func giveBack(ctx context.Context) {
	t := time.NewTicker(spareEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if spare() > spareOctets {
			debug.FreeOSMemory()
		}
	}
}

// spare returns how many octets of memory the heap has and does not use.
func spare() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// machineMemory returns how many octets of memory the machine has, 0 if it does not say.
func machineMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	var kib int64
	if _, err := fmt.Sscanf(string(b), "MemTotal: %d kB", &kib); err != nil {
		return 0
	}
	return kib << 10
}
