package slots

import (
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var errCut = errors.New("power cut")

// disk is a partition that may lose what did not settle.
type disk struct {
	files, settled map[string]string
	until          int // operations before the power cut
	bad            bool
}

func newDisk(names ...string) *disk {
	d := &disk{files: map[string]string{}, until: 1 << 30}
	for _, n := range names {
		d.files[n] = "system of " + n
	}
	d.settled = maps.Clone(d.files)
	return d
}

func (d *disk) step() error {
	if d.until--; d.until < 0 {
		return errCut
	}
	return nil
}

func (d *disk) List() ([]string, error) { return slices.Sorted(maps.Keys(d.files)), nil }

type file struct {
	d    *disk
	name string
}

func (f file) Write(b []byte) (int, error) {
	if err := f.d.step(); err != nil {
		return 0, err
	}
	f.d.files[f.name] += string(b)
	return len(b), nil
}
func (f file) Close() error { return f.d.step() }

func (d *disk) Create(name string) (io.WriteCloser, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	d.files[name] = ""
	return file{d, name}, nil
}

func (d *disk) Open(name string) (io.ReadCloser, error) {
	text := d.files[name]
	if d.bad {
		text = strings.Replace(text, "n", "m", 1)
	}
	return io.NopCloser(strings.NewReader(text)), d.step()
}

func (d *disk) Rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.files[to] = d.files[from]
	delete(d.files, from)
	return nil
}

func (d *disk) Remove(name string) error {
	if err := d.step(); err != nil {
		return err
	}
	delete(d.files, name)
	return nil
}

func (d *disk) Settle() error {
	if err := d.step(); err != nil {
		return err
	}
	d.settled = maps.Clone(d.files)
	return nil
}

// after is what a power cut leaves: of each name that has changed since all had
// settled, what was there before or what is there now, or the beginning of it.
func (d *disk) after(r *rand.Rand) *disk {
	out := &disk{files: maps.Clone(d.settled), until: 1 << 30}
	for _, names := range []map[string]string{d.files, d.settled} {
		for name := range names {
			is, ok := d.files[name]
			was, before := d.settled[name]
			if is == was && ok == before {
				continue
			}
			switch r.IntN(3) {
			case 0:
			case 1:
				if delete(out.files, name); ok {
					out.files[name] = is
				}
			case 2:
				if ok && name == partial {
					out.files[name] = is[:r.IntN(len(is)+1)]
				} else if !ok {
					delete(out.files, name)
				}
			}
		}
	}
	out.settled = maps.Clone(out.files)
	return out
}

// boot is what systemd-boot does (systemd-boot(7)), written down by itself: it returns
// what it starts, and has counted the start.
func (d *disk) boot() (system string, number int) {
	best, left := "", -1
	for name := range d.files {
		s, ok := ParseEntry(name)
		if !ok || s.Counted && s.Left == 0 {
			continue
		}
		if b, ok := ParseEntry(best); !ok || s.Number > b.Number {
			best, left = name, s.Left
			if !s.Counted {
				left = -1
			}
		}
	}
	if best == "" {
		return "factory", Factory
	}
	s, _ := ParseEntry(best)
	system = d.files[best]
	if left > 0 {
		s.Left, s.Done = s.Left-1, s.Done+1
		delete(d.files, best)
		d.files[entry(s)] = system
	}
	return system, s.Number
}

func install(d *disk, running int, system string) (Slot, error) {
	return (Entries{d}).Install(running, "v2", sha256.Sum256([]byte(system)), pieces(system))
}

// pieces reads a text in three pieces.
func pieces(text string) io.Reader {
	n := len(text) / 3
	return io.MultiReader(strings.NewReader(text[:n]), strings.NewReader(text[n:2*n]), strings.NewReader(text[2*n:]))
}

func TestParseEntry(t *testing.T) {
	for name, want := range map[string]Slot{
		"heptap_12_v1.2.0+3.efi":         {Number: 12, Version: "v1.2.0", Counted: true, Left: 3},
		"heptap_12_v1.2.0-4-gab+2-1.efi": {Number: 12, Version: "v1.2.0-4-gab", Counted: true, Left: 2, Done: 1},
		"heptap_1_v1.efi":                {Number: 1, Version: "v1"},
		"heptap_1_v1+0-3.efi":            {Number: 1, Version: "v1", Counted: true, Done: 3},
	} {
		if got, ok := ParseEntry(name); !ok || got != want {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"heptap_factory.efi", "heptap_0_v1.efi", "heptap_1_.efi", "heptap_1_v1+.efi", "heptap.part", "heptap_9999999999_v1.efi", "x"} {
		if s, ok := ParseEntry(name); ok {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// A good update, from the factory system on, twice; then one that is given up.
func TestLife(t *testing.T) {
	d := newDisk()
	for _, step := range []struct {
		running int
		system  string
	}{{Factory, "one"}, {1, "two"}, {2, "three"}} {
		s, err := install(d, step.running, step.system)
		if err != nil || s.Number != step.running+1 {
			t.Fatalf("%+v, %v", s, err)
		}
		if system, n := d.boot(); system != step.system || n != s.Number {
			t.Fatalf("started %q, %d", system, n)
		}
		if _, err := install(d, s.Number, "x"); !errors.Is(err, ErrTrial) {
			t.Errorf("an update of a system on trial: %v", err)
		}
		if err := (Entries{d}).MarkGood(s.Number); err != nil {
			t.Fatal(err)
		}
	}
	if names, _ := d.List(); !slices.Equal(names, []string{"heptap_2_v2.efi", "heptap_3_v2.efi"}) {
		t.Errorf("left: %q", names)
	}
	for _, want := range []string{"three", "two", "factory"} { // the committed ones give way, one after the other
		system, n := d.boot()
		if system != want {
			t.Errorf("started %q, want %q", system, want)
		}
		if n != Factory {
			if err := (Entries{d}).GiveUp(n); err != nil {
				t.Error(err)
			}
		}
	}
	if err := (Entries{d}).GiveUp(9); err == nil {
		t.Error("a system that is not there was given up")
	}
	// What was given up makes place for the next one.
	if s, err := install(d, Factory, "four"); err != nil || s.Number != 4 || len(d.files) != 1 {
		t.Errorf("%+v, %v, %v", s, err, d.files)
	}
}

// One that never says it is good has three starts.
func TestTries(t *testing.T) {
	d := newDisk("heptap_1_v1.efi")
	if _, err := install(d, 1, "bad"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 5 {
		system, _ := d.boot()
		got = append(got, system)
	}
	if want := []string{"bad", "bad", "bad", "system of heptap_1_v1.efi", "system of heptap_1_v1.efi"}; !slices.Equal(got, want) {
		t.Errorf("started %q", got)
	}
	all, err := (Entries{d}).List()
	if err != nil || len(all) != 2 || all[0].State(false) != "committed" || all[1].State(false) != "given up" {
		t.Errorf("%+v, %v", all, err)
	}
}

// Nothing that is not whole gets a name that is started.
func TestRefused(t *testing.T) {
	broken := errors.New("broken")
	sum := sha256.Sum256([]byte("new"))
	for _, c := range []struct {
		name string
		r    io.Reader
		bad  bool
		want error
	}{
		{"the update ends in an error", io.MultiReader(strings.NewReader("new"), &failing{broken}), false, broken},
		{"not what was signed", strings.NewReader("old"), false, ErrDamaged},
		{"the disk is bad", strings.NewReader("new"), true, ErrDamaged},
	} {
		d := newDisk("heptap_1_v1.efi", "heptap.part", "other")
		d.bad = c.bad
		if _, err := (Entries{d}).Install(1, "v2", sum, c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if names, _ := d.List(); !slices.Equal(names, []string{"heptap_1_v1.efi"}) {
			t.Errorf("%s: left %q", c.name, names)
		}
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// TestPowerCut cuts the power before each operation of an update, of a commit and of
// giving up, loses any of what had not settled, and looks what is started: a whole
// system, and the running one until the new one is complete.
func TestPowerCut(t *testing.T) {
	const whole = "the new system"
	r := rand.New(rand.NewPCG(1, 2))
	actions := map[string]func(d *disk) error{
		"install": func(d *disk) error { _, err := install(d, 2, whole); return err },
		"commit":  func(d *disk) error { return (Entries{d}).MarkGood(3) },
		"give up": func(d *disk) error { return (Entries{d}).GiveUp(3) },
	}
	for name, act := range actions {
		for cut, done := 0, false; !done; cut++ {
			for range 200 {
				d := newDisk("heptap_1_v1.efi", "heptap_2_v1.efi")
				if name != "install" {
					d.files["heptap_3_v2+2-1.efi"] = whole
					d.settled = maps.Clone(d.files)
				}
				d.until = cut
				err := act(d)
				done = err == nil
				d = d.after(r)
				system, _ := d.boot()
				if system != whole && system != "system of heptap_2_v1.efi" {
					t.Fatalf("%s, power cut after %d operations: started %q of %v", name, cut, system, d.files)
				}
				// And the next update works.
				if _, n := d.boot(); n == 2 {
					if _, err := install(d, 2, "next"); err != nil {
						t.Fatalf("%s, power cut after %d operations, next update: %v", name, cut, err)
					}
					if system, _ := d.boot(); system != "next" {
						t.Fatalf("next update: started %q", system)
					}
				}
			}
			if cut > 100 {
				t.Fatal("no end")
			}
		}
	}
}

// A name that is read and written again is the same, but for zeros in front and a count
// that leaves out how many starts were done.
func FuzzParseEntry(f *testing.F) {
	for _, name := range []string{"heptap_12_v1.2.0+3.efi", "heptap_12_v1.2.0+2-1.efi", "heptap_1_v1.efi", "heptap_1_v1+0-3.efi", "heptap_factory.efi", "heptap_1_+1.efi", "heptap_999999999_a-1.b+9999-0000.efi"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s, ok := ParseEntry(name)
		if !ok {
			return
		}
		if s.Number < 1 || s.Number > 999999999 || s.Version == "" || s.Left > 9999 || s.Done > 9999 || !s.Counted && s.Left+s.Done > 0 {
			t.Errorf("%q: %+v", name, s)
		}
		again, ok := ParseEntry(entry(s))
		if !ok || again != s {
			t.Errorf("%q: %+v, written as %q and read again: %+v", name, s, entry(s), again)
		}
		if strings.ContainsAny(entry(s), "/\\\x00\n") {
			t.Errorf("%q is no file name", entry(s))
		}
	})
}
