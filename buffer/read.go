package buffer

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"

	"go.etcd.io/bbolt"
)

// Read copies records out in sequence order, the first one that is at or above
// from (and the trim mark) first, until maxBytes or MaxRead octets are reached;
// the first record comes even when it alone is larger. Their Data lies behind
// buf's length, in buf's spare capacity when that suffices, else in a new
// array; rest is buf so extended, for the caller to pass (cut back with [:0])
// to the next Read. The entries are the caller's as long as that array is not
// written to. No entries and no error: there is nothing at or above from.
//
// Records whose CRC is wrong are put into quarantine, counted and left out.
func (s *Spool) Read(from uint64, maxBytes int, buf []byte) (entries []Entry, rest []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(false); err != nil {
		return nil, buf, err
	}
	if !s.hasFirst {
		return nil, buf, nil
	}
	r := reader{s: s, from: max(from, s.first), limit: min(maxBytes, MaxRead), buf: buf, spans: s.spans[:0]}
	defer func() { s.spans = r.spans }()
	if err := s.view(r.run); err != nil {
		defer s.publish()
		return nil, buf, s.failed(err)
	}
	if len(r.rotten) > 0 {
		defer s.publish()
		if err := s.setAside(r.rotten); err != nil {
			return nil, buf, err
		}
	}
	return r.entries(), r.buf, nil
}

// reader is one Read's work.
type reader struct {
	s      *Spool
	from   uint64
	limit  int
	buf    []byte
	size   int // octets copied
	spans  []span
	rotten []Entry // CRC wrong, copied
}

// span is an entry by its place in buf, which may move while it grows.
type span struct {
	seq   uint64
	class uint8
	off   int
	end   int
}

func (r *reader) entries() []Entry {
	if len(r.spans) == 0 {
		return nil
	}
	out := make([]Entry, len(r.spans))
	for i, p := range r.spans {
		out[i] = Entry{Seq: p.seq, Class: p.class, Data: r.buf[p.off:p.end:p.end]}
	}
	return out
}

// run goes through the commits from the one that holds from.
func (r *reader) run(tx *bbolt.Tx, u *upper) error {
	log := tx.Bucket(bucketLog)
	return u.commits(&walker{p: u.pageFile, from: seqKey(r.from)}, func(e elem) (more bool, err error) {
		x, err := commitIndex(log, u.pageFile, e.key)
		if err != nil {
			return false, err
		}
		return x.last < r.from || r.commit(log.Bucket(e.key), &x), nil
	})
}

// place is where a class's next record lies.
type place struct {
	value []byte
	off   int
	chunk int
	open  bool
}

// walkCommit calls fn for each record of a commit in sequence order until it
// returns false, with the value that holds the record and where in it. What
// the index says is where it is; value is too short when the file is rotten.
func walkCommit(x *index, get func(key []byte) []byte, fn func(rec indexed, value []byte, off int) bool) bool {
	var at [MaxClasses]place
	for it := x.iter(); ; {
		rec, ok := it.step()
		if !ok {
			return true
		}
		p := &at[rec.class]
		if !p.open || p.off >= len(p.value) && p.value != nil {
			if p.open {
				p.chunk++
			}
			p.open, p.off = true, 0
			p.value = get(valueKey(rec.class, p.chunk))
		}
		off := p.off
		p.off += recordHeader + rec.size
		if !fn(rec, p.value, off) {
			return false
		}
	}
}

// commit copies one commit's records, false when the limit is reached.
func (r *reader) commit(b *bbolt.Bucket, x *index) bool {
	return walkCommit(x, b.Get, func(rec indexed, value []byte, off int) bool {
		if rec.seq < r.from {
			return true
		}
		if len(r.spans)+len(r.rotten) > 0 && r.size+rec.size > r.limit {
			return false
		}
		r.copy(rec, value, off)
		return true
	})
}

// copy takes the record at off out of value.
func (r *reader) copy(rec indexed, value []byte, off int) {
	end := off + recordHeader + rec.size
	if end > len(value) {
		r.bad(rec, nil)
		return
	}
	head := value[off : off+recordHeader]
	start := len(r.buf)
	if cap(r.buf)-start < rec.size {
		r.buf = slices.Grow(r.buf, max(rec.size, min(r.limit, MaxRead)-r.size))
	}
	r.buf = append(r.buf, value[off+recordHeader:end]...)
	data := r.buf[start:]
	binary.BigEndian.PutUint64(r.s.seqBuf[:], rec.seq)
	sum := crc32.Update(crc32.Checksum(r.s.seqBuf[:], castagnoli), castagnoli, data)
	if sum != binary.BigEndian.Uint32(head[4:]) {
		r.bad(rec, data)
		r.buf = r.buf[:start]
		return
	}
	r.size += rec.size
	r.spans = append(r.spans, span{seq: rec.seq, class: rec.class, off: start, end: len(r.buf)})
}

func (r *reader) bad(rec indexed, data []byte) {
	if _, known := r.s.bad[rec.seq]; !known {
		r.rotten = append(r.rotten, Entry{Seq: rec.seq, Class: rec.class, Data: append([]byte{}, data...)})
	}
}

// setAside puts rotten records into quarantine and counts them.
func (s *Spool) setAside(rotten []Entry) error {
	if !s.ro {
		s.log.Error("spool: corrupt records", "path", s.path, "records", len(rotten))
		err := s.quarantine(rotten, "crc", true)
		if errors.Is(err, ErrDamaged) {
			return s.failed(err)
		}
		if err != nil { // counted when the file can be written again
			s.log.Warn("spool: quarantine", "path", s.path, "err", err)
			return nil
		}
	}
	const remember = 1 << 16
	if len(s.bad) > remember {
		clear(s.bad)
	}
	for i := range rotten {
		s.bad[rotten[i].Seq] = struct{}{}
	}
	return nil
}
