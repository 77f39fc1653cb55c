package rest

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"io"

	"github.com/andybalholm/brotli"

	"heptap/capture/httpwire"
)

// decoder undoes content codings (RFC 9110 8.4.1, RFC 7932). It keeps one
// decompressor of each kind.
type decoder struct {
	in      bytes.Reader
	gzip    gzip.Reader
	deflate io.ReadCloser
	brotli  *brotli.Reader
	out     []byte
}

// decode returns what coded, of which more may have followed, holds, at most limit
// octets until the next call, and sets cut when there is more. It may change coded. It reports
// whether the coding is known and begins as it has to.
func (d *decoder) decode(coding, coded []byte, limit int, cut *bool) (b []byte, ok bool) {
	d.in.Reset(coded)
	var from io.Reader
	switch {
	case httpwire.Is(coding, "identity"):
		return coded, true
	case httpwire.Is(coding, "gzip"), httpwire.Is(coding, "x-gzip"):
		if err := d.gzip.Reset(&d.in); err != nil {
			return nil, false
		}
		from = &d.gzip
	case httpwire.Is(coding, "deflate"):
		from = d.flate(coded)
	case httpwire.Is(coding, "br"):
		from = d.br(coded)
	default:
		return nil, false
	}
	if cap(d.out) < limit+2 {
		d.out = make([]byte, limit+2)
	}
	n, err := io.ReadFull(from, d.out[:limit+1])
	if n > limit { // more than is kept
		*cut = true
		return d.out[:limit], true
	}
	whole := (err == io.EOF || err == io.ErrUnexpectedEOF) && ended(from, d.out[limit+1:limit+2])
	ok = n > 0 || whole || *cut
	*cut = *cut || !whole
	return d.out[:n], ok
}

// ended reports whether the decompressor has come to the end of what was coded:
// io.ReadFull tells a short output and a short input alike.
func ended(from io.Reader, room []byte) bool {
	_, err := from.Read(room)
	return err == io.EOF
}

// flate reads zlib (RFC 1950), as "deflate" is meant, or what some send for it,
// bare deflate (RFC 1951).
func (d *decoder) flate(coded []byte) io.Reader {
	if len(coded) >= 2 && coded[0]&0x0f == 8 && (uint(coded[0])<<8|uint(coded[1]))%31 == 0 && coded[1]&0x20 == 0 {
		d.in.Reset(coded[2:])
	}
	if d.deflate == nil {
		d.deflate = flate.NewReader(&d.in)
	} else if err := d.deflate.(flate.Resetter).Reset(&d.in, nil); err != nil {
		return &d.in // never: Reset of flate does not fail
	}
	return d.deflate
}

// br reads Brotli. The window that the stream asks for, up to 16 MiB, would be
// allocated whole: one of more than 256 KiB becomes one of 256 KiB, which is the
// same for an output that is shorter than either (RFC 7932 9.1: WBITS 18 to 24
// are four bits, 1 and 001 to 111).
func (d *decoder) br(coded []byte) io.Reader {
	if b := coded[0]; b&1 == 1 && b>>1&7 > 1 {
		coded[0] = b&^0x0e | 1<<1
	}
	if d.brotli == nil {
		d.brotli = brotli.NewReader(&d.in)
	} else if err := d.brotli.Reset(&d.in); err != nil {
		return &d.in // never: Reset of brotli does not fail
	}
	return d.brotli
}
