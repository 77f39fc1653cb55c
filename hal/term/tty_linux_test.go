package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childMode, when set, makes the test binary a program with a panel on its
// controlling terminal.
const childMode = "HEPTAP_TERM_TEST_CHILD"

func TestMain(m *testing.M) {
	mode := os.Getenv(childMode)
	if mode == "" {
		os.Exit(m.Run())
	}
	before, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err == nil {
		err = child(mode)
	}
	after, aerr := unix.IoctlGetTermios(0, unix.TCGETS)
	if err = errors.Join(err, aerr); err == nil && *before != *after {
		err = errors.New("the terminal is not what it was")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "restored after", mode)
}

func child(mode string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p, err := Open(os.Stdin, os.Stdout, Config{Lights: lights(), Button: "b"})
	if err != nil {
		return err
	}
	if mode == "panic" {
		defer func() { _ = recover() }()
		defer p.Close()
		panic("on the goroutine that defers Close")
	}
	return p.Run(ctx)
}

// openPTY returns a pseudo-terminal's two ends (pts(4)).
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fail := func(err error) {
		t.Helper()
		if os.Getenv("CI") == "true" {
			t.Fatal("pseudo-terminal:", err)
		}
		t.Skip("pseudo-terminal:", err)
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		fail(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		fail(err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}

func termios(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

func TestRawMode(t *testing.T) {
	_, slave := openPTY(t)
	before := termios(t, slave)
	p, err := Open(slave, slave, Config{Lights: lights(), Button: "b"})
	if err != nil {
		t.Fatal(err)
	}
	raw := termios(t, slave)
	if raw.Lflag&(unix.ICANON|unix.ECHO) != 0 || raw.Lflag&unix.ISIG == 0 || raw.Oflag&unix.OPOST == 0 {
		t.Errorf("local flags %#o, output flags %#o", raw.Lflag, raw.Oflag)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if termios(t, slave) != before {
		t.Error("not restored by Close")
	}
	p, err = Open(slave, slave, Config{Lights: lights(), Button: "b"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if termios(t, slave) != before {
		t.Error("not restored by Run")
	}
}

func TestNoTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	p, err := Open(r, w, Config{Lights: lights(), Button: "b"})
	if err != nil || p.cfg.Live || p.cfg.In != nil {
		t.Errorf("live %t, keys %v, err %v", p.cfg.Live, p.cfg.In, err)
	}
	_, slave := openPTY(t)
	before := termios(t, slave)
	if p, err = Open(slave, w, Config{Lights: lights()}); err != nil || p.cfg.In != nil || termios(t, slave) != before {
		t.Errorf("a panel without a button takes the keys: %v", err)
	}
}

// TestChild runs the panel as a program has it: on its controlling terminal.
func TestChild(t *testing.T) {
	for mode, keys := range map[string]string{"interrupt": "\x03", "panic": ""} {
		t.Run(mode, func(t *testing.T) {
			master, slave := openPTY(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(os.Environ(), childMode+"="+mode, "GORACE=atexit_sleep_ms=0") // the detector sleeps a second at exit
			var stderr strings.Builder
			cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, &stderr
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if keys != "" {
				awaitDrawing(t, master, cancel)
				if _, err := io.WriteString(master, keys); err != nil {
					t.Error(err)
				}
			}
			if err := cmd.Wait(); err != nil || stderr.String() != "restored after "+mode+"\n" {
				t.Errorf("%v: %s", err, stderr.String())
			}
		})
	}
}

// awaitDrawing reads the master until the panel has been drawn there.
func awaitDrawing(t *testing.T, master *os.File, giveUp func()) {
	t.Helper()
	var seen []byte
	buf := make([]byte, 4096)
	for !strings.Contains(string(seen), "[b] press") {
		n, err := master.Read(buf)
		seen = append(seen, buf[:n]...)
		if err != nil || len(seen) > 1<<20 {
			giveUp()
			t.Errorf("the panel is not drawn: %v, %q", err, seen)
			return
		}
	}
}

func TestTTYReader(t *testing.T) {
	master, slave := openPTY(t)
	undo, err := rawMode(int(slave.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = undo() }()
	f, b := tty(slave.Fd()), make([]byte, 8)
	if n, err := f.Read(b); n != 0 || err != nil {
		t.Errorf("nothing typed: %d, %v", n, err)
	}
	if _, err := io.WriteString(master, "b"); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range 100 {
		if n, err = f.Read(b); n > 0 || err != nil {
			break
		}
	}
	if n != 1 || b[0] != 'b' || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	_ = master.Close()
	if _, err = f.Read(b); err == nil {
		t.Error("no error after the terminal has hung up")
	}
}
