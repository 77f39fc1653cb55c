package uplink

import (
	"errors"
	"time"

	"heptap/buffer"
)

// trim forgets what every cursor has confirmed, and stores the cursors that
// moved among what is on disk. It does nothing while the spool is empty.
func (k *keeper) trim(now time.Time) {
	l := k.l
	if l.spool == nil || now.Before(k.retryAt) || now.Sub(k.trimmed) < l.o.TrimGap {
		return
	}
	if !k.store() {
		k.retryAt = now.Add(retryDisk)
	}
	k.trimmed = now
}

// store makes the commit of trim, if it is due, and reports whether that went
// well.
func (k *keeper) store() bool {
	l := k.l
	l.mu.Lock()
	l.retire(time.Now())
	st := l.spool.Stats()
	if any := held(&st) > 0; !any || !l.dirty {
		l.dirty = l.dirty && any
		l.mu.Unlock()
		return true
	}
	before := l.disk
	for _, c := range l.collectors {
		if len(c.open) > 0 { // one that was removed may have none
			before = min(before, c.open[0].from)
		}
	}
	b := buffer.Batch{Cursors: l.cursors(nil)}
	if before > st.First {
		b.Trim = before
	}
	l.dirty = false
	l.mu.Unlock()
	l.booked.Lock()
	_, err := l.commit(b)
	l.booked.Unlock()
	if err != nil {
		l.mu.Lock()
		l.dirty = true
		l.mu.Unlock()
		return false
	}
	return true
}

// settleAged takes datagrams off the cursors that can no longer be refused, and
// what a collector in fallback has acknowledged, but for the tail.
func (l *Log) settleAged(now time.Time) {
	for _, c := range l.collectors {
		c.measure(now)
		for _, f := range c.flights {
			switch {
			case c.cfg.Datagram && !f.half:
				n := 0
				for n < len(f.marks) && f.marks[n].done && now.Sub(f.marks[n].at) >= l.o.RefusalWindow {
					n++
				}
				c.release(f, n, &c.n.SentUnconfirmed)
			case c.tail && !f.half:
				c.release(f, f.beyondTail(l.o.Tail), &c.n.Released)
			}
			f.compact()
			if owed := f.owed; f.lane == c.live {
				f.listen(now)
				if owed && !f.owed {
					c.wakeLive() // it may be due for a barrier
				}
			}
		}
	}
}

// beyondTail returns how many of f's marks are acknowledged and followed by tail
// octets that are, too.
func (f *flight) beyondTail(tail int) int {
	acked := f.acked()
	n := 0
	for n < len(f.marks) && f.marks[n].done && f.marks[n].octets+uint64(tail) <= acked {
		n++
	}
	return n
}

// inTail returns how many records the kernel of a collector in fallback has of f.
func (f *flight) inTail() (n uint64) {
	if !f.lane.c.tail || f.half {
		return 0
	}
	for _, m := range f.marks[:f.beyondTail(0)] {
		n += uint64(m.records)
	}
	return n
}

// compact joins small marks that the peer's kernel has: a trickle makes one for
// every record.
func (f *flight) compact() {
	if len(f.marks) < 64 {
		return
	}
	acked := f.acked()
	kept := f.marks[:1]
	for i := 1; i < len(f.marks); i++ {
		m, p := f.marks[i], &kept[len(kept)-1]
		if m.done && p.done && m.octets <= acked && p.to == m.from && p.size+m.size <= batchBytes {
			p.join(&m)
			continue
		}
		kept = append(kept, m)
	}
	f.marks = kept
}

// join adds m, which follows p, to p.
func (p *mark) join(m *mark) {
	p.to, p.octets, p.at = m.to, m.octets, m.at
	p.size += m.size
	p.records += m.records
	p.sent += m.sent
	p.filtered += m.filtered
	p.aside += m.aside
	p.tried = p.tried || m.tried
}

// expireGap is the pause after a look that found nothing too old.
const expireGap = 10 * time.Second

// expire gives up the oldest records on disk that are too old to be kept. It does one
// piece of the spool at a time, for new records are to get to disk meanwhile.
func (k *keeper) expire(now time.Time) {
	l := k.l
	if l.o.Expired == nil || l.spool == nil || now.Before(k.retryAt) || now.Sub(k.aged) < expireGap {
		return
	}
	st := l.spool.Stats()
	if held(&st) == 0 {
		return
	}
	var entries []buffer.Entry
	var err error
	if entries, k.buf, err = l.read(st.First, expireBytes, k.buf[:0]); err != nil {
		k.retryAt = now.Add(retryDisk)
		return
	}
	switch end := l.expiredTo(entries); {
	case end == 0:
		k.aged = now
	case !k.giveUp(entries, end, expired):
		k.retryAt = now.Add(retryDisk)
	}
}

// expireBytes is how much of the spool expire reads at once. An eighth of a second
// later comes the next piece.
const expireBytes = chunkBytes

// expiredTo returns the number below which the entries are too old, 0 when none is.
func (l *Log) expiredTo(entries []buffer.Entry) (end uint64) {
	for i := range entries {
		switch old, known := l.o.Expired(entries[i].Data); {
		case old:
			end = entries[i].Seq + 1
		case known:
			return end
		}
	}
	return end
}

// finish stores what no collector has confirmed and closes the spool.
func (l *Log) finish() error {
	l.mu.Lock()
	l.closing = true
	var left uint64
	for _, c := range l.collectors {
		left = max(left, c.counts().InMemory)
	}
	l.mu.Unlock()
	if l.spool == nil && l.o.Late != nil && left > 0 {
		if err := l.adopt(); err != nil {
			l.log.Error("the spool still does not work, records are lost", "records", left, "err", err)
		}
	}
	if l.spool == nil {
		return nil
	}
	k := &keeper{l: l}
	for {
		l.mu.Lock()
		for _, c := range l.collectors {
			c.toDisk = forever
		}
		l.mu.Unlock()
		if !k.spill(time.Now(), forever) {
			break
		}
	}
	k.store()
	var err error
	l.mu.Lock()
	if l.diskError != "" {
		err = errors.New("store the rest: " + l.diskError)
	}
	l.mu.Unlock()
	return errors.Join(err, l.spool.Close())
}
