package haltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"heptap/hal"
)

// Serial is a hal.Serial with a cable to the test. It is plugged in from the
// start, and does not pause between sessions.
type Serial struct {
	name string

	mu      sync.Mutex // guards what follows
	cable   *cable     // nil: not plugged in
	changed chan struct{}
}

var _ hal.Serial = (*Serial)(nil)

// cable is one plugging in: two pipes.
type cable struct {
	in, out     *io.PipeReader // of the port, of the far end
	toIn, toOut *io.PipeWriter
}

// NewSerial returns a port.
func NewSerial(name string) *Serial {
	s := &Serial{name: name, changed: make(chan struct{})}
	s.Plug()
	return s
}

// Name implements hal.Serial.
func (s *Serial) Name() string { return s.name }

// Plug plugs the port in. The far end is then another one.
func (s *Serial) Plug() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cable == nil {
		c := &cable{}
		c.in, c.toIn = io.Pipe()
		c.out, c.toOut = io.Pipe()
		s.set(c)
	}
}

// Unplug pulls it.
func (s *Serial) Unplug() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cable != nil {
		s.cable.end(io.ErrClosedPipe)
		s.set(nil)
	}
}

func (s *Serial) set(c *cable) {
	s.cable = c
	close(s.changed)
	s.changed = make(chan struct{})
}

func (c *cable) end(err error) {
	for _, r := range []*io.PipeReader{c.in, c.out} {
		_ = r.CloseWithError(err) // never fails
	}
	for _, w := range []*io.PipeWriter{c.toIn, c.toOut} {
		_ = w.CloseWithError(err) // never fails
	}
}

func (s *Serial) state() (*cable, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cable, s.changed
}

// Far is the other end of the cable that is plugged in. Writing waits for a
// reader, and what a session left unread is lost with it.
func (s *Serial) Far() io.ReadWriter { return far{s} }

type far struct{ s *Serial }

func (f far) Read(b []byte) (int, error) {
	if c, _ := f.s.state(); c != nil {
		return c.out.Read(b)
	}
	return 0, io.ErrClosedPipe
}

func (f far) Write(b []byte) (int, error) {
	if c, _ := f.s.state(); c != nil {
		return c.toIn.Write(b)
	}
	return 0, io.ErrClosedPipe
}

// Serve implements hal.Serial.
func (s *Serial) Serve(ctx context.Context, session func(ctx context.Context, line hal.SerialLine)) error {
	for ctx.Err() == nil {
		c, changed := s.state()
		if c == nil {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		inner, cancel := context.WithCancel(ctx)
		var unplugged sync.WaitGroup
		unplugged.Go(func() {
			select {
			case <-inner.Done():
				s.renew(c)
			case <-changed:
				cancel()
			}
		})
		session(inner, serialLine{c, s.name})
		cancel()
		unplugged.Wait()
	}
	return nil
}

// renew ends a session's reads and writes, and gives the next one pipes of its
// own.
func (s *Serial) renew(c *cable) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.end(io.ErrClosedPipe)
	if s.cable == c {
		next := &cable{}
		next.in, next.toIn = io.Pipe()
		next.out, next.toOut = io.Pipe()
		s.set(next)
	}
}

type serialLine struct {
	c    *cable
	name string
}

func (l serialLine) Port() hal.SerialPort {
	return hal.SerialPort{Path: "/dev/" + l.name, Kind: hal.SerialUART}
}

func (l serialLine) SetSpeed(baud int) error {
	if baud <= 0 {
		return fmt.Errorf("speed %d", baud)
	}
	return nil
}

func (l serialLine) Break() error { return nil }

func (l serialLine) Read(b []byte) (int, error) {
	n, err := l.c.in.Read(b)
	return n, closed(err)
}

func (l serialLine) Write(b []byte) (int, error) {
	n, err := l.c.toOut.Write(b)
	return n, closed(err)
}

func closed(err error) error {
	if errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF) {
		return fmt.Errorf("serial: %w", os.ErrClosed)
	}
	return err
}
