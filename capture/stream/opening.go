package stream

import (
	"unsafe"

	"heptap/capture"
)

// opening is a handshake without data yet, or a rival of a connection that has
// the same key. It is small, since floods make many.
type opening struct {
	key        key
	isn        [2]uint32 // by side
	last       int64     // Mono of its last SYN
	prev, next uint32
	n          uint32
	flags      [2]halfFlags // by side: seen, hasISN (known, if only from an acknowledgement)
	queue      openQueue
	opener     uint8   // side that sent the first SYN
	port       uint8   // mirror port that saw it
	syn        bool    // the opener's SYN was seen
	attempt    Attempt // MSS by side
}

// openQueue says how far a handshake has come. Half open ones are recycled first:
// whoever forges a SYN can cause its answer, but not complete it.
type openQueue uint8

const (
	openHalf     openQueue = iota // SYN, or its answer alone
	openAnswered                  // both
	openComplete                  // the answer was acknowledged
	numOpenQueues
)

type openingSlab [slabSize]opening

// openings is the table of handshakes.
type openings struct {
	limit  int
	index  index
	slabs  []*openingSlab
	used   int
	free   uint32
	queues [numOpenQueues]queue
}

func (t *openings) init(limit int) {
	t.limit = limit
	t.index = newIndex(limit)
	t.slabs = make([]*openingSlab, 0, (limit+slabSize-1)/slabSize)
}

func (t *openings) entry(n uint32) *opening { return &t.slabs[(n-1)/slabSize][(n-1)%slabSize] }

func (o *opening) is(f halfFlags, side int) bool { return o.flags[side]&f == f }

// covers reports whether an octet of that number can be one of the first that
// side sends.
func (o *opening) covers(side int, seq uint32) bool {
	n := distance(seq, o.isn[side]+1)
	return n >= -1 && n <= ahead
}

// infer learns where the other side begins from the first acknowledgement of
// one that has sent nothing else.
func (o *opening) infer(side int, seq, ack uint32) {
	if other := 1 - side; !o.is(hasISN, other) && o.is(hasISN, side) && seq == o.isn[side]+1 {
		o.isn[other] = ack - 1
		o.flags[other] |= hasISN
	}
}

// begin hands what is known to c.
func (o *opening) begin(c *Conn) {
	if o.syn {
		c.zero = o.opener
	}
	c.attempt = o.attempt
	for side := range o.isn {
		c.attempt.MSS[c.dir(side)] = o.attempt.MSS[side]
		s := &c.half[c.dir(side)]
		s.port = o.port
		s.flags |= o.flags[side] & seen
		if o.is(hasISN, side) {
			s.start(o.isn[side] + 1)
			if o.is(seen, side) {
				s.isn = o.isn[side]
				s.flags |= hasISN
			}
		}
	}
}

func (t *openings) find(k *key, h uint32) *opening {
	for i := t.index.home(h); ; {
		var n uint32
		if n, i = t.index.find(h, i); n == 0 {
			return nil
		}
		if o := t.entry(n); o.key == *k {
			return o
		}
	}
}

// add returns a new opening, in the place of an old one if need be.
func (t *openings) add(a *Assembler, k *key, h uint32) *opening {
	if t.free == 0 && t.used == t.limit {
		for q := range t.queues {
			if n := t.queues[q].head; n != 0 {
				a.count.OpeningsRecycled++
				t.forget(a, t.entry(n), false)
				break
			}
		}
	}
	var o *opening
	if t.free != 0 {
		o = t.entry(t.free)
		t.free = o.next
	} else {
		if t.used == len(t.slabs)*slabSize {
			t.slabs = append(t.slabs, new(openingSlab))
		}
		t.used++
		o = t.entry(uint32(t.used))
		o.n = uint32(t.used)
	}
	*o = opening{key: *k, n: o.n}
	t.index.insert(h, o.n)
	t.push(openHalf, o)
	return o
}

func (t *openings) push(q openQueue, o *opening) {
	l := &t.queues[q]
	o.queue, o.prev, o.next = q, l.tail, 0
	if l.tail != 0 {
		t.entry(l.tail).next = o.n
	} else {
		l.head = o.n
	}
	l.tail = o.n
	l.n++
}

func (t *openings) pull(o *opening) {
	l := &t.queues[o.queue]
	if o.prev != 0 {
		t.entry(o.prev).next = o.next
	} else {
		l.head = o.next
	}
	if o.next != 0 {
		t.entry(o.next).prev = o.prev
	} else {
		l.tail = o.prev
	}
	l.n--
}

// forget removes an opening that did not become a connection.
func (t *openings) forget(a *Assembler, o *opening, expired bool) {
	if o.queue == openHalf && o.syn {
		a.count.Ports[o.port].SYNsUnanswered++
		if expired {
			if u := a.tell(o, Unanswered, -1, Meta{Mono: a.now}); u != nil {
				a.config.Unopened(u)
			}
		}
	}
	t.remove(a, o, uint32(o.key.hash(&a.seed)>>32))
}

func (t *openings) remove(_ *Assembler, o *opening, h uint32) {
	t.pull(o)
	t.index.remove(h, o.n)
	o.next, t.free = t.free, o.n
}

// expire forgets the openings whose time is over.
func (t *openings) expire(a *Assembler) {
	for q := range t.queues {
		life := a.config.Handshake
		if openQueue(q) == openComplete {
			life = a.config.IdleUnknown
		}
		for t.queues[q].head != 0 {
			o := t.entry(t.queues[q].head)
			if a.now-o.last < int64(life) {
				break
			}
			t.forget(a, o, true)
		}
	}
}

// clear forgets them all. Those whose answer may still have come are not
// counted as unanswered.
func (t *openings) clear(a *Assembler) {
	for q := range t.queues {
		for t.queues[q].head != 0 {
			o := t.entry(t.queues[q].head)
			t.remove(a, o, uint32(o.key.hash(&a.seed)>>32))
		}
	}
}

func (t *openings) memory() int {
	return len(t.slabs)*int(unsafe.Sizeof(openingSlab{})) + 8*len(t.index.slots)
}

// syn takes a segment with SYN. It returns the connection that the rest of the
// segment belongs to, nil for one that is yet to be made, and false when the
// rest is of no use.
func (a *Assembler) syn(c *Conn, k *key, h uint32, side int, p *capture.Packet) (*Conn, bool) {
	answer := p.TCP.Flags&capture.FlagACK != 0
	if !answer {
		a.port.SYNs++
	}
	if c != nil {
		if a.ownSYN(c, c.dir(side), p.TCP.Seq) {
			return c, true
		}
		if c.gone() {
			a.remove(c)
			c = nil
		}
	}
	o := a.openings.find(k, h)
	if o == nil {
		o = a.openings.add(a, k, h)
	}
	if !o.take(side, p, answer) {
		a.count.Strays++
		return nil, false
	}
	o.port = min(p.Port, MaxPorts-1)
	o.last = a.now
	q := openHalf
	if o.syn && answer && side != int(o.opener) || o.queue != openHalf && o.is(hasISN|seen, 1-side) {
		q = max(o.queue, openAnswered)
	}
	a.openings.pull(o)
	a.openings.push(q, o)
	if c == nil {
		return nil, len(p.Payload) > 0 || p.Length > 0
	}
	// A SYN that a live connection does not know may be an old one; one that
	// is answered is not.
	if q != openAnswered {
		c.flags |= rival
		return nil, false
	}
	a.drop(c, Reused)
	return nil, len(p.Payload) > 0 || p.Length > 0
}

// take adds what a SYN says, and reports false when it does not belong.
func (o *opening) take(side int, p *capture.Packet, answer bool) bool {
	isn, other := p.TCP.Seq, 1-side
	if answer && o.is(hasISN, other) {
		// With data in the SYN (RFC 7413 3) more than the SYN is acknowledged.
		if n := distance(p.TCP.Ack, o.isn[other]+1); n < 0 || n > near {
			return false
		}
	}
	if o.is(hasISN|seen, side) && o.isn[side] != isn {
		*o = opening{key: o.key, n: o.n, prev: o.prev, next: o.next, queue: o.queue} // another attempt
	}
	if !o.syn {
		if !answer {
			o.opener, o.syn = uint8(side), true
		} else if !o.is(hasISN, other) {
			o.isn[other] = p.TCP.Ack - 1
			o.flags[other] |= hasISN
			o.opener = uint8(other)
		}
	}
	o.isn[side] = isn
	o.flags[side] |= hasISN | seen
	o.note(side, p)
	return true
}

// ownSYN reports whether a SYN is the one c began with, seen again or late.
func (a *Assembler) ownSYN(c *Conn, dir int, isn uint32) bool {
	s := &c.half[dir]
	switch {
	case s.is(hasISN):
		return s.isn == isn
	case c.gone():
		return false
	case s.is(started):
		if n := distance(s.next, isn+1); n < 0 || n > near {
			return false
		}
	case s.waits():
		if n := distance(s.buf.held.seq, isn+1); n < 0 || n > near {
			return false
		}
		s.start(isn + 1)
	case s.is(seen):
		return false
	default:
		s.start(isn + 1)
	}
	s.isn = isn
	s.flags |= hasISN
	return true
}

// replaced reports whether a segment of a key with a rival is the rival's.
func (a *Assembler) replaced(c *Conn, h uint32, side int, p *capture.Packet) bool {
	o := a.openings.find(&c.key, h)
	if o == nil {
		c.flags &^= rival
		return false
	}
	if n := distance(p.TCP.Seq, o.isn[side]+1); !o.is(hasISN, side) || n < 0 || n > near {
		return false
	}
	s := &c.half[c.dir(side)]
	n := distance(p.TCP.Seq, s.next)
	return !s.is(started) || n > near || n < -near
}

// handshake takes a segment without data of something that is no connection
// yet.
func (a *Assembler) handshake(k *key, h uint32, side int, p *capture.Packet) {
	o := a.openings.find(k, h)
	if o == nil {
		return
	}
	flags, seq, ack := p.TCP.Flags, p.TCP.Seq, p.TCP.Ack
	other := 1 - side
	first := o.is(hasISN, side) && seq == o.isn[side]+1
	switch {
	case flags&capture.FlagRST != 0:
		// RFC 9293 3.10.7.3: a refusal acknowledges the SYN.
		refusal := flags&capture.FlagACK != 0 && o.is(hasISN, other) && ack == o.isn[other]+1
		if first || refusal {
			a.ended(o, h, side, refusal && o.queue == openHalf, p)
		}
	case flags&capture.FlagFIN != 0:
		if first {
			a.ended(o, h, side, false, p)
		}
	case flags&capture.FlagACK != 0 && first:
		o.infer(side, seq, ack)
		if o.queue == openAnswered && side == int(o.opener) && ack == o.isn[other]+1 {
			a.openings.pull(o)
			o.last, o.attempt.Complete = a.now, p.Mono
			a.openings.push(openComplete, o)
		}
	}
}

// ended ends a handshake that p, a FIN or RST of side, has ended.
func (a *Assembler) ended(o *opening, h uint32, side int, refused bool, p *capture.Packet) {
	reset, what := p.TCP.Flags&capture.FlagRST != 0, Empty
	if reset {
		a.count.Refused++
	} else {
		a.count.Empty++
	}
	if refused {
		what = Refused
	}
	if u := a.tell(o, what, side, meta(p)); u != nil {
		u.Reset = reset
		a.config.Unopened(u)
	}
	a.openings.remove(a, o, h)
}
