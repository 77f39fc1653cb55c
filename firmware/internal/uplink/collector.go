package uplink

import (
	"errors"
	"os"
	"sync"
	"time"

	"heptap/capture/record"
)

// collector is one cursor with the lanes that move it. Where not said
// otherwise the log's lock guards its fields.
type collector struct {
	l      *Log
	cfg    Collector     // immutable
	lanes  []*lane       // immutable
	live   *lane         // immutable: the live lane, or the strict one
	closed chan struct{} // closed by Shutdown
	flying *sync.WaitGroup

	open         spans  // not confirmed
	tried        spans  // of these, written to a connection that then failed
	livePos      uint64 // the live lane's next number; the backlog is below it
	held         uint64 // what is open below it is held back
	heldBack     uint64 // records that is
	flights      []*flight
	toDisk       uint64    // below this is what broken connections left unconfirmed
	exposedTo    uint64    // below this is what had to go to disk because this collector had not acknowledged it
	n            Counts    // but for Made, Shed at append, and InMemory
	answers      bool      // a half-close was answered once, in this run or an earlier one
	silent       int       // barriers in a row that timed out although all was acknowledged
	tail         bool      // fallen back to the resend tail
	stalled      bool      // a write stalled since something was last confirmed or released
	confirmedAt  time.Time // when something was last confirmed
	liveSent     uint64    // records the live lane sent, for the drain rate
	refusals     uint64    // attempts to dial that failed
	proofs       uint64    // live connections confirmed with records on them
	wantProof    bool      // the live lane shall have what it sends confirmed at once: a record is in doubt, or somebody asked
	status       Status
	past         Past
	removed      *removal // not configured any more
	slot         slot
	pace         pace
	waitingSince time.Time // some wait on disk to be sent
	spared       ByClass   // shed records that were not for it
}

func newCollector(l *Log, cfg Collector) *collector {
	c := &collector{l: l, cfg: cfg, closed: make(chan struct{})}
	if c.cfg.Datagram && c.cfg.DrainRate == 0 {
		c.cfg.DrainRate = 5000
	}
	c.open = spans{{l.first, forever}}
	c.livePos = l.first
	c.status = Status{Collector: cfg.Name, State: Down, Since: time.Now(), Reason: "not started"}
	switch {
	case cfg.Dial == nil:
		c.status.Reason = "no collector"
		return c // it keeps records, and the books
	case cfg.Strict:
		c.lanes = []*lane{newLane(c, strict)}
	default:
		c.lanes = []*lane{newLane(c, live), newLane(c, backlog)}
	}
	c.live = c.lanes[0]
	return c
}

// wakeLive tells the live lane that there is a record. The lane says when it
// needs telling, so that a busy one costs Append nothing.
func (c *collector) wakeLive() {
	if c.live != nil && c.live.waiting {
		c.live.waiting = false
		poke(c.live.wake)
	}
}

func (c *collector) wakeAll() {
	for _, ln := range c.lanes {
		ln.waiting = false
		poke(ln.wake)
	}
}

// prove asks for a barrier of the live lane as soon as BarrierGap allows one.
func (c *collector) prove() {
	c.wantProof = true
	poke(c.live.wake)
}

// Prove has a collector confirm what it was sent now, where a barrier would be made only when
// something is BarrierAge old. What is already half-closed answers such a request too, though it has not
// what came since: who waits for a record asks again. It does nothing where there are no barriers.
func (l *Log) Prove(collector string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.collectors {
		if c.cfg.Name == collector && c.live != nil && !c.cfg.Datagram && !c.tail {
			c.prove()
		}
	}
}

// lose takes note that the record numbered seq is gone before it was confirmed.
// stored says that it had been counted as spooled; count is where it is booked, skip
// the record's own word for whom it was not. One that is on its way may still arrive: it
// is booked when its flight ends.
func (c *collector) lose(seq uint64, class record.Class, skip uint8, count *ByClass, stored bool) {
	if !c.open.has(seq) || c.slot.skips(seq, skip) {
		return
	}
	for _, f := range c.flights {
		if f.claim.has(seq) {
			f.gone = append(f.gone, loss{seq, class, count})
			if !stored {
				c.n.Spooled++ // the flight will take it off again
			}
			return
		}
	}
	count[class]++
	if stored {
		c.n.Spooled--
	}
	if seq < c.held && c.heldBack > 0 {
		c.heldBack--
	}
}

// confirmMark takes the numbers of m, a part of a flight, off the cursor. It
// refuses, and they have to be sent again, when that would split a cursor
// which already has as many spans as can be stored.
func (c *collector) confirmMark(m *mark) bool {
	if len(c.open) >= maxSpans && c.splits(m) {
		return false
	}
	inMemory := c.inMemory(m.from, m.to)
	c.n.Spooled -= uint64(m.records) - inMemory
	c.n.Filtered += uint64(m.filtered)
	c.n.Quarantined += uint64(m.aside)
	c.open = c.open.cut(m.from, m.to)
	c.tried = c.tried.cut(m.from, m.to)
	if m.from < c.l.disk {
		c.l.dirty = true
	}
	return true
}

func (c *collector) splits(m *mark) bool {
	i := c.open.find(m.from)
	return i < len(c.open) && c.open[i].from < m.from && c.open[i].to > m.to
}

// settle ends flight f. ok says that the collector has it all; otherwise what
// it had is to be sent again.
func (c *collector) settle(f *flight, ok bool) {
	c.remove(f)
	if ok && f.lane == c.live && f.sent > 0 {
		c.proofs++
		c.wantProof = false // until it is asked for again
	}
	for i := range f.marks {
		m := &f.marks[i]
		if ok && c.confirmMark(m) {
			if c.cfg.Datagram {
				c.n.SentUnconfirmed += uint64(m.sent)
			} else {
				c.n.Confirmed += uint64(m.sent)
			}
			f.forget(m)
			continue
		}
		if m.tried {
			c.tried = limitSpans(c.tried.add(m.from, m.to))
		}
		c.toDisk = max(c.toDisk, m.to)
	}
	for _, g := range f.gone {
		g.count[g.class]++
		c.n.Spooled--
		c.l.dirty = true // the stored cursor counts it
	}
	c.settled()
	poke(c.l.kick)
}

// settled follows every move of the cursor.
func (c *collector) settled() {
	c.reconcile()
	c.l.sweep()
	c.wakeAll()
}

// release takes the first n marks of f off the cursor without confirmation.
func (c *collector) release(f *flight, n int, count *uint64) {
	done := 0
	for done < n {
		m := &f.marks[done]
		if !c.confirmMark(m) {
			break
		}
		*count += uint64(m.sent)
		f.forget(m)
		done++
	}
	if done > 0 {
		f.marks = append(f.marks[:0], f.marks[done:]...)
		c.stalled = false
		c.settled()
	}
}

func (c *collector) remove(f *flight) {
	for i, g := range c.flights {
		if g == f {
			c.flights = append(c.flights[:i], c.flights[i+1:]...)
			return
		}
	}
}

// dropEmpty takes [from, to), in which the spool has nothing, off the cursor.
func (c *collector) dropEmpty(from, to uint64) {
	c.open = c.open.cut(from, to)
	c.tried = c.tried.cut(from, to)
	c.l.dirty = true
	c.reconcile()
}

// reconcile balances the books when the cursor is done with the disk: what was
// counted as spooled and never turned up was lost with a damaged spool, or had
// been carried in by a count that a crash left behind the spool's evictions.
func (c *collector) reconcile() {
	if c.n.Spooled == 0 || c.open.overlaps(0, c.l.disk) {
		return
	}
	for _, f := range c.flights {
		if len(f.gone) > 0 {
			return // they are counted until it ends
		}
	}
	if c.l.damages > 0 || c.l.spool != nil && c.l.spool.Stats().Corrupt > c.l.corrupt {
		c.n.Damaged += c.n.Spooled
	} else {
		c.n.CarriedIn -= c.n.Spooled
	}
	c.n.Spooled = 0
}

// broke draws the collector's conclusions from a connection that broke.
func (c *collector) broke(err error) {
	if errors.Is(err, errAborted) {
		return
	}
	c.n.Broken++
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.stalled = true
	}
	if c.tail {
		// Whoever is there next may answer: one barrier will tell.
		c.tail, c.silent = false, 2
	}
}

// maxSpans bounds a cursor: it must fit a value of the spool's (4096 octets, and
// a span takes 20 at most).
const maxSpans = 200

// limitSpans bounds a set that only serves counting.
func limitSpans(s spans) spans {
	for len(s) > 4*maxSpans {
		i := s.narrowest()
		s = s.add(s[i].to, s[i+1].from)
	}
	return s
}

// unclaimed returns the first part of the cursor within [from, to) that no flight
// has.
func (c *collector) unclaimed(from, to uint64) (span, bool) {
	for from < to {
		s, ok := c.open.next(from)
		if !ok || s.from >= to {
			return span{}, false
		}
		s.to = min(s.to, to)
		free := true
		for _, f := range c.flights {
			i := f.claim.find(s.from)
			if i == len(f.claim) {
				continue
			}
			if f.claim[i].from <= s.from {
				from, free = f.claim[i].to, false
				break
			}
			s.to = min(s.to, f.claim[i].from)
		}
		if free {
			return s, true
		}
	}
	return span{}, false
}

// exposed returns the first number of the part of the cursor within [from, to)
// that no peer's kernel has acknowledged, and the end of the last. end is 0 when
// there is none.
func (c *collector) exposed(from, to uint64) (first, end uint64) {
	if from >= to {
		return 0, 0
	}
	rest := append(c.l.scratch[:0], span{from, to})
	for _, f := range c.flights {
		acked := f.acked()
		for i := range f.marks {
			if m := &f.marks[i]; m.done && (m.octets <= acked || c.cfg.Datagram) {
				rest = rest.cut(m.from, m.to)
			}
		}
	}
	c.l.scratch = rest
	first = forever
	for _, r := range rest {
		for i := c.open.find(r.from); i < len(c.open) && c.open[i].from < r.to; i++ {
			first = min(first, max(r.from, c.open[i].from))
			end = max(end, min(r.to, c.open[i].to))
		}
	}
	return first, end
}
