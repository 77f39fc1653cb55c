package uplink

import (
	"encoding/binary"
	"errors"

	"heptap/buffer"
)

// A cursor as the spool keeps it, uvarints but for the first two octets:
//
//	version 1 · flags (1: has answered a half-close)
//	first and last sequence number of the spool when it was written
//	records of the spool that were not confirmed then
//	spans: how many; per span from - the last one's to, to - from (0: for ever)
const cursorVersion = 1

const flagAnswers = 1

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
	b = binary.AppendUvarint(b, uint64(len(c.open)))
	at := uint64(0)
	for _, s := range c.open {
		b = binary.AppendUvarint(b, s.from-at)
		if s.to == forever {
			b = binary.AppendUvarint(b, 0)
			break
		}
		b = binary.AppendUvarint(b, s.to-s.from)
		at = s.to
	}
	return b
}

// stored is a cursor read back.
type stored struct {
	answers              bool
	first, last, spooled uint64
	open                 spans
}

func decodeCursor(b []byte) (stored, error) {
	if len(b) < 2 || b[0] != cursorVersion {
		return stored{}, errCursor
	}
	s := stored{answers: b[1]&flagAnswers != 0}
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
	if !ok || len(b) > 0 || len(s.open) == 0 || s.open[len(s.open)-1].to != forever {
		return stored{}, errCursor
	}
	return s, nil
}

// restore takes up the cursor where the spool has it, and finds out how many
// records are carried in.
func (c *collector) restore() error {
	st := c.l.spool.Stats()
	c.open = spans{{0, forever}} // without a cursor, all that there is
	any, known, whole := held(&st) > 0, false, true
	if c.cfg.Name != "" {
		b, ok, err := c.l.spool.Cursor(c.cfg.Name)
		if err != nil && !errors.Is(err, buffer.ErrDamaged) {
			return err
		}
		if ok && err == nil {
			known, whole = c.resume(b, &st), false
		}
	}
	c.open = c.open.add(c.l.first, forever)
	switch {
	case !any:
		c.n.Spooled = 0
		c.open = spans{{c.l.first, forever}}
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
	return s.first == st.First && s.last == st.Last
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
			if c.open.has(entries[i].Seq) {
				n++
			}
		}
		from = entries[len(entries)-1].Seq + 1
	}
}
