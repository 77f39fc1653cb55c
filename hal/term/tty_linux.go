package term

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// pollMillis is how long a Read of keys waits before it returns empty-handed,
// so that Run can look at its context.
const pollMillis = 200

// Open returns a panel on a terminal: it is drawn on out, and in delivers the
// keys; cfg's own In, Out and Live are not used. Where out is not a terminal it
// is written in lines. Where in is not a terminal, or belongs to another job in
// the foreground, it is left alone and there are no keys.
//
// The files stay the caller's. Close, or Run's return, restores the terminal.
func Open(in, out *os.File, cfg Config) (*Panel, error) {
	cfg.In, cfg.Out = nil, out
	cfg.Live = term.IsTerminal(int(out.Fd()))
	var undo func() error
	if fd := int(in.Fd()); cfg.Button != "" && term.IsTerminal(fd) && foreground(fd) {
		var err error
		if undo, err = rawMode(fd); err != nil {
			return nil, fmt.Errorf("panel: raw mode: %w", err)
		}
		cfg.In = tty(fd)
	}
	p := New(cfg)
	p.undo = undo
	return p, nil
}

// foreground says whether reading from the terminal is allowed: a job in the
// background that tries is stopped by SIGTTIN (termios(3)).
func foreground(fd int) bool {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp() // an error: not our controlling terminal
}

// rawMode puts a terminal into raw mode, but keeps ISIG, so that Ctrl-C still
// interrupts, and OPOST, so that "\n" still goes to the left.
func rawMode(fd int) (undo func() error, err error) {
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	undo = func() error { return term.Restore(fd, before) }
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err == nil {
		t.Lflag |= unix.ISIG
		t.Oflag |= unix.OPOST
		err = unix.IoctlSetTermios(fd, unix.TCSETS, t)
	}
	if err != nil {
		return nil, errors.Join(err, undo())
	}
	return undo, nil
}

// tty reads from a terminal without ever blocking for long. A Read that finds
// nothing returns 0 octets and no error.
type tty int

func (f tty) Read(b []byte) (int, error) {
	fds := []unix.PollFd{{Fd: int32(f), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, pollMillis)
	switch {
	case n == 0 || errors.Is(err, unix.EINTR):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read keys: %w", err)
	case fds[0].Revents&unix.POLLIN == 0:
		return 0, io.EOF // hung up
	}
	n, err = unix.Read(int(f), b)
	switch {
	case errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read keys: %w", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
