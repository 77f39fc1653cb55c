package uplink

import (
	"errors"
	"time"
)

// Past is what was of one collector, which its Status does not tell any more.
type Past struct {
	Trouble   string    // what went wrong last, also when all is well again; empty: nothing has
	TroubleAt time.Time // when that was last so
	Oldest    time.Time // when the oldest record was made that waits on disk; zero: none waits, or it cannot be known
}

// trouble takes note of what went wrong. The log's lock is held.
func (c *collector) trouble(why error) {
	if why == nil || errors.Is(why, errAborted) {
		return
	}
	c.past.Trouble, c.past.TroubleAt = oneLine(why), time.Now()
}

// dateGap is how often the keeper looks how old the oldest records are.
const dateGap = 5 * time.Second

// date finds out when the oldest record on disk of each collector was made.
func (k *keeper) date(now time.Time) {
	l := k.l
	if l.o.Made == nil || l.spool == nil || now.Sub(k.dated) < dateGap {
		return
	}
	k.dated = now
	l.mu.Lock()
	all := append([]*collector(nil), l.collectors...)
	l.mu.Unlock()
	for _, c := range all {
		l.mu.Lock()
		s, waits := c.open.next(c.held)
		waits = waits && s.from < l.disk && c.snapshot().Backlog > 0
		l.mu.Unlock()
		var at time.Time
		if waits {
			var err error
			if at, err = k.oldest(s.from); err != nil {
				return
			}
		}
		l.mu.Lock()
		c.past.Oldest = at
		l.mu.Unlock()
	}
}

// oldest returns when the first record on disk from a number on was made, that of some
// collector: those that are not for this one are as old.
func (k *keeper) oldest(from uint64) (at time.Time, err error) {
	entries, rest, err := k.l.read(from, 1, k.buf[:0]) // one record, whatever its size
	if err != nil || len(entries) == 0 {
		return at, err
	}
	k.buf = rest
	if at, known := k.l.o.Made(entries[0].Data); known {
		return at, nil
	}
	return time.Time{}, nil
}

// BacklogBytes returns about how many octets wait on disk for a collector, of which so
// many records are there in all, with so many octets.
func (s *Status) BacklogBytes(records, octets uint64) uint64 {
	if records == 0 {
		return 0
	}
	return uint64(float64(octets) / float64(records) * float64(s.Backlog))
}
