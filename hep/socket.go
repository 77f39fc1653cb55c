package hep

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a net.Conn that counts what the kernel accepts and whose Write
// gives up when nothing is accepted for a while. It is a layer of its own so
// that TLS can be put on top: tls.Conn does not survive a Write that timed out,
// and here one times out only when the peer has stalled.
type socket struct {
	net.Conn
	raw     syscall.RawConn
	timeout time.Duration
	written atomic.Uint64
	ended   bool // the peer's FIN was read; for who reads
}

// Read notes the peer's FIN: to crypto/tls it is as good as close_notify.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err == io.EOF {
		s.ended = true
	}
	return n, err
}

func newSocket(c net.Conn, timeout time.Duration) (*socket, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T: %w", c, errors.ErrUnsupported)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &socket{Conn: c, raw: raw, timeout: timeout}, nil
}

// Write writes all of b, or fails with os.ErrDeadlineExceeded once at least
// timeout, and at most twice that, has passed without an octet accepted.
func (s *socket) Write(b []byte) (int, error) {
	total := 0
	for {
		if err := s.Conn.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
			return total, err
		}
		n, err := s.Conn.Write(b[total:])
		total += n
		s.written.Add(uint64(n))
		if n == 0 || total == len(b) || !errors.Is(err, os.ErrDeadlineExceeded) {
			return total, err
		}
	}
}

// unacked returns the octets in the send queue that the peer's kernel has not
// acknowledged, sent or not. Once the connection was half-closed the FIN counts
// as one (tcp(7), SIOCOUTQ; it is write_seq - snd_una).
func (s *socket) unacked() (int, error) {
	var n int
	var ioctl error
	err := s.raw.Control(func(fd uintptr) { n, ioctl = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err = errors.Join(err, ioctl); err != nil {
		return 0, err
	}
	return max(n, 0), nil
}

// setUserTimeout makes the kernel end the connection with ETIMEDOUT when sent
// octets, or a closed window, see no progress for d (tcp(7), TCP_USER_TIMEOUT).
// A peer that vanished would otherwise be waited for a quarter of an hour.
func (s *socket) setUserTimeout(d time.Duration) error {
	var opt error
	err := s.raw.Control(func(fd uintptr) {
		opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(min(d.Milliseconds(), 1<<31-1)))
	})
	return errors.Join(err, opt)
}

// setSendBuffer sets SO_SNDBUF before the socket connects.
func setSendBuffer(size int) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var opt error
		err := c.Control(func(fd uintptr) {
			opt = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, size)
		})
		return errors.Join(err, opt)
	}
}

// isReset reports whether the peer's kernel refused more octets.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
