package httpwire

import "bytes"

// Fields goes through field lines.
type Fields struct{ rest []byte }

// Walk returns the head's field lines.
func (h *Head) Walk() Fields { return Fields{h.Fields} }

// Next returns the next field line, the value without white space around it.
// One that was folded still holds its line breaks. Lines without a colon are
// skipped.
func (f *Fields) Next() (name, value []byte, ok bool) {
	for len(f.rest) > 0 {
		line := f.line()
		if colon := bytes.IndexByte(line, ':'); colon > 0 {
			return trim(line[:colon]), trim(line[colon+1:]), true
		}
	}
	return nil, nil, false
}

// line cuts off the first line with its folded continuation.
func (f *Fields) line() (line []byte) {
	end := 0
	for {
		n := bytes.IndexByte(f.rest[end:], '\n')
		if n < 0 {
			end = len(f.rest)
			break
		}
		end += n + 1
		if end == len(f.rest) || f.rest[end] != ' ' && f.rest[end] != '\t' {
			break
		}
	}
	line, f.rest = f.rest[:end], f.rest[end:]
	return line
}

// Get returns the value of the first field called name, which is in lower
// case, or nil.
func (h *Head) Get(name string) []byte {
	f := h.Walk()
	for {
		n, value, ok := f.Next()
		if !ok {
			return nil
		}
		if Is(n, name) {
			return value
		}
	}
}

// Has reports whether one of the fields called name, all of which are lists,
// holds the element, both in lower case (RFC 9110 5.6.1). Parameters of an
// element do not count.
func (h *Head) Has(name, element string) bool {
	f := h.Walk()
	for {
		n, value, ok := f.Next()
		if !ok {
			return false
		}
		if !Is(n, name) {
			continue
		}
		for e := []byte(nil); len(value) > 0; {
			e, value = Cut(value, ',')
			if e, _ = Cut(e, ';'); Is(e, element) {
				return true
			}
		}
	}
}

// Cut splits b at the first sep outside quoted strings (RFC 9110 5.6.4), white
// space around both parts removed.
func Cut(b []byte, sep byte) (before, after []byte) {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == sep && !quoted:
			return trim(b[:i]), trim(b[i+1:])
		}
	}
	return trim(b), nil
}

// Is reports whether b is s, which is in lower case, in any case.
func Is(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }
