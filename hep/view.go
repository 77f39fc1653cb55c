package hep

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// View reads a HEP3 frame in place. Its methods cannot fail: what the frame
// does not say is zero, empty or invalid. A View and all it returns are valid
// while the parsed octets are. The zero View is a frame without chunks.
type View struct {
	frame []byte
	index [chunkIndexed]uint16 // offset of the chunk in frame, 0 = absent
	extra uint16
	flags uint16
	seq   uint16
	clock uint16
}

// FrameLength returns how many octets the frame that begins with header has.
// It looks at 6 octets; fewer are FaultTruncated, if they can begin a frame.
func FrameLength(header []byte) (int, error) {
	if n := min(len(header), len(magic)); string(header[:n]) != magic[:n] {
		return 0, fault(0, 0, FaultMagic)
	}
	if len(header) < headerLen {
		return 0, fault(0, 0, FaultTruncated)
	}
	n := int(binary.BigEndian.Uint16(header[4:]))
	switch {
	case n < headerLen:
		return 0, fault(4, 0, FaultLength)
	case n > MaxFrame:
		return 0, fault(4, 0, FaultTooLarge)
	}
	return n, nil
}

// Parse checks that b is exactly one HEP3 frame, every chunk of it, and returns
// a View that borrows b. Errors are *ParseError; see doc.go for what is refused.
func Parse(b []byte) (View, error) {
	n, err := FrameLength(b)
	if err != nil {
		return View{}, err
	}
	if n > len(b) {
		return View{}, fault(len(b), 0, FaultTruncated)
	}
	if n < len(b) {
		return View{}, fault(4, 0, FaultLength)
	}
	v := View{frame: b[:n:n]}
	for off := headerLen; off < n; {
		rest := b[off:]
		if len(rest) < chunkHeader {
			return View{}, fault(off, 0, FaultChunkLength)
		}
		id := binary.BigEndian.Uint32(rest)
		size := int(binary.BigEndian.Uint16(rest[4:]))
		if size < chunkHeader || size > len(rest) {
			return View{}, fault(off, uint16(id), FaultChunkLength)
		}
		if f := v.note(id, off, size-chunkHeader); f != FaultNone {
			return View{}, fault(off, uint16(id), f)
		}
		off += size
	}
	return v, nil
}

// note files the chunk at off under id, vendor and type together, so that a
// type of another vendor is never taken for a generic one.
func (v *View) note(id uint32, off, size int) Fault {
	slot := &v.extra
	if id < chunkIndexed {
		rule := chunkRule[id]
		switch {
		case rule == ruleSkip:
			return FaultNone
		case rule == ruleAny || int(rule&^ruleLenient) == size:
		case rule&ruleLenient != 0:
			return FaultNone
		default:
			return FaultChunkSize
		}
		slot = &v.index[id]
	} else if id == chunkFlags && size == 2 {
		slot = &v.flags
	} else if id == chunkSequence && size == sequenceLen {
		slot = &v.seq
	} else if id == chunkClock && size == clockLen {
		slot = &v.clock
	} else if id != chunkExtra {
		return FaultNone
	}
	if *slot != 0 {
		return FaultDuplicate
	}
	*slot = uint16(off)
	return FaultNone
}

// octets returns the value of the chunk at off.
func (v *View) octets(off uint16) []byte {
	if off == 0 {
		return nil
	}
	end := int(off) + int(binary.BigEndian.Uint16(v.frame[off+4:]))
	return v.frame[off+chunkHeader : end : end]
}

func (v *View) u8(typ int) uint8 {
	if b := v.octets(v.index[typ]); b != nil {
		return b[0]
	}
	return 0
}

func (v *View) u16(typ int) uint16 {
	if b := v.octets(v.index[typ]); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (v *View) u32(typ int) uint32 {
	if b := v.octets(v.index[typ]); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// addr returns one end. The address chunk that is there counts; the family
// chunk only decides when both are.
func (v *View) addr(typ4, typ6, port int) netip.AddrPort {
	value := v.octets(v.index[typ4])
	if value == nil || v.index[typ6] != 0 && v.Family() == familyIPv6 {
		value = v.octets(v.index[typ6])
	}
	a, _ := netip.AddrFromSlice(value)
	return netip.AddrPortFrom(a.Unmap(), v.u16(port))
}

// Frame returns the whole frame.
func (v *View) Frame() []byte { return v.frame }

// Family returns chunk 0x01: 2 for IPv4, 10 for IPv6.
func (v *View) Family() uint8 { return v.u8(chunkFamily) }

// Proto returns chunk 0x02, the IP protocol number. OpenSIPS and Kamailio send
// 22 for TLS and 50 for WebSocket.
func (v *View) Proto() uint8 { return v.u8(chunkProto) }

// Type returns chunk 0x0b, the protocol type.
func (v *View) Type() uint8 { return v.u8(chunkType) }

// Src returns the source; IPv4-mapped addresses as IPv4. The address is invalid
// when the frame has none.
func (v *View) Src() netip.AddrPort { return v.addr(chunkSrc4, chunkSrc6, chunkSrcPort) }

// Dst returns the destination, as Src does.
func (v *View) Dst() netip.AddrPort { return v.addr(chunkDst4, chunkDst6, chunkDstPort) }

// Wall returns chunks 0x09 and 0x0a as Unix nanoseconds. Microseconds over
// 999999 carry over, at most to the end of the last second the wire can say.
func (v *View) Wall() int64 { return joinTime(v.u32(chunkSec), v.u32(chunkUsec)) }

func joinTime(sec, usec uint32) int64 {
	const last = 0xffffffff*1_000_000 + 999_999
	return min(int64(sec)*1_000_000+int64(usec), last) * 1000
}

// AgentID returns chunk 0x0c.
func (v *View) AgentID() uint32 { return v.u32(chunkAgentID) }

// AuthKey returns chunk 0x0e, a shared secret in clear.
func (v *View) AuthKey() []byte { return v.octets(v.index[chunkAuthKey]) }

// Payload returns chunk 0x0f.
func (v *View) Payload() []byte { return v.octets(v.index[chunkPayload]) }

// Compressed returns chunk 0x10: the payload in gzip, zlib or deflate, it does
// not say which.
func (v *View) Compressed() []byte { return v.octets(v.index[chunkCompressed]) }

// Correlation returns chunk 0x11, the primary correlation id.
func (v *View) Correlation() []byte { return v.octets(v.index[chunkCorrelation]) }

// VLAN returns chunk 0x12, the low 12 bits, and whether it is there.
func (v *View) VLAN() (id uint16, ok bool) {
	return v.u16(chunkVLAN) & 0x0fff, v.index[chunkVLAN] != 0
}

// Node returns chunk 0x13, the capture agent's name.
func (v *View) Node() []byte { return v.octets(v.index[chunkNode]) }

// TCPFlags returns chunk 0x17.
func (v *View) TCPFlags() uint8 { return v.u8(chunkTCPFlags) }

// TOS returns chunk 0x18.
func (v *View) TOS() uint8 { return v.u8(chunkTOS) }

// MOS returns chunk 0x20, MOS x 100.
func (v *View) MOS() uint16 { return v.u16(chunkMOS) }

// R returns chunk 0x21, the R factor.
func (v *View) R() uint16 { return v.u16(chunkR) }

// Extra returns chunk 0x65, OpenSIPS's extra correlation ids as JSON.
func (v *View) Extra() []byte { return v.octets(v.extra) }

// Flags returns our own chunk: FlagGap and so on.
func (v *View) Flags() uint16 {
	if b := v.octets(v.flags); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Sequence returns our own chunk that tells records apart; its number is 0 when there is
// none.
func (v *View) Sequence() Sequence {
	b := v.octets(v.seq)
	if b == nil {
		return Sequence{}
	}
	return Sequence{Origin: binary.BigEndian.Uint64(b), Number: binary.BigEndian.Uint64(b[8:]), Part: b[16]}
}

// Clock returns our own chunk on the sender's clock; its state is 0 when there is none.
func (v *View) Clock() Clock {
	b := v.octets(v.clock)
	if b == nil {
		return Clock{}
	}
	return Clock{State: ClockState(b[0]), Offset: time.Duration(binary.BigEndian.Uint64(b[1:]))}
}

// Others calls yield for each chunk of which nothing is in a Packet and that may be
// passed on, header and value, until yield returns false. Not among them are the
// keep-alive timer, and what another vendor has under the number of a generic chunk.
func (v *View) Others(yield func(chunk []byte) bool) {
	for rest := v.frame[min(headerLen, len(v.frame)):]; len(rest) > 0; {
		size := int(binary.BigEndian.Uint16(rest[4:]))
		if isOther(binary.BigEndian.Uint32(rest)) && !yield(rest[:size:size]) {
			return
		}
		rest = rest[size:]
	}
}

// Packet returns what the frame says. Its slices borrow from the frame. The
// compressed payload is not part of it.
func (v *View) Packet() Packet {
	vlan, tagged := v.VLAN()
	return Packet{
		Src: v.Src(), Dst: v.Dst(), Wall: v.Wall(), AgentID: v.AgentID(), Proto: v.Proto(), Type: v.Type(),
		TOS: v.TOS(), TCPFlags: v.TCPFlags(), HasVLAN: tagged, VLAN: vlan, MOS: v.MOS(), R: v.R(),
		AuthKey: v.AuthKey(), Correlation: v.Correlation(), Node: v.Node(), Payload: v.Payload(), Extra: v.Extra(), Flags: v.Flags(), Sequence: v.Sequence(), Clock: v.Clock(),
	}
}
