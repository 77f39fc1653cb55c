package dissect

import (
	"encoding/binary"

	"heptap/capture"
	"heptap/capture/httpwire"
	"heptap/capture/sigtran"
	"heptap/capture/sip"
	"heptap/capture/websocket"
)

// verdict says whether octets are the front of something.
type verdict uint8

const (
	maybe verdict = iota // more octets will tell
	no
	yes
)

// decide finds out what the connection is by the front of one direction.
func (c *Conn) decide(p piece) (n int) {
	d := &c.dir[p.dir]
	if d.middle {
		return c.decideMiddle(p)
	}
	for n < len(p.b) && (p.b[n] == '\r' || p.b[n] == '\n') {
		n++
	}
	if n > 0 {
		c.shared.count.keepAlives.Add(1)
	}
	if b := p.b[n:]; len(b) > 0 {
		proto, v := front(b)
		proto, v = c.frontBeside(b, proto, v)
		switch {
		case v == yes && proto == capture.SIP:
			c.known(proto, readSIP)
		case v == yes && c.knownBeside(proto, p.dir):
		case v == yes:
			c.knownOther(proto, false)
		case v == no:
			c.nothing()
		case p.last:
			d.middle = true
			d.sip.Lost(-1)
		}
	}
	return n
}

// knownOther settles what is not SIP. middle says that its beginning was not
// seen.
func (c *Conn) knownOther(proto capture.Protocol, middle bool) {
	switch proto {
	case capture.HTTP:
	case capture.MI:
		c.known(proto, readMI)
		return
	case capture.TLS:
		c.knownTLS(middle)
		return
	default:
		c.known(proto, ignoring)
		return
	}
	c.up = newUpgrade()
	for i := range c.dir {
		if c.dir[i].gap {
			c.up.http[i].Lost(-1) // a direction that begins with a head is found at once
		}
	}
	c.known(proto, readHTTP)
}

// front judges the first octets of a direction.
func front(b []byte) (capture.Protocol, verdict) {
	all := no
	for _, f := range [...]struct {
		proto capture.Protocol
		v     verdict
	}{
		{capture.SIP, verdict(sip.Front(b))},
		{capture.HTTP, verdict(httpwire.Front(b))},
		{capture.TLS, hello(b)},
		{capture.HEP, prefix(b, "HEP3")},
		{capture.MI, miFront(b)},
	} {
		if f.v == yes {
			return f.proto, yes
		}
		if f.v == maybe {
			all = maybe
		}
	}
	return capture.Unknown, all
}

func prefix(b []byte, s string) verdict {
	n := min(len(b), len(s))
	switch {
	case string(b[:n]) != s[:n]:
		return no
	case n < len(s):
		return maybe
	}
	return yes
}

// TLS's record header (RFC 8446 5.1): type, version 2, length 2.
const (
	tlsHeader    = 5
	tlsMaxLength = 1<<14 + 2048
	tlsChange    = 20 // the first content type
	tlsHandshake = 22
	tlsData      = 23
	tlsHeartbeat = 24 // the last one
)

// hello judges whether b begins with a record that begins with a ClientHello
// or ServerHello.
func hello(b []byte) verdict {
	if len(b) > 0 && b[0] != tlsHandshake || len(b) > tlsHeader && b[tlsHeader] != 1 && b[tlsHeader] != 2 {
		return no
	}
	if v := tlsRecord(b); v != yes || len(b) > tlsHeader {
		return v
	}
	return maybe
}

// tlsRecord judges whether b begins with the header of a record.
func tlsRecord(b []byte) verdict {
	if len(b) > 0 && (b[0] < tlsChange || b[0] > tlsHeartbeat) || len(b) > 1 && b[1] != 3 || len(b) > 2 && b[2] > 4 {
		return no
	}
	if len(b) < tlsHeader {
		return maybe
	}
	if n := binary.BigEndian.Uint16(b[3:]); n == 0 || n > tlsMaxLength {
		return no
	}
	return yes
}

// decideMiddle finds out what a connection is whose beginning was not seen, at
// least in this direction. TLS, HTTP, HEP and what is beside signalling are known where the octets begin;
// SIP, plain or in a WebSocket frame, is searched for, and so are lines on a port of syslog.
func (c *Conn) decideMiddle(p piece) (n int) {
	d := &c.dir[p.dir]
	hold := false
	if d.junk == 0 {
		proto, v := front(p.b)
		if r := tlsRecord(p.b); r == yes || r == maybe && v == no {
			proto, v = capture.TLS, r
		}
		proto, v = c.frontBeside(p.b, proto, v)
		if v == no && c.logPort() && sip.Front(p.b) != sip.Yes {
			c.knownBeside(capture.Syslog, -1)
			return 0
		}
		if v == yes && proto != capture.SIP {
			if !c.knownBeside(proto, p.dir) {
				c.knownOther(proto, true)
			}
			return 0
		}
		hold = v == maybe && !p.last
	}
	end, found := len(p.b), websocket.No
	if sip.Front(p.b) != sip.Yes {
		end, found = websocket.Find(p.b, c.unmasked(), sipFront)
	}
	if hold && found != websocket.Yes {
		return 0
	}
	n = c.searchSIP(p, end) // what comes before is no part of a frame
	switch {
	case c.mode != deciding:
	case found == websocket.Yes:
		c.count(p.dir, end-n)
		c.foundFrame(p.dir)
		return end
	case d.junk > maxMiddle:
		c.nothing()
	}
	return n
}

// searchSIP looks for plain SIP in p.b[:end] and emits what it finds first. It
// returns how many octets it is done with.
func (c *Conn) searchSIP(p piece, end int) (n int) {
	d := &c.dir[p.dir]
	for {
		f := d.sip.Next(p.b[n:end], p.last)
		switch f.Kind {
		case sip.More:
			return n
		case sip.Message:
			c.known(capture.SIP, readSIP)
			c.emitSIP(p, n, f)
			return n + f.N
		}
		c.count(p.dir, f.N)
		n += f.N
	}
}

// count counts octets that were passed over.
func (c *Conn) count(dir, n int) {
	c.dir[dir].junk += int32(min(n, 1<<20))
	c.shared.count.junk.Add(uint64(n))
}

// sipFront recognises SIP as the payload of a WebSocket message.
func sipFront(b []byte) websocket.Verdict { return websocket.Verdict(sip.Front(b)) }

// UserMessage returns which protocol a user message of SCTP with these ports
// carries, and the payload protocol identifier to read it with. SIP (RFC 4168) is
// known by its octets; SIGTRAN by the sender's identifier, or when that is 0, by
// registered ports or by octets that leave no doubt.
func UserMessage(ppid uint32, src, dst uint16, payload []byte) (capture.Protocol, uint32) {
	switch {
	case sip.Sniff(payload):
		return capture.SIP, ppid
	case sip.IsKeepAlive(payload):
		return capture.KeepAlive, ppid
	case sigtran.Claims(ppid, src, dst):
		return capture.SIGTRAN, ppid
	case ppid == 0:
		if k := sigtran.Sniff(payload); k != sigtran.None {
			return capture.SIGTRAN, k.PPID()
		}
	}
	return capture.Unknown, ppid
}
