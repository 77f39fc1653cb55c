package sdp

import (
	"bytes"
	"net/netip"
)

// word returns the first word of b and what follows it. Words are separated by
// spaces; tabs and repeated spaces are tolerated.
func word(b []byte) (first, rest []byte) {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for i, c := range b {
		if c == ' ' || c == '\t' {
			return b[:i], b[i+1:]
		}
	}
	return b, b[len(b):]
}

// numberWord is word and number at once: the first word of b if that is a number of
// at most limit, and what follows the word in any case. One loop costs one wrong guess
// of the processor, two cost two.
func numberWord(b []byte, limit uint32) (n uint32, rest []byte, ok bool) {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	var v uint64
	for i, c := range b {
		d := c - '0'
		if d > 9 {
			if (c == ' ' || c == '\t') && i > 0 {
				return uint32(v), b[i+1:], true
			}
			_, rest = word(b)
			return 0, rest, false
		}
		if v = v*10 + uint64(d); v > uint64(limit) {
			_, rest = word(b)
			return 0, rest, false
		}
	}
	return uint32(v), b[len(b):], len(b) > 0
}

// cut splits b around the first sep; found is false and after nil when there
// is none. What comes before is a few octets long: a loop is quicker than
// bytes.IndexByte.
func cut(b []byte, sep byte) (before, after []byte, found bool) {
	for i, c := range b {
		if c == sep {
			return b[:i], b[i+1:], true
		}
	}
	return b, nil, false
}

// cutLine splits b after the first line, whose end and trailing spaces it
// drops.
func cutLine(b []byte) (line, rest []byte) {
	end := bytes.IndexByte(b, '\n')
	if end >= 0 {
		b, rest = b[:end], b[end+1:]
	}
	n := len(b)
	for n > 0 && (b[n-1] == '\r' || b[n-1] == ' ') {
		n--
	}
	return b[:n], rest
}

// number returns the decimal number that b is; false when it is none or
// exceeds limit.
func number(b []byte, limit uint32) (uint32, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + uint64(c-'0'); n > uint64(limit) {
			return 0, false
		}
	}
	return uint32(n), true
}

// is reports whether b is s, which is in lower case, in any case.
func is(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c != s[i] && (c|0x20 != s[i] || c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// connection returns the address of "IN IP4 address[/ttl[/count]]" and how it
// is written. The address decides its family, not the word before it: some
// devices write IP4 before an IPv6 address. It is invalid when it is a name.
func connection(value []byte) (netip.Addr, []byte) {
	const most = "IN IP4 " // begin like this
	if len(value) > len(most) && string(value[:len(most)]) == most {
		if raw := value[len(most):]; raw[0] != ' ' {
			if a, ok := parseIPv4(raw); ok {
				return netip.AddrFrom4(a), raw
			}
		}
	}
	_, rest := word(value)
	_, rest = word(rest)
	raw, _ := word(rest)
	raw, _, _ = cut(raw, '/')
	return parseAddr(raw), raw
}

// parseAddr is netip.ParseAddr without its allocations: it knows no zones,
// which have no place in SDP, and returns IPv4-mapped IPv6 addresses as IPv4,
// which is how their packets look.
func parseAddr(b []byte) netip.Addr {
	if a, ok := parseIPv4(b); ok {
		return netip.AddrFrom4(a)
	}
	if bytes.IndexByte(b, ':') < 0 {
		return netip.Addr{}
	}
	return parseIPv6(b).Unmap()
}

func parseIPv4(b []byte) (a [4]byte, ok bool) {
	part, n, digits := 0, 0, 0
	for _, c := range b {
		if c == '.' && digits > 0 && part < 3 {
			a[part] = byte(n)
			part, n, digits = part+1, 0, 0
			continue
		}
		if c < '0' || c > '9' || digits > 0 && n == 0 { // no leading zeros
			return a, false
		}
		if n, digits = 10*n+int(c-'0'), digits+1; n > 255 {
			return a, false
		}
	}
	a[part] = byte(n)
	return a, part == 3 && digits > 0
}

// parseIPv6 reads groups from the left, remembering where "::" stood.
func parseIPv6(b []byte) netip.Addr {
	var a [16]byte
	n, gap := 0, -1
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, b = 0, b[2:]
	}
	for len(b) > 0 && n < len(a) {
		group, size := hexGroup(b)
		if size < len(b) && b[size] == '.' { // the rest is IPv4
			v4, ok := parseIPv4(b)
			if !ok || n > 12 {
				return netip.Addr{}
			}
			copy(a[n:], v4[:])
			n, b = n+4, nil
			break
		}
		if size == 0 || size > 4 {
			return netip.Addr{}
		}
		a[n], a[n+1] = byte(group>>8), byte(group)
		n, b = n+2, b[size:]
		if len(b) == 0 {
			break
		}
		if b[0] != ':' || len(b) == 1 {
			return netip.Addr{}
		}
		if b = b[1:]; b[0] == ':' {
			if gap >= 0 {
				return netip.Addr{}
			}
			gap, b = n, b[1:]
		}
	}
	if len(b) > 0 || gap < 0 && n < len(a) || gap >= 0 && n == len(a) {
		return netip.Addr{}
	}
	if gap >= 0 {
		tail := n - gap
		copy(a[len(a)-tail:], a[gap:n])
		clear(a[gap : len(a)-tail])
	}
	return netip.AddrFrom16(a)
}

// hexGroup reads up to five hexadecimal digits: five are too many.
func hexGroup(b []byte) (group uint32, size int) {
	for size < len(b) && size < 5 {
		c := b[size]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return group, size
		}
		group = group<<4 | uint32(c)
		size++
	}
	return group, size
}
