package dissect

import "heptap/capture/mi"

// Follower is shown what a connection carries that a Conn frames, or knows, and
// does not read itself: HTTP and the management protocols.
type Follower interface {
	// Write shows octets of a direction, which came with the frame at, and their
	// numbers. It keeps nothing of them. Of HTTP heads are shown whole, and only what belongs to a message
	// or between two.
	Write(dir int, at *At, n Numbers, b []byte)
	// Gap tells that n octets of a direction are missing before those of the
	// next Write, or an unknown number when n is not positive.
	Gap(dir int, n int64)
	// Cut tells that the sender of a direction has finished, with the frame at.
	Cut(dir int, at *At)
	// End is the last call.
	End(e Ending)
}

// Ending says how it came that a Follower is shown no more.
type Ending struct {
	Why End
	// By is the direction of who ended the connection: that of the RST, or of the
	// first FIN; -1 for nobody.
	By int8
	// At is the frame of the RST, or of the last FIN. Of a connection that is only
	// left it is the time of that; the zero At when what it carries became something
	// else.
	At At
}

// End says why.
type End uint8

// The reasons.
const (
	EndLeft   End = iota // it is not followed any longer, or became something else
	EndClosed            // the connection was closed
	EndReset             // or reset
)

// follow asks for a follower of what the connection carries, as long as it has
// none. A late one begins behind a gap.
func (c *Conn) follow(front []byte) {
	if c.follower != nil || c.shared.config.Follow == nil {
		return
	}
	if c.follower = c.shared.config.Follow(c.proto, front); c.follower == nil {
		return
	}
	for i := range c.dir {
		if c.unfollowed || c.dir[i].gap || c.dir[i].middle {
			c.follower.Gap(i, -1)
		}
	}
}

// show shows the follower p.b[n:n+size].
func (c *Conn) show(p piece, n, size int) {
	if c.follower == nil {
		c.unfollowed = true
		return
	}
	at, numbers := p.at, p.numbers
	numbers.End -= uint32(len(p.b) - n - size)
	if n+size <= p.old { // what its sender had got with that is not known any more
		at, numbers.Known = &c.dir[p.dir].at, false
	}
	c.follower.Write(p.dir, at, numbers, p.b[n:n+size])
}

// Finished tells the follower, if there is one, that the sender of a direction has
// finished, with the frame at. It comes after Cut.
func (c *Conn) Finished(dir int, at *At) {
	if c.follower != nil {
		c.follower.Cut(dir, at)
	}
}

// Followed says whether somebody is shown what the connection carries.
func (c *Conn) Followed() bool { return c.follower != nil }

// Unfollow tells the follower, if there is one, that this was all.
func (c *Conn) Unfollow(e Ending) {
	if c.follower != nil {
		c.follower.End(e)
		c.follower = nil
	}
}

// readMI shows a connection of a management protocol.
func (c *Conn) readMI(p piece) int {
	c.follow(p.b)
	c.show(p, 0, len(p.b))
	return len(p.b)
}

// followed says whether mode m is one in which a follower is shown octets.
func (m mode) followed() bool { return m == readHTTP || m == readMI }

// miFront judges whether octets are the front of a management protocol.
func miFront(b []byte) verdict {
	switch t, more := mi.Front(b); {
	case t != mi.NoTransport:
		return yes
	case more:
		return maybe
	}
	return no
}
