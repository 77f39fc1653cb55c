package httpwire

import "bytes"

// Head is the view of one request's or response's head.
type Head struct {
	IsRequest bool
	Minor     uint8  // of HTTP/1.Minor
	Method    []byte // of a request
	Target    []byte // of a request, as written
	Status    int    // of a response
	Reason    []byte // of a response, may be empty
	Fields    []byte // the field lines, without the empty line
}

// Verdict says whether octets are the front of something.
type Verdict uint8

// The verdicts of Front.
const (
	Maybe Verdict = iota // more octets will tell
	No
	Yes
)

const (
	maxMethod    = 32
	maxStartLine = 8 << 10 // RFC 9112 3 wants 8000 at least
	version      = "HTTP/1."
)

// Front says whether b, what a stream has so far, begins with a start line of
// HTTP/1. Empty lines are not skipped.
func Front(b []byte) Verdict {
	n := 0
	for n < len(b) && n < len(version) && b[n] == version[n] {
		n++
	}
	if n < len(b) && n < len(version) {
		n = 0
		for n < len(b) && n <= maxMethod && isToken(b[n]) {
			n++
		}
		if n == 0 || n > maxMethod || n < len(b) && b[n] != ' ' {
			return No
		}
	}
	line := b[:min(len(b), maxStartLine)]
	end := bytes.IndexByte(line, '\n')
	var h Head
	switch {
	case end >= 0 && h.startLine(line[:end]):
		return Yes
	case end >= 0 || len(line) == maxStartLine:
		return No
	}
	return Maybe
}

// Parse fills h from b, which is one whole head as Reader gives it. It reports
// whether the start line is HTTP's; h is empty when not.
func (h *Head) Parse(b []byte) bool {
	*h = Head{}
	end := bytes.IndexByte(b, '\n')
	if end < 0 || !h.startLine(b[:end]) {
		*h = Head{}
		return false
	}
	h.Fields = b[end+1:]
	for _, empty := range []string{"\r\n", "\n"} {
		if n := len(h.Fields) - len(empty); n >= 0 && string(h.Fields[n:]) == empty {
			h.Fields = h.Fields[:n]
			break
		}
	}
	return true
}

// startLine takes apart a start line without its LF.
func (h *Head) startLine(line []byte) bool {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if bytes.HasPrefix(line, []byte(version)) {
		return h.statusLine(line[len(version):])
	}
	method, rest, ok := bytes.Cut(line, []byte(" "))
	last := bytes.LastIndexByte(rest, ' ')
	if !ok || last < 1 || !isVersion(rest[last+1:]) || !token(method) || bytes.IndexByte(rest, 0) >= 0 {
		return false
	}
	h.IsRequest = true
	h.Method, h.Target, h.Minor = method, rest[:last], rest[len(rest)-1]-'0'
	return true
}

// statusLine takes apart what follows "HTTP/1.".
func (h *Head) statusLine(b []byte) bool {
	if len(b) < 5 || !digit(b[0]) || b[1] != ' ' || !digit(b[2]) || !digit(b[3]) || !digit(b[4]) || len(b) > 5 && b[5] != ' ' {
		return false
	}
	h.Minor = b[0] - '0'
	h.Status = int(b[2]-'0')*100 + int(b[3]-'0')*10 + int(b[4]-'0')
	if len(b) > 6 {
		h.Reason = b[6:]
	}
	return true
}

func isVersion(b []byte) bool {
	return len(b) == len(version)+1 && string(b[:len(version)]) == version && digit(b[len(version)])
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func token(b []byte) bool {
	for _, c := range b {
		if !isToken(c) {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxMethod
}

// isToken reports whether c is a tchar (RFC 9110 5.6.2).
func isToken(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', digit(c):
		return true
	}
	return c > 0 && c < 128 && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}
