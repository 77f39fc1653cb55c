package rest

import (
	"heptap/capture/httpwire"
	"heptap/capture/mask"
)

// Config says what is kept of an exchange. The zero Config is usable.
type Config struct {
	// BodyBytes is the most octets of a body that are kept, of 64 KiB at most; 0
	// is 2048, below 0 none.
	BodyBytes int
	// Fields are the names of header fields to keep, beside Host, Content-Type
	// and those that Named says.
	Fields []string
	// Named says which fields name a call or a trace, beside X-Call-ID,
	// X-CallID, Call-ID, Session-ID and traceparent; nil is none.
	Named func(field []byte) bool
	// Timeout is how long a request is waited for to be answered, in nanoseconds;
	// 0 is a minute.
	Timeout int64
	// MaxExchanges is how many exchanges there may be at once, on all
	// connections together; 0 is 1024.
	MaxExchanges int
}

const (
	defaultBody = 2 << 10
	maxBody     = 64 << 10
	second      = int64(1e9)
)

// Skew is how much later than its reply, in nanoseconds, a request may seem to
// begin when each came from a mirror port of its own.
const Skew = 200_000

// Overtaking is by how much a reply may be seen before its request when nothing else waits
// for one and nothing of the requests is missing, in nanoseconds: nobody replies to nothing.
const Overtaking = 100_000_000

// silence is how long a connection is silent, in nanoseconds, after which no reply is due any more.
const silence = 1_000_000_000

// Stats counts what a Parser saw. Each exchange is a request; at the end
// Requests = Replies + the sum of Failed.
type Stats struct {
	Requests, Replies uint64
	Interim           uint64 // 1xx
	Failed            [NumReasons]uint64
	Orphans           uint64 // replies whose request was not seen, or is not known
	Late              uint64 // replies to requests that were given up
	Untold            uint64 // requests beyond the exchanges of a connection, or of all
	Unpaired          uint64 // connections that pipeline, with a gap
	Broken            uint64 // times that what should have been HTTP was not
	Upgrades, Tunnels uint64
	Undecoded         uint64 // bodies with a coding that is unknown or contradicts itself
}

// Parser makes connections, and holds what they share.
type Parser struct {
	config  Config
	fields  []string
	names   []string
	stats   Stats
	free    []*Exchange
	made    int
	scratch []byte
	coder   decoder
}

// NewParser returns a Parser for one goroutine.
func NewParser(c Config) *Parser {
	switch {
	case c.BodyBytes == 0:
		c.BodyBytes = defaultBody
	case c.BodyBytes < 0:
		c.BodyBytes = 0
	}
	c.BodyBytes = min(c.BodyBytes, maxBody)
	if c.Timeout <= 0 {
		c.Timeout = 60 * second
	}
	if c.MaxExchanges <= 0 {
		c.MaxExchanges = 1024
	}
	p := &Parser{config: c, scratch: make([]byte, 0, httpwire.MaxHead+mask.Slack)}
	p.fields = lower(c.Fields)
	p.names = []string{"x-call-id", "x-callid", "call-id", "session-id", "traceparent"}
	return p
}

// lower copies names in lower case, ASCII as field names are.
func lower(names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		b := []byte(n)
		for i, c := range b {
			if c >= 'A' && c <= 'Z' {
				b[i] = c | 0x20
			}
		}
		out = append(out, string(b))
	}
	return out
}

// Stats returns the counts so far.
func (p *Parser) Stats() Stats { return p.stats }

// take returns an empty exchange, or nil when there are too many.
func (p *Parser) take() *Exchange {
	if n := len(p.free); n > 0 {
		x := p.free[n-1]
		p.free = p.free[:n-1]
		return x
	}
	if p.made == p.config.MaxExchanges {
		return nil
	}
	p.made++
	return newExchange(p.config.BodyBytes)
}

func (p *Parser) give(x *Exchange) {
	x.reset()
	p.free = append(p.free, x)
}
