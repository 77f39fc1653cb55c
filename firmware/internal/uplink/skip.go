package uplink

import (
	"heptap/buffer"
	"heptap/capture/record"
)

// slot is the bit by which a record says that it is not for a collector. Older
// records may have it for another one's sake.
type slot struct {
	bit   uint8  // 0: it gets everything
	since uint64 // the first number that counts
}

// skips reports whether the record numbered seq, whose Skip is given, is not for the
// collector with slot s. It was booked as filtered when it was made.
func (s *slot) skips(seq uint64, skip uint8) bool { return skip&s.bit != 0 && seq >= s.since }

// wants reports whether the collector still needs that record.
func (c *collector) wants(seq uint64, skip uint8) bool {
	return c.open.has(seq) && !c.slot.skips(seq, skip)
}

// Bit returns the bit of record.Record's Skip that says that a record is not for this
// collector. It is 0 unless Collector.Filtered was set, and stays the same for as
// long as the spool knows the collector.
func (l *Log) Bit(name string) uint8 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.collectors {
		if c.cfg.Name == name {
			return c.slot.bit
		}
	}
	return 0
}

// bits returns the bits that are taken.
func (l *Log) bits() (all uint8) {
	for _, c := range l.collectors {
		all |= c.slot.bit
	}
	return all
}

// assignSlots gives a bit to each filtered collector that has none: one that nobody has,
// or only a removed one, which gets no more records.
func (l *Log) assignSlots() {
	for _, c := range l.collectors {
		if !c.cfg.Filtered || c.slot.bit != 0 {
			continue
		}
		taken := l.bits()
		if taken == 0xff {
			taken = 0
			for _, other := range l.collectors {
				if other.removed == nil {
					taken |= other.slot.bit
				}
			}
		}
		c.slot = slot{^taken & (taken + 1), l.first} // the lowest free one; 0 when there is none
	}
}

// skip books a record for those that it is not for, and reports whether that is everybody.
func (l *Log) skip(skip uint8) bool {
	nobody := true
	for _, c := range l.collectors {
		switch {
		case c.slot.skips(l.next, skip):
			c.n.Filtered++
		case c.removed == nil:
			nobody = false
		}
	}
	return nobody
}

// refuse books a record that there is no room for.
func (l *Log) refuse(class record.Class, skip uint8) {
	l.shed[class]++
	for _, c := range l.collectors {
		if c.slot.skips(l.next, skip) {
			c.spared[class]++
		}
	}
}

// inMemory returns how many records of [from, to) are in the memory tier, for c and
// unconfirmed.
func (c *collector) inMemory(from, to uint64) uint64 {
	l := c.l
	from, to = max(from, l.disk), min(to, l.next)
	if from >= to {
		return 0
	}
	n := c.open.count(from, to)
	if c.slot.bit == 0 || n == 0 {
		return n
	}
	for _, p := range l.mem.pages {
		if p.end() > from && p.first < to {
			n -= p.skipped(c.open, c.slot.bit, from, to)
		}
	}
	return n
}

// skipped returns how many records of p with numbers in open and in [from, to) have the bit.
func (p *page) skipped(open spans, bit uint8, from, to uint64) (n uint64) {
	from, to = max(from, p.first), min(to, p.end())
	i := open.find(from)
	if i == len(open) {
		return 0
	}
	if from == p.first && to == p.end() && open[i].from <= from && open[i].to >= to {
		return p.count(bit)
	}
	for ; i < len(open) && open[i].from < to; i++ {
		for seq := max(from, open[i].from); seq < min(to, open[i].to); seq++ {
			if record.SkipOf(p.record(seq))&bit != 0 {
				n++
			}
		}
	}
	return n
}

// loseAll books what the spool has lost.
func (c *collector) loseAll(lost []buffer.Lost, count *ByClass) {
	for _, l := range lost {
		for i, seq := range l.Seqs {
			skip := uint8(0)
			if i < len(l.Tags) {
				skip = l.Tags[i]
			}
			c.lose(seq, record.Class(l.Class), skip, count, true)
		}
	}
}

// Tag is what the spool is to tell of records that it loses: buffer.Options.Tag.
func Tag(rec []byte) uint8 {
	if len(rec) < minRecord {
		return 0
	}
	return record.SkipOf(rec)
}
