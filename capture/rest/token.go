package rest

import "bytes"

// Limits of Tokens.
const (
	MaxTokens    = 64
	maxToken     = 128 // octets of one
	minToken     = 3
	minDigits    = 4
	maxTokenText = 4 << 10
)

// Tokens are pieces of a request that may name something: numbers, user parts,
// identifiers. Its room is its own, 5 KiB; the zero Tokens is empty and usable.
type Tokens struct {
	text [maxTokenText]byte
	used int
	at   [MaxTokens]struct{ from, to int16 }
	n    int
	run  [maxToken]byte
}

// Len returns how many there are.
func (t *Tokens) Len() int { return t.n }

// At returns the i-th, valid until t is filled again.
func (t *Tokens) At(i int) []byte { return t.text[t.at[i].from:t.at[i].to] }

// TokensOf fills t from a request's target and body, JSON, a form or any text:
// runs of four digits and more with the + before them, runs of letters, digits
// and what identifiers hold with them, and what stands before an @ in one. Names
// of JSON members and parameters are none. Percent and \u escapes are undone.
// What holds a digit or an @ goes first, then words; the first 64 count, each once.
func TokensOf(t *Tokens, target, body []byte) {
	t.used, t.n = 0, 0
	if i := bytes.Index(target, []byte("://")); i >= 0 && i < 8 { // absolute: the host names nobody
		target = target[i+3:]
		target = target[max(0, bytes.IndexByte(target, '/')):]
	}
	for _, digits := range [...]bool{true, false} {
		t.walk(target, digits)
		t.walk(body, digits)
	}
}

// walk goes through the runs of b.
func (t *Tokens) walk(b []byte, digits bool) {
	size, long, first := 0, false, false
	for i := 0; i <= len(b) && t.n < MaxTokens; {
		c, n := byte(0), 1
		if i < len(b) {
			c, n = plain(b[i:])
		}
		if isTokenOctet(c) {
			if long = size == maxToken; !long {
				t.run[size] = c
				size++
			}
			first = first || c == '@' || c >= '0' && c <= '9'
			i += n
			if long { // no identifier: passed over
				for i < len(b) && isTokenOctet(b[i]) {
					i++
				}
				size = 0
			}
			continue
		}
		if size >= minToken && first == digits && !isName(b[min(i, len(b)):]) {
			t.add(bytes.Trim(t.run[:size], ".-~!*"), digits)
		}
		size, first = 0, false
		i += n
	}
}

// add adds a run, its user part, and the numbers in it.
func (t *Tokens) add(run []byte, digits bool) {
	t.put(run)
	if at := bytes.IndexByte(run, '@'); at > 0 {
		t.put(run[:at])
	}
	if !digits {
		return
	}
	for i := 0; i < len(run); {
		from := i
		if run[i] == '+' {
			i++
		}
		first := i
		for i < len(run) && run[i] >= '0' && run[i] <= '9' {
			i++
		}
		alone := (from == 0 || !isAlnum(run[from-1])) && (i == len(run) || !isAlnum(run[i]))
		if i-first >= minDigits && alone {
			t.put(run[from:i])
		}
		if i == from {
			i++
		}
	}
}

// put adds one token if it is new and there is room.
func (t *Tokens) put(b []byte) {
	if len(b) < minToken || t.n == MaxTokens || t.used+len(b) > maxTokenText {
		return
	}
	for i := range t.n {
		if bytes.Equal(t.At(i), b) {
			return
		}
	}
	from := t.used
	t.used += copy(t.text[t.used:], b)
	t.at[t.n].from, t.at[t.n].to = int16(from), int16(t.used)
	t.n++
}

// isName reports whether what follows a run makes it a name.
func isName(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	if b[0] == '=' {
		return true
	}
	if b[0] == '\\' && len(b) > 1 {
		b = b[1:]
	}
	if b[0] != '"' {
		return false
	}
	b = bytes.TrimLeft(b[1:min(len(b), 16)], " \t\r\n")
	return len(b) > 0 && b[0] == ':'
}

// plain returns the character that b begins with, %XX and \u00XX undone, and
// how many octets it takes.
func plain(b []byte) (c byte, n int) {
	switch {
	case b[0] == '%' && len(b) >= 3 && isHex(b[1]) && isHex(b[2]):
		return unhex(b[1])<<4 | unhex(b[2]), 3
	case b[0] == '\\' && len(b) >= 6 && b[1] == 'u' && b[2] == '0' && b[3] == '0' && isHex(b[4]) && isHex(b[5]):
		return unhex(b[4])<<4 | unhex(b[5]), 6
	case b[0] == '\\' && len(b) >= 2:
		return ' ', 2
	}
	return b[0], 1
}

// AppendPlain appends a target or a body to dst as TokensOf reads it: percent and \u
// escapes are undone, and what else a backslash escapes is a blank.
func AppendPlain(dst, text []byte) []byte {
	for len(text) > 0 {
		c, n := plain(text)
		dst, text = append(dst, c), text[n:]
	}
	return dst
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// isTokenOctet reports whether c is in identifiers: user parts, Call-IDs (RFC
// 3261 25.1, without what quotes), numbers.
func isTokenOctet(c byte) bool {
	return isAlnum(c) || c != 0 && c < 128 && bytes.IndexByte([]byte("+-._~@!*"), c) >= 0
}
