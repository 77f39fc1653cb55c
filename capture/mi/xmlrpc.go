package mi

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// xmlToken is a tag or the text between tags.
type xmlToken struct {
	kind xmlKind
	text []byte // name of the tag, or text with its references
}

type xmlKind uint8

const (
	xmlEnd   xmlKind = iota // nothing more, or no more that is whole
	xmlOpen                 // <name ...>
	xmlShut                 // </name>
	xmlEmpty                // <name/>
	xmlText
	xmlCData // text without references
)

// xmlReader goes through a text as XML-RPC needs it: no namespaces, no entities
// but the five, attributes passed over.
type xmlReader struct {
	b []byte
}

func (x *xmlReader) next() xmlToken {
	for len(x.b) > 0 {
		if x.b[0] != '<' {
			n := bytes.IndexByte(x.b, '<')
			if n < 0 {
				n = len(x.b)
			}
			t := xmlToken{xmlText, x.b[:n]}
			x.b = x.b[n:]
			return t
		}
		if rest, ok := bytes.CutPrefix(x.b, []byte("<![CDATA[")); ok {
			text, after, ok := bytes.Cut(rest, []byte("]]>"))
			x.b = after
			if !ok {
				return xmlToken{}
			}
			return xmlToken{xmlCData, text}
		}
		if rest, ok := bytes.CutPrefix(x.b, []byte("<!--")); ok {
			_, x.b, _ = bytes.Cut(rest, []byte("-->"))
			continue
		}
		tag, after, ok := bytes.Cut(x.b[1:], []byte{'>'})
		x.b = after
		if !ok {
			return xmlToken{}
		}
		if len(tag) == 0 || tag[0] == '?' || tag[0] == '!' {
			continue
		}
		kind := xmlOpen
		switch {
		case tag[0] == '/':
			kind, tag = xmlShut, tag[1:]
		case tag[len(tag)-1] == '/':
			kind, tag = xmlEmpty, tag[:len(tag)-1]
		}
		if n := bytes.IndexAny(tag, " \t\r\n"); n >= 0 {
			tag = tag[:n]
		}
		return xmlToken{kind, tag}
	}
	return xmlToken{}
}

// tag returns the next tag, blank text passed over; text that is not blank is a
// token of its own.
func (x *xmlReader) tag() xmlToken {
	for {
		t := x.next()
		if t.kind != xmlText || len(bytes.TrimSpace(t.text)) > 0 {
			return t
		}
	}
}

// content appends the text up to the closing tag of an element.
func (x *xmlReader) content(dst []byte, name string) (out []byte, ok bool) {
	for {
		switch t := x.next(); t.kind {
		case xmlText:
			dst = unescapeXML(dst, t.text)
		case xmlCData:
			dst = append(dst, t.text...)
		case xmlShut:
			return dst, string(t.text) == name
		default:
			return dst, false
		}
	}
}

// unescapeXML appends text with its character references undone.
func unescapeXML(dst, text []byte) []byte {
	for len(text) > 0 {
		n := bytes.IndexByte(text, '&')
		if n < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:n]...)
		text = text[n:]
		end := bytes.IndexByte(text[:min(len(text), 12)], ';')
		r, ok := utf8.RuneError, false
		if end > 0 {
			r, ok = reference(text[1:end])
		}
		if !ok {
			dst = append(dst, '&')
			text = text[1:]
			continue
		}
		dst = utf8.AppendRune(dst, r)
		text = text[end+1:]
	}
	return dst
}

func reference(name []byte) (rune, bool) {
	switch string(name) {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	case "nbsp":
		return ' ', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	base, digits := 10, name[1:]
	if digits[0] == 'x' || digits[0] == 'X' {
		base, digits = 16, digits[1:]
	}
	v, err := strconv.ParseUint(string(digits), base, 21)
	return rune(v), err == nil && utf8.ValidRune(rune(v))
}

// value appends as JSON the value whose tag <value> was read, up to </value>.
// ok is false when it ends too early or is no value; what was appended is JSON
// all the same.
func (x *xmlReader) value(dst []byte, depth int) (out []byte, ok bool) {
	var plain []byte
	for {
		switch t := x.next(); t.kind {
		case xmlText:
			plain = unescapeXML(plain, t.text)
		case xmlCData:
			plain = append(plain, t.text...)
		case xmlShut: // a string, for want of a type
			return appendQuoted(dst, plain), string(t.text) == "value"
		case xmlEmpty:
			if string(t.text) == "nil" {
				dst = append(dst, "null"...)
			} else {
				dst = append(dst, `""`...)
			}
			return dst, x.shuts("value")
		case xmlOpen:
			if dst, ok = x.typed(dst, string(t.text), depth); !ok {
				return dst, false
			}
			return dst, x.shuts("value")
		default:
			return appendQuoted(dst, plain), false
		}
	}
}

// shuts says whether the next tag closes the element.
func (x *xmlReader) shuts(name string) bool {
	t := x.tag()
	return t.kind == xmlShut && string(t.text) == name
}

// typed appends the value inside of a tag that names its type.
func (x *xmlReader) typed(dst []byte, name string, depth int) (out []byte, ok bool) {
	if depth == maxDepth {
		return append(dst, "null"...), false
	}
	switch name {
	case "struct":
		return x.structure(dst, depth+1)
	case "array":
		return x.array(dst, depth+1)
	}
	text, ok := x.content(nil, name)
	switch name {
	case "int", "i4", "i8", "boolean", "double":
		if n := bytes.TrimSpace(text); isNumber(n) {
			return append(dst, n...), ok
		}
	}
	return appendQuoted(dst, text), ok
}

// isNumber says whether b is a number in JSON's form.
func isNumber(b []byte) bool {
	digits := bytes.TrimPrefix(b, []byte{'-'})
	if len(digits) == 0 || len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
		return false
	}
	whole, fraction, point := bytes.Cut(digits, []byte{'.'})
	if len(whole) == 0 || point && len(fraction) == 0 {
		return false
	}
	for _, part := range [][]byte{whole, fraction} {
		for _, c := range part {
			if c < '0' || c > '9' {
				return false
			}
		}
	}
	return true
}

func (x *xmlReader) structure(dst []byte, depth int) (out []byte, ok bool) {
	dst = append(dst, '{')
	for first := true; ; first = false {
		t := x.tag()
		if t.kind == xmlShut && string(t.text) == "struct" {
			return append(dst, '}'), true
		}
		if t.kind != xmlOpen || string(t.text) != "member" {
			return append(dst, '}'), false
		}
		// A name that came after its value could not mask it: that is no member.
		if t = x.tag(); t.kind != xmlOpen || string(t.text) != "name" {
			return append(dst, '}'), false
		}
		name, ok := x.content(nil, "name")
		if t = x.tag(); !ok || t.kind != xmlOpen || string(t.text) != "value" {
			return append(dst, '}'), false
		}
		if !first {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, name), ':')
		if dst, ok = x.value(dst, depth); !ok || !x.shuts("member") {
			return append(dst, '}'), false
		}
	}
}

func (x *xmlReader) array(dst []byte, depth int) (out []byte, ok bool) {
	dst = append(dst, '[')
	if t := x.tag(); t.kind == xmlEmpty && string(t.text) == "data" {
		return append(dst, ']'), x.shuts("array")
	} else if t.kind != xmlOpen || string(t.text) != "data" {
		return append(dst, ']'), false
	}
	for first := true; ; first = false {
		t := x.tag()
		if t.kind == xmlShut && string(t.text) == "data" {
			return append(dst, ']'), x.shuts("array")
		}
		if t.kind != xmlOpen && t.kind != xmlEmpty || string(t.text) != "value" {
			return append(dst, ']'), false
		}
		if !first {
			dst = append(dst, ',')
		}
		if t.kind == xmlEmpty {
			dst = append(dst, `""`...)
			continue
		}
		if dst, ok = x.value(dst, depth); !ok {
			return append(dst, ']'), false
		}
	}
}

// params appends the values of <params> as a JSON array. ok is false when they
// end too early.
func (x *xmlReader) params(dst []byte) (out []byte, n int, ok bool) {
	dst = append(dst, '[')
	for {
		t := x.tag()
		switch {
		case t.kind == xmlShut && string(t.text) == "params":
			return append(dst, ']'), n, true
		case t.kind != xmlOpen || string(t.text) != "param":
			return append(dst, ']'), n, false
		}
		if t = x.tag(); t.kind != xmlOpen || string(t.text) != "value" {
			return append(dst, ']'), n, false
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		if dst, ok = x.value(dst, 0); !ok || !x.shuts("param") {
			return append(dst, ']'), n, false
		}
	}
}

// xmlRequest reads a <methodCall>. The text is at most maxMasked octets.
func xmlRequest(b []byte) (Request, bool) {
	x := xmlReader{b: b}
	if t := x.tag(); t.kind != xmlOpen || string(t.text) != "methodCall" {
		return Request{}, false
	}
	if t := x.tag(); t.kind != xmlOpen || string(t.text) != "methodName" {
		return Request{}, false
	}
	method, ok := x.content(nil, "methodName")
	if method = bytes.TrimSpace(method); !ok || !isCommand(method) {
		return Request{}, false
	}
	r := Request{Backend: rpcBackend(method), Transport: XMLRPC, Command: string(method)}
	t := x.tag()
	var params []byte
	n := 0
	switch {
	case t.kind == xmlOpen && string(t.text) == "params":
		params, n, ok = x.params(nil)
		r.Cut = !ok
	case t.kind == xmlEnd:
		r.Cut = true
	}
	if n == 0 {
		params = nil
	}
	if r.Command == "freeswitch.api" || r.Command == "freeswitch.management" {
		r.Backend = FreeSWITCH
		params = r.inner(params)
	}
	r.protect(params, jsonType)
	return r, true
}

// inner takes the command of mod_xml_rpc out of its parameters, ["status",""].
func (r *Request) inner(params []byte) []byte {
	if len(params) < 2 || params[1] != '"' {
		return params
	}
	end, whole := stringEnd(params, 1)
	command := params[2:max(end-1, 2)]
	if !whole || !isCommand(command) {
		return params
	}
	r.Verb, r.Command = "api", string(command)
	rest := params[end:]
	if rest[0] == ',' {
		rest = rest[1:]
	}
	if len(rest) < 2 {
		return nil
	}
	return append([]byte{'['}, rest...)
}

// xmlReply reads a <methodResponse>.
func xmlReply(tag Tag, b []byte) (Reply, bool) {
	x := xmlReader{b: b}
	if t := x.tag(); t.kind != xmlOpen || string(t.text) != "methodResponse" {
		return Reply{}, false
	}
	r := Reply{Backend: tag.Backend, Transport: tag.Transport}
	t := x.tag()
	switch {
	case t.kind == xmlOpen && string(t.text) == "params":
		output, n, ok := x.params(nil)
		if n == 1 {
			output = output[1 : len(output)-1]
		}
		r.OK, r.Cut = true, !ok
		r.reply(nil, output, jsonType, tag.hides())
	case t.kind == xmlOpen && string(t.text) == "fault":
		if t = x.tag(); t.kind != xmlOpen || string(t.text) != "value" {
			return Reply{}, false
		}
		fault, ok := x.value(nil, 0)
		r.Cut = !ok
		var word []byte
		for m := object(fault, 0); ; {
			name, value, more := m.next()
			if !more {
				break
			}
			switch string(name) {
			case "faultCode":
				r.Status = number(value)
			case "faultString":
				if s, ok := isString(value); ok {
					word = unquote(nil, s)
				}
			}
		}
		r.reply(word, fault, jsonType, tag.hides())
	default:
		return Reply{}, false
	}
	return r, true
}
