package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Open opens the spool in the file at path, which is made when it is missing.
// A damaged file is set aside and replaced, see the package comment. An error
// is one of the machine: ErrInUse, no permission, no space.
func Open(path string, o Options) (*Spool, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open spool %s: %w", path, err)
	}
	s := &Spool{path: path, o: o, log: o.Logger}
	if err := s.open(); err != nil {
		s.detach()
		return nil, fmt.Errorf("open spool %s: %w", path, err)
	}
	s.publish()
	return s, nil
}

func (s *Spool) open() error {
	s.look()
	damage, err := inspect(s.path)
	if err != nil {
		return err
	}
	if damage == nil {
		err = s.attach(s.path)
		switch {
		case errors.Is(err, ErrDamaged):
			damage = err
		case err != nil:
			return err
		}
	}
	if damage != nil {
		return s.replace(damage)
	}
	// A stale file of a rebuild that did not end: we hold the lock now.
	_ = os.Remove(s.path + newSuffix)
	if s.size.file > s.o.MaxBytes {
		// The cap was lowered. bbolt never shrinks a file, so it is written anew.
		if err := s.rebuild(nil, &AppendResult{}); errors.Is(err, ErrDamaged) {
			return s.replace(err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// inspect looks whether path can be opened at all and, without mapping its
// pages, whether it is sound. A missing or empty file is sound.
func inspect(path string) (damage, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("not a regular file: %w", fs.ErrInvalid)
	case info.Size() == 0:
		return nil, nil
	}
	// Opening for reading takes the shared lock: nobody writes meanwhile.
	db, f, err := openDB(path, true, 0)
	if err != nil {
		if environment(err) {
			return nil, err
		}
		return fmt.Errorf("%w: %w", ErrDamaged, err), nil
	}
	defer abandon(db, f)
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	p, err := openPages(f, info.Size())
	if err == nil {
		_, err = p.check()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err), nil
	}
	return nil, nil
}

// openDB opens path with bbolt and returns the descriptor with it.
func openDB(path string, ro bool, mapBytes int64) (db *bbolt.DB, f *os.File, err error) {
	err = guard(func() error {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:         lockTimeout,
			FreelistType:    bbolt.FreelistMapType,
			ReadOnly:        ro,
			PageSize:        pageBytes,
			InitialMmapSize: int(mapBytes),
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				var err error
				f, err = os.OpenFile(name, flag, mode)
				return f, err
			},
		})
		return err
	})
	if err == nil {
		return db, f, nil
	}
	if f != nil {
		_ = f.Close() // closed already, unless bbolt panicked
	}
	if errors.Is(err, berrors.ErrTimeout) {
		err = ErrInUse
	}
	return nil, nil, err
}

// attach opens the database at path for writing, makes what is missing in it
// and loads its state.
func (s *Spool) attach(path string) error {
	mapBytes := s.o.MaxBytes // at once, so that growing need not map anew
	if strconv.IntSize == 32 {
		// A rebuild holds two mappings, and 3 GiB of addresses are all there
		// are. bbolt maps anew, twice as much, when this is not enough.
		mapBytes = min(mapBytes, 64<<20)
	}
	if s.ro {
		mapBytes = 0
	}
	db, f, err := openDB(path, s.ro, mapBytes)
	if err != nil {
		return err
	}
	s.db, s.file, s.allocated, s.txid = db, f, 0, 0
	s.bad = make(map[uint64]struct{})
	fresh := false
	err = s.view(func(tx *bbolt.Tx, _ *upper) error {
		fresh = tx.Bucket(bucketState) == nil
		return nil
	})
	if err == nil && fresh {
		if s.ro {
			return fmt.Errorf("%w: not a spool", ErrDamaged)
		}
		if err = s.create(); err == nil {
			err = syncDir(path)
		}
	}
	if err == nil {
		err = s.load()
	}
	return err
}

// create makes the buckets of a new file.
func (s *Spool) create() error {
	return s.update(s.o.MaxBytes, func(tx *bbolt.Tx, _ *upper, _ *state) error {
		for _, name := range [][]byte{bucketLog, bucketCursor, bucketQuarantine, bucketState} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// load reads state, cursors and the first record from the file.
func (s *Spool) load() error {
	return s.view(func(tx *bbolt.Tx, u *upper) error {
		log, cur, state := tx.Bucket(bucketLog), tx.Bucket(bucketCursor), tx.Bucket(bucketState)
		if log == nil || cur == nil || state == nil || tx.Bucket(bucketQuarantine) == nil {
			return berrors.ErrBucketNotFound
		}
		st, ok := parseState(state.Get(keyState))
		if !ok {
			return fmt.Errorf("%w: state does not check", ErrDamaged)
		}
		cursors := make(map[string][]byte)
		err := cur.ForEach(func(k, v []byte) error {
			cursors[string(k)] = append([]byte{}, v...)
			return nil
		})
		if err != nil {
			return err
		}
		first, has, err := firstHeld(log, u, st.trim)
		if err != nil {
			return err
		}
		s.st, s.cursors, s.first, s.hasFirst = st, cursors, first, has
		s.loadWritten(state.Get(keyWritten))
		return nil
	})
}

// loadWritten takes over what the file says of the octets written; earlier versions wrote nothing.
func (s *Spool) loadWritten(v []byte) {
	if len(v) == 8 {
		s.written = max(s.written, int64(binary.BigEndian.Uint64(v)))
	}
}
