package correlate

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/capture/sdp"
	"heptap/capture/sip"
)

// Times that are not options, because no user has a reason to change them.
const (
	SetupTimeout = 5 * time.Minute // an INVITE without a final response is forgotten after this (timer C is 3 min, RFC 3261 16.6)
	Linger       = 8 * time.Second // from the end of a call to its final reports: a stream's last snapshot comes at most 7 s after its last packet

	legWindow   = 10 * time.Second // calls that advertise one address within this are legs of one call
	matchWindow = 10 * time.Second // a young stream looks for further calls for so long
)

// Caps on what one call may hold.
const (
	maxBindings    = 32  // addresses advertised
	maxCallStreams = 64  // streams linked
	maxLegs        = 4   // calls one stream is linked to
	maxTag         = 128 // octets of a tag that are kept and compared
	maxNames       = 256 // distinct codec names kept
)

// Config bounds and steers a Correlator.
type Config struct {
	Calls          int           // calls followed at once
	Streams        int           // streams followed at once
	CallIdle       time.Duration // see the package comment
	ReportInterval time.Duration // between the interval reports of a stream, 0 for none
	UnknownRTP     bool          // make reports for confirmed streams of no known call
	// Emit receives each record. It borrows the record until it returns.
	Emit func(*record.Record)
}

// Stats are running totals, but for the gauges Calls, Streams and Endpoints.
// All may be read from any goroutine.
type Stats struct {
	SIP, SIPMalformed, SIPNoCallID, SIPCut atomic.Uint64
	RTCPPackets, RTCPLinked, RTCPUnlinked  atomic.Uint64

	CallsSeen, CallsEstablished, CallsEnded, CallsExpired, CallsRecycled, CallsRefused atomic.Uint64

	SDPBodies, SDPMalformed, BindingsRefused atomic.Uint64

	StreamsLinked, StreamsUnknown, StreamsRefused atomic.Uint64
	ReportsPeriodic, ReportsFinal                 atomic.Uint64

	Calls, Streams, Endpoints atomic.Int64
}

// Correlator links messages, streams and calls. See the package comment.
type Correlator struct {
	cfg   Config
	Stats Stats

	now       int64 // mono
	seed      maphash.Seed
	calls     map[uint64]*call // by hash of the Call-ID, chained
	freeCalls *call
	setup     callList // calls in setup, the oldest first: what is recycled at the cap
	wheel     wheel
	endpoints map[netip.AddrPort][]endpoint
	streams   map[uint64]*stream
	names     map[string]string // codec names, interned

	// scratch, reused for each message
	sip     sip.View
	sdp     sdp.Session
	rec     record.Record
	payload []byte
	links   []record.Link
	matches []match
	id      []byte
}

// New returns a Correlator that follows nothing yet.
func New(cfg Config) *Correlator {
	return &Correlator{
		cfg:       cfg,
		seed:      maphash.MakeSeed(),
		calls:     make(map[uint64]*call),
		endpoints: make(map[netip.AddrPort][]endpoint),
		streams:   make(map[uint64]*stream),
		names:     make(map[string]string),
		wheel:     newWheel(),
		links:     make([]record.Link, 0, record.MaxLinks),
	}
}

// Message correlates one message and emits its record. It borrows m. Messages
// come in order of Mono, as far as the merge could put them in order.
func (c *Correlator) Message(m *capture.Message) {
	c.Advance(m.Mono)
	switch m.Protocol {
	case capture.SIP:
		c.sipMessage(m)
	case capture.RTCP:
		c.rtcpMessage(m)
	}
}

// Advance tells the time, in nanoseconds of the monotonic clock, and does what
// has come due. It never runs backwards: an earlier time is ignored.
func (c *Correlator) Advance(mono int64) {
	if mono <= c.now && c.now != 0 {
		return
	}
	c.now = mono
	c.wheel.advance(mono, c.due)
}

// Flush ends everything, as at the end of a file or of the program: calls in
// the order in which they began. The streams' last snapshots must have been
// handed in before.
func (c *Correlator) Flush() {
	for _, call := range c.wheel.all() {
		c.finish(call)
	}
}

// MemoryBytes estimates what the tables hold at their caps.
func (cfg *Config) MemoryBytes() int64 {
	return int64(cfg.Calls)*callBytes + int64(cfg.Streams)*streamBytes
}
