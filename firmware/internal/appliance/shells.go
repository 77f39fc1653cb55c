package appliance

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"heptap/hal"
)

// SerialPorts are the serial ports of the box.
type SerialPorts interface {
	// List returns those there are. It opens none.
	List() ([]hal.SerialPort, error)

	// Open returns the port of a path, which may come and go, at a speed in
	// bits per second.
	Open(path string, baud int) (hal.Serial, error)
}

// Terminal is one of the board's own ports that the console is to be at.
type Terminal struct {
	Path string
	Baud int // 0: terminalBaud
}

const (
	terminalBaud  = 115200
	maxTerminals  = 16                     // ports at once; names are few, so that more are strange
	lookForPorts  = time.Second            // between looks for new ones
	echoTime      = 300 * time.Millisecond // what comes so soon after we wrote is our own, sent back
	reachProbe    = 2 * time.Second        // for the probe to take a session
	takeKeys      = time.Second            // for the probe to take what was typed
	terminalChunk = 512
)

// shells have the probe's console at the box's serial ports: at those of the board
// that its description names, at each USB adapter, and at the port that a USB gadget has. A
// session begins with Enter, so that a port at which nobody is costs the probe
// nothing, and what is no terminal is left in peace. One goroutine or two a port; a port
// whose other end takes nothing holds up itself and no other.
type shells struct {
	ports  SerialPorts
	own    []Terminal
	socket string        // where the probe takes sessions, see Lines
	title  string        // what is written to a port when it comes
	why    func() string // said in place of a session that the probe does not take
	begins func(port string) (ends func())
	log    *slog.Logger
	pause  time.Duration // lookForPorts
	echo   time.Duration // echoTime
}

// run serves every port that comes, until ctx is done.
func (s *shells) run(ctx context.Context) {
	var serving sync.WaitGroup
	defer serving.Wait()
	known := map[string]bool{}
	said := ""
	for ctx.Err() == nil {
		ports, err := s.ports.List()
		if err != nil && err.Error() != said {
			said = err.Error()
			s.log.Warn("serial ports", "err", err)
		}
		for _, p := range ports {
			baud, ok := s.wants(p)
			if !ok || known[p.Path] {
				continue
			}
			known[p.Path] = true
			if len(known) > maxTerminals {
				s.log.Warn("a serial port too many", "port", p.Path, "most", maxTerminals)
				continue
			}
			serving.Go(func() { s.serve(ctx, p, baud) })
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.pause):
		}
	}
}

// wants says whether the console is to be at a port, and at what speed.
func (s *shells) wants(p hal.SerialPort) (baud int, ok bool) {
	i := slices.IndexFunc(s.own, func(t Terminal) bool { return t.Path == p.Path })
	if i < 0 {
		return terminalBaud, p.Kind == hal.SerialUSB || p.Kind == hal.SerialGadget
	}
	return cmp.Or(s.own[i].Baud, terminalBaud), true
}

func (s *shells) serve(ctx context.Context, p hal.SerialPort, baud int) {
	port, err := s.ports.Open(p.Path, baud)
	if err == nil {
		s.log.Info("console", "port", p.Path, "kind", string(p.Kind), "driver", p.Driver, "baud", baud)
		err = port.Serve(ctx, s.session)
	}
	if err != nil {
		s.log.Error("no console", "port", p.Path, "err", err)
	}
}

// session is a port for as long as it is there.
func (s *shells) session(ctx context.Context, line hal.SerialLine) {
	keys := make(chan []byte)
	go func() {
		defer close(keys)
		for {
			b := make([]byte, terminalChunk)
			n, err := line.Read(b)
			if err != nil {
				return
			}
			select {
			case keys <- b[:n]:
			case <-ctx.Done():
				return
			}
		}
	}()
	name := path.Base(line.Port().Path)
	text := "\n" + s.title + ", console at " + name + ": press Enter\n"
	for {
		if !s.say(line, text) || !s.enter(ctx, keys) {
			return
		}
		again, ok := s.talk(ctx, line, keys, name)
		if !ok {
			return
		}
		text = again
	}
}

// say writes text, and says whether the port took it.
func (s *shells) say(line io.Writer, text string) bool {
	_, err := io.WriteString(line, strings.ReplaceAll(text, "\n", "\r\n"))
	return err == nil
}

// enter waits for Enter, once what a port that sends back everything sends back is
// over. False: the port is gone.
func (s *shells) enter(ctx context.Context, keys <-chan []byte) bool {
	echo := time.After(s.echo)
	listening := false
	for {
		select {
		case <-ctx.Done():
			return false
		case <-echo:
			listening = true
		case b, ok := <-keys:
			if !ok {
				return false
			}
			if listening && bytes.ContainsAny(b, "\r\n") {
				return true
			}
		}
	}
}

// talk is a session with the probe. It returns what to say when it is over; ok is
// false when the port is gone.
func (s *shells) talk(ctx context.Context, line hal.SerialLine, keys <-chan []byte, name string) (text string, ok bool) {
	conn := s.await(ctx, line, keys, name)
	if conn == nil {
		return "", false
	}
	ends := s.begins(line.Port().Path)
	defer ends()
	over := make(chan error, 1)
	go func() {
		_, err := io.Copy(line, conn)
		over <- err
	}()
	defer conn.Close()
	for {
		select {
		case err := <-over:
			// One that the probe ended is over; one whose port is gone is, too.
			return "\nThe session has ended: press Enter for another one\n", err == nil || !errors.Is(err, os.ErrClosed)
		case b, more := <-keys:
			if !more {
				conn.Close()
				<-over
				return "", false
			}
			// A probe that takes no keys has nobody who reads what it shows.
			_ = conn.SetWriteDeadline(time.Now().Add(takeKeys))
			_, _ = conn.Write(b)
		case <-ctx.Done():
			conn.Close()
			<-over
			return "", false
		}
	}
}

// await begins a session as soon as the probe takes one. Until then it says what the
// box does, at once and at each Enter that is no echo of that. nil: the port is gone.
func (s *shells) await(ctx context.Context, line io.Writer, keys <-chan []byte, name string) net.Conn {
	look := time.NewTicker(s.pause)
	defer look.Stop()
	var said time.Time
	for asked := true; ; {
		conn, err := s.reach(ctx, name)
		if err == nil {
			return conn
		}
		if asked {
			if !s.say(line, s.why()+"\nThe probe has no console at this moment. It begins by itself; Enter shows this again\n") {
				return nil
			}
			asked, said = false, time.Now()
		}
		select {
		case <-ctx.Done():
			return nil
		case b, more := <-keys:
			if !more {
				return nil
			}
			asked = bytes.ContainsAny(b, "\r\n") && time.Since(said) > s.echo
		case <-look.C:
		}
	}
}

// reach begins a session with the probe.
func (s *shells) reach(ctx context.Context, name string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, reachProbe)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, name+"\n"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// LineName reads what a session from a serial port begins with: the port's name
// and LF. What follows is what is typed there.
func LineName(r io.Reader) (string, error) {
	var name []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", fmt.Errorf("name of a serial port: %w", err)
		}
		switch {
		case b[0] == '\n' && len(name) > 0:
			return string(name), nil
		case b[0] <= ' ' || b[0] > '~' || len(name) == 32:
			return "", fmt.Errorf("name of a serial port: %q is none", append(name, b[0]))
		}
		name = append(name, b[0])
	}
}

// linesSocket is where the probe takes sessions from serial ports.
const linesSocket = "/run/heptap/lines"

// startShells has the console at the box's serial ports.
func (b *Box) startShells(ctx context.Context, parts *sync.WaitGroup) {
	// A break and a letter would otherwise be an order to the kernel, such as to
	// restart at once; line noise has both.
	if err := os.WriteFile(b.path("/proc/sys/kernel/sysrq"), []byte("0"), 0); err != nil {
		b.log.Warn("the kernel still takes orders by break", "err", err)
	}
	if err := os.MkdirAll(filepath.Dir(b.path(linesSocket)), 0o700); err != nil {
		b.log.Error("console", "err", err)
	}
	if b.Serial == nil {
		return
	}
	s := &shells{ports: b.Serial, own: b.Terminals, socket: b.path(linesSocket), title: b.Title, why: b.status.String,
		begins: b.quiet, log: b.log.With("task", "console"), pause: lookForPorts, echo: echoTime}
	parts.Go(func() { s.run(ctx) })
}

// quiet keeps the log, and what the kernel has to say short of its end, off the port
// that both have in common with the session that begins there.
func (b *Box) quiet(port string) (ends func()) {
	active, err := os.ReadFile(b.path("/sys/class/tty/console/active"))
	names := strings.Fields(string(active))
	if err != nil || len(names) == 0 || names[len(names)-1] != path.Base(port) {
		return func() {}
	}
	levels := b.path("/proc/sys/kernel/printk")
	before, err := os.ReadFile(levels)
	if err == nil {
		err = os.WriteFile(levels, []byte("1"), 0)
	}
	if err != nil {
		b.log.Warn("the kernel's messages stay on the console", "err", err)
	}
	b.line.hold(true)
	return func() {
		if err == nil {
			_ = os.WriteFile(levels, before, 0)
		}
		b.line.hold(false)
	}
}
