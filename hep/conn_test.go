package hep_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"heptap/hep"
)

func TestConnHalfCloseAnswered(t *testing.T) {
	c, far := pair(t, hep.DialOptions{}, 0)
	sent := bytes.Repeat([]byte("0123456789"), 100_000)
	read := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(far)
		_ = far.Close()
		read <- b
	}()
	mustWrite(t, c, sent)
	if c.Written() != uint64(len(sent)) {
		t.Errorf("written %d of %d", c.Written(), len(sent))
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := peerErr(t, c); err != io.EOF {
		t.Fatalf("peer: %v", err)
	}
	if !c.Confirmed() {
		t.Error("the answered half-close does not confirm")
	}
	if got := acked(t, c); got != uint64(len(sent)) {
		t.Errorf("acked %d of %d", got, len(sent))
	}
	if got := <-read; !bytes.Equal(got, sent) {
		t.Errorf("peer read %d octets of %d", len(got), len(sent))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n, err := c.Acked(); n != uint64(len(sent)) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("acked after close: %d, %v", n, err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// TestConnAckedCountsNoFIN: with the FIN held up behind a closed window, the
// queue is one longer than the octets in it.
func TestConnAckedCountsNoFIN(t *testing.T) {
	c, far := pair(t, hep.DialOptions{WriteTimeout: patience}, 4096)
	mustWrite(t, c, make([]byte, 100))
	eventually(t, "acked before the half-close", func() bool { return acked(t, c) == 100 })
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if n := acked(t, c); n != 100 {
			t.Fatalf("acked %d after the FIN", n)
		}
	}
	if got := inqueue(t, far); got != 100 {
		t.Fatalf("the peer's kernel has %d", got)
	}
	c, far = pair(t, hep.DialOptions{SendBufferBytes: 1 << 20}, 4096)
	const size = 300_000
	mustWrite(t, c, make([]byte, size))
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n := acked(t, c); n >= size {
		t.Fatalf("acked %d of %d before the peer read anything", n, size)
	}
	var taken uint64
	buf := make([]byte, 4096)
	for {
		n, err := far.Read(buf)
		if taken += uint64(n); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		// In this order the right side can only have grown since.
		if a, has := acked(t, c), taken+inqueue(t, far); a > has {
			t.Fatalf("acked %d, the peer's kernel has %d of %d", a, has, size)
		}
	}
	eventually(t, "all acked", func() bool { return acked(t, c) == size })
}

func TestConnFIN(t *testing.T) {
	c, far := pair(t, hep.DialOptions{}, 0)
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	if err := peerErr(t, c); err != io.EOF {
		t.Fatalf("peer: %v", err)
	}
	if c.Confirmed() {
		t.Error("a FIN nobody asked for confirms")
	}
	eventually(t, "writes fail", func() bool { _, err := c.Write([]byte("x")); return err != nil })
	if err := c.CloseWrite(); err == nil && c.Confirmed() {
		t.Error("confirmed after the fact")
	}
}

func TestConnReset(t *testing.T) {
	t.Run("linger 0", func(t *testing.T) {
		c, far := pair(t, hep.DialOptions{}, 0)
		mustWrite(t, c, []byte("frame"))
		if err := errors.Join(far.SetLinger(0), far.Close()); err != nil {
			t.Fatal(err)
		}
		if err := peerErr(t, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("peer: %v", err)
		}
	})
	t.Run("unread octets", func(t *testing.T) {
		c, far := pair(t, hep.DialOptions{}, 0)
		mustWrite(t, c, []byte("read unread"))
		if _, err := io.ReadFull(far, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "acked", func() bool { return acked(t, c) == c.Written() })
		if err := far.Close(); err != nil {
			t.Fatal(err)
		}
		if err := peerErr(t, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("peer: %v", err)
		}
		if c.Confirmed() || acked(t, c) != 11 {
			t.Errorf("confirmed %v, acked %d", c.Confirmed(), acked(t, c))
		}
	})
	t.Run("unread octets after half-close", func(t *testing.T) {
		c, far := pair(t, hep.DialOptions{}, 0)
		mustWrite(t, c, []byte("unread"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "acked", func() bool { return acked(t, c) == 6 })
		if err := far.Close(); err != nil {
			t.Fatal(err)
		}
		if err := peerErr(t, c); !errors.Is(err, syscall.ECONNRESET) || c.Confirmed() {
			t.Errorf("peer: %v, confirmed %v", err, c.Confirmed())
		}
	})
}

func TestConnFrozenPeer(t *testing.T) {
	c, far := pair(t, hep.DialOptions{WriteTimeout: 100 * time.Millisecond, SendBufferBytes: 64 << 10}, 16<<10)
	block := make([]byte, 64<<10)
	var accepted uint64
	var err error
	for err == nil && accepted < 1<<30 {
		var n int
		n, err = c.Write(block)
		accepted += uint64(n)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("after %d octets: %v", accepted, err)
	}
	if c.Written() != accepted {
		t.Errorf("written %d, accepted %d", c.Written(), accepted)
	}
	if a := acked(t, c); a >= c.Written() {
		t.Errorf("acked %d of %d, the peer reads nothing", a, c.Written())
	}
	if err := c.Abort(); err != nil {
		t.Error(err)
	}
	if err := peerErr(t, c); err != net.ErrClosed {
		t.Errorf("peer: %v", err)
	}
	// What the kernel held is gone: the frozen peer, read dry, finds a reset.
	if _, err := io.Copy(io.Discard, far); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("far end after abort: %v", err)
	}
}

// TestConnSlowPeer: a peer that takes little but something keeps a Write alive
// far beyond its deadline.
func TestConnSlowPeer(t *testing.T) {
	t.Parallel()
	const timeout = 500 * time.Millisecond
	c, far := pair(t, hep.DialOptions{WriteTimeout: timeout, SendBufferBytes: 8 << 10}, 8<<10)
	wrote := make(chan error, 1)
	const size = 1_000_000 // at 4 KiB each 5 ms: over a second
	go func() {
		_, err := c.Write(make([]byte, size))
		wrote <- err
	}()
	total := 0
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	buf := make([]byte, 4<<10)
	for total < size {
		n, err := far.Read(buf)
		if err != nil {
			t.Fatalf("after %d octets: %v", total, err)
		}
		total += n
		<-tick.C
	}
	if err := <-wrote; err != nil {
		t.Fatalf("write: %v", err)
	}
}

func TestConnUnexpectedData(t *testing.T) {
	alert := "\x15\x03\x01\x00\x02\x02\x46" // TLS: protocol_version
	c, far := pair(t, hep.DialOptions{}, 0)
	if _, err := far.Write([]byte(alert + strings.Repeat("x", 1000))); err != nil {
		t.Fatal(err)
	}
	_ = far.Close()
	var missing *hep.TLSError
	if err := peerErr(t, c); !errors.As(err, &missing) || missing.Fault != hep.TLSMissing {
		t.Errorf("peer: %v", err)
	}
	n, first := c.Received()
	if n != uint64(len(alert)+1000) || len(first) != 64 || !bytes.HasPrefix(first, []byte(alert)) {
		t.Errorf("received %d, first %q", n, first)
	}

	c, far = pair(t, hep.DialOptions{}, 0)
	go func() {
		for block := make([]byte, 64<<10); ; {
			if _, err := far.Write(block); err != nil {
				return
			}
		}
	}()
	if err := peerErr(t, c); err != hep.ErrUnexpectedData {
		t.Errorf("peer: %v", err)
	}
	if n, _ := c.Received(); n > 2<<20 {
		t.Errorf("took %d octets", n)
	}
}

func TestConnCloseWaitsForReader(t *testing.T) {
	c, _ := pair(t, hep.DialOptions{}, 0)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-c.Peer():
		if err != net.ErrClosed {
			t.Errorf("peer: %v", err)
		}
	default:
		t.Error("the reader had not ended when Close returned")
	}
	if err := c.CloseWrite(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("half-close after close: %v", err)
	}
}

func TestDialFails(t *testing.T) {
	if _, err := hep.Dial(t.Context(), "sctp", "127.0.0.1:1", hep.DialOptions{}); err == nil {
		t.Error("sctp dials")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	if _, err := hep.Dial(t.Context(), "tcp", addr, hep.DialOptions{}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed port: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := hep.Dial(ctx, "tcp", addr, hep.DialOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestConnAddrs(t *testing.T) {
	local := netip.MustParseAddrPort("127.0.0.2:0")
	for _, network := range []string{"tcp", "udp"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c, err := hep.Dial(t.Context(), network, l.Addr().String(), hep.DialOptions{LocalAddr: local})
		if err != nil {
			t.Fatal(err)
		}
		if c.LocalAddr().Addr() != local.Addr() || c.LocalAddr().Port() == 0 || c.RemoteAddr().String() != l.Addr().String() {
			t.Errorf("%s: %v to %v", network, c.LocalAddr(), c.RemoteAddr())
		}
		_ = c.Close()
		_ = l.Close()
	}
}

func TestConnUDP(t *testing.T) {
	far, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	c, err := hep.Dial(t.Context(), "udp", far.LocalAddr().String(), hep.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mustWrite(t, c, []byte("frame"))
	buf := make([]byte, 100)
	n, from, err := far.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != "frame" || from != c.LocalAddr() {
		t.Fatalf("%q from %v, %v", buf[:n], from, err)
	}
	if _, err := c.Acked(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("acked: %v", err)
	}
	if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("half-close: %v", err)
	}

	addr := net.UDPAddrFromAddrPort(c.RemoteAddr())
	_ = far.Close()
	for range 3 { // refusals come again and again
		mustWrite(t, c, []byte("lost"))
		if err := peerErr(t, c); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("peer: %v", err)
		}
		if n, err := c.Write([]byte("not sent")); n != 0 || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	if far, err = net.ListenUDP("udp", addr); err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	mustWrite(t, c, []byte("back"))
	if n, err = far.Read(buf); err != nil || string(buf[:n]) != "back" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := peerErr(t, c); err != net.ErrClosed {
		t.Errorf("peer: %v", err)
	}
}

func BenchmarkAcked(b *testing.B) {
	c, far := pair(b, hep.DialOptions{}, 0)
	go func() { _, _ = io.Copy(io.Discard, far) }()
	if _, err := c.Write([]byte("frame")); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Acked(); err != nil {
			b.Fatal(err)
		}
	}
}
