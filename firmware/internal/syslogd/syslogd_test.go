package syslogd

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
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
