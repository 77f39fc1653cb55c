package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

var (
	bucketLog        = []byte("log")
	bucketCursor     = []byte("cursor")
	bucketQuarantine = []byte("quarantine")
	bucketState      = []byte("state")
	keyState         = []byte("state")
	keyWritten       = []byte("octets written") // before keyState: earlier versions look at the last one
)

// Entry is one record of the spool.
type Entry struct {
	Seq   uint64 // ascending over the life of the spool
	Class uint8  // see Options.Shed
	Data  []byte // opaque, MaxEntry octets at most
}

// Spool is a FIFO of records in one file. Its methods may be called from any
// goroutine; but for Stats they take turns, and those that write wait for the
// medium.
type Spool struct {
	path string
	o    Options
	log  *slog.Logger
	ro   bool

	mu        sync.Mutex // guards what follows up to statMu
	db        *bbolt.DB  // nil after damage that could not be repaired yet
	file      *os.File   // db's descriptor
	closed    bool
	st        state  // as committed
	first     uint64 // lowest seq held, valid when hasFirst
	hasFirst  bool
	cursors   map[string][]byte
	bad       map[uint64]struct{} // corrupt records already in quarantine
	size      sizes
	written   int64  // octets written to this file, and to those it replaced
	txid      uint64 // of the latest commit to this file, 0 when nobody has looked yet
	allocated int64  // what bbolt had counted of them when this file was opened or looked at last
	soft      int64  // limit after a full disk, until softUntil
	softUntil time.Time
	room      int64  // how large the file may get as far as the medium goes, 0 when nobody says
	roomErr   string // why nobody does
	build     builder
	spans     []span // of the latest Read, used again
	seqBuf    [8]byte

	statMu sync.Mutex
	stats  Stats
}

// sizes is what the file takes, in octets.
type sizes struct {
	file int64 // the file
	high int64 // up to the high-water mark
	free int64 // of that, pages not in use
}

// view measures the file, and runs fn, unless it is nil, in a read transaction.
func (s *Spool) view(fn func(*bbolt.Tx, *upper) error) error {
	return guard(func() error {
		p, err := s.latest()
		if err != nil {
			return err
		}
		tx, err := s.db.Begin(false)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		stats := s.db.Stats()
		s.size.high = tx.Size()
		s.size.free = int64(stats.FreePageN+stats.PendingPageN) * pageBytes
		n := stats.TxStats.GetPageAlloc()
		s.written += n - s.allocated
		s.allocated = n
		if uint64(tx.ID()) != p.txid {
			return fmt.Errorf("%w: bbolt reads commit %d, the newest is %d", errPage, tx.ID(), p.txid)
		}
		if fn == nil {
			return nil
		}
		u, err := newUpper(p)
		if err != nil {
			return err
		}
		return fn(tx, u)
	})
}

// mapped makes sure that the meta pages are there: a fault in Begin leaves
// bbolt's locks locked.
func (s *Spool) mapped() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if s.size.file = info.Size(); s.size.file < 2*pageBytes {
		return fmt.Errorf("%w: file cut to %d octets", ErrDamaged, s.size.file)
	}
	return nil
}

// update runs fn in a write transaction, with the file's size bounded by
// maxBytes. The state that fn leaves is committed with it.
func (s *Spool) update(maxBytes int64, fn func(*bbolt.Tx, *upper, *state) error) error {
	st, first, has := s.st, uint64(0), false
	err := guard(func() error {
		p, err := s.latest()
		if err != nil {
			return err
		}
		s.db.MaxSize = int(maxBytes)
		s.db.AllocSize = int(allocSize(s.size.file, maxBytes))
		if err := p.checkFree(); err != nil {
			return err
		}
		tx, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		defer func() {
			if tx.DB() != nil { // neither committed nor rolled back
				_ = tx.Rollback()
			}
		}()
		id := uint64(tx.ID())
		if id != p.txid+1 {
			return fmt.Errorf("%w: bbolt writes commit %d, the newest is %d", errPage, id, p.txid)
		}
		u, err := newUpper(p)
		if err != nil {
			return err
		}
		if err := fn(tx, u, &st); err != nil {
			return err
		}
		if first, has, err = firstHeld(tx.Bucket(bucketLog), u, st.trim); err != nil {
			return err
		}
		st.commits++
		if err := tx.Bucket(bucketState).Put(keyState, st.appendTo(nil)); err != nil {
			return err
		}
		written := binary.BigEndian.AppendUint64(nil, uint64(s.written)) // without this commit's
		if err := tx.Bucket(bucketState).Put(keyWritten, written); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return s.uncommitted(err, p, id)
		}
		s.txid = id
		return nil
	})
	if err != nil {
		return err
	}
	s.written += pageBytes // the meta page
	s.st, s.first, s.hasFirst = st, first, has
	return s.view(nil)
}

// errInFile says that what has failed is in the file all the same.
var errInFile = errors.New("in the file, but not known to be durable")

// uncommitted looks at the file after commit id has failed, p being what there was before.
func (s *Spool) uncommitted(failure error, p *pageFile, id uint64) error {
	now, err := s.newest()
	switch {
	case err != nil:
	case now.txid == id:
		s.txid = id
		return fmt.Errorf("commit %d: %w: %w", id, errInFile, failure)
	default:
		_, err = p.freePages() // bbolt has read them again
	}
	return errors.Join(failure, err)
}

// allocSize is by how much a file grows at once: enough to make growing, which
// costs a sync, rare; little enough not to waste a small file's cap.
func allocSize(size, limit int64) int64 {
	n := min(max(size/16, min(4<<20, limit/64)), 16<<20)
	n = min(n, max((limit-size)/4, pageBytes))
	return n - n%pageBytes
}

// First returns the lowest sequence number held above the trim mark, false
// when nothing is held.
func (s *Spool) First() (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, s.hasFirst
}

// Last returns the highest sequence number ever appended, held or not, false
// when there was none. The next Append goes above it.
func (s *Spool) Last() (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st.high, s.st.any
}

// Cursor returns a copy of a named cursor's value, false when there is none.
func (s *Spool) Cursor(name string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(false); err != nil {
		return nil, false, err
	}
	v, ok := s.cursors[name]
	return append([]byte(nil), v...), ok, nil
}

// Cursors returns the names of all cursors, in order.
func (s *Spool) Cursors() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.cursors))
}

// Stats returns a snapshot. It waits for nothing.
func (s *Spool) Stats() Stats {
	s.statMu.Lock()
	defer s.statMu.Unlock()
	return s.stats
}

// publish makes the state visible to Stats.
func (s *Spool) publish() {
	st := &s.st
	x := Stats{
		Appended: st.appended, Held: st.held, Trimmed: st.trimmed, Shed: st.shed, Evicted: st.evicted, Lost: st.lost,
		FileBytes: s.size.file, HighWaterBytes: s.size.high, UsedBytes: s.size.high - s.size.free, LimitBytes: s.limit(),
		Corrupt: st.corrupt, Salvaged: st.salvagedRecords, Damaged: st.damaged, Commits: st.commits, Written: s.written,
		Quarantined: st.quarantined, QuarantineBytes: st.quarantineSize, QuarantineGone: st.quarantineGone,
	}
	if s.hasFirst {
		x.First = s.first
	}
	if st.any {
		x.Last = st.high
	}
	s.statMu.Lock()
	s.stats = x
	s.statMu.Unlock()
}

// ready says whether the spool can be used, and mends it when damage could not
// be repaired at once.
func (s *Spool) ready(write bool) error {
	switch {
	case s.closed:
		return fmt.Errorf("spool %s: %w", s.path, os.ErrClosed)
	case write && s.ro:
		return fmt.Errorf("spool %s: %w", s.path, ErrReadOnly)
	case s.db == nil:
		if err := s.replace(ErrDamaged); err != nil {
			return fmt.Errorf("spool %s: %w: %w", s.path, ErrDamaged, err)
		}
	}
	return nil
}

// Sync makes everything durable that Append has returned for. It is so
// already; Sync is for callers that want to hear it from the medium.
func (s *Spool) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(false); err != nil {
		return err
	}
	return s.db.Sync()
}

// Close releases the file. It is idempotent.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if !s.detach() {
		return fmt.Errorf("spool %s: the mapping could not be released", s.path)
	}
	return nil
}

// detach lets go of the database.
func (s *Spool) detach() bool {
	if s.db == nil {
		return true
	}
	db, f := s.db, s.file
	s.db, s.file = nil, nil
	return abandon(db, f)
}
