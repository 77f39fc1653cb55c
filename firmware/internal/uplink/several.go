package uplink

import (
	"time"

	"heptap/buffer"
	"heptap/capture/record"
)

// removal says that a collector is not configured any more: the first number that
// is not its, and since when. Its cursor goes on holding what waited for it, in
// case it is put back, until the spool needs the room, and no longer than removedFor.
type removal struct {
	until uint64
	at    time.Time
}

const (
	removedFor = 24 * time.Hour
	maxRemoved = 16 // collectors whose records are held like that
)

// former returns the collectors that the spool has a cursor of and that are not
// configured, and whether it has one of any that is.
func (l *Log) former(configs []Collector) (names []string, stays bool) {
next:
	for _, name := range l.spool.Cursors() {
		for i := range configs {
			if configs[i].Name == name {
				stays = true
				continue next
			}
		}
		if name != logCursor {
			names = append(names, name)
		}
	}
	return names, stays
}

// keepRemoved holds what waits for collectors that were taken out of the
// configuration. When none of the others stays, the new ones take their place and have
// all that there is; and without collectors it is kept anyway.
func (l *Log) keepRemoved(names []string, stays bool) {
	for _, name := range names {
		if l.o.Collectors == nil {
			return
		}
		if !stays || len(l.collectors) >= len(l.o.Collectors)+maxRemoved {
			l.gone = append(l.gone, name)
			continue
		}
		c := newCollector(l, Collector{Name: name})
		c.removed = &removal{l.first, time.Now()}
		c.status.Reason = "not configured any more; what waited for it is kept for a day, as long as there is room"
		l.restore(c, false)
		c.status.Since = c.removed.at
		if c.n.Spooled > 0 {
			l.log.Warn("a collector was removed; what waited for it is kept for a day, as long as there is room", "collector", name, "records", c.n.Spooled)
		}
	}
}

// retire forgets collectors that were removed and have nothing that waits for them
// any more, or have had it for too long.
func (l *Log) retire(now time.Time) {
	kept := l.collectors[:0]
	for _, c := range l.collectors {
		if c.removed == nil || c.n.Spooled > 0 && now.Sub(c.removed.at) < removedFor {
			kept = append(kept, c)
			continue
		}
		l.gone, l.dirty = append(l.gone, c.cfg.Name), true
		if c.n.Spooled > 0 {
			l.log.Warn("records given up: their collector was removed a day ago", "collector", c.cfg.Name, "records", c.n.Spooled)
		}
	}
	l.collectors = kept
}

// lagging reports whether [from, to) is still there for those collectors alone
// that are behind another one. Such records make room before any is refused that
// all of them are to have.
func (l *Log) lagging(from, to uint64) bool {
	for _, c := range l.collectors {
		if c.removed == nil && !c.open.overlaps(from, to) {
			return true
		}
	}
	return false
}

// The last quarter of the spool is for what no collector is done with yet: one
// that is far behind loses its oldest records before the spool sheds what the
// others are to have as well.
const relieveNum, relieveOf = 3, 4

// relieve gives up the oldest records while the spool is more than three quarters
// full and some collector, of those that are configured, does not need them.
func (k *keeper) relieve(now time.Time) {
	l := k.l
	for l.spool != nil && len(l.collectors) > 1 && !now.Before(k.retryAt) {
		st := l.spool.Stats()
		behind := l.behind()
		if st.LimitBytes == 0 || st.UsedBytes <= st.LimitBytes/relieveOf*relieveNum || held(&st) == 0 || st.First >= behind {
			return
		}
		var entries []buffer.Entry
		var err error
		if entries, k.buf, err = l.read(st.First, chunkBytes, k.buf[:0]); err != nil {
			return
		}
		if n := len(entries); n == 0 || !k.giveUp(entries, min(behind, entries[n-1].Seq+1), evicted) {
			k.retryAt = now.Add(retryDisk)
			return
		}
	}
}

// behind returns the number below which nothing on disk is for all collectors.
func (l *Log) behind() (seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.collectors {
		if c.removed == nil {
			seq = max(seq, min(c.open[0].from, l.disk))
		}
	}
	return seq
}

func evicted(n *Counts) *ByClass { return &n.Evicted }
func expired(n *Counts) *ByClass { return &n.Expired }

// giveUp books the entries below end where book says, and has the spool forget them. Should
// the spool fail they are still nobody's: none is sent any more, or booked twice.
func (k *keeper) giveUp(entries []buffer.Entry, end uint64, book func(*Counts) *ByClass) bool {
	l := k.l
	l.booked.Lock()
	defer l.booked.Unlock()
	l.mu.Lock()
	for i := range entries {
		e := &entries[i]
		if e.Seq < k.given || e.Seq >= end {
			continue
		}
		for _, c := range l.collectors {
			c.lose(e.Seq, record.Class(e.Class), record.SkipOf(e.Data), book(&c.n), true)
		}
	}
	k.given = max(k.given, end)
	for _, c := range l.collectors {
		c.dropEmpty(0, end)
	}
	l.losses++
	b := buffer.Batch{Trim: end, Cursors: l.cursors(nil)}
	l.mu.Unlock()
	_, err := l.commit(b)
	return err == nil
}
