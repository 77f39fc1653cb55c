package console

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// item is a part of a view that where can choose: a row, or a block of them.
type item struct {
	above  string // the line over it and over those before it with the same one; empty: none
	text   string // whole lines
	values values
}

// values are what an item has under each of its fields.
type values map[string][]string

func (v values) field(name string) []string { return v[name] }

// valuesOf makes them of names and values in turn. Those that print as nothing are not there; a name
// that comes twice has both.
func valuesOf(pairs ...any) values {
	v := values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if text := fmt.Sprint(pairs[i+1]); text != "" {
			name := pairs[i].(string)
			v[name] = append(v[name], text)
		}
	}
	return v
}

func writeItems(b *strings.Builder, items []item) {
	above := ""
	for _, it := range items {
		if it.above != above {
			above = it.above
			b.WriteString(above)
		}
		b.WriteString(it.text)
	}
}

// view is a command that shows all there is, and with where those items that fit.
type view struct {
	path, help string
	unit       string   // what items are, for the line that counts them
	fields     []string // that items may have
	open       bool     // they have others, too
	all        func(*session, []string) (string, error)
	items      func(*session) ([]item, error)
}

const whereArgs = "[where FIELD OP VALUE ...]"

func (v view) command() command {
	return command{path: words(v.path), args: whereArgs, help: v.help,
		hints: func(s *session, typed []string) []hint {
			return whereHints(typed, func() []string {
				items, _ := v.items(s) // when there is none, some fields are known all the same
				return v.names(items)
			})
		},
		run: func(s *session, typed []string) (string, error) {
			if len(typed) == 0 {
				return v.all(s, nil)
			}
			return v.choose(s, typed)
		}}
}

// names are those of the fields: the usual ones, then what else items have.
func (v *view) names(items []item) []string {
	if !v.open {
		return v.fields
	}
	others := map[string]bool{}
	for _, it := range items {
		for name := range it.values {
			others[name] = !slices.Contains(v.fields, name)
		}
	}
	maps.DeleteFunc(others, func(_ string, other bool) bool { return !other })
	return slices.Concat(v.fields, slices.Sorted(maps.Keys(others)))
}

func (v *view) choose(s *session, typed []string) (string, error) {
	items, err := v.items(s)
	if err != nil {
		return "", err
	}
	q, err := parseWhere(typed, v.names(items))
	if err != nil {
		return "", err
	}
	items = slices.DeleteFunc(items, func(it item) bool { return !q.fits(it.values) })
	var b strings.Builder
	writeItems(&b, items)
	fmt.Fprintf(&b, "%d %s\n", len(items), v.unit)
	return b.String(), nil
}

var errOnlyWhere = errors.New("want: where FIELD eq|ne|contains|<|> VALUE [and|or ...]")

// parseWhere reads where FIELD OP VALUE [and|or FIELD OP VALUE]... over things that have no other fields.
func parseWhere(words, fields []string) (q query, err error) {
	if words[0] != "where" {
		return q, errOnlyWhere
	}
	if rest, err := q.terms(words[1:]); err != nil || len(rest) > 0 {
		return q, errOnlyWhere
	}
	for _, c := range slices.Concat(q.where...) {
		if !slices.Contains(fields, c.field) {
			return q, fmt.Errorf("there is no field %q here; there are: %s", printable(c.field), strings.Join(fields, ", "))
		}
	}
	return q, nil
}

// looksAt makes the items of a view of what runs.
func looksAt(items func(*Live) ([]item, error)) func(*session) ([]item, error) {
	return func(s *session) ([]item, error) {
		l, err := s.live()
		if err != nil {
			return nil, err
		}
		return items(l)
	}
}
