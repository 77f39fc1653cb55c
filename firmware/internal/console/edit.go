package console

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"heptap/firmware/internal/config"
)

const (
	confirmDefault = 10 * time.Minute
	confirmMost    = 24 * 60 // minutes
)

func editCommands() []command {
	return []command{
		{path: words("set"), args: "OPTION VALUE", help: "change an option of the candidate", text: true, hints: setHints, run: (*session).set},
		{path: words("delete"), args: "OPTION", help: "take an option, or all that begin so, out of the candidate", text: true, hints: lineHints, run: (*session).delete},
		{path: words("show"), args: "[| compare]", help: "the candidate; with compare what differs from the running configuration", run: (*session).show},
		{path: words("show configuration"), args: "[OPTION]", help: "the candidate, or what of it begins so", hints: lineHints, run: (*session).showCandidate},
		{path: words("show running"), help: "the running configuration", run: plain((*session).showRunning)},
		{path: words("show history"), args: "[N]", help: "configurations that ran before, or the Nth newest of them", hints: historyHints, run: (*session).showHistory},
		{path: words("show saved"), help: "names of the drafts that save has kept", run: plain((*session).showSaved)},
		{path: words("check"), help: "say what is wrong with the candidate", run: plain((*session).check)},
		{path: words("commit"), help: "put the candidate to work, or keep what waits to be confirmed", run: plain((*session).commit)},
		{path: words("commit confirmed"), args: "[MINUTES]", help: "put it to work, and roll it back by itself unless confirm follows", hints: minuteHints, run: (*session).commitConfirmed},
		{path: words("confirm"), help: "keep a commit that waits for it", run: plain((*session).confirm)},
		{path: words("abort"), help: "roll back at once a commit that waits to be confirmed", run: plain((*session).abort)},
		{path: words("rollback"), args: "[N]", help: "give up the changes; with N load the Nth newest of the history", hints: historyHints, run: (*session).rollback},
		{path: words("update"), help: "put your changes on top of what somebody else has committed", run: plain((*session).update)},
		{path: words("save"), args: "NAME", help: "keep the candidate under a name, secrets and all", hints: savedHints, run: (*session).save},
		{path: words("load"), args: "[NAME]", help: "make the candidate what was saved, or of lines to be pasted", hints: savedHints, run: (*session).load},
	}
}

// draft is the candidate, or what runs while there is none.
func (s *session) draft() config.Draft {
	if !s.editing {
		d, _ := s.c.settings.current()
		return d
	}
	return s.candidate
}

// changed says whether there is something to commit.
func (s *session) changed() bool { return s.editing && s.candidate.Text() != s.base.Text() }

// edit makes d the candidate. Whoever edits at the same time is told.
func (s *session) edit(d config.Draft) {
	if !s.editing {
		s.base, s.baseAt = s.c.settings.current()
		for _, o := range s.c.edits(s, true) {
			s.t.print(fmt.Sprintf("note: %v is editing, too; who commits first is first\n", o))
			o.notify(fmt.Sprintf("%v has begun to edit, too; who commits first is first", s))
		}
	}
	s.candidate = d
}

// finish leaves no candidate.
func (s *session) finish() {
	s.c.edits(s, false)
	s.base, s.candidate = config.Draft{}, config.Draft{}
}

func (s *session) set(words []string) (string, error) {
	if len(words) == 0 {
		return "", errUsage
	}
	d, err := s.draft().Set(words)
	if err == nil {
		s.edit(d)
	}
	return "", err
}

func (s *session) delete(words []string) (string, error) {
	if len(words) == 0 {
		return "", errors.New("want: delete OPTION; load with no lines makes an empty candidate")
	}
	d, n := s.draft().Delete(words)
	if n == 0 {
		return "", fmt.Errorf("the candidate has nothing that begins with %s", strings.Join(words, " "))
	}
	s.edit(d)
	if n > 1 {
		return fmt.Sprintf("%d lines deleted\n", n), nil
	}
	return "", nil
}

func (s *session) show(words []string) (string, error) {
	switch {
	case len(words) == 2 && words[0] == "|":
		return s.compare()
	case len(words) > 0:
		return "", fmt.Errorf("unknown command \"show %s\", want one of: %s", words[0], strings.Join(nexts(stepOn(commands(), 0, "show"), 1), ", "))
	}
	return s.showCandidate(nil)
}

func (s *session) showCandidate(words []string) (string, error) {
	d := s.draft()
	text := d.Shown(words)
	switch {
	case text == "" && len(words) > 0:
		return "", fmt.Errorf("the candidate has nothing that begins with %s", strings.Join(words, " "))
	case text == "":
		return "# nothing is set\n", nil
	}
	return text, nil
}

func (s *session) showRunning() (string, error) {
	d, _ := s.c.settings.current()
	if p := s.c.settings.pendingText(); p != "" {
		return "# " + p + "\n" + d.Shown(nil), nil
	}
	return d.Shown(nil), nil
}

// compare says what commit would change.
func (s *session) compare() (string, error) {
	running, _ := s.c.settings.current()
	changes := config.Changes(running, s.draft())
	if len(changes) == 0 {
		return "# no changes\n", nil
	}
	var b strings.Builder
	for _, c := range changes {
		sign := "- "
		if c.Added {
			sign = "+ "
		}
		b.WriteString(sign + c.Line + "\n")
	}
	return b.String(), nil
}

func (s *session) check() (string, error) {
	cfg, err := s.draft().Config("candidate")
	if err != nil {
		return "", err
	}
	return warnings(cfg.Warnings()) + "the candidate is right\n", nil
}

func warnings(list []string) string {
	var b strings.Builder
	for _, w := range list {
		b.WriteString("warning: " + printable(w) + "\n")
	}
	return b.String()
}

func (s *session) commit() (string, error) {
	if s.c.settings.pendingText() != "" && !s.changed() {
		return s.confirm()
	}
	return s.put(0)
}

func (s *session) commitConfirmed(words []string) (string, error) {
	within := confirmDefault
	switch {
	case len(words) > 1:
		return "", errUsage
	case len(words) == 1:
		n, err := strconv.ParseUint(words[0], 10, 16)
		if err != nil || n < 1 || n > confirmMost {
			return "", fmt.Errorf("%s: want 1 to %d minutes", words[0], confirmMost)
		}
		within = time.Duration(n) * time.Minute
	}
	return s.put(within)
}

// put commits the candidate.
func (s *session) put(confirm time.Duration) (string, error) {
	if !s.changed() {
		return "", errors.New("there is nothing to commit")
	}
	if s.failed && s.t.batch {
		return "", errors.New("not committed: a command before failed")
	}
	cfg, err := s.candidate.Config("candidate")
	if err != nil {
		return "", err
	}
	s.t.print(warnings(cfg.Warnings()) + "the capture begins anew with the new configuration ...\n")
	what := changesText(s.base, s.candidate)
	err = s.c.settings.commit(s, s.candidate, s.baseAt, confirm)
	if running, _ := s.c.settings.current(); running.Text() == s.candidate.Text() {
		s.finish()
	}
	if err != nil {
		return "", err
	}
	if confirm > 0 {
		s.audited(fmt.Sprintf("committed, to be confirmed within %v%s", confirm, what))
		return fmt.Sprintf("committed; it is rolled back in %v unless confirm follows\n", confirm), nil
	}
	s.audited("committed" + what)
	return "committed\n", nil
}

func (s *session) confirm() (string, error) {
	if err := s.c.settings.confirm(s); err != nil {
		return "", err
	}
	s.audited("confirmed")
	return "confirmed: the configuration file has it\n", nil
}

func (s *session) abort() (string, error) {
	s.t.print("the capture begins anew with the configuration before ...\n")
	if err := s.c.settings.abort(s); err != nil {
		return "", err
	}
	s.audited("rolled back")
	return "rolled back\n", nil
}

func (s *session) rollback(words []string) (string, error) {
	n := uint64(0)
	var err error
	if len(words) == 1 {
		n, err = strconv.ParseUint(words[0], 10, 16)
	}
	switch {
	case err != nil || len(words) > 1:
		return "", errUsage
	case n == 0:
		s.finish()
		return "the candidate is what runs\n", nil
	}
	path, err := s.c.settings.history.path(int(n))
	if err != nil {
		return "", err
	}
	return s.loadFile(path)
}

// loadFile makes the candidate what a file has.
func (s *session) loadFile(path string) (string, error) {
	text, _, err := read(path)
	if err != nil {
		return "", err
	}
	d, err := config.ReadDraft(strings.NewReader(string(text)), "line", s.draft())
	if err != nil {
		return "", err
	}
	s.edit(d)
	return "loaded; show | compare says what it changes, commit puts it to work\n", nil
}

func (s *session) update() (string, error) {
	running, at := s.c.settings.current()
	if !s.editing || at == s.baseAt {
		return "there is nothing newer\n", nil
	}
	d, err := s.candidate.Rebase(s.base, running)
	if err != nil {
		return "", err
	}
	s.candidate, s.base, s.baseAt = d, running, at
	return "your changes are on top of what runs now; show | compare says what they are\n", nil
}

func (s *session) showHistory(words []string) (string, error) {
	h := &s.c.settings.history
	if len(words) == 1 {
		n, err := strconv.ParseUint(words[0], 10, 16)
		if err != nil {
			return "", errUsage
		}
		path, err := h.path(int(n))
		if err != nil {
			return "", err
		}
		text, _, err := read(path)
		if err != nil {
			return "", err
		}
		d, err := config.ReadDraft(strings.NewReader(string(text)), "line", config.Draft{})
		return d.Shown(nil), err
	}
	if len(words) > 1 {
		return "", errUsage
	}
	all, err := h.numbers()
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "# nothing has been committed yet\n", nil
	}
	var b strings.Builder
	for i, n := range all {
		_, note, err := read(h.entry(n))
		if err != nil {
			note = err.Error()
		}
		fmt.Fprintf(&b, "%2d  %s\n", i+1, printable(note))
	}
	return b.String(), nil
}

func (s *session) showSaved() (string, error) {
	names, err := s.c.settings.history.names(savedPrefix)
	if len(names) == 0 && err == nil {
		return "# nothing is saved\n", nil
	}
	return strings.Join(names, "\n") + "\n", err
}

func (s *session) save(words []string) (string, error) {
	if len(words) != 1 {
		return "", errUsage
	}
	s.c.settings.saving.Lock()
	err := s.c.settings.history.save(words[0], s.draft().Text())
	s.c.settings.saving.Unlock()
	if err != nil {
		return "", err
	}
	return "saved; load " + words[0] + " brings it back, show prints it to be pasted elsewhere\n", nil
}

func (s *session) load(words []string) (string, error) {
	switch len(words) {
	case 0:
		return s.paste()
	case 1:
		path, err := s.c.settings.history.savedPath(words[0])
		if err != nil {
			return "", err
		}
		out, err := s.loadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("nothing is saved under %s; show saved lists what is", words[0])
		}
		return out, err
	}
	return "", errUsage
}

// paste makes the candidate of the lines that come next.
func (s *session) paste() (string, error) {
	if !s.t.batch {
		s.t.print("Paste the lines, then one with a dot alone; ^C gives up.\n")
	}
	var b strings.Builder
	for {
		line, err := s.t.readLine("", nil)
		switch {
		case errors.Is(err, errInterrupted):
			return "the candidate is as it was\n", nil
		case err != nil && !errors.Is(err, io.EOF):
			return "", err
		case err == nil && strings.TrimSpace(line) != ".":
			if b.Len()+len(line) < config.MaxText+2 {
				b.WriteString(line + "\n")
			}
			continue
		}
		d, derr := config.ReadDraft(strings.NewReader(b.String()), "line", s.draft())
		if derr != nil {
			return "", fmt.Errorf("the candidate is as it was: %w", derr)
		}
		s.edit(d)
		return fmt.Sprintf("%d lines loaded; show | compare says what they change, commit puts them to work\n", d.Lines()), nil
	}
}

// setHints says what can come after set.
func setHints(s *session, typed []string) (out []hint) {
	add := func(h hint) {
		if !slices.ContainsFunc(out, func(o hint) bool { return o.word == h.word }) {
			out = append(out, h)
		}
	}
	n := len(typed)
	all := config.Schema()
	for i := range all {
		o := &all[i]
		if !leads(o.Path, typed) {
			continue
		}
		switch {
		case n < len(o.Path) && o.Path[n][0] == '<':
			for _, name := range s.draft().Names(typed) {
				add(hint{word: name, help: "is there already"})
			}
			add(hint{word: o.Path[n], help: "a name that you choose", free: true})
		case n == len(o.Path)-1:
			add(hint{word: o.Path[n], help: o.Help})
		case n < len(o.Path):
			add(hint{word: o.Path[n], help: below(all, o.Path[:n+1])})
		case n == len(o.Path) || o.Many:
			for _, h := range valueHints(o) {
				add(h)
			}
		}
	}
	return out
}

// leads says whether what was typed fits the beginning of a path, or more than it.
func leads(path, typed []string) bool {
	for i, w := range path {
		if i < len(typed) && w[0] != '<' && w != typed[i] {
			return false
		}
	}
	return true
}

// below says in few words what options begin with path.
func below(all []config.Option, path []string) string {
	var names []string
	for i := range all {
		if p := all[i].Path; len(p) > len(path) && slices.Equal(p[:len(path)], path) {
			last := p[len(p)-1]
			if !slices.Contains(names, last) {
				names = append(names, last)
			}
		}
	}
	return strings.Join(names, ", ")
}

// valueHints says what an option takes: words that are meant as they stand, or a
// placeholder.
func valueHints(o *config.Option) (out []hint) {
	help := o.Help
	if o.Default != "" {
		help += "; default: " + o.Default
	}
	help += "; example: " + o.Example
	for _, w := range strings.Split(o.Arg, "|") {
		literal := w != "" && strings.ToLower(w) == w && !strings.ContainsAny(w, " [].<>")
		out = append(out, hint{word: w, help: help, free: !literal})
		help = ""
	}
	return out
}

// lineHints says which lines of the candidate begin with what was typed.
func lineHints(s *session, typed []string) (out []hint) {
	for _, name := range s.draft().Names(typed) {
		out = append(out, hint{word: name})
	}
	return out
}

func historyHints(s *session, typed []string) (out []hint) {
	all, err := s.c.settings.history.numbers()
	if err != nil || len(typed) > 0 {
		return nil
	}
	for i, n := range all {
		_, note, _ := read(s.c.settings.history.entry(n))
		out = append(out, hint{word: strconv.Itoa(i + 1), help: printable(note)})
	}
	return out
}

func savedHints(s *session, typed []string) (out []hint) {
	names, err := s.c.settings.history.names(savedPrefix)
	if err != nil || len(typed) > 0 {
		return nil
	}
	for _, n := range names {
		out = append(out, hint{word: n, help: "is saved"})
	}
	return append(out, hint{word: "NAME", help: "letters, digits, '-' and '_'", free: true})
}

func minuteHints(_ *session, typed []string) []hint {
	if len(typed) > 0 {
		return nil
	}
	return []hint{{word: "MINUTES", help: fmt.Sprintf("1 to %d; default: %d", confirmMost, int(confirmDefault.Minutes())), free: true}}
}
