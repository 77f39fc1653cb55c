package buffer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// guard runs fn, which touches the mapping. A fault in it (the medium failed,
// the file was cut) and a panic of bbolt (a page makes no sense) become
// ErrDamaged.
func guard(fn func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		p := recover()
		if fault, ok := p.(interface{ Addr() uintptr }); ok {
			err = fmt.Errorf("%w: memory fault at %#x", ErrDamaged, fault.Addr())
		} else if p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	err = fn()
	switch {
	case errors.Is(err, syscall.EIO), errors.Is(err, errIndex), errors.Is(err, errPage),
		errors.Is(err, berrors.ErrInvalidMapping), errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum),
		errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrBucketNotFound), errors.Is(err, berrors.ErrIncompatibleValue):
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// environment says that an error of opening is the machine's fault and not the
// file's: nothing would be better with another file.
func environment(err error) bool {
	for _, e := range []error{fs.ErrPermission, fs.ErrNotExist, syscall.EROFS, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE,
		syscall.EISDIR, syscall.ENOTDIR, syscall.ENODEV, syscall.ELOOP, syscall.ENAMETOOLONG, ErrInUse} {
		if errors.Is(err, e) {
			return true
		}
	}
	return noSpace(err)
}

// noSpace says that the medium, a quota or a limit is exhausted. bbolt flattens
// the errors of growing the file, hence the text.
func noSpace(err error) bool {
	if err == nil {
		return false
	}
	for _, e := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, e) || strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}

// abandon lets go of a bbolt file whose mapping may fault. Close does not read
// the mapping, but it waits for locks that a fault inside Begin leaves locked;
// in that case the mapping stays behind until the process ends.
func abandon(db *bbolt.DB, f *os.File) (closed bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = guard(db.Close)
	}()
	t := time.NewTimer(2 * time.Second)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		_ = f.Close() // the descriptor and its lock at least
		return false
	}
}

const damagedMark = ".damaged-"

// damagedName is a free name for a damaged file at path.
func damagedName(path string, now time.Time) string {
	base := path + damagedMark + now.UTC().Format("20060102T150405Z")
	name := base
	for i := 1; ; i++ {
		if _, err := os.Lstat(name); err != nil {
			return name
		}
		name = fmt.Sprintf("%s.%d", base, i)
	}
}

// damagedFiles lists the files set aside beside path, the oldest first.
func damagedFiles(path string) []string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil
	}
	type aside struct {
		name string
		mod  time.Time
	}
	var found []aside
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), filepath.Base(path)+damagedMark) {
			continue
		}
		if info, err := e.Info(); err == nil {
			found = append(found, aside{filepath.Join(filepath.Dir(path), e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b aside) int {
		if c := a.mod.Compare(b.mod); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	names := make([]string, len(found))
	for i := range found {
		names[i] = found[i].name
	}
	return names
}

// dropDamaged removes the oldest files set aside until keep are left, and says
// whether it removed any.
func dropDamaged(path string, keep int) bool {
	names := damagedFiles(path)
	removed := false
	for len(names) > keep {
		removed = os.Remove(names[0]) == nil || removed
		names = names[1:]
	}
	return removed
}

// syncDir makes a rename or a new name in path's directory durable.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
