package sip

import "bytes"

const (
	maxParts  = 32 // parts of one multipart body that are looked at
	maxNested = 3  // multipart inside multipart
)

// SDP returns the session description that the body is or holds (RFC 3261
// 7.4, RFC 5621), or nil. A body without a Content-Type counts when it begins
// like SDP.
func (v *View) SDP() []byte {
	if len(v.ContentType) == 0 && hasPrefix(v.Body, "v=0") {
		return v.Body
	}
	return v.Part("application/sdp")
}

// Part returns the body when its media type is mediaType, in lower case, or
// the first such part of a multipart body, or nil. Transfer encodings are not
// undone: SIP forbids them (RFC 3261 7.4.1).
func (v *View) Part(mediaType string) []byte {
	return part(v.ContentType, v.Body, mediaType, 0)
}

func part(contentType, body []byte, mediaType string, depth int) []byte {
	if len(body) == 0 {
		return nil
	}
	if typ := contentType; hasPrefix(typ, mediaType) {
		if typ = trimLeft(typ[len(mediaType):]); len(typ) == 0 || typ[0] == ';' {
			return body
		}
	}
	if depth == maxNested || !hasPrefix(contentType, "multipart/") {
		return nil
	}
	boundary, _ := param(contentType, "boundary", false)
	if len(boundary) == 0 {
		return nil
	}
	_, rest, more := cutDelimiter(body, boundary)
	for n := 0; more && n < maxParts; n++ {
		var content []byte
		content, rest, more = cutDelimiter(rest, boundary)
		typ, inner := entity(content)
		if found := part(typ, inner, mediaType, depth+1); found != nil {
			return found
		}
	}
	return nil
}

// cutDelimiter splits b around the next line "--boundary", whose line break
// before it belongs to it (RFC 2046 5.1.1). more is false when that was the
// closing delimiter or when there is none; before is then all there is.
func cutDelimiter(b, boundary []byte) (before, after []byte, more bool) {
	for from := 0; ; {
		i := bytes.Index(b[from:], boundary)
		if i < 0 {
			return b, nil, false
		}
		i += from
		from = i + 1
		if i < 2 || b[i-1] != '-' || b[i-2] != '-' || i > 2 && b[i-3] != '\n' {
			continue
		}
		before, after = trimLineEnd(b[:i-2]), b[i+len(boundary):]
		n := bytes.IndexByte(after, '\n')
		switch {
		case hasPrefix(after, "--") || n < 0:
			return before, nil, false
		case len(trim(after[:n])) == 0:
			return before, after[n+1:], true
		}
		// A longer boundary that begins with this one.
	}
}

func trimLineEnd(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

// entity splits a body part into the value of its Content-Type and its body.
func entity(b []byte) (contentType, body []byte) {
	for pos := 0; ; {
		line, next := headerLine(b, pos)
		if len(line) == 0 {
			return contentType, b[next:]
		}
		if colon := bytes.IndexByte(line, ':'); colon >= 0 && contentType == nil {
			if name := trimRight(line[:colon]); is(name, "content-type") || is(name, "c") {
				contentType = trim(line[colon+1:])
			}
		}
		pos = next
	}
}
