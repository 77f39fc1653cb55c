package recent

import (
	"encoding/binary"

	"heptap/capture/record"
)

// typeAt is where a record has its type, see package record.
const typeAt = 12

// Each calls visit with the records of the types, of all without any, in the order
// in which they were added, until it returns false. The record is good until visit
// returns. The lock is not held meanwhile: what is evicted before its turn is not
// visited, and what is added while Each is under way may be.
func (s *Store) Each(visit func(*record.Record) bool, types ...record.Type) {
	var wanted [256]bool
	for _, t := range types {
		wanted[t] = true
	}
	w := pass{s: s, all: len(types) == 0, wanted: &wanted, buf: make([]byte, 0, holdSlots*copyUnit+s.most)}
	var r record.Record
	for more := true; more; {
		more = w.hold()
		for _, c := range w.got {
			b := w.buf[c.from:c.to:c.to]
			record.Seal(b, c.seq, 0, [16]byte{})
			if record.Parse(b, &r) == nil && !visit(&r) {
				return
			}
		}
	}
}

// pass goes through the ring from its oldest entry to its newest.
type pass struct {
	s      *Store
	all    bool
	wanted *[256]bool
	pos    uint64
	buf    []byte // what the last hold copied
	got    []copied
}

// hold copies entries until it has cost enough, and says whether there are more.
func (p *pass) hold() bool {
	p.buf, p.got = p.buf[:0], p.got[:0]
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p.pos = max(p.pos, s.tail)
	for left := holdSlots; p.pos != s.next; left-- {
		if left <= 0 {
			return true
		}
		b := s.at(p.pos)
		size, length := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		p.pos += uint64(size)
		if length == 0 { // a filler
			continue
		}
		from := entryHeader + int(binary.LittleEndian.Uint32(b[24:]))*slotSize
		rec := b[from : from+int(length)]
		if !p.all && !p.wanted[rec[typeAt]] {
			continue
		}
		at := len(p.buf)
		p.buf = append(p.buf, rec...) // cannot grow: left says how much
		p.got = append(p.got, copied{seq: binary.LittleEndian.Uint64(b[16:]), from: at, to: len(p.buf)})
		left -= len(rec) / copyUnit
	}
	return false
}
