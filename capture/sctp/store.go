package sctp

// fragment is a piece of a user message whose other pieces are not all there.
type fragment struct {
	data                // octets is nil: they are in the store
	dir      *direction // that it came in
	position uint64     // of its octets in all that was ever stored
	size     int
	born     int64 // Mono

	prev, next     *fragment // in the direction, by TSN
	older, younger *fragment // in the store
}

// joins reports whether f and o are of one message (I-DATA; RFC 8260 2.1).
func (f *fragment) joins(o *fragment) bool {
	return f.inter && o.inter && f.number == o.number && f.stream == o.stream && (f.flags^o.flags)&flagUnordered == 0
}

// follows reports whether f is the next piece of o's message (DATA; RFC 9260
// 6.9: the TSNs of one message are in sequence).
func (f *fragment) follows(o *fragment) bool {
	return !f.inter && !o.inter && f.tsn == o.tsn+1 && f.flags&flagBegin == 0 && o.flags&flagEnd == 0 &&
		f.stream == o.stream && (f.flags^o.flags)&flagUnordered == 0 && (f.number == o.number || f.flags&flagUnordered != 0)
}

// insert puts f, whose TSN is new, in its place.
func (d *direction) insert(f *fragment) {
	before := d.last
	for before != nil && int32(before.tsn-f.tsn) > 0 {
		before = before.prev
	}
	f.dir, f.prev = d, before
	if before == nil {
		f.next, d.first = d.first, f
	} else {
		f.next, before.next = before.next, f
	}
	if f.next == nil {
		d.last = f
	} else {
		f.next.prev = f
	}
	d.fragments++
	d.octets += f.size
}

func (d *direction) remove(f *fragment) {
	if f.prev == nil {
		d.first = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		d.last = f.prev
	} else {
		f.next.prev = f.prev
	}
	d.fragments--
	d.octets -= f.size
}

// run appends to all the pieces of f's message that are there, in order, and
// reports whether the message is whole.
func (f *fragment) run(all []*fragment) ([]*fragment, bool) {
	if f.inter {
		whole := true
		for o := f.dir.first; o != nil; o = o.next {
			if f.joins(o) {
				whole = whole && o.fsn == uint32(len(all)) && (o.flags&flagBegin != 0) == (len(all) == 0)
				all = append(all, o)
			}
		}
		return all, whole && all[len(all)-1].flags&flagEnd != 0
	}
	from := f
	for from.prev != nil && from.follows(from.prev) {
		from = from.prev
	}
	all = append(all, from)
	last := from
	for last.next != nil && last.next.follows(last) {
		last = last.next
		all = append(all, last)
	}
	return all, from.flags&flagBegin != 0 && last.flags&flagEnd != 0
}

// store holds the octets of fragments, one after the other, in a ring: what is
// oldest is overwritten. It is made when the first fragment comes.
type store struct {
	ring           []byte
	head           uint64 // octets ever stored, and skipped at the end of the ring
	free           *fragment
	oldest, newest *fragment
	made, held     int
	octets         int
}

// place returns where n octets will go, and with end the position after them:
// what was there before end-len(ring) is overwritten.
func (s *store) place(n int) (position, end uint64) {
	position = s.head
	if size := uint64(len(s.ring)); position%size+uint64(n) > size {
		position += size - position%size
	}
	return position, position + uint64(n)
}

func (s *store) bytes(f *fragment) []byte {
	at := int(f.position % uint64(len(s.ring)))
	return s.ring[at : at+f.size]
}

// take returns a fragment to fill in, the youngest. There is a free one, or
// one may be made.
func (s *store) take() *fragment {
	f := s.free
	if f == nil {
		f = new(fragment)
		s.made++
	} else {
		s.free = f.next
	}
	*f = fragment{older: s.newest}
	if s.newest == nil {
		s.oldest = f
	} else {
		s.newest.younger = f
	}
	s.newest = f
	s.held++
	return f
}

// release gives f back, which no direction has any longer.
func (s *store) release(f *fragment) {
	if f.older == nil {
		s.oldest = f.younger
	} else {
		f.older.younger = f.younger
	}
	if f.younger == nil {
		s.newest = f.older
	} else {
		f.younger.older = f.older
	}
	s.held--
	s.octets -= f.size
	f.next, s.free = s.free, f
}
