package ng

const (
	maxDepth     = 32
	maxDigits    = 7  // of a string's length: more is beyond MaxMessage anyway
	maxIntDigits = 20 // of an integer, its sign apart
)

// status says how reading a value ended.
type status uint8

const (
	whole status = iota
	short        // it goes on behind the octets there are
	bad
)

// str reads the string at b[at]: its octets, and where it ends.
func str(b []byte, at int) (s []byte, next int, st status) {
	n, i := 0, at
	for ; i < len(b) && isDigit(b[i]); i++ {
		if i-at >= maxDigits || i-at == 1 && b[at] == '0' {
			return nil, 0, bad
		}
		n = n*10 + int(b[i]-'0')
	}
	switch {
	case i == len(b):
		return nil, 0, short
	case i == at || b[i] != ':':
		return nil, 0, bad
	}
	i++
	if n > len(b)-i {
		if i-at+n > MaxMessage {
			return nil, 0, bad
		}
		return nil, 0, short
	}
	return b[i : i+n : i+n], i + n, whole
}

// integer reads the integer at b[at]: its digits with the sign, and where it
// ends.
func integer(b []byte, at int) (digits []byte, next int, st status) {
	i := at + 1 // the i
	if i < len(b) && b[i] == '-' {
		i++
	}
	first := i
	for i < len(b) && isDigit(b[i]) && i-first <= maxIntDigits {
		i++
	}
	switch {
	case i == len(b):
		return nil, 0, short
	case i == first || i-first > maxIntDigits || b[i] != 'e', i-first > 1 && b[first] == '0':
		return nil, 0, bad
	}
	return b[at+1 : i : i], i + 1, whole
}

// skip returns where the value at b[at] ends. depth is how many it is nested in.
func skip(b []byte, at, depth int) (next int, st status) {
	if at >= len(b) {
		return 0, short
	}
	switch c := b[at]; {
	case isDigit(c):
		_, next, st = str(b, at)
		return next, st
	case c == 'i':
		_, next, st = integer(b, at)
		return next, st
	case c != 'l' && c != 'd', depth >= maxDepth:
		return 0, bad
	}
	isDict := b[at] == 'd'
	for at++; ; {
		if at >= len(b) {
			return 0, short
		}
		if b[at] == 'e' {
			return at + 1, whole
		}
		if isDict {
			if _, at, st = str(b, at); st != whole {
				return 0, st
			}
		}
		if at, st = skip(b, at, depth+1); st != whole {
			return 0, st
		}
	}
}

// entries walks the entries of a dictionary.
type entries struct {
	b  []byte
	at int
	st status // of what comes next: short or bad end the walk
}

// next returns the next key and its value in bencode.
func (e *entries) next() (key, value []byte, ok bool) {
	if e.at >= len(e.b) {
		e.st = short
		return nil, nil, false
	}
	if e.b[e.at] == 'e' {
		e.at++
		return nil, nil, false
	}
	key, start, st := str(e.b, e.at)
	if st == whole {
		var end int
		if end, st = skip(e.b, start, 1); st == whole {
			e.at = end
			return key, e.b[start:end:end], true
		}
	}
	e.st = st
	return nil, nil, false
}

func isDigit(c byte) bool { return c-'0' < 10 }
