package buffer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// FuzzPages changes a file somewhere, with the meta pages' checksums mended so that the rest
// is reached, and reads what it still leads to, as is done with a damaged file: that ends, and gives
// no record that was not there.
func FuzzPages(f *testing.F) {
	good := small(f)
	for page := range len(good) / pageBytes {
		f.Add(uint32(page*pageBytes), []byte{0xff})
		f.Add(uint32(page*pageBytes+8), []byte{pageBranch, 0, 0xff, 0xff, 0xff, 0xff})
		f.Add(uint32(page*pageBytes+pageHeader), bytes.Repeat([]byte{0xff}, elemSize))
	}
	f.Add(uint32(2*pageBytes), make([]byte, 3*pageBytes))
	f.Add(uint32(pageHeader+40), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}) // pages without end
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		b := bytes.Clone(good)
		if int(at) > len(b) {
			b = b[:int(at)%len(b)] // cut off
		} else {
			copy(b[at:], with)
		}
		mendMetas(b)
		p := salvagePages(bytes.NewReader(b), int64(len(b)))
		if p == nil {
			return
		}
		w := walker{p: p, tolerant: true}
		_ = w.top(bucketState, func(e elem) error { parseState(e.value); return nil })
		_ = w.top(bucketLog, func(e elem) error {
			root, inline, err := e.child()
			if err != nil {
				return nil
			}
			entries, _, _ := collect(&w, root, inline)
			for _, r := range entries {
				if r.Seq < 1 || r.Seq > 40 || !bytes.Equal(r.Data, smallData(r.Seq)) {
					t.Fatalf("record %d was never there: %q", r.Seq, r.Data)
				}
			}
			return nil
		})
		if _, err := p.check(); err == nil && len(with) == 0 && int(at) <= len(good) && p.strays != nil {
			t.Fatal("a sound file, and commits that nothing leads to")
		}
	})
}

func smallData(seq uint64) []byte { return bytes.Repeat([]byte{byte('a' + seq%26)}, int(20+seq*30)) }

// small is a file with a few commits, without the octets that were never used.
func small(f *testing.F) []byte {
	path := filepath.Join(f.TempDir(), "spool")
	s, err := Open(path, Options{Classes: 2})
	if err != nil {
		f.Fatal(err)
	}
	for seq := uint64(1); seq <= 40; seq += 10 {
		var e []Entry
		for i := range uint64(10) {
			e = append(e, Entry{Seq: seq + i, Class: uint8(i % 2), Data: smallData(seq + i)})
		}
		if _, err := s.Append(e); err != nil {
			f.Fatal(err)
		}
	}
	if err := s.Trim(11); err != nil {
		f.Fatal(err)
	}
	used := s.Stats().HighWaterBytes
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	return b[:used]
}

// mendMetas makes the checksums of both meta pages right.
func mendMetas(b []byte) {
	for page := range 2 {
		if m := b[min(page*pageBytes+pageHeader, len(b)):]; len(m) >= 64 {
			h := fnv.New64a()
			h.Write(m[:56])
			binary.NativeEndian.PutUint64(m[56:], h.Sum64())
		}
	}
}

// TestGuard cuts a file under a transaction: reading the mapping there is SIGBUS, which is an
// error, and closing the file works.
func TestGuard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s, err := Open(path, Options{})
	if err == nil {
		_, err = s.Append([]Entry{{Seq: 1, Data: make([]byte, 100<<10)}})
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	db, f, err := openDB(path, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = guard(func() error {
		tx, err := db.Begin(false)
		if err == nil {
			defer tx.Rollback()
			err = f.Truncate(2 * pageBytes)
		}
		if err == nil {
			tx.Bucket(bucketLog).Bucket(seqKey(1)).Get(keyIndex)
		}
		return err
	})
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "memory fault at 0x") {
		t.Error(err)
	}
	if !abandon(db, f) {
		t.Error("not closed")
	}
}

// TestCheckFree: a freelist that says that it is longer than its pages would have bbolt take
// the memory for it.
func TestCheckFree(t *testing.T) {
	ne := binary.NativeEndian
	for _, c := range []struct {
		count  uint16
		more   uint64 // the count, when count is 0xffff
		octets int
		sound  bool
	}{
		{0, 0, 1, true}, {510, 0, 1, true}, {511, 0, 1, false}, {511, 0, 2, true}, {3, 0, 2, false},
		{0xffff, 70000, 137, true}, {0xffff, 1 << 40, 137, false}, {0xffff, 70000, 136, false}, {0xffff, ^uint64(0), 137, false},
	} {
		b := make([]byte, c.octets*pageBytes)
		ne.PutUint16(b[8:], pageFree)
		ne.PutUint16(b[10:], c.count)
		ne.PutUint32(b[12:], uint32(c.octets-1))
		ne.PutUint64(b[pageHeader:], c.more)
		ne.PutUint64(b, 2)
		p := &pageFile{r: bytes.NewReader(append(make([]byte, 2*pageBytes), b...)), size: int64(2*pageBytes + len(b)), page: pageBytes, pages: 1 << 20, freelist: 2}
		if err := p.checkFree(); (err == nil) != c.sound {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestUncommitted: a commit that failed behind its meta page is in the file, and is not done again.
func TestUncommitted(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "spool"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, err := s.latest()
	if err == nil {
		_, err = s.Append([]Entry{{Seq: 1, Data: []byte("a")}})
	}
	if err != nil {
		t.Fatal(err)
	}
	full := &os.PathError{Op: "sync", Path: s.path, Err: syscall.ENOSPC}
	id := s.txid
	s.txid = p.txid
	if err := s.uncommitted(full, p, id); !errors.Is(err, errInFile) || s.txid != id {
		t.Errorf("%v, latest %d, want %d", err, s.txid, id)
	}
	if err := s.uncommitted(full, p, id+1); !noSpace(err) || errors.Is(err, errInFile) || s.txid != id {
		t.Errorf("of one that is not in the file: %v, latest %d, want %d", err, s.txid, id)
	}
}
