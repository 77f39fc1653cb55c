package recent

import (
	"encoding/binary"
	"slices"

	"heptap/capture/record"
)

// What a reader does with the lock held, at most: it passes over so many slots,
// where copying copyUnit octets counts as one.
const (
	holdSlots = 256
	copyUnit  = 512
)

// entry is a record in the ring, found by one of its slots. It is good while the
// lock is held.
type entry struct {
	b     []byte // the whole entry
	slot  []byte // the one it was found by
	bytes []byte // the record
}

func (e *entry) seq() uint64      { return binary.LittleEndian.Uint64(e.b[16:]) }
func (e *entry) slots() int       { return int(binary.LittleEndian.Uint32(e.b[24:])) }
func (e *entry) nth(i int) []byte { return e.b[entryHeader+i*slotSize:][:slotSize] }

// id returns the id that a slot of e stands for.
func (e *entry) id(slot []byte) []byte {
	off := binary.LittleEndian.Uint32(slot[12:])
	return e.bytes[off : off+uint32(binary.LittleEndian.Uint16(slot[16:]))]
}

func slotType(slot []byte) record.Type { return record.Type(slot[18]) }

// is says whether a slot of e stands for id.
func (e *entry) is(slot []byte, id *ID) bool {
	return (id.Type == 0 || slotType(slot) == id.Type) && string(e.id(slot)) == id.Text
}

// walk goes through the records that name an id, the newest first.
type walk struct {
	s    *Store
	id   ID
	hash uint64
	pos  uint64 // of the slot that comes next
	left int    // of what one hold may cost; visitors take theirs
	done bool
	new  bool // pos is not known yet
}

func (s *Store) walk(id ID) walk {
	return walk{s: s, id: id, hash: s.hash([]byte(id.Text)), new: true}
}

// hold takes the lock and calls visit, which must not keep what it is given,
// until there are no more records, the hold has cost enough, or visit returns
// false: it is then called again with the same record in the next hold.
func (w *walk) hold(visit func(entry) bool) {
	w.left = holdSlots
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.new {
		w.pos, w.new = s.heads[w.hash&uint64(len(s.heads)-1)], false
	}
	for ; w.left > 0 && !w.done; w.left-- {
		if w.pos < s.tail { // 0, or it has left the ring
			w.done = true
			return
		}
		slot := s.at(w.pos)[:slotSize]
		if binary.LittleEndian.Uint32(slot[8:]) == uint32(w.hash>>32) {
			e := s.entry(w.pos, slot)
			if e.is(slot, &w.id) && !visit(e) {
				return
			}
		}
		w.pos = binary.LittleEndian.Uint64(slot)
	}
}

// entry returns the entry that has the slot at pos. The lock is held.
func (s *Store) entry(pos uint64, slot []byte) entry {
	b := s.at(pos - entryHeader - uint64(slot[21])*slotSize)
	b = b[:binary.LittleEndian.Uint32(b)]
	e := entry{b: b, slot: slot}
	from := entryHeader + e.slots()*slotSize
	e.bytes = b[from : from+int(binary.LittleEndian.Uint32(b[4:]))]
	return e
}

// hub says whether more than limit ids come together in id: those that its own
// records name, and those whose records name it.
func (s *Store) hub(id ID, limit int) bool {
	type other struct {
		typ      record.Type
		from, to int // in arena
	}
	others, arena := make([]other, 0, limit+1), make([]byte, 0, 4<<10)
	for w := s.walk(id); !w.done; {
		w.hold(func(e entry) bool {
			n := e.slots()
			w.left -= n
			own := e.slot[22] != 0 || e.nth(0)[22] == 0 // or it has no primary id
			for i := range n {
				slot := e.nth(i)
				text := e.id(slot)
				if e.is(slot, &id) || !own && slot[22] == 0 || slices.ContainsFunc(others, func(o other) bool {
					return o.typ == slotType(slot) && string(arena[o.from:o.to]) == string(text)
				}) {
					continue
				}
				if len(others) == limit {
					w.done = true
					others = append(others, other{})
					return true
				}
				from := len(arena)
				arena = append(arena, text...)
				others = append(others, other{slotType(slot), from, len(arena)})
			}
			return true
		})
	}
	return len(others) > limit
}

// hit is a copied record, and how it names the id that was asked for.
type hit struct {
	record.Record
	trust Trust
}

// quota is how much an answer may still hold.
type quota struct {
	records, bytes int64
	cut            bool // it was not enough
}

// copied is a record in a hold's buffer, not yet parsed.
type copied struct {
	seq      uint64
	from, to int
	trust    Trust
}

// gather copies the records that name id and are not in seen, the newest first,
// and puts them there; with own only those whose primary id it is.
func (s *Store) gather(id ID, own bool, seen map[uint64]bool, q *quota) (hits []hit) {
	size, got := 16<<10, make([]copied, 0, holdSlots)
	var buf []byte
	for w := s.walk(id); !w.done; {
		if size > 0 {
			buf = make([]byte, 0, size)
		}
		size = 0
		w.hold(func(e entry) bool {
			primary, n := e.slot[22] != 0, len(e.bytes)
			switch {
			case own && !primary || seen[e.seq()]:
				return true
			case q.records == 0 || q.bytes < int64(n):
				q.cut, w.done = true, true
				return true
			case cap(buf)-len(buf) < n:
				size = n
				return false
			}
			from := len(buf)
			buf = append(buf, e.bytes...)
			got = append(got, copied{e.seq(), from, len(buf), Trust{record.How(e.slot[19]), e.slot[20]}})
			q.records, q.bytes = q.records-1, q.bytes-int64(n)
			w.left -= n / copyUnit
			return true
		})
		for _, c := range got {
			if seen[c.seq] { // it has two slots for what was asked for
				q.records, q.bytes = q.records+1, q.bytes+int64(c.to-c.from)
				continue
			}
			seen[c.seq] = true
			b := buf[c.from:c.to:c.to]
			record.Seal(b, c.seq, 0, [16]byte{})
			h := hit{trust: c.trust}
			if record.Parse(b, &h.Record) == nil { // what Add made parses
				hits = append(hits, h)
			}
		}
		if len(got) > 0 { // they are in buf
			got, size = got[:0], max(size, holdSlots*copyUnit)
		}
	}
	return hits
}
