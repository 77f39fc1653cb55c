package correlate

import (
	"slices"

	"heptap/capture/media"
	"heptap/capture/rtp"
)

// stream is what the correlator knows of one RTP stream.
type stream struct {
	last  media.Snapshot // the newest
	base  media.Snapshot // where the current calls' share of it begins
	inter media.Snapshot // at the last interval report

	calls   []*call // linked, at most maxLegs
	at      int64   // mono of the last interval report, or of the first packet
	touched int64   // mono of the newest snapshot
	sender  uint8   // party that sends it: 0 the caller, 1 the callee
	known   bool    // was linked to a call at some time
	scores  scores  // of the intervals since base

	prev, next *stream // in the order of touched; next alone, among the free ones
}

// Stream takes in what a worker has counted of a stream at the time now. It
// borrows s. A stream that is neither confirmed nor of a known call takes no
// room: its last snapshot says again all that this one says.
func (c *Correlator) Stream(s *media.Snapshot, now int64) {
	c.Advance(now)
	t := c.streams[s.ID]
	if t == nil {
		if t = c.newStream(s); t == nil {
			return
		}
	} else {
		c.recent.remove(t)
	}
	t.touched = c.now
	c.recent.push(t)
	moved := s.Packets != t.last.Packets
	if moved {
		c.handOver(t, s)
	}
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
	switch {
	case s.Ended:
		c.endStream(t)
	case !t.known && !s.Confirmed:
		c.forget(t)
	}
}

func (c *Correlator) newStream(s *media.Snapshot) *stream {
	if len(c.streams) >= c.cfg.Streams {
		c.Stats.StreamsRefused.Add(1)
		return nil
	}
	t := c.freeStreams
	if t != nil {
		c.freeStreams = t.next
	} else {
		t = new(stream)
	}
	*t = stream{at: s.FirstMono, calls: t.calls[:0]}
	t.last.ID = s.ID
	c.streams[s.ID] = t
	c.Stats.Streams.Add(1)
	return t
}

// forget frees a stream that is linked to no call.
func (c *Correlator) forget(t *stream) {
	delete(c.streams, t.last.ID)
	c.recent.remove(t)
	c.Stats.Streams.Add(-1)
	t.next = c.freeStreams
	c.freeStreams = t
}

// expireStreams ends the streams of which nothing was heard for so long that
// their last snapshot must have been lost on its way.
func (c *Correlator) expireStreams() {
	for t := c.recent.head; t != nil && c.now-t.touched >= int64(streamTimeout); t = c.recent.head {
		c.Stats.StreamsLost.Add(1)
		c.endStream(t)
	}
}

// link finds the calls a stream belongs to and has not been linked to yet. One
// that goes on after its call has ended stays with that call.
func (c *Correlator) link(t *stream) {
	if t.last.Packets == t.base.Packets || slices.ContainsFunc(t.calls, (*call).over) {
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

func (k *call) over() bool { return k.state == ended }

// adopt takes from the first call a stream is linked to who sends it.
func (c *Correlator) adopt(t *stream, m match) {
	if !t.known {
		t.known = true
		c.Stats.StreamsLinked.Add(1)
	}
	t.sender = m.binding.party
	if m.toward {
		t.sender = 1 - m.binding.party
	}
}

// handOver makes the final reports of a stream whose calls have ended when a
// later call has its addresses, before s, which counts that call's packets.
func (c *Correlator) handOver(t *stream, s *media.Snapshot) {
	if len(t.calls) == 0 || !t.calls[0].over() {
		return
	}
	found := c.match(unmap(s.Flow.Src), unmap(s.Flow.Dst), false, s.LastMono)
	if len(found) == 0 || found[0].call.over() || found[0].binding.since < t.calls[0].endedAt {
		return
	}
	c.leaveCalls(t)
	t.rebase()
}

// leaveCalls makes the final reports of a stream and unlinks it.
func (c *Correlator) leaveCalls(t *stream) {
	for _, k := range t.calls {
		c.final(t, k)
	}
	for _, k := range t.calls {
		k.streams = slices.DeleteFunc(k.streams, func(o *stream) bool { return o == t })
	}
	clear(t.calls)
	t.calls = t.calls[:0]
}

// codecNow says what the stream's payload type means: by the SDP of its calls,
// or else by RFC 3551. It may change while the stream goes on.
func (t *stream) codecNow() codec {
	pt := t.last.PayloadType
	dst, src := unmap(t.last.Flow.Dst), unmap(t.last.Flow.Src)
	for _, k := range t.calls {
		if o, ok := k.codec(dst, pt); ok {
			return o
		}
		if o, ok := k.codec(src, pt); ok {
			return o
		}
	}
	if p := rtp.Static(pt); p.Name != "" {
		return newCodec(pt, p.Name, p.Clock)
	}
	return codec{pt: pt, clock: t.last.ClockRate}
}

// reportInterval makes the interval reports of a stream when they are due.
func (c *Correlator) reportInterval(t *stream) {
	if c.cfg.ReportInterval <= 0 || c.now-t.at < int64(c.cfg.ReportInterval) || t.last.Packets == t.inter.Packets || t.last.Ended {
		return
	}
	q := t.quality(&t.inter)
	t.scores.note(q)
	for _, k := range t.calls {
		c.report(t, k, periodic, &t.inter, q, &t.scores)
	}
	if len(t.calls) == 0 && !t.known && t.last.Confirmed && c.cfg.UnknownRTP {
		c.report(t, nil, periodic, &t.inter, q, &t.scores)
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
	c.leaveCalls(t)
	if !t.known && t.last.Confirmed {
		c.Stats.StreamsUnknown.Add(1)
		if c.cfg.UnknownRTP {
			c.final(t, nil)
		}
	}
	c.forget(t)
}

// final makes the report over everything since base. The interval that was
// not over yet counts for the smallest and the mean.
func (c *Correlator) final(t *stream, k *call) {
	if t.last.Packets == t.base.Packets {
		return
	}
	all := t.scores
	if t.last.Packets != t.inter.Packets {
		all.note(t.quality(&t.inter))
	}
	c.report(t, k, final, &t.base, t.quality(&t.base), &all)
}

// rebase lets the share of the next call begin here.
func (t *stream) rebase() {
	t.base, t.inter, t.scores = t.last, t.last, scores{}
}

// streamList is a list of streams in the order in which they were pushed.
type streamList struct{ head, tail *stream }

func (l *streamList) push(t *stream) {
	t.prev, t.next = l.tail, nil
	if l.tail == nil {
		l.head = t
	} else {
		l.tail.next = t
	}
	l.tail = t
}

func (l *streamList) remove(t *stream) {
	if t.prev == nil {
		l.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		l.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
}
