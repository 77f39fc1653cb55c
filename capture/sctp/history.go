package sctp

import "heptap/capture"

// At says when and where a packet was captured.
type At struct {
	Wall, Mono int64 // see capture.Frame
	VLAN       uint16
	HasVLAN    bool
	TOS        uint8
	Port       uint8 // mirror port index
}

func at(p *capture.Packet) At {
	return At{Wall: p.Wall, Mono: p.Mono, VLAN: p.VLAN, HasVLAN: p.HasVLAN, TOS: p.TOS, Port: p.Port}
}

// History is what is known of an association. Directions are counted from the end
// that opened it, which sends direction 0; if that was not seen, from who was seen
// first.
type History struct {
	Flow     capture.FiveTuple // of direction 0
	Began    At                // of the first INIT; of the first packet when there was none
	Last     At                // of the last packet
	Answered int64             // Mono of the first INIT ACK, 0 when none was seen
	Complete int64             // Mono of the first COOKIE ACK, likewise
	Streams  [2]uint16         // that each end asked to send on (RFC 9260 3.3.2), 0 when not seen
	Sent     [2]Sent           // by direction

	// How many chunks of the handshake were seen, 255 at most.
	INITs, Answers, Cookies, CookieAcks uint8

	Shutdown int8   // the direction of the first SHUTDOWN, or SHUTDOWN ACK, -1 for none
	Abort    int8   // of the ABORT that ended it, -1 for none
	Cause    uint16 // of that: the first error cause (RFC 9260 3.3.10), 0 for none
}

// Sent is what one direction carried so far.
type Sent struct {
	Octets uint64 // of user messages, each once
	Chunks uint64 // with data, each once
	Again  uint64 // data chunks that came before: retransmissions and copies
	Missed uint64 // data chunks that were never seen
}

// shake is what was seen of a handshake.
type shake struct {
	began                               At
	answered, complete                  int64
	inits, answers, cookies, cookieAcks uint8
	streams                             [2]uint16 // by end
}

// ending is what was seen of an end.
type ending struct {
	shutdown, abort uint8 // the end that sent it and one, 0 for none
	cause           uint16
}

// Association is the one that a Message or an Event is of: good until the
// function that was given it returns.
type Association struct {
	table *Table
	a     *association
}

// Name returns the number that SetName gave the association, 0 before, and again from
// when its ends have begun anew.
func (a Association) Name() uint64 { return a.a.name }

// SetName names the association.
func (a Association) SetName(name uint64) { a.a.name = name }

// Keep says that the association is worth to be kept, whether or not it is known to
// be open, and reports whether it is not closed.
func (a Association) Keep() bool {
	if a.a.closed {
		return false
	}
	a.table.open(a.a)
	return true
}

// History fills in h.
func (a Association) History(h *History) {
	s := a.a
	first := int(s.opener)
	*h = History{Flow: s.flow(first), Began: s.shake.began, Last: s.last, Answered: s.shake.answered, Complete: s.shake.complete,
		INITs: s.shake.inits, Answers: s.shake.answers, Cookies: s.shake.cookies, CookieAcks: s.shake.cookieAcks,
		Shutdown: s.from(s.ending.shutdown), Abort: s.from(s.ending.abort), Cause: s.ending.cause}
	for i := range h.Sent {
		h.Sent[i], h.Streams[i] = s.directions[i^first].sent, s.shake.streams[i^first]
	}
}

// from returns the direction of an end, which is given with one added.
func (a *association) from(end uint8) int8 {
	if end == 0 {
		return -1
	}
	return int8((end - 1) ^ a.opener)
}

// note takes in what a chunk of end side says of the handshake, or of the end.
func (a *association) note(side int, c *chunk, p *capture.Packet) {
	s := &a.shake
	switch c.typ {
	case chunkInit, chunkInitAck:
		if a.opened && !a.closed { // an end begins anew
			if a.anew.inits == 0 {
				a.anew = shake{began: at(p)}
			}
			s = &a.anew
		} else if s.inits == 0 && c.typ == chunkInit {
			s.began, a.opener = at(p), uint8(side)
		}
		s.note(side, a.opener, c, p)
	case chunkCookieEcho:
		s.cookies = more(s.cookies)
	case chunkCookieAck:
		if s.cookieAcks = more(s.cookieAcks); s.complete == 0 {
			s.complete = p.Mono
		}
	case chunkShutdown, chunkShutdownAck:
		if a.ending.shutdown == 0 {
			if c.typ == chunkShutdownAck { // the SHUTDOWN that it answers was not seen
				side = 1 - side
			}
			a.ending.shutdown = uint8(side) + 1
		}
	}
}

// note takes in an INIT or INIT ACK.
func (s *shake) note(side int, opener uint8, c *chunk, p *capture.Packet) {
	s.streams[side] = uint16(c.body[8])<<8 | uint16(c.body[9])
	if c.typ == chunkInit {
		s.inits = more(s.inits)
		return
	}
	if s.answers = more(s.answers); s.answered == 0 {
		s.answered = p.Mono
	}
}

func more(n uint8) uint8 {
	if n < 255 {
		n++
	}
	return n
}

// renew forgets what an association was before its ends began anew.
func (a *association) renew() {
	a.shake, a.anew = a.anew, shake{}
	if a.shake.inits == 0 {
		a.shake = shake{began: a.last}
	}
	a.ending, a.name = ending{}, 0
	a.directions[0].sent, a.directions[1].sent = Sent{}, Sent{}
}
