package tty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
)

// maxBaud is more than any UART does.
const maxBaud = 50_000_000

// drainTime is how long what a session wrote last may take to go out.
const drainTime = time.Second

// line implements hal.SerialLine.
type line struct {
	port   hal.SerialPort
	f      *os.File
	before *unix.Termios
	gone   func() // ends the session
}

func openLine(port hal.SerialPort, baud int) (*line, error) {
	// Without O_NONBLOCK open waits for a carrier.
	f, err := os.OpenFile(port.Path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	l := &line{port: port, f: f}
	if err := l.raw(baud); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: raw mode: %w", port.Path, err), f.Close())
	}
	return l, nil
}

// control does not use Fd, which would make reads block for good.
func (l *line) control(f func(fd int) error) error {
	raw, err := l.f.SyscallConn()
	if err != nil {
		return err
	}
	if outer := raw.Control(func(fd uintptr) { err = f(int(fd)) }); outer != nil {
		return outer
	}
	return err
}

// raw sets what cfmakeraw(3) does, and ignores modem control lines.
func (l *line) raw(baud int) error {
	return l.control(func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		if err != nil {
			return err
		}
		before := *t
		l.before = &before
		t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON | unix.IXOFF
		t.Oflag &^= unix.OPOST
		t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
		t.Cflag &^= unix.CSIZE | unix.PARENB | unix.CSTOPB | unix.CRTSCTS
		t.Cflag |= unix.CS8 | unix.CLOCAL | unix.CREAD
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
		if baud != 0 {
			setSpeed(t, baud)
		}
		return unix.IoctlSetTermios(fd, unix.TCSETS2, t)
	})
}

// setSpeed does not need the speed to be one of those that have a name.
func setSpeed(t *unix.Termios, baud int) {
	t.Cflag &^= unix.CBAUD | unix.CIBAUD
	t.Cflag |= unix.BOTHER
	t.Ispeed, t.Ospeed = uint32(baud), uint32(baud)
}

// Port implements hal.SerialLine.
func (l *line) Port() hal.SerialPort { return l.port }

// SetSpeed implements hal.SerialLine. What has been written goes out before.
func (l *line) SetSpeed(baud int) error {
	if baud <= 0 || baud > maxBaud {
		return fmt.Errorf("%s: speed %d: want 1 to %d", l.port.Path, baud, maxBaud)
	}
	return l.done("set speed", l.control(func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		if err != nil {
			return err
		}
		setSpeed(t, baud)
		return unix.IoctlSetTermios(fd, unix.TCSETSW2, t)
	}))
}

// Break implements hal.SerialLine.
func (l *line) Break() error {
	return l.done("break", l.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCSBRK, 0) }))
}

// Read implements io.Reader.
func (l *line) Read(b []byte) (int, error) {
	n, err := l.f.Read(b)
	if err != nil {
		return n, l.done("read", err)
	}
	return n, nil
}

// Write implements io.Writer.
func (l *line) Write(b []byte) (int, error) {
	n, err := l.f.Write(b)
	return n, l.done("write", err)
}

// done ends the session at an error that says that the port is gone, or that
// the session was interrupted.
func (l *line) done(what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %s: %w", l.port.Path, what, err)
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) || absent(err) {
		l.gone()
		return fmt.Errorf("%w (%w)", err, os.ErrClosed)
	}
	return err
}

// interrupt makes Read and Write return, now and from now on.
func (l *line) interrupt() { _ = l.f.SetDeadline(time.Unix(1, 0)) } // fails only once closed

// watch ends the session when the port hangs up, until ctx is done.
func (l *line) watch(ctx context.Context) {
	for ctx.Err() == nil {
		var events int16
		err := l.control(func(fd int) error {
			fds := []unix.PollFd{{Fd: int32(fd)}} // a hangup is always told
			_, err := unix.Poll(fds, 0)
			events = fds[0].Revents
			return err
		})
		if err != nil && !errors.Is(err, unix.EINTR) || events != 0 {
			l.gone()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(longestWait):
		}
	}
}

// close gives the port back as it was.
func (l *line) close() error {
	// What nobody takes would keep the close waiting for half a minute.
	for end := time.Now().Add(drainTime); l.queued() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	_ = l.control(func(fd int) error { // it may be gone, and its mode with it
		return errors.Join(unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH), unix.IoctlSetTermios(fd, unix.TCSETS2, l.before))
	})
	return l.f.Close()
}

// queued is how many octets have not gone out.
func (l *line) queued() (n int) {
	_ = l.control(func(fd int) (err error) { n, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ); return err })
	return n
}
