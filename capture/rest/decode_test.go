package rest

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestDecode compares what comes out, of whole bodies and of each front, with
// what went in. The Brotli streams ask for windows of 16 MiB.
func TestDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var text []byte
	words := []string{"the ", "call ", "number ", "+4930", "{\"route\":", "time ", "gateway ", "}\n"}
	for len(text) < maxBody-100 {
		text = append(text, words[r.IntN(len(words))]...)
		text = append(text, byte('a'+r.IntN(26)))
	}
	var d decoder
	for _, coding := range []string{"gzip", "deflate", "br"} {
		coded := []byte(compress(t, coding, string(text)))
		cut := false
		got, ok := d.decode([]byte(coding), bytes.Clone(coded), maxBody, &cut)
		if !ok || cut || !bytes.Equal(got, text) {
			t.Errorf("%s: ok %v, cut %v, %d octets of %d", coding, ok, cut, len(got), len(text))
		}
		cut = false
		if got, ok = d.decode([]byte(coding), bytes.Clone(coded), 100, &cut); !ok || !cut || !bytes.Equal(got, text[:100]) {
			t.Errorf("%s, 100 octets: ok %v, cut %v, %q", coding, ok, cut, got)
		}
		for n := 1; n < len(coded); n += 1 + n/16 {
			cut = true // as when more came than was kept
			got, ok = d.decode([]byte(coding), bytes.Clone(coded[:n]), maxBody, &cut)
			if ok && (!cut || !bytes.HasPrefix(text, got)) {
				t.Fatalf("%s, %d of %d octets: cut %v, %d octets", coding, n, len(coded), cut, len(got))
			}
		}
		cut = false
		if _, ok = d.decode([]byte(coding), bytes.Clone(coded[:len(coded)-1]), maxBody, &cut); ok && !cut && coding != "deflate" { // its checksum is not read
			t.Errorf("%s without its last octet is whole", coding)
		}
		if got, ok := d.decode([]byte(coding), bytes.Repeat([]byte{0x55}, 40), maxBody, new(bool)); ok && len(got) == 0 {
			t.Errorf("%s: rubbish is nothing", coding)
		}
	}
	if _, ok := d.decode([]byte("zstd"), []byte("x"), 10, new(bool)); ok {
		t.Error("zstd is known")
	}
}
