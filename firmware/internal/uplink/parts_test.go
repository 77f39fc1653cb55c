package uplink

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"heptap/buffer"
	"heptap/capture/record"
)

// TestSpansAgainstModel compares spans with a plain set.
func TestSpansAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const size = 64
	var s spans
	var model [size]bool
	for step := range 20000 {
		from := rnd.Uint64N(size)
		to := from + rnd.Uint64N(size-from+1)
		add := rnd.IntN(2) == 0
		if add {
			s = s.add(from, to)
		} else {
			s = s.cut(from, to)
		}
		for i := from; i < to; i++ {
			model[i] = add
		}
		for i := range s {
			if s[i].from >= s[i].to || i > 0 && s[i-1].to >= s[i].from {
				t.Fatalf("step %d: not in normal form: %v", step, s)
			}
		}
		n, next, found := uint64(0), uint64(0), false
		for i := uint64(0); i < size; i++ {
			if s.has(i) != model[i] {
				t.Fatalf("step %d: has(%d) = %v: %v", step, i, s.has(i), s)
			}
			if model[i] && i >= from && i < to {
				n++
			}
			if model[i] && i >= from && !found {
				next, found = i, true
			}
		}
		if s.count(from, to) != n || s.overlaps(from, to) != (n > 0) {
			t.Fatalf("step %d: count(%d, %d) = %d, want %d: %v", step, from, to, s.count(from, to), n, s)
		}
		if sp, ok := s.next(from); ok != found || ok && sp.from != next {
			t.Fatalf("step %d: next(%d) = %v: %v", step, from, sp, s)
		}
	}
}

func FuzzCursor(f *testing.F) {
	l := &Log{first: 1 << epochBits}
	c := newCollector(l, Collector{Name: "a"})
	f.Add(c.encodeCursor(0, 0, 0))
	c.open, c.answers = spans{{5, 9}, {1 << 40, 1<<40 + 7}, {1 << 41, forever}}, true
	f.Add(c.encodeCursor(5, 1<<41, 12))
	c.removed = &removal{1<<41 + 5, time.Unix(1700000000, 0)}
	f.Add(c.encodeCursor(5, 1<<41, 12))
	c.slot = slot{4, 1 << 40}
	f.Add(c.encodeCursor(5, 1<<41, 12))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeCursor(b)
		if err != nil {
			return
		}
		again := &collector{open: s.open, answers: s.answers, removed: s.removed, slot: s.slot}
		e := again.encodeCursor(s.first, s.last, s.spooled)
		s2, err := decodeCursor(e)
		if err != nil || s2.first != s.first || s2.spooled != s.spooled || s2.slot != s.slot || len(s2.open) != len(s.open) && s.removed == nil ||
			(s.removed == nil) != (s2.removed == nil) || s.removed != nil && *s.removed != *s2.removed {
			t.Fatalf("%v: %+v became %+v", err, s, s2)
		}
	})
}

func TestCursorFitsTheSpool(t *testing.T) {
	c := &collector{}
	for i := range uint64(maxSpans) {
		c.open = append(c.open, span{i << 55, i<<55 + 1<<54})
	}
	c.open[maxSpans-1].to = forever - 9
	c.removed, c.slot = &removal{forever - 5, time.Unix(math.MaxInt32, 0)}, slot{128, forever}
	if n := len(c.encodeCursor(forever, forever, forever)); n > buffer.MaxCursorValue {
		t.Errorf("a full cursor takes %d octets of %d", n, buffer.MaxCursorValue)
	}
}

// TestMaxSpans checks that a cursor that is full refuses to split, and keeps
// its books.
func TestMaxSpans(t *testing.T) {
	l, err := Open(Options{Collectors: []Collector{{Name: "a",
		Dial: func(context.Context) (Conn, error) { return nil, ErrClosed }, NewEncoder: func() Encoder { return &testEncoder{} }}}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, l: l}
	r.add(2*maxSpans+100, record.Call, 100)
	c := l.collectors[0]
	for i := range uint64(maxSpans + 50) {
		f := &flight{conn: &fakeConn{fc: newFakeCollector()}, lane: c.lanes[0]}
		f.marks = []mark{{from: l.first + 2*i + 1, to: l.first + 2*i + 2, records: 1, sent: 1, done: true, tried: true}}
		f.claim = spans{{l.first + 2*i + 1, l.first + 2*i + 2}}
		c.flights = append(c.flights, f)
		l.mu.Lock()
		c.settle(f, true)
		l.mu.Unlock()
		r.law()
	}
	if len(c.open) > maxSpans {
		t.Errorf("%d spans", len(c.open))
	}
	if n := r.law(); n.Confirmed != uint64(len(c.open)-1) || len(c.flights) != 0 {
		t.Errorf("confirmed %d with %d spans", n.Confirmed, len(c.open))
	}
}

// TestCompact joins the marks of a trickle and checks that what they add up to
// stays.
func TestCompact(t *testing.T) {
	conn := &fakeConn{fc: newFakeCollector(), written: 60}
	f := &flight{conn: conn}
	for i := range uint64(100) {
		f.marks = append(f.marks, mark{from: i, to: i + 1, octets: i + 1, size: 10, records: 3, sent: 1, filtered: 1, aside: 1, done: i < 99, tried: true})
	}
	f.compact()
	var sum mark
	for i, m := range f.marks {
		if m.from != sum.to || i > 0 && m.octets <= 60 {
			t.Errorf("mark %d: [%d, %d) up to octet %d", i, m.from, m.to, m.octets)
		}
		sum.join(&m)
	}
	if len(f.marks) != 41 || sum.to != 100 || sum.records != 300 || sum.sent != 100 || sum.filtered != 100 || sum.aside != 100 || sum.size != 1000 {
		t.Errorf("%d marks, %+v", len(f.marks), sum)
	}
}

func TestBucket(t *testing.T) {
	b := bucket{perSecond: 1000}
	now := time.Unix(0, 0)
	sent, live := 0, uint64(0)
	b.allow(now, live, 0)
	for range 1000 { // 10 s, live at 400/s
		now = now.Add(10 * time.Millisecond)
		live += 4
		if n, wait := b.allow(now, live, 0); n > 0 {
			b.spend(n)
			sent += n
		} else if wait <= 0 {
			t.Fatal("nothing allowed, nothing to wait for")
		}
	}
	if sent < 5700 || sent > 6100 {
		t.Errorf("%d sent beside 4,000 live in 10 s at 1,000/s", sent)
	}
	sent = 0
	for range 1000 { // live alone is over the rate
		now = now.Add(10 * time.Millisecond)
		live += 20
		if n, _ := b.allow(now, live, 0); n > 0 {
			b.spend(n)
			sent += n
		}
	}
	if sent < 900 || sent > 1200 {
		t.Errorf("%d sent in 10 s, want a tenth of the rate", sent)
	}
}

// A collector that may have twice the live rate gets it, and perSecond when there is
// little live; so a backlog drains however busy the network is.
func TestBucketTimesLive(t *testing.T) {
	for _, tt := range []struct {
		rate      uint64 // live, per 10 ms
		low, high int
	}{
		{0, 4900, 5100},           // 500/s
		{1, 3900, 4100},           // 100/s live: 400/s are left
		{20, 18000, 22000},        // 2,000/s live: as much again
		{100, 90000, 10e4 + 5000}, // 10,000/s live
	} {
		b := bucket{perSecond: 500, timesLive: 2}
		now, live, sent := time.Unix(0, 0), uint64(0), 0
		b.allow(now, live, live)
		for i := range 11000 {
			if i == 10000 {
				sent = 0
			}
			now = now.Add(10 * time.Millisecond)
			live += tt.rate
			if n, _ := b.allow(now, live, live); n > 0 {
				b.spend(n)
				sent += n
			}
		}
		if sent < tt.low || sent > tt.high {
			t.Errorf("%d live per second: %d of the backlog in 10 s, want %d to %d", 100*tt.rate, sent, tt.low, tt.high)
		}
	}
}

// datagrams is a Conn that takes note of what is written.
type datagrams struct {
	Conn
	got []string
}

func (d *datagrams) Write(b []byte) (int, error) {
	if string(b) == "!" {
		return 0, syscall.EMSGSIZE
	}
	d.got = append(d.got, string(b))
	return len(b), nil
}

// What an encoder makes of one record goes out as so many datagrams, and as one
// when the collector knows of no more.
func TestOneDatagramPerPacket(t *testing.T) {
	for packets, want := range map[int]string{0: `["aab b c!d"]`, 3: `["aa" "b" " " "b" " " "c"]`} {
		first := func(b []byte) int {
			if b[0] == 'a' {
				return 2
			}
			return 1
		}
		conn := &datagrams{}
		ln := &lane{c: &collector{l: &Log{}, cfg: Collector{Datagram: true, Packets: packets, First: first}}}
		f := &flight{conn: conn, marks: []mark{{sent: 2}}}
		ln.batch = batch{items: make([]item, 2), out: []byte("aab b c!d"), ends: []int{6, 9}}
		if packets == 0 {
			ln.batch.ends = []int{9}
		}
		if err := ln.write(f); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%q", conn.got); got != want {
			t.Errorf("%d packets: %s, want %s", packets, got, want)
		}
		if m := f.marks[0]; packets == 3 && (m.sent != 1 || m.aside != 1) {
			t.Errorf("a record of which a packet is too large: %+v", m)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	l, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	bad := make([]byte, 100)
	bad[9] = byte(record.NumClasses)
	for _, rec := range [][]byte{nil, make([]byte, minRecord-1), bad} {
		if err := l.Append(rec); err != ErrMalformed {
			t.Errorf("%d octets: %v", len(rec), err)
		}
	}
	if s := l.Stats(); s.Refused != 3 || s.Collectors[0].Made != 0 {
		t.Errorf("refused %d, made %d", s.Refused, s.Collectors[0].Made)
	}
	if l.minimum() != minRecord {
		t.Errorf("the smallest record has %d octets, not %d", l.minimum(), minRecord)
	}
	big := testRecord(record.Call, record.MaxPayload)
	b, _ := big.AppendBinary(nil)
	if err := l.Append(b); err != nil || l.mem.used < len(b) {
		t.Errorf("a record larger than a page: %v", err)
	}
	if !bytes.Equal(l.mem.pages[0].record(l.first)[48:64], make([]byte, 16)) {
		t.Error("boot id")
	}
}

// minimum returns the octets of the smallest record, less its addresses.
func (l *Log) minimum() int {
	r := testRecord(record.Call, 0)
	b, _ := r.AppendBinary(nil)
	return len(b) - 8
}

func TestOptions(t *testing.T) {
	dial := func(context.Context) (Conn, error) { return nil, ErrClosed }
	enc := func() Encoder { return &testEncoder{} }
	for name, o := range map[string]Options{
		"memory":   {Memory: 1000},
		"no name":  {Collectors: []Collector{{Dial: dial, NewEncoder: enc}}},
		"reserved": {Collectors: []Collector{{Name: logCursor, Dial: dial, NewEncoder: enc}}},
		"twice":    {Collectors: []Collector{{Name: "a", Dial: dial, NewEncoder: enc}, {Name: "a", Dial: dial, NewEncoder: enc}}},
		"no dial":  {Collectors: []Collector{{Name: "a", NewEncoder: enc}}},
	} {
		s := newFakeSpool()
		o.Spool = s
		if _, err := Open(o); err == nil || s.closed != 1 {
			t.Errorf("%s: %v, spool closed %d times", name, err, s.closed)
		}
	}
	n, err := Options{}.MemoryBudget()
	if err != nil || n < 32<<20 || n > 64<<20 {
		t.Errorf("budget %d, %v", n, err)
	}
}

func TestAppendAllocs(t *testing.T) {
	l, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := testRecord(record.Call, 800)
	b, _ := r.AppendBinary(nil)
	for range 20000 {
		_ = l.Append(b)
	}
	if n := testing.AllocsPerRun(1000, func() { _ = l.Append(b) }); n > 0.1 {
		t.Errorf("%v allocations per record", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	l, err := Open(Options{})
	if err != nil {
		b.Fatal(err)
	}
	r := testRecord(record.Call, 860)
	rec, _ := r.AppendBinary(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(rec)))
	for b.Loop() {
		_ = l.Append(rec)
	}
}
