package rest

import (
	"slices"

	"heptap/capture/httpwire"
)

// Handler takes what a connection carries. Exchanges and slices are borrowed
// until the method returns.
type Handler interface {
	// Head shows each head as it was on the wire, nothing masked: for whoever
	// reads the handshake of a WebSocket. It may hold secrets.
	Head(dir int, head []byte)
	// Request shows a request that is complete, or will not be seen to be.
	Request(x *Exchange)
	// Reply shows the exchange with its final reply.
	Reply(x *Exchange)
	// Failed shows an exchange that has no reply, or not all of it.
	Failed(x *Exchange, why Reason)
}

// Mode says what a connection is.
type Mode uint8

// The modes of a connection. In all but Following Write consumes nothing.
const (
	Following Mode = iota
	Upgraded       // after a 101
	Tunnel         // after a 2xx to CONNECT
	NotHTTP        // it does not begin as HTTP/1 does
)

// maxOpen is how many exchanges of a connection are told at once, and how many replies
// that wait for their requests are kept, maxLine how many requests, and how many such
// replies, are remembered in all: while a hole in one direction is waited for, the other
// goes on.
const (
	maxOpen = 16
	maxLine = 256
	maxHold = httpwire.MaxHead
	// pipelining is after how many replies in a row, each to the only request there was, a
	// connection that sent one before the reply to the one before is not taken to do so any more.
	pipelining = 16
)

// Numbers are the sequence numbers of octets that came by TCP (RFC 9293 3.4): End is behind
// the last, and Ack is what their sender had got of the other direction. The zero value:
// they are not known.
type Numbers struct {
	End, Ack uint32
	Known    bool
}

// start is where a message begins.
type start struct {
	first    int64  // when it came
	seq      uint32 // number of its first octet
	numbered bool   // which is known
}

// slot is a request's place in the line of those that wait for a reply.
type slot struct {
	x *Exchange // nil when it is not told, or given up
	start
	end   uint32 // number behind it, if
	ended bool   // that is known, and its start numbered
	late  bool   // it was given up
	gap   bool   // octets went missing since that may have been the reply
	asked httpwire.Asked
}

// early is a reply that was there before its request. It keeps its place where
// there is no exchange for it, so that the next one is not taken for it.
type early struct {
	x *Exchange // nil when it will not be told
	start
	ack     uint32 // what its sender had got
	missing bool   // something of the requests is missing since: it may have been its own
	behind  bool   // something of the replies is missing before it: that may have been replies to earlier requests
}

// way is one direction.
type way struct {
	r httpwire.Reader
	x *Exchange // whose message comes, nil when nobody wants it
	start
	ack    uint32 // what its sender had got by then, if start is numbered
	last   int64  // when octets came last
	began  bool   // start is valid, and ack
	busy   bool   // a message has begun and not ended
	listed bool   // it is the last in line
	owns   bool   // it is the reply to the first in line
	lost   bool   // a head has to be found, behind a gap
}

// Conn follows one connection.
type Conn struct {
	p      *Parser
	h      Handler
	way    [2]way
	line   []slot  // a ring, as long as it had to be so far
	head   int     // of line: the oldest
	n      int     // of line
	open   int     // how many of line have an exchange
	early  []early // replies that wait for their requests, which a hole holds up
	kept   int     // how many of early have an exchange
	order  uint32
	client int8 // the direction of the requests

	overlaps uint8 // replies without one to go, until it is not taken to pipeline any more
	rested   bool  // it was silent for long before the latest octets
	mode     Mode
	flags    facts
}

type facts uint8

const (
	rolesKnown facts = 1 << iota
	unpaired         // whose a reply is cannot be known any more
	holed            // octets are missing, perhaps at the beginning
	offered          // the latest request asked for another protocol
)

// NewConn returns a Conn whose exchanges go to h.
func (p *Parser) NewConn(h Handler) *Conn { return &Conn{p: p, h: h} }

// Mode returns what the connection is.
func (c *Conn) Mode() Mode { return c.mode }

// Client returns the direction of the requests, -1 while it is not known.
func (c *Conn) Client() int {
	if c.flags&rolesKnown == 0 {
		return -1
	}
	return int(c.client)
}

// Idle reports whether nothing is in progress.
func (c *Conn) Idle() bool {
	return c.n == 0 && len(c.early) == 0 && !c.way[0].busy && !c.way[1].busy
}

// Write takes octets of one direction: b holds all that was not consumed before,
// and behind it what is new, which came at now, a time in nanoseconds, with these
// numbers. It returns how many octets it consumed, from the front.
func (c *Conn) Write(dir int, now int64, numbers Numbers, b []byte) (consumed int) {
	w := &c.way[dir]
	if len(b) > 0 {
		if now-max(w.last, c.way[1-dir].last) >= silence {
			c.rested = true
		}
		w.last = now
	}
	for c.mode == Following {
		if len(b) > consumed && !w.began && w.r.AtMessage() && !w.busy {
			w.start, w.ack, w.began = numbers.at(now, len(b)-consumed), numbers.Ack, true
		}
		if c.holds(dir, len(b)-consumed) {
			return consumed
		}
		k, n := w.r.Next(b[consumed:])
		part := b[consumed : consumed+n]
		consumed += n
		switch k {
		case httpwire.More:
			return consumed
		case httpwire.HeadEnd:
			if !w.began { // found behind a gap
				w.start, w.ack = numbers.at(now, len(b)-consumed+n), numbers.Ack
			}
			w.began = false
			c.begin(dir, part)
		case httpwire.Content:
			if m := c.part(dir); m != nil {
				m.content(part)
			}
		case httpwire.Framing:
			if !w.busy {
				w.began = false
			}
		case httpwire.Bad:
			c.broken(dir)
		}
		if w.busy && w.r.AtMessage() {
			if dir == int(c.client) {
				c.endsAt(numbers.at(now, len(b)-consumed))
			}
			c.finish(dir, now, true)
		}
	}
	return consumed
}

// at is where a message began, at now, so many octets before the last.
func (n Numbers) at(now int64, octets int) start {
	return start{first: now, seq: n.End - uint32(octets), numbered: n.Known}
}

// before says whether a request had been sent when a reply began whose sender had got
// what is before ack. Without numbers the times tell, as far as they can: they are of two frames
// that may have overtaken each other.
func (request *start) before(reply *start, ack uint32) bool {
	if request.numbered && reply.numbered {
		return int32(ack-request.seq) > 0
	}
	return request.first <= reply.first+Skew
}

// endsAt says where the latest request ends.
func (c *Conn) endsAt(e start) {
	if c.way[c.client].listed && c.n > 0 {
		s := c.at(c.n - 1)
		s.end, s.ended = e.seq, s.numbered && e.numbered
	}
}

// beyond says whether the reply that comes was sent by who had got more than the first in
// line: unless the client asks on before it has its replies, it is not that one's.
func (c *Conn) beyond() bool {
	s, w := c.at(0), &c.way[1-c.client]
	return s.ended && w.numbered && int32(w.ack-s.end) > 0
}

// asked says whether the i-th in line had been sent when the reply that comes began.
func (c *Conn) asked(i int) bool {
	w := &c.way[1-c.client]
	return c.at(i).before(&w.start, w.ack)
}

// holds reports whether octets of the client have to wait, behind a request for
// another protocol: whether they are HTTP the reply will tell.
func (c *Conn) holds(dir, pending int) bool {
	return c.flags&offered != 0 && c.flags&rolesKnown != 0 && dir == int(c.client) &&
		!c.way[dir].busy && c.n > 0 && pending < maxHold
}

// part returns the message that comes in the direction, or nil.
func (c *Conn) part(dir int) *Part {
	switch x := c.way[dir].x; {
	case x == nil:
		return nil
	case dir == int(c.client):
		return &x.Request
	default:
		return &x.Reply
	}
}

// begin takes in a head.
func (c *Conn) begin(dir int, raw []byte) {
	var h httpwire.Head
	h.Parse(raw)
	if c.flags&rolesKnown == 0 {
		c.flags |= rolesKnown
		if c.client = int8(dir); !h.IsRequest {
			c.client = int8(1 - dir)
		}
	}
	if h.IsRequest != (dir == int(c.client)) { // both ask, or both answer
		c.broken(dir)
		return
	}
	c.h.Head(dir, raw)
	if h.IsRequest {
		c.request(dir, &h, raw)
	} else {
		c.reply(dir, &h, raw)
	}
}

// finish ends the message of the direction.
func (c *Conn) finish(dir int, now int64, complete bool) {
	w := &c.way[dir]
	x := w.x
	owns := w.owns
	w.x, w.busy, w.began, w.owns = nil, false, false, false
	if owns {
		c.pop()
	}
	if dir == int(c.client) {
		if x != nil {
			x.Request.end(c.p, now, complete)
			c.tell(x)
			c.told(x)
		}
		return
	}
	if x == nil {
		return
	}
	x.Reply.end(c.p, now, complete)
	x.answered = true
	if !x.early || x.told {
		c.settle(x)
	}
}

// tell shows a request, once.
func (c *Conn) tell(x *Exchange) {
	if !x.told {
		x.told = true
		c.p.stats.Requests++
		c.h.Request(x)
	}
}

// told is done with a request that was told, if its reply is there or will never be
// known.
func (c *Conn) told(x *Exchange) {
	switch {
	case x.early && x.answered:
		c.settle(x)
	case x.alone:
		c.fail(x, Gap)
	}
}

// settle shows the reply, and is done with x.
func (c *Conn) settle(x *Exchange) {
	c.hurry(x)
	c.p.stats.Replies++
	c.h.Reply(x)
	c.drop(x)
}

// fail shows that x has no whole reply, and is done with it.
func (c *Conn) fail(x *Exchange, why Reason) {
	c.hurry(x)
	if w := &c.way[1-c.client]; w.x == x {
		x.Reply.end(c.p, w.last, false)
	}
	c.p.stats.Failed[why]++
	c.h.Failed(x, why)
	c.drop(x)
}

// hurry shows a request that is not complete.
func (c *Conn) hurry(x *Exchange) {
	if !x.told {
		w := &c.way[c.client]
		x.Request.end(c.p, w.last, false)
		c.tell(x)
	}
}

// drop gives x back.
func (c *Conn) drop(x *Exchange) {
	for i := range c.way {
		if c.way[i].x == x {
			c.way[i].x = nil
		}
	}
	c.unlist(x)
	c.p.give(x)
}

// unlist takes x out of the replies that wait for their requests, and reports whether it was there.
func (c *Conn) unlist(x *Exchange) bool {
	i := slices.IndexFunc(c.early, func(e early) bool { return e.x == x })
	if x == nil || i < 0 {
		return false
	}
	c.early = slices.Delete(c.early, i, i+1)
	c.kept--
	return true
}
