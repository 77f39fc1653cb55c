package slots

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

const (
	entryTries = 3 // starts that a new system has to be committed
	partial    = "heptap.part"
)

// Entries is systemd-boot, which goes by the names of files (systemd-boot(7), "Boot
// counting").
type Entries struct{ Files Files }

// Files are those of the slots' partition, in the directory that systemd-boot
// looks into.
type Files interface {
	List() ([]string, error)
	Create(name string) (io.WriteCloser, error)
	Open(name string) (io.ReadCloser, error)
	Rename(from, to string) error
	Remove(name string) error
	// Settle returns when all that was done is on the disk. What is read later
	// comes from there.
	Settle() error
}

var _ Loader = Entries{}

// entry is the name of its file.
func entry(s Slot) string {
	count := ""
	if s.Counted {
		count = fmt.Sprintf("+%d-%d", s.Left, s.Done)
	}
	return fmt.Sprintf("heptap_%d_%s%s.efi", s.Number, s.Version, count)
}

// ParseEntry reads a name. Systemd-boot tells names in lower case.
func ParseEntry(name string) (s Slot, ok bool) {
	m := regexp.MustCompile(`^heptap_([1-9][0-9]{0,8})_([A-Za-z0-9.-]+?)(?:\+([0-9]{1,4})(?:-([0-9]{1,4}))?)?\.efi$`).FindStringSubmatch(name)
	if m == nil {
		return s, false
	}
	number := func(text string) int {
		n, _ := strconv.Atoi(text) // digits, and few of them
		return n
	}
	return Slot{Number: number(m[1]), Version: m[2], Counted: m[3] != "", Left: number(m[3]), Done: number(m[4])}, true
}

// List implements Loader.
func (e Entries) List() ([]Slot, error) {
	names, err := e.Files.List()
	if err != nil {
		return nil, err
	}
	var all []Slot
	for _, name := range names {
		if s, ok := ParseEntry(name); ok {
			all = append(all, s)
		}
	}
	order(all)
	return all, nil
}

// Install implements Loader.
func (e Entries) Install(running int, version string, sum [sha256.Size]byte, r io.Reader) (Slot, error) {
	all, err := e.List()
	if err != nil {
		return Slot{}, err
	}
	s, err := next(all, running, version, entryTries)
	if err != nil {
		return Slot{}, err
	}
	if err := e.makeRoom(running); err != nil {
		return Slot{}, err
	}
	if err := e.write(r, sum); err != nil {
		return Slot{}, errors.Join(err, e.Files.Remove(partial))
	}
	if err := e.Files.Rename(partial, entry(s)); err != nil {
		return Slot{}, err
	}
	return s, e.Files.Settle()
}

// makeRoom makes room: only the running system stays.
func (e Entries) makeRoom(running int) error {
	names, err := e.Files.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		if s, ok := ParseEntry(name); ok && s.Number == running {
			continue
		}
		if err := e.Files.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// write writes the new system, and reads it from the disk.
func (e Entries) write(r io.Reader, sum [sha256.Size]byte) error {
	w, err := e.Files.Create(partial)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	if err := e.Files.Settle(); err != nil {
		return err
	}
	back, err := e.Files.Open(partial)
	if err != nil {
		return err
	}
	return errors.Join(compare(back, sum), back.Close())
}

// MarkGood implements Loader.
func (e Entries) MarkGood(number int) error { return e.mark(number, false) }

// GiveUp implements Loader.
func (e Entries) GiveUp(number int) error { return e.mark(number, true) }

func (e Entries) mark(number int, bad bool) error {
	names, err := e.Files.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		s, ok := ParseEntry(name)
		if !ok || s.Number != number {
			continue
		}
		to := entry(marked(s, bad))
		if to == name {
			return nil
		}
		if err := e.Files.Rename(name, to); err != nil {
			return err
		}
		return e.Files.Settle()
	}
	return fmt.Errorf("no system of number %d among %d files", number, len(names))
}
