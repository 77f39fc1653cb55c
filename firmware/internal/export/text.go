package export

import (
	"bytes"
	"unicode/utf8"

	"heptap/capture/record"
)

// clean returns b without NUL and with every octet that is not UTF-8 replaced
// by U+FFFD. Collectors drop such octets, or the record (heplify-server's
// toUTF8). It returns b itself when nothing is wrong with it.
func (p *Profile) clean(b []byte) []byte {
	if bytes.IndexByte(b, 0) < 0 && utf8.Valid(b) {
		return b
	}
	p.text = p.text[:0]
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r != 0 {
			p.text = utf8.AppendRune(p.text, r)
		}
		i += n
	}
	return p.text
}

// appendExtra appends the links as chunk 0x65 has them.
func appendExtra(b []byte, links []record.Link) []byte {
	b = append(b, '{')
	for i := range links {
		equal, first := best(links, i)
		if equal == 0 || !first {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), typeName(links[i].Type)...), '"')
		b = append(b, ':')
		if equal == 1 {
			b = appendString(b, links[i].ID)
		} else {
			b = appendEqual(b, links, i)
		}
	}
	return append(b, '}')
}

// appendEqual appends the ids of links[i] and of those after it that are as good.
func appendEqual(b []byte, links []record.Link, i int) []byte {
	sep := byte('[')
	for j := i; j < len(links); j++ {
		if o := &links[j]; o.Type == links[i].Type && compare(o, &links[i]) == 0 {
			b = appendString(append(b, sep), o.ID)
			sep = ','
		}
	}
	return append(b, ']')
}

// best returns how many links are of the type of links[i] and as good, itself
// included, and whether it is the first of them; 0 when there is a better one.
func best(links []record.Link, i int) (equal int, first bool) {
	l := &links[i]
	first = true
	for j := range links {
		o := &links[j]
		if o.Type != l.Type {
			continue
		}
		switch better := compare(o, l); {
		case better > 0:
			return 0, false
		case better == 0:
			equal++
			first = first && j >= i
		}
	}
	return equal, first
}

// compare is positive when a is more to be trusted than b.
func compare(a, b *record.Link) int {
	if a.How != b.How {
		return int(b.How) - int(a.How)
	}
	if a.How == record.Inferred {
		return int(a.Score) - int(b.Score)
	}
	return 0
}

// typeName returns the name of a record type as OpenSIPS spells it (proto_hep,
// hep_ids).
func typeName(t record.Type) string {
	if t == record.Log {
		return "xlog"
	}
	return t.String()
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string (RFC 8259 section 7).
func appendString(b, s []byte) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRune(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}
