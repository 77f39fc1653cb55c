package dissect

import (
	"heptap/capture"
	"heptap/capture/sip"
)

// Conn takes apart one connection: it finds out what it carries and emits its
// messages. Its methods are to be called as the octets of the two directions
// come, in any interleaving.
type Conn struct {
	shared *Connections
	flow   capture.FiveTuple // of direction 0
	id     uint64
	up     *upgrade // what HTTP and WebSocket need, nil otherwise
	tls    *handshakeTLS
	lines  *lines // what logs, DNS and NG need

	follower   Follower
	unfollowed bool // octets were passed over that it could have been shown

	dir     [2]direction
	proto   capture.Protocol // see Verdict
	verdict Verdict
	mode    mode
}

// direction is the state of one.
type direction struct {
	sip     sip.Framer
	at      At    // of the frame whose octets came last
	junk    int32 // octets passed over while undecided or lost, since something was found
	middle  bool  // the beginning was not seen
	started bool
	gap     bool // octets are missing before the next message
}

// Verdict says what is known of a connection.
type Verdict uint8

// The verdicts.
const (
	Undecided Verdict = iota
	Known             // of a protocol
	Nothing           // that we know: no more of it is needed
)

// mode is who reads the octets.
type mode uint8

const (
	deciding mode = iota
	readSIP
	readHTTP
	readWebSocket
	readTLS
	readMI
	readLines
	ignoring
)

// How many octets of a direction are looked at for something known: from its
// beginning, and from the middle on, where a whole message may have to pass
// before another one begins.
const (
	maxUndecided = 8 << 10
	maxMiddle    = 32 << 10
)

// Reset makes c a new connection. flow is that of direction 0; its messages
// carry id.
func (c *Conn) Reset(s *Connections, flow capture.FiveTuple, id uint64) {
	c.Closed()
	*c = Conn{shared: s, flow: flow, id: id}
}

// Verdict returns what is known, and of Known which protocol. WebSocket becomes
// SIP with the first SIP in it. While Known, a connection of HTTP may still
// become a WebSocket. TLS (see TLS) and HEP emit nothing. After Nothing Data has no effect.
func (c *Conn) Verdict() (Verdict, capture.Protocol) { return c.verdict, c.proto }

// ForSIP says whether the connection carries SIP, or is a WebSocket or TLS that
// was asked for, or agreed on, for SIP (RFC 7118 4).
func (c *Conn) ForSIP() bool {
	if c.tls != nil && c.tls.offersSIP() {
		return true
	}
	return c.proto == capture.SIP || c.up != nil && (c.up.session.SIP || c.up.offered && c.up.offer.SIP)
}

// IsWebSocket says whether the connection is a WebSocket, whatever it carries.
func (c *Conn) IsWebSocket() bool { return c.mode == readWebSocket }

// Data takes octets of direction dir, 0 or 1: pending are all that are there and
// not consumed yet, in order; the last fresh of them are new and came in the
// frame at, with these numbers. Before pending[0] gap octets were never captured, -1 for an unknown
// number; on the first call that means that the beginning is missing. It
// returns how many octets, from the front, it is done with. It emits messages
// before it returns, and keeps nothing of pending.
//
// What it leaves in one direction may wait for the other one (a client's first
// WebSocket frames for the server's handshake).
func (c *Conn) Data(dir int, pending []byte, fresh int, gap int64, at *At, n Numbers) (consumed int) {
	d := &c.dir[dir]
	if gap != 0 {
		c.lost(dir, gap)
	}
	d.started = true
	consumed = c.read(piece{dir: dir, b: pending, old: len(pending) - fresh, at: at, numbers: n})
	d.at = *at
	return consumed
}

// Cut tells that pending, what Data left of direction dir, will not be
// continued: its sender has finished, a gap follows, there was no room for it, or
// the connection is followed no longer. at is the frame its last octet came in.
// What pending has of a message is emitted. finished means the first of these: a
// message without Content-Length is whole then (RFC 3261 18.3). Data may go on
// after it, with or without a gap.
func (c *Conn) Cut(dir int, pending []byte, finished bool, at *At) {
	if len(pending) == 0 {
		return
	}
	c.read(piece{dir: dir, b: pending, at: at, last: true, finished: finished})
	switch {
	case c.mode == readHTTP:
		c.up.http[dir].Lost(-1)
	case c.mode == readWebSocket && c.up.late && dir == int(c.up.client): // the request is gone, as if it were a gap
		c.up.lost(c.shared, dir, -1)
	}
}

// Closed ends the connection and frees what it holds of what is shared.
func (c *Conn) Closed() {
	if c.up != nil {
		c.up.close(c.shared)
	}
	c.closeTLS()
	c.Unfollow(Ending{By: -1})
	c.up, c.lines, c.mode = nil, nil, ignoring
}

// piece is what is pending of a direction.
type piece struct {
	b   []byte
	at  *At // frame of b[old:]
	dir int
	old int

	numbers Numbers // of all of b; their sender got Ack with b[old:]

	last     bool // nothing will follow
	finished bool // because that is all
}

// read shows b to whoever reads the connection now, until nobody takes more.
func (c *Conn) read(p piece) (n int) {
	for {
		was := c.mode
		switch c.mode {
		case deciding:
			n += c.decide(p.from(n))
		case readSIP:
			n += c.readSIP(p.from(n))
		case readHTTP:
			n += c.readHTTP(p.from(n))
		case readWebSocket:
			n += c.readFrames(p.from(n))
		case readTLS:
			n += c.readTLS(p.from(n))
		case readMI:
			n += c.readMI(p.from(n))
		case readLines:
			n += c.readLines(p.from(n))
		case ignoring:
			return len(p.b)
		}
		if c.mode == was {
			return n
		}
	}
}

// from returns p without its first n octets.
func (p piece) from(n int) piece {
	p.b, p.old = p.b[n:], max(p.old-n, 0)
	return p
}

// lost tells of octets that are missing before the next ones.
func (c *Conn) lost(dir int, gap int64) {
	d := &c.dir[dir]
	if d.started {
		c.shared.count.gaps.Add(1)
	} else {
		d.middle = true
	}
	d.gap = true
	if c.follower != nil {
		c.follower.Gap(dir, gap)
	}
	switch c.mode {
	case deciding:
		d.middle = true
		d.sip.Lost(gap)
	case readSIP:
		d.sip.Lost(gap)
	case readHTTP:
		c.lostHTTP(dir, gap)
	case readWebSocket:
		c.up.lost(c.shared, dir, gap)
	case readTLS:
		if c.tls != nil {
			c.tls.session.Gap(dir, gap)
		}
	case readLines:
		c.lostLines(dir, gap)
	}
}

// readSIP reads plain SIP.
func (c *Conn) readSIP(p piece) (n int) {
	d, count := &c.dir[p.dir], &c.shared.count
	for {
		f := d.sip.Next(p.b[n:], p.last)
		switch f.Kind {
		case sip.More:
			return n
		case sip.NotSIP: // but the other direction is
			d.sip.Lost(-1)
		case sip.Message:
			if f.BadLength {
				count.badLength.Add(1)
			}
			c.emitSIP(p, n, f)
		case sip.KeepAlive:
			count.keepAlives.Add(1)
		case sip.Rest:
			count.rest.Add(uint64(f.N))
		case sip.Junk:
			count.junk.Add(uint64(f.N))
		}
		n += f.N
	}
}

// emitSIP emits the message f at p.b[n:]. What Data left of SIP and reaches to
// the end of it is a message whose length is not known.
func (c *Conn) emitSIP(p piece, n int, f sip.Frame) {
	end := n + f.N
	cut := f.Cut || p.last && !p.finished && end == len(p.b)
	c.emit(p, end, p.b[n:end], cut, 0)
}

// emit emits the SIP message payload, whose last octet is p.b[end-1].
func (c *Conn) emit(p piece, end int, payload []byte, cut bool, flags capture.MessageFlags) {
	c.send(capture.Message{Protocol: capture.SIP, Flags: flags, Conn: c.id, Payload: payload}, p, end, cut)
}

// send emits m, whose last octet is p.b[end-1], with what p says of it.
func (c *Conn) send(m capture.Message, p piece, end int, cut bool) {
	d, s := &c.dir[p.dir], c.shared
	at := p.at
	if end <= p.old {
		at = &d.at
	}
	if d.gap {
		d.gap = false
		m.Flags |= capture.GapBefore
	}
	if m.Protocol == capture.SIP {
		s.count.messages.Add(1)
	} else {
		s.count.beside.Add(1)
	}
	if cut {
		s.count.cut.Add(1)
		m.Flags |= capture.CutShort
	}
	m.Flow = c.flow
	if p.dir == 1 {
		m.Flow = m.Flow.Reverse()
	}
	m.Wall, m.Mono, m.Port, m.TOS, m.HasVLAN, m.VLAN = at.Wall, at.Mono, at.Port, at.TOS, at.HasVLAN, at.VLAN
	s.message = m
	s.emit(&s.message)
	s.message.Payload = nil
}

// known settles what the connection is, and who reads it.
func (c *Conn) known(proto capture.Protocol, m mode) {
	c.settle(Known, proto, m)
}

// nothing gives the connection up.
func (c *Conn) nothing() {
	if c.up != nil {
		c.up.close(c.shared)
		c.up = nil
	}
	c.settle(Nothing, capture.Unknown, ignoring)
}

func (c *Conn) settle(v Verdict, proto capture.Protocol, m mode) {
	count := &c.shared.count
	count.conns[proto].Add(1)
	if proto != capture.SIP && proto != capture.TLS && c.verdict == Undecided && (sipPort(c.flow.Src.Port()) || sipPort(c.flow.Dst.Port())) {
		count.notSIP.Add(1)
	}
	c.verdict, c.proto, c.mode = v, proto, m
	if !m.followed() {
		c.Unfollow(Ending{By: -1})
	}
}
