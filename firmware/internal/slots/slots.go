package slots

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
)

const (
	Factory = 0 // the number that stands for the factory system
	tries   = 3 // starts that a new system has to be committed
	partial = "heptap.part"
)

// Slot is a system that an update has brought.
type Slot struct {
	Number  int
	Version string
	Counted bool // not committed
	Left    int  // starts, if Counted
	Done    int
	name    string
}

// State is where it stands, in words.
func (s Slot) State() string {
	switch {
	case !s.Counted:
		return "committed"
	case s.GivenUp():
		return "given up"
	case s.Done == 0:
		return "new"
	}
	return fmt.Sprintf("on trial, %d more starts", s.Left)
}

func (s Slot) file() string {
	count := ""
	if s.Counted {
		count = fmt.Sprintf("+%d-%d", s.Left, s.Done)
	}
	return fmt.Sprintf("heptap_%d_%s%s.efi", s.Number, s.Version, count)
}

// Parse reads a name. Systemd-boot tells names in lower case.
func Parse(name string) (s Slot, ok bool) {
	m := regexp.MustCompile(`^heptap_([1-9][0-9]{0,8})_([A-Za-z0-9.-]+?)(?:\+([0-9]{1,4})(?:-([0-9]{1,4}))?)?\.efi$`).FindStringSubmatch(name)
	if m == nil {
		return s, false
	}
	number := func(text string) int {
		n, _ := strconv.Atoi(text) // digits, and few of them
		return n
	}
	return Slot{Number: number(m[1]), Version: m[2], Counted: m[3] != "", Left: number(m[3]), Done: number(m[4]), name: name}, true
}

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

// What an update may be refused for.
var (
	ErrTrial   = errors.New("the system that runs is on trial itself; wait until it is committed, or: upgrade keep")
	ErrDamaged = errors.New("the disk does not keep what was written to it")
)

// List returns the systems in the order in which they are started, without the
// factory system.
func List(f Files) ([]Slot, error) {
	names, err := f.List()
	if err != nil {
		return nil, err
	}
	var all []Slot
	for _, name := range names {
		if s, ok := Parse(name); ok {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Slot) int {
		if ga, gb := a.GivenUp(), b.GivenUp(); ga != gb {
			if ga {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.Number, a.Number)
	})
	return all, nil
}

// GivenUp says that it is started only when there is no other.
func (s Slot) GivenUp() bool { return s.Counted && s.Left == 0 }

func find(f Files, number int) (Slot, error) {
	all, err := List(f)
	if err != nil {
		return Slot{}, err
	}
	for _, s := range all {
		if s.Number == number {
			return s, nil
		}
	}
	return Slot{}, fmt.Errorf("no system of number %d among %d", number, len(all))
}

// Install writes a new system of that version and SHA-256 from r, whose error at
// the end, if it is not io.EOF, is that it is not to be installed. running is the
// number of the system that runs.
func Install(f Files, running int, version string, sum [sha256.Size]byte, r io.Reader) (Slot, error) {
	all, err := List(f)
	if err != nil {
		return Slot{}, err
	}
	s := Slot{Number: running, Version: version, Counted: true, Left: tries}
	for _, o := range all {
		if o.Number == running && o.Counted {
			return Slot{}, ErrTrial
		}
		s.Number = max(s.Number, o.Number)
	}
	s.Number++
	if err := makeRoom(f, running); err != nil {
		return Slot{}, err
	}
	if err := write(f, r); err != nil {
		return Slot{}, errors.Join(err, f.Remove(partial))
	}
	if err := compare(f, sum); err != nil {
		return Slot{}, errors.Join(err, f.Remove(partial))
	}
	if err := f.Rename(partial, s.file()); err != nil {
		return Slot{}, err
	}
	s.name = s.file()
	return s, f.Settle()
}

// makeRoom makes room: only the running system stays.
func makeRoom(f Files, running int) error {
	names, err := f.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		if s, ok := Parse(name); ok && s.Number == running {
			continue
		}
		if err := f.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

func write(f Files, r io.Reader) error {
	w, err := f.Create(partial)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return f.Settle()
}

func compare(f Files, want [sha256.Size]byte) error {
	r, err := f.Open(partial)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	if [sha256.Size]byte(sum.Sum(nil)) != want {
		return ErrDamaged
	}
	return nil
}

// MarkGood commits the system of that number. That it is already is no error.
func MarkGood(f Files, number int) error { return mark(f, number, false) }

// GiveUp has another system be started than the one of that number, for as long
// as there is any.
func GiveUp(f Files, number int) error { return mark(f, number, true) }

func mark(f Files, number int, bad bool) error {
	s, err := find(f, number)
	if err != nil {
		return err
	}
	to := s
	to.Counted, to.Left = bad, 0
	if to.file() == s.name {
		return nil
	}
	if err := f.Rename(s.name, to.file()); err != nil {
		return err
	}
	return f.Settle()
}
