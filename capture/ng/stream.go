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
	b = b[:min(len(b), MaxMessage)]
	more := Maybe
	if len(b) == MaxMessage {
		more = No
	}
	first := blanks(b, 0)
	c, v := cookie(b[first:])
	at := first + c + 1
	switch {
	case v == No:
		return nil, 0, No
	case v == Maybe || at == len(b):
		return nil, 0, more
	case b[at] != 'd' || at+1 < len(b) && !isDigit(b[at+1]):
		return nil, 0, No
	}
	end, st := skip(b, at, 0)
	switch st {
	case bad:
		return nil, 0, No
	case short:
		return nil, 0, more
	}
	return b[first:end:end], blanks(b, end), Yes
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
