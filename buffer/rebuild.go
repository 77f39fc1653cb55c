package buffer

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

const newSuffix = ".new"

// compact writes an emptied file anew. Its freelist, which every commit writes,
// would otherwise cost 2 MiB of flash a commit after a backlog of 1 GiB.
func (s *Spool) compact() error {
	if s.hasFirst || s.size.high < compactBytes {
		return nil
	}
	return s.rebuild(nil, &AppendResult{}) // there is nothing to evict
}

// replace sets the damaged file aside and puts a fresh one in its place, with
// what could be read of the old one.
func (s *Spool) replace(cause error) error {
	if s.ro {
		return cause
	}
	known := s.cursors != nil // else damaged before it was ever loaded
	if !s.detach() {
		s.log.Error("spool: the mapping of a damaged file could not be released", "path", s.path)
	}
	if !known {
		s.loadDamaged()
	}
	before := s.st.lost
	err := s.rebuild(cause, &AppendResult{})
	if err != nil {
		s.log.Error("spool damaged and not replaced", "path", s.path, "cause", cause, "err", err)
		return err
	}
	gone := s.st.lost
	gone.minus(&before)
	s.log.Error("spool damaged, replaced", "path", s.path, "cause", cause,
		"records_lost", gone.Total().Records, "records_held", s.st.held.Total().Records)
	return nil
}

// loadDamaged takes state and cursors from a file that cannot be mapped, as
// far as they are readable.
func (s *Spool) loadDamaged() {
	s.st, s.cursors = state{}, make(map[string][]byte)
	f, p := openSource(s.path, true)
	if f == nil {
		return
	}
	defer f.Close()
	w := walker{p: p, tolerant: true}
	_ = w.top(bucketState, func(e elem) error {
		if st, ok := parseState(e.value); ok && string(e.key) == string(keyState) {
			s.st = st
		}
		if string(e.key) == string(keyWritten) {
			s.loadWritten(e.value)
		}
		return nil
	})
	_ = w.top(bucketCursor, func(e elem) error {
		if len(e.key) > 0 && len(e.key) <= MaxCursorName && len(e.value) <= MaxCursorValue && len(s.cursors) < MaxCursors {
			s.cursors[string(e.key)] = slices.Clone(e.value)
		}
		return nil
	})
}

// openSource opens the file at path for ordinary reads, nil when it has no
// meta page.
func openSource(path string, damaged bool) (*os.File, *pageFile) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil
	}
	info, err := f.Stat()
	if err == nil {
		var p *pageFile
		if damaged {
			p = salvagePages(f, info.Size())
		} else {
			p, _ = openPages(f, info.Size())
		}
		if p != nil {
			return f, p
		}
	}
	_ = f.Close()
	return nil, nil
}

// top calls fn for each element of a top-level bucket.
func (w *walker) top(name []byte, fn func(elem) error) error {
	if w.p.strays != nil && string(name) == string(bucketLog) {
		return w.p.strays.each(fn)
	}
	return w.bucket(w.p.root, nil, func(e elem) error {
		if string(e.key) != string(name) {
			return nil
		}
		root, inline, err := e.child()
		if err != nil {
			return w.tolerate(err)
		}
		return w.bucket(root, inline, fn)
	})
}

// rebuild writes everything that the file holds into a new one and puts that
// in its place. cause is the damage, nil when the file is sound: then nothing
// gets lost but records whose CRC is wrong, and on an error the old file stays
// in use. What does not fit into the new one is evicted, and named in res.
func (s *Spool) rebuild(cause error, res *AppendResult) error {
	tmp := s.path + newSuffix
	_ = os.Remove(tmp)
	n := &Spool{path: tmp, o: s.o, log: s.log, written: s.written}
	err := n.attach(tmp)
	if err != nil && noSpace(err) && dropDamaged(s.path, 0) {
		_ = os.Remove(tmp)
		err = n.attach(tmp)
	}
	if err == nil {
		err = n.carry(s, cause, res)
	}
	if err == nil && cause != nil {
		s.keepDamagedFile()
	}
	if err == nil {
		err = os.Rename(tmp, s.path)
	}
	if err != nil {
		n.detach()
		_ = os.Remove(tmp)
		if errors.Is(err, errPage) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return fmt.Errorf("rebuild: %w", err)
	}
	s.detach()
	s.db, s.file, s.size = n.db, n.file, n.size
	s.written, s.allocated, s.txid = n.written, n.allocated, n.txid
	s.st, s.cursors, s.first, s.hasFirst = n.st, n.cursors, n.first, n.hasFirst
	s.bad = make(map[uint64]struct{})
	return syncDir(s.path)
}

// keepDamagedFile gives the damaged file a second name before it is replaced.
func (s *Spool) keepDamagedFile() {
	dropDamaged(s.path, keepDamaged-1)
	aside := damagedName(s.path, s.o.Now())
	err := os.Link(s.path, aside)
	if err != nil { // no hard links here
		err = os.Rename(s.path, aside)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("spool: damaged file not kept", "path", s.path, "err", err)
	}
}

// carry fills the new spool n from the file of s.
func (n *Spool) carry(s *Spool, cause error, res *AppendResult) error {
	st := s.st
	st.lost.plus(&st.held)
	st.held = Counts{}
	st.quarantined, st.quarantineSize = 0, 0
	st.commits += n.st.commits
	if cause != nil {
		st.damaged++
	}
	salvaged := st.salvagedRecords
	n.st = st
	n.cursors = make(map[string][]byte)
	f, p := openSource(s.path, cause != nil)
	if f != nil {
		defer f.Close()
	} else if cause == nil {
		return errPage
	}
	w := walker{p: p, tolerant: cause != nil}
	if f != nil {
		if err := n.carryLog(&w, &s.st, cause != nil, res); err != nil {
			return err
		}
		if err := n.carryQuarantine(&w); err != nil {
			return err
		}
	}
	if cause == nil {
		n.st.salvagedRecords = salvaged // moved, not salvaged
	}
	n.build.reset()
	return n.store(&job{b: &n.build, cursors: maps.Clone(s.cursors)}, &AppendResult{})
}

// carryLog copies the records above the trim mark.
func (n *Spool) carryLog(w *walker, old *state, damaged bool, res *AppendResult) error {
	held := old.held.Total().Bytes
	skip := int64(0)
	if damaged {
		skip = max(0, held-salvageBytes)
	}
	var last uint64
	any := false
	return w.top(bucketLog, func(e elem) error {
		root, inline, err := e.child()
		if err != nil {
			return w.tolerate(err)
		}
		var entries []Entry
		if entries, _, err = collect(w, root, inline); err != nil {
			return err
		}
		entries = slices.DeleteFunc(entries, func(e Entry) bool {
			if e.Seq < old.trim || any && e.Seq <= last || int(e.Class) >= MaxClasses {
				return true
			}
			if skip > 0 {
				skip -= int64(len(e.Data))
				return true
			}
			return false
		})
		for len(entries) > 0 {
			last, any = entries[len(entries)-1].Seq, true
			n.build.reset()
			for len(entries) > 0 && (n.build.size == 0 || n.build.size+int64(len(entries[0].Data)) < n.o.txBytes()) {
				n.build.high = entries[0].Seq
				n.build.offered[entries[0].Class].add(int64(len(entries[0].Data)))
				n.build.add(&entries[0], n.o.valueBytes())
				entries = entries[1:]
			}
			if err := n.store(&job{b: &n.build, salvage: true}, res); err != nil {
				return err
			}
		}
		return nil
	})
}

// collect reads the sound records of one commit, in sequence order. With the
// index a broken header hides only its own record, without it also the rest of
// its value; the index is nil then.
func collect(w *walker, root uint64, inline []byte) ([]Entry, *index, error) {
	values := make(map[string][]byte)
	err := w.bucket(root, inline, func(e elem) error {
		values[string(e.key)] = e.value
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var entries []Entry
	take := func(p packed, class uint8) {
		if p.ok() {
			entries = append(entries, Entry{Seq: p.seq, Class: class, Data: p.data()})
		}
	}
	x, err := parseIndex(values[string(keyIndex)])
	if err == nil {
		get := func(key []byte) []byte { return values[string(key)] }
		walkCommit(&x, get, func(rec indexed, value []byte, off int) bool {
			if end := off + recordHeader + rec.size; end <= len(value) {
				crc := binary.BigEndian.Uint32(value[off+4:])
				take(packed{seq: rec.seq, crc: crc, body: value[off+8 : end]}, rec.class)
			}
			return true
		})
		return entries, &x, nil
	}
	for key, v := range values {
		for len(key) == 3 && len(v) > 0 {
			p, rest, err := nextRecord(v)
			if err != nil {
				break
			}
			take(p, key[0]-1)
			v = rest
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	return entries, nil, nil
}

// carryQuarantine copies the records in quarantine.
func (n *Spool) carryQuarantine(w *walker) error {
	return n.update(n.o.MaxBytes, func(tx *bbolt.Tx, _ *upper, st *state) error {
		q := tx.Bucket(bucketQuarantine)
		err := w.top(bucketQuarantine, func(e elem) error {
			if _, err := parseQuarantine(e.key, e.value); err != nil {
				return w.tolerate(fmt.Errorf("%w: %w", errPage, err))
			}
			st.quarantined++
			st.quarantineSize += uint64(len(e.value))
			return q.Put(e.key, slices.Clone(e.value))
		})
		if err != nil {
			return err
		}
		return n.boundQuarantine(q, st)
	})
}
