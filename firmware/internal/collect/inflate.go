package collect

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
)

// maxInflated bounds an inflated payload: a frame of 64 KiB can hold 64 MiB.
const maxInflated = 1 << 20

// inflate returns what b, chunk 0x10, holds, or nil. The specification does not
// settle the format: OpenSIPS sends gzip, captagent zlib, others raw deflate.
func inflate(b []byte) []byte {
	var r io.Reader
	var err error
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		r, err = gzip.NewReader(bytes.NewReader(b))
	case b[0]&0x0f == 8 && len(b) > 1 && (uint(b[0])<<8|uint(b[1]))%31 == 0: // RFC 1950, section 2.2
		r, err = zlib.NewReader(bytes.NewReader(b))
	default:
		r = flate.NewReader(bytes.NewReader(b))
	}
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(io.LimitReader(r, maxInflated+1))
	if err != nil || len(out) > maxInflated {
		return nil
	}
	return out
}
