package dissect

import (
	"sync/atomic"

	"heptap/capture"
	"heptap/capture/tlswire"
	"heptap/capture/websocket"
)

// MaxPending is the most octets of one direction that a Conn leaves
// unconsumed. Who keeps fewer of them loses only messages larger than that.
const MaxPending = 64 << 10

// At is when and where a frame was captured.
type At struct {
	Wall, Mono int64 // see capture.Frame
	VLAN       uint16
	HasVLAN    bool
	TOS        uint8
	Port       uint8 // mirror port index
}

// Numbers are the sequence numbers of octets that came by TCP (RFC 9293 3.4): End is behind
// the last, and Ack is what their sender had got of the other direction. The zero value:
// they are not known.
type Numbers struct {
	End, Ack uint32
	Known    bool
}

// Config says how Connections works. Zero values mean the defaults.
type Config struct {
	// Windows bounds the windows for permessage-deflate with context takeover
	// (RFC 7692): one per direction of a connection that needs it. 256.
	Windows int
	// Sessions bounds the handshakes of TLS that are watched at once, 256; of
	// connections whose handshake is over 8192 are watched for their end.
	Sessions int
	// Handshake, when not nil, is shown the head of a request that asks for a
	// WebSocket (RFC 6455 4.1), with status 0, and that of its answer, whatever its
	// status is, before the first message. head is borrowed.
	Handshake func(dir, status int, head []byte)
	// Control, when not nil, is shown every WebSocket control frame: ping,
	// pong and close (see websocket.CloseReason). payload is borrowed.
	Control func(dir int, at *At, op websocket.Opcode, payload []byte)
	// Follow, when not nil, is asked who is to be shown the octets of a connection
	// of HTTP or MI that begins, or goes on, with front; nil for nobody now. It is asked
	// again for as long as that was the answer.
	Follow func(proto capture.Protocol, front []byte) Follower
	// Beside is what is looked for beside signalling.
	Beside Beside
}

const (
	windowBytes   = 32 << 10
	inflaterBytes = 44 << 10
	tlsBuffers    = 64   // handshake messages that are in pieces at once
	maxHeld       = 8192 // connections of TLS that are watched, trimmed or not
	heldBytes     = int64(tlswire.TrimmedBytes) + 128
)

func (c Config) withDefaults() Config {
	if c.Windows <= 0 {
		c.Windows = 256
	}
	if c.Sessions <= 0 {
		c.Sessions = 256
	}
	return c
}

// MemoryBytes returns the most memory that a Connections made from c holds.
// The Conns are their owner's: 288 octets each, and as many more as ConnBytes
// for each that carries HTTP, WebSocket or what is beside signalling.
func (c Config) MemoryBytes() int64 {
	c = c.withDefaults()
	return int64(c.Windows)*windowBytes + inflaterBytes + 2*MaxPending +
		int64(c.Sessions)*int64(tlswire.MemoryBytes-tlswire.TrimmedBytes) + maxHeld*heldBytes + tlsBuffers*int64(tlswire.BufferBytes)
}

// ConnBytes is the most a Conn holds besides itself: what HTTP and WebSocket need.
const ConnBytes = 512

// Connections is what the Conns of one goroutine share: where messages go, the
// counters, and what is too large to have for each. Only Stats may be called
// from other goroutines.
type Connections struct {
	config  Config
	emit    func(*capture.Message)
	message capture.Message // the one being emitted
	wire    []byte          // scratch: a WebSocket message, unmasked
	text    []byte          // scratch: the same, inflated
	z       *websocket.Inflater
	windows int // granted now

	buffers  tlswire.Buffers
	sessions int // of TLS that are not trimmed
	held     int // of TLS, all
	count    counters
}

// NewConnections returns a Connections. Its Conns call emit with every
// message, whose Payload is borrowed until emit returns.
func NewConnections(config Config, emit func(*capture.Message)) *Connections {
	return &Connections{config: config.withDefaults(), emit: emit, buffers: tlswire.Buffers{Max: tlsBuffers}}
}

// Stats are running totals.
type Stats struct {
	// Conns are connections by what they were found to be, Unknown for nothing
	// we know. One that goes from HTTP to WebSocket to SIP counts as each.
	Conns  [capture.NumProtocols]uint64
	NotSIP uint64 // connections on a SIP port that began as something other than SIP and TLS

	Messages   uint64 // of SIP, emitted
	Beside     uint64 // of what is beside signalling, emitted
	Cut        uint64 // of these, incomplete
	BadLength  uint64 // of these, with a senseless or contradictory Content-Length
	KeepAlives uint64 // runs of CRLFs and the like between messages
	Gaps       uint64 // gaps in a direction, the unseen beginnings not included
	JunkOctets uint64 // passed over in search of a message or frame
	RestOctets uint64 // left of messages that were cut, passed over

	Handshakes     uint64 // WebSockets opened, verified
	Unverified     uint64 // the same, but the request came later or not at all
	BadHandshakes  uint64 // a connection was switched to something that is not a WebSocket of its request
	Controls       uint64 // ping, pong, close
	WrongMasks     uint64 // frames masked by the server or not by the client (RFC 6455 5.1)
	BadFrames      uint64 // headers that make no sense
	OtherMessages  uint64 // WebSocket messages that are no SIP
	NotInflated    uint64 // compressed messages that could not be read
	WindowsRefused uint64 // no window left: see Config.Windows
	GivenUp        uint64 // WebSockets in which no frame was found any more
	Windows        uint64 // windows held now

	Sessions        uint64 // handshakes of TLS watched now
	SessionsRefused uint64 // too many others were being watched: see Config.Sessions
}

// counters are the Stats, to be read from any goroutine.
type counters struct {
	conns [capture.NumProtocols]atomic.Uint64

	notSIP, messages, beside, cut, badLength, keepAlives, gaps, junk, rest atomic.Uint64
	handshakes, unverified, badHandshakes, controls, wrongMasks, badFrames atomic.Uint64
	otherMessages, notInflated, windowsRefused, givenUp, windows           atomic.Uint64
	sessions, sessionsRefused                                              atomic.Uint64
}

// Stats returns the totals. It may be called from any goroutine.
func (s *Connections) Stats() Stats {
	c := &s.count
	t := Stats{
		NotSIP: c.notSIP.Load(), Messages: c.messages.Load(), Beside: c.beside.Load(), Cut: c.cut.Load(), BadLength: c.badLength.Load(),
		KeepAlives: c.keepAlives.Load(), Gaps: c.gaps.Load(), JunkOctets: c.junk.Load(), RestOctets: c.rest.Load(),
		Handshakes: c.handshakes.Load(), Unverified: c.unverified.Load(), BadHandshakes: c.badHandshakes.Load(),
		Controls: c.controls.Load(), WrongMasks: c.wrongMasks.Load(), BadFrames: c.badFrames.Load(),
		OtherMessages: c.otherMessages.Load(), NotInflated: c.notInflated.Load(),
		WindowsRefused: c.windowsRefused.Load(), GivenUp: c.givenUp.Load(), Windows: c.windows.Load(),
		Sessions: c.sessions.Load(), SessionsRefused: c.sessionsRefused.Load(),
	}
	for i := range c.conns {
		t.Conns[i] = c.conns[i].Load()
	}
	return t
}

// scratch makes the scratch buffers when the first WebSocket message comes.
func (s *Connections) scratch() (wire, text []byte) {
	if s.wire == nil {
		s.wire, s.text = make([]byte, 0, MaxPending), make([]byte, 0, MaxPending)
	}
	return s.wire, s.text
}

// grant returns a window, or nil when there are too many already.
func (s *Connections) grant(bits uint8) *websocket.Window {
	if s.windows >= s.config.Windows {
		s.count.windowsRefused.Add(1)
		return nil
	}
	s.windows++
	s.count.windows.Store(uint64(s.windows))
	return websocket.NewWindow(bits)
}

// release takes back a window, if it is one.
func (s *Connections) release(w **websocket.Window) {
	if *w == nil {
		return
	}
	*w = nil
	s.windows--
	s.count.windows.Store(uint64(s.windows))
}
