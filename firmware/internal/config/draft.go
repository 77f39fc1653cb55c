package config

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Hidden is what stands for a secret where it is not shown. Setting a secret to it
// leaves the secret as it is.
const Hidden = "***"

// maxLines bounds a draft: more than all lists together can take.
const maxLines = 4096

// Draft is a configuration that is being edited: lines of which each is valid by
// itself. Whether they make a whole only Config says. A Draft is a value: its
// methods leave it as it is and return another.
type Draft struct{ lines []line }

// line is one option of a draft.
type line struct {
	option int      // index in the schema
	path   []string // as typed, with the names
	value  string
}

// ReadDraft reads the lines of a configuration. A secret that is Hidden is taken
// from old. Its errors are those of Parse.
func ReadDraft(r io.Reader, name string, old Draft) (Draft, error) {
	d, n, total := Draft{}, 0, 0
	s := bufio.NewScanner(io.LimitReader(r, MaxText+1))
	s.Buffer(nil, MaxText+1)
	for s.Scan() {
		n++
		if total += len(s.Bytes()) + 1; total > MaxText {
			return Draft{}, fmt.Errorf("%s:%d: a configuration has at most %d octets", name, n, MaxText)
		}
		words, err := Split(s.Text())
		if err == nil && len(words) > 0 && words[0] != "set" {
			err = fmt.Errorf("%q: a line begins with \"set\" or \"#\"", words[0])
		}
		if err == nil && len(words) > 0 {
			err = d.put(words[1:], old)
		}
		if err != nil {
			return Draft{}, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if err := s.Err(); err != nil {
		return Draft{}, fmt.Errorf("%s: %w", name, err)
	}
	if err := d.apply(); err != nil {
		return Draft{}, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// Set returns d with one more line, or another value for one: words are what
// follows "set", the path and the value.
func (d Draft) Set(words []string) (Draft, error) {
	out := Draft{slices.Clone(d.lines)}
	if err := out.put(words, d); err != nil {
		return d, err
	}
	if err := out.apply(); err != nil {
		return d, err
	}
	return out, nil
}

// put is Set without the look at other lines.
func (d *Draft) put(words []string, old Draft) error {
	schema := Schema()
	words = slices.Clone(words)
	if i := slices.IndexFunc(schema, func(o Option) bool { _, ok := o.match(words); return ok }); i >= 0 {
		n := len(schema[i].Path)
		if schema[i].Secret && len(words) == n+1 && words[n] == Hidden {
			j := old.find(words[:n])
			if j < 0 {
				return fmt.Errorf("set %s: there is no secret yet that %s could stand for", join(words[:n]), Hidden)
			}
			words[n] = old.lines[j].value
		}
	}
	c := Default()
	if err := apply(&c, schema, join(append([]string{"set"}, words...))); err != nil {
		return err
	}
	i := slices.IndexFunc(schema, func(o Option) bool { _, ok := o.match(words); return ok })
	o := &schema[i]
	n := len(o.Path)
	l := line{option: i, path: words[:n:n], value: strings.Join(words[n:], " ")}
	names, _ := o.match(words)
	o.each(&c, func(at []string, value, _ string) {
		if slices.Equal(at, names) && value != "" && !o.Secret {
			l.value = value // as Format would print it
		}
	})
	switch j := d.find(l.path); {
	case j >= 0:
		d.lines[j] = l
	case len(d.lines) == maxLines:
		return fmt.Errorf("set %s: a configuration has at most %d lines", join(l.path), maxLines)
	default:
		d.lines = append(d.lines, l)
	}
	return nil
}

// apply reports what the lines are not together, without the check of a whole.
func (d Draft) apply() error {
	c, schema := Default(), Schema()
	for _, l := range d.lines {
		o := &schema[l.option]
		names, _ := o.match(l.path)
		if err := o.set(&c, names, l.value); err != nil {
			return fmt.Errorf("set %s: %w", join(l.path), err)
		}
	}
	return nil
}

func (d Draft) find(path []string) int {
	return slices.IndexFunc(d.lines, func(l line) bool { return slices.Equal(l.path, path) })
}

// Delete returns d without the lines whose path begins with words, and how many
// these were.
func (d Draft) Delete(words []string) (Draft, int) {
	out := Draft{}
	for _, l := range d.lines {
		if !begins(l.path, words) {
			out.lines = append(out.lines, l)
		}
	}
	return out, len(d.lines) - len(out.lines)
}

func begins(path, words []string) bool {
	return len(words) <= len(path) && slices.Equal(path[:len(words)], words)
}

// Config returns the whole that the lines make, or what is wrong with it, by the
// rules of Parse.
func (d Draft) Config(name string) (Config, error) {
	return Parse(strings.NewReader(d.Text()), name)
}

// Text returns the lines as Parse reads them: in the schema's order, and the
// names under an option in the order in which they were first used.
func (d Draft) Text() string { return d.text(nil, false) }

// Shown returns the lines whose path begins with words, with Hidden for secrets.
func (d Draft) Shown(words []string) string { return d.text(words, true) }

func (d Draft) text(words []string, hide bool) string {
	schema := Schema()
	var b strings.Builder
	for _, l := range d.sorted() {
		if begins(l.path, words) {
			o := &schema[l.option]
			value := o.quote(l.value)
			if hide && o.Secret {
				value = Hidden
			}
			fmt.Fprintf(&b, "set %s %s\n", join(l.path), value)
		}
	}
	return b.String()
}

// sorted returns the lines in the order of Text.
func (d Draft) sorted() []line {
	schema := Schema()
	first := map[string]int{} // of a kind and a name: the line that used it first
	rank := func(l line) string {
		names, _ := schema[l.option].match(l.path)
		return l.path[0] + "\x00" + strings.Join(names, "\x00")
	}
	for i, l := range d.lines {
		if _, known := first[rank(l)]; !known {
			first[rank(l)] = i
		}
	}
	out := slices.Clone(d.lines)
	slices.SortStableFunc(out, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.option, b.option), cmp.Compare(first[rank(a)], first[rank(b)]))
	})
	return out
}

// Names returns the names that d uses where path goes on with one, in the order
// of their first use.
func (d Draft) Names(path []string) (out []string) {
	for _, l := range d.lines {
		if len(l.path) > len(path) && begins(l.path, path) {
			out = appendNew(out, l.path[len(path)])
		}
	}
	return out
}

// Lines is how many there are.
func (d Draft) Lines() int { return len(d.lines) }

// join prints words so that Split finds them again.
func join(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = quote(w)
	}
	return strings.Join(out, " ")
}

// Split cuts a line into words as the parser does; see the package comment.
func Split(line string) ([]string, error) { return split(line) }

// Change is a line that one of two drafts has and the other has not, or not at
// that place.
type Change struct {
	Added bool
	Line  string // with Hidden for a secret
}

// Changes compares two drafts: what makes the second one of the first.
func Changes(from, to Draft) (out []Change) {
	a, b := strings.SplitAfter(from.Text(), "\n"), strings.SplitAfter(to.Text(), "\n")
	as, bs := strings.Split(from.Shown(nil), "\n"), strings.Split(to.Shown(nil), "\n")
	// Equal ends need no table.
	lo := 0
	for lo < len(a) && lo < len(b) && a[lo] == b[lo] {
		lo++
	}
	ha, hb := len(a), len(b)
	for ha > lo && hb > lo && a[ha-1] == b[hb-1] {
		ha, hb = ha-1, hb-1
	}
	a, b, as, bs = a[lo:ha], b[lo:hb], as[lo:], bs[lo:]
	common := commonLines(a, b)
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common(i+1, j) >= common(i, j+1):
			out = append(out, Change{false, as[i]})
			i++
		default:
			out = append(out, Change{true, bs[j]})
			j++
		}
	}
	return out
}

// commonLines returns a function that says how many lines a[i:] and b[j:] have in
// common, in order. Of very long lists it knows nothing, and all is a change.
func commonLines(a, b []string) func(i, j int) int {
	const most = 4 << 20
	if len(a)*len(b) > most {
		return func(int, int) int { return 0 }
	}
	w := len(b) + 1
	t := make([]int32, (len(a)+1)*w)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				t[i*w+j] = t[(i+1)*w+j+1] + 1
			} else {
				t[i*w+j] = max(t[(i+1)*w+j], t[i*w+j+1])
			}
		}
	}
	return func(i, j int) int { return int(t[i*w+j]) }
}

// Rebase returns onto with the changes that made d of base: lines that d has not
// are taken out, those that it has new or otherwise are put in.
func (d Draft) Rebase(base, onto Draft) (Draft, error) {
	out := Draft{slices.Clone(onto.lines)}
	for _, l := range base.lines {
		if d.find(l.path) < 0 {
			out.lines = slices.DeleteFunc(out.lines, func(m line) bool { return slices.Equal(m.path, l.path) })
		}
	}
	for _, l := range d.lines {
		if i := base.find(l.path); i >= 0 && base.lines[i].value == l.value {
			continue
		}
		if i := out.find(l.path); i >= 0 {
			out.lines[i] = l
		} else {
			out.lines = append(out.lines, l)
		}
	}
	return out, out.apply()
}
