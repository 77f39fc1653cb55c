package media

import (
	"math/bits"

	"heptap/capture"
	"heptap/capture/rtp"
)

// gmin is RFC 3611's Gmin as it recommends it (4.7.2): what has so many
// packets received in a row between two losses is no burst.
const gmin = 16

// bursts tells bursts of loss from isolated losses (RFC 3611 4.7.2). It is told
// of each missing number once, in order, when it is too late for it to come.
type bursts struct {
	from, last uint32 // first and last missing number of what may be a burst
	lost       uint32 // missing numbers in it, 0 before the first
	n          uint32 // bursts so far
	numbers    uint32 // from the first to the last missing of each
	gone       uint32 // missing in them
}

// missing takes in the missing numbers among the 128 up to highest, as masks in
// the window's order.
func (b *bursts) missing(highest uint32, hi, lo uint64) {
	for ; hi != 0; hi &= ^uint64(0) >> 1 >> bits.LeadingZeros64(hi) {
		b.lose(highest-127+uint32(bits.LeadingZeros64(hi)), 1)
	}
	for ; lo != 0; lo &= ^uint64(0) >> 1 >> bits.LeadingZeros64(lo) {
		b.lose(highest-63+uint32(bits.LeadingZeros64(lo)), 1)
	}
}

// lose takes in a run of missing numbers, of which seq is the first.
func (b *bursts) lose(seq, run uint32) {
	if b.lost > 0 && seq-b.last <= gmin {
		b.lost += run
	} else {
		b.end()
		b.from, b.lost = seq, run
	}
	b.last = seq + run - 1
}

// end counts what may be a burst, if it is one: a single loss is not.
func (b *bursts) end() {
	if b.lost > 1 {
		b.n++
		b.numbers += b.last - b.from + 1
		b.gone += b.lost
	}
	b.lost = 0
}

// Telephone-events (RFC 4733 2.3): event, E R volume, duration in 16 bits.
const (
	eventOctets = 4
	maxEvent    = 16 // the keys and flash (RFC 4733 3.2)
)

// event counts a packet that looks like a telephone-event. All packets of one
// event have its timestamp (RFC 4733 2.5.1.2).
func (s *stream) event(p *capture.Packet, h *rtp.Header) {
	if h.PayloadType < 96 || p.Truncated || s.eventType != h.PayloadType && s.eventType != 0 {
		return
	}
	b := p.Payload[h.PayloadOffset:][:eventOctets]
	if b[0] > maxEvent || b[1]&0x40 != 0 {
		return
	}
	span := uint16(b[2])<<8 | uint16(b[3])
	if s.eventType != 0 && s.eventTS == h.Timestamp {
		s.eventSpan = max(s.eventSpan, span)
		return
	}
	s.eventUnits += uint32(s.eventSpan)
	s.eventType, s.eventTS, s.eventSpan = h.PayloadType, h.Timestamp, span
	s.events++
}
