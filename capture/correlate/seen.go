package correlate

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"heptap/capture"
	"heptap/capture/media"
)

// seen is the newest snapshot of a stream, as far as it is needed later. There is one
// for each stream: it is kept small.
type seen struct {
	media.Mark
	ID                   uint64
	src, dst             place
	FirstWall, FirstMono int64

	MaxDelta, IntervalMaxDelta           uint32 // µs, which is what a report tells; over an hour is more than it says
	Skew, MaxSkew                        int32  // the same
	EventUnits                           uint64
	CopyLagMean, CopyLagMax              uint32 // ns: a copy comes within media.MaxCopyWindow
	Jitter, MaxJitter, IntervalMaxJitter uint32
	SSRC, ClockRate, Markers, Events     uint32

	ethernet                                capture.Ethernet
	VLAN                                    uint16
	PayloadType, LastPayloadType, EventType uint8
	Port, TOS                               uint8
	proto                                   uint8
	src4, dst4                              bool // the addresses were IPv4's, not IPv6's with one in them
	HasVLAN, Confirmed, Ended               bool
}

// name takes in which stream x is of, and what of it never changes.
func (s *seen) name(x *media.Snapshot) {
	f := &x.Flow
	s.ID, s.SSRC = x.ID, x.SSRC
	s.src, s.dst = placeOf(f.Tunnel, f.Src), placeOf(f.Tunnel, f.Dst)
	s.ethernet = x.Ethernet
	s.proto, s.src4, s.dst4 = f.Proto, f.Src.Addr().Is4(), f.Dst.Addr().Is4()
}

// take takes in x, a snapshot of the stream that s was named after.
func (s *seen) take(x *media.Snapshot) {
	s.Mark = x.Mark
	s.FirstWall, s.FirstMono = x.FirstWall, x.FirstMono
	s.MaxDelta, s.IntervalMaxDelta = uint32(micros(x.MaxDelta, 0, math.MaxUint32)), uint32(micros(x.IntervalMaxDelta, 0, math.MaxUint32))
	s.Skew, s.MaxSkew = int32(micros(x.Skew, math.MinInt32, math.MaxInt32)), int32(micros(x.MaxSkew, math.MinInt32, math.MaxInt32))
	s.CopyLagMean, s.CopyLagMax = uint32(x.CopyLagMean), uint32(x.CopyLagMax)
	s.Jitter, s.MaxJitter, s.IntervalMaxJitter = x.Jitter, x.MaxJitter, x.IntervalMaxJitter
	s.EventUnits, s.Events, s.EventType = x.EventUnits, x.Events, x.EventType
	s.ClockRate, s.Markers = x.ClockRate, x.Markers
	s.PayloadType, s.LastPayloadType = x.PayloadType, x.LastPayloadType
	s.Port, s.TOS, s.HasVLAN, s.VLAN = x.Port, x.TOS, x.HasVLAN, x.VLAN
	s.Confirmed, s.Ended = x.Confirmed, x.Ended
}

// micros rounds nanoseconds, and keeps them within bounds.
func micros(ns, least, most int64) int64 {
	return min(max(time.Duration(ns).Round(time.Microsecond).Microseconds(), least), most)
}

// flow is the stream's five-tuple.
func (s *seen) flow() capture.FiveTuple {
	return capture.FiveTuple{Proto: s.proto, Tunnel: s.src.tunnel(), Src: s.src.addrPort(s.src4), Dst: s.dst.addrPort(s.dst4)}
}

// ends is the flow, as endpoints have it.
func (s *seen) ends() ends {
	return ends{s.src, s.dst, s.src.addr(), s.dst.addr()}
}

// addrPort returns the address and port of p, which is no SSRC.
func (p place) addrPort(is4 bool) netip.AddrPort {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], p.hi)
	binary.BigEndian.PutUint64(b[8:], p.lo)
	a := netip.AddrFrom16(b)
	if is4 {
		a = a.Unmap()
	}
	return netip.AddrPortFrom(a, uint16(p.rest))
}

// addr returns the address of p, without IPv6 around one of IPv4.
func (p place) addr() netip.Addr { return p.addrPort(true).Addr() }
