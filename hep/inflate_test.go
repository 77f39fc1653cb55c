package hep_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"testing"

	"heptap/hep"
)

func TestInflate(t *testing.T) {
	want := bytes.Repeat([]byte("INVITE "), 100)
	var z, g, d bytes.Buffer
	fl, err := flate.NewWriter(&d, 6)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{zlib.NewWriter(&z), gzip.NewWriter(&g), fl} {
		if _, err := w.Write(want); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
	}
	for name, b := range map[string][]byte{"zlib": z.Bytes(), "gzip": g.Bytes(), "deflate": d.Bytes()} {
		if got := hep.Inflate(b, len(want)); !bytes.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
		if hep.Inflate(b, len(want)-1) != nil {
			t.Errorf("%s: the limit is passed", name)
		}
		if hep.Inflate(b[:len(b)/2], len(want)) != nil {
			t.Errorf("%s: half of it is taken for whole", name)
		}
	}
	if hep.Inflate(nil, 100) != nil {
		t.Error("nothing inflates")
	}
}
