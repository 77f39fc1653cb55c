package rest

import (
	"slices"

	"heptap/capture/httpwire"
)

// at returns the i-th place in line, the oldest being 0.
func (c *Conn) at(i int) *slot { return &c.line[(c.head+i)%len(c.line)] }

// push puts a request at the end of the line. Where it is full the oldest goes:
// whose the next reply is the times tell then.
func (c *Conn) push(s slot) {
	switch {
	case c.n < len(c.line):
	case c.n < maxLine:
		line := make([]slot, max(4, 2*c.n))
		for i := range c.n {
			line[i] = *c.at(i)
		}
		c.line, c.head = line, 0
	default:
		w := &c.way[1-c.client]
		x := c.at(0).x
		w.owns, w.lost = false, true
		c.pop()
		if x != nil {
			c.fail(x, Gap)
		}
	}
	if c.n++; s.x != nil {
		c.open++
	}
	*c.at(c.n - 1) = s
}

// request takes in the head of a request.
func (c *Conn) request(dir int, h *httpwire.Head, raw []byte) {
	w := &c.way[dir]
	c.order++
	w.busy, w.lost, w.listed = true, false, false
	w.r.Begin(h, httpwire.AskedOther)
	c.flags &^= offered
	if h.Asked() == httpwire.AskedConnect || h.Has("connection", "upgrade") {
		c.flags |= offered
	}
	if c.rested && c.flags&unpaired != 0 {
		c.anew()
	}
	c.rested = false
	if c.overlaps > 0 && len(c.early) > 0 && c.early[0].missing { // what is missing may have been requests that were answered so
		for len(c.early) > 0 {
			c.leaveEarly()
		}
		c.unpair()
	}
	for len(c.early) > 0 {
		e := c.early[0]
		if !c.overtook(&e, w) {
			c.leaveEarly()
			continue
		}
		x := e.x
		if e.later(w, h, len(raw)) {
			x = nil // the reply to this one is missing
		} else if c.early = slices.Delete(c.early, 0, 1); x != nil {
			c.kept--
		}
		if x == nil {
			if x = c.p.take(); x == nil {
				c.p.stats.Untold++
				return
			}
			x.alone = true
		}
		c.ask(x, dir, h, raw)
		return
	}
	s := slot{start: w.start, asked: h.Asked()}
	var x *Exchange
	if c.open < maxOpen {
		x = c.p.take()
	}
	switch {
	case x == nil:
		c.p.stats.Untold++
	case c.flags&unpaired != 0:
		x.alone = true
	default:
		s.x = x
	}
	if x != nil {
		c.ask(x, dir, h, raw)
	}
	c.push(s)
	w.listed = true
}

// later says whether e, before which replies may be missing, is the reply to one after the
// request that begins with w and has this head: its sender had got more than that one.
func (e *early) later(w *way, h *httpwire.Head, head int) bool {
	if !e.behind || !e.numbered || !w.numbered {
		return false
	}
	body, known := h.RequestBody()
	return !known || int64(int32(e.ack-w.seq)) > int64(head)+body
}

// overtook says whether e may be the reply to the request which begins with w.
func (c *Conn) overtook(e *early, w *way) bool {
	switch late := w.first - e.first; {
	case w.before(&e.start, e.ack):
		return true
	case e.numbered && w.numbered, late > Overtaking:
		return false
	}
	return !e.missing && (c.order > 1 || c.flags&holed == 0)
}

func (c *Conn) ask(x *Exchange, dir int, h *httpwire.Head, raw []byte) {
	w := &c.way[dir]
	w.x = x
	x.Order, x.Dir = c.order, dir
	x.Request.First = w.first
	x.ask(c.p, h, raw)
}

// leaveEarly is done with the first of the replies that wait for their requests.
func (c *Conn) leaveEarly() {
	x := c.early[0].x
	c.early = slices.Delete(c.early, 0, 1)
	if x == nil {
		c.p.stats.Orphans++
		return
	}
	c.kept--
	c.orphan(x)
}

// orphan is done with a reply that waited for its request in vain.
func (c *Conn) orphan(x *Exchange) {
	c.p.stats.Orphans++
	c.drop(x)
}

// reply takes in the head of a reply.
func (c *Conn) reply(dir int, h *httpwire.Head, raw []byte) {
	w := &c.way[dir]
	c.resync(w)
	var s *slot
	if c.n > 0 && c.asked(0) {
		s = c.at(0)
	}
	if h.Status/100 == 1 && h.Status != 101 {
		c.p.stats.Interim++
		if s != nil && s.x != nil {
			s.x.Interim++
		}
		w.r.Begin(h, httpwire.AskedOther)
		return
	}
	asked := httpwire.AskedOther
	w.x, w.owns = nil, false
	switch {
	case s == nil:
		w.x = c.unasked()
	default:
		asked, w.x, w.owns = s.asked, s.x, true
		if s.late {
			c.p.stats.Late++
		}
		switch {
		case s.gap:
		case c.n > 1 && c.asked(1) && (w.numbered || c.at(1).first+Skew < w.first):
			c.overlaps = pipelining
		case c.overlaps > 0:
			c.overlaps--
		}
	}
	w.busy = true
	w.r.Begin(h, asked)
	if x := w.x; x != nil {
		x.Reply.First = w.first
		x.reply(c.p, h, raw)
	}
	c.leave(dir, h.Status, asked)
}

// unasked returns an exchange for a reply that nobody asked for yet, nil when it
// will not be told.
func (c *Conn) unasked() *Exchange {
	if c.n > 0 || c.flags&unpaired != 0 {
		c.p.stats.Orphans++
		return nil
	}
	if len(c.early) == maxLine {
		for len(c.early) > 0 {
			c.leaveEarly()
		}
		c.unpair()
		c.p.stats.Orphans++
		return nil
	}
	w := &c.way[1-c.client]
	e := early{start: w.start, ack: w.ack, behind: w.lost}
	if c.kept < maxOpen {
		e.x = c.p.take()
	}
	if e.x != nil {
		e.x.early = true
		c.kept++
	}
	c.early = append(c.early, e)
	return e.x
}

// leave stops following HTTP where something else begins.
func (c *Conn) leave(dir, status int, asked httpwire.Asked) {
	w := &c.way[dir]
	switch {
	case status == 101:
		c.mode = Upgraded
		c.p.stats.Upgrades++
	case status/100 == 2 && asked == httpwire.AskedConnect:
		c.mode = Tunnel
		c.p.stats.Tunnels++
	default:
		return
	}
	if x := w.x; x != nil {
		x.Upgraded, x.Tunnel = c.mode == Upgraded, c.mode == Tunnel
	}
	c.finish(dir, w.last, true)
	c.failAll(Malformed) // whatever was asked behind it is not HTTP's any more
}

// pop takes the oldest out of the line, if it is the one that was answered.
func (c *Conn) pop() {
	if c.n == 0 {
		return
	}
	if c.at(0).x != nil {
		c.open--
	}
	*c.at(0) = slot{}
	c.head = (c.head + 1) % len(c.line)
	c.n--
}

// resync finds out whose the first reply behind a gap is.
func (c *Conn) resync(w *way) {
	if !w.lost {
		return
	}
	if c.overlaps > 0 {
		w.lost = false
		c.unpair()
		return
	}
	for c.n > 1 && c.asked(1) {
		x := c.at(0).x
		c.pop()
		if x != nil {
			c.fail(x, Gap)
		}
	}
	for c.n > 0 && c.asked(0) && c.beyond() {
		x := c.at(0).x
		c.pop()
		if x != nil {
			c.fail(x, Gap)
		}
	}
	w.lost = c.n == 0 || !c.asked(0) // this reply is of none of them
}

// unpair gives up to tell whose replies are.
func (c *Conn) unpair() {
	if c.flags&unpaired == 0 {
		c.flags |= unpaired
		c.p.stats.Unpaired++
	}
	c.failAll(Gap)
}

// anew begins to pair again: what was asked before was answered, or never will be.
func (c *Conn) anew() {
	c.flags &^= unpaired
	c.overlaps = 0
	for c.n > 0 {
		c.pop() // nobody was told of these
	}
	c.way[1-c.client].owns = false
}

// failAll fails all that are in line.
func (c *Conn) failAll(why Reason) {
	c.way[1-c.client].owns = false
	for c.n > 0 {
		s := *c.at(0)
		c.pop()
		switch {
		case s.x == nil:
		case s.gap && why != Malformed:
			c.fail(s.x, Gap)
		default:
			c.fail(s.x, why)
		}
	}
}

// failEarly is done with the replies that came before their requests.
func (c *Conn) failEarly(why Reason) {
	for len(c.early) > 0 {
		c.leaveEarly()
	}
	for i := range c.way {
		switch x := c.way[i].x; {
		case x == nil:
		case x.answered:
			c.settle(x)
		default:
			c.fail(x, why)
		}
	}
}
