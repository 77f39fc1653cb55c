package stream_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/stream"
)

const (
	S = capture.FlagSYN
	A = capture.FlagACK
	F = capture.FlagFIN
	R = capture.FlagRST
)

const ms = int64(time.Millisecond)

// rig is an assembler with one connection at hand. Sequence numbers are given
// as offsets of octets: the SYN is -1. Both directions wrap within a few octets,
// one at 2^32 and one at 2^31.
type rig struct {
	t        *testing.T
	a        *stream.Assembler
	log      []string
	flows    []capture.FiveTuple // of the connections, as they began
	now      int64
	isn      [2]uint32
	src, dst [4]byte
	ports    [2]uint16
	tunnel   uint32
	mirror   uint8
	cut      int // octets the capture cuts off the next segment
	lines    bool
	on       func(c *stream.Conn, pending []byte) // called in Data
	onCut    func(c *stream.Conn)                 // called in Cut
}

func newRig(t *testing.T, c stream.Config) *rig {
	r := &rig{t: t, now: 1e9, isn: [2]uint32{0xffff_fffa, 0x7fff_fffa},
		src: [4]byte{10, 0, 0, 2}, dst: [4]byte{10, 0, 0, 1}, ports: [2]uint16{40000, 5060}}
	c.New = func(c *stream.Conn) stream.Handler {
		r.flows = append(r.flows, c.Flow())
		h := &logger{r: r, c: c, name: len(r.flows)}
		if c.MidStream() {
			h.logf("mid-stream")
		}
		return h
	}
	r.a = stream.New(c)
	return r
}

// send makes a packet of direction dir (0: the client's) and gives it to the
// assembler. ack < -1 means no acknowledgement.
func (r *rig) send(dir int, flags uint8, off, ack int, data string) {
	r.t.Helper()
	p := capture.Packet{
		Src: r.src[:], Dst: r.dst[:], SrcPort: r.ports[0], DstPort: r.ports[1], Tunnel: r.tunnel,
		Payload: []byte(data[:len(data)-r.cut]), Length: len(data), Truncated: r.cut > 0,
		Wall: r.now, Mono: r.now, Protocol: capture.ProtoTCP, Port: r.mirror,
		TCP: capture.TCP{Seq: r.isn[dir] + 1 + uint32(off), Flags: flags},
	}
	if flags&A != 0 {
		p.TCP.Ack = r.isn[1-dir] + 1 + uint32(ack)
	}
	if dir == 1 {
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	r.cut = 0
	r.a.Segment(&p)
	clear(p.Payload) // it was borrowed
	r.check()
	r.now += ms
}

func (r *rig) c(flags uint8, off, ack int, data string) {
	r.t.Helper()
	r.send(0, flags, off, ack, data)
}
func (r *rig) s(flags uint8, off, ack int, data string) {
	r.t.Helper()
	r.send(1, flags, off, ack, data)
}

func (r *rig) open() {
	r.t.Helper()
	r.c(S, -1, 0, "")
	r.s(S|A, -1, 0, "")
	r.c(A, 0, 0, "")
}

func (r *rig) wait(d time.Duration) {
	r.t.Helper()
	r.now += int64(d)
	r.a.Advance(r.now)
	r.check()
}

func (r *rig) check() {
	r.t.Helper()
	if err := r.a.Check(); err != nil {
		r.t.Fatal(err)
	}
}

// want compares what handlers were told since the last call.
func (r *rig) want(lines ...string) {
	r.t.Helper()
	if !slices.Equal(r.log, lines) {
		r.t.Fatalf("got\n\t%s\nwant\n\t%s", strings.Join(r.log, "\n\t"), strings.Join(lines, "\n\t"))
	}
	r.log = nil
}

func (r *rig) stats() stream.Stats {
	r.a.Advance(r.now)
	return r.a.Stats()
}

// count compares totals of the mirror port at hand.
func (r *rig) count(what string, got, want uint64) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s: got %d, want %d", what, got, want)
	}
}

func (r *rig) port() stream.PortStats { return r.stats().Ports[r.mirror] }

// logger writes down what it is told. It consumes all, or with rig.lines
// whole lines only; and checks what every handler may rely on.
type logger struct {
	r      *rig
	c      *stream.Conn
	name   int // from 1
	left   [2][]byte
	closed bool
}

func (h *logger) logf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if h.name > 1 {
		line = fmt.Sprintf("#%d %s", h.name, line)
	}
	h.r.log = append(h.r.log, line)
}

func (h *logger) Data(dir int, pending []byte, fresh int, gap int64, at *stream.At) int {
	h.r.t.Helper()
	old := len(pending) - fresh
	if h.closed || fresh <= 0 || old < 0 || !bytes.Equal(pending[:old], h.left[dir]) || gap != 0 && old > 0 {
		h.r.t.Fatalf("Data(%d, %q, %d, %d): closed %v, left %q", dir, pending, fresh, gap, h.closed, h.left[dir])
	}
	switch {
	case gap > 0:
		h.logf("%d gap %d", dir, gap)
	case gap < 0:
		h.logf("%d gap ?", dir)
	}
	n := len(pending)
	if h.r.lines {
		n = bytes.LastIndexByte(pending, '\n') + 1
	}
	if n > 0 {
		h.logf("%d %q", dir, pending[:n])
	}
	h.left[dir] = append(h.left[dir][:0], pending[n:]...)
	if h.r.on != nil {
		h.r.on(h.c, pending)
	}
	return n
}

func (h *logger) Cut(dir int, pending []byte, why stream.Reason, at *stream.Meta) {
	h.r.t.Helper()
	if h.closed || !bytes.Equal(pending, h.left[dir]) || len(pending) == 0 && why != stream.FIN {
		h.r.t.Fatalf("Cut(%d, %q, %v): closed %v, left %q", dir, pending, why, h.closed, h.left[dir])
	}
	h.left[dir] = nil
	if len(pending) > 0 {
		h.logf("%d cut %v %q", dir, why, pending)
	} else {
		h.logf("%d %v", dir, why)
	}
	if h.r.onCut != nil {
		h.r.onCut(h.c)
	}
}

func (h *logger) Closed(why stream.Reason) {
	h.r.t.Helper()
	if h.closed || len(h.left[0])+len(h.left[1]) > 0 {
		h.r.t.Fatalf("Closed(%v): closed %v, left %q", why, h.closed, h.left)
	}
	h.closed = true
	h.logf("closed %v", why)
}
