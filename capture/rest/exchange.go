package rest

import (
	"bytes"

	"heptap/capture/httpwire"
	"heptap/capture/mask"
)

// Reason says why an exchange has no whole reply.
type Reason uint8

// The reasons.
const (
	Reset     Reason = iota // the connection was reset
	Closed                  // it was closed before the reply, or inside it
	Timeout                 // no reply within Config.Timeout
	NoReply                 // none when the connection was seen for the last time
	Gap                     // octets were not captured that the reply or its place was in
	Malformed               // what came is no HTTP
	NumReasons
)

var reasonNames = [NumReasons]string{"reset", "closed", "timeout", "no reply", "gap", "malformed"}

// String returns the reason as metrics print it.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return "invalid"
}

// Exchange is a request and what came of it. Its slices are borrowed from it
// until the Handler's method returns; all text is masked.
type Exchange struct {
	Order  uint32 // of the request on its connection, from 1
	Dir    int    // the direction of the request
	Method []byte
	Target []byte // cut after 2 KiB
	Host   []byte
	Status int // of the reply, 0 without one

	Interim   uint16 // how many 1xx came before
	Upgraded  bool   // the reply was 101: what follows is something else
	Tunnel    bool   // the reply was a 2xx to CONNECT
	TargetCut bool

	Request, Reply Part

	// Tag is the Handler's: what it sets in Request is there in Reply and Failed.
	Tag uint64

	told, answered bool // Request was called; the reply is complete
	early          bool // the reply was there before the request
	alone          bool // which reply is its own cannot be known
}

// Latency returns the nanoseconds from the last octet of the request to the first
// of the final reply: negative when the reply did not wait for it.
func (x *Exchange) Latency() int64 { return x.Reply.First - x.Request.Last }

// Part is one of the two messages.
type Part struct {
	Line        []byte // the first line without its line end
	ContentType []byte
	Coding      []byte  // Content-Encoding, nil for none
	Fields      []Field // those chosen, in order, 16 at most
	Named       []Field // those that name a call or a trace, 8 at most

	First, Last int64 // times of the first and the last octet
	HeadBytes   int   // octets of the head
	BodyBytes   int64 // octets of the body on the wire, chunk framing aside, those of gaps included

	Body       []byte // decoded, nil when it is no text
	Cut        bool   // Body is not all of it
	Binary     bool   // the body is no text
	Undecoded  bool   // its coding is unknown, or contradicts itself
	Gap        bool   // octets of the body are missing
	Incomplete bool   // it was never seen to end

	text  []byte // the octets of all but Body
	raw   []byte // the body as it came; then Body
	limit int    // of raw
	list  [maxFields]Field
	ids   [maxNamed]Field
}

// Field is a header field, its value masked, 512 octets at most.
type Field struct{ Name, Value []byte }

const (
	textBytes = 4 << 10
	lineBytes = 2 << 10 // of textBytes
	maxValue  = 512
	maxFields = 16
	maxNamed  = 8
)

func newExchange(body int) *Exchange {
	x := new(Exchange)
	for _, p := range []*Part{&x.Request, &x.Reply} {
		p.text, p.raw, p.limit = make([]byte, 0, textBytes), make([]byte, 0, body), body
	}
	return x
}

// reset makes x as good as new.
func (x *Exchange) reset() {
	a, b := x.Request, x.Reply
	*x = Exchange{}
	x.Request = Part{text: a.text[:0], raw: a.raw[:0], limit: a.limit}
	x.Reply = Part{text: b.text[:0], raw: b.raw[:0], limit: b.limit}
}

// keep copies b into the part's text, as far as there is room.
func (m *Part) keep(b []byte, limit int) (kept []byte, cut bool) {
	n := min(len(b), limit, cap(m.text)-len(m.text))
	from := len(m.text)
	m.text = append(m.text, b[:n]...)
	return m.text[from:len(m.text):len(m.text)], n < len(b)
}

// head takes in a message's head, as it is on the wire.
func (m *Part) head(p *Parser, h *httpwire.Head, raw []byte) {
	m.HeadBytes = len(raw)
	f := h.Walk()
	for {
		name, value, ok := f.Next()
		if !ok {
			return
		}
		named := among(name, p.names) || p.config.Named != nil && p.config.Named(name)
		switch {
		case httpwire.Is(name, "content-type") && m.ContentType == nil:
			m.ContentType = m.value(p, name, value)
		case httpwire.Is(name, "content-encoding"):
			if m.Coding != nil { // more than one
				value = []byte("several")
			}
			m.Coding, _ = m.keep(value, maxValue)
		case named && len(m.Named) < maxNamed:
			m.Named = add(m.Named, m.ids[:], m.field(p, name, value))
		case !named && among(name, p.fields) && len(m.Fields) < maxFields:
			m.Fields = add(m.Fields, m.list[:], m.field(p, name, value))
		}
	}
}

func add(list, room []Field, f Field) []Field {
	room[len(list)] = f
	return room[:len(list)+1]
}

func (m *Part) field(p *Parser, name, value []byte) Field {
	kept, _ := m.keep(name, maxValue)
	return Field{kept, m.value(p, name, value)}
}

func (m *Part) value(p *Parser, name, value []byte) []byte {
	p.scratch = mask.AppendHeader(p.scratch[:0], name, value)
	kept, _ := m.keep(p.scratch, maxValue)
	return kept
}

func among(name []byte, list []string) bool {
	for _, s := range list {
		if httpwire.Is(name, s) {
			return true
		}
	}
	return false
}

// ask takes in the head of the request.
func (x *Exchange) ask(p *Parser, h *httpwire.Head, raw []byte) {
	m := &x.Request
	method, _ := m.keep(h.Method, maxValue)
	m.keep([]byte(" "), 1)
	p.scratch = mask.AppendURL(p.scratch[:0], h.Target)
	x.Method = method
	x.Target, x.TargetCut = m.keep(p.scratch, lineBytes)
	m.keep([]byte(" HTTP/1."), textBytes)
	m.keep([]byte{'0' + h.Minor}, 1)
	m.Line = m.text[:len(m.text):len(m.text)]
	if host := h.Get("host"); host != nil {
		x.Host = m.value(p, []byte("host"), host)
	}
	m.head(p, h, raw)
}

// reply takes in the head of the final reply.
func (x *Exchange) reply(p *Parser, h *httpwire.Head, raw []byte) {
	m := &x.Reply
	line := raw
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	}
	m.Line, _ = m.keep(bytes.TrimRight(line, "\r"), lineBytes)
	x.Status = h.Status
	m.head(p, h, raw)
}

// content takes in octets of the body.
func (m *Part) content(b []byte) {
	m.BodyBytes += int64(len(b))
	if m.Gap || m.Cut {
		return
	}
	n := min(len(b), m.limit-len(m.raw))
	m.raw = append(m.raw, b[:n]...)
	m.Cut = n < len(b)
}

// gap notes that n octets of the body are missing.
func (m *Part) gap(n int64) {
	m.BodyBytes += max(n, 0)
	m.Gap, m.Cut = true, true
}

// end makes Body of what was kept.
func (m *Part) end(p *Parser, now int64, complete bool) {
	m.Last, m.Incomplete = now, !complete
	m.Cut = m.Cut || !complete
	if len(m.raw) == 0 {
		return
	}
	body := m.raw
	if m.Coding != nil {
		var ok bool
		if body, ok = p.coder.decode(m.Coding, m.raw, m.limit, &m.Cut); !ok {
			m.Undecoded = true
			p.stats.Undecoded++
			return
		}
	}
	if m.Binary = isBinary(body); m.Binary {
		return
	}
	p.scratch = mask.AppendBody(p.scratch[:0], m.ContentType, body)
	n := min(len(p.scratch), m.limit)
	m.Cut = m.Cut || n < len(p.scratch)
	m.raw = append(m.raw[:0], p.scratch[:n]...)
	m.Body = m.raw
}

// isBinary reports whether b has control characters that no text has.
func isBinary(b []byte) bool {
	for _, c := range b {
		if c < ' ' && (c < '\b' || c > '\r') && c != 0x1b {
			return true
		}
	}
	return false
}
