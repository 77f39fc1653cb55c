package syslogd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"heptap/capture"
	"heptap/capture/syslog"
)

// Run serves until ctx is done, closes everything and returns when all its
// goroutines have ended. What is in the queue is still there to be taken.
func (l *Listener) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, c := range l.udp {
		wg.Go(func() { l.serveUDP(ctx, c) })
	}
	for _, s := range l.tcp {
		wg.Go(func() { l.accept(ctx, s, &wg) })
	}
	<-ctx.Done()
	err := l.Close()
	l.mu.Lock()
	l.ended = true
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	wg.Wait()
	return err
}

// pause waits a little, longer the more often in a row, so that an error that
// stays does not become a loop.
func pause(ctx context.Context, failures int) {
	t := time.NewTimer(min(time.Second, 5*time.Millisecond<<min(failures, 10)))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (l *Listener) serveUDP(ctx context.Context, c *net.UDPConn) {
	buf := make([]byte, 64<<10)
	to := addrOf(c.LocalAddr())
	for failures := 0; ctx.Err() == nil; {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			l.count.errors.Add(1)
			pause(ctx, failures)
			failures++
			continue
		}
		failures = 0
		from = clean(from)
		if !l.allowed(from.Addr()) {
			continue
		}
		l.count.udp.Add(1)
		l.take(capture.FiveTuple{Proto: capture.ProtoUDP, Src: from, Dst: match(to, from)}, buf[:n], false)
	}
}

// match returns where something came to, as far as is known: a socket for all
// addresses has none of the family of every sender.
func match(to, from netip.AddrPort) netip.AddrPort {
	if to.Addr().IsUnspecified() && from.Addr().Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), to.Port())
	}
	return to
}

// accept takes connections; each gets a goroutine of wg.
func (l *Listener) accept(ctx context.Context, s *net.TCPListener, wg *sync.WaitGroup) {
	for failures := 0; ctx.Err() == nil; {
		c, err := s.AcceptTCP()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			l.count.errors.Add(1)
			pause(ctx, failures)
			failures++
			continue
		}
		failures = 0
		from := addrOf(c.RemoteAddr())
		who := &sender{addr: from.Addr()}
		if !l.allowed(who.addr) || !l.enter(c, who) {
			_ = c.Close()
			continue
		}
		wg.Go(func() {
			l.serveTCP(c, who, capture.FiveTuple{Proto: capture.ProtoTCP, Src: from, Dst: addrOf(c.LocalAddr())})
			l.leave(c)
		})
	}
}

// enter takes c in, unless Run is ending. Where there are too many already, of
// one address or of all, the one that has been idle for longest makes room; if none
// has been for long, c is one too many.
func (l *Listener) enter(c *net.TCPConn, who *sender) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	who.last.Store(now)
	same := 0
	for _, o := range l.conns {
		if o.addr == who.addr {
			same++
		}
	}
	crowded := same >= maxConnsEach
	if l.ended || (crowded || len(l.conns) >= maxConns) && !l.replace(now-spare, who.addr, crowded) {
		l.count.refused.Add(1)
		return false
	}
	l.conns[c] = who
	l.count.conns.Add(1)
	return true
}

// replace closes the connection whose last line is the oldest, if it is no newer than
// latest: one of addr only, or any.
func (l *Listener) replace(latest int64, addr netip.Addr, only bool) bool {
	var longest *net.TCPConn
	for c, o := range l.conns {
		if at := o.last.Load(); at <= latest && (!only || o.addr == addr) {
			longest, latest = c, at
		}
	}
	if longest == nil {
		return false
	}
	_ = longest.Close() // its goroutine ends by that
	delete(l.conns, longest)
	l.count.replaced.Add(1)
	return true
}

func (l *Listener) leave(c *net.TCPConn) {
	_ = c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// serveTCP reads c to its end, or until no whole line has come for too long. That
// its daemon is gone, TCP's keep-alives tell before.
func (l *Listener) serveTCP(c *net.TCPConn, who *sender, flow capture.FiveTuple) {
	var framer syslog.Framer
	buf := make([]byte, 0, lineBytes)
	_ = c.SetReadDeadline(time.Now().Add(l.o.Idle)) // an error means it is closed
	for {
		n, err := c.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		done, ok := l.frames(&framer, flow, buf, err != nil)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				l.count.idle.Add(1)
			}
			return
		}
		if !ok {
			l.count.notSyslog.Add(1)
			l.log.Debug("not syslog", "from", flow.Src)
			return
		}
		if done > 0 {
			who.last.Store(l.o.Now())
			_ = c.SetReadDeadline(time.Now().Add(l.o.Idle))
		}
		buf = buf[:copy(buf, buf[done:])]
	}
}

// frames takes the lines out of b, and returns how many octets it is done with;
// ok is false when it is no syslog.
func (l *Listener) frames(framer *syslog.Framer, flow capture.FiveTuple, b []byte, last bool) (done int, ok bool) {
	for {
		f := framer.Next(b[done:], last)
		switch f.Kind {
		case syslog.More:
			return done, true
		case syslog.NotSyslog:
			return done, false
		case syslog.Message:
			whole := !f.Cut || last && !f.Counted // the last line need not end
			l.count.tcp.Add(1)
			l.take(flow, b[done+f.Start:done+f.End], !whole)
		}
		done += f.N
	}
}
