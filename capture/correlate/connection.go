package correlate

import (
	"bytes"
	"hash/maphash"
	"iter"
	"math"
	"slices"
	"strconv"
	"time"

	"heptap/capture"
	"heptap/capture/record"
	tcp "heptap/capture/stream"
	"heptap/capture/tlswire"
)

// Transport is what a connection is, as OpenSIPS names it.
type Transport uint8

// The transports.
const (
	TCP Transport = iota
	TLS
	WS
	WSS
	SCTP
	numTransports
)

// String returns the name as records have it.
func (t Transport) String() string {
	return [numTransports]string{"TCP", "TLS", "WS", "WSS", "SCTP"}[t]
}

// Connection is what is known of a transport connection. Slices are borrowed.
type Connection struct {
	ID        uint64            // the same in all that is said of it, not 0
	Flow      capture.FiveTuple // from who opened it; when that was not seen, from who spoke first
	Transport Transport
	MidStream bool // its beginning was not seen
	// Again says that it was told of before, and is a WebSocket now, or asks once more
	// to be one.
	Again   bool
	Carries capture.Protocol // when it carries what is no SIP and not encrypted, Unknown otherwise
	Attempt tcp.Attempt
	Sent    [2]tcp.Sent // by direction
	Ending  tcp.Ending
	Silent  int64 // how long nothing had been said when a FIN or RST ended it, ns
	Web     *Web  // of a WebSocket, when its handshake was seen
	TLS     *TLSInfo
	SCTP    *Association
}

// TLSInfo is what is known of a connection of TLS whose beginning was seen.
type TLSInfo struct {
	tlswire.Info
	Trimmed bool // what is text is not there any more
	Turns   Turns
	WSS     WSSBy // of a connection of that transport
}

// WSSBy says what tells that there is a WebSocket inside TLS, where nothing else of it
// can be seen.
type WSSBy uint8

// What tells.
const (
	WSSByAgent WSSBy = iota + 1 // an agent has read SIP in it
	WSSByPort                   // an agent has in others to the same port, and the client offers http/1.1 and nothing else (RFC 7301)
)

// String returns the words that records have.
func (w WSSBy) String() string { return [...]string{"", "agent", "port and alpn"}[w] }

// Turns counts the answers of a server whose connection cannot be read, and how
// long the client waited for them, in nanoseconds.
type Turns struct {
	Answers, Sum, Max int64
	Waits             int64 // mono of what a client of HTTP was not answered, 0 for nothing
}

// Web is what a WebSocket's handshake and end said.
type Web struct {
	Request, Reply []byte // heads, as far as they were kept
	Subprotocol    []byte // that the server agreed on (RFC 6455 4.2.2), nil for none
	Status         int    // of the reply, 0 when it was not seen
	Closer         int8   // the direction of the first close frame (RFC 6455 5.5.1), -1 without one
	Code           uint16 // of it, 0 for none
	Reason         []byte
}

// What a connection remembers of what it carried: the newest calls, in the room that
// is left the newest of other SIP, and then the newest queries and commands.
const (
	maxCarried    = record.MaxLinks
	maxCarriedIDs = 1024 // octets of their ids
	// maxCallConns is how many connections of one call are told apart; one that
	// goes over more counts again on the oldest.
	maxCallConns = 4
)

// load is what a connection carries, the most important first.
type load uint8

const (
	aCall      load = iota
	otherSIP        // that belongs to no call
	anExchange      // a query or a command
	numLoads
)

// conn is a connection that was opened and has not been closed.
type conn struct {
	ids    []byte // one after the other, those of a load together
	ends   [maxCarried]int32
	types  [maxCarried]record.Type
	began  int64              // wall time of the very first message, Unix nanoseconds
	after  [maxCarried]uint32 // of each id's first message here, milliseconds later than that
	upto   [numLoads]int      // the index behind the last id of each load
	total  [numLoads]uint64   // of other SIP, again what was forgotten in between
	mi     uint64             // of the exchanges, those that are commands
	newest uint64             // hash of the id of the newest of other SIP
	next   *conn              // free
}

// overs are connections that a call went over.
type overs struct {
	id   [maxCallConns]uint64
	next uint8
}

// add reports whether id is a new one.
func (o *overs) add(id uint64) bool {
	for _, have := range o.id {
		if have == id {
			return false
		}
	}
	o.id[o.next%maxCallConns] = id
	o.next++
	return true
}

// carried remembers that k went over the connection id, with a message of the
// wall time given.
func (c *Correlator) carried(id uint64, k *call, wall int64) {
	if id == 0 || !k.overs.add(id) {
		return
	}
	if n := c.conns[id]; n != nil {
		n.add(aCall, record.SIP, k.id, wall)
	}
}

// carriedOther does so with SIP that belongs to no call: registrations, messages,
// subscriptions, pings.
func (c *Correlator) carriedOther(id uint64, callID []byte, wall int64) {
	n := c.conns[id]
	if n == nil || len(callID) > maxCallID {
		return
	}
	h := maphash.Bytes(c.seed, callID)
	if h == n.newest { // its response, most often
		return
	}
	n.newest = h
	for other := range n.list(otherSIP) {
		if bytes.Equal(other, callID) {
			return
		}
	}
	n.add(otherSIP, record.SIP, callID, wall)
}

// carriedExchange remembers that an exchange began on the connection id: a query or
// a command, by its type.
func (c *Correlator) carriedExchange(id uint64, t record.Type, exchange []byte, wall int64) {
	n := c.conns[id]
	if n == nil || len(exchange) > maxCallID {
		return
	}
	for have := range n.list(anExchange) { // commands of one batch
		if bytes.Equal(have, exchange) {
			return
		}
	}
	if t == record.MI {
		n.mi++
	}
	n.add(anExchange, t, exchange, wall)
}

// n is the number of ids.
func (n *conn) n() int { return n.upto[numLoads-1] }

// add counts an id, makes room for it and takes it in. None takes the room of what is
// more important.
func (n *conn) add(what load, t record.Type, id []byte, wall int64) {
	if n.total == ([numLoads]uint64{}) {
		n.began = wall
	}
	n.total[what]++
	for n.n() == maxCarried || n.n() > 0 && len(n.ids)+len(id) > maxCarriedIDs {
		least := numLoads - 1
		for n.first(least) == n.upto[least] {
			least--
		}
		if least < what {
			return
		}
		n.forget(n.first(least))
	}
	i := n.upto[what]
	from := n.start(i)
	n.ids = slices.Insert(n.ids, int(from), id...)
	size := int32(len(id))
	for j := n.n(); j > i; j-- {
		n.ends[j], n.after[j], n.types[j] = n.ends[j-1]+size, n.after[j-1], n.types[j-1]
	}
	n.ends[i], n.types[i] = from+size, t
	n.after[i] = uint32(min(max((wall-n.began)/int64(time.Millisecond), 0), math.MaxUint32))
	for w := what; w < numLoads; w++ {
		n.upto[w]++
	}
}

// first is the index of the first id of a load.
func (n *conn) first(what load) int {
	if what == 0 {
		return 0
	}
	return n.upto[what-1]
}

// start is where the id of that index begins.
func (n *conn) start(i int) int32 {
	if i == 0 {
		return 0
	}
	return n.ends[i-1]
}

// forget drops the id of that index.
func (n *conn) forget(i int) {
	from, size := n.start(i), n.ends[i]-n.start(i)
	n.ids = slices.Delete(n.ids, int(from), int(from+size))
	for j := i + 1; j < n.n(); j++ {
		n.ends[j-1], n.after[j-1], n.types[j-1] = n.ends[j]-size, n.after[j], n.types[j]
	}
	for w := range n.upto {
		if i < n.upto[w] {
			n.upto[w]--
		}
	}
}

// id is the one of that index.
func (n *conn) id(i int) []byte { return n.ids[n.start(i):n.ends[i]] }

// list yields the ids of a load, the oldest first.
func (n *conn) list(what load) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := n.first(what); i < n.upto[what]; i++ {
			if !yield(n.id(i)) {
				return
			}
		}
	}
}

// typed yields those exchanges that are of a type.
func (n *conn) typed(t record.Type) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := n.first(anExchange); i < n.upto[anExchange]; i++ {
			if n.types[i] == t && !yield(n.id(i)) {
				return
			}
		}
	}
}

// firsts yields when the first message of each came, in Unix microseconds, to the
// millisecond.
func (n *conn) firsts(what load) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := n.first(what); i < n.upto[what]; i++ {
			if !yield(n.began/1000 + 1000*int64(n.after[i])) {
				return
			}
		}
	}
}

// open begins to remember a connection.
func (c *Correlator) open(id uint64) {
	if c.conns[id] != nil {
		return
	}
	if len(c.conns) >= c.cfg.Connections {
		c.Stats.ConnectionsRefused.Add(1)
		return
	}
	n := c.freeConns
	if n != nil {
		c.freeConns = n.next
	} else {
		n = new(conn)
	}
	*n = conn{ids: n.ids[:0]}
	c.conns[id] = n
	c.Stats.Connections.Store(int64(len(c.conns)))
}

// close forgets it. What it remembers is there until the next open.
func (c *Correlator) close(id uint64) *conn {
	n := c.conns[id]
	if n == nil {
		return nil
	}
	delete(c.conns, id)
	n.next, c.freeConns = c.freeConns, n
	c.Stats.Connections.Store(int64(len(c.conns)))
	return n
}

// decimal appends a connection's id as OpenSIPS writes it.
func decimal(b []byte, id uint64) []byte { return strconv.AppendUint(b, id, 10) }

// bucket lets through so many a second, and as many at once when there were
// none before. What it holds back is counted by its owner.
type bucket struct {
	full int64 // mono at which it is full again
}

const (
	bucketEvery = int64(time.Second / 20)
	bucketDepth = 200
)

func (b *bucket) take(now int64) bool {
	b.full = max(b.full, now-bucketEvery) + bucketEvery
	if b.full-now >= bucketDepth*bucketEvery {
		b.full -= bucketEvery
		return false
	}
	return true
}
