package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"slices"

	"heptap/capture"
)

// Type is a record type, numbered as OpenSIPS numbers them in HEP chunk 0x0b.
type Type uint8

// The record types. All but SIP carry JSON.
const (
	SIP       Type = 1
	RTCP      Type = 5
	RTPReport Type = 34
	DNS       Type = 53
	ISUP      Type = 54
	MI        Type = 87 // management commands
	REST      Type = 88
	Net       Type = 89 // transport connections
	Control   Type = 96 // links between other records
	Log       Type = 100
)

// String returns the type's name as OpenSIPS spells it in extra correlation.
func (t Type) String() string {
	switch t {
	case SIP:
		return "sip"
	case RTCP:
		return "rtcp"
	case RTPReport:
		return "rtp"
	case DNS:
		return "dns"
	case ISUP:
		return "isup"
	case MI:
		return "mi"
	case REST:
		return "rest"
	case Net:
		return "net"
	case Control:
		return "control"
	case Log:
		return "log"
	}
	return fmt.Sprintf("type%d", uint8(t))
}

// Class tells records by what they are worth when space or time runs short. The numbers are
// in spools; which class goes first is for ShedOrder, or the user, to say.
type Class uint8

// The classes.
const (
	Periodic   Class = iota // interval reports and RTCP: the next one says more
	Routine                 // other signalling outside calls: SUBSCRIBE, MESSAGE, ...
	Final                   // one report per stream, at its end; and events, each once per call
	Call                    // signalling of calls
	KeepAlive               // REGISTER and OPTIONS, and their answers
	Line                    // lines of logs
	Query                   // questions and commands to other servers, and their answers
	NumClasses              // how many classes there are
)

var classNames = [NumClasses]string{"periodic", "routine", "final", "call", "keepalive", "log", "query"}

// ShedOrder returns what is shed when nobody says otherwise, the first first. Call is not among it.
func ShedOrder() []Class { return []Class{Periodic, KeepAlive, Line, Routine, Query, Final} }

// ClassNamed returns the class that String calls so.
func ClassNamed(name string) (Class, bool) {
	i := slices.Index(classNames[:], name)
	return Class(max(i, 0)), i >= 0
}

// String returns the class's name as metrics print it.
func (c Class) String() string {
	if c < NumClasses {
		return classNames[c]
	}
	return fmt.Sprintf("class%d", uint8(c))
}

// Flags of a record, eight at most.
const (
	FlagVLAN      uint16 = 1 << iota // the frame was tagged, VLAN is valid
	FlagGap                          // octets of the stream before the message were never captured
	FlagCut                          // the capture, or a limit, cut the message short
	FlagDuplicate                    // a mirrored copy of a message that came before
	FlagRelayed                      // another agent saw it, AgentID and Node are its own

	flagsKept = FlagGap | FlagCut | FlagDuplicate | FlagRelayed // of Record.Flags
)

// FlagsOf returns what a record's Flags say of a message.
func FlagsOf(m capture.MessageFlags) (f uint16) {
	if m&capture.GapBefore != 0 {
		f |= FlagGap
	}
	if m&capture.CutShort != 0 {
		f |= FlagCut
	}
	if m&capture.Duplicate != 0 {
		f |= FlagDuplicate
	}
	return f
}

// How says how a link was found, so that an engineer knows what to trust.
type How uint8

// The ways a link is found, the most certain first.
const (
	Seen     How = 1 // the id itself was on the wire
	Flow     How = 2 // the same connection or media address
	Inferred How = 3 // numbers and time, with a score
)

// String returns the word for it.
func (h How) String() string {
	switch h {
	case Seen:
		return "seen"
	case Flow:
		return "flow"
	case Inferred:
		return "inferred"
	}
	return fmt.Sprintf("how%d", uint8(h))
}

// Link is an extra correlation id: a record of Type is found under ID.
type Link struct {
	Type  Type
	How   How
	Score uint8 // 0-100, meaningful when How is Inferred
	ID    []byte
}

// MaxLinks is how many links one record carries at most.
const MaxLinks = 16

// MaxNode is how long the name of an agent is at most.
const MaxNode = 250

// MaxChunks is how many octets of chunks that nobody here reads a record has at most.
const MaxChunks = 1 << 10

// MaxPayload bounds a record's payload. A HEP frame is at most 65,507 octets
// where Homer reads it; anything larger could never leave.
const MaxPayload = 65000

const (
	version    = 1
	headerSize = 76
	agentSize  = 4 // of an agent before its name
)

// Errors of Parse and AppendBinary.
var (
	ErrCorrupt  = errors.New("record: corrupt")
	ErrTooLarge = errors.New("record: too large")
)

// Record is one neutral record. Byte slices belong to whoever filled them in:
// after Parse they point into the parsed buffer.
type Record struct {
	Type    Type
	Class   Class
	Seq     uint64 // set by the log
	Wall    int64  // Unix nanoseconds
	Mono    int64  // monotonic nanoseconds
	Epoch   uint32 // set by the log
	BootID  [16]byte
	Flow    capture.FiveTuple // without Tunnel, which means nothing elsewhere
	Flags   uint16            // FlagGap, FlagCut, FlagDuplicate, FlagRelayed
	HasVLAN bool              // FlagVLAN
	VLAN    uint16
	TOS     uint8
	MOS     uint16 // x 100, 0 = none
	R       uint16 // 0 = none
	Skip    uint8  // readers of the log that it is not for, a bit each; who they are is the log's business
	Primary []byte // correlation id, may be empty for SIP only
	Links   []Link
	Payload []byte
	AgentID uint32 // of the agent that saw it, with FlagRelayed
	Node    []byte // its name, at most MaxNode octets, with FlagRelayed
	Chunks  []byte // what else it sent, whole chunks of HEP3, at most MaxChunks octets, with FlagRelayed
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendBinary appends r to b in the canonical form, with Seq, Epoch and
// BootID zero and no CRC: Seal completes it. It does not retain anything of r.
// It returns ErrTooLarge, and b unchanged, when r cannot be expressed.
func (r *Record) AppendBinary(b []byte) ([]byte, error) {
	if len(r.Payload) > MaxPayload || len(r.Primary) > 0xffff || len(r.Links) > MaxLinks || len(r.Node) > MaxNode || len(r.Chunks) > MaxChunks {
		return b, ErrTooLarge
	}
	start := len(b)
	var h [headerSize]byte
	src, dst := r.Flow.Src.Addr().Unmap(), r.Flow.Dst.Addr().Unmap()
	size := byte(4)
	if !src.Is4() || !dst.Is4() {
		size = 16
	}
	flags := r.Flags & flagsKept
	if r.HasVLAN {
		flags |= FlagVLAN
	}
	h[8] = version
	h[9] = byte(r.Class)
	h[10], h[11] = r.Skip, byte(flags)
	h[12] = byte(r.Type)
	h[13] = r.Flow.Proto
	h[14] = r.TOS
	h[15] = size
	binary.BigEndian.PutUint64(h[24:], uint64(r.Wall))
	binary.BigEndian.PutUint64(h[32:], uint64(r.Mono))
	binary.BigEndian.PutUint16(h[44:], r.VLAN)
	binary.BigEndian.PutUint16(h[46:], r.MOS)
	binary.BigEndian.PutUint16(h[64:], r.R)
	binary.BigEndian.PutUint16(h[66:], r.Flow.Src.Port())
	binary.BigEndian.PutUint16(h[68:], r.Flow.Dst.Port())
	binary.BigEndian.PutUint16(h[70:], uint16(len(r.Primary)))
	h[72] = byte(len(r.Links))
	if flags&FlagRelayed != 0 {
		h[73] = byte(agentSize + len(r.Node))
		binary.BigEndian.PutUint16(h[74:], uint16(len(r.Chunks)))
	}
	b = append(b, h[:]...)
	b = appendAddr(b, src, size)
	b = appendAddr(b, dst, size)
	b = append(b, r.Primary...)
	for i := range r.Links {
		l := &r.Links[i]
		if len(l.ID) > 0xffff {
			return b[:start], ErrTooLarge
		}
		b = append(b, byte(l.Type), byte(l.How), l.Score, 0, byte(len(l.ID)>>8), byte(len(l.ID)))
		b = append(b, l.ID...)
	}
	if flags&FlagRelayed != 0 {
		b = binary.BigEndian.AppendUint32(b, r.AgentID)
		b = append(b, r.Node...)
		b = append(b, r.Chunks...)
	}
	b = append(b, r.Payload...)
	binary.BigEndian.PutUint32(b[start+4:], uint32(len(b)-start))
	return b, nil
}

func appendAddr(b []byte, a netip.Addr, size byte) []byte {
	if size == 4 {
		v := a.As4()
		return append(b, v[:]...)
	}
	if !a.IsValid() {
		a = netip.IPv6Unspecified()
	}
	v := a.As16()
	return append(b, v[:]...)
}

// Seal completes one record that AppendBinary made: it fills in what the log
// knows and computes the CRC. b holds exactly that record.
func Seal(b []byte, seq uint64, epoch uint32, boot [16]byte) {
	binary.BigEndian.PutUint64(b[16:], seq)
	binary.BigEndian.PutUint32(b[40:], epoch)
	copy(b[48:64], boot[:])
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
}

// ClassOf returns the class of the record that b holds, without checking b.
func ClassOf(b []byte) Class { return Class(b[9]) }

// SkipOf returns Skip of the record that b holds, without checking b.
func SkipOf(b []byte) uint8 { return b[10] }

// Stamp is when a record was made, and by which clocks.
type Stamp struct {
	Wall, Mono int64 // as in Record
	Epoch      uint32
	Boot       [16]byte
	Relayed    bool // Wall is by another agent's clock
}

// Stamp returns r's.
func (r *Record) Stamp() Stamp {
	return Stamp{Wall: r.Wall, Mono: r.Mono, Epoch: r.Epoch, Boot: r.BootID, Relayed: r.Flags&FlagRelayed != 0}
}

// StampOf returns that of the record that b holds, without checking b.
func StampOf(b []byte) Stamp {
	return Stamp{
		Wall: int64(binary.BigEndian.Uint64(b[24:])), Mono: int64(binary.BigEndian.Uint64(b[32:])), Epoch: binary.BigEndian.Uint32(b[40:]),
		Boot: [16]byte(b[48:64]), Relayed: binary.BigEndian.Uint16(b[10:])&FlagRelayed != 0,
	}
}

// Parse reads the one record that b holds into r, reusing r's Links. All of
// r's slices borrow from b. A wrong length, version or CRC is ErrCorrupt, and
// r is then zero but for its spare capacity.
func Parse(b []byte, r *Record) error {
	if len(b) < headerSize || binary.BigEndian.Uint32(b[4:]) != uint32(len(b)) || b[8] != version ||
		crc32.Checksum(b[4:], castagnoli) != binary.BigEndian.Uint32(b) {
		return fail(r)
	}
	*r = Record{
		Type:    Type(b[12]),
		Class:   Class(b[9]),
		Seq:     binary.BigEndian.Uint64(b[16:]),
		Wall:    int64(binary.BigEndian.Uint64(b[24:])),
		Mono:    int64(binary.BigEndian.Uint64(b[32:])),
		Epoch:   binary.BigEndian.Uint32(b[40:]),
		Flags:   binary.BigEndian.Uint16(b[10:]) & flagsKept,
		HasVLAN: binary.BigEndian.Uint16(b[10:])&FlagVLAN != 0,
		VLAN:    binary.BigEndian.Uint16(b[44:]),
		MOS:     binary.BigEndian.Uint16(b[46:]),
		R:       binary.BigEndian.Uint16(b[64:]),
		TOS:     b[14],
		Skip:    b[10],
		Links:   r.Links[:0],
	}
	copy(r.BootID[:], b[48:64])
	size, primary, links := int(b[15]), int(binary.BigEndian.Uint16(b[70:])), int(b[72])
	if r.Class >= NumClasses || size != 4 && size != 16 || links > MaxLinks || len(b) < headerSize+2*size+primary {
		return fail(r)
	}
	src, _ := netip.AddrFromSlice(b[headerSize : headerSize+size])
	dst, _ := netip.AddrFromSlice(b[headerSize+size : headerSize+2*size])
	r.Flow = capture.FiveTuple{
		Proto: b[13],
		Src:   netip.AddrPortFrom(src, binary.BigEndian.Uint16(b[66:])),
		Dst:   netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[68:])),
	}
	rest := b[headerSize+2*size:]
	r.Primary, rest = rest[:primary:primary], rest[primary:]
	for range links {
		if len(rest) < 6 {
			return fail(r)
		}
		n := 6 + int(binary.BigEndian.Uint16(rest[4:]))
		if len(rest) < n {
			return fail(r)
		}
		r.Links = append(r.Links, Link{Type: Type(rest[0]), How: How(rest[1]), Score: rest[2], ID: rest[6:n:n]})
		rest = rest[n:]
	}
	if r.Flags&FlagRelayed != 0 {
		n, chunks := int(b[73]), int(binary.BigEndian.Uint16(b[74:]))
		if n < agentSize || chunks > MaxChunks || len(rest) < n+chunks {
			return fail(r)
		}
		r.AgentID, r.Node, rest = binary.BigEndian.Uint32(rest), rest[agentSize:n:n], rest[n:]
		if chunks > 0 {
			r.Chunks, rest = rest[:chunks:chunks], rest[chunks:]
		}
	}
	r.Payload = rest
	return nil
}

func fail(r *Record) error {
	*r = Record{Links: r.Links[:0]}
	return ErrCorrupt
}
