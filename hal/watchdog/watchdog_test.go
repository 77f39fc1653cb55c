package watchdog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
	"heptap/hal/haltest"
)

// kernel is a watchdog as drivers/watchdog/watchdog_dev.c has it: the rules
// that any program of it must know, over a directory like sysfs.
type kernel struct {
	t                   *testing.T
	class, name         string
	identity            string
	options             uint32
	bootStatus          uint32
	timeout, pretimeout uint32
	nowayout            bool
	open, release       bool
	keepAlives          int
}

const allOptions = unix.WDIOF_SETTIMEOUT | unix.WDIOF_KEEPALIVEPING | unix.WDIOF_MAGICCLOSE | unix.WDIOF_PRETIMEOUT

func newKernel(t *testing.T, class, name, identity string) *kernel {
	k := &kernel{t: t, class: class, name: name, identity: identity, options: allOptions, timeout: 60}
	k.write("identity", identity)
	k.write("state", "inactive")
	k.write("nowayout", "0")
	k.write("min_timeout", "2")
	k.write("max_timeout", "600")
	return k
}

func (k *kernel) write(attribute, text string) {
	k.t.Helper()
	dir := filepath.Join(k.class, k.name)
	err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, attribute), []byte(text+"\n"), 0o644))
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *kernel) running() bool {
	return attribute(filepath.Join(k.class, k.name), "state") == "active"
}

func (k *kernel) openDevice(name string) (device, error) {
	switch {
	case name != k.name:
		k.t.Errorf("%s was opened, not %s", name, k.name)
		return nil, fs.ErrNotExist
	case k.open:
		return nil, unix.EBUSY
	}
	k.open, k.release = true, false
	k.write("state", "active")
	return k, nil
}

func (k *kernel) Info() (*unix.WatchdogInfo, error) {
	info := &unix.WatchdogInfo{Options: k.options}
	copy(info.Identity[:], k.identity)
	return info, nil
}

func (k *kernel) Get(request uint) (uint32, error) {
	switch request {
	case unix.WDIOC_GETTIMEOUT:
		return k.timeout, nil
	case unix.WDIOC_GETPRETIMEOUT:
		return k.pretimeout, nil
	case unix.WDIOC_GETBOOTSTATUS:
		return k.bootStatus, nil
	}
	return 0, unix.ENOTTY
}

func (k *kernel) Set(request uint, v uint32) error {
	switch {
	case request == unix.WDIOC_SETTIMEOUT && k.options&unix.WDIOF_SETTIMEOUT == 0,
		request == unix.WDIOC_SETPRETIMEOUT && k.options&unix.WDIOF_PRETIMEOUT == 0:
		return unix.EOPNOTSUPP
	case request == unix.WDIOC_SETTIMEOUT && (v < 2 || v > 600),
		request == unix.WDIOC_SETPRETIMEOUT && v >= k.timeout:
		return unix.EINVAL
	case request == unix.WDIOC_SETTIMEOUT:
		k.timeout = v
		if v <= k.pretimeout {
			k.pretimeout = 0
		}
	case request == unix.WDIOC_SETPRETIMEOUT:
		k.pretimeout = v
	}
	return nil
}

func (k *kernel) KeepAlive() error { k.keepAlives++; return nil }

func (k *kernel) Write(b []byte) (int, error) {
	k.release = !k.nowayout && strings.Contains(string(b), "V")
	return len(b), nil
}

func (k *kernel) Close() error {
	k.open = false
	if k.release || k.options&unix.WDIOF_MAGICCLOSE == 0 {
		k.write("state", "inactive")
	}
	return nil
}

func TestWatchdog(t *testing.T) {
	for name, options := range map[string]uint32{"with pretimeout": allOptions, "without": allOptions &^ unix.WDIOF_PRETIMEOUT} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, t.TempDir(), "watchdog1", "i6300ESB timer")
			k.options = options
			haltest.TestWatchdog(t, func(t *testing.T) haltest.WatchdogUnderTest {
				w, err := open(k.class, Wanted{Identity: "i6300ESB timer"}, k.openDevice)
				if err != nil {
					t.Fatal(err)
				}
				return haltest.WatchdogUnderTest{Watchdog: w, Running: k.running}
			})
		})
	}
}

func TestFind(t *testing.T) {
	class := t.TempDir()
	for name, identity := range map[string]string{"watchdog0": "Software Watchdog", "watchdog10": "iTCO_wdt", "watchdog2": "i6300ESB timer"} {
		newKernel(t, class, name, identity)
	}
	if err := os.Mkdir(filepath.Join(class, "watchdog3"), 0o755); err != nil { // going away
		t.Fatal(err)
	}
	for _, tt := range []struct {
		wanted Wanted
		device string
		err    string
	}{
		{Wanted{Identity: "iTCO_wdt"}, "watchdog10", ""},
		{Wanted{Identity: "i6300ESB timer"}, "watchdog2", ""},
		{Wanted{}, "watchdog2", ""},
		{Wanted{Identity: "Software Watchdog"}, "watchdog0", ""},
		{Wanted{Device: "/dev/watchdog"}, "watchdog0", ""},
		{Wanted{Device: "/dev/watchdog10"}, "watchdog10", ""},
		{Wanted{Device: "/dev/watchdog1"}, "", `no device /dev/watchdog1, have Software Watchdog (watchdog0), i6300ESB timer (watchdog2), iTCO_wdt (watchdog10)`},
		{Wanted{Identity: "iTCO"}, "", `no identity "iTCO", have`},
	} {
		got, err := find(class, tt.wanted)
		if tt.err == "" && (err != nil || got.Device != tt.device) {
			t.Errorf("%v: got %+v, %v", tt.wanted, got, err)
		}
		if tt.err != "" && (!errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%v: err %v, want %q", tt.wanted, err, tt.err)
		}
	}
	if err := os.RemoveAll(filepath.Join(class, "watchdog2")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(class, "watchdog10")); err != nil {
		t.Fatal(err)
	}
	if got, err := find(class, Wanted{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("only software is left, found %+v, %v", got, err)
	}
	if got, err := find(filepath.Join(class, "absent"), Wanted{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none at all") {
		t.Errorf("without sysfs: %+v, %v", got, err)
	}
}

func TestListHere(t *testing.T) {
	found, err := List()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Identity == "" || !strings.HasPrefix(f.Device, "watchdog") {
			t.Errorf("found %+v", f)
		}
	}
}

func TestOpenBusy(t *testing.T) {
	k := newKernel(t, t.TempDir(), "watchdog0", "timer")
	first, err := open(k.class, Wanted{}, k.openDevice)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(k.class, Wanted{}, k.openDevice); !errors.Is(err, unix.EBUSY) {
		t.Errorf("opened twice: %v", err)
	}
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
}

// TestOpenOther is about a device that took the number of the one that was
// found: it must not be left running.
func TestOpenOther(t *testing.T) {
	k := newKernel(t, t.TempDir(), "watchdog0", "timer")
	k.identity = "another"
	if _, err := open(k.class, Wanted{Identity: "timer"}, k.openDevice); err == nil || !strings.Contains(err.Error(), `is now "another"`) {
		t.Errorf("err %v", err)
	}
	if k.open || k.running() {
		t.Errorf("open %t, running %t", k.open, k.running())
	}
}

func TestStopRefused(t *testing.T) {
	k := newKernel(t, t.TempDir(), "watchdog0", "timer")
	k.nowayout = true
	k.write("nowayout", "1")
	w, err := open(k.class, Wanted{}, k.openDevice)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := w.State(); err != nil || s.Stoppable {
		t.Errorf("state %+v, %v", s, err)
	}
	if err := w.Stop(); !errors.Is(err, hal.ErrStillRunning) || k.open {
		t.Errorf("err %v, open %t", err, k.open)
	}
}

func TestTimeoutKeptWithinBounds(t *testing.T) {
	k := newKernel(t, t.TempDir(), "watchdog0", "timer")
	w, err := open(k.class, Wanted{}, k.openDevice)
	if err != nil {
		t.Fatal(err)
	}
	for ask, want := range map[time.Duration]time.Duration{time.Second: 2 * time.Second, time.Hour: 10 * time.Minute} {
		fed := k.keepAlives
		if has, err := w.SetTimeout(ask); err != nil || has != want || k.keepAlives == fed {
			t.Errorf("SetTimeout(%v) = %v, %v, fed %d times more", ask, has, err, k.keepAlives-fed)
		}
	}
	k.options, k.timeout = unix.WDIOF_KEEPALIVEPING, 7 // cannot be set: then it is what it is
	w, err = open(k.class, Wanted{}, func(string) (device, error) { return k, nil })
	if err != nil {
		t.Fatal(err)
	}
	if has, err := w.SetTimeout(time.Minute); err != nil || has != 7*time.Second {
		t.Errorf("SetTimeout = %v, %v", has, err)
	}
}

func TestResetCause(t *testing.T) {
	for status, want := range map[uint32]string{
		0:                     "not reported",
		0x20:                  "watchdog",
		0x21:                  "watchdog, overheat",
		0x10:                  "power low",
		0x4e:                  "fan failed, power high, external",
		unix.WDIOF_SETTIMEOUT: "not reported", // an option, not a cause
	} {
		if got := resetCause(status).String(); got != want {
			t.Errorf("status %#x: %q, want %q", status, got, want)
		}
	}
	k := newKernel(t, t.TempDir(), "watchdog0", "timer")
	k.bootStatus = unix.WDIOF_CARDRESET
	w, err := open(k.class, Wanted{}, k.openDevice)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := w.State(); err != nil || s.LastReset != hal.ResetByWatchdog {
		t.Errorf("state %+v, %v", s, err)
	}
	if got := hal.ResetCause(1 << 15).String(); got != "unknown" {
		t.Errorf("got %q", got)
	}
}
