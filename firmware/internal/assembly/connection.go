package assembly

import (
	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/dissect"
	"heptap/capture/stream"
	"heptap/capture/tlswire"
)

// witness is how many octets are followed of a connection that carries what we
// know and do not read.
const witness = 1 << 20

// connection is the handler of one TCP connection.
type connection struct {
	assembly *Assembly
	stream   *stream.Conn
	conn     dissect.Conn
	octets   int // consumed while nothing was read of them
	kept     bool
	told     bool // Net knows of it
	named    bool // as one for SIP
	wss      correlate.WSSBy
	carries  capture.Protocol // what it was told of for, when that is no SIP
	id       uint64           // names it in records
	ends     ends             // with Config.Lookup
	last     bool             // the client is ends.b
	web      *web             // of a WebSocket
	silence  silence
	next     *connection // while idle

	announced func() uint64 // announce, made once
}

// connect makes the handler of a connection whose first octets have come.
func (a *Assembly) connect(s *stream.Conn) stream.Handler {
	c := a.idle
	if c == nil {
		c = new(connection)
		c.announced = c.announce
	} else {
		a.idle = c.next
	}
	c.assembly, c.stream, c.octets, c.kept, c.told, c.named, c.carries, c.wss, c.next = a, s, 0, false, false, false, capture.Unknown, 0, nil
	c.silence = silence{}
	flow, attempt := s.Flow(), s.Attempt()
	c.id = identify(&flow, &attempt)
	c.conn.Reset(a.conns, flow, c.id)
	a.know(c)
	return c
}

// recycle takes back a handler that will not be called any more.
func (c *connection) recycle() {
	c.conn.Closed()
	c.leaveWeb()
	c.assembly.unknow(c)
	c.stream = nil
	c.next, c.assembly.idle = c.assembly.idle, c
}

// Data implements stream.Handler.
func (c *connection) Data(dir int, pending []byte, fresh int, gap int64, at *stream.At) int {
	c.assembly.current = c
	c.silence.said(c.since(at.Mono), fresh)
	n := c.conn.Data(dir, pending, fresh, gap, (*dissect.At)(&at.Meta), dissect.Numbers{End: at.End, Ack: at.Ack, Known: at.Numbered})
	c.judge(n)
	return n
}

// Cut implements stream.Handler.
func (c *connection) Cut(dir int, pending []byte, why stream.Reason, at *stream.Meta) {
	c.assembly.current = c
	c.conn.Cut(dir, pending, why == stream.FIN, (*dissect.At)(at))
	if why == stream.FIN {
		c.finished(dir)
	}
	c.judge(0)
}

// finished passes on that the sender of a direction has finished.
func (c *connection) finished(dir int) {
	if c.silence.over == 0 {
		c.silence.over = c.since(c.stream.Ending().At.Mono) + 1
	}
	c.conn.EndTLS(dir, tlswire.FIN) // an alert that comes after it is an answer
	if c.conn.Followed() {
		c.assembly.at = dissect.At(c.stream.Ending().At)
		c.conn.Finished(dir, &c.assembly.at)
	}
}

// judge keeps or releases the connection by what is known of it, after n more
// octets were consumed.
func (c *connection) judge(n int) {
	switch verdict, proto := c.conn.Verdict(); {
	case verdict == dissect.Undecided:
		return
	case verdict == dissect.Known && c.kept && proto != capture.TLS:
		if proto == capture.WebSocket { // it was HTTP that was followed
			c.tell()
		}
		return
	case verdict == dissect.Known && (proto == capture.SIP || proto == capture.WebSocket):
		c.kept = true
		c.stream.Keep()
		c.tell()
		return
	case verdict == dissect.Known && proto == capture.TLS && c.judgeTLS():
		return
	case verdict == dissect.Known && proto == capture.DNS: // of which there are many, and short
		return
	case verdict == dissect.Known && (proto == capture.Syslog || proto == capture.NG), verdict == dissect.Known && c.conn.Followed():
		c.kept = true
		c.stream.Keep()
		return
	case verdict == dissect.Known:
		if c.octets += n; c.octets < witness {
			return
		}
	}
	if c.told { // it is something else now, and its end matters all the same
		if !c.kept {
			c.kept = true
			c.stream.Keep()
		}
		return
	}
	c.stream.Release()
	c.end(stream.Evicted)
}

// Closed implements stream.Handler.
func (c *connection) Closed(why stream.Reason) { c.end(why) }

// end takes leave of a connection.
func (c *connection) end(why stream.Reason) {
	if _, proto := c.conn.Verdict(); proto == capture.TLS {
		c.endTLS()
	}
	if c.conn.Followed() {
		c.conn.Unfollow(c.ending(why))
	}
	if c.told {
		n := c.describe()
		n.Silent = c.silent()
		c.assembly.config.Net.Closed(n, why)
		c.remember(why)
	}
	c.recycle()
}

// ending says to a follower why, by whom and when.
func (c *connection) ending(why stream.Reason) dissect.Ending {
	e := c.stream.Ending()
	switch why {
	case stream.FIN:
		return dissect.Ending{Why: dissect.EndClosed, By: e.First, At: dissect.At(e.At)}
	case stream.RST:
		return dissect.Ending{Why: dissect.EndReset, By: e.Reset, At: dissect.At(e.At)}
	}
	left := dissect.Ending{Why: dissect.EndLeft, By: -1, At: dissect.At(e.At)}
	if now := c.assembly.now; now > e.At.Mono { // nothing came
		left.At.Wall, left.At.Mono = e.At.Wall+now-e.At.Mono, now
	}
	return left
}
