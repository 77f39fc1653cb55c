package hep

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWhyNotDialled: what people read of connections that come to nothing, from the kernel's
// own refusals where it can be had to refuse.
func TestWhyNotDialled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := l.Addr().String()
	defer l.Close()
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := shut.Addr().String()
	_ = shut.Close()
	from := func(a string) DialOptions {
		return DialOptions{LocalAddr: netip.AddrPortFrom(netip.MustParseAddr(a), 0)}
	}
	for _, c := range []struct {
		addr  string
		o     DialOptions
		want  string
		cause error
	}{
		{closed, DialOptions{}, "nobody listens at " + closed + ": is the server running, the port right? (connection refused)", syscall.ECONNREFUSED},
		{open, from("192.0.2.77"), "this machine does not have the address 192.0.2.77 to send from", syscall.EADDRNOTAVAIL},
		{open, DialOptions{Interface: "nope0"}, "there is no network device nope0 to send by", syscall.ENODEV},
		{open, from("2001:db8::1"), open + " cannot be reached from the address 2001:db8::1: one is IPv4, the other IPv6", syscall.EAFNOSUPPORT},
		{"[2001:db8::9]:9060", from("127.0.0.1"), "[2001:db8::9]:9060 cannot be reached from the address 127.0.0.1: one is IPv4, the other IPv6", syscall.EAFNOSUPPORT},
	} {
		_, err := Dial(t.Context(), "tcp", c.addr, c.o)
		if err == nil || err.Error() != c.want || !errors.Is(err, c.cause) {
			t.Errorf("%v", err)
		}
	}
	if c, err := Dial(t.Context(), "tcp", open, from("::ffff:127.0.0.1")); err != nil {
		t.Error(err)
	} else {
		_ = c.Close()
	}
}

// TestInWords: each errno has its words, and what was made of it is still known.
func TestInWords(t *testing.T) {
	op := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	for _, w := range wrong {
		err := inWords("192.0.2.1:9060", op(w.errno))
		if !strings.Contains(err.Error(), "192.0.2.1:9060") || strings.Contains(err.Error(), "hep:") || !errors.Is(err, w.errno) {
			t.Errorf("%v", err)
		}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{(&DialOptions{}).whyNotDialled("192.0.2.1:9060", op(context.DeadlineExceeded)), "192.0.2.1:9060 does not answer"},
		{(&DialOptions{Interface: "eth9"}).whyNotDialled("192.0.2.1:9060", op(syscall.EPERM)), "the device eth9 to send by cannot be chosen"},
		{(&DialOptions{}).whyNotDialled("x", context.Canceled), "hep: context canceled"},
		{whyNotWritten(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9060}, 10*time.Second, os.ErrDeadlineExceeded), "192.0.2.1:9060 has taken nothing for 10s"},
		{whyNotWritten(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9060}, 10*time.Second, op(syscall.EPIPE)), "192.0.2.1:9060 has closed the connection"},
		{inWords("x", op(syscall.EIO)), "hep: dial tcp: connect: input/output error"},
	} {
		if !strings.HasPrefix(c.err.Error(), c.want) {
			t.Errorf("%v, want %s", c.err, c.want)
		}
	}
}
