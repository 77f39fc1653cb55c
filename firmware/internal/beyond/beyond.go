package beyond

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"unsafe"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/dns"
	"heptap/capture/mi"
	"heptap/capture/ng"
	"heptap/capture/record"
	"heptap/capture/rest"
	"heptap/capture/stream"
	"heptap/capture/syslog"
)

// Correlator is what Beyond needs of one.
type Correlator interface {
	Note(*correlate.Note) (linked bool)
	Control(*correlate.Control)
	Speaks(tunnel uint32, host netip.Addr) bool
	Server(tunnel uint32, host netip.Addr) bool
}

// Config says which records are made.
type Config struct {
	AllLogs bool // of lines that name no call, too
	Filters Filters
	MI      bool     // commands over HTTP and over connections of their own
	Queries Scope    // of HTTP
	Bodies  bool     // payloads are shown, not only looked through
	Fields  []string // header fields that are shown besides Host and Content-Type
	Keys    []string // keys of all kinds whose value is a Call-ID, besides callid and the like
	Net     bool     // the connections that queries and commands go over have records, too

	Correlator Correlator
}

// Filters pass management commands, by platform.
type Filters struct{ OpenSIPS, Kamailio, FreeSWITCH, Asterisk mi.Filter }

// pass says whether a command is to be recorded. One whose platform does not
// show has to pass the filters of both that it may be for.
func (f *Filters) pass(b mi.Backend, command string) bool {
	switch b {
	case mi.OpenSIPS:
		return f.OpenSIPS.Pass(command)
	case mi.Kamailio:
		return f.Kamailio.Pass(command)
	case mi.FreeSWITCH:
		return f.FreeSWITCH.Pass(command)
	case mi.Asterisk:
		return f.Asterisk.Pass(command)
	}
	return f.OpenSIPS.Pass(command) && f.Kamailio.Pass(command)
}

// Stats are running totals. They may be read from any goroutine.
type Stats struct {
	LogLines, LogNoText atomic.Uint64 // and those of them that are no text
	LogHeld, LogLate    atomic.Uint64 // lines that were looked at a second time, and those of them that named a call then

	NG, DNS, MI Exchanges
	NGNoCall    atomic.Uint64 // commands to media proxies that name no call
	DNSOther    atomic.Uint64 // questions and replies that are not for SIP
	MIFiltered  atomic.Uint64 // commands that a filter did not pass
	MIRefused   atomic.Uint64 // connections of management protocols beyond those that are followed

	Queries, QueriesAnswered, QueriesLate, QueriesUntold atomic.Uint64
	QueriesFailed                                        [rest.NumReasons]atomic.Uint64
	QueriesOther                                         atomic.Uint64 // sent by hosts that are no servers of SIP
	HTTPRefused                                          atomic.Uint64 // connections beyond those that are followed
	HTTPLeft, MILeft                                     atomic.Uint64 // silent connections that made room for others
	HTTPFollowed                                         atomic.Int64  // connections followed now
}

// keep takes over what the parser counts, commands included.
func (s *Stats) keep(r rest.Stats) {
	s.Queries.Store(r.Requests)
	s.QueriesAnswered.Store(r.Replies)
	s.QueriesLate.Store(r.Late)
	s.QueriesUntold.Store(r.Untold)
	for i, n := range r.Failed {
		s.QueriesFailed[i].Store(n)
	}
}

// Exchanges counts requests and replies.
type Exchanges struct {
	Requests, Again atomic.Uint64 // again: sent again, not counted as requests
	Replies         atomic.Uint64 // to a request that was seen
	Strays          atomic.Uint64 // to none
	Malformed       atomic.Uint64
	Crowded         atomic.Uint64 // requests that gave way without a reply
	Unanswered      atomic.Uint64 // requests whose reply did not come in time
	Ambiguous       atomic.Uint64 // replies that may be to one of several requests
}

// Beyond makes notes of messages.
type Beyond struct {
	cfg   Config
	Stats Stats

	seed   maphash.Seed
	serial uint64 // of requests

	ng  pairs[ngRequest]
	dns pairs[dnsRequest]
	mi  pairs[miRequest]

	replies heldReplies
	leads   *leads // with the first reply that names something
	talks   uint64 // of management commands in datagrams
	held    heldLines
	web     *web // with the first connection of HTTP
	miConns []*miConn
	latest  int64 // the latest time known
	nextAt  int64 // when what waits for replies is looked at again

	// scratch, reused for each message
	note      correlate.Note
	query     correlate.Ask
	message   capture.Message
	keys      *syslog.Keys // of Config
	tokens    [][]byte
	keyed     [][]byte // values of keys
	called    [][]byte // what a query calls a Call-ID
	keyedText []byte   // of a query, that they are in
	control   correlate.Control
	calls     [1][]byte
	id        []byte
	payload   []byte
	masked    []byte
	plain     []byte
	led       []byte
	folded    []byte
	log       logLine
	ngView    ng.View
	ngKey     func(key, value []byte) bool // ngEntry
	proxy     ng.RTPProxy
	dnsView   dns.View
	dnsLabel  func([]byte) bool // label
}

// New returns a Beyond that has seen nothing.
func New(cfg Config) *Beyond {
	b := &Beyond{cfg: cfg, seed: maphash.MakeSeed(), keys: syslog.NewKeys(cfg.Keys)}
	b.log.init(b)
	b.ngKey, b.dnsLabel = b.ngEntry, b.label
	return b
}

// MemoryBytes is the most that a Beyond holds.
func (cfg *Config) MemoryBytes() int64 {
	const scratch = 256<<10 + maxHeld*maxHeldLine
	n := int64(unsafe.Sizeof(Beyond{})) + scratch
	n += slots * int64(unsafe.Sizeof(slot[ngRequest]{})+maxCallID+2*maxTag)
	n += slots * int64(unsafe.Sizeof(slot[dnsRequest]{})+maxQuestion)
	n += int64(unsafe.Sizeof(leads{})) + maxLeads*maxLead
	n += slots*int64(unsafe.Sizeof(slot[miRequest]{})+maxMICommands) + maxHeldReplies*maxHeldReply
	if cfg.MI {
		n += maxMIConns * (int64(unsafe.Sizeof(miConn{})) + miConnBytes)
	}
	if cfg.MI || cfg.Queries != NoQueries {
		n += webBytes
	}
	return n
}

// Message makes notes of m, which it borrows.
func (b *Beyond) Message(m *capture.Message) {
	b.latest = max(b.latest, m.Mono)
	switch m.Protocol {
	case capture.Syslog:
		b.logMessage(m)
	case capture.NG:
		b.ngMessage(m)
	case capture.DNS:
		b.dnsMessage(m)
	case capture.MI:
		b.miMessage(m)
	}
}

// begin makes b.note one about m.
func (b *Beyond) begin(m *capture.Message, t record.Type) *correlate.Note {
	n := &b.note
	*n = correlate.Note{Type: t, Class: classOf(t), At: metaOf(m), Flow: m.Flow, Flags: record.FlagsOf(m.Flags)}
	return n
}

// classOf says what a record that is beside the signalling is worth.
func classOf(t record.Type) record.Class {
	switch t {
	case record.Log:
		return record.Line
	case record.DNS, record.REST, record.MI:
		return record.Query
	}
	return record.Routine
}

// ask makes the note at hand one about a query, or about the reply to one.
func (b *Beyond) ask(id uint64, reply bool) *correlate.Ask {
	b.query = correlate.Ask{ID: id, Reply: reply}
	b.note.Ask = &b.query
	return &b.query
}

func metaOf(m *capture.Message) stream.Meta {
	return stream.Meta{Mono: m.Mono, Wall: m.Wall, Port: m.Port, TOS: m.TOS, HasVLAN: m.HasVLAN, VLAN: m.VLAN}
}
