package export

import (
	"bytes"
	"unicode/utf8"
)

// members are what the profile has to know of a JSON object's members, those of
// the object itself and not of what is inside it. The slices borrow from the
// text scanned.
type members struct {
	any           bool   // it has members
	names         uint8  // those of memberNames, a bit each
	callsAt       []byte // value of "calls_at", an array
	othersAt      []byte // likewise "others_at"
	cic, opc, dpc bool   // are integers
	badBlocks     bool   // "report_blocks" is no array
}

// memberNames are the names that the profile puts in front of a record's own
// members, unless it has one of that name.
var memberNames = [...]string{"record", "native_id", "callid", "link", "link_score", "record_ts"}

// has reports whether the object has a member of this name, which is one of
// memberNames.
func (m *members) has(name string) bool {
	for i, n := range memberNames {
		if n == name {
			return m.names&(1<<i) != 0
		}
	}
	return false
}

// maxDepth is how deep arrays and objects may be nested. What heptap makes is a
// few levels deep.
const maxDepth = 64

// scanner reads JSON (RFC 8259) and keeps nothing but its place.
type scanner struct {
	b []byte
	i int
}

// object reports whether b is one JSON object, whole and nothing else, in UTF-8,
// and without an escaped NUL, which PostgreSQL refuses in jsonb. It fills in m. A
// name that is there twice counts as often as it is there.
func object(b []byte, m *members) bool {
	*m = members{}
	s := scanner{b: b}
	s.space()
	if s.next() != '{' || !utf8.Valid(b) {
		return false
	}
	ok := s.membersOf(m, 1)
	s.space()
	return ok && s.i == len(b)
}

// body returns what is between the braces of a JSON object.
func body(b []byte) []byte {
	b = bytes.TrimLeft(b, " \t\r\n")
	b = bytes.TrimRight(b, " \t\r\n")
	return bytes.TrimLeft(b[1:len(b)-1], " \t\r\n")
}

// next takes one octet, 0 at the end.
func (s *scanner) next() byte {
	if s.i == len(s.b) {
		return 0
	}
	s.i++
	return s.b[s.i-1]
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// value takes any value.
func (s *scanner) value(depth int) bool {
	switch c := s.next(); {
	case c == '"':
		return s.text()
	case c == '{':
		return s.membersOf(nil, depth+1)
	case c == '[':
		return s.elements(depth + 1)
	case c == 't':
		return s.word("rue")
	case c == 'f':
		return s.word("alse")
	case c == 'n':
		return s.word("ull")
	case c == '-' || c >= '0' && c <= '9':
		s.i--
		return s.number()
	}
	return false
}

func (s *scanner) word(rest string) bool {
	if len(s.b)-s.i < len(rest) || string(s.b[s.i:s.i+len(rest)]) != rest {
		return false
	}
	s.i += len(rest)
	return true
}

// digits takes digits and reports whether there were any.
func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > from
}

// peek reports whether the next octet is one of two, and takes it if so.
func (s *scanner) peek(a, b byte) bool {
	if s.i < len(s.b) && (s.b[s.i] == a || s.b[s.i] == b) {
		s.i++
		return true
	}
	return false
}

func (s *scanner) number() bool {
	s.peek('-', '-')
	if !s.peek('0', '0') && !s.digits() {
		return false
	}
	if s.peek('.', '.') && !s.digits() {
		return false
	}
	if s.peek('e', 'E') {
		s.peek('+', '-')
		return s.digits()
	}
	return true
}

// text takes a string, of which the first quote is taken.
func (s *scanner) text() bool {
	for {
		switch c := s.next(); {
		case c == '"':
			return true
		case c < ' ': // the end, too
			return false
		case c == '\\' && !s.escape():
			return false
		}
	}
}

func (s *scanner) escape() bool {
	switch s.next() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		zero := true
		for range 4 {
			c := s.next()
			if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
				return false
			}
			zero = zero && c == '0'
		}
		return !zero
	}
	return false
}

// elements takes an array, of which the bracket is taken.
func (s *scanner) elements(depth int) bool {
	if s.space(); s.peek(']', ']') {
		return depth <= maxDepth
	}
	for depth <= maxDepth {
		s.space()
		if !s.value(depth) {
			return false
		}
		s.space()
		switch s.next() {
		case ']':
			return true
		case ',':
		default:
			return false
		}
	}
	return false
}

// membersOf takes an object, of which the brace is taken, and notes its members
// in m unless that is nil.
func (s *scanner) membersOf(m *members, depth int) bool {
	if s.space(); s.peek('}', '}') {
		return depth <= maxDepth
	}
	for depth <= maxDepth {
		s.space()
		name := s.i + 1
		if s.next() != '"' || !s.text() {
			return false
		}
		end := s.i - 1
		s.space()
		if s.next() != ':' {
			return false
		}
		s.space()
		from := s.i
		if !s.value(depth) {
			return false
		}
		if m != nil {
			m.note(s.b[name:end], s.b[from:s.i])
		}
		s.space()
		switch s.next() {
		case '}':
			return true
		case ',':
		default:
			return false
		}
	}
	return false
}

// note takes in one member, as it is written.
func (m *members) note(name, value []byte) {
	m.any = true
	for i, n := range memberNames {
		if string(name) == n {
			m.names |= 1 << i
		}
	}
	switch string(name) {
	case "cic":
		m.cic = isInteger(value)
	case "opc":
		m.opc = isInteger(value)
	case "dpc":
		m.dpc = isInteger(value)
	case "report_blocks":
		m.badBlocks = m.badBlocks || value[0] != '[' && value[0] != 'n'
	case "calls_at":
		if value[0] == '[' {
			m.callsAt = value
		}
	case "others_at":
		if value[0] == '[' {
			m.othersAt = value
		}
	}
}

func isInteger(b []byte) bool {
	_, ok := decimal(b)
	return ok
}

// decimal reads an unsigned integer without sign, fraction or exponent that fits
// 63 bits.
func decimal(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// nextNumber takes the next unsigned integer of a JSON array off list, which is what
// is left of it.
func nextNumber(list []byte) (n int64, rest []byte, ok bool) {
	list = bytes.TrimLeft(list, "[, \t\r\n")
	end := 0
	for end < len(list) && list[end] >= '0' && list[end] <= '9' {
		end++
	}
	n, ok = decimal(list[:end])
	return n, list[end:], ok
}
