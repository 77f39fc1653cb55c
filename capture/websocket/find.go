package websocket

// Verdict says whether octets are the front of something.
type Verdict uint8

// The verdicts of a content function and of Find.
const (
	Maybe Verdict = iota // more octets will tell
	No
	Yes
)

// glance is how much of a payload is unmasked to see whether it is worth more.
const glance = 64

// maxPieces is how many frames of a message Find looks at.
const maxPieces = 16

// Find looks in b for the first frame of a message, not compressed, whose
// payload the function content recognises by its front; no other frame can be
// told from chance. It returns where the first one is, with Yes; or where one
// begins that may be, with Maybe; or len(b) with No. scratch is overwritten: as
// much of a payload as fits into it is shown to content.
func Find(b, scratch []byte, content func(front []byte) Verdict) (at int, v Verdict) {
	for at, c := range b {
		if op := Opcode(c &^ finBit); op == Text || op == Binary {
			if v := message(b[at:], scratch, content); v != No {
				return at, v
			}
		}
	}
	return len(b), No
}

// message judges the message whose first frame b begins with. Of a fragmented
// one the frames after it must be continuations, with control frames in between
// (RFC 6455 5.4).
func message(b, scratch []byte, content func([]byte) Verdict) Verdict {
	front := scratch[:0]
	for piece := range maxPieces {
		var h header
		switch {
		case !h.parse(b), piece > 0 && (h.opcode == Text || h.opcode == Binary):
			return No
		case h.size == 0:
			return Maybe
		case h.length > MaxMessage || piece == 0 && h.length == 0:
			return No
		}
		payload := b[h.size:min(len(b), h.size+int(h.length))]
		if !h.opcode.control() {
			v := No
			if front, v = extend(&h, front, payload, len(scratch), content); v != Maybe {
				return v
			}
			if h.fin && len(payload) == int(h.length) || len(front) == len(scratch) {
				return No // there will not be more
			}
		}
		if len(payload) < int(h.length) {
			return Maybe
		}
		b = b[h.size+len(payload):]
	}
	return No
}

// extend shows content the payload behind what there is of front already, first
// a glance of it and then up to most octets.
func extend(h *header, front, payload []byte, most int, content func([]byte) Verdict) ([]byte, Verdict) {
	have := len(front)
	for _, n := range [...]int{glance, most} {
		n = min(n, len(payload), most-have)
		front = h.unmask(front[:have], payload[:n])
		if v := content(front); v != Maybe || n == len(payload) {
			return front, v
		}
	}
	return front, Maybe
}
