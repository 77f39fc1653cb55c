package bundle

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Sign writes the update that brings system, signed by each of the keys, to w.
// Size and SHA256 of the header are set by it. It reads system twice.
func Sign(w io.Writer, h Header, system io.ReadSeeker, keys ...ed25519.PrivateKey) (Header, error) {
	if len(keys) < 1 || len(keys) > MaxSignatures {
		return h, fmt.Errorf("%d keys to sign by: want 1 to %d", len(keys), MaxSignatures)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, system)
	if err != nil {
		return h, err
	}
	h.Size = n
	sum.Sum(h.SHA256[:0])
	if err := h.Check(); err != nil {
		return h, err
	}
	signed := signedPart(h.Text())
	out := append(signed[:len(signed):len(signed)], byte(len(keys)))
	for _, k := range keys {
		id := IDOf(PublicOf(k))
		out = append(append(out, id[:]...), ed25519.Sign(k, signed)...)
	}
	if _, err := system.Seek(0, io.SeekStart); err != nil {
		return h, err
	}
	if _, err := w.Write(out); err != nil {
		return h, err
	}
	sum.Reset()
	n, err = io.Copy(io.MultiWriter(w, sum), system)
	if err == nil && (n != h.Size || [sha256.Size]byte(sum.Sum(nil)) != h.SHA256) {
		err = errors.New("the system has changed meanwhile")
	}
	return h, err
}

// signedPart is what a signature is over.
func signedPart(header []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte(magic), uint16(len(header))), header...)
}
