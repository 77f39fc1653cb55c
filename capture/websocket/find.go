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

// Find looks in b for a frame that is a whole message, not compressed, whose
// payload the function content recognises by its front; no other frame can be
// told from chance. It returns where the first one is, with Yes; or where one
// begins that may be, with Maybe; or len(b) with No. scratch is overwritten: as
// much of a payload as fits into it is shown to content.
func Find(b, scratch []byte, content func(front []byte) Verdict) (at int, v Verdict) {
	for at, c := range b {
		if c == finBit|byte(Text) || c == finBit|byte(Binary) {
			if v := message(b[at:], scratch, content); v != No {
				return at, v
			}
		}
	}
	return len(b), No
}

// message judges the frame that b begins with.
func message(b, scratch []byte, content func([]byte) Verdict) Verdict {
	var h header
	switch {
	case !h.parse(b):
		return No
	case h.size == 0:
		return Maybe
	case h.length == 0 || h.length > MaxMessage:
		return No
	}
	payload := b[h.size:min(len(b), h.size+int(h.length))]
	for _, n := range [...]int{glance, len(scratch)} {
		n = min(n, len(payload), len(scratch))
		switch v := content(h.unmask(scratch[:0], payload[:n])); {
		case v != Maybe:
			return v
		case n == int(h.length) || n == len(scratch):
			return No // there will not be more
		}
	}
	return Maybe
}
