package mask

import "bytes"

// Text stands for what was masked. Once a text has grown by Slack, a shorter
// secret is masked with fewer stars, and a JSON number of less than five digits
// with 0.
const Text = "***"

// Slack is the most octets that a text can grow by.
const Slack = 64

// AppendHeader appends the value of the header field called name. Of a field
// that holds credentials it leaves the scheme; every other value is searched as
// text.
func AppendHeader(dst []byte, name, value []byte) []byte {
	if !Secret(name) && !authenticates(name) {
		return appendText(dst, value, text, true)
	}
	n := scheme(value)
	if n < len(value) {
		return append(append(dst, value[:n]...), Text...)
	}
	return append(dst, value...)
}

// authenticates reports whether the field's value has a scheme and its
// parameters (RFC 9110 11.6.1).
func authenticates(name []byte) bool {
	return is(name, "wwwauthenticate") || is(name, "proxyauthenticate")
}

// scheme returns how long the known authentication scheme and the space behind
// it are that value begins with: an unknown one may be part of the secret.
func scheme(value []byte) int {
	for _, s := range [...]string{"basic ", "bearer ", "digest ", "negotiate ", "ntlm "} {
		if len(value) > len(s) && bytes.EqualFold(value[:len(s)], []byte(s)) {
			return len(s)
		}
	}
	return 0
}

// AppendHead appends the head of an HTTP request or response: the target as
// AppendURL has it, the value of each field as AppendHeader has it. A folded
// line is part of the field.
func AppendHead(dst, head []byte) []byte {
	line := cutLine(&head)
	if first := bytes.IndexByte(line, ' '); first > 0 && !bytes.HasPrefix(line, []byte("HTTP/")) {
		last := max(bytes.LastIndexByte(line, ' '), first)
		if last == first { // no version: it was cut
			last = len(line)
		}
		dst = append(dst, line[:first]...)
		dst = AppendURL(dst, line[first:last])
		line = line[last:]
	}
	dst = append(dst, line...)
	for len(head) > 0 {
		line := cutLine(&head)
		value := bytes.TrimRight(line, "\r\n")
		colon := bytes.IndexByte(value, ':')
		if colon < 0 {
			dst = appendText(dst, line, text, false)
			continue
		}
		from := colon + 1
		for from < len(value) && isSpace(value[from]) {
			from++
		}
		dst = append(dst, line[:from]...)
		dst = AppendHeader(dst, value[:colon], value[from:])
		dst = append(dst, line[len(value):]...)
	}
	return dst
}

// cutLine cuts off the first line with its folded continuation.
func cutLine(b *[]byte) []byte {
	end := 0
	for {
		n := bytes.IndexByte((*b)[end:], '\n')
		if n < 0 {
			end = len(*b)
			break
		}
		end += n + 1
		if end == len(*b) || (*b)[end] != ' ' && (*b)[end] != '\t' {
			break
		}
	}
	line := (*b)[:end]
	*b = (*b)[end:]
	return line
}

// AppendURL appends a URL or request target. It is whole: cut it afterwards, or
// the front of a password that looks like a port stays.
func AppendURL(dst, url []byte) []byte { return appendText(dst, url, query, true) }

// AppendBody appends a body, whole or cut at its end, that is said to be of the
// media type contentType; it may be empty.
func AppendBody(dst, contentType, body []byte) []byte {
	return appendText(dst, body, formOf(contentType, body), false)
}

// form says how values without quotes end.
type form uint8

const (
	text  form = iota // at the end of the line, or before the next name=
	query             // at & or #
	pairs             // at &: application/x-www-form-urlencoded
	json
	xml
)

func formOf(contentType, body []byte) form {
	body = bytes.TrimLeft(body, " \t\r\n\xef\xbb\xbf")
	if len(body) == 0 {
		return text
	}
	second := byte(0)
	if rest := bytes.TrimLeft(body[1:], " \t\r\n"); len(rest) > 0 {
		second = rest[0]
	}
	switch {
	case body[0] == '{' && (second == '"' || second == '}'), body[0] == '[' && bytes.IndexByte([]byte(`{["]`), second) >= 0,
		body[0] == '"' && contains(contentType, "json"):
		return json
	case body[0] == '<':
		return xml
	case contains(contentType, "form-urlencoded"):
		return pairs
	}
	return text
}

// contains reports whether b contains s, which is in lower case, in any case.
func contains(b []byte, s string) bool {
	for ; len(b) >= len(s); b = b[1:] {
		if bytes.EqualFold(b[:len(s)], []byte(s)) {
			return true
		}
	}
	return false
}
