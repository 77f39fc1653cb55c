package buffer

import "slices"

// builder packs the records of one commit. Its buffers are used again.
type builder struct {
	idx   indexBuilder
	index []byte
	vals  [MaxClasses]classValues
	size  int64 // packed octets of all classes

	offered, shed, evicted Counts // offered includes the others
	shedList, tooLarge     []Lost
	high                   uint64 // highest seq offered
}

// classValues is one class's packed records, cut into chunks.
type classValues struct {
	buf  []byte
	cuts []int // where chunks end, but for the last
}

func (v *classValues) parts() int {
	if len(v.buf) == 0 {
		return 0
	}
	return len(v.cuts) + 1
}

func (v *classValues) part(i int) []byte {
	from, to := 0, len(v.buf)
	if i > 0 {
		from = v.cuts[i-1]
	}
	if i < len(v.cuts) {
		to = v.cuts[i]
	}
	return v.buf[from:to:to]
}

func (v *classValues) add(e *Entry, limit int64) {
	from := 0
	if n := len(v.cuts); n > 0 {
		from = v.cuts[n-1]
	}
	if held := len(v.buf) - from; held > 0 && int64(held+recordHeader+len(e.Data)) > limit {
		v.cuts = append(v.cuts, len(v.buf))
	}
	v.buf = appendRecord(v.buf, e.Seq, e.Data)
}

func (b *builder) reset() {
	b.idx.reset()
	for i := range b.vals {
		b.vals[i].buf, b.vals[i].cuts = b.vals[i].buf[:0], b.vals[i].cuts[:0]
	}
	b.size, b.high = 0, 0
	b.offered, b.shed, b.evicted = Counts{}, Counts{}, Counts{}
	b.shedList, b.tooLarge = nil, nil
}

// trimBuffers lets go of buffers that a large commit has blown up.
func (b *builder) trimBuffers() {
	for i := range b.vals {
		if cap(b.vals[i].buf) > 2<<20 {
			b.vals[i].buf = nil
		}
	}
}

func (b *builder) recs() []byte { return b.idx.recs }

// pages estimates what the commit takes, with the tree's pages that are
// written anew.
func (b *builder) pages() int64 {
	n := int64(12)
	for i := range b.vals {
		for p := range b.vals[i].parts() {
			n += (int64(len(b.vals[i].part(p))) + 2*pageBytes - 1) / pageBytes
		}
	}
	return n + int64(len(b.idx.recs))/pageBytes
}

// fill packs entries until the commit is full and returns the rest. Classes
// that may be shed are left out when the file is nearly full.
func (b *builder) fill(entries []Entry, s *Spool) []Entry {
	used, limit := s.size.high-s.size.free, s.limit()
	for i := range entries {
		e := &entries[i]
		n := int64(recordHeader + len(e.Data))
		tooLarge := int64(len(e.Data)) > s.o.maxEntry()
		if !tooLarge && b.size > 0 && b.size+n > s.o.txBytes() {
			return entries[i:]
		}
		b.high = e.Seq
		b.offered[e.Class].add(int64(len(e.Data)))
		pct := s.o.shedPercent(e.Class)
		switch {
		case tooLarge:
			b.evicted[e.Class].add(int64(len(e.Data)))
			b.tooLarge = s.o.addLost(b.tooLarge, e.Class, e.Seq, len(e.Data), e.Data)
		case pct > 0 && (used+b.size+n)*100 >= pct*limit:
			b.shed[e.Class].add(int64(len(e.Data)))
			b.shedList = s.o.addLost(b.shedList, e.Class, e.Seq, len(e.Data), e.Data)
		default:
			b.add(e, s.o.valueBytes())
		}
	}
	return nil
}

func (b *builder) add(e *Entry, limit int64) {
	b.vals[e.Class].add(e, limit)
	b.idx.add(e.Seq, e.Class, len(e.Data))
	b.size += int64(recordHeader + len(e.Data))
}

// addLost adds one record to the Lost of its class.
func (o *Options) addLost(l []Lost, class uint8, seq uint64, size int, data []byte) []Lost {
	i := slices.IndexFunc(l, func(m Lost) bool { return m.Class == class })
	if i < 0 {
		i, l = len(l), append(l, Lost{Class: class})
	}
	l[i].Seqs = append(l[i].Seqs, seq)
	l[i].Bytes += int64(size)
	if o.Tag != nil {
		l[i].Tags = append(l[i].Tags, o.Tag(data))
	}
	return l
}

// mergeLost adds what is in more to l.
func mergeLost(l, more []Lost) []Lost {
next:
	for _, m := range more {
		for i := range l {
			if l[i].Class == m.Class {
				l[i].Seqs = append(l[i].Seqs, m.Seqs...)
				l[i].Tags = append(l[i].Tags, m.Tags...)
				l[i].Bytes += m.Bytes
				continue next
			}
		}
		l = append(l, m)
	}
	return l
}
