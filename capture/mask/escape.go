package mask

// unescape writes src to dst without percent, JSON and XML escapes, as often as
// they stand in one another up to four times, and returns how many octets that
// are. Control characters and everything beyond ASCII become spaces. dst is as
// long as src at least.
func unescape(dst, src []byte) int {
	n := copy(dst, src)
	for range 4 {
		w, changed := 0, false
		for i := 0; i < n; {
			c, k := next(dst[:n], i)
			if k == 1 && c == '\\' && i+1 < n {
				if c, k = dst[i+1], 2; c == 'n' || c == 'r' || c == 't' || c == 'b' || c == 'f' {
					c = ' '
				}
			}
			changed = changed || k > 1
			dst[w] = c
			i, w = i+k, w+1
		}
		if n = w; !changed {
			break
		}
	}
	for i, c := range dst[:n] {
		if c < ' ' || c > '~' {
			dst[i] = ' '
		}
	}
	return n
}

// next returns the character at i, unescaped, and how many octets it takes: 1,
// or more for an escape. i is inside b. A character beyond ASCII that is escaped
// is 0xff.
func next(b []byte, i int) (c byte, n int) {
	rest := b[i:]
	switch rest[0] {
	case '%':
		return percent(rest)
	case '\\':
		return backslash(rest)
	case '&':
		return reference(rest)
	}
	return rest[0], 1
}

// percent reads %XX, and %25XX as a form in a form has it.
func percent(b []byte) (byte, int) {
	n := 1
	for len(b) >= n+4 && b[n] == '2' && b[n+1] == '5' && isHex(b[n+2]) && isHex(b[n+3]) {
		n += 2
	}
	if len(b) >= n+2 && isHex(b[n]) && isHex(b[n+1]) {
		return unhex(b[n])<<4 | unhex(b[n+1]), n + 2
	}
	return '%', 1
}

// backslash reads \u00XX and \xXX, however many backslashes stand before: as
// many as strings in strings put there.
func backslash(b []byte) (byte, int) {
	n := 1
	for n < len(b) && n < 8 && b[n] == '\\' {
		n++
	}
	rest := b[n:]
	switch {
	case len(rest) >= 5 && rest[0]|0x20 == 'u' && isHex(rest[1]) && isHex(rest[2]) && isHex(rest[3]) && isHex(rest[4]):
		if rest[1] != '0' || rest[2] != '0' || rest[3] > '7' {
			return 0xff, n + 5
		}
		return unhex(rest[3])<<4 | unhex(rest[4]), n + 5
	case len(rest) >= 3 && rest[0]|0x20 == 'x' && isHex(rest[1]) && isHex(rest[2]):
		return unhex(rest[1])<<4 | unhex(rest[2]), n + 3
	}
	return '\\', 1
}

// reference reads the XML references that stand for ASCII (XML 1.0 4.1, 4.6).
// &amp; before one of them is its own escape.
func reference(b []byte) (byte, int) {
	n := 1
	for len(b) >= n+4 && string(b[n:n+4]) == "amp;" {
		n += 4
	}
	rest := b[n:]
	for _, r := range references {
		if len(rest) >= len(r.name) && string(rest[:len(r.name)]) == r.name {
			return r.is, n + len(r.name)
		}
	}
	if len(rest) < 3 || rest[0] != '#' {
		return '&', n
	}
	v, i, hex := 0, 1, rest[1]|0x20 == 'x'
	if hex {
		i++
	}
	first := i
	for ; i < len(rest) && i < 10; i++ {
		switch c := rest[i]; {
		case c >= '0' && c <= '9' || hex && isHex(c):
			if v = v*10 + int(unhex(c)); hex {
				v = (v-int(unhex(c)))/10*16 + int(unhex(c))
			}
		case c == ';' && i > first:
			if v > 127 {
				return 0xff, n + i + 1
			}
			return byte(v), n + i + 1
		default:
			return '&', n
		}
	}
	return '&', n
}

var references = []struct {
	name string
	is   byte
}{{"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}}

// maxEscape is the longest escape that prev looks back for.
const maxEscape = 24

// prev returns the character that ends before j, unescaped, and how many octets
// it takes. j is positive and at most len(b).
func prev(b []byte, j int) (c byte, n int) {
	last := b[j-1]
	if !isHex(last) && last != ';' {
		return last, 1
	}
	for k := max(0, j-maxEscape); k < j-1; k++ {
		if b[k] == '%' || b[k] == '\\' || b[k] == '&' {
			if c, n = next(b[:j], k); n == j-k && n > 1 {
				return c, n
			}
		}
	}
	return last, 1
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	if c >= 'A' {
		return c - 'A' + 10
	}
	return c - '0'
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func isQuote(c byte) bool { return c == '"' || c == '\'' }
