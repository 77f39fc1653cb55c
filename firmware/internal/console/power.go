package console

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What Options.End can be asked for.
const (
	Restart      = "restart"
	PowerOff     = "power-off"
	FactoryReset = "factory-reset"
)

var errNoBox = errors.New("this machine is not heptap's to end: it runs something else, too")

// powerCommands end the box.
func powerCommands() []command {
	var all []command
	for _, p := range []struct{ path, what, help string }{
		{"reboot", Restart, "restart the box; what no collector has is kept"},
		{"poweroff", PowerOff, "shut the box down, so that its power can be cut"},
		{"factory reset", FactoryReset, "erase configuration, history and every record on the box, and restart it"},
	} {
		done := strings.ToUpper(p.path[:1]) + p.path[1:] + ": the box ends now.\n"
		all = append(all, confirmed(p.path, p.help, done, func(s *session) (func() error, error) {
			if s.c.o.End == nil {
				return nil, errNoBox
			}
			return func() error { return s.c.o.End(p.what) }, nil
		}))
	}
	return all
}

// confirmed is a command that wants the word yes behind its name, so that no shortened or
// misplaced one does. get returns what does it, or why that is not to be had here.
func confirmed(path, help, done string, get func(*session) (do func() error, err error)) command {
	return command{path: words(path), args: "yes", help: help,
		hints: func(_ *session, typed []string) []hint {
			if len(typed) > 0 {
				return nil
			}
			return []hint{{word: "yes", help: help}}
		},
		run: func(s *session, typed []string) (string, error) {
			do, err := get(s)
			switch {
			case err != nil:
				return "", err
			case len(typed) == 0:
				return fmt.Sprintf("This is to %s.\nTo do it: %s yes\n", help, path), nil
			case !slices.Equal(typed, []string{"yes"}):
				return "", errUsage
			}
			if err := do(); err != nil {
				return "", err
			}
			return done, nil
		}}
}
