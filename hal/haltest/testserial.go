package haltest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"heptap/hal"
)

// SerialUnderTest is a serial port that is plugged in, and its surroundings.
type SerialUnderTest struct {
	Serial       hal.Serial
	Far          io.ReadWriter // the other end; after Plug it may be a new one behind the same
	Unplug, Plug func()
}

// TestSerial checks an implementation of hal.Serial. open sets up a port; it is
// called once per case.
func TestSerial(t *testing.T, open func(t *testing.T) SerialUnderTest) {
	cases := []struct {
		name string
		run  func(t *testing.T, u SerialUnderTest)
	}{
		{"carries every octet", serialCarries},
		{"speed and break", serialSpeed},
		{"context", serialContext},
		{"session returns", serialReturns},
		{"gone and back", serialGone},
		{"absent at first", serialAbsent},
		{"context done before", serialDone},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			u := open(t)
			if u.Serial.Name() == "" {
				t.Error("the name is empty")
			}
			c.run(t, u)
		})
	}
}

// sessions are those of a Serve under way. Each ends when it is told so.
type sessions struct {
	t      *testing.T
	cancel context.CancelFunc
	begun  chan serialSession
	done   chan error
}

type serialSession struct {
	ctx  context.Context
	line hal.SerialLine
	end  chan struct{} // closed to make it return
}

func serve(t *testing.T, s hal.Serial) *sessions {
	ctx, cancel := context.WithCancel(t.Context())
	w := &sessions{t: t, cancel: cancel, begun: make(chan serialSession, 16), done: make(chan error, 1)}
	go func() {
		w.done <- s.Serve(ctx, func(ctx context.Context, line hal.SerialLine) {
			one := serialSession{ctx, line, make(chan struct{})}
			w.begun <- one
			<-one.end
		})
	}()
	return w
}

func (w *sessions) next() serialSession {
	w.t.Helper()
	select {
	case s := <-w.begun:
		return s
	case err := <-w.done:
		w.t.Fatalf("Serve returned %v", err)
	case <-time.After(patience):
		w.t.Fatal("no session")
	}
	return serialSession{}
}

func (w *sessions) stop() {
	w.t.Helper()
	w.cancel()
	for {
		select {
		case s := <-w.begun: // begun before that
			close(s.end)
		case err := <-w.done:
			if err != nil {
				w.t.Errorf("Serve: %v, want nil after its context is done", err)
			}
			return
		case <-time.After(patience):
			w.t.Fatal("Serve does not return")
		}
	}
}

// exchange sends from a to b and checks what arrives.
func exchange(t *testing.T, what string, from io.Writer, to io.Reader, data []byte) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write(data)
		sent <- err
	}()
	got := make([]byte, len(data))
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(to, got)
		read <- err
	}()
	for range 2 {
		select {
		case err := <-sent:
			if err != nil {
				t.Fatalf("%s: write: %v", what, err)
			}
		case err := <-read:
			if err != nil {
				t.Fatalf("%s: read: %v", what, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s: nothing arrives", what)
		}
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%s: got % x, want % x", what, got, data)
	}
}

func serialCarries(t *testing.T, u SerialUnderTest) {
	w := serve(t, u.Serial)
	s := w.next()
	all := make([]byte, 256) // what a terminal would interpret is among them
	for i := range all {
		all[i] = byte(i)
	}
	exchange(t, "in", u.Far, s.line, all)
	exchange(t, "out", s.line, u.Far, append([]byte("one\nline\r\n"), all...)) // an echo of "in" would come before
	if s.line.Port().Path == "" || s.line.Port().Kind == "" {
		t.Errorf("port %+v", s.line.Port())
	}
	close(s.end)
	w.stop()
}

func serialSpeed(t *testing.T, u SerialUnderTest) {
	w := serve(t, u.Serial)
	s := w.next()
	for _, baud := range []int{9600, 115200, 460800} {
		if err := s.line.SetSpeed(baud); err != nil {
			t.Errorf("SetSpeed(%d): %v", baud, err)
		}
	}
	for _, baud := range []int{0, -9600} {
		if err := s.line.SetSpeed(baud); err == nil || errors.Is(err, os.ErrClosed) {
			t.Errorf("SetSpeed(%d): %v", baud, err)
		}
	}
	if err := s.line.Break(); err != nil {
		t.Errorf("Break: %v", err)
	}
	exchange(t, "out", s.line, u.Far, []byte("after it"))
	close(s.end)
	w.stop()
}

// over checks that a session is told of its end, also in the middle of a Read.
func over(t *testing.T, s serialSession, cause func()) {
	t.Helper()
	read := make(chan error, 1)
	go func() {
		_, err := s.line.Read(make([]byte, 16))
		read <- err
	}()
	cause()
	select {
	case err := <-read:
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v, want os.ErrClosed", err)
		}
	case <-time.After(patience):
		t.Fatal("Read does not return")
	}
	select {
	case <-s.ctx.Done():
	case <-time.After(patience):
		t.Fatal("the session's context is not done")
	}
	if _, err := s.line.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write afterwards: %v, want os.ErrClosed", err)
	}
}

func serialContext(t *testing.T, u SerialUnderTest) {
	w := serve(t, u.Serial)
	s := w.next()
	over(t, s, w.cancel)
	close(s.end)
	w.stop()
	if len(w.begun) > 0 {
		t.Error("a session began after the context was done")
	}
}

func serialReturns(t *testing.T, u SerialUnderTest) {
	w := serve(t, u.Serial)
	for range 2 {
		s := w.next()
		exchange(t, "out", s.line, u.Far, []byte("bye\n"))
		close(s.end)
	}
	w.stop()
}

func serialGone(t *testing.T, u SerialUnderTest) {
	w := serve(t, u.Serial)
	for range 2 {
		s := w.next()
		exchange(t, "in", u.Far, s.line, []byte("hello"))
		over(t, s, u.Unplug)
		close(s.end)
		u.Plug()
	}
	s := w.next()
	exchange(t, "in", u.Far, s.line, []byte("again"))
	exchange(t, "out", s.line, u.Far, []byte("and back"))
	close(s.end)
	w.stop()
}

func serialAbsent(t *testing.T, u SerialUnderTest) {
	u.Unplug()
	w := serve(t, u.Serial)
	u.Plug()
	s := w.next()
	exchange(t, "out", s.line, u.Far, []byte("here"))
	close(s.end)
	w.stop()
	u.Unplug()
	w = serve(t, u.Serial)
	w.stop()
	u.Plug()
}

func serialDone(t *testing.T, u SerialUnderTest) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := u.Serial.Serve(ctx, func(context.Context, hal.SerialLine) { t.Error("a session began") })
	if err != nil {
		t.Errorf("Serve: %v", err)
	}
}
