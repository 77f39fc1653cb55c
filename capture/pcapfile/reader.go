package pcapfile

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"heptap/capture"
)

// Limits in octets. What a file states beyond them is damage.
const (
	MaxFrame = 256 << 10 // captured length of one frame, as libpcap has it
	MaxBlock = 512 << 10 // a pcapng block that has to be in memory: packets, interfaces, sections

	bufferSize = 256 << 10
)

// ErrFormat says that a file begins like neither pcap nor pcapng. It comes
// inside a *DamageError.
var ErrFormat = errors.New("neither pcap nor pcapng")

// DamageError says where a file stops being readable.
type DamageError struct {
	Offset int64 // of the record or block, in octets from the start of the uncompressed file
	Err    error // what is wrong with it; io.ErrUnexpectedEOF when it is cut short
}

// Error implements error.
func (e *DamageError) Error() string { return fmt.Sprintf("damaged at offset %d: %v", e.Offset, e.Err) }

// Unwrap returns what is wrong at the offset.
func (e *DamageError) Unwrap() error { return e.Err }

// format reads the records of one file format.
type format interface {
	// next fills in f from the next frame. errLent means: not before the next
	// Read. Any other error but io.EOF is damage of the record at w.offset.
	next(w *window, f *capture.Frame) error
}

// Reader is a capture.Source that reads one capture file.
type Reader struct {
	w      window
	format format
	name   string // of the file, empty when New made the Reader
	file   io.Closer
	err    error // sticky
	count  atomic.Uint64
}

// Open opens the capture file at path. Errors of the Reader name it.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open capture file: %w", err)
	}
	r := &Reader{name: path, file: f}
	if err := r.start(f); err != nil {
		return nil, errors.Join(r.named(err), f.Close())
	}
	return r, nil
}

// New reads a capture file from src, which the caller closes after the Reader.
// It reads the file header at once; what cannot be one is a *DamageError.
func New(src io.Reader) (*Reader, error) {
	r := &Reader{}
	if err := r.start(src); err != nil {
		return nil, err
	}
	return r, nil
}

// start finds out what src holds, and reads the header of a pcap file.
func (r *Reader) start(src io.Reader) error {
	r.w = window{src: src, buf: make([]byte, bufferSize)}
	b, err := r.w.peek(2)
	if err == nil && b[0] == 0x1f && b[1] == 0x8b {
		var z *gzip.Reader
		if z, err = gzip.NewReader(&rest{w: r.w}); err != nil {
			return &DamageError{0, fmt.Errorf("gzip: %w", cutShort(err))}
		}
		r.w = window{src: &compressed{z}, buf: make([]byte, bufferSize)}
	}
	if b, err = r.w.peek(4); err != nil {
		return &DamageError{0, cutShort(err)}
	}
	if binary.BigEndian.Uint32(b) == blockSection {
		r.format = &pcapng{}
		return nil
	}
	p, err := newPcap(&r.w)
	if err != nil {
		return &DamageError{r.w.offset, cutShort(err)}
	}
	r.format = p
	return nil
}

// Read implements capture.Source. It returns what the buffer holds without
// waiting for more of the file, and an error only when no frame is before it:
// io.EOF, or a *DamageError, and then the same for ever.
func (r *Reader) Read(frames []capture.Frame) (int, error) {
	if r.err != nil || len(frames) == 0 {
		return 0, r.err
	}
	r.w.lent = false
	n := 0
	for n < len(frames) {
		err := r.format.next(&r.w, &frames[n])
		if err == errLent {
			break
		}
		if err != nil {
			r.err = r.stop(err)
			break
		}
		r.w.lent = true
		n++
	}
	r.count.Add(uint64(n))
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

// stop returns the error that ends the file, given what next returned. Only
// whole records are taken, so the window stands at the damaged one.
func (r *Reader) stop(err error) error {
	if err == io.EOF {
		return io.EOF
	}
	if damage, ok := errors.AsType[*DamageError](err); ok {
		return r.named(damage)
	}
	return r.named(&DamageError{r.w.offset, cutShort(err)})
}

// Stats implements capture.Source. A file knows of no drops.
func (r *Reader) Stats() capture.Stats { return capture.Stats{Received: r.count.Load()} }

// Close implements capture.Source. It is idempotent; Read fails after it.
func (r *Reader) Close() error {
	r.err = os.ErrClosed
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// named puts the file's name before err.
func (r *Reader) named(err error) error {
	if r.name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", r.name, err)
}

// cutShort turns the end of the stream inside a record into what it is.
func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// rest is the stream that w began to read, from w's position on.
type rest struct{ w window }

// Read implements io.Reader.
func (r *rest) Read(b []byte) (int, error) {
	if r.w.pos == r.w.end {
		if r.w.err != nil {
			return 0, r.w.err
		}
		return r.w.src.Read(b)
	}
	n := copy(b, r.w.buf[r.w.pos:r.w.end])
	r.w.pos += n
	return n, nil
}

// compressed says in its errors that they come from decompression.
type compressed struct{ z *gzip.Reader }

// Read implements io.Reader.
func (c *compressed) Read(b []byte) (int, error) {
	n, err := c.z.Read(b)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("gzip: %w", err)
	}
	return n, err
}
