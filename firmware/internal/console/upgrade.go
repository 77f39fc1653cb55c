package console

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Systems are those of a box, of which one runs and updates bring others.
type Systems struct {
	Show func() string // what there is, in lines
	// Install gets an update from a URL and installs it, an older one only by force; it
	// tells how it goes, and returns what is installed then.
	Install func(ctx context.Context, url string, force bool, tell func(line string)) (what string, err error)
	// InstallUSB installs one from the USB stick, by default the one for this board.
	InstallUSB func(ctx context.Context, name string, force bool, tell func(line string)) (what string, err error)
	Keep       func() error // commits the one that runs
	Back       func() error // restarts with the one before
}

var errNoSystems = errors.New("this machine runs something else, too: heptap is installed there, and updated, like any other program")

func upgradeCommands() []command {
	const backHelp = "restart with the system before, and give up the one that runs"
	yes := func(help string) func(*session, []string) []hint {
		return func(_ *session, typed []string) []hint {
			if len(typed) > 0 {
				return nil
			}
			return []hint{{word: "yes", help: help}}
		}
	}
	return []command{
		{path: words("show systems"), help: "the systems on the box, and which of them runs (*)", run: plain((*session).showSystems)},
		{path: words("upgrade"), args: "URL [force]", help: "get an update by HTTP or HTTPS and install it, to start at the next reboot; force: even an older one",
			hints: upgradeHints, run: (*session).upgrade},
		{path: words("upgrade usb"), args: "[NAME] [force]", help: "install an update from the USB stick that is plugged in: heptap-BOARD.update, or that one",
			hints: upgradeUSBHints, run: (*session).upgradeUSB},
		{path: words("upgrade keep"), help: "commit the system that runs now, before its trial is over", run: plain((*session).upgradeKeep)},
		{path: words("upgrade back"), args: "yes", help: backHelp, hints: yes(backHelp), run: func(s *session, typed []string) (string, error) {
			switch {
			case s.c.o.Systems == nil:
				return "", errNoSystems
			case len(typed) == 0:
				return "This is to " + backHelp + ".\nTo do it: upgrade back yes\n", nil
			case !slices.Equal(typed, []string{"yes"}):
				return "", errUsage
			}
			if err := s.c.o.Systems.Back(); err != nil {
				return "", err
			}
			return "The box restarts now.\n", nil
		}},
	}
}

func upgradeHints(_ *session, typed []string) []hint {
	switch len(typed) {
	case 0:
		return []hint{{word: "URL", help: "http://HOST/FILE or https://HOST/FILE: what scripts/image has made as .update", free: true}}
	case 1:
		return []hint{{word: "force", help: "take it even if it is not newer, or cannot read this box's data"}}
	}
	return nil
}

func upgradeUSBHints(_ *session, typed []string) []hint {
	force := hint{word: "force", help: "take it even if it is not newer, or cannot read this box's data"}
	switch len(typed) {
	case 0:
		return []hint{{word: "NAME", help: "of a file that is in no folder", free: true}, force}
	case 1:
		return []hint{force}
	}
	return nil
}

func (s *session) showSystems() (string, error) {
	if s.c.o.Systems == nil {
		return "", errNoSystems
	}
	return s.c.o.Systems.Show(), nil
}

func (s *session) upgrade(typed []string) (string, error) {
	switch {
	case len(typed) == 0, len(typed) > 2, len(typed) == 2 && typed[1] != "force":
		return "", errUsage
	case s.c.o.Systems == nil:
		return "", errNoSystems
	}
	return s.installs(func(ctx context.Context, tell func(string)) (string, error) {
		return s.c.o.Systems.Install(ctx, typed[0], len(typed) == 2, tell)
	})
}

func (s *session) upgradeUSB(typed []string) (string, error) {
	force := len(typed) > 0 && typed[len(typed)-1] == "force"
	if force {
		typed = typed[:len(typed)-1]
	}
	switch {
	case len(typed) > 1:
		return "", errUsage
	case s.c.o.Systems == nil:
		return "", errNoSystems
	}
	return s.installs(func(ctx context.Context, tell func(string)) (string, error) {
		return s.c.o.Systems.InstallUSB(ctx, strings.Join(typed, ""), force, tell)
	})
}

// installs shows how an installation goes, and what came of it.
func (s *session) installs(do func(ctx context.Context, tell func(string)) (string, error)) (string, error) {
	what := ""
	err := s.tells(func(ctx context.Context, tell func(string)) (err error) {
		what, err = do(ctx, tell)
		return err
	})
	if err != nil {
		return "", err
	}
	if what == "" {
		return "Left; the same command goes on with what is there.\n", nil
	}
	return fmt.Sprintf("Installed: %s. It is started by: reboot yes\n", what), nil
}

func (s *session) upgradeKeep() (string, error) {
	if s.c.o.Systems == nil {
		return "", errNoSystems
	}
	if err := s.c.o.Systems.Keep(); err != nil {
		return "", err
	}
	return "Committed.\n", nil
}

// withoutPassword is a URL as it may be shown.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "..."
	}
	return u.Redacted()
}
