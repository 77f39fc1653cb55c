package config

import (
	"fmt"
	"strings"

	"heptap/firmware/internal/trace"
)

func traceOptions() []Option {
	return []Option{
		{Path: []string{"trace", "group", "<group>"}, Arg: "NETWORK...", Default: "none", Many: true, Example: "10.1.0.0/16 2001:db8:1::/48",
			Help: "name for a list of networks and addresses, for the rules",
			set: func(c *Config, names []string, value string) error {
				g, err := trace.ParseGroup(names[0], value)
				if err != nil {
					return err
				}
				return put(&c.Trace.Groups, g, maxGroups, "trace group", func(g *trace.Group) string { return g.Name })
			},
			each: func(c *Config, fn func(names []string, value, def string)) {
				for i := range c.Trace.Groups {
					g := &c.Trace.Groups[i]
					fn([]string{g.Name}, g.String(), "")
				}
			}},
		{Path: []string{"trace", "rule", "<rule>"}, Arg: ruleArg, Default: "none", Many: true, Example: "deny from 10.1.0.0/16 method OPTIONS,REGISTER",
			Help: "which records are kept: the first rule that matches decides, in the order in which rules were first named; count only counts what it would decide. " +
				"Conditions: " + strings.Join(trace.Conditions(), ", "),
			set: func(c *Config, names []string, value string) error {
				return putRule(&c.Trace.Rules, "trace rule", names[0], value)
			},
			each: func(c *Config, fn func(names []string, value, def string)) {
				for i := range c.Trace.Rules {
					r := &c.Trace.Rules[i]
					fn([]string{r.Name}, r.String(), "")
				}
			}},
		single("trace default", "allow|deny", "", "what becomes of records that no rule decides", "deny",
			func(c *Config) *trace.Action { return &c.Trace.Default }, oneOf(trace.Allow, trace.Deny)),
	}
}

const maxGroups = 256

const ruleArg = "allow|deny|count [CONDITION VALUE,...]..."

func putRule(rules *[]trace.Rule, what, name, value string) error {
	r, err := trace.ParseRule(name, value)
	if err != nil {
		return err
	}
	return put(rules, r, trace.MaxRules, what, func(r *trace.Rule) string { return r.Name })
}

// filterRule is a rule of one collector's.
func filterRule() Option {
	return Option{Path: []string{"collector", "<name>", "filter", "rule", "<rule>"}, Arg: ruleArg, Default: "none", Many: true, Example: "deny types rtcp,rtp",
		Help: "which of the records that are kept this collector gets: rules and conditions as of trace rule; what is left out counts as filtered. It is decided when a record is made",
		set: func(c *Config, names []string, value string) error {
			k, err := c.collector(names[0])
			if err != nil {
				return err
			}
			return putRule(&k.Filter.Rules, "filter rule", names[1], value)
		},
		each: func(c *Config, fn func(names []string, value, def string)) {
			for i := range c.Collector {
				k := &c.Collector[i]
				for j := range k.Filter.Rules {
					fn([]string{k.Name, k.Filter.Rules[j].Name}, k.Filter.Rules[j].String(), "")
				}
			}
		}}
}

// put replaces the list's element of that name, or appends it.
func put[T any](list *[]T, v T, limit int, what string, nameOf func(*T) string) error {
	name := nameOf(&v)
	for i := range *list {
		if nameOf(&(*list)[i]) == name {
			(*list)[i] = v
			return nil
		}
	}
	if len(*list) == limit {
		return fmt.Errorf("%s %q: there may be %d; put more values into one", what, name, limit)
	}
	if !validName(name) {
		return fmt.Errorf("%s %q: a name is 1 to 32 letters, digits, '-', '_' or '.'", what, name)
	}
	*list = append(*list, v)
	return nil
}

// Warnings returns what is valid and probably not meant.
func (c *Config) Warnings() []string {
	var rules []trace.Rule
	for i := range c.Collector {
		rules = append(rules, c.Collector[i].Filter.Rules...)
	}
	return append(c.Trace.Warnings(rules...), c.collectorWarnings()...)
}

func traceErrors(name string, errs []error) []error {
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %w", name, err)
	}
	return errs
}
