package console

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// command is something that can be typed.
type command struct {
	path []string // its words
	args string   // what comes after them, for help
	help string
	text bool // what comes after its words is not looked at for filters
	// hints says what may come after words, which are the whole ones behind path;
	// nil: nothing.
	hints func(s *session, words []string) []hint
	// run carries it out, and returns what is to be shown page by page.
	run func(s *session, words []string) (string, error)
}

// hint is what can come next in a line.
type hint struct {
	word, help string
	free       bool // word stands for what the user makes up
}

// errUsage says that a command was typed with more or less than it takes.
var errUsage = errors.New("usage")

// commands are all there are, in the order in which help shows them.
func commands() []command {
	return slices.Concat(editCommands(), viewCommands(), callCommands(), followCommands(), recordCommands(), testCommands(), networkCommands(), identifyCommands(), setupCommands(), userCommands(), fileCommands(), powerCommands(), upgradeCommands(), sessionCommands())
}

func sessionCommands() []command {
	return []command{
		{path: words("show version"), help: "version of the program, the board, the kernel", run: plain(func(s *session) (string, error) {
			text := "heptap " + s.c.o.Version + "\n"
			if s.c.o.About != nil {
				text += printable(s.c.o.About())
			}
			return text, nil
		})},
		{path: words("show sessions"), help: "who is at a console, and who is editing", run: plain((*session).showSessions)},
		{path: words("help"), help: "what can be typed; ? does the same at any place of a line", run: plain((*session).helpText)},
		{path: words("exit"), help: "end the session; changes that are not committed are lost", run: plain((*session).exit)},
		{path: words("quit"), help: "the same", run: plain((*session).exit)},
	}
}

func words(s string) []string { return strings.Fields(s) }

// plain makes a command of one that takes no words.
func plain(run func(*session) (string, error)) func(*session, []string) (string, error) {
	return func(s *session, words []string) (string, error) {
		if len(words) > 0 {
			return "", errUsage
		}
		return run(s)
	}
}

// resolve finds the command that words begin with; each word may be shortened as
// long as it fits only one. When none is found, next are the words that could
// come after the first depth ones.
func resolve(all []command, words []string) (found *command, depth int, err error) {
	for ; depth < len(words); depth++ {
		fit := stepOn(all, depth, words[depth])
		if len(fit) == 0 {
			break
		}
		if names := nexts(fit, depth); len(names) > 1 {
			return nil, depth, fmt.Errorf("%q is ambiguous: %s", words[depth], strings.Join(names, ", "))
		}
		all = fit
	}
	for i := range all {
		if len(all[i].path) == depth {
			return &all[i], depth, nil
		}
	}
	names := strings.Join(nexts(all, depth), ", ")
	if depth < len(words) {
		return nil, depth, fmt.Errorf("unknown command %q, want one of: %s", strings.Join(words[:depth+1], " "), names)
	}
	return nil, depth, fmt.Errorf("%s: incomplete, want one of: %s", strings.Join(words, " "), names)
}

// stepOn returns the commands that go on with a word, whole or, if there are none,
// shortened.
func stepOn(all []command, depth int, word string) (fit []command) {
	for _, c := range all {
		if len(c.path) > depth && c.path[depth] == word {
			fit = append(fit, c)
		}
	}
	if len(fit) > 0 || word == "" {
		return fit
	}
	for _, c := range all {
		if len(c.path) > depth && strings.HasPrefix(c.path[depth], word) {
			fit = append(fit, c)
		}
	}
	return fit
}

// nexts are the words that commands have at a depth.
func nexts(all []command, depth int) (names []string) {
	for _, c := range all {
		if len(c.path) > depth && !slices.Contains(names, c.path[depth]) {
			names = append(names, c.path[depth])
		}
	}
	return names
}

// hints returns what can come after whole words.
func (s *session) hints(typed []string) (out []hint) {
	all := commands()
	depth := 0
	for ; depth < len(typed); depth++ {
		fit := stepOn(all, depth, typed[depth])
		if len(nexts(fit, depth)) != 1 {
			break
		}
		all = fit
	}
	rest := typed[depth:]
	var own *command
	for i := range all {
		c := &all[i]
		switch {
		case len(c.path) == depth:
			own = c
		case len(rest) == 0 && len(c.path) == depth+1:
			out = append(out, hint{word: c.path[depth], help: c.help})
		case len(rest) == 0 && !slices.ContainsFunc(out, func(h hint) bool { return h.word == c.path[depth] }):
			out = append(out, hint{word: c.path[depth], help: under(all, c.path[:depth+1])})
		}
	}
	if own == nil {
		return out
	}
	if i := slices.Index(rest, "|"); i >= 0 && !own.text {
		return filterHints(own, rest[i+1:])
	}
	if own.hints != nil {
		out = append(out, own.hints(s, rest)...)
	}
	return out
}

// under says in few words what commands begin with path.
func under(all []command, path []string) string {
	var names []string
	for _, c := range all {
		if len(c.path) > len(path) && slices.Equal(c.path[:len(path)], path) {
			names = append(names, c.path[len(path)])
		}
	}
	return strings.Join(names, ", ")
}

// more completes a line, or says what could come next in it.
func (s *session) more(line string, ask bool) (string, string) {
	typed, partial, ok := cutLast(line)
	if !ok {
		return line, ""
	}
	hints := s.hints(typed)
	fit := slices.DeleteFunc(slices.Clone(hints), func(h hint) bool { return !h.free && !strings.HasPrefix(h.word, partial) })
	exact := slices.DeleteFunc(slices.Clone(fit), func(h hint) bool { return h.free })
	if ask {
		return line, s.explain(typed, partial, fit)
	}
	switch {
	case len(exact) == 0, partial == "" && len(fit) > len(exact):
		return line, s.explain(typed, partial, fit)
	case len(exact) == 1:
		return line[:len(line)-len(partial)] + exact[0].word + " ", ""
	}
	common := exact[0].word
	for _, h := range exact[1:] {
		n := 0
		for n < min(len(common), len(h.word)) && common[n] == h.word[n] {
			n++
		}
		common = common[:n]
	}
	if len(common) > len(partial) {
		return line[:len(line)-len(partial)] + common, ""
	}
	return line, s.explain(typed, partial, fit)
}

// cutLast cuts a line into the words that are whole and the one at its end that
// is not; ok is false inside quotes.
func cutLast(line string) (whole []string, partial string, ok bool) {
	if quoted(line) {
		return nil, "", false
	}
	i := strings.LastIndexAny(line, " \t") + 1
	whole, err := split(line[:i])
	return whole, line[i:], err == nil
}

// explain lists hints for a person.
func (s *session) explain(typed []string, partial string, hints []hint) string {
	var b strings.Builder
	if len(hints) == 0 {
		_, _, err := resolve(commands(), typed)
		switch {
		case err != nil:
			fmt.Fprintf(&b, "  %v\n", err)
		case partial != "":
			fmt.Fprintf(&b, "  nothing begins with %q here\n", printable(partial))
		}
	}
	if c, depth, err := resolve(commands(), typed); err == nil && partial == "" {
		if len(hints) == 0 || depth == len(typed) && c.hints == nil && c.args == "" {
			hints = append(hints, hint{word: "<Enter>", help: c.help, free: true})
		}
	}
	b.WriteString(columns(hints, s.t.width))
	return b.String()
}

// columns prints hints in two columns, the second one broken to width.
func columns(hints []hint, width int) string {
	w := 4
	for _, h := range hints {
		w = max(w, min(len([]rune(h.word)), 28))
	}
	var b strings.Builder
	for _, h := range hints {
		fmt.Fprintf(&b, "  %-*s", w, h.word)
		room, used := max(width-w-5, 20), 0
		for _, word := range strings.Fields(h.help) {
			n := len([]rune(word))
			switch {
			case used == 0:
				b.WriteString("  ")
			case used+1+n > room:
				fmt.Fprintf(&b, "\n%*s", w+4, "")
				used = 0
			default:
				b.WriteString(" ")
				used++
			}
			b.WriteString(word)
			used += n
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (s *session) helpText() (string, error) {
	var hints []hint
	for _, c := range commands() {
		hints = append(hints, hint{word: strings.TrimSpace(strings.Join(c.path, " ") + " " + c.args), help: c.help})
	}
	const keys = `
Tab completes, ? shows what can come next, a word may be shortened. Up and Down call
lines back, ^C gives a line up, ^U and ^W delete, ^V takes the next key as it is.
What a command shows can be filtered: | match TEXT, | except TEXT, | count.
`
	return columns(hints, s.t.width) + keys, nil
}

// filters are what can stand behind a bar, but for compare, which is a part of show.
func filters() []hint {
	return []hint{
		{word: "match", help: "only lines with this text, whatever its case"},
		{word: "except", help: "only lines without it"},
		{word: "count", help: "how many lines"},
		{word: "no-more", help: "all at once, not page by page"},
	}
}

func filterHints(c *command, behind []string) []hint {
	if i := slices.Index(behind, "|"); i >= 0 {
		return filterHints(c, behind[i+1:])
	}
	switch {
	case len(behind) == 0 && slices.Equal(c.path, words("show")):
		return append([]hint{{word: "compare", help: "what differs from the running configuration"}}, filters()...)
	case len(behind) == 0:
		return filters()
	case len(behind) == 1 && (behind[0] == "match" || behind[0] == "except"):
		return []hint{{word: "TEXT", help: "part of a line", free: true}}
	}
	return nil
}

// filter passes a command's output through what stands behind bars.
func filter(text string, bars [][]string) (out string, pages bool, err error) {
	pages = true
	for _, f := range bars {
		name := ""
		if len(f) > 0 {
			name = f[0]
		}
		takes := 1
		if name == "match" || name == "except" {
			takes = 2
		}
		if len(f) != takes {
			name = ""
		}
		switch name {
		case "match", "except":
			want := strings.ToLower(f[1])
			var b strings.Builder
			for line := range strings.Lines(text) {
				if strings.Contains(strings.ToLower(line), want) == (name == "match") {
					b.WriteString(line)
				}
			}
			text = b.String()
		case "count":
			text = fmt.Sprintf("%d lines\n", strings.Count(text, "\n"))
		case "no-more":
			pages = false
		default:
			return "", false, fmt.Errorf("| %s: want match TEXT, except TEXT, count or no-more", strings.Join(f, " "))
		}
	}
	return text, pages, nil
}

// bars cuts words at the bars between them.
func bars(words []string) (before []string, behind [][]string) {
	i := slices.Index(words, "|")
	if i < 0 {
		return words, nil
	}
	before, words = words[:i], words[i+1:]
	for {
		i := slices.Index(words, "|")
		if i < 0 {
			return before, append(behind, words)
		}
		behind, words = append(behind, words[:i]), words[i+1:]
	}
}

// usage says how a command is typed.
func (c *command) usage() string {
	return cmp.Or(strings.TrimSpace(strings.Join(c.path, " ")+" "+c.args), "?")
}
