package mask

import (
	"bytes"
	"math/bits"
)

// value is where a value begins, and what came before it.
type value struct {
	from    int
	escaped bool   // its separator was: so may be what ends it
	name    []byte // the quote of its name, nil without
	colon   bool   // behind a colon
}

// mask masks v and returns where to go on.
func (s *scanner) mask(v value) int {
	if v.from >= len(s.b) {
		return v.from
	}
	if from, slashes, q, n := s.quoteAt(v); n > 0 {
		return s.maskString(v, from, slashes, q, n)
	}
	if c, _ := next(s.b, v.from); v.name != nil && (c == '{' || c == '[') {
		return s.hideBare(v.from, s.nested(v.from), v.name)
	}
	end := s.bare(v)
	if v.name != nil {
		return s.hideBare(v.from, end, v.name)
	}
	return s.hide(v.from, end)
}

// quoteAt looks for an opening quote: n is how many octets it takes with the
// backslashes before it, 0 when there is none.
func (s *scanner) quoteAt(v value) (from, slashes int, q byte, n int) {
	if (s.form == pairs || s.form == query) && !v.escaped {
		return 0, 0, 0, 0 // quotes mean nothing there
	}
	for i := v.from; i < len(s.b); {
		c, n := next(s.b, i)
		switch {
		case n > 1 && !v.escaped && s.form != json && s.form != xml:
			return 0, 0, 0, 0
		case c == '\\':
			slashes++
		case isQuote(c):
			if s.form == json && v.name == nil && slashes == 0 && s.closes(i+n) {
				return 0, 0, 0, 0
			}
			return i + n, slashes, c, n
		default:
			return 0, 0, 0, 0
		}
		i += n
	}
	return 0, 0, 0, 0
}

// closes reports whether the quote before i ends a JSON string, as what follows
// tells.
func (s *scanner) closes(i int) bool {
	rest := bytes.TrimLeft(s.b[i:], " \t\r\n")
	return len(rest) == 0 || bytes.IndexByte([]byte(",:}]"), rest[0]) >= 0
}

// maskString masks the string that begins at from, behind its quote q of size
// octets, and what follows it without a delimiter.
func (s *scanner) maskString(v value, from, slashes int, q byte, size int) int {
	end, after := s.closing(from, slashes, q, size, s.form == xml && !v.colon)
	s.hide(from, end)
	if end == after { // not closed
		return end
	}
	first := after
	for after < len(s.b) {
		c, n := next(s.b, after)
		if c == q && slashes == 0 && n == size { // a doubled quote
			_, after = s.closing(after+n, slashes, q, size, false)
			continue
		}
		if isSpace(c) || c == '\\' || bytes.IndexByte([]byte(",;&}])><?/:\"'"), c) >= 0 {
			break
		}
		after += n
	}
	return s.hide(first, after)
}

// closing returns where the closing quote of a string begins, its backslashes
// included, and where it ends.
func (s *scanner) closing(i, slashes int, q byte, size int, verbatim bool) (end, after int) {
	run, first := 0, i
	for i < len(s.b) {
		c, n := next(s.b, i)
		switch {
		case c == '\\':
			if run++; run == 1 {
				first = i
			}
		case c == q && (n == 1) == (size == 1) && (verbatim || closes(run, slashes)):
			if run == 0 || verbatim {
				first = i
			}
			return first, i + n
		default:
			run = 0
		}
		i += n
	}
	return len(s.b), len(s.b)
}

// closes reports whether a quote behind run backslashes ends a string whose
// opening quote had slashes of them, or one around it. Each level of strings in
// strings doubles the backslashes and puts one before the quote.
func closes(run, slashes int) bool {
	for range bits.Len(uint(slashes)) {
		if run&1 == 0 {
			return true
		}
		run >>= 1
	}
	return run&1 == 0
}

// nested returns where the JSON object or array ends that begins at i: at the
// end of the text when it is not closed.
func (s *scanner) nested(i int) int {
	depth := 0
	for i < len(s.b) {
		c, n := next(s.b, i)
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + n
			}
		case '"', '\\':
			slashes := 0
			for c == '\\' && i+n < len(s.b) {
				i, slashes = i+n, slashes+1
				c, n = next(s.b, i)
			}
			if c == '"' {
				_, i = s.closing(i+n, slashes, '"', n, false)
				continue
			}
		}
		i += n
	}
	return len(s.b)
}

// bare returns where a value without quotes ends.
func (s *scanner) bare(v value) int {
	c, _ := next(s.b, v.from)
	literal := c >= '0' && c <= '9' || c == '-' || c == 't' || c == 'f' || c == 'n'
	for i := v.from; i < len(s.b); {
		c, n := next(s.b, i)
		if n > 1 && !v.escaped && s.form != json {
			n = 1
			c = s.b[i]
		}
		var end bool
		switch {
		case v.escaped:
			end = c == '&' || isSpace(c) && c != ' ' || isQuote(c) || v.name != nil && bytes.IndexByte([]byte(",}]"), c) >= 0
		case v.name != nil && literal:
			end = isSpace(c) || bytes.IndexByte([]byte(",}]"), c) >= 0 || len(v.name) > 1 && (c == '"' || c == '\\')
		case s.form == pairs:
			end = c == '&'
		case s.form == query:
			end = c == '&' || c == '#'
		case s.form == json:
			if c == '\\' && i+1 < len(s.b) {
				end, n = s.b[i+1] == 'n' || s.b[i+1] == 'r', 2
			} else {
				end = c == '"' || c == '\n' || s.breaks(i, c, n, v)
			}
		case s.form == xml:
			end = c == '<' || c == '\n' || s.breaks(i, c, n, v)
		default:
			end = c == '\n' || c == '\r' && i+1 < len(s.b) && s.b[i+1] == '\n' || s.breaks(i, c, n, v)
		}
		if end {
			return i
		}
		i += n
	}
	return len(s.b)
}

// breaks reports whether the character c at i ends a value behind an equals
// sign: one that a name and another equals sign follow.
func (s *scanner) breaks(i int, c byte, n int, v value) bool {
	if v.colon || !isSpace(c) && c != '&' && c != ',' && c != ';' {
		return false
	}
	b := s.b[i+n : min(len(s.b), i+n+80)]
	b = bytes.TrimLeft(b, " \t\"'")
	k := 0
	for k < len(b) && (b[k]|0x20 >= 'a' && b[k]|0x20 <= 'z' || b[k] >= '0' && b[k] <= '9' || bytes.IndexByte([]byte("_-.[]%:"), b[k]) >= 0) {
		k++
	}
	if k == 0 {
		return false
	}
	b = bytes.TrimLeft(b[k:], " \t\"'")
	return len(b) > 1 && b[0] == '=' && b[1] != '=' && !isSpace(b[1]) && b[1] != '&'
}

// names reports whether v is a secret's name.
func (s *scanner) names(v value) bool {
	end := min(len(s.b), v.from+maxName)
	if from, slashes, q, n := s.quoteAt(v); n > 0 {
		b := *s
		b.b = s.b[:min(len(s.b), from+maxName)]
		end, _ = b.closing(from, slashes, q, n, false)
		return Secret(s.b[from:end])
	}
	i := v.from
	for i < end && !isSpace(s.b[i]) && bytes.IndexByte([]byte("&,;<>}]"), s.b[i]) < 0 {
		i++
	}
	return i > v.from && i < end && Secret(s.b[v.from:i])
}

// inline masks the key that begins at i, up to its lifetime (RFC 4568 6.1).
func (s *scanner) inline(i int, escaped bool) int {
	j := i
	for j < len(s.b) {
		c, n := s.b[j], 1
		if escaped || c == '\\' {
			c, n = next(s.b, j)
		}
		if isSpace(c) || bytes.IndexByte([]byte("|;\"'&<>,"), c) >= 0 {
			break
		}
		if c == '\\' && n == 1 && j+1 < len(s.b) && (s.b[j+1] == 'r' || s.b[j+1] == 'n') {
			break
		}
		j += n
	}
	return s.hide(i, j)
}
