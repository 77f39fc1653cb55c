package sip

import "bytes"

const (
	maxStartLine = 8192 // octets, leading empty lines included
	maxMethod    = 128
	version      = "sip/2.0"
)

// The token characters of RFC 3261 25.1: ALPHA DIGIT - . ! % * _ + ` ' ~, as
// a bit set of the codes 0-63 and 64-127.
const (
	tokenLow  = 0x03ff<<'0' | 1<<'-' | 1<<'.' | 1<<'!' | 1<<'%' | 1<<'*' | 1<<'+' | 1<<'\''
	tokenHigh = 0x07fffffe | 0x07fffffe<<32 | 1<<('_'-64) | 1<<('`'-64) | 1<<('~'-64)
)

func isToken(c byte) bool {
	switch {
	case c < 64:
		return uint64(tokenLow)>>c&1 != 0
	case c < 128:
		return uint64(tokenHigh)>>(c-64)&1 != 0
	}
	return false
}

// startLine is a start line taken apart: method and uri of a request, status
// and reason of a response (method is then nil).
type startLine struct {
	method, uri, reason []byte
	status              int
	next                int // offset of the line after it
}

// Sniff reports whether b begins with a SIP start line, possibly after empty
// lines (RFC 3261 7.5). The line must be complete and end within 8 KiB. It is
// cheap on anything else: most other protocols fail at their first octet.
func Sniff(b []byte) bool {
	var s startLine
	return s.parse(b)
}

// Verdict says whether octets are the front of something.
type Verdict uint8

// The verdicts of Front.
const (
	Maybe Verdict = iota // more octets will tell
	No
	Yes
)

// Front is Sniff for the octets that a stream has so far: b begins with a
// start line, or never will, or may do so when there is more. Empty lines are
// not skipped.
func Front(b []byte) Verdict {
	v, _ := front(b, 0)
	return v
}

// front is Front and returns where the line after the start line begins. The
// first seen octets of b have no line end.
func front(b []byte, seen int) (v Verdict, next int) {
	n := 0
	for n < len(b) && n < len(version) && b[n]|0x20 == version[n]|0x20 {
		n++
	}
	if n < len(version) && n < len(b) { // no response
		n = 0
		for n < len(b) && n <= maxMethod && isToken(b[n]) {
			n++
		}
		if n == 0 || n > maxMethod || n < len(b) && b[n] != ' ' {
			return No, 0
		}
	}
	line := b[:min(len(b), maxStartLine)]
	end := bytes.IndexByte(line[min(seen, len(line)):], '\n')
	if end < 0 {
		if len(line) == maxStartLine {
			return No, 0
		}
		return Maybe, 0
	}
	end += min(seen, len(line)) + 1
	var s startLine
	if !s.parse(b[:end]) {
		return No, 0
	}
	return Yes, end
}

// parse takes apart the start line that b begins with and reports whether
// there is one.
func (s *startLine) parse(b []byte) bool {
	i := 0
	for i < len(b) && (b[i] == '\r' || b[i] == '\n') {
		i++
	}
	if i == len(b) || i > maxStartLine || !isToken(b[i]) {
		return false
	}
	line := b[i:min(len(b), maxStartLine)]
	method := 0
	if !hasPrefix(line, version) {
		for method < len(line) && isToken(line[method]) {
			method++
		}
		if method > maxMethod || method == len(line) || line[method] != ' ' {
			return false
		}
	}
	end := bytes.IndexByte(line, '\n')
	if end < 0 {
		return false
	}
	s.next = i + end + 1
	line = trimRight(line[:end])
	if bytes.IndexByte(line, 0) >= 0 {
		return false
	}
	if method == 0 {
		return s.response(line[len(version):])
	}
	return s.request(line, method)
}

// request takes apart a trimmed line whose method has n octets. Only the last
// word is the version: a broken Request-URI may hold spaces (RFC 4475 3.1.2.9).
func (s *startLine) request(line []byte, n int) bool {
	v := len(line) - len(version)
	if v <= n || line[v-1] != ' ' || !is(line[v:], version) {
		return false
	}
	s.method, s.uri = line[:n], trim(line[n:v])
	return len(s.uri) > 0
}

// response takes apart what follows the version.
func (s *startLine) response(line []byte) bool {
	code := trimLeft(line)
	if len(code) < 3 || len(code) == len(line) {
		return false
	}
	for _, c := range code[:3] {
		if c < '0' || c > '9' {
			return false
		}
		s.status = s.status*10 + int(c-'0')
	}
	s.reason = trimLeft(code[3:])
	return len(code) == 3 || isSpace(code[3])
}

// maxKeepAlive bounds what IsKeepAlive looks at, in octets.
const maxKeepAlive = 64

// IsKeepAlive reports whether b, a datagram's payload, only keeps a NAT
// binding open: nothing (RFC 6263 4.1), CRLFs (RFC 5626 3.5.1, 4.4.1), or the
// few NULs or spaces that phones send.
func IsKeepAlive(b []byte) bool {
	if len(b) > maxKeepAlive {
		return false
	}
	for _, c := range b {
		if c != '\r' && c != '\n' && c != 0 && c != ' ' {
			return false
		}
	}
	return true
}
