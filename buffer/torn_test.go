package buffer_test

import (
	"bytes"
	"os"
	"testing"

	"heptap/buffer"
	"heptap/buffer/buffertest"
)

// headerFields are those of a bbolt page: id, flags, count, overflow.
var headerFields = []struct{ at, size int }{{0, 8}, {8, 2}, {10, 2}, {12, 4}}

// TestFlippedHeaders turns over every bit of a field in the header of each page in turn.
func TestFlippedHeaders(t *testing.T) {
	good := filled(t)
	pages, used, worst := len(good)/page, 0, 1000
	for i := range pages {
		if bytes.Count(good[i*page:][:page], []byte{0}) == page {
			continue // never written
		}
		used++
		for f, field := range headerFields {
			if f != i%len(headerFields) && os.Getenv("HEPTAP_LONG") == "" {
				continue
			}
			b := bytes.Clone(good)
			at := b[i*page+field.at:][:field.size]
			for j := range at {
				at[j] ^= 0xff
			}
			path := write(t, b)
			worst = min(worst, noticed(t, path))
			if t.Failed() {
				t.Fatalf("page %d of %d, field at %d", i, pages, field.at)
			}
		}
	}
	t.Logf("%d pages of %d are used; one took %d of 1000 records with it at most", used, pages, 1000-worst)
	if worst < 900 { // a commit has 50
		t.Errorf("one page took all but %d of 1000 records with it", worst)
	}
}

// TestCutAtEveryMegabyte cuts a file of many at each of them: what is before the cut, or most of
// it, comes out.
func TestCutAtEveryMegabyte(t *testing.T) {
	if testing.Short() {
		t.Skip("writes half a gigabyte")
	}
	const megabytes, size = 24, 300
	path := buffertest.Path(t)
	s := open(t, path, buffer.Options{Classes: 4})
	seq := uint64(1)
	for s.Stats().HighWaterBytes < megabytes<<20 {
		mustAppend(t, s, batch(seq, 2000, size))
		seq += 2000
	}
	s.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < megabytes; n++ {
		path := write(t, good[:n<<20])
		got, st := survives(t, path)
		before := int(seq-1) * n / megabytes
		t.Logf("cut at %d MiB: %d of %d records, %d files set aside", n, got, seq-1, st.Damaged)
		if st.Damaged != 1 || got < before*3/4 {
			t.Errorf("%d records of about %d that were before the cut", got, before)
		}
		buffertest.Check(t, path)
		if t.Failed() {
			t.Fatalf("cut at %d MiB", n)
		}
	}
}
