package pcapfile

import (
	"errors"
	"io"
)

// errLent says that more octets are only to be had by moving those in the
// buffer, which frames still borrow.
var errLent = errors.New("pcapfile: buffer is lent")

// window is the part of a stream that is in memory: buf[pos:end].
type window struct {
	src      io.Reader
	buf      []byte
	pos, end int
	offset   int64 // in the stream, of buf[pos]
	lent     bool  // frames point into buf[:pos]
	err      error // what src ended with
}

// peek returns the next n octets without taking them; they stay in place until
// lent is reset. At the end of the stream the error is io.EOF when nothing is
// left and io.ErrUnexpectedEOF when less than n octets are.
func (w *window) peek(n int) ([]byte, error) {
	if w.end-w.pos < n {
		if w.lent {
			return nil, errLent
		}
		if err := w.fill(n); err != nil {
			return nil, err
		}
	}
	return w.buf[w.pos : w.pos+n : w.pos+n], nil
}

// fill moves what is left to the front and reads until n octets are there.
func (w *window) fill(n int) error {
	if n > len(w.buf) {
		grown := make([]byte, n)
		copy(grown, w.buf[w.pos:w.end])
		w.buf = grown
	} else {
		copy(w.buf, w.buf[w.pos:w.end])
	}
	w.end -= w.pos
	w.pos = 0
	for idle := 0; w.end < n && w.err == nil; {
		var got int
		got, w.err = w.src.Read(w.buf[w.end:])
		w.end += got
		if idle++; got > 0 {
			idle = 0
		} else if idle == 100 && w.err == nil {
			w.err = io.ErrNoProgress
		}
	}
	switch {
	case w.end >= n:
		return nil
	case w.err == io.EOF && w.end > 0:
		return io.ErrUnexpectedEOF
	}
	return w.err
}

// take moves past n octets, which peek has shown.
func (w *window) take(n int) {
	w.pos += n
	w.offset += int64(n)
}

// skip moves past n octets that need not fit in the buffer. It gives up in
// the middle when the stream ends.
func (w *window) skip(n int64) error {
	for n > 0 {
		if w.pos == w.end {
			if _, err := w.peek(1); err != nil {
				return err
			}
		}
		step := min(n, int64(w.end-w.pos))
		w.take(int(step))
		n -= step
	}
	return nil
}
