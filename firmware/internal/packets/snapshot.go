package packets

import (
	"encoding/binary"
	"math"

	"heptap/capture"
)

// entry is one kept frame. It borrows from its segment.
type entry struct {
	capture.Frame
	kind    Kind
	at      int // where the payload begins in Data
	payload int // octets of it
}

// body returns the payload.
func (e *entry) body() []byte { return e.Data[e.at : e.at+e.payload : e.at+e.payload] }

// Snapshot is what a memory held when it was made. Its segments are not written
// over before Release.
type Snapshot struct {
	m       *Memory
	streams []stream
	marks   []Pin
	until   int64 // wall time; math.MaxInt64 for no end
}

// stream are the segments of one lane of one writer, in order.
type stream struct {
	from     int
	lane     uint8
	segments []*segment
	limits   []uint32
}

// Snapshot returns what is held of the pin id, or of everything for 0. Only one
// should be had at a time: while it is, that memory is missing for new frames.
func (m *Memory) Snapshot(id int) (*Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &Snapshot{m: m, until: math.MaxInt64}
	held := m.used
	for _, p := range m.pins {
		switch {
		case id == 0:
			s.marks = append(s.marks, p.public())
		case id == p.ID:
			s.marks = append(s.marks, p.public())
			s.until = p.end(&m.cfg).UnixNano()
			held = p.segments
		}
	}
	if id != 0 && len(s.marks) == 0 {
		return nil, ErrNoPin
	}
	for _, seg := range held {
		n := seg.filled.Load()
		if n == 0 {
			continue
		}
		seg.readers++
		s.add(seg, n)
	}
	return s, nil
}

func (s *Snapshot) add(seg *segment, limit uint32) {
	for i := range s.streams {
		if t := &s.streams[i]; t.from == seg.from && t.lane == seg.lane {
			t.segments, t.limits = append(t.segments, seg), append(t.limits, limit)
			return
		}
	}
	s.streams = append(s.streams, stream{seg.from, seg.lane, []*segment{seg}, []uint32{limit}})
}

// Release lets the memory go.
func (s *Snapshot) Release() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for i := range s.streams {
		for _, seg := range s.streams[i].segments {
			seg.readers--
		}
	}
	s.streams = nil
	s.m.settle()
}

// cursor is a place in a stream.
type cursor struct {
	*stream
	segment int
	offset  uint32
	entry
	done bool
}

// next reads the entry at the cursor and moves on.
func (c *cursor) next() {
	for c.segment < len(c.segments) && c.offset >= c.limits[c.segment] {
		c.segment, c.offset = c.segment+1, 0
	}
	if c.segment >= len(c.segments) {
		c.done = true
		return
	}
	c.offset += c.read(c.segments[c.segment].buf[c.offset:])
}

// read fills the entry that b begins with, and returns how long it is.
func (e *entry) read(b []byte) uint32 {
	le := binary.LittleEndian
	n := int(le.Uint32(b))
	*e = entry{kind: Kind(b[19]), at: int(le.Uint16(b[24:])), payload: int(le.Uint32(b[28:]))}
	e.Length, e.Wall = int(le.Uint32(b[4:])), int64(le.Uint64(b[8:]))
	e.Link, e.Port = capture.LinkType(le.Uint16(b[16:])), b[18]
	e.VLANTCI, e.VLANTPID, e.HasVLAN = le.Uint16(b[20:]), le.Uint16(b[22:]), b[26]&1 != 0
	e.Data = b[entryHeader : entryHeader+n : entryHeader+n]
	return uint32(entryHeader+n+7) &^ 7
}

// each calls visit with every frame, the earliest first, numbered from 0.
func (s *Snapshot) each(visit func(i int, e *entry) bool) {
	cursors := make([]cursor, len(s.streams))
	for i := range cursors {
		cursors[i].stream = &s.streams[i]
		cursors[i].next()
	}
	for i := 0; ; i++ {
		var first *cursor
		for k := range cursors {
			if c := &cursors[k]; !c.done && (first == nil || c.Wall < first.Wall) {
				first = c
			}
		}
		if first == nil || !visit(i, &first.entry) {
			return
		}
		first.next()
	}
}
