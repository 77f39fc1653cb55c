package appliance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/capture/capturetest"
	"heptap/hep"
	"heptap/hep/heptest"
	"heptap/scripts/lab/guest"
)

// board is what the tests know of one.
type board struct {
	name, arch, qemu, firmware string
}

var (
	x86 = board{"x86-64-uefi", "amd64", "qemu-system-x86_64", "/usr/share/OVMF/OVMF_CODE_4M.fd"}
	arm = board{"arm64-uefi", "arm64", "qemu-system-aarch64", "/usr/share/AAVMF/AAVMF_CODE.fd"}
)

// images are built once for all tests. With HEPTAP_IMAGES=DIR they stay in that directory, and
// those that it has are not built again.
type images struct {
	mu  sync.Mutex
	dir string
}

var built images

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" && built.dir != os.Getenv("HEPTAP_IMAGES") {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// image returns a board's image, without a configuration.
func image(t *testing.T, b board) string {
	t.Helper()
	built.mu.Lock()
	defer built.mu.Unlock()
	if built.dir == "" {
		built.dir = os.Getenv("HEPTAP_IMAGES")
	}
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "heptap-images")
		if err != nil {
			t.Fatal(err)
		}
		built.dir = dir
	}
	file := filepath.Join(built.dir, "heptap-"+b.name+".img")
	if _, err := os.Stat(file); err != nil {
		t.Log(build(t, b, built.dir))
	}
	return file
}

func build(t *testing.T, b board, dir string, more ...string) string {
	t.Helper()
	cmd := exec.Command("../../image", append(append([]string{"-out", dir}, more...), b.name)...)
	cmd.Env = append(os.Environ(), "HEPTAP_KEY="+filepath.Join(built.dir, "key")) // made by the first build
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("scripts/image: %v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// need skips a test where QEMU or its firmware is missing. In CI that is a failure.
func need(t *testing.T, b board) {
	t.Helper()
	_, err := exec.LookPath(b.qemu)
	if err == nil {
		_, err = os.Stat(b.firmware)
	}
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
}

// long skips what scripts/test -long runs.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("HEPTAP_LONG") == "" {
		t.Skip("HEPTAP_LONG is not set")
	}
}

// box is a machine with an image on its disk.
type box struct {
	t         *testing.T
	board     board
	dir, disk string
	collector *heptest.Collector
	mirror    *mirror
	more      []string     // of QEMU's options
	diskAt    []string     // what the disk is plugged into; nil: virtio
	nic       string       // QEMU's device; empty: virtio
	resets    bool         // a reset does not end it
	secure    bool         // it starts only what is signed
	writes    string       // file that has all that a boot writes to the disk; empty: none
	guest     *guest.Guest // nil: switched off
	at        int          // line of its console up to which everything was expected
	firmware  int          // frames on the mirror port from before the box's own system ran
}

// imageMiB is how large the image is: on such a disk the data partition cannot grow.
const imageMiB = 450

// newBox makes one whose disk is of so many MiB, and puts a configuration onto it.
// It is switched off.
func newBox(t *testing.T, b board, mib int) *box {
	t.Helper()
	need(t, b)
	dir, err := os.MkdirTemp("", "htb") // short: paths of sockets are
	if err != nil {
		t.Fatal(err)
	}
	x := &box{t: t, board: b, dir: dir, disk: filepath.Join(dir, "disk")}
	t.Cleanup(func() {
		if t.Failed() && x.guest != nil {
			t.Logf("the console:\n%s", x.guest.Output())
		}
		x.cut()
		os.RemoveAll(dir)
	})
	run(t, "cp", "--sparse=always", image(t, b), x.disk)
	run(t, "truncate", "-s", fmt.Sprintf("%dM", mib), x.disk)
	x.collector = heptest.New(t, heptest.Options{Addr: "127.0.0.1:0"})
	x.mirror = newMirror(t, dir)
	_, port, err := net.SplitHostPort(x.collector.Addr())
	if err != nil {
		t.Fatal(err)
	}
	x.configure("set system node lab\nset uplink interface enp0s2\nset capture span0 interface enp0s3\n" +
		"set capture span0 ring-size 4MiB\nset collector c address 10.0.2.2:" + port + "\n")
	return x
}

// configure puts a configuration where a technician would.
func (x *box) configure(text string) {
	x.t.Helper()
	x.put("heptap.conf", text)
}

// put writes a file of the system partition.
func (x *box) put(name, text string) {
	x.t.Helper()
	file := filepath.Join(x.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
	run(x.t, "mcopy", "-o", "-i", x.disk+"@@1M", file, "::"+name)
}

// overwrite spoils a part of the disk.
func (x *box) overwrite(at int64, octets int) {
	x.t.Helper()
	f, err := os.OpenFile(x.disk, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(bytes.Repeat([]byte{0x5a}, octets), at)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (x *box) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(x.t.Context(), d)
	x.t.Cleanup(cancel)
	return ctx
}

// patience is for any step of a slow and busy machine.
const patience = 5 * time.Minute

// boot switches the box on, and waits for its own system.
func (x *box) boot() {
	x.t.Helper()
	x.switchOn()
	x.started()
}

func (x *box) switchOn() {
	x.t.Helper()
	for _, name := range []string{"qmp", "qtest"} {
		_ = os.Remove(filepath.Join(x.dir, name)) // of the boot before
	}
	x.start(guest.Config{Kernel: guest.Kernel{Arch: x.board.arch}, Disk: x.disk, Writes: x.writes, Secure: x.secure, DiskAt: x.diskAt})
}

// start starts a machine that has everything but what it boots.
func (x *box) start(cfg guest.Config) {
	x.t.Helper()
	nic := x.nic
	if nic == "" {
		nic = "virtio-net-pci"
	}
	cfg.Dir, cfg.Memory = x.dir, 512
	cfg.Devices = append(cfg.Devices, "-netdev", "user,id=uplink", "-device", nic+",netdev=uplink,addr=2",
		"-netdev", "dgram,id=span,local.type=unix,local.path="+x.mirror.box+",remote.type=unix,remote.path="+x.mirror.ours,
		"-device", nic+",netdev=span,addr=3",
		"-device", "i6300esb", "-action", "watchdog=reset")
	if !x.resets {
		cfg.Devices = append(cfg.Devices, "-no-reboot")
	}
	cfg.Devices = append(cfg.Devices, x.more...)
	g, err := guest.Boot(x.t.Context(), cfg)
	if err != nil {
		x.t.Fatal(err)
	}
	x.guest, x.at = g, 0
}

// started waits for the box's own system.
func (x *box) started() {
	x.t.Helper()
	x.expect("msg=modules list=watchdog") // before there is a driver for the NIC
	x.firmware = len(x.mirror.since(0))
}

// silent checks that nothing was sent on the mirror port in this boot.
func (x *box) silent() {
	x.t.Helper()
	for _, frame := range x.mirror.since(x.firmware) {
		x.t.Errorf("the box has sent on its mirror port: %x", frame)
	}
}

// cut switches the box off as pulling the plug does.
func (x *box) cut() {
	if x.guest != nil {
		x.silent()
		x.guest.Kill()
		x.guest = nil
	}
}

// expect waits until the console says something, after what was expected before.
func (x *box) expect(text string) string {
	x.t.Helper()
	line, next, err := x.guest.Expect(x.within(patience), x.at, text)
	if err != nil {
		x.t.Fatal(err)
	}
	x.at = next
	return line
}

// says waits until the console says something, or has said it since the boot.
func (x *box) says(text string) string {
	x.t.Helper()
	line, _, err := x.guest.Expect(x.within(patience), 0, text)
	if err != nil {
		x.t.Fatal(err)
	}
	return line
}

// quiet lets time go by, and says whether the box gave itself up meanwhile.
func (x *box) quiet(d time.Duration) bool {
	x.t.Helper()
	_, _, err := x.guest.Expect(x.within(d), x.at, "is not fed any more")
	return err == nil || !errors.Is(err, context.DeadlineExceeded)
}

// ends waits until the box has switched itself off.
func (x *box) ends() {
	x.t.Helper()
	if err := x.guest.Wait(x.within(patience)); err != nil {
		x.t.Fatal(err)
	}
	x.silent()
	x.guest = nil
}

// said says whether the console has had a text since it was switched on.
func (x *box) said(text string) bool { return strings.Contains(x.guest.Output(), text) }

// call sends a call to the mirror port and returns its messages.
func (x *box) call(id string) (messages []string) {
	x.t.Helper()
	c := capturetest.Call{CallID: id, Caller: netip.MustParseAddrPort("198.51.100.1:5060"), Callee: netip.MustParseAddrPort("198.51.100.2:5060"),
		CallerMedia: netip.MustParseAddrPort("198.51.100.1:4000"), CalleeMedia: netip.MustParseAddrPort("198.51.100.2:4000")}
	for _, d := range capturetest.SIPCall(c) {
		x.mirror.send(x.t, capturetest.UDP(d.Src, d.Dst, d.Payload))
		messages = append(messages, string(d.Payload))
	}
	return messages
}

// arrive waits until the collector has each of the messages.
func (x *box) arrive(messages []string) {
	x.t.Helper()
	x.collector.Wait(fmt.Sprintf("%d messages of a call", len(messages)), func() bool {
		have := map[string]bool{}
		for _, r := range x.collector.Records() {
			if p, err := hep.Parse(r.Frame); err == nil {
				have[string(p.Payload())] = true
			}
		}
		for _, m := range messages {
			if !have[m] {
				return false
			}
		}
		return true
	})
}

// mirror is the other side of the box's mirror NIC.
type mirror struct {
	ours, box string // paths of sockets
	conn      *net.UnixConn

	mu    sync.Mutex
	heard [][]byte // frames that the box has sent
}

func newMirror(t *testing.T, dir string) *mirror {
	t.Helper()
	m := &mirror{ours: filepath.Join(dir, "o"), box: filepath.Join(dir, "b")}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.ours, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.conn.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, _, err := m.conn.ReadFrom(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.heard = append(m.heard, bytes.Clone(buf[:n]))
			m.mu.Unlock()
		}
	}()
	return m
}

// since returns the frames after the first so many.
func (m *mirror) since(n int) [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard[n:]
}

func (m *mirror) send(t *testing.T, frame []byte) {
	t.Helper()
	_, err := m.conn.WriteTo(frame, &net.UnixAddr{Name: m.box, Net: "unixgram"})
	if err != nil && !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}
