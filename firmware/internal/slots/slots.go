package slots

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Factory is the number that stands for the factory system.
const Factory = 0

// Slot is a system that an update has brought.
type Slot struct {
	Number  int
	Version string
	Counted bool // not committed
	Left    int  // starts, if Counted
	Done    int
}

// Loader is what heptap needs of a boot loader, and of the place where it keeps systems.
// What a method has done is on the disk when it returns, and a power cut before leaves
// a system that starts.
type Loader interface {
	// List returns the systems in the order in which they are started, without the
	// factory system.
	List() ([]Slot, error)
	// Install writes a new system of that version and SHA-256 from r, whose error at
	// the end, if it is not io.EOF, is that it is not to be installed. running is the
	// number of the system that runs, the one that is kept.
	Install(running int, version string, sum [sha256.Size]byte, r io.Reader) (Slot, error)
	// MarkGood commits the system of that number. That it is already is no error.
	MarkGood(number int) error
	// GiveUp has another system be started than the one of that number, for as long
	// as there is any.
	GiveUp(number int) error
}

// What an update may be refused for.
var (
	ErrTrial   = errors.New("the system that runs is on trial itself; wait until it is committed, or: upgrade keep")
	ErrDamaged = errors.New("the disk does not keep what was written to it")
	ErrTooLong = errors.New("the system in the update is larger than a slot")
)

// State is where it stands, in words. runs says that it is the one that runs.
func (s Slot) State(runs bool) string {
	switch {
	case !s.Counted:
		return "committed"
	case runs && s.GivenUp():
		return "on trial, the last start"
	case s.GivenUp():
		return "given up"
	case s.Done == 0:
		return "new"
	}
	return fmt.Sprintf("on trial, %d more starts", s.Left)
}

// GivenUp says that it is started only when there is no other.
func (s Slot) GivenUp() bool { return s.Counted && s.Left == 0 }

// order puts the one that is started first in front: the highest number, those that
// were given up behind all others.
func order(all []Slot) {
	slices.SortFunc(all, func(a, b Slot) int {
		if ga, gb := a.GivenUp(), b.GivenUp(); ga != gb {
			if ga {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.Number, a.Number)
	})
}

// find returns the system of that number.
func find(all []Slot, number int) (Slot, error) {
	for _, s := range all {
		if s.Number == number {
			return s, nil
		}
	}
	return Slot{}, fmt.Errorf("no system of number %d among %d", number, len(all))
}

// next is a new system beside those that there are.
func next(all []Slot, running int, version string, tries int) (Slot, error) {
	s := Slot{Number: running, Version: version, Counted: true, Left: tries}
	for _, o := range all {
		if o.Number == running && o.Counted {
			return Slot{}, ErrTrial
		}
		s.Number = max(s.Number, o.Number)
	}
	s.Number++
	return s, nil
}

// marked is a system that was committed, or given up.
func marked(s Slot, bad bool) Slot {
	s.Counted, s.Left = bad, 0
	if !bad {
		s.Done = 0
	}
	return s
}

// compare reads what was written.
func compare(r io.Reader, want [sha256.Size]byte) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return err
	}
	if [sha256.Size]byte(sum.Sum(nil)) != want {
		return ErrDamaged
	}
	return nil
}
