package buffer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Lost names records that went without being done.
type Lost struct {
	Class uint8
	Seqs  []uint64 // ascending
	Tags  []uint8  // what Options.Tag says of each; nil without it
	Bytes int64    // octets of the records
}

// AppendResult says what an Append cost, at most one Lost per class in each.
type AppendResult struct {
	Shed    []Lost // of the records offered: not stored
	Evicted []Lost // of the records held: removed to make room; also records offered that are larger than MaxEntry
}

// Batch is what one Commit does.
type Batch struct {
	Append  []Entry           // Seq strictly ascending and above Last
	Trim    uint64            // everything below is done; 0 trims nothing
	Cursors map[string][]byte // values to set; nil removes the cursor
}

// Append stores records durably: when it returns they survive a power cut. It
// retains nothing of e. More than 4 MiB (or an eighth of the cap) become
// several commits; after an error Last says how far it came, and the result
// what it cost so far.
func (s *Spool) Append(e []Entry) (AppendResult, error) { return s.Commit(Batch{Append: e}) }

// Trim says that everything with a sequence number below before is done. Whole
// commits are deleted; part of one may stay in the file, unseen by Read and Stats.
func (s *Spool) Trim(before uint64) error {
	_, err := s.Commit(Batch{Trim: before})
	return err
}

// SetCursor stores a named value durably. nil removes it.
func (s *Spool) SetCursor(name string, value []byte) error {
	_, err := s.Commit(Batch{Cursors: map[string][]byte{name: value}})
	return err
}

// Commit appends, trims and sets cursors in one durable transaction, as far as
// Append fits into one: otherwise Trim goes with the first and Cursors with
// the last.
func (s *Spool) Commit(b Batch) (res AppendResult, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(true); err != nil {
		return res, err
	}
	defer s.publish()
	s.look()
	if err := s.validate(&b); err != nil {
		return res, fmt.Errorf("spool %s: %w", s.path, err)
	}
	trim, cursors := b.Trim, s.changed(b.Cursors)
	if len(b.Append) == 0 && trim <= s.st.trim && len(cursors) == 0 {
		return res, nil
	}
	for rest := b.Append; ; {
		s.build.reset()
		rest = s.build.fill(rest, s)
		job := job{b: &s.build, trim: trim}
		if len(rest) == 0 {
			job.cursors = cursors
		}
		if err := s.store(&job, &res); err != nil {
			return res, s.failed(err)
		}
		trim = 0
		if len(rest) == 0 {
			break
		}
	}
	if err := s.compact(); err != nil {
		s.log.Warn("spool not compacted", "path", s.path, "err", err)
	}
	return res, nil
}

func (s *Spool) validate(b *Batch) error {
	last, any := s.st.high, s.st.any
	for i := range b.Append {
		e := &b.Append[i]
		if any && e.Seq <= last {
			return fmt.Errorf("%w: %d after %d", ErrOrder, e.Seq, last)
		}
		if int(e.Class) >= s.o.Classes {
			return fmt.Errorf("class %d of %d", e.Class, s.o.Classes)
		}
		last, any = e.Seq, true
	}
	n := len(s.cursors)
	for name, v := range b.Cursors {
		if name == "" || len(name) > MaxCursorName || len(v) > MaxCursorValue {
			return fmt.Errorf("cursor %.32q: name or value too long", name)
		}
		if _, ok := s.cursors[name]; !ok && v != nil {
			n++
		}
	}
	if n > MaxCursors {
		return fmt.Errorf("more than %d cursors", MaxCursors)
	}
	return nil
}

// changed leaves out the cursors that have their value already: they would
// cost a commit for nothing.
func (s *Spool) changed(cursors map[string][]byte) map[string][]byte {
	out := make(map[string][]byte, len(cursors))
	for name, v := range cursors {
		if old, ok := s.cursors[name]; ok != (v != nil) || !bytes.Equal(old, v) {
			out[name] = v
		}
	}
	return out
}

// failed deals with an error of a transaction. Damage replaces the file; after
// any other error the file knows best what was committed.
func (s *Spool) failed(err error) error {
	if !errors.Is(err, ErrDamaged) && !s.ro {
		if lerr := s.load(); lerr != nil {
			err = errors.Join(err, lerr)
		}
	}
	if errors.Is(err, ErrDamaged) && !s.ro {
		if rerr := s.replace(err); rerr != nil {
			err = errors.Join(err, rerr)
		}
	}
	return fmt.Errorf("spool %s: %w", s.path, err)
}

// job is one transaction's work.
type job struct {
	b       *builder
	trim    uint64
	cursors map[string][]byte
	salvage bool // records are carried over, not new
	evicted []Lost
}

// store commits one job, making room for it as often as that helps.
func (s *Spool) store(j *job, res *AppendResult) error {
	const attempts = 6
	fullDisk, rebuilt := 0, false
	for i := 0; ; i++ {
		if len(j.b.recs()) > 0 {
			if i > 0 || j.b.pages() > s.available() {
				if err := s.trimFirst(j.trim); err != nil {
					return err
				}
			}
			if err := s.makeRoom(j.b.pages()<<i, res); err != nil {
				return err
			}
		}
		j.evicted = nil
		err := s.update(s.appendLimit(j), func(tx *bbolt.Tx, u *upper, st *state) error { return s.write(tx, u, st, j) })
		switch {
		case err == nil:
			s.committed(j, res)
			return nil
		case errors.Is(err, errInFile): // to try again would be to do it twice
			return err
		case noSpace(err) && fullDisk < 2: // damaged files go first, then records
			fullDisk++
			if err := s.diskFull(j.b.pages(), res); err != nil {
				return err
			}
		case errors.Is(err, berrors.ErrMaxSizeReached) && i < attempts:
		case errors.Is(err, berrors.ErrMaxSizeReached) && !rebuilt:
			// Free, but in pieces too small: write the file anew, in one piece.
			rebuilt = true
			if err := s.rebuild(nil, res); err != nil {
				return err
			}
		case errors.Is(err, berrors.ErrMaxSizeReached):
			return fmt.Errorf("%w: %w", ErrFull, err)
		default:
			return err
		}
	}
}

// trimFirst carries out a job's trim in a transaction of its own, before
// anything is evicted to make room: what is done must not count as lost.
func (s *Spool) trimFirst(before uint64) error {
	if before <= s.st.trim {
		return nil
	}
	return s.update(s.o.MaxBytes, func(tx *bbolt.Tx, u *upper, st *state) error {
		log := tx.Bucket(bucketLog)
		log.FillPercent = 1
		return trimLog(log, u, st, before)
	})
}

// appendLimit is how large the file may get by a job. A little is kept back
// from appending so that trimming and evicting always have pages to write to.
func (s *Spool) appendLimit(j *job) int64 {
	if len(j.b.recs()) == 0 {
		return s.o.MaxBytes
	}
	return s.limit()
}

// committed takes over what a job's transaction has done.
func (s *Spool) committed(j *job, res *AppendResult) {
	for name, v := range j.cursors {
		if v == nil {
			delete(s.cursors, name)
		} else {
			s.cursors[name] = append([]byte{}, v...)
		}
	}
	res.Shed = mergeLost(res.Shed, j.b.shedList)
	res.Evicted = mergeLost(res.Evicted, j.b.tooLarge)
	res.Evicted = mergeLost(res.Evicted, j.evicted)
	j.b.trimBuffers()
}

// write fills one transaction.
func (s *Spool) write(tx *bbolt.Tx, u *upper, st *state, j *job) error {
	log := tx.Bucket(bucketLog)
	log.FillPercent = 1
	if j.trim > st.trim {
		if err := trimLog(log, u, st, j.trim); err != nil {
			return err
		}
	}
	if err := s.writeRecords(log, u, st, j); err != nil {
		return err
	}
	cur := tx.Bucket(bucketCursor)
	for name, v := range j.cursors {
		var err error
		if v == nil {
			err = cur.Delete([]byte(name))
		} else {
			err = cur.Put([]byte(name), v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Spool) writeRecords(log *bbolt.Bucket, u *upper, st *state, j *job) error {
	b := j.b
	if b.offered == (Counts{}) {
		return nil
	}
	if !j.salvage {
		st.appended.plus(&b.offered)
		st.shed.plus(&b.shed)
		st.evicted.plus(&b.evicted)
	} else {
		carryOver(st, &b.idx.held)
	}
	if !st.any || b.high > st.high {
		st.high, st.any = b.high, true
	}
	if len(b.recs()) == 0 {
		return nil
	}
	st.held.plus(&b.idx.held)
	key := seqKey(b.idx.first)
	if err := u.behind(key); err != nil {
		return err
	}
	bk, err := log.CreateBucket(key)
	if err != nil {
		return err
	}
	bk.FillPercent = 1
	b.index = b.idx.appendTo(b.index[:0])
	if err := bk.Put(keyIndex, b.index); err != nil {
		return err
	}
	for class := range b.vals {
		for i := range b.vals[class].parts() {
			if err := bk.Put(valueKey(uint8(class), i), b.vals[class].part(i)); err != nil {
				return err
			}
		}
	}
	// Near the cap, make room for the next one too: one commit instead of two.
	if need := b.pages(); s.available()-need < need && !s.starved() {
		j.evicted, err = s.o.evictLog(log, u, st, need, b.idx.first)
	}
	return err
}

// carryOver moves records of a damaged file from lost to held, or counts them
// as appended when nobody knew of them.
func carryOver(st *state, c *Counts) {
	for i := range c {
		st.salvagedRecords += c[i].Records
		if l := &st.lost[i]; l.Records >= c[i].Records && l.Bytes >= c[i].Bytes {
			l.minus(c[i])
		} else {
			st.appended[i].plus(c[i])
		}
	}
}

var keyIndex = []byte{0}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// valueKey names a commit's chunk n of one class.
func valueKey(class uint8, n int) []byte { return []byte{1 + class, byte(n >> 8), byte(n)} }
