package beyond

import (
	"strconv"
	"unicode/utf8"

	"heptap/capture/jsonout"
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

func (o *object) key(k string) { o.b = jsonout.AppendKey(o.b, k) }

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
		quote(o, v)
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

// quote appends v as JSON has it in a string.
func quote[S string | []byte](o *object, v S) {
	o.b = jsonout.AppendEscaped(o.b, v, jsonout.ShortLines|jsonout.ShortTabs|jsonout.EscapedMarks)
}
