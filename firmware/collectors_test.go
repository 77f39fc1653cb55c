package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/buffer"
	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/record"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/metrics"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/uplink"
	"heptap/hep"
	"heptap/hep/heptest"
)

// collectorBox is a box as run makes it, from its configuration, but for the mirror
// port.
type collectorBox struct {
	t     *testing.T
	r     *runner
	wire  *wire
	log   *uplink.Log
	begun time.Time
	stop  func()
}

func newCollectorBox(t *testing.T, dir, text string, more ...func(*uplink.Options)) *collectorBox {
	t.Helper()
	cfg, err := config.Parse(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	b := &collectorBox{t: t, wire: &wire{frames: make(chan []capture.Frame)}, begun: time.Now()}
	r := &runner{cfg: cfg, log: slog.New(slog.DiscardHandler), host: openPID1(0)}
	b.r = r
	r.own, r.meters, r.cfg.Spool.Path = &ownFlows{log: r.log}, &metrics.Sources{}, dir
	r.openClock()
	if err := r.openWays(); err != nil {
		t.Fatal(err)
	}
	pc, err := r.pipeline()
	if err != nil {
		t.Fatal(err)
	}
	o, err := r.uplinkOptions()
	if err != nil {
		t.Fatal(err)
	}
	o.SpillAfter, o.BarrierGap, o.BarrierAge = 50*time.Millisecond, 50*time.Millisecond, 300*time.Millisecond
	o.FINTimeout, o.BackoffMin, o.BackoffMax = time.Second, 5*time.Millisecond, 50*time.Millisecond
	for _, f := range more {
		f(&o)
	}
	if o.Spool, err = buffer.Open(filepath.Join(dir, "spool.db"), buffer.Options{Classes: int(record.NumClasses), MaxBytes: 64 << 20, Tag: uplink.Tag}); err != nil {
		t.Fatal(err)
	}
	if b.log, err = uplink.Open(o); err != nil {
		t.Fatal(err)
	}
	r.uplink = b.log
	r.deliverTo(&pc)
	pc.Inputs = []probe.Input{{Name: "wire", Source: b.wire}}
	pc.Now = func() int64 { return int64(time.Since(b.begun)) }
	p := probe.New(pc)
	ctx, cancel := context.WithCancel(context.Background())
	captured, logged := make(chan error, 1), make(chan error, 1)
	go func() { captured <- p.Run(ctx) }()
	go func() { logged <- b.log.Run(context.Background()) }()
	ended := false
	b.stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-captured; err != nil {
			t.Error(err)
		}
		drain, done := context.WithTimeout(context.Background(), time.Second)
		defer done()
		_ = b.log.Shutdown(drain) // a collector may be away on purpose
		if err := <-logged; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(b.stop)
	return b
}

func (b *collectorBox) show(frames ...[]byte) {
	now := time.Now()
	fs := capturetest.Frames(now, 0, frames...)
	for i := range fs {
		fs[i].Mono = int64(now.Sub(b.begun)) + int64(i)
	}
	b.wire.frames <- fs
}

func (b *collectorBox) of(name string) uplink.CollectorStats {
	for _, c := range b.log.Stats().Collectors {
		if n := c.Balance(); n != 0 {
			b.t.Fatalf("%s: books are out by %d: %+v", c.Collector, n, c.Counts)
		}
		if c.Collector == name {
			return c
		}
	}
	b.t.Fatalf("no collector %s", name)
	return uplink.CollectorStats{}
}

var (
	boxPhone = netip.MustParseAddrPort("192.0.2.1:5060")
	boxProxy = netip.MustParseAddrPort("192.0.2.2:5060")
)

// sipRequest is a datagram with a request.
func sipRequest(method, id, caller string, more ...string) []byte {
	return capturetest.UDP(boxPhone, boxProxy, []byte(fmt.Sprintf("%s sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK%s%s\r\nFrom: <sip:%s@example.com>;tag=1\r\n"+
		"To: <sip:b@example.com>%s\r\nCall-ID: %s\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n", method, id, method, caller, strings.Join(more, ""), id, method)))
}

// ids lists what a collector has: type and primary id of each.
func ids(t *testing.T, c *heptest.Collector) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, r := range c.Records() {
		v, err := hep.Parse(r.Frame)
		if err != nil {
			t.Fatal(err)
		}
		m, _, _ := strings.Cut(string(v.Payload()), " ")
		out[fmt.Sprintf("%d %s %s", v.Type(), v.Correlation(), m)]++
	}
	return out
}

// TestFilterOfCollector: each collector gets what its filter lets through, of a call all
// that belongs to it; what it does not get is counted as filtered, also when it is away.
func TestFilterOfCollector(t *testing.T) {
	all, calls, some := heptest.New(t, heptest.Options{}), heptest.New(t, heptest.Options{}), heptest.New(t, heptest.Options{})
	some.Kill()
	text := "set collector all address " + all.Addr() + "\nset collector calls address " + calls.Addr() + "\nset collector some address " + some.Addr() + "\n" +
		"set collector calls filter rule pings deny method OPTIONS\n" +
		"set collector some filter rule alice allow caller alice\nset collector some filter default deny\n"
	b := newCollectorBox(t, t.TempDir(), text)
	b.show(sipRequest("INVITE", "one", "alice"), sipRequest("INVITE", "two", "bob"), sipRequest("OPTIONS", "three", "carol"),
		sipRequest("BYE", "one", "alice", ";tag=2"), sipRequest("BYE", "two", "bob", ";tag=2"))
	waitFor(t, "five records", func() bool { return len(all.Records()) == 5 })
	waitFor(t, "those of calls", func() bool { return len(calls.Records()) == 4 })
	waitFor(t, "the spool", func() bool { return b.of("some").Spooled == 2 })
	some.Restart()
	waitFor(t, "those of alice", func() bool { return len(some.Records()) >= 2 })
	for _, name := range []string{"all", "calls", "some"} {
		waitFor(t, "receipts", func() bool { c := b.of(name); return c.InMemory+c.Spooled == 0 })
	}
	for _, c := range []struct {
		name     string
		c        *heptest.Collector
		filtered uint64
		want     string
	}{
		{"all", all, 0, "map[1 one BYE:1 1 one INVITE:1 1 three OPTIONS:1 1 two BYE:1 1 two INVITE:1]"},
		{"calls", calls, 1, "map[1 one BYE:1 1 one INVITE:1 1 two BYE:1 1 two INVITE:1]"},
		{"some", some, 3, "map[1 one BYE:1 1 one INVITE:1]"},
	} {
		if got := fmt.Sprint(ids(t, c.c)); got != c.want {
			t.Errorf("%s has %s, want %s", c.name, got, c.want)
		}
		if st := b.of(c.name); st.Filtered != c.filtered || st.Made != 5 || st.Evicted.Sum()+st.Shed.Sum() != 0 {
			t.Errorf("%s: %+v", c.name, st.Counts)
		}
	}
}

// TestBalance: each call, with all of its legs, is at one collector; what is of no call
// is at both.
func TestBalance(t *testing.T) {
	a, b := heptest.New(t, heptest.Options{}), heptest.New(t, heptest.Options{})
	box := newCollectorBox(t, t.TempDir(), "set collector a address "+a.Addr()+"\nset collector b address "+b.Addr()+"\nset delivery arrangement balance\n")
	const calls = 40
	for i := range calls {
		id := fmt.Sprintf("call-%d", i)
		box.show(sipRequest("INVITE", id, "alice"), sipRequest("BYE", id, "alice", ";tag=2"))
	}
	for _, name := range []string{"a", "b"} {
		waitFor(t, "all", func() bool {
			c := box.of(name)
			return c.Made == 2*calls && c.Confirmed+c.Filtered == c.Made
		})
	}
	has := [2]map[string]int{ids(t, a), ids(t, b)}
	for i := range calls {
		var at []int
		for k := range has {
			n := has[k][fmt.Sprintf("1 call-%d INVITE", i)]
			if n != has[k][fmt.Sprintf("1 call-%d BYE", i)] || n > 1 {
				t.Errorf("call %d is not whole at %d", i, k)
			}
			if n > 0 {
				at = append(at, k)
			}
		}
		if len(at) != 1 {
			t.Errorf("call %d is at %v", i, at)
		}
	}
	if len(has[0]) < calls/2 || len(has[1]) < calls/2 {
		t.Errorf("shares of %d and %d of %d", len(has[0]), len(has[1]), 2*calls)
	}
}

// TestBalanceMovesOver: the share of one that is dead goes to the other, with move-over, and
// waits without.
func TestBalanceMovesOver(t *testing.T) {
	for _, move := range []string{"on", "off"} {
		a, b := heptest.New(t, heptest.Options{}), heptest.New(t, heptest.Options{})
		b.Kill()
		box := newCollectorBox(t, t.TempDir(), "set collector a address "+a.Addr()+"\nset collector b address "+b.Addr()+"\nset delivery arrangement balance\nset delivery move-over "+move+"\n")
		const calls = 40
		for i := range calls {
			box.show(sipRequest("INVITE", fmt.Sprintf("call-%d", i), "alice"))
		}
		waitFor(t, "a's", func() bool { c := box.of("a"); return c.Confirmed+c.Filtered == calls && c.Made == calls })
		if move == "on" {
			waitFor(t, "b's", func() bool { c := box.of("b"); return c.Confirmed+c.Filtered == calls && c.Made == calls })
			if n := len(ids(t, a)); n != calls {
				t.Errorf("%d of %d calls at the one that is left", n, calls)
			}
			if m := box.of("b").Members; len(m) != 2 || !m[0].Failed || !m[1].Active {
				t.Errorf("%+v", m)
			}
		} else {
			waitFor(t, "the spool", func() bool { c := box.of("b"); return c.Spooled > 0 && c.Spooled+c.Filtered == calls })
			if n := len(ids(t, a)); uint64(n) != box.of("a").Confirmed || n == calls {
				t.Errorf("%d of %d calls at the other one", n, calls)
			}
		}
		box.stop()
	}
}

// TestFailoverOfCollectors: one is killed in the middle, the other has everything that it
// did not confirm, octets and all as its own profile makes them.
func TestFailoverOfCollectors(t *testing.T) {
	first, second := heptest.New(t, heptest.Options{RecvBufferBytes: 64 << 10}), heptest.New(t, heptest.Options{})
	dir := t.TempDir()
	text := "set collector first address " + first.Addr() + "\nset collector second address " + second.Addr() + "\nset collector second auth-key two\nset delivery arrangement failover\n"
	box := newCollectorBox(t, dir, text)
	const calls = 300
	for i := range calls {
		box.show(sipRequest("INVITE", fmt.Sprintf("call-%d", i), "alice"))
		switch i {
		case 100:
			waitFor(t, "records at the first", func() bool { return len(first.Records()) > 50 })
			first.Stall()
		case 200:
			first.Kill()
		}
	}
	waitFor(t, "the rest", func() bool { c := box.of(groupName); return c.Confirmed == calls })
	seen, dups := map[string]bool{}, uint64(0)
	for i, c := range []*heptest.Collector{first, second} {
		for _, r := range c.Records() {
			v, err := hep.Parse(r.Frame)
			if err != nil {
				t.Fatal(err)
			}
			if key := string(v.AuthKey()); (key == "two") != (i == 1) {
				t.Fatalf("collector %d has key %q", i, key)
			}
			if id := string(v.Correlation()); seen[id] {
				dups++
			} else {
				seen[id] = true
			}
		}
	}
	c := box.of(groupName)
	if len(seen) != calls || dups > c.Resent || len(second.Records()) == 0 {
		t.Errorf("%d of %d calls, %d duplicates, %d counted", len(seen), calls, dups, c.Resent)
	}
	if m := c.Members; !m[0].Failed || m[0].Active || !m[1].Active || m[0].Reason == "" {
		t.Errorf("%+v", m)
	}
}

// TestArrangementChanges: what waits in the spool is sent, whatever the arrangement was.
func TestArrangementChanges(t *testing.T) {
	a, b := heptest.New(t, heptest.Options{}), heptest.New(t, heptest.Options{})
	a.Kill()
	b.Kill()
	dir := t.TempDir()
	text := "set collector a address " + a.Addr() + "\nset collector b address " + b.Addr() + "\n"
	for i, arrangement := range []string{"mirror", "failover", "balance", "mirror"} {
		box := newCollectorBox(t, dir, text+"set delivery arrangement "+arrangement+"\n")
		for k := range 10 {
			box.show(sipRequest("INVITE", fmt.Sprintf("%d-%d", i, k), "alice"))
		}
		waitFor(t, "the spool", func() bool { return box.log.Stats().Collectors[0].Made == 10 })
		box.stop()
	}
	a.Restart()
	b.Restart()
	box := newCollectorBox(t, dir, text)
	for _, name := range []string{"a", "b"} {
		waitFor(t, "all", func() bool { c := box.of(name); return c.InMemory+c.Spooled == 0 })
	}
	all := map[string]bool{}
	for _, c := range []*heptest.Collector{a, b} {
		for id := range ids(t, c) {
			all[id] = true
		}
	}
	if len(all) != 40 {
		t.Errorf("%d of 40 records", len(all))
	}
}
