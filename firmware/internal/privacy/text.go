package privacy

import (
	"bytes"
	"strings"
)

// text replaces what is found in text of any kind. In a JSON string, escaped, a
// backslash escapes what follows it.
func (f *Filter) text(b []byte, escaped bool) { f.scan(b, escaped, true) }

// uris replaces what is found in URIs only.
func (f *Filter) uris(b []byte) { f.scan(b, false, false) }

// scan goes through b word by word.
func (f *Filter) scan(b []byte, escaped, words bool) {
	if f.options.Key == nil {
		return
	}
	for i := 0; i < len(b); {
		if n := max(f.own(b[i:]), skip(b[i:], escaped)); n > 0 {
			i += n
			continue
		}
		if n := numeric(b[i:]); n > 0 {
			i += n
			continue
		}
		end := i + token(b[i:])
		word, rest := b[i:end], b[end:]
		switch n := colon(rest); {
		case n > 0 && isScheme(word):
			end += n + f.uri(rest[n:], is(word, "tel"))
		case !words:
		case at(rest) > 0 && len(rest) > at(rest) && isWord(rest[at(rest)]):
			f.user(word)
			end += at(rest) + host(rest[at(rest):])
		default:
			f.words(word)
		}
		i = end
	}
}

// skip returns how many octets b begins with that begin no word.
func skip(b []byte, escaped bool) int {
	switch {
	case isWord(b[0]), b[0] == '+' && len(b) > 1 && isWord(b[1]):
		return 0
	case escaped && b[0] == '\\':
		return escape(b)
	case b[0] == '%' && len(b) > 2 && isHex(b[1]) && isHex(b[2]):
		return 3
	}
	return 1
}

// own returns how long the id of the record at hand is that b begins with, 0
// when there is none.
func (f *Filter) own(b []byte) int {
	for _, id := range f.ids {
		if bytes.HasPrefix(b, id) {
			return len(id)
		}
	}
	return 0
}

// token returns how long the token is that b begins with: letters, digits, and
// what may stand between them in a name or number.
func token(b []byte) int {
	n := 1
	for n < len(b) && (isWord(b[n]) || b[n] == '.' || b[n] == '-' || b[n] == '_' || b[n] == '+' || b[n] == '~') {
		n++
	}
	for n > 1 && !isWord(b[n-1]) {
		n--
	}
	return n
}

// numeric returns how long the IP address with its port is that b begins with, or
// another run of hexadecimal digits with two colons in it, such as a time of day or a
// hardware address; 0 when there is none. Parts of them may look like an extension.
func numeric(b []byte) int {
	n, dots, colons := 0, 0, 0
	for ; n < len(b); n++ {
		if c := b[n]; c == '.' {
			dots++
		} else if c == ':' {
			colons++
		} else if !isHex(c) {
			break
		}
	}
	for ; n > 0 && !isWord(b[n-1]); n-- {
		if b[n-1] == '.' {
			dots--
		} else {
			colons--
		}
	}
	if dots != 3 && colons < 2 || n < len(b) && (isWord(b[n]) || at(b[n:]) > 0) {
		return 0
	}
	return n
}

// colon returns how long the colon is that b begins with, which in a URL may be
// escaped; 0 when there is none.
func colon(b []byte) int { return mark(b, ':', "%3A") }

// at is colon for @.
func at(b []byte) int { return mark(b, '@', "%40") }

func mark(b []byte, c byte, escaped string) int {
	switch {
	case len(b) > 0 && b[0] == c:
		return 1
	case len(b) >= len(escaped) && is(b[:len(escaped)], escaped):
		return len(escaped)
	}
	return 0
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// escape returns how long the JSON escape is that b begins with (RFC 8259 7).
func escape(b []byte) int {
	n := 2
	if len(b) > 1 && b[1] == 'u' {
		n = 6
	}
	return min(n, len(b))
}

func isScheme(b []byte) bool {
	switch lower(b) {
	case "sip", "sips", "tel", "im", "pres", "xmpp", "mailto":
		return true
	}
	return false
}

// is reports whether b is s, in any letter case.
func is(b []byte, s string) bool { return len(b) == len(s) && strings.EqualFold(string(b), s) }

// lower returns b in lower case, for a switch; nothing if it is longer than
// any word that is known here.
func lower(b []byte) string {
	var word [32]byte
	if len(b) > len(word) {
		return ""
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		word[i] = c
	}
	return string(word[:len(b)])
}

// delimiters end a URI wherever it stands.
const delimiters = "<>\"'\\ \t\r\n(){}|^`"

// uri replaces the user part of the URI whose scheme stands before b, and
// returns how far in b that goes, its host included. tel has no host.
func (f *Filter) uri(b []byte, tel bool) int {
	for i := range b {
		n := at(b[i:])
		switch {
		case strings.IndexByte(delimiters, b[i]) >= 0:
			if tel {
				f.userinfo(b[:i])
				return i
			}
			return host(b)
		case n > 0 && !tel:
			f.userinfo(b[:i])
			return i + n + host(b[i+n:])
		}
	}
	if tel {
		f.userinfo(b)
		return len(b)
	}
	return host(b)
}

// userinfo replaces what stands before the @ of a SIP URI, or all of a tel
// URI: the name or number with its parameters, and a password.
func (f *Filter) userinfo(b []byte) {
	b, password, _ := bytes.Cut(b, []byte(":"))
	if f.options.Key != nil || f.options.Credentials {
		blank(password)
	}
	if f.options.Key == nil {
		return
	}
	name, parameters, _ := bytes.Cut(b, []byte(";"))
	f.user(name)
	f.scan(parameters, false, true)
}

// host returns how long the host, with its port, is that b begins with.
func host(b []byte) int {
	n := 0
	for n < len(b) && (isWord(b[n]) || b[n] == '.' || b[n] == '-' || b[n] == '_' || b[n] == ':' || b[n] == '[' || b[n] == ']') {
		n++
	}
	return n
}

// Digits in a row that are taken for a number: E.164 has 15 at most, before
// which a prefix may stand.
const (
	fewestDigits = 7
	mostDigits   = 18
	fewestKnown  = 3 // letters and digits of a word that is compared with names
)

// words replaces a token, or those words and digits in it that are a name or
// number.
func (f *Filter) words(b []byte) {
	if len(b) >= fewestKnown && !f.kept(b) && f.options.Key.Known(b) || isUUID(b) || f.enum(b) {
		return
	}
	host := isHost(b)
	for i := 0; i < len(b); {
		if !isWord(b[i]) {
			i++
			continue
		}
		end, digits := i, true
		for ; end < len(b) && isWord(b[end]); end++ {
			digits = digits && b[end] <= '9'
		}
		run := b[i:end]
		switch n := len(run); {
		case n < fewestKnown || f.kept(run) || !host && f.options.Key.Known(run):
		case digits && n >= fewestDigits && n <= mostDigits && !isTime(b, i, end):
			f.options.Key.User(run)
		}
		i = end
	}
}

// isTime reports whether the digits b[i:end] are of a point in time, or
// another count: seconds since 1970 with a fraction, the fraction itself, or
// filled up with zeros.
func isTime(b []byte, i, end int) bool {
	switch {
	case end-i == 10 && b[i] == '1' && end+1 < len(b) && b[end] == '.' && isWord(b[end+1]):
		return true
	case i > 1 && b[i-1] == '.' && '0' <= b[i-2] && b[i-2] <= '9':
		return true
	}
	return bytes.HasPrefix(b[i:end], []byte("0000"))
}

// isUUID reports whether b is a UUID as RFC 9562 4 writes it.
func isUUID(b []byte) bool {
	if len(b) != 36 {
		return false
	}
	for i, c := range b {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') || !dash && !isHex(c) {
			return false
		}
	}
	return true
}

// isHost reports whether b looks like the name of a host: the last label has
// letters only.
func isHost(b []byte) bool {
	dot := bytes.LastIndexByte(b, '.')
	if dot < 0 || len(b)-dot < 3 {
		return false
	}
	for _, c := range b[dot+1:] {
		if c <= '9' {
			return false
		}
	}
	return true
}

// enum replaces the number in a domain name of ENUM (RFC 6116 3.2), whose digits
// stand in labels of their own, the last one first, and reports whether b is
// such a name.
func (f *Filter) enum(b []byte) bool {
	n := 0
	for 2*n+1 < len(b) && '0' <= b[2*n] && b[2*n] <= '9' && b[2*n+1] == '.' {
		n++
	}
	if n < fewestKnown || n > mostDigits {
		return false
	}
	var digits [mostDigits]byte
	for i := range n {
		digits[n-1-i] = b[2*i]
	}
	f.user(digits[:n])
	for i := range n {
		b[2*i] = digits[n-1-i]
	}
	return true
}
