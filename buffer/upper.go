package buffer

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// upper is the pages above the commits in the version that a transaction began with: what
// bbolt is about to follow is looked at with ordinary reads first. A page that leads to
// itself would have it take all memory, or overflow the stack, and one that says that it is
// long would have it free what is not its own.
type upper struct {
	*pageFile
	log  elem   // the log's bucket
	gone []byte // key of the latest commit that the transaction has deleted
	sure []byte // up to this key ahead has nothing to look at any more
}

// latest returns what the meta page of the latest commit says. When that is damaged bbolt
// would take the version before for the latest.
func (s *Spool) latest() (*pageFile, error) {
	p, err := s.newest()
	if err != nil {
		return nil, err
	}
	if s.txid != 0 && p.txid != s.txid {
		return nil, fmt.Errorf("%w: the meta page of commit %d is damaged", errPage, s.txid)
	}
	s.txid = p.txid
	return p, nil
}

// newUpper looks at the buckets, but for the quarantine and the log: these are looked at
// where they are gone through.
func newUpper(p *pageFile) (*upper, error) {
	u := &upper{pageFile: p}
	w := walker{p: p}
	err := w.bucket(p.root, nil, func(e elem) error {
		switch string(e.key) {
		case string(bucketLog):
			u.log = e
			_, _, err := e.child()
			return err
		case string(bucketQuarantine):
			return nil
		}
		return p.checkValues(e)
	})
	return u, err
}

// newest returns what the newest valid meta page says.
func (s *Spool) newest() (*pageFile, error) {
	if err := s.mapped(); err != nil {
		return nil, err
	}
	for _, p := range metas(s.file, s.size.file, 0, pageBytes) {
		if p.page == pageBytes {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%w: no valid meta page", errPage)
}

// checkValues looks at a bucket that has values and no buckets.
func (p *pageFile) checkValues(e elem) error {
	root, inline, err := e.child()
	if err != nil {
		return err
	}
	w := walker{p: p, heads: root != 0}
	return w.bucket(root, inline, isValue)
}

func isValue(e elem) error {
	if e.bucket {
		return fmt.Errorf("%w: a bucket among values", errPage)
	}
	return nil
}

// quarantine is checkValues of the quarantine.
func (u *upper) quarantine() error {
	w := walker{p: u.pageFile}
	return w.top(bucketQuarantine, func(e elem) error { return nil })
}

// commits calls fn with each commit from the one on that may hold w.from, until it returns false.
func (u *upper) commits(w *walker, fn func(elem) (more bool, err error)) error {
	if u.log.value == nil {
		return nil
	}
	root, inline, err := u.log.child()
	if err != nil {
		return err
	}
	each := func(e elem) error {
		if err := u.checkCommit(e); err != nil {
			return err
		}
		more, err := fn(e)
		if err == nil && !more {
			err = errStop
		}
		return err
	}
	err = w.bucket(root, inline, each)
	if err == errBetween { // what is below from may be far below
		w.from = nil
		err = w.bucket(root, inline, each)
	}
	if err == errStop {
		return nil
	}
	return err
}

// errStop ends a walk.
var errStop = errors.New("stop")

// ahead looks at the pages that bbolt goes through to find, and to delete, the first commit
// behind those that are gone: the leaf that the commit is in, the pages that lead to it, and
// the next of each, which is joined with it when it has become small.
func (u *upper) ahead() error {
	if string(u.gone) < string(u.sure) {
		return nil
	}
	w, leaf := &walker{p: u.pageFile, from: u.gone, next: true}, 0
	return u.commits(w, func(e elem) (bool, error) {
		if leaf == 0 && string(e.key) > string(u.gone) {
			leaf = w.leaves
		}
		if leaf == w.leaves {
			u.sure = e.key
		}
		return leaf == 0 || w.leaves <= leaf+1, nil
	})
}

// behind looks at the pages that bbolt goes through to put a commit that is to be named key.
func (u *upper) behind(key []byte) error {
	return u.commits(&walker{p: u.pageFile, from: key}, func(elem) (bool, error) { return true, nil })
}

// delete deletes a commit that headCommit has found.
func (u *upper) delete(log *bbolt.Bucket, key []byte) error {
	u.gone = key
	return log.DeleteBucket(key)
}
