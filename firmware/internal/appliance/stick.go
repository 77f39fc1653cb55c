package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A probe may mount nothing, so PID 1 copies its files to a USB stick: a step at a
// time, because it hears nothing else of the probe meanwhile.
const (
	verbStick = "stick" // stickBegin and a file's path, stickMore, or stickEnd

	stickBegin = "begin "
	stickMore  = "more" // answered by saysDone when all is copied
	stickEnd   = "end"

	stickDir  = "/run/stick"
	stickStep = 1 << 20 // octets: slow sticks take a second for them

	stickAtMost = 3 * time.Minute // for a step: the kernel tries again and again with one that is broken
)

const saysDone = "done"

// errDone says that a file is copied.
var errDone = errors.New(saysDone)

// stick copies one file at a time to the USB stick that is plugged in.
type stick struct {
	kernel   Kernel
	sys, dev string // /sys, /dev
	at       string // where it is mounted meanwhile
	owner    uint32 // whose files are copied, and nobody else's

	mu       sync.Mutex
	from, to *os.File // nil: nothing is copied
	reading  bool     // an update is read from it
}

// Copy copies a file to the USB stick that is plugged in. It tells how many octets
// there are at least so far; a ctx that is done takes the file back.
func (p *Parent) Copy(ctx context.Context, path string, tell func(octets int64)) error {
	ask := func(text string) error { return heard(p.Ask(context.WithoutCancel(ctx), verbStick, text)) }
	if err := ask(stickBegin + path); err != nil {
		return err
	}
	for n := int64(0); ; n += stickStep {
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), ask(stickEnd))
		}
		tell(n)
		switch err := ask(stickMore); {
		case err == nil:
		case err.Error() == saysDone:
			return nil
		default:
			return err
		}
	}
}

// do does what a probe asks for.
func (s *stick) do(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, begin := strings.CutPrefix(text, stickBegin)
	var err error
	switch {
	case begin:
		s.abort() // what an earlier probe has left
		err = s.begin(path)
	case s.to == nil:
		return errors.New("nothing is copied")
	case text == stickMore:
		err = s.more()
	case text == stickEnd:
		s.abort()
	default:
		err = errors.New("no such thing here")
	}
	if err != nil && !errors.Is(err, errDone) {
		s.abort()
	}
	return err
}

// end gives up what is being copied.
func (s *stick) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abort()
}

func (s *stick) begin(path string) error {
	device, err := s.find()
	if err != nil {
		return err
	}
	from, err := s.source(path)
	if err != nil {
		return err
	}
	if s.reading {
		return errors.Join(errors.New("an update is being read from the stick"), from.Close())
	}
	if err := s.mount(device, 0); err != nil {
		return errors.Join(err, from.Close())
	}
	to, err := os.OpenFile(filepath.Join(s.at, filepath.Base(path)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		err = s.plain(err)
		return errors.Join(err, from.Close(), s.kernel.Unmount(s.at))
	}
	s.from, s.to = from, to
	return nil
}

// read opens an update on the stick, which stays mounted until done is called. Nothing is
// copied to it meanwhile.
func (s *stick) read(name string) (f *os.File, done func() error, err error) {
	if name == "" || name == ".." || name != filepath.Base(name) {
		return nil, nil, errors.New("name a file that is in no folder")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to != nil || s.reading {
		return nil, nil, errors.New("the stick is in use")
	}
	device, err := s.find()
	if err != nil {
		return nil, nil, err
	}
	if err := s.mount(device, mountReadOnly); err != nil {
		return nil, nil, err
	}
	if f, err = openRegular(filepath.Join(s.at, name)); err != nil {
		found, _ := filepath.Glob(filepath.Join(s.at, "*.update")) // the pattern is good
		for i := range found {
			found[i] = filepath.Base(found[i])
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("the stick has no %s; its updates are: %s", name, strings.Join(found, " "))
		}
		return nil, nil, errors.Join(err, s.kernel.Unmount(s.at))
	}
	s.reading = true
	return f, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reading = false
		return errors.Join(f.Close(), s.kernel.Unmount(s.at))
	}, nil
}

// openRegular opens a file that is one, and no link to one.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s: no file", path), err, f.Close())
	}
	return f, nil
}

// source opens a file of the probe's. What the probe could not read itself is not its
// file, whatever it has put in its place.
func (s *stick) source(path string) (*os.File, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil {
		if owner, ok := st.Sys().(*syscall.Stat_t); !ok || owner.Uid != s.owner {
			err = fmt.Errorf("%s: %w", path, fs.ErrPermission)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// mount mounts what is on the stick, whichever of the file systems it is that sticks
// have.
func (s *stick) mount(device string, flags uintptr) error {
	var errs []error
	for _, kind := range []string{"vfat", "exfat"} {
		err := s.kernel.Mount(device, s.at, kind, mountQuiet|flags, "")
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("the stick cannot be read, it wants FAT or exFAT: %w", errors.Join(errs...))
}

// more copies a step, and says with errDone that it was the last one.
func (s *stick) more() error {
	n, err := io.CopyN(s.to, s.from, stickStep)
	end := errors.Is(err, io.EOF)
	if err != nil && !end {
		return s.plain(err)
	}
	if err := s.to.Sync(); err != nil {
		return s.plain(err)
	}
	if !end && n == stickStep {
		return nil
	}
	err = errors.Join(s.to.Close(), s.from.Close())
	s.from, s.to = nil, nil
	if err := errors.Join(err, s.kernel.Unmount(s.at)); err != nil {
		return err
	}
	return errDone
}

// abort takes back what there is of a file. s.mu is held.
func (s *stick) abort() {
	if s.to == nil {
		return
	}
	// A stick that is full, or has been pulled out, fails at all of it.
	_ = os.Remove(s.to.Name())
	_ = s.to.Close()
	_ = s.from.Close()
	_ = s.kernel.Unmount(s.at)
	s.from, s.to = nil, nil
}

// plain says of the stick what the kernel says of a file.
func (s *stick) plain(err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return errors.New("the stick has a file of that name already")
	case errors.Is(err, unix.ENOSPC):
		return errors.New("the stick is full")
	case errors.Is(err, unix.EROFS):
		return errors.New("the stick is write-protected, or was not unmounted where it was last: let a PC repair it")
	case errors.Is(err, unix.EIO), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("the stick was pulled out, or is broken: %w", err)
	}
	return err
}

// find returns the partition of the one USB stick there is, or the whole stick if it
// has none. A disk that the box itself has a partition on is none.
func (s *stick) find() (device string, err error) {
	class := filepath.Join(s.sys, "class/block")
	entries, err := os.ReadDir(class)
	if err != nil {
		return "", err
	}
	parts := map[string][]string{} // of a disk, by its directory
	ours := map[string]bool{}
	for _, e := range entries {
		dir, err := filepath.EvalSymlinks(filepath.Join(class, e.Name()))
		if err != nil || !strings.Contains(dir, "/usb") {
			continue
		}
		size, _ := os.ReadFile(filepath.Join(dir, "size"))
		if n, err := strconv.ParseUint(strings.TrimSpace(string(size)), 10, 64); err != nil || n == 0 {
			continue // a reader without a card
		}
		if _, err := os.Stat(filepath.Join(dir, "partition")); err != nil {
			parts[dir] = append(parts[dir], "")
			continue
		}
		disk := filepath.Dir(dir)
		parts[disk] = append(parts[disk], e.Name())
		event, _ := os.ReadFile(filepath.Join(dir, "uevent"))
		ours[disk] = ours[disk] || strings.Contains(string(event), "PARTNAME=heptap-")
	}
	for disk := range ours {
		if ours[disk] {
			delete(parts, disk)
		}
	}
	switch len(parts) {
	case 0:
		return "", errors.New("no USB stick is plugged in")
	case 1:
	default:
		return "", errors.New("there are several USB sticks: leave one in")
	}
	for disk, names := range parts {
		slices.Sort(names)
		device = filepath.Base(disk)
		if last := len(names) - 1; names[last] != "" { // partitions come after the disk itself, ""
			device = names[min(1, last)]
		}
	}
	return filepath.Join(s.dev, device), nil
}
