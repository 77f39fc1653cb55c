package stream

import (
	"math/rand/v2"
	"sync"
	"time"

	"heptap/capture"
)

const (
	slabSize = 256
	// granule is how exactly idle time is measured.
	granule = int64(time.Second)
	sweep   = int64(50 * time.Millisecond)

	// ahead is how far beyond what is expected a segment may be, behind how
	// far before it. Anything else is a stray: of another connection, or a
	// forgery. Real windows reach 2^30 (RFC 7323 2.3); those who use more than
	// these carry no signalling, and a gap that is wider costs a resynchronisation.
	ahead  = 1 << 26
	behind = 1 << 20
	// near is how far a first segment may be from where its SYN said the stream
	// begins, for the SYN to be taken for the connection's.
	near = 1 << 16
	// softHold is how much is held, before the first octets of a connection
	// without SYN are shown, for others that may belong before them.
	softHold = 16 << 10
	// patience is how many times longer than GapTimeout a hole is waited for
	// that the receiver still asks for.
	patience = 8
)

type slab [slabSize]Conn

// Assembler puts TCP connections together. One goroutine calls its methods;
// Stats may be called from any.
type Assembler struct {
	config Config
	seed   [4]uint64

	index  index
	slabs  []*slab
	used   int    // entries ever taken from the slabs
	free   uint32 // entries given back, linked by next
	queues [numQueues]queue

	openings openings

	pool             pool
	oldest, youngest *buffer
	holes            []*buffer // heap

	now      int64
	sweepAt  int64
	at       At         // of the segment at hand: a copy that handlers may be shown
	unopened Unopened   // the one that is told
	port     *PortStats // of the segment at hand
	count    Stats

	mu     sync.Mutex
	public Stats // guarded by mu
}

// New returns an Assembler without connections. The indices are allocated
// here, for the caps; entries and buffers when they are needed.
func New(c Config) *Assembler {
	c = c.withDefaults()
	a := &Assembler{config: c, index: newIndex(c.Connections), pool: pool{limit: c.TotalBytes}}
	for i := range a.seed {
		a.seed[i] = rand.Uint64()
	}
	a.slabs = make([]*slab, 0, (c.Connections+slabSize-1)/slabSize)
	a.openings.init(c.Openings)
	a.port = &a.count.Ports[0]
	return a
}

// MemoryBytes returns the most memory a will ever hold, for the budget.
func (a *Assembler) MemoryBytes() int64 { return a.config.MemoryBytes() }

// entry returns connection n, counted from 1.
func (a *Assembler) entry(n uint32) *Conn { return &a.slabs[(n-1)/slabSize][(n-1)%slabSize] }

func (a *Assembler) find(k *key, h uint32) *Conn {
	for i := a.index.home(h); ; {
		var n uint32
		if n, i = a.index.find(h, i); n == 0 {
			return nil
		}
		if c := a.entry(n); c.key == *k {
			return c
		}
	}
}

// Segment takes one TCP segment, which is no fragment. It borrows p.
func (a *Assembler) Segment(p *capture.Packet) {
	if p.Mono > a.now {
		a.now = p.Mono
		a.wake()
	}
	length := max(p.Length, len(p.Payload))
	a.port = &a.count.Ports[min(p.Port, MaxPorts-1)]
	a.port.Segments++
	a.port.Octets += uint64(length)

	var k key
	side, ok := k.set(p)
	flags := p.TCP.Flags
	if !ok || flags&capture.FlagSYN != 0 && flags&(capture.FlagFIN|capture.FlagRST) != 0 {
		a.count.Malformed++
		return
	}
	h := uint32(k.hash(&a.seed) >> 32)
	c := a.find(&k, h)
	if flags&capture.FlagSYN != 0 {
		if c, ok = a.syn(c, &k, h, side, p); !ok {
			return
		}
	}
	if c != nil && c.gone() {
		if a.afterEnd(c, c.dir(side), p, length) {
			return
		}
		a.remove(c)
		c = nil
	}
	if c != nil && c.flags&rival != 0 && length > 0 && a.replaced(c, h, side, p) {
		a.drop(c, Reused)
		c = nil
	}
	if c == nil {
		if length == 0 || flags&capture.FlagRST != 0 {
			a.handshake(&k, h, side, p)
			return
		}
		if c = a.create(&k, h, side, p); c == nil {
			return
		}
	}
	a.follow(c, c.dir(side), p, length)
}

// follow takes a segment of a connection that is being followed.
func (a *Assembler) follow(c *Conn, dir int, p *capture.Packet, length int) {
	a.touch(c)
	s := &c.half[dir]
	s.flags |= seen
	s.port = min(p.Port, MaxPorts-1)
	a.at = at(p)
	c.at = a.at.Meta
	flags, seq := p.TCP.Flags, p.TCP.Seq
	switch {
	case flags&capture.FlagRST != 0:
		a.reset(c, dir, seq)
	default:
		if flags&capture.FlagACK != 0 {
			a.acknowledge(c, 1-dir, p.TCP.Ack)
		}
		if flags&capture.FlagSYN != 0 {
			seq++ // RFC 9293 3.4: the SYN is before the data
		}
		if length > 0 {
			a.data(c, dir, seq, p.Payload, uint32(length-len(p.Payload)), &a.at)
		}
		if flags&capture.FlagFIN != 0 {
			a.fin(c, dir, seq+uint32(length), &a.at)
		}
		a.wait(c, dir)
	}
	a.settle(c)
}

// Advance lets time pass to mono, without a segment: holes are given up and
// connections end. It also makes the totals visible to Stats. A few times in a
// second is enough.
func (a *Assembler) Advance(mono int64) {
	if mono > a.now {
		a.now = mono
		a.wake()
	}
	a.publish()
}

// Flush says that no segment will follow for now: what is buffered is shown,
// and every connection closes with reason End.
func (a *Assembler) Flush() {
	for q := queueKnown; ; q-- {
		for a.queues[q].head != 0 {
			if c := a.entry(a.queues[q].head); c.gone() {
				a.remove(c)
			} else {
				a.drop(c, End)
			}
		}
		if q == 0 {
			break
		}
	}
	a.openings.clear(a)
	a.publish()
}

// wake does what is due.
func (a *Assembler) wake() {
	for len(a.holes) > 0 && a.holes[0].due <= a.now {
		b := a.holes[0]
		c := b.conn
		a.wait(c, b.dir) // gives it up, or finds that it has to wait longer
		a.settle(c)
	}
	if a.now < a.sweepAt {
		return
	}
	a.sweepAt = a.now + sweep
	life := [numQueues]time.Duration{a.config.Linger, a.config.IdleUnknown, a.config.IdleUnknown, a.config.Idle}
	for q := range a.queues {
		for a.queues[q].head != 0 {
			c := a.entry(a.queues[q].head)
			if a.now-c.last < int64(life[q]) {
				break
			}
			if c.gone() {
				a.remove(c)
			} else {
				a.drop(c, Idle)
			}
		}
	}
	a.openings.expire(a)
}
