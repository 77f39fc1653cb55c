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
		if !best(links, i) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), typeName(links[i].Type)...), '"')
		b = append(b, ':')
		b = appendString(b, links[i].ID)
	}
	return append(b, '}')
}

// best reports whether links[i] is the one of its type to send.
func best(links []record.Link, i int) bool {
	l := &links[i]
	for j := range links {
		o := &links[j]
		if j == i || o.Type != l.Type {
			continue
		}
		if better := compare(o, l); better > 0 || better == 0 && j < i {
			return false
		}
	}
	return true
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
// hep_ids). The types that record does not make yet are named here so that a
// link to them is not lost.
func typeName(t record.Type) string {
	switch t {
	case record.SIP:
		return "sip"
	case record.RTCP:
		return "rtcp"
	case record.RTPReport:
		return "rtp"
	case 53:
		return "dns"
	case 54:
		return "isup"
	case 87:
		return "mi"
	case 88:
		return "rest"
	case 89:
		return "net"
	case 100:
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
