package defrag

import "hash/maphash"

// list is a list of datagrams by due time.
type list struct{ head, tail *datagram }

func (l *list) push(d *datagram) {
	d.prev, d.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = d
	} else {
		l.head = d
	}
	l.tail = d
}

func (l *list) remove(d *datagram) {
	if d.prev != nil {
		d.prev.next = d.next
	} else {
		l.head = d.next
	}
	if d.next != nil {
		d.next.prev = d.prev
	} else {
		l.tail = d.prev
	}
	d.prev, d.next = nil, nil
}

// list returns the list that d is in.
func (t *Table) list(d *datagram) *list {
	switch d.state {
	case done:
		return &t.done
	case dead:
		return &t.dead
	}
	return &t.open
}

func (t *Table) bucket(k *key) **datagram {
	return &t.buckets[maphash.Bytes(t.seed, k[:])&uint64(len(t.buckets)-1)]
}

func (t *Table) find(k *key) *datagram {
	d := *t.bucket(k)
	for d != nil && d.key != *k {
		d = d.chain
	}
	return d
}

// begin returns a new datagram under k, evicting another if it must.
func (t *Table) begin(k *key) *datagram {
	if len(t.free) == 0 {
		if t.made < t.config.Datagrams {
			t.made++
			t.free = append(t.free, &datagram{spans: make([]span, 0, t.config.Fragments)})
		} else {
			t.evict(nil)
		}
	}
	d := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	*d = datagram{key: *k, spans: d.spans[:0], born: t.now, due: t.now + int64(t.config.Timeout)}
	b := t.bucket(k)
	d.chain, *b = *b, d
	t.open.push(d)
	t.count.Begun++
	t.count.Datagrams++
	return d
}

// release forgets d.
func (t *Table) release(d *datagram) {
	t.list(d).remove(d)
	t.count.Datagrams--
	b := t.bucket(&d.key)
	for *b != d {
		b = &(*b).chain
	}
	*b = d.chain
	t.empty(d)
	t.free = append(t.free, d)
}

// kill makes d, which is open, dead: all it keeps is its name.
func (t *Table) kill(d *datagram) {
	t.open.remove(d)
	t.empty(d)
	d.state, d.due = dead, t.now+int64(t.config.Timeout)
	t.dead.push(d)
}

// empty takes d's octets back.
func (t *Table) empty(d *datagram) {
	for i, b := range d.blocks {
		if b != nil {
			t.freeBlocks = append(t.freeBlocks, b)
			t.count.Bytes -= blockSize
			d.blocks[i] = nil
		}
	}
	d.spans = d.spans[:0]
}

// reserve makes the blocks that f's octets need in d, evicting others if it
// must. MinBytes is more than one datagram, so there is always enough.
func (t *Table) reserve(d *datagram, f *piece) {
	if len(f.data) == 0 {
		return
	}
	for i := int(f.start) / blockSize; i <= (int(f.start)+len(f.data)-1)/blockSize; i++ {
		if d.blocks[i] != nil {
			continue
		}
		for len(t.freeBlocks) == 0 {
			if t.madeBlocks < t.config.Bytes/blockSize {
				t.madeBlocks++
				t.freeBlocks = append(t.freeBlocks, new(block))
			} else {
				t.evict(d)
			}
		}
		n := len(t.freeBlocks) - 1
		d.blocks[i], t.freeBlocks = t.freeBlocks[n], t.freeBlocks[:n]
		t.count.Bytes += blockSize
	}
}

// evict releases the datagram, other than keep, that is worth the least: the
// oldest that is done, else dead, else open.
func (t *Table) evict(keep *datagram) {
	for _, l := range []*list{&t.done, &t.dead} {
		if l.head != nil {
			t.release(l.head)
			return
		}
	}
	d := t.open.head
	if d == keep {
		d = d.next
	}
	t.count.Evicted++
	t.count.EvictedFragments += uint64(len(d.spans))
	t.partial(d)
	t.release(d)
}
