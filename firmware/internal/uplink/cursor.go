package uplink

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"
	"time"

	"heptap/buffer"
	"heptap/capture/record"
)

// A cursor as the spool keeps it, uvarints but for the first two octets:
//
//	version 1 · flags (1: has answered a half-close, 2: removed, 4: has a bit)
//	first and last sequence number of the spool when it was written
//	records of the spool that were not confirmed then
//	spans: how many; per span from - the last one's to, to - from (0: for ever)
//	if removed: the first number that is not its any more, and when that was (Unix seconds)
//	if it has a bit: that bit, and the first number whose record may have it
const cursorVersion = 1

const (
	flagAnswers = 1 << iota
	flagRemoved
	flagSlot
)

var errCursor = errors.New("malformed")

// encodeCursor makes the cursor as it will be once spooled records of the spool,
// [first, last], are unconfirmed.
func (c *collector) encodeCursor(first, last, spooled uint64) []byte {
	b := []byte{cursorVersion, 0}
	if c.answers {
		b[1] |= flagAnswers
	}
	b = binary.AppendUvarint(b, first)
	b = binary.AppendUvarint(b, last)
	b = binary.AppendUvarint(b, spooled)
	open := c.open
	if c.removed != nil {
		b[1] |= flagRemoved
		open = slices.Clone(open).add(c.removed.until, forever)
	}
	b = binary.AppendUvarint(b, uint64(len(open)))
	at := uint64(0)
	for _, s := range open {
		b = binary.AppendUvarint(b, s.from-at)
		if s.to == forever {
			b = binary.AppendUvarint(b, 0)
			break
		}
		b = binary.AppendUvarint(b, s.to-s.from)
		at = s.to
	}
	if c.removed != nil {
		b = binary.AppendUvarint(b, c.removed.until)
		b = binary.AppendUvarint(b, uint64(max(c.removed.at.Unix(), 0)))
	}
	if c.slot.bit != 0 {
		b[1] |= flagSlot
		b = binary.AppendUvarint(b, uint64(c.slot.bit))
		b = binary.AppendUvarint(b, c.slot.since)
	}
	return b
}

// stored is a cursor read back.
type stored struct {
	answers              bool
	first, last, spooled uint64
	open                 spans
	removed              *removal
	slot                 slot
}

func decodeCursor(b []byte) (stored, error) {
	if len(b) < 2 || b[0] != cursorVersion {
		return stored{}, errCursor
	}
	flags := b[1]
	s := stored{answers: flags&flagAnswers != 0}
	b = b[2:]
	ok := true
	num := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			ok = false
			return 0
		}
		b = b[n:]
		return v
	}
	s.first, s.last, s.spooled = num(), num(), num()
	at := uint64(0)
	for n := num(); ok && n > 0; n-- {
		from := at + num()
		to := from + num()
		if n == 1 && to == from {
			to = forever
		}
		if !ok || from < at || to <= from || len(s.open) >= 2*maxSpans {
			return stored{}, errCursor
		}
		s.open = s.open.add(from, to)
		at = to
	}
	if ok && flags&flagRemoved != 0 {
		s.removed = &removal{until: num(), at: time.Unix(int64(min(num(), math.MaxInt32)), 0)}
	}
	if ok && flags&flagSlot != 0 {
		s.slot = slot{uint8(num()), num()}
		ok = ok && bits.OnesCount8(s.slot.bit) == 1
	}
	if !ok || len(b) > 0 || len(s.open) == 0 || s.open[len(s.open)-1].to != forever {
		return stored{}, errCursor
	}
	return s, nil
}

// restore takes up the cursor where the spool has it, and finds out how many
// records are carried in. Without a cursor it begins with all that there is, or
// with nothing when it comes to others that have one.
func (c *collector) restore(joins bool) error {
	st := c.l.spool.Stats()
	c.open = spans{{0, forever}}
	any, known, whole := held(&st) > 0, false, true
	if c.cfg.Name != "" {
		b, ok, err := c.l.spool.Cursor(c.cfg.Name)
		if err != nil && !errors.Is(err, buffer.ErrDamaged) {
			return err
		}
		switch {
		case ok && err == nil:
			known, whole = c.resume(b, &st), false
		case joins:
			c.open = spans{{c.l.first, forever}}
			return nil
		}
	}
	if c.removed == nil {
		c.open = c.open.add(c.l.first, forever)
	} else {
		c.open = c.open.cut(c.removed.until, forever)
	}
	switch {
	case !any:
		c.n.Spooled = 0
		c.open = c.open.cut(0, c.l.first)
	case whole:
		c.n.Spooled = held(&st)
	case !known:
		var err error
		if c.n.Spooled, err = c.countStored(); err != nil {
			return err
		}
	}
	c.n.CarriedIn = c.n.Spooled
	c.reconcile()
	return nil
}

// resume takes up the stored cursor b. It reports whether the count in it is
// that of the spool as it is. A cursor that cannot be read sends everything
// again, which loses nothing.
func (c *collector) resume(b []byte, st *buffer.Stats) bool {
	s, err := decodeCursor(b)
	if err != nil {
		c.l.log.Warn("cursor unreadable", "collector", c.cfg.Name, "err", err)
		return false
	}
	c.open, c.answers, c.n.Spooled = s.open, s.answers, s.spooled
	if s.removed != nil {
		c.open = c.open.cut(s.removed.until, forever) // what was made since then was not for it
		if c.removed != nil {
			c.removed = s.removed
		}
	}
	same := true
	if keep := c.removed != nil || c.cfg.Filtered && c.l.bits()&s.slot.bit == 0; keep {
		c.slot = s.slot
	} else {
		same = s.slot.bit == 0 // what was left out may be to be sent now
	}
	return same && s.first == st.First && s.last == st.Last
}

// countStored counts the spool's records that are open by reading them: slow,
// and needed only for a cursor that is new, or stale because its collector was
// not configured for a while.
func (c *collector) countStored() (n uint64, err error) {
	var buf []byte
	var entries []buffer.Entry
	for from, again := uint64(0), true; ; {
		entries, buf, err = c.l.spool.Read(from, chunkBytes, buf[:0])
		if errors.Is(err, buffer.ErrDamaged) && again {
			from, n, again = 0, 0, false
			continue
		}
		if err != nil || len(entries) == 0 {
			return n, err
		}
		for i := range entries {
			if c.wants(entries[i].Seq, record.SkipOf(entries[i].Data)) {
				n++
			}
		}
		from = entries[len(entries)-1].Seq + 1
	}
}
