package config

import (
	"fmt"
	"io"
	"strings"
)

// Format prints c as the lines that make it: what differs from the defaults,
// in the schema's order. A port or collector always gets at least its first line.
func Format(c Config) string {
	var b strings.Builder
	for _, o := range Schema() {
		o.each(&c, func(names []string, value, def string) {
			if value == def || value == "" {
				return
			}
			b.WriteString("set")
			for _, w := range o.Path {
				if w[0] == '<' {
					w, names = names[0], names[1:]
				}
				b.WriteByte(' ')
				b.WriteString(w)
			}
			b.WriteByte(' ')
			b.WriteString(o.quote(value))
			b.WriteByte('\n')
		})
	}
	return b.String()
}

// quote prints a value as the option takes it.
func (o *Option) quote(value string) string {
	if !o.Many {
		return quote(value)
	}
	words := strings.Fields(value)
	for i, w := range words {
		words[i] = quote(w)
	}
	return strings.Join(words, " ")
}

func quote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\r\"\\#") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// WriteReference prints every option with its default, help and an example:
// the reference page, and what `heptap config -h` shows.
func WriteReference(w io.Writer) error {
	for _, o := range Schema() {
		def := o.Default
		if def == "" {
			def = "none, must be set"
		}
		path := strings.NewReplacer("<port>", "span0", "<name>", "central", "<group>", "phones", "<rule>", "no-pings").Replace(strings.Join(o.Path, " "))
		if _, err := fmt.Fprintf(w, "set %s\n    %s\n    default: %s\n    example: set %s %s\n", o.Usage(), o.Help, def, path, o.quote(o.Example)); err != nil {
			return err
		}
	}
	return nil
}
