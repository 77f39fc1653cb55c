package relay

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Stream is what was done to one RTP stream.
type Stream struct {
	Src  netip.AddrPort `json:"src"`
	Dst  netip.AddrPort `json:"dst"`
	SSRC uint32         `json:"ssrc"`

	Seen       uint64 `json:"seen"`        // packets that came in
	Delivered  uint64 `json:"delivered"`   // packets sent on, copies included
	LostBefore uint64 `json:"lost_before"` // before the first one delivered
	LostInner  uint64 `json:"lost_inner"`
	LostAfter  uint64 `json:"lost_after"` // after the last one delivered
	Duplicated uint64 `json:"duplicated"`
	Reordered  uint64 `json:"reordered"`
}

// stream is the state behind it. Numbers are sequence numbers without the
// wrap, counted so that they are not negative.
type stream struct {
	id      streamID
	random  *rand.Rand
	highest int64 // of those that came in
	due     time.Time
	held    []heldPacket
	lost    []int64

	seen, delivered, duplicated, reordered uint64
	gone                                   map[int64]struct{} // delivered
	first, last                            int64              // the lowest and highest delivered
}

type heldPacket struct {
	packet
	wait  int // packets that must pass before
	until time.Time
}

func newStream(id streamID, seed uint64, seq uint16) *stream {
	h := fnv.New64a()
	fmt.Fprint(h, id.src, id.dst, id.ssrc)
	return &stream{
		id: id, random: rand.New(rand.NewPCG(seed, h.Sum64())),
		highest: 1<<32 | int64(seq), gone: map[int64]struct{}{},
	}
}

// arrive returns the number of a packet that came in.
func (s *stream) arrive(seq uint16) int64 {
	s.seen++
	number := s.highest + int64(int16(seq-uint16(s.highest)))
	s.highest = max(s.highest, number)
	return number
}

// fate is what is to become of a packet.
type fate struct {
	lost      bool
	hold      int // packets to let pass before; 0: none
	copyAfter int // packets to let pass before its copy; -1: no copy
	delay     time.Duration
}

// fate draws the same number of random numbers for every packet, so that one
// rate does not change what another does.
func (s *stream) fate(imp *Impairment) fate {
	loss, dup, hold := s.random.Float64(), s.random.Float64(), s.random.Float64()
	by, after, delay := s.random.IntN(imp.ReorderBy), s.random.IntN(3), s.random.Float64()
	f := fate{copyAfter: -1, delay: time.Duration(delay * float64(imp.Jitter))}
	switch {
	case loss < imp.Loss:
		f.lost = true
	case hold < imp.Reorder:
		f.hold = by + 1
	case dup < imp.Duplicate:
		f.copyAfter = after
	}
	return f
}

func (s *stream) hold(p packet, wait int, until time.Time) {
	s.held = append(s.held, heldPacket{p, wait, until})
}

// depart notes that a packet was sent on.
func (s *stream) depart(number int64) {
	s.delivered++
	if _, again := s.gone[number]; again {
		s.duplicated++
		return
	}
	switch {
	case len(s.gone) == 0:
		s.first, s.last = number, number
	case number < s.last:
		s.reordered++
		s.first = min(s.first, number)
	default:
		s.last = number
	}
	s.gone[number] = struct{}{}
}

func (s *stream) stats() Stream {
	st := Stream{Src: s.id.src, Dst: s.id.dst, SSRC: s.id.ssrc,
		Seen: s.seen, Delivered: s.delivered, Duplicated: s.duplicated, Reordered: s.reordered}
	for _, n := range s.lost {
		if _, again := s.gone[n]; again {
			continue // its copy made it
		}
		switch {
		case len(s.gone) == 0 || n < s.first:
			st.LostBefore++
		case n > s.last:
			st.LostAfter++
		default:
			st.LostInner++
		}
	}
	return st
}

// impaired says whether a frame is RTP on the ports to impair: Ethernet,
// IPv4 without fragments, UDP, and an RTP header whose payload type cannot be
// RTCP's (RFC 5761 4).
func (l *lane) impaired(frame []byte) (id streamID, seq uint16, ok bool) {
	if l.cfg.MaxPort == 0 || len(frame) < 14+20+8+12 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 {
		return id, 0, false
	}
	ip := frame[14:]
	header := int(ip[0]&15) * 4
	if ip[0]>>4 != 4 || header < 20 || ip[9] != 17 || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 || len(ip) < header+8+12 {
		return id, 0, false
	}
	udp := ip[header:]
	src, dst := binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:])
	if !l.inRange(src) && !l.inRange(dst) {
		return id, 0, false
	}
	rtp := udp[8:]
	if pt := rtp[1] & 0x7f; rtp[0]>>6 != 2 || pt >= 64 && pt <= 95 {
		return id, 0, false
	}
	id = streamID{
		src:  netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:])), src),
		dst:  netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:])), dst),
		ssrc: binary.BigEndian.Uint32(rtp[8:]),
	}
	return id, binary.BigEndian.Uint16(rtp[2:]), true
}

func (l *lane) inRange(port uint16) bool { return port >= l.cfg.MinPort && port <= l.cfg.MaxPort }
