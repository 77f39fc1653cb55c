package slots_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"heptap/firmware/internal/slots"
)

// tools says whether this machine can make and read FATs.
func tools(t *testing.T) {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	for _, tool := range []string{"mkfs.vfat", "mcopy", "mren", "mdel", "mdir"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

func run(name string, args ...string) ([]byte, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %q: %w: %s", name, args, err, out)
	}
	return out, err
}

// newFAT makes a FAT32 of the smallest size, in a file.
func newFAT(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fat")
	f, err := os.Create(name)
	if err == nil {
		err = errors.Join(f.Truncate(40<<20), f.Close())
	}
	if err == nil {
		_, err = run("mkfs.vfat", "--invariant", "-F", "32", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestEntriesInMemory(t *testing.T) {
	conforms(t, func(*testing.T) machine { return &bootMachine{files: memory{}} })
}

func TestEntriesOnFAT(t *testing.T) {
	tools(t)
	conforms(t, func(t *testing.T) machine { return &bootMachine{files: mtools(newFAT(t))} })
}

func TestTryBootOnFAT(t *testing.T) {
	tools(t)
	conforms(t, func(t *testing.T) machine { return newTryMachine(t) })
}

// bootMachine starts by systemd-boot.
type bootMachine struct{ files slots.Files }

func (m *bootMachine) Loader() slots.Loader                            { return slots.Entries{Files: m.files} }
func (m *bootMachine) Restart(t *testing.T, running int) (string, int) { return m.Reset(t) }

// Reset is what systemd-boot does (systemd-boot(7)), written down by itself.
func (m *bootMachine) Reset(t *testing.T) (string, int) {
	t.Helper()
	names, err := m.files.List()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	best := ""
	for _, name := range names {
		s, ok := slots.ParseEntry(name)
		if b, some := slots.ParseEntry(best); ok && !s.GivenUp() && (!some || s.Number > b.Number) {
			best = name
		}
	}
	s, ok := slots.ParseEntry(best)
	if !ok {
		return factorySystem, slots.Factory
	}
	r, err := m.files.Open(best)
	if err != nil {
		t.Fatal(err)
	}
	system, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if s.Counted {
		to := fmt.Sprintf("heptap_%d_%s+%d-%d.efi", s.Number, s.Version, s.Left-1, s.Done+1)
		if err := m.files.Rename(best, to); err != nil {
			t.Fatal(err)
		}
	}
	return string(system), s.Number
}

// memory is a fake of a partition.
type memory map[string]string

func (m memory) List() ([]string, error) { return slices.Sorted(maps.Keys(m)), nil }
func (m memory) Create(name string) (io.WriteCloser, error) {
	m[name] = ""
	return &memoryFile{m: m, name: name}, nil
}
func (m memory) Open(name string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(m[name])), nil
}
func (m memory) Remove(name string) error { delete(m, name); return nil }
func (m memory) Settle() error            { return nil }
func (m memory) Rename(from, to string) error {
	text, ok := m[from]
	if !ok {
		return os.ErrNotExist
	}
	delete(m, from)
	m[to] = text
	return nil
}

type memoryFile struct {
	m    memory
	name string
}

func (f *memoryFile) Write(b []byte) (int, error) { f.m[f.name] += string(b); return len(b), nil }
func (f *memoryFile) Close() error                { return nil }

// mtools is a FAT in a file, which it names.
type mtools string

func (m mtools) List() ([]string, error) {
	out, err := run("mdir", "-i", string(m), "-b", "::")
	if err != nil && !strings.Contains(string(out), "File \"*\" not found") {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "::/"); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

func (m mtools) Create(name string) (io.WriteCloser, error) {
	return &mtoolsFile{fat: string(m), name: name}, nil
}

func (m mtools) Open(name string) (io.ReadCloser, error) {
	out, err := run("mcopy", "-i", string(m), "::"+name, "-")
	return io.NopCloser(bytes.NewReader(out)), err
}

func (m mtools) Rename(from, to string) error {
	_, err := run("mren", "-i", string(m), "::"+from, "::"+to)
	return err
}

func (m mtools) Remove(name string) error {
	_, err := run("mdel", "-i", string(m), "::"+name)
	return err
}

func (m mtools) Settle() error { return nil }

type mtoolsFile struct {
	bytes.Buffer
	fat, name string
}

func (f *mtoolsFile) Close() error {
	tmp, err := os.CreateTemp(filepath.Dir(f.fat), "")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(f.Bytes())
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	_, err = run("mcopy", "-o", "-i", f.fat, tmp.Name(), "::"+f.name)
	return err
}

// tryMachine starts as a Raspberry Pi does.
type tryMachine struct {
	boot string // file of the first partition
	slots.TryBoot
}

// fileDisk is a partition in a file.
type fileDisk struct{ *os.File }

func (d fileDisk) Size() (int64, error) {
	info, err := d.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
func (d fileDisk) Settle() error { return d.Sync() }

func openDisk(t *testing.T, name string) fileDisk {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return fileDisk{f}
}

// fresh is autoboot.txt as scripts/image makes it.
const fresh = "[all]\ntryboot_a_b=1\nboot_partition=1\n"

func newTryMachine(t *testing.T) *tryMachine {
	t.Helper()
	m := &tryMachine{boot: newFAT(t)}
	dir := t.TempDir()
	text := filepath.Join(dir, "autoboot.txt")
	if err := os.WriteFile(text, fmt.Appendf(nil, "%s%-442s\n", fresh, "#"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"autoboot.txt", "autoboot.bak"} {
		if _, err := run("mcopy", "-i", m.boot, text, "::"+name); err != nil {
			t.Fatal(err)
		}
	}
	m.Boot = openDisk(t, m.boot)
	m.Slots = map[int]slots.Disk{}
	for _, n := range []int{2, 3} {
		d := openDisk(t, filepath.Join(dir, fmt.Sprint(n)))
		if err := d.Truncate(4096); err != nil {
			t.Fatal(err)
		}
		m.Slots[n] = d
	}
	return m
}

func (m *tryMachine) Loader() slots.Loader { return m.TryBoot }

// Restart is what PID 1 does, and then the boot loader.
func (m *tryMachine) Restart(t *testing.T, running int) (string, int) {
	t.Helper()
	number, try, err := m.Next(running)
	if err == nil && try {
		err = m.Tried(number)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m.start(t, try)
}

func (m *tryMachine) Reset(t *testing.T) (string, int) {
	t.Helper()
	return m.start(t, false)
}

func (m *tryMachine) start(t *testing.T, try bool) (string, int) {
	t.Helper()
	text, err := run("mcopy", "-i", m.boot, "::autoboot.txt", "-")
	if err != nil {
		t.Fatal(err)
	}
	partition := bootPartition(string(text), try)
	number, err := m.On(partition)
	if err != nil {
		t.Fatal(err)
	}
	if partition == 1 {
		return factorySystem, number
	}
	b := make([]byte, 100)
	if _, err := m.Slots[partition].ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return string(b[:bytes.IndexByte(b, '.')+1]), number
}

// bootPartition is what the boot loader makes of autoboot.txt, by Raspberry Pi's documentation
// of that file: at most 512 octets, the sections [all], [none] and [tryboot].
func bootPartition(text string, try bool) int {
	section, partition := "[all]", 1
	if len(text) > 512 {
		return partition
	}
	ab := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		if section != "[all]" && (section != "[tryboot]" || !try) {
			continue
		}
		_, _ = fmt.Sscanf(line, "boot_partition=%d", &partition)
		ab = ab || line == "tryboot_a_b=1"
	}
	if try && !ab { // then the name of another file would be meant
		return 1
	}
	return partition
}

// A system that a slot has no room for is not installed.
func TestTooLarge(t *testing.T) {
	tools(t)
	m := newTryMachine(t)
	if _, err := install(m, 0, strings.Repeat("x", 4096)); err != nil {
		t.Errorf("one that fits: %v", err)
	}
	if _, err := install(m, 0, strings.Repeat("x", 4097)); !errors.Is(err, slots.ErrTooLong) {
		t.Errorf("%v", err)
	}
	if all, err := m.List(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

// TestRepair damages autoboot.txt, its copy, and both.
func TestRepair(t *testing.T) {
	tools(t)
	m := newTryMachine(t)
	if repaired, err := m.Repair(); repaired || err != nil {
		t.Fatalf("as the image brings it: %v, %v", repaired, err)
	}
	if _, err := install(m, 0, "one."); err != nil {
		t.Fatal(err)
	}
	if err := m.MarkGood(1); err != nil {
		t.Fatal(err)
	}
	spoil := func(name string) {
		t.Helper()
		text, err := run("mcopy", "-i", m.boot, "::"+name, "-")
		if err != nil {
			t.Fatal(err)
		}
		all, err := os.ReadFile(m.boot)
		if err != nil {
			t.Fatal(err)
		}
		first, last := bytes.Index(all, text), bytes.LastIndex(all, text)
		at := map[string]int{"autoboot.txt": first, "autoboot.bak": last}[name]
		if _, err := m.Boot.WriteAt(make([]byte, 480), int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	spoil("autoboot.txt")
	if got, n := m.Reset(t); got != factorySystem || n != 0 {
		t.Fatalf("started %q, %d", got, n)
	}
	if repaired, err := m.Repair(); !repaired || err != nil {
		t.Fatalf("%v, %v", repaired, err)
	}
	if got, n := m.Reset(t); got != "one." || n != 1 {
		t.Fatalf("started %q, %d", got, n)
	}
	spoil("autoboot.bak")
	if repaired, err := m.Repair(); repaired || err != nil {
		t.Fatalf("%v, %v", repaired, err)
	}
	if got, n := m.Reset(t); got != "one." || n != 1 {
		t.Fatalf("started %q, %d", got, n)
	}
	spoil("autoboot.txt")
	if all, err := m.List(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if got, n := m.Reset(t); got != factorySystem || n != 0 {
		t.Fatalf("started %q, %d", got, n)
	}
}
