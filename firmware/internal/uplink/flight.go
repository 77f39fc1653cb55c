package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"heptap/capture/record"
)

// mark is one batch of a flight: the numbers [from, to), of which records
// exist.
type mark struct {
	from, to uint64
	octets   uint64 // Conn.Written after the batch
	size     int    // octets of the records, as the log has them
	records  int    // sent + filtered + aside, once done
	sent     int
	filtered int
	aside    int
	at       time.Time // when it was written
	tried    bool      // handed to Write
	done     bool      // written
}

// loss is a record that is gone from the log while it is on its way.
type loss struct {
	seq   uint64
	class record.Class
	count *ByClass // where it is booked
}

// flight is what one connection has been given and the collector has not
// confirmed. The log's lock guards it; conn and began never change.
type flight struct {
	conn    Conn
	answers Receipts // conn, if the collector answers for records; else nil
	lane    *lane
	began   time.Time
	claim   spans
	marks   []mark
	gone    []loss
	pos     uint64    // the next number it may be given
	taken   int       // records it was given
	sent    int       // records written
	head    uint64    // the first of them
	size    int       // octets of the records in marks
	records int       // of these marks
	since   time.Time // when the oldest mark was made
	again   uint64    // messages that the collector had already, as far as they are counted
	half    bool      // half-closed: a barrier is waiting
	retryAt time.Time // no barrier before, the last attempt to dial failed

	owed    bool      // some of it was not acknowledged when that was last looked at
	heard   uint64    // octets that were
	heardAt time.Time // when everything was acknowledged, or more than before
}

// listen notes whether the peer's kernel still acknowledges.
func (f *flight) listen(now time.Time) {
	a := f.acked()
	f.owed = false
	if n := len(f.marks); n > 0 {
		m := &f.marks[n-1]
		f.owed = !m.done || m.octets > a
	}
	if a != f.heard || !f.owed || f.heardAt.IsZero() {
		f.heard, f.heardAt = a, now
	}
}

// forget takes m, settled, off f's claim.
func (f *flight) forget(m *mark) {
	f.claim = f.claim.cut(m.from, m.to)
	f.size -= m.size
	f.records -= m.records
	kept := f.gone[:0]
	for _, g := range f.gone {
		if g.seq < m.from || g.seq >= m.to {
			kept = append(kept, g)
		}
	}
	f.gone = kept
}

// Errors that name how a connection ended.
var (
	errEarly    = errors.New("closed by the collector before anything was confirmed: wrong port, or TLS expected?")
	errEarlyTLS = errors.New("closed by the collector before anything was confirmed: wrong port?")
	errClosed   = errors.New("closed by the collector")
	errNoFIN    = errors.New("the collector does not answer a half-close")
	errNoNotify = fmt.Errorf("%w as TLS wants it: it closes without close_notify", errNoFIN)
	errUnread   = errors.New("closed by the collector with octets unread")
	errUnproven = errors.New("connected again, nothing confirmed yet")
	errLate     = errors.New("the next connection is long in coming")
	errSilent   = errors.New("nothing is acknowledged any more: is the uplink's cable plugged in, the collector reachable?")
	errAborted  = errors.New("stopped")
)

// peerError names how the peer ended the connection.
func (f *flight) peerError(err error) error {
	c := f.lane.c
	if c.cfg.Datagram || f.answers != nil {
		return err
	}
	c.l.mu.Lock()
	early := !c.answers
	c.l.mu.Unlock()
	base := errClosed
	if early && (err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)) {
		if base = errEarly; c.cfg.Secure {
			base = errEarlyTLS
		}
	}
	if err == nil || errors.Is(err, io.EOF) {
		return base
	}
	return fmt.Errorf("%w (%w)", base, err)
}

// acked returns how many octets the peer's kernel has.
func (f *flight) acked() uint64 {
	n, _ := f.conn.Acked() // the error says that there is nothing newer
	return n
}

// await waits for what ends a half-closed connection. nil is a confirmation. all
// says whether the peer's kernel had everything.
func (c *collector) await(ctx context.Context, f *flight) (all bool, err error) {
	timer := time.NewTimer(c.l.o.FINTimeout)
	defer timer.Stop()
	for seen := f.acked(); ; {
		select {
		case <-ctx.Done():
			return false, errAborted
		case err := <-f.conn.Peer():
			if errors.Is(err, io.ErrUnexpectedEOF) && f.acked() == f.conn.Written() {
				return true, errNoNotify
			}
			if !errors.Is(err, io.EOF) {
				return false, f.peerError(err)
			}
			if !f.conn.Confirmed() {
				return false, errUnread
			}
			return true, nil
		case <-timer.C:
			if f.answers != nil {
				timer.Reset(c.l.o.FINTimeout) // it knows itself when too much time has passed
				continue
			}
			now, end := f.acked(), f.conn.Written()
			if now <= seen || now >= end {
				return now >= end, errNoFIN
			}
			seen = now // slow, but alive
			timer.Reset(c.l.o.FINTimeout)
		}
	}
}

// awaitDatagram waits until f's last datagram can no longer be refused.
func (c *collector) awaitDatagram(ctx context.Context, f *flight) error {
	timer := time.NewTimer(c.l.o.RefusalWindow)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errAborted
	case err := <-f.conn.Peer():
		return f.peerError(err)
	case <-timer.C:
		return nil
	}
}

// conclude half-closes f, waits for the collector's answer and settles f
// accordingly. The connection is closed when it returns.
func (c *collector) conclude(ctx context.Context, f *flight) error {
	c.l.mu.Lock()
	f.half = true
	if !c.cfg.Datagram && f.answers == nil {
		c.n.Barriers++
	}
	c.l.mu.Unlock()
	var all bool
	var err error
	if c.cfg.Datagram {
		err = c.awaitDatagram(ctx, f)
	} else {
		// The way out of a half-close that waits for room, as TLS's may.
		stop := context.AfterFunc(ctx, func() { f.end(false) })
		if err = f.conn.CloseWrite(); err == nil {
			all, err = c.await(ctx, f)
		} else if ctx.Err() != nil {
			err = errAborted
		}
		stop()
	}
	c.harvest(f)
	c.l.mu.Lock()
	switch {
	case err == nil && !c.cfg.Datagram && f.answers == nil:
		c.answers, c.silent, c.tail = true, 0, false // one that was frozen when it seemed never to answer
	case errors.Is(err, errNoFIN):
		c.n.NoAnswer++
		if all && !c.answers && !c.stalled {
			c.silent++
			c.tail = c.silent >= 3
		}
	case err != nil && !errors.Is(err, errAborted):
		c.n.Broken++
	}
	if err == nil {
		c.confirmedAt, c.stalled = time.Now(), false
	}
	c.settle(f, err == nil)
	up := err == nil && c.live.up
	c.l.mu.Unlock()
	f.end(err == nil)
	if up {
		c.setState(Up, nil)
	}
	return err
}

// end closes the connection. What a failed one still has in the kernel is
// discarded, for it will be sent again. Neither can fail in a way that matters.
func (f *flight) end(ok bool) {
	if ok {
		_ = f.conn.Close()
	} else {
		_ = f.conn.Abort()
	}
}
