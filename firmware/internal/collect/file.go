package collect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"heptap/hep"
)

// Decode reads HEP3 frames from r to its end, writes their JSON lines to w and returns what
// their numbers say.
// At damage it stops: everything before it is written, and the error is a
// *hep.ParseError that names the offset in r.
func Decode(r io.Reader, w io.Writer) (SequenceStats, error) {
	frames := hep.NewReader(r)
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	var seqs Sequences
	for {
		frame, err := frames.Next()
		var v hep.View
		if err == nil {
			v, err = parseAt(frame, frames.Offset())
		}
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return seqs.Stats(), errors.Join(err, out.Flush())
		}
		seqs.Note(v.Sequence())
		line = AppendJSON(line[:0], v)
		if _, err := out.Write(line); err != nil {
			return seqs.Stats(), err
		}
	}
}

// parseAt is hep.Parse with offsets that count from the start of the stream.
func parseAt(frame []byte, offset int64) (hep.View, error) {
	v, err := hep.Parse(frame)
	var pe *hep.ParseError
	if errors.As(err, &pe) {
		moved := *pe
		moved.Offset += offset
		return hep.View{}, &moved
	}
	return v, err
}

// OpenFile opens, or creates, a file of frames for appending. A frame cut short
// at its end, as a crash leaves it, is cut off: removed is its size in octets. A
// file damaged elsewhere, or that is none of ours, is an error that wraps a
// *hep.ParseError, and is left as it is.
func OpenFile(path string) (f *os.File, removed int64, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, err
	}
	removed, err = cutTail(f)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, errors.Join(err, f.Close()))
	}
	return f, removed, nil
}

func cutTail(f *os.File) (removed int64, err error) {
	frames := hep.NewReader(f)
	for err == nil {
		_, err = frames.Next()
	}
	if err == io.EOF {
		return 0, nil
	}
	var pe *hep.ParseError
	if !errors.As(err, &pe) || !errors.Is(err, hep.FaultTruncated) {
		return 0, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	return size - pe.Offset, f.Truncate(pe.Offset)
}
