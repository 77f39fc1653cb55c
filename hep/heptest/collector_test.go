package heptest_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"heptap/hep"
	"heptap/hep/heptest"
)

func frame(tb testing.TB, i, size int) []byte {
	tb.Helper()
	p := hep.Packet{Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5060"),
		Type: hep.TypeLog, Correlation: strconv.AppendInt(nil, int64(i), 10), Payload: bytes.Repeat([]byte{'x'}, size)}
	b, err := p.AppendBinary(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func dial(t *testing.T, c *heptest.Collector, network string) *hep.Conn {
	t.Helper()
	k, err := hep.Dial(t.Context(), network, c.Addr(), hep.DialOptions{WriteTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

func write(t *testing.T, k *hep.Conn, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		if _, err := k.Write(f); err != nil {
			t.Fatal(err)
		}
	}
}

func ended(t *testing.T, k *hep.Conn) error {
	t.Helper()
	select {
	case err := <-k.Peer():
		return err
	case <-time.After(heptest.Patience):
		t.Fatal("no end")
		return nil
	}
}

func TestRecords(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			c := heptest.New(t, heptest.Options{Network: network, RecvBufferBytes: 1 << 18})
			a, b := dial(t, c, network), dial(t, c, network)
			write(t, a, frame(t, 0, 100))
			c.WaitFrames(1)
			write(t, b, frame(t, 1, 50_000))
			c.WaitFrames(2)
			write(t, a, frame(t, 2, 1))
			for i, r := range c.WaitFrames(3) {
				v, err := hep.Parse(r.Frame)
				if err != nil || string(v.Correlation()) != strconv.Itoa(i) || r.Conn != i%2 {
					t.Errorf("record %d: %v, connection %d, %q", i, err, r.Conn, v.Correlation())
				}
			}
			conns := c.Conns()
			if len(conns) != 2 || conns[0].Frames != 2 || conns[1].Frames != 1 || conns[0].Remote != a.LocalAddr() ||
				conns[1].Received != b.Written() {
				t.Errorf("got %+v", conns)
			}
			if f := c.Faults(); f != nil {
				t.Error(f)
			}
		})
	}
}

func TestHalfClose(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	k := dial(t, c, "tcp")
	write(t, k, frame(t, 0, 10))
	if err := k.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := ended(t, k); err != io.EOF || !k.Confirmed() {
		t.Errorf("%v, confirmed %v", err, k.Confirmed())
	}
	if info := c.WaitEnded(0); info.End != io.EOF || !info.FIN || info.Frames != 1 {
		t.Errorf("got %+v", info)
	}
}

func TestNeverAnswerHalfClose(t *testing.T) {
	c := heptest.New(t, heptest.Options{NeverAnswerHalfClose: true})
	k := dial(t, c, "tcp")
	write(t, k, frame(t, 0, 10))
	if err := k.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.Wait("FIN", func() bool { conns := c.Conns(); return len(conns) == 1 && conns[0].FIN })
	select {
	case err := <-k.Peer():
		t.Errorf("answered: %v", err)
	default:
	}
	c.Stall() // counts the idle connection as one that reads nothing
	c.Resume()
	c.Reset()
	if err := ended(t, k); !errors.Is(err, syscall.ECONNRESET) || k.Confirmed() {
		t.Errorf("%v, confirmed %v", err, k.Confirmed())
	}
}

func TestStallKillRestart(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	k := dial(t, c, "tcp")
	write(t, k, frame(t, 0, 10))
	c.WaitFrames(1)
	c.Stall()
	write(t, k, frame(t, 1, 10), frame(t, 2, 10))
	for n, _ := k.Acked(); n < k.Written(); n, _ = k.Acked() {
		runtime.Gosched() // the collector's kernel takes them, its process does not
	}
	if n := len(c.Records()); n != 1 {
		t.Fatalf("%d records while stalled", n)
	}
	c.Resume()
	c.WaitFrames(3)
	c.Stall()
	write(t, k, frame(t, 3, 10))
	for n, _ := k.Acked(); n < k.Written(); n, _ = k.Acked() {
		runtime.Gosched()
	}
	c.Kill()
	if err := ended(t, k); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("killed with octets unread: %v", err)
	}
	if _, err := hep.Dial(t.Context(), "tcp", c.Addr(), hep.DialOptions{}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial a killed collector: %v", err)
	}
	if n := len(c.Records()); n != 3 {
		t.Errorf("%d records, the fourth died unread", n)
	}
	c.Restart()
	k = dial(t, c, "tcp")
	write(t, k, frame(t, 3, 10))
	if r := c.WaitFrames(4); r[3].Conn != 1 {
		t.Errorf("connection %d", r[3].Conn)
	}
	c.Kill()
	if err := ended(t, k); err != io.EOF || k.Confirmed() {
		t.Errorf("killed with nothing unread: %v, confirmed %v", err, k.Confirmed())
	}
}

func TestCloseAfterAndOn(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	c.CloseAfter(2)
	k := dial(t, c, "tcp")
	write(t, k, bytes.Join([][]byte{frame(t, 0, 9), frame(t, 1, 9), frame(t, 2, 9)}, nil))
	if info := c.WaitEnded(0); info.End != heptest.ErrCloseAfter || info.Frames != 2 || len(c.Records()) != 2 {
		t.Errorf("got %+v", info)
	}
	_ = ended(t, k)
	c.CloseAfter(0)
	c.CloseOn(func(f []byte) bool {
		v, _ := hep.Parse(f)
		return string(v.Correlation()) == "4"
	})
	k = dial(t, c, "tcp")
	write(t, k, frame(t, 3, 9))
	c.WaitFrames(3)
	write(t, k, frame(t, 4, 9))
	if info := c.WaitEnded(1); info.End != heptest.ErrPoisoned || info.Frames != 1 || c.Poisoned() != 1 || len(c.Records()) != 3 {
		t.Errorf("got %+v", info)
	}
	_ = ended(t, k)
}

func TestFaults(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	k := dial(t, c, "tcp")
	write(t, k, frame(t, 0, 9), []byte("HEP3\x00\x07x"), []byte("GET / HTTP/1.1\r\n"))
	info := c.WaitEnded(0)
	if !errors.Is(info.End, hep.FaultMagic) || len(c.Records()) != 2 {
		t.Errorf("got %+v, %d records", info, len(c.Records()))
	}
	if f := c.Faults(); len(f) != 2 || !errors.Is(f[0], hep.FaultChunkLength) || !errors.Is(f[1], hep.FaultMagic) {
		t.Errorf("faults %v", f)
	}
	k = dial(t, c, "tcp")
	write(t, k, frame(t, 1, 9)[:20])
	if err := k.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if info := c.WaitEnded(1); info.Received != 20 || len(info.Tail) != 20 || info.Frames != 0 {
		t.Errorf("got %+v", info)
	}
}

func TestKillUDP(t *testing.T) {
	c := heptest.New(t, heptest.Options{Network: "udp"})
	k := dial(t, c, "udp")
	write(t, k, frame(t, 0, 10))
	c.WaitFrames(1)
	c.Stall()
	write(t, k, frame(t, 1, 10))
	if n := len(c.Records()); n != 1 {
		t.Errorf("%d records while stalled", n)
	}
	c.Kill()
	write(t, k, frame(t, 2, 10))
	if err := ended(t, k); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("peer: %v", err)
	}
	c.Restart()
	if _, err := k.Write(frame(t, 3, 10)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("write: %v", err)
	}
	write(t, k, frame(t, 3, 10))
	if r := c.WaitFrames(2); len(r) != 2 || r[1].Conn != 0 {
		t.Errorf("got %d records", len(r))
	}
}

// TestNoGoroutines: a collector, used in every way, leaves nothing behind.
func TestNoGoroutines(t *testing.T) {
	t.Run("use", func(t *testing.T) {
		c := heptest.New(t, heptest.Options{NeverAnswerHalfClose: true})
		for range 3 {
			k := dial(t, c, "tcp")
			write(t, k, frame(t, 0, 10))
			_ = k.CloseWrite()
		}
		c.WaitFrames(3)
		c.Stall()
		c.Kill()
		c.Restart()
		c.Stall()
	})
	buf := make([]byte, 1<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	for _, method := range []string{"heptest.(*conn)", "heptest.(*Collector).accept", "hep.(*Conn)"} {
		if strings.Contains(stacks, method) {
			t.Errorf("%s still runs:\n%s", method, stacks)
		}
	}
}
