package media

import "heptap/capture/rtp"

const (
	// scaleShift keeps 12 binary places of the nanoseconds per timestamp
	// unit: 1e9/8000<<12 fits 32 bits, and 2^31 units of it 63.
	scaleShift = 12

	// maxTransit bounds what one jitter sample may be: a timestamp that runs
	// this far from arrival was set anew by the sender.
	maxTransit = 2_000_000_000

	estimateSpan    = 1_000_000_000 // ns
	estimateSamples = 20            // timestamps
	adoptAfter      = 50            // packets in a row of another dynamic payload type
)

// scaleOfRate returns ns per unit of a clock, as stream.scale has it.
func scaleOfRate(rate uint32) uint32 {
	return uint32((1_000_000_000<<scaleShift + uint64(rate)/2) / uint64(rate))
}

// scaleOf returns the scale of payload type pt, 0 when it has no clock that
// jitter can be measured by.
func (s *stream) scaleOf(pt uint8) uint32 {
	if noise(pt) {
		return 0
	}
	if rate := s.rateOf(pt); rate != 0 {
		return scaleOfRate(rate)
	}
	return 0
}

// rateOf returns the clock rate of payload type pt, 0 when it is not known.
func (s *stream) rateOf(pt uint8) uint32 {
	if rate := rtp.Static(pt).Clock; rate != 0 {
		return rate
	}
	if s.hasDyn && s.dynType == pt {
		return s.rate
	}
	return 0
}

func noise(pt uint8) bool { return pt == rtp.PayloadCN || pt == rtp.PayloadOldCN }

// sample measures jitter at a packet with a timestamp other than the one
// before, which it leaves to the caller to replace: RFC 3550 A.8.
func (s *stream) sample(mono int64, ts uint32) {
	if !s.hasRef {
		s.hasRef = true
		return
	}
	d := mono - s.refMono - int64(int32(ts-s.refTS))*int64(s.scale)>>scaleShift
	abs := d
	if abs < 0 {
		abs = -abs
	}
	if abs >= maxTransit {
		s.jumps++
		return
	}
	s.skew -= d
	if far := max(s.skew, -s.skew); far > max(s.maxSkew, -s.maxSkew) {
		s.maxSkew = s.skew
	}
	s.jitter = uint32(int64(s.jitter) + (abs-int64(s.jitter))>>4)
	s.jitterSum += uint64(s.jitter)
	s.samples++
	if s.jitter > s.maxJitter {
		s.maxJitter = s.jitter
	}
}

// estimate looks for the clock of the current payload type, which has none
// yet.
func (s *stream) estimate(mono int64, ts uint32) {
	if noise(s.pt) || rtp.Static(s.pt).Clock != 0 || s.eventType == s.pt && s.pt != 0 {
		return
	}
	if !s.hasDyn || s.dynType != s.pt {
		if s.hasDyn && s.packets-s.runStart < adoptAfter {
			return
		}
		s.hasDyn, s.dynType, s.rate, s.estimating = true, s.pt, 0, false
	}
	if !s.estimating {
		s.estMono, s.estTS, s.estCount, s.estimating = mono, ts, 0, true
		return
	}
	if ts != s.refTS {
		s.estCount = min(s.estCount+1, estimateSamples)
	}
	span := mono - s.estMono
	if span < estimateSpan || s.estCount < estimateSamples {
		return
	}
	s.rate = snapRate(int64(int32(ts-s.estTS)), span)
	s.estimating = false
	if s.rate != 0 {
		s.scale = scaleOfRate(s.rate)
		s.refTS, s.refMono, s.hasRef = ts, mono, true
	}
}

// usualRates returns the clock rates that dynamic payload types have.
func usualRates() [7]uint32 { return [...]uint32{8000, 16000, 24000, 32000, 44100, 48000, 90000} }

// snapRate returns the usual clock rate that is within 3 % of units per span
// (ns), or 0.
func snapRate(units, span int64) uint32 {
	if units <= 0 {
		return 0
	}
	got := float64(units) * 1e9 / float64(span)
	for _, rate := range usualRates() {
		if r := float64(rate); got > 0.97*r && got < 1.03*r {
			return rate
		}
	}
	return 0
}
