package dissect

import (
	"heptap/capture"
	"heptap/capture/httpwire"
	"heptap/capture/sip"
	"heptap/capture/websocket"
)

// upgrade is the state of a connection of HTTP, which may become a WebSocket.
type upgrade struct {
	http    [2]httpwire.Reader
	pipe    httpwire.Pipeline
	offer   websocket.Offer
	session websocket.Session
	ws      [2]websocket.Reader
	window  [2]*websocket.Window // what is remembered of the messages before
	broken  [2]bool              // some of them are not
	roles   bool                 // client is known
	client  uint8                // the direction of the requests
	offered bool                 // the last request asked for a WebSocket, and is not answered
	late    bool                 // the client's request is still to come, behind the answer to it
	sip     bool                 // there was SIP
	other   uint8                // messages before that were none
}

// maxOther is how many WebSocket messages in a row may be no SIP, where it
// was not agreed on, before the connection is given up.
const maxOther = 16

func newUpgrade() *upgrade { return new(upgrade) }

// close gives back the windows.
func (u *upgrade) close(s *Connections) {
	for i := range u.window {
		s.release(&u.window[i])
	}
}

// lost tells a WebSocket of octets that are missing. A request that was still to
// come is not waited for any longer.
func (u *upgrade) lost(s *Connections, dir int, gap int64) {
	if u.late && dir == int(u.client) {
		u.late, gap = false, -1
	}
	u.ws[dir].Lost(gap)
	u.forget(s, dir)
}

// forget is due when a message of the direction was not read: later ones may
// refer to it.
func (u *upgrade) forget(s *Connections, dir int) {
	u.broken[dir] = true
	s.release(&u.window[dir])
}

// readHTTP follows HTTP up to the handshake of a WebSocket.
func (c *Conn) readHTTP(p piece) (n int) {
	u := c.up
	r := &u.http[p.dir]
	c.follow(p.b)
	for {
		if u.offered && p.dir == int(u.client) && r.AtMessage() {
			// What the client sends now is frames, if the server agrees.
			if len(p.b)-n < MaxPending && !p.last {
				return n
			}
			u.offered = false
		}
		b := p.b[n:]
		if r.IsLost() { // the handshake of a WebSocket may have been in the gap
			at, v := websocket.Find(b, c.unmasked(), sipFront)
			if v == websocket.Yes {
				c.count(p.dir, at)
				c.foundFrame(p.dir)
				return n + at
			}
			if b = b[:at]; at == 0 {
				return n
			}
		}
		k, size := r.Next(b)
		if size > 0 {
			c.show(p, n, size)
		}
		switch k {
		case httpwire.More:
			return n
		case httpwire.HeadEnd:
			c.head(p.dir, p.b[n:n+size])
		case httpwire.Skipped:
			c.count(p.dir, size)
		case httpwire.Bad: // what it is instead is looked for from there on
			c.count(p.dir, size)
			r.Lost(-1)
		}
		if n += size; c.mode != readHTTP {
			return n
		}
	}
}

// head takes in one head.
func (c *Conn) head(dir int, b []byte) {
	u := c.up
	var h httpwire.Head
	h.Parse(b)
	if h.IsRequest {
		u.request(dir, &h)
		if u.offered {
			c.shared.handshake(dir, 0, b)
		}
		u.http[dir].Begin(&h, httpwire.AskedOther)
		return
	}
	asked := u.pipe.Take(h.Status)
	switch {
	case h.Status == 101:
		if c.switched(dir, &h) {
			c.shared.handshake(dir, h.Status, b)
		}
		return
	case asked == httpwire.AskedConnect && h.Status/100 == 2:
		c.nothing() // a tunnel
		return
	case h.Status/100 != 1:
		if u.offered { // refused
			c.shared.handshake(dir, h.Status, b)
		}
		u.offered = false
	}
	u.http[dir].Begin(&h, asked)
}

func (u *upgrade) request(dir int, h *httpwire.Head) {
	u.roles, u.client = true, uint8(dir)
	u.pipe.Add(h.Asked())
	u.offered = u.offer.Parse(h)
}

// handshake shows a head to whom it may concern.
func (s *Connections) handshake(dir, status int, head []byte) {
	if s.config.Handshake != nil {
		s.config.Handshake(dir, status, head)
	}
}

// switched takes in the response that ends HTTP (RFC 6455 4.2.2), and reports
// whether the connection is a WebSocket now.
func (c *Conn) switched(dir int, h *httpwire.Head) bool {
	u, count := c.up, &c.shared.count
	offer := &u.offer
	if !u.offered {
		offer = nil
		u.late = u.http[1-dir].AtMessage()
	}
	if !u.session.Parse(h, offer) || u.session.Other {
		count.badHandshakes.Add(1)
		c.nothing()
		return false
	}
	if offer != nil {
		count.handshakes.Add(1)
	} else {
		count.unverified.Add(1)
	}
	u.roles, u.client = true, uint8(1-dir)
	if !u.http[u.client].AtMessage() {
		u.ws[u.client].Lost(-1)
		u.broken[u.client] = true
	}
	c.known(capture.WebSocket, readWebSocket)
	return true
}

// lostHTTP tells HTTP of octets that are missing. When the answer to a
// client's offer may be among them, it is taken to have been yes: if not, no
// frame will be found.
func (c *Conn) lostHTTP(dir int, gap int64) {
	u := c.up
	if u.http[dir].Lost(gap) || !u.offered || dir == int(u.client) {
		return
	}
	u.session = websocket.Session{SIP: u.offer.SIP}
	u.ws[dir].Lost(-1)
	u.broken = [2]bool{true, true}
	c.shared.count.unverified.Add(1)
	c.known(capture.WebSocket, readWebSocket)
}

// foundFrame makes c a WebSocket whose handshake was not seen, at the
// beginning of a frame.
func (c *Conn) foundFrame(dir int) {
	c.up = newUpgrade()
	c.up.ws[1-dir].Lost(-1)
	c.up.broken = [2]bool{true, true}
	c.known(capture.WebSocket, readWebSocket)
}

// readFrames reads a WebSocket.
func (c *Conn) readFrames(p piece) (n int) {
	u, count := c.up, &c.shared.count
	if u.late && p.dir == int(u.client) {
		if n = c.lateRequest(p); u.late {
			return n
		}
	}
	r := &u.ws[p.dir]
	for c.mode == readWebSocket {
		if r.IsLost() {
			if n += c.findFrame(p.from(n)); r.IsLost() {
				return n
			}
		}
		m := r.Next(p.b[n:], p.last)
		switch m.Kind {
		case websocket.More:
			return n
		case websocket.Bad:
			count.badFrames.Add(1)
			u.forget(c.shared, p.dir)
			m.N = max(m.N, 1) // or the same frame would be found again
			c.count(p.dir, m.N)
		case websocket.Junk:
			c.count(p.dir, m.N)
		case websocket.Rest:
			count.rest.Add(uint64(m.N))
		case websocket.Control:
			c.mask(p.dir, m)
			c.control(p, n, m)
		case websocket.Message:
			c.mask(p.dir, m)
			c.payload(p, n+m.N, p.b[n:n+m.N], m)
		}
		n += m.N
	}
	return n
}

// lateRequest passes over the client's request, which came behind its answer.
func (c *Conn) lateRequest(p piece) (n int) {
	u := c.up
	for {
		k, size := u.http[p.dir].Next(p.b[n:])
		switch k {
		case httpwire.More:
			return n
		case httpwire.HeadEnd, httpwire.Bad: // or what follows it
			u.late = false
			return n + size
		}
		n += size
	}
}

// findFrame looks for a frame with SIP in it.
func (c *Conn) findFrame(p piece) (n int) {
	d := &c.dir[p.dir]
	n, v := websocket.Find(p.b, c.unmasked(), sipFront)
	switch {
	case v == websocket.Yes:
		c.up.ws[p.dir].Found()
	case p.last:
		n = len(p.b)
	}
	if c.count(p.dir, n); v == websocket.Yes {
		d.junk = 0
	} else if d.junk > MaxPending {
		c.shared.count.givenUp.Add(1)
		c.nothing()
	}
	return n
}

// unmasked returns room for the front of a payload.
func (c *Conn) unmasked() []byte {
	wire, _ := c.shared.scratch()
	return wire[:maxUndecided]
}

// mask counts frames that the wrong side has masked, or the right one has not.
func (c *Conn) mask(dir int, m websocket.Unit) {
	if u := c.up; u.roles && m.Masked != (dir == int(u.client)) {
		c.shared.count.wrongMasks.Add(1)
	}
}

// control offers the control frame at p.b[n+m.At:] to whom it may concern.
func (c *Conn) control(p piece, n int, m websocket.Unit) {
	s := c.shared
	s.count.controls.Add(1)
	if s.config.Control == nil {
		return
	}
	wire, _ := s.scratch()
	s.config.Control(p.dir, p.at, m.Opcode, websocket.AppendControl(wire, p.b[n+m.At:]))
}

// payload takes in a message whose frames are b and whose last octet is
// p.b[end-1].
func (c *Conn) payload(p piece, end int, b []byte, m websocket.Unit) {
	u, s := c.up, c.shared
	wire, _ := s.scratch()
	wire = websocket.Append(wire, b)
	cut := m.Cut
	if m.Compressed {
		var ok bool
		if wire, cut, ok = c.inflate(p.dir, wire, cut); !ok {
			s.count.notInflated.Add(1)
			return
		}
	}
	isSIP := sip.Sniff(wire)
	switch {
	case isSIP:
		if u.sip = true; c.proto != capture.SIP {
			c.known(capture.SIP, readWebSocket)
		}
	case sip.IsKeepAlive(wire):
		s.count.keepAlives.Add(1)
	default:
		s.count.otherMessages.Add(1)
		u.other = min(u.other+1, maxOther)
	}
	if m.Compressed {
		c.remember(p.dir, wire, cut)
	}
	switch {
	case isSIP:
		c.emit(p, end, wire, cut, capture.OverWebSocket)
	case u.other == maxOther && !u.sip && !u.session.SIP:
		c.nothing()
	}
}

// inflate inflates a message with what is remembered of those before it.
func (c *Conn) inflate(dir int, b []byte, cut bool) (out []byte, cutShort, ok bool) {
	u, s := c.up, c.shared
	if !u.session.Deflate.On {
		return nil, false, false
	}
	if s.z == nil {
		s.z = websocket.NewInflater()
	}
	var before []byte
	if w := u.window[dir]; w != nil {
		before = w.Octets()
	}
	_, text := s.scratch()
	out, cutShort, err := s.z.Inflate(text, b, before, cut)
	if err != nil {
		u.forget(s, dir)
		return nil, false, false
	}
	return out, cutShort, true
}

// remember keeps a message for those after it, if they may refer to it and
// the connection is worth a window.
func (c *Conn) remember(dir int, text []byte, cut bool) {
	u, s := c.up, c.shared
	alone, bits := u.session.Deflate.ServerAlone, u.session.Deflate.ServerBits
	if dir == int(u.client) {
		alone, bits = u.session.Deflate.ClientAlone, u.session.Deflate.ClientBits
	}
	switch {
	case alone || u.broken[dir]:
		return
	case cut || !u.sip && !u.session.SIP:
		u.forget(s, dir)
		return
	case u.window[dir] == nil:
		if u.window[dir] = s.grant(bits); u.window[dir] == nil {
			u.broken[dir] = true
			return
		}
	}
	u.window[dir].Add(text)
}
