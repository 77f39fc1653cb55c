package intake

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"heptap/hep"
)

// Run serves until ctx is done, closes everything and returns nil when all its
// goroutines have ended. The queue is still there to be emptied.
func (in *Intake) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, c := range in.udp {
		wg.Go(func() { in.serveUDP(ctx, c) })
	}
	for _, s := range in.streams {
		wg.Go(func() { in.accept(ctx, s, &wg) })
	}
	<-ctx.Done()
	now := time.Now()
	for _, c := range in.udp {
		_ = c.SetReadDeadline(now) // wakes the reader; an error means it is closed
	}
	for _, s := range in.streams {
		_ = s.net.SetDeadline(now)
	}
	in.mu.Lock()
	in.ended = true
	for c := range in.conns {
		_ = c.SetDeadline(now)
	}
	in.mu.Unlock()
	wg.Wait()
	return in.Close()
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

func (in *Intake) serveUDP(ctx context.Context, c *net.UDPConn) {
	buf := make([]byte, 64<<10)
	d := newDecoder(in)
	failures := 0
	for ctx.Err() == nil {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			in.count.receiveErrors.Add(1)
			pause(ctx, failures)
			failures++
			continue
		}
		failures = 0
		in.count.packets[UDP].Add(1)
		addr := from.Addr().Unmap().WithZone("")
		if !in.allowed(addr) {
			in.dropped(nil, DropAddress)
			continue
		}
		now := time.Now()
		p := in.peers.get(addr, now.UnixNano())
		in.take(ctx, d, buf[:n], now, p, nil)
	}
}

// take decodes one packet and hands it over, with pending when it came by a
// connection. It reports why not.
func (in *Intake) take(ctx context.Context, d *decoder, frame []byte, now time.Time, p *peer, pending *atomic.Int64) Drop {
	p.packets.Add(1)
	it := in.Queue.item()
	it.Mono, it.peer, it.pending = in.options.Now()+int64(Hold), p, pending
	drop := d.decode(frame, now.UnixNano(), it)
	if drop == DropNone {
		drop = in.Queue.put(ctx, it, pending != nil)
	}
	if drop != DropNone {
		in.dropped(p, drop)
		in.Queue.recycle(it)
		return drop
	}
	in.count.taken.Add(1)
	p.taken.Add(1)
	return drop
}

// accept takes connections; each gets a goroutine of wg.
func (in *Intake) accept(ctx context.Context, s stream, wg *sync.WaitGroup) {
	failures := 0
	for ctx.Err() == nil {
		c, err := s.net.AcceptTCP()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			in.count.acceptErrors.Add(1)
			pause(ctx, failures)
			failures++
			continue
		}
		failures = 0
		addr := addrOf(c.RemoteAddr()).Addr()
		if !in.allowed(addr) {
			in.refuse(c)
			continue
		}
		p, ok := in.enter(addr)
		if !ok {
			in.refuse(c)
			continue
		}
		a := &session{peer: p, began: time.Now()}
		if !in.add(c, a) {
			in.peers.leave(p)
			_ = c.Close()
			continue
		}
		wg.Go(func() {
			in.serveConn(ctx, c, s, a)
			if in.remove(c) {
				in.peers.leave(p)
			}
		})
	}
}

// enter counts a connection of addr. Where there are too many already, of addr or of all, one that
// has not sent a packet since it came makes room.
func (in *Intake) enter(addr netip.Addr) (*peer, bool) {
	now, most := time.Now(), in.options.Connections
	p, ok, crowded := in.peers.enter(addr, now.UnixNano(), most, min(peerConns, most))
	if !ok && in.makeRoom(now.Add(-in.options.Quiet), addr, crowded) {
		p, ok, _ = in.peers.enter(addr, now.UnixNano(), most, min(peerConns, most))
	}
	return p, ok
}

// makeRoom ends the oldest connection that began before the time and has sent no packet: one of addr
// only, or any.
func (in *Intake) makeRoom(before time.Time, addr netip.Addr, only bool) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	var oldest *net.TCPConn
	for c, a := range in.conns {
		if !a.sent.Load() && a.began.Before(before) && (!only || a.peer.addr == addr) {
			oldest, before = c, a.began
		}
	}
	if oldest == nil {
		return false
	}
	_ = oldest.Close() // its goroutine ends by that
	in.peers.leave(in.conns[oldest].peer)
	delete(in.conns, oldest)
	in.count.replaced.Add(1)
	return true
}

func (in *Intake) refuse(c *net.TCPConn) {
	in.count.refused.Add(1)
	_ = c.Close()
}

// add registers c, unless Run is ending.
func (in *Intake) add(c *net.TCPConn, a *session) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		return false
	}
	in.conns[c] = a
	in.count.conns.Add(1)
	return true
}

// remove reports whether c was there still.
func (in *Intake) remove(c *net.TCPConn) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	_, ok := in.conns[c]
	delete(in.conns, c)
	return ok
}

// serveConn reads c to its end. An orderly end is answered when all that came
// is in the log; when something was left out for want of room, or boundaries
// were lost, it is answered with a reset: a sender that asks for confirmation
// does not get it, and sends again.
func (in *Intake) serveConn(ctx context.Context, c *net.TCPConn, s stream, a *session) {
	p, conn := a.peer, net.Conn(c)
	if s.tls != nil {
		t := tls.Server(c, s.tls)
		_ = c.SetDeadline(time.Now().Add(frameTimeout))
		if err := t.HandshakeContext(ctx); err != nil {
			if !errors.Is(err, net.ErrClosed) {
				in.count.handshakes.Add(1)
			}
			in.log.Debug("TLS handshake failed", "from", p.addr, "err", err)
			_ = c.Close()
			return
		}
		_ = c.SetDeadline(time.Time{})
		conn = t
	}
	whole, err := in.read(ctx, conn, s.transport, a)
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) && s.tls != nil && hep.FaultOf(err) == hep.FaultNone:
	case hep.FaultOf(err) != hep.FaultNone:
		in.count.packets[s.transport].Add(1)
		p.packets.Add(1)
		in.count.faults[hep.FaultOf(err)].Add(1)
		in.dropped(p, DropMalformed)
		whole = false
		in.log.Debug("hep connection reset", "from", p.addr, "err", err)
	case ctx.Err() != nil, errors.Is(err, net.ErrClosed): // it made room
		whole = false
	case errors.Is(err, os.ErrDeadlineExceeded):
		in.count.idle.Add(1)
	default:
		in.count.broken.Add(1)
	}
	if !whole {
		_ = c.SetLinger(0)
		_ = c.Close()
		return
	}
	_ = conn.Close()
}

// read takes in what comes by a connection until its end. It reports whether
// all is in the log.
func (in *Intake) read(ctx context.Context, c net.Conn, t Transport, a *session) (whole bool, err error) {
	var pending atomic.Int64
	d := newDecoder(in)
	limited := &limitedReader{ctx: ctx, c: c, idle: in.options.IdleTimeout}
	r := hep.NewReader(limited)
	limited.r = r
	p := a.peer
	whole = true
	for {
		frame, err := r.Next()
		if err != nil {
			return whole && r.Buffered() == 0 && settled(ctx, &pending), err
		}
		in.count.packets[t].Add(1)
		now := time.Now()
		p.seen.Store(now.UnixNano())
		a.sent.Store(true)
		switch in.take(ctx, d, frame, now, p, &pending) {
		case DropQueue, DropShare:
			whole = false
		}
	}
}

// settled waits until what is pending is in the log, for as long as a sender
// might wait for the end.
func settled(ctx context.Context, pending *atomic.Int64) bool {
	tick := time.NewTicker(nap)
	defer tick.Stop()
	for range int(5 * time.Second / nap) {
		if pending.Load() == 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return false
}

// limitedReader gives every Read its time. Run wakes a Read by a deadline in the
// past, which must not be overwritten: hence the second look at ctx.
type limitedReader struct {
	ctx   context.Context
	c     net.Conn
	r     *hep.Reader
	idle  time.Duration
	began time.Time // when the packet that is not whole yet began
}

func (l *limitedReader) Read(b []byte) (int, error) {
	end := time.Now().Add(l.idle)
	if l.r.Buffered() == 0 {
		l.began = time.Time{}
	} else {
		if l.began.IsZero() {
			l.began = time.Now()
		}
		end = l.began.Add(frameTimeout)
	}
	if err := l.c.SetReadDeadline(end); err != nil {
		return 0, err
	}
	if l.ctx.Err() != nil {
		return 0, l.ctx.Err()
	}
	return l.c.Read(b)
}
