package dns

const (
	maxName  = 255 // octets, the length octets and the root's included
	maxLabel = 63
	pointer  = 0xc0
)

// Name is a domain name inside a message. The zero Name is the root.
type Name struct {
	msg []byte
	at  int
}

// status says how reading something ended.
type status uint8

const (
	whole status = iota
	short        // it goes on behind the octets there are
	bad
)

// name reads the name at msg[at] and returns where what follows it begins.
func name(msg []byte, at int) (n Name, next int, st status) {
	n = Name{msg, at}
	octets, lowest, limit := 1, at, len(msg)
	for {
		switch {
		case at >= limit && next > 0:
			return Name{}, 0, bad // a pointer led here: into what led to it
		case at >= limit:
			return Name{}, 0, short
		}
		switch c := int(msg[at]); {
		case c == 0:
			if next == 0 {
				next = at + 1
			}
			return n, next, whole
		case c&pointer == pointer:
			if at+1 >= limit {
				at = limit
				continue
			}
			if next == 0 {
				next = at + 2
			}
			if at = (c&^pointer)<<8 | int(msg[at+1]); at >= lowest {
				return Name{}, 0, bad
			}
			lowest, limit = at, lowest
		case c > maxLabel:
			return Name{}, 0, bad
		default:
			if octets += c + 1; octets > maxName {
				return Name{}, 0, bad
			}
			at += c + 1
		}
	}
}

// label returns the next label, nil behind the last one; n is what name has
// read before.
func (n *Name) label() []byte {
	for n.at < len(n.msg) {
		c := int(n.msg[n.at])
		switch {
		case c == 0:
			return nil
		case c&pointer == pointer:
			n.at = (c&^pointer)<<8 | int(n.msg[n.at+1])
			continue
		}
		l := n.msg[n.at+1 : n.at+1+c]
		n.at += c + 1
		return l
	}
	return nil
}

// Labels yields the labels as they are, from the left.
func (n Name) Labels(yield func(label []byte) bool) {
	for l := n.label(); l != nil && yield(l); l = n.label() {
	}
}

// Append appends the name in its usual form to dst, without the dot at its
// end: "." for the root. Octets in a label that are not printable, a dot and a
// backslash are written as \DDD and \. (RFC 4343 2.1): at most 1,019 octets.
func (n Name) Append(dst []byte) []byte {
	from := len(dst)
	for l := n.label(); l != nil; l = n.label() {
		if len(dst) > from {
			dst = append(dst, '.')
		}
		for _, c := range l {
			switch {
			case c == '.' || c == '\\':
				dst = append(dst, '\\', c)
			case c <= ' ' || c >= 0x7f:
				dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
			default:
				dst = append(dst, c)
			}
		}
	}
	if len(dst) == from {
		dst = append(dst, '.')
	}
	return dst
}

// String returns what Append appends. It allocates.
func (n Name) String() string { return string(n.Append(nil)) }

// isFolded compares without case; want is in lower case.
func isFolded(b []byte, want string) bool {
	if len(b) != len(want) {
		return false
	}
	for i, c := range b {
		if c != want[i] && (c|0x20 != want[i] || c-'A' >= 26) {
			return false
		}
	}
	return true
}
