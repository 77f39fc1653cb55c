package mask

import "bytes"

// open looks at what follows a < at i: the name of an element whose start tag
// begins, if it is one.
func (s *scanner) open(i int) int {
	j := i
	for j < len(s.b) && j-i <= maxName {
		c, _ := next(s.b, j)
		if isSpace(c) || bytes.IndexByte([]byte("/>=\"'<!?"), c) >= 0 {
			break
		}
		j++
	}
	if j == i {
		return i
	}
	s.tag = s.b[i:j]
	local := s.tag[bytes.LastIndexByte(s.tag, ':')+1:]
	var w words
	s.inside = len(local) > maxName || w.secret(local)
	if s.pending && w.of(forValue) {
		s.inside, s.pending = true, false
	}
	s.naming = w.of(forName)
	return j
}

// shut looks at a > at i, of n octets: the end of a start tag, perhaps.
func (s *scanner) shut(i, n int) int {
	tag, inside, naming := s.tag, s.inside, s.naming
	s.tag, s.inside, s.naming = nil, false, false
	switch {
	case tag == nil || i > 0 && s.b[i-1] == '/':
		return i + n
	case naming && !inside && !s.pending:
		s.pending = s.names(value{from: i + n})
		return i + n
	case !inside && s.pending: // <param name="password">
		inside, s.pending = true, false
	}
	if !inside {
		return i + n
	}
	return s.hide(i+n, s.content(i+n, tag))
}

// content returns where the content of element tag ends that begins at i: where
// its end tag begins, or at the end of the text, or of the JSON string it is in.
func (s *scanner) content(i int, tag []byte) int {
	depth := 1
	for i < len(s.b) {
		if rest := s.b[i:]; bytes.HasPrefix(rest, []byte("<![CDATA[")) {
			n := bytes.Index(rest, []byte("]]>"))
			if n < 0 {
				return len(s.b)
			}
			i += n + 3
			continue
		}
		c, n := next(s.b, i)
		switch {
		case s.form == json && n == 1 && c == '\\':
			n = min(2, len(s.b)-i)
		case s.form == json && n == 1 && c == '"':
			return i
		case c == '<' && s.named(i+n, tag):
			depth++
		case c == '<' && i+n < len(s.b):
			slash := i + n
			if s.b[slash] == '\\' && slash+1 < len(s.b) {
				slash++
			}
			if c, k := next(s.b, slash); c == '/' && s.named(slash+k, tag) {
				if depth--; depth == 0 {
					return i
				}
			}
		}
		i += n
	}
	return len(s.b)
}

// named reports whether the name tag stands at i, no more and no less.
func (s *scanner) named(i int, tag []byte) bool {
	if !bytes.HasPrefix(s.b[i:], tag) {
		return false
	}
	if i += len(tag); i == len(s.b) {
		return true
	}
	c, _ := next(s.b, i)
	return isSpace(c) || c == '>' || c == '/'
}

// part masks the part of multipart/form-data (RFC 7578) whose content begins
// behind the line end before i, when its name was a secret's.
func (s *scanner) part(i int) int {
	if !s.pending || s.form != text || i >= len(s.b) {
		return i
	}
	switch rest := s.b[i:]; {
	case rest[0] == '\n':
		i++
	case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
		i += 2
	default:
		return i
	}
	s.pending = false
	end := bytes.Index(s.b[i:], []byte("\n--"))
	if end < 0 {
		return s.hide(i, len(s.b))
	}
	if end > 0 && s.b[i+end-1] == '\r' {
		end--
	}
	return s.hide(i, i+end)
}
