package stream

import "heptap/capture"

// create makes a connection of its first octets. nil means there is no place
// for it, or that they are not its.
func (a *Assembler) create(k *key, h uint32, side int, p *capture.Packet) *Conn {
	seq, syn := p.TCP.Seq, p.TCP.Flags&capture.FlagSYN != 0
	if syn {
		seq++
	}
	o := a.openings.find(k, h)
	fits := o == nil || !o.is(hasISN, side) || o.covers(side, seq)
	if !fits && o.queue != openHalf {
		a.count.Strays++
		return nil
	}
	c := a.place(syn)
	if c == nil {
		a.count.Full++
		return nil
	}
	*c = Conn{key: *k, n: c.n, last: a.now, zero: uint8(side), attempt: Attempt{Began: meta(p)}}
	switch {
	case o == nil:
		c.flags |= midStream
	case !fits:
		c.flags |= midStream | rival
	default:
		if p.TCP.Flags&capture.FlagACK != 0 {
			o.infer(side, seq, p.TCP.Ack)
		}
		if side == int(o.opener) && o.attempt.Answered != 0 && o.attempt.Complete == 0 {
			o.attempt.Complete = p.Mono // the acknowledgement was lost, or is this segment's
		}
		o.begin(c)
		a.openings.remove(a, o, h)
	}
	a.port.Connections++
	if c.flags&midStream != 0 {
		a.port.MidStream++
	}
	a.index.insert(h, c.n)
	a.push(queueUnknown, c)
	if a.config.New != nil {
		c.handler = a.config.New(c)
	}
	if c.handler == nil {
		c.flags |= wantRelease
	}
	return c
}

// place returns an entry for a new connection: a free one, or that of another.
// What comes with a SYN takes only the place of one that is over or released.
func (a *Assembler) place(syn bool) *Conn {
	if n := a.free; n != 0 {
		c := a.entry(n)
		a.free = c.next
		return c
	}
	if a.used < a.config.Connections {
		if a.used == len(a.slabs)*slabSize {
			a.slabs = append(a.slabs, new(slab))
		}
		a.used++
		c := a.entry(uint32(a.used))
		c.n = uint32(a.used)
		return c
	}
	for q := range a.queues {
		if syn && queueID(q) >= queueUnknown {
			return nil
		}
		if a.queues[q].head == 0 {
			continue
		}
		c := a.entry(a.queues[q].head)
		a.count.Evicted[q]++
		if c.gone() {
			a.remove(c)
		} else {
			a.drop(c, Evicted)
		}
		a.free = c.next
		return c
	}
	return nil
}

// fin takes the end of a direction, which is at seq.
func (a *Assembler) fin(c *Conn, dir int, seq uint32, at *At) {
	s := &c.half[dir]
	if s.is(finSeen) {
		return
	}
	if n := distance(seq, s.next); s.is(started) && (n < 0 || n > ahead) ||
		s.buf != nil && s.buf.last != nil && distance(s.buf.last.end(), seq) > 0 {
		a.count.Strays++
		return
	}
	s.fin = seq
	s.flags |= finSeen
	if c.firstFIN == 0 {
		c.firstFIN = int8(dir + 1)
	}
	if s.is(started) && seq == s.next {
		a.finish(c, dir, at)
		return
	}
	h := a.buffer(c, dir)
	if h.held == nil {
		h.since = a.now
	}
	if g := a.insert(c, h, h.last, seq, nil, 0, at); g != nil {
		g.fin = true
		return
	}
	a.force(c, dir, seq, nil, 0, at)
	a.lose(c, dir, seq)
	a.finish(c, dir, at)
}

// reset takes an RST. Blind ones are not believed, those with a number that
// the receiver may accept are (RFC 9293 3.10.7.4, more loosely: its window is
// not known).
func (a *Assembler) reset(c *Conn, dir int, seq uint32) {
	s := &c.half[dir]
	if n := distance(seq, s.next); s.is(started) && (n > behind || n < -near) {
		a.count.BadResets++
		return
	}
	c.flags |= resetSeen
	if c.reset == 0 {
		c.reset = int8(dir + 1)
	}
	// What is missing may still be on its way to us, but for no longer than
	// that.
	for d := range c.half {
		if b := c.half[d].buf; b != nil {
			for g := b.held; g != nil; g = g.next {
				if g.acked == 0 {
					g.acked = a.now
				}
			}
			a.wait(c, d)
		}
	}
}

// settle does what a segment or a hole that was given up has made due.
func (a *Assembler) settle(c *Conn) {
	if c.flags&wantRelease != 0 {
		a.release(c)
		return
	}
	if c.flags&wantKeep != 0 && c.queue == queueUnknown {
		a.move(c, queueKnown)
	}
	there, back := &c.half[0], &c.half[1]
	switch {
	case c.flags&resetSeen != 0 && !there.waits() && !back.waits():
		a.conclude(c, RST)
	case there.is(finished) && (back.is(finished) || !back.is(seen)),
		back.is(finished) && !there.is(seen):
		a.conclude(c, FIN)
	default:
		a.tidy(c, 0)
		a.tidy(c, 1)
	}
}

func (s *half) waits() bool { return s.buf != nil && s.buf.held != nil }

// release leaves c to itself.
func (a *Assembler) release(c *Conn) {
	a.discard(c)
	a.count.Released++
	a.direction(c, false)
	// Nothing is known any more of where its streams are.
	c.handler = nil
	c.half[0].flags &^= started
	c.half[1].flags &^= started
	c.flags &^= rival
	a.move(c, queueReleased)
	a.config.Ignore.add(&c.key)
}

// conclude ends a connection that has come to its end.
func (a *Assembler) conclude(c *Conn, why Reason) {
	a.closed(c, why)
	a.move(c, queueClosed)
}

// drop ends a connection and forgets it. What is still held is shown first.
func (a *Assembler) drop(c *Conn, why Reason) {
	for d := range c.half {
		for c.half[d].waits() {
			a.giveUp(c, d)
		}
	}
	a.closed(c, why)
	a.remove(c)
}

// closed tells the handler and takes c's buffers.
func (a *Assembler) closed(c *Conn, why Reason) {
	for d := range c.half {
		a.cut(c, d, why)
		s := &c.half[d]
		n := distance(s.ack, s.next)
		if n > 0 && !s.is(finSeen) {
			n-- // it may have been the FIN
		}
		if n > 0 && s.is(started|seen|acked) && a.now-s.ackAt >= int64(a.config.Reorder) {
			a.unseen(c, s, uint32(n))
		}
	}
	if c.flags&wantRelease == 0 {
		c.handler.Closed(why)
	}
	c.handler = nil
	a.count.Closed[why]++
	a.direction(c, why != Evicted && why != End)
	a.discard(c)
}

// direction counts whether both directions of c were seen. Before its end
// that is only sure with the SYN, whose answer must have come before data.
func (a *Assembler) direction(c *Conn, ended bool) {
	if c.flags&counted != 0 {
		return
	}
	there, back := &c.half[0], &c.half[1]
	switch {
	case there.is(seen) && back.is(seen):
		a.count.Ports[there.port].BothDirections++
	case !ended && c.flags&midStream != 0:
		return
	case there.is(seen):
		a.count.Ports[there.port].OneDirection++
	default:
		a.count.Ports[back.port].OneDirection++
	}
	c.flags |= counted
}

// discard gives back all that c has buffered.
func (a *Assembler) discard(c *Conn) {
	for d := range c.half {
		b := c.half[d].buf
		if b == nil {
			continue
		}
		a.give(c, b.data)
		b.data = nil
		for b.held != nil {
			g := b.pop()
			a.give(c, g.data)
			a.dropSegment(c, g)
		}
		a.tidy(c, d)
	}
}

// remove forgets a connection that has no buffers any more.
func (a *Assembler) remove(c *Conn) {
	if c.queue == queueReleased {
		a.config.Ignore.remove(&c.key)
	}
	a.pull(c)
	a.index.remove(uint32(c.key.hash(&a.seed)>>32), c.n)
	c.next, a.free = a.free, c.n
}

// shed empties a buffer for the sake of others: what is held is shown, and
// what the handler leaves of it is cut off.
func (a *Assembler) shed(b *buffer) {
	c, dir := b.conn, b.dir
	s := &c.half[dir]
	a.count.Shed++
	a.cut(c, dir, Budget)
	for b.held != nil {
		g := b.held
		if !s.is(started) {
			s.start(g.seq)
			s.flags |= unknownGap
		}
		a.lose(c, dir, g.seq)
		a.showHeld(c, dir, b.pop())
		a.cut(c, dir, Budget)
		a.dropSegment(c, g)
	}
	a.disarm(b)
	a.settle(c)
}

// afterEnd takes a segment of a connection that is over or released. It
// reports false when it must be one of a new connection.
func (a *Assembler) afterEnd(c *Conn, dir int, p *capture.Packet, length int) bool {
	s := &c.half[dir]
	if c.queue == queueClosed {
		n := distance(p.TCP.Seq, s.next)
		if length > 0 && s.is(started) && (n > behind || n < -behind) {
			return false
		}
		a.count.AfterEnd++
		return true
	}
	a.count.ReleasedSegments++
	a.count.ReleasedOctets += uint64(length)
	if p.TCP.Flags&capture.FlagFIN != 0 {
		s.flags |= finSeen
	}
	if p.TCP.Flags&capture.FlagRST != 0 || c.half[0].is(finSeen) && c.half[1].is(finSeen) {
		a.config.Ignore.remove(&c.key)
		a.move(c, queueClosed)
		return true
	}
	a.config.Ignore.add(&c.key) // another may have taken its slot
	return true
}
