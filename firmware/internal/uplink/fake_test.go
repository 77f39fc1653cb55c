package uplink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sort"
	"sync"
	"syscall"
	"testing"
	"time"

	"heptap/buffer"
	"heptap/capture"
	"heptap/capture/record"
)

// testEncoder frames a record for the fake collector: its length in 4 octets, then
// the record. It filters periodic records when told to.
type testEncoder struct {
	noPeriodic bool
	refuse     func(seq uint64) bool
}

func seqOf(rec []byte) uint64 { return binary.BigEndian.Uint64(rec[16:]) }

func (e *testEncoder) Encode(dst, rec []byte) ([]byte, error) {
	if e.noPeriodic && record.ClassOf(rec) == record.Periodic {
		return dst, ErrFiltered
	}
	if e.refuse != nil && e.refuse(seqOf(rec)) {
		return dst, errors.New("too large")
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(rec)))
	return append(dst, rec...), nil
}

// fakeCollector is a collector without a network: its connections have a
// kernel buffer, its process reads unless it is frozen, and it can be killed.
type fakeCollector struct {
	mu       sync.Mutex
	cond     *sync.Cond
	dead     bool          // refuses connections
	untold   time.Duration // datagrams: a kernel that says so only once in so long
	told     time.Time
	frozen   bool // the process does not read
	mute     bool // never answers a half-close
	datagram bool
	kernel   int                   // octets of a receive buffer
	hate     func(seq uint64) bool // closes the connection on such a record
	closeAt  int                   // closes every connection after so many records, 0 never
	conns    []*fakeConn
	got      map[uint64]int    // how often each record was read
	bytes    map[uint64]string // the record as first read
	errs     []string
	dials    int
	wg       sync.WaitGroup
}

func newFakeCollector() *fakeCollector {
	fc := &fakeCollector{kernel: 256 << 10, got: map[uint64]int{}, bytes: map[uint64]string{}}
	fc.cond = sync.NewCond(&fc.mu)
	return fc
}

func (fc *fakeCollector) set(f func()) {
	fc.mu.Lock()
	f()
	fc.cond.Broadcast()
	fc.mu.Unlock()
}

type fakeConn struct {
	fc        *fakeCollector
	in        []byte // the peer's kernel, unread
	written   uint64
	eof       bool // we half-closed
	closed    bool // we closed
	ended     bool // the peer has
	confirmed bool
	peer      chan error
	last      uint64
	n         int
}

func (fc *fakeCollector) dial(context.Context) (Conn, error) {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	fc.dials++
	if fc.dead && !fc.datagram {
		return nil, syscall.ECONNREFUSED
	}
	c := &fakeConn{fc: fc, peer: make(chan error, 1)}
	fc.conns = append(fc.conns, c)
	fc.wg.Go(c.read)
	return c, nil
}

func (c *fakeConn) end(err error) {
	if !c.ended {
		c.ended = true
		c.peer <- err
		c.fc.cond.Broadcast()
	}
}

// read is the collector's process for one connection.
func (c *fakeConn) read() {
	fc := c.fc
	fc.mu.Lock()
	defer fc.mu.Unlock()
	for !c.ended {
		if c.closed && (len(c.in) == 0 || fc.frozen) {
			return
		}
		if fc.frozen || len(c.in) == 0 && !c.eof || c.eof && fc.mute && len(c.in) == 0 {
			fc.cond.Wait()
			continue
		}
		if len(c.in) == 0 {
			c.confirmed = true
			c.end(io.EOF)
			return
		}
		n := 0
		if len(c.in) >= 4 {
			n = int(binary.BigEndian.Uint32(c.in))
		}
		if len(c.in) < 4+n || n == 0 {
			if c.eof || c.closed {
				return
			}
			fc.cond.Wait()
			continue
		}
		rec := c.in[4 : 4+n]
		seq := seqOf(rec)
		if fc.hate != nil && fc.hate(seq) || fc.closeAt > 0 && c.n >= fc.closeAt {
			c.end(syscall.ECONNRESET)
			return
		}
		c.take(seq, rec)
		c.in = c.in[4+n:]
		fc.cond.Broadcast()
	}
}

func (c *fakeConn) take(seq uint64, rec []byte) {
	fc := c.fc
	if c.n++; seq <= c.last {
		fc.errs = append(fc.errs, fmt.Sprintf("%d after %d on one connection", seq, c.last))
	}
	c.last = seq
	fc.got[seq]++
	if old, ok := fc.bytes[seq]; ok && old != string(rec) {
		fc.errs = append(fc.errs, fmt.Sprintf("%d is not octet for octet what it was", seq))
	}
	fc.bytes[seq] = string(rec)
	var r record.Record
	if err := record.Parse(rec, &r); err != nil {
		fc.errs = append(fc.errs, err.Error())
	}
}

func (c *fakeConn) Write(b []byte) (int, error) {
	fc := c.fc
	fc.mu.Lock()
	defer fc.mu.Unlock()
	if fc.datagram {
		if fc.dead {
			if fc.untold > 0 && time.Since(fc.told) < fc.untold {
				return len(b), nil
			}
			fc.told = time.Now()
			select {
			case c.peer <- syscall.ECONNREFUSED:
			default:
			}
			return len(b), nil
		}
		c.in = append(c.in, b...)
		fc.cond.Broadcast()
		return len(b), nil
	}
	stalled := false
	timer := time.AfterFunc(10*time.Second, func() { fc.set(func() { stalled = true }) })
	defer timer.Stop()
	for n := 0; ; {
		if c.closed {
			return n, os.ErrClosed
		}
		if c.ended {
			return n, syscall.EPIPE
		}
		if k := min(len(b)-n, fc.kernel-len(c.in)); k > 0 {
			c.in = append(c.in, b[n:n+k]...)
			n += k
			c.written += uint64(k)
			stalled = false
			timer.Reset(10 * time.Second)
			fc.cond.Broadcast()
		}
		if n == len(b) {
			return n, nil
		}
		if stalled {
			return n, os.ErrDeadlineExceeded
		}
		fc.cond.Wait()
	}
}

func (c *fakeConn) Written() uint64 {
	c.fc.mu.Lock()
	defer c.fc.mu.Unlock()
	return c.written
}

func (c *fakeConn) Acked() (uint64, error) { return c.Written(), nil }

func (c *fakeConn) CloseWrite() error {
	c.fc.set(func() { c.eof = true })
	return nil
}

func (c *fakeConn) Peer() <-chan error { return c.peer }

func (c *fakeConn) Confirmed() bool {
	c.fc.mu.Lock()
	defer c.fc.mu.Unlock()
	return c.confirmed
}

func (c *fakeConn) Close() error {
	c.fc.set(func() { c.closed = true })
	return nil
}

func (c *fakeConn) Abort() error {
	c.fc.set(func() {
		if !c.closed && !c.fc.datagram {
			c.in = nil
		}
		c.closed = true
	})
	return nil
}

// kill ends the process: what it has not read is lost, and answered with RST.
func (fc *fakeCollector) kill() {
	fc.set(func() {
		fc.dead = true
		for _, c := range fc.conns {
			if c.ended {
				continue
			}
			if len(c.in) > 0 {
				c.in = nil
				c.end(syscall.ECONNRESET)
			} else {
				c.end(io.EOF)
			}
		}
		fc.conns = nil
	})
}

func (fc *fakeCollector) start() { fc.set(func() { fc.dead, fc.frozen = false, false }) }

func (fc *fakeCollector) count() int {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	return len(fc.got)
}

// stop ends the collector's goroutines.
func (fc *fakeCollector) stop() {
	fc.kill()
	fc.set(func() {
		for _, c := range fc.conns {
			c.closed = true
		}
	})
	fc.wg.Wait()
}

// fakeSpool is a spool in memory that can fail. What it holds survives the
// Log that used it.
type fakeSpool struct {
	mu         sync.Mutex
	entries    []buffer.Entry
	cursors    map[string][]byte
	quarantine map[uint64]string
	commits    int
	fail       error // what Commit returns
	damage     bool  // the next Commit finds the file damaged, and all of it lost
	max        int   // records held at most; the oldest are evicted
	limit      int   // the same, and above 80 % of it those that are not of calls are shed
	st         buffer.Stats
	closed     int
	after      func() // is called by Commit when it has evicted something, before it returns
}

func newFakeSpool() *fakeSpool {
	return &fakeSpool{cursors: map[string][]byte{}, quarantine: map[uint64]string{}}
}

func (s *fakeSpool) Commit(b buffer.Batch) (r buffer.AppendResult, err error) {
	defer func() {
		if s.after != nil && len(r.Evicted) > 0 {
			s.after()
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return r, s.fail
	}
	if s.damage {
		s.damage, s.entries, s.cursors = false, nil, map[string][]byte{}
		s.publish()
		return r, buffer.ErrDamaged
	}
	s.commits++
	for len(s.entries) > 0 && s.entries[0].Seq < b.Trim {
		s.entries = s.entries[1:]
	}
	for _, e := range b.Append {
		if n := len(s.entries); n > 0 && s.entries[n-1].Seq >= e.Seq {
			return r, buffer.ErrOrder
		}
		if e.Class != uint8(record.Call) && len(s.entries) > s.limit/5*4 && s.limit > 0 {
			r.Shed = append(r.Shed, buffer.Lost{Class: e.Class, Seqs: []uint64{e.Seq}, Tags: []uint8{Tag(e.Data)}})
			continue
		}
		e.Data = append([]byte(nil), e.Data...)
		s.entries = append(s.entries, e)
	}
	for s.max > 0 && len(s.entries) > s.max {
		e := s.entries[0]
		s.entries = s.entries[1:]
		r.Evicted = append(r.Evicted, buffer.Lost{Class: e.Class, Seqs: []uint64{e.Seq}, Tags: []uint8{Tag(e.Data)}})
	}
	for k, v := range b.Cursors {
		if s.cursors[k] = v; v == nil {
			delete(s.cursors, k)
		}
	}
	s.publish()
	return r, nil
}

func (s *fakeSpool) publish() {
	s.st.Held, s.st.First, s.st.Last = buffer.Counts{}, 0, 0
	s.st.UsedBytes, s.st.LimitBytes = int64(len(s.entries)), int64(s.limit)
	for _, e := range s.entries {
		s.st.Held[e.Class].Records++
	}
	if n := len(s.entries); n > 0 {
		s.st.First, s.st.Last = s.entries[0].Seq, s.entries[n-1].Seq
	}
}

func (s *fakeSpool) Read(from uint64, maxBytes int, buf []byte) (out []buffer.Entry, rest []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].Seq >= from })
	for n := 0; i < len(s.entries) && n < maxBytes; i++ {
		out = append(out, s.entries[i])
		n += len(s.entries[i].Data)
	}
	return out, buf, nil
}

func (s *fakeSpool) Stats() buffer.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st
}

func (s *fakeSpool) Cursor(name string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.cursors[name]
	return b, ok, nil
}

func (s *fakeSpool) Cursors() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.cursors))
}

func (s *fakeSpool) Quarantine(e buffer.Entry, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quarantine[e.Seq] = reason
	return nil
}

func (s *fakeSpool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
	return nil
}

func (s *fakeSpool) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *fakeSpool) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// crash makes the spool useless to its Log and returns one with the same
// content, as a new process finds it.
func (s *fakeSpool) crash() *fakeSpool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := newFakeSpool()
	n.entries = append(n.entries, s.entries...)
	for k, v := range s.cursors {
		n.cursors[k] = v
	}
	n.publish()
	s.fail = errors.New("the process is dead")
	return n
}

// rig is a Log under test.
type rig struct {
	t      testing.TB
	l      *Log
	cancel context.CancelFunc
	done   chan struct{}
	buf    []byte
}

func newRig(t testing.TB, o Options) *rig {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, l: l, done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		_ = l.Run(ctx) // a spool that fails on purpose is reported here
	}()
	return r
}

func (r *rig) stop() {
	r.cancel()
	<-r.done
	r.law()
}

func testRecord(class record.Class, size int) record.Record {
	return record.Record{
		Type: record.SIP, Class: class, Wall: 1700000000123456789,
		Flow: capture.FiveTuple{Proto: capture.ProtoUDP,
			Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5060")},
		Payload: make([]byte, size),
	}
}

// add appends n records of about size octets.
func (r *rig) add(n int, class record.Class, size int) {
	r.t.Helper()
	rec := testRecord(class, size)
	for range n {
		var err error
		if r.buf, err = rec.AppendBinary(r.buf[:0]); err != nil {
			r.t.Fatal(err)
		}
		if err := r.l.Append(r.buf); err != nil {
			r.t.Fatal(err)
		}
	}
}

// law asserts the accounting law, and checks its two running terms against what
// they stand for.
func (r *rig) law() CollectorStats {
	r.t.Helper()
	s := r.l.Stats()
	for _, c := range s.Collectors {
		if b := c.Balance(); b != 0 {
			r.t.Fatalf("collector %q: books are out by %d: %+v", c.Collector, b, c.Counts)
		}
	}
	return s.Collectors[0]
}

// spooled counts what is on disk and open by looking.
func (r *rig) spooled(s *fakeSpool) (n uint64) { return r.spooledFor(s, 0) }

func (r *rig) spooledFor(s *fakeSpool, collector int) (n uint64) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.Seq < r.l.disk && r.l.collectors[collector].wants(e.Seq, Tag(e.Data)) {
			n++
		}
	}
	return n
}

func (fc *fakeCollector) opts(s Spool, more ...func(*Collector)) Options {
	c := Collector{Name: "a", Dial: fc.dial, NewEncoder: func() Encoder { return &testEncoder{} }}
	for _, f := range more {
		f(&c)
	}
	return Options{Collectors: []Collector{c}, Spool: s}
}

// whole asserts that the collector has every record of the first n, in order
// within each connection, and not more duplicates than were counted.
func (r *rig) whole(fc *fakeCollector, n int) {
	r.t.Helper()
	c := r.law()
	fc.mu.Lock()
	defer fc.mu.Unlock()
	missing, dups := 0, uint64(0)
	for i := range n {
		seq := r.l.first + uint64(i)
		if fc.got[seq] == 0 {
			missing++
			if missing < 4 {
				r.t.Errorf("record %d is missing", i)
			}
		}
	}
	for _, k := range fc.got {
		dups += uint64(k - 1)
	}
	if missing > 0 {
		r.t.Errorf("%d of %d records are missing", missing, n)
	}
	if dups > c.Resent {
		r.t.Errorf("%d duplicates, %d counted", dups, c.Resent)
	}
	for i, e := range fc.errs {
		if i < 4 {
			r.t.Error(e)
		}
	}
}
