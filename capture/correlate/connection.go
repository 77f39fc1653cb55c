package correlate

import (
	"math"
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
	SCTP
	numTransports
)

// String returns the name as records have it.
func (t Transport) String() string { return [numTransports]string{"TCP", "TLS", "WS", "SCTP"}[t] }

// Connection is what is known of a transport connection. Slices are borrowed.
type Connection struct {
	ID        uint64            // the same in all that is said of it, not 0
	Flow      capture.FiveTuple // from who opened it; when that was not seen, from who spoke first
	Transport Transport
	MidStream bool // its beginning was not seen
	Attempt   tcp.Attempt
	Sent      [2]tcp.Sent // by direction
	Ending    tcp.Ending
	Web       *Web // of a WebSocket, when its handshake was seen
	TLS       *TLSInfo
	SCTP      *Association
}

// TLSInfo is what is known of a connection of TLS whose beginning was seen.
type TLSInfo struct {
	tlswire.Info
	Trimmed bool // what is text is not there any more
	Turns   Turns
}

// Turns counts the answers of a server whose connection cannot be read, and how
// long the client waited for them, in nanoseconds.
type Turns struct {
	Answers, Sum, Max int64
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

// What a connection remembers of the calls that it carried: the newest of them.
const (
	maxConnCalls = record.MaxLinks
	maxConnIDs   = 1024 // octets of their Call-IDs
	// maxCallConns is how many connections of one call are told apart; one that
	// goes over more counts again on the oldest.
	maxCallConns = 4
)

// conn is a connection that was opened and has not been closed.
type conn struct {
	ids   []byte // Call-IDs, one after the other
	ends  [maxConnCalls]int32
	began int64                // wall time of the first call's first message, Unix nanoseconds
	after [maxConnCalls]uint32 // of each call's first message here, milliseconds later than that
	n     int
	total uint64 // calls
	next  *conn  // free
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
	n := c.conns[id]
	if n == nil {
		return
	}
	if n.total == 0 {
		n.began = wall
	}
	n.total++
	for n.n == maxConnCalls || n.n > 0 && len(n.ids)+len(k.id) > maxConnIDs {
		n.forget()
	}
	n.ids = append(n.ids, k.id...)
	n.ends[n.n] = int32(len(n.ids))
	n.after[n.n] = uint32(min(max((wall-n.began)/int64(time.Millisecond), 0), math.MaxUint32))
	n.n++
}

// forget drops the oldest call.
func (n *conn) forget() {
	size := n.ends[0]
	n.ids = append(n.ids[:0], n.ids[size:]...)
	for i := 1; i < n.n; i++ {
		n.ends[i-1] = n.ends[i] - size
		n.after[i-1] = n.after[i]
	}
	n.n--
}

// calls yields the Call-IDs, the oldest first.
func (n *conn) calls(yield func([]byte) bool) {
	from := int32(0)
	for _, to := range n.ends[:n.n] {
		if !yield(n.ids[from:to]) {
			return
		}
		from = to
	}
}

// firsts yields when the first message of each came, in Unix microseconds, to the
// millisecond.
func (n *conn) firsts(yield func(int64) bool) {
	for _, ms := range n.after[:n.n] {
		if !yield(n.began/1000 + 1000*int64(ms)) {
			return
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
