package trace

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Check returns what is wrong with c and what would be right.
func (c *Config) Check() []error {
	var errs []error
	if len(c.Rules) > MaxRules {
		errs = append(errs, fmt.Errorf("trace: %d rules; there may be %d: put more values into one, with commas or a group", len(c.Rules), MaxRules))
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		for _, l := range r.places() {
			for _, s := range l.values {
				if _, ok := c.networks(s); !ok {
					errs = append(errs, fmt.Errorf("trace rule %s: %s %q is no address, no network and no group; add a line: set trace group %s 192.0.2.0/24", r.Name, l.condition, s, s))
				}
			}
		}
	}
	return errs
}

// places are the values of a condition on addresses.
type places struct {
	condition string
	values    []string
}

func (r *Rule) places() []places {
	return []places{{"from", r.From}, {"to", r.To}, {"address", r.Address}}
}

// Warnings returns what is right in c and probably not meant. Other rules may use its groups.
func (c *Config) Warnings(others ...Rule) []string {
	var out []string
	for i := range c.Rules {
		r := &c.Rules[i]
		for j := range c.Rules[:i] {
			if e := &c.Rules[j]; c.covers(e, r) {
				out = append(out, fmt.Sprintf("trace rule %s is never reached: %s before it matches all that it matches; put it before that one, or remove it", r.Name, e.Name))
				break
			}
		}
	}
	for i := range c.Groups {
		name := c.Groups[i].Name
		uses := func(r Rule) bool { return r.uses(name) }
		if !slices.ContainsFunc(c.Rules, uses) && !slices.ContainsFunc(others, uses) {
			out = append(out, fmt.Sprintf("trace group %s is used by no rule", name))
		}
	}
	if c.Default == Deny && !slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Action == Allow }) {
		out = append(out, "trace default is deny, and no rule allows anything: no record will be kept")
	}
	return out
}

func (r *Rule) uses(group string) bool {
	return slices.ContainsFunc(r.places(), func(p places) bool { return slices.Contains(p.values, group) })
}

// covers reports whether e decides whatever r would match. It may be wrong in
// saying no.
func (c *Config) covers(e, r *Rule) bool {
	if e.Action == Count {
		return false
	}
	if len(e.conditions()) == 0 {
		return true
	}
	// A rule with method, or with types, is tried on more records of a call than
	// one without.
	if len(r.Methods) > 0 && len(e.Methods) == 0 || len(r.Types) > 0 && len(e.Types) == 0 {
		return false
	}
	return implied(e.Types, r.Types, same) && implied(e.Transports, r.Transports, same) && implied(e.Methods, r.Methods, same) &&
		c.holds(e.From, r.From) && c.holds(e.To, r.To) && c.holds(e.Address, r.Address) &&
		implied(e.Port, r.Port, Ports.holds) && implied(e.FromPort, r.FromPort, Ports.holds) && implied(e.ToPort, r.ToPort, Ports.holds) &&
		implied(e.User, r.User, userHolds) && implied(e.Caller, r.Caller, userHolds) && implied(e.Callee, r.Callee, userHolds) &&
		implied(e.Domain, r.Domain, domainHolds) && implied(e.Host, r.Host, domainHolds)
}

func (r *Rule) conditions() []string {
	var out []string
	for _, k := range conditions() {
		if len(k.list(r)) > 0 {
			out = append(out, k.name)
		}
	}
	return out
}

// implied reports whether a condition with the values all is met whenever one
// with the values some is: each of these is in one of those.
func implied[T any](all, some []T, holds func(a, b T) bool) bool {
	if len(all) == 0 {
		return true
	}
	return len(some) > 0 && !slices.ContainsFunc(some, func(s T) bool {
		return !slices.ContainsFunc(all, func(a T) bool { return holds(a, s) })
	})
}

func same[T comparable](a, b T) bool { return a == b }

func (p Ports) holds(o Ports) bool { return p.Low <= o.Low && o.High <= p.High }

func userHolds(a, b string) bool   { return a == b || a == "*" }
func domainHolds(a, b string) bool { return strings.EqualFold(a, b) || a == "*" }

// holds is implied for addresses.
func (c *Config) holds(all, some []string) bool {
	resolve := func(list []string) (out []netip.Prefix) {
		for _, s := range list {
			p, _ := c.networks(s)
			out = append(out, p...)
		}
		return out
	}
	return implied(resolve(all), resolve(some), func(a, b netip.Prefix) bool { return a.Bits() <= b.Bits() && a.Contains(b.Addr()) })
}
