package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
)

// fakeKernel does nothing, and notes what it was asked.
type fakeKernel struct {
	mu     sync.Mutex
	calls  []string
	checks []int            // exit statuses of e2fsck, one after the other; then 0
	fail   map[string]error // by the beginning of a call
	blocks map[string]uint64
}

func (k *fakeKernel) call(format string, args ...any) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := fmt.Sprintf(format, args...)
	k.calls = append(k.calls, c)
	for begin, err := range k.fail {
		if strings.HasPrefix(c, begin) {
			return err
		}
	}
	return nil
}

func (k *fakeKernel) said() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.calls, "\n")
}

func (k *fakeKernel) Mount(source, target, kind string, flags uintptr, options string) error {
	return k.call("mount %s %s %s", filepath.Base(source), kind, target)
}
func (k *fakeKernel) Unmount(target string) error  { return k.call("unmount %s", target) }
func (k *fakeKernel) LoadModule(path string) error { return k.call("module %s", filepath.Base(path)) }
func (k *fakeKernel) Own(path string, uid, gid int, mode os.FileMode) error {
	return k.call("own %s %d %d %v", filepath.Base(path), uid, gid, mode)
}
func (k *fakeKernel) SetHostname(n string) error { return k.call("hostname %s", n) }
func (k *fakeKernel) SetClock(t time.Time) error {
	return k.call("clock %s", t.UTC().Format(time.RFC3339))
}
func (k *fakeKernel) Random() error { return k.call("random") }
func (k *fakeKernel) Check(device, how string) (status int, said string, err error) {
	err = k.call("check %s %s", filepath.Base(device), how)
	if len(k.checks) > 0 {
		status, k.checks = k.checks[0], k.checks[1:]
	}
	return status, "first\nlast", err
}
func (k *fakeKernel) Blocks(device string) (uint64, error) {
	if n, ok := k.blocks[filepath.Base(device)]; ok {
		return n, nil
	}
	return 0, errors.New("no such device")
}
func (k *fakeKernel) ResizePartition(disk string, number int, first, blocks uint64) error {
	return k.call("resize %s %d %d %d", filepath.Base(disk), number, first, blocks)
}
func (k *fakeKernel) Grow(mounted string, blocks uint64) error { return k.call("grow %d", blocks) }
func (k *fakeKernel) TryBoot() error                           { return k.call("try") }
func (k *fakeKernel) Sync()                                    { _ = k.call("sync") }
func (k *fakeKernel) End(how Power) error                      { return k.call("end %s", how) }

// fakeDHCP grants what it is told to.
type fakeDHCP struct {
	mu     sync.Mutex
	answer func(renew bool) (Lease, error)
	asked  []string // "acquire", "renew", with the time since it was made
	made   time.Time
	wishes []netip.Addr
}

func (d *fakeDHCP) ask(what string, renew bool) (Lease, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, fmt.Sprintf("%s %v", what, time.Since(d.made)))
	l, err := d.answer(renew)
	l.Granted = time.Now()
	return l, err
}

// sofar returns what it was asked.
func (d *fakeDHCP) sofar() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

func (d *fakeDHCP) Acquire(_ context.Context, _ string, wish netip.Addr) (Lease, error) {
	d.mu.Lock()
	d.wishes = append(d.wishes, wish)
	d.mu.Unlock()
	return d.ask("acquire", false)
}

func (d *fakeDHCP) Renew(context.Context, string, Lease) (Lease, error) { return d.ask("renew", true) }

// logTo is a log that a test can read.
func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// text is a writer that a test can read meanwhile.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// files makes a tree.
func files(t *testing.T, root string, content map[string]string) {
	t.Helper()
	for name, c := range content {
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(c), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// fakeChild is a probe.
type fakeChild struct {
	out, alive *io.PipeWriter
	told       text
	ended      chan string
	signals    []os.Signal
	ignores    bool // SIGTERM
}

func newFakeChild() (*fakeChild, *Child) {
	out, outW := io.Pipe()
	alive, aliveW := io.Pipe()
	f := &fakeChild{out: outW, alive: aliveW, ended: make(chan string, 1)}
	return f, &Child{PID: 7, Out: out, Alive: alive, Tell: &f.told, Signal: f.signal, Wait: func() (string, error) { return <-f.ended, nil }}
}

func (f *fakeChild) signal(s os.Signal) error {
	f.signals = append(f.signals, s)
	if s == unix.SIGKILL || s == unix.SIGQUIT || !f.ignores {
		f.end("signal: " + s.String())
	}
	return nil
}

func (f *fakeChild) end(status string) {
	f.out.Close()
	f.alive.Close()
	f.ended <- status
}

// up is a device with a carrier.
func up() (hal.LinkState, error) {
	return hal.LinkState{Name: "eth0", Index: 2, Exists: true, Up: true, Carrier: true}, nil
}

// pass lets time go by, and everything happen that is due.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
