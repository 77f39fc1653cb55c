package sip

import "bytes"

// isSpace reports whether c is white space in a header value. Line breaks
// count: inside a value they can only be folding.
func isSpace(c byte) bool {
	const set = 1<<' ' | 1<<'\t' | 1<<'\r' | 1<<'\n'
	return c <= ' ' && uint64(set)>>c&1 != 0
}

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func trim(b []byte) []byte { return trimRight(trimLeft(b)) }

// is reports whether b is s, which is in lower case, in any case.
func is(b []byte, s string) bool { return len(b) == len(s) && hasPrefix(b, s) }

// hasPrefix reports whether b begins with s, which is in lower case, in any
// case.
func hasPrefix(b []byte, s string) bool {
	if len(b) < len(s) {
		return false
	}
	b = b[:len(s)]
	for i, c := range b {
		if c != s[i] && (c|0x20 != s[i] || c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// first sets dst unless it is set already.
func first(dst *[]byte, value []byte) bool {
	if *dst == nil {
		*dst = value
	}
	return true
}

// number sets dst, when it is still -1, to the decimal number that value is,
// or leaves it when value is no number of 32 bits.
func number(dst *int64, value []byte) bool {
	if *dst >= 0 || len(value) == 0 {
		return true
	}
	var n int64
	for _, c := range value {
		n = n*10 + int64(c-'0')
		if c < '0' || c > '9' || n > 0xffffffff {
			return true
		}
	}
	*dst = n
	return true
}

// address splits a From or To value into its URI and what follows (RFC 3261
// 20.10: name-addr or addr-spec).
func address(value []byte) (uri, params []byte) {
	i := 0
	if len(value) > 0 && value[0] == '"' {
		if i = quoted(value, 0); i == len(value) {
			i = 0 // no closing quote: look for the URI in all of it
		}
	}
	if lt := bytes.IndexByte(value[i:], '<'); lt >= 0 {
		uri = value[i+lt+1:]
		if gt := bytes.IndexByte(uri, '>'); gt >= 0 {
			return uri[:gt], uri[gt+1:]
		}
		return uri, nil
	}
	// Without brackets every parameter is the header's (RFC 3261 20).
	if semi := bytes.IndexByte(value, ';'); semi >= 0 {
		return value[:semi], value[semi:]
	}
	return value, nil
}

// tag returns the tag parameter of a From or To value.
func tag(value []byte) []byte {
	_, params := address(value)
	t, _ := param(params, "tag", false)
	return t
}

// user returns the user part of the URI in a From or To value.
func user(value []byte) []byte {
	uri, _ := address(value)
	return userPart(trim(uri))
}

// User returns the user part of the URI in the first value of a header field such as
// P-Asserted-Identity (RFC 3325 9.1), escapes as they are, or a tel URI's number, or nil.
func User(value []byte) []byte { return user(value) }

// userPart returns the user of a SIP URI without its password, the number of a
// tel URI, or nil.
func userPart(uri []byte) []byte {
	if hasPrefix(uri, "tel:") {
		uri = uri[len("tel:"):]
		if semi := bytes.IndexByte(uri, ';'); semi >= 0 {
			uri = uri[:semi]
		}
		return uri
	}
	at := bytes.IndexByte(uri, '@')
	if at < 0 {
		return nil
	}
	user := uri[:at]
	if colon := bytes.IndexByte(user, ':'); colon >= 0 {
		user = user[colon+1:]
	}
	if colon := bytes.IndexByte(user, ':'); colon >= 0 {
		user = user[:colon]
	}
	return user
}

// quoted returns the offset after the quoted string that begins at b[i], or
// len(b) when it does not end.
func quoted(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// param returns the value of the parameter called name, in lower case, among
// b's ;name=value, quotes removed. With list set b is a comma-separated list
// of which only the first element counts; elem is that element.
func param(b []byte, name string, list bool) (value, elem []byte) {
	// Most values are one element without quotes: then only ';' matters.
	list = list && bytes.IndexByte(b, ',') >= 0
	plain := !list && bytes.IndexByte(b, '"') < 0
	i := 0
	for i < len(b) {
		if plain {
			n := bytes.IndexByte(b[i:], ';')
			if n < 0 {
				break
			}
			i += n
		}
		switch c := b[i]; {
		case c == '"':
			i = quoted(b, i)
		case c == ',' && list:
			return value, trimRight(b[:i])
		case c == ';':
			var n, val []byte
			if n, val, i = parameter(b, i+1); value == nil && is(n, name) {
				value = val
			}
			if value != nil && !list {
				return value, b
			}
		default:
			i++
		}
	}
	return value, b
}

// parameter reads name [= value] at b[i], white space around each allowed, and
// returns the offset after it.
func parameter(b []byte, i int) (name, value []byte, next int) {
	i = skipSpace(b, i)
	start := i
	for i < len(b) && b[i] != '=' && b[i] != ';' && b[i] != ',' && !isSpace(b[i]) {
		i++
	}
	name = b[start:i]
	if i = skipSpace(b, i); i == len(b) || b[i] != '=' {
		return name, nil, i
	}
	i = skipSpace(b, i+1)
	start = i
	if i < len(b) && b[i] == '"' {
		i = quoted(b, i)
		return name, unquote(b[start:i]), i
	}
	for i < len(b) && b[i] != ';' && b[i] != ',' && !isSpace(b[i]) {
		i++
	}
	return name, b[start:i], i
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// unquote strips the quotes around b. Escapes inside stay as they are.
func unquote(b []byte) []byte {
	b = b[1:]
	if n := len(b); n > 0 && b[n-1] == '"' {
		b = b[:n-1]
	}
	return b
}
