package hep

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
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

// control sets what has to be set before the socket connects.
func (o *DialOptions) control(network, _ string, c syscall.RawConn) error {
	var errs []error
	set := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	err := c.Control(func(fd uintptr) {
		s := int(fd)
		if o.SendBufferBytes > 0 {
			set("SO_SNDBUF", unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_SNDBUF, o.SendBufferBytes))
		}
		if o.Interface != "" {
			set("bind to interface "+o.Interface, unix.BindToDevice(s, o.Interface))
		}
		if o.DSCP > 0 {
			if strings.HasSuffix(network, "6") {
				set("IPV6_TCLASS", unix.SetsockoptInt(s, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, o.DSCP<<2))
			} else {
				set("IP_TOS", unix.SetsockoptInt(s, unix.IPPROTO_IP, unix.IP_TOS, o.DSCP<<2))
			}
		}
	})
	return errors.Join(append(errs, err)...)
}

// mtu returns how many octets of payload a datagram to the peer may have to go in
// one packet, as far as the kernel knows, and the packet's size; 0 when it does not
// know.
func (s *socket) mtu() (payload, packet int) {
	addr, ok := s.RemoteAddr().(*net.UDPAddr)
	if !ok {
		return 0, 0
	}
	level, option, header := unix.IPPROTO_IP, unix.IP_MTU, 20+8
	if addr.IP.To4() == nil {
		level, option, header = unix.IPPROTO_IPV6, unix.IPV6_MTU, 40+8
	}
	var n int
	var opt error
	if err := s.raw.Control(func(fd uintptr) { n, opt = unix.GetsockoptInt(int(fd), level, option) }); err != nil || opt != nil || n <= header {
		return 0, 0
	}
	return n - header, n
}

// isReset reports whether the peer's kernel refused more octets.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
