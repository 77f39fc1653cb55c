package conversation

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// epoch is when every conversation begins, Unix nanoseconds.
const epoch = int64(1_767_225_600_000_000_000) // 2026-01-01

// Change alters how a conversation is rendered. The zero Change does nothing.
type Change struct {
	name  string
	layer layer
	on    []Transport // nil: any
	// split says that the change makes frames which no wire carries whole.
	apply func(*work)
}

// layer is where a change works; see the package comment.
type layer uint8

const (
	streamLayer layer = iota
	unitLayer
	packetLayer
	frameLayer
)

// String returns what the change is called.
func (c Change) String() string { return c.name }

// Applies reports whether the change does anything to a transport.
func (c Change) Applies(t Transport) bool { return c.on == nil || slices.Contains(c.on, t) }

// Expected is what a reader can find of one message.
type Expected struct {
	Message int // index in Conversation.Messages
	// Whole says that every octet of the message was captured.
	Whole bool
	// Sure says that it is whole, and that its beginning can be found: nothing
	// was lost before it, or where it begins is plain to see.
	Sure bool
	// GapBefore says that octets of its direction of the stream were lost
	// since the whole message before.
	GapBefore bool
}

// Rendering is a conversation as a probe would capture it.
type Rendering struct {
	Conversation *Conversation
	Frames       []capture.Frame // in order of time; Port is 0, or the side with TwoPorts
	Expect       []Expected      // one for each message
	Changes      []Change
	Seed         uint64
}

// Render renders the conversation with the changes that apply to its
// transport. The same arguments give the same frames.
func (c *Conversation) Render(seed uint64, changes ...Change) *Rendering {
	w := &work{c: c, r: rand.New(rand.NewPCG(seed, c.Seed)), handshake: true, mss: 1448}
	at := func(l layer) {
		for _, ch := range changes {
			if ch.layer == l && ch.apply != nil && ch.Applies(c.Transport) {
				ch.apply(w)
			}
		}
	}
	w.begin()
	at(streamLayer)
	w.write()
	w.cut()
	at(unitLayer)
	w.expected()
	w.packetize()
	at(packetLayer)
	sortPackets(w.packets)
	w.frame()
	at(frameLayer)
	return &Rendering{Conversation: c, Frames: w.finish(), Expect: w.expect, Changes: changes, Seed: seed}
}

// String names the rendering for a failing test.
func (r *Rendering) String() string {
	names := make([]string, len(r.Changes))
	for i, c := range r.Changes {
		names[i] = c.name
	}
	return fmt.Sprintf("%v, rendered with seed %d as %d frames: %s", r.Conversation, r.Seed, len(r.Frames), strings.Join(names, ", "))
}

// WritePcap writes the frames as a pcap file, those of both ports as one.
func (r *Rendering) WritePcap(w io.Writer) error { return capturetest.WritePcap(w, r.Frames) }

// write is what a program hands to its transport in one go.
type write struct {
	at      int64 // ns since the start
	from    Side
	data    []byte
	message int  // index, or -1
	ends    bool // data is the message's last octet
	control bool // not part of the stream: SCTP's own chunk
}

// work is a rendering in the making.
type work struct {
	c *Conversation
	r *rand.Rand

	// what the changes of the stream layer set
	handshake  bool
	keepAlives bool
	idle       bool
	nearWrap   bool
	mss        int
	web        webOptions
	style      cutting

	times    []int64 // of the messages, by index
	media    []int64 // of the datagrams, by index
	writes   []write
	isn      [2]uint32
	stream   [2][]byte // TCP: everything each side writes
	spans    []span    // by message
	segments []segment // TCP
	chunks   []chunk   // SCTP
	expect   []Expected
	packets  []packet
	frames   []frame
	fragID   uint32
}

// span is where a message lies: octets of a stream, or SCTP's chunks.
type span struct {
	from       Side
	start, end int64
}

// begin sets the times.
func (w *work) begin() {
	for i := range w.c.Messages {
		w.times = append(w.times, int64(w.c.Messages[i].At))
	}
	for i := range w.c.Media {
		w.media = append(w.media, int64(w.c.Media[i].At))
	}
	for side := range w.isn {
		w.isn[side] = w.r.Uint32()
	}
	w.fragID = w.r.Uint32() | 1
}

// write says what goes onto the transport: the messages and what changes put
// between them.
func (w *work) write() {
	if w.c.Transport == WebSocket {
		w.webSocket()
		return
	}
	for i := range w.c.Messages {
		m := &w.c.Messages[i]
		if w.keepAlives && w.r.IntN(2) == 0 {
			w.keepAlive(w.gapBefore(i), m.From)
		}
		w.writes = append(w.writes, write{at: w.times[i], from: m.From, data: m.Text, message: i, ends: true})
	}
	w.sortWrites()
}

func (w *work) sortWrites() {
	slices.SortStableFunc(w.writes, func(a, b write) int { return cmp.Compare(a.at, b.at) })
}

// gapBefore returns a time between message i and the one before.
func (w *work) gapBefore(i int) int64 {
	before := int64(0)
	if i > 0 {
		before = w.times[i-1]
	}
	return before + w.r.Int64N(max(w.times[i]-before, 1))
}

// keepAlive adds a ping from one side, and at times the other side's pong
// (RFC 5626 3.5.1, 4.4.1).
func (w *work) keepAlive(at int64, from Side) {
	switch w.c.Transport {
	case SCTP:
		w.writes = append(w.writes, write{at: at, from: from, message: -1, control: true})
	case UDP:
		ping := [][]byte{[]byte("\r\n\r\n"), {0, 0, 0, 0}, {}, []byte("\r\n")}[w.r.IntN(4)]
		w.writes = append(w.writes, write{at: at, from: from, data: ping, message: -1})
	default:
		w.writes = append(w.writes, write{at: at, from: from, data: []byte("\r\n\r\n"), message: -1})
		if w.r.IntN(2) == 0 {
			w.writes = append(w.writes, write{at: at + 1000, from: from.other(), data: []byte("\r\n"), message: -1})
		}
	}
}

// cut makes the units of the transport.
func (w *work) cut() {
	switch w.c.Transport {
	case TCP, WebSocket:
		w.cutTCP()
	case SCTP:
		w.cutSCTP()
	}
}

// expected says what can be found after what was lost.
func (w *work) expected() {
	w.expect = make([]Expected, len(w.c.Messages))
	for i := range w.expect {
		w.expect[i] = Expected{Message: i, Whole: true, Sure: true}
	}
	switch w.c.Transport {
	case TCP, WebSocket:
		w.expectTCP()
	case SCTP:
		w.expectSCTP()
	}
}

// packetize makes packets of the units and of the media.
func (w *work) packetize() {
	switch w.c.Transport {
	case UDP:
		for _, wr := range w.writes {
			w.udp(wr.at, wr.from, w.c.Ends[wr.from], w.c.Ends[wr.from.other()], wr.data)
		}
	case SCTP:
		w.packetizeSCTP()
	default:
		w.packetizeTCP()
	}
	for i := range w.c.Media {
		d := &w.c.Media[i]
		w.udp(w.media[i], d.From, d.Src, d.Dst, d.Payload)
		w.packets[len(w.packets)-1].media = true
	}
	sortPackets(w.packets)
}

// finish returns the frames in order of time. Two of one port are never at the
// same instant: a wire is serial.
func (w *work) finish() []capture.Frame {
	slices.SortStableFunc(w.frames, func(a, b frame) int { return cmp.Compare(a.at, b.at) })
	out := make([]capture.Frame, len(w.frames))
	last := [2]int64{-1 << 62, -1 << 62}
	for i := range w.frames {
		f := &w.frames[i]
		f.at = max(f.at, last[0]+100, last[1]+100)
		last[f.port] = f.at
		out[i] = capture.Frame{Data: f.data, Length: len(f.data), Wall: epoch + f.at, Mono: epoch + f.at, Link: capture.LinkEthernet, Port: f.port}
	}
	return out
}

// chance is true p times in 100.
func (w *work) chance(p int) bool { return w.r.IntN(100) < p }

// between returns a random duration.
func (w *work) between(least, most time.Duration) int64 {
	return int64(least) + w.r.Int64N(int64(most-least)+1)
}
