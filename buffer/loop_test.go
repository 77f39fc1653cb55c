package buffer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"heptap/buffer"
	"heptap/buffer/buffertest"
)

// branched makes a spool some commits of which are so large that a page leads to their pages.
func branched(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spool")
	s, err := buffer.Open(path, buffer.Options{Classes: 4})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(4) {
		mustAppend(t, s, batch(1+i*8000, 8000, 300))
	}
	return closed(t, s, path)
}

// pagesOf calls fn with each page of a kind, by its number and how many elements it has.
func pagesOf(b []byte, kind uint16, fn func(id uint64, n int)) {
	ne := binary.NativeEndian
	for id := uint64(2); id < uint64(len(b)/page); {
		p := b[id*page:]
		if ne.Uint64(p) != id { // never used, or a value's
			id++
			continue
		}
		if ne.Uint16(p[8:]) == kind {
			fn(id, int(ne.Uint16(p[10:])))
		}
		id += 1 + uint64(ne.Uint32(p[12:]))
	}
}

const branch = 1

// loops are files in which pages lead where they must not.
func loops(t *testing.T) (files map[string][]byte) {
	t.Helper()
	good, ne := branched(t), binary.NativeEndian
	files = map[string][]byte{}
	var branches []uint64
	pagesOf(good, branch, func(id uint64, _ int) { branches = append(branches, id) })
	if len(branches) < 4 {
		t.Fatalf("%d pages that lead to others", len(branches))
	}
	lead := func(name string, to func(i int, id uint64) uint64) {
		b := bytes.Clone(good)
		for i, id := range branches {
			for e := range int(ne.Uint16(b[id*page+10:])) {
				ne.PutUint64(b[int(id)*page+16+16*e+8:], to(i, id))
			}
		}
		files[name] = b
	}
	lead("to themselves", func(_ int, id uint64) uint64 { return id })
	lead("in a circle", func(i int, _ uint64) uint64 { return branches[(i+1)%len(branches)] })
	lead("to the meta page", func(int, uint64) uint64 { return 0 })
	lead("behind the file", func(int, uint64) uint64 { return 1 << 40 })
	lead("into another commit", func(i int, _ uint64) uint64 { return ne.Uint64(good[int(branches[(i+1)%len(branches)])*page+16+8:]) })
	b := bytes.Clone(good)
	for _, id := range branches {
		at := int(id)*page + 16 + 8 // of the first below
		below := ne.Uint64(b[at:])
		e := b[below*page+16:]
		ne.PutUint32(e, 1) // its first element is a bucket, whose pages begin at the branch
		v := b[int(below)*page+16+int(ne.Uint32(e[4:]))+int(ne.Uint32(e[8:])):]
		ne.PutUint64(v, id)
	}
	files["a bucket in itself"] = b
	return files
}

// TestLoops: pages of commits that lead to themselves, in a circle or elsewhere are damage, whatever is done with
// the commits. bbolt would follow them until the stack overflows, which ends the process and cannot be caught.
func TestLoops(t *testing.T) {
	for name, b := range loops(t) {
		t.Run(name, func(t *testing.T) {
			path := write(t, b)
			survives(t, path)
			buffertest.Check(t, path)
			if asides(t, path) != 1 {
				t.Errorf("%d files set aside", asides(t, path))
			}
		})
	}
}

// TestLoopsUnderWay puts them into the file of a spool that is open.
func TestLoopsUnderWay(t *testing.T) {
	for name, b := range loops(t) {
		for _, op := range []string{"read", "trim", "append"} {
			t.Run(name+"/"+op, func(t *testing.T) {
				path := write(t, branched(t))
				s, err := buffer.Open(path, buffer.Options{Classes: 4, MaxBytes: int64(len(b))})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err = f.WriteAt(b[2*page:], 2*page); err != nil {
					t.Fatal(err)
				}
				f.Close()
				do := func() (err error) {
					switch op {
					case "read":
						return readThrough(s)
					case "trim":
						return s.Trim(20_000)
					}
					for range 20 { // until something has to be evicted
						last, _ := s.Last()
						if _, err := s.Append(batch(last+1, 4000, 300)); err != nil {
							return err
						}
					}
					return nil
				}
				if err := do(); !errors.Is(err, buffer.ErrDamaged) {
					t.Fatal(err)
				}
				if err := do(); err != nil {
					t.Errorf("again: %v", err)
				}
			})
		}
	}
}

// TestLoopInLog: so are pages that lead to the commits.
func TestLoopInLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s, err := buffer.Open(path, buffer.Options{Classes: 4})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(200) {
		mustAppend(t, s, batch(1+i*10, 10, 300))
	}
	b, n := closed(t, s, path), 0
	pagesOf(b, branch, func(id uint64, elems int) {
		for e := range elems {
			binary.NativeEndian.PutUint64(b[int(id)*page+16+16*e+8:], id)
		}
		n++
	})
	path = write(t, b)
	got, _ := survives(t, path)
	if buffertest.Check(t, path); n == 0 || got < 1900 || asides(t, path) != 1 {
		t.Errorf("%d pages changed, %d records of 2000, %d files set aside", n, got, asides(t, path))
	}
}

// FuzzOpen changes the head of a page, where it says what it leads to, and does with the file what a probe does.
// Whatever that is called, the process lives, and no record comes out that was not there.
func FuzzOpen(f *testing.F) {
	o := buffer.Options{Classes: 4, MaxBytes: 1 << 20}
	path := filepath.Join(f.TempDir(), "good")
	s, err := buffer.Open(path, o)
	for i := range uint64(3) {
		if err == nil {
			_, err = s.Append(batch(1+i*400, 400, 300))
		}
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	for kind := range uint16(3) {
		pagesOf(good, kind+1, func(id uint64, _ int) {
			f.Add(uint16(id), uint16(24), id)
			f.Add(uint16(id), uint16(16), uint64(1))
			f.Add(uint16(id), uint16(8), uint64(0x10001))
		})
	}
	f.Add(uint16(4), uint16(24), uint64(3)) // from one commit into another
	f.Fuzz(func(t *testing.T, id, at uint16, value uint64) {
		b := bytes.Clone(good)
		ne := binary.NativeEndian
		ne.PutUint64(b[int(id)%(len(b)/page)*page+int(at)%512:], value)
		path := write(t, b)
		s, err := buffer.Open(path, o)
		if err != nil {
			return
		}
		defer s.Close()
		for range 3 {
			if _, err := readSome(t, s); !errors.Is(err, buffer.ErrDamaged) {
				break
			}
		}
		for range 3 {
			last, _ := s.Last()
			if _, err := s.Append(batch(last+1, 400, 300)); !errors.Is(err, buffer.ErrDamaged) {
				break
			}
		}
		_ = s.Trim(600) // damage, or not
	})
}
