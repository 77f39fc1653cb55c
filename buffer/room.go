package buffer

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"go.etcd.io/bbolt"
)

// look asks how much room there is. Without an answer what was said before holds. Where
// it is less than the cap and half of it is taken, damaged files go.
func (s *Spool) look() {
	if s.o.Room == nil {
		return
	}
	for again := true; again; {
		n, err := s.o.Room(s.path)
		switch {
		case err == nil:
			s.room, s.roomErr = max(n, 1), ""
		case s.roomErr != err.Error():
			s.roomErr = err.Error()
			s.log.Warn("spool: room on the medium", "path", s.path, "err", err)
		}
		again = err == nil && s.room < s.o.MaxBytes && 2*(s.size.high-s.size.free) > s.limit() && dropDamaged(s.path, 0)
	}
}

// limit is what appending may fill: the cap less a reserve for the pages that
// evicting itself must write, what there is room for, or the size at which the disk was
// full. What the file has already it keeps: it cannot shrink.
func (s *Spool) limit() int64 {
	limit := s.o.MaxBytes - 16*pageBytes - s.o.MaxBytes/256
	if s.room > 0 {
		limit = min(limit, max(s.room, s.size.high))
	}
	if s.soft > 0 {
		if s.o.Now().Before(s.softUntil) {
			return min(limit, s.soft)
		}
		s.soft = 0
	}
	return limit
}

// available estimates the pages that an append could have: free ones, and
// those that the file can grow by, less what the freelist itself takes.
func (s *Spool) available() int64 {
	limit := s.limit()
	grow := (limit-s.size.high-allocSize(s.size.file, limit))/pageBytes - 1
	free := s.size.free / pageBytes
	return max(grow, 0) + free - free/(pageBytes/8) - 2
}

// makeRoom evicts the oldest commits until pages are available.
func (s *Spool) makeRoom(pages int64, res *AppendResult) error {
	for s.hasFirst {
		short := pages - s.available()
		if short <= 0 {
			return nil
		}
		if s.starved() {
			return s.noRoom()
		}
		if err := s.evict(short, res); err != nil {
			return err
		}
	}
	return nil
}

// starved says that the medium leaves the file less than any spool must have. What it could
// hold is not worth what would be evicted for it: the caller has more room than that.
func (s *Spool) starved() bool { return s.room > 0 && max(s.room, s.size.high) < MinBytes }

func (s *Spool) noRoom() error {
	return fmt.Errorf("room for %d octets, %d are the least: %w", max(s.room, s.size.high), MinBytes, syscall.ENOSPC)
}

// evict removes the oldest commits, at least pages of them.
func (s *Spool) evict(pages int64, res *AppendResult) error {
	var gone []Lost
	err := s.update(s.o.MaxBytes, func(tx *bbolt.Tx, u *upper, st *state) error {
		log := tx.Bucket(bucketLog)
		log.FillPercent = 1
		var err error
		gone, err = s.o.evictLog(log, u, st, pages, noSeq)
		return err
	})
	if err == nil {
		res.Evicted = mergeLost(res.Evicted, gone)
	}
	return err
}

// diskFull makes room on a full medium: damaged files go first, then the
// oldest records, whose pages the file has already. For a while the file does
// not try to grow.
func (s *Spool) diskFull(pages int64, res *AppendResult) error {
	s.log.Warn("spool: no space on the medium", "path", s.path, "bytes", s.size.high)
	if dropDamaged(s.path, 0) {
		return nil
	}
	s.soft, s.softUntil = s.size.high+2*pageBytes, s.o.Now().Add(noGrowTime)
	switch {
	case !s.hasFirst:
		return nil
	case s.starved():
		return s.noRoom()
	}
	return s.evict(2*pages, res)
}

const noSeq = ^uint64(0)

// evictLog deletes the oldest commits until about pages of them are free, but
// not the one that begins with keep. What it returns was still held.
func (o *Options) evictLog(log *bbolt.Bucket, u *upper, st *state, pages int64, keep uint64) (gone []Lost, err error) {
	for pages > 0 {
		k, x, err := headCommit(log, u)
		if err != nil {
			return nil, err
		}
		if k == nil || x.first == keep {
			break
		}
		get := func([]byte) []byte { return nil } // nobody asks for the data
		if o.Tag != nil {
			get = log.Bucket(k).Get
		}
		walkCommit(&x, get, func(r indexed, value []byte, off int) bool {
			if r.seq >= st.trim {
				var data []byte
				if from, end := off+recordHeader, off+recordHeader+r.size; end <= len(value) {
					data = value[from:end]
				}
				gone = o.addLost(gone, r.class, r.seq, r.size, data)
			}
			return true
		})
		c := x.countRange(st.trim, noSeq)
		st.evicted.plus(&c)
		st.held.minus(&c)
		pages -= x.pages()
		if err := u.delete(log, k); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// pages estimates how many pages a commit's data takes, rather too few.
func (x *index) pages() int64 {
	t := x.held.Total()
	return 1 + (t.Bytes+recordHeader*int64(t.Records))/pageBytes
}

// trimLog moves the trim mark to before and deletes the commits below it.
func trimLog(log *bbolt.Bucket, u *upper, st *state, before uint64) error {
	if !st.any {
		return nil
	}
	before = min(before, st.high+1)
	for {
		k, x, err := headCommit(log, u)
		if err != nil {
			return err
		}
		if k == nil {
			break
		}
		c := x.countRange(st.trim, before)
		st.trimmed.plus(&c)
		st.held.minus(&c)
		if x.last >= before {
			break
		}
		if err := u.delete(log, k); err != nil {
			return err
		}
	}
	st.trim = max(st.trim, before)
	return nil
}

// headCommit returns the oldest commit, a nil key when there is none. The
// index borrows from the transaction.
func headCommit(log *bbolt.Bucket, u *upper) (key []byte, x index, err error) {
	if err := u.ahead(); err != nil {
		return nil, index{}, err
	}
	k, _ := log.Cursor().First()
	if k == nil {
		return nil, index{}, nil
	}
	x, err = commitIndex(log, u.pageFile, k)
	return append([]byte{}, k...), x, err
}

// commitIndex reads the index of the commit named k, whose pages it looks at first, whatever is done with the
// commit then: bbolt follows them wherever they lead, and a stack that overflows ends the process.
func commitIndex(log *bbolt.Bucket, p *pageFile, k []byte) (index, error) {
	b := log.Bucket(k)
	if b == nil || len(k) != 8 {
		return index{}, errIndex
	}
	if root := uint64(b.Root()); root != 0 { // else it is inside the log's own page
		if err := p.checkTree(root); err != nil {
			return index{}, err
		}
	}
	x, err := parseIndex(b.Get(keyIndex))
	if err == nil && x.first != binary.BigEndian.Uint64(k) {
		err = errIndex
	}
	return x, err
}

// firstHeld finds the lowest sequence number at or above trim.
func firstHeld(log *bbolt.Bucket, u *upper, trim uint64) (uint64, bool, error) {
	k, x, err := headCommit(log, u)
	if k == nil || err != nil {
		return 0, false, err
	}
	for it := x.iter(); ; {
		r, ok := it.step()
		if !ok {
			return 0, false, nil
		}
		if r.seq >= trim {
			return r.seq, true, nil
		}
	}
}
