package dissect

import (
	"heptap/capture"
	"heptap/capture/dns"
	"heptap/capture/ng"
	"heptap/capture/syslog"
)

// lines is what a connection needs that carries what is beside signalling:
// lines of logs, DNS or what media proxies are told.
type lines struct {
	log   [2]syslog.Framer
	dns   [2]dns.Framer
	ng    [2]ng.Framer
	ngGap [2]bool // where the next message begins is not known
}

// frontBeside judges the first octets of a direction, of which front has said
// proto and v, for what is beside signalling.
func (c *Conn) frontBeside(b []byte, proto capture.Protocol, v verdict) (capture.Protocol, verdict) {
	also := c.shared.config.Beside
	if also == 0 || v == yes {
		return proto, v
	}
	for _, f := range [...]struct {
		also  Beside
		proto capture.Protocol
		judge func([]byte) verdict
	}{
		{Logs, capture.Syslog, logFront}, {Control, capture.NG, ngFront}, {Lookups, capture.DNS, dnsFront},
	} {
		if also&f.also == 0 || f.proto == capture.DNS && !c.hasPort(portDNS) {
			continue
		}
		switch f.judge(b) {
		case yes:
			return f.proto, yes
		case maybe:
			v = maybe
		}
	}
	return proto, v
}

func logFront(b []byte) verdict { return verdict(syslog.Front(b)) }
func dnsFront(b []byte) verdict { return verdict(dns.Front(b)) }

// ngFront says yes to a whole message only.
func ngFront(b []byte) verdict {
	msg, v := ng.Front(b)
	if v == ng.Yes && !ng.Is(msg) {
		return no
	}
	return verdict(v)
}

// logPort says whether the connection is to a port of syslog over TCP (RFC 6587
// 3.1, RFC 5425 4.1 without its TLS), and of no other protocol that we know.
func (c *Conn) logPort() bool {
	return c.shared.config.Beside&Logs != 0 && (c.hasPort(portSyslog) || c.hasPort(601) || c.hasPort(6514))
}

func (c *Conn) hasPort(port uint16) bool {
	return c.flow.Src.Port() == port || c.flow.Dst.Port() == port
}

// knownBeside settles that the connection carries proto, of which direction dir
// begins with a message, -1 for neither, and reports whether that is something
// beside signalling.
func (c *Conn) knownBeside(proto capture.Protocol, dir int) bool {
	switch proto {
	case capture.Syslog, capture.NG, capture.DNS:
	default:
		return false
	}
	c.lines = new(lines)
	for i := range c.dir {
		if c.dir[i].gap && i != dir {
			c.lostLines(i, -1)
		}
	}
	c.known(proto, readLines)
	return true
}

// lostLines tells of octets that are missing.
func (c *Conn) lostLines(dir int, gap int64) {
	c.lines.log[dir].Lost(gap)
	c.lines.dns[dir].Lost(gap)
	c.lines.ng[dir], c.lines.ngGap[dir] = ng.Framer{}, true
}

// readLines reads what is beside signalling.
func (c *Conn) readLines(p piece) int {
	switch c.proto {
	case capture.Syslog:
		return c.readLog(p)
	case capture.NG:
		return c.readNG(p)
	}
	return c.readDNS(p)
}

func (c *Conn) readLog(p piece) (n int) {
	framer := &c.lines.log[p.dir]
	for {
		b := p.b[n:]
		f := framer.Next(b, p.last)
		switch f.Kind {
		case syslog.More:
			return n
		case syslog.NotSyslog: // what a server says
			framer.Lost(-1)
		case syslog.Message:
			whole := !f.Cut || p.finished && !f.Counted && f.N == len(b) // a last line need not end
			c.emitBeside(capture.Syslog, p, n+f.End, b[f.Start:f.End], !whole)
		case syslog.Junk:
			c.shared.count.junk.Add(uint64(f.N))
		case syslog.Rest:
			c.shared.count.rest.Add(uint64(f.N))
		}
		n += f.N
	}
}

func (c *Conn) readDNS(p piece) (n int) {
	framer := &c.lines.dns[p.dir]
	for {
		b := p.b[n:]
		f := framer.Next(b, p.last)
		switch f.Kind {
		case dns.More:
			return n
		case dns.Message:
			c.emitBeside(capture.DNS, p, n+f.N, b[f.Start:f.N], f.Cut)
		case dns.Junk:
			c.shared.count.junk.Add(uint64(f.N))
		case dns.Rest:
			c.shared.count.rest.Add(uint64(f.N))
		}
		n += f.N
	}
}

func (c *Conn) readNG(p piece) (n int) {
	framer := &c.lines.ng[p.dir]
	for n < len(p.b) {
		b := p.b[n:]
		if c.lines.ngGap[p.dir] && !framer.Reading() {
			at := ng.Find(b)
			if at > 0 {
				c.shared.count.junk.Add(uint64(at))
				n += at
				continue
			}
		}
		msg, size, v := framer.Next(b)
		switch {
		case v == ng.Yes:
			c.lines.ngGap[p.dir] = false
			c.emitBeside(capture.NG, p, n+size, msg, false)
			n += size
		case v == ng.Maybe && !p.last:
			return n
		case v == ng.Maybe: // its end will not come
			if ng.Is(b) {
				c.emitBeside(capture.NG, p, len(p.b), b, true)
			}
			*framer = ng.Framer{}
			return len(p.b)
		default:
			// At the front of a line that is none: the next one may be.
			skip := 1 + ng.Find(b[1:])
			c.lines.ngGap[p.dir] = true
			c.shared.count.junk.Add(uint64(skip))
			n += skip
		}
	}
	return n
}

// emitBeside emits a message of what is beside signalling. The connection that it
// came on has no record that it could name.
func (c *Conn) emitBeside(proto capture.Protocol, p piece, end int, payload []byte, cut bool) {
	c.send(capture.Message{Protocol: proto, Payload: payload}, p, end, cut)
}
