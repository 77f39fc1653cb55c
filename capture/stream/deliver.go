package stream

import "bytes"

// data takes the octets b, which begin at seq, and tail more that the capture
// cut off.
func (a *Assembler) data(c *Conn, dir int, seq uint32, b []byte, tail uint32, at *At) {
	s := &c.half[dir]
	total := len(b) + int(tail)
	a.port.DataSegments++
	s.sent.Segments++
	s.largest = max(s.largest, uint16(min(total, 1<<16-1)))
	if tail > 0 {
		a.port.Truncated++
		a.port.TruncatedOctets += uint64(tail)
	}
	if s.is(finSeen) {
		if n := int(distance(s.fin, seq)); n < total {
			if n <= 0 {
				if n == 0 && total == 1 && s.is(finished) {
					a.count.KeepAlives++
				} else {
					a.count.Strays++
				}
				return
			}
			b, tail = first(b, tail, n)
			total = n
		}
	}
	if !s.is(started) {
		a.beyond(c, dir, seq, b, tail, false, at)
		return
	}
	n := distance(seq, s.next)
	if (n > ahead || n < -behind) && !a.resync(s, seq, total) {
		a.count.Strays++
		return
	}
	s.flags &^= strayed
	n = distance(seq, s.next)
	partly := n < 0
	if partly {
		if !a.overlap(s, b, total, -int(n)) {
			return
		}
		b, tail = after(b, tail, -int(n))
		seq = s.next
	}
	if h := s.buf; n > 0 || h != nil && h.held != nil && distance(seq+uint32(len(b))+tail, h.held.seq) > 0 {
		a.beyond(c, dir, seq, b, tail, partly, at)
		return
	}
	if partly {
		a.port.Overlaps++
	}
	a.show(c, dir, b, at, nil)
	a.truncated(c, dir, tail)
	a.drain(c, dir)
}

// first returns the first n octets of b and the tail of missing ones after it.
func first(b []byte, tail uint32, n int) ([]byte, uint32) {
	if n <= len(b) {
		return b[:n], 0
	}
	return b, uint32(n - len(b))
}

// after returns what follows the first n octets.
func after(b []byte, tail uint32, n int) ([]byte, uint32) {
	if n <= len(b) {
		return b[n:], tail
	}
	return nil, tail - uint32(n-len(b))
}

// overlap takes a segment whose first n octets or more are older than what is
// expected, and reports whether it has anything new. The first copy of an octet
// is the one that counts; a later one is compared if the first is still there.
func (a *Assembler) overlap(s *half, b []byte, total, n int) bool {
	probe := n == 1 && total == 1 // RFC 9293 3.8.4: the octet of a keep-alive means nothing
	if !probe && s.buf != nil {
		kept := s.buf.rest()
		old := b[:min(n, len(b))]
		if skip := n - len(kept); skip > 0 { // older than what is kept
			old = old[min(skip, len(old)):]
		} else {
			kept = kept[-skip:]
		}
		if m := min(len(old), len(kept)); !bytes.Equal(old[:m], kept[:m]) {
			a.port.Conflicts++
		}
	}
	switch {
	case n < total:
		return true
	case probe:
		a.count.KeepAlives++
	case !a.late(s, s.next-uint32(n), total):
		a.port.Retransmissions++
		s.sent.Again++
	}
	return false
}

// resync takes a stray segment. When it continues another stray one, it is we
// who are wrong: the sender's numbers have jumped, by a forgery before or a
// SYN that was never captured, and the stream goes on from here.
func (a *Assembler) resync(s *half, seq uint32, total int) bool {
	again := s.is(strayed) && s.stray == seq && !s.is(finSeen) && (s.buf == nil || s.buf.held == nil)
	s.stray = seq + uint32(total)
	s.flags |= strayed
	if !again {
		return false
	}
	a.count.Resyncs++
	s.flags = s.flags&^acked | unknownGap
	s.lostFrom = s.lostTo
	s.next = seq
	return true
}

// show hands octets that begin at s.next to the handler, together with those
// it has left. g, when not nil, is the segment that holds them: its buffer is
// kept or given back.
func (a *Assembler) show(c *Conn, dir int, octets []byte, at *At, g *segment) {
	s := &c.half[dir]
	s.next += uint32(len(octets))
	at.End = s.next
	s.sent.Octets += uint64(len(octets))
	if len(octets) > 0 && c.flags&wantRelease == 0 {
		if s.buf != nil && len(s.buf.data) > 0 && a.keep(c, dir, octets, at) {
			b := s.buf
			n := a.call(c, dir, b.rest(), len(octets), at)
			a.spend(c, b, n)
		} else {
			a.cut(c, dir, Budget) // nothing, or no room to add to it
			if c.flags&wantRelease == 0 && a.showAlone(c, dir, octets, at, g) {
				return
			}
		}
	}
	if g != nil {
		a.give(c, g.data)
	}
}

// showAlone shows octets before which nothing is kept. It reports whether g's
// buffer was taken.
func (a *Assembler) showAlone(c *Conn, dir int, octets []byte, at *At, g *segment) bool {
	n := a.call(c, dir, octets, len(octets), at)
	return n < len(octets) && c.flags&wantRelease == 0 && a.adopt(c, dir, octets, n, at, g)
}

// adopt makes what the handler left, from n on, the first that is kept. It
// reports whether it took g's buffer.
func (a *Assembler) adopt(c *Conn, dir int, octets []byte, n int, at *At, g *segment) bool {
	if g != nil {
		b := a.buffer(c, dir)
		b.data, b.start, b.at = g.data, len(g.data)-len(octets)+n, *at
		return true
	}
	if !a.keep(c, dir, octets[n:], at) {
		a.count.Cuts++
		c.handler.Cut(dir, octets[n:], Budget, &at.Meta)
	}
	return false
}

// call shows pending to the handler and returns how much it consumed.
func (a *Assembler) call(c *Conn, dir int, pending []byte, fresh int, at *At) int {
	s := &c.half[dir]
	gap := int64(s.gap)
	if s.is(unknownGap) {
		gap = -1
	}
	s.gap = 0
	s.flags &^= unknownGap
	a.count.Delivered += uint64(fresh)
	return min(max(c.handler.Data(dir, pending, fresh, gap, at), 0), len(pending))
}

// cut takes away what the handler has left, and tells it so.
func (a *Assembler) cut(c *Conn, dir int, why Reason) {
	b := c.half[dir].buf
	if b == nil || len(b.data) == 0 {
		return
	}
	if why == Budget {
		a.count.Cuts++
	}
	if c.flags&wantRelease == 0 {
		c.handler.Cut(dir, b.rest(), why, &b.at.Meta)
	}
	a.spend(c, b, len(b.rest()))
}

// truncated makes n octets at s.next, which were captured by nobody, a gap.
func (a *Assembler) truncated(c *Conn, dir int, n uint32) {
	if n == 0 {
		return
	}
	a.cut(c, dir, Gap)
	c.half[dir].skip(n)
}

// skip leaves out n octets.
func (s *half) skip(n uint32) {
	s.next += n
	s.sent.Octets += uint64(n)
	s.sent.Lost += uint64(n)
	if s.gap += n; s.gap < n {
		s.gap = 1<<32 - 1
	}
}

// finish shows the end of a direction, whose octets have all been shown.
func (a *Assembler) finish(c *Conn, dir int, at *At) {
	s := &c.half[dir]
	s.next++ // RFC 9293 3.4: the FIN has a number
	s.flags |= finished
	if s.buf != nil && len(s.buf.data) > 0 {
		a.cut(c, dir, FIN)
	} else if c.flags&wantRelease == 0 {
		c.handler.Cut(dir, nil, FIN, &at.Meta)
	}
}
