package mask

import "bytes"

// scanner goes once through a text, from separator to separator.
type scanner struct {
	b, dst  []byte
	done    int // how much of b is in dst, or masked
	slack   int // how much more dst may grow than b
	form    form
	whole   bool   // the end of b is the end of the text
	pending bool   // a secret's name was the value of "name": the next "value" is the secret
	tag     []byte // the name of the element whose start tag this is, or nil
	inside  bool   // its content is a secret
	naming  bool   // its content is a name
}

func appendText(dst, b []byte, f form, whole bool) []byte {
	s := scanner{b: b, dst: dst, form: f, whole: whole, slack: Slack}
	for i := 0; i < len(b); {
		switch b[i] {
		case ':', '=', '<', '>', '%', '\\', '&', '\n':
			i = s.at(i)
		default:
			i++
		}
	}
	s.copy(len(b))
	return s.dst
}

// at looks at the character at i and returns where to go on.
func (s *scanner) at(i int) int {
	switch c, n := next(s.b, i); c {
	case ':', '=':
		return s.separator(i, n, c)
	case '<':
		return s.open(i + n)
	case '>':
		return s.shut(i, n)
	case '\n':
		return s.part(i + n)
	default:
		return i + n
	}
}

// copy copies up to i.
func (s *scanner) copy(i int) {
	if i > s.done {
		s.dst = append(s.dst, s.b[s.done:i]...)
		s.done = i
	}
}

// hide masks from i to j and returns j. An empty value stays.
func (s *scanner) hide(i, j int) int {
	s.copy(i)
	if i < j {
		s.write(Text[:min(len(Text), j-i+s.slack)], j-i)
		s.done = j
	}
	return j
}

// hideBare masks a JSON value without quotes: what takes its place has some.
func (s *scanner) hideBare(i, j int, quote []byte) int {
	if i == j {
		return j
	}
	s.copy(i)
	if n := len(Text) + 2*len(quote); n <= j-i+s.slack {
		s.dst = append(s.dst, quote...)
		s.write(Text, j-i-2*len(quote))
		s.dst = append(s.dst, quote...)
	} else {
		s.write("0", j-i)
	}
	s.done = j
	return j
}

// write appends what stands for size octets.
func (s *scanner) write(t string, size int) {
	s.dst = append(s.dst, t...)
	s.slack -= max(0, len(t)-size)
}

// separator looks at the name before i and, when it is a secret's, masks the
// value behind the separator c of n octets. It returns where to go on.
func (s *scanner) separator(i, n int, c byte) int {
	after := i + n
	name, quote := s.name(i)
	var w words
	secret := len(name) > maxName || w.secret(name)
	if c == ':' && quote == nil && !secret {
		if at := s.slashes(after); at > 0 {
			return s.userinfo(at)
		}
		switch string(w.word(0)) {
		case "sip", "sips":
			return s.userinfo(after)
		case "inline":
			return s.inline(after, n > 1)
		}
	}
	secret = secret || s.phrase(i, name, quote) || s.lineK(i, n, c)
	if s.pending && w.of(forValue) {
		secret, s.pending = true, false
	}
	named := w.of(forName)
	digest := string(w.joined[:w.size]) == "response"
	if !secret && !named && !digest {
		return after
	}
	v := value{escaped: n > 1, name: quote, colon: c == ':'}
	v.from = s.skip(after, quote != nil, v.colon)
	if named {
		s.pending = s.names(v)
	}
	if !secret && !(digest && s.digest(v.from)) {
		return after
	}
	return s.mask(v)
}

// skip goes over what may stand between the separator and the value: more of the
// separator (=>, :=), white space; line ends where the value may be on the next
// line.
func (s *scanner) skip(i int, quoted, colon bool) int {
	for i < len(s.b) {
		c, n := next(s.b, i)
		switch {
		case c == '=' || c == '>' && i > 0 && s.form != xml, c == ' ' || c == '\t':
		case (c == '\r' || c == '\n') && (quoted || colon && s.folded(i)):
		default:
			return i
		}
		i += n
	}
	return i
}

// folded reports whether behind the line end at i a line follows that goes on
// with this one.
func (s *scanner) folded(i int) bool {
	rest := bytes.TrimLeft(s.b[i:], "\r\n")
	return len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t')
}

// name returns the name that ends before i, and its quote with the backslashes
// before it, nil when it has none.
func (s *scanner) name(i int) (name, quote []byte) {
	for i > s.done {
		c, n := prev(s.b, i)
		if !isSpace(c) {
			break
		}
		i -= n
	}
	if i <= s.done {
		return nil, nil
	}
	if c, n := prev(s.b, i); isQuote(c) && i-n >= s.done {
		return s.quotedName(i, n, c)
	}
	j := i
	for j > s.done && i-j <= maxName {
		c, n := prev(s.b, j)
		if isSpace(c) || bytes.IndexByte([]byte("&?;,{}()<>\"'|:="), c) >= 0 {
			break
		}
		j -= n
	}
	return s.b[max(j, s.done):i], nil
}

// quotedName returns the name whose closing quote q, of n octets, ends at i.
func (s *scanner) quotedName(i, n int, q byte) (name, quote []byte) {
	end, slashes := s.backslashes(i - n)
	j := end
	for j > s.done && end-j <= maxName {
		c, n := prev(s.b, j)
		if c == q {
			before, k := s.backslashes(j - n)
			if k <= slashes {
				break
			}
			j = before
			continue
		}
		j -= n
	}
	j = max(j, s.done)
	return s.b[j:end], s.b[end:i]
}

// backslashes returns where the backslashes begin that stand before i, and how
// many they are.
func (s *scanner) backslashes(i int) (at, k int) {
	for i > s.done {
		c, n := prev(s.b, i)
		if c != '\\' {
			break
		}
		i, k = i-n, k+1
	}
	return i, k
}

// phrase reports whether the name and the word before it are a secret's
// together, as in "PIN code: 1234".
func (s *scanner) phrase(i int, name, quote []byte) bool {
	if s.form == xml || quote != nil || len(name) == 0 {
		return false
	}
	end := i
	for end > s.done && isSpace(s.b[end-1]) {
		end--
	}
	at := end - len(name)
	if at <= s.done || s.b[at-1] != ' ' {
		return false
	}
	j := at - 1
	for j > s.done && at-j < 64 && !isSpace(s.b[j-1]) && bytes.IndexByte([]byte("&?;,:=\"'<>{}"), s.b[j-1]) < 0 {
		j--
	}
	return Secret(s.b[j:end])
}

// digest reports whether at from is the response of a digest (RFC 7616 3.4): its
// name means much else, so that the value has to look like one.
func (s *scanner) digest(from int) bool {
	i := from
	for i < len(s.b) && !isHex(s.b[i]) {
		c, n := next(s.b, i)
		if c != '\\' && !isQuote(c) {
			return false
		}
		i += n
	}
	first := i
	for i < len(s.b) && isHex(s.b[i]) {
		i++
	}
	return i-first >= 32 || i == len(s.b) && !s.whole
}

// lineK reports whether the separator at i is that of SDP's k= line.
func (s *scanner) lineK(i, n int, c byte) bool {
	return c == '=' && n == 1 && i > 0 && s.b[i-1]|0x20 == 'k' && lineStart(s.b, i-1)
}
