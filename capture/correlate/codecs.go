package correlate

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"

	"heptap/capture/rtp"
	"heptap/capture/sdp"
)

// codecSet is what SDP says of the payload types of an address. Phones of one kind
// all say the same, so that the bindings share the sets: one is never changed. The
// codecs that are as RFC 3551 has them are not in it.
type codecSet struct {
	codecs [maxCodecs]codec
	n      int
	uses   int // bindings that have it
	hash   uint64
	next   *codecSet // with the same hash, or among the free ones
}

// codecs is what is known of the payload types of b, but for RFC 3551's.
func (b *binding) codecs() []codec {
	if b.set == nil {
		return nil
	}
	return b.set.codecs[:b.set.n]
}

// maxCodecSets is how many sets so many calls may have.
func maxCodecSets(calls int) int { return max(1024, calls/8) }

// takeCodecs adds what m says of payload types to what is known: an answer may
// narrow the offer and a re-INVITE change it while packets are under way. When
// there is no room, audio is what matters.
func (c *Correlator) takeCodecs(b *binding, m *sdp.Media) {
	have := b.codecs()
	list := append(c.codecs[:0], have...)
	for _, f := range m.Formats() {
		if len(f.Name) == 0 {
			continue
		}
		at := slices.IndexFunc(list, func(k codec) bool { return k.pt == f.PT })
		if usual := rtp.Static(f.PT); at < 0 && usual.Clock == f.ClockRate && strings.EqualFold(usual.Name, string(f.Name)) {
			continue
		}
		n := newCodec(f.PT, f.Name, f.ClockRate)
		n.kind = m.Type
		switch {
		case at >= 0:
			list[at] = n
		case len(list) < maxCodecs:
			list = append(list, n)
		case m.Type == sdp.Audio:
			copy(list, list[1:])
			list[maxCodecs-1] = n
		}
	}
	c.codecs = list[:0]
	if !slices.Equal(list, have) {
		c.adoptSet(b, list)
	}
}

// adoptSet gives b the set of these codecs. When there are too many sets it keeps the
// one that it has.
func (c *Correlator) adoptSet(b *binding, list []codec) {
	h := c.hashCodecs(list)
	s := c.sets[h]
	for s != nil && !slices.Equal(s.codecs[:s.n], list) {
		s = s.next
	}
	if s == nil {
		if c.setsUsed == maxCodecSets(c.cfg.Calls) {
			c.Stats.BindingsRefused.Add(1)
			b.call.readAgain()
			return
		}
		if s = c.freeSets; s != nil {
			c.freeSets = s.next
		} else {
			s = new(codecSet)
		}
		*s = codecSet{n: len(list), hash: h, next: c.sets[h]}
		copy(s.codecs[:], list)
		c.sets[h] = s
		c.setsUsed++
	}
	s.uses++
	c.dropSet(b)
	b.set = s
}

// dropSet takes the set of b away from it.
func (c *Correlator) dropSet(b *binding) {
	s := b.set
	if s == nil {
		return
	}
	b.set = nil
	if s.uses--; s.uses > 0 {
		return
	}
	switch first := c.sets[s.hash]; {
	case first != s:
		for ; first.next != s; first = first.next {
		}
		first.next = s.next
	case s.next == nil:
		delete(c.sets, s.hash)
	default:
		c.sets[s.hash] = s.next
	}
	c.setsUsed--
	s.next, c.freeSets = c.freeSets, s
}

func (c *Correlator) hashCodecs(list []codec) uint64 {
	b := c.hashed[:0]
	for i := range list {
		k := &list[i]
		b = binary.LittleEndian.AppendUint32(b, k.clock)
		b = append(b, k.pt, uint8(k.kind), k.n)
		b = append(b, k.name[:k.n]...)
	}
	c.hashed = b
	return maphash.Bytes(c.seed, b)
}
