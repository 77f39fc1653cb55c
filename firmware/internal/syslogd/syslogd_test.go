package syslogd

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/syslog"
)

// running is a Listener on loopback addresses that runs until the test ends.
func running(t *testing.T, allow ...netip.Prefix) *Listener {
	t.Helper()
	l, err := Listen(Options{UDP: []string{"127.0.0.1:0"}, TCP: []string{"127.0.0.1:0"}, Allow: allow, Now: func() int64 { return 7e9 }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l
}

// next waits for a message.
func next(t *testing.T, l *Listener) (text string, m capture.Message) {
	t.Helper()
	until(t, "a message", func() bool { return l.Peek() != nil })
	m = *l.Peek()
	text = string(m.Payload)
	l.Done()
	return text, m
}

// until waits for what has to happen.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 5000 {
		if ok() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatal("never:", what)
}

func dial(t *testing.T, network string, to netip.AddrPort) net.Conn {
	t.Helper()
	c, err := net.Dial(network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func TestUDP(t *testing.T) {
	l := running(t)
	udp, _ := l.Addrs()
	c := dial(t, "udp", udp[0])
	send(t, c, "<14>Nov 14 22:13:20 host app: one")
	text, m := next(t, l)
	if text != "<14>Nov 14 22:13:20 host app: one" || m.Protocol != capture.Syslog || m.Mono != 7e9+int64(Hold) || m.Flags != 0 ||
		m.Flow != (capture.FiveTuple{Proto: capture.ProtoUDP, Src: addrOf(c.LocalAddr()), Dst: udp[0]}) {
		t.Errorf("%q: %+v", text, m)
	}
	if s := l.Stats(); s.UDP != 1 || s.Taken != 1 {
		t.Errorf("%+v", s)
	}
}

func TestTCP(t *testing.T) {
	l := running(t)
	_, tcp := l.Addrs()
	c := dial(t, "tcp", tcp[0])
	send(t, c, "<14>one\n<14>tw")
	send(t, c, "o\n9 <14>three<14>four\n<14>five")
	c.(*net.TCPConn).CloseWrite()
	for _, want := range []string{"<14>one", "<14>two", "<14>three", "<14>four", "<14>five"} {
		if got, m := next(t, l); got != want || m.Flow.Proto != capture.ProtoTCP || m.Flags != 0 {
			t.Errorf("%q, %+v, want %q", got, m, want)
		}
	}
	until(t, "the connection's end", func() bool { return l.Stats().Open == 0 })
	other := dial(t, "tcp", tcp[0])
	send(t, other, "GET / HTTP/1.1\r\n\r\n")
	until(t, "what is no syslog is closed", func() bool { return l.Stats().NotSyslog == 1 && l.Stats().Open == 0 })
}

// A line that is longer than what is read of one is cut, and the next one found.
func TestLongLine(t *testing.T) {
	l := running(t)
	_, tcp := l.Addrs()
	c := dial(t, "tcp", tcp[0])
	send(t, c, "<14>"+strings.Repeat("x", 100_000)+"\n<14>next\n")
	if got, m := next(t, l); len(got) != syslog.DefaultMaxMessage || m.Flags != capture.CutShort {
		t.Errorf("%d octets, flags %x", len(got), m.Flags)
	}
	if got, _ := next(t, l); got != "<14>next" {
		t.Errorf("%.40q", got)
	}
}

func TestAllow(t *testing.T) {
	l := running(t, netip.MustParsePrefix("192.0.2.0/24"))
	udp, tcp := l.Addrs()
	send(t, dial(t, "udp", udp[0]), "<14>one")
	dial(t, "tcp", tcp[0])
	until(t, "both are turned away", func() bool { return l.Stats().Forbidden == 2 })
	if s := l.Stats(); s.UDP != 0 || s.Open != 0 || l.Peek() != nil {
		t.Errorf("%+v", s)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	l := running(t)
	_, tcp := l.Addrs()
	for range maxConnsEach + 5 {
		dial(t, "tcp", tcp[0])
	}
	until(t, "five are refused", func() bool { return l.Stats().Refused == 5 })
	if s := l.Stats(); s.Open != maxConnsEach {
		t.Errorf("%+v", s)
	}
}

// serve runs a Listener on a TCP port with a clock of its own.
func serve(t *testing.T, o Options) (l *Listener, at netip.AddrPort, clock *atomic.Int64) {
	t.Helper()
	clock = new(atomic.Int64)
	o.TCP, o.Now = []string{"127.0.0.1:0"}, clock.Load
	l, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	_, tcp := l.Addrs()
	return l, tcp[0], clock
}

// A new connection takes the place of the one that has had no line for longest, and
// of none that had one within a minute. What is no whole line keeps no place.
func TestNewcomerTakesTheLongestIdlePlace(t *testing.T) {
	l, at, clock := serve(t, Options{})
	var conns []net.Conn
	for n := range maxConnsEach {
		conns = append(conns, dial(t, "tcp", at))
		until(t, "it is served", func() bool { return l.Stats().Open == n+1 })
		clock.Add(int64(time.Second))
	}
	clock.Store(int64(59 * time.Second)) // the first was accepted 59 s ago
	dial(t, "tcp", at)
	until(t, "one is refused", func() bool { return l.Stats().Refused == 1 })
	clock.Store(int64(100 * time.Second))
	send(t, conns[0], "<14>a line\n")
	send(t, conns[1], "<14>half a li")
	if got, _ := next(t, l); got != "<14>a line" {
		t.Error(got)
	}
	until(t, "the first is not idle", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for c, who := range l.conns {
			if addrOf(c.RemoteAddr()) == addrOf(conns[0].LocalAddr()) {
				return who.last.Load() == int64(100*time.Second)
			}
		}
		return false
	})
	dial(t, "tcp", at)
	until(t, "one has made room", func() bool { return l.Stats().Replaced == 1 })
	if _, err := conns[1].Read(make([]byte, 1)); err == nil {
		t.Error("the second, with half a line, is still open")
	}
	if s := l.Stats(); s.Open != maxConnsEach || s.Refused != 1 || s.Conns != maxConnsEach+1 {
		t.Errorf("%+v", s)
	}
	send(t, conns[0], "<14>another\n")
	for {
		if got, _ := next(t, l); got == "<14>another" {
			break
		}
	}
}

// A connection is closed when no whole line came for too long.
func TestIdleConnectionIsClosed(t *testing.T) {
	l, at, _ := serve(t, Options{Idle: 200 * time.Millisecond})
	c := dial(t, "tcp", at)
	send(t, c, "<14>one\n<14>tw")
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("it is open")
	}
	until(t, "it is counted", func() bool { s := l.Stats(); return s.Idle == 1 && s.Open == 0 })
}

// What nobody takes is dropped at the queue's limits, and counted.
func TestQueueIsBounded(t *testing.T) {
	l, err := Listen(Options{Now: func() int64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range queueItems + 10 {
		l.take(capture.FiveTuple{}, fmt.Appendf(nil, "<14>%d", i), false)
	}
	if s := l.Stats(); s.Taken != queueItems || s.Full != 10 {
		t.Errorf("%+v", s)
	}
	for i := range queueItems {
		if got := string(l.Peek().Payload); got != fmt.Sprintf("<14>%d", i) {
			t.Fatal(got)
		}
		l.Done()
	}
	if l.Peek() != nil || l.bytes.Load() != 0 {
		t.Error(l.bytes.Load(), "octets are left in the books")
	}
	big := make([]byte, 60_000)
	for range 100 {
		l.take(capture.FiveTuple{}, big, false)
	}
	if n := l.bytes.Load(); n > queueBytes || n < queueBytes-70_000 {
		t.Errorf("%d octets", n)
	}
}

// A socket that is taken is an error, and nothing is left open.
func TestListenFails(t *testing.T) {
	l := running(t)
	_, tcp := l.Addrs()
	if _, err := Listen(Options{UDP: []string{"127.0.0.1:0"}, TCP: []string{tcp[0].String()}}); err == nil || !strings.HasPrefix(err.Error(), "syslog: ") {
		t.Error(err)
	}
}

// However a stream is cut into reads, its lines are the same.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("<14>one\n9 <14>three<14>four\n"), uint8(3))
	f.Add([]byte("12 <14>a\nb"), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		if len(stream) > lineBytes {
			return
		}
		lines := func(size int) (all []string) {
			l := &Listener{queue: newQueue(), o: Options{Now: func() int64 { return 0 }}}
			var framer syslog.Framer
			var buf []byte
			for rest := stream; ; {
				n := min(size, len(rest))
				buf = append(buf, rest[:n]...)
				rest = rest[n:]
				done, ok := l.frames(&framer, capture.FiveTuple{}, buf, len(rest) == 0)
				if done > len(buf) {
					t.Fatal(done)
				}
				buf = bytes.Clone(buf[done:])
				for l.Peek() != nil {
					all = append(all, string(l.Peek().Payload))
					l.Done()
				}
				if !ok || len(rest) == 0 {
					return all
				}
			}
		}
		if one, two := lines(len(stream)+1), lines(int(step)+1); fmt.Sprint(one) != fmt.Sprint(two) {
			t.Fatalf("%q\n%q", one, two)
		}
	})
}
