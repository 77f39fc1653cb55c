package uplink

import (
	"encoding/binary"
	"errors"
	"sort"
	"time"

	"heptap/buffer"
	"heptap/capture/record"
)

// keeper is the goroutine that owns all writing to the spool, but for
// quarantine, and the boundary between the tiers.
type keeper struct {
	l       *Log
	entries []buffer.Entry
	pins    []*page
	retryAt time.Time // no commit before: the last one failed
	trimmed time.Time
	buf     []byte    // a piece of the spool
	given   uint64    // below this is what was given up for want of room, or for its age
	aged    time.Time // when the oldest record was looked at last, and was not too old
	dated   time.Time // when it was looked at how old the oldest is
}

// stamp says that at that time next was the next number.
type stamp struct {
	at   time.Time
	next uint64
}

// ticks is how many looks the keeper takes in SpillAfter.
const ticks = 8

// keep runs the keeper until idle is closed.
func (l *Log) keep(idle <-chan struct{}) {
	k := &keeper{l: l, trimmed: time.Now()}
	tick := time.NewTicker(max(l.o.SpillAfter/ticks, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-idle:
			return
		case <-tick.C:
		case <-l.kick:
		}
		now := time.Now()
		l.mu.Lock()
		l.settleAged(now)
		old := l.older(now)
		l.noteUnsaved(now)
		l.mu.Unlock()
		k.relieve(now)
		for k.spill(now, old) {
			k.relieve(now)
		}
		k.expire(now)
		k.date(now)
		k.trim(now)
	}
}

// older returns the number of the first record that is younger than half of
// SpillAfter: the other half is for noticing and for the commit, which takes its
// time on a busy disk. The log's lock is held.
func (l *Log) older(now time.Time) uint64 {
	l.stamps = append(l.stamps, stamp{now, l.next})
	age := l.o.SpillAfter / 2
	n := 0
	for n+1 < len(l.stamps) && now.Sub(l.stamps[n+1].at) >= age {
		n++
	}
	l.stamps = append(l.stamps[:0], l.stamps[n:]...)
	if now.Sub(l.stamps[0].at) < age {
		return 0
	}
	// Kicks come at any rate; two stamps within a tick are one.
	if i := len(l.stamps) - 1; i > 1 && l.stamps[i].at.Sub(l.stamps[i-2].at) < l.o.SpillAfter/ticks {
		l.stamps[i-1] = l.stamps[i]
		l.stamps = l.stamps[:i]
	}
	return l.stamps[0].next
}

// target returns the number up to which memory should go to disk. old is the
// first number that is too young to have to.
func (l *Log) target(old uint64) uint64 {
	old = min(old, l.next)
	l.kickAt = max(l.mem.limit/2, l.mem.used+l.mem.limit/16)
	switch {
	case l.mem.used > l.mem.limit/4*3:
		for _, c := range l.collectors {
			_, end := c.exposed(l.disk, l.next)
			c.exposedTo = max(c.exposedTo, end)
		}
		return l.next
	case l.mem.used > l.mem.limit/2 && l.exposedBytes() > l.mem.limit/4:
		old = l.next // whatever its age
	}
	to := uint64(0)
	for _, c := range l.collectors {
		if _, end := c.exposed(l.disk, old); end > 0 {
			// The younger ones go along: a commit has its price, on flash above all, and the next one
			// is not due until what is made from now on is as old.
			_, end = c.exposed(l.disk, l.next)
			to, c.exposedTo = max(to, end), max(c.exposedTo, end)
		}
		if c.toDisk > l.disk {
			// Of what a broken connection left, only what is still unconfirmed.
			if i := c.open.find(l.disk); i < len(c.open) && c.open[i].from < c.toDisk {
				to = max(to, min(c.toDisk, l.next))
			}
		}
	}
	return to
}

// exposedBytes returns how much of memory comes after the first record that
// some collector's kernel has not acknowledged.
func (l *Log) exposedBytes() int {
	from := l.next
	for _, c := range l.collectors {
		if first, end := c.exposed(l.disk, l.next); end > 0 {
			from = min(from, first)
		}
	}
	n := 0
	for _, p := range l.mem.pages {
		if p.end() > from {
			n += len(p.buf)
		}
	}
	return n
}

// spill moves what must not stay in memory to disk, one commit's worth, and
// reports whether there is more.
func (k *keeper) spill(now time.Time, old uint64) bool {
	l := k.l
	l.mu.Lock()
	to := l.target(old)
	if to <= l.disk || l.spool == nil || now.Before(k.retryAt) {
		l.mu.Unlock()
		return false
	}
	end := k.collect(to)
	if len(k.entries) == 0 {
		l.advance(end) // all of it confirmed meanwhile
		k.unpin()
		l.mu.Unlock()
		return end < to
	}
	l.spilling = true
	batch := buffer.Batch{Append: k.entries, Cursors: l.cursors(k.entries)}
	l.mu.Unlock()

	l.booked.Lock()
	defer l.booked.Unlock()
	result, err := l.commit(batch)

	n := len(k.entries)
	if err != nil {
		// Some of it may have been stored.
		last := l.spool.Stats().Last
		n = sort.Search(n, func(i int) bool { return k.entries[i].Seq > last })
		if n > 0 {
			end = k.entries[n-1].Seq + 1
		}
		k.retryAt = now.Add(retryDisk)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spilling = false
	l.stored(k.entries[:n], &result)
	l.noteUnsaved(time.Now())
	if n > 0 {
		l.advance(end)
	}
	k.unpin()
	return err == nil && end < to
}

// retryDisk is the pause after a commit that failed.
const retryDisk = time.Second

// collect gathers the records below to that somebody still needs, as many as one
// commit takes, and returns where it stopped.
func (k *keeper) collect(to uint64) uint64 {
	l := k.l
	k.entries = k.entries[:0]
	size, seq := 0, l.disk
	for _, p := range l.mem.pages {
		if p.end() <= seq {
			continue
		}
		if p.first >= to {
			break
		}
		l.mem.pin(p)
		k.pins = append(k.pins, p)
		for seq = max(seq, p.first); seq < min(p.end(), to); seq++ {
			if size >= spillBytes || len(k.entries) >= spillCount {
				return seq
			}
			rec := p.record(seq)
			if !l.wanted(seq, record.SkipOf(rec)) {
				continue
			}
			k.entries = append(k.entries, buffer.Entry{Seq: seq, Class: uint8(record.ClassOf(rec)), Data: rec})
			size += len(rec)
		}
	}
	return to
}

func (k *keeper) unpin() {
	for _, p := range k.pins {
		k.l.mem.unpin(p)
	}
	clear(k.pins)
	k.pins = k.pins[:0]
	clear(k.entries)
	k.entries = k.entries[:0]
}

func (l *Log) wanted(seq uint64, skip uint8) bool {
	for _, c := range l.collectors {
		if c.wants(seq, skip) {
			return true
		}
	}
	return false
}

// cursors encodes all cursors as they are once entries have been appended.
func (l *Log) cursors(entries []buffer.Entry) map[string][]byte {
	st := l.spool.Stats()
	first, last := st.First, st.Last
	if len(entries) > 0 {
		last = entries[len(entries)-1].Seq
		if held(&st) == 0 {
			first = entries[0].Seq
		}
	}
	// The epoch goes along: a spool that has replaced itself has lost it.
	m := map[string][]byte{logCursor: binary.BigEndian.AppendUint64(nil, l.first>>epochBits)}
	for _, c := range l.collectors {
		if c.cfg.Name == "" {
			continue
		}
		spooled := c.n.Spooled
		for i := range entries {
			if c.wants(entries[i].Seq, record.SkipOf(entries[i].Data)) {
				spooled++
			}
		}
		m[c.cfg.Name] = c.encodeCursor(first, last, spooled)
	}
	for _, name := range l.gone {
		m[name] = nil
	}
	return m
}

// stored books a commit of entries. What the cursors have confirmed while it was
// under way is on disk for nothing, and goes with the next trim.
func (l *Log) stored(entries []buffer.Entry, r *buffer.AppendResult) {
	for _, c := range l.collectors {
		for i := range entries {
			if c.wants(entries[i].Seq, record.SkipOf(entries[i].Data)) {
				c.n.Spooled++
			}
		}
		c.loseAll(r.Shed, &c.n.Shed)
		c.loseAll(r.Evicted, &c.n.Evicted)
	}
	for i := range entries {
		if !l.wanted(entries[i].Seq, record.SkipOf(entries[i].Data)) {
			l.dirty = true
			break
		}
	}
	if len(r.Shed)+len(r.Evicted) > 0 {
		l.losses++
		l.dirty = true // the cursors in this commit count records that it evicted
	}
}

// held returns how many records the spool has.
func held(st *buffer.Stats) (n uint64) {
	for i := range st.Held {
		n += st.Held[i].Records
	}
	return n
}

// read copies records out of the spool, and takes note when that fails.
func (l *Log) read(from uint64, maxBytes int, buf []byte) ([]buffer.Entry, []byte, error) {
	l.booked.Lock()
	defer l.booked.Unlock()
	entries, rest, err := l.spool.Read(from, maxBytes, buf)
	if err != nil {
		l.diskFailed(err)
	}
	return entries, rest, err
}

// commit makes one commit and takes note of how it went. The caller holds booked, where lanes run.
func (l *Log) commit(b buffer.Batch) (buffer.AppendResult, error) {
	began := time.Now()
	r, err := l.spool.Commit(b)
	took := time.Since(began)
	l.mu.Lock()
	l.commitMost = max(l.commitMost, took)
	l.mu.Unlock()
	if errors.Is(err, buffer.ErrDamaged) {
		l.damaged(err)
	}
	l.diskResult(err)
	return r, err
}

// damaged takes note that the spool was replaced. Records it lost are found
// missing, and booked, when the lanes come to them.
func (l *Log) damaged(err error) {
	l.mu.Lock()
	l.damages++
	l.losses++
	l.dirty = true
	l.mu.Unlock()
	l.log.Error("spool damaged", "err", err)
}

// diskFailed takes note of a read or a quarantine that failed.
func (l *Log) diskFailed(err error) {
	if errors.Is(err, buffer.ErrDamaged) {
		l.damaged(err)
		return
	}
	l.mu.Lock()
	l.diskErrors++
	l.mu.Unlock()
	l.log.Warn("spool", "err", err)
}

// diskResult takes note of how a commit went.
func (l *Log) diskResult(err error) {
	l.mu.Lock()
	was := l.diskError
	l.diskError = ""
	if err != nil {
		l.diskErrors++
		l.diskError = err.Error()
	}
	now := l.diskError
	l.mu.Unlock()
	if now != "" && was == "" {
		l.log.Error("spool does not store", "err", err)
	} else if now == "" && was != "" {
		l.log.Info("spool stores again")
	}
}
