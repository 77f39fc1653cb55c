package sip

import "bytes"

// URI is a SIP, SIPS or tel URI taken apart (RFC 3261 19.1.1, RFC 3966 3). All
// slices are views, escapes as they are, and nil when the URI has no such thing.
type URI struct {
	Scheme   []byte // in the case it was written in
	User     []byte // without the password; of a tel URI the number
	Password []byte
	Host     []byte // an IPv6 address without its brackets; nil in a tel URI
	Port     []byte // as written
	Params   []byte // what follows the first ';' behind the host or number, without the headers
}

// Parse fills u from b and reports whether it is a URI of these schemes with a
// host or a number. If it is not, u is empty. It does not allocate.
func (u *URI) Parse(b []byte) bool {
	*u = URI{}
	colon := bytes.IndexByte(b, ':')
	if colon < 0 {
		return false
	}
	scheme, rest := b[:colon], b[colon+1:]
	switch {
	case is(scheme, "tel"):
		u.User, u.Params = cut(rest, ';')
		if len(u.User) == 0 {
			*u = URI{}
			return false
		}
	case is(scheme, "sip"), is(scheme, "sips"):
		if at := bytes.IndexByte(rest, '@'); at >= 0 {
			u.User, u.Password = cut(rest[:at], ':')
			rest = rest[at+1:]
		}
		rest, _ = cut(rest, '?')
		rest, u.Params = cut(rest, ';')
		u.Host, u.Port = hostPort(rest)
		if len(u.Host) == 0 {
			*u = URI{}
			return false
		}
	default:
		return false
	}
	u.Scheme = scheme
	return true
}

// Param returns the value of the URI's parameter called name, in lower case, or
// nil.
func (u *URI) Param(name string) []byte {
	for rest := u.Params; len(rest) > 0; {
		var p []byte
		p, rest = cut(rest, ';')
		if n, v := cut(p, '='); is(n, name) {
			return v
		}
	}
	return nil
}

// cut splits b at the first sep; after is nil without one.
func cut(b []byte, sep byte) (before, after []byte) {
	if i := bytes.IndexByte(b, sep); i >= 0 {
		return b[:i:i], b[i+1:]
	}
	return b, nil
}

// hostPort splits host [":" port], white space around each allowed (RFC 3261
// 25.1 allows it in Via).
func hostPort(b []byte) (host, port []byte) {
	b = trim(b)
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return nil, nil
		}
		host, b = b[1:end:end], trimLeft(b[end+1:])
		if len(b) > 0 && b[0] == ':' {
			port = trimLeft(b[1:])
		}
		return host, port
	}
	host, port = cut(b, ':')
	return trimRight(host), trimLeft(port)
}

// FromURI returns the URI in From, nil when there is none.
func (v *View) FromURI() []byte { return uriOf(v.From) }

// ToURI returns the URI in To, nil when there is none.
func (v *View) ToURI() []byte { return uriOf(v.To) }

// ContactURI returns the first URI in Contact, nil when there is none.
func (v *View) ContactURI() []byte { return uriOf(v.Contact) }

func uriOf(value []byte) []byte {
	uri, _ := address(value)
	return trim(uri)
}

// TopHop returns what the topmost Via says of the hop that the message takes:
// the transport, and who sent the request, by the name or address that it has
// for itself and the port where it listens, if it says so (RFC 3261 20.42:
// sent-protocol and sent-by). A response takes the same hop back.
func (v *View) TopHop() (transport, host, port []byte) {
	via, _ := v.TopVia()
	_, rest := cut(via, '/')
	_, rest = cut(rest, '/')
	rest = trimLeft(rest)
	n := 0
	for n < len(rest) && !isSpace(rest[n]) && rest[n] != ';' {
		n++
	}
	transport, rest = rest[:n], rest[n:]
	rest, _ = cut(rest, ';')
	host, port = hostPort(rest)
	return transport, host, trimRight(port)
}
