package pcapfile

import (
	"errors"
	"fmt"
	"io"
	"math"

	"heptap/capture"
)

// mergeBatch is how many frames are read from one source at a time.
const mergeBatch = 64

// Merge returns the frames of several files by their wall time, the earlier
// source first when times are equal. Each frame's Port becomes the index of
// its source (the 256th and later share 255). A source whose own times run
// backwards keeps its order. It is for sources that end: one that says that
// nothing arrived holds up the others.
//
// A source that fails is delivered up to there and then left out; when all
// have ended, Read returns the joined errors, or io.EOF when there are none.
// Close closes every source.
func Merge(sources ...capture.Source) capture.Source {
	m := &merged{parts: make([]part, len(sources))}
	for i, s := range sources {
		m.parts[i] = part{source: s, port: uint8(min(i, math.MaxUint8)), frames: make([]capture.Frame, mergeBatch)}
	}
	return m
}

// part is one source of a merge and the batch that was read from it.
type part struct {
	source capture.Source
	frames []capture.Frame
	n, pos int // frames[pos:n] are still to be delivered
	port   uint8
	ended  bool
}

type merged struct {
	parts []part
	errs  []error
}

// Read implements capture.Source. A batch ends where a source has to be read
// again, as that takes back what it has lent.
func (m *merged) Read(frames []capture.Frame) (int, error) {
	if len(frames) == 0 {
		return 0, nil
	}
	live, err := m.refill()
	if err != nil || !live {
		return 0, err
	}
	n := 0
	for n < len(frames) {
		p := m.first()
		if p == nil {
			break
		}
		frames[n] = p.frames[p.pos]
		frames[n].Port = p.port
		p.pos++
		n++
		if p.pos == p.n {
			break
		}
	}
	return n, nil
}

// refill reads a batch from every source that has none. It says whether there
// is a frame of each that goes on; at the end of all it returns the error.
func (m *merged) refill() (live bool, err error) {
	left, waiting := false, false
	for i := range m.parts {
		p := &m.parts[i]
		if !p.ended && p.pos == p.n {
			p.pos = 0
			p.n, err = p.source.Read(p.frames)
			if err != nil {
				p.ended = true
				if err != io.EOF {
					m.errs = append(m.errs, fmt.Errorf("source %d: %w", i, err))
				}
			}
		}
		if !p.ended {
			left = true
			waiting = waiting || p.n == 0
		}
	}
	if !left {
		if len(m.errs) > 0 {
			return false, errors.Join(m.errs...)
		}
		return false, io.EOF
	}
	return !waiting, nil
}

// first returns the part with the earliest frame.
func (m *merged) first() *part {
	var first *part
	for i := range m.parts {
		p := &m.parts[i]
		if !p.ended && p.pos < p.n && (first == nil || p.frames[p.pos].Wall < first.frames[first.pos].Wall) {
			first = p
		}
	}
	return first
}

// Stats implements capture.Source: the sum of all sources.
func (m *merged) Stats() (sum capture.Stats) {
	for i := range m.parts {
		s := m.parts[i].source.Stats()
		sum.Received += s.Received
		sum.KernelDrops += s.KernelDrops
		sum.Freezes += s.Freezes
		sum.Reopens += s.Reopens
	}
	return sum
}

// Close implements capture.Source.
func (m *merged) Close() error {
	var errs []error
	for i := range m.parts {
		errs = append(errs, m.parts[i].source.Close())
	}
	return errors.Join(errs...)
}
