package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"heptap/firmware/internal/config"
)

// maxOutput is the most octets that one command shows.
const maxOutput = 1 << 20

// session is one user at one terminal.
type session struct {
	c       *Console
	id      int
	name    string
	rights  rights
	user    string // who has logged in; changed under Console.mu, by the session itself alone
	level   Level
	since   time.Time
	t       *terminal
	ctx     context.Context
	notices chan string

	// What is edited; see settings for what it is held against. base is what the
	// candidate was made of, and editing says that there is one.
	editing   bool // changed under Console.mu, by the session itself alone
	base      config.Draft
	baseAt    uint64
	candidate config.Draft

	failed bool // a command was not carried out
	leave  bool
	warned bool // that leaving loses changes
}

func (s *session) String() string {
	if s.user != "" {
		return fmt.Sprintf("session %d (%s, %s)", s.id, s.name, s.user)
	}
	return fmt.Sprintf("session %d (%s)", s.id, s.name)
}

// run reads commands until the input ends or the user leaves.
func (s *session) run() error {
	if !s.login() {
		return s.t.err
	}
	if !s.t.batch {
		s.t.print("heptap " + s.c.o.Version + "; ? shows what can be typed\n")
		for _, p := range []string{s.c.settings.brokenText(), s.c.settings.pendingText()} {
			if p != "" {
				s.t.print(p + "\n")
			}
		}
		if why := s.c.trouble(); why != "" {
			s.t.print("Nothing is captured: " + printable(why) + "\nset and commit change what runs; the same is tried again every now and then.\n")
		}
		s.welcome()
	}
	for !s.leave && s.t.err == nil {
		line, err := s.t.readLine(s.prompt(), s.more)
		switch {
		case errors.Is(err, errInterrupted):
			continue
		case errors.Is(err, io.EOF):
			s.end()
			return s.t.err
		case errors.Is(err, errTooLong):
			s.fail(err)
			continue
		case errors.Is(err, context.DeadlineExceeded):
			s.t.print(fmt.Sprintf("\nnothing was typed for %v\n", s.t.idle))
			return nil
		case err != nil:
			return err
		}
		s.t.remember(strings.TrimSpace(line))
		s.execute(line)
	}
	s.end()
	return s.t.err
}

// welcome sets up a box that has never been.
func (s *session) welcome() {
	running, _ := s.c.settings.current()
	if s.level < MayAll || s.c.o.Box == nil || running.Lines() > 0 || s.c.settings.brokenText() != "" {
		return
	}
	s.t.print("This box has no configuration yet.\n")
	if out, err := s.setup(); err != nil {
		s.fail(err)
	} else {
		s.t.print(out)
	}
}

// end says what becomes of a script.
func (s *session) end() {
	if !s.t.batch {
		return
	}
	if s.changed() {
		s.t.print("note: there were changes, and they were not committed\n")
	}
	if s.failed {
		s.t.write("\x15") // NAK
		return
	}
	s.t.write("\x06") // ACK
}

func (s *session) prompt() string {
	if s.changed() {
		return "heptap*> "
	}
	return "heptap> "
}

func (s *session) fail(err error) {
	s.failed = true
	s.t.print("error: " + printable(err.Error()) + "\n")
}

// execute carries out one line.
func (s *session) execute(line string) {
	typed, err := split(line)
	if err != nil {
		s.fail(err)
		return
	}
	if len(typed) == 0 {
		return
	}
	c, depth, err := resolve(commands(), typed)
	if err != nil {
		s.fail(err)
		return
	}
	if c.path[0] != "exit" && c.path[0] != "quit" {
		s.warned = false
	}
	args, behind := typed[depth:], [][]string(nil)
	if !c.text {
		args, behind = bars(args)
	}
	if len(c.path) == 1 && c.path[0] == "show" && len(behind) > 0 && len(behind[0]) == 1 && strings.HasPrefix("compare", behind[0][0]) && len(behind[0][0]) > 2 {
		args, behind = append(args, "|", "compare"), behind[1:]
	}
	if c.needs() > s.level {
		s.audited("not allowed: " + s.auditText(c, args))
		s.fail(errNotAllowed)
		return
	}
	if c.effects() {
		s.audited(s.auditText(c, args))
	}
	out, err := c.run(s, args)
	if errors.Is(err, errUsage) {
		err = fmt.Errorf("want: %s", c.usage())
	}
	pages := true
	if err == nil && behind != nil {
		out, pages, err = filter(out, behind)
	}
	if len(out) > maxOutput {
		out = out[:maxOutput] + "\n... and more: ask for less\n"
	}
	if pages {
		s.t.page(out)
	} else {
		s.t.print(out)
	}
	if err != nil {
		s.fail(err)
	}
}

func (s *session) exit() (string, error) {
	if s.changed() && !s.warned && !s.t.batch {
		s.t.print("There are changes that are not committed; exit once more to lose them.\n")
		s.warned = true
		return "", nil
	}
	s.leave = true
	return "", nil
}

func (s *session) showSessions() (string, error) {
	var b strings.Builder
	for _, o := range s.c.sessions() {
		note := ""
		if o.user != "" {
			note = ", " + o.user
		}
		if o.editing {
			note += ", editing"
		}
		if o.id == s.id {
			note += ", this one"
		}
		fmt.Fprintf(&b, "%d  %s, since %s%s\n", o.id, o.name, o.since.UTC().Format(time.RFC3339), note)
	}
	return b.String(), nil
}

// notify has a session shown a line when it does nothing else. A session that
// looks at nothing misses it.
func (s *session) notify(text string) {
	select {
	case s.notices <- text:
	default:
	}
}

// printable replaces what would not show, or would move the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r != '\n' && !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s)
}

func split(line string) ([]string, error) { return config.Split(line) }
