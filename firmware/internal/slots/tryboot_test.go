package slots

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// cutDisk is a partition that may lose what did not settle, sector by sector.
type cutDisk struct {
	now, settled []byte
	until        *int // operations before the power cut
	one          bool // at most one sector at a time is written to
}

func (d *cutDisk) step() error {
	if *d.until--; *d.until < 0 {
		return errCut
	}
	return nil
}

func (d *cutDisk) ReadAt(b []byte, at int64) (int, error) {
	return bytes.NewReader(d.now).ReadAt(b, at)
}
func (d *cutDisk) Size() (int64, error) { return int64(len(d.now)), nil }

func (d *cutDisk) WriteAt(b []byte, at int64) (int, error) {
	if err := d.step(); err != nil {
		return 0, err
	}
	if d.one && (len(b) > fatSector || at%fatSector+int64(len(b)) > fatSector) {
		return 0, fmt.Errorf("%d octets at %d are more than a sector", len(b), at)
	}
	return copy(d.now[at:], b), nil
}

func (d *cutDisk) Settle() error {
	if err := d.step(); err != nil {
		return err
	}
	d.settled = bytes.Clone(d.now)
	return nil
}

// after is what a power cut leaves: of each sector that has changed since all had settled
// what was there before or what is there now, or, if torn is set, nothing that makes sense.
func (d *cutDisk) after(r *rand.Rand, torn bool) *cutDisk {
	until := 1 << 30
	out := &cutDisk{now: bytes.Clone(d.settled), until: &until, one: d.one}
	for at := 0; at < len(d.now); at += fatSector {
		end := min(at+fatSector, len(d.now))
		if bytes.Equal(d.now[at:end], d.settled[at:end]) {
			continue
		}
		switch n := r.IntN(3); {
		case n == 0:
			copy(out.now[at:end], d.now[at:end])
		case n == 1 && torn:
			for i := at; i < end; i++ {
				out.now[i] = byte(r.Uint32())
			}
		}
	}
	out.settled = bytes.Clone(out.now)
	return out
}

// smallFAT makes by hand a FAT32 of some sectors, which has the two files.
func smallFAT(text []byte) []byte {
	const reserved, table, clusters = 4, 1, 8
	b := make([]byte, (reserved+table+clusters)*fatSector)
	le := binary.LittleEndian
	le.PutUint16(b[11:], fatSector)
	b[13], b[16] = 1, 1
	le.PutUint16(b[14:], reserved)
	le.PutUint32(b[32:], reserved+table+clusters)
	le.PutUint32(b[36:], table)
	le.PutUint32(b[44:], 2)
	b[510], b[511] = 0x55, 0xaa
	chain := b[reserved*fatSector:]
	for _, c := range []struct{ cluster, next uint32 }{{2, 3}, {3, fatEnd}, {4, fatEnd}, {6, fatEnd}} {
		le.PutUint32(chain[c.cluster*4:], c.next)
	}
	data := b[(reserved+table)*fatSector:]
	entry := func(at int, name string, cluster uint32) {
		e := data[at:]
		copy(e, name+" ") // and what it is: a file
		le.PutUint16(e[20:], uint16(cluster>>16))
		le.PutUint16(e[26:], uint16(cluster))
		le.PutUint32(e[28:], autobootSize)
		copy(data[(cluster-2)*fatSector:], text)
	}
	for at := 0; at < fatSector; at += fatEntry {
		copy(data[at:], "LONG NAME  \x0f")
	}
	entry(fatSector-fatEntry, "AUTOBOOTTXT", 4)
	entry(fatSector, "AUTOBOOTBAK", 6)
	return b
}

// tryDisks are a machine with systems 1 and 2, of which the second runs.
func tryDisks(t *testing.T, until *int, more ...kept) TryBoot {
	t.Helper()
	all := append([]kept{{Slot{Number: 1, Version: "v1"}, 2}, {Slot{Number: 2, Version: "v1"}, 3}}, more...)
	disk := func(b []byte, one bool) *cutDisk {
		return &cutDisk{now: b, settled: bytes.Clone(b), until: until, one: one}
	}
	slot := func(text string) *cutDisk { return disk(append([]byte(text), make([]byte, 3000)...), false) }
	return TryBoot{Boot: disk(smallFAT(formatAutoboot(all)), true), Slots: map[int]Disk{2: slot("one."), 3: slot("two.")}}
}

func (t TryBoot) after(r *rand.Rand, torn bool) TryBoot {
	out := TryBoot{Boot: t.Boot.(*cutDisk).after(r, torn), Slots: map[int]Disk{}}
	for n, d := range t.Slots {
		out.Slots[n] = d.(*cutDisk).after(r, torn)
	}
	return out
}

// starts is the content of what the boot loader starts. It reads autoboot.txt where the
// small FAT has it, by nothing of what is tested.
func (t TryBoot) starts(try bool) string {
	text := t.Boot.(*cutDisk).now[7*fatSector:][:autobootSize]
	partition, section := 1, ""
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "[") {
			section = strings.TrimSpace(line)
		}
		if section == "[all]" || section == "[tryboot]" && try {
			_, _ = fmt.Sscanf(line, "boot_partition=%d\n", &partition)
		}
	}
	if partition == 1 {
		return "factory"
	}
	b := t.Slots[partition].(*cutDisk).now
	return string(b[:bytes.IndexByte(b, '.')+1])
}

// TestTryBootPowerCut cuts the power before each write of an update, of a commit and of giving
// up, loses any of what had not settled, and looks what is started: a whole system, and
// the running one until the new one is committed. A disk that tears a sector leaves at worst the factory system,
// which then puts right what is started.
func TestTryBootPowerCut(t *testing.T) {
	const whole = "the new system."
	r := rand.New(rand.NewPCG(1, 2))
	onTrial := kept{Slot{Number: 3, Version: "v2", Counted: true, Done: 1}, 2}
	for name, c := range map[string]struct {
		act  func(m TryBoot) error
		more bool // system 3 is there, in the place of the first
		want []string
	}{
		"install": {func(m TryBoot) error {
			_, err := m.Install(2, "v2", sha256.Sum256([]byte(whole)), strings.NewReader(whole))
			return err
		}, false, []string{"two."}},
		"commit":  {func(m TryBoot) error { return m.MarkGood(3) }, true, []string{"two.", whole}},
		"give up": {func(m TryBoot) error { return m.GiveUp(3) }, true, []string{"two."}},
	} {
		for _, torn := range []bool{false, true} {
			for cut, done := 0, false; !done; cut++ {
				for range 10 {
					until := 1 << 30
					m := tryDisks(t, &until)
					if c.more {
						m.Slots[2] = &cutDisk{now: append([]byte(whole), make([]byte, 3000)...), settled: append([]byte(whole), make([]byte, 3000)...), until: &until}
						if err := m.write([]kept{{Slot{Number: 2, Version: "v1"}, 3}, onTrial}); err != nil {
							t.Fatal(err)
						}
					}
					until = cut
					err := c.act(m)
					done = err == nil
					if err != nil && !errors.Is(err, errCut) {
						t.Fatal(err)
					}
					m = m.after(r, torn)
					got := m.starts(false)
					if got == "factory" && torn {
						if _, err := m.Repair(); err != nil {
							t.Fatal(err)
						}
						got = m.starts(false)
					}
					if !contains(c.want, got) {
						t.Fatalf("%s, power cut after %d operations, torn %v: started %q", name, cut, torn, got)
					}
					if got := m.starts(true); name == "install" && done && got != whole {
						t.Fatalf("to be tried: %q", got)
					}
					// And the next update works.
					if got == "two." {
						if _, err := m.Install(2, "v3", sha256.Sum256([]byte("next.")), strings.NewReader("next.")); err != nil && !errors.Is(err, ErrTrial) {
							t.Fatalf("%s, power cut after %d operations, next update: %v", name, cut, err)
						}
						if tried, now := m.starts(true), m.starts(false); tried != "next." || now != "two." {
							t.Fatalf("next update: tried is %q, started %q", tried, now)
						}
					}
				}
				if cut > 100 {
					t.Fatal("no end")
				}
			}
		}
	}
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

// What the boot loader is given is what its documentation has as an example.
func TestAutoboot(t *testing.T) {
	text := string(formatAutoboot([]kept{{Slot{Number: 11, Version: "v1.1.0"}, 2}, {Slot{Number: 12, Version: "v1.2.0", Counted: true, Left: 1}, 3}}))
	want := "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n[none]\n# 2 11 v1.1.0 false 0 0\n# 3 12 v1.2.0 true 1 0\n# "
	if !strings.HasPrefix(text, want) || len(text) != autobootSize {
		t.Errorf("%q", text)
	}
	long := strings.Repeat("v", 48)
	most := []kept{{Slot{Number: 999999998, Version: long, Counted: true, Left: 1, Done: 1}, 2}, {Slot{Number: 999999999, Version: long, Counted: true, Left: 1, Done: 1}, 3}}
	if text := formatAutoboot(most); len(text) != autobootSize {
		t.Errorf("%d octets", len(text))
	}
	if all, ok := parseAutoboot(formatAutoboot(most)); !ok || len(all) != 2 || all[1] != most[1] {
		t.Errorf("%+v, %v", all, ok)
	}
}

func FuzzParseAutoboot(f *testing.F) {
	f.Add(formatAutoboot(nil))
	f.Add(formatAutoboot([]kept{{Slot{Number: 11, Version: "v1.1.0"}, 2}, {Slot{Number: 12, Version: "v1.2.0", Counted: true, Left: 1}, 3}}))
	f.Add([]byte("[all]\ntryboot_a_b=1\nboot_partition=1\n"))
	f.Add([]byte("# 2 1 v true 99999999999 0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, ok := parseAutoboot(text)
		if !ok {
			return
		}
		if len(text) != autobootSize || !bytes.Equal(formatAutoboot(all), text) {
			t.Errorf("%q is not what is written: %+v", text, all)
		}
	})
}

func FuzzFindFile(f *testing.F) {
	f.Add(smallFAT([]byte("text")))
	f.Add(make([]byte, 2*fatSector))
	loop := smallFAT(nil)
	binary.LittleEndian.PutUint32(loop[4*fatSector+3*4:], 2)
	f.Add(loop)
	f.Fuzz(func(t *testing.T, b []byte) {
		at, err := findFile(bytes.NewReader(b), "AUTOBOOTTXT", autobootSize)
		if err == nil && at < fatSector {
			t.Errorf("at %d", at)
		}
	})
}

func TestFindFile(t *testing.T) {
	b := smallFAT([]byte("text"))
	for name, want := range map[string]int64{"AUTOBOOTTXT": 7 * fatSector, "AUTOBOOTBAK": 9 * fatSector, "LONG NAME  ": 0, "HEPTAP  CON": 0} {
		if at, err := findFile(bytes.NewReader(b), name, autobootSize); at != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", name, at, err)
		}
	}
	if _, err := findFile(bytes.NewReader(b), "AUTOBOOTTXT", 512); err == nil {
		t.Error("a file of another size")
	}
	if _, err := findFile(bytes.NewReader(b[:6*fatSector]), "AUTOBOOTBAK", autobootSize); !errors.Is(err, io.EOF) {
		t.Errorf("half of a FAT: %v", err)
	}
}
