package outbox

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Dir is an outbox. Its methods may be called from any goroutine.
type Dir struct {
	path string
	most int64

	mu sync.Mutex // held while a file is made: there is one at a time
}

// File is one of an outbox.
type File struct {
	Name  string
	Bytes int64
	Time  time.Time
}

const (
	maxName  = 100
	maxFiles = 1000
	partial  = ".part" // what a file under way ends with, and one that a power cut left
)

// Errors of an outbox.
var (
	ErrName  = errors.New("a file's name has letters, digits, and . - _ in it, and begins with a letter or digit")
	ErrThere = errors.New("there is a file of that name already")
	ErrFull  = errors.New("there is no room for it")
	ErrBusy  = errors.New("another file is being made: try again when it is there")
)

// New returns the outbox in the directory path, which is made by the first file,
// with room for most octets.
func New(path string, most int64) *Dir { return &Dir{path: path, most: most} }

// Path returns the directory.
func (d *Dir) Path() string { return d.path }

// Room returns how many octets still fit.
func (d *Dir) Room() (int64, error) {
	files, err := d.List()
	room := d.most
	for _, f := range files {
		room -= f.Bytes
	}
	return max(0, room), err
}

// Create makes a file of what fill writes, which is at most room octets: it is told
// how many. Until all of it is on the disk there is no file, nor after an error.
func (d *Dir) Create(name string, fill func(w io.Writer, room int64) error) (File, error) {
	if !valid(name) {
		return File{}, fmt.Errorf("%q: %w", name, ErrName)
	}
	if !d.mu.TryLock() {
		return File{}, ErrBusy
	}
	defer d.mu.Unlock()
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return File{}, err
	}
	if err := d.sweep(); err != nil {
		return File{}, err
	}
	files, err := d.List()
	if err != nil {
		return File{}, err
	}
	if slices.ContainsFunc(files, func(f File) bool { return f.Name == name }) {
		return File{}, fmt.Errorf("%s: %w", name, ErrThere)
	}
	room, err := d.Room()
	if err != nil {
		return File{}, err
	}
	if room < 1024 || len(files) >= maxFiles {
		return File{}, fmt.Errorf("%w: %d files take all of %d MiB", ErrFull, len(files), d.most>>20)
	}
	return d.create(name, room, fill)
}

func (d *Dir) create(name string, room int64, fill func(w io.Writer, room int64) error) (File, error) {
	path := filepath.Join(d.path, name)
	f, err := os.OpenFile(path+partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return File{}, err
	}
	w := &bounded{f, room}
	err = fill(w, room)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+partial, path)
	}
	if err != nil {
		return File{}, errors.Join(err, os.Remove(path+partial))
	}
	return File{name, room - w.room, time.Now()}, syncDir(d.path)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// bounded is a writer with room for so many octets.
type bounded struct {
	w    io.Writer
	room int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.room {
		return 0, ErrFull
	}
	n, err := b.w.Write(p)
	b.room -= int64(n)
	return n, err
}

// sweep removes what was under way when the power went. d.mu is held.
func (d *Dir) sweep() error {
	left, err := filepath.Glob(filepath.Join(d.path, "*"+partial))
	for _, f := range left {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}

// List returns the files, the newest last.
func (d *Dir) List() (out []File, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || !st.Mode().IsRegular() || !valid(e.Name()) {
			continue
		}
		out = append(out, File{e.Name(), st.Size(), st.ModTime()})
	}
	slices.SortFunc(out, func(a, b File) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// Open opens a file to read it.
func (d *Dir) Open(name string) (*os.File, error) {
	if !valid(name) {
		return nil, fmt.Errorf("%q: %w", name, ErrName)
	}
	return os.Open(filepath.Join(d.path, name))
}

// Remove removes a file.
func (d *Dir) Remove(name string) error {
	if !valid(name) {
		return fmt.Errorf("%q: %w", name, ErrName)
	}
	return os.Remove(filepath.Join(d.path, name))
}

// valid reports whether a name is one that a file may have, here and in a URL.
func valid(name string) bool {
	if len(name) == 0 || len(name) > maxName || strings.HasSuffix(name, partial) {
		return false
	}
	for i, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '-' && c != '_') {
			return false
		}
	}
	return true
}
