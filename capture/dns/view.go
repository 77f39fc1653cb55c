package dns

import (
	"encoding/binary"
	"errors"
)

// Limits on what is read of one message.
const (
	MaxQuestions = 64
	MaxAnswers   = 64
)

const (
	headerSize  = 12
	minQuestion = 5  // the root, type and class
	minRecord   = 11 // the root, type, class, TTL and length
)

// Errors of View.Parse.
var (
	ErrShort    = errors.New("dns: too short to say anything")
	ErrHeader   = errors.New("dns: senseless header")
	ErrQuestion = errors.New("dns: broken question")
)

// Question is one question (RFC 1035 4.1.2).
type Question struct {
	Name  Name
	Type  Type
	Class Class
}

// View is one message taken apart.
type View struct {
	ID                 uint16
	Response           bool
	Opcode             uint8 // 4 bits: 0 is a query
	Authoritative      bool
	Truncated          bool // by the sender (TC)
	RecursionDesired   bool
	RecursionAvailable bool
	Z                  uint8 // 3 bits, of which the lower two are AD and CD (RFC 4035 3)
	RCode              uint8 // 4 bits, without what OPT adds

	Questions int      // as many as there are
	Question  Question // the first one
	Answers   int      // as many as Walk gives
	Cut       bool     // the message says it has more answers

	msg     []byte
	answers int // where they begin
}

// header is the message's first 12 octets.
type header struct {
	flags              uint16
	questions, answers int
}

func parseHeader(b []byte) header {
	return header{binary.BigEndian.Uint16(b[2:]), int(binary.BigEndian.Uint16(b[4:])), int(binary.BigEndian.Uint16(b[6:]))}
}

const (
	flagQR = 1 << 15
	flagAA = 1 << 10
	flagTC = 1 << 9
	flagRD = 1 << 8
	flagRA = 1 << 7
	flagZ  = 1 << 6
)

func (h *header) opcode() uint8 { return uint8(h.flags >> 11 & 15) }

// sensible reports whether a header may be one: an opcode that is assigned, no
// reserved bit, and something to say.
func (h *header) sensible() bool {
	response, rcode := h.flags&flagQR != 0, h.flags&15
	switch op := h.opcode(); {
	case op == 3, op > 6, h.flags&flagZ != 0, h.questions > MaxQuestions:
		return false
	case !response && (rcode != 0 || h.flags&flagRA != 0):
		return false
	}
	return h.questions > 0 || h.answers > 0 || response && rcode != 0
}

// Is reports whether a datagram on a port of DNS is a message. Of binary
// protocols it refuses nearly all, but it is no way to find DNS elsewhere.
func Is(b []byte) bool { return probe(b, len(b)) == Yes }

// Verdict says whether octets are the front of something.
type Verdict uint8

// The verdicts of Front.
const (
	Maybe Verdict = iota // more octets will tell
	No
	Yes
)

// probe judges by its first octets a message that has length of them.
func probe(b []byte, length int) Verdict {
	b = b[:min(len(b), length)]
	more := Maybe
	if len(b) == length {
		more = No
	}
	if len(b) < headerSize {
		return more
	}
	h := parseHeader(b)
	if !h.sensible() || headerSize+minQuestion*h.questions > length {
		return No
	}
	at, st := headerSize, whole
	if h.questions > 0 {
		var q Question
		if q, _, st = question(b, at); st == whole && !q.sensible() {
			return No
		}
	} else if h.answers > 0 {
		_, at, st = name(b, at)
		if st == whole && at+10 > len(b) {
			st = short
		}
	}
	switch st {
	case bad:
		return No
	case short:
		return more
	}
	return Yes
}

// sensible reports whether a question asks for something in a class that is
// in use. mDNS has its highest bit for itself.
func (q *Question) sensible() bool {
	switch q.Class &^ classTop {
	case ClassIN, ClassCH, ClassHS, ClassNone, ClassAny:
		return q.Type != 0
	}
	return false
}

func question(b []byte, at int) (q Question, next int, st status) {
	q.Name, at, st = name(b, at)
	if st != whole {
		return Question{}, 0, st
	}
	if at+4 > len(b) {
		return Question{}, 0, short
	}
	q.Type, q.Class = Type(binary.BigEndian.Uint16(b[at:])), Class(binary.BigEndian.Uint16(b[at+2:]))
	return q, at + 4, whole
}

// Parse fills v from a message, without a length in front. Answers that are
// missing or broken are noted; on an error v is empty. It does not allocate.
func (v *View) Parse(b []byte) error {
	*v = View{}
	if len(b) < headerSize {
		return ErrShort
	}
	h := parseHeader(b)
	if !h.sensible() {
		return ErrHeader
	}
	at := headerSize
	var first Question
	for i := range h.questions {
		q, next, st := question(b, at)
		switch {
		case st == short:
			return ErrShort
		case st == bad || !q.sensible():
			return ErrQuestion
		case i == 0:
			first = q
		}
		at = next
	}
	*v = View{
		ID: binary.BigEndian.Uint16(b), Response: h.flags&flagQR != 0, Opcode: h.opcode(), Authoritative: h.flags&flagAA != 0,
		Truncated: h.flags&flagTC != 0, RecursionDesired: h.flags&flagRD != 0, RecursionAvailable: h.flags&flagRA != 0,
		Z: uint8(h.flags >> 4 & 7), RCode: uint8(h.flags & 15), Questions: h.questions, Question: first,
		msg: b, answers: at,
	}
	for v.Answers < min(h.answers, MaxAnswers) {
		_, next, ok := record(b, at)
		if !ok {
			break
		}
		at = next
		v.Answers++
	}
	v.Cut = v.Answers < h.answers
	if v.Answers+v.Questions == 0 && h.answers > 0 {
		*v = View{}
		return ErrShort
	}
	return nil
}

// ENUM returns the number that the question asks for (RFC 6116 3.2): the
// labels in front of e164.arpa, which are its digits, last one first, as
// "+" and digits.
func (v *View) ENUM() (number string, ok bool) {
	var digits [maxName / 2]byte
	at := len(digits)
	n := v.Question.Name
	l := n.label()
	for ; len(l) == 1; l = n.label() {
		switch c := l[0]; {
		case c-'0' < 10:
			at--
			digits[at] = c
		case c|0x20 == 'i': // infrastructure ENUM has an "i" among them
		default:
			return "", false
		}
	}
	if !isFolded(l, "e164") || !isFolded(n.label(), "arpa") || n.label() != nil || at == len(digits) {
		return "", false
	}
	return "+" + string(digits[at:]), true
}
