package syslogd

import (
	"context"
	"errors"
	"net"
	"net/netip"
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
		if !l.allowed(from.Addr()) || !l.enter(c, from.Addr()) {
			_ = c.Close()
			continue
		}
		wg.Go(func() {
			l.serveTCP(c, capture.FiveTuple{Proto: capture.ProtoTCP, Src: from, Dst: addrOf(c.LocalAddr())})
			l.leave(c)
		})
	}
}

// enter takes c in, unless there are too many, or Run is ending.
func (l *Listener) enter(c *net.TCPConn, from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := 0
	for _, a := range l.conns {
		if a == from {
			same++
		}
	}
	if l.ended || len(l.conns) >= maxConns || same >= maxConnsEach {
		l.count.refused.Add(1)
		return false
	}
	l.conns[c] = from
	l.count.conns.Add(1)
	return true
}

func (l *Listener) leave(c *net.TCPConn) {
	_ = c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// serveTCP reads c to its end. A daemon with nothing to say may be silent for
// days; that it is gone, TCP's keep-alives tell.
func (l *Listener) serveTCP(c *net.TCPConn, flow capture.FiveTuple) {
	var framer syslog.Framer
	buf := make([]byte, 0, lineBytes)
	for {
		n, err := c.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		done, ok := l.frames(&framer, flow, buf, err != nil)
		if err != nil {
			return
		}
		if !ok {
			l.count.notSyslog.Add(1)
			l.log.Debug("not syslog", "from", flow.Src)
			return
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
