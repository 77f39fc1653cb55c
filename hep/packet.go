package hep

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Packet is what one HEP3 frame says. AppendBinary retains none of its slices.
// A Packet made by View.Packet or ParseAny borrows them from the octets parsed.
type Packet struct {
	Src, Dst    netip.AddrPort
	Wall        int64    // Unix nanoseconds; the wire has microseconds, from 1970 to 2106
	AgentID     uint32   // chunk 0x0c
	Proto       uint8    // chunk 0x02, IP protocol number
	Type        uint8    // chunk 0x0b, protocol type
	TOS         uint8    // chunk 0x18, absent when 0
	TCPFlags    uint8    // chunk 0x17, absent when 0
	HasVLAN     bool     // whether there is a chunk 0x12
	VLAN        uint16   // VLAN id, the low 12 bits
	MOS         uint16   // chunk 0x20, MOS x 100, absent when 0
	R           uint16   // chunk 0x21, R factor, absent when 0
	Flags       uint16   // our own chunk, FlagGap and so on, absent when 0
	Sequence    Sequence // our own chunk, absent when its number is 0
	Clock       Clock    // our own chunk, absent when its state is 0
	AuthKey     []byte   // chunk 0x0e, absent when empty, as all below
	Correlation []byte   // chunk 0x11, the primary correlation id
	Node        []byte   // chunk 0x13, the capture agent's name
	Payload     []byte   // chunk 0x0f
	Extra       []byte   // chunk 0x65, extra correlation ids, a JSON object
	Others      []byte   // whole chunks, as View.Others has them: sent as they are. View.Packet leaves it empty
}

// Sequence says which record of a probe a frame is of, so that one that was sent twice
// can be told. A record has the same Origin and Number in every copy.
type Sequence struct {
	Origin uint64 // the run of the system that made it: the first half of its boot id
	Number uint64 // ascending; the upper 24 bits count the probe's own runs
	Part   uint8  // 0, and ascending where one record is several frames
}

// Clock is what a probe knew of its clock when it sent a frame.
type Clock struct {
	State  ClockState
	Offset time.Duration // how far off it was found when it was compared with a server last; it was put right then
}

// ClockState says how right a clock is.
type ClockState uint8

// The states.
const (
	ClockRight ClockState = 1 // compared with a server lately
	ClockWas   ClockState = 2 // was, since it began to run
	ClockNever ClockState = 3 // was not: the time may be any
)

// String returns the word for it.
func (s ClockState) String() string {
	switch s {
	case ClockRight:
		return "right"
	case ClockWas:
		return "was right"
	case ClockNever:
		return "never compared"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Octets of what every frame has: header, family, protocol, ports, seconds,
// microseconds, type and agent id; and of its two addresses.
const (
	fixedLen = headerLen + 7 + 7 + 8 + 8 + 10 + 10 + 7 + 10
	addrs4   = 2 * (chunkHeader + 4)
	addrs6   = 2 * (chunkHeader + 16)
)

// AppendBinary appends p's frame to b, with chunks in the order doc.go gives.
// IPv4-mapped addresses are sent as IPv4, unless the other one is IPv6; an
// invalid address is sent as the unspecified one of the other's family. Over
// MaxFrame octets it returns b as it was and ErrTooLarge. It does not allocate
// when b has room.
func (p *Packet) AppendBinary(b []byte) ([]byte, error) {
	src, dst := p.Src.Addr().Unmap(), p.Dst.Addr().Unmap()
	is6 := p.is6()
	size := p.size(is6)
	if size > MaxFrame {
		return b, ErrTooLarge
	}
	n := int(size)
	b = slices.Grow(b, n)
	b = b[:len(b)+n]
	w := b[len(b)-n:] // what is left to fill

	copy(w, magic)
	binary.BigEndian.PutUint16(w[4:], uint16(n))
	w = w[headerLen:]
	if is6 {
		w = put8(w, chunkFamily, familyIPv6)
		w = put8(w, chunkProto, p.Proto)
		w = put16octets(w, chunkSrc6, src)
		w = put16octets(w, chunkDst6, dst)
	} else {
		w = put8(w, chunkFamily, familyIPv4)
		w = put8(w, chunkProto, p.Proto)
		w = put32(w, chunkSrc4, ipv4(src))
		w = put32(w, chunkDst4, ipv4(dst))
	}
	sec, usec := wireTime(p.Wall)
	w = put16(w, chunkSrcPort, p.Src.Port())
	w = put16(w, chunkDstPort, p.Dst.Port())
	w = put32(w, chunkSec, sec)
	w = put32(w, chunkUsec, usec)
	w = put8(w, chunkType, p.Type)
	w = put32(w, chunkAgentID, p.AgentID)
	p.putOptional(w)
	return b, nil
}

// Size returns how many octets p's frame has, or would have without a limit.
func (p *Packet) Size() uint64 { return p.size(p.is6()) }

func (p *Packet) is6() bool { return p.Src.Addr().Unmap().Is6() || p.Dst.Addr().Unmap().Is6() }

// size returns the octets of p's frame. The sum of six lengths may exceed an
// int of 32 bits.
func (p *Packet) size(is6 bool) uint64 {
	n := uint64(fixedLen + addrs4)
	if is6 {
		n = fixedLen + addrs6
	}
	if p.HasVLAN {
		n += chunkHeader + 2
	}
	if p.TCPFlags != 0 {
		n += chunkHeader + 1
	}
	if p.TOS != 0 {
		n += chunkHeader + 1
	}
	if p.MOS != 0 {
		n += chunkHeader + 2
	}
	if p.R != 0 {
		n += chunkHeader + 2
	}
	if p.Flags != 0 {
		n += chunkHeader + 2
	}
	if p.Sequence.Number != 0 {
		n += chunkHeader + sequenceLen
	}
	if p.Clock.State != 0 {
		n += chunkHeader + clockLen
	}
	return n + octetsSize(p.AuthKey) + octetsSize(p.Correlation) + octetsSize(p.Node) +
		octetsSize(p.Payload) + octetsSize(p.Extra) + uint64(len(p.Others))
}

func octetsSize(v []byte) uint64 {
	if len(v) == 0 {
		return 0
	}
	return chunkHeader + uint64(len(v))
}

// putOptional fills w, which is exactly as long as the chunks that are set.
func (p *Packet) putOptional(w []byte) {
	w = putOctets(w, chunkAuthKey, p.AuthKey)
	w = putOctets(w, chunkCorrelation, p.Correlation)
	if p.HasVLAN {
		w = put16(w, chunkVLAN, p.VLAN&0x0fff)
	}
	w = putOctets(w, chunkNode, p.Node)
	if p.TCPFlags != 0 {
		w = put8(w, chunkTCPFlags, p.TCPFlags)
	}
	if p.TOS != 0 {
		w = put8(w, chunkTOS, p.TOS)
	}
	if p.MOS != 0 {
		w = put16(w, chunkMOS, p.MOS)
	}
	if p.R != 0 {
		w = put16(w, chunkR, p.R)
	}
	w = putOctets(w, chunkPayload, p.Payload)
	w = putOctets(w, chunkExtra, p.Extra)
	w = w[copy(w, p.Others):]
	if p.Flags != 0 {
		w = put16(w, chunkFlags, p.Flags)
	}
	if s := &p.Sequence; s.Number != 0 {
		var v [sequenceLen]byte
		binary.BigEndian.PutUint64(v[:], s.Origin)
		binary.BigEndian.PutUint64(v[8:], s.Number)
		v[16] = s.Part
		w = putOctets(w, chunkSequence, v[:])
	}
	if p.Clock.State != 0 {
		var v [clockLen]byte
		v[0] = uint8(p.Clock.State)
		binary.BigEndian.PutUint64(v[1:], uint64(p.Clock.Offset))
		putOctets(w, chunkClock, v[:])
	}
}

// wireTime splits wall into what the wire can say; what lies outside becomes
// the nearest instant inside.
func wireTime(wall int64) (sec, usec uint32) {
	if wall < 0 {
		return 0, 0
	}
	s := uint64(wall) / 1e9
	if s > 0xffffffff {
		return 0xffffffff, 999999
	}
	return uint32(s), uint32(uint64(wall)%1e9) / 1000
}

// ipv4 returns a, which is IPv4 or invalid, as a number.
func ipv4(a netip.Addr) uint32 {
	if !a.IsValid() {
		return 0
	}
	v := a.As4()
	return binary.BigEndian.Uint32(v[:])
}

// The put functions write one chunk to the front of w and return the rest of w.
// typ is vendor and type, so that the plain types are those of vendor 0.

func put8(w []byte, typ uint32, v uint8) []byte {
	_ = w[6]
	binary.BigEndian.PutUint32(w, typ)
	binary.BigEndian.PutUint16(w[4:], chunkHeader+1)
	w[6] = v
	return w[7:]
}

func put16(w []byte, typ uint32, v uint16) []byte {
	binary.BigEndian.PutUint64(w, uint64(typ)<<32|(chunkHeader+2)<<16|uint64(v))
	return w[8:]
}

func put32(w []byte, typ uint32, v uint32) []byte {
	_ = w[9]
	binary.BigEndian.PutUint32(w, typ)
	binary.BigEndian.PutUint16(w[4:], chunkHeader+4)
	binary.BigEndian.PutUint32(w[6:], v)
	return w[10:]
}

func put16octets(w []byte, typ uint32, a netip.Addr) []byte {
	if a.IsValid() {
		v := a.As16()
		return putOctets(w, typ, v[:])
	}
	var v [16]byte
	return putOctets(w, typ, v[:])
}

func putOctets(w []byte, typ uint32, v []byte) []byte {
	if len(v) == 0 {
		return w
	}
	n := chunkHeader + len(v)
	binary.BigEndian.PutUint32(w, typ)
	binary.BigEndian.PutUint16(w[4:], uint16(n))
	copy(w[chunkHeader:], v)
	return w[n:]
}
