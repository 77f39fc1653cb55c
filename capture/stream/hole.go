package stream

import "bytes"

// beyond takes octets that are not, or not all, next in order. partly says that
// others of their segment were old.
func (a *Assembler) beyond(c *Conn, dir int, seq uint32, b []byte, tail uint32, partly bool, at *At) {
	s := &c.half[dir]
	inOrder := s.is(started) && seq == s.next
	fresh, old, ok := a.hold(c, dir, seq, b, tail, at)
	switch {
	case fresh == 0 && ok:
		a.port.Retransmissions++
		s.sent.Again++
	case old > 0 || partly:
		a.port.Overlaps++
	case !inOrder && s.is(started):
		a.port.OutOfOrder++
	}
	if !ok {
		a.force(c, dir, seq, b, tail, at)
		return
	}
	if !s.is(started) && int(c.held) > softHold {
		a.giveUp(c, dir)
	}
	a.drain(c, dir)
}

// force makes room by giving up the direction's holes, and shows the octets
// at once.
func (a *Assembler) force(c *Conn, dir int, seq uint32, b []byte, tail uint32, at *At) {
	s := &c.half[dir]
	for s.buf != nil && s.buf.held != nil {
		a.giveUp(c, dir)
	}
	if !s.is(started) {
		s.start(seq)
		s.flags |= unknownGap
	}
	n := int(distance(s.next, seq))
	if n >= len(b)+int(tail) {
		return
	}
	if n > 0 {
		b, tail = after(b, tail, n)
	}
	a.lose(c, dir, seq)
	a.show(c, dir, b, at, nil)
	a.truncated(c, dir, tail)
}

// hold stores what is new of a segment among those that are held. It returns
// how many octets were new and how many were there; ok is false when there was
// no room for some of the new.
func (a *Assembler) hold(c *Conn, dir int, seq uint32, b []byte, tail uint32, at *At) (fresh, old int, ok bool) {
	h := a.buffer(c, dir)
	if h.held == nil {
		h.since = a.now
	}
	conflict := false
	prev := h.before(seq)
	for left := len(b) + int(tail); left > 0; left = len(b) + int(tail) {
		g := h.held
		if prev != nil {
			g = prev.next
		}
		n := left
		if g != nil && distance(g.seq, seq) < int32(left) {
			n = int(distance(g.seq, seq))
		}
		if n > 0 { // free up to g
			piece, cut := first(b, tail, n)
			if prev = a.insert(c, h, prev, seq, piece, cut, at); prev == nil {
				return fresh, old, false
			}
			fresh += n
		} else { // g has it
			n = min(left, int(distance(g.end(), seq)))
			theirs, _ := after(g.data, g.tail, int(distance(seq, g.seq)))
			if m := min(n, len(b), len(theirs)); !bytes.Equal(b[:m], theirs[:m]) {
				conflict = true
			}
			old += n
			prev = g
		}
		b, tail = after(b, tail, n)
		seq += uint32(n)
	}
	if conflict {
		a.port.Conflicts++
	}
	return fresh, old, true
}

// before returns the last held segment that ends at seq or before it, nil if
// there is none.
func (b *buffer) before(seq uint32) *segment {
	if b.last != nil && distance(b.last.end(), seq) <= 0 {
		return b.last
	}
	var prev *segment
	for g := b.held; g != nil && distance(g.end(), seq) <= 0; g = g.next {
		prev = g
	}
	return prev
}

// insert puts a segment after prev, or to the front. It returns nil when there
// is no room.
func (a *Assembler) insert(c *Conn, h *buffer, prev *segment, seq uint32, b []byte, tail uint32, at *At) *segment {
	size := 0
	if len(b) > 0 {
		size = classSize(len(b))
	}
	if !a.room(c, size, size+overhead) {
		return nil
	}
	g := a.segment(c)
	if size > 0 {
		g.data = append(a.take(c, len(b)), b...)
	}
	g.at, g.arrived, g.seq, g.tail = *at, a.now, seq, tail
	if s := &c.half[h.dir]; s.is(started|acked) && distance(s.ack, seq) >= 0 {
		g.acked = s.ackAt
	}
	if prev != nil {
		g.next, prev.next = prev.next, g
	} else {
		g.next, h.held = h.held, g
	}
	if g.next == nil {
		h.last = g
	}
	return g
}

// pop takes the first held segment off.
func (b *buffer) pop() *segment {
	g := b.held
	if b.held = g.next; b.held == nil {
		b.last = nil
	}
	return g
}

// drain shows the held segments that are next in order.
func (a *Assembler) drain(c *Conn, dir int) {
	s := &c.half[dir]
	if !s.is(started) {
		return
	}
	for s.buf != nil && s.buf.held != nil && distance(s.buf.held.seq, s.next) <= 0 {
		g := s.buf.pop()
		a.showHeld(c, dir, g)
		a.dropSegment(c, g)
	}
}

func (a *Assembler) showHeld(c *Conn, dir int, g *segment) {
	s := &c.half[dir]
	if g.fin {
		a.finish(c, dir, &g.at)
		return
	}
	b, tail := g.data, g.tail
	if n := int(distance(s.next, g.seq)); n > 0 { // begun elsewhere than it was held for
		n = min(n, len(b)+int(tail))
		b, tail = after(b, tail, n)
	}
	a.show(c, dir, b, &g.at, g)
	a.truncated(c, dir, tail)
}

// giveUp ends the wait for the first hole of one direction.
func (a *Assembler) giveUp(c *Conn, dir int) {
	s := &c.half[dir]
	g := s.buf.held
	if !s.is(started) {
		s.start(g.seq)
		s.flags |= unknownGap
	} else {
		a.lose(c, dir, g.seq)
	}
	a.drain(c, dir)
}

// lose makes everything from s.next to to a gap.
func (a *Assembler) lose(c *Conn, dir int, to uint32) {
	s := &c.half[dir]
	n := distance(to, s.next)
	if n <= 0 {
		return
	}
	a.cut(c, dir, Gap)
	port := &a.count.Ports[s.port]
	port.Gaps++
	port.GapOctets += uint64(n)
	// The part that was acknowledged got to the receiver: only we missed it.
	// Of the other part we may hear later.
	from := s.next
	s.lostFrom, s.lostTo = from, to
	s.flags &^= lostProven
	if s.is(acked) {
		if proven := min(distance(s.ack, from), n); proven > 0 {
			a.unseen(c, s, uint32(proven))
			if proven == n {
				s.flags |= lostProven
			} else {
				s.lostFrom = from + uint32(proven)
			}
		}
	}
	s.skip(uint32(n))
}

// unseen counts octets that the receiver has acknowledged and we never saw. How
// many segments they were is an estimate, the least it can have been.
func (a *Assembler) unseen(c *Conn, s *half, octets uint32) {
	size := uint32(s.largest)
	if size == 0 {
		size = 1460
	}
	port := &a.count.Ports[s.port]
	if c.flags&lossy == 0 {
		c.flags |= lossy
		port.UnseenConnections++
	}
	port.AckedUnseenOctets += uint64(octets)
	port.AckedUnseen += uint64((octets-1)/size + 1)
}

// late reports whether octets that are older than what is expected were given
// up before. Then they are no retransmission that anybody needed, but come late.
func (a *Assembler) late(s *half, seq uint32, total int) bool {
	end := seq + uint32(total)
	if s.lostFrom == s.lostTo || distance(end, s.lostFrom) <= 0 || distance(seq, s.lostTo) >= 0 {
		return false
	}
	from, to := s.lostFrom, s.lostTo
	if distance(seq, from) > 0 {
		from = seq
	}
	if distance(end, to) < 0 {
		to = end
	}
	a.port.Late++
	if s.is(lostProven) {
		a.port.LateUnseen++
		a.port.LateUnseenOctets += uint64(to - from)
	}
	if from == s.lostFrom {
		s.lostFrom = to
	} else { // what follows the late part, if anything, is forgotten
		s.lostTo = from
	}
	return true
}

// acknowledge takes the other side's acknowledgement of what dir sends.
func (a *Assembler) acknowledge(c *Conn, dir int, ack uint32) {
	s := &c.half[dir]
	if s.is(started) {
		if n := distance(ack, s.next); n > ahead || n < -ahead {
			return
		}
	}
	if s.is(acked) && distance(ack, s.ack) <= 0 {
		return
	}
	s.flags |= acked
	s.ack, s.ackAt = ack, a.now
	if !s.is(started) {
		return
	}
	if s.lostFrom != s.lostTo && !s.is(lostProven) && distance(ack, s.lostTo) >= 0 {
		a.unseen(c, s, s.lostTo-s.lostFrom)
		s.flags |= lostProven
	}
	if s.buf == nil || s.buf.held == nil {
		return
	}
	s.buf.acknowledge(ack, a.now)
	a.wait(c, dir)
}

// acknowledge notes which holes the receiver does not have.
func (b *buffer) acknowledge(ack uint32, at int64) {
	for g := b.held; g != nil && distance(ack, g.seq) >= 0; g = g.next {
		if g.acked == 0 {
			g.acked = at
		}
	}
}

// wait sees to it that the first hole of one direction is given up in time, and
// does so when it is due.
func (a *Assembler) wait(c *Conn, dir int) {
	s := &c.half[dir]
	a.drain(c, dir)
	for s.buf != nil && s.buf.held != nil {
		if due := a.due(s); due > a.now {
			if s.buf.place == 0 || s.buf.due != due {
				a.arm(s.buf, due)
			}
			return
		}
		a.giveUp(c, dir)
	}
	if s.buf != nil {
		a.disarm(s.buf)
	}
}

// due returns when the hole before what is held is given up.
func (a *Assembler) due(s *half) int64 {
	b, g := s.buf, s.buf.held
	if !s.is(started) {
		return b.since + int64(a.config.Reorder)
	}
	due := g.arrived + int64(a.config.GapTimeout)
	if s.is(acked) && s.ack == s.next {
		due = g.arrived + patience*int64(a.config.GapTimeout)
	}
	if g.acked != 0 {
		due = min(due, g.acked+int64(a.config.Reorder))
	}
	return due
}
