package mask

import "bytes"

// slashes returns where the authority begins when // stands at i, escaped or
// not, and else 0.
func (s *scanner) slashes(i int) int {
	for range 2 {
		for i < len(s.b) && s.b[i] == '\\' && i+1 < len(s.b) && (s.b[i+1] == '/' || s.b[i+1] == '\\') {
			i++
		}
		if i >= len(s.b) {
			return 0
		}
		c, n := next(s.b, i)
		if c != '/' {
			return 0
		}
		i += n
	}
	return i
}

// userinfo masks the password of the authority that begins at i (RFC 3986
// 3.2.1, RFC 3261 19.1.1) and returns where to go on.
func (s *scanner) userinfo(i int) int {
	colon, at, port := -1, -1, true
	authority := true // not beyond its end yet
	j := i
scan:
	for j < len(s.b) {
		c, n := next(s.b, j)
		switch {
		case c == '@' && colon >= 0:
			at = j
		case c == '@' && authority:
			return j + n // a user alone
		case c == '[' && j == i:
			return i // an address without a user before it
		case isSpace(c) || bytes.IndexByte([]byte("\"'<>,"), c) >= 0 || c == '\\' && authority && (colon < 0 || port):
			break scan
		case c == '/' || c == '?' || c == '#' || c == ';' || c == '&':
			if colon < 0 || port || at >= 0 {
				break scan
			}
			authority = false // a password may hold it, unescaped
		case c == ':' && colon < 0:
			colon = j + n
		case colon >= 0 && (c < '0' || c > '9'):
			port = false
		}
		j += n
	}
	switch {
	case colon < 0:
		return i
	case at >= 0:
		return s.hide(colon, at)
	case !port, j == len(s.b) && !s.whole:
		return s.hide(colon, j)
	}
	return j
}
