package buffer

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Count is a number of records and their octets, headers not included.
type Count struct {
	Records uint64
	Bytes   int64
}

func (c *Count) add(bytes int64) { c.Records++; c.Bytes += bytes }
func (c *Count) plus(o Count)    { c.Records += o.Records; c.Bytes += o.Bytes }
func (c *Count) minus(o Count)   { c.Records -= o.Records; c.Bytes -= o.Bytes }

// Counts is a Count for each class.
type Counts [MaxClasses]Count

// Total is the sum over all classes.
func (c Counts) Total() Count {
	var t Count
	for i := range c {
		t.plus(c[i])
	}
	return t
}

func (c *Counts) plus(o *Counts) {
	for i := range c {
		c[i].plus(o[i])
	}
}

func (c *Counts) minus(o *Counts) {
	for i := range c {
		c[i].minus(o[i])
	}
}

const (
	indexVersion = 1
	indexGap     = 8 // bit above the class: a gap follows
)

var errIndex = errors.New("commit index malformed")

// summary is the index of one commit without its records.
type summary struct {
	first, last uint64
	held        Counts
}

// index is a parsed commit index. It borrows from what it was parsed from.
type index struct {
	summary
	recs []byte
}

// indexBuilder collects a commit's index while its records are packed.
type indexBuilder struct {
	summary
	recs []byte
}

func (b *indexBuilder) reset() { *b = indexBuilder{recs: b.recs[:0]} }

func (b *indexBuilder) add(seq uint64, class uint8, size int) {
	kind, gap := class, uint64(0)
	if b.held == (Counts{}) {
		b.first = seq
	} else if gap = seq - b.last - 1; gap > 0 {
		kind |= indexGap
	}
	b.recs = append(b.recs, kind)
	if gap > 0 {
		b.recs = binary.AppendUvarint(b.recs, gap)
	}
	b.recs = binary.AppendUvarint(b.recs, uint64(size))
	b.last = seq
	b.held[class].add(int64(size))
}

// appendTo appends the finished index to dst.
func (b *indexBuilder) appendTo(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, indexVersion)
	dst = binary.BigEndian.AppendUint64(dst, b.first)
	dst = binary.BigEndian.AppendUint64(dst, b.last)
	dst = append(dst, 0)
	for i, c := range b.held {
		if c.Records > 0 {
			dst[start+17] |= 1 << i
			dst = binary.AppendUvarint(dst, c.Records)
			dst = binary.AppendUvarint(dst, uint64(c.Bytes))
		}
	}
	dst = append(dst, b.recs...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseIndex checks b's CRC and parses the summary.
func parseIndex(b []byte) (index, error) {
	const fixed = 18
	if len(b) < fixed+4 || b[0] != indexVersion {
		return index{}, errIndex
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(b[len(body):]) {
		return index{}, errIndex
	}
	x := index{summary: summary{first: binary.BigEndian.Uint64(b[1:]), last: binary.BigEndian.Uint64(b[9:])}}
	rest := body[fixed:]
	for i := range MaxClasses {
		if b[17]&(1<<i) == 0 {
			continue
		}
		n, k := binary.Uvarint(rest)
		if k <= 0 {
			return index{}, errIndex
		}
		rest = rest[k:]
		size, k := binary.Uvarint(rest)
		if k <= 0 || size > 1<<40 {
			return index{}, errIndex
		}
		rest = rest[k:]
		x.held[i] = Count{Records: n, Bytes: int64(size)}
	}
	x.recs = rest
	return x, nil
}

// indexIter walks an index's records in sequence order.
type indexIter struct {
	recs []byte
	next uint64
}

func (x *index) iter() indexIter { return indexIter{recs: x.recs, next: x.first} }

// indexed is one record as the index knows it.
type indexed struct {
	seq   uint64
	class uint8
	size  int
}

// step returns the next record, false at the end or where the index makes no sense.
func (it *indexIter) step() (indexed, bool) {
	if len(it.recs) == 0 {
		return indexed{}, false
	}
	kind := it.recs[0]
	rest := it.recs[1:]
	r := indexed{seq: it.next, class: kind &^ indexGap}
	if r.class >= MaxClasses {
		return indexed{}, false
	}
	if kind&indexGap != 0 {
		gap, k := binary.Uvarint(rest)
		if k <= 0 {
			return indexed{}, false
		}
		rest = rest[k:]
		r.seq += gap
	}
	size, k := binary.Uvarint(rest)
	if k <= 0 || size > MaxEntry {
		return indexed{}, false
	}
	r.size = int(size)
	it.recs, it.next = rest[k:], r.seq+1
	return r, true
}

// countRange counts the records with from <= seq < before.
func (x *index) countRange(from, before uint64) Counts {
	if from <= x.first && x.last < before {
		return x.held
	}
	var c Counts
	for it := x.iter(); ; {
		r, ok := it.step()
		if !ok || r.seq >= before {
			return c
		}
		if r.seq >= from {
			c[r.class].add(int64(r.size))
		}
	}
}
