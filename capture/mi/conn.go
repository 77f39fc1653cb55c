package mi

import (
	"bytes"

	"heptap/capture/mask"
)

const (
	maxHead    = 16 << 10 // octets kept of one message on a stream
	maxPending = 64       // requests that wait for their reply, and background jobs
	maxTail    = 32       // octets kept of the end of a line that is not
)

// Handler is told of what a Conn finds, in the order of its completion. What it
// is given borrows nothing and is the handler's.
type Handler interface {
	Request(*Request)
	Reply(*Reply)
}

// Stats are a Conn's totals.
type Stats struct {
	Requests, Replies uint64
	Events            uint64 // events, log lines and notices: passed over
	Malformed         uint64 // messages that are none
	Skipped           uint64 // octets passed over because of gaps or nonsense
	Unpaired          uint64 // requests whose reply was not told apart, or did not come
	Strays            uint64 // replies whose request was not seen: hidden
}

// Front says which kind of Conn a TCP stream is for by the first octets of
// either direction. With NoTransport and more set, it may be one when more
// octets are there. Event socket and manager interface are told by what the
// server says first, too, so that ask for both directions.
func Front(b []byte) (t Transport, more bool) {
	v := no
	for _, f := range [...]struct {
		t Transport
		f func([]byte) verdict
	}{{BinRPC, frontBin}, {ESL, frontESL}, {AMI, frontAMI}, {Stream, frontJSON}} {
		switch f.f(b) {
		case yes:
			return f.t, false
		case maybe:
			v = maybe
		}
	}
	return NoTransport, v == maybe
}

func frontBin(b []byte) verdict {
	h, v := parseBin(b)
	if v != yes {
		return v
	}
	if h.kind != binRequest {
		return no // a reply is too little to tell by
	}
	body := b[h.size:]
	_, _, v = binCommand(body[:min(uint64(len(body)), uint64(h.body))])
	if v == maybe && uint64(len(body)) >= uint64(h.body) {
		return no
	}
	return v
}

// begins compares the beginning of b with any of texts, in any letter case.
func begins(b []byte, texts ...string) verdict {
	v := no
	for _, t := range texts {
		n := min(len(b), len(t))
		if bytes.EqualFold(b[:n], []byte(t[:n])) {
			if n == len(t) {
				return yes
			}
			v = maybe
		}
	}
	return v
}

// Conn reads the event socket, the manager interface, binrpc or JSON-RPC on one TCP
// connection: both directions, in pieces of any size. It keeps at most two
// messages of 16 KiB and the requests without reply, and allocates nothing for
// events.
//
// Replies find their requests by ActionID, cookie or id. On the event socket and
// where there is no ActionID they come in the order of the requests. After a gap
// that order is lost until a lone request and a reply of its kind prove it
// again; until then replies are strays.
type Conn struct {
	Stats   Stats
	handler Handler
	kind    Transport
	sides   [2]side
	seq     uint64
	user    string
	call    string // Call-ID of the channel, on a connection that FreeSWITCH has made
	unsure  bool   // the order of replies is lost
	pending []pending
	jobs    []pending
}

// pending is a request without reply.
type pending struct {
	tag Tag
	seq uint64
	id  string
	api bool // event socket: an api command
	bg  bool // event socket: a bgapi command
}

// side is one direction.
type side struct {
	state sideState
	buf   []byte // of the message, up to maxHead
	text  bool   // the line is not empty
	tail  []byte // the end of the line
	later bool   // the line is not the message's first
	body  uint64 // octets of the body still to come
	over  bool   // not all of the message is in buf
	deaf  bool   // nothing more of it is to be kept: there is a gap inside
	head  int    // octets of buf that are header
	nesting
	ended bool // the end mark of a command's output has come; lost: lines are whole
}

type sideState uint8

const (
	atLines  sideState = iota // in the lines of a header
	atBody                    // in what follows them
	atOutput                  // AMI: in the raw output of a command
	lost                      // behind a gap
)

// NewConn makes a Conn for a stream of which Front has said what it is.
func NewConn(t Transport, h Handler) *Conn { return &Conn{kind: t, handler: h} }

// Write takes the next octets of a direction, 0 or 1. It does not keep b.
func (c *Conn) Write(dir int, b []byte) {
	s := &c.sides[dir&1]
	switch c.kind {
	case BinRPC:
		c.binary(s, b)
		return
	case Stream:
		c.json(s, b)
		return
	}
	for len(b) > 0 {
		var n int
		switch s.state {
		case atBody:
			n = c.inBody(s, b)
		case lost:
			n = c.inLost(s, b)
		default:
			n = c.inLines(s, b)
		}
		b = b[n:]
	}
}

// Gap says that n octets of a direction are missing, or an unknown number when n
// is not positive.
func (c *Conn) Gap(dir int, n int64) {
	s := &c.sides[dir&1]
	if s.state == atBody && n > 0 && uint64(n) <= s.body {
		// Whatever is missing, the message's end is known. What follows could
		// be the rest of a secret whose name is missing.
		s.over, s.deaf = true, true
		if s.body -= uint64(n); s.body == 0 {
			c.done(s)
		}
		return
	}
	c.Stats.Skipped += uint64(len(s.buf))
	s.reset()
	s.state = lost
	c.disorder()
}

// Waiting yields the numbers of the requests whose reply may still come, the
// oldest first. In between the Conn must not be called.
func (c *Conn) Waiting(yield func(seq uint64) bool) {
	for i := range c.pending {
		if !yield(c.pending[i].seq) {
			return
		}
	}
}

// End says that nothing will follow.
func (c *Conn) End() {
	for i := range c.sides {
		s := &c.sides[i]
		if len(s.buf) > 0 {
			c.Stats.Malformed++
		}
		*s = side{}
	}
	c.Stats.Unpaired += uint64(len(c.pending))
	c.pending, c.jobs = nil, nil
}

func (s *side) reset() { *s = side{buf: s.buf[:0], tail: s.tail[:0]} }

// keep appends to the message what fits.
func (s *side) keep(b []byte) {
	n := min(len(b), maxHead-len(s.buf))
	if s.deaf {
		n = 0
	}
	s.buf = append(s.buf, b[:n]...)
	s.over = s.over || n < len(b)
}

// keepTail appends to the end of the line.
func (s *side) keepTail(b []byte) {
	if len(b) >= maxTail {
		s.tail = append(s.tail[:0], b[len(b)-maxTail:]...)
		return
	}
	if drop := len(s.tail) + len(b) - maxTail; drop > 0 {
		s.tail = s.tail[:copy(s.tail, s.tail[drop:])]
	}
	s.tail = append(s.tail, b...)
}

// inLines takes the octets up to the end of a line.
func (c *Conn) inLines(s *side, b []byte) int {
	if len(s.buf) == 0 && (b[0] == '\n' || b[0] == '\r') { // between messages
		c.Stats.Skipped++
		return 1
	}
	n := bytes.IndexByte(b, '\n') + 1
	whole := n > 0
	if !whole {
		n = len(b)
	}
	s.text = s.text || hasText(b[:n])
	s.keep(b[:n])
	s.keepTail(b[:n])
	if !whole {
		return n
	}
	if s.text {
		c.lineEnds(s)
	} else {
		c.headEnds(s)
	}
	s.text, s.tail = false, s.tail[:0]
	return n
}

// hasText says whether there is anything in b but the ends of lines.
func hasText(b []byte) bool {
	for _, c := range b {
		if c != '\r' && c != '\n' {
			return true
		}
	}
	return false
}

// lineEnds looks at lines that have a meaning of their own.
func (c *Conn) lineEnds(s *side) {
	first := !s.later
	s.later = true
	switch {
	case s.state == atOutput:
		s.ended = bytes.HasSuffix(bytes.TrimRight(s.tail, "\r\n"), []byte(endMark))
	case first && c.kind == AMI && begins(s.buf, amiBanner) == yes:
		s.reset()
	case first && !c.plausible(s.buf):
		c.nonsense(s)
	case c.kind == AMI && amiFollows(s.buf[:min(len(s.buf), 64)]):
		s.state = atOutput
	}
}

// headEnds is what an empty line does.
func (c *Conn) headEnds(s *side) {
	if s.state == atOutput && !s.ended {
		return
	}
	s.head = len(s.buf)
	if c.kind == ESL {
		n, ok := contentLength(s.buf)
		if !ok {
			c.nonsense(s)
			return
		}
		if n > 0 {
			s.state, s.body = atBody, n
			return
		}
	}
	c.done(s)
}

// nonsense gives up a message at the end of a line of it.
func (c *Conn) nonsense(s *side) {
	c.Stats.Malformed++
	c.Stats.Skipped += uint64(len(s.buf))
	s.reset()
	s.state, s.ended = lost, true
	c.disorder()
}

// inBody takes the octets of a body.
func (c *Conn) inBody(s *side, b []byte) int {
	n := int(min(uint64(len(b)), s.body))
	s.keep(b[:n])
	if s.body -= uint64(n); s.body == 0 {
		c.done(s)
	}
	return n
}

// inLost takes octets up to an empty line, behind which a message may begin.
func (c *Conn) inLost(s *side, b []byte) int {
	n := bytes.IndexByte(b, '\n') + 1
	whole := n > 0
	if !whole {
		n = len(b)
	}
	c.Stats.Skipped += uint64(n)
	s.text = s.text || hasText(b[:n])
	switch {
	case !whole:
	case !s.text && s.ended:
		s.reset()
	default:
		s.text, s.ended = false, true // from here on lines are whole
	}
	return n
}

// done is called at the end of a message.
func (c *Conn) done(s *side) {
	if c.kind == ESL {
		c.eslMessage(s.buf[:s.head], s.buf[s.head:], s.over)
	} else {
		c.amiMessage(s.buf, s.over)
	}
	s.reset()
}

// plausible says whether a message can begin with the line.
func (c *Conn) plausible(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	if c.kind == ESL {
		return eslBegins(line)
	}
	name, _, ok := bytes.Cut(line, []byte{':'})
	return ok && isCommand(name)
}

// binary takes the octets of a direction of binrpc.
func (c *Conn) binary(s *side, b []byte) {
	for len(b) > 0 {
		if s.state == atBody {
			n := int(min(uint64(len(b)), s.body))
			s.keep(b[:n])
			b = b[n:]
			if s.body -= uint64(n); s.body == 0 {
				c.packet(s)
			}
			continue
		}
		if s.state == lost { // packets tend to begin where segments do
			if _, v := parseBin(b); v == no {
				c.Stats.Skipped += uint64(len(b))
				return
			}
			s.state = atLines
		}
		s.buf = append(s.buf, b[0])
		b = b[1:]
		switch h, v := parseBin(s.buf); v {
		case no:
			c.Stats.Malformed++
			c.Stats.Skipped += uint64(len(s.buf) + len(b))
			s.reset()
			s.state = lost
			return
		case yes:
			s.head, s.body, s.state = len(s.buf), uint64(h.body), atBody
			if h.body == 0 {
				c.packet(s)
			}
		}
	}
}

// packet is called at the end of a binrpc packet.
func (c *Conn) packet(s *side) {
	h, _ := parseBin(s.buf)
	body := s.buf[s.head:]
	if h.kind == binRequest {
		if r, ok := binRequestOf(&h, body); ok {
			c.request(&r, pending{})
		} else {
			c.Stats.Malformed++
		}
	} else {
		p := c.byID(h.id())
		r := binReplyOf(&h, p.tag, body)
		r.Seq = p.seq
		c.reply(&r)
	}
	s.reset()
}

// request tells of a request and remembers it.
func (c *Conn) request(r *Request, p pending) {
	c.seq++
	c.Stats.Requests++
	r.Seq = c.seq
	if r.User == "" {
		r.User = c.user
	}
	r.Call = c.call
	p.tag, p.seq, p.id = r.Tag(), r.Seq, r.ID
	if len(c.pending) == maxPending {
		c.Stats.Unpaired++
		c.pending = c.pending[:copy(c.pending, c.pending[1:])]
	}
	c.pending = append(c.pending, p)
	c.handler.Request(r)
}

func (c *Conn) reply(r *Reply) {
	c.Stats.Replies++
	if r.Seq == 0 {
		c.Stats.Strays++
	}
	c.handler.Reply(r)
}

// byID takes the request with an ID out of those that wait; the zero pending,
// whose reply is hidden, if there is none.
func (c *Conn) byID(id string) pending {
	for i, p := range c.pending {
		if p.id == id {
			return c.take(i)
		}
	}
	return pending{}
}

func (c *Conn) take(i int) pending {
	p := c.pending[i]
	c.pending = c.pending[:i+copy(c.pending[i:], c.pending[i+1:])]
	return p
}

// inOrder takes the request that waits longest and fits. Requests before it that
// do not fit will have no reply.
func (c *Conn) inOrder(fits func(*pending) bool) pending {
	if c.unsure {
		if len(c.pending) != 1 || !fits(&c.pending[0]) {
			return pending{}
		}
		c.unsure = false
		return c.take(0)
	}
	for i := range c.pending {
		if fits(&c.pending[i]) {
			c.Stats.Unpaired += uint64(i)
			p := c.pending[i]
			c.pending = c.pending[:copy(c.pending, c.pending[i+1:])]
			return p
		}
	}
	c.disorder()
	return pending{}
}

// disorder gives up the requests whose reply can only be told by its place.
func (c *Conn) disorder() {
	c.unsure = true
	kept := c.pending[:0]
	for _, p := range c.pending {
		if p.id != "" && c.kind != ESL {
			kept = append(kept, p)
		}
	}
	c.Stats.Unpaired += uint64(len(c.pending) - len(kept))
	c.pending = kept
}

// field returns the value of a header field, by its name in any letter case.
func field(head []byte, name string) ([]byte, bool) {
	for len(head) > 0 {
		line := head
		if n := bytes.IndexByte(head, '\n'); n >= 0 {
			line, head = head[:n], head[n+1:]
		} else {
			head = nil
		}
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:]), true
		}
	}
	return nil, false
}

// hideFields masks fields whose name is a secret's before anything else is done
// with the text, so that their text is not searched for names.
func hideFields(head []byte) []byte {
	var out []byte
	for line := range bytes.Lines(head) {
		name, value, ok := bytes.Cut(line, []byte{':'})
		if ok && len(bytes.TrimSpace(value)) > 0 && mask.Secret(name) {
			out = append(append(out, name...), ": "+mask.Text+"\n"...)
			continue
		}
		out = append(append(out, bytes.TrimRight(line, "\r\n")...), '\n')
	}
	return out
}
