package sip

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

const (
	maxParts  = 32 // parts of one multipart body that are looked at
	maxNested = 3  // multipart inside multipart
)

// SDP returns the session description that the body is or holds (RFC 3261
// 7.4, RFC 5621), or nil. A body without a Content-Type counts when it begins
// like SDP.
func (v *View) SDP() []byte {
	switch {
	case len(v.Body) == 0:
		return nil
	case string(v.ContentType) == "application/sdp": // what most are
		return v.Body
	case len(v.ContentType) == 0 && hasPrefix(v.Body, "v=0"):
		return v.Body
	}
	return v.Part("application/sdp")
}

// Part returns the body when its media type is mediaType, in lower case, or
// the first such part of a multipart body, or nil. Transfer encodings are not
// undone: SIP forbids them (RFC 3261 7.4.1). Find tells of them.
func (v *View) Part(mediaType string) []byte {
	p, _ := find(Part{ContentType: v.ContentType, Content: v.Body}, mediaType, 0)
	return p.Content
}

// Part is a body, or a part of a multipart one (RFC 2045, 2046). Its slices are
// views of the message; values are raw, nil when the header is absent.
type Part struct {
	ContentType []byte // with its parameters
	Disposition []byte // Content-Disposition (RFC 2183)
	Encoding    []byte // Content-Transfer-Encoding (RFC 2045 6)
	Content     []byte // as transferred, never empty
}

// Find is Part with the headers that belong to what is found. ok is false when
// there is nothing of that type.
func (v *View) Find(mediaType string) (p Part, ok bool) {
	p, depth := find(Part{ContentType: v.ContentType, Content: v.Body}, mediaType, 0)
	if depth == 0 { // the body itself: its headers are the message's
		p.Disposition, p.Encoding = v.Header("content-disposition"), v.Header("content-transfer-encoding")
	}
	return p, depth >= 0
}

// Param returns the parameter of the Content-Type that is called name, in lower
// case, without its quotes, or nil.
func (p *Part) Param(name string) []byte {
	value, _ := param(p.ContentType, name, false)
	return value
}

// ErrEncoding says that a Content-Transfer-Encoding is unknown, or that what
// it covers does not obey it.
var ErrEncoding = errors.New("sip: content-transfer-encoding")

// Octets returns the content with its transfer encoding undone: Content itself
// when it has none (binary, 8bit, 7bit), else appended to dst. It fails with
// ErrEncoding.
func (p *Part) Octets(dst []byte) ([]byte, error) {
	switch e := p.Encoding; {
	case len(e) == 0, is(e, "binary"), is(e, "8bit"), is(e, "7bit"):
		return p.Content, nil
	case is(e, "base64"):
		out, err := base64.StdEncoding.AppendDecode(dst, p.Content)
		if err != nil {
			return nil, fmt.Errorf("%w: base64: %w", ErrEncoding, err)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%w: unknown", ErrEncoding)
}

// find returns p when it is of mediaType, or the first part of it that is, and
// how deep that lies; -1 when there is none.
func find(p Part, mediaType string, depth int) (found Part, at int) {
	at = -1
	walk(p, depth, func(p Part, depth int) bool {
		if typ := p.ContentType; hasPrefix(typ, mediaType) {
			if typ = trimLeft(typ[len(mediaType):]); len(typ) == 0 || typ[0] == ';' {
				found, at = p, depth
				return false
			}
		}
		return true
	})
	return found, at
}

// Leaves calls yield with the body, or with each part of a multipart one that is
// not multipart itself, as long as yield returns true. Empty ones are left out.
func (v *View) Leaves(yield func(Part) bool) {
	p := Part{ContentType: v.ContentType, Content: v.Body, Disposition: v.Header("content-disposition"), Encoding: v.Header("content-transfer-encoding")}
	walk(p, 0, func(p Part, depth int) bool {
		if _, ok := p.boundary(); ok && depth < maxNested {
			return true
		}
		return yield(p)
	})
}

// walk calls yield with p, and if that is multipart with what it holds, until
// yield returns false, and reports whether it never did.
func walk(p Part, depth int, yield func(p Part, depth int) bool) bool {
	if len(p.Content) == 0 {
		return true
	}
	if !yield(p, depth) {
		return false
	}
	boundary, ok := p.boundary()
	if !ok || depth == maxNested {
		return true
	}
	_, rest, more := cutDelimiter(p.Content, boundary)
	for n := 0; more && n < maxParts; n++ {
		var content []byte
		content, rest, more = cutDelimiter(rest, boundary)
		if !walk(entity(content), depth+1, yield) {
			return false
		}
	}
	return true
}

// boundary returns what separates the parts of a multipart one.
func (p Part) boundary() (boundary []byte, ok bool) {
	if !hasPrefix(p.ContentType, "multipart/") {
		return nil, false
	}
	boundary = p.Param("boundary")
	return boundary, len(boundary) > 0
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

// entity takes a body part apart. The first header of a name counts.
func entity(b []byte) (p Part) {
	for pos := 0; ; {
		line, next := headerLine(b, pos)
		if len(line) == 0 {
			p.Content = b[next:]
			return p
		}
		if colon := bytes.IndexByte(line, ':'); colon >= 0 {
			value := trim(line[colon+1:])
			switch name := trimRight(line[:colon]); {
			case is(name, "content-type"), is(name, "c"):
				first(&p.ContentType, value)
			case is(name, "content-transfer-encoding"):
				first(&p.Encoding, value)
			case is(name, "content-disposition"):
				first(&p.Disposition, value)
			}
		}
		pos = next
	}
}
