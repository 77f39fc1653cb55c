package buffer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"

	"heptap/buffer"
	"heptap/buffer/buffertest"
)

// open opens the spool at path and closes it at the end of the test.
func open(t testing.TB, path string, o buffer.Options) *buffer.Spool {
	t.Helper()
	if o.Classes == 0 {
		o.Classes = 4
	}
	s, err := buffer.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// data is a record's content as it follows from its sequence number.
func data(seq uint64, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(seq + uint64(i)*7)
	}
	if size >= 8 {
		binary.BigEndian.PutUint64(b, seq)
	}
	return b
}

// batch makes n records from seq on, of all classes in turn.
func batch(seq uint64, n, size int) []buffer.Entry {
	out := make([]buffer.Entry, n)
	for i := range out {
		out[i] = buffer.Entry{Seq: seq + uint64(i), Class: uint8(i % 4), Data: data(seq+uint64(i), size)}
	}
	return out
}

func mustAppend(t testing.TB, s *buffer.Spool, e []buffer.Entry) buffer.AppendResult {
	t.Helper()
	res, err := s.Append(e)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// readAll reads everything and checks content and order.
func readAll(t testing.TB, s *buffer.Spool, size int) []uint64 {
	t.Helper()
	var seqs []uint64
	var buf []byte
	for from := uint64(0); ; {
		got, rest, err := s.Read(from, 100<<10, buf[:0])
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			return seqs
		}
		buf = rest
		for _, e := range got {
			if e.Seq < from {
				t.Fatalf("record %d after %d", e.Seq, from)
			}
			if !bytes.Equal(e.Data, data(e.Seq, size)) {
				t.Fatalf("record %d has other content", e.Seq)
			}
			seqs = append(seqs, e.Seq)
			from = e.Seq + 1
		}
	}
}

// law asserts that every record appended is accounted for.
func law(t testing.TB, s *buffer.Spool) {
	t.Helper()
	st := s.Stats()
	for c := range st.Appended {
		sum := st.Held[c].Records + st.Trimmed[c].Records + st.Shed[c].Records + st.Evicted[c].Records + st.Lost[c].Records
		if sum != st.Appended[c].Records {
			t.Errorf("class %d: %d appended, %d accounted for", c, st.Appended[c].Records, sum)
		}
	}
}

func TestModel(t *testing.T) {
	for _, tc := range []buffertest.Config{
		{Seed: 1, Steps: 400, Classes: 4, MaxBytes: 64 << 20, MaxBatch: 50, MaxData: 900},
		{Seed: 2, Steps: 400, Classes: 4, MaxBytes: 1 << 20, MaxBatch: 100, MaxData: 900},
		{Seed: 3, Steps: 300, Classes: 1, MaxBytes: 1 << 20, MaxBatch: 3, MaxData: 60_000},
		{Seed: 4, Steps: 300, Classes: 2, MaxBytes: 3 << 20, MaxBatch: 600, MaxData: 1500},
		{Seed: 5, Steps: 400, Classes: 4, MaxBytes: 1 << 20, MaxBatch: 1, MaxData: 100},
		{Seed: 6, Steps: 60, Classes: 4, MaxBytes: 16 << 20, MaxBatch: 12_000, MaxData: 1000},
	} {
		t.Run(fmt.Sprint(tc.Seed), func(t *testing.T) {
			path := buffertest.Path(t)
			tc.Open = func(t *testing.T) buffertest.Spool {
				return open(t, path, buffer.Options{MaxBytes: tc.MaxBytes, Classes: tc.Classes})
			}
			buffertest.TestSpool(t, tc)
		})
	}
}

func TestReopen(t *testing.T) {
	path := buffertest.Path(t)
	s := open(t, path, buffer.Options{})
	mustAppend(t, s, batch(10, 100, 300))
	if _, err := s.Commit(buffer.Batch{Append: batch(110, 50, 300), Trim: 33, Cursors: map[string][]byte{"a": []byte("x"), "b": {}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Quarantine(buffer.Entry{Seq: 40, Class: 2, Data: []byte("poison")}, "closed three times"); err != nil {
		t.Fatal(err)
	}
	before := s.Stats()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := s.Append(batch(160, 1, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	s = open(t, path, buffer.Options{})
	after := s.Stats()
	after.Written = before.Written // less the last commit, see TestWritten
	if after != before {
		t.Errorf("stats\n got %+v\nwant %+v", after, before)
	}
	if got := readAll(t, s, 300); len(got) != 127 || got[0] != 33 || got[126] != 159 {
		t.Errorf("%d records, want 33 to 159", len(got))
	}
	for name, want := range map[string]string{"a": "x", "b": ""} {
		if v, ok, err := s.Cursor(name); err != nil || !ok || string(v) != want {
			t.Errorf("cursor %s: %q %v %v", name, v, ok, err)
		}
	}
	q, err := s.Quarantined()
	if err != nil || len(q) != 1 || q[0].Seq != 40 || q[0].Class != 2 || string(q[0].Data) != "poison" || q[0].Reason != "closed three times" || q[0].Time.IsZero() {
		t.Errorf("quarantine %+v %v", q, err)
	}
	if _, err := s.Append(batch(159, 1, 1)); !errors.Is(err, buffer.ErrOrder) {
		t.Errorf("append of an old number: %v", err)
	}
	law(t, s)
}

func TestInUse(t *testing.T) {
	path := buffertest.Path(t)
	s := open(t, path, buffer.Options{})
	mustAppend(t, s, batch(1, 10, 100))
	if _, err := buffer.Open(path, buffer.Options{}); !errors.Is(err, buffer.ErrInUse) {
		t.Errorf("open: %v", err)
	}
	if _, err := buffer.OpenReadOnly(path); !errors.Is(err, buffer.ErrInUse) {
		t.Errorf("open read-only: %v", err)
	}
	if _, err := buffer.Verify(path); !errors.Is(err, buffer.ErrInUse) {
		t.Errorf("verify: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	path := buffertest.Path(t)
	if _, err := buffer.OpenReadOnly(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	s := open(t, path, buffer.Options{})
	mustAppend(t, s, batch(1, 500, 700))
	if err := s.Trim(100); err != nil {
		t.Fatal(err)
	}
	want := s.Stats()
	s.Close()
	ro, err := buffer.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if got := readAll(t, ro, 700); len(got) != 401 || got[0] != 100 {
		t.Errorf("%d records", len(got))
	}
	if st := ro.Stats(); st.Held != want.Held || st.First != 100 || st.Last != 500 {
		t.Errorf("stats %+v", st)
	}
	if _, err := ro.Append(batch(501, 1, 1)); !errors.Is(err, buffer.ErrReadOnly) {
		t.Errorf("append: %v", err)
	}
	r, err := buffer.Verify(path)
	if err != nil || !r.OK() || r.Held != want.Held || r.First != 100 || r.Last != 500 || r.Commits != 1 {
		t.Errorf("verify %+v %v", r, err)
	}
}

func TestBadOptions(t *testing.T) {
	dir := t.TempDir()
	for _, o := range []buffer.Options{{MaxBytes: 1000}, {Classes: 9}, {Classes: -1}} {
		if s, err := buffer.Open(dir+"/x", o); err == nil {
			s.Close()
			t.Errorf("%+v accepted", o)
		}
	}
	if s, err := buffer.Open(dir, buffer.Options{}); err == nil {
		s.Close()
		t.Error("a directory is no spool")
	}
	if s, err := buffer.Open(dir+"/none/x", buffer.Options{}); !errors.Is(err, os.ErrNotExist) {
		s.Close()
		t.Errorf("missing directory: %v", err)
	}
}

func TestCap(t *testing.T) {
	const limit = 4 << 20
	path := buffertest.Path(t)
	s := open(t, path, buffer.Options{MaxBytes: limit})
	var shed, evicted [4]uint64
	seq := uint64(1)
	for range 200 {
		n := 64
		res := mustAppend(t, s, batch(seq, n, 800))
		seq += uint64(n)
		for _, l := range res.Shed {
			shed[l.Class] += uint64(len(l.Seqs))
		}
		for _, l := range res.Evicted {
			evicted[l.Class] += uint64(len(l.Seqs))
		}
		if info, err := os.Stat(path); err != nil || info.Size() > limit {
			t.Fatalf("file of %d octets, cap %d (%v)", info.Size(), limit, err)
		}
	}
	st := s.Stats()
	for c := range 4 {
		if st.Shed[c].Records != shed[c] || st.Evicted[c].Records != evicted[c] || st.Appended[c].Records != 200*16 {
			t.Errorf("class %d: stats %d shed %d evicted, reported %d and %d", c, st.Shed[c].Records, st.Evicted[c].Records, shed[c], evicted[c])
		}
	}
	if shed[0] <= shed[1] || shed[1] <= shed[2] || shed[2] == 0 || shed[3] != 0 {
		t.Errorf("shed by class %v, want less with each", shed)
	}
	if evicted[3] == 0 {
		t.Error("nothing evicted")
	}
	if held := st.Held.Total(); held.Bytes < limit*6/10 {
		t.Errorf("only %d octets held of %d", held.Bytes, limit)
	}
	got := readAll(t, s, 800)
	if uint64(len(got)) != st.Held.Total().Records {
		t.Errorf("%d read, %d held", len(got), st.Held.Total().Records)
	}
	law(t, s)
}

func TestTooLarge(t *testing.T) {
	s := open(t, buffertest.Path(t), buffer.Options{MaxBytes: 1 << 20})
	e := []buffer.Entry{{Seq: 1, Class: 3, Data: make([]byte, 200<<10)}, {Seq: 2, Class: 3, Data: data(2, 10)}}
	res := mustAppend(t, s, e)
	if len(res.Evicted) != 1 || len(res.Evicted[0].Seqs) != 1 || res.Evicted[0].Seqs[0] != 1 {
		t.Errorf("evicted %+v", res.Evicted)
	}
	if got := readAll(t, s, 10); len(got) != 1 || got[0] != 2 {
		t.Errorf("read %v", got)
	}
	law(t, s)
}

// TestLowerCap opens a file that is larger than its new cap.
func TestLowerCap(t *testing.T) {
	path := buffertest.Path(t)
	s := open(t, path, buffer.Options{MaxBytes: 32 << 20})
	for i := range uint64(12) {
		mustAppend(t, s, batch(1+i*1024, 1024, 800))
	}
	if err := s.SetCursor("c", []byte("v")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, path, buffer.Options{MaxBytes: 4 << 20})
	if st := s.Stats(); st.FileBytes > 4<<20 || st.Evicted.Total().Records == 0 {
		t.Errorf("file of %d octets, %d evicted", st.FileBytes, st.Evicted.Total().Records)
	}
	got := readAll(t, s, 800)
	if len(got) < 2000 || got[len(got)-1] != 12*1024 {
		t.Errorf("%d records", len(got))
	}
	if v, _, _ := s.Cursor("c"); string(v) != "v" {
		t.Errorf("cursor %q", v)
	}
	law(t, s)
}

// TestCompact empties a large file, which then becomes small.
func TestCompact(t *testing.T) {
	path := buffertest.Path(t)
	s := open(t, path, buffer.Options{})
	for i := range uint64(30) {
		mustAppend(t, s, batch(1+i*1024, 1024, 800))
	}
	if err := s.SetCursor("c", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := s.Quarantine(buffer.Entry{Seq: 5, Data: []byte("q")}, "r"); err != nil {
		t.Fatal(err)
	}
	if err := s.Trim(30*1024 + 1); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 8<<20 {
		t.Errorf("emptied file has %d octets (%v)", info.Size(), err)
	}
	if last, ok := s.Last(); !ok || last != 30*1024 {
		t.Errorf("last %d %v", last, ok)
	}
	mustAppend(t, s, batch(30*1024+1, 10, 800))
	if got := readAll(t, s, 800); len(got) != 10 {
		t.Errorf("%d records", len(got))
	}
	if _, err := buffer.Open(path, buffer.Options{}); !errors.Is(err, buffer.ErrInUse) {
		t.Errorf("the new file is not locked: %v", err)
	}
	s.Close()
	s = open(t, path, buffer.Options{})
	q, err := s.Quarantined()
	if err != nil || len(q) != 1 || s.Stats().Quarantined != 1 {
		t.Errorf("quarantine %v %v", q, err)
	}
	if v, _, _ := s.Cursor("c"); string(v) != "v" {
		t.Errorf("cursor %q", v)
	}
	if st := s.Stats(); st.Trimmed.Total().Records != 30*1024 || st.Damaged != 0 {
		t.Errorf("stats %+v", st)
	}
	law(t, s)
}

func TestQuarantineBounded(t *testing.T) {
	s := open(t, buffertest.Path(t), buffer.Options{})
	for i := range uint64(buffer.MaxQuarantined + 5) {
		if i%100 != 0 && i < buffer.MaxQuarantined-5 {
			continue // a thousand commits prove no more than these do
		}
		if err := s.Quarantine(buffer.Entry{Seq: i + 1, Data: make([]byte, 700<<10)}, "large"); err != nil {
			t.Fatal(err)
		}
	}
	q, err := s.Quarantined()
	if err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if st.QuarantineBytes > 8<<20 || len(q) != int(st.Quarantined) || st.QuarantineGone == 0 || q[len(q)-1].Seq != buffer.MaxQuarantined+5 {
		t.Errorf("%d entries, %d octets, %d gone", len(q), st.QuarantineBytes, st.QuarantineGone)
	}
}

func TestCursorLimits(t *testing.T) {
	s := open(t, buffertest.Path(t), buffer.Options{})
	commits := s.Stats().Commits
	for range 3 {
		if err := s.SetCursor("a", []byte("same")); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Stats().Commits - commits; got != 1 {
		t.Errorf("%d commits for one change", got)
	}
	for _, name := range []string{"", string(make([]byte, buffer.MaxCursorName+1))} {
		if s.SetCursor(name, nil) == nil {
			t.Errorf("name of %d octets accepted", len(name))
		}
	}
	if s.SetCursor("a", make([]byte, buffer.MaxCursorValue+1)) == nil {
		t.Error("value too long accepted")
	}
	many := make(map[string][]byte)
	for i := range buffer.MaxCursors {
		many[fmt.Sprint(i)] = []byte("v")
	}
	if _, err := s.Commit(buffer.Batch{Cursors: many}); err == nil {
		t.Error("too many cursors accepted")
	}
}
