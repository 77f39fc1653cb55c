package capturetest

import (
	"bytes"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"heptap/capture"
)

// Frames returns Ethernet frames of the given octets, the first at start and
// each next one step later. Mono equals Wall, as in a file.
func Frames(start time.Time, step time.Duration, data ...[]byte) []capture.Frame {
	frames := make([]capture.Frame, len(data))
	for i, b := range data {
		at := start.Add(time.Duration(i) * step).UnixNano()
		frames[i] = capture.Frame{Data: b, Length: len(b), Wall: at, Mono: at, Link: capture.LinkEthernet}
	}
	return frames
}

// WritePcap writes frames as a pcap file with nanoseconds. All frames must
// have the first one's link type; with no frames the file says Ethernet.
func WritePcap(w io.Writer, frames []capture.Frame) error {
	link := capture.LinkEthernet
	if len(frames) > 0 {
		link = frames[0].Link
	}
	// pcapgo's link type has 8 bits; SLL2 needs 9, so the header is mended.
	p := pcapgo.NewWriterNanos(&headerFix{w: w, link: link})
	if err := p.WriteFileHeader(262144, layers.LinkType(link)); err != nil {
		return err
	}
	for i := range frames {
		f := &frames[i]
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(0, f.Wall), CaptureLength: len(f.Data), Length: max(f.Length, len(f.Data))}
		if err := p.WritePacket(ci, f.Data); err != nil {
			return err
		}
	}
	return nil
}

type headerFix struct {
	w    io.Writer
	link capture.LinkType
	done bool
}

// Write expects the 24 octets of the file header in the first call.
func (h *headerFix) Write(b []byte) (int, error) {
	if !h.done {
		h.done = true
		b = bytes.Clone(b)
		b[20], b[21] = byte(h.link), byte(h.link>>8)
	}
	return h.w.Write(b)
}

// FakeSource is a capture.Source fed from a slice. What it lends it
// overwrites at the next Read, so that a reader who keeps it is found out.
type FakeSource struct {
	// Batch is how many frames one Read gives at most; 0 means no limit.
	Batch int
	// Idle is how many Reads in a row say that nothing arrived, between any
	// two that give frames.
	Idle int
	// Err is what comes after the last frame; nil means io.EOF.
	Err error

	frames   []capture.Frame
	lent     [][]byte
	idled    int
	closed   bool
	received atomic.Uint64
}

// NewFakeSource returns a source of copies of frames.
func NewFakeSource(frames []capture.Frame) *FakeSource { return &FakeSource{frames: frames} }

// Read implements capture.Source.
func (s *FakeSource) Read(frames []capture.Frame) (int, error) {
	for _, b := range s.lent {
		for i := range b {
			b[i] = 0xdb
		}
	}
	s.lent = s.lent[:0]
	switch {
	case s.closed:
		return 0, os.ErrClosed
	case len(s.frames) == 0 && s.Err != nil:
		return 0, s.Err
	case len(s.frames) == 0:
		return 0, io.EOF
	case s.idled < s.Idle:
		s.idled++
		return 0, nil
	}
	s.idled = 0
	n := copy(frames, s.frames)
	if s.Batch > 0 {
		n = min(n, s.Batch)
	}
	for i := range frames[:n] {
		frames[i].Data = append([]byte(nil), frames[i].Data...)
		s.lent = append(s.lent, frames[i].Data)
	}
	s.frames = s.frames[n:]
	s.received.Add(uint64(n))
	return n, nil
}

// Stats implements capture.Source.
func (s *FakeSource) Stats() capture.Stats { return capture.Stats{Received: s.received.Load()} }

// Close implements capture.Source.
func (s *FakeSource) Close() error {
	s.closed = true
	return nil
}
