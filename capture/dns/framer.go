package dns

import "encoding/binary"

const lengthSize = 2

// MaxFrame is the most octets that a Framer leaves pending.
const MaxFrame = lengthSize + 1<<16 - 1

// FrameKind says what the octets of a Frame are.
type FrameKind uint8

// The kinds of frames.
const (
	More    FrameKind = iota // nothing yet: call again with more octets behind these
	Message                  // one message, behind its length
	Rest                     // what is left of a message that a gap was in
	Junk                     // no part of a message that we could follow
)

// Frame is what the pending octets of a stream begin with.
type Frame struct {
	Kind  FrameKind
	N     int  // octets covered: drop them; 0 for More
	Start int  // of a Message: where it begins in them
	Cut   bool // of a Message: its end was not seen
}

// Front judges the octets that a stream has so far: they begin with a length
// and a message, or never will, or may do so when there are more.
func Front(b []byte) Verdict {
	if len(b) < lengthSize {
		return Maybe
	}
	return probe(b[lengthSize:], int(binary.BigEndian.Uint16(b)))
}

// Framer cuts one direction of a stream into messages (RFC 7766 8). The zero
// Framer stands at the beginning of a message. It holds no octets.
type Framer struct {
	skip int32 // octets left of a message
	have int32 // pending octets when More was the answer
	need int32 // octets of the frame that is being waited for, 0 when not known
	lost bool
}

// Next says what b begins with: the pending octets of the stream, in order,
// without those that earlier frames covered. After More the next b has to
// begin with the same octets. With last set nothing will ever follow b; then
// the answer is More only for an empty b.
func (f *Framer) Next(b []byte, last bool) Frame {
	if len(b) == 0 {
		return Frame{}
	}
	if n := min(int(f.skip), len(b)); n > 0 {
		f.skip -= int32(n)
		return Frame{Kind: Rest, N: n}
	}
	var r Frame
	if !f.lost {
		r = f.begin(b, last)
	}
	if f.lost {
		r = f.search(b, last) // at b[0] as well, where it fails as begin did
	}
	if r.Kind == More {
		f.have = int32(len(b))
	} else {
		f.have, f.need = 0, 0
	}
	return r
}

// Lost tells that octets are missing between those that Next saw last and
// those it will see next: gap of them, or an unknown number when gap is not
// positive. What was pending is not shown again; call Next with last set before,
// to have what was there of a message.
func (f *Framer) Lost(gap int64) {
	rest := f.skip
	if f.need > 0 {
		rest = f.need - f.have
	}
	if gap > 0 && gap <= int64(rest) {
		*f = Framer{skip: rest - int32(gap)}
		return
	}
	*f = Framer{lost: true}
}

// begin reads the message at b[0]; what is none makes it lost.
func (f *Framer) begin(b []byte, last bool) Frame {
	v := Front(b)
	if v == No || v == Maybe && last {
		f.lost = true
		return Frame{}
	}
	if v == Maybe {
		return Frame{}
	}
	n := lengthSize + int(binary.BigEndian.Uint16(b))
	switch {
	case n <= len(b):
		return Frame{Kind: Message, N: n, Start: lengthSize}
	case last:
		f.skip = int32(n - len(b))
		return Frame{Kind: Message, N: len(b), Start: lengthSize, Cut: true}
	}
	f.need = int32(n)
	return Frame{}
}

// found is Front in the middle of a stream, where more has to speak for a
// message: a query or its response, with one question, and a length that the
// records it says it has fit in.
func found(b []byte) Verdict {
	v := Front(b)
	if v == No || len(b) < lengthSize+headerSize {
		return v
	}
	length, h := int(binary.BigEndian.Uint16(b)), parseHeader(b[lengthSize:])
	records := h.answers + int(binary.BigEndian.Uint16(b[lengthSize+8:])) + int(binary.BigEndian.Uint16(b[lengthSize+10:]))
	if h.opcode() != 0 || h.questions != 1 || headerSize+minQuestion+records*minRecord > length {
		return No
	}
	return v
}

// search looks for a message at every octet.
func (f *Framer) search(b []byte, last bool) Frame {
	for i := range b {
		v := found(b[i:])
		if v == No || v == Maybe && last {
			continue
		}
		if i > 0 {
			return Frame{Kind: Junk, N: i}
		}
		if v == Maybe {
			return Frame{}
		}
		f.lost = false
		return f.begin(b, last)
	}
	return Frame{Kind: Junk, N: len(b)}
}
