package hep

import (
	"errors"
	"io"
)

// Octets a Reader begins with, and those it grows to when a frame needs them.
const (
	readerStart = 16 << 10
	readerFull  = 64 << 10
)

// maxEmptyReads is how often an io.Reader may return nothing before Next gives
// up with io.ErrNoProgress.
const maxEmptyReads = 100

// Reader cuts a stream into HEP3 frames: a TCP connection, or a file with
// frames back to back. It checks a frame's magic and length but not its chunks;
// Parse does. It holds at most 64 KiB.
type Reader struct {
	r      io.Reader
	buf    []byte
	lo, hi int   // buf[lo:hi] is read and not yet returned
	base   int64 // offset in the stream of buf[lo]
	start  int64 // offset in the stream of the frame last returned
	fault  error // boundaries are lost: the stream's last word
	held   error // came beside octets, to be told after them
}

// NewReader returns a Reader that reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next returns the next frame, borrowed until the next call. At the end of the
// stream, on a frame's boundary, the error is io.EOF. A *ParseError names the
// offset in the stream of a frame that is no HEP3 or is cut short, and comes
// again on every later call. Another error is r's own; what was read before it
// is kept, and after a deadline, say, Next may be called again.
func (r *Reader) Next() ([]byte, error) {
	if r.fault != nil {
		return nil, r.fault
	}
	for {
		need := headerLen
		if have := r.buf[r.lo:r.hi]; len(have) >= headerLen {
			n, err := FrameLength(have)
			if err != nil {
				return nil, r.lost(FaultOf(err))
			}
			if len(have) >= n {
				r.lo += n
				r.start = r.base
				r.base += int64(n)
				return have[:n:n], nil
			}
			need = n
		}
		switch err := r.fill(need); {
		case err == io.EOF && r.hi-r.lo >= headerLen:
			return nil, r.lost(FaultTruncated)
		case err == io.EOF && r.hi > r.lo:
			_, err := FrameLength(r.buf[r.lo:r.hi])
			return nil, r.lost(FaultOf(err))
		case err != nil:
			return nil, err
		}
	}
}

// Offset returns the offset in the stream of the frame that Next returned last.
func (r *Reader) Offset() int64 { return r.start }

// Buffered returns how many octets were read that Next has not yet returned.
func (r *Reader) Buffered() int { return r.hi - r.lo }

func (r *Reader) lost(f Fault) error {
	r.fault = &ParseError{Offset: r.base, Err: f}
	return r.fault
}

// fill reads once, after making room for a frame of need octets.
func (r *Reader) fill(need int) error {
	if r.lo > 0 {
		r.hi = copy(r.buf, r.buf[r.lo:r.hi])
		r.lo = 0
	}
	if r.buf == nil {
		r.buf = make([]byte, readerStart)
	}
	if need > len(r.buf) {
		grown := make([]byte, readerFull)
		copy(grown, r.buf[:r.hi])
		r.buf = grown
	}
	if err := r.held; err != nil {
		r.held = nil
		return err
	}
	for range maxEmptyReads {
		n, err := r.r.Read(r.buf[r.hi:])
		if n < 0 || n > len(r.buf)-r.hi {
			return errors.New("hep: reader returned an impossible count")
		}
		r.hi += n
		if n > 0 {
			r.held = err
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
