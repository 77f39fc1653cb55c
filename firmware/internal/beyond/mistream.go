package beyond

import (
	"heptap/capture"
	"heptap/capture/dissect"
	"heptap/capture/mi"
)

const (
	maxMIConns = 64
	miWaiting  = 64 // commands without reply on one of them

	miConnBytes = 2*16<<10 + 2*miWaiting*256 // of one mi.Conn, and of the commands kept here
)

// miConn is one connection of the event socket, the manager interface or
// binrpc.
type miConn struct {
	b       *Beyond
	conn    *mi.Conn
	flow    capture.FiveTuple // of direction 0
	at      dissect.At        // of the last octets
	dir     int               // of them
	waiting [miWaiting]struct {
		seq uint64
		of  pair[miRequest]
	}
}

func (b *Beyond) followMI(flow capture.FiveTuple, front []byte) dissect.Follower {
	t, _ := mi.Front(front)
	if t == mi.NoTransport {
		return nil // its beginning was not seen
	}
	if b.miConns == maxMIConns {
		b.Stats.MIRefused.Add(1)
		return nil
	}
	b.miConns++
	c := &miConn{b: b, flow: flow}
	c.conn = mi.NewConn(t, c)
	return c
}

// Write implements dissect.Follower.
func (c *miConn) Write(dir int, at *dissect.At, p []byte) {
	c.at, c.dir = *at, dir
	c.conn.Write(dir, p)
}

// Gap implements dissect.Follower.
func (c *miConn) Gap(dir int, n int64) { c.conn.Gap(dir, n) }

// Cut implements dissect.Follower.
func (c *miConn) Cut(int) {}

// End implements dissect.Follower.
func (c *miConn) End(dissect.End) {
	c.conn.End()
	c.b.miConns--
}

func (c *miConn) message() *capture.Message {
	m := &c.b.message
	*m = capture.Message{Flow: c.flow, Port: c.at.Port, TOS: c.at.TOS, HasVLAN: c.at.HasVLAN, VLAN: c.at.VLAN, Mono: c.at.Mono, Wall: c.at.Wall}
	if c.dir == 1 {
		m.Flow = c.flow.Reverse()
	}
	return m
}

// Request implements mi.Handler.
func (c *miConn) Request(r *mi.Request) {
	m, w := c.message(), &c.waiting[r.Seq%miWaiting]
	w.seq = r.Seq
	w.of = pair[miRequest]{mono: m.Mono + 1, wall: m.Wall, serial: c.b.serial, of: miRequest{tag: r.Tag()}}
	c.b.serial++
	c.b.Stats.MI.Requests.Add(1)
	c.b.miCommands(m, &w.of, r, true)
}

// Reply implements mi.Handler.
func (c *miConn) Reply(r *mi.Reply) {
	w := &c.waiting[r.Seq%miWaiting]
	if r.Seq == 0 || w.seq != r.Seq {
		c.b.Stats.MI.Strays.Add(1)
		return
	}
	c.b.Stats.MI.Replies.Add(1)
	c.b.miAnswers(c.message(), &w.of, r)
}
