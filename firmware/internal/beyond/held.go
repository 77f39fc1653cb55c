package beyond

import (
	"math"

	"heptap/capture"
)

// A SIP server may log a call before the mirror port shows it: what comes in by
// TLS is seen only when the server has passed it on. A line that names no call, but
// has something that looks like a Call-ID, is held for a while, and then looked at
// once more.
const (
	maxHeld     = 256
	maxHeldLine = 1 << 10 // octets
	heldFor     = int64(500e6)
)

// heldLines are the lines that are held, the oldest first.
type heldLines struct {
	ring  [maxHeld]capture.Message
	first uint64
	next  uint64
}

// hold keeps a copy of a line. When there are too many, the oldest has its second
// chance at once.
func (b *Beyond) hold(m *capture.Message) {
	h := &b.held
	if h.next-h.first == maxHeld {
		b.secondChance()
	}
	slot := &h.ring[h.next%maxHeld]
	room := slot.Payload[:0]
	*slot = *m
	slot.Payload = append(room, m.Payload...)
	h.next++
	b.Stats.LogHeld.Add(1)
}

// secondChance looks at the oldest line again.
func (b *Beyond) secondChance() {
	m := &b.held.ring[b.held.first%maxHeld]
	b.held.first++
	if b.log.view.Parse(m.Payload) == nil && b.logNote(m, false) {
		b.Stats.LogLate.Add(1)
	}
}

// releaseHeld does so with those that were held for long enough at mono.
func (b *Beyond) releaseHeld(mono int64) {
	h := &b.held
	for h.first < h.next && mono-h.ring[h.first%maxHeld].Mono >= heldFor {
		b.secondChance()
	}
}

// Flush looks at what is held once more: nothing will follow. What waits for a reply
// has none.
func (b *Beyond) Flush() {
	for b.held.first < b.held.next {
		b.secondChance()
	}
	b.releaseReplies(math.MaxInt64)
	b.giveUp(b.latest, true)
}

// giveUp tells of requests in datagrams that have waited for their reply for too long at
// mono, or of all.
func (b *Beyond) giveUp(mono int64, all bool) {
	b.ng.expire(b, &b.Stats.NG, mono, all, b.ngFailed)
	b.dns.expire(b, &b.Stats.DNS, mono, all, b.dnsFailed)
	b.mi.expire(b, &b.Stats.MI, mono, all, func(m *capture.Message, s *slot[miRequest], f *failure) { b.miFailed(m, &s.pair, f) })
}
