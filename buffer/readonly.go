package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// OpenReadOnly opens a spool that nobody writes, to list or export it. Methods
// that write return ErrReadOnly, damage is reported and left alone. It returns
// ErrInUse while the probe holds the file, ErrDamaged when it is damaged:
// Salvage reads such a file.
func OpenReadOnly(path string) (*Spool, error) {
	o, _ := Options{Classes: MaxClasses}.withDefaults()
	s := &Spool{path: path, o: o, log: slog.New(slog.DiscardHandler), ro: true}
	_, err := os.Stat(path)
	if err == nil {
		var damage error
		if damage, err = inspect(path); err == nil {
			err = damage
		}
	}
	if err == nil {
		err = s.attach(path)
	}
	if err != nil {
		s.detach()
		return nil, fmt.Errorf("open spool %s: %w", path, err)
	}
	s.publish()
	return s, nil
}

// Report is what Verify and Salvage found.
type Report struct {
	Held        Counts // sound records above the trim mark
	Commits     int
	First, Last uint64 // of the sound records
	Quarantined int
	FileBytes   int64
	Problems    []string // what is wrong, at most maxProblems, in words
	More        int      // problems not listed
}

const maxProblems = 100

// OK says that nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) problem(format string, args ...any) {
	if len(r.Problems) == maxProblems {
		r.More++
		return
	}
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// Verify reads the whole file at path, every record of it, and reports. It
// changes nothing. An error means that the file could not be looked at: ErrInUse
// while the probe holds it, or what the system says.
func Verify(path string) (Report, error) {
	return examine(path, nil)
}

// Salvage calls fn for every sound record of a file that may be damaged, in
// sequence order as far as the file still knows it. The data is the callee's
// until it returns. It stops at fn's error and returns it.
func Salvage(path string, fn func(Entry) error) (Report, error) {
	return examine(path, fn)
}

func examine(path string, fn func(Entry) error) (Report, error) {
	var r Report
	f, err := os.Open(path)
	if err != nil {
		return r, fmt.Errorf("spool: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return r, fmt.Errorf("spool %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return r, fmt.Errorf("spool %s: not a regular file", path)
	}
	r.FileBytes = info.Size()
	// bbolt is asked for nothing but the shared lock.
	db, held, err := openDB(path, true, 0)
	switch {
	case err == nil:
		defer abandon(db, held)
	case environment(err):
		return r, fmt.Errorf("spool %s: %w", path, err)
	default:
		r.problem("%v", err)
	}
	p, err := openPages(f, info.Size())
	if err == nil {
		_, err = p.check()
	}
	if err != nil {
		r.problem("%v", err)
		if p = salvagePages(f, info.Size()); p == nil {
			return r, nil
		}
	}
	v := verifier{r: &r, w: walker{p: p, tolerant: true}, fn: fn}
	if err := v.run(); err != nil && !errors.Is(err, errPage) {
		return r, fmt.Errorf("spool %s: %w", path, err)
	} else if err != nil {
		r.problem("%v", err)
	}
	if v.w.damaged > 0 {
		r.problem("%d damaged pages", v.w.damaged)
	}
	return r, nil
}

// verifier is one pass over a file.
type verifier struct {
	r   *Report
	w   walker
	fn  func(Entry) error
	st  state
	any bool
}

func (v *verifier) run() error {
	known, begun := false, false // a power cut may leave a file in which there is nothing yet
	err := v.w.top(bucketState, func(e elem) error {
		begun = true
		if string(e.key) == string(keyState) {
			v.st, known = parseState(e.value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = v.w.top(bucketLog, func(e elem) error {
		begun = true
		return v.commit(e)
	})
	if begun && !known {
		v.r.problem("state does not check")
	}
	if err != nil {
		return err
	}
	if known && v.st.held != v.r.Held {
		v.r.problem("holds %d sound records, state says %d", v.r.Held.Total().Records, v.st.held.Total().Records)
	}
	return v.w.top(bucketQuarantine, func(e elem) error {
		if _, err := parseQuarantine(e.key, e.value); err != nil {
			v.r.problem("%v", err)
		}
		v.r.Quarantined++
		return nil
	})
}

func (v *verifier) commit(e elem) error {
	root, inline, err := e.child()
	if err != nil {
		return v.w.tolerate(err)
	}
	v.r.Commits++
	entries, indexed, err := collect(&v.w, root, inline)
	if err != nil {
		return err
	}
	switch {
	case len(e.key) != 8:
		v.r.problem("commit with a bad key")
	case indexed == nil:
		v.r.problem("commit %d: index does not check", binary.BigEndian.Uint64(e.key))
	case indexed.held.Total().Records != uint64(len(entries)):
		v.r.problem("commit %d: %d of %d records are sound", indexed.first, len(entries), indexed.held.Total().Records)
	}
	for _, entry := range entries {
		if entry.Seq < v.st.trim || int(entry.Class) >= MaxClasses {
			continue
		}
		if v.any && entry.Seq <= v.r.Last {
			v.r.problem("record %d after %d", entry.Seq, v.r.Last)
			continue
		}
		if !v.any {
			v.any, v.r.First = true, entry.Seq
		}
		v.r.Last = entry.Seq
		v.r.Held[entry.Class].add(int64(len(entry.Data)))
		if v.fn != nil {
			if err := v.fn(entry); err != nil {
				return err
			}
		}
	}
	return nil
}
