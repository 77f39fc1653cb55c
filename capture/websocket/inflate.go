package websocket

import (
	"compress/flate"
	"errors"
	"io"
)

// ErrInflate is what Inflate returns for octets that are no compressed
// message, or that refer to a message before that is not there.
var ErrInflate = errors.New("websocket: compressed message does not inflate")

// Inflater inflates messages (RFC 7692 7.2.2), of any number of connections,
// one message at a time. It holds about 44 KiB.
type Inflater struct {
	r   io.ReadCloser
	src source
}

// NewInflater returns an Inflater.
func NewInflater() *Inflater {
	z := new(Inflater)
	z.r = flate.NewReader(&z.src)
	return z
}

// source is a message with the octets behind it that the sender left out, and
// an empty last block, so that the end is an end. It is an io.ByteReader:
// flate reads no further than it has to, and needs no buffer.
type source struct {
	b, tail []byte
}

var tail = []byte{0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff}

func (s *source) ReadByte() (byte, error) {
	if len(s.b) == 0 {
		if len(s.tail) == 0 {
			return 0, io.EOF
		}
		s.b, s.tail = s.tail, nil
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c, nil
}

func (s *source) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c, err := s.ReadByte()
		if err != nil {
			return n, err
		}
		p[n] = c
		n++
	}
	return n, nil
}

// Inflate appends the message b to dst, which must have room: it is not grown,
// and more is cut. before is what the sender may refer to, or nil. With partial
// set the end of b is missing, and what there is of it is returned.
func (z *Inflater) Inflate(dst, b, before []byte, partial bool) (out []byte, cut bool, err error) {
	z.src = source{b: b, tail: tail}
	if partial {
		z.src.tail = nil
	}
	if err := z.r.(flate.Resetter).Reset(&z.src, before); err != nil {
		return dst, false, err
	}
	out = dst
	for {
		if len(out) == cap(out) {
			var one [1]byte
			n, err := z.r.Read(one[:])
			return out, n > 0 || err != io.EOF, nil
		}
		n, err := z.r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case err == io.EOF:
			return out, partial, nil
		case err != nil && partial && len(out) > len(dst):
			return out, true, nil
		case err != nil:
			return dst, false, ErrInflate
		}
	}
}

// Window is what a sender with context takeover may refer to: the last octets
// of its messages.
type Window struct {
	buf []byte // its capacity is the window's size
}

// NewWindow returns a Window of the given size in bits, 8-15.
func NewWindow(bits uint8) *Window {
	return &Window{buf: make([]byte, 0, 1<<min(max(bits, 8), maxBits))}
}

// Octets returns what it holds; borrowed until the next Add.
func (w *Window) Octets() []byte { return w.buf }

// Add takes in a message, inflated.
func (w *Window) Add(b []byte) {
	size := cap(w.buf)
	if len(b) >= size {
		w.buf = append(w.buf[:0], b[len(b)-size:]...)
		return
	}
	if over := len(w.buf) + len(b) - size; over > 0 {
		w.buf = w.buf[:copy(w.buf, w.buf[over:])]
	}
	w.buf = append(w.buf, b...)
}

// Reset empties the window.
func (w *Window) Reset() { w.buf = w.buf[:0] }
