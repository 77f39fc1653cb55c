package syslog

import "bytes"

// MaxTokens is the most tokens that Tokens finds in one line.
const MaxTokens = 32

const (
	maxToken = 256 // octets; longer is no id
	minWord  = 8   // octets of a word that stands alone
	minMark  = 6   // of one that is a value, or in quotes or brackets
	maxName  = 32  // octets of a key that names a Call-ID
	maxKey   = 64  // octets of one of Keys
)

// Kind is what a token looks like.
type Kind uint8

// The kinds of tokens.
const (
	Word     Kind = iota // letters and digits, with a digit
	CallID               // word@word (RFC 3261 25.1, callid)
	UUID                 // RFC 9562 4, as FreeSWITCH writes in front of each line
	Asterisk             // C-0000002a: Asterisk's own number of a call
)

// Token is something in a line that may be an id. Its slices are parts of the
// line.
type Token struct {
	Value []byte
	Key   []byte // what is before the = or the colon, if anything
	Kind  Kind
	Named bool // the line calls it a Call-ID
	Keyed bool // the key is one of Keys
}

// Keys are names of keys whose value is a Call-ID, as a user gives them besides those
// that Tokens knows. How they are written does not matter: X-Dialog is x_dialog and
// xDialog.
type Keys struct {
	folded []string
}

// NewKeys returns the keys of these names. Those longer than 64 octets are left out.
func NewKeys(names []string) *Keys {
	k := new(Keys)
	for _, name := range names {
		if folded := fold(make([]byte, 0, maxKey), []byte(name)); len(folded) > 0 && len(name) <= maxKey {
			k.folded = append(k.folded, string(folded))
		}
	}
	return k
}

// Has reports whether a key is one of k, which may be nil.
func (k *Keys) Has(key []byte) bool {
	if k == nil || len(k.folded) == 0 || len(key) > maxKey {
		return false
	}
	var room [maxKey]byte
	folded := fold(room[:0], key)
	for _, name := range k.folded {
		if string(folded) == name {
			return true
		}
	}
	return false
}

// Empty reports whether there are none.
func (k *Keys) Empty() bool { return k == nil || len(k.folded) == 0 }

// fold appends a key in small letters, and without what stands between its words.
func fold(dst, key []byte) []byte {
	for _, c := range key {
		switch {
		case c == '-' || c == '_':
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c|0x20)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// NamesCall reports whether a key is one that Tokens knows to have a Call-ID as its
// value: it ends in "callid", however that is written.
func NamesCall(key []byte) bool { return isName(key) }

// Tokens calls yield for the candidate ids of a line, in order, until yield
// returns false: at most MaxTokens. It looks at each octet a bounded number of
// times and does not allocate.
//
// A word is a candidate when it has an @, or a digit and a certain length,
// less if it is a value or in quotes or brackets; numbers in the shape of a
// time or an address are not. Named are, whatever they look like: the value of a
// key that ends in "callid", however it is written (Call-ID: x, callid=x,
// "sip_call_id":"x", call ID x), that of ci= (Kamailio, OpenSIPS) and of ID=
// (heplify), and what is in brackets in front of a message, [x]: or [x port n]
// (rtpengine, whose x/tag/n is taken apart). So is what stands behind one of keys,
// which may be nil, and = or a colon.
func Tokens(line []byte, keys *Keys, yield func(Token) bool) {
	s := scanner{line: line, keys: keys}
	for range MaxTokens {
		t, ok := s.next()
		if !ok || !yield(t) {
			return
		}
	}
}

// scanner is a place in a line.
type scanner struct {
	line []byte
	keys *Keys
	at   int
	call bool // the last word was "call"
}

// tokenLow and tokenHigh are the characters of RFC 3261 25.1's word that do not
// quote or separate in logs, and @, as a bit set of the codes 0-63 and 64-127.
const (
	tokenLow  = 0x07ff<<'0' | 1<<'-' | 1<<'.' | 1<<'!' | 1<<'%' | 1<<'*' | 1<<'+' | 1<<'/' | 1<<'?'
	tokenHigh = 1<<('@'-64) | 0x07fffffe | 0x07fffffe<<32 | 1<<('_'-64) | 1<<('~'-64)
)

func isToken(c byte) bool {
	switch {
	case c < 64:
		return uint64(tokenLow)>>c&1 != 0
	case c < 128:
		return uint64(tokenHigh)>>(c-64)&1 != 0
	}
	return false
}

// next finds the next candidate.
func (s *scanner) next() (t Token, ok bool) {
	for s.at < len(s.line) {
		c := s.line[s.at]
		switch {
		case c == '#' && isOctal(s.line[s.at+1:]): // a control character, as rsyslog writes it
			s.at += 4
			continue
		case !isToken(c):
			s.at++
			continue
		}
		start := s.at
		for s.at < len(s.line) && isToken(s.line[s.at]) {
			s.at++
		}
		if t, ok := s.judge(start, s.at); ok {
			return t, true
		}
	}
	return Token{}, false
}

func isOctal(b []byte) bool {
	return len(b) >= 3 && b[0]-'0' < 4 && b[1]-'0' < 8 && b[2]-'0' < 8
}

// judge looks at the word from start to end: is it a candidate, or does it name
// the one behind it? Then s goes on behind that.
func (s *scanner) judge(start, end int) (t Token, ok bool) {
	word := s.line[start:end]
	if i := bytes.LastIndexByte(word, '?'); i >= 0 && end < len(s.line) && s.line[end] == '=' { // a URL's first parameter
		start, word = start+i+1, word[i+1:]
	}
	name := word
	call := s.call
	s.call = isFolded(word, "call")
	keyed := s.keys.Has(word)
	for i, c := range word { // name:value
		if c != ':' {
			continue
		}
		if keyed = s.keys.Has(word[:i]); keyed || isName(word[:i]) || call && isFolded(word[:i], "id") {
			name, end = word[:i], start+i
			break
		}
	}
	if keyed || isName(name) || call && isFolded(name, "id") || isMark(name, end < len(s.line) && s.line[end] == '=') {
		if value, after, separated := s.value(end); len(value) > 0 && (separated || !keyed) {
			s.at = after
			return Token{Value: value, Key: name, Kind: kind(value), Named: true, Keyed: keyed}, true
		}
	}
	return s.candidate(start, start+len(word))
}

// isMark reports whether a key that = follows stands for a Call-ID: Kamailio's
// ci=, heplify's ID=.
func isMark(name []byte, equals bool) bool {
	return equals && (string(name) == "ci" || string(name) == "ID")
}

// isName reports whether a key ends in "callid", in whatever case and with
// whatever in between.
func isName(b []byte) bool {
	const want = "callid"
	n := len(want)
	if len(b) < n || len(b) > maxName {
		return false
	}
	for i := len(b) - 1; i >= 0 && n > 0; i-- {
		switch c := b[i]; {
		case c|0x20 == want[n-1]:
			n--
		case c == '-' && n < len(want), c == '_' && n < len(want):
		default:
			return false
		}
	}
	return n == 0
}

// isFolded compares without case; want is in lower case.
func isFolded(b []byte, want string) bool {
	if len(b) != len(want) {
		return false
	}
	for i, c := range b {
		if c|0x20 != want[i] {
			return false
		}
	}
	return true
}

// value returns the value of the key that ends at i, where it is over, and whether =
// or a colon separates the two. It is what is in the quotes or brackets behind that, or
// up to a space; without = or a colon it has to look like an id. Of a list it is the
// first. What comes after a key= and a space is another key.
func (s *scanner) value(i int) (value []byte, after int, separated bool) {
	b := s.line
	if i < len(b) && (b[i] == '"' || b[i] == '\'') { // the key is in quotes
		i++
	}
	end := i
	i = s.spaces(i)
	if i < len(b) && (b[i] == ':' || b[i] == '=') {
		separated = true
		tight := i == end && b[i] == '='
		if i++; i < len(b) && b[i-1] == '=' && b[i] == '>' {
			i, tight = i+1, false
		}
		if !tight {
			i = s.spaces(i)
		}
	}
	closer, n := closing(b[i:])
	i += n
	if rest := b[i:]; len(rest) > 0 && rest[0] == '"' && (closer == ']' || closer == '}') { // JSON
		if closer == '}' {
			return nil, 0, separated
		}
		closer = '"'
		i++
	}
	start := i
	for i < len(b) && i-start <= maxToken && !ends(b[i:], closer) {
		i++
	}
	if i-start > maxToken {
		return nil, 0, separated
	}
	after = i
	if closer == 0 {
		i = trimPunctuation(b, start, i)
	}
	if value = b[start:i:i]; separated && !isFolded(value, "null") || plausible(value, n > 0) {
		return value, after, separated
	}
	return nil, 0, separated
}

func (s *scanner) spaces(i int) int {
	for i < len(s.line) && isSpace(s.line[i]) {
		i++
	}
	return i
}

// closing returns what closes the quotes or brackets that b opens with, 0 for
// none, and the length of what opens them. U+00BB is told by its last octet.
func closing(b []byte) (closer byte, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	switch b[0] {
	case '"', '\'', '`':
		return b[0], 1
	case '[':
		return ']', 1
	case '(':
		return ')', 1
	case '<':
		return '>', 1
	case '{':
		return '}', 1
	case 0xc2:
		if len(b) > 1 && b[1] == 0xab {
			return 0xbb, 2
		}
	}
	return 0, 0
}

// ends reports whether a value ends where b begins: with what closes it, or
// else with a space or what no log writes into a Call-ID.
func ends(b []byte, closer byte) bool {
	switch c := b[0]; {
	case closer == 0xbb:
		return len(b) > 1 && c == 0xc2 && b[1] == closer || isSpace(c)
	case closer != 0:
		return c == closer || isSpace(c)
	default:
		return c <= ' ' || c == '"' || c == ',' || c == ';' || c == '|' || c == '&' || c >= 0x7f || c == '#' && isOctal(b[1:])
	}
}

// trimPunctuation returns the end of b[start:end] without what ends a
// sentence or closes something that was opened before.
func trimPunctuation(b []byte, start, end int) int {
	for end > start {
		switch b[end-1] {
		case '.', ':', '!', '?', ')', ']', '}', '>', '\'', '`':
			end--
		default:
			return end
		}
	}
	return end
}

// candidate judges the word from start to end by itself.
func (s *scanner) candidate(start, end int) (t Token, ok bool) {
	b := s.line
	for start < end && (b[start] == ':' || b[start] == '.' || b[start] == '?' || b[start] == '!') {
		start++
	}
	mark := start > 0 && marks(b[start-1])
	if mark && b[start-1] == '[' {
		if cut := s.prefix(start, end); cut > start {
			return Token{Value: b[start:cut:cut], Kind: kind(b[start:cut]), Named: true}, true
		}
	}
	end = trimPunctuation(b, start, end)
	word := b[start:end:end]
	if !plausible(word, mark) {
		return Token{}, false
	}
	return Token{Value: word, Key: s.key(start), Kind: kind(word)}, true
}

// marks reports whether c in front of a word makes it likelier an id.
func marks(c byte) bool {
	switch c {
	case '=', '"', '\'', '`', '[', '(', '<', '{', 0xab:
		return true
	}
	return false
}

// prefix returns where the Call-ID ends that a message has in brackets in
// front of it, with b[start:end] in them: 0 when this is no such thing.
func (s *scanner) prefix(start, end int) int {
	b := s.line
	front := b[:start-1]
	if len(front) > 0 && !(len(front) >= 2 && front[len(front)-2] == ':' && front[len(front)-1] == ' ') {
		return 0
	}
	if rest := b[end:]; !hasPrefix(rest, "]:") && !hasPrefix(rest, " port ") {
		return 0
	}
	if !plausible(b[start:end], true) {
		return 0
	}
	return s.withoutTag(start, end)
}

// withoutTag returns where the Call-ID ends in rtpengine's Call-ID/tag/number:
// end when it is not that.
func (s *scanner) withoutTag(start, end int) int {
	slash := end
	for range 2 {
		i := slash - 1
		for i > start && s.line[i] != '/' {
			i--
		}
		if i <= start || slash == end && !digits(s.line[i+1:end]) {
			return end
		}
		slash = i
	}
	return slash
}

// key returns the word before the = or colon that a value at start has in
// front of it, quotes around either left out.
func (s *scanner) key(start int) []byte {
	b := s.line
	i := start
	for i > 0 && start-i < 3 && (b[i-1] == '"' || b[i-1] == '\'' || isSpace(b[i-1])) {
		i--
	}
	if i == 0 || b[i-1] != '=' && b[i-1] != ':' {
		return nil
	}
	if i--; i > 0 && (b[i-1] == '"' || b[i-1] == '\'') {
		i--
	}
	end := i
	for i > 0 && end-i < maxName && isToken(b[i-1]) && b[i-1] != ':' {
		i--
	}
	if i == end {
		return nil
	}
	return b[i:end:end]
}

// plausible reports whether a word may be an id. One without @ is no time, no
// file:line, and without letters a long number, not an address or a date.
func plausible(b []byte, mark bool) bool {
	if len(b) > maxToken || hasPrefix(b, "sip:") || hasPrefix(b, "sips:") || hasPrefix(b, "tel:") {
		return false
	}
	at, digit, letter, apart, colon := 0, false, false, false, false
	for i, c := range b {
		switch {
		case c == '@' && i > 0 && i+1 < len(b):
			at++
		case isDigit(c):
			digit = true
		case isLetter(c):
			letter = true
		case c == ':':
			colon = true
		case c == '.' || c == '/' || c == '-':
			apart = true
		}
	}
	switch {
	case at > 0:
		return at == 1
	case len(b) < minMark, len(b) < minWord && !mark, !digit, colon:
		return false
	}
	return letter || isUUID(b) || !apart && len(b) > minWord
}

// kind says what a word looks like.
func kind(b []byte) Kind {
	switch {
	case isUUID(b):
		return UUID
	case isAsterisk(b):
		return Asterisk
	}
	for i, c := range b {
		if c == '@' && i > 0 && i+1 < len(b) {
			return CallID
		}
	}
	return Word
}

func isHex(c byte) bool { return isDigit(c) || (c|0x20)-'a' < 6 }

// isUUID reports whether b is 8-4-4-4-12 hexadecimal digits.
func isUUID(b []byte) bool {
	if len(b) != 36 {
		return false
	}
	for i, c := range b {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !isHex(c) {
			return false
		}
	}
	return true
}

// isAsterisk reports whether b is C- and eight hexadecimal digits, as
// Asterisk's logger writes a call's number.
func isAsterisk(b []byte) bool {
	if len(b) != 10 || b[0] != 'C' || b[1] != '-' {
		return false
	}
	for _, c := range b[2:] {
		if !isHex(c) {
			return false
		}
	}
	return true
}

// hasPrefix is strings.HasPrefix for octets and a constant.
func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }
