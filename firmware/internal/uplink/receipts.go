package uplink

import "time"

// receiptBytes bounds what is unanswered of a collector that answers for records.
const receiptBytes = 4 << 20

// window returns how many records may be unanswered on f.
func (ln *lane) window(f *flight) int {
	if ln.slow > 0 {
		return min(ln.slow, f.answers.Window())
	}
	return f.answers.Window()
}

// unproven reports whether nothing has been answered for since a connection to such a collector failed.
func (ln *lane) unproven() bool { return ln.slow == 1 }

// superseded reports whether f, to one of several members that answers for records, should make
// room for a connection to one that is preferred, and if not when to look again. It is the only barrier
// there is with such a collector.
func (ln *lane) superseded(f *flight, now time.Time) (time.Duration, bool) {
	const idle = time.Hour
	to, ok := f.conn.(*memberConn)
	if !ok {
		return idle, false
	}
	if now.Before(f.retryAt) {
		return f.retryAt.Sub(now), false
	}
	return min(idle, ln.c.l.o.BarrierAge), to.f.order()[0] != to.i
}

// harvest takes what has been answered for off the cursor. The first answer after a failure shows that
// the collector is well again. It may answer for what it had already, and then take no more, when it is full: so
// trust grows by degrees.
func (ln *lane) harvest(f *flight) {
	if !ln.c.harvest(f) || ln.slow == 0 {
		return
	}
	first := ln.unproven()
	if ln.slow *= 2; ln.slow > f.answers.Window() {
		ln.slow = 0
	}
	switch {
	case !first:
	case ln.kind != backlog:
		ln.setUp(true)
	case ln.c.live.isUp():
		ln.c.setState(Up, nil)
	}
}

// isUp reports whether the lane is connected, and trusted.
func (ln *lane) isUp() bool {
	ln.c.l.mu.Lock()
	defer ln.c.l.mu.Unlock()
	return ln.up
}

// harvest takes what has been answered for off the cursor, and reports whether anything was confirmed.
func (c *collector) harvest(f *flight) (proof bool) {
	if f.answers == nil {
		return false
	}
	acked := f.acked() // before Refused: what it counts has been refused by then
	for {
		seq, why, ok := f.answers.Refused()
		if !ok {
			break
		}
		c.refused(f, seq, why)
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	again := f.answers.Duplicates()
	c.n.Duplicates += again - f.again
	f.again = again
	n, sent := 0, 0
	for n < len(f.marks) && f.marks[n].done && f.marks[n].octets <= acked {
		sent += f.marks[n].sent
		n++
	}
	c.release(f, n, &c.n.Confirmed)
	if sent > 0 {
		c.confirmedAt = time.Now()
	}
	return sent > 0
}

// refused sets a record aside that the collector has refused. It is booked with its mark.
func (c *collector) refused(f *flight, seq uint64, why error) {
	l := c.l
	l.mu.Lock()
	data := c.copyOf(seq)
	for i := range f.marks {
		if m := &f.marks[i]; m.from <= seq && seq < m.to && m.sent > 0 {
			m.sent--
			m.aside++
			break
		}
	}
	l.mu.Unlock()
	if data == nil {
		if data = c.fromSpool(seq); data == nil {
			return // it is gone, and booked
		}
	}
	c.setAside(seq, data, why.Error())
	l.log.Error("record set aside", "collector", c.cfg.Name, "seq", seq, "err", why)
}

// copyOf returns a copy of a record that is in memory, else nil. The log's lock is held.
func (c *collector) copyOf(seq uint64) []byte {
	if p := c.l.mem.find(seq); p != nil && seq >= c.l.disk {
		return append([]byte(nil), p.record(seq)...)
	}
	return nil
}

// fromSpool reads one record of the spool, nil when it is not there.
func (c *collector) fromSpool(seq uint64) []byte {
	if c.l.spool == nil {
		return nil
	}
	entries, _, err := c.l.read(seq, 1, nil)
	if err != nil || len(entries) == 0 || entries[0].Seq != seq {
		return nil
	}
	return entries[0].Data
}
