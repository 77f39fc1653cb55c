package beyond

import (
	"strconv"
	"unicode/utf8"
)

// object appends the members of one JSON object to a buffer. It allocates
// nothing while the buffer has room.
type object struct{ b []byte }

// object begins the payload of a record, in the buffer that all of them use.
func (b *Beyond) object() object { return object{append(b.payload[:0], '{')} }

// done ends the payload.
func (b *Beyond) done(o *object) []byte {
	b.payload = append(o.b, '}')
	return b.payload
}

func (o *object) key(k string) {
	if last := o.b[len(o.b)-1]; last != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, k...)
	o.b = append(o.b, '"', ':')
}

func (o *object) int(k string, v int64) {
	o.key(k)
	o.b = strconv.AppendInt(o.b, v, 10)
}

func (o *object) bool(k string, v bool) {
	o.key(k)
	o.b = strconv.AppendBool(o.b, v)
}

// ms appends a time in nanoseconds as milliseconds.
func (o *object) ms(k string, ns int64) {
	o.key(k)
	o.b = strconv.AppendFloat(o.b, float64(ns/1e3)/1e3, 'f', -1, 64)
}

// text appends a text, or nothing when it is empty.
func (o *object) text(k, v string) {
	if v != "" {
		o.key(k)
		o.b = append(o.b, '"')
		o.part(v)
		o.b = append(o.b, '"')
	}
}

// octets appends octets from the wire, at most limit of them, or nothing when
// there are none.
func (o *object) octets(k string, v []byte, limit int) (cut bool) {
	if len(v) == 0 {
		return false
	}
	o.key(k)
	o.b = append(o.b, '"')
	cut = len(v) > limit
	if cut {
		v = trimRune(v[:limit])
	}
	quote(o, v)
	o.b = append(o.b, '"')
	return cut
}

// words appends a text that is made of parts.
func (o *object) words(k string, parts ...[]byte) {
	o.key(k)
	o.b = append(o.b, '"')
	for _, p := range parts {
		quote(o, trimRune(p[:min(len(p), maxWord)]))
	}
	o.b = append(o.b, '"')
}

// maxWord is the most octets of what is part of an event's name.
const maxWord = 128

func (o *object) part(v string) { quote(o, v) }

// trimRune returns v without the front of a character at its end.
func trimRune(v []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(v); n++ {
		if c := v[len(v)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(v[len(v)-n:]) {
				return v[:len(v)-n]
			}
			break
		}
	}
	return v
}

// quote appends v as JSON has it in a string: escaped, what is not UTF-8
// replaced (RFC 8259 8.1), and so is NUL, which PostgreSQL refuses even escaped.
func quote[S string | []byte](o *object, v S) {
	for i := 0; i < len(v); {
		c := v[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			start := i
			for i < len(v) && v[i] >= ' ' && v[i] < 0x7f && v[i] != '"' && v[i] != '\\' {
				i++
			}
			o.b = append(o.b, v[start:i]...)
			continue
		}
		var r [utf8.UTFMax]byte
		k := copy(r[:], v[i:min(len(v), i+utf8.UTFMax)])
		char, n := utf8.DecodeRune(r[:k])
		switch {
		case char == 0 || char == utf8.RuneError && n == 1:
			o.b = append(o.b, `\ufffd`...)
		case char == '"' || char == '\\':
			o.b = append(o.b, '\\', byte(char))
		case char == '\r':
			o.b = append(o.b, '\\', 'r')
		case char == '\n':
			o.b = append(o.b, '\\', 'n')
		case char == '\t':
			o.b = append(o.b, '\\', 't')
		case char < 0x20 || char == 0x7f:
			const hex = "0123456789abcdef"
			o.b = append(o.b, '\\', 'u', '0', '0', hex[char>>4], hex[char&15])
		default:
			o.b = append(o.b, v[i:i+n]...)
		}
		i += n
	}
}
