package stream

import "heptap/capture"

// Attempt is how a connection began, as far as its handshake was seen (RFC 9293
// 3.5). The opener is who sends direction 0.
type Attempt struct {
	Began    Meta      // of the first SYN; of the first segment without a SYN
	Answered int64     // Mono of the SYN that answers, 0 when it was not seen
	Complete int64     // Mono of the opener's acknowledgement of that, 0 likewise
	MSS      [2]uint16 // announced by direction, 0 for none
	SYNs     uint8     // that the opener sent, at most 255; 0 without a SYN
	Answers  uint8     // that the other sent
}

// Sent is what one direction of a connection carried so far.
type Sent struct {
	Octets   uint64 // of the stream, each once; what was lost by the capture included
	Segments uint32 // with octets
	Again    uint32 // of these, nothing in them was new: retransmissions
	Lost     uint64 // of Octets, those that were not captured
}

// Ending is what ended a connection.
type Ending struct {
	FIN   [2]bool // by direction: its sender has finished
	First int8    // the direction whose FIN came first, -1 without any
	Reset int8    // the direction that a credible RST came from, -1 without any
	At    Meta    // of the last frame
}

// Outcome is what became of a handshake that led to no octet.
type Outcome uint8

// The outcomes.
const (
	Refused     Outcome = iota // an RST answered the SYN
	Unreachable                // an ICMP error did
	Unanswered                 // nothing did within Config.Handshake of the last SYN
	Empty                      // it was opened, and closed or reset without an octet
	NumOutcomes
)

var outcomeNames = [NumOutcomes]string{"refused", "unreachable", "unanswered", "empty"}

// String returns the outcome as metrics print it.
func (o Outcome) String() string {
	if o < NumOutcomes {
		return outcomeNames[o]
	}
	return "invalid"
}

// Unopened is a handshake that led to no octet.
type Unopened struct {
	Flow    capture.FiveTuple // from the opener to the other end
	Attempt Attempt
	Outcome Outcome
	ICMP    uint16 // type and code of Unreachable
	IPv6    bool   // ICMP is ICMPv6's
	Reset   bool   // Empty: by an RST, else by a FIN
	By      int8   // who ended it, as a direction; -1 for the network, or nobody
	At      Meta   // of the frame that ended it; Mono only when none did
}

// Attempt returns how c began.
func (c *Conn) Attempt() Attempt { return c.attempt }

// Sent returns what direction dir carried.
func (c *Conn) Sent(dir int) Sent { return c.half[dir].sent }

// Ending returns what has been seen of c's end.
func (c *Conn) Ending() Ending {
	e := Ending{FIN: [2]bool{c.half[0].is(finSeen), c.half[1].is(finSeen)}, First: c.firstFIN - 1, Reset: c.reset - 1, At: c.at}
	return e
}

// tell tells of a handshake that led to no octet. by is a side of the key, or
// -1.
func (a *Assembler) tell(o *opening, what Outcome, by int, at Meta) *Unopened {
	if a.config.Unopened == nil || !o.syn {
		return nil
	}
	u := &a.unopened
	*u = Unopened{Flow: o.key.flow(int(o.opener)), Attempt: o.history(), Outcome: what, By: -1, At: at}
	if by >= 0 {
		u.By = int8(by ^ int(o.opener))
	}
	return u
}

// history returns what o knows of its handshake, by direction.
func (o *opening) history() Attempt {
	t := o.attempt
	if o.opener == 1 {
		t.MSS[0], t.MSS[1] = t.MSS[1], t.MSS[0]
	}
	return t
}

// note takes in what a SYN of side says of the handshake.
func (o *opening) note(side int, p *capture.Packet) {
	t := &o.attempt
	if t.Began == (Meta{}) {
		t.Began = meta(p)
	}
	if p.TCP.MSS != 0 {
		t.MSS[side] = p.TCP.MSS
	}
	if o.syn && side == int(o.opener) && p.TCP.Flags&capture.FlagACK == 0 {
		t.SYNs = more(t.SYNs)
		return
	}
	if t.Answered == 0 {
		t.Answered = p.Mono
	}
	t.Answers = more(t.Answers)
}

func more(n uint8) uint8 {
	if n < 255 {
		n++
	}
	return n
}

// Unreachable takes an ICMP error about a segment, as decode.Unreachable fills it
// in: p's source is who sent that segment. It ends a handshake; a connection
// that has octets is not ended by one (RFC 5461 3).
func (a *Assembler) Unreachable(p *capture.Packet) {
	if p.Mono > a.now {
		a.now = p.Mono
		a.wake()
	}
	var k key
	side, ok := k.set(p)
	if !ok {
		a.count.Malformed++
		return
	}
	h := uint32(k.hash(&a.seed) >> 32)
	o := a.openings.find(&k, h)
	if o == nil || !o.syn || o.queue != openHalf || side != int(o.opener) || p.TCP.Seq != o.isn[side] {
		return
	}
	a.count.Unreachable++
	if u := a.tell(o, Unreachable, -1, meta(p)); u != nil {
		u.ICMP, u.IPv6 = p.Unknown, k.v6
		a.config.Unopened(u)
	}
	a.openings.remove(a, o, h)
}
