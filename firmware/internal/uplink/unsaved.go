package uplink

import (
	"sort"
	"time"
)

// Unsaved is what the end of the probe would cost now: it is in memory alone, and no collector's kernel has
// acknowledged it. What has not become a record yet comes on top.
type Unsaved struct {
	Records uint64        // at most
	For     time.Duration // how long the oldest of them has been so, an eighth of SpillAfter too much at most
	Most    time.Duration // how long any has, in this run
}

// unsaved is what is known of it from the last look.
type unsaved struct {
	first uint64    // number of the oldest
	since time.Time // zero: there was none
	most  time.Duration
}

// noteUnsaved looks what is unsaved now. The log's lock is held.
func (l *Log) noteUnsaved(now time.Time) Unsaved {
	first, u := uint64(forever), &l.unsaved
	for _, c := range l.collectors {
		if c.removed != nil {
			continue // what is made now is not for it
		}
		if from, end := c.exposed(l.disk, l.next); end > 0 {
			first = min(first, from)
		}
	}
	if first == forever {
		u.since = time.Time{}
		return Unsaved{Most: u.most}
	}
	if u.since.IsZero() || u.first != first {
		u.first, u.since = first, l.madeAfter(first, now)
	}
	age := max(now.Sub(u.since), 0)
	u.most = max(u.most, age)
	return Unsaved{l.next - first, age, u.most}
}

// madeAfter returns a time after which the record with a number was made, or, if that is long ago, one about
// half of SpillAfter ago: its connection has just broken, and until then the collector's kernel had it.
func (l *Log) madeAfter(seq uint64, now time.Time) time.Time {
	i := sort.Search(len(l.stamps), func(i int) bool { return l.stamps[i].next > seq })
	switch {
	case i > 0:
		return l.stamps[i-1].at
	case len(l.stamps) > 0:
		return l.stamps[0].at
	}
	return now
}
