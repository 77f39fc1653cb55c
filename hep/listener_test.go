package hep_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"heptap/hep"
)

// sink is a handler that keeps frames and can refuse them.
type sink struct {
	mu     sync.Mutex
	frames [][]byte
	from   []string
	refuse error
}

func (s *sink) handle(network string, from netip.AddrPort, frame []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	s.frames = append(s.frames, bytes.Clone(frame))
	s.from = append(s.from, network+" "+from.String())
	return nil
}

func (s *sink) list() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([][]byte(nil), s.frames...)
}

// serve runs a Listener until the test ends, or stop is called.
func serve(t *testing.T, s *sink, opts hep.ListenOptions) (l *hep.Listener, stop func()) {
	t.Helper()
	opts.UDP, opts.TCP = "127.0.0.1:0", "127.0.0.1:0"
	l, err := hep.Listen(opts, s.handle)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(patience):
			t.Error("run does not end")
		}
	})
	t.Cleanup(stop)
	return l, stop
}

func dialTo(t *testing.T, network string, addr netip.AddrPort) *hep.Conn {
	t.Helper()
	c, err := hep.Dial(t.Context(), network, addr.String(), hep.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestListener(t *testing.T) {
	var s sink
	l, _ := serve(t, &s, hep.ListenOptions{})
	stream, want := manyFrames(t)

	tcp := dialTo(t, "tcp", l.TCPAddr())
	mustWrite(t, tcp, stream)
	if err := tcp.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := peerErr(t, tcp); err != io.EOF || !tcp.Confirmed() {
		t.Fatalf("half-close: %v, confirmed %v", err, tcp.Confirmed())
	}
	got := s.list() // the confirmation came after the handler
	if !bytes.Equal(bytes.Join(got, nil), stream) {
		t.Fatalf("%d frames of %d", len(got), len(want))
	}

	udp := dialTo(t, "udp", l.UDPAddr())
	mustWrite(t, udp, want[2])
	mustWrite(t, udp, unhex(t, "02 10 02 06 13c4 13c5 c0000201 c0000202 cb82494e c0d40100 d107 0000 53495020"))
	mustWrite(t, udp, unhex(t, "01 10 02 11 13c4 13c5 c0000201 c0000202 53495020"))
	eventually(t, "UDP frames", func() bool { return len(s.list()) == len(want)+3 })
	got = s.list()[len(want):]
	if !bytes.Equal(got[0], want[2]) {
		t.Errorf("got %x", got[0])
	}
	v2, err := hep.Parse(got[1])
	if err != nil || v2.AgentID() != 2001 || v2.Wall() != 0x4e4982cb*1e9+120000*1e3 || string(v2.Payload()) != "SIP " {
		t.Errorf("HEP2: %v %+v", err, v2.Packet())
	}
	v1, err := hep.Parse(got[2])
	if err != nil || v1.Proto() != 17 || time.Since(time.Unix(0, v1.Wall())).Abs() > time.Hour {
		t.Errorf("HEP1: %v %+v", err, v1.Packet())
	}
	if from := s.from[0]; from != "tcp "+tcp.LocalAddr().String() {
		t.Errorf("from %s", from)
	}
	if from := s.from[len(want)]; from != "udp "+udp.LocalAddr().String() {
		t.Errorf("from %s", from)
	}
	eventually(t, "counters", func() bool {
		st := l.Stats()
		return st.TCPFrames == uint64(len(want)) && st.UDPFrames == 3 && st.Legacy == 2 && st.Conns == 1 &&
			st.OpenConns == 0 && st.BadFrames() == 0
	})
}

func TestListenerRefuses(t *testing.T) {
	ok := unhex(t, golden)
	badChunk := frame(t, "0000 000b 0008 0001")
	tests := []struct {
		name  string
		in    []byte
		fault hep.Fault
		tcp   bool // the connection is reset
		took  int
	}{
		{"magic", append(bytes.Clone(ok), "GET / HTTP/1.1\r\n\r\n"...), hep.FaultMagic, true, 1},
		{"TLS", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), hep.FaultMagic, true, 0},
		{"length", []byte("HEP3\x00\x03aaaa"), hep.FaultLength, true, 0},
		{"too large", []byte("HEP3\xff\xffaaaa"), hep.FaultTooLarge, true, 0},
		{"cut", append(bytes.Clone(ok), ok[:50]...), hep.FaultTruncated, true, 1},
		{"chunk", append(bytes.Clone(badChunk), ok...), hep.FaultChunkSize, false, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s sink
			l, _ := serve(t, &s, hep.ListenOptions{})
			c := dialTo(t, "tcp", l.TCPAddr())
			mustWrite(t, c, tt.in)
			_ = c.CloseWrite() // may find the reset
			err := peerErr(t, c)
			if reset := errors.Is(err, syscall.ECONNRESET); reset != tt.tcp || c.Confirmed() == reset {
				t.Errorf("peer %v, confirmed %v", err, c.Confirmed())
			}
			eventually(t, "count", func() bool { st := l.Stats(); return st.Bad[tt.fault] == 1 && st.BadFrames() == 1 })
			if n := len(s.list()); n != tt.took {
				t.Errorf("%d frames, want %d", n, tt.took)
			}
		})
	}
	t.Run("udp", func(t *testing.T) {
		var s sink
		l, _ := serve(t, &s, hep.ListenOptions{})
		c := dialTo(t, "udp", l.UDPAddr())
		for _, in := range [][]byte{ok[:60], append(bytes.Clone(ok), ok...), badChunk, []byte("x"), nil,
			unhex(t, "02 10 02 06 13c4"), unhex(t, "01 10 07 06 13c4 13c5")} {
			if _, err := c.Write(in); err != nil {
				t.Fatal(err)
			}
		}
		mustWrite(t, c, ok)
		eventually(t, "the good frame", func() bool { return len(s.list()) == 1 })
		want := [hep.NumFaults]uint64{hep.FaultTruncated: 3, hep.FaultMagic: 1, hep.FaultLength: 1, hep.FaultChunkSize: 1, hep.FaultFamily: 1}
		if st := l.Stats(); st.Bad != want {
			t.Errorf("got %v, want %v", st.Bad, want)
		}
	})
}

func TestListenerHandlerError(t *testing.T) {
	s := sink{refuse: errors.New("disk full")}
	l, _ := serve(t, &s, hep.ListenOptions{})
	c := dialTo(t, "tcp", l.TCPAddr())
	mustWrite(t, c, unhex(t, golden))
	_ = c.CloseWrite()
	if err := peerErr(t, c); !errors.Is(err, syscall.ECONNRESET) || c.Confirmed() {
		t.Errorf("peer %v, confirmed %v", err, c.Confirmed())
	}
	if st := l.Stats(); st.RefusedFrames != 1 || st.TCPFrames != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestListenerCaps(t *testing.T) {
	var s sink
	l, _ := serve(t, &s, hep.ListenOptions{MaxConns: 2})
	a, b := dialTo(t, "tcp", l.TCPAddr()), dialTo(t, "tcp", l.TCPAddr())
	eventually(t, "two connections", func() bool { return l.Stats().OpenConns == 2 })
	c := dialTo(t, "tcp", l.TCPAddr())
	if err := peerErr(t, c); err != io.EOF {
		t.Errorf("third: %v", err)
	}
	if st := l.Stats(); st.RefusedConns != 1 || st.Conns != 2 {
		t.Errorf("got %+v", st)
	}
	_ = a.Close()
	eventually(t, "room", func() bool { return l.Stats().OpenConns == 1 })
	d := dialTo(t, "tcp", l.TCPAddr())
	mustWrite(t, d, unhex(t, golden))
	mustWrite(t, b, unhex(t, golden))
	eventually(t, "frames", func() bool { return len(s.list()) == 2 })
}

func TestListenerIdle(t *testing.T) {
	var s sink
	l, _ := serve(t, &s, hep.ListenOptions{IdleTimeout: 50 * time.Millisecond})
	c := dialTo(t, "tcp", l.TCPAddr())
	mustWrite(t, c, unhex(t, golden))
	if err := peerErr(t, c); err != io.EOF || c.Confirmed() {
		t.Errorf("idle: %v, confirmed %v", err, c.Confirmed())
	}
	half := dialTo(t, "tcp", l.TCPAddr()) // half a frame is silence too
	mustWrite(t, half, unhex(t, golden)[:30])
	if err := peerErr(t, half); err != io.EOF {
		t.Errorf("idle in a frame: %v", err)
	}
	eventually(t, "count", func() bool { return l.Stats().IdleConns == 2 })
}

// TestListenerStop: Run ends in the middle of traffic, and what was confirmed
// by then was handled.
func TestListenerStop(t *testing.T) {
	var s sink
	l, stop := serve(t, &s, hep.ListenOptions{})
	var wg sync.WaitGroup
	for i := range 4 {
		c := dialTo(t, "tcp", l.TCPAddr())
		wg.Go(func() {
			for {
				if _, err := c.Write(mustAppend(t, hep.Packet{Type: uint8(i + 1)})); err != nil {
					return
				}
			}
		})
	}
	eventually(t, "traffic", func() bool { return len(s.list()) > 1000 })
	stop()
	wg.Wait()
	if st := l.Stats(); st.OpenConns != 0 || st.TCPFrames != uint64(len(s.list())) {
		t.Errorf("got %+v, %d frames", st, len(s.list()))
	}
	if _, err := hep.Dial(t.Context(), "tcp", l.TCPAddr().String(), hep.DialOptions{}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial after stop: %v", err)
	}
}

// TestListenerGarbage: whatever comes, the server goes on and the count of
// frames and faults is that of what was sent.
func TestListenerGarbage(t *testing.T) {
	var s sink
	l, _ := serve(t, &s, hep.ListenOptions{})
	rnd := rand.New(rand.NewPCG(1, 2))
	good := mustAppend(t, fullPacket())
	const rounds = 300
	wantBad, wantGood := 0, 0
	for i := range rounds {
		b := bytes.Clone(good)
		for range rnd.IntN(4) {
			b[rnd.IntN(len(b))] ^= byte(1 << rnd.IntN(8))
		}
		if _, err := hep.Parse(b); err != nil {
			wantBad++
		} else {
			wantGood++
		}
		c := dialTo(t, "tcp", l.TCPAddr())
		mustWrite(t, c, b)
		_ = c.CloseWrite()
		if err := peerErr(t, c); err == nil {
			t.Fatalf("round %d: no end", i)
		}
		_ = c.Close()
	}
	c := dialTo(t, "tcp", l.TCPAddr())
	mustWrite(t, c, good)
	eventually(t, "the last frame", func() bool { return len(s.list()) == wantGood+1 })
	// One damaged length may leave two faults: a short frame, and the rest of it.
	if st := l.Stats(); st.BadFrames() < uint64(wantBad) || wantBad == 0 || wantGood == 0 {
		t.Errorf("%d bad frames, sent %d bad and %d good", st.BadFrames(), wantBad, wantGood)
	}
}

func TestListenFails(t *testing.T) {
	if _, err := hep.Listen(hep.ListenOptions{}, nil); err == nil {
		t.Error("listens nowhere")
	}
	if _, err := hep.Listen(hep.ListenOptions{UDP: "127.0.0.1:0", TCP: "192.0.2.1:1"}, nil); err == nil ||
		!strings.Contains(err.Error(), "192.0.2.1:1") {
		t.Errorf("got %v", err)
	}
	var s sink
	l, err := hep.Listen(hep.ListenOptions{TCP: "127.0.0.1:0"}, s.handle)
	if err != nil {
		t.Fatal(err)
	}
	if l.UDPAddr().IsValid() || !l.TCPAddr().IsValid() {
		t.Errorf("%v %v", l.UDPAddr(), l.TCPAddr())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
