package buffer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"heptap/buffer"
)

// deep returns the file of a spool in which pages lead to the pages of each bucket, and that
// has all in it that a probe puts there. It says how many records it holds.
func deep(t testing.TB, path string, o buffer.Options) (file []byte, records int) {
	t.Helper()
	s, err := buffer.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seq := uint64(1)
	for i := range 150 { // a small commit is inside the log's own page
		n := 1 + i%3*4
		mustAppend(t, s, batch(seq, n, 300))
		seq += uint64(n)
	}
	cursors := map[string][]byte{}
	for i := range 40 {
		cursors[fmt.Sprint("c", i)] = data(uint64(i), 300)
		if err := s.Quarantine(buffer.Entry{Seq: uint64(i + 1), Data: data(uint64(i+1), 300)}, "r"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Commit(buffer.Batch{Cursors: cursors}); err != nil {
		t.Fatal(err)
	}
	return closed(t, s, path), int(seq - 1)
}

// rot is what may become of a page of a file.
type rot struct {
	name string
	rot  func(p []byte, id uint64, rnd *rand.Rand)
}

var rots = []rot{
	{"zeros", func(p []byte, _ uint64, _ *rand.Rand) { clear(p) }},
	{"noise", func(p []byte, _ uint64, rnd *rand.Rand) {
		for i := range p {
			p[i] = byte(rnd.Uint32())
		}
	}},
	{"leads to itself", func(p []byte, id uint64, _ *rand.Rand) {
		binary.NativeEndian.PutUint16(p[8:], branch)
		for e := range int(binary.NativeEndian.Uint16(p[10:])) {
			binary.NativeEndian.PutUint64(p[16+16*e+8:], id)
		}
	}},
	{"lengths", func(p []byte, _ uint64, _ *rand.Rand) {
		for e := range int(binary.NativeEndian.Uint16(p[10:])) {
			p[16+16*e+11] ^= 0x40 // a key's, or a page's number
		}
	}},
	{"places", func(p []byte, _ uint64, _ *rand.Rand) {
		for e := range int(binary.NativeEndian.Uint16(p[10:])) {
			p[16+16*e+7] ^= 0x01
			p[16+16*e+2] ^= 0x01
		}
	}},
	{"one bit", func(p []byte, _ uint64, rnd *rand.Rand) { p[16+rnd.IntN(200)] ^= 1 << rnd.IntN(8) }},
	{"half a page", func(p []byte, _ uint64, _ *rand.Rand) { clear(p[16 : page/2]) }},
}

// rotOps is what is done first behind a damage.
var rotOps = []string{"append", "read", "trim", "cursor", "quarantine", "close"}

var rotOptions = buffer.Options{Classes: 4, MaxBytes: 8 << 20}

// TestRotUnderWay damages the pages above the commits, one after the other, in the file of a
// spool that is open, and goes on appending, reading, trimming, and opening it anew. The
// process lives, what is read is right, and what does not come out is counted.
func TestRotUnderWay(t *testing.T) {
	path := shortLived(t)
	good, records := deep(t, path, rotOptions)
	pages := upperPages(t, path)
	kinds := map[string]int{}
	for _, kind := range pages {
		kinds[kind]++
	}
	if t.Logf("%d records, pages: %v", records, kinds); kinds["log"] < 3 || kinds["cursor"] < 3 || kinds["quarantine"] < 3 {
		t.Fatal("no pages that lead to others")
	}
	next := 0
	for id, kind := range pages {
		for _, r := range rots {
			ops := rotOps
			if os.Getenv("HEPTAP_LONG") == "" { // one after the other
				ops = rotOps[next%len(rotOps):][:1]
			}
			next++
			for _, op := range ops {
				r.underWay(t, path, good, records, op, id)
				if t.Failed() {
					t.Fatalf("page %d (%s), %s, %s", id, kind, r.name, op)
				}
			}
		}
	}
}

// TestRotBetween damages the pages between the root of a large log and its leaves, of which
// bbolt joins two when the first has become small.
func TestRotBetween(t *testing.T) {
	path := shortLived(t)
	s, err := buffer.Open(path, rotOptions)
	if err != nil {
		t.Fatal(err)
	}
	const records = 3800
	for seq := range uint64(records) {
		mustAppend(t, s, batch(1+seq, 1, 300))
	}
	good := closed(t, s, path)
	pages := upperPages(t, path)
	branches := 0
	for id, kind := range pages {
		if kind != "log" || binary.NativeEndian.Uint16(good[id*page+8:]) != branch {
			continue
		}
		branches++
		fewer := rot{"fewer", func(p []byte, _ uint64, _ *rand.Rand) { p[10]-- }}
		longer := rot{"longer", func(p []byte, _ uint64, _ *rand.Rand) { p[12]++ }}
		for i, r := range append([]rot{fewer, longer}, rots...) {
			if os.Getenv("HEPTAP_LONG") == "" && i != branches-1 { // of the first page the first, and so on
				continue
			}
			r.underWay(t, path, good, records, "trim", id)
			if t.Failed() {
				t.Fatalf("page %d, %s", id, r.name)
			}
		}
	}
	if branches < 3 {
		t.Fatalf("%d pages that lead to others", branches)
	}
}

// TestRootSaysEmpty: a root page that says that nothing is on it is not that of a new file.
func TestRootSaysEmpty(t *testing.T) {
	path := shortLived(t)
	good, records := deep(t, path, rotOptions)
	pages := upperPages(t, path)
	for id, kind := range pages {
		if kind == "root" {
			good[id*page+10] = 0
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := buffer.Open(path, rotOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n, st := asides(t, path), s.Stats(); n != 1 || st.Damaged != 1 || st.Appended.Total().Records < uint64(records-5) {
		t.Errorf("%d set aside, %+v", n, st)
	}
	law(t, s)
}

// FuzzRot damages eight octets of a page above the commits in the file of an open spool.
func FuzzRot(f *testing.F) {
	made := shortLived(f)
	good, records := deep(f, made, rotOptions)
	kinds := upperPages(f, made)
	ids := slices.Sorted(maps.Keys(kinds))
	for i, id := range ids {
		value := []uint64{0x10001, 1, id}[i%3]
		f.Add(byte(i), uint16(8+i%3*8), value, byte(i/3))
	}
	f.Add(byte(12), uint16(9), uint64(0), byte(1)) // a leaf without elements
	path := shortLived(f)
	f.Fuzz(func(t *testing.T, i byte, at uint16, value uint64, op byte) {
		where := int64(ids[int(i)%len(ids)])*page + int64(at%(page-8))
		damage := binary.NativeEndian.AppendUint64(nil, value)
		underWay(t, path, good, records, rotOps[int(op)%len(rotOps)], where, damage)
	})
}

func upperPages(t testing.TB, path string) map[uint64]string {
	t.Helper()
	pages, err := buffer.UpperPages(path)
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// shortLived is the path of a file in memory, where there is such a place: it need not outlive anything.
func shortLived(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "heptap")
	if err != nil {
		return t.TempDir() + "/spool"
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir + "/spool"
}

// underWay opens good, the file of a spool of so many records, damages it at a place, does one
// thing first and then everything, closes it and opens it again.
func underWay(t *testing.T, path string, good []byte, records int, op string, at int64, damage []byte) {
	t.Helper()
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := buffer.Open(path, rotOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if s != nil {
			s.Close()
		}
	}()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(damage, at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if op != "close" {
		for _, op := range []string{op, "append", "read", "cursor", "quarantine"} {
			n, err := rotOp(t, s, op)
			if errors.Is(err, buffer.ErrDamaged) {
				n, err = rotOp(t, s, op)
			}
			if err != nil {
				t.Errorf("%s: %v", op, err)
			}
			records += n
		}
		whole(t, s, records)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if s, err = buffer.Open(path, rotOptions); err != nil {
		t.Fatal(err)
	}
	whole(t, s, records)
}

// underWay damages a page.
func (r rot) underWay(t *testing.T, path string, good []byte, records int, op string, id uint64) {
	t.Helper()
	rotted := bytes.Clone(good[id*page:][:page])
	r.rot(rotted, id, rand.New(rand.NewPCG(id, 7)))
	underWay(t, path, good, records, op, int64(id)*page, rotted)
}

// rotOp does one thing with a spool, and says how many records it has more of.
func rotOp(t *testing.T, s *buffer.Spool, op string) (more int, err error) {
	switch op {
	case "append":
		for range 3 {
			last, _ := s.Last()
			if _, err := s.Append(batch(last+1, 5, 300)); err != nil {
				return more, err
			}
			more += 5
		}
	case "read":
		_, err = readSome(t, s)
	case "trim":
		last, _ := s.Last()
		for i := uint64(1); i < 35 && err == nil; i++ {
			err = s.Trim(last * i / 37)
		}
	case "cursor":
		err = s.SetCursor("c7", data(uint64(time.Now().UnixNano()), 200))
	case "quarantine":
		if _, err = s.Quarantined(); err == nil {
			err = s.Quarantine(buffer.Entry{Seq: 300, Data: data(300, 300)}, "r")
		}
	}
	return more, err
}

// whole checks that of so many records each comes out or is counted.
func whole(t *testing.T, s *buffer.Spool, records int) {
	t.Helper()
	n, err := readSome(t, s)
	if errors.Is(err, buffer.ErrDamaged) {
		n, err = readSome(t, s)
	}
	st := s.Stats()
	if held := int(st.Held.Total().Records); err != nil || n != held-int(st.Corrupt) {
		t.Errorf("%d of %d records that are held, %d of them corrupt: %v", n, held, st.Corrupt, err)
	}
	if got := int(st.Appended.Total().Records); got < records {
		t.Errorf("%d records appended, %d known", records, got)
	}
	law(t, s)
}
