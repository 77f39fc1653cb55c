package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/console"
)

// openDoor is a console without a probe, and where its socket is.
func openDoor(t *testing.T) (socket, file string) {
	t.Helper()
	file = write(t, "probe.conf", "set capture span0 interface eth1\nset collector c address 192.0.2.1:9060\nset collector c auth-key hush\n")
	log := slog.New(slog.DiscardHandler)
	c, err := console.New(console.Options{File: file, Version: "devel", Log: log, Apply: func(config.Config) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(context.Background())
	var d door
	d.open(ctx, c, socket, log)
	t.Cleanup(func() {
		cancel()
		d.close()
		c.Close()
		if _, err := os.Stat(socket); err == nil {
			t.Error("the socket is left")
		}
	})
	return socket, file
}

func TestConsoleScript(t *testing.T) {
	socket, file := openDoor(t)
	if st, err := os.Stat(socket); err != nil || st.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, mode %v", err, st.Mode())
	}
	r := heptap(t, nil, "console", "-socket", socket, "show", "version").want(t, 0)
	if r.stdout != "heptap devel\n" {
		t.Errorf("%q", r.stdout)
	}
	r = heptap(t, []byte("set system node b\nshow | compare\ncommit"), "console", "-socket", socket).want(t, 0)
	if r.stdout != "+ set system node b\nthe capture begins anew with the new configuration ...\ncommitted\n" {
		t.Errorf("%q", r.stdout)
	}
	r = heptap(t, []byte("frob\nshow version\n"), "console", "-socket", socket).want(t, 1, "not everything was carried out")
	if !strings.HasPrefix(r.stdout, "error: unknown command \"frob\"") || !strings.HasSuffix(r.stdout, "heptap devel\n") {
		t.Errorf("%q", r.stdout)
	}
	if b, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(b), "set system node b\n") {
		t.Errorf("%v %s", err, b)
	}
	heptap(t, nil, "console", "-socket", socket+"x", "help").want(t, 1, "is the probe running")
	heptap(t, nil, "console", "-socket", socket, "-config", file, "help").want(t, 2, "not both")
	heptap(t, nil, "console", "-config", write(t, "off.conf", "set system console off\n"), "help").want(t, 1, "has no console")
}

// A large output, and one that nobody waits for.
func TestConsoleScriptLong(t *testing.T) {
	socket, _ := openDoor(t)
	var in bytes.Buffer
	for range 500 {
		in.WriteString("help\n")
	}
	r := heptap(t, in.Bytes(), "console", "-socket", socket).want(t, 0)
	if n := strings.Count(r.stdout, "commit confirmed"); n != 500 {
		t.Errorf("%d times help", n)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(in.Bytes()); err != nil {
		t.Error(err)
	}
	conn.Close()
	heptap(t, nil, "console", "-socket", socket, "show", "version").want(t, 0)
}

func TestListenPrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	first, err := listenPrivate(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenPrivate(path); err == nil || !strings.Contains(err.Error(), "another heptap") {
		t.Errorf("a second one: %v", err)
	}
	first.Close() // as one that was killed: the socket stays
	again, err := listenPrivate(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v %v", err, entries)
	}
	file := write(t, "file", "precious")
	if _, err := listenPrivate(file); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("instead of a file: %v", err)
	}
	if _, err := listenPrivate("/nonexistent/s"); err == nil {
		t.Error("in no directory")
	}
}

// openPTY returns a pseudo-terminal's two ends (pts(4)).
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	var n int
	if err == nil {
		n, err = unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	}
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal("pseudo-terminal: ", err)
	case err != nil:
		t.Skip("pseudo-terminal: ", err)
	}
	return master, slave
}

// TestConsoleTerminal sits at a terminal: keys as they are typed, completion, a
// page of its size, a change of that, ^C, and the terminal put back in the end.
func TestConsoleTerminal(t *testing.T) {
	socket, _ := openDoor(t)
	for _, leave := range []string{"exit\r", "\x04", "\x1d"} {
		master, slave := openPTY(t)
		size := func(rows, columns uint16) {
			if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
				t.Fatal(err)
			}
		}
		size(10, 70)
		before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		cmd := heptapCommand(t.Context(), "console", "-socket", socket)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		shown := newExpecter(master)
		shown.until(t, "heptap> ")
		for _, step := range []struct{ keys, want string }{
			{"sh\tver\t\r", "heptap devel\r\n"},
			{"sho\x03", "heptap> "},
			{"set syst\tno?", "name of this probe in every record"},
			{"\x15help\r", "-- more: space, Enter, q --"},
			{"q", "heptap> "},
		} {
			if _, err := io.WriteString(master, step.keys); err != nil {
				t.Fatal(err)
			}
			shown.until(t, step.want)
		}
		size(200, 200)
		if err := cmd.Process.Signal(unix.SIGWINCH); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(master, leave); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%q: %v", leave, err)
		}
		after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err != nil || *after != *before {
			t.Errorf("%q: the terminal is not what it was: %v", leave, err)
		}
		slave.Close()
		master.Close()
	}
}

// expecter reads what a program shows.
type expecter struct{ chunks chan string }

func newExpecter(r io.Reader) *expecter {
	e := &expecter{make(chan string, 1000)}
	go func() {
		defer close(e.chunks)
		b := make([]byte, 4096)
		for {
			n, err := r.Read(b)
			if n > 0 {
				e.chunks <- string(b[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	return e
}

// until waits for text, and passes over what came before.
func (e *expecter) until(t *testing.T, text string) {
	t.Helper()
	var all strings.Builder
	late := time.After(time.Minute)
	for !strings.Contains(all.String(), text) {
		select {
		case c, ok := <-e.chunks:
			if !ok {
				t.Fatalf("%q is not shown, but %q", text, all.String())
			}
			all.WriteString(c)
		case <-late:
			t.Fatalf("%q is not shown, but %q", text, all.String())
		}
	}
}
