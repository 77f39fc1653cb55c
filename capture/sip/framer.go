package sip

import "bytes"

// MaxMessage is the most octets of one message on a stream that a Framer
// gives: also the most it leaves pending.
const MaxMessage = 64 << 10

// FrameKind says what the octets of a Frame are.
type FrameKind uint8

// The kinds of frames.
const (
	More      FrameKind = iota // nothing yet: call again with more octets behind these
	Message                    // one SIP message
	KeepAlive                  // CRLFs and the like between messages (RFC 5626 4.4.1)
	Junk                       // no part of a message that we could follow
	Rest                       // what is left of a message that was cut or that a gap was in
	NotSIP                     // the stream does not begin as SIP does
)

// Frame is what the pending octets of a stream begin with.
type Frame struct {
	Kind      FrameKind
	N         int  // octets; 0 for More and NotSIP
	Cut       bool // of a Message: more belonged to it
	BadLength bool // of a Message: Content-Length is no number, or given twice and not the same
}

// Framer cuts one direction of a stream into SIP messages (RFC 3261 7.5, 18.3).
// The zero Framer stands at the beginning of a stream. It holds no octets, only
// how far it has looked at those that are pending: each is looked at once,
// however many segments a message comes in.
type Framer struct {
	skip   int64 // octets left of a message: state skipping
	seen   int32 // the first octet not looked at yet
	line   int32 // where the header line begins that is being looked at
	total  int32 // octets of the message: state body
	next   int32 // where the next message may begin: state open, 0 for nowhere
	have   int32 // octets there were when More was the answer
	length int32 // Content-Length, -1 for none
	state  framing
	facts  facts
}

type framing uint8

const (
	fresh    framing = iota // nothing but keep-alives so far
	between                 // where a message has to begin
	lost                    // where one may begin, at any start of a line
	headers                 // in start line and headers
	body                    // as long as Content-Length says
	open                    // a body of unknown length: to the next message
	skipping                // in the rest of a message
)

// facts are what is known of the message or the place in the stream.
type facts uint8

const (
	middle    facts = 1 << iota // lost, and in the middle of a line
	afterGap                    // lost, at the first octet after a gap
	proving                     // headers of what was found when lost: is it a message?
	badLength                   // see Frame.BadLength
	hasType
	hasCallID
	hasCSeq
)

// proof is what a message has to have when its start line was found by
// searching: text that quotes a start line seldom has the rest.
const proof = hasCallID | hasCSeq

// Next says what b begins with: the pending octets of the stream, in order,
// without those that earlier frames covered. After More the next b has to
// begin with the same octets. With last set nothing will ever follow b; then
// the answer is More only for an empty b.
func (f *Framer) Next(b []byte, last bool) Frame {
	for {
		var r Frame
		again := false
		switch f.state {
		case fresh, between:
			r, again = f.begin(b, last)
		case lost:
			r, again = f.search(b, last)
		case headers:
			r, again = f.head(b, last)
		case body:
			r = f.fixed(b, last)
		case open:
			r = f.unknown(b, last)
		case skipping:
			r = f.remainder(b)
		}
		if again {
			continue
		}
		if r.Kind == More {
			f.have = int32(len(b))
		}
		return r
	}
}

// Lost tells that octets are missing between those that Next saw last and
// those it will see next: gap of them, or an unknown number when gap is not
// positive. What was pending is not shown again; call Next with last set before,
// to have what was there of a message.
func (f *Framer) Lost(gap int64) {
	rest := f.skip
	if f.state == body {
		rest = int64(f.total - f.have)
	}
	if gap > 0 && gap <= rest {
		f.after(rest - gap) // in the middle of a message whose end is known
		return
	}
	f.to(lost, afterGap)
}

// to begins state s at the first octet of what follows.
func (f *Framer) to(s framing, known facts) {
	*f = Framer{state: s, facts: known, length: -1}
}

// after ends a message of which rest octets are still to come.
func (f *Framer) after(rest int64) {
	if f.to(between, 0); rest > 0 {
		f.state, f.skip = skipping, rest
	}
}

func (f *Framer) remainder(b []byte) Frame {
	n := min(f.skip, int64(len(b)))
	if n == 0 {
		return Frame{}
	}
	f.after(f.skip - n)
	return Frame{Kind: Rest, N: int(n)}
}

// begin looks for a message at b[0]. again is true when f.state has changed
// and b is to be looked at once more.
func (f *Framer) begin(b []byte, last bool) (r Frame, again bool) {
	n := 0
	for n < len(b) && (b[n] == '\r' || b[n] == '\n' || b[n] == 0 || b[n] == ' ') {
		n++
	}
	if n > 0 {
		return Frame{Kind: KeepAlive, N: n}, false
	}
	switch v, next := front(b, int(f.seen)); {
	case v == Yes:
		f.enter(next, 0)
		return r, true
	case v == No && f.state == fresh:
		return Frame{Kind: NotSIP}, false
	case v == No:
		f.to(lost, middle)
		return r, true
	case last && len(b) > 0:
		f.to(lost, middle)
		return Frame{Kind: Junk, N: len(b)}, false
	}
	f.seen = int32(len(b))
	return r, false
}

// enter goes on with the headers after the start line b[:next].
func (f *Framer) enter(next int, known facts) {
	f.to(headers, known)
	f.line, f.seen = int32(next), int32(next)
}

// search looks for a start line at the beginning of a line.
func (f *Framer) search(b []byte, last bool) (r Frame, again bool) {
	i := 0
	for {
		if f.facts&middle != 0 {
			n := bytes.IndexByte(b[i:], '\n')
			if n < 0 {
				return junk(len(b)), false
			}
			i += n + 1
			f.to(lost, 0)
		}
		v, next := front(b[i:], int(f.seen))
		switch {
		case v == No:
			f.to(lost, middle)
			continue
		case v == Yes && i == 0:
			f.enter(next, proving|f.facts&afterGap)
			return r, true
		case v == Maybe && last:
			f.to(lost, middle)
			return junk(len(b)), false
		case i == 0:
			f.seen = int32(len(b))
		}
		return junk(i), false
	}
}

// junk is More when there is none.
func junk(n int) Frame {
	if n == 0 {
		return Frame{}
	}
	return Frame{Kind: Junk, N: n}
}

// head reads header lines up to the empty one.
func (f *Framer) head(b []byte, last bool) (r Frame, again bool) {
	for {
		line, next := f.nextLine(b[:min(len(b), MaxMessage)], last)
		switch {
		case next == 0 && (last || len(b) >= MaxMessage):
			return f.endless(b), false
		case next == 0:
			return r, false
		case len(line) == 0:
			return f.headEnd(b, next)
		case !f.header(b, line) && f.facts&proving != 0:
			// This line may begin a message: go on searching at it.
			n := int(f.line)
			f.to(lost, 0)
			return Frame{Kind: Junk, N: n}, false
		}
		f.line, f.seen = int32(next), int32(next)
	}
}

// nextLine returns the header line that begins at f.line, folds included and
// without its line end, and where the next one begins: 0 when that is not
// known yet. The line is empty at the end of the headers.
func (f *Framer) nextLine(b []byte, last bool) (line []byte, next int) {
	for {
		n := bytes.IndexByte(b[f.seen:], '\n')
		if n < 0 {
			f.seen = int32(len(b))
			return nil, 0
		}
		next = int(f.seen) + n + 1
		line = trimLineEnd(b[f.line:next])
		if len(line) == 0 {
			return line, next
		}
		if next == len(b) && !last {
			f.seen = int32(next - 1) // what follows says whether the line is folded
			return nil, 0
		}
		if next == len(b) || b[next] != ' ' && b[next] != '\t' {
			return line, next
		}
		f.seen = int32(next)
	}
}

// header takes in what framing needs of one header line and reports whether
// it is one.
func (f *Framer) header(b, line []byte) bool {
	n := 0
	for n < len(line) && isToken(line[n]) {
		n++
	}
	name, rest := line[:n], trimLeft(line[n:])
	if n == 0 || len(rest) == 0 || rest[0] != ':' {
		return false
	}
	switch name[0] | 0x20 {
	case 'l':
		if n == 1 {
			f.contentLength(trim(rest[1:]))
		}
	case 'i':
		if n == 1 {
			f.facts |= hasCallID
		}
	case 'c':
		switch {
		case is(name, "content-length"):
			f.contentLength(trim(rest[1:]))
		case is(name, "content-type"), n == 1:
			f.facts |= hasType
		case is(name, "call-id"):
			f.facts |= hasCallID
		case is(name, "cseq") && (f.facts&afterGap == 0 || sameMethod(b, rest[1:])):
			f.facts |= hasCSeq
		}
	}
	return true
}

// sameMethod reports whether the CSeq value names the method of the message
// that b begins with (RFC 3261 8.1.1.5); any does for a response.
func sameMethod(b, cseq []byte) bool {
	if hasPrefix(b, version) {
		return true
	}
	cseq = trim(cseq)
	for len(cseq) > 0 && cseq[0] >= '0' && cseq[0] <= '9' {
		cseq = cseq[1:]
	}
	method := b[:bytes.IndexByte(b, ' ')]
	return bytes.Equal(trimLeft(cseq), method)
}

// contentLength takes in a Content-Length: as in View the first that makes
// sense counts.
func (f *Framer) contentLength(value []byte) {
	n := int32(contentLength(value))
	if n < 0 || f.length >= 0 && n != f.length {
		f.facts |= badLength
	}
	if f.length < 0 {
		f.length = n
	}
}

// headEnd decides by the headers b[:n] where the message ends.
func (f *Framer) headEnd(b []byte, n int) (r Frame, again bool) {
	switch {
	case f.facts&proving != 0 && f.facts&proof != proof:
		f.to(lost, 0)
		return Frame{Kind: Junk, N: n}, false
	case f.length >= 0:
		f.state, f.total = body, int32(n)+f.length
	case f.facts&hasType != 0:
		f.state, f.next = open, 0
		f.line, f.seen = int32(n), int32(n)
		f.facts &= badLength
	default:
		f.state, f.total = body, int32(n)
	}
	return r, true
}

// endless is what to do with headers b that reach the limit or the end of
// the stream.
func (f *Framer) endless(b []byte) Frame {
	n := min(len(b), MaxMessage)
	known := f.facts
	f.to(lost, middle)
	if known&proving != 0 && known&proof != proof {
		return Frame{Kind: Junk, N: n}
	}
	return Frame{Kind: Message, N: n, Cut: true, BadLength: known&badLength != 0}
}

// fixed gives the message when all of it is there, or as much as there may be.
func (f *Framer) fixed(b []byte, last bool) Frame {
	n := min(int(f.total), MaxMessage)
	if len(b) < n {
		if !last {
			return Frame{}
		}
		n = len(b)
	}
	r := Frame{Kind: Message, N: n, Cut: n < int(f.total), BadLength: f.facts&badLength != 0}
	f.after(int64(int(f.total) - n))
	return r
}

// unknown looks for the end of a body of unknown length. It is where the next
// message begins, which has to prove itself as when lost; a body may quote one.
func (f *Framer) unknown(b []byte, last bool) Frame {
	switch {
	case f.follows(b):
		return f.close(int(f.next), between, 0)
	case len(b) >= MaxMessage && f.next > 0:
		return f.close(int(f.next), lost, 0)
	case len(b) >= MaxMessage:
		r := f.close(MaxMessage, lost, middle)
		r.Cut = true
		return r
	case last:
		return f.close(len(b), between, 0)
	}
	return Frame{}
}

// close ends a message of unknown length after n octets.
func (f *Framer) close(n int, s framing, known facts) Frame {
	r := Frame{Kind: Message, N: n, BadLength: f.facts&badLength != 0}
	f.to(s, known)
	return r
}

// follows reports whether b, inside the body from f.line on, holds the start
// line and headers of another message, from f.next on.
func (f *Framer) follows(b []byte) bool {
	b = b[:min(len(b), MaxMessage)]
	for {
		switch {
		case f.next > 0:
			line, next := f.nextLine(b, false)
			if next == 0 {
				return false
			}
			if f.proves(b, line, next) {
				return true
			}
		case f.facts&middle != 0:
			n := bytes.IndexByte(b[f.seen:], '\n')
			if n < 0 {
				f.seen = int32(len(b))
				return false
			}
			f.facts &^= middle
			f.seen += int32(n + 1)
			f.line = f.seen
		default:
			v, next := front(b[f.line:], int(f.seen-f.line))
			switch v {
			case Maybe:
				f.seen = int32(len(b))
				return false
			case No:
				f.facts |= middle
				f.seen = f.line
			case Yes:
				f.facts &^= proof
				f.next = f.line
				f.line += int32(next)
				f.seen = f.line
			}
		}
	}
}

// proves takes in a header line of what may be the next message, and reports
// whether it is the end of headers that prove it.
func (f *Framer) proves(b, line []byte, next int) bool {
	own := *f
	switch {
	case len(line) == 0 && f.facts&proof == proof:
		return true
	case len(line) == 0:
		f.next = 0
	case !f.header(b[f.next:], line):
		f.next, next = 0, int(f.line) // this line may be a start line
	}
	f.line, f.seen = int32(next), int32(next)
	f.length = own.length // not of the message that is ending
	f.facts = f.facts&^badLength | own.facts&badLength
	return false
}
