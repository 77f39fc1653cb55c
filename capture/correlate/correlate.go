package correlate

import (
	"hash/maphash"
	"math"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"heptap/capture"
	"heptap/capture/infer"
	"heptap/capture/media"
	"heptap/capture/mirror"
	"heptap/capture/record"
	"heptap/capture/sdp"
	"heptap/capture/sip"
	tcp "heptap/capture/stream"
)

// Times that are not options, because no user has a reason to change them.
const (
	SetupTimeout = 5 * time.Minute // an INVITE without a final response is forgotten after this (timer C is 3 min, RFC 3261 16.6)
	Linger       = 8 * time.Second // from the end of a call to its final reports: a stream's last snapshot comes at most 7 s after its last packet

	legWindow     = 10 * time.Second // calls that advertise one address within this are legs of one call
	matchWindow   = 10 * time.Second // a young stream looks for further calls for so long
	quietCall     = time.Minute      // an established call without signalling and media for so long makes room at the cap
	streamTimeout = 3 * time.Minute  // a stream without a snapshot for so long is over; media's last one comes after one minute

	oneWayAfter = 5 * time.Second  // media one way only is an event when it has been so for so long
	askAgain    = 8 * time.Second  // and when the last SDP is so old: the other way's first snapshot is up to 3 s late
	stopAfter   = 10 * time.Second // a stream without a packet for so long has stopped
)

// Caps on what hostile input can make a call hold. What is beyond them is
// still forwarded.
const (
	maxCallID       = 256 // octets of the Call-ID of a call that is followed
	maxTag          = 128 // octets of a tag that are kept and compared
	maxBindings     = 48  // addresses and SSRCs advertised by one call, or learned
	maxCandidates   = 12  // ICE candidates taken from one SDP, and as many SSRCs
	maxCodecs       = 12  // of one address, besides those of RFC 3551
	maxCallStreams  = 64  // streams linked to one call
	maxLegs         = 4   // calls one stream is linked to
	maxReports      = 32  // records made of one RTCP datagram
	maxCopies       = 8   // streams looked at that may be copies of one
	bindingsPerCall = 4   // addresses advertised, over all calls; two parties with RTCP on the next port have 2
	keptSlots       = 8   // bindings or streams that a forgotten call's place keeps room for
)

// Config bounds and steers a Correlator.
type Config struct {
	Calls          int            // calls followed at once
	Streams        int            // streams followed at once
	CallIdle       time.Duration  // see the package comment
	ReportInterval time.Duration  // between the interval reports of a stream, 0 for none
	UnknownRTP     bool           // make reports for confirmed streams of no known call
	Net            bool           // make records of connections
	Connections    int            // of which the SIP is remembered that they carried
	LegHeaders     []string       // header fields whose value is the Call-ID of a call's first leg, in lower case
	Servers        []netip.Prefix // of hosts that are SIP servers, whatever they are seen to do
	Events         bool           // make log records of one-way audio, and of RTP that stops and resumes
	// Infer says how links are found that no id on the wire says: from queries (Note.Ask)
	// to calls, and between the legs of calls. Without it none are.
	Infer *infer.Config
	// Emit receives each record. It borrows the record until it returns.
	Emit func(*record.Record)
}

// Stats are running totals, but for the gauges Calls, Streams and Endpoints.
// All may be read from any goroutine.
type Stats struct {
	SIP, SIPMalformed, SIPNoCallID, SIPCut atomic.Uint64
	SIPRelayed                             atomic.Uint64 // of SIP, messages that other agents saw
	Foreign                                atomic.Uint64 // records that other agents made
	RTCPPackets, RTCPLinked, RTCPUnlinked  atomic.Uint64
	RTCPCut                                atomic.Uint64 // datagrams with more reports than maxReports

	CallsSeen, CallsEstablished, CallsEnded, CallsExpired, CallsRecycled, CallsRefused atomic.Uint64

	CallsControlled atomic.Uint64 // of CallsSeen, those that a media proxy was told of before SIP was seen

	SDPBodies, SDPMalformed, BindingsRefused atomic.Uint64

	StreamsLinked, StreamsUnknown, StreamsRefused atomic.Uint64
	StreamsLost                                   atomic.Uint64 // ended because their last snapshot never came
	StreamsCopied                                 atomic.Uint64 // seen in full by another ring or mirror port too, and not reported
	ReportsPeriodic, ReportsFinal                 atomic.Uint64

	OneWay, Stopped, Resumed atomic.Uint64 // events found, whether or not records are made of them
	SRTCP                    atomic.Uint64 // of RTCPPackets, datagrams of which only the header could be read
	UDPTL                    atomic.Uint64 // messages of T.38 between endpoints that a call gave

	NetOpened, NetClosed atomic.Uint64                  // connections told of, whether or not records are made of them
	NetFailed            [tcp.NumOutcomes]atomic.Uint64 // handshakes that led to nothing, likewise
	NetSuppressed        atomic.Uint64                  // failures of which no record was made, because there were too many
	ConnectionsRefused   atomic.Uint64                  // whose SIP is not remembered for want of room

	Notes, NotesLinked atomic.Uint64 // records of what is beside signalling, and those of them that name a call
	NotesUnlinked      atomic.Uint64 // notes of which no record was made, because they name none
	NamesLearnt        atomic.Uint64 // platforms' own names of calls
	LinksLeftOut       atomic.Uint64 // beyond what a record carries

	StrandsLinked  atomic.Uint64 // connections that could not be made and were linked to the call that failed for it
	StrandsOpen    atomic.Uint64 // others of hosts that take calls further
	StrandsLeftOut atomic.Uint64 // too many at once

	LegsSeen    atomic.Uint64 // calls of which an id in the INVITE says that they are legs of another
	LegsDoubted atomic.Uint64 // of which it says so of too many others

	InferredQueries, InferredLegs [infer.NumOutcomes]atomic.Uint64 // queries and calls that named no other call, by what was found
	AsksElsewhere                 atomic.Uint64                    // queries of hosts to which no calls go, or not for long enough
	InferForgotten                atomic.Uint64                    // decisions about what was no longer remembered
	InferEvicted                  atomic.Uint64                    // requests forgotten before their time
	InferHeld, InferWaiting       atomic.Int64                     // requests remembered, and decisions to be made

	Calls, Streams, Endpoints, Connections atomic.Int64
}

// Correlator links messages, streams and calls. See the package comment.
type Correlator struct {
	cfg   Config
	Stats Stats

	now       int64 // mono
	begun     bool  // now is set
	flushing  bool  // all calls are over
	seed      maphash.Seed
	calls     map[uint64]*call // by hash of the Call-ID, chained
	freeCalls *call
	lists     [numStates]callList // by state, the longest in it first: who makes room at the cap
	wheel     wheel
	endpoints places
	tunnelled map[place]tunnels // by the place outside of any
	streams   map[uint64]*stream
	senders   map[uint64]*stream // the newest of each, by its key
	recent    streamList         // the one heard of longest ago first
	silent    streamList         // those not heard of for stopAfter, likewise
	gen       uint64             // counts searches, see call.gen

	freeBindings *binding
	sets         map[uint64]*codecSet // by hash, chained
	setsUsed     int
	freeSets     *codecSet
	freeStreams  *stream
	freeMarks    []*media.Mark

	hosts     *hosts
	conns     map[uint64]*conn
	freeConns *conn
	failures  bucket
	names     *names
	locals    *locals
	inference *inference // nil when there is none
	stranded  *stranded  // likewise

	ports    [evidencePorts]evidence
	awaiting awaiting

	silentCalls int            // established calls that should have shown media and have not
	foreign     int            // streams of no known call
	relayed     *record.Record // what is said of the message at hand by the agent that saw it, nil when it is a mirror port
	refusedAt   int64          // mono of the last stream for which there was no room

	// scratch, reused for each message
	sip     sip.View
	sdp     sdp.Session
	rec     record.Record
	payload []byte
	links   []record.Link
	matches []match
	codecs  []codec
	hashed  []byte
	id      []byte
	net     []byte // an id of a connection
	from    origin
	object  object
	masked  []byte
	named   []*call // that the note at hand names
	fresh   bool    // the call of the message at hand began with it
	offered []byte  // the SDP of the message at hand, nil for none that gave media
	parsed  bool    // sdp is that
}

// New returns a Correlator that follows nothing yet.
func New(cfg Config) *Correlator {
	seed := maphash.MakeSeed()
	c := &Correlator{
		cfg:       cfg,
		seed:      seed,
		calls:     make(map[uint64]*call),
		endpoints: newPlaces(func(p place) uint64 { return maphash.Comparable(seed, p) }),
		tunnelled: make(map[place]tunnels),
		streams:   make(map[uint64]*stream),
		sets:      make(map[uint64]*codecSet),
		codecs:    make([]codec, 0, maxCodecs),
		senders:   make(map[uint64]*stream),
		wheel:     newWheel(),
		hosts:     &hosts{seed: maphash.String(seed, "hosts")},
		conns:     make(map[uint64]*conn),
		names:     new(names),
		locals:    new(locals),
		links:     make([]record.Link, 0, record.MaxLinks),
	}
	if cfg.Infer != nil {
		c.inference = newInference(*cfg.Infer, c.decided)
		if cfg.Net {
			c.stranded = new(stranded)
		}
	}
	return c
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
	case capture.UDPTL:
		if c.T38(m.Flow) {
			c.Stats.UDPTL.Add(1)
		}
	}
}

// Advance tells the time, in nanoseconds of the monotonic clock, and does what
// has come due. It never runs backwards: an earlier time is ignored.
func (c *Correlator) Advance(mono int64) {
	if c.begun && mono <= c.now {
		return
	}
	c.now, c.begun = mono, true
	if c.stranded != nil && c.stranded.n > 0 {
		c.decideStrands(mono)
	}
	c.wheel.advance(mono, c.due)
	c.checkAwaited()
	c.expireStreams()
	if c.inference != nil {
		c.inference.advance(mono, &c.Stats)
	}
}

// Flush ends everything, as at the end of a file or of the program: calls in
// the order in which they began, then what is left of streams. The streams'
// last snapshots should have been handed in before.
func (c *Correlator) Flush() {
	if c.inference != nil {
		c.inference.m.Flush()
		c.Stats.keepInferred(c.inference.m.Stats())
	}
	if c.stranded != nil {
		c.decideStrands(math.MaxInt64)
	}
	c.flushing = true
	for _, call := range c.wheel.all() {
		c.finish(call)
	}
	c.flushing = false
	for _, l := range [...]*streamList{&c.silent, &c.recent} {
		for l.head != nil {
			c.endStream(l.head)
		}
	}
}

// MemoryBytes is what the tables hold at most.
func (cfg *Config) MemoryBytes() int64 {
	const (
		mapEntry = 64 // of 8 or 40 octets, at a map's worst load
		perCall  = int64(unsafe.Sizeof(call{})) + 2*maxCallID + maxTag + 2*keptSlots*8 + mapEntry
		perPlace = 32 // of places' slots, at its worst load and while it doubles
		perBind  = int64(unsafe.Sizeof(binding{})) + perPlace + mapEntry
		perRTP   = int64(unsafe.Sizeof(stream{})) + 2*int64(unsafe.Sizeof(media.Mark{})) + maxLegs*8 + 3*mapEntry + 8
	)
	const fixed = int64(unsafe.Sizeof(Correlator{})) + int64(unsafe.Sizeof(hosts{})) + (int64(unsafe.Sizeof(lines{}))+lineBytes)<<hostBits + int64(unsafe.Sizeof(names{})) + int64(unsafe.Sizeof(locals{})) + evidencePorts*int64(unsafe.Sizeof(mirror.CommonLoss{}))
	inference := int64(0)
	if cfg.Infer != nil {
		inference = inferenceBytes(*cfg.Infer) + strandedBytes()
	}
	return fixed + inference + int64(cfg.Calls)*(perCall+bindingsPerCall*perBind) + int64(cfg.Streams)*perRTP +
		int64(maxCodecSets(cfg.Calls))*(int64(unsafe.Sizeof(codecSet{}))+mapEntry) +
		int64(cfg.Connections)*(int64(unsafe.Sizeof(conn{}))+maxCarriedIDs+mapEntry)
}
