package sip

import (
	"bytes"
	"errors"
)

// Errors of View.Parse.
var (
	ErrStartLine = errors.New("sip: no start line")
	ErrHeaders   = errors.New("sip: no header known to SIP")
)

// View is one SIP message taken apart. All slices are views of the parsed
// message: valid while that is, read-only, nil or empty when the message has
// no such thing. Header values are raw, without the white space around them;
// one that was folded still holds its line breaks. What only some callers need
// of them is taken out when asked for.
type View struct {
	IsRequest  bool
	BodyCut    bool   // Content-Length promises more octets than there are
	HeadersCut bool   // the message ends before the empty line that ends the headers
	Method     []byte // of a request
	RequestURI []byte
	Status     int    // of a response, 0-999 as written
	Reason     []byte // reason phrase

	CallID     []byte
	CSeq       int64 // -1 when absent or not a 32-bit number
	CSeqMethod []byte

	From, To []byte
	Via      []byte // first Via header, all of its values
	MoreVia  bool   // there is another one
	Contact  []byte // first Contact header, all of its values

	ContentType   []byte
	ContentLength int   // octets, -1 when absent or senseless
	Expires       int64 // seconds, -1 when absent or not a 32-bit number
	UserAgent     []byte
	Server        []byte
	ReasonHeader  []byte // RFC 3326
	SessionID     []byte // RFC 7989

	Headers []byte // the whole header section, without start line and empty line
	Body    []byte
	Length  int // octets of the message: what follows in the buffer is not part of it

	fromTag, toTag lazyTag
}

// Parse fills v from the message that b begins with, whose end is at most the
// end of b. It fails with ErrStartLine when there is no SIP start line and
// with ErrHeaders when the header section is complete but holds not one header
// that View knows; v is then empty.
// It never retains more than views of b and does not allocate.
func (v *View) Parse(b []byte) error {
	*v = View{CSeq: -1, ContentLength: -1, Expires: -1}
	var s startLine
	if !s.parse(b) {
		return ErrStartLine
	}
	v.IsRequest = s.method != nil
	v.Method, v.RequestURI, v.Status, v.Reason = s.method, s.uri, s.status, s.reason
	known := false
	pos := s.next
	for {
		line, next := headerLine(b, pos)
		if len(line) == 0 {
			v.Headers = b[s.next:pos]
			v.HeadersCut = next == pos
			v.body(b, next)
			break
		}
		if v.header(line) {
			known = true
		}
		pos = next
	}
	if !known && !v.HeadersCut {
		*v = View{CSeq: -1, ContentLength: -1, Expires: -1}
		return ErrHeaders
	}
	return nil
}

// headerLine returns the header line of b at pos, its folded lines included
// but not its line end, and the offset after it. The line is empty at the
// empty line, and also, with next == pos, where b ends without one. A line cut
// off by the end of b counts as absent: half a Call-ID is another Call-ID.
func headerLine(b []byte, pos int) (line []byte, next int) {
	n := bytes.IndexByte(b[pos:], '\n')
	next = pos + n + 1
	if n < 2 || next == len(b) || b[next] == ' ' || b[next] == '\t' {
		return oddLine(b, pos)
	}
	end := next - 1
	if b[end-1] == '\r' {
		end--
	}
	return b[pos:end], next
}

// oddLine is headerLine for a line that is folded, empty or the last of b.
func oddLine(b []byte, pos int) (line []byte, next int) {
	next = pos
	for {
		n := bytes.IndexByte(b[next:], '\n')
		if n < 0 {
			if next > pos {
				break // the last fold is cut off, what precedes it is not
			}
			return nil, pos
		}
		first := next == pos
		next += n + 1
		if first && (n == 0 || n == 1 && b[pos] == '\r') {
			return nil, next
		}
		if next == len(b) || b[next] != ' ' && b[next] != '\t' {
			break
		}
	}
	end := next - 1
	if b[end-1] == '\r' {
		end--
	}
	return b[pos:end], next
}

// body sets Body and Length: the octets from offset on, as far as
// Content-Length says so (RFC 3261 18.3).
func (v *View) body(b []byte, offset int) {
	rest := b[offset:]
	switch {
	case v.HeadersCut:
		rest = rest[len(rest):]
		offset = len(b)
	case v.ContentLength > len(rest):
		v.BodyCut = true
	case v.ContentLength >= 0:
		rest = rest[:v.ContentLength]
	}
	v.Body = rest
	v.Length = offset + len(rest)
}

// kept has, for each length of a name, a bit for each letter that begins the name of a
// header of View.
var kept = [...]uint32{
	1:  letter('c') | letter('f') | letter('i') | letter('l') | letter('m') | letter('t') | letter('v'),
	2:  letter('t'),
	3:  letter('v'),
	4:  letter('c') | letter('f'),
	6:  letter('r') | letter('s'),
	7:  letter('c') | letter('e'),
	10: letter('s') | letter('u'),
	12: letter('c'),
	14: letter('c'),
}

func letter(c byte) uint32 { return 1 << (c - 'a') }

// header takes in one header line and reports whether View has a field for it.
func (v *View) header(line []byte) bool {
	colon := 1 // names are short: quicker than bytes.IndexByte
	for colon < len(line) && line[colon] != ':' {
		colon++
	}
	if colon == len(line) {
		return false
	}
	name := line[:colon]
	if isSpace(name[colon-1]) {
		name = trimRight(name)
	}
	c := line[0]&^0x20 - 'A'
	if len(name) >= len(kept) || kept[len(name)]>>c&1 == 0 {
		return false
	}
	value := trim(line[colon+1:])
	if v.field(name, value) {
		return true
	}
	var lower [len(kept)]byte
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	return v.field(lower[:len(name)], value)
}

// field takes in a header whose name is written as RFC 3261 has it, or in lower case.
func (v *View) field(name, value []byte) bool {
	switch string(name) {
	case "Via", "via", "v":
		return v.via(value)
	case "From", "from", "f":
		return first(&v.From, value)
	case "To", "to", "t":
		return first(&v.To, value)
	case "Call-ID", "call-id", "i":
		return first(&v.CallID, value)
	case "CSeq", "cseq":
		return v.cseq(value)
	case "Contact", "contact", "m":
		return first(&v.Contact, value)
	case "Content-Type", "content-type", "c":
		return first(&v.ContentType, value)
	case "Content-Length", "content-length", "l":
		return v.contentLength(value)
	case "Expires", "expires":
		return number(&v.Expires, value)
	case "User-Agent", "user-agent":
		return first(&v.UserAgent, value)
	case "Server", "server":
		return first(&v.Server, value)
	case "Reason", "reason":
		return first(&v.ReasonHeader, value)
	case "Session-ID", "session-id":
		return first(&v.SessionID, value)
	}
	return false
}

func (v *View) via(value []byte) bool {
	v.MoreVia = v.Via != nil
	return first(&v.Via, value)
}

func (v *View) cseq(value []byte) bool {
	if v.CSeqMethod == nil {
		n := 0
		for n < len(value) && !isSpace(value[n]) {
			n++
		}
		number(&v.CSeq, value[:n])
		v.CSeqMethod = trimLeft(value[n:])
	}
	return true
}

// maxContentLength is the most a Content-Length may promise and be believed.
const maxContentLength = 1 << 30

func (v *View) contentLength(value []byte) bool {
	if v.ContentLength < 0 {
		v.ContentLength = contentLength(value)
	}
	return true
}

// contentLength returns the octets that a Content-Length value promises, or -1
// when it makes no sense.
func contentLength(value []byte) int {
	n := int64(-1)
	if number(&n, value); n > maxContentLength {
		return -1
	}
	return int(n)
}

// FromTag returns the tag of From (RFC 3261 19.3), nil when there is none.
func (v *View) FromTag() []byte { return v.fromTag.of(v.From) }

// ToTag returns the tag of To, nil when there is none.
func (v *View) ToTag() []byte { return v.toTag.of(v.To) }

// lazyTag is a tag that is looked for once, when it is asked for.
type lazyTag struct {
	tag   []byte
	known bool
}

func (t *lazyTag) of(value []byte) []byte {
	if !t.known {
		t.tag, t.known = tag(value), true
	}
	return t.tag
}

// FromUser returns the user part of From's URI, escapes as they are, or a tel
// URI's number, or nil.
func (v *View) FromUser() []byte { return user(v.From) }

// ToUser is FromUser for To.
func (v *View) ToUser() []byte { return user(v.To) }

// TopVia returns the topmost Via value and its branch parameter.
func (v *View) TopVia() (via, branch []byte) {
	branch, via = param(v.Via, "branch", true)
	return via, branch
}

// Header returns the value of the first header called name, which is in lower
// case, or nil. It searches the whole section and does not know compact forms:
// it is for the few headers that a user configures.
func (v *View) Header(name string) []byte {
	for n, value := range v.Fields {
		if is(n, name) {
			return value
		}
	}
	return nil
}

// Fields calls yield with each header field, names and values as View has them, as
// long as it returns true.
func (v *View) Fields(yield func(name, value []byte) bool) {
	for pos := 0; ; {
		line, next := headerLine(v.Headers, pos)
		if len(line) == 0 {
			return
		}
		if colon := bytes.IndexByte(line, ':'); colon >= 0 && !yield(trimRight(line[:colon]), trim(line[colon+1:])) {
			return
		}
		pos = next
	}
}
