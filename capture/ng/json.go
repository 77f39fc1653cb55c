package ng

import (
	"encoding/base64"
	"unicode/utf8"

	"heptap/capture/mask"
)

// MaxJSON is about how many octets AppendJSON appends at most: beyond it
// strings are cut and entries left out, and what is open is closed.
const MaxJSON = 48 << 10

// AppendJSON appends the message's dictionary to dst as a JSON object, entries
// in their order. Keys of media (mask.MediaKey) are masked, and so is the value of
// an entry whose key names a secret. A string that is not UTF-8 is "base64:" and
// its octets in base64, or, where it has a key to mask, text with U+FFFD; so is
// NUL, which PostgreSQL refuses. What is left out or cut, here or by the capture,
// is marked by "truncated": true at the end.
func (v *View) AppendJSON(dst []byte) []byte {
	w := writer{dst: dst, limit: len(dst) + MaxJSON, cut: v.Cut}
	if len(v.Dictionary) == 0 {
		return append(dst, "{}"...)
	}
	w.dict(v.Dictionary, 0, 0)
	w.dst = w.dst[:len(w.dst)-1]
	if w.cut {
		w.comma()
		w.dst = append(w.dst, `"truncated":true`...)
	}
	return append(w.dst, '}')
}

// writer writes JSON.
type writer struct {
	dst   []byte
	limit int // of len(dst), brackets and the like apart
	cut   bool
}

func (w *writer) full() bool {
	w.cut = w.cut || len(w.dst) >= w.limit
	return len(w.dst) >= w.limit
}

// comma separates what comes from what is there.
func (w *writer) comma() {
	if c := w.dst[len(w.dst)-1]; c != '{' && c != '[' {
		w.dst = append(w.dst, ',')
	}
}

// dict writes the dictionary at b[at], which Parse has seen to be right as
// far as it goes, and returns where it ends.
func (w *writer) dict(b []byte, at, depth int) int {
	w.dst = append(w.dst, '{')
	e := entries{b: b, at: at + 1}
	for {
		key, value, ok := e.next()
		if !ok {
			break
		}
		if !w.full() {
			w.comma()
			w.text(key)
			w.dst = append(w.dst, ':')
			if mask.Secret(key) {
				w.dst = append(w.dst, `"***"`...)
				continue
			}
			w.value(value, 0, depth+1)
		}
	}
	w.dst = append(w.dst, '}')
	return e.at
}

// value writes the value at b[at] and returns where it ends.
func (w *writer) value(b []byte, at, depth int) int {
	switch b[at] {
	case 'd':
		return w.dict(b, at, depth)
	case 'i':
		digits, next, _ := integer(b, at)
		w.dst = append(w.dst, digits...)
		return next
	case 'l':
		return w.list(b, at, depth)
	}
	s, next, _ := str(b, at)
	if !utf8.Valid(s) && !mask.HasMediaKey(s) {
		w.base64(s)
	} else {
		w.text(s)
	}
	return next
}

func (w *writer) list(b []byte, at, depth int) int {
	w.dst = append(w.dst, '[')
	for at++; at < len(b) && b[at] != 'e'; {
		if w.full() {
			at, _ = skip(b, at, depth+1)
			continue
		}
		w.comma()
		at = w.value(b, at, depth+1)
	}
	w.dst = append(w.dst, ']')
	return at + 1
}

// base64 writes s in base64, as much as there is room for.
func (w *writer) base64(s []byte) {
	if room := max(0, w.limit-len(w.dst)) / 4 * 3; len(s) > room {
		s, w.cut = s[:room], true
	}
	w.dst = append(w.dst, `"base64:`...)
	w.dst = base64.StdEncoding.AppendEncode(w.dst, s)
	w.dst = append(w.dst, '"')
}

// text writes s as a string, keys masked, as much as there is room for.
func (w *writer) text(s []byte) {
	const hex = "0123456789abcdef"
	w.dst = append(w.dst, '"')
	for i := 0; i < len(s) && !w.full(); {
		if key, n := mask.MediaKey(s, i); key > 0 {
			w.dst = append(w.dst, s[i:i+key]...) // letters and punctuation only
			w.dst = append(w.dst, "***"...)
			i += key + n
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		switch {
		case r == 0 || r == utf8.RuneError && n == 1:
			w.dst = append(w.dst, "\uFFFD"...)
		case r == '"' || r == '\\':
			w.dst = append(w.dst, '\\', byte(r))
		case r == '\r':
			w.dst = append(w.dst, `\r`...)
		case r == '\n':
			w.dst = append(w.dst, `\n`...)
		case r < 0x20 || r == 0x7f:
			w.dst = append(w.dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			w.dst = append(w.dst, s[i:i+n]...)
		}
		i += n
	}
	w.dst = append(w.dst, '"')
}
