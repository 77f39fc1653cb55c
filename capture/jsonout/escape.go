package jsonout

import "unicode/utf8"

// Style says how octets are written where RFC 8259 7 leaves a choice. The zero
// Style writes control characters and DEL as \u00XX, and U+FFFD as itself.
type Style uint8

// The choices. They are combined with |.
const (
	ShortLines   Style = 1 << iota // \r and \n
	ShortTabs                      // \t
	EscapedMarks                   // \ufffd for what is replaced
)

// AppendEscaped appends s as it stands between the quotes of a string: escaped,
// with U+FFFD in place of NUL and of each octet that is no UTF-8.
func AppendEscaped[S string | []byte](dst []byte, s S, style Style) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && isPlain(s[i]) {
			i++
		}
		dst = append(dst, s[start:i]...)
		if i == len(s) {
			break
		}
		var front [utf8.UTFMax]byte
		r, n := utf8.DecodeRune(front[:copy(front[:], s[i:min(len(s), i+utf8.UTFMax)])])
		switch {
		case r == 0 || r == utf8.RuneError && n == 1:
			if style&EscapedMarks != 0 {
				dst = append(dst, `\ufffd`...)
			} else {
				dst = append(dst, "\uFFFD"...)
			}
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\r' && style&ShortLines != 0:
			dst = append(dst, '\\', 'r')
		case r == '\n' && style&ShortLines != 0:
			dst = append(dst, '\\', 'n')
		case r == '\t' && style&ShortTabs != 0:
			dst = append(dst, '\\', 't')
		case r < 0x20 || r == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return dst
}

// isPlain says whether c is printable ASCII that needs no escape.
func isPlain(c byte) bool { return c >= ' ' && c < 0x7f && c != '"' && c != '\\' }

// AppendQuoted appends s as a string, quotes included.
func AppendQuoted[S string | []byte](dst []byte, s S, style Style) []byte {
	return append(AppendEscaped(append(dst, '"'), s, style), '"')
}
