package buffer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"heptap/buffer"
	"heptap/buffer/buffertest"
)

const page = 4096

// filled makes a closed spool of 20 commits and returns its octets.
func filled(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spool")
	s, err := buffer.Open(path, buffer.Options{Classes: 4})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(20) {
		mustAppend(t, s, batch(1+i*50, 50, 300))
	}
	if err := s.SetCursor("c", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := s.Quarantine(buffer.Entry{Seq: 7, Data: []byte("q")}, "r"); err != nil {
		t.Fatal(err)
	}
	return closed(t, s, path)
}

// closed closes a spool and returns its file's octets.
func closed(t testing.TB, s *buffer.Spool, path string) []byte {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// survives opens a file of any content, reads all of it, appends, and checks
// that what is read is right and that every record is accounted for.
func survives(t *testing.T, path string) (records int, st buffer.Stats) {
	t.Helper()
	s, err := buffer.Open(path, buffer.Options{Classes: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seqs, err := readSome(t, s)
	for i := 0; errors.Is(err, buffer.ErrDamaged); i++ {
		if i == 5 {
			t.Fatalf("damaged again and again: %v", err)
		}
		seqs, err = readSome(t, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	last, _ := s.Last()
	if _, err := s.Append(batch(last+1, 5, 300)); errors.Is(err, buffer.ErrDamaged) {
		mustAppend(t, s, batch(last+1, 5, 300))
	} else if err != nil {
		t.Fatal(err)
	}
	if err := s.Trim(last + 3); errors.Is(err, buffer.ErrDamaged) {
		if err := s.Trim(last + 3); err != nil {
			t.Fatal(err)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	law(t, s)
	return seqs, s.Stats()
}

// readSome reads everything, checking content and order.
func readSome(t *testing.T, s *buffer.Spool) (n int, err error) {
	t.Helper()
	for from := uint64(0); ; {
		got, _, err := s.Read(from, 64<<10, nil)
		if err != nil || len(got) == 0 {
			return n, err
		}
		for _, e := range got {
			if e.Seq < from || !bytes.Equal(e.Data, data(e.Seq, 300)) {
				t.Fatalf("record %d is wrong", e.Seq)
			}
			from = e.Seq + 1
			n++
		}
	}
}

func write(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spool")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func asides(t *testing.T, path string) int {
	t.Helper()
	names, err := filepath.Glob(path + ".damaged-*")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// made is what a power cut leaves of a file before its first commit.
func made(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spool")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: page})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if r, err := buffer.Verify(path); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCorruptFiles(t *testing.T) {
	good := filled(t)
	for _, tc := range []struct {
		name    string
		content []byte
		min     int // records that must come through
		damaged uint64
	}{
		{"sound", good, 1000, 0},
		{"empty", nil, 0, 0},
		{"made, and nothing more", made(t), 0, 0},
		{"one octet", []byte{1}, 0, 1},
		{"text", bytes.Repeat([]byte("not a spool\n"), 3000), 0, 1},
		{"zeros", make([]byte, 64<<10), 0, 1},
		{"meta zeroed", append(make([]byte, 2*page), good[2*page:]...), 0, 1},
		{"first meta zeroed", append(make([]byte, page), good[page:]...), 1000, 0},
		{"half a page", good[:page/2], 0, 1},
		{"two pages", good[:2*page], 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := write(t, tc.content)
			n, st := survives(t, path)
			if n < tc.min || st.Damaged != tc.damaged || asides(t, path) != int(tc.damaged) {
				t.Errorf("%d records, %d damaged, %d set aside; want %d, %d", n, st.Damaged, asides(t, path), tc.min, tc.damaged)
			}
			buffertest.Check(t, path)
		})
	}
}

// TestTruncated cuts the file everywhere.
func TestTruncated(t *testing.T) {
	good := filled(t)
	step := page
	if testing.Short() {
		step = 16 * page
	}
	for n := 0; n < len(good); n += step {
		path := write(t, good[:n])
		survives(t, path)
		buffertest.Check(t, path)
		if t.Failed() {
			t.Fatalf("cut to %d of %d octets", n, len(good))
		}
	}
}

// noticed returns how many of the 1000 records of a damaged file come out, and fails when some do not and
// nothing says so, or when what is left is no sound file.
func noticed(t *testing.T, path string) int {
	t.Helper()
	n, st := survives(t, path)
	if held := int(st.Lost.Total().Records + st.Corrupt); n+held < 1000 && st.Damaged == 0 {
		t.Errorf("%d records of 1000 and nothing noticed", n)
	}
	buffertest.Check(t, path)
	return n
}

// TestOverwrittenPage puts garbage, zeros or another page in place of each page.
func TestOverwrittenPage(t *testing.T) {
	good := filled(t)
	rnd := rand.New(rand.NewPCG(9, 9))
	pages := len(good) / page
	worst := 1000
	for i := range pages {
		b := bytes.Clone(good)
		at := b[i*page : (i+1)*page]
		switch i % 3 {
		case 0:
			for j := range at {
				at[j] = byte(rnd.Uint32())
			}
		case 1:
			clear(at)
		default:
			copy(at, good[rnd.IntN(pages)*page:][:page])
		}
		path := write(t, b)
		worst = min(worst, noticed(t, path))
		if t.Failed() {
			t.Fatalf("page %d of %d", i, pages)
		}
	}
	if worst < 500 {
		t.Errorf("one page took all but %d of 1000 records with it", worst)
	}
}

// TestFlippedBits changes single octets, in headers above all.
func TestFlippedBits(t *testing.T) {
	good := filled(t)
	rnd := rand.New(rand.NewPCG(10, 10))
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for i := range rounds {
		b := bytes.Clone(good)
		at := rnd.IntN(len(b))
		if i%2 == 0 {
			at = at/page*page + rnd.IntN(64)
		}
		b[at] ^= 1 << rnd.IntN(8)
		path := write(t, b)
		survives(t, path)
		buffertest.Check(t, path)
		if t.Failed() {
			t.Fatalf("octet %d", at)
		}
	}
}

// TestRottenRecord flips a bit in one record's content.
func TestRottenRecord(t *testing.T) {
	good := filled(t)
	at := bytes.Index(good, data(333, 300))
	if at < 0 {
		t.Fatal("record not found")
	}
	good[at+100] ^= 1
	path := write(t, good)
	r, err := buffer.Verify(path)
	if err != nil || r.OK() {
		t.Errorf("verify did not notice: %+v %v", r, err)
	}
	s := open(t, path, buffer.Options{})
	for range 2 {
		n, err := readSome(t, s)
		if err != nil || n != 999 {
			t.Errorf("%d records, %v", n, err)
		}
	}
	q, err := s.Quarantined()
	if err != nil || len(q) != 2 || q[1].Seq != 333 || q[1].Reason != "crc" || len(q[1].Data) != 300 {
		t.Errorf("quarantine %v %v", q, err)
	}
	if st := s.Stats(); st.Corrupt != 1 || st.Damaged != 0 {
		t.Errorf("%d corrupt, %d damaged", st.Corrupt, st.Damaged)
	}
	law(t, s)
}

// TestKeepsTwo damages a spool over and over.
func TestKeepsTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 5 {
		now = now.Add(time.Hour)
		if err := os.WriteFile(path, []byte(fmt.Sprint("junk ", i)), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := buffer.Open(path, buffer.Options{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	if n := asides(t, path); n != 2 {
		t.Errorf("%d damaged files kept", n)
	}
	if _, err := os.Stat(path + ".damaged-20260102T080405Z"); err != nil {
		t.Errorf("the latest is not kept: %v", err)
	}
}

// TestFault cuts the file under the running spool: reading the mapping there
// would be SIGBUS.
func TestFault(t *testing.T) {
	for _, tc := range []struct {
		name string
		keep int64 // octets left
	}{{"to half", -1}, {"to the meta pages", 2 * page}, {"to nothing", 0}} {
		for _, op := range []string{"read", "append", "trim", "quarantined"} {
			t.Run(tc.name+"/"+op, func(t *testing.T) {
				path := buffertest.Path(t)
				s := open(t, path, buffer.Options{})
				for i := range uint64(40) {
					mustAppend(t, s, batch(1+i*50, 50, 300))
				}
				if err := s.SetCursor("c", []byte("v")); err != nil {
					t.Fatal(err)
				}
				keep := tc.keep
				if keep < 0 {
					keep = s.Stats().HighWaterBytes / 2 / page * page
				}
				if err := os.Truncate(path, keep); err != nil {
					t.Fatal(err)
				}
				if err := faultOp(s, op); !errors.Is(err, buffer.ErrDamaged) {
					t.Fatalf("%s: %v", op, err)
				}
				if err := faultOp(s, op); err != nil {
					t.Errorf("%s again: %v", op, err)
				}
				st := s.Stats()
				if st.Damaged != 1 || st.Lost.Total().Records == 0 || asides(t, path) != 1 {
					t.Errorf("%d damaged, %d lost, %d set aside", st.Damaged, st.Lost.Total().Records, asides(t, path))
				}
				if last, ok := s.Last(); !ok || last < 2000 {
					t.Errorf("last %d %v", last, ok)
				}
				if v, _, err := s.Cursor("c"); string(v) != "v" {
					t.Errorf("cursor %q %v", v, err)
				}
				law(t, s)
			})
		}
	}
}

// readThrough reads all that a spool holds.
func readThrough(s *buffer.Spool) error {
	for from := uint64(0); ; {
		e, _, err := s.Read(from, 1<<20, nil)
		if err != nil || len(e) == 0 {
			return err
		}
		from = e[len(e)-1].Seq + 1
	}
}

func faultOp(s *buffer.Spool, op string) (err error) {
	switch op {
	case "read":
		return readThrough(s)
	case "append":
		last, _ := s.Last()
		_, err = s.Append(batch(last+1, 10, 300))
	case "trim":
		err = s.Trim(1500)
	case "quarantined":
		_, err = s.Quarantined()
	}
	return err
}

func TestSalvage(t *testing.T) {
	good := filled(t)
	at := bytes.Index(good, data(700, 300))
	binary.BigEndian.PutUint32(good[at-16:], 1<<31) // the header of one record
	path := write(t, good)
	var n int
	r, err := buffer.Salvage(path, func(e buffer.Entry) error {
		if !bytes.Equal(e.Data, data(e.Seq, 300)) {
			return fmt.Errorf("record %d is wrong", e.Seq)
		}
		n++
		return nil
	})
	// The record's CRC covers what follows the length, and the index knows the length.
	if err != nil || n != 1000 || r.First != 1 || r.Last != 1000 {
		t.Errorf("%d records, %+v, %v", n, r, err)
	}
	clear(good[:2*page])
	path = write(t, good)
	if r, err := buffer.Salvage(path, func(buffer.Entry) error { return nil }); err != nil || r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
}
