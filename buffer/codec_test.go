package buffer

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// FuzzPacked feeds values to the parser of packed records: views stay inside,
// and what parses packs to the same octets again.
func FuzzPacked(f *testing.F) {
	f.Add([]byte{})
	v := appendRecord(nil, 1, []byte("one"))
	f.Add(v)
	f.Add(appendRecord(v, 2, nil))
	f.Add(append(v, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, v []byte) {
		for len(v) > 0 {
			p, rest, err := nextRecord(v)
			if err != nil {
				if p.body != nil || rest != nil {
					t.Fatal("an error with results")
				}
				return
			}
			if len(rest)+recordHeader+len(p.data()) != len(v) {
				t.Fatal("octets missing")
			}
			again := appendRecord(nil, p.seq, p.data())
			if p.ok() != bytes.Equal(again, v[:len(again)]) {
				t.Fatalf("CRC %v, octets %x and %x", p.ok(), again, v[:len(again)])
			}
			v = rest
		}
	})
}

// FuzzIndex feeds the index parser, with the CRC mended so that the rest is reached.
func FuzzIndex(f *testing.F) {
	var b indexBuilder
	f.Add(b.appendTo(nil))
	b.add(5, 0, 100)
	b.add(6, 3, 0)
	b.add(60, 1, 70_000)
	good := b.appendTo(nil)
	f.Add(good)
	f.Add(good[:30])
	f.Fuzz(func(t *testing.T, v []byte) {
		if _, err := parseIndex(v); err == nil && len(v) < 22 {
			t.Fatal("too short and accepted")
		}
		x, err := parseIndex(mendCRC(v))
		if err != nil {
			return
		}
		n, it := 0, x.iter()
		for {
			r, ok := it.step()
			if !ok {
				break
			}
			if int(r.class) >= MaxClasses || r.size < 0 || r.size > MaxEntry {
				t.Fatalf("record %+v", r)
			}
			if n++; n > len(v) {
				t.Fatal("more records than octets")
			}
		}
		x.countRange(3, 50)
		walkCommit(&x, func([]byte) []byte { return nil }, func(indexed, []byte, int) bool { return true })
	})
}

func mendCRC(v []byte) []byte {
	if len(v) < 4 {
		return v
	}
	body := v[: len(v)-4 : len(v)-4]
	return binary.BigEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
}

func TestIndexRoundTrip(t *testing.T) {
	var b indexBuilder
	want := []indexed{{1, 0, 0}, {2, 1, 10}, {3, 1, 1 << 20}, {100, 7, 5}, {1 << 60, 0, 6}}
	for _, r := range want {
		b.add(r.seq, r.class, r.size)
	}
	enc := b.appendTo(nil)
	x, err := parseIndex(enc)
	if err != nil || x.first != 1 || x.last != 1<<60 || x.held != b.held {
		t.Fatalf("%+v %v", x, err)
	}
	it := x.iter()
	for _, w := range want {
		if r, ok := it.step(); !ok || r != w {
			t.Errorf("%+v %v, want %+v", r, ok, w)
		}
	}
	if _, ok := it.step(); ok {
		t.Error("more records than were added")
	}
	part := x.countRange(2, 100)
	if c := part.Total(); c.Records != 2 || c.Bytes != 10+1<<20 {
		t.Errorf("range %+v", c)
	}
	for n := range enc {
		if _, err := parseIndex(enc[:n]); err == nil {
			t.Fatalf("a prefix of %d octets parses", n)
		}
	}
}

func TestStateRoundTrip(t *testing.T) {
	s := state{high: 9, any: true, trim: 3, damaged: 1}
	s.held[2] = Count{Records: 5, Bytes: 1 << 40}
	s.lost[7] = Count{Records: 1}
	b := s.appendTo(nil)
	if got, ok := parseState(b); !ok || got != s {
		t.Fatalf("%+v %v", got, ok)
	}
	for n := range b {
		if _, ok := parseState(b[:n]); ok {
			t.Fatalf("a prefix of %d octets parses", n)
		}
	}
	if len(b) > 900 {
		t.Errorf("%d octets do not stay inside the root page", len(b))
	}
}
