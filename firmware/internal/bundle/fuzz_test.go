package bundle

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"
)

// FuzzReader: what is read to its end was signed, and there is one file for it.
func FuzzReader(f *testing.F) {
	f.Add(sign(f, "system", key(1)))
	f.Add(sign(f, "system", key(3), key(1)))
	f.Add(sign(f, "system", key(3)))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := NewReader(bytes.NewReader(file), trust(key(1)))
		if err != nil {
			return
		}
		system, err := io.ReadAll(r)
		if err != nil {
			return
		}
		if sha256.Sum256(system) != r.Header.SHA256 || int64(len(system)) != r.Header.Size || r.Header.Check() != nil {
			t.Errorf("%+v of %d octets", r.Header, len(system))
		}
		if !bytes.HasSuffix(file, system) || !bytes.HasPrefix(file, signedPart(r.Header.Text())) {
			t.Error("not what was signed")
		}
	})
}

// FuzzHeader: a header is what its text says, and no other text says it.
func FuzzHeader(f *testing.F) {
	h := header
	h.Size = 1
	f.Add(h.Text())
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := parseHeader(text)
		if err == nil && (!bytes.Equal(h.Text(), text) || h.Check() != nil || len(text) > MaxHeader) {
			t.Errorf("%q: %+v", text, h)
		}
	})
}
