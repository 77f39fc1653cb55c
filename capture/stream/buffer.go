package stream

import "math/bits"

// buffer is what one direction has in memory: octets in order that the handler
// has not consumed, and segments beyond a hole. It is on the list of buffers, by
// the time it last changed, and on the heap of holes while it has one.
type buffer struct {
	conn *Conn
	dir  int

	data       []byte // in order, not consumed; from start on
	start      int
	at         At       // frame of data's last octet
	held, last *segment // beyond the hole, by sequence number, never overlapping
	since      int64    // when held was empty last

	due        int64 // when the hole is given up
	place      int   // in the heap, counted from 1; 0 when not there
	prev, next *buffer
}

func (b *buffer) rest() []byte { return b.data[b.start:] }

// segment is what one frame brought beyond a hole, or a part of that. One of no
// octets is a FIN.
type segment struct {
	next    *segment
	data    []byte
	at      At
	arrived int64
	acked   int64  // when the receiver acknowledged all before it, 0 if it has not
	seq     uint32 // of data[0]
	tail    uint32 // octets after data that the capture cut off
	fin     bool
}

func (g *segment) end() uint32 { return g.seq + uint32(len(g.data)) + g.tail }

const (
	minClass   = 512
	classBits  = 9
	numClasses = 31 - classBits
	// overhead is what a segment or buffer costs beyond its octets, as the
	// budget counts it.
	overhead = 128
)

// pool lends out slices whose capacity is a power of two, and keeps the books
// about all of them: used + idle never exceeds limit.
type pool struct {
	limit, used, idle int
	free              [numClasses][][]byte
	segments          *segment
	buffers           *buffer
}

func class(n int) int { return max(0, bits.Len(uint(n-1))-classBits) }

func classSize(n int) int { return minClass << class(n) }

// fits makes room for a buffer of size n, a power of two or 0, and its books by
// letting go of idle ones, and reports whether that was enough.
func (p *pool) fits(n int) bool {
	if p.used+n+2*overhead > p.limit {
		return false
	}
	if n > 0 && len(p.free[class(n)]) > 0 {
		n = 0
	}
	n += 2 * overhead
	for i := numClasses - 1; i >= 0 && p.used+p.idle+n > p.limit; i-- {
		for l := len(p.free[i]); l > 0 && p.used+p.idle+n > p.limit; l-- {
			p.free[i][l-1] = nil
			p.free[i] = p.free[i][:l-1]
			p.idle -= minClass << i
		}
	}
	return true
}

// get returns an empty slice with room for n octets. The caller has seen that
// it fits.
func (p *pool) get(n int) []byte {
	i := class(n)
	p.used += minClass << i
	if l := len(p.free[i]); l > 0 {
		b := p.free[i][l-1]
		p.free[i][l-1] = nil
		p.free[i] = p.free[i][:l-1]
		p.idle -= minClass << i
		return b[:0]
	}
	return make([]byte, 0, minClass<<i)
}

func (p *pool) put(b []byte) {
	if cap(b) == 0 {
		return
	}
	p.used -= cap(b)
	p.idle += cap(b)
	i := class(cap(b))
	p.free[i] = append(p.free[i], b)
}

func (p *pool) segment() *segment {
	p.used += overhead
	g := p.segments
	if g == nil {
		return new(segment)
	}
	p.segments = g.next
	*g = segment{}
	return g
}

// drop takes back g without its data.
func (p *pool) drop(g *segment) {
	p.used -= overhead
	g.data = nil
	g.next, p.segments = p.segments, g
}

// segment returns an empty segment for c to hold.
func (a *Assembler) segment(c *Conn) *segment {
	c.held += overhead
	return a.pool.segment()
}

// dropSegment takes back g without its data.
func (a *Assembler) dropSegment(c *Conn, g *segment) {
	c.held -= overhead
	a.pool.drop(g)
}

// room makes sure that a buffer of size n may be taken for c, which then holds
// more octets than now. When the budget of all is spent, the buffer that has not
// changed for the longest is shed, but never one of c's own.
func (a *Assembler) room(c *Conn, n, more int) bool {
	if int(c.held)+more > a.config.BytesPerConnection {
		a.count.ConnectionBudgetHits++
		return false
	}
	if a.pool.fits(n) {
		return true
	}
	a.count.TotalBudgetHits++
	for !a.pool.fits(n) {
		v := a.oldest
		for v != nil && v.conn == c {
			v = v.next
		}
		if v == nil {
			return false
		}
		a.shed(v)
	}
	return true
}

func (a *Assembler) take(c *Conn, n int) []byte {
	b := a.pool.get(n)
	c.held += int32(cap(b))
	return b
}

func (a *Assembler) give(c *Conn, b []byte) {
	c.held -= int32(cap(b))
	a.pool.put(b)
}

// buffer returns the buffer of one direction of c, at the young end of the list.
func (a *Assembler) buffer(c *Conn, dir int) *buffer {
	s := &c.half[dir]
	b := s.buf
	if b != nil {
		if b.next == nil {
			return b
		}
		a.unlink(b)
	} else {
		a.pool.used += overhead
		if b = a.pool.buffers; b != nil {
			a.pool.buffers = b.next
			*b = buffer{}
		} else {
			b = new(buffer)
		}
		b.conn, b.dir, s.buf = c, dir, b
	}
	b.prev, b.next = a.youngest, nil
	if a.youngest != nil {
		a.youngest.next = b
	} else {
		a.oldest = b
	}
	a.youngest = b
	return b
}

func (a *Assembler) unlink(b *buffer) {
	if b.prev != nil {
		b.prev.next = b.next
	} else {
		a.oldest = b.next
	}
	if b.next != nil {
		b.next.prev = b.prev
	} else {
		a.youngest = b.prev
	}
}

// tidy gives back the buffer of one direction when it holds nothing.
func (a *Assembler) tidy(c *Conn, dir int) {
	b := c.half[dir].buf
	if b == nil || len(b.data) > 0 || b.held != nil {
		return
	}
	a.disarm(b)
	a.unlink(b)
	c.half[dir].buf = nil
	a.pool.used -= overhead
	*b = buffer{next: a.pool.buffers}
	a.pool.buffers = b
}

// keep stores octets that the handler did not consume, after those that are
// there, and reports whether there was room. at is the frame of the last.
func (a *Assembler) keep(c *Conn, dir int, octets []byte, at *At) bool {
	var have []byte
	if b := c.half[dir].buf; b != nil {
		have = b.data
		if n := len(b.rest()); cap(have) >= n+len(octets) {
			if cap(have)-len(have) < len(octets) {
				copy(have, b.rest())
				b.data, b.start = have[:n], 0
			}
			a.buffer(c, dir)
			b.data = append(b.data, octets...)
			b.at = *at
			return true
		}
		if n := len(b.rest()) + len(octets); !a.room(c, classSize(n), classSize(n)-cap(have)) {
			return false
		}
	} else if n := classSize(len(octets)); !a.room(c, n, n) {
		return false
	}
	b := a.buffer(c, dir)
	grown := append(a.take(c, len(b.rest())+len(octets)), b.rest()...)
	b.data, b.start, b.at = append(grown, octets...), 0, *at
	a.give(c, have)
	return true
}

// spend drops the first n octets of what is kept.
func (a *Assembler) spend(c *Conn, b *buffer, n int) {
	b.start += n
	if b.start == len(b.data) {
		a.give(c, b.data)
		b.data, b.start = nil, 0
	}
}
