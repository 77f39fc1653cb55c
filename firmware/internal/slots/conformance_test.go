package slots_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"

	"heptap/firmware/internal/slots"
)

// factorySystem is what a machine starts when there is nothing else.
const factorySystem = "factory"

// machine has a boot loader.
type machine interface {
	Loader() slots.Loader
	// Restart ends the running system in order and Reset does not. They return what
	// the boot loader starts then: the content of the system, and its number.
	Restart(t *testing.T, running int) (system string, number int)
	Reset(t *testing.T) (system string, number int)
}

// install installs a system of that content.
func install(l slots.Loader, running int, system string) (slots.Slot, error) {
	n := len(system) / 3
	r := io.MultiReader(strings.NewReader(system[:n]), strings.NewReader(system[n:2*n]), strings.NewReader(system[2*n:]))
	return l.Install(running, "v2", sha256.Sum256([]byte(system)), r)
}

// conforms holds every boot loader that heptap knows to the same. fresh makes a machine as its
// image brings it.
func conforms(t *testing.T, fresh func(t *testing.T) machine) {
	t.Run("life", func(t *testing.T) { life(t, fresh(t)) })
	t.Run("a trial that fails", func(t *testing.T) { fails(t, fresh(t)) })
	t.Run("given up on trial", func(t *testing.T) { givenUp(t, fresh(t)) })
	t.Run("refused", func(t *testing.T) { refused(t, fresh(t)) })
	t.Run("not there", func(t *testing.T) { notThere(t, fresh(t)) })
}

// starts says what must have been started.
func starts(t *testing.T, system string, number int, want string, wantNumber int) {
	t.Helper()
	if system != want || number != wantNumber {
		t.Fatalf("started %q, system %d; want %q, system %d", system, number, want, wantNumber)
	}
}

// update installs a system, has it started, and commits it.
func update(t *testing.T, m machine, running int, system string) int {
	t.Helper()
	s, err := install(m.Loader(), running, system)
	if err != nil {
		t.Fatal(err)
	}
	if s.Number <= running || s.State(false) != "new" || s.Version != "v2" {
		t.Fatalf("installed %+v", s)
	}
	got, number := m.Restart(t, running)
	starts(t, got, number, system, s.Number)
	if err := m.Loader().MarkGood(number); err != nil {
		t.Fatal(err)
	}
	return number
}

// life is good updates, which are then given up one after the other.
func life(t *testing.T, m machine) {
	got, n := m.Reset(t)
	starts(t, got, n, factorySystem, slots.Factory)
	n = update(t, m, slots.Factory, "one.")
	n = update(t, m, n, "two.")
	n = update(t, m, n, "three.")
	if err := m.Loader().MarkGood(n); err != nil {
		t.Errorf("committed again: %v", err)
	}
	got, n = m.Reset(t)
	starts(t, got, n, "three.", 3)
	all, err := m.Loader().List()
	if err != nil || len(all) != 2 || all[0].Number != 3 || all[1].Number != 2 || all[0].State(true) != "committed" || all[1].State(false) != "committed" {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, want := range []string{"two.", factorySystem} {
		if err := m.Loader().GiveUp(n); err != nil {
			t.Fatal(err)
		}
		got, n = m.Restart(t, n)
		starts(t, got, n, want, map[string]int{"two.": 2}[want])
		if again, number := m.Reset(t); again != got || number != n {
			t.Fatalf("another one after a reset: %q, %d", again, number)
		}
	}
	// What was given up makes place for the next one.
	if s, err := install(m.Loader(), slots.Factory, "four."); err != nil || s.Number != 4 {
		t.Errorf("%+v, %v", s, err)
	}
	if all, err := m.Loader().List(); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

// fails has a new system end again and again, until the one before is back by itself.
func fails(t *testing.T, m machine) {
	n := update(t, m, slots.Factory, "good.")
	if _, err := install(m.Loader(), n, "bad."); err != nil {
		t.Fatal(err)
	}
	got, n := m.Restart(t, n)
	starts(t, got, n, "bad.", 2)
	all, err := m.Loader().List()
	if _, ierr := install(m.Loader(), n, "x."); err != nil || len(all) != 2 || !strings.HasPrefix(state(all, n), "on trial") || !errors.Is(ierr, slots.ErrTrial) {
		t.Fatalf("on trial: %+v, %v; an update of it: %v", all, err, ierr)
	}
	for range 3 {
		got, n = m.Reset(t)
	}
	starts(t, got, n, "good.", 1)
	got, n = m.Restart(t, n)
	starts(t, got, n, "good.", 1)
	if all, err := m.Loader().List(); err != nil || len(all) != 2 || all[1].Number != 2 || all[1].State(false) != "given up" {
		t.Errorf("%+v, %v", all, err)
	}
	update(t, m, n, "better.")
}

func state(all []slots.Slot, running int) string {
	for _, s := range all {
		if s.Number == running {
			return s.State(true)
		}
	}
	return ""
}

// givenUp is a system that gives itself up.
func givenUp(t *testing.T, m machine) {
	n := update(t, m, slots.Factory, "good.")
	if _, err := install(m.Loader(), n, "bad."); err != nil {
		t.Fatal(err)
	}
	got, n := m.Restart(t, n)
	starts(t, got, n, "bad.", 2)
	if err := m.Loader().GiveUp(n); err != nil {
		t.Fatal(err)
	}
	got, n = m.Restart(t, n)
	starts(t, got, n, "good.", 1)
}

// refused is what is not whole: nothing of it is ever started.
func refused(t *testing.T, m machine) {
	n := update(t, m, slots.Factory, "good.")
	broken := errors.New("broken")
	sum := sha256.Sum256([]byte("new."))
	for what, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"it ends in an error":  {io.MultiReader(strings.NewReader("new."), &failing{broken}), broken},
		"not what was signed":  {strings.NewReader("old."), slots.ErrDamaged},
		"less than was signed": {strings.NewReader("new"), slots.ErrDamaged},
	} {
		if _, err := m.Loader().Install(n, "v2", sum, c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if all, err := m.Loader().List(); err != nil || len(all) != 1 || all[0].Number != n {
			t.Errorf("%s: left %+v, %v", what, all, err)
		}
		got, number := m.Restart(t, n)
		starts(t, got, number, "good.", n)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// notThere is a system that is not there.
func notThere(t *testing.T, m machine) {
	for what, err := range map[string]error{"committed": m.Loader().MarkGood(9), "given up": m.Loader().GiveUp(9)} {
		if err == nil {
			t.Errorf("a system that is not there was %s", what)
		}
	}
}
