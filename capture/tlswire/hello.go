package tlswire

import "bytes"

// Limits of what is kept of a ClientHello.
const (
	maxName     = 255 // octets of a host name (RFC 1035) or protocol name (RFC 7301)
	maxALPN     = 16  // protocol names
	maxVersions = 8
)

// The extensions that are read.
const (
	extServerName          = 0
	extSupportedGroups     = 10
	extPointFormats        = 11
	extSignatureAlgorithms = 13
	extALPN                = 16
	extPreSharedKey        = 41
	extEarlyData           = 42
	extSupportedVersions   = 43
	extKeyShare            = 51
	extECH                 = 0xfe0d
)

// hello is a ClientHello or ServerHello (RFC 8446 4.1.2, 4.1.3) as views of
// the message.
type hello struct {
	version    Version
	random     []byte
	sessionID  []byte
	suites     cursor // two octets each; of a ServerHello the one
	extensions cursor
	cut        bool // the end is missing
}

// parse reads b, the body of a message of the given type. It reports whether
// at least the cipher suites were there.
func (h *hello) parse(typ uint8, b cursor) bool {
	version, ok := b.number(2)
	random, ok2 := b.take(32)
	id, ok3 := b.vector(1)
	if !ok || !ok2 || !ok3 || version>>8 != 3 || len(id) > 32 {
		return false
	}
	*h = hello{version: Version(version), random: random, sessionID: id}
	if typ == serverHello {
		var suite []byte
		suite, ok = b.take(2)
		h.suites = suite
		_, ok2 = b.take(1) // compression method
	} else {
		h.suites, ok = b.vector(2)
		ok = ok && len(h.suites)%2 == 0
		_, ok2 = b.vector(1)
	}
	if !ok || !ok2 {
		return false
	}
	if len(b) > 0 { // before TLS 1.2 there need be none
		var whole bool
		h.extensions, whole = b.front(2)
		h.cut = !whole
	}
	return true
}

// next takes the next extension from list.
func next(list *cursor) (typ uint16, body cursor, ok bool) {
	t, ok := list.number(2)
	if !ok {
		return 0, nil, false
	}
	body, ok = list.vector(2)
	return uint16(t), body, ok
}

// find returns the body of the first extension of a type.
func (h *hello) find(want uint16) (cursor, bool) {
	for list := h.extensions; ; {
		typ, body, ok := next(&list)
		if !ok || typ == want {
			return body, ok
		}
	}
}

// wellFormed reports whether all extensions can be told apart.
func (h *hello) wellFormed() bool {
	list := h.extensions
	for len(list) > 0 {
		if _, _, ok := next(&list); !ok {
			return false
		}
	}
	return !h.cut
}

// isGREASE reports whether v is one of the values that RFC 8701 reserves.
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// client takes over what a ClientHello says.
func (i *Info) client(h *hello) {
	i.Offered = append(i.Offered, h.version)
	for list := h.extensions; ; {
		typ, body, ok := next(&list)
		if !ok {
			break
		}
		switch typ {
		case extServerName:
			i.SNI = serverName(body)
		case extALPN:
			i.ALPNOffered = protocols(body)
		case extSupportedVersions:
			i.Offered = versions(body)
		case extEarlyData:
			i.EarlyData = true
		case extECH:
			i.ECH = true
		}
	}
	if h.wellFormed() { // else it would be the fingerprint of something else
		i.JA3, i.JA4 = ja3(h), ja4(h)
	}
}

// server takes over what a ServerHello says. It reports whether it is a
// HelloRetryRequest.
func (i *Info) server(h *hello) (retry bool) {
	retry = bytes.Equal(h.random, retryRandom)
	i.Version = h.version
	i.Suite = Suite(h.suites[0])<<8 | Suite(h.suites[1])
	if v, ok := h.find(extSupportedVersions); ok && len(v) == 2 {
		i.Version = Version(v[0])<<8 | Version(v[1])
	}
	if g, ok := h.find(extKeyShare); ok && len(g) >= 2 {
		i.Group = Group(g[0])<<8 | Group(g[1])
	}
	if retry {
		i.HelloRetry = true
		return true
	}
	_, i.resumed = h.find(extPreSharedKey)
	if p, ok := h.find(extALPN); ok {
		if names := protocols(p); len(names) > 0 {
			i.ALPN = names[0]
		}
	}
	if h.wellFormed() {
		i.JA3S = ja3s(h)
	}
	return false
}

// retryRandom marks a HelloRetryRequest (RFC 8446 4.1.3): the SHA-256 of that
// name.
var retryRandom = []byte{
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
}

// serverName returns the first host_name (RFC 6066 3).
func serverName(b cursor) string {
	list, _ := b.front(2)
	for {
		typ, ok := list.number(1)
		name, ok2 := list.vector(2)
		if !ok || !ok2 {
			return ""
		}
		if typ == 0 {
			return text(name, maxName)
		}
	}
}

// protocols returns the first names of a list (RFC 7301 3.1).
func protocols(b cursor) (names []string) {
	list, _ := b.front(2)
	for len(names) < maxALPN {
		name, ok := list.vector(1)
		if !ok {
			break
		}
		names = append(names, text(name, maxName))
	}
	return names
}

// versions returns the first ones of a list (RFC 8446 4.2.1), GREASE apart.
func versions(b cursor) (list []Version) {
	b, _ = b.front(1)
	for len(list) < maxVersions {
		v, ok := b.number(2)
		if !ok {
			break
		}
		if !isGREASE(uint16(v)) {
			list = append(list, Version(v))
		}
	}
	return list
}

// Group is a key exchange group's number (IANA "TLS Supported Groups").
type Group uint16

// String returns the name of a group in common use, or the number in
// hexadecimal.
func (g Group) String() string {
	switch g {
	case 0:
		return ""
	case 23:
		return "secp256r1"
	case 24:
		return "secp384r1"
	case 25:
		return "secp521r1"
	case 29:
		return "x25519"
	case 30:
		return "x448"
	case 256:
		return "ffdhe2048"
	case 257:
		return "ffdhe3072"
	case 258:
		return "ffdhe4096"
	case 4587:
		return "SecP256r1MLKEM768"
	case 4588:
		return "X25519MLKEM768"
	case 4589:
		return "SecP384r1MLKEM1024"
	}
	return hex16(uint16(g))
}
