package correlate

import (
	"net/netip"
	"slices"

	"heptap/capture/media"
	"heptap/capture/rtp"
)

// stream is what the correlator knows of one RTP stream.
type stream struct {
	last  media.Snapshot // the newest
	base  media.Snapshot // where the current calls' share of it begins
	inter media.Snapshot // at the last interval report

	calls  []*call // linked, at most maxLegs
	at     int64   // mono of the last interval report, or of the link
	sender uint8   // party that sends it: 0 the caller, 1 the callee
	codecs []codec // of the first call it was linked to
	known  bool    // was linked to a call at some time

	// Over the interval reports since base.
	minMOS, sumMOS, minR, sumR float64
	intervals                  int
}

// streamBytes is what a stream costs with its map entry.
const streamBytes = 1200

// Stream takes in what a worker has counted of a stream at the time now. It
// borrows s.
func (c *Correlator) Stream(s *media.Snapshot, now int64) {
	c.Advance(now)
	t := c.streams[s.ID]
	if t == nil {
		if len(c.streams) >= c.cfg.Streams {
			c.Stats.StreamsRefused.Add(1)
			return
		}
		t = &stream{at: s.FirstMono}
		c.streams[s.ID] = t
		c.Stats.Streams.Add(1)
	}
	moved := s.Packets != t.last.Packets
	t.last = *s
	if len(t.calls) == 0 || s.LastMono-s.FirstMono < int64(matchWindow) {
		c.link(t)
	}
	if moved {
		for _, k := range t.calls {
			k.seen = max(k.seen, s.LastMono)
		}
	}
	c.reportInterval(t)
	if s.Ended {
		c.endStream(t)
	}
}

// link finds the calls a stream belongs to and has not been linked to yet. One
// that goes on after its call has ended stays with that call.
func (c *Correlator) link(t *stream) {
	if t.last.Packets == t.base.Packets || slices.ContainsFunc(t.calls, func(k *call) bool { return k.state == ended }) {
		return
	}
	for _, m := range c.match(unmap(t.last.Flow.Src), unmap(t.last.Flow.Dst), false, t.last.LastMono) {
		if len(t.calls) == maxLegs || len(m.call.streams) == maxCallStreams || slices.Contains(t.calls, m.call) {
			continue
		}
		if len(t.calls) == 0 {
			c.adopt(t, m)
		}
		t.calls = append(t.calls, m.call)
		m.call.streams = append(m.call.streams, t)
	}
}

// adopt takes from the first call a stream is linked to what the stream
// itself does not say: who sends it, and what its payload type means.
func (c *Correlator) adopt(t *stream, m match) {
	if !t.known {
		t.known = true
		c.Stats.StreamsLinked.Add(1)
	}
	t.sender = m.binding.party
	if m.toward {
		t.sender = 1 - m.binding.party
	}
	t.codecs = append(t.codecs[:0], m.binding.codecs...)
}

// codecNow says what the stream's payload type means: by the SDP of its call,
// or else by RFC 3551. It may change while the stream goes on.
func (t *stream) codecNow() codec {
	pt := t.last.PayloadType
	for _, k := range t.codecs {
		if k.pt == pt {
			return k
		}
	}
	p := rtp.Static(pt)
	if p.Name == "" {
		return codec{pt: pt, clock: t.last.ClockRate}
	}
	return codec{pt: pt, clock: p.Clock, name: p.Name}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// reportInterval makes the interval reports of a stream when they are due.
func (c *Correlator) reportInterval(t *stream) {
	if c.cfg.ReportInterval <= 0 || c.now-t.at < int64(c.cfg.ReportInterval) || t.last.Packets == t.inter.Packets || t.last.Ended {
		return
	}
	q := t.quality(&t.inter)
	t.note(q)
	for _, k := range t.calls {
		c.report(t, k, periodic, &t.inter, q)
	}
	if len(t.calls) == 0 && t.last.Confirmed && c.cfg.UnknownRTP {
		c.report(t, nil, periodic, &t.inter, q)
	}
	t.inter, t.at = t.last, c.now
}

// closeStream makes the final report of a stream for a call that is being
// finished. The stream may go on, with its other calls or without.
func (c *Correlator) closeStream(t *stream, k *call) {
	c.final(t, k)
	t.calls = slices.DeleteFunc(t.calls, func(o *call) bool { return o == k })
	if len(t.calls) == 0 {
		t.rebase()
	}
}

// endStream makes the final reports of a stream that has ended and forgets it.
func (c *Correlator) endStream(t *stream) {
	for _, k := range t.calls {
		c.final(t, k)
		k.streams = slices.DeleteFunc(k.streams, func(o *stream) bool { return o == t })
	}
	if !t.known && t.last.Confirmed {
		c.Stats.StreamsUnknown.Add(1)
		if c.cfg.UnknownRTP {
			c.final(t, nil)
		}
	}
	delete(c.streams, t.last.ID)
	c.Stats.Streams.Add(-1)
}

// final makes the report over everything since base.
func (c *Correlator) final(t *stream, k *call) {
	if t.last.Packets != t.base.Packets {
		c.report(t, k, final, &t.base, t.quality(&t.base))
	}
}

// rebase lets the share of the next call begin here.
func (t *stream) rebase() {
	t.base, t.inter = t.last, t.last
	t.intervals, t.minMOS, t.sumMOS, t.minR, t.sumR = 0, 0, 0, 0, 0
}
