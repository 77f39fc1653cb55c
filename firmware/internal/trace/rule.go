package trace

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"heptap/capture/record"
)

// MaxRules is how many rules there may be: a set of them is one 64-bit word.
const MaxRules = 64

// Action is what a rule does with what it matches.
type Action string

// The actions.
const (
	Allow Action = "allow"
	Deny  Action = "deny"
	Count Action = "count" // counts what it would have decided, and decides nothing
)

// Config is what an Engine is made of, as it is configured. The zero value keeps
// everything.
type Config struct {
	Default Action // of what no rule decides; empty is Allow
	Groups  []Group
	Rules   []Rule // the first that matches wins
}

// On reports whether there is anything to decide.
func (c *Config) On() bool { return len(c.Rules) > 0 || c.Default == Deny }

// Group is a named list of networks.
type Group struct {
	Name     string
	Networks []netip.Prefix // masked
}

// Rule is one rule. A condition that is empty is always met.
type Rule struct {
	Name   string
	Action Action

	Types                  []record.Type
	Transports             []string
	From, To, Address      []string // names of groups, or networks
	Port, FromPort, ToPort []Ports
	Methods                []string
	User, Caller, Callee   []string // patterns of USER or USER@DOMAIN
	Domain, Host           []string // patterns
}

// Ports is a range of ports, both ends included.
type Ports struct{ Low, High uint16 }

// String returns the range as it is configured.
func (p Ports) String() string {
	if p.Low == p.High {
		return strconv.Itoa(int(p.Low))
	}
	return fmt.Sprintf("%d-%d", p.Low, p.High)
}

// condition is one kind of condition: how its values are read and printed.
type condition struct {
	name string
	add  func(r *Rule, value string) error
	list func(r *Rule) []string
}

// conditions returns all kinds, in the order in which a rule is printed.
func conditions() []condition {
	return []condition{
		values("types", func(r *Rule) *[]record.Type { return &r.Types }, parseType, typeName),
		words("transport", func(r *Rule) *[]string { return &r.Transports }, parseTransport),
		words("from", func(r *Rule) *[]string { return &r.From }, parsePlace),
		words("to", func(r *Rule) *[]string { return &r.To }, parsePlace),
		words("address", func(r *Rule) *[]string { return &r.Address }, parsePlace),
		values("port", func(r *Rule) *[]Ports { return &r.Port }, parsePorts, Ports.String),
		values("from-port", func(r *Rule) *[]Ports { return &r.FromPort }, parsePorts, Ports.String),
		values("to-port", func(r *Rule) *[]Ports { return &r.ToPort }, parsePorts, Ports.String),
		words("method", func(r *Rule) *[]string { return &r.Methods }, parseMethod),
		words("user", func(r *Rule) *[]string { return &r.User }, parseUser),
		words("caller", func(r *Rule) *[]string { return &r.Caller }, parseUser),
		words("callee", func(r *Rule) *[]string { return &r.Callee }, parseUser),
		words("domain", func(r *Rule) *[]string { return &r.Domain }, parseDomain),
		words("host", func(r *Rule) *[]string { return &r.Host }, parseDomain),
	}
}

func values[T comparable](name string, at func(*Rule) *[]T, parse func(string) (T, error), format func(T) string) condition {
	return condition{name: name,
		add: func(r *Rule, value string) error {
			v, err := parse(value)
			if l := at(r); err == nil && !slices.Contains(*l, v) {
				*l = append(*l, v)
			}
			return err
		},
		list: func(r *Rule) []string {
			var out []string
			for _, v := range *at(r) {
				out = append(out, format(v))
			}
			return out
		}}
}

func words(name string, at func(*Rule) *[]string, parse func(string) (string, error)) condition {
	return values(name, at, parse, func(s string) string { return s })
}

// ParseRule reads a rule's action and conditions, words with blanks between
// them. The names of groups are not looked up, see Config.Check.
func ParseRule(name, text string) (Rule, error) {
	r := Rule{Name: name}
	if name == DefaultName {
		return Rule{}, fmt.Errorf("%q is not free as a name: it is what the counters call what no rule decides", name)
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return Rule{}, errors.New("want allow, deny or count, and then conditions")
	}
	switch r.Action = Action(words[0]); r.Action {
	case Allow, Deny, Count:
	default:
		return Rule{}, fmt.Errorf("%q: want allow, deny or count, and then conditions", words[0])
	}
	var given []string
	for words = words[1:]; len(words) > 0; words = words[2:] {
		kinds := conditions()
		i := slices.IndexFunc(kinds, func(k condition) bool { return k.name == words[0] })
		switch {
		case i < 0:
			return Rule{}, fmt.Errorf("unknown condition %q, want one of: %s", words[0], strings.Join(Conditions(), ", "))
		case slices.Contains(given, words[0]):
			return Rule{}, fmt.Errorf("%s is there twice; put a comma between values", words[0])
		case len(words) == 1:
			return Rule{}, fmt.Errorf("%s: a value is missing", words[0])
		}
		given = append(given, words[0])
		for v := range strings.SplitSeq(words[1], ",") {
			if err := kinds[i].add(&r, v); err != nil {
				return Rule{}, fmt.Errorf("%s %q: %w", words[0], v, err)
			}
		}
	}
	return r, nil
}

// String returns the rule without its name as ParseRule reads it.
func (r *Rule) String() string {
	out := []string{string(r.Action)}
	for _, k := range conditions() {
		if l := k.list(r); len(l) > 0 {
			out = append(out, k.name, strings.Join(l, ","))
		}
	}
	return strings.Join(out, " ")
}

// ParseGroup reads a group's networks, words with blanks between them.
func ParseGroup(name, text string) (Group, error) {
	g := Group{Name: name}
	if _, ok := network(name); ok {
		return Group{}, fmt.Errorf("%q is an address, and no name for a group", name)
	}
	for _, w := range strings.Fields(text) {
		p, ok := network(w)
		if !ok {
			return Group{}, fmt.Errorf("%q: want networks such as 192.0.2.0/24 or 2001:db8::/32, or addresses", w)
		}
		if !slices.Contains(g.Networks, p) {
			g.Networks = append(g.Networks, p)
		}
	}
	if len(g.Networks) == 0 {
		return Group{}, errors.New("want networks such as 192.0.2.0/24 or 2001:db8::/32, or addresses")
	}
	return g, nil
}

// String returns the group's networks as ParseGroup reads them.
func (g *Group) String() string {
	var out []string
	for _, p := range g.Networks {
		out = append(out, p.String())
	}
	return strings.Join(out, " ")
}

// network reads a network or an address.
func network(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, false
	}
	return p.Masked(), true
}

func namedTypes() []record.Type {
	return []record.Type{record.SIP, record.RTCP, record.RTPReport, record.DNS, record.ISUP, record.MI, record.REST, record.Net, record.Control, record.Log}
}

func parseType(s string) (record.Type, error) {
	if s == "xlog" { // as OpenSIPS calls it
		return record.Log, nil
	}
	var all []string
	for _, t := range namedTypes() {
		if t.String() == s {
			return t, nil
		}
		all = append(all, t.String())
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("unknown type, want one of: %s, xlog, or a HEP type's number from 1 to 255", strings.Join(all, ", "))
	}
	return record.Type(n), nil
}

func typeName(t record.Type) string {
	if slices.Contains(namedTypes(), t) {
		return t.String()
	}
	return strconv.Itoa(int(t))
}

func parseTransport(s string) (string, error) {
	if slices.Contains(transportNames[1:], s) {
		return s, nil
	}
	return "", fmt.Errorf("unknown transport, want one of: %s", strings.Join(transportNames[1:], ", "))
}

// parsePlace reads a network, or the name of a group.
func parsePlace(s string) (string, error) {
	if p, ok := network(s); ok {
		if p.IsSingleIP() {
			return p.Addr().String(), nil
		}
		return p.String(), nil
	}
	if s == "" || strings.ContainsAny(s, "/:") {
		return "", errors.New("want a group, a network such as 192.0.2.0/24 or 2001:db8::/32, or an address")
	}
	return s, nil
}

func parsePorts(s string) (Ports, error) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	a, err := strconv.ParseUint(low, 10, 16)
	b, err2 := strconv.ParseUint(high, 10, 16)
	if err != nil || err2 != nil || a == 0 || a > b {
		return Ports{}, errors.New("want a port such as 5060, or a range such as 5060-5080")
	}
	return Ports{uint16(a), uint16(b)}, nil
}

// parseMethod reads a method, a token (RFC 3261 25.1) whose case counts.
func parseMethod(s string) (string, error) {
	ok := s != ""
	for i := range len(s) {
		c := s[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-.!%*_+`'~", c) >= 0)
	}
	if !ok {
		return "", errors.New("want a SIP method such as INVITE")
	}
	return s, nil
}

// compareNetworks orders networks of one family by where they begin.
func compareNetworks(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// Conditions returns the names of all conditions.
func Conditions() []string {
	var out []string
	for _, k := range conditions() {
		out = append(out, k.name)
	}
	return out
}
