package onboard

import (
	"bufio"
	"encoding/json"
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

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"heptap/capture/capturetest"
	"heptap/hep"
	"heptap/hep/heptest"
	"heptap/scripts/lab/guest/inside"
)

// TestFront has the program itself behind a front panel: that of the Raspberry Pi, whose
// description names lines which the simulator has here. Each LED comes to say
// all that it can say, and the button asks for all that it can ask for. What PID 1 does is
// done here. Without the file /long only what is soon done is tried.
func TestFront(t *testing.T) {
	f := newFront(t)
	f.start()
	// Nobody has said yet what the time servers are: the log waits, and the collector is not there.
	f.shows("uplink", "slow")
	f.shows("capture", "slow")
	f.shows("spool", "off")
	f.shows("status", "slow")
	f.shows("capture", "blink", f.rtp)
	f.call("first@lab", 20)
	f.shows("capture", "on")
	f.shows("spool", "fill")
	f.collector = heptest.New(t, heptest.Options{Addr: f.addr})
	f.shows("uplink", "blink")
	f.shows("uplink", "on")
	f.shows("spool", "off")
	f.shows("status", "heartbeat")

	// A short press marks the moment.
	f.hold(time.Second)
	f.told("mark")

	if inside.Long() {
		f.wholePanel(t)
		f.factoryReset(t)
		f.start()
		f.shows("uplink", "slow")
	}

	// Let go between 5 and 15 s it asks for a safe shutdown.
	f.press(true)
	f.shows("status", "on")
	f.press(false)
	if err := f.cmd.Wait(); err != nil {
		t.Errorf("safe shutdown: %v", err)
	}
	for _, role := range f.roles() {
		f.shows(role, "off")
	}
	for _, r := range f.asked() {
		if r == "factory-reset" && !inside.Long() {
			t.Error("a factory reset was asked for")
		}
	}
}

// wholePanel is what takes long.
func (f *front) wholePanel(t *testing.T) {
	// The cable of the mirror port is pulled.
	f.link(f.far, false)
	f.shows("capture", "off")
	f.shows("status", "fast")
	f.link(f.far, true)
	f.shows("status", "heartbeat")

	// A ring is too small for what comes while the kernel has nobody to hand it to.
	if err := f.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for range 8_000 {
		f.send(capturetest.UDP(f.end(1, 4000), f.end(2, 4000), make([]byte, 1200)))
	}
	if err := f.cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	f.shows("capture", "fast")

	// The spool fills while the collector is away, until records are lost.
	f.collector.Kill()
	f.shows("uplink", "slow")
	n := 0
	for _, want := range []string{"fill", "blink", "fast"} {
		for deadline := time.Now().Add(5 * time.Minute); f.class("spool") != want; n++ {
			if time.Now().After(deadline) {
				t.Fatalf("spool: %s, want %s, after %d calls", f.class("spool"), want, n)
			}
			if want == "blink" && f.class("spool") == "fast" {
				t.Fatal("the spool went from filling to evicting")
			}
			f.call(fmt.Sprintf("%d@lab", n), 5)
			if want != "fast" {
				time.Sleep(500 * time.Millisecond) // from 80 % to the cap it is to take longer than seen
			}
		}
	}

	// Let go while it counts down nothing happens.
	f.press(true)
	f.shows("status", "countdown")
	for _, role := range []string{"capture", "uplink", "spool"} {
		if got := f.class(role); got != "off" {
			t.Errorf("%s while it counts down: %s", role, got)
		}
	}
	f.press(false)
	time.Sleep(3 * time.Second)
	for _, r := range f.asked() {
		if r == "factory-reset" {
			t.Error("a factory reset that was cancelled was asked for")
		}
	}
}

// factoryReset holds the button to the end of the countdown, and ends the program as PID 1 does then.
func (f *front) factoryReset(t *testing.T) {
	f.press(true)
	for _, role := range f.roles() {
		f.shows(role, "on")
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if all := f.asked(); len(all) > 0 && all[len(all)-1] == "factory-reset" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no factory reset was asked for: %q", f.asked())
		}
	}
	f.press(false)
	if err := f.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Wait(); err != nil {
		t.Errorf("ended after a factory reset: %v", err)
	}
	for _, role := range f.roles() {
		f.shows(role, "off")
	}
}

// front is a program with a panel of simulated lines.
type front struct {
	t         *testing.T
	dir, addr string
	near, far string // the mirror port, and the other end of its cable
	socket    int    // sends frames at that end
	to        unix.SockaddrLinklayer
	collector *heptest.Collector
	cmd       *exec.Cmd
	lines     map[string]string // directories of lines by what they are for
	began     time.Time

	mu       sync.Mutex
	changes  map[string][]change // of the LEDs
	requests []string            // to PID 1
}

// change is an LED that was lit or darkened.
type change struct {
	at  time.Time
	lit bool
}

// The lines of board/boards/raspberrypi-4.board.
var panelLines = map[string]string{"status": "GPIO17", "capture": "GPIO27", "uplink": "GPIO22", "spool": "GPIO23", "button": "GPIO24"}

func newFront(t *testing.T) *front {
	f := &front{t: t, dir: t.TempDir(), addr: "127.0.0.1:9060", near: "span", far: "switch", lines: map[string]string{}, changes: map[string][]change{}}
	names := make([]string, 0, len(panelLines))
	for _, n := range panelLines {
		names = append(names, n)
	}
	dirs := simulate(t, "front", "pinctrl-bcm2711", names...)
	for what, name := range panelLines {
		f.lines[what] = dirs[name]
	}
	f.press(false)
	go f.look()

	inside.Load(t, "veth")
	for _, l := range []netlink.Link{&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: f.near}, PeerName: f.far}} {
		if err := netlink.LinkAdd(l); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{f.near, f.far} { // whoever has IPv6 talks
		put(t, filepath.Join("/proc/sys/net/ipv6/conf", name, "disable_ipv6"), "1")
		f.link(name, true)
	}
	f.link("lo", true)
	far, err := net.InterfaceByName(f.far)
	if err != nil {
		t.Fatal(err)
	}
	if f.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); err != nil {
		t.Fatal(err)
	}
	f.to = unix.SockaddrLinklayer{Ifindex: far.Index}
	t.Cleanup(func() { unix.Close(f.socket) })
	return f
}

func (f *front) link(name string, up bool) {
	f.t.Helper()
	l, err := netlink.LinkByName(name)
	if err == nil && up {
		err = netlink.LinkSetUp(l)
	} else if err == nil {
		err = netlink.LinkSetDown(l)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// start runs the program, and is PID 1 to it.
func (f *front) start() {
	f.t.Helper()
	config := filepath.Join(f.dir, "probe.conf")
	text := "set system node lab\nset system console off\nset capture span0 interface " + f.near + "\nset capture span0 ring-size 4MiB\nset capture span0 block-size 64KiB\n" +
		"set collector c address " + f.addr + "\nset collector c drain-rate 20\nset spool path " + f.dir + "\nset spool max-size 4MiB\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "probe"), os.NewFile(uintptr(fds[1]), "init")
	f.cmd = exec.Command("/heptap", "run", "-config", config, "-board", "raspberrypi-4", "-alive", "3")
	f.cmd.Stdout, f.cmd.Stderr = os.Stdout, os.Stdout
	f.cmd.ExtraFiles = []*os.File{theirs}
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	theirs.Close()
	f.began = time.Now()
	f.t.Cleanup(func() { _ = f.cmd.Process.Kill(); ours.Close() })
	go f.parent(ours)
}

// parent is what PID 1 is to the program: it grants everything, and writes down what
// was asked for.
func (f *front) parent(conn *os.File) {
	fmt.Fprintf(conn, "!time-servers \"\"\n")
	for s := bufio.NewScanner(conn); s.Scan(); {
		if request, ok := strings.CutPrefix(s.Text(), "?"); ok {
			verb, _, _ := strings.Cut(request, " ")
			f.mu.Lock()
			f.requests = append(f.requests, verb)
			f.mu.Unlock()
			fmt.Fprintf(conn, "=ok\n")
		}
	}
}

func (f *front) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.requests...)
}

func (f *front) roles() []string { return []string{"status", "capture", "uplink", "spool"} }

// look writes down when each LED was lit and darkened, until the test ends.
func (f *front) look() {
	values := map[string]*os.File{}
	for _, role := range f.roles() {
		file, err := os.Open(filepath.Join(f.lines[role], "value"))
		if err != nil {
			f.t.Error(err)
			return
		}
		defer file.Close()
		values[role] = file
	}
	for text := make([]byte, 8); f.t.Context().Err() == nil; time.Sleep(20 * time.Millisecond) {
		for role, file := range values {
			if n, err := file.ReadAt(text, 0); n == 0 {
				f.t.Errorf("the line of %s: %v", role, err)
				return
			}
			lit := text[0] == '1'
			f.mu.Lock()
			if all := f.changes[role]; len(all) == 0 || all[len(all)-1].lit != lit {
				f.changes[role] = append(all, change{time.Now(), lit})
			}
			f.mu.Unlock()
		}
	}
}

// seen is how long it takes to tell what an LED says: the slowest pattern lasts 3 s.
const seen = 3500 * time.Millisecond

// class says what an LED has said lately.
func (f *front) class(role string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, now := f.changes[role], time.Now()
	if len(all) == 0 {
		return "unknown"
	}
	last := all[len(all)-1]
	if now.Sub(last.at) > seen {
		return map[bool]string{true: "on", false: "off"}[last.lit]
	}
	var lits, darks []time.Duration
	for i := len(all) - 1; i > 0 && now.Sub(all[i-1].at) < seen; i-- {
		d := all[i].at.Sub(all[i-1].at)
		if all[i-1].lit {
			lits = append(lits, d)
		} else {
			darks = append(darks, d)
		}
	}
	return pattern(lits, darks)
}

// pattern says what LEDs with such flashes say.
func pattern(lits, darks []time.Duration) string {
	about := func(d, want time.Duration) bool { return d > want*7/10 && d < want*13/10+40*time.Millisecond }
	all := func(ds []time.Duration, want time.Duration) bool { // but for some on a busy machine
		n := 0
		for _, d := range ds {
			if about(d, want) {
				n++
			}
		}
		return n > 0 && n*4 >= len(ds)*3
	}
	const ms = time.Millisecond
	longest := time.Duration(0)
	for _, d := range darks {
		longest = max(longest, d)
	}
	switch {
	case all(lits, 1000*ms) && all(darks, 1000*ms):
		return "slow"
	case all(lits, 500*ms) && all(darks, 500*ms):
		return "blink"
	case len(lits) > 2 && (all(lits, 800*ms) && all(darks, 200*ms) || all(lits, 400*ms) && all(darks, 100*ms)):
		return "countdown"
	case len(lits) > 6 && all(lits, 125*ms) && all(darks, 125*ms):
		return "fast"
	case len(lits) > 2 && all(lits, 100*ms) && about(longest, 650*ms):
		return "heartbeat"
	case len(lits) > 0 && all(lits, 150*ms) && longest > 1500*ms:
		return "fill"
	}
	return fmt.Sprintf("lit %v, dark %v", lits, darks)
}

// shows waits until an LED says what is wanted, while do is done now and then.
func (f *front) shows(role, want string, do ...func()) {
	f.t.Helper()
	for n, deadline := 0, time.Now().Add(4*time.Minute); f.class(role) != want; n++ {
		time.Sleep(20 * time.Millisecond)
		for _, d := range do {
			if n%50 == 0 {
				d()
			}
		}
		if time.Now().After(deadline) {
			var all []string
			for _, r := range f.roles() {
				all = append(all, r+": "+f.class(r))
			}
			f.mu.Lock()
			for _, c := range f.changes[role][max(0, len(f.changes[role])-40):] {
				all = append(all, fmt.Sprintf("%.2f %v", c.at.Sub(f.began).Seconds(), c.lit))
			}
			f.mu.Unlock()
			f.t.Fatalf("the LED %s does not say %q; %s", role, want, strings.Join(all, "; "))
		}
	}
	f.t.Logf("%5.1f s: %s %s", time.Since(f.began).Seconds(), role, want)
}

// press presses the button, which pulls its line down, or lets go of it.
func (f *front) press(pressed bool) {
	put(f.t, filepath.Join(f.lines["button"], "pull"), pull(!pressed))
}

func (f *front) hold(d time.Duration) {
	f.press(true)
	time.Sleep(d)
	f.press(false)
}

func (f *front) send(frame []byte) {
	f.t.Helper()
	if err := unix.Sendto(f.socket, frame, 0, &f.to); err != nil && err != unix.ENOBUFS {
		f.t.Fatal(err)
	}
}

func (f *front) end(host byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, host}), port)
}

func (f *front) rtp() {
	for i := range 50 {
		f.send(capturetest.UDP(f.end(1, 4000), f.end(2, 4000), capturetest.RTPPacket(0, uint16(i), uint32(160*i), 7, make([]byte, 160))))
	}
}

// call sends so many calls with messages of their own.
func (f *front) call(id string, n int) {
	for i := range n {
		c := capturetest.Call{CallID: fmt.Sprintf("%d-%s", i, id), Caller: f.end(1, 5060), Callee: f.end(2, 5060), CallerMedia: f.end(1, 4000), CalleeMedia: f.end(2, 4000)}
		for _, d := range capturetest.SIPCall(c) {
			f.send(capturetest.UDP(d.Src, d.Dst, d.Payload))
		}
	}
}

// told waits until the collector has a record of an event of the button.
func (f *front) told(event string) {
	f.collector.Wait("an event of the button", func() bool {
		for _, r := range f.collector.Records() {
			p, err := hep.Parse(r.Frame)
			if err != nil || p.Type() != 100 {
				continue
			}
			var said struct{ Event, By string }
			if json.Unmarshal(p.Payload(), &said) == nil && said.Event == event && said.By == "button" {
				return true
			}
		}
		return false
	})
}
