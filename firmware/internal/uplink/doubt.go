package uplink

import (
	"errors"
	"io"
	"syscall"
	"time"
)

// doubt is about the record that may be what the collector dies of.
type doubt struct {
	seq     uint64
	fails   int    // connections closed with nothing but seq on them
	probe   uint64 // where to look for a later record that shows the collector to be well
	tried   int    // later records tried
	wells   int    // of these, confirmed since seq failed
	cleared bool   // the collector has shown since seq failed that it is well
	since   time.Time
	proofs  uint64 // collector.proofs when seq failed first
	refused uint64 // collector.refusals then
	alone   bool   // there is no later record in the backlog to compare it with
}

// aloneFor is how long the live connection must have stood, with nothing to
// send on it, for the one record left that the collector closes on to be the
// record's fault.
const aloneFor = 10 * time.Second

const (
	doubtFails  = 3  // before a record is set aside
	deadFails   = 10 // the same for a collector that was away in between: it may be killed again and again, or die of the record
	doubtProbes = 16 // later records tried before starting over
	doubtProofs = 2  // confirmations that show the collector to be well: one FIN may have crossed ours by chance
	limitMax    = 1024
)

// probing reports whether a later record is to be tried before seq again.
func (d *doubt) probing() bool { return d.fails >= doubtFails-1 && !d.cleared }

// beyondDoubt returns the part of the cursor within [from, to) to go on with:
// behind the record in doubt while another is needed, if there is one.
func (ln *lane) beyondDoubt(from, to uint64) (span, bool) {
	if ln.doubt.probing() && ln.limit > 0 {
		if s, ok := ln.c.unclaimed(max(from, ln.doubt.probe), to); ok {
			return s, true
		}
		ln.doubt.probe = ln.doubt.seq + 1
		_, others := ln.c.unclaimed(ln.doubt.probe, to)
		ln.doubt.alone = !others
		ln.c.prove()
	}
	return ln.c.unclaimed(from, to)
}

// vouched reports whether the live lane has shown since the record failed that
// the collector is well: by records that were confirmed, or, when there are
// none, by a connection that has stood all the while.
func (ln *lane) vouched() bool {
	d, c := &ln.doubt, ln.c
	if ln.kind != backlog {
		return false
	}
	if c.proofs >= d.proofs+doubtProofs {
		return true
	}
	for _, f := range c.flights {
		if f.lane == c.live && !f.half {
			return d.alone && len(f.marks) == 0 && f.began.Before(d.since) && time.Since(d.since) >= aloneFor
		}
	}
	return false
}

// rejected reports whether err is the collector's own doing.
func rejected(err error) bool {
	for _, e := range []error{errEarly, errEarlyTLS, errClosed, errUnread, syscall.EPIPE, syscall.ECONNRESET, io.ErrClosedPipe} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// failed draws the lane's conclusions from a flight that was not confirmed.
func (ln *lane) failed(f *flight, err error) {
	if f.answers != nil {
		ln.slow = 1 // such a collector says itself which record it does not want
		return
	}
	l := ln.c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln.c.tail {
		ln.limit = 0
		return
	}
	if f.sent == 0 {
		return
	}
	ln.limit = max(1, f.sent/2)
	if ln.c.cfg.Datagram {
		ln.limit = 1
	}
	if f.sent > 1 || ln.kind == live || ln.c.cfg.Datagram || !rejected(err) {
		return
	}
	d := &ln.doubt
	switch {
	case f.head == d.seq && d.fails > 0:
		d.fails++
	case d.probing():
		d.probe = f.head + 1
		if d.tried++; d.tried >= doubtProbes {
			d.tried, d.probe = 0, d.seq+1
			d.fails = 1 // the collector closes on everything
		}
	default:
		*d = doubt{seq: f.head, fails: 1, probe: f.head + 1, since: time.Now(), proofs: ln.c.proofs, refused: ln.c.refusals}
	}
	d.cleared = d.cleared || ln.vouched()
	enough := doubtFails
	if ln.c.refusals != d.refused {
		enough = deadFails
	}
	if d.fails >= enough && d.cleared {
		ln.condemn(err)
	}
}

// succeeded is the counterpart of failed. The lane trusts its collector again by degrees; the
// live lane, whose backlog is another's, at once. Larger degrees are enough for a port that refuses
// nothing any more, as no record is in doubt there; but the live lane goes by them, too: a kernel does not say
// each time that a port refuses, and what was sent to one that seemed open is lost.
func (ln *lane) succeeded(f *flight) {
	d := &ln.doubt
	switch {
	case f.sent == 0:
	case d.fails > 0 && f.head == d.seq:
		*d = doubt{}
	case d.probing():
		d.wells++
		d.cleared = d.wells >= doubtProofs
		d.probe = f.head + 1
		ln.limit = 1
		return
	}
	degree := 2
	if ln.c.cfg.Datagram {
		degree = 8
	}
	if ln.limit *= degree; ln.limit > limitMax || ln.kind == live && !ln.c.cfg.Datagram {
		ln.limit = 0
	}
}

// condemn sets the record in doubt aside. It is read again to do so, which may
// find it gone: then it is booked already. The log's lock is held.
func (ln *lane) condemn(why error) {
	c, l, seq := ln.c, ln.c.l, ln.doubt.seq
	ln.doubt = doubt{}
	if len(c.open) >= maxSpans || !c.open.has(seq) {
		return // no room to note it: it will be in doubt again
	}
	data := ln.recall(seq)
	if data == nil {
		return
	}
	if seq < l.disk {
		c.n.Spooled--
		l.dirty = true
	}
	c.n.Quarantined++
	c.open = c.open.cut(seq, seq+1)
	c.tried = c.tried.cut(seq, seq+1)
	l.mu.Unlock()
	c.setAside(seq, data, why.Error())
	l.log.Error("record set aside", "collector", c.cfg.Name, "seq", seq, "err", why)
	l.mu.Lock()
	c.settled()
}

// recall returns a copy of the record numbered seq, nil when it is gone.
func (ln *lane) recall(seq uint64) []byte {
	if data := ln.c.copyOf(seq); data != nil {
		return data
	}
	r := &ln.read
	if !r.valid || r.losses != ln.c.l.losses {
		return nil
	}
	for i := range r.entries {
		if r.entries[i].Seq == seq {
			return append([]byte(nil), r.entries[i].Data...)
		}
	}
	return nil
}

// settleIn ends the wait for proof of a live lane that has had nothing to send
// since it was connected again.
func (ln *lane) settleIn(f *flight) {
	l := ln.c.l
	l.mu.Lock()
	idle := ln.kind != backlog && (ln.limit > 0 || ln.unproven()) && f.taken == 0 && time.Since(f.began) >= time.Second
	if idle && !ln.up {
		ln.up = true
		ln.c.wakeAll()
	}
	idle = idle && !ln.c.backlogged() // the backlog is a better proof
	l.mu.Unlock()
	if idle {
		ln.c.setState(Up, nil)
	}
}
