package ring

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Limits of an expression; both are far beyond what fits in a program.
const (
	maxExpression = 16 << 10 // octets
	maxNesting    = 100      // parentheses and nots
)

// ExpressionError says what is wrong with a filter expression, and where.
type ExpressionError struct {
	Offset int    // octets before the offending word
	Word   string // the offending word; empty at the end of the expression
	Want   string // what would have been right
}

// Error implements error.
func (e *ExpressionError) Error() string {
	if e.Word == "" {
		return fmt.Sprintf("column %d: the expression ends, want %s", e.Offset+1, e.Want)
	}
	return fmt.Sprintf("column %d: %q, want %s", e.Offset+1, e.Word, e.Want)
}

// parseExpression returns the tree, nil for an empty expression.
func parseExpression(text string) (node, error) {
	if len(text) > maxExpression {
		return nil, &ExpressionError{Offset: maxExpression, Word: "...", Want: fmt.Sprintf("at most %d octets", maxExpression)}
	}
	p := &parser{words: split(text)}
	if p.peek().text == "" {
		return nil, nil
	}
	n, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.peek().text != "" {
		return nil, p.want(`"and", "or" or the end`)
	}
	return n, nil
}

type word struct {
	text   string
	offset int
}

// split cuts text into words. The last one is empty and marks the end.
func split(text string) []word {
	var words []word
	for i := 0; i < len(text); {
		n := 1
		switch c := text[i]; {
		case isSpace(c):
			i++
			continue
		case strings.HasPrefix(text[i:], "&&"), strings.HasPrefix(text[i:], "||"):
			n = 2
		case !isPunct(c):
			for i+n < len(text) && !isSpace(text[i+n]) && !isPunct(text[i+n]) {
				n++
			}
		}
		words = append(words, word{text[i : i+n], i})
		i += n
	}
	return append(words, word{"", len(text)})
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isPunct(c byte) bool { return strings.IndexByte("()!&|", c) >= 0 }

type parser struct {
	words []word
	depth int
	last  qualifiers // of the term before, for an address or number alone
}

// qualifiers are what comes before a term's value.
type qualifiers struct {
	p    proto
	dir  direction
	kind string // host, net, port, portrange; empty: not said
}

func (p *parser) peek() word { return p.words[0] }

// keyword is the word ahead in lower case.
func (p *parser) keyword() string { return strings.ToLower(p.words[0].text) }

// next takes a word. The end is never taken.
func (p *parser) next() word {
	w := p.words[0]
	if w.text != "" {
		p.words = p.words[1:]
	}
	return w
}

func (p *parser) want(what string) error { return wrong(p.peek(), what) }

func wrong(w word, want string) error {
	return &ExpressionError{Offset: w.offset, Word: w.text, Want: want}
}

func (p *parser) expression() (node, error) {
	n, err := p.factor()
	for err == nil {
		var b node
		switch p.keyword() {
		case "and", "&&":
			p.next()
			if b, err = p.factor(); err == nil {
				n = and{n, b}
			}
		case "or", "||":
			p.next()
			if b, err = p.factor(); err == nil {
				n = or{n, b}
			}
		default:
			return n, nil
		}
	}
	return nil, err
}

func (p *parser) factor() (node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.want(fmt.Sprintf("at most %d levels", maxNesting))
	}
	defer func() { p.depth-- }()
	switch p.keyword() {
	case "not", "!":
		p.next()
		n, err := p.factor()
		if err != nil {
			return nil, err
		}
		return not{n}, nil
	case "(":
		p.next()
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		if p.keyword() != ")" {
			return nil, p.want(`"and", "or" or ")"`)
		}
		p.next()
		return n, nil
	}
	return p.term()
}

const wantTerm = "a term: host, net, port, portrange, src, dst, ip, ip6, arp, tcp, udp, sctp, icmp, icmp6, igmp, vlan, ether host, not or ("

func (p *parser) term() (node, error) {
	if p.keyword() == "vlan" {
		return p.vlan()
	}
	var q qualifiers
	first := p.peek()
	if q.p = protoNamed(p.keyword()); q.p != protoNone {
		p.next()
	}
	dir, hasDir, err := p.direction()
	if err != nil {
		return nil, err
	}
	q.dir = dir
	switch kind := p.keyword(); kind {
	case "host", "net", "port", "portrange":
		q.kind = kind
		p.next()
	default:
		if q.p != protoNone && !hasDir {
			if q.p == protoEther {
				return nil, p.want("host, src or dst after ether")
			}
			return protoTerm{q.p}, nil
		}
		if !hasDir && !isValue(p.peek().text) {
			return nil, p.want(wantTerm)
		}
	}
	if q == (qualifiers{}) {
		q = p.last
	}
	if err := q.check(first); err != nil {
		return nil, err
	}
	p.last = q
	return p.value(q)
}

// isValue says whether w looks like an address or a number, not a keyword.
func isValue(w string) bool {
	return w != "" && (w[0] >= '0' && w[0] <= '9' || strings.Contains(w, ":"))
}

// direction takes src, dst, "src or dst" or "src and dst".
func (p *parser) direction() (dir direction, found bool, err error) {
	switch p.keyword() {
	case "src":
		dir = source
	case "dst":
		dir = destination
	default:
		return either, false, nil
	}
	p.next()
	join := p.keyword()
	if join != "or" && join != "and" && join != "||" && join != "&&" {
		return dir, true, nil
	}
	p.next()
	other := p.keyword()
	if !(dir == source && other == "dst" || dir == destination && other == "src") {
		return either, false, p.want(`the other direction, or a value before "` + join + `"`)
	}
	p.next()
	if join == "or" || join == "||" {
		return either, true, nil
	}
	return both, true, nil
}

// check says which protocols go with which kinds.
func (q qualifiers) check(at word) error {
	ports := q.kind == "port" || q.kind == "portrange"
	switch {
	case q.p == protoNone:
	case q.p == protoEther && q.kind != "host" && q.kind != "":
		return wrong(at, "ether host")
	case ports && !q.p.hasPorts():
		return wrong(at, "tcp, udp or sctp before "+q.kind)
	case !ports && q.p != protoEther && q.p != protoIP && q.p != protoIP6:
		return wrong(at, `ip or ip6 before an address, or "`+at.text+` and ..."`)
	}
	return nil
}

func (p *parser) value(q qualifiers) (node, error) {
	w := p.next()
	switch {
	case q.kind == "port":
		n, ok := parsePort(w.text)
		if !ok {
			return nil, wrong(w, "a port number from 0 to 65535")
		}
		return portTerm{q.p, q.dir, n, n}, nil
	case q.kind == "portrange":
		return portRange(w, q)
	case q.p == protoEther:
		mac, err := net.ParseMAC(w.text)
		if err != nil || len(mac) != 6 {
			return nil, wrong(w, "a MAC address such as 02:00:00:00:00:01")
		}
		return etherTerm{q.dir, [6]byte(mac)}, nil
	}
	return address(w, q)
}

func parsePort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}

func portRange(w word, q qualifiers) (node, error) {
	from, to, _ := strings.Cut(w.text, "-")
	lo, ok1 := parsePort(from)
	hi, ok2 := parsePort(to)
	if !ok1 || !ok2 {
		return nil, wrong(w, "two port numbers from 0 to 65535, such as 10000-20000")
	}
	if lo > hi {
		return nil, wrong(w, fmt.Sprintf("the lower port first: %d-%d", hi, lo))
	}
	return portTerm{q.p, q.dir, lo, hi}, nil
}

// address reads a host's or a network's address.
func address(w word, q qualifiers) (node, error) {
	prefix, err := netip.ParsePrefix(w.text)
	if a, aerr := netip.ParseAddr(w.text); aerr == nil && a.Zone() == "" {
		prefix, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	switch {
	case err != nil && q.kind == "net":
		return nil, wrong(w, "an address and a prefix length such as 192.0.2.0/24 or 2001:db8::/32")
	case err != nil && q.kind == "" && q.p == protoNone && q.dir == either:
		return nil, wrong(w, "host, net, port or portrange before a value that is no address")
	case err != nil || q.kind == "host" && !prefix.IsSingleIP():
		return nil, wrong(w, "an address such as 192.0.2.1 or 2001:db8::1; for a network, say net")
	case prefix.Addr().Is4In6():
		return nil, wrong(w, "the IPv4 address "+prefix.Addr().Unmap().String())
	case prefix != prefix.Masked():
		return nil, wrong(w, "no bits set behind the prefix length: "+prefix.Masked().String())
	case q.p == protoIP && !prefix.Addr().Is4():
		return nil, wrong(w, "an IPv4 address after ip")
	case q.p == protoIP6 && prefix.Addr().Is4():
		return nil, wrong(w, "an IPv6 address after ip6")
	}
	return hostTerm{q.dir, prefix}, nil
}

func (p *parser) vlan() (node, error) {
	p.next()
	p.last = qualifiers{}
	w := p.peek()
	if !isValue(w.text) {
		return vlanTerm{anyVLAN}, nil
	}
	id, err := strconv.ParseUint(w.text, 10, 12)
	if err != nil {
		return nil, wrong(w, "a VLAN id from 0 to 4095")
	}
	p.next()
	return vlanTerm{int(id)}, nil
}
