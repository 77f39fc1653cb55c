package uplink_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"heptap/capture/record"
	"heptap/firmware/internal/uplink"
	"heptap/hep"
	"heptap/hep/heptest"
)

// severalQuick are the options of a Log with these collectors, named by their order.
func severalQuick(s uplink.Spool, names string, cs ...*heptest.Collector) uplink.Options {
	o := quick("tcp", "", s)
	one := o.Collectors[0]
	o.Collectors = nil
	for i, c := range cs {
		one.Name = names[i : i+1]
		addr := c.Addr() // is written, to the same, by Restart
		one.Dial = func(ctx context.Context) (uplink.Conn, error) {
			conn, err := hep.Dial(ctx, "tcp", addr, hep.DialOptions{WriteTimeout: 500 * time.Millisecond})
			if err != nil {
				return nil, err // not a nil *hep.Conn
			}
			return conn, nil
		}
		o.Collectors = append(o.Collectors, one)
	}
	return o
}

// each returns what there is of each collector, and holds the books against the law.
func (p *probe) each() map[string]uplink.CollectorStats {
	p.t.Helper()
	all := map[string]uplink.CollectorStats{}
	for _, c := range p.log.Stats().Collectors {
		if b := c.Balance(); b != 0 {
			p.t.Fatalf("%s: books are out by %d: %+v", c.Collector, b, c.Counts)
		}
		all[c.Collector] = c
	}
	return all
}

// wait is until for one collector of several.
func (p *probe) wait(name, what string, ok func(uplink.CollectorStats) bool) {
	p.t.Helper()
	p.until(name+": "+what, func(uplink.CollectorStats) bool { return ok(p.each()[name]) })
}

// TestMirror feeds four collectors at once: one that is fine, one that freezes, one that
// is dead, and one that is killed and comes back.
func TestMirror(t *testing.T) {
	leaks(t)
	fine, frozen, dead, back := heptest.New(t, heptest.Options{}), heptest.New(t, heptest.Options{RecvBufferBytes: 64 << 10}),
		heptest.New(t, heptest.Options{}), heptest.New(t, heptest.Options{RecvBufferBytes: 64 << 10})
	dead.Kill()
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)
	p := start(t, severalQuick(s, "abcd", fine, frozen, dead, back))
	const n = 12000
	has := func(c *heptest.Collector, to int) func(uplink.CollectorStats) bool {
		return func(uplink.CollectorStats) bool { return len(c.Records()) == to }
	}
	for i := range 12 {
		p.add(i*1000, (i+1)*1000, record.Call)
		switch i {
		case 1:
			frozen.Stall()
		case 3:
			back.Kill()
		case 8:
			back.Restart()
		}
		// Whatever the others do, this one has everything at once.
		p.wait("a", "all so far", has(fine, (i+1)*1000))
		p.wait("c", "the spool", func(c uplink.CollectorStats) bool { return c.Spooled == uint64(i+1)*1000 })
	}
	p.wait("a", "the confirmation", func(c uplink.CollectorStats) bool { return pending(c) == 0 })
	p.wait("d", "the confirmation", func(c uplink.CollectorStats) bool { return pending(c) == 0 })
	p.wait("b", "a broken connection", func(c uplink.CollectorStats) bool { return c.Broken+c.NoAnswer > 0 })
	all := p.each()
	if a := all["a"]; a.Confirmed != n || a.Resent+a.Broken+a.NoAnswer != 0 {
		t.Errorf("the fine one: %+v", a)
	}
	if c := all["c"]; c.Spooled != n || c.State == uplink.Up {
		t.Errorf("the dead one: %v, %+v", c.State, c.Counts)
	}
	if b := all["b"]; pending(b) == 0 {
		t.Errorf("the frozen one: %v, %+v", b.State, b.Counts)
	}
	frozen.Resume()
	dead.Restart()
	for _, name := range []string{"b", "c"} {
		p.wait(name, "the end of the backlog", func(c uplink.CollectorStats) bool { return pending(c) == 0 })
	}
	p.shutdown()
	all = p.each()
	for name, c := range map[string]*heptest.Collector{"a": fine, "b": frozen, "c": dead, "d": back} {
		check(t, c, n, nil, all[name].Resent)
	}
	if held := s.Stats().Held.Total().Records; held != 0 {
		t.Errorf("%d records on disk in the end", held)
	}
}
