package config

import (
	"fmt"
	"strings"
)

// collectorWarnings says which collectors are one server.
func (c *Config) collectorWarnings() (out []string) {
	for i := range c.Collector {
		k := &c.Collector[i]
		f := c.FilterOf(k)
		f.Groups = nil // they are the rules' that are for all
		for _, w := range f.Warnings() {
			out = append(out, fmt.Sprintf("collector %s filter: %s", k.Name, w))
		}
		for j := range c.Collector[:i] {
			a, b := &c.Collector[j], &c.Collector[i]
			if strings.EqualFold(a.Address, b.Address) && (a.Transport == UDP) == (b.Transport == UDP) {
				out = append(out, fmt.Sprintf("collectors %s and %s have the same address, %s: it gets every record twice", a.Name, b.Name, b.Address))
			}
		}
	}
	return out
}
