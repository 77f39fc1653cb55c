package privacy

import (
	"bytes"

	"heptap/capture/pseudonym"
	"heptap/capture/record"
	"heptap/capture/sip"
)

// Options say what a Filter does.
type Options struct {
	Key         *pseudonym.Key // numbers and names become pseudonyms; nil: they stay
	Keep        []string       // of these, those that stay, in any letter case
	Bodies      bool           // blank bodies
	Credentials bool           // blank credentials
}

// Filter makes records tell less. It is not for concurrent use.
type Filter struct {
	options Options
	view    sip.View
	ids     [][]byte // of the record at hand
}

// New makes a Filter. What stands for nobody always stays: anonymous (RFC 3323
// 4.1.1.3) and the like.
func New(o Options) *Filter {
	o.Keep = append([]string{"anonymous", "unavailable", "unknown", "restricted", "private"}, o.Keep...)
	return &Filter{options: o}
}

// MemoryBytes is the most that f holds; nil holds nothing.
func (f *Filter) MemoryBytes() int64 {
	if f == nil || f.options.Key == nil {
		return 0
	}
	return pseudonym.MemoryBytes
}

// Apply changes the payload of r in place.
func (f *Filter) Apply(r *record.Record) {
	if f.options.Key != nil {
		r.Chunks = nil // nobody knows what is in them
	}
	f.ids = f.ids[:0]
	if len(r.Primary) > 0 {
		f.ids = append(f.ids, r.Primary)
	}
	for i := range r.Links {
		f.ids = append(f.ids, r.Links[i].ID)
	}
	switch {
	case r.Type == record.SIP:
		f.sip(r.Payload)
	case f.options.Key != nil || f.options.Bodies:
		f.json(r.Type, r.Payload)
	}
}

// user replaces the number or name in b.
func (f *Filter) user(b []byte) {
	if f.options.Key != nil && !f.kept(b) {
		f.options.Key.User(b)
	}
}

// display blanks the name in b, which is shown beside a URI.
func (f *Filter) display(b []byte) {
	switch {
	case f.options.Key == nil, f.kept(b):
	case pseudonym.IsNumber(b):
		f.options.Key.User(b)
	default:
		blank(b)
	}
}

func (f *Filter) kept(b []byte) bool {
	for _, k := range f.options.Keep {
		if len(k) == len(b) && bytes.EqualFold(b, []byte(k)) {
			return true
		}
	}
	return false
}

// blank replaces what people read in b, and what keys of a telephone send; spaces, other
// punctuation and line ends stay.
func blank(b []byte) {
	for i, c := range b {
		if isWord(c) || c > 127 || c == '*' || c == '#' {
			b[i] = 'x'
		}
	}
}

// isWord reports whether c is a letter or a digit.
func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
