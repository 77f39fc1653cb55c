package console

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestUpgrade(t *testing.T) {
	r := newRig(t, "set capture span0 interface eth1\n")
	for _, line := range []string{"show systems\n", "upgrade http://a/b\n", "upgrade keep\n", "upgrade back\n"} {
		if out, done := r.script(t, line); done || !strings.Contains(out, "runs something else") {
			t.Errorf("%q on another machine: %q", line, out)
		}
	}
	var did []string
	r.o.Systems = &Systems{
		Show: func() string { return "* factory\n" },
		Install: func(_ context.Context, url string, force bool, tell func(string)) (string, error) {
			tell("50 %")
			if strings.HasSuffix(url, "bad") {
				return "", errors.New("not signed")
			}
			if force {
				url += " by force"
			}
			did = append(did, url)
			return "system 1, v1.1", nil
		},
		InstallUSB: func(_ context.Context, name string, force bool, _ func(string)) (string, error) {
			did = append(did, fmt.Sprintf("usb %q %v", name, force))
			return "system 2, v1.2", nil
		},
		Keep: func() error { did = append(did, "keep"); return nil },
		Back: func() error { did = append(did, "back"); return nil },
	}
	for _, c := range []struct {
		line, want string
		done       bool
	}{
		{"show systems", "* factory", true},
		{"upgrade http://u:secret@a/b", "  50 %\nInstalled: system 1, v1.1. It is started by: reboot yes", true},
		{"upgrade http://a/b force", "Installed", true},
		{"upgrade http://a/bad", "not signed", false},
		{"upgrade", "upgrade URL [force]", false},
		{"upgrade http://a/b farce", "upgrade URL [force]", false},
		{"upgrade usb", "Installed: system 2, v1.2", true},
		{"upgrade usb force", "Installed", true},
		{"upgrade usb a.update force", "Installed", true},
		{"upgrade usb a b", "upgrade usb [NAME] [force]", false},
		{"upgrade keep", "Committed.", true},
		{"upgrade keep it", "upgrade keep", false},
		{"upgrade back", "To do it: upgrade back yes", true},
		{"upgrade back no", "upgrade back yes", false},
		{"upgrade back yes", "The box restarts now.", true},
	} {
		out, done := r.script(t, c.line+"\n")
		if done != c.done || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v, %q, want %q", c.line, done, out, c.want)
		}
	}
	if got := strings.Join(did, ", "); got != `http://u:secret@a/b, http://a/b by force, usb "" false, usb "" true, usb "a.update" true, keep, back` {
		t.Errorf("did %s", got)
	}
	out, _ := r.script(t, "show audit\n")
	if strings.Contains(out, "secret") || !strings.Contains(out, "upgrade http://u:xxxxx@a/b") {
		t.Errorf("audit: %s", out)
	}
}
