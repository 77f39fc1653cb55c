package appliance

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/hal"
	"heptap/hal/haltest"
)

// fakePorts are serial ports with cables to the test.
type fakePorts struct {
	mu    sync.Mutex
	list  []hal.SerialPort
	at    map[string]*haltest.Serial // by path
	bauds map[string]int
}

func (p *fakePorts) List() ([]hal.SerialPort, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.list, nil
}

func (p *fakePorts) Open(path string, baud int) (hal.Serial, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bauds[path] = baud
	return p.at[path], nil
}

func (p *fakePorts) plug(name string, kind hal.SerialKind) *haltest.Serial {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := haltest.NewSerial(name)
	p.list = append(p.list[:len(p.list):len(p.list)], hal.SerialPort{Path: "/dev/" + name, Kind: kind})
	p.at["/dev/"+name] = s
	return s
}

// shellRig is shells, and a probe that says the port's name and then sends back
// what is typed; "bye" ends a session.
type shellRig struct {
	*fakePorts
	shells *shells

	mu   sync.Mutex
	held []string // what begins and ends was called for
}

func newShellRig(t *testing.T) *shellRig {
	dir, err := os.MkdirTemp("", "htl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &shellRig{fakePorts: &fakePorts{at: map[string]*haltest.Serial{}, bauds: map[string]int{}}}
	r.shells = &shells{ports: r.fakePorts, own: []Terminal{{Path: "/dev/ttyS0"}, {Path: "/dev/ttyS1", Baud: 9600}}, socket: filepath.Join(dir, "s"),
		title: "heptap 1.2.3", why: func() string { return "\nthe status\n" }, log: slog.New(slog.DiscardHandler), pause: time.Millisecond, echo: time.Millisecond,
		begins: func(port string) func() {
			r.note("begins " + port)
			return func() { r.note("ends " + port) }
		}}
	return r
}

func (r *shellRig) note(s string) {
	r.mu.Lock()
	r.held = append(r.held, s)
	r.mu.Unlock()
}

func (r *shellRig) probe(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("unix", r.shells.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				name, err := LineName(c)
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, "probe at "+name+"\n")
				for s := bufio.NewScanner(c); s.Scan() && s.Text() != "bye"; {
					_, _ = io.WriteString(c, "<"+s.Text()+">\n")
				}
			}()
		}
	}()
}

func (r *shellRig) start(t *testing.T) {
	t.Helper()
	ended := make(chan struct{})
	ctx := t.Context()
	go func() {
		r.shells.run(ctx)
		close(ended)
	}()
	t.Cleanup(func() { <-ended }) // the context is done by then
}

// user is who sits at the other end of a cable.
type user struct {
	t  *testing.T
	rw io.ReadWriter
	in *bufio.Reader
}

func newUser(t *testing.T, s *haltest.Serial) *user {
	rw := s.Far()
	return &user{t, rw, bufio.NewReader(rw)}
}

// sees reads lines up to one with that text.
func (u *user) sees(text string) {
	u.t.Helper()
	for seen := ""; ; {
		l, err := u.in.ReadString('\n')
		if seen += l; strings.Contains(l, text) {
			return
		}
		if err != nil {
			u.t.Fatalf("no %q in %q: %v", text, seen, err)
		}
	}
}

func (u *user) types(text string) {
	u.t.Helper()
	if _, err := io.WriteString(u.rw, text); err != nil {
		u.t.Fatal(err)
	}
}

// enters has a session begin. Enter too soon after what was written may be an echo,
// and is pressed again, as people do.
func (u *user) enters(text string) {
	u.t.Helper()
	time.Sleep(20 * time.Millisecond)
	u.types("\r")
	u.sees(text)
}

func TestShells(t *testing.T) {
	r := newShellRig(t)
	own, other := r.plug("ttyS0", hal.SerialUART), r.plug("ttyS3", hal.SerialUART)
	r.start(t)
	u := newUser(t, own)
	u.sees("heptap 1.2.3, console at ttyS0: press Enter")
	u.enters("the status") // no probe yet
	u.sees("begins by itself")
	u.enters("the status")
	u.sees("begins by itself")
	r.probe(t)
	u.sees("probe at ttyS0")
	u.types("\x00\xff garbage\nshow\n") // a break is a NUL
	u.sees("<show>")

	// Another port comes, and has a session of its own; the first one goes, with its session.
	usb := newUser(t, r.plug("ttyUSB0", hal.SerialUSB))
	usb.sees("console at ttyUSB0: press Enter")
	usb.enters("probe at ttyUSB0")
	usb.types("show\n")
	usb.sees("<show>")
	own.Unplug()
	own.Plug()
	u = newUser(t, own)
	u.sees("press Enter")
	u.enters("probe at ttyS0")
	u.types("bye\n")
	u.sees("The session has ended: press Enter")
	u.enters("probe at ttyS0")
	usb.types("still there\n")
	usb.sees("<still there>")

	r.mu.Lock()
	defer r.mu.Unlock()
	if got := strings.Join(r.held, ", "); got != "begins /dev/ttyS0, begins /dev/ttyUSB0, ends /dev/ttyS0, begins /dev/ttyS0, ends /dev/ttyS0, begins /dev/ttyS0" {
		t.Errorf("held: %s", got)
	}
	r.fakePorts.mu.Lock()
	defer r.fakePorts.mu.Unlock()
	if r.bauds["/dev/ttyS0"] != 115200 || r.bauds["/dev/ttyUSB0"] != 115200 || r.bauds["/dev/ttyS3"] != 0 {
		t.Errorf("speeds: %v", r.bauds)
	}
	_ = other
}

// A port that sends back what is written to it, such as a modem, begins nothing.
func TestShellsEcho(t *testing.T) {
	r := newShellRig(t)
	r.shells.echo = 200 * time.Millisecond
	r.probe(t)
	s := r.plug("ttyACM0", hal.SerialUSB)
	r.start(t)
	u := newUser(t, s)
	u.sees("press Enter")
	u.types("\r\nheptap 1.2.3, console at ttyACM0: press Enter\r\n")
	time.Sleep(300 * time.Millisecond)
	u.types("\r")
	u.sees("probe at ttyACM0")
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.held) != 1 {
		t.Errorf("held: %q", r.held)
	}
}

// A port whose other end takes nothing holds up no other, and nothing at the end.
func TestShellsNobodyReads(t *testing.T) {
	r := newShellRig(t)
	r.probe(t)
	r.plug("ttyS1", hal.SerialUART) // its cable has no room
	s := r.plug("ttyS0", hal.SerialUART)
	r.start(t)
	u := newUser(t, s)
	u.sees("press Enter")
	u.enters("probe at ttyS0")
}

func TestLineName(t *testing.T) {
	for text, want := range map[string]string{"ttyS0\nshow": "ttyS0", "\n": "", "tty S0\n": "", "tty": "", "": "", strings.Repeat("t", 32) + "\n": strings.Repeat("t", 32), strings.Repeat("t", 33) + "\n": ""} {
		r := strings.NewReader(text)
		got, err := LineName(r)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
		if rest, _ := io.ReadAll(r); want == "ttyS0" && string(rest) != "show" {
			t.Errorf("%q: it has taken more, and left %q", text, rest)
		}
	}
}

// While a session has the serial line the log waits, what is new drops out, and the
// kernel is quiet.
func TestQuiet(t *testing.T) {
	root := t.TempDir()
	files(t, root, map[string]string{"sys/class/tty/console/active": "tty0 ttyS0\n", "proc/sys/kernel/printk": "4\t4\t1\t7\n"})
	b := &Box{Root: root, line: newLine(), log: slog.New(slog.DiscardHandler)}
	level := func() string {
		text, err := os.ReadFile(filepath.Join(root, "proc/sys/kernel/printk"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(text))[0]
	}
	b.quiet("/dev/ttyUSB0")()
	if level() != "4" {
		t.Error("another port has quieted the kernel")
	}
	ends := b.quiet("/dev/ttyS0")
	if level() != "1" {
		t.Error("the kernel talks into a session")
	}
	for range 1000 {
		_, _ = b.line.Write([]byte("a line of the log\n"))
	}
	if out, ok := b.line.next(); ok {
		t.Errorf("the log talks into a session: %q", out)
	}
	ends()
	if level() != "4" {
		t.Error("the kernel stays quiet")
	}
	n, dropped := 0, false
	for {
		out, ok := b.line.next()
		if !ok {
			break
		}
		n += len(out)
		dropped = dropped || strings.Contains(string(out), "left out here")
	}
	if n < 8000 || n > 8300 || !dropped {
		t.Errorf("%d octets, dropped %t", n, dropped)
	}
}
