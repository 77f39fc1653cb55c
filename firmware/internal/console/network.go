package console

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// pings is how many echo requests are sent when nobody says.
const pings = 5

var errNotHere = errors.New("not from here: it is asked of the probe")

func networkCommands() []command {
	free := func(words ...hint) func(*session, []string) []hint {
		return func(_ *session, typed []string) []hint {
			if len(typed) >= len(words) {
				return nil
			}
			return words[len(typed) : len(typed)+1]
		}
	}
	host := hint{word: "HOST", help: "an address, or a name", free: true}
	return []command{
		{path: words("ping"), args: "HOST [N]", help: fmt.Sprintf("whether a host answers echo requests: %d, or N, one a second, until ^C", pings),
			hints: free(host, hint{word: "N", help: "1 to 1000", free: true}), run: (*session).ping},
		{path: words("resolve"), args: "NAME", help: "what the name servers say of a name, of a service (_sip._udp.example.org) or of an address",
			hints: free(hint{word: "NAME", help: "a name, or an address", free: true}), run: (*session).resolve},
	}
}

func (s *session) ping(typed []string) (string, error) {
	count := pings
	switch len(typed) {
	case 1:
	case 2:
		var err error
		if count, err = strconv.Atoi(typed[1]); err != nil {
			return "", errUsage
		}
	default:
		return "", errUsage
	}
	if s.c.o.Ping == nil {
		return "", errNotHere
	}
	return "", s.tells(func(ctx context.Context, tell func(string)) error { return s.c.o.Ping(ctx, typed[0], count, tell) })
}

func (s *session) resolve(typed []string) (string, error) {
	if len(typed) != 1 {
		return "", errUsage
	}
	if s.c.o.Resolve == nil {
		return "", errNotHere
	}
	return "", s.tells(func(ctx context.Context, tell func(string)) error { return s.c.o.Resolve(ctx, typed[0], tell) })
}

// tells shows the lines that do tells of as they come, until it ends or ^C comes.
func (s *session) tells(do func(ctx context.Context, tell func(string)) error) error {
	return s.tellsUntil(s.t.interrupted, do)
}

func (s *session) tellsUntil(enough func() bool, do func(ctx context.Context, tell func(string)) error) error {
	ctx, cancel := context.WithCancel(s.t.ctx)
	defer cancel()
	lines, ended := make(chan string), make(chan error, 1)
	go func() {
		ended <- do(ctx, func(l string) {
			select {
			case lines <- l:
			case <-ctx.Done():
			}
		})
	}()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case l := <-lines:
			s.t.print("  " + printable(l) + "\n")
		case err := <-ended:
			return err
		case <-look.C:
		}
		if enough() || s.t.err != nil {
			return nil
		}
	}
}

func (s *session) testLEDs() (string, error) {
	l, err := s.live()
	if err != nil {
		return "", err
	}
	if l.TestLEDs == nil {
		return "", errNotHere
	}
	return "", s.tells(l.TestLEDs)
}
