package beyond

import (
	"slices"

	"heptap/capture"
	"heptap/capture/dissect"
	"heptap/capture/mi"
	"heptap/capture/rest"
)

const (
	maxMIConns = 64
	// miGivesWay is how long one must have been silent to make room for another.
	miGivesWay = int64(60e9)
	miWaiting  = 64 // commands without reply on one of them
	// miTimeout is how long one waits for its reply, as long as a query does.
	miTimeout = int64(60e9)

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
	ends    ends
	tell    func() uint64 // as httpConn's
	shown   *shown
	waiting [miWaiting]miWaits
}

// miWaits is a request that waits for its reply.
type miWaits struct {
	seq    uint64 // 0: none does
	dir    int    // of the request
	failed bool   // it was told that there is none
	of     pair[miRequest]
}

func (b *Beyond) followMI(flow capture.FiveTuple, tell func() uint64, front []byte) dissect.Follower {
	t, _ := mi.Front(front)
	switch {
	case t == mi.NoTransport:
		return nil // its beginning was not seen
	case t == mi.Stream && !b.cfg.Correlator.Server(flow.Tunnel, flow.Dst.Addr()):
		return nil // anybody speaks JSON-RPC
	}
	if len(b.miConns) == maxMIConns && !b.makeMIRoom() {
		b.Stats.MIRefused.Add(1)
		return nil
	}
	c := &miConn{b: b, flow: flow, tell: tell, shown: &shown{}, at: dissect.At{Mono: b.latest}}
	c.shown.to, c.conn = c, mi.NewConn(t, c)
	b.miConns = append(b.miConns, c)
	return c.shown
}

// makeMIRoom gives up the longest silent of the connections on which no command waits for its reply, for the reason
// that web.makeRoom has. It reports whether there is one.
func (b *Beyond) makeMIRoom() bool {
	var silent *miConn
	for _, c := range b.miConns {
		waits := false
		for seq := range c.conn.Waiting {
			w := &c.waiting[seq%miWaiting]
			waits = waits || w.seq == seq && !w.failed
		}
		if !waits && c.at.Mono <= b.latest-miGivesWay && (silent == nil || c.at.Mono < silent.at.Mono) {
			silent = c
		}
	}
	if silent == nil {
		return false
	}
	b.Stats.MILeft.Add(1)
	silent.leave()
	return true
}

// leave lets go of c.
func (c *miConn) leave() {
	c.conn.End()
	c.shown.to = nil
	c.b.miConns = slices.DeleteFunc(c.b.miConns, func(o *miConn) bool { return o == c })
}

// Write implements dissect.Follower.
func (c *miConn) Write(dir int, at *dissect.At, _ dissect.Numbers, p []byte) {
	c.at, c.dir = *at, dir
	c.conn.Write(dir, p)
}

// Gap implements dissect.Follower.
func (c *miConn) Gap(dir int, n int64) { c.conn.Gap(dir, n) }

// Cut implements dissect.Follower.
func (c *miConn) Cut(dir int, at *dissect.At) { c.ends.finished(dir, at) }

// End implements dissect.Follower.
func (c *miConn) End(e dissect.Ending) {
	c.ends.over(&e, &c.at)
	reasons := [...]rest.Reason{dissect.EndLeft: rest.NoReply, dissect.EndClosed: rest.Closed, dissect.EndReset: rest.Reset}
	for seq := range c.conn.Waiting {
		c.fail(seq, reasons[e.Why])
	}
	c.leave()
}

// expire fails what has waited for too long at mono. A reply may come all the same.
func (c *miConn) expire(mono int64) {
	before := c.ends
	c.ends.over(&dissect.Ending{By: -1, At: after(&c.at, mono)}, &c.at)
	for seq := range c.conn.Waiting {
		if w := &c.waiting[seq%miWaiting]; w.seq == seq && mono-(w.of.mono-1) >= miTimeout {
			c.fail(seq, rest.Timeout)
		}
	}
	c.ends = before
}

// fail makes a note of a command that has no reply.
func (c *miConn) fail(seq uint64, why rest.Reason) {
	w := &c.waiting[seq%miWaiting]
	if w.seq != seq || w.failed {
		return
	}
	w.failed = true
	f := c.ends.failure(why, w.dir, &c.at)
	c.b.miFailed(c.b.messageAt(&c.flow, f.dir, &f.at), &w.of, &f)
}

func (c *miConn) message() *capture.Message { return c.b.messageAt(&c.flow, c.dir, &c.at) }

// Request implements mi.Handler.
func (c *miConn) Request(r *mi.Request) {
	m, w := c.message(), &c.waiting[r.Seq%miWaiting]
	*w = miWaits{seq: r.Seq, dir: c.dir, of: pair[miRequest]{mono: m.Mono + 1, wall: m.Wall, serial: c.b.serial, of: miRequest{tag: r.Tag(), tell: c.tell}}}
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
