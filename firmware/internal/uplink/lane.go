package uplink

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"heptap/buffer"
)

type kind uint8

const (
	live kind = iota
	backlog
	strict
)

// lane sends to one collector over one connection at a time. Its own goroutine
// owns it, but for the fields that the log's lock guards.
type lane struct {
	c    *collector
	kind kind
	enc  Encoder
	wake chan struct{} // capacity 1
	now  chan struct{} // capacity 1: there is a reason not to wait for the next attempt

	batch batch
	read  chunk
	limit int // records per connection after a failure; 0 is no limit
	doubt doubt
	back  backoff
	rate  bucket
	timer *time.Timer
	// slow is how many records may be unanswered after a connection to a collector that answers for them failed: one at
	// first, and twice as many with each answer; 0 is as many as the collector takes.
	slow int

	// Guarded by the log's lock.
	waiting bool      // wants to be woken
	up      bool      // connected
	barrier time.Time // when the last barrier was made
}

func newLane(c *collector, k kind) *lane {
	ln := &lane{c: c, kind: k, enc: c.cfg.NewEncoder(), wake: make(chan struct{}, 1), now: make(chan struct{}, 1)}
	ln.back = backoff{min: c.l.o.BackoffMin, max: c.l.o.BackoffMax}
	if k == backlog {
		ln.back.max = min(ln.back.max, 2*time.Second) // it only tries while the live lane is connected
	}
	ln.rate.perSecond, ln.rate.timesLive = float64(c.cfg.DrainRate), c.cfg.DrainLive
	return ln
}

// backoff is the pause before the next attempt, doubled by each failure.
type backoff struct{ min, max, next time.Duration }

func (b *backoff) reset() { b.next = 0 }

// pause returns between half and all of the next pause, so that probes that
// lost their collector together do not return together.
func (b *backoff) pause() time.Duration {
	b.next = min(max(2*b.next, b.min), b.max)
	return b.next/2 + rand.N(b.next/2+1)
}

// run keeps the lane connected while it has reason to, until ctx ends or the
// log is closing and the lane has done what it can.
func (ln *lane) run(ctx context.Context) {
	ln.timer = time.NewTimer(time.Hour)
	defer ln.timer.Stop()
	if ln.kind != backlog {
		ln.c.setState(Connecting, nil)
	}
	for ln.ready(ctx) {
		began := time.Now()
		select {
		case <-ln.now: // what comes from here on may not have helped this attempt
		default:
		}
		err := ln.connect(ctx)
		if err == nil {
			ln.back.reset()
			continue
		}
		if ctx.Err() != nil {
			break
		}
		if ln.kind == backlog && !ln.unproven() {
			ln.c.note(err)
		} else {
			ln.c.setState(Down, err)
		}
		ln.c.l.mu.Lock()
		proven := ln.c.confirmedAt.After(began)
		ln.c.l.mu.Unlock()
		if proven || time.Since(began) > ln.back.max {
			ln.back.reset()
		}
		pause := ln.back.pause()
		if ln.kind != backlog {
			ln.c.setNext(time.Now().Add(pause))
		}
		if !ln.rest(ctx, pause, ln.now) {
			break
		}
	}
	if ln.kind != backlog {
		ln.c.setState(Down, errAborted)
	}
}

// connect dials and serves one connection, and those that follow it at barriers.
func (ln *lane) connect(ctx context.Context) error {
	conn, err := ln.dial(ctx)
	if err != nil {
		return err
	}
	return ln.serve(ctx, conn)
}

func (ln *lane) dial(ctx context.Context) (Conn, error) {
	ln.c.l.mu.Lock()
	ln.c.n.Dials++
	if ln.kind != backlog {
		ln.c.status.Next = time.Time{}
	}
	ln.c.l.mu.Unlock()
	conn, err := ln.c.cfg.Dial(ctx)
	if err != nil {
		ln.c.l.mu.Lock()
		ln.c.refusals++
		ln.c.l.mu.Unlock()
	}
	return conn, err
}

// ready waits until there is a reason to connect. false means that the lane is
// done.
func (ln *lane) ready(ctx context.Context) bool {
	for {
		if ctx.Err() != nil {
			return false
		}
		l := ln.c.l
		l.mu.Lock()
		work, closing := ln.hasWork(), l.closing
		connected := ln.kind != backlog || ln.c.live.up
		ln.waiting = true
		l.mu.Unlock()
		switch {
		case closing:
			return work && ln.kind != backlog && ln.back.next == 0
		case ln.kind != backlog, work && connected:
			return true
		}
		select {
		case <-ctx.Done():
		case <-ln.wake:
		case <-ln.c.closed:
		}
	}
}

// hasWork reports whether there is a record that the lane could send.
func (ln *lane) hasWork() bool {
	c := ln.c
	from, to := c.held, c.l.next
	switch ln.kind {
	case live:
		from = max(c.livePos, c.l.disk)
	case backlog:
		to = max(c.livePos, c.l.disk)
	}
	_, ok := c.unclaimed(from, to)
	return ok
}

// rest waits for d, or less when the log is closing, or when now, which may be nil, says that the
// collector may be reached again: then failures so far count no more. It reports whether to go on.
func (ln *lane) rest(ctx context.Context, d time.Duration, now <-chan struct{}) bool {
	ln.timer.Reset(d)
	select {
	case <-ctx.Done():
		return false
	case <-ln.c.closed:
	case <-now:
		ln.back.reset()
	case <-ln.timer.C:
	}
	return true
}

// Retry has lanes that wait for their next attempt make it at once.
func (l *Log) Retry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.collectors {
		for _, ln := range c.lanes {
			poke(ln.now)
		}
	}
}

// serve sends over conn until there is no more to send (nil) or it breaks.
func (ln *lane) serve(ctx context.Context, conn Conn) error {
	f := ln.begin(conn)
	defer ln.setUp(false)
	for {
		// The way out of a Write that blocks.
		current := f
		stop := context.AfterFunc(ctx, func() { current.end(false) })
		next, err := ln.fly(ctx, f)
		stop()
		if err != nil || next == nil {
			return err
		}
		f = next
	}
}

// begin makes the flight of a new connection.
func (ln *lane) begin(conn Conn) *flight {
	l := ln.c.l
	f := &flight{conn: conn, lane: ln, began: time.Now()}
	f.answers, _ = conn.(Receipts)
	if to, ok := conn.(*memberConn); ok {
		ln.enc = to.NewEncoder()
		f.answers, _ = to.Conn.(Receipts)
	}
	l.mu.Lock()
	ln.c.flights = append(ln.c.flights, f)
	ln.barrier = f.began
	l.mu.Unlock()
	ln.setUp(true)
	return f
}

// setUp takes note that the lane is connected, or no longer. After a failure a
// connection alone proves nothing.
func (ln *lane) setUp(up bool) {
	switch {
	case ln.kind == backlog || !up:
	case ln.limit == 0 && !ln.unproven():
		ln.c.setState(Up, nil)
	default:
		ln.c.setState(Connecting, errUnproven)
	}
	ln.c.l.mu.Lock()
	ln.up = up && !ln.unproven() && (ln.limit == 0 || !ln.c.cfg.Datagram) // a datagram socket always connects
	ln.c.wakeAll()
	ln.c.l.mu.Unlock()
}

// fly sends on f until a barrier hands over to the next flight, the lane has
// nothing left to do (nil), or f breaks.
func (ln *lane) fly(ctx context.Context, f *flight) (*flight, error) {
	for {
		ln.harvest(f)
		select {
		case <-ctx.Done():
			return nil, ln.broken(f, errAborted)
		case err := <-f.conn.Peer():
			return nil, ln.broken(f, f.peerError(err))
		default:
		}
		switch do, wait := ln.decide(f); do {
		case doSend:
			if err := ln.send(f); err != nil {
				return nil, ln.broken(f, ln.writeError(f, err))
			}
		case doRead:
			if err := ln.fetch(); err != nil {
				if !ln.rest(ctx, time.Second, nil) {
					return nil, ln.broken(f, errAborted)
				}
			}
		case doBarrier:
			next, err := ln.pass(ctx, f)
			switch {
			case next != nil:
				return ln.begin(next), nil
			case err != nil:
				return nil, err
			}
		case doConclude:
			return nil, ln.conclude(ctx, f)
		case doFinish:
			ln.c.l.mu.Lock()
			ln.c.settle(f, true)
			ln.c.l.mu.Unlock()
			f.end(true)
			return nil, nil
		case doWait:
			if err := ln.await(ctx, f, wait); err != nil {
				return nil, ln.broken(f, err)
			}
		}
	}
}

// pass makes a barrier: it opens the connection that follows f and half-closes f.
// When the next one is not to be had f goes on, until the next attempt (nil and nil). One that is
// long in coming, as from a collector that is frozen and answers no handshake, is not waited
// for: f is half-closed and judged meanwhile, and with an error there is neither.
func (ln *lane) pass(ctx context.Context, f *flight) (Conn, error) {
	type result struct {
		conn Conn
		err  error
	}
	dialled := make(chan result, 1)
	ln.c.flying.Go(func() {
		conn, err := ln.dial(ctx)
		dialled <- result{conn, err}
	})
	half := func() { ln.c.flying.Go(func() { ln.c.conclude(ctx, f) }) }
	ln.timer.Reset(ln.c.l.o.HandOver)
	select {
	case d := <-dialled:
		if d.err == nil {
			half()
			return d.conn, nil
		}
		ln.c.l.mu.Lock()
		f.retryAt = time.Now().Add(ln.c.l.o.BarrierGap)
		ln.c.l.mu.Unlock()
		return nil, nil
	case <-ln.timer.C:
	}
	ln.setUp(false)
	if ln.kind != backlog {
		ln.c.setState(Connecting, errLate)
	}
	half()
	d := <-dialled // it has its own time limit
	return d.conn, d.err
}

// await waits for something to do on f: a record, a barrier's time, or the
// collector's end of the connection.
func (ln *lane) await(ctx context.Context, f *flight, d time.Duration) error {
	ln.timer.Reset(d)
	closed := ln.c.closed
	if ln.isClosing() {
		closed = nil
	}
	var progress <-chan struct{}
	if f.answers != nil {
		progress = f.answers.Progress()
	}
	select {
	case <-ctx.Done():
		return errAborted
	case err := <-f.conn.Peer():
		return f.peerError(err)
	case <-closed:
	case <-progress:
	case <-ln.timer.C:
		ln.settleIn(f)
	case <-ln.wake:
		if ln.kind == backlog || closed == nil {
			return nil
		}
		// A batch costs little more than a record: let one come together.
		ln.timer.Reset(ln.c.l.o.Linger)
		select {
		case <-ctx.Done():
		case <-ln.timer.C:
		}
	}
	return nil
}

func (ln *lane) isClosing() bool {
	ln.c.l.mu.Lock()
	defer ln.c.l.mu.Unlock()
	return ln.c.l.closing
}

// peerWait is how long a write that failed waits for the reader to say why.
const peerWait = 250 * time.Millisecond

// writeError prefers what the peer did to what the write noticed of it.
func (ln *lane) writeError(f *flight, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err // the peer does nothing
	}
	ln.timer.Reset(peerWait)
	select {
	case perr := <-f.conn.Peer():
		return f.peerError(perr)
	case <-ln.timer.C:
		return err
	}
}

// broken ends f, which the collector did not confirm.
func (ln *lane) broken(f *flight, err error) error {
	c := ln.c
	c.harvest(f)
	c.l.mu.Lock()
	c.broke(err)
	c.settle(f, false)
	refused := f.sent == 0 && ln.limit == 0 && !c.cfg.Datagram && f.answers == nil && rejected(err)
	c.l.mu.Unlock()
	f.end(false)
	if refused {
		ln.limit = limitMax // the next connection alone proves nothing: in TLS 1.3 a client is refused when it is long connected
	}
	if !errors.Is(err, errAborted) {
		ln.failed(f, err)
	}
	return err
}

// grace is how long a lane that had a failure waits before it half-closes. A
// collector that closes because of a record does so without being asked; its FIN
// after ours would look like a confirmation.
const grace = 250 * time.Millisecond

// conclude makes a barrier and waits for its answer.
func (ln *lane) conclude(ctx context.Context, f *flight) error {
	if ln.limit > 0 && !ln.c.cfg.Datagram {
		ln.timer.Reset(grace)
		select {
		case <-ctx.Done():
		case <-ln.timer.C:
		case err := <-f.conn.Peer():
			return ln.broken(f, f.peerError(err))
		}
	}
	err := ln.c.conclude(ctx, f)
	switch {
	case err == nil:
		ln.succeeded(f)
	case !errors.Is(err, errAborted):
		ln.failed(f, err)
	}
	return err
}

// chunk is a piece of the spool that a backlog or strict lane has read ahead.
type chunk struct {
	entries []buffer.Entry
	next    int // index of the first that was not sent
	buf     []byte
	pos     uint64 // where to read
	from    uint64 // where it was read
	end     uint64 // everything in [from, end) that the spool had is in entries
	losses  uint64 // Log.losses before it was read: another value makes it stale
	valid   bool
}

// fetch reads a piece of the spool at read.pos.
func (ln *lane) fetch() error {
	l, r := ln.c.l, &ln.read
	l.booked.Lock()
	defer l.booked.Unlock()
	l.mu.Lock()
	r.losses, r.end, r.from = l.losses, l.disk, r.pos
	l.mu.Unlock()
	r.valid, r.next = false, 0
	if l.spool == nil { // only evicted records are below the boundary
		r.entries, r.valid = nil, true
		return nil
	}
	var err error
	r.entries, r.buf, err = l.spool.Read(r.pos, chunkBytes, r.buf[:0])
	if err != nil {
		if errors.Is(err, buffer.ErrDamaged) {
			l.damaged(err)
			return nil // it has replaced itself: read again
		}
		l.diskFailed(err)
		return err
	}
	if n := len(r.entries); n > 0 {
		// There may be more behind it. What came after the boundary was read is
		// as good, but only up to the last.
		r.end = r.entries[n-1].Seq + 1
	}
	r.valid = true
	return nil
}
