package media

import (
	"heptap/capture"
	"heptap/capture/rtp"
)

// pause is how long nothing has come of a stream before the question is
// whether what comes next is the same one (ns).
const pause = 1_000_000_000

// nearby is how many sequence numbers may lie between the first two packets
// of a beginning, or be missing around a pause in which the timestamp stood
// still.
const nearby = 100

// What stream.suspect says of the last packet.
const (
	fitting    = iota // it fitted
	unfitting         // it was a stray: badSeq, badCount and badOctets are set
	unfamiliar        // a stray after a pause: badType, estMono and estTS are set too, and last is before it
)

// afterPause looks at a packet that comes a second or more after the last one
// that fitted. It returns goesOn, and has done nothing, when the packet is the
// stream's; stray when it is not, and noted it; or anew when it is the second
// such packet and the two make a beginning.
func (s *stream) afterPause(p *capture.Packet, h *rtp.Header) outcome {
	if s.continues(p.Mono, h) {
		return goesOn
	}
	if s.suspect == unfamiliar {
		switch step := int16(h.Sequence - s.badSeq); {
		case step == 0 && s.badCount < ^uint16(0):
			s.badCount++
			s.badOctets += uint32(h.PayloadLen)
			s.strays++
			return stray
		case step != 0 && -nearby <= step && step <= nearby:
			return anew
		}
	}
	s.suspect, s.badSeq, s.badCount, s.badOctets = unfamiliar, h.Sequence, 1, uint32(h.PayloadLen)
	s.badType = h.PayloadType
	if h.Marker {
		s.badType |= markerBit
	}
	s.estMono, s.estTS, s.estimating = p.Mono, h.Timestamp, false
	s.strays++
	if s.inSeq < confirmAfter {
		s.inSeq = 0
	}
	return stray
}

type outcome uint8

const (
	goesOn outcome = iota
	stray
	anew
)

const markerBit = 0x80

// continues says whether a packet after a pause is from the sender as it was.
// See the package comment.
func (s *stream) continues(mono int64, h *rtp.Header) bool {
	step := h.Sequence - uint16(s.highest)
	switch {
	case step == 1: // however long it took
		return true
	case step == 0 && s.suspect != unfamiliar: // sent to keep a path open, perhaps
		return true
	case -step <= maxMisorder:
		// What has been seen is not repeated a second later, but by a sender that
		// begins where it began before.
		n := uint32(-step)
		return s.window[n/64]&(1<<(n%64)) == 0
	case step >= 1<<15:
		return false
	}
	rate := uint32(0)
	if h.PayloadType == s.pt && !noise(s.pt) {
		rate = s.rateOf(s.pt)
	}
	if rate != 0 {
		return s.advances(mono, h.Timestamp, step, rate)
	}
	for _, rate := range usualRates() {
		if s.advances(mono, h.Timestamp, step, rate) {
			return true
		}
	}
	return false
}

// advances says whether a timestamp and a step forward in sequence agree with
// the time that has passed, by a clock of that rate: the timestamp ran on, and
// so did the sequence while the network was down; or it stood still for some
// of the pause, and few packets are missing.
func (s *stream) advances(mono int64, ts uint32, step uint16, rate uint32) bool {
	passed := mono - s.refMono
	moved := int64(int32(ts-s.refTS)) * int64(scaleOfRate(rate)) >> scaleShift
	if off := moved - passed; off <= -maxTransit || off >= maxTransit {
		return step <= nearby && moved >= 0 && off < 0
	}
	// Four times as many as it sends in that time on average, because the average
	// may hold silence.
	most := 4 * float64(passed) * float64(s.expected()) / float64(max(s.last-s.firstMono, 1))
	return float64(step) <= nearby+most
}

// succeed ends s, which is entry n, and gives its place in the index, slot, to
// a new stream that begins with the stray before p, and p. The old one waits
// for the next Snapshot. It reports false, and has done nothing, when the
// table is full.
func (t *Table) succeed(p *capture.Packet, h *rtp.Header, s *stream, n uint32, slot *uint64) bool {
	l := &t.candidates
	if s.inSeq == isConfirmed {
		l = &t.confirmed
	}
	l.remove(t, s) // or its own place might be taken
	fresh := t.take()
	if fresh == 0 {
		if l.tail != 0 {
			s.due = t.at(l.tail).due
		}
		l.push(t, n, s)
		return false
	}
	*slot = *slot&^(1<<32-1) | uint64(fresh)
	k := s.key()
	f := t.begin(fresh, &k)
	f.startWith(s, p)
	f.add(p, h)
	f.ethernet, f.due = s.ethernet, p.Mono+int64(t.config.Interval)
	s.forget()
	t.retired.push(t, n, s)
	return true
}

// startWith makes s the stream that begins with the stray that old has noted,
// before p.
func (s *stream) startWith(old *stream, p *capture.Packet) {
	first := rtp.Header{
		Marker: old.badType&markerBit != 0, PayloadType: old.badType &^ markerBit,
		Sequence: old.badSeq, Timestamp: old.estTS, PayloadLen: int(old.badOctets / uint32(old.badCount)),
	}
	s.start(p, &first, old.estMono)
	again := uint64(old.badCount) - 1
	s.duplicates += again
	s.packets += again
	s.octets += again * uint64(first.PayloadLen)
}

// forget takes back the strays that have become another stream.
func (s *stream) forget() {
	s.strays -= uint32(s.badCount)
	s.suspect = fitting
}
