package hep

import (
	"errors"
	"fmt"
	"io"
)

// ErrTooLarge means that a packet would be more than MaxFrame octets.
var ErrTooLarge = errors.New("hep: frame too large")

// Fault says why octets are not a frame. It is an error, and what a
// *ParseError wraps.
type Fault uint8

// The faults. FaultMagic and FaultLength on a stream mean that the boundaries
// are lost: HEP has nothing to find the next frame by.
const (
	FaultNone        Fault = iota
	FaultTruncated         // the octets end inside a frame; io.ErrUnexpectedEOF
	FaultMagic             // does not begin with "HEP3"
	FaultLength            // frame length below 6, or not that of the octets given
	FaultTooLarge          // frame length over MaxFrame; ErrTooLarge
	FaultChunkLength       // a chunk is shorter than its header or leaves the frame
	FaultChunkSize         // a chunk's value has the wrong size for its type
	FaultDuplicate         // a chunk comes twice
	FaultFamily            // HEP1 or HEP2 with an unknown IP family
	NumFaults              // how many there are
)

var faultTexts = [NumFaults]string{
	"no fault", "truncated", "bad magic", "bad length", "too large", "bad chunk length", "bad chunk size",
	"duplicate chunk", "unknown address family",
}

// Error returns the fault as counters and messages name it.
func (f Fault) Error() string {
	if f < NumFaults {
		return faultTexts[f]
	}
	return "invalid fault"
}

// Is makes errors.Is see io.ErrUnexpectedEOF in FaultTruncated and ErrTooLarge
// in FaultTooLarge.
func (f Fault) Is(target error) bool {
	return f == FaultTruncated && target == io.ErrUnexpectedEOF || f == FaultTooLarge && target == ErrTooLarge
}

// ParseError says where parsing stopped and why.
type ParseError struct {
	Offset int64  // of the fault: from the start of the frame, or of the stream for Reader
	Chunk  uint16 // type of the chunk at fault, 0 for the frame itself
	Err    error  // a Fault
}

// Error names the offset, the chunk if it is one, and the fault.
func (e *ParseError) Error() string {
	if e.Chunk != 0 {
		return fmt.Sprintf("hep: offset %d: chunk 0x%04x: %v", e.Offset, e.Chunk, e.Err)
	}
	return fmt.Sprintf("hep: offset %d: %v", e.Offset, e.Err)
}

// Unwrap returns e.Err.
func (e *ParseError) Unwrap() error { return e.Err }

// FaultOf returns the fault in err's chain, FaultNone when there is none.
func FaultOf(err error) Fault {
	var f Fault
	if errors.As(err, &f) {
		return f
	}
	return FaultNone
}

func fault(offset int, chunk uint16, f Fault) error {
	return &ParseError{Offset: int64(offset), Chunk: chunk, Err: f}
}
