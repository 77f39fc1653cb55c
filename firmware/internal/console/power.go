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

// powerCommands end the box. Each wants a word more than its name, so that no
// shortened or misplaced one does.
func powerCommands() []command {
	var all []command
	for _, p := range []struct{ path, what, help string }{
		{"reboot", Restart, "restart the box; what no collector has is kept"},
		{"poweroff", PowerOff, "shut the box down, so that its power can be cut"},
		{"factory reset", FactoryReset, "erase configuration, history and every record on the box, and restart it"},
	} {
		all = append(all, command{path: words(p.path), args: "yes", help: p.help,
			hints: func(_ *session, typed []string) []hint {
				if len(typed) > 0 {
					return nil
				}
				return []hint{{word: "yes", help: p.help}}
			},
			run: func(s *session, words []string) (string, error) {
				switch {
				case s.c.o.End == nil:
					return "", errNoBox
				case len(words) == 0:
					return fmt.Sprintf("This is to %s.\nTo do it: %s yes\n", p.help, p.path), nil
				case !slices.Equal(words, []string{"yes"}):
					return "", errUsage
				}
				if err := s.c.o.End(p.what); err != nil {
					return "", err
				}
				return strings.ToUpper(p.path[:1]) + p.path[1:] + ": the box ends now.\n", nil
			}})
	}
	return all
}
