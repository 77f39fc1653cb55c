package appliance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const mib = 1 << 20 / blockSize // blocks

// memoryDisk is a disk in memory that fails after so many writes.
type memoryDisk struct {
	b      []byte
	writes int // that still succeed; less than 0: all
}

var errCut = errors.New("the power is cut")

func (d *memoryDisk) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.b).ReadAt(p, off)
}

func (d *memoryDisk) WriteAt(p []byte, off int64) (int, error) {
	if d.writes == 0 {
		return 0, errCut
	}
	d.writes--
	return copy(d.b[off:], p), nil
}

func (d *memoryDisk) Sync() error { return nil }

// sfdisk makes a table as scripts/image does, with another program than ours.
func sfdisk(t testing.TB, mibs int, script string) *memoryDisk {
	t.Helper()
	path, err := exec.LookPath("sfdisk")
	if err != nil {
		if path = "/usr/sbin/sfdisk"; os.Getenv("CI") != "true" {
			if _, err := os.Stat(path); err != nil {
				t.Skip("no sfdisk")
			}
		}
	}
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, make([]byte, mibs<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-q", file)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return &memoryDisk{b: b, writes: -1}
}

// verify has sfdisk look at a disk.
func verify(t *testing.T, d *memoryDisk) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, d.b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sfdisk", "--verify", file)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "LC_ALL=C")
	cmd.Path = "/usr/sbin/sfdisk"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("sfdisk --verify: %v\n%s", err, out)
	}
	return string(out)
}

const imageTable = "label: gpt\nfirst-lba: 2048\n" +
	"start=1MiB, size=1MiB, name=heptap-esp\nstart=2MiB, size=1MiB, name=heptap-slots\nstart=3MiB, size=2MiB, name=heptap-data\n"

func TestGrow(t *testing.T) {
	d := sfdisk(t, 6, imageTable)
	d.b = append(d.b, make([]byte, 10<<20)...) // written onto a larger disk
	blocks := uint64(len(d.b) / blockSize)
	table, err := readTable(d, blocks)
	if err != nil {
		t.Fatal(err)
	}
	want := []partition{{1, "heptap-esp", mib, 2*mib - 1}, {2, "heptap-slots", 2 * mib, 3*mib - 1}, {3, "heptap-data", 3 * mib, 5*mib - 1}}
	if got := table.partitions(); !reflect.DeepEqual(got, want) {
		t.Fatalf("partitions %+v, want %+v", got, want)
	}
	p, changed, err := table.grow(3, blocks)
	if err != nil || !changed || p != (partition{3, "heptap-data", 3 * mib, 15*mib - 1}) {
		t.Fatalf("grown to %+v, changed %v, %v", p, changed, err)
	}
	if err := table.write(d, blocks); err != nil {
		t.Fatal(err)
	}
	if said := verify(t, d); !strings.Contains(said, "No errors detected.") {
		t.Error(said)
	}
	// Again, nothing is to be done.
	if table, err = readTable(d, blocks); err != nil {
		t.Fatal(err)
	}
	if _, changed, err = table.grow(3, blocks); changed || err != nil {
		t.Errorf("grown again: %v, %v", changed, err)
	}
	if _, _, err := table.grow(4, blocks); err == nil {
		t.Error("a partition that is not there was grown")
	}
}

// Only the last partition can grow; the table's second copy moves all the same.
func TestGrowOthersBehind(t *testing.T) {
	d := sfdisk(t, 6, imageTable)
	d.b = append(d.b, make([]byte, 10<<20)...)
	blocks := uint64(len(d.b) / blockSize)
	table, err := readTable(d, blocks)
	if err != nil {
		t.Fatal(err)
	}
	if p, changed, err := table.grow(1, blocks); err != nil || !changed || p.last != 2*mib-1 {
		t.Errorf("partition 1: %+v, changed %v, %v", p, changed, err)
	}
}

func TestTableFromItsCopy(t *testing.T) {
	d := sfdisk(t, 6, imageTable)
	blocks := uint64(len(d.b) / blockSize)
	clear(d.b[:34*blockSize])
	table, err := readTable(d, blocks)
	if err != nil || !table.broken {
		t.Fatalf("broken %v, %v", table.broken, err)
	}
	if _, changed, err := table.grow(3, blocks); !changed || err != nil {
		t.Fatalf("changed %v, %v", changed, err)
	}
	if err := table.write(d, blocks); err != nil {
		t.Fatal(err)
	}
	if table, err = readTable(d, blocks); err != nil || table.broken || len(table.partitions()) != 3 {
		t.Errorf("restored: %+v, %v", table, err)
	}
	clear(d.b)
	if _, err := readTable(d, blocks); !errors.Is(err, errTable) {
		t.Errorf("an empty disk: %v", err)
	}
}

// A power cut between any two writes leaves a table.
func TestGrowPowerCut(t *testing.T) {
	for writes := range 3 {
		d := sfdisk(t, 6, imageTable)
		d.b = append(d.b, make([]byte, 10<<20)...)
		blocks := uint64(len(d.b) / blockSize)
		table, err := readTable(d, blocks)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := table.grow(3, blocks); err != nil {
			t.Fatal(err)
		}
		d.writes = writes
		if err := table.write(d, blocks); (err != nil) != (writes < 2) {
			t.Fatalf("%d writes: %v", writes, err)
		}
		d.writes = -1
		if writes == 1 { // torn: the first copy is half written
			clear(d.b[blockSize : blockSize+100])
		}
		table, err = readTable(d, blocks)
		if err != nil || len(table.partitions()) != 3 {
			t.Errorf("after %d writes: %v", writes, err)
		}
	}
}

// smallTable is what a disk of 128 KiB begins with: a table with one partition.
func smallTable() []byte {
	t := &table{entries: make([]byte, 4*entrySize)}
	copy(t.header[:], gptSign)
	for at, v := range map[int]uint32{8: gptRevision, 12: headerSize, 80: 4, 84: entrySize} {
		binary.LittleEndian.PutUint32(t.header[at:], v)
	}
	for at, v := range map[int]uint64{40: 10, 48: 200} {
		binary.LittleEndian.PutUint64(t.header[at:], v)
	}
	t.entries[0] = 1
	binary.LittleEndian.PutUint64(t.entries[32:], 10)
	binary.LittleEndian.PutUint64(t.entries[40:], 100)
	return append(append(make([]byte, blockSize), t.sealed(1, 255, 2)...), t.padded()...)
}

// FuzzTable: whatever is on a disk, what is read as a table can be grown and written,
// and reads the same then.
func FuzzTable(f *testing.F) {
	d := sfdisk(f, 6, imageTable)
	f.Add(smallTable(), uint16(400))
	f.Add(d.b[blockSize:2*blockSize], uint16(100))
	f.Fuzz(func(t *testing.T, front []byte, size uint16) {
		size %= 512 // a disk of a quarter of a mebibyte has room for all there is to get wrong
		d := &memoryDisk{b: make([]byte, int(size)*blockSize), writes: -1}
		copy(d.b, front)
		table, err := readTable(d, uint64(size))
		if err != nil {
			return
		}
		all := table.partitions()
		for _, p := range all {
			if p.first > p.last || p.last >= uint64(size) {
				t.Fatalf("partition %+v on a disk of %d blocks", p, size)
			}
		}
		if len(all) == 0 {
			return
		}
		to, changed, err := table.grow(all[len(all)-1].number, uint64(size))
		if err != nil || !changed {
			return
		}
		if err := table.write(d, uint64(size)); err != nil {
			t.Fatal(err)
		}
		again, err := readTable(d, uint64(size))
		if err != nil {
			t.Fatalf("what was written is not a table: %v", err)
		}
		got := again.partitions()
		if len(got) < len(all) || got[len(got)-1].last < to.first {
			t.Fatalf("%+v became %+v", all, got)
		}
	})
}
