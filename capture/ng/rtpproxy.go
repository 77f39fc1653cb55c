package ng

import "bytes"

// RTPProxy is one request in rtpproxy's command protocol.
type RTPProxy struct {
	Cookie    []byte // none over TCP
	Operation byte   // the command's letter: U, L, D, P, R, C, S, N, V, I, Q, X or G
	Modifiers []byte // what comes behind it
	CallID    []byte
	Address   []byte // of U and L: where the party's media comes from, as written
	Port      []byte // in decimal
	FromTag   []byte // without rtpproxy's ";" and number of the media stream
	ToTag     []byte
}

// command is what rtpproxy asks of one of its commands (rtpp_command_parse.c).
type command struct {
	least, most int8   // words, the command included
	from        int8   // the word that is the from-tag, 0 when there is no Call-ID
	modifiers   string // what may follow the letter: one of the two below, or this
}

const (
	anyModifiers = "*"
	digitsOnly   = "0"
)

func commandOf(c byte) command {
	switch c {
	case 'U':
		return command{5, 8, 4, anyModifiers}
	case 'L':
		return command{5, 6, 4, anyModifiers}
	case 'P':
		return command{5, 6, 4, digitsOnly}
	case 'C':
		return command{4, 5, 3, ""}
	case 'D':
		return command{3, 4, 2, "w"}
	case 'R':
		return command{3, 4, 2, "s"}
	case 'N':
		return command{3, 4, 2, "a"}
	case 'S':
		return command{3, 4, 2, ""}
	case 'Q':
		return command{3, 16, 2, "v"}
	case 'V':
		return command{1, 2, 0, "F"}
	case 'I':
		return command{1, 1, 0, "b"}
	case 'X':
		return command{1, 1, 0, ""}
	case 'G':
		return command{1, maxWords, 0, "v"}
	}
	return command{}
}

// allows reports whether b may follow the command's letter.
func (c *command) allows(b []byte) bool {
	switch c.modifiers {
	case anyModifiers:
		return len(b) <= maxModifiers
	case digitsOnly:
		return len(b) == 0 || len(b) <= maxModifiers && isNumber(b)
	}
	return len(b) == 0 || string(b) == c.modifiers
}

const (
	maxWords     = 24
	maxWord      = 512 // octets; an option may hold a name
	maxModifiers = 64
)

// IsRTPProxy reports whether a datagram is a request of rtpproxy's protocol:
// a cookie of letters, digits and "_", "-", ".", with a digit in it, one space, a
// command in upper case, as all proxies send it, with the number of words it
// takes, and an address where one has to be. It is cheap on anything else: most
// fails at the second word's first octet.
func IsRTPProxy(b []byte) bool {
	n := bytes.IndexByte(b[:min(len(b), maxCookie+1)], ' ')
	if n <= 0 || n+1 == len(b) || commandOf(b[n+1]).least == 0 || !isCookie(b[:n]) {
		return false
	}
	var r RTPProxy
	return r.Parse(b)
}

// Parse fills r from a datagram and reports whether it is a request; if not,
// r is empty. It does not allocate.
func (r *RTPProxy) Parse(b []byte) bool {
	*r = RTPProxy{}
	words, n, ok := split(b)
	if !ok || n < 2 || !isCookie(words[0]) || !r.command(words[1:n]) {
		*r = RTPProxy{}
		return false
	}
	r.Cookie = words[0]
	return true
}

// ParseLine is Parse for a line of a stream or a Unix socket, where there is no
// cookie. Without one there is little to tell a command by but its number of
// words: ask only where rtpproxy is known to listen.
func (r *RTPProxy) ParseLine(b []byte) bool {
	*r = RTPProxy{}
	words, n, ok := split(b)
	if !ok || n < 1 || !r.command(words[:n]) {
		*r = RTPProxy{}
		return false
	}
	return true
}

// split cuts a line into words. It is not ok when there are too many, or other
// octets than text.
func split(b []byte) (words [maxWords + 1][]byte, n int, ok bool) {
	for i := 0; i < len(b); {
		c := b[i]
		if c == ' ' || c == '\t' || (c == '\r' || c == '\n') && len(b)-i <= 2 {
			i++
			continue
		}
		start := i
		for i < len(b) && b[i] > ' ' && b[i] < 0x7f {
			i++
		}
		if i == start || i-start > maxWord || n == len(words) {
			return words, 0, false
		}
		words[n] = b[start:i:i]
		n++
	}
	return words, n, true
}

// command takes in a command and its words.
func (r *RTPProxy) command(w [][]byte) bool {
	c := commandOf(w[0][0])
	r.Operation, r.Modifiers = w[0][0], w[0][1:]
	n := len(w)
	if and := join(w); and > 0 && (r.Operation == 'U' || r.Operation == 'L' || r.Operation == 'Q') {
		n = and // "&&": another command about the same call
	}
	if c.least == 0 || n < int(c.least) || n > int(c.most) || !c.allows(r.Modifiers) {
		return false
	}
	switch r.Operation {
	case 'V': // "V", or "VF" and a date
		return n == 1 && len(r.Modifiers) == 0 || n == 2 && len(r.Modifiers) > 0 && len(w[1]) == 8 && isNumber(w[1])
	case 'U', 'L':
		if !isAddress(w[2]) || !isNumber(w[3]) || len(w[3]) > 5 {
			return false
		}
		r.Address, r.Port = w[2], w[3]
	}
	if c.from > 0 {
		r.CallID, r.FromTag = w[1], withoutStream(w[c.from])
		if int(c.from)+1 < n {
			r.ToTag = withoutStream(w[c.from+1])
		}
	}
	return true
}

// join returns which word is "&&", 0 for none.
func join(w [][]byte) int {
	for i := range w {
		if string(w[i]) == "&&" {
			return i
		}
	}
	return 0
}

// withoutStream returns a tag without the number of the media stream that
// proxies append to it.
func withoutStream(tag []byte) []byte {
	for i := len(tag) - 1; i > 0; i-- {
		if tag[i] == ';' && isNumber(tag[i+1:]) {
			return tag[:i:i]
		}
		if !isDigit(tag[i]) {
			break
		}
	}
	return tag
}

func isNumber(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return len(b) > 0
}

// isCookie reports whether b looks like the cookies of SIP proxies, such as a
// process number, _ and a count.
func isCookie(b []byte) bool {
	digit := false
	for _, c := range b {
		switch {
		case isDigit(c):
			digit = true
		case (c|0x20)-'a' < 26, c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return digit && len(b) <= maxCookie
}

// isAddress reports whether b has the shape of an IP address: four numbers, or
// hexadecimal digits with two colons at least. netip's parser would allocate
// to say no.
func isAddress(b []byte) bool {
	dots, colons := 0, 0
	for _, c := range b {
		switch {
		case c == '.':
			dots++
		case c == ':':
			colons++
		case isDigit(c), colons > 0 && (c|0x20)-'a' < 6, dots == 0 && (c|0x20)-'a' < 6:
		default:
			return false
		}
	}
	return colons == 0 && dots == 3 && len(b) >= len("0.0.0.0") || colons >= 2 && len(b) <= maxAddress
}

// maxAddress is the length of the longest IPv6 address in text.
const maxAddress = 45
