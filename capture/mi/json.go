package mi

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep values may nest.
const maxDepth = 32

// The reading of JSON here allocates nothing, copes with a text that ends in
// the middle, and is no more strict about what it passes over than brackets and
// strings need: it never decides what a platform would have taken.

func blank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// stringEnd returns the end of the string whose opening quote is b[i]. whole is
// false, and the end that of b, when there is no closing quote.
func stringEnd(b []byte, i int) (end int, whole bool) {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1, true
		}
	}
	return len(b), false
}

// valueEnd returns the end of the value at b[i]. whole is false when b ends
// before it, ok when no value begins there or its brackets do not match.
func valueEnd(b []byte, i int) (end int, whole, ok bool) {
	var objects uint64 // bit n: the bracket at depth n is a brace
	depth := 0
	for i < len(b) {
		switch c := b[i]; c {
		case '"':
			if i, whole = stringEnd(b, i); !whole {
				return i, false, true
			}
		case '{', '[':
			if depth == maxDepth {
				return i, false, false
			}
			objects <<= 1
			if c == '{' {
				objects |= 1
			}
			depth++
			i++
		case '}', ']':
			if depth == 0 || objects&1 == 1 != (c == '}') {
				return i, false, false
			}
			objects >>= 1
			depth--
			i++
		case ',', ':':
			if depth == 0 {
				return i, false, false
			}
			i++
		case ' ', '\t', '\r', '\n':
			i++
		default:
			start := i
			for i < len(b) && scalar(b[i]) {
				i++
			}
			if i == start {
				return i, false, false
			}
			if i == len(b) && depth == 0 {
				return i, false, true // a number may go on
			}
		}
		if depth == 0 {
			return i, true, true
		}
	}
	return len(b), false, depth > 0
}

// scalar says whether c can be part of a number, true, false or null.
func scalar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.'
}

// members goes through the members of an object.
type members struct {
	b    []byte
	i    int
	cut  bool // the text ends before the object does
	bad  bool // what is there is no object
	done bool
	end  int // behind the closing brace, when done
}

// object begins at the opening brace b[i].
func object(b []byte, i int) members {
	return members{b: b, i: i + 1, bad: i >= len(b) || b[i] != '{'}
}

// next returns the next member: its name as it stands between the quotes, and
// its value, which is all there is of it when m.cut is set. ok is false at the end.
func (m *members) next() (name, value []byte, ok bool) {
	if m.bad || m.cut || m.done {
		return nil, nil, false
	}
	m.i = blank(m.b, m.i)
	if m.i < len(m.b) && m.b[m.i] == ',' {
		m.i = blank(m.b, m.i+1)
	}
	switch {
	case m.i >= len(m.b):
		m.cut = true
		return nil, nil, false
	case m.b[m.i] == '}':
		m.done, m.end = true, m.i+1
		return nil, nil, false
	case m.b[m.i] != '"':
		m.bad = true
		return nil, nil, false
	}
	end, whole := stringEnd(m.b, m.i)
	if !whole {
		m.cut = true
		return nil, nil, false
	}
	name = m.b[m.i+1 : end-1]
	i := blank(m.b, end)
	if i >= len(m.b) {
		m.cut = true
		return nil, nil, false
	}
	if m.b[i] != ':' {
		m.bad = true
		return nil, nil, false
	}
	i = blank(m.b, i+1)
	if i >= len(m.b) {
		m.cut = true
		return nil, nil, false
	}
	end, whole, ok = valueEnd(m.b, i)
	if !ok {
		m.bad = true
		return nil, nil, false
	}
	m.cut = !whole
	m.i = end
	return name, m.b[i:end], true
}

// isString returns what stands between the quotes of a value that is a string.
func isString(value []byte) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return nil, false
	}
	return value[1 : len(value)-1], true
}

// unquote appends to dst the text of what stands between quotes, escapes undone.
func unquote(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' || i+1 == len(raw) {
			dst = append(dst, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			r, ok := hex4(raw[i+1:])
			if !ok {
				dst = append(dst, c)
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if len(raw) > i+6 && raw[i+1] == '\\' && raw[i+2] == 'u' {
					low, _ = hex4(raw[i+3:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// text returns a value as a short text: a string without its quotes, anything
// else as it stands; null is empty.
func text(value []byte, limit int) string {
	s, ok := isString(value)
	if !ok {
		if string(value) == "null" {
			return ""
		}
		return clean(value, limit)
	}
	return clean(unquote(nil, s[:min(len(s), 6*limit)]), limit)
}

// number returns a value that is a whole number, or a string of one.
func number(value []byte) int {
	if s, ok := isString(value); ok {
		value = s
	}
	if len(value) > 11 {
		return 0
	}
	n, err := strconv.ParseInt(string(value), 10, 32)
	if err != nil {
		return 0
	}
	return int(n)
}

// appendQuoted appends s as a JSON string.
func appendQuoted(dst, s []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
