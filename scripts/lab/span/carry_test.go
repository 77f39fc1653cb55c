package span_test

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"heptap/capture/capturetest"
)

// cut wraps frames and then cuts the packets around them into fragments of at
// most mtu octets.
func cut(tu capturetest.Tunnel, mtu int) func([]byte) [][]byte {
	id := uint16(0)
	return func(frame []byte) [][]byte {
		id++
		outer := tu.Wrap(frame)
		binary.BigEndian.PutUint16(outer[18:], id) // its checksum is made anew for fragments alone
		if len(outer)-14 <= mtu {
			binary.BigEndian.PutUint16(outer[18:], 0)
		}
		return capturetest.Fragments(outer, mtu, 0)
	}
}

// sctp puts SIP over UDP into an association of SCTP: large messages into
// several DATA chunks, each in a packet of its own (RFC 9260 6.9).
type sctp struct {
	next map[netip.AddrPort]*sctpEnd
}

// sctpEnd is one end's numbers.
type sctpEnd struct {
	tag uint32
	tsn uint32
	seq uint16
}

const (
	sctpPiece = 300
	sctpBegin = 2 // flags of a DATA chunk (RFC 9260 3.3.1)
	sctpEnds  = 1
)

func (s *sctp) carry(frame []byte) [][]byte {
	if len(frame) < 42 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 || frame[14] != 0x45 || frame[23] != 17 {
		return [][]byte{frame}
	}
	src := netip.AddrPortFrom(netip.AddrFrom4([4]byte(frame[26:])), binary.BigEndian.Uint16(frame[34:]))
	dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte(frame[30:])), binary.BigEndian.Uint16(frame[36:]))
	if src.Port() != 5060 || dst.Port() != 5060 {
		return [][]byte{frame}
	}
	if s.next == nil {
		s.next = map[netip.AddrPort]*sctpEnd{}
	}
	e := s.next[src]
	if e == nil {
		e = &sctpEnd{tag: 0x5000 + uint32(len(s.next)), tsn: 0xfffffff0} // which wraps soon
		s.next[src] = e
	}
	message := frame[42 : 34+binary.BigEndian.Uint16(frame[38:])]
	var out [][]byte
	for flags := uint8(sctpBegin); flags&sctpEnds == 0; e.tsn++ {
		piece := message[:min(len(message), sctpPiece)]
		if message = message[len(piece):]; len(message) == 0 {
			flags |= sctpEnds
		}
		out = append(out, capturetest.SCTP(src, dst, e.tag, capturetest.SCTPData(flags, e.tsn, 0, e.seq, 0, piece)))
		if flags&sctpEnds == 0 {
			flags = 0
		}
	}
	e.seq++
	return out
}

// routed sends every IPv4 packet once more as it looks behind a router: in
// another VLAN, between other stations, with less time to live.
func routed(frame []byte) [][]byte {
	if len(frame) < 34 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 {
		return [][]byte{frame}
	}
	behind := slices.Clone(frame)
	copy(behind, []byte{2, 0, 0, 0, 9, 1, 2, 0, 0, 0, 9, 2})
	behind[22]--
	// The time to live is the first octet of its word, and the carry comes
	// around (RFC 1141).
	sum := uint32(binary.BigEndian.Uint16(behind[24:])) + 0x100
	binary.BigEndian.PutUint16(behind[24:], uint16(sum+sum>>16))
	return [][]byte{frame, capturetest.Tunnel{Kind: capturetest.KindVLAN, ID: 20}.Wrap(behind)}
}
