package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"heptap/firmware/internal/config"
)

const consoleExamples = `  heptap console
  heptap console -config probe.conf
  heptap console show status
  heptap console "show | compare"
  heptap console < commands

Without COMMAND it is a shell, in which ? shows what can be typed; Ctrl-] leaves it at
once. With one, or with input that is no terminal, it prints what comes back, and the
exit status is 1 if a command was not carried out.
`

// What the shell says last to a script, see package console.
const (
	carriedOut    = 0x06
	notCarriedOut = 0x15
)

// leaveKey ends a session whatever the other side does: Ctrl-].
const leaveKey = 0x1d

func cmdConsole(ctx context.Context, e *env, args []string) error {
	fs := e.flags("console", consoleExamples)
	configFile := fs.String("config", "", "the probe's configuration `FILE`, which says where its socket is")
	socket := fs.String("socket", "", "the socket's `PATH`")
	if err := parse(fs, args); err != nil {
		return err
	}
	cfg := config.Default()
	if *configFile != "" {
		if *socket != "" {
			return usagef("want -config or -socket, not both")
		}
		var err error
		if cfg, err = config.Load(*configFile); err != nil {
			return err
		}
	}
	path := *socket
	if path == "" {
		path = cfg.ConsolePath()
	}
	if path == "" {
		return fmt.Errorf("%s: the probe has no console: set system console off", *configFile)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return fmt.Errorf("%w; is the probe running (as root?), and is this its socket? See -config and -socket", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c := conn.(*net.UnixConn)
	if fs.NArg() > 0 {
		return e.script(c, strings.NewReader(strings.Join(fs.Args(), " ")+"\n"))
	}
	out, isFile := e.stdout.(*os.File)
	if !isFile || !term.IsTerminal(int(e.stdin.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return e.script(c, e.stdin)
	}
	return e.attach(c, out)
}

// script sends commands and prints what comes back.
func (e *env) script(conn *net.UnixConn, in io.Reader) error {
	if _, err := conn.Write([]byte("\x1b[8;0;0t")); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(conn, in) // what the probe did not take, it says
		_ = conn.CloseWrite()
	}()
	last, err := lastApart(e.stdout, conn)
	switch {
	case err != nil:
		return err
	case bytes.Equal(last, []byte{carriedOut}):
		return nil
	case bytes.Equal(last, []byte{notCarriedOut}):
		return errors.New("not everything was carried out")
	}
	_, err = e.stdout.Write(last)
	return errors.Join(err, errors.New("the probe has ended the session"))
}

// lastApart copies all but the last octet, which it returns.
func lastApart(w io.Writer, r io.Reader) ([]byte, error) {
	in := bufio.NewReader(r)
	for {
		b, err := in.Peek(2)
		if len(b) < 2 {
			if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) {
				err = nil
			}
			return b, err
		}
		n := in.Buffered() - 1
		b, _ = in.Peek(n)
		if _, err := w.Write(b); err != nil {
			return nil, err
		}
		_, _ = in.Discard(n)
	}
}

// attach connects a person's terminal, which sends every key from then on.
func (e *env) attach(conn *net.UnixConn, out *os.File) error {
	fd := int(e.stdin.Fd())
	old, err := term.MakeRaw(fd)
	if err != nil {
		return err
	}
	defer e.atExit(func() { _ = term.Restore(fd, old) })()
	size := func() {
		if columns, rows, err := term.GetSize(int(out.Fd())); err == nil && rows > 0 {
			_, _ = fmt.Fprintf(conn, "\x1b[8;%d;%dt", rows, columns)
		}
	}
	size()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	left := make(chan struct{})
	go func() {
		defer conn.CloseWrite()
		b := make([]byte, 512)
		for {
			n, err := e.stdin.Read(b)
			i := bytes.IndexByte(b[:n], leaveKey)
			if i >= 0 {
				close(left)
				return
			}
			if _, werr := conn.Write(b[:n]); werr != nil || err != nil {
				return
			}
		}
	}()
	shown := make(chan error, 1)
	go func() {
		_, err := io.Copy(out, conn)
		shown <- err
	}()
	for {
		select {
		case <-resized:
			size()
		case <-left:
			_, err := io.WriteString(out, "\r\n")
			return err
		case err := <-shown:
			// The probe may end the session while a key or a new size is on its way.
			if errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) {
				err = nil
			}
			return err
		}
	}
}
