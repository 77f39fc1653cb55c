package rest

// Gap tells that n octets of the direction were not captured, an unknown number
// when n is not positive, and that what was not consumed will not be shown
// again: the next Write begins behind them.
func (c *Conn) Gap(dir int, n int64) {
	if c.mode != Following {
		return
	}
	c.flags |= holed
	w := &c.way[dir]
	if c.flags&rolesKnown != 0 && dir == int(c.client) {
		for i := range c.early {
			c.early[i].missing = true
		}
	}
	if w.r.Lost(n) {
		if m := c.part(dir); m != nil {
			m.gap(n)
		}
		if w.busy && w.r.AtMessage() {
			c.finish(dir, w.last, true)
		}
		return
	}
	c.lose(dir, Gap)
}

// lose gives up the place in the direction.
func (c *Conn) lose(dir int, why Reason) {
	w := &c.way[dir]
	x, owns := w.x, w.owns
	w.x, w.busy, w.owns, w.began, w.lost = nil, false, false, false, true
	if c.flags&rolesKnown == 0 {
		return
	}
	if dir == int(c.client) {
		if x != nil && !x.told { // its reply may come all the same
			x.Request.Gap = true
			x.Request.end(c.p, w.last, false)
			c.tell(x)
			c.told(x)
		}
		return
	}
	for i := range c.n {
		c.at(i).gap = true
	}
	if owns {
		c.pop()
	}
	if x == nil {
		return
	}
	x.Reply.Gap = true
	x.Reply.end(c.p, w.last, false)
	if c.unlist(x) {
		c.orphan(x)
	} else {
		c.fail(x, why)
	}
}

// broken deals with octets that are no HTTP: on a connection that never was
// any, and later on.
func (c *Conn) broken(dir int) {
	c.p.stats.Broken++
	if c.order == 0 && len(c.early) == 0 && c.n == 0 {
		c.mode = NotHTTP
		return
	}
	w := &c.way[dir]
	front := !w.busy && dir != int(c.client) && c.n > 0 // in the place of a reply
	w.r.Lost(-1)
	c.lose(dir, Malformed)
	if front {
		x := c.at(0).x
		c.pop()
		if x != nil {
			c.fail(x, Malformed)
		}
	}
}

// Cut tells that the sender of the direction has finished (FIN): what was not
// consumed is all there is.
func (c *Conn) Cut(dir int) {
	if c.mode != Following || c.flags&rolesKnown == 0 {
		return
	}
	w := &c.way[dir]
	if dir == int(c.client) {
		if w.busy {
			c.finish(dir, w.last, w.r.ToEnd())
		}
		c.flags &^= offered
		return
	}
	if w.busy && w.r.ToEnd() {
		c.finish(dir, w.last, true)
	}
	c.failAll(Closed)
	switch x := w.x; {
	case x == nil:
	case c.unlist(x):
		c.orphan(x)
	default:
		c.fail(x, Closed)
	}
	*w = way{last: w.last}
}

// End tells that no more will be seen of the connection: Reset, Closed, or for
// one that is only not followed any longer NoReply. All that waits fails. The
// Conn can be used no more.
func (c *Conn) End(why Reason) {
	if w := &c.way[1-c.client]; c.mode == Following && why == Closed && w.busy && w.r.ToEnd() {
		c.finish(int(1-c.client), w.last, true)
	}
	c.failAll(why)
	c.failEarly(why)
	c.mode = NotHTTP
}

// Expire fails the requests that have waited too long at now.
func (c *Conn) Expire(now int64) {
	before := now - c.p.config.Timeout
	for i := range c.n {
		s := c.at(i)
		if s.x == nil || s.first > before || c.active(s.x, before) {
			continue
		}
		x, why := s.x, Timeout
		if s.gap {
			why = Gap
		}
		s.x, s.late = nil, true
		c.open--
		c.flags &^= offered
		c.fail(x, why)
	}
	for len(c.early) > 0 && c.early[0].first <= before {
		c.leaveEarly()
	}
}

// active reports whether octets of x came after the time.
func (c *Conn) active(x *Exchange, before int64) bool {
	for i := range c.way {
		if c.way[i].x == x && c.way[i].last > before {
			return true
		}
	}
	return x.Request.Last > before
}
