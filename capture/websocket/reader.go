package websocket

// MaxMessage is the most octets of one message on the wire, and the most that
// a Reader leaves pending.
const MaxMessage = 64 << 10

// Kind says what the front of a stream is.
type Kind uint8

// The kinds that Reader.Next tells apart.
const (
	More    Kind = iota // nothing yet: call again with more octets behind these
	Message             // the frames of one message: Append has its payload
	Control             // a control frame
	Rest                // what is left of a message that was cut
	Junk                // lost, and not found yet
	Bad                 // no WebSocket: Lost has to be called to go on
)

// Unit is what the pending octets of a stream begin with.
type Unit struct {
	Kind       Kind
	N          int    // octets covered: drop them. 0 for a Control inside a message
	At         int    // of a Control: where its frame begins
	Opcode     Opcode // Text or Binary; Close, Ping or Pong
	Masked     bool   // the frame was: as a client's has to be (RFC 6455 5.1)
	Compressed bool   // of a Message: RFC 7692, inflate it
	Cut        bool   // of a Message: more belonged to it
}

// Reader frames one direction of a stream. The zero Reader stands at the
// beginning of a frame. It holds no octets.
type Reader struct {
	skip  int64 // octets left of a frame that is skipped
	end   int64 // where the frame ends that is being waited for, 0 for none
	next  int32 // where the frame begins that is to be looked at
	have  int32 // octets there were when More was the answer
	first Unit  // of the message that is being put together
	state state
	fin   bool // the frame being waited for ends its message
	ctl   bool // it is a control frame
}

type state uint8

const (
	frames   state = iota
	inside         // frames, in a message of several
	skipping       // frames are skipped up to the last one of the message
	lost
)

// Next says what b begins with: the pending octets of the stream, in order,
// without those that earlier units covered. With last set nothing will ever
// follow b.
func (r *Reader) Next(b []byte, last bool) Unit {
	b = b[:min(len(b), MaxMessage)]
	switch {
	case r.state == lost:
		return Unit{}
	case r.skip > 0:
		return r.rest(b)
	}
	u := r.unit(b)
	switch {
	case u.Kind != More || len(b) == 0:
	case len(b) == MaxMessage || last:
		return r.cut(b)
	}
	r.have = int32(len(b))
	return u
}

func (r *Reader) unit(b []byte) Unit {
	for r.end <= int64(len(b)) {
		at := int(r.next)
		var h header
		switch {
		case !h.parse(b[at:]) || h.size > 0 && !r.fits(&h):
			*r = Reader{state: lost}
			return Unit{Kind: Bad}
		case h.size == 0:
			return Unit{}
		}
		r.end = int64(at+h.size) + h.length
		r.ctl, r.fin = h.opcode.control(), h.fin && !h.opcode.control()
		switch {
		case r.ctl || r.state == inside:
		case r.state == skipping:
			r.leave(r.end)
			return r.rest(b)
		default:
			r.first = Unit{Kind: Message, Opcode: h.opcode, Masked: h.masked, Compressed: h.rsv1}
		}
		if r.end > int64(len(b)) {
			return Unit{}
		}
		end := int(r.end)
		r.end = 0
		switch {
		case r.ctl:
			u := Unit{Kind: Control, N: end, At: at, Opcode: h.opcode, Masked: h.masked}
			if r.state == inside {
				r.next, u.N = int32(end), 0
			}
			return u
		case r.fin:
			u := r.first
			u.N = end
			*r = Reader{}
			return u
		}
		r.next, r.state = int32(end), inside
	}
	return Unit{}
}

// fits reports whether a frame may come where the Reader is: a continuation
// inside a message, and no other data frame there (RFC 6455 5.4).
func (r *Reader) fits(h *header) bool {
	return h.opcode.control() || (h.opcode == Continuation) == (r.state != frames)
}

// rest skips what is left of a frame.
func (r *Reader) rest(b []byte) Unit {
	n := min(r.skip, int64(len(b)))
	if n == 0 {
		return Unit{}
	}
	r.skip -= n
	return Unit{Kind: Rest, N: int(n)}
}

// cut gives what b has of a message that is too long or was interrupted. What
// is left of it will be skipped.
func (r *Reader) cut(b []byte) Unit {
	u := r.first
	u.N, u.Cut = len(b), true
	if r.state != inside && (r.end == 0 || r.ctl) {
		u = Unit{Kind: Junk, N: len(b)} // half a header or control frame
	}
	switch {
	case r.end > 0:
		r.leave(r.end - int64(len(b)))
	case r.state == inside: // between frames, half of the next header apart
		u.N = int(r.next)
		*r = Reader{state: skipping}
	default:
		*r = Reader{state: lost}
	}
	return u
}

// leave gives up the message whose frame is being waited for, left octets
// before the end of that frame.
func (r *Reader) leave(left int64) {
	s := skipping
	if r.fin || r.ctl && r.state == frames {
		s = frames
	}
	*r = Reader{state: s, skip: left}
}

// Lost tells that octets are missing between those that Next saw last and
// those it will see next: gap of them, or an unknown number when gap is not
// positive. What was pending is not shown again; call Next with last set
// before, to have what was there of a message. It reports whether the place in
// the stream is still known. If not, Find a frame, call Found, and go on at it;
// until then Next gives nothing.
func (r *Reader) Lost(gap int64) bool {
	switch {
	case r.state == lost:
	case gap > 0 && r.skip >= gap:
		r.skip -= gap
		return true
	case gap > 0 && r.end-int64(r.have) >= gap:
		r.leave(r.end - int64(r.have) - gap)
		return true
	}
	*r = Reader{state: lost}
	return false
}

// IsLost reports whether Found has to be called.
func (r *Reader) IsLost() bool { return r.state == lost }

// Found tells that the next octets are the beginning of a message's first
// frame.
func (r *Reader) Found() { *r = Reader{} }
