package appliance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/firmware/internal/config"
	"heptap/hal"
	"heptap/hal/haltest"
)

// confining is set where a test is to be confined, and then where it is.
const confining = "HEPTAP_TEST_CONFINED"

// TestConfine confines this test, and looks at what it still may do.
func TestConfine(t *testing.T) {
	switch os.Getenv(confining) {
	case "begin":
		t.Setenv(confining, "yes")
		t.Fatal(Confine("-test.run=^TestConfine$", "-test.v"))
	case "yes":
		confined(t)
		return
	}
	refuse := t.Skip
	if os.Getenv("CI") == "true" {
		refuse = t.Fatal
	}
	if os.Getuid() != 0 {
		refuse("not root")
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestConfine$", "-test.v")
	cmd.Env = append(os.Environ(), confining+"=begin")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "confine: read-only file tree") {
		refuse(string(out))
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestConfine") {
		t.Errorf("%v\n%s", err, out)
	}
}

func confined(t *testing.T) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	// CAP_NET_BIND_SERVICE is 10, CAP_NET_RAW 13, CAP_SYS_TIME 25 (linux/capability.h).
	const caps = "0000000002002400"
	for _, want := range []string{"Uid:\t1000\t1000\t1000\t1000\n", "Gid:\t1000\t1000\t1000\t1000\n", "CapEff:\t" + caps, "CapPrm:\t" + caps, "CapBnd:\t" + caps, "CapAmb:\t" + caps, "NoNewPrivs:\t1\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Errorf("it cannot capture: %v", err)
	} else {
		unix.Close(fd)
	}
	for what, do := range map[string]func() error{
		"write beside /":    func() error { return os.WriteFile("/heptap-test", nil, 0o600) },
		"change the kernel": func() error { return os.WriteFile("/proc/sys/kernel/hostname", []byte("x"), 0) },
		"become root":       func() error { return unix.Setuid(0) },
		"mount":             func() error { return unix.Mount("tmpfs", "/mnt", "tmpfs", 0, "") },
		"mount as before":   func() error { return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "") },
		"call the box":      func() error { return unix.Sethostname([]byte("x")) },
		"end the box":       func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) },
	} {
		if err := do(); !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestReadOnly(t *testing.T) {
	const text = `22 28 0:21 / /proc ro,nosuid,nodev,noexec,relatime - proc proc rw
23 28 0:22 / /sys rw,nosuid - sysfs sysfs rw
28 1 254:1 / / ro shared:1 - rootfs rootfs ro
29 28 254:1 / /rot rw - ext4 /dev/x ro
30 28
`
	if got := readOnly(text); got != "/proc /" {
		t.Errorf("%q", got)
	}
}

// What the probe may write is its own, and what PID 1 writes is not.
func TestOwnData(t *testing.T) {
	k := &fakeKernel{}
	b := &Box{Kernel: k, Root: t.TempDir(), log: logTo(&text{})}
	files(t, filepath.Join(b.Root, dataDir), map[string]string{"spool.db": "", "config/heptap.conf": "", "crashes/1.txt": "", "clock": "", "end": ""})
	files(t, b.Root, map[string]string{"dev/gpiochip0": "", "dev/sda": "", "sys/class/leds/a/brightness": "", "sys/class/leds/a/max_brightness": ""})
	b.ownData()
	b.ownDevices()
	want := "own heptap 0 1000 trwxrwx---\nown crashes 0 1000 grwxr-x---\nown 1.txt 0 1000 -rw-r-----\nown config 1000 1000 ----------\nown heptap.conf 1000 1000 ----------\nown spool.db 1000 1000 ----------\n" +
		"own heptap 0 1000 trwxrwx---\nown gpiochip0 0 1000 -rw-rw----\nown brightness 0 1000 -rw-rw----"
	if got := k.said(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// mirrorLinks note what is made a mirror port.
type mirrorLinks struct {
	fakeLinks
	err     error
	made    string
	with    []netip.Addr
	blinked string
	stamps  bool
}

func (l *mirrorLinks) Blink(name string, d time.Duration) error {
	l.blinked = fmt.Sprint(name, " ", d)
	return l.err
}

func (l *mirrorLinks) MirrorUp(name string, o hal.MirrorOptions) error {
	l.made, l.with, l.stamps = name, o.Collectors, o.HardwareTime
	return l.err
}

func (l *mirrorLinks) RestoreMirror(name string) error { l.made = ""; return nil }

// A probe that may not set up mirror ports has PID 1 do so, but not of the uplink.
func TestMirrorByPID1(t *testing.T) {
	l := &mirrorLinks{fakeLinks: fakeLinks{Addresses: haltest.NewAddresses("eth0", "eth1")}}
	b := &Box{links: l, uplink: &uplink{cfg: config.Uplink{Interface: "eth0", Backup: "eth2"}}}
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	p := NewParent(theirs, func(string, string) {})
	go p.Run()
	s := &supervisor{news: &teller{}, do: b.do}
	s.news.attach(prompt{ours})
	go s.signsOfLife(&Child{Alive: ours})
	ctx := context.Background()
	if err := p.MirrorUp(ctx, "eth1", hal.MirrorOptions{Collectors: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}); err != nil || l.made != "eth1" || len(l.with) != 1 || l.stamps {
		t.Errorf("%v, %+v", err, l)
	}
	if err := p.MirrorUp(ctx, "eth1", hal.MirrorOptions{HardwareTime: true}); err != nil || l.made != "eth1" || len(l.with) != 0 || !l.stamps {
		t.Errorf("%v, %+v", err, l)
	}
	if err := p.RestoreMirror(ctx, "eth1"); err != nil || l.made != "" {
		t.Errorf("%v, %+v", err, l)
	}
	for _, name := range []string{"eth0", "eth2", "uplink"} {
		if err := p.MirrorUp(ctx, name, hal.MirrorOptions{}); !errors.Is(err, hal.ErrInUse) || l.made != "" {
			t.Errorf("%s, which is the uplink: %v", name, err)
		}
	}
	if err := p.Blink(ctx, "eth0"); err != nil || l.blinked != "eth0 2s" {
		t.Errorf("%v, %q", err, l.blinked)
	}
	for _, want := range []error{fs.ErrNotExist, hal.ErrInUse, errors.ErrUnsupported} {
		l.err = fmt.Errorf("eth1: %w", want)
		if err := p.MirrorUp(ctx, "eth1", hal.MirrorOptions{}); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if err := p.Blink(ctx, "eth1"); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	l.err = errors.New("of another kind")
	if err := p.Blink(ctx, "eth1"); err == nil || err.Error() != "of another kind" {
		t.Errorf("%v", err)
	}
	for verb, text := range map[string]string{verbMirror: "", "mirror-": "eth1", "": ""} {
		if err := p.Ask(ctx, verb, text); err == nil {
			t.Errorf("%q %q was done", verb, text)
		}
	}
}
