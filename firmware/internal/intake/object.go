package intake

import (
	"bytes"
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"

	"heptap/capture/jsonout"
)

// maxMembers bounds an object: no sender that is known has a quarter of it.
const maxMembers = 64

// member is one of a JSON object. Both slices borrow.
type member struct {
	key   []byte // as it is between its quotes
	value []byte // of a text what is between its quotes, otherwise the value itself
	text  bool
}

// named reports whether the member has that name.
func (m *member) named(name string) bool {
	if bytes.IndexByte(m.key, '\\') < 0 {
		return string(m.key) == name
	}
	return string(unescape(nil, m.key)) == name
}

// scan takes an object apart, and reports whether b is one. It is less strict
// than RFC 8259: OpenSIPS writes names twice, and octets that are not UTF-8.
func scan(dst []member, b []byte) ([]member, bool) {
	s := scanner{b: b}
	if !s.take('{') {
		return dst, false
	}
	for s.next() != '}' {
		if len(dst) == maxMembers {
			return dst, false
		}
		var m member
		var ok bool
		if m.key, ok = s.quoted(); !ok || !s.take(':') {
			return dst, false
		}
		if m.text = s.next() == '"'; m.text {
			m.value, ok = s.quoted()
		} else {
			m.value, ok = s.other()
		}
		if !ok {
			return dst, false
		}
		dst = append(dst, m)
		if !s.take(',') {
			break
		} else if s.next() == '}' {
			return dst, false
		}
	}
	return dst, s.take('}') && s.next() == 0 && s.at == len(b)
}

type scanner struct {
	b  []byte
	at int
}

// next passes over white space and returns the octet there, 0 at the end.
func (s *scanner) next() byte {
	for ; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.next() != c || s.at == len(s.b) {
		return false
	}
	s.at++
	return true
}

// quoted returns what is between quotes.
func (s *scanner) quoted() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	for from := s.at; s.at < len(s.b); s.at++ {
		switch s.b[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return s.b[from : s.at-1], true
		}
	}
	return nil, false
}

// other returns a value that is no text.
func (s *scanner) other() ([]byte, bool) {
	s.next()
	from, depth := s.at, 0
	for s.at < len(s.b) {
		switch c := s.b[s.at]; {
		case c == '"':
			if _, ok := s.quoted(); !ok {
				return nil, false
			}
			continue
		case c == '{' || c == '[':
			depth++
		case (c == '}' || c == ']') && depth > 0:
			depth--
		case (c == ',' || c == '}') && depth == 0:
			v := bytes.TrimRight(s.b[from:s.at], " \t\r\n")
			return v, json.Valid(v)
		}
		s.at++
	}
	return nil, false
}

// unescape appends what s, from between quotes, stands for (RFC 8259 section
// 7). What is no escape is left as it is.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			dst = append(dst, s[i])
			continue
		}
		i++
		switch s[i] {
		case '"', '\\', '/':
			dst = append(dst, s[i])
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, ok := hex4(s[i+1:])
			if !ok {
				dst = append(dst, '\\', 'u')
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if i+2 < len(s) && s[i+1] == '\\' && s[i+2] == 'u' {
					low, ok = hex4(s[i+3:])
				}
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, '\\', s[i])
		}
	}
	return dst
}

func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range s[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// object writes one JSON object after the other into one buffer.
type object struct{ b []byte }

func (o *object) begin() { o.b = append(o.b[:0], '{') }

func (o *object) end() []byte {
	o.b = append(o.b, '}')
	return o.b
}

func (o *object) name(k []byte) {
	if len(o.b) > 1 {
		o.b = append(o.b, ',')
	}
	o.b = append(appendQuoted(o.b, k), ':')
}

func (o *object) text(k string, v []byte) {
	o.name([]byte(k))
	o.b = appendQuoted(o.b, v)
}

// appendQuoted appends s as a JSON string. What is not UTF-8 becomes U+FFFD, and
// so does NUL, which PostgreSQL refuses even escaped.
func appendQuoted(b, s []byte) []byte {
	return jsonout.AppendQuoted(b, s, jsonout.ShortLines|jsonout.ShortTabs|jsonout.EscapedMarks)
}
