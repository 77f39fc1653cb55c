package console

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/metrics"
)

// newBoxRig is a box with two ports that was never set up; servers are those that DHCP
// names, and test what testing the uplink says.
func newBoxRig(t testing.TB, servers []string, test func(collector string, tell func(Step)) error) (r *rig, clock *time.Time) {
	t.Helper()
	r = &rig{file: filepath.Join(t.TempDir(), "config", "heptap.conf")}
	clock = new(time.Time)
	live := &Live{Stages: &metrics.Sources{}}
	if test != nil {
		live.TestUplink = func(_ context.Context, name string, tell func(Step)) error { return test(name, tell) }
	}
	c, err := New(Options{File: r.file, Version: "1.2.3", Log: slog.New(slog.DiscardHandler), Live: func() *Live { return live },
		Ports: func() ([]NetworkPort, error) {
			return []NetworkPort{{Name: "enp0s2", State: "link, 00:00:5e:00:53:01"}, {Name: "enp0s3", State: "no link, 00:00:5e:00:53:02"}}, nil
		}, Box: &Box{SetClock: func(t time.Time) error { *clock = t; return nil }, TimeServers: func() []string { return servers }},
		Apply: func(c config.Config) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			live.Config = c
			r.applied = append(r.applied, c)
			return r.refuse
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r.Console = c
	return r, clock
}

func TestSetup(t *testing.T) {
	good := func(_ string, tell func(Step)) error {
		tell(Step{Collector: "central", Name: "link", Text: "up"})
		return nil
	}
	bad := func(_ string, tell func(Step)) error {
		tell(Step{Collector: "central", Name: "link", Text: "no link", Failed: true})
		return nil
	}
	const dhcp = "set system node heptap\nset uplink interface enp0s2\nset capture span0 interface enp0s3\n"
	for _, c := range []struct {
		name, keys string
		servers    []string
		test       func(string, func(Step)) error
		file       string // what the configuration file has in the end; empty: there is none
		running    string // what runs, if that is something else
		shows      []string
		clock      string
	}{
		{"defaults", "\r\r\r\r\r\r\r\r", []string{"192.0.2.123"}, nil, dhcp, "",
			[]string{"1 of 5", "enp0s3           no link", "+ set uplink interface enp0s2", "confirmed: the configuration file has it", "test span"}, ""},
		{"all", "lab\renp0s3\r192.0.2.20/24\r192.0.2.254\r192.0.2.53\renp0s2\rhep.example.net:9060\rtls\rntp.example.com\r\r\r", nil, good,
			"set system node lab\nset uplink interface enp0s3\nset uplink address 192.0.2.20/24\nset uplink gateway 192.0.2.254\nset uplink dns 192.0.2.53\n" +
				"set capture span0 interface enp0s2\nset collector central address hep.example.net:9060\nset collector central transport tls\nset time servers ntp.example.com\n", "",
			[]string{"gateway [192.0.2.1]", "ok   link", "[yes]"}, ""},
		{"wrong answers", "a b\rlab\renp0s9\r\r192.0.2.20\r\renp0s2\r\rhep example\rhep.example.net\rsctp\r\r?nonsense server\r\r\rmaybe\ry\r", []string{"x"}, good,
			"set system node lab\nset uplink interface enp0s2\nset capture span0 interface enp0s3\nset collector central address hep.example.net:9060\nset collector central transport tcp\n", "",
			[]string{"no such port; there are: enp0s2, enp0s3", "that is the uplink; a mirror port must never send", "want yes or no", "those that DHCP names", "want names or addresses", "want dhcp, or an address", "HOST:PORT"}, ""},
		{"no clock", "\r\r\r\r\r\r\rnoon\r2031-02-03 04:05\r\r", nil, nil, dhcp, "", []string{"Nothing tells the box what time it is", "want a time in UTC"}, "2031-02-03 04:05:00"},
		{"left", "\rshow version\r\x03exit\r", nil, nil, "", "", []string{"left; setup asks again", "heptap> "}, ""},
		{"not put to work", "\r\r\r\r\r\rno\rshow | compare\rexit\rexit\r", nil, nil, "", "", []string{"the answers are the candidate", "+ set capture span0 interface enp0s3"}, ""},
		{"undone", "\r\r\r\r\r\r\rno\r", []string{"x"}, nil, "", "", []string{"rolled back"}, ""},
		{"does not work", "\r\r\r\rh:9060\r\r\r\r\rno\r", []string{"x"}, bad, "", "", []string{"FAIL link", "Keep this configuration? no brings back what was before: ", "an answer is needed", "rolled back"}, ""},
		{"hung up before it is kept", "\r\r\r\r\r\r\r", []string{"x"}, nil, "", dhcp, []string{"Keep this configuration?"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, clock := newBoxRig(t, c.servers, c.test)
			out := r.say(t, c.keys)
			for _, want := range c.shows {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			text, err := os.ReadFile(r.file)
			if err != nil && c.file != "" || string(text) != c.file {
				t.Errorf("file %q, %v\n%s", text, err, out)
			}
			running, _ := r.settings.current()
			want := c.file
			if c.running != "" {
				want = c.running
			}
			if running.Text() != want {
				t.Errorf("%q runs, want %q", running.Text(), want)
			}
			if got := clock.Format(clockForm); c.clock != "" && got != c.clock || c.clock == "" && !clock.IsZero() {
				t.Errorf("the clock is set to %s", got)
			}
		})
	}
}

// Setup again begins with what there is.
func TestSetupAgain(t *testing.T) {
	r, _ := newBoxRig(t, []string{"x"}, nil)
	r.say(t, "lab\r\r192.0.2.20/24\r\r192.0.2.53\r\rhep.example.net:9060\r\r192.0.2.123\r\r\r")
	before := r.text(t)
	if !strings.Contains(before, "192.0.2.53") {
		t.Fatal(before)
	}
	out := r.say(t, "setup\r\r\r\r\r\r\r\r\r\rexit\r")
	if !strings.Contains(out, "That is what runs already.") || strings.Contains(out, "has no configuration") || r.text(t) != before {
		t.Errorf("%s\n%s", out, r.text(t))
	}
	// By DHCP from now on: what went with the address goes.
	out = r.say(t, "setup\r\r\rdhcp\r\r\r\r\r\r\rexit\r")
	if text := r.text(t); strings.Contains(text, "192.0.2.1\n") || strings.Contains(text, "uplink dns") || !strings.Contains(text, "node lab") {
		t.Errorf("%s\n%s", out, text)
	}
	if _, done := r.script(t, "setup\n"); done {
		t.Error("a script was asked questions")
	}
	if out := r.say(t, "set system node x\rsetup\rexit\rexit\r"); !strings.Contains(out, "there are changes that are not committed") {
		t.Error(out)
	}
}

func TestClockSet(t *testing.T) {
	r, clock := newBoxRig(t, nil, nil)
	if out, done := r.script(t, "clock set 2031-02-03 04:05:06\n"); !done || clock.Format(clockForm) != "2031-02-03 04:05:06" {
		t.Errorf("%s, %v", out, clock)
	}
	for _, line := range []string{"clock set\n", "clock set 2031-02-03\n", "clock set 1999-01-01 00:00\n", "clock set 2031-02-30 00:00\n", "clock set now please\n"} {
		if out, done := r.script(t, line); done {
			t.Errorf("%q is taken: %s", line, out)
		}
	}
	other := newRig(t, startText)
	if out, done := other.script(t, "clock set 2031-02-03 04:05:06\n"); done || !strings.Contains(out, "another program") {
		t.Errorf("%s", out)
	}
}

// A configuration file that cannot be read is said so, and nothing of it runs.
func TestBrokenFile(t *testing.T) {
	r := newRig(t, "set capture span0 interface eth1\nset warp-drive on\n")
	out := r.say(t, "show running\rset capture span0 interface eth2\rcommit\rexit\r")
	if !strings.Contains(out, "THE CONFIGURATION FILE CANNOT BE READ") || !strings.Contains(out, "warp-drive") {
		t.Error(out)
	}
	if r.text(t) != "set capture span0 interface eth2\n" {
		t.Errorf("%s\n%s", out, r.text(t))
	}
	if out := r.say(t, "show history\rexit\r"); strings.Contains(out, "CANNOT BE READ") || !strings.Contains(out, "replaced by") {
		t.Error(out)
	}
}

func TestTestUplink(t *testing.T) {
	const pin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	tls := func(name string, tell func(Step)) error {
		if name == "x" {
			return errors.New("no collector x")
		}
		tell(Step{Collector: "central", Name: "tcp", Text: "to 192.0.2.1:9061"})
		tell(Step{Collector: "central", Name: "tls", Text: "unknown authority", Failed: true, Pin: pin})
		return nil
	}
	r, _ := newBoxRig(t, []string{"x"}, tls)
	r.say(t, "\r\r\r\rh:9061\rtls\r\r\ryes\r")
	out := r.say(t, "test uplink\rno\rshow | compare\rtest uplink central\ryes\rshow | compare\rexit\rexit\r")
	for _, want := range []string{"ok   tcp", "FAIL tls      unknown authority", "Accept it for central [no]", "# no changes", "+ set collector central tls-pin " + pin, "not everything works"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out, done := r.script(t, "test uplink\ntest uplink x\ntest uplink a b\n")
	if done || strings.Contains(out, "Accept") || !strings.Contains(out, "FAIL no collector x") || !strings.Contains(out, "want: test uplink [COLLECTOR]") {
		t.Errorf("%s", out)
	}
}
