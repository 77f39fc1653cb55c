package bundle

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// What can be wrong with an update.
var (
	ErrFormat    = errors.New("not an update of a box, or one of a newer format")
	ErrUntrusted = errors.New("not signed by a key that this box trusts")
	ErrCorrupt   = errors.New("damaged: what it brings is not what was signed")
)

// Reader reads an update. What it returns of the system counts only after io.EOF:
// before, it may turn out to be damaged.
type Reader struct {
	Header Header
	Signer KeyID // the trusted key whose signature held

	r    io.Reader
	left int64
	sum  hash.Hash
	err  error
}

// NewReader reads an update up to its system, which Read then returns. Its
// signature is good: without one by a trusted key, the error is ErrUntrusted. What r is
// asked for is never more than the update's own octets and one.
func NewReader(r io.Reader, trusted []ed25519.PublicKey) (*Reader, error) {
	text, signatures, err := readFront(r)
	if err != nil {
		return nil, err
	}
	signer, err := verify(signedPart(text), signatures, trusted)
	if err != nil {
		return nil, err
	}
	return newReader(r, text, signer)
}

// Unverified reads an update whoever may have signed it, to look at it. names are
// the keys that it says have.
func Unverified(r io.Reader) (_ *Reader, names []KeyID, err error) {
	text, signatures, err := readFront(r)
	if err != nil {
		return nil, nil, err
	}
	for ; len(signatures) > 0; signatures = signatures[signatureSize:] {
		names = append(names, KeyID(signatures))
	}
	rd, err := newReader(r, text, KeyID{})
	return rd, names, err
}

func newReader(r io.Reader, text []byte, signer KeyID) (*Reader, error) {
	h, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	return &Reader{Header: h, Signer: signer, r: r, left: h.Size, sum: sha256.New()}, nil
}

// signatureSize is a signature's with the key's name, in octets.
const signatureSize = len(KeyID{}) + ed25519.SignatureSize

// readFront reads what is before the system.
func readFront(r io.Reader) (text, signatures []byte, err error) {
	var begin [len(magic) + 2]byte
	if err := fill(r, begin[:]); err != nil {
		return nil, nil, err
	}
	size := int(binary.BigEndian.Uint16(begin[len(magic):]))
	if string(begin[:len(magic)]) != magic || size < 1 || size > MaxHeader {
		return nil, nil, ErrFormat
	}
	text = make([]byte, size+1)
	if err := fill(r, text); err != nil {
		return nil, nil, err
	}
	text, count := text[:size], int(text[size])
	if count < 1 || count > MaxSignatures {
		return nil, nil, fmt.Errorf("%w: %d signatures", ErrFormat, count)
	}
	signatures = make([]byte, count*signatureSize)
	return text, signatures, fill(r, signatures)
}

// fill reads exactly len(b) octets.
func fill(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrFormat)
	}
	return err
}

// verify returns the first trusted key whose signature is good.
func verify(signed, signatures []byte, trusted []ed25519.PublicKey) (KeyID, error) {
	var named []string
	for len(signatures) > 0 {
		id := KeyID(signatures)
		signature := signatures[len(id):signatureSize]
		signatures = signatures[signatureSize:]
		named = append(named, id.String())
		for _, key := range trusted {
			if IDOf(key) == id && ed25519.Verify(key, signed, signature) {
				return id, nil
			}
		}
	}
	return KeyID{}, fmt.Errorf("%w: it names %s", ErrUntrusted, strings.Join(named, ", "))
}

// Read returns the system. Its end is io.EOF only if the system is the one
// that was signed and nothing follows; otherwise it is ErrCorrupt.
func (r *Reader) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(b) == 0 {
		return 0, nil
	}
	if r.left == 0 {
		r.err = r.finish()
		return 0, r.err
	}
	n, err := r.r.Read(b[:min(int64(len(b)), r.left)])
	r.left -= int64(n)
	r.sum.Write(b[:n])
	switch {
	case errors.Is(err, io.EOF) && r.left > 0:
		r.err = fmt.Errorf("%w: %d octets are missing", ErrCorrupt, r.left)
	case err != nil && !errors.Is(err, io.EOF):
		r.err = err
	}
	return n, r.err
}

func (r *Reader) finish() error {
	if [sha256.Size]byte(r.sum.Sum(nil)) != r.Header.SHA256 {
		return ErrCorrupt
	}
	var more [1]byte
	switch n, err := io.ReadFull(r.r, more[:]); {
	case n > 0:
		return fmt.Errorf("%w: something follows it", ErrCorrupt)
	case errors.Is(err, io.EOF):
		return io.EOF
	default:
		return err
	}
}
