package appliance

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/capture/capturetest"
)

// terminal is a technician's, at the other end of a USB cable.
type terminal struct {
	t    *testing.T
	conn net.Conn

	mu    sync.Mutex
	shown string // everything so far
	at    int    // up to where everything was expected
	more  chan struct{}
}

// usbAdapter is a USB serial adapter in the box.
const usbAdapter = "adapter"

// plugUSB has the box boot with a USB serial adapter, whose cable ends at a socket.
func (x *box) plugUSB() (socket string) {
	socket = filepath.Join(x.dir, "usb")
	x.more = append(x.more, "-device", "qemu-xhci", "-chardev", "socket,id=cable,server=on,wait=off,path="+socket,
		"-device", "usb-serial,always-plugged=on,chardev=cable,id="+usbAdapter)
	return socket
}

func newTerminal(t *testing.T, socket string) *terminal {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	c := &terminal{t: t, conn: conn, more: make(chan struct{}, 1)}
	t.Cleanup(func() {
		conn.Close()
		if t.Failed() {
			c.mu.Lock()
			t.Logf("the terminal:\n%s", c.shown)
			c.mu.Unlock()
		}
	})
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			c.mu.Lock()
			c.shown += string(b[:n])
			c.mu.Unlock()
			select {
			case c.more <- struct{}{}:
			default:
			}
		}
	}()
	return c
}

// sees waits until the terminal shows a text after what was expected before, and
// returns what stood before it.
func (c *terminal) sees(text string) string {
	c.t.Helper()
	late := time.After(patience)
	for {
		c.mu.Lock()
		before, _, ok := strings.Cut(c.shown[c.at:], text)
		if ok {
			c.at += len(before) + len(text)
		}
		c.mu.Unlock()
		if ok {
			return before
		}
		select {
		case <-c.more:
		case <-late:
			c.t.Fatalf("the terminal does not show %q", text)
		}
	}
}

func (c *terminal) types(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format, args...); err != nil && !errors.Is(err, net.ErrClosed) {
		c.t.Fatal(err)
	}
}

// prompt is what a session shows that waits for a command, and has no changes.
const prompt = "heptap> "

// does has a command carried out, and returns what it shows.
func (c *terminal) does(command string) string {
	c.t.Helper()
	c.types("%s | no-more\r", command)
	c.sees("no-more\r\n")
	return c.sees(prompt)
}

// enters presses Enter until a session begins.
func (c *terminal) enters(text string) {
	c.t.Helper()
	c.sees("press Enter")
	time.Sleep(time.Second) // Enter at once would be taken for an echo
	c.types("\r")
	c.sees(text)
}

// answers types an answer to a question that setup asks.
func (c *terminal) answers(question, answer string) {
	c.t.Helper()
	c.sees(question)
	c.types("%s\r", answer)
}

// skip expects nothing any more of what has been shown.
func (c *terminal) skip() {
	c.mu.Lock()
	c.at = len(c.shown)
	c.mu.Unlock()
}

// has says whether the terminal has shown a text after what was expected before.
func (c *terminal) has(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Contains(c.shown[c.at:], text)
}

// shows asks again until a command shows a text, after something was done each time.
func (c *terminal) shows(command, text string, do func()) {
	c.t.Helper()
	out := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Second) {
		do()
		if out = c.does(command); strings.Contains(out, text) {
			return
		}
	}
	c.t.Fatalf("%s does not show %q:\n%s", command, text, out)
}

// calls sends so many calls between hosts of their own, all of it or only what
// the callers send.
func (x *box) calls(first, n int, both bool) {
	x.t.Helper()
	for i := first; i < first+n; i++ {
		host := func(net byte, port uint16) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100 + net, byte(i)}), port)
		}
		c := capturetest.Call{CallID: fmt.Sprintf("%d@lab", i), Caller: host(0, 5060), Callee: host(1, 5060), CallerMedia: host(0, 4000), CalleeMedia: host(1, 4000)}
		for _, d := range capturetest.SIPCall(c) {
			if both || d.Src == c.Caller {
				x.mirror.send(x.t, capturetest.UDP(d.Src, d.Dst, d.Payload))
			}
		}
	}
}

// TestTechnician is what a technician does with a box that nobody has set up.
func TestTechnician(t *testing.T) {
	t.Parallel()
	technician(t, x86)
}

func TestTechnicianARM64(t *testing.T) {
	long(t)
	t.Parallel()
	technician(t, arm)
}

func technician(t *testing.T, b board) {
	x := newBox(t, b, 1024)
	run(t, "mdel", "-i", x.disk+"@@1M", "::heptap.conf")
	socket := x.plugUSB()
	x.boot()
	c := newTerminal(t, socket)
	_, port, err := net.SplitHostPort(x.collector.Addr())
	if err != nil {
		t.Fatal(err)
	}

	// First boot. What is wrong is asked again.
	c.enters("This box has no configuration yet.")
	c.answers("1 of 5: name of this probe [heptap]: ", "tech lab")
	c.answers("1 of 5", "\x03")
	c.sees("left; setup asks again")
	c.sees(prompt)
	c.types("setup\r")
	c.answers("1 of 5", "lab")
	c.answers("2 of 5: port of the uplink, which leads to the collector [enp0s2]: ", "enp9s9")
	c.sees("no such port; there are: enp0s2, enp0s3")
	c.answers("2 of 5", "")
	c.answers("its address [dhcp]: ", "")
	c.answers("mirror (SPAN) port [enp0s3]: ", "enp0s2")
	c.sees("a mirror port must never send")
	c.answers("3 of 5", "")
	c.answers("4 of 5: collector [none]: ", "10.0.2.2:"+port)
	c.answers("how [tcp]: ", "")
	c.answers("5 of 5: time servers [dhcp]: ", "")
	c.answers("Put this to work?", "")
	c.sees("rolled back in 10m0s unless confirm follows")
	for _, step := range []string{"link ", "address ", "gateway ", "tcp "} {
		c.sees("ok   " + step)
	}
	c.sees("confirmed by a barrier")
	c.answers("Now, in UTC [", "") // QEMU's DHCP server names no time server
	c.answers("Keep this configuration? no brings back what was before [yes]: ", "")
	c.sees("confirmed: the configuration file has it")
	c.sees(prompt)

	// The switch mirrors one direction only, and is set right.
	c.shows("test span", "one direction only", func() { x.calls(1, 8, false) })
	x.arrive(x.call("first@lab"))
	c.shows("show calls", "first@lab", func() {})
	for _, text := range []string{"INVITE", "200", "BYE", "198.51.100.1"} {
		if out := c.does("show call first@lab"); !strings.Contains(out, text) {
			t.Errorf("the ladder has no %s:\n%s", text, out)
		}
	}

	// A commit that is wrong, and one that is right.
	c.types("set collector central address 10.0.2.2:1\r")
	c.sees("heptap*> ")
	c.types("commit confirmed 1\r")
	c.sees("rolled back in 1m0s unless confirm follows")
	c.types("test uplink\r")
	c.sees("FAIL tcp")
	c.sees("error: not everything works")
	c.sees("the commit was not confirmed in time: what ran before runs again")
	if out := c.does("show running"); !strings.Contains(out, "10.0.2.2:"+port) {
		t.Errorf("not rolled back:\n%s", out)
	}
	c.types("set system agent-id 77\r")
	c.sees("heptap*> ")
	c.types("commit confirmed 5\r")
	c.sees("rolled back in 5m0s unless confirm follows")
	c.sees(prompt)
	c.types("confirm\r")
	c.sees("confirmed: ")
	c.sees(prompt)

	// Somebody else is at the box's own port; the cable is pulled meanwhile.
	if err := x.guest.Type("\r"); err != nil {
		t.Fatal(err)
	}
	x.expect("? shows what can be typed")
	if err := x.guest.Type("exit\r"); err != nil {
		t.Fatal(err)
	}
	x.expect("The session has ended: press Enter")
	if _, err := x.guest.QMP("device_del", map[string]string{"id": usbAdapter}); err != nil {
		t.Fatal(err)
	}
	x.plugAgain()
	c.enters("? shows what can be typed")
	c.sees(prompt)

	if _, err := x.guest.QMP("system_powerdown", nil); err != nil {
		t.Fatal(err)
	}
	x.ends()
	x.boot()
	c = newTerminal(t, socket)
	c.enters(prompt)
	if out := c.does("show running"); !strings.Contains(out, "set system agent-id 77") || !strings.Contains(out, "set system node lab") {
		t.Errorf("after the restart:\n%s", out)
	}
	next := 0
	c.shows("test span", "the mirror is good", func() {
		x.calls(1+next%200, 20, true)
		next += 20
	})
	x.cut()
}

// plugAgain plugs the adapter in. QEMU lets go of the cable a little after it took
// the device away.
func (x *box) plugAgain() {
	x.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		_, err := x.guest.QMP("device_add", map[string]any{"driver": "usb-serial", "id": usbAdapter, "chardev": "cable", "always-plugged": true})
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "in use") && !strings.Contains(err.Error(), "Duplicate") || time.Now().After(end) {
			x.t.Fatal(err)
		}
	}
}
