package stream

import "heptap/capture"

// Conn is one connection. It is the Assembler's, and its handler's until
// Closed or Release; after that the memory is another connection's.
type Conn struct {
	handler    Handler
	key        key
	half       [2]half // by direction
	last       int64   // Mono of a segment, at most a second before the last one
	prev, next uint32  // in the queue
	n          uint32  // number of the entry
	held       int32   // octets of buffers in use, with the books of held segments
	flags      connFlags
	queue      queueID
	firstFIN   int8    // the direction of the first FIN plus one
	reset      int8    // the direction of a credible RST plus one
	attempt    Attempt // by direction
	at         Meta    // of the last segment
	zero       uint8   // the side (see key) that sends direction 0
}

type connFlags uint8

const (
	midStream   connFlags = 1 << iota // no SYN was seen
	wantRelease                       // the handler has called Release
	wantKeep                          // the handler has called Keep
	resetSeen                         // a credible RST came
	rival                             // a SYN of another connection with this key is among the openings
	counted                           // in OneDirection or BothDirections
	lossy                             // in UnseenConnections
)

// half is what is known of one direction.
type half struct {
	buf              *buffer // nil while nothing is buffered and no hole waited for
	ackAt            int64   // when ack last moved
	next             uint32  // first octet not shown to the handler; valid when started
	ack              uint32  // highest acknowledgement by the receiver; valid when acked
	isn              uint32  // valid when hasISN
	fin              uint32  // number of the FIN; valid when finSeen
	gap              uint32  // octets missing before the next Data
	lostFrom, lostTo uint32  // the last gap; empty when equal
	stray            uint32  // where the last stray segment ended; valid when strayed
	largest          uint16  // octets of the largest segment
	flags            halfFlags
	port             uint8 // mirror port that saw it last
	sent             Sent
}

type halfFlags uint16

const (
	started    halfFlags = 1 << iota // next is known
	seen                             // a segment was seen
	acked                            // ack is known
	hasISN                           // a SYN was seen
	finSeen                          // a FIN was seen
	finished                         // everything up to the FIN was shown
	unknownGap                       // before the next Data octets are missing, nobody knows how many
	strayed                          // the segment before was a stray
	lostProven                       // the last gap was acknowledged, and counted as such
)

// is reports whether all of f are set.
func (s *half) is(f halfFlags) bool { return s.flags&f == f }

// start makes next the first octet of the direction.
func (s *half) start(next uint32) {
	s.next = next
	s.flags |= started
	if n := distance(s.ack, next); n > ahead || n < -ahead {
		s.flags &^= acked // that was about something else
	}
	if s.is(acked) && s.buf != nil {
		s.buf.acknowledge(s.ack, s.ackAt)
	}
}

// distance returns how far a is ahead of b, modulo 2^32 (RFC 9293 3.4).
func distance(a, b uint32) int32 { return int32(a - b) }

// Flow returns the addresses of direction 0: from the end that opened the
// connection, or without a SYN from the one whose data came first.
func (c *Conn) Flow() capture.FiveTuple { return c.key.flow(int(c.zero)) }

// MidStream reports whether the connection was picked up without its SYN.
func (c *Conn) MidStream() bool { return c.flags&midStream != 0 }

// Release says that the connection carries nothing known: its buffers go, its
// segments are counted and not followed, and the handler is not called again.
func (c *Conn) Release() { c.flags |= wantRelease }

// Keep says that the connection carries something known: it may be idle for
// Config.Idle, and is the last to be evicted.
func (c *Conn) Keep() { c.flags |= wantKeep }

// side returns the direction of what the given side of the key sends.
func (c *Conn) dir(side int) int { return side ^ int(c.zero) }

func (c *Conn) gone() bool { return c.queue == queueClosed || c.queue == queueReleased }

// queueID names a queue of connections. Evicted are the first entry of the first
// queue that has one.
type queueID uint8

const (
	queueClosed   queueID = iota // ended; late segments are told from a new connection
	queueReleased                // nothing we know
	queueUnknown                 // no handler has said what it is
	queueKnown
	numQueues
)

// queue is a list of connections, the longest idle first.
type queue struct {
	head, tail uint32
	n          int
}

func (a *Assembler) push(q queueID, c *Conn) {
	l := &a.queues[q]
	c.queue, c.prev, c.next = q, l.tail, 0
	if l.tail != 0 {
		a.entry(l.tail).next = c.n
	} else {
		l.head = c.n
	}
	l.tail = c.n
	l.n++
}

func (a *Assembler) pull(c *Conn) {
	l := &a.queues[c.queue]
	if c.prev != 0 {
		a.entry(c.prev).next = c.next
	} else {
		l.head = c.next
	}
	if c.next != 0 {
		a.entry(c.next).prev = c.prev
	} else {
		l.tail = c.prev
	}
	l.n--
}

// touch notes that c is alive. Once in a second is enough, and leaves the
// neighbours in the queue alone.
func (a *Assembler) touch(c *Conn) {
	if a.now-c.last >= granule {
		c.last = a.now
		a.pull(c)
		a.push(c.queue, c)
	}
}

func (a *Assembler) move(c *Conn, q queueID) {
	a.pull(c)
	c.last = a.now
	a.push(q, c)
}
