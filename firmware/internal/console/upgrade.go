package console

import (
	"context"
	"errors"
	"fmt"
	"net/url"
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
	return []command{
		{path: words("show systems"), help: "the systems on the box, and which of them runs (*)", run: plain((*session).showSystems)},
		{path: words("upgrade"), args: "URL [force]", help: "get an update by HTTP or HTTPS and install it, to start at the next reboot; force: even an older one",
			hints: upgradeHints(hint{word: "URL", help: "http://HOST/FILE or https://HOST/FILE: what scripts/image has made as .update", free: true}), run: (*session).upgrade},
		{path: words("upgrade usb"), args: "[NAME] [force]", help: "install an update from the USB stick that is plugged in: heptap-BOARD.update, or that one",
			hints: upgradeHints(hint{word: "NAME", help: "of a file that is in no folder", free: true}, forced()), run: (*session).upgradeUSB},
		{path: words("upgrade keep"), help: "commit the system that runs now, before its trial is over", run: plain((*session).upgradeKeep)},
		confirmed("upgrade back", "restart with the system before, and give up the one that runs", "The box restarts now.\n", (*session).upgradeBack),
	}
}

// upgradeHints are those of a command that begins with one of first, and may end with force.
func upgradeHints(first ...hint) func(*session, []string) []hint {
	return func(_ *session, typed []string) []hint {
		switch len(typed) {
		case 0:
			return first
		case 1:
			return []hint{forced()}
		}
		return nil
	}
}

func forced() hint {
	return hint{word: "force", help: "take it even if it is not newer, or cannot read this box's data"}
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

func (s *session) upgradeBack() (func() error, error) {
	if s.c.o.Systems == nil {
		return nil, errNoSystems
	}
	return s.c.o.Systems.Back, nil
}

// withoutPassword is a URL as it may be shown.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "..."
	}
	return u.Redacted()
}
