package sctp

import "heptap/capture"

// data takes in m, which d sent in p.
func (t *Table) data(d *direction, m *data, p *capture.Packet) {
	t.count.Data++
	tag := p.SCTP.VTag
	switch {
	case !d.begun:
		t.start(d, m.tsn)
	case tag != 0 && tag == d.oldTag: // late, from before a restart
		t.count.WrongTag++
		return
	case tag != 0 && d.dataTag && tag != d.tag:
		d.oldTag = d.tag
		t.restart(d)
		t.start(d, m.tsn)
	}
	switch d.compare(m.tsn) {
	case repeat:
		t.count.Repeats++
		d.sent.Again++
		return
	case alien:
		t.restart(d)
		t.start(d, m.tsn)
	}
	if tag != 0 {
		t.setTag(d, tag)
		d.dataTag = true
	}
	d.sent.Chunks++
	d.sent.Octets += uint64(len(m.octets))
	d.port, d.association.data = p.Port, true
	t.count.Ports[min(p.Port, MaxPorts-1)].Data++
	t.miss(d, d.see(m.tsn))
	if m.flags&(flagBegin|flagEnd) == flagBegin|flagEnd {
		t.deliver(d, m, m.octets, m.cut, p)
		return
	}
	t.hold(d, m, p)
}

// start begins d with the data that tsn is of: where its INIT said, or midway.
func (t *Table) start(d *direction, tsn uint32) {
	if d.pending && tsn-d.initTSN < window {
		d.begin(d.initTSN, false)
	} else {
		d.begin(tsn, true)
	}
	d.pending = false
}

// deliver shows the message of m, which d sent, and whose last octet p brought.
func (t *Table) deliver(d *direction, m *data, octets []byte, cut bool, p *capture.Packet) {
	t.count.Messages++
	if cut {
		t.count.Cut++
	}
	t.message = Message{Packet: p, Payload: octets, PPID: m.ppid, Stream: m.stream,
		Unordered: m.flags&flagUnordered != 0, Gap: d.gap, Cut: cut,
		Association: Association{t, d.association}}
	d.gap = false
	if t.config.Message != nil {
		t.config.Message(&t.message)
	}
	t.message = Message{}
}

// hold keeps m, a piece of a message, and delivers that if it is whole now.
func (t *Table) hold(d *direction, m *data, p *capture.Packet) {
	n := len(m.octets)
	if n > t.config.Held {
		t.count.TooLong++
		d.gap = true
		return
	}
	for d.fragments == maxPieces || d.octets+n > t.config.Held {
		t.count.TooLong++
		t.giveUp(d.first)
	}
	s := &t.store
	if s.ring == nil {
		s.ring = make([]byte, t.config.Bytes)
		t.scratch = make([]byte, t.config.Held)
	}
	position, end := s.place(n)
	for s.oldest != nil && (s.held == t.config.Fragments || s.oldest.position+uint64(len(s.ring)) < end) {
		t.count.Overrun++
		t.giveUp(s.oldest)
	}
	f := s.take()
	f.data, f.position, f.size, f.born = *m, position, n, t.now
	f.octets = nil
	s.head = end
	s.octets += n
	copy(s.bytes(f), m.octets)
	d.insert(f)
	if pieces, whole := f.run(t.pieces[:0]); whole {
		t.assemble(d, pieces, p)
	}
}

// assemble delivers a message in pieces, up to where one is cut short.
func (t *Table) assemble(d *direction, pieces []*fragment, p *capture.Packet) {
	n, cut := 0, false
	for _, f := range pieces {
		if !cut {
			n += copy(t.scratch[n:], t.store.bytes(f))
			cut = f.cut
		}
	}
	t.count.Assembled++
	head := pieces[0].data
	t.release(d, pieces)
	t.deliver(d, &head, t.scratch[:n:n], cut, p)
}

// giveUp forgets what there is of f's message.
func (t *Table) giveUp(f *fragment) {
	d := f.dir
	pieces, _ := f.run(t.pieces[:0])
	t.count.Incomplete++
	d.gap = true
	t.release(d, pieces)
}

func (t *Table) release(d *direction, pieces []*fragment) {
	for _, f := range pieces {
		d.remove(f)
		t.store.release(f)
	}
}

// drop gives up all pieces that d holds.
func (t *Table) drop(d *direction) {
	for d.first != nil {
		t.giveUp(d.first)
	}
}

// abandon notes that d's sender does not send what is missing up to cum any
// more (RFC 3758 3.6).
func (t *Table) abandon(d *direction, cum uint32) {
	if ahead := int32(cum - d.cum); !d.begun || ahead <= 0 || ahead > maxAhead {
		return
	}
	m := d.move(cum)
	t.count.Abandoned += uint64(m.lost)
	t.miss(d, missed{proven: m.proven})
	for d.first != nil && int32(d.first.tsn-cum) <= 0 {
		t.giveUp(d.first)
	}
}

// miss counts what d's other end may or must have, and was never seen.
func (t *Table) miss(d *direction, m missed) {
	if m.lost+m.proven == 0 {
		return
	}
	d.gap = true
	d.sent.Missed += uint64(m.lost + m.proven)
	t.count.Lost += uint64(m.lost)
	t.count.AckedUnseen += uint64(m.proven)
	port := &t.count.Ports[min(d.port, MaxPorts-1)]
	port.AckedUnseen += uint64(m.proven)
	if m.proven > 0 && !d.association.lossy {
		d.association.lossy = true
		port.UnseenAssociations++
	}
}
