package mask

// MediaKey reports whether what introduces a key of media in SDP is at s[i]: how
// many octets that has, and how many the key behind it. These are SDES's (RFC 4568
// 6.1, inline:), up to the lifetime, k= (RFC 4566 5.12), a=key-mgmt (RFC 4567
// 3.1) and a=ice-pwd (RFC 8839 5.4), up to the end of the line. intro is 0 where
// there is none.
func MediaKey(s []byte, i int) (intro, key int) {
	switch s[i] | 0x20 {
	case 'i': // up to the lifetime, the next parameter, the end of the line
		if intro = len("inline:"); isFolded(s[i:], "inline:") {
			return intro, until(s[i+intro:], true)
		}
	case 'k':
		if lineStart(s, i) && isFolded(s[i:], "k=") {
			return len("k="), until(s[i+len("k="):], false)
		}
	case 'a':
		if !lineStart(s, i) {
			break
		}
		for _, name := range [...]string{"a=key-mgmt:", "a=ice-pwd:"} {
			if isFolded(s[i:], name) {
				return len(name), until(s[i+len(name):], false)
			}
		}
	}
	return 0, 0
}

// HasMediaKey reports whether s has a key that MediaKey finds.
func HasMediaKey(s []byte) bool {
	for i := range s {
		if intro, _ := MediaKey(s, i); intro > 0 {
			return true
		}
	}
	return false
}

// BlankMediaKeys puts stars in place of the keys that MediaKey finds, octet for
// octet, so that lengths that somebody counted stay right.
func BlankMediaKeys(s []byte) {
	for i := 0; i < len(s); i++ {
		if intro, key := MediaKey(s, i); intro > 0 {
			Blank(s[i+intro : i+intro+key])
			i += intro + key - 1
		}
	}
}

// Blank puts a star in place of each octet of s.
func Blank(s []byte) {
	for i := range s {
		s[i] = '*'
	}
}

// lineStart reports whether a line begins at i, a line end being one that is
// escaped, too.
func lineStart(s []byte, i int) bool {
	return i == 0 || s[i-1] == '\n' || s[i-1] == '\r' || i > 1 && s[i-2] == '\\' && (s[i-1] == 'n' || s[i-1] == 'r')
}

// until returns the length of the key that s begins with: to the end of the
// line, or in a list also to what separates.
func until(s []byte, list bool) int {
	for i, c := range s {
		if c == '\r' || c == '\n' || list && (c == '|' || c == ';' || c == ' ' || c == '"') ||
			c == '\\' && i+1 < len(s) && (s[i+1] == 'r' || s[i+1] == 'n') {
			return i
		}
	}
	return len(s)
}

// isFolded reports whether b begins with want, which is in lower case.
func isFolded(b []byte, want string) bool {
	if len(b) < len(want) {
		return false
	}
	for i := range len(want) {
		if c := b[i]; c != want[i] && (c|0x20 != want[i] || c-'A' >= 26) {
			return false
		}
	}
	return true
}
