package uplink_test

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heptap/buffer"
	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/export"
	"heptap/firmware/internal/uplink"
	"heptap/hep"
	"heptap/hep/heptest"
)

// probe is a Log with the real spool, encoder and connections.
type probe struct {
	t    *testing.T
	log  *uplink.Log
	stop context.CancelFunc
	done chan error
	buf  []byte
	body []byte
}

func openSpool(t *testing.T, path string, maxBytes int64) *buffer.Spool {
	t.Helper()
	var shed []uint8
	for _, c := range record.ShedOrder() {
		shed = append(shed, uint8(c))
	}
	s, err := buffer.Open(path, buffer.Options{Classes: int(record.NumClasses), Shed: shed, MaxBytes: maxBytes})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func quick(network, addr string, s uplink.Spool) uplink.Options {
	return uplink.Options{
		Collectors: []uplink.Collector{{
			Name: "homer",
			Dial: func(ctx context.Context) (uplink.Conn, error) {
				return hep.Dial(ctx, network, addr, hep.DialOptions{WriteTimeout: 500 * time.Millisecond})
			},
			NewEncoder: func() uplink.Encoder {
				p, err := export.New("opensips", export.Options{Node: "probe", AgentID: 1})
				if err != nil {
					panic(err)
				}
				return p
			},
			Datagram: network == "udp",
		}},
		Spool:         s,
		SpillAfter:    100 * time.Millisecond,
		BarrierBytes:  256 << 10,
		BarrierGap:    50 * time.Millisecond,
		BarrierAge:    500 * time.Millisecond,
		FINTimeout:    time.Second,
		RefusalWindow: 200 * time.Millisecond,
		BackoffMin:    5 * time.Millisecond,
		BackoffMax:    100 * time.Millisecond,
		TrimGap:       50 * time.Millisecond,
	}
}

// transport is TCP, with or without TLS.
type transport struct {
	server *tls.Config
	client *hep.TLSOptions
}

func overBoth(t *testing.T, f func(t *testing.T, way transport)) {
	ca := heptest.NewAuthority(t, "CA")
	t.Run("TCP", func(t *testing.T) { f(t, transport{}) })
	t.Run("TLS", func(t *testing.T) {
		f(t, transport{&tls.Config{Certificates: []tls.Certificate{ca.Issue(t, heptest.Certificate{NotAfter: time.Now().Add(24 * time.Hour)})}},
			&hep.TLSOptions{Roots: ca.Pool, ServerName: "localhost"}})
	})
}

func (way transport) collector(t *testing.T, o heptest.Options) *heptest.Collector {
	o.TLS = way.server
	return heptest.New(t, o)
}

func (way transport) quick(addr string, s uplink.Spool) uplink.Options {
	o := quick("tcp", addr, s)
	o.Collectors[0].Secure = way.client != nil
	o.Collectors[0].Dial = func(ctx context.Context) (uplink.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // a stalled one answers no handshake
		defer cancel()
		c, err := hep.Dial(ctx, "tcp", addr, hep.DialOptions{WriteTimeout: 500 * time.Millisecond, TLS: way.client})
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	return o
}

func start(t *testing.T, o uplink.Options) *probe {
	t.Helper()
	l, err := uplink.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &probe{t: t, log: l, stop: cancel, done: make(chan error, 1), body: make([]byte, 700)}
	go func() { p.done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-l.Done():
		case <-time.After(30 * time.Second):
			t.Error("Run does not return")
		}
	})
	return p
}

// add appends records numbered from to to-1, in their primary id.
func (p *probe) add(from, to int, class record.Class) {
	p.t.Helper()
	r := record.Record{
		Type: record.SIP, Class: class, Wall: 1700000000123456789,
		Flow: capture.FiveTuple{Proto: capture.ProtoUDP,
			Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5060")},
		Payload: p.body,
	}
	for i := from; i < to; i++ {
		r.Primary = strconv.AppendInt(nil, int64(i), 10)
		var err error
		if p.buf, err = r.AppendBinary(p.buf[:0]); err != nil {
			p.t.Fatal(err)
		}
		if err := p.log.Append(p.buf); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *probe) stats() uplink.CollectorStats {
	p.t.Helper()
	c := p.log.Stats().Collectors[0]
	if b := c.Balance(); b != 0 {
		p.t.Fatalf("books are out by %d: %+v", b, c.Counts)
	}
	return c
}

// until waits for something that must come.
func (p *probe) until(what string, ok func(uplink.CollectorStats) bool) {
	p.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for !ok(p.stats()) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s never came: %+v", what, p.stats())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func pending(c uplink.CollectorStats) uint64 { return c.InMemory + c.Spooled }

func (p *probe) drained() {
	p.t.Helper()
	p.until("the end of the backlog", func(c uplink.CollectorStats) bool { return pending(c) == 0 })
}

func (p *probe) shutdown() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.log.Shutdown(ctx); err != nil {
		p.t.Error(err)
	}
	if err := <-p.done; err != nil {
		p.t.Error(err)
	}
	p.stats()
}

func number(t *testing.T, frame []byte) int {
	t.Helper()
	v, err := hep.Parse(frame)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(v.Correlation()))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// check asserts that the collector's process read every record but those in
// gone, in sequence within each connection, each the same octets every time, and
// not more duplicates than were counted.
func check(t *testing.T, c *heptest.Collector, n int, gone func(int) bool, resent uint64) {
	t.Helper()
	seen := make(map[int]string)
	last := make(map[int]int)
	dups := uint64(0)
	for _, r := range c.Records() {
		i := number(t, r.Frame)
		if prev, ok := last[r.Conn]; ok && i <= prev {
			t.Fatalf("connection %d: %d after %d", r.Conn, i, prev)
		}
		last[r.Conn] = i
		if old, ok := seen[i]; ok {
			dups++
			if old != string(r.Frame) {
				t.Fatalf("record %d is not octet for octet what it was", i)
			}
		}
		seen[i] = string(r.Frame)
	}
	missing := 0
	for i := range n {
		if _, ok := seen[i]; !ok && (gone == nil || !gone(i)) {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d records are missing", missing, n)
	}
	if dups > resent {
		t.Errorf("%d duplicates, %d counted as resent", dups, resent)
	}
	t.Logf("%d records, %d duplicates, %d resent, %d connections", n, dups, resent, len(c.Conns()))
}

// distinct counts the records that have arrived, duplicates once.
func distinct(t *testing.T, c *heptest.Collector) int {
	seen := make(map[int]bool)
	for _, r := range c.Records() {
		seen[number(t, r.Frame)] = true
	}
	return len(seen)
}

// leaks fails a test that leaves goroutines.
func leaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 500 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
	})
}

func TestLoopback(t *testing.T) {
	overBoth(t, func(t *testing.T, way transport) {
		leaks(t)
		c := way.collector(t, heptest.Options{})
		s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)
		o := way.quick(c.Addr(), s)
		o.SpillAfter = 10 * time.Second // a busy machine is not an outage
		p := start(t, o)
		before := s.Stats().Commits
		for i := range 50 {
			p.add(i*400, (i+1)*400, record.Call)
			p.until("room", func(c uplink.CollectorStats) bool { return pending(c) < 8000 })
		}
		p.shutdown()
		st := p.stats()
		check(t, c, 20000, nil, st.Resent)
		if st.Confirmed != 20000 || st.Resent != 0 || st.Broken != 0 {
			t.Errorf("confirmed %d, resent %d, broken %d", st.Confirmed, st.Resent, st.Broken)
		}
		if n := s.Stats().Commits - before; n != 0 {
			t.Errorf("%d commits with a healthy collector", n)
		}
	})
}

// TestProve: a record is confirmed when that is asked for, long before the regular barrier.
func TestProve(t *testing.T) {
	for _, strict := range []bool{false, true} {
		overBoth(t, func(t *testing.T, way transport) {
			leaks(t)
			c := way.collector(t, heptest.Options{})
			o := way.quick(c.Addr(), openSpool(t, filepath.Join(t.TempDir(), "spool"), 0))
			o.BarrierAge = time.Hour   // nothing below waits that long
			o.SpillAfter = time.Minute // a busy machine is not an outage
			o.Collectors[0].Strict = strict
			p := start(t, o)
			for round := range 3 {
				p.add(10*round, 10*round+10, record.Call)
				c.WaitFrames(10*round + 10)
				if st := p.stats(); st.Confirmed != uint64(10*round) || st.Barriers != uint64(round) {
					t.Fatalf("round %d, not asked for: %d confirmed by %d barriers", round, st.Confirmed, st.Barriers)
				}
				p.log.Prove("another")
				p.log.Prove("homer")
				p.until("proof", func(c uplink.CollectorStats) bool { return c.Confirmed == uint64(10*round+10) })
				if st := p.stats(); st.Barriers != uint64(round+1) {
					t.Errorf("round %d: %d barriers", round, st.Barriers)
				}
			}
			p.shutdown()
			check(t, c, 30, nil, 0)
		})
	}
}

// TestProveAsDatagrams: where nothing can be confirmed, asking for it changes nothing.
func TestProveAsDatagrams(t *testing.T) {
	leaks(t)
	c := heptest.New(t, heptest.Options{Network: "udp"})
	p := start(t, quick("udp", c.Addr(), openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)))
	p.add(0, 10, record.Call)
	p.log.Prove("homer")
	p.drained()
	p.log.Prove("homer")
	if st := p.stats(); st.Barriers != 0 || st.Confirmed != 0 || st.SentUnconfirmed != 10 {
		t.Errorf("%+v", st.Counts)
	}
	p.shutdown()
	none := start(t, uplink.Options{})
	none.log.Prove(none.stats().Collector) // nobody is there to ask
	none.shutdown()
}

func TestKilledDuringDrains(t *testing.T) {
	overBoth(t, func(t *testing.T, way transport) {
		leaks(t)
		c := way.collector(t, heptest.Options{RecvBufferBytes: 64 << 10})
		s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)
		p := start(t, way.quick(c.Addr(), s))
		n := 0
		for range 12 {
			p.add(n, n+1500, record.Call)
			n += 1500
			c.Stall()
			p.add(n, n+500, record.Call)
			n += 500
			p.until("a full buffer", func(c uplink.CollectorStats) bool { return c.Unconfirmed > 0 || c.Spooled > 0 })
			time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond) // how far it is when it is killed does not matter
			c.Kill()
			p.add(n, n+500, record.Call)
			n += 500
			p.until("down", func(c uplink.CollectorStats) bool { return c.State == uplink.Down })
			c.Restart()
			time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
		}
		p.drained()
		p.shutdown()
		check(t, c, n, nil, p.stats().Resent)
	})
}

// TestStrictOrder checks that a strict collector reads everything in sequence:
// what it reads a second time aside, no record comes after a later one.
func TestStrictOrder(t *testing.T) {
	overBoth(t, func(t *testing.T, way transport) {
		leaks(t)
		c := way.collector(t, heptest.Options{})
		s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)
		o := way.quick(c.Addr(), s)
		o.Collectors[0].Strict = true
		p := start(t, o)
		n := 0
		for range 6 {
			p.add(n, n+2000, record.Call)
			n += 2000
			c.WaitFrames(1)
			c.Kill()
			p.add(n, n+500, record.Call)
			n += 500
			p.until("down", func(c uplink.CollectorStats) bool { return c.State == uplink.Down })
			c.Restart()
		}
		p.drained()
		p.shutdown()
		check(t, c, n, nil, p.stats().Resent)
		seen, high := make(map[int]bool), -1
		for _, r := range c.Records() {
			i := number(t, r.Frame)
			if !seen[i] && i < high {
				t.Fatalf("%d comes first after %d", i, high)
			}
			seen[i], high = true, max(high, i)
		}
	})
}

func TestFrozenThenKilled(t *testing.T) {
	overBoth(t, func(t *testing.T, way transport) {
		leaks(t)
		c := way.collector(t, heptest.Options{})
		s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)
		o := way.quick(c.Addr(), s)
		o.FINTimeout = 200 * time.Millisecond
		p := start(t, o)
		c.Stall()
		n := 0
		for range 100 {
			p.add(n, n+20, record.Call)
			n += 20
			time.Sleep(20 * time.Millisecond)
		}
		c.Kill()
		c.Restart()
		p.add(n, n+20, record.Call)
		n += 20
		p.drained()
		p.shutdown()
		check(t, c, n, nil, p.stats().Resent)
	})
}

func TestResetInMidFrame(t *testing.T) {
	overBoth(t, func(t *testing.T, way transport) {
		leaks(t)
		c := way.collector(t, heptest.Options{})
		s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)
		p := start(t, way.quick(c.Addr(), s))
		n := 0
		for range 20 {
			p.add(n, n+1000, record.Call)
			n += 1000
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			c.Reset()
		}
		p.drained()
		p.shutdown()
		check(t, c, n, nil, p.stats().Resent)
		for _, err := range c.Faults() {
			t.Error(err)
		}
	})
}

func TestStalledAndBack(t *testing.T) {
	overBoth(t, func(t *testing.T, way transport) {
		leaks(t)
		c := way.collector(t, heptest.Options{RecvBufferBytes: 128 << 10})
		s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)
		p := start(t, way.quick(c.Addr(), s))
		c.Stall()
		n := 0
		for range 100 {
			p.add(n, n+300, record.Call)
			n += 300
			time.Sleep(20 * time.Millisecond)
		}
		p.until("down", func(c uplink.CollectorStats) bool { return c.State != uplink.Up && c.Spooled > 20000 })
		c.Resume()
		p.drained()
		p.shutdown()
		check(t, c, n, nil, p.stats().Resent)
	})
}

// TestCrash drops a Log as kill -9 does, and lets the next one go on with the
// file.
func TestCrash(t *testing.T) {
	leaks(t)
	c := heptest.New(t, heptest.Options{})
	path := filepath.Join(t.TempDir(), "spool")
	n := 0
	var lost []int
	for round := range 4 {
		dead := &mortal{Spool: openSpool(t, path, 0)}
		p := start(t, quick("tcp", c.Addr(), dead))
		if round%2 == 0 {
			c.Kill()
		}
		for range 50 {
			p.add(n, n+40, record.Call)
			n += 40
			time.Sleep(10 * time.Millisecond)
		}
		dead.dead.Store(true) // nothing reaches the file any more
		lost = append(lost, n)
		p.stop()
		<-p.log.Done()
		if round%2 == 0 {
			c.Restart()
		}
	}
	p := start(t, quick("tcp", c.Addr(), openSpool(t, path, 0)))
	p.drained()
	p.shutdown()
	// 100 ms at 4,000/s, with much room for a slow machine; none of it before.
	near := func(i int) bool {
		for _, l := range lost {
			if i < l && i >= l-1000 {
				return true
			}
		}
		return false
	}
	check(t, c, n, near, 1<<30)
}

// mortal is a spool whose process can die: what it is given then is lost.
type mortal struct {
	*buffer.Spool
	dead atomic.Bool
}

var errDead = errors.New("the process is dead")

func (m *mortal) Commit(b buffer.Batch) (buffer.AppendResult, error) {
	if m.dead.Load() {
		return buffer.AppendResult{}, errDead
	}
	return m.Spool.Commit(b)
}

func TestSpoolOverflow(t *testing.T) {
	leaks(t)
	c := heptest.New(t, heptest.Options{})
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 8<<20)
	p := start(t, quick("tcp", c.Addr(), s))
	p.until("up", func(c uplink.CollectorStats) bool { return c.State == uplink.Up })
	c.Kill()
	n := 0
	for range 150 {
		p.add(n, n+150, record.Call)
		n += 150
		time.Sleep(5 * time.Millisecond)
	}
	p.until("an empty memory", func(c uplink.CollectorStats) bool { return c.InMemory == 0 })
	st := p.stats()
	var held uint64
	for _, k := range s.Stats().Held {
		held += k.Records
	}
	if st.Evicted.Sum() == 0 || st.Spooled != held {
		t.Errorf("evicted %d, spooled %d, the spool holds %d", st.Evicted.Sum(), st.Spooled, held)
	}
	c.Restart()
	p.drained()
	p.shutdown()
	st = p.stats()
	if got := uint64(len(c.Records())); got != st.Confirmed+st.Resent || st.Confirmed+st.Evicted.Sum() != uint64(n) {
		t.Errorf("arrived %d, confirmed %d, evicted %d of %d", got, st.Confirmed, st.Evicted.Sum(), n)
	}
	first := n - int(st.Confirmed) // the oldest went
	check(t, c, n, func(i int) bool { return i < first }, st.Resent)
}

func TestPoison(t *testing.T) {
	overBoth(t, func(t *testing.T, way transport) {
		leaks(t)
		c := way.collector(t, heptest.Options{})
		s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)
		p := start(t, way.quick(c.Addr(), s))
		c.CloseOn(func(frame []byte) bool { return number(t, frame) == 1234 })
		p.add(0, 3000, record.Call)
		p.until("quarantine", func(c uplink.CollectorStats) bool { return c.Quarantined == 1 })
		p.drained()
		p.shutdown()
		st := p.stats()
		check(t, c, 3000, func(i int) bool { return i == 1234 }, st.Resent)
		if st.Confirmed != 2999 || s.Stats().Quarantined != 1 {
			t.Errorf("confirmed %d, quarantined %d in the spool", st.Confirmed, s.Stats().Quarantined)
		}
	})
}

func TestMuteCollector(t *testing.T) {
	overBoth(t, func(t *testing.T, way transport) {
		leaks(t)
		c := way.collector(t, heptest.Options{NeverAnswerHalfClose: true})
		s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)
		o := way.quick(c.Addr(), s)
		o.FINTimeout = 100 * time.Millisecond
		o.Tail = 256 << 10
		p := start(t, o)
		n := 0
		for range 200 {
			p.add(n, n+100, record.Call)
			n += 100
			time.Sleep(5 * time.Millisecond)
		}
		p.until("fallback", func(c uplink.CollectorStats) bool { return c.Fallback })
		p.until("all but two tails released", func(c uplink.CollectorStats) bool { return pending(c) <= 2*(384<<10)/800 }) // and a batch or two each
		// What is released was acknowledged by the kernel, and is read a little later.
		for range 500 {
			if distinct(t, c) == n {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		st := p.stats()
		if st.Released == 0 || st.Confirmed != 0 {
			t.Errorf("released %d, confirmed %d", st.Released, st.Confirmed)
		}
		check(t, c, n, nil, st.Resent)
	})
}

func TestUDPRefused(t *testing.T) {
	leaks(t)
	c := heptest.New(t, heptest.Options{Network: "udp", RecvBufferBytes: 4 << 20})
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)
	p := start(t, quick("udp", c.Addr(), s))
	n := 0
	add := func() {
		for range 50 {
			p.add(n, n+5, record.Call)
			n += 5
			time.Sleep(10 * time.Millisecond)
		}
	}
	add()
	c.Kill()
	add()
	p.until("down", func(c uplink.CollectorStats) bool { return c.State != uplink.Up && c.Spooled > 0 })
	c.Restart()
	add()
	p.drained()
	st := p.stats()
	if st.SentUnconfirmed != uint64(n) || st.Confirmed != 0 {
		t.Errorf("sent %d of %d, confirmed %d", st.SentUnconfirmed, n, st.Confirmed)
	}
	p.shutdown()
	check(t, c, n, nil, p.stats().Resent)
}

// TestNoNotify: over TLS a FIN alone is no receipt, since a dead process's kernel
// sends it, too. A collector that knows nothing better is served all the same.
func TestNoNotify(t *testing.T) {
	overBoth(t, func(t *testing.T, way transport) {
		if way.server == nil {
			t.Skip("of TLS alone")
		}
		leaks(t)
		c := way.collector(t, heptest.Options{NoNotify: true})
		o := way.quick(c.Addr(), openSpool(t, filepath.Join(t.TempDir(), "spool"), 0))
		o.Tail = 256 << 10
		p := start(t, o)
		n := 0
		for range 200 {
			p.add(n, n+100, record.Call)
			n += 100
			time.Sleep(5 * time.Millisecond)
		}
		p.until("fallback", func(c uplink.CollectorStats) bool { return c.Fallback })
		p.until("most is released", func(c uplink.CollectorStats) bool { return pending(c) <= 2*(384<<10)/800 })
		for range 500 {
			if distinct(t, c) == n {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		st := p.stats()
		if st.Released == 0 || st.Confirmed != 0 {
			t.Errorf("released %d, confirmed %d", st.Released, st.Confirmed)
		}
		check(t, c, n, nil, st.Resent)
	})
}

// TestClientRefused: in TLS 1.3 a client is refused when it has long been sending.
// The collector is down, nothing is confirmed, and the reason is named.
func TestClientRefused(t *testing.T) {
	leaks(t)
	ca := heptest.NewAuthority(t, "CA")
	way := transport{&tls.Config{Certificates: []tls.Certificate{ca.Issue(t, heptest.Certificate{})}, ClientAuth: tls.RequireAnyClientCert},
		&hep.TLSOptions{Roots: ca.Pool, ServerName: "localhost"}}
	c := way.collector(t, heptest.Options{})
	p := start(t, way.quick(c.Addr(), openSpool(t, filepath.Join(t.TempDir(), "spool"), 0)))
	c.WaitConns(3) // with nothing to send, too
	for n := range 20 {
		p.add(50*n, 50*n+50, record.Call)
		time.Sleep(20 * time.Millisecond)
	}
	p.until("down", func(c uplink.CollectorStats) bool {
		return c.State == uplink.Down && strings.Contains(c.Reason, "wants a client certificate") && c.Spooled > 0
	})
	if st := p.stats(); st.Confirmed+st.Released != 0 || pending(st) != 1000 {
		t.Errorf("%+v", st.Counts)
	}
}
