package privacy

import (
	"bytes"

	"heptap/capture/sip"
)

// sip changes a SIP message.
func (f *Filter) sip(b []byte) {
	v := &f.view
	if v.Parse(b) != nil { // cut so short that nothing shows what it is
		f.hide(b)
		return
	}
	f.address(v.RequestURI)
	for name, value := range v.Fields {
		f.field(name, value)
	}
	if v.HeadersCut { // half a line is no field
		name, value, _ := bytes.Cut(b[bytes.LastIndexByte(b, '\n')+1:], []byte(":"))
		if kindOf(bytes.TrimSpace(name)) != plain {
			f.hide(value)
		}
		return
	}
	for p := range v.Leaves {
		f.part(p)
	}
	if v.BodyCut {
		f.hide(b[bytes.LastIndexAny(b, " \t\r\n\"'<>=")+1:])
	}
	f.text(b[v.Length:], false)
}

// hide blanks what may be the first half of a name or secret.
func (f *Filter) hide(b []byte) {
	if f.options.Key != nil || f.options.Credentials || f.options.Bodies {
		blank(b)
	}
}

// kind is what a header field holds.
type kind uint8

const (
	other     kind = iota // anything: text
	plain                 // no names, but in URIs
	addresses             // URIs with display names
	credential
	signed // what only a program reads, with numbers in it
	subject
)

// kindOf tells the kind of a header field by its name or compact form (RFC 3261
// 7.3.3, and what was registered since).
func kindOf(name []byte) kind {
	switch lower(name) {
	case "f", "from", "t", "to", "m", "contact", "p-asserted-identity", "p-preferred-identity", "remote-party-id", "diversion",
		"history-info", "r", "refer-to", "b", "referred-by", "reply-to", "p-called-party-id", "p-associated-uri", "p-served-user",
		"p-profile-key":
		return addresses
	case "v", "via", "i", "call-id", "cseq", "max-forwards", "l", "content-length", "c", "content-type", "e", "content-encoding",
		"content-disposition", "content-language", "content-transfer-encoding", "mime-version", "rack", "rseq", "date", "timestamp",
		"session-id", "expires", "min-expires", "x", "session-expires", "min-se", "user-agent", "server", "k", "supported", "require",
		"proxy-require", "unsupported", "a", "accept", "accept-encoding", "accept-language", "accept-contact", "allow", "route",
		"record-route", "path", "service-route", "o", "event", "u", "allow-events", "subscription-state", "replaces", "in-reply-to",
		"join", "target-dialog", "p-charging-vector", "p-access-network-info", "retry-after", "warning", "reason", "privacy",
		"security-client", "security-server", "security-verify", "x-cid", "authentication-info":
		return plain
	case "authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate":
		return credential
	case "y", "identity", "identity-info":
		return signed
	case "s", "subject":
		return subject
	}
	return other
}

// field changes the value of a header field.
func (f *Filter) field(name, value []byte) {
	switch kindOf(name) {
	case plain:
		f.uris(value)
	case addresses:
		f.addresses(value)
	case credential:
		f.credentials(value)
		f.uris(value)
	case signed:
		if f.options.Key != nil {
			blank(value)
		}
	case subject:
		if f.options.Bodies {
			blank(value)
		}
		f.text(value, false)
	default:
		if scheme, _, _ := bytes.Cut(value, []byte(" ")); is(scheme, "digest") || is(scheme, "basic") || is(scheme, "bearer") {
			f.credentials(value) // whatever its name
		}
		f.text(value, false)
	}
}

// addresses changes a list of addresses: name-addr or addr-spec, with parameters
// (RFC 3261 25.1).
func (f *Filter) addresses(b []byte) {
	for first := true; ; first = false {
		if !first { // behind the last address's parameters
			b = b[min(find(b, ',')+1, len(b)):]
		}
		lt := find(b, '<')
		if lt == len(b) {
			f.address(b)
			return
		}
		f.display(bytes.Trim(b[:lt], " \t\r\n\""))
		b = b[lt+1:]
		gt := bytes.IndexByte(b, '>')
		if gt < 0 {
			gt = len(b)
		}
		f.address(b[:gt])
		b = b[gt:]
	}
}

// address changes an address that is nothing else: all before the @ belongs
// to the name, whatever it looks like.
func (f *Filter) address(b []byte) {
	i := bytes.IndexByte(b, '@')
	if i < 0 {
		f.uris(b)
		return
	}
	scheme := bytes.IndexByte(b[:i], ':')
	if scheme < 0 || !isScheme(bytes.TrimSpace(b[:scheme])) {
		scheme = -1
	}
	f.userinfo(b[scheme+1 : i])
	i++
	f.uris(b[i+host(b[i:]):])
}

// find returns where the first c of b is that no quotation marks surround, or
// len(b).
func find(b []byte, c byte) int {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == c && !quoted:
			return i
		}
	}
	return len(b)
}

// credentials changes what RFC 7616 and RFC 6750 say that a client sends.
func (f *Filter) credentials(b []byte) {
	scheme := bytes.IndexByte(b, ' ')
	if scheme < 0 {
		return
	}
	digest := is(b[:scheme], "digest")
	if b = b[scheme+1:]; !digest {
		if f.options.Credentials {
			blank(b)
		}
		return
	}
	for name, value := range parameters(b) {
		switch {
		case len(name) == 0: // not as RFC 7616 has it: it may be anything
			if f.options.Credentials {
				blank(value)
			}
		case is(name, "username"):
			f.user(value)
		case is(name, "username*"):
			f.display(value)
		case f.options.Credentials && secretParameter(name):
			blank(value)
		}
	}
}

func secretParameter(name []byte) bool {
	switch lower(name) {
	case "response", "nonce", "cnonce", "opaque", "nextnonce", "rspauth":
		return true
	}
	return false
}

// parameters goes through name=value, name="value" with commas in between. What does not
// fit in between has no name.
func parameters(b []byte) func(yield func(name, value []byte) bool) {
	return func(yield func(name, value []byte) bool) {
		for len(b) > 0 {
			eq := bytes.IndexByte(b, '=')
			if eq < 0 {
				yield(nil, b)
				return
			}
			if i := bytes.LastIndexByte(b[:eq], ','); i > 0 && !yield(nil, b[:i]) {
				return
			}
			name, value := bytes.TrimSpace(b[bytes.LastIndexByte(b[:eq], ',')+1:eq]), bytes.TrimLeft(b[eq+1:], " \t\r\n")
			end := bytes.IndexByte(value, ',')
			if len(value) > 0 && value[0] == '"' {
				value = value[1:]
				end = bytes.IndexByte(value, '"')
			}
			if end < 0 {
				end = len(value)
			}
			if !yield(name, value[:end]) {
				return
			}
			b = value[min(end+1, len(value)):]
		}
	}
}

// part changes a body, or one part of a multipart one.
func (f *Filter) part(p sip.Part) {
	media, _, _ := bytes.Cut(p.ContentType, []byte(";"))
	media = bytes.TrimSpace(media)
	switch {
	case is(media, "application/sdp") || len(media) == 0 && bytes.HasPrefix(p.Content, []byte("v=0")):
		f.sdp(p.Content)
	case f.options.Bodies, f.options.Key != nil && !readable(media, p):
		blank(p.Content)
	default:
		f.text(p.Content, false)
	}
}

// readable reports whether names and numbers in a body can be found as text.
func readable(media []byte, p sip.Part) bool {
	if len(p.Encoding) > 0 && !is(p.Encoding, "8bit") && !is(p.Encoding, "7bit") && !is(p.Encoding, "binary") {
		return false
	}
	main, sub, _ := bytes.Cut(media, []byte("/"))
	switch lower(sub) {
	case "json", "dtmf-relay", "dtmf", "simple-message-summary", "media_control":
		return true
	}
	return is(main, "text") || is(main, "message") || len(sub) > 3 && is(sub[len(sub)-3:], "xml")
}

// sdp changes a session description (RFC 8866): who made it, and the keys in
// it. Of the other lines those that people read.
func (f *Filter) sdp(b []byte) {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		line = bytes.TrimRight(line, "\r")
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		value := line[2:]
		switch {
		case line[0] == 'o':
			name, _, _ := bytes.Cut(value, []byte(" "))
			f.user(name)
		case bytes.IndexByte([]byte("siep"), line[0]) >= 0:
			f.text(value, false)
			if f.options.Key != nil && (line[0] == 'e' || line[0] == 'p') {
				blank(value)
			}
		case f.options.Credentials && line[0] == 'k':
			blank(value)
		case f.options.Credentials && bytes.HasPrefix(value, []byte("crypto:")):
			if i := bytes.Index(value, []byte("inline:")); i >= 0 {
				blank(value[i+len("inline:"):])
			}
		case f.options.Credentials && bytes.HasPrefix(value, []byte("key-mgmt:")):
			blank(value[len("key-mgmt:"):])
		}
	}
}
