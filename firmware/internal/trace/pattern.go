package trace

import (
	"errors"
	"strings"

	"heptap/capture/sip"
)

// maxText bounds, in octets, what is compared with a pattern.
const maxText = 1024

// maxPattern bounds a pattern, in octets as configured.
const maxPattern = 256

// glob is a compiled pattern: octets, and above them wildcards.
type glob []uint16

const (
	anyRun uint16 = 0x100 + iota // any octets, also none
	anyOne                       // one octet
)

// match reports whether g matches all of text. It takes at most len(g) times
// len(text) steps.
func (g glob) match(text []byte) bool {
	i, j := 0, 0
	star, mark := -1, 0 // the last anyRun, and where in text what follows it was tried last
	for j < len(text) {
		switch {
		case i < len(g) && g[i] == anyRun:
			star, mark = i, j
			i++
		case i < len(g) && (g[i] == anyOne || g[i] == uint16(text[j])):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(g) && g[i] == anyRun {
		i++
	}
	return i == len(g)
}

// compile makes a glob of a pattern. In a domain case does not count; elsewhere
// escapes are what they stand for.
func compile(s string, domain bool) (glob, error) {
	if s == "" {
		return nil, errors.New("an empty pattern matches nothing; * matches everything")
	}
	if len(s) > maxPattern {
		return nil, errors.New("a pattern has at most 256 octets")
	}
	var g glob
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			if i++; i == len(s) {
				return nil, errors.New("nothing follows the backslash")
			}
			g = append(g, uint16(s[i]))
			continue
		case c == '*':
			if n := len(g); n == 0 || g[n-1] != anyRun {
				g = append(g, anyRun)
			}
			continue
		case c == '?':
			g = append(g, anyOne)
			continue
		case domain:
			c = lower(c)
		case c == '%' && i+2 < len(s):
			octets, n := unescape(nil, s[i], s[i+1], s[i+2])
			for _, o := range octets {
				g = append(g, uint16(o))
			}
			i += n - 1
			continue
		}
		g = append(g, uint16(c))
	}
	return g, nil
}

// userGlob is a compiled USER[@DOMAIN].
type userGlob struct{ user, domain glob } // domain nil: any

func compileUser(s string) (userGlob, error) {
	var u userGlob
	var err error
	user, domain, both := cutUser(s)
	if u.user, err = compile(user, false); err == nil && both {
		u.domain, err = compile(domain, true)
	}
	return u, err
}

// cutUser splits at the last '@' that has no backslash before it.
func cutUser(s string) (user, domain string, both bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '@' && (i == 0 || s[i-1] != '\\') {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func parseUser(s string) (string, error) {
	_, err := compileUser(s)
	return s, err
}

func parseDomain(s string) (string, error) {
	if strings.ContainsAny(s, "@[]") {
		return "", errors.New("want a host without user and brackets, such as *.example.com")
	}
	_, err := compile(s, true)
	return s, err
}

func (u *userGlob) match(p *party) bool {
	return p.hasUser && u.user.match(p.user) && (u.domain == nil || p.hasDomain && u.domain.match(p.domain))
}

// party is who a URI names, in the form in which it is compared.
type party struct {
	user, domain       []byte
	hasUser, hasDomain bool
}

// take fills p from a URI, using the free octets of buf, and returns what is
// left of these.
func (p *party) take(uri, buf []byte) []byte {
	*p = party{}
	var u sip.URI
	if !u.Parse(uri) {
		return buf
	}
	if len(u.User) > 0 && len(u.User) <= maxText {
		n := len(buf)
		buf = appendUser(buf, &u)
		p.user, p.hasUser = buf[n:], true
	}
	if len(u.Host) > 0 {
		n := len(buf)
		if buf = appendDomain(buf, u.Host); len(buf) > n {
			p.domain, p.hasDomain = buf[n:], true
		}
	}
	return buf
}

// appendUser appends the user of u in the form in which users are compared; it
// is never longer than as written.
func appendUser(b []byte, u *sip.URI) []byte {
	phone := lower(u.Scheme[0]) == 't' || equalFold(u.Param("user"), "phone")
	user := u.User
	for i := 0; i < len(user); i++ {
		c := user[i]
		switch {
		case phone && c == ';':
			return b
		case phone && (c == '-' || c == '.' || c == '(' || c == ')'):
		case c == '%' && i+2 < len(user):
			var n int
			b, n = unescape(b, c, user[i+1], user[i+2])
			i += n - 1
		default:
			b = append(b, c)
		}
	}
	return b
}

// unescape appends what the escape %HH stands for, or the escape itself with
// capital digits when that is reserved, and returns of how many octets it was.
func unescape(b []byte, percent, high, low byte) ([]byte, int) {
	h, l := digit(high), digit(low)
	if h < 0 || l < 0 {
		return append(b, percent), 1
	}
	c := byte(h<<4 | l)
	switch c {
	case ';', '/', '?', ':', '@', '&', '=', '$', ',':
		const hex = "0123456789ABCDEF"
		return append(b, '%', hex[h], hex[l]), 3
	}
	return append(b, c), 3
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// appendDomain appends a host in the form in which hosts are compared, or
// nothing when it is too long.
func appendDomain(b, host []byte) []byte {
	if len(host) > maxText {
		return b
	}
	for _, c := range host {
		b = append(b, lower(c))
	}
	if n := len(b); host[len(host)-1] == '.' {
		b = b[:n-1]
	}
	return b
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// equalFold reports whether b is s, which is in lower case, in any case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != s[i] {
			return false
		}
	}
	return true
}
