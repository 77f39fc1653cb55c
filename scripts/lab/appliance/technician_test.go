package appliance

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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

// TestTechnician is what a technician does with a box that nobody has set up.
func TestTechnician(t *testing.T) {
	t.Parallel()
	technician(t, x86)
}

func technician(t *testing.T, b board) {
	x := newBox(t, b, 1024)
	run(t, "mdel", "-i", x.disk+"@@1M", "::heptap.conf")
	socket := x.plugUSB()
	x.boot()
	c := newTerminal(t, socket)
	c.enters(prompt)
	c.does("show version")
}
