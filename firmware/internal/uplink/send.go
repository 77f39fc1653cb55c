package uplink

import (
	"errors"
	"sort"
	"syscall"
	"time"

	"heptap/buffer"
	"heptap/capture/record"
)

// action is what a lane does next.
type action uint8

const (
	doNothing  action = iota
	doSend            // the batch that was taken
	doRead            // a piece of the spool
	doWait            // for a record, a time, or the collector
	doBarrier         // open the next connection, then half-close this one
	doConclude        // half-close this one and wait for the answer
	doFinish          // close: nothing is unconfirmed
)

// batch is what one Write carries. Its slices are reused.
type batch struct {
	items []item
	pins  []*page
	out   []byte // encoded
	ends  []int  // where each frame in out ends
}

type item struct {
	seq   uint64
	data  []byte
	again bool // was sent before
	skip  bool // not for this collector: booked when it was made
}

const batchRecords = 1024

// decide says what the lane does next on f, and how long it may wait for
// something else to do. For doSend it has taken the batch.
func (ln *lane) decide(f *flight) (action, time.Duration) {
	l := ln.c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.waiting = false
	now := time.Now()
	if ln.limit > 0 && f.taken >= ln.limit {
		return doConclude, 0
	}
	wait, due := ln.barrierDue(f, now)
	switch {
	case due && ln.kind == strict:
		return doConclude, 0
	case due:
		return doBarrier, 0
	case l.closing && ln.kind == backlog:
		return ln.nothing(f, wait)
	case ln.paused(f):
		ln.waiting = true
		return doWait, wait
	}
	most := batchRecords
	if ln.limit > 0 {
		most = min(most, ln.limit-f.taken)
	}
	if f.answers != nil {
		most = min(most, ln.window(f)-f.records)
	}
	do, d := ln.take(f, most, now)
	switch do {
	case doWait:
		return doWait, min(wait, d)
	case doNothing:
		return ln.nothing(f, wait)
	}
	return do, 0
}

// nothing decides when there is nothing to take.
func (ln *lane) nothing(f *flight, wait time.Duration) (action, time.Duration) {
	c := ln.c
	leave := c.l.closing || ln.kind == backlog && (!c.tail || ln.hasWork()) // work here is behind f
	switch {
	case leave && len(f.marks) == 0:
		return doFinish, 0
	case leave, ln.limit > 0 && f.taken > 0 && !c.tail:
		return doConclude, 0
	}
	if ln.limit > 0 || ln.unproven() {
		wait = min(wait, time.Second) // see settleIn
	}
	ln.waiting = true
	return doWait, wait
}

// barrierDue reports whether f has come to a barrier, and if not when to look
// again.
func (ln *lane) barrierDue(f *flight, now time.Time) (time.Duration, bool) {
	c, o := ln.c, &ln.c.l.o
	const idle = time.Hour
	if f.answers != nil {
		return ln.superseded(f, now)
	}
	if c.tail || c.cfg.Datagram || len(f.marks) == 0 {
		return idle, false
	}
	if now.Before(f.retryAt) {
		return f.retryAt.Sub(now), false
	}
	wait := f.since.Add(o.BarrierAge).Sub(now)
	if f.size >= o.BarrierBytes || ln == c.live && (c.wantProof || f.recovered()) {
		wait = min(wait, ln.barrier.Add(o.BarrierGap).Sub(now))
	}
	if f.size >= o.UnconfirmedMax/16 && ln.unconfirmed() >= o.UnconfirmedMax {
		wait = 0
	}
	return wait, wait <= 0
}

// recovered reports whether everything written to f is acknowledged, and some
// of it had to go to disk meanwhile: an outage that the connection survived. A
// barrier takes it off the disk. What is there for another collector's sake
// makes no hurry.
func (f *flight) recovered() bool {
	c := f.lane.c
	return len(f.marks) > 0 && f.marks[0].from < min(c.l.disk, c.exposedTo) && !f.owed
}

// unconfirmed returns the octets of records on the lane's connections.
func (ln *lane) unconfirmed() int {
	n := 0
	for _, f := range ln.c.flights {
		if f.lane == ln {
			n += f.size
		}
	}
	return n
}

// paused reports whether so much is unconfirmed that the lane has to wait for
// the answer to a barrier.
func (ln *lane) paused(f *flight) bool {
	o := &ln.c.l.o
	switch {
	case ln.c.cfg.Datagram:
		return false
	case f.answers != nil:
		return f.records >= ln.window(f) || ln.unconfirmed() >= min(o.UnconfirmedMax, receiptBytes)
	case ln.c.tail:
		return ln.unconfirmed() >= o.Tail+o.UnconfirmedMax
	}
	return ln.unconfirmed() >= o.UnconfirmedMax/4*5
}

// take claims the next records for f, at most most of them.
func (ln *lane) take(f *flight, most int, now time.Time) (action, time.Duration) {
	c, l := ln.c, ln.c.l
	if c.livePos < l.disk {
		c.livePos = l.disk // what is skipped is backlog from here on
		c.wakeAll()
	}
	for {
		seg, ok := ln.segment(f)
		if !ok {
			return doNothing, 0
		}
		if ln.kind == backlog || ln.kind == strict && seg.from < l.disk {
			n, wait := ln.rate.allow(now, c.liveSent, l.made)
			if n == 0 {
				return doWait, wait
			}
			most = min(most, n)
		}
		if seg.from >= l.disk {
			ln.claim(f, seg.from, ln.fromMemory(seg, most))
			return doSend, 0
		}
		seg.to = min(seg.to, l.disk)
		if some, wait := ln.holdBack(seg); wait {
			return doWait, time.Second
		} else if some {
			continue
		}
		end, known := ln.fromDisk(seg, most)
		switch {
		case !known:
			ln.read.pos = seg.from
			return doRead, 0
		case len(ln.batch.items) > 0:
			ln.claim(f, seg.from, end)
			return doSend, 0
		}
		c.dropEmpty(seg.from, end)
	}
}

// segment returns the part of the cursor that f goes on with.
func (ln *lane) segment(f *flight) (span, bool) {
	c, l := ln.c, ln.c.l
	switch ln.kind {
	case live:
		return c.unclaimed(max(f.pos, c.livePos), l.next)
	case backlog:
		return ln.beyondDoubt(max(f.pos, c.held), c.livePos)
	}
	return ln.beyondDoubt(max(f.pos, c.held), l.next)
}

// holdBack leaves out what seg begins with and is too old to be sent, and reports
// whether there was any. While something older is still on its way it asks to
// wait: should that fail, it has to be sent again.
func (ln *lane) holdBack(seg span) (some, wait bool) {
	c, r := ln.c, &ln.read
	if c.cfg.Hold == nil || ln.limit > 0 || !ln.covers(seg) {
		return false, false
	}
	i := r.next
	for i < len(r.entries) && r.entries[i].Seq < seg.to && c.cfg.Hold(r.entries[i].Data) {
		i++
	}
	if i == r.next {
		return false, false
	}
	if first, ok := c.open.next(c.held); !ok || first.from < seg.from {
		return false, true
	}
	for _, e := range r.entries[r.next:i] {
		if c.wants(e.Seq, record.SkipOf(e.Data)) {
			c.heldBack++
		}
	}
	c.held = r.entries[i-1].Seq + 1
	r.next = i
	return true, false
}

// covers reports whether what was read of the spool covers the start of seg, and
// if so goes there.
func (ln *lane) covers(seg span) bool {
	r := &ln.read
	if !r.valid || r.losses != ln.c.l.losses || seg.from < r.from || seg.from >= r.end {
		return false
	}
	if n := len(r.entries); r.next >= n || r.entries[r.next].Seq != seg.from {
		r.next = sort.Search(n, func(i int) bool { return r.entries[i].Seq >= seg.from })
	}
	return true
}

// fromMemory fills the batch from seg and returns where it stopped.
func (ln *lane) fromMemory(seg span, most int) uint64 {
	m, b := &ln.c.l.mem, &ln.batch
	b.items = b.items[:0]
	size, seq := 0, seg.from
	for seq < seg.to && size < batchBytes && len(b.items) < most {
		p := m.find(seq)
		if p == nil {
			panic("uplink: record missing from memory")
		}
		m.pin(p)
		b.pins = append(b.pins, p)
		for ; seq < min(p.end(), seg.to) && size < batchBytes && len(b.items) < most; seq++ {
			rec := p.record(seq)
			b.items = append(b.items, item{seq: seq, data: rec})
			size += len(rec)
		}
	}
	return seq
}

// fromDisk fills the batch from what was read of the spool. It returns where it
// stopped, and whether what was read covers the start of seg at all.
func (ln *lane) fromDisk(seg span, most int) (end uint64, known bool) {
	r, b := &ln.read, &ln.batch
	b.items = b.items[:0]
	if !ln.covers(seg) {
		return 0, false
	}
	seg.to = min(seg.to, r.end)
	hold := ln.c.cfg.Hold
	size := 0
	for ; r.next < len(r.entries) && r.entries[r.next].Seq < seg.to; r.next++ {
		e := &r.entries[r.next]
		full := size >= batchBytes || len(b.items) >= most
		if full || hold != nil && ln.limit == 0 && len(b.items) > 0 && hold(e.Data) {
			return b.items[len(b.items)-1].seq + 1, true
		}
		b.items = append(b.items, item{seq: e.Seq, data: e.Data})
		size += len(e.Data)
	}
	return seg.to, true
}

// claim makes the batch, all there is in [from, to), a mark of f.
func (ln *lane) claim(f *flight, from, to uint64) {
	c, items := ln.c, ln.batch.items
	m := mark{from: from, to: to}
	for i := range items {
		it := &items[i]
		if it.skip = c.slot.skips(it.seq, record.SkipOf(it.data)); it.skip {
			continue
		}
		it.again = len(c.tried) > 0 && c.tried.has(it.seq)
		m.records++
		m.size += len(it.data)
	}
	if len(f.marks) == 0 {
		f.since = time.Now()
	}
	f.marks = append(f.marks, m)
	f.claim = f.claim.add(from, to)
	f.pos = to
	f.taken += m.records
	f.size += m.size
	f.records += m.records
	ln.rate.spend(m.records)
	if ln.kind == live {
		c.livePos = to
		c.liveSent += uint64(m.records)
	}
}

// send encodes the batch and writes it.
func (ln *lane) send(f *flight) error {
	sent, filtered, aside, again := ln.encode()
	l := ln.c.l
	l.mu.Lock()
	for _, p := range ln.batch.pins {
		l.mem.unpin(p)
	}
	ln.batch.pins = ln.batch.pins[:0]
	m := &f.marks[len(f.marks)-1]
	m.sent, m.filtered, m.aside = sent, filtered, aside
	m.tried = sent > 0
	if f.sent == 0 && sent > 0 {
		f.head = ln.batch.items[0].seq
	}
	f.sent += sent
	ln.c.n.Resent += again
	l.mu.Unlock()

	err := ln.write(f)

	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		return err
	}
	m = &f.marks[len(f.marks)-1] // the keeper may have released others
	m.octets, m.at, m.done = f.conn.Written(), time.Now(), true
	switch {
	case f.sent == 0:
		ln.c.release(f, len(f.marks), &ln.c.n.Confirmed) // nothing was sent, so nothing needs confirming
	case ln.c.cfg.Datagram && f.size > l.o.UnconfirmedMax:
		ln.c.release(f, (len(f.marks)+1)/2, &ln.c.n.SentUnconfirmed) // the window is bounded by octets, too
	}
	return nil
}

// encode makes the batch's frames. What cannot be encoded is set aside.
func (ln *lane) encode() (sent, filtered, aside int, again uint64) {
	b := &ln.batch
	b.out, b.ends = b.out[:0], b.ends[:0]
	kept := b.items[:0]
	for _, it := range b.items {
		if it.skip {
			continue
		}
		out, err := ln.enc.Encode(b.out, it.data)
		switch {
		case err == nil:
			b.out, b.ends = out, append(b.ends, len(out))
			kept = append(kept, it)
			sent++
			if it.again {
				again++
			}
		case errors.Is(err, ErrFiltered):
			filtered++
		default:
			aside++
			ln.c.setAside(it.seq, it.data, err.Error())
		}
	}
	b.items = kept
	return sent, filtered, aside, again
}

// write hands the frames to the connection.
func (ln *lane) write(f *flight) error {
	b := &ln.batch
	if len(b.out) == 0 {
		return nil
	}
	if !ln.c.cfg.Datagram {
		_, err := f.conn.Write(b.out)
		return err
	}
	at := 0
	for i, end := range b.ends {
		err := ln.writeDatagrams(f, b.out[at:end])
		if errors.Is(err, syscall.EMSGSIZE) {
			ln.tooLarge(f, &b.items[i], err)
		} else if err != nil {
			return err
		}
		at = end
	}
	return nil
}

// writeDatagrams writes the packets of one record, each as one datagram.
func (ln *lane) writeDatagrams(f *flight, out []byte) error {
	for len(out) > 0 {
		n := len(out)
		if ln.c.cfg.Packets > 1 {
			n = ln.c.cfg.First(out)
		}
		if _, err := f.conn.Write(out[:n]); err != nil {
			return err
		}
		out = out[n:]
	}
	return nil
}

// tooLarge sets a record aside that the way to the collector does not take as
// one datagram.
func (ln *lane) tooLarge(f *flight, it *item, err error) {
	ln.c.setAside(it.seq, it.data, err.Error())
	l := ln.c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &f.marks[len(f.marks)-1]
	m.sent--
	m.aside++
}

// setAside puts a copy of a record into quarantine. That it is not sent is
// counted where its number leaves the cursor.
func (c *collector) setAside(seq uint64, data []byte, why string) {
	if c.l.spool == nil {
		return
	}
	e := buffer.Entry{Seq: seq, Class: uint8(record.ClassOf(data)), Data: data}
	c.l.booked.Lock()
	defer c.l.booked.Unlock()
	if err := c.l.spool.Quarantine(e, c.cfg.Name+": "+why); err != nil {
		c.l.diskFailed(err)
	}
}

// bucket is the drain rate: what the live lane leaves of perSecond, but a tenth
// of it at least.
type bucket struct {
	perSecond float64 // 0 is no limit
	timesLive float64 // perSecond, or so many times the rate at which records are made if that is more
	tokens    float64
	at        time.Time
	live      uint64
	owed      float64 // what the live lane has taken of the share that is still to come, a second's at most
	made      uint64
	madeRate  float64 // per second, a mean that follows within madeMean
}

const madeMean = 10 // seconds

// allow returns how many records may go now, or how long to wait for the next.
// live is how many the live lane has sent, made how many there were to send.
func (b *bucket) allow(now time.Time, live, made uint64) (int, time.Duration) {
	if b.perSecond == 0 {
		return batchRecords, 0
	}
	if b.at.IsZero() {
		b.at, b.live, b.made = now, live, made
	}
	passed := now.Sub(b.at).Seconds()
	if passed > 0 {
		b.madeRate += (float64(made-b.made)/passed - b.madeRate) * min(1, passed/madeMean)
	}
	limit := b.limit()
	share := passed * limit
	b.owed = min(b.owed+float64(live-b.live), limit) // live records come in bursts: what one takes is not there later
	taken := min(b.owed, share/10*9)
	b.owed -= taken
	b.tokens += share - taken
	b.tokens = min(b.tokens, max(1, limit/10))
	b.at, b.live, b.made = now, live, made
	// Fewer, larger batches: 20 a second, not one per record.
	if want := min(max(1, limit/20), batchRecords); b.tokens < want {
		return 0, max(time.Millisecond, time.Duration((want-b.tokens)/limit*float64(time.Second)))
	}
	return int(b.tokens), 0
}

// limit returns how many records per second may go, live ones included.
func (b *bucket) limit() float64 { return max(b.perSecond, b.timesLive*b.madeRate) }

func (b *bucket) spend(n int) {
	if b.perSecond > 0 {
		b.tokens = max(b.tokens-float64(n), -b.limit())
	}
}
