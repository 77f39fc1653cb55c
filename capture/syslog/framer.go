package syslog

// DefaultMaxMessage is the most octets of one message on a stream that a
// Framer gives unless told otherwise, and the most it leaves pending.
const DefaultMaxMessage = 8 << 10

// maxCount is the most a MSG-LEN may say and be believed.
const maxCount = 1 << 20

// FrameKind says what the octets of a Frame are.
type FrameKind uint8

// The kinds of frames.
const (
	More      FrameKind = iota // nothing yet: call again with more octets behind these
	Message                    // one message
	Blank                      // line ends, NULs and spaces between messages
	Junk                       // no part of a message that we could follow
	Rest                       // what is left of a message that was cut or that a gap was in
	NotSyslog                  // the stream does not begin as syslog does
)

// Frame is what the pending octets of a stream begin with.
type Frame struct {
	Kind       FrameKind
	N          int  // octets covered: drop them; 0 for More and NotSyslog
	Start, End int  // of a Message: where it is in them, without count and trailer
	Cut        bool // of a Message: it was longer, or its end was not seen
	Counted    bool // of a Message: octet counting
}

// Framer cuts one direction of a stream into messages (RFC 6587 3.4). The zero
// Framer stands at the beginning of a stream. It holds no octets, only how far
// it has looked at those that are pending.
type Framer struct {
	// Max is the most octets of one message: DefaultMaxMessage when 0, and 16 at
	// least. It must not change on the way.
	Max int

	skip    int32 // octets left of a counted frame: state skipCounted
	seen    int32 // pending octets known to hold no trailer
	have    int32 // pending octets when More was the answer
	state   framing
	counted bool // the last frame was
	gap     bool // lost, and nothing is known of the octet before the next one
	before  byte // lost: the octet before the next one
}

type framing uint8

const (
	fresh       framing = iota // nothing but blanks so far
	frames                     // where a frame has to begin
	lost                       // where one may begin
	skipLine                   // in the rest of a line
	skipCounted                // in the rest of a counted frame
)

// Next says what b begins with: the pending octets of the stream, in order,
// without those that earlier frames covered. After More the next b has to
// begin with the same octets. With last set nothing will ever follow b; then
// the answer is More only for an empty b.
func (f *Framer) Next(b []byte, last bool) Frame {
	var r Frame
	switch {
	case len(b) == 0:
	case f.state == skipCounted:
		n := min(int(f.skip), len(b))
		if f.skip -= int32(n); f.skip == 0 {
			f.to(frames)
		}
		return Frame{Kind: Rest, N: n}
	case f.state == skipLine:
		n, end := trailer(b)
		if end {
			f.to(frames)
		}
		return Frame{Kind: Rest, N: n}
	case f.state == lost:
		r = f.search(b, last)
	default:
		r = f.begin(b, last)
	}
	if r.Kind == More {
		f.have = int32(len(b))
	}
	return r
}

// Lost tells that octets are missing between those that Next saw last and
// those it will see next: gap of them, or an unknown number when gap is not
// positive. What was pending is not shown again; call Next with last set before,
// to have what was there of a message.
func (f *Framer) Lost(gap int64) {
	if f.state == skipCounted && gap > 0 && gap <= int64(f.skip) {
		if f.skip -= int32(gap); f.skip == 0 {
			f.to(frames)
		}
		return
	}
	f.to(lost)
	f.gap = true
}

// to begins state s at the first octet of what follows.
func (f *Framer) to(s framing) {
	*f = Framer{Max: f.Max, state: s, counted: f.counted}
}

func (f *Framer) most() int {
	if f.Max > 0 {
		return max(f.Max, 16)
	}
	return DefaultMaxMessage
}

// trailer returns how many octets of b a line has, its LF or NUL included;
// end is false when it goes on behind b.
func trailer(b []byte) (n int, end bool) {
	for i, c := range b {
		if c == '\n' || c == 0 {
			return i + 1, true
		}
	}
	return len(b), false
}

func isBlank(c byte) bool { return c == '\n' || c == '\r' || c == 0 || c == ' ' }

// begin reads the frame at b[0].
func (f *Framer) begin(b []byte, last bool) Frame {
	n := 0
	for n < len(b) && isBlank(b[n]) {
		n++
	}
	if n > 0 {
		return Frame{Kind: Blank, N: n}
	}
	switch v := front(b, f.most()); {
	case v == Maybe && !last:
		return Frame{}
	case v == Yes:
		if c, isCount := count(b); isCount == Yes {
			return f.byCount(b, c, last)
		}
	case f.state == fresh:
		return Frame{Kind: NotSyslog}
	case f.counted || !isText(line(b[:min(len(b), f.most())])):
		f.to(lost)
		return f.search(b, last)
	}
	return f.upToTrailer(b, last)
}

// line returns b up to its first trailer.
func line(b []byte) []byte {
	n, end := trailer(b[:min(len(b), glance)])
	if end {
		n--
	}
	return b[:n]
}

// upToTrailer gives the line that b begins with.
func (f *Framer) upToTrailer(b []byte, last bool) Frame {
	most := f.most()
	n, end := trailer(b[f.seen:])
	n += int(f.seen)
	length := n
	if end {
		length--
	}
	if length > 0 && b[length-1] == '\r' {
		length--
	}
	f.counted = false
	switch {
	case length > most:
		f.to(skipLine)
		return Frame{Kind: Message, N: most, End: most, Cut: true}
	case end || last:
		f.to(frames)
		return Frame{Kind: Message, N: n, End: length, Cut: !end}
	}
	f.seen = int32(n)
	return Frame{}
}

// counter is a MSG-LEN and the space behind it.
type counter struct {
	header int // octets of both
	length int // octets of the message
}

// count reads the MSG-LEN that b begins with (RFC 6587 3.4.1).
func count(b []byte) (c counter, v Verdict) {
	for i, d := range b {
		switch {
		case d == ' ' && i > 0:
			return counter{i + 1, c.length}, Yes
		case !isDigit(d), d == '0' && i == 0:
			return counter{}, No
		}
		if c.length = c.length*10 + int(d-'0'); c.length > maxCount {
			return counter{}, No
		}
	}
	return counter{}, Maybe
}

// byCount gives the counted frame that b begins with.
func (f *Framer) byCount(b []byte, c counter, last bool) Frame {
	length := min(c.length, f.most())
	have := len(b) - c.header
	if have < length {
		if !last {
			return Frame{}
		}
		length = have
	}
	r := Frame{Kind: Message, N: c.header + length, Start: c.header, End: c.header + length, Cut: length < c.length, Counted: true}
	f.to(frames)
	f.counted = true
	if length < c.length {
		f.state, f.skip = skipCounted, int32(c.length-length)
	}
	return r
}

// search looks for a frame with a PRI.
func (f *Framer) search(b []byte, last bool) Frame {
	for i := range b {
		if !f.begins(b[i]) {
			f.gap, f.before = false, b[i]
			continue
		}
		v := front(b[i:], f.most())
		switch {
		case v == No, v == Maybe && last:
			f.gap, f.before = false, b[i]
			continue
		case i > 0:
			return Frame{Kind: Junk, N: i}
		case v == Maybe:
			return Frame{}
		}
		before := *f
		f.to(frames)
		r := f.begin(b, last)
		if r.Kind == More {
			*f = before // its next octets may still speak against it
		}
		return r
	}
	return Frame{Kind: Junk, N: len(b)}
}

// begins reports whether a frame may begin with c, by what is before it: a
// PRI behind a trailer or a gap, a count behind what is no part of it.
func (f *Framer) begins(c byte) bool {
	if c == '<' {
		return f.gap || f.before == '\n' || f.before == 0
	}
	return isDigit(c) && !f.gap && !isDigit(f.before)
}
