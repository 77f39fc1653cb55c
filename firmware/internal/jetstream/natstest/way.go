package natstest

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// Way passes on what goes to a server, and brings its answers late, or not while it holds them.
type Way struct {
	l    net.Listener
	to   string
	late time.Duration
	hold atomic.Bool
}

// Between makes a way to a server.
func Between(t testing.TB, s *Server, late time.Duration) *Way {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Way{l: l, to: s.Addr(), late: late}
	t.Cleanup(func() {
		w.hold.Store(false)
		l.Close()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.pass(c)
		}
	}()
	return w
}

// Addr is where it begins.
func (w *Way) Addr() string { return w.l.Addr().String() }

// Hold has it keep the answers, or bring them again.
func (w *Way) Hold(on bool) { w.hold.Store(on) }

func (w *Way) pass(c net.Conn) {
	defer c.Close()
	to, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		defer to.Close()
		_, _ = io.Copy(to, c) // it ends with either end
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := to.Read(b)
		if err != nil {
			return
		}
		for time.Sleep(w.late); w.hold.Load(); time.Sleep(10 * time.Millisecond) {
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}
