package hep_test

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hep"
)

const patience = 30 * time.Second // for what takes milliseconds on an idle machine

// pair returns a Conn and the collector's end of it.
func pair(t testing.TB, opts hep.DialOptions, rcvbuf int) (*hep.Conn, *net.TCPConn) {
	t.Helper()
	lc := net.ListenConfig{}
	if rcvbuf > 0 {
		lc.Control = func(_, _ string, c syscall.RawConn) error {
			var opt error
			err := c.Control(func(fd uintptr) { opt = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, rcvbuf) })
			return errors.Join(err, opt)
		}
	}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := hep.Dial(t.Context(), "tcp", l.Addr().String(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	return c, far.(*net.TCPConn)
}

func peerErr(t *testing.T, c *hep.Conn) error {
	t.Helper()
	select {
	case err := <-c.Peer():
		return err
	case <-time.After(patience):
		t.Fatal("the peer's end was not noticed")
		return nil
	}
}

// eventually polls cond, for states only the kernel knows.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func mustWrite(t *testing.T, c *hep.Conn, b []byte) {
	t.Helper()
	if n, err := c.Write(b); err != nil || n != len(b) {
		t.Fatalf("write: %d, %v", n, err)
	}
}

func acked(t *testing.T, c *hep.Conn) uint64 {
	t.Helper()
	n, err := c.Acked()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// inqueue returns the octets in c's receive queue.
func inqueue(t *testing.T, c *net.TCPConn) uint64 {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var ioctl error
	err = raw.Control(func(fd uintptr) { n, ioctl = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	if err := errors.Join(err, ioctl); err != nil {
		t.Fatal(err)
	}
	return uint64(n)
}
