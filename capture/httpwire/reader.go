package httpwire

import "bytes"

// MaxHead is the most octets of a head, and the most a Reader leaves pending.
const MaxHead = 32 << 10

const maxChunkLine = 4 << 10

// Kind says what the front of a stream is.
type Kind uint8

// The kinds that Reader.Next tells apart.
const (
	More    Kind = iota // nothing yet: call again with more octets behind these
	HeadEnd             // one whole head: call Begin before the next Next
	Content             // octets of a body, chunk framing removed
	Framing             // empty lines before a head, chunk sizes, trailers
	Skipped             // octets after a gap that belong to nothing known
	Bad                 // not HTTP/1, or beyond a limit
)

// Reader frames one direction of a stream. The zero Reader stands at the
// beginning of a message. It holds no octets.
type Reader struct {
	left  int64 // octets of the body or chunk still to come
	seen  int32 // octets looked at for a line end
	line  int32 // where the line begins that is being looked at
	state state
}

type state uint8

const (
	start state = iota
	length
	chunkSize
	chunk
	chunkEnd
	trailers
	toEnd
	lostState
)

// Next says what b begins with, and how many octets that is: 0 for More, and for
// Bad unless it is lines beyond the limit, which may look like a head to those
// who look again. b holds what is pending, in order and without what was covered before.
func (r *Reader) Next(b []byte) (k Kind, n int) {
	switch r.state {
	case start:
		return r.head(b)
	case length, chunk:
		return r.content(b)
	case toEnd:
		return some(Content, len(b))
	case chunkSize:
		return r.size(b)
	case chunkEnd:
		return r.crlf(b)
	case trailers:
		return r.trailer(b)
	}
	return r.search(b)
}

// some is More when there are none.
func some(k Kind, n int) (Kind, int) {
	if n == 0 {
		return More, 0
	}
	return k, n
}

// to begins a state.
func (r *Reader) to(s state, left int64) { *r = Reader{state: s, left: left} }

// head waits for a whole head. Empty lines before one are tolerated (RFC 9112
// 2.2).
func (r *Reader) head(b []byte) (Kind, int) {
	n := 0
	for n < len(b) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	if n > 0 {
		return Framing, n
	}
	if len(b) == 0 {
		return More, 0
	}
	if r.line == 0 {
		switch Front(b) {
		case No:
			return Bad, 0
		case Maybe:
			return More, 0
		}
	}
	return r.lines(b, HeadEnd)
}

// lines waits for the empty line.
func (r *Reader) lines(b []byte, k Kind) (Kind, int) {
	for limit := b[:min(len(b), MaxHead)]; ; {
		n := bytes.IndexByte(limit[r.seen:], '\n')
		if n < 0 {
			r.seen = int32(len(limit))
			if len(limit) == MaxHead {
				return Bad, MaxHead
			}
			return More, 0
		}
		next := r.seen + int32(n) + 1
		line := limit[r.line:next]
		r.line, r.seen = next, next
		if len(line) == 1 || len(line) == 2 && line[0] == '\r' {
			r.to(start, 0)
			return k, int(next)
		}
	}
}

func (r *Reader) content(b []byte) (Kind, int) {
	n := min(r.left, int64(len(b)))
	if n == 0 {
		return More, 0
	}
	if r.left -= n; r.left == 0 {
		if r.state == chunk {
			r.to(chunkEnd, 0)
		} else {
			r.to(start, 0)
		}
	}
	return Content, int(n)
}

// size reads a chunk's size line (RFC 9112 7.1).
func (r *Reader) size(b []byte) (Kind, int) {
	line := b[:min(len(b), maxChunkLine)]
	n := bytes.IndexByte(line[min(int(r.seen), len(line)):], '\n')
	if n < 0 {
		if r.seen = int32(len(line)); len(line) == maxChunkLine {
			return Bad, 0
		}
		return More, 0
	}
	n += int(r.seen) + 1
	size, ok := hex(trim(line[:n]))
	switch {
	case !ok:
		return Bad, 0
	case size == 0:
		r.to(trailers, 0)
	default:
		r.to(chunk, size)
	}
	return Framing, n
}

// hex reads the number that b begins with, of at most 60 bits.
func hex(b []byte) (n int64, ok bool) {
	for i, c := range b {
		switch {
		case digit(c):
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default: // an extension, or white space
			return n, i > 0 && (c == ';' || c == ' ' || c == '\t')
		}
		if i >= 15 {
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, len(b) > 0
}

// crlf reads the line end after a chunk.
func (r *Reader) crlf(b []byte) (Kind, int) {
	n := 0
	if len(b) > 0 && b[0] == '\r' {
		n = 1
	}
	switch {
	case n == len(b):
		return More, 0
	case b[n] != '\n':
		return Bad, 0
	}
	r.to(chunkSize, 0)
	return Framing, n + 1
}

func (r *Reader) trailer(b []byte) (Kind, int) { return r.lines(b, Framing) }

// search waits for a segment that begins with a start line.
func (r *Reader) search(b []byte) (Kind, int) {
	if len(b) == 0 {
		return More, 0
	}
	switch Front(b) {
	case Yes:
		r.to(start, 0)
		return r.head(b)
	case Maybe:
		return More, 0
	}
	return Skipped, len(b)
}

// Lost tells that octets are missing before the next b: gap of them, or an
// unknown number when gap is not positive. What was pending is not shown again.
// It reports whether the place in the stream is still known; if not, octets
// are Skipped until b begins with a head.
func (r *Reader) Lost(gap int64) bool {
	switch {
	case r.state == toEnd:
		return true
	case gap > 0 && (r.state == length || r.state == chunk) && gap < r.left:
		r.left -= gap
		return true
	case gap > 0 && r.state == length && gap == r.left:
		r.to(start, 0)
		return true
	}
	r.to(lostState, 0)
	return false
}

// IsLost reports whether a head is being searched for, after a gap.
func (r *Reader) IsLost() bool { return r.state == lostState }

// AtMessage reports whether a message has to begin next, or its head is not
// complete.
func (r *Reader) AtMessage() bool { return r.state == start }

// ToEnd reports whether the body lasts to the end of the stream.
func (r *Reader) ToEnd() bool { return r.state == toEnd }
