package stream_test

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/stream"
)

// flow makes segments of connection n.
func flow(n int, dir int, flags uint8, seq uint32, data []byte, mono int64) *capture.Packet {
	src := binary.BigEndian.AppendUint32(nil, 0x0b00_0000+uint32(n>>4))
	p := &capture.Packet{Src: src, Dst: []byte{10, 0, 0, 1}, SrcPort: 1024 + uint16(n&15), DstPort: 5060,
		Protocol: capture.ProtoTCP, Payload: data, Length: len(data), Wall: mono, Mono: mono,
		TCP: capture.TCP{Seq: seq, Flags: flags}}
	if dir == 1 {
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	return p
}

// tally is a handler that consumes lines, and counts for all connections.
type tally struct {
	lines, cuts [stream.NumReasons]int
	octets      int
	closed      [stream.NumReasons]int
	keep        bool
}

type counter struct {
	*tally
	c *stream.Conn
}

func (c counter) Data(_ int, pending []byte, fresh int, _ int64, _ *stream.At) int {
	c.octets += fresh
	if c.keep {
		c.c.Keep()
	}
	if pending[len(pending)-1] == '\n' {
		c.lines[0]++
		return len(pending)
	}
	return 0
}
func (c counter) Cut(_ int, _ []byte, why stream.Reason, _ *stream.Meta) { c.cuts[why]++ }
func (c counter) Closed(why stream.Reason)                               { c.closed[why]++ }

func (y *tally) config(c stream.Config) stream.Config {
	c.New = func(c *stream.Conn) stream.Handler { return counter{y, c} }
	return c
}

// SYNs, and the answers of a server that falls for them, cost small entries
// only, and push nobody out.
func TestSYNFlood(t *testing.T) {
	y := &tally{}
	config := y.config(stream.Config{Connections: 64, Openings: 256})
	a := stream.New(config)
	now := int64(1e9)
	for n := range 64 { // the cap
		a.Segment(flow(n, 0, A, 1, []byte("SIP\n"), now))
	}
	for n := 1000; n < 101_000; n++ {
		now += ms / 10
		a.Segment(flow(n, 0, S, uint32(n), nil, now))
		if n%2 == 0 {
			a.Segment(flow(n, 1, S|A, 7, nil, now))
		}
		switch n % 64 {
		case 0:
			a.Segment(flow(n, 0, S, uint32(n), []byte("with data"), now))
		case 1:
			a.Segment(flow(n, 0, R, uint32(n)+1, nil, now))
		case 2:
			a.Segment(flow(n+3, 0, A, 9, nil, now))
		case 3:
			a.Segment(flow(n+3, 0, F|A, 9, nil, now))
		}
	}
	a.Advance(now)
	s := a.Stats()
	if s.Tracked[stream.ClassUnknown] != 64 || s.Evicted != [stream.NumClasses]uint64{} {
		t.Errorf("tracked %v, evicted %v", s.Tracked, s.Evicted)
	}
	if s.Openings > 256 || s.Openings < 200 || s.OpeningsRecycled == 0 || s.Full == 0 || s.Ports[0].SYNsUnanswered < 40_000 {
		t.Errorf("%d openings, %d recycled, %d full, %d unanswered", s.Openings, s.OpeningsRecycled, s.Full, s.Ports[0].SYNsUnanswered)
	}
	if int64(s.MemoryBytes) > config.MemoryBytes() {
		t.Errorf("%d octets, promised %d", s.MemoryBytes, config.MemoryBytes())
	}
	for n := range 64 { // all there
		a.Segment(flow(n, 0, A, 5, []byte("SIP\n"), now))
	}
	if y.lines[0] != 128 || y.closed != [stream.NumReasons]int{} {
		t.Errorf("%d lines, closed %v", y.lines[0], y.closed)
	}
	if err := a.Check(); err != nil {
		t.Error(err)
	}
}

// A handshake that was completed outlasts a flood of those that were not.
func TestSYNFloodAndHandshake(t *testing.T) {
	y := &tally{}
	a := stream.New(y.config(stream.Config{Openings: 64}))
	a.Segment(flow(1, 0, S, 99, nil, 1))
	p := flow(1, 1, S|A, 199, nil, 1)
	p.TCP.Ack = 100
	a.Segment(p)
	p = flow(1, 0, A, 100, nil, 1)
	p.TCP.Ack = 200
	a.Segment(p)
	for n := 1000; n < 2000; n++ {
		a.Segment(flow(n, 0, S, 1, nil, 2))
		p = flow(n, 1, S|A, 7, nil, 2)
		p.TCP.Ack = 2
		a.Segment(p)
	}
	a.Segment(flow(1, 0, A, 100, []byte("SIP\n"), 3))
	a.Advance(3)
	if s := a.Stats(); y.lines[0] != 1 || s.Ports[0].MidStream != 0 {
		t.Errorf("%d lines, %d mid-stream", y.lines[0], s.Ports[0].MidStream)
	}
}

// A flood of RSTs ends nothing that its receiver would not end.
func TestRSTFlood(t *testing.T) {
	y := &tally{}
	a := stream.New(y.config(stream.Config{}))
	a.Segment(flow(1, 0, S, 0x7000_0000, nil, 1))
	a.Segment(flow(1, 0, A, 0x7000_0001, []byte("SIP\n"), 1))
	for i := range uint32(4096) {
		if seq := i << 20; seq != 0x7000_0000 && seq != 0x7010_0000 {
			a.Segment(flow(1, 0, R, seq, nil, 2))
		}
		a.Segment(flow(1000+int(i), 0, R, i, nil, 2))
	}
	a.Segment(flow(1, 0, A, 0x7000_0005, []byte("SIP\n"), 3))
	a.Advance(3)
	if s := a.Stats(); y.lines[0] != 2 || s.BadResets != 4094 || s.Openings != 0 {
		t.Errorf("%d lines, %d bad resets, %d openings", y.lines[0], s.BadResets, s.Openings)
	}
}

// Released connections give way first, then unknown ones, then known ones, and
// of each the one that was idle longest.
func TestEvictionOrder(t *testing.T) {
	var gone []string
	a := stream.New(stream.Config{Connections: 6, New: func(c *stream.Conn) stream.Handler { return &mortal{c: c, gone: &gone} }})
	now := int64(1e9)
	name := func(n int, data string) {
		now += 2e9
		a.Segment(flow(n, 0, S, 1, nil, now))
		a.Segment(flow(n, 0, A, 2, []byte(data), now))
	}
	name(1, "keep a")
	name(2, "keep b")
	name(3, "unknown c")
	name(4, "unknown d")
	name(5, "release e")
	name(6, "finish f")
	a.Segment(flow(6, 0, F|A, 2+8, nil, now))
	now += 2e9
	a.Segment(flow(3, 0, A, 2+9, []byte("!"), now))
	a.Segment(flow(1, 0, A, 2+6, []byte("!"), now))
	for n := 10; n < 16; n++ {
		name(n, "keep new")
	}
	a.Advance(now)
	want := []string{"finish f fin", "unknown d evicted", "unknown c evicted", "keep b evicted", "keep a evicted"}
	if strings.Join(gone, ", ") != strings.Join(want, ", ") {
		t.Errorf("got %q, want %q", gone, want)
	}
	if s := a.Stats(); s.Evicted != [stream.NumClasses]uint64{1, 1, 2, 2} {
		t.Errorf("evicted %v", s.Evicted)
	}
}

// mortal does what its first octets say, and writes down its end.
type mortal struct {
	c    *stream.Conn
	name string
	gone *[]string
}

func (m *mortal) Data(_ int, p []byte, _ int, _ int64, _ *stream.At) int {
	if m.name == "" {
		m.name = string(p)
	}
	switch m.name[0] {
	case 'k':
		m.c.Keep()
	case 'r':
		m.c.Release()
	}
	return len(p)
}
func (m *mortal) Cut(int, []byte, stream.Reason, *stream.Meta) {}
func (m *mortal) Closed(why stream.Reason)                     { *m.gone = append(*m.gone, m.name+" "+why.String()) }

// Ten thousand halves of messages: the budget holds, what had to go was told, and
// what is young is completed.
func TestHalfMessages(t *testing.T) {
	y := &tally{}
	config := y.config(stream.Config{})
	a := stream.New(config)
	half := make([]byte, 5000)
	now := int64(1e9)
	for n := range 10_000 {
		now += ms / 100
		a.Segment(flow(n, 0, S, 9, nil, now))
		a.Segment(flow(n, 0, A, 10, half, now))
		if n%3 == 0 { // and a hole
			a.Segment(flow(n, 0, A, 5100, half[:1000], now))
		}
	}
	a.Advance(now)
	s := a.Stats()
	if s.BufferedBytes+s.IdleBytes > 32<<20 || s.BufferedBytes < 30<<20 {
		t.Errorf("%d octets buffered, %d idle", s.BufferedBytes, s.IdleBytes)
	}
	if s.TotalBudgetHits == 0 || s.Shed == 0 || y.cuts[stream.Budget] < int(s.Shed) || s.ConnectionBudgetHits != 0 {
		t.Errorf("%d budget hits, %d shed, %v cut", s.TotalBudgetHits, s.Shed, y.cuts)
	}
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
	whole := y.lines[0]
	for n := 9000; n < 10_000; n++ {
		seq := uint32(5010)
		if n%3 == 0 {
			a.Segment(flow(n, 0, A, seq, half[:90], now))
			seq = 6100
		}
		a.Segment(flow(n, 0, A, seq, []byte("end of message\n"), now))
	}
	if got := y.lines[0] - whole; got != 1000 {
		t.Errorf("%d of the 1000 youngest were completed", got)
	}
	a.Flush()
	if s := a.Stats(); s.BufferedBytes != 0 || s.Tracked[stream.ClassUnknown] != 0 {
		t.Errorf("%d octets, %v connections left", s.BufferedBytes, s.Tracked)
	}
}

// One connection that never makes sense stays within its own bound.
func TestConnectionBudget(t *testing.T) {
	y := &tally{}
	a := stream.New(y.config(stream.Config{BytesPerConnection: 64 << 10}))
	a.Segment(flow(1, 0, S, 9, nil, 1))
	data := make([]byte, 1400)
	for i := range 1000 {
		a.Segment(flow(1, 0, A, 10+uint32(i*1400), data, 1))
		a.Segment(flow(1, 1, A, 10+uint32(i*2800), data, 1)) // and one with holes
		if err := a.Check(); err != nil {
			t.Fatal(err)
		}
	}
	a.Advance(1)
	s := a.Stats()
	if s.ConnectionBudgetHits == 0 || s.TotalBudgetHits != 0 || y.cuts[stream.Budget] == 0 || s.Ports[0].Gaps == 0 || s.BufferedBytes > 100<<10 {
		t.Errorf("%+v, cut %v", s, y.cuts)
	}
	if want := 1000 * 1400; y.octets < want {
		t.Errorf("%d octets shown of the direction without holes alone", y.octets)
	}
}

// A mirror that cuts frames after their headers leaves no octets to hold, but
// the books of what is beyond a hole; they are bounded, too.
func TestHeadersOnly(t *testing.T) {
	y := &tally{}
	a := stream.New(y.config(stream.Config{BytesPerConnection: 64 << 10}))
	a.Segment(flow(1, 0, S, 9, nil, 1))
	for i := range 20_000 {
		p := flow(1, 0, A, 10+uint32(i*2800), nil, 1)
		p.Length, p.Truncated = 1400, true
		a.Segment(p)
		if i%100 == 0 {
			if err := a.Check(); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.Advance(1)
	if s := a.Stats(); s.ConnectionBudgetHits == 0 || s.BufferedBytes > 65<<10 || s.Ports[0].TruncatedOctets != 20_000*1400 || y.octets != 0 {
		t.Errorf("%d octets, %d shown: %+v", s.BufferedBytes, y.octets, s)
	}
}

// Idle connections are an entry each: no buffer, no timer.
func TestIdleConnectionsAreCheap(t *testing.T) {
	if stream.ConnSize > 344 || stream.OpeningSize > 144 {
		t.Errorf("a connection is %d octets, a handshake %d", stream.ConnSize, stream.OpeningSize)
	}
	const n = 50_000
	y := &tally{keep: true}
	config := y.config(stream.Config{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a := stream.New(config)
	msg := []byte("message\n")
	for i := range n {
		now := int64(1e9) + int64(i)*ms/10
		a.Segment(flow(i, 0, S, 9, nil, now))
		a.Segment(flow(i, 0, A, 10, msg[:4], now))
		a.Segment(flow(i, 0, A, 14, msg[4:], now))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	a.Advance(int64(time.Hour))
	s := a.Stats()
	if s.Tracked[stream.ClassKnown] != n || s.BufferedBytes != 0 || s.Holes != 0 {
		t.Errorf("%v tracked, %d octets buffered, %d holes", s.Tracked, s.BufferedBytes, s.Holes)
	}
	// With its slots in the index, and the handler of this test, of 16 octets.
	if per := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; per > 430 {
		t.Errorf("%d octets of heap a connection", per)
	} else {
		t.Logf("%d octets of heap a connection, index and test handler included; entry %d", per, stream.ConnSize)
	}
	runtime.KeepAlive(a)
}
