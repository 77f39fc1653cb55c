package pseudonym

import "slices"

// numerals are letters and digits as values, the most significant first: 0 to
// 9, and 10 to 35 for letters of either case.
type numerals []byte

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

// letter reports whether there is a letter among them.
func (n numerals) letter() bool { return slices.ContainsFunc(n, func(v byte) bool { return v > 9 }) }

// read sets k.text to the letters and digits of b, and blanks what percent
// escapes of b stand for unless that is punctuation.
func (k *Key) read(b []byte) {
	k.text = k.text[:0]
	for i := 0; i < len(b); i++ {
		if escaped(b[i:]) {
			i += 2
		} else if v, ok := numeral(b[i]); ok {
			k.text = append(k.text, v)
		}
	}
}

// write puts n where the letters and digits of b are, as many as there are.
func write(b []byte, n numerals) {
	at := 0
	for i := 0; i < len(b); i++ {
		if escaped(b[i:]) {
			if c := nibble(b[i+1])<<4 | nibble(b[i+2]); c > 127 || alphanumeric(c) {
				b[i+1], b[i+2] = '7', '8' // x
			}
			i += 2
		} else if alphanumeric(b[i]) {
			b[i] = alphabet[n[at]]
			at++
		}
	}
}

// escaped reports whether b begins with a percent escape (RFC 3986 2.1).
func escaped(b []byte) bool { return len(b) > 2 && b[0] == '%' && isHex(b[1]) && isHex(b[2]) }

func numeral(c byte) (v byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'z':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

func alphanumeric(c byte) bool {
	_, ok := numeral(c)
	return ok
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func nibble(c byte) byte {
	v, _ := numeral(c)
	return v
}

// IsNumber reports whether b is a telephone number: digits, with a plus sign
// before them, visual separators between them (RFC 3966 3), * and #.
func IsNumber(b []byte) bool {
	digits := false
	for i, c := range b {
		switch {
		case '0' <= c && c <= '9':
			digits = true
		case c == '+' && i == 0, c == '-', c == '.', c == '(', c == ')', c == ' ', c == '*', c == '#':
		default:
			return false
		}
	}
	return digits
}
