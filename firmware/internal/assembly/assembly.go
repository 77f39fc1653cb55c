package assembly

import (
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"time"
	"unsafe"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/defrag"
	"heptap/capture/dissect"
	"heptap/capture/duplicate"
	"heptap/capture/media"
	"heptap/capture/sctp"
	"heptap/capture/stream"
)

// Copies says what becomes of mirrored copies; see the package comment.
type Copies uint8

// The modes.
const (
	Drop Copies = iota
	Mark
	Off
)

// Config says how an Assembly works. Zero values mean the packages' defaults.
type Config struct {
	Copies    Copies
	Duplicate duplicate.Config
	Defrag    defrag.Config // Partial is filled in
	Stream    stream.Config // New is filled in; its Ignore is shared with the workers
	SCTP      sctp.Config   // Message and Event are filled in
	Dissect   dissect.Config
	Beside    dissect.Beside // what is looked for beside signalling, here and in the workers
	Media     media.Config   // of RTP that came in fragments

	// Unwrap, if set, reads somebody else's HEP: it fills in what it says of the
	// message inside (protocol, flow, wall time, payload, VLAN) and reports whether it
	// is one that we read. The payload may borrow from b.
	Unwrap func(b []byte, m *capture.Message) bool

	// Lookup makes connections known by their ends, for Connection.
	Lookup bool

	// Net, if set, is told of connections.
	Net Net
	// Followers, if set, reads HTTP and management protocols.
	Followers Followers
	// Message gets every message. It borrows m, and must not call the Assembly.
	Message func(m *capture.Message)
	// RTP gets the snapshots of streams that came in fragments.
	RTP func(s *media.Snapshot, mono int64)
}

// mediaStreams is how many streams of RTP in fragments there may be: video in
// packets larger than the MTU is an accident.
const mediaStreams = 1024

func (c Config) withDefaults() Config {
	if c.Media.Streams <= 0 || c.Media.Streams > mediaStreams {
		c.Media.Streams = mediaStreams
	}
	return c
}

// MemoryBytes returns the most memory an Assembly made from c will ever hold,
// the Ignore table included.
func (c Config) MemoryBytes() int64 {
	c = c.withDefaults()
	n := c.Defrag.MemoryBytes() + c.Stream.MemoryBytes() + c.SCTP.MemoryBytes() + c.Dissect.MemoryBytes() + c.Media.MemoryBytes()
	if c.Copies != Off {
		n += c.Duplicate.MemoryBytes()
	}
	if c.Stream.Ignore != nil {
		n += c.Stream.Ignore.MemoryBytes()
	}
	const perConnection = int64(unsafe.Sizeof(connection{})) + int64(dissect.ConnBytes)
	if c.Lookup {
		n += int64(c.Stream.Connections)*(endsBytes+wayBytes) + endedBytes
	}
	n += int64(min(maxWebs, c.Stream.Connections)) * webBytes
	return n + int64(c.Stream.Connections)*perConnection + int64(unsafe.Sizeof(order{}))
}

// Assembly is the tables and what joins them. One goroutine calls its methods;
// Stats may be called from any.
type Assembly struct {
	config     Config
	duplicates *duplicate.Table // nil: not looked for
	fragments  *Fragments
	streams    *stream.Assembler
	conns      *dissect.Connections
	byEnds     map[ends]*connection // nil without Lookup, and so are
	ways       map[uint64]way       // these; see wayKey
	seed       maphash.Seed
	ended      endings                     // empty without Lookup
	webPorts   map[netip.AddrPort]struct{} // of WebSockets inside TLS, as others have told
	idle       *connection                 // handlers that no connection has, linked
	current    *connection                 // the one at hand
	webs       int                         // made
	idleWebs   *web
	sctp       *sctp.Table
	media      *media.Table
	order      order

	now      int64 // the latest time known
	advanced int64 // when the tables were last told the time
	message  capture.Message
	counters counters

	at         dissect.At           // of a FIN
	connection correlate.Connection // the one that is told of, and
	web        correlate.Web        // its
	associated correlate.Association
	history    sctp.History
}

// New returns an Assembly that has seen nothing.
func New(c Config) *Assembly {
	c = c.withDefaults()
	a := &Assembly{config: c, now: math.MinInt64, advanced: math.MinInt64}
	if c.Copies != Off {
		a.duplicates = duplicate.New(c.Duplicate)
	}
	if c.Lookup {
		a.byEnds, a.ways, a.seed = make(map[ends]*connection), make(map[uint64]way), maphash.MakeSeed()
	}
	a.fragments = NewFragments(c.Defrag, c.Beside, a.reassembled)
	c.Dissect.Handshake, c.Dissect.Control, c.Dissect.Beside = a.handshake, a.control, c.Beside
	if c.Followers != nil {
		c.Dissect.Follow = a.follow
	}
	a.conns = dissect.NewConnections(c.Dissect, a.emit)
	c.Stream.New, c.Stream.Unopened = a.connect, a.unopened
	a.streams = stream.New(c.Stream)
	c.SCTP.Message, c.SCTP.Event = a.userMessage, a.association
	a.sctp = sctp.New(c.SCTP)
	a.media = media.New(c.Media)
	return a
}

// step is how much time passes between two times that the tables are told it.
// By the packets' own time it is always the same, so that a replay gives the
// same records however fast it runs.
const step = int64(100 * time.Millisecond)

// Packet takes in p, of which dissect has said proto if it is a UDP datagram.
// It borrows p, and may change it. What it makes of it comes by Config's
// functions before it returns.
func (a *Assembly) Packet(p *capture.Packet, proto capture.Protocol) {
	if p.Mono-step >= a.advanced {
		a.Advance(p.Mono)
	}
	if p.Fragment.Valid {
		a.fragments.Add(p)
		return
	}
	if p.Protocol == capture.ProtoICMP {
		a.streams.Unreachable(p)
		return
	}
	a.whole(p, proto, 0)
}

// Advance lets time pass to mono, by the packets' monotonic clock.
func (a *Assembly) Advance(mono int64) {
	if mono < a.now && a.now != math.MinInt64 {
		return
	}
	a.now, a.advanced = mono, mono
	a.fragments.Advance(mono)
	a.streams.Advance(mono)
	a.sctp.Advance(mono)
	a.media.Snapshot(mono, a.snapshot)
	if a.config.Followers != nil {
		a.config.Followers.Advance(mono)
	}
	if a.duplicates != nil {
		a.duplicates.Advance(mono)
	}
}

// Flush says that nothing more will come: what the tables hold is shown.
func (a *Assembly) Flush() {
	a.fragments.Flush()
	a.streams.Flush()
	a.sctp.Flush()
	a.media.Flush(a.snapshot)
}

func (a *Assembly) snapshot(s *media.Snapshot) { a.config.RTP(s, a.now) }

// reassembled goes on with what was in fragments.
func (a *Assembly) reassembled(p *capture.Packet, proto capture.Protocol) {
	a.whole(p, proto, capture.Reassembled)
}

// whole takes in a packet that is no fragment.
func (a *Assembly) whole(p *capture.Packet, proto capture.Protocol, flags capture.MessageFlags) {
	if proto == capture.RTP { // only if it was in fragments
		a.media.Add(p)
		return
	}
	if a.duplicates != nil {
		if dup, _ := a.duplicates.Check(p); dup {
			if p.Protocol != capture.ProtoUDP {
				return
			}
			if a.config.Copies == Drop {
				a.counters.copied[proto].Add(1)
				return
			}
			flags |= capture.Duplicate
		}
	}
	switch p.Protocol {
	case capture.ProtoUDP:
		a.datagram(p, proto, flags)
	case capture.ProtoTCP:
		a.streams.Segment(p)
	case capture.ProtoSCTP:
		a.sctp.Add(p)
	}
}

// datagram makes a message of a UDP datagram.
func (a *Assembly) datagram(p *capture.Packet, proto capture.Protocol, flags capture.MessageFlags) {
	if p.Truncated {
		flags |= capture.CutShort
	}
	m := &a.message
	*m = capture.Message{
		Protocol: proto, Flags: flags, Port: p.Port, TOS: p.TOS, HasVLAN: p.HasVLAN, VLAN: p.VLAN,
		Wall: p.Wall, Mono: p.Mono, Flow: p.FiveTuple(), Payload: p.Payload,
	}
	switch proto {
	case capture.SIP, capture.RTCP, capture.UDPTL, capture.Syslog, capture.DNS, capture.NG, capture.MI:
	case capture.HEP:
		if a.config.Unwrap == nil || !a.config.Unwrap(p.Payload, m) {
			return
		}
		a.counters.unwrapped.Add(1)
	default:
		return
	}
	a.emit(m)
}

// emit hands out a message, when its time is in order.
func (a *Assembly) emit(m *capture.Message) {
	if a.order.settle(m) {
		a.counters.moved.Add(1)
	}
	if m.Conn != 0 && m.Flow.Proto == capture.ProtoTCP {
		a.current.tell()
	}
	a.config.Message(m)
}

// log2 of the number of flows whose last time is known.
const orderBits = 12

// order makes the times of a flow's messages strictly increasing.
type order struct {
	flows [1 << orderBits]flowTime
}

// flowTime is the last time of a flow. Of two flows that have the same place,
// the later one takes it: the other's times may then tie once.
type flowTime struct {
	flow   capture.FiveTuple
	wall   int64
	offset int64 // of the wall clock from the monotonic one
}

// tick is the unit of time of HEP.
const tick = int64(time.Microsecond)

// outOfStep is how much the wall clock may drift against the monotonic one from
// one message to the next. What is more is no tie: it was set.
const outOfStep = int64(100 * time.Millisecond)

// settle moves m's times a tick behind those of the message before it, and reports
// whether it had to. A message that waited for another one before it in the stream
// ended earlier than that. The monotonic time is moved with the wall clock's, for it is what
// a record is stamped by again when the wall clock was wrong; and a whole tick, for the two
// are not in step to the nanosecond.
func (o *order) settle(m *capture.Message) (moved bool) {
	f := &o.flows[place(&m.Flow)]
	offset := m.Wall - m.Mono
	if off := offset - f.offset; f.flow == m.Flow && m.Wall < f.wall+tick && -outOfStep < off && off < outOfStep {
		m.Mono += f.wall + tick - m.Wall
		m.Wall = f.wall + tick
		moved = true
	}
	f.flow, f.wall, f.offset = m.Flow, m.Wall, offset
	return moved
}

// place is the same in every run: a replay gives the same records. Someone who
// aims at it gains ties in the times of another flow.
func place(f *capture.FiveTuple) uint64 { return hash(f) >> (64 - orderBits) }

func hash(f *capture.FiveTuple) uint64 {
	src, dst := f.Src.Addr().As16(), f.Dst.Addr().As16()
	h := uint64(f.Src.Port())<<48 ^ uint64(f.Dst.Port())<<32 ^ uint64(f.Proto)<<24 ^ uint64(f.Tunnel)
	for i := range 2 {
		h = mix(h^word(src[8*i:]), 0x9e3779b97f4a7c15)
		h = mix(h^word(dst[8*i:]), 0xbf58476d1ce4e5b9)
	}
	return h
}

func word(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
