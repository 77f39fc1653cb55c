package ng

import "bytes"

// Verdict says whether octets are the front of something.
type Verdict uint8

// The verdicts of Next.
const (
	Maybe Verdict = iota // more octets will tell
	No
	Yes
)

// Next judges what a stream holds so far: with Yes b begins with the message
// msg, in n octets, line ends in front and behind it included. With Maybe a
// whole one may come; ask again with more octets behind these, of which there
// are less than MaxMessage. With No it never will: Find says where to go on.
func Next(b []byte) (msg []byte, n int, v Verdict) {
	var f Framer
	return f.Next(b)
}

// Front is Next for the first octets of a stream, of which nobody has said that
// it is NG: with more than maxFront values in front of its end a message is none.
func Front(b []byte) (msg []byte, v Verdict) {
	f := Framer{left: maxFront}
	msg, _, v = f.Next(b)
	return msg, v
}

// maxFront is far more than a request has, and a reply with statistics is not what
// a stream begins with.
const maxFront = 512

// Framer is Next for a stream whose octets come one by one: it keeps how far it
// has read, so that none of them is read again. The zero Framer stands in front of
// a message. It holds no octets: after Maybe the next b has to begin with the same
// ones.
type Framer struct {
	first int // where the message begins
	at    int // where the next value begins
	left  int // values that may still come, and one more; 0 for any number
	open  int // dictionaries and lists
	dicts uint32
	value bool // the key in front of it was read
}

// Reading says that the front of a message was read, and not its end.
func (f *Framer) Reading() bool { return f.open > 0 }

// Next is as Next is.
func (f *Framer) Next(b []byte) (msg []byte, n int, v Verdict) {
	b = b[:min(len(b), MaxMessage)]
	msg, n, v = f.next(b)
	if v == Maybe && len(b) == MaxMessage {
		v = No
	}
	if v != Maybe {
		*f = Framer{}
	}
	return msg, n, v
}

func (f *Framer) next(b []byte) (msg []byte, n int, v Verdict) {
	if f.open == 0 {
		f.first = blanks(b, f.first)
		c, v := cookie(b[f.first:])
		at := f.first + c + 1
		switch {
		case v == No:
			return nil, 0, No
		case v == Maybe || at == len(b) || b[at] == 'd' && at+1 == len(b):
			return nil, 0, Maybe
		case b[at] != 'd' || !isDigit(b[at+1]):
			return nil, 0, No
		}
		f.at, f.open, f.dicts, f.value = at+1, 1, 1, false
	}
	for f.open > 0 {
		switch f.step(b) {
		case bad:
			return nil, 0, No
		case short:
			return nil, 0, Maybe
		}
	}
	return b[f.first:f.at:f.at], blanks(b, f.at), Yes
}

// step reads what comes next: a string, an integer, the beginning or the end of
// a list or dictionary.
func (f *Framer) step(b []byte) (st status) {
	if f.at >= len(b) {
		return short
	}
	if f.left == 1 {
		return bad
	}
	dict := f.dicts>>(f.open-1)&1 != 0
	next := f.at + 1
	switch c := b[f.at]; {
	case c == 'e' && !f.value:
		f.open--
		f.value = false
	case isDigit(c):
		if _, next, st = str(b, f.at); st != whole {
			return st
		}
		f.value = dict && !f.value
	case dict && !f.value: // a key is a string
		return bad
	case c == 'i':
		if _, next, st = integer(b, f.at); st != whole {
			return st
		}
		f.value = false
	case c != 'l' && c != 'd', f.open == maxDepth:
		return bad
	default:
		f.dicts &^= 1 << f.open
		if c == 'd' {
			f.dicts |= 1 << f.open
		}
		f.open++
		f.value = false
	}
	f.at = next
	f.left = max(f.left-1, 0)
	return whole
}

// blanks returns where the line ends that begin at b[at] are over.
func blanks(b []byte, at int) int {
	for at < len(b) && (b[at] == '\r' || b[at] == '\n') {
		at++
	}
	return at
}

// MaxTries is how many fronts of messages that turn out to be none Find reads
// before it gives the rest up: each may be read to the end of b.
const MaxTries = 16

// Find returns where in b, after a gap, a message may begin: its cookie, at the
// front of b or of a line. It is len(b), or a little before, when there is none;
// then a message may still begin there. Behind another message without a line end
// a cookie is not found: its front cannot be told from that message's end.
func Find(b []byte) int {
	from := 0
	for tries := 0; tries < MaxTries; {
		n := bytes.Index(b[from:], []byte(" d"))
		if n < 0 {
			break
		}
		space := from + n
		if next := space + 2; next < len(b) && !isDigit(b[next]) {
			from = next
			continue
		}
		if at, ok := cookieBefore(b, space); ok {
			if _, _, v := Next(b[at:]); v != No {
				return at
			}
			tries++
		}
		from = space + 2
	}
	at := len(b)
	for at > 0 && len(b)-at < maxCookie && b[at-1] > ' ' && b[at-1] < 0x7f {
		at--
	}
	return at
}

// cookieBefore returns where the cookie begins that ends at b[space].
func cookieBefore(b []byte, space int) (at int, ok bool) {
	at = space
	for at > 0 && space-at <= maxCookie && b[at-1] > ' ' && b[at-1] < 0x7f {
		at--
	}
	return at, at < space && space-at <= maxCookie && (at == 0 || b[at-1] == '\n' || b[at-1] == '\r')
}
