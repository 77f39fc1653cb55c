package media

import (
	"math/bits"

	"heptap/capture"
	"heptap/capture/rtp"
)

// RFC 3550 A.1.
const (
	maxDropout  = 3000 // a jump forward of less is loss
	maxMisorder = 100  // a step back of at most this is lateness; the window holds more
)

// start makes s the stream that begins with a packet that came at mono with
// header h. What else is known of it is p's, which may be the one after it.
func (s *stream) start(p *capture.Packet, h *rtp.Header, mono int64) {
	s.pt = h.PayloadType
	s.scale = s.scaleOf(s.pt)
	s.tos, s.hasVLAN, s.vlan = p.TOS, p.HasVLAN, p.VLAN
	s.firstWall, s.firstMono = p.Wall-p.Mono+mono, mono
	s.last = mono
	s.refTS = ^h.Timestamp // whatever it is, it is a new one
	s.begin(h.Sequence)
	s.accept(mono, h)
	s.inSeq = 1
}

// begin starts a generation with sequence number seq. What is before it counts
// as received, until a late packet moves the beginning back.
func (s *stream) begin(seq uint16) {
	s.highest = 1<<16 | uint32(seq)
	s.base = s.highest
	s.window = [2]uint64{^uint64(0), ^uint64(0)}
	s.suspect = fitting
}

// add counts a packet of s and returns inSeq.
func (s *stream) add(p *capture.Packet, h *rtp.Header) uint8 {
	if gap := p.Mono - s.last; gap > s.maxDelta {
		s.maxDelta = gap
	}
	s.last = p.Mono
	switch step := h.Sequence - uint16(s.highest); {
	case step == 1:
		if s.window[1]>>63 == 0 {
			s.leave(1) // missing for good
		}
		s.window[1] = s.window[1]<<1 | s.window[0]>>63
		s.window[0] = s.window[0]<<1 | 1
		s.highest++
		s.suspect = fitting
	case step != 0 && step < maxDropout:
		s.jump(uint32(step))
		s.suspect = fitting
		if step > maxMisorder && s.inSeq < confirmAfter {
			s.inSeq = 0
		}
	case -step <= maxMisorder:
		if s.late(uint32(-step)) {
			s.duplicate(h)
			return s.inSeq
		}
		s.reordered++
		s.suspect = fitting
	default:
		return s.stray(p.Mono, h)
	}
	if h.PayloadLen == eventOctets {
		s.event(p, h)
	}
	s.accept(p.Mono, h)
	if s.inSeq < confirmAfter {
		s.inSeq++
	}
	return s.inSeq
}

// duplicate counts a packet whose number was seen before.
func (s *stream) duplicate(h *rtp.Header) {
	s.duplicates++
	s.packets++
	s.octets += uint64(h.PayloadLen)
	if s.watch == 0 {
		s.watch, s.unsure, s.unsureOctets = newly, 1, uint32(h.PayloadLen)
	}
}

// accept counts what s and h's packet have in common, once its sequence
// number is found to be new.
func (s *stream) accept(mono int64, h *rtp.Header) {
	if h.PayloadType != s.pt {
		s.changePayload(h.PayloadType)
	}
	s.packets++
	s.octets += uint64(h.PayloadLen)
	if h.Marker {
		s.markers++
	}
	if s.scale == 0 {
		s.estimate(mono, h.Timestamp)
	}
	if h.Timestamp == s.refTS {
		return
	}
	if s.scale != 0 {
		s.sample(mono, h.Timestamp)
	}
	s.refTS, s.refMono = h.Timestamp, mono
}

// jump moves the window forward by n, which is at least 2.
func (s *stream) jump(n uint32) {
	s.leave(n)
	w := &s.window
	switch {
	case n < 64:
		w[1], w[0] = w[1]<<n|w[0]>>(64-n), w[0]<<n|1
	case n < 128:
		w[1], w[0] = w[0]<<(n-64), 1
	default:
		w[1], w[0] = 0, 1
	}
	s.highest += n
}

// leave counts the missing among the n oldest numbers of the window, which are
// about to leave it, and among those that a jump of more than the window never
// lets in.
func (s *stream) leave(n uint32) {
	hi, lo := s.lossEnds()
	mHi, mLo := ^s.window[1], ^s.window[0]
	if n < 64 {
		hi, mHi = hi>>(64-n), mHi>>(64-n)<<(64-n)
	}
	if n <= 64 {
		lo, mLo = 0, 0
	} else if n < 128 {
		lo, mLo = lo>>(128-n), mLo>>(128-n)<<(128-n)
	}
	s.lossRuns += uint32(bits.OnesCount64(hi) + bits.OnesCount64(lo))
	s.bursts.missing(s.highest, mHi, mLo)
	if n > 128 {
		s.bursts.lose(s.highest+1, n-128)
	}
}

// lossEnds marks, in the window's own order, the missing numbers whose
// successor is not missing: one per run.
func (s *stream) lossEnds() (hi, lo uint64) {
	w := &s.window
	return ^w[1] & (w[1]<<1 | w[0]>>63), ^w[0] & (w[0] << 1)
}

// late notes the sequence number n behind the highest and reports whether it
// is a duplicate.
func (s *stream) late(n uint32) bool {
	bit := uint64(1) << (n % 64)
	if seq := s.highest - n; int32(seq-s.base) < 0 {
		// Between it and what was the beginning all are missing now.
		for i := s.highest - s.base + 1; i < n; i++ {
			s.window[i/64] &^= 1 << (i % 64)
		}
		s.base = seq
		return false
	}
	if s.window[n/64]&bit != 0 {
		return true
	}
	s.window[n/64] |= bit
	return false
}

// stray takes a packet whose number fits nowhere. Two in sequence are a sender
// that began anew (RFC 3550 A.1); one is not counted as received.
func (s *stream) stray(mono int64, h *rtp.Header) uint8 {
	switch {
	case s.suspect != fitting && h.Sequence == s.badSeq+1:
		s.restart(mono, h)
		return s.inSeq
	case s.suspect != fitting && h.Sequence == s.badSeq && s.badCount < ^uint16(0):
		s.badCount++
		s.badOctets += uint32(h.PayloadLen)
	default:
		s.suspect, s.badSeq, s.badCount, s.badOctets = unfitting, h.Sequence, 1, uint32(h.PayloadLen)
	}
	s.strays++
	if s.inSeq < confirmAfter {
		s.inSeq = 0
	}
	return s.inSeq
}

// restart begins the next generation with the stray before this packet.
func (s *stream) restart(mono int64, h *rtp.Header) {
	s.leave(128)
	s.bursts.end()
	s.priorExpected += uint64(s.highest - s.base + 1)
	s.gen++
	s.strays -= uint32(s.badCount)
	s.packets += uint64(s.badCount)
	s.duplicates += uint64(s.badCount) - 1
	s.octets += uint64(s.badOctets)
	s.begin(s.badSeq)
	s.highest++ // this packet
	s.hasRef, s.estimating = false, false
	s.accept(mono, h)
	if s.inSeq < confirmAfter {
		s.inSeq = 2
	}
}

// expected returns how many packets the sequence numbers seen say were sent.
func (s *stream) expected() uint64 { return s.priorExpected + uint64(s.highest-s.base+1) }

// rebase keeps highest - base from ever overflowing, in a stream of years.
// Only near its beginning does base matter to what comes late.
func (s *stream) rebase() {
	if far := uint32(1) << 30; s.highest-s.base > far {
		s.priorExpected += uint64(far)
		s.base += far
	}
}
