package sctp

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"time"
	"unsafe"

	"heptap/capture"
)

// Config says how a Table works. The zero value means the defaults.
type Config struct {
	Associations int           // most at a time, 4096
	Bytes        int           // most octets of incomplete messages, 4 MiB; at least MinBytes
	Fragments    int           // most pieces of incomplete messages, 4096
	Held         int           // the same of one direction in octets, and most of one message, 64 KiB; at most MaxHeld
	Timeout      time.Duration // a piece is given up after it, 10 s
	Idle         time.Duration // an association without a packet is given up after it, 1 h
	Brief        time.Duration // the same for one that is not known to be open, or is closed, 10 s
	Trying       time.Duration // the same for one of which there is nothing but its handshake, 30 s

	// Message gets every user message, as Table.Add sees its last octet. It
	// borrows m, and must not call the Table.
	Message func(m *Message)
	// Event, if set, hears what becomes of associations, in the same way.
	Event func(e *Event)
}

// Bounds of Config. MinBytes is more than the largest chunk.
const (
	MinBytes = 128 << 10
	MaxHeld  = 1 << 20

	maxPieces = 256 // of one direction
)

// grace is for how long a TSN that was acknowledged may still come: more than
// mirrors lag.
const grace = int64(500 * time.Millisecond)

// MaxPorts is how many mirror ports are told apart in Stats; those above share
// the last place.
const MaxPorts = 16

func (c Config) withDefaults() Config {
	for _, n := range []struct {
		have           *int
		usual, lo, top int
	}{
		{&c.Associations, 4096, 1, math.MaxInt32}, {&c.Bytes, 4 << 20, MinBytes, math.MaxInt32},
		{&c.Fragments, 4096, 1, math.MaxInt32}, {&c.Held, 64 << 10, 1, MaxHeld},
	} {
		if *n.have <= 0 {
			*n.have = n.usual
		}
		*n.have = min(max(*n.have, n.lo), n.top)
	}
	for _, d := range []struct {
		have  *time.Duration
		usual time.Duration
	}{{&c.Timeout, 10 * time.Second}, {&c.Idle, time.Hour}, {&c.Brief, 10 * time.Second}, {&c.Trying, 30 * time.Second}} {
		if *d.have <= 0 {
			*d.have = d.usual
		}
	}
	return c
}

// MemoryBytes returns the most memory a Table made from c will ever hold.
func (c Config) MemoryBytes() int64 {
	c = c.withDefaults()
	return int64(unsafe.Sizeof(Table{})) + int64(c.Associations)*int64(unsafe.Sizeof(association{})) +
		int64(buckets(c.Associations))*int64(unsafe.Sizeof(&association{})) +
		int64(buckets(2*c.Associations))*int64(unsafe.Sizeof(&direction{})) +
		int64(c.Fragments)*int64(unsafe.Sizeof(fragment{})) + int64(c.Bytes) + int64(c.Held)
}

func buckets(n int) int { return 1 << bits.Len(uint(n)) }

// Message is one user message.
type Message struct {
	// Packet is the one that made the message whole. Time, port, VLAN and TOS
	// of the message are its.
	Packet    *capture.Packet
	Payload   []byte // what was captured of it, up to the first hole
	PPID      uint32 // payload protocol identifier (IANA)
	Stream    uint16
	Unordered bool
	Gap       bool // since the last message of its direction something was never captured
	Cut       bool // the capture cut Payload short

	Association Association
}

// EventKind is what became of an association.
type EventKind uint8

// The kinds of Event.
const (
	Opened     EventKind = iota // cookie seen, or traffic of one that opened before
	Restarted                   // begun anew by its ends, without a close (RFC 9260 5.2)
	Closed                      // SHUTDOWN ACK or SHUTDOWN COMPLETE
	Aborted                     // ABORT
	Refused                     // ABORT from the end that was sent an INIT
	Unanswered                  // INIT, and nothing that makes it an association for Trying
	Expired                     // Idle
	Evicted                     // gave way to another
	Ended                       // the input has
)

var eventNames = [...]string{"opened", "restarted", "closed", "aborted", "refused", "unanswered", "expired", "evicted", "ended"}

// String returns the kind as metrics and summaries print it.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "invalid"
}

// Event is something that became of an association.
type Event struct {
	// Flow is from the end that opened it, or was seen first; of Closed and
	// Aborted from the end that sent the chunk.
	Flow        capture.FiveTuple
	Wall, Mono  int64 // of the packet that shows it, or of the last one
	Kind        EventKind
	Port        uint8  // mirror port
	Cause       uint16 // of Aborted and Refused: the first error cause (RFC 9260 3.3.10), 0 for none
	Midway      bool   // of Opened: its beginning was not seen
	Association Association
}

// Table holds the associations of one goroutine, which alone calls its
// methods; Stats may be called from any.
type Table struct {
	config     Config
	seed       maphash.Seed
	buckets    []*association
	tagBuckets []*direction
	free       *association // linked by chain
	made       int
	brief      list // not known to be open, or closed
	trying     list // of which there is a handshake and nothing else
	settled    list
	store      store
	scratch    []byte
	pieces     [maxPieces]*fragment
	now        int64
	count      Stats
	message    Message
	said       Event

	mu        sync.Mutex
	published Stats // guarded by mu
}

// New returns an empty table.
func New(c Config) *Table {
	c = c.withDefaults()
	return &Table{
		config: c, seed: maphash.MakeSeed(),
		buckets:    make([]*association, buckets(c.Associations)),
		tagBuckets: make([]*direction, buckets(2*c.Associations)),
	}
}

// MemoryBytes returns the most memory t will ever hold, for the budget.
func (t *Table) MemoryBytes() int64 { return t.config.MemoryBytes() }

// Add reads the chunks of p, an SCTP packet, and retains nothing of it.
func (t *Table) Add(p *capture.Packet) {
	t.count.Packets++
	t.expire(p.Mono)
	var k key
	side, ok := k.set(p)
	if !ok {
		t.count.Malformed++
		return
	}
	d := t.find(p, &k, side)
	if d != nil {
		t.touch(d.association, p)
		t.settle(d.association, t.now-grace)
	}
	b, cut := p.Payload, p.Length > len(p.Payload)
	for {
		c, rest, ok := next(b, cut)
		if !ok {
			if len(rest) > 0 && !cut {
				t.count.Malformed++
			}
			break
		}
		if d == nil {
			if !begins(c.typ) { // an acknowledgement may come before data
				b = rest
				continue
			}
			d = &t.begin(&k, side).directions[side]
			d.association.shake.began = at(p)
			t.touch(d.association, p)
		}
		t.count.Chunks++
		t.chunk(d, &c, p)
		b = rest
	}
	if d == nil {
		t.count.Stray++
	}
}

// begins reports whether a chunk is worth an association: it begins one, or
// brings messages.
func begins(typ uint8) bool {
	switch typ {
	case chunkData, chunkIData, chunkInit, chunkInitAck, chunkCookieEcho:
		return true
	}
	return false
}

// touch notes that p is of a. Four packets, data among them, are no stray ones.
func (t *Table) touch(a *association, p *capture.Packet) {
	l := t.list(a)
	l.remove(a)
	l.push(a)
	a.last = at(p)
	a.last.Mono = t.now
	a.packets++
	if a.packets >= 4 && !a.opened && !a.closed && a.data {
		t.open(a)
	}
}

// chunk takes in c, which d sent in p.
func (t *Table) chunk(d *direction, c *chunk, p *capture.Packet) {
	a := d.association
	other := &a.directions[1-d.side()]
	tag := p.SCTP.VTag
	fits := tag == 0 || d.tag == 0 || tag == d.tag
	switch c.typ {
	case chunkData, chunkIData:
		var m data
		if !c.data(&m) {
			t.count.Malformed++
			return
		}
		t.data(d, &m, p)
	case chunkInit, chunkInitAck:
		if len(c.body) < initHeader {
			t.count.Malformed++
			return
		}
		t.initiate(d, other, binary.BigEndian.Uint32(c.body), binary.BigEndian.Uint32(c.body[12:]))
		a.note(d.side(), c, p)
		t.list(a).remove(a)
		a.initiated = true
		t.list(a).push(a)
	case chunkCookieEcho:
		t.establish(d, other)
		t.establish(other, d)
		a.note(d.side(), c, p)
		t.open(a)
	case chunkCookieAck:
		a.note(d.side(), c, p)
		t.open(a)
	case chunkSack, chunkShutdown:
		if len(c.body) < 4 {
			t.count.Malformed++
		} else if !fits {
			t.count.WrongTag++
		} else {
			a.note(d.side(), c, p)
			other.acknowledge(binary.BigEndian.Uint32(c.body), t.now)
		}
	case chunkForwardTSN, chunkIForwardTSN:
		if len(c.body) < 4 {
			t.count.Malformed++
		} else if !fits {
			t.count.WrongTag++
		} else {
			t.abandon(d, binary.BigEndian.Uint32(c.body))
		}
	case chunkShutdownAck, chunkShutdownComplete, chunkAbort:
		if c.typ != chunkShutdownAck && c.flags&flagReflected != 0 {
			fits = tag == 0 || other.tag == 0 || tag == other.tag
		}
		if !fits {
			t.count.WrongTag++
			return
		}
		a.note(d.side(), c, p)
		t.close(d, c)
	case chunkError:
		t.count.Errors++
	}
}

// initiate notes what d's INIT or INIT ACK says: the tag of what the other end
// sends, and where d begins. A copy or a retransmission says nothing new. What
// an association that is open makes of it shows when a cookie follows, or data
// with another tag: an INIT alone may be anybody's.
func (t *Table) initiate(d, other *direction, tag, tsn uint32) {
	if d.hasInit && d.initTSN == tsn && d.initTag == tag {
		return
	}
	d.initTSN, d.initTag, d.hasInit, d.pending = tsn, tag, true, true
	if d.association.closed {
		t.reopen(d.association)
	}
	if !other.dataTag {
		t.setTag(other, tag)
	}
}

// establish begins d where its INIT said, with the tag that other's did.
func (t *Table) establish(d, other *direction) {
	if !d.pending {
		return
	}
	d.pending = false
	if d.begun {
		t.restart(d)
	}
	d.begin(d.initTSN, false)
	if other.hasInit && d.tag != other.initTag {
		d.oldTag = d.tag
		t.setTag(d, other.initTag)
	}
	d.dataTag = false
}

// reopen makes a, which is closed, one that is not known to be open.
func (t *Table) reopen(a *association) {
	t.list(a).remove(a)
	a.closed, a.opened, a.initiated, a.data, a.packets, a.restarts = false, false, false, false, 0, 0
	t.list(a).push(a)
	a.renew()
	a.directions[0].dataTag, a.directions[1].dataTag = false, false
}

// open notes that a is open.
func (t *Table) open(a *association) {
	if a.opened {
		return
	}
	t.list(a).remove(a)
	a.opened = true
	t.list(a).push(a)
	t.count.Opened++
	t.event(a, int(a.opener), Opened, 0)
}

// restart ends what d was sending.
func (t *Table) restart(d *direction) {
	a := d.association
	t.drop(d)
	t.count.Restarts++
	if a.closed {
		t.reopen(a)
		return
	}
	if bit := uint8(1) << d.side(); a.restarts|bit == 3 {
		a.restarts = 0 // the other half of one restart
	} else {
		a.restarts = bit
		if a.opened {
			t.event(a, int(a.opener), Restarted, 0)
		}
		a.renew()
	}
}

// close ends d's association: d sent the end.
func (t *Table) close(d *direction, c *chunk) {
	a := d.association
	if a.closed {
		return
	}
	t.settle(a, math.MaxInt64)
	t.drop(&a.directions[0])
	t.drop(&a.directions[1])
	kind, cause := Closed, uint16(0)
	t.count.Closed++
	if c.typ == chunkAbort {
		kind = Aborted
		t.count.Closed--
		t.count.Aborted++
		if len(c.body) >= 4 {
			cause = binary.BigEndian.Uint16(c.body)
		}
		a.ending.abort, a.ending.cause = uint8(d.side())+1, cause
		if a.initiated && !a.opened && d.side() != int(a.opener) {
			kind = Refused
			t.count.Refused++
		}
	}
	t.event(a, d.side(), kind, cause)
	t.list(a).remove(a)
	a.closed = true
	t.list(a).push(a)
}

func (t *Table) event(a *association, side int, kind EventKind, cause uint16) {
	if t.config.Event == nil {
		return
	}
	t.said = Event{Flow: a.flow(side), Wall: a.last.Wall, Mono: a.last.Mono, Kind: kind, Port: a.last.Port, Cause: cause,
		Midway: kind == Opened && !a.initiated, Association: Association{t, a}}
	t.config.Event(&t.said)
}

// settle believes what was acknowledged before that time. What was never seen
// then is what the mirror lost.
func (t *Table) settle(a *association, before int64) {
	for i := range a.directions {
		d := &a.directions[i]
		t.miss(d, missed{proven: d.settle(before)})
	}
}

// Advance moves the table's time to mono, which ends what is due, and
// publishes Stats. Call it at least once a second.
func (t *Table) Advance(mono int64) {
	t.expire(mono)
	t.publish()
}

// Flush ends everything, as if all time had passed: the capture is over.
func (t *Table) Flush() {
	for _, l := range []*list{&t.settled, &t.trying, &t.brief} {
		for l.head != nil {
			t.settle(l.head, math.MaxInt64)
			t.forget(l.head, Ended)
		}
	}
	t.publish()
}

func (t *Table) expire(mono int64) {
	t.now = max(t.now, mono)
	for f := t.store.oldest; f != nil && f.born+int64(t.config.Timeout) <= t.now; f = t.store.oldest {
		t.giveUp(f)
	}
	for a := t.brief.head; a != nil && a.last.Mono+int64(t.config.Brief) <= t.now; a = t.brief.head {
		t.forget(a, Expired)
	}
	for a := t.trying.head; a != nil && a.last.Mono+int64(t.config.Trying) <= t.now; a = t.trying.head {
		t.forget(a, Expired)
	}
	for a := t.settled.head; a != nil && a.last.Mono+int64(t.config.Idle) <= t.now; a = t.settled.head {
		t.count.Expired++
		t.settle(a, math.MaxInt64)
		t.forget(a, Expired)
	}
}
