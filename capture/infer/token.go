package infer

// What is taken of the texts of one query. More is not looked up, and counted.
const (
	maxNumbers = 16
	maxWords   = 16
)

// token is a key that was found in a text.
type token struct {
	k    key
	body bool
}

// tokens are those of a query, and the hash of what its target looks like
// without them.
type tokens struct {
	all            [maxNumbers + maxWords]token
	n              int
	numbers, words int
	cut            bool
	shape          uint64
}

func (t *tokens) reset() { *t = tokens{shape: hashBasis} }

func (t *tokens) add(k key, body bool) {
	for _, have := range t.all[:t.n] {
		if have.k == k && have.body == body {
			return
		}
	}
	count, most := &t.words, maxWords
	if k&word == 0 {
		count, most = &t.numbers, maxNumbers
	}
	if *count == most {
		t.cut = true
		return
	}
	*count++
	t.all[t.n] = token{k, body}
	t.n++
}

// read takes the numbers and words of a text, in one pass.
//
// A number is 5 to 15 digits, zeros in front not counted. Groups of digits with
// one or two of the separators " -.()" between them are a number together, and
// each of them on its own. Single digits with dots between them are read
// backwards too (ENUM, RFC 6116 3.2). A word is 4 to 64 of [A-Za-z0-9._-] with a
// letter in it, and not a name with = or ": behind it. The target's shape is its
// names and the words without digits in its path.
func (t *tokens) read(text []byte, body bool) {
	if len(text) > MaxText {
		text, t.cut = text[:MaxText], true
	}
	s := scan{t: t, body: body, hash: hashBasis, path: !body}
	for i, c := range text {
		s.octet(text, i, c)
	}
	s.endWord(0, 0)
	s.endGroup()
	s.endNumber()
}

// digits gathers a number.
type digits struct {
	k      key
	n      int // significant digits
	groups int
}

func (d *digits) push(c byte) {
	if d.n == 0 && c == '0' {
		return
	}
	if d.n++; d.n <= maxDigits {
		d.k = d.k<<4 | key(c-'0')
	}
}

func (d *digits) ok() bool { return minDigits <= d.n && d.n <= maxDigits }

// scan is the state of one pass.
type scan struct {
	t    *tokens
	body bool
	path bool // before the target's question mark

	group, joined digits
	inGroup       int // digits of the group, all of them
	gap           int // separators since the last digit
	reverse       key
	reversed      int  // digits in reverse
	singles       bool // all groups so far have one digit, and dots between them

	hash              uint64
	length            int
	letter, hasDigits bool
}

func (s *scan) octet(text []byte, i int, c byte) {
	digit := '0' <= c && c <= '9'
	letter := 'a' <= lower(c) && lower(c) <= 'z' || c == '_'
	switch {
	case digit:
		s.digit(c)
	case isSeparator(c):
		s.endGroup()
		if c != '.' {
			s.singles = false
		}
		if s.gap++; s.gap > 2 {
			s.endNumber()
		}
	default:
		s.endGroup()
		s.endNumber()
	}
	if digit || letter || c == '.' || c == '-' {
		s.hash = (s.hash ^ uint64(lower(c))) * hashPrime
		s.length++
		s.letter = s.letter || letter
		s.hasDigits = s.hasDigits || digit
		return
	}
	var next byte
	if i+1 < len(text) {
		next = text[i+1]
	}
	s.endWord(c, next)
	if c == '?' {
		s.path = false
	}
}

func (s *scan) digit(c byte) {
	if s.joined.groups == 0 {
		s.singles = true
	}
	if s.inGroup == 0 {
		s.joined.groups++
	}
	if s.inGroup++; s.inGroup > 1 {
		s.singles = false
	}
	s.gap = 0
	s.group.push(c)
	s.joined.push(c)
	if s.reversed < maxDigits {
		s.reverse |= key(c-'0') << (4 * s.reversed)
	}
	s.reversed++
}

func (s *scan) endGroup() {
	if s.group.ok() {
		s.t.add(s.group.k, s.body)
	}
	s.group, s.inGroup = digits{}, 0
}

func (s *scan) endNumber() {
	if s.joined.groups > 1 {
		if s.joined.ok() {
			s.t.add(s.joined.k, s.body)
		}
		if s.singles && s.reversed <= maxDigits && s.reverse.digits() >= minDigits {
			s.t.add(s.reverse, s.body)
		}
	}
	s.joined, s.reverse, s.reversed, s.gap, s.singles = digits{}, 0, 0, 0, false
}

// endWord ends a word before the octets c and next; 0 is the end of the text.
func (s *scan) endWord(c, next byte) {
	if s.length == 0 {
		return
	}
	name := c == '=' || c == '"' && next == ':'
	if !s.body && (name || s.path && !s.hasDigits) {
		s.t.shape = mix(s.t.shape ^ s.hash)
	}
	if s.letter && !name && minWord <= s.length && s.length <= maxWord {
		s.t.add(word|key(mix(s.hash)), s.body)
	}
	s.hash, s.length, s.letter, s.hasDigits = hashBasis, 0, false, false
}
