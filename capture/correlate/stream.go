package correlate

import (
	"slices"

	"heptap/capture/media"
	"heptap/capture/mirror"
	"heptap/capture/rtp"
)

// streamSlab is how many streams are made at a time, so that little room is left between them.
const streamSlab = 15

// stream is what the correlator knows of one RTP stream.
type stream struct {
	last  seen
	base  *media.Mark // where the current calls' share of it begins, nil for its first packet
	inter *media.Mark // at the last interval report since, nil for none: a short call has none

	calls   []*call         // linked, at most maxLegs
	at      int64           // mono of the last interval report; before the first one: see early
	touched int64           // mono of the newest snapshot
	pair    mirror.LossPair // what its receiver says it lost, against what was seen

	reporter   uint32 // SSRC of that receiver, and
	reportedAt int64  // mono of its last report, 0 none yet

	covered int64  // mono up to which another stream has reported the same packets
	sender  uint8  // party that sends it: 0 the caller, 1 the callee
	known   bool   // was linked to a call at some time
	learned bool   // where it comes from is bound
	silent  bool   // in the list of silent ones
	copied  bool   // counted as a copy
	foreign bool   // it is among Correlator.foreign
	scores  scores // of the intervals since base

	prev, next *stream // in the order of touched; next alone, among the free ones
	older      *stream // with the same sender
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
		c.unlist(t)
	}
	t.touched = c.now
	c.recent.push(t)
	moved := s.Packets != t.last.Packets
	if moved {
		c.sawStream(t, s)
		c.handOver(t, s)
	}
	t.last.take(s)
	c.cover(t)
	if len(t.calls) == 0 || s.LastMono-s.FirstMono < int64(matchWindow) {
		c.link(t)
	}
	c.setForeign(t, s.Confirmed && !t.known)
	if moved {
		c.alive(t)
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
		c.refusedAt = c.now
		return nil
	}
	if c.freeStreams == nil {
		for slab, i := make([]stream, streamSlab), 0; i < streamSlab; i++ {
			slab[i].next, c.freeStreams = c.freeStreams, &slab[i]
		}
	}
	t := c.freeStreams
	c.freeStreams = t.next
	*t = stream{at: s.FirstMono - c.early(s.ID), calls: t.calls[:0]}
	t.last.name(s)
	c.streams[s.ID] = t
	from := c.senderOf(t)
	t.older, c.senders[from] = c.senders[from], t
	c.Stats.Streams.Add(1)
	return t
}

// forget frees a stream that is linked to no call.
func (c *Correlator) forget(t *stream) {
	delete(c.streams, t.last.ID)
	c.setForeign(t, false)
	c.unlist(t)
	c.unsend(t)
	c.Stats.Streams.Add(-1)
	c.unmark(&t.base)
	c.unmark(&t.inter)
	t.next = c.freeStreams
	c.freeStreams = t
}

// ends is the stream's flow.
func (t *stream) ends() ends { return t.last.ends() }

// share is where the current calls' share of the stream begins.
func (t *stream) share() media.Mark {
	if t.base == nil {
		return media.Mark{}
	}
	return *t.base
}

// interval is where the interval that is not over yet begins.
func (t *stream) interval() media.Mark {
	if t.inter == nil {
		return t.share()
	}
	return *t.inter
}

// rebase lets the share of the next call begin here.
func (c *Correlator) rebase(t *stream) {
	c.mark(&t.base, &t.last.Mark)
	c.unmark(&t.inter)
	t.scores = scores{}
}

// mark has at remember m.
func (c *Correlator) mark(at **media.Mark, m *media.Mark) {
	if *at == nil {
		if n := len(c.freeMarks); n > 0 {
			*at, c.freeMarks = c.freeMarks[n-1], c.freeMarks[:n-1]
		} else {
			*at = new(media.Mark)
		}
	}
	**at = *m
}

func (c *Correlator) unmark(at **media.Mark) {
	if *at != nil {
		c.freeMarks = append(c.freeMarks, *at)
		*at = nil
	}
}

// unlist takes a stream out of the list it is in.
func (c *Correlator) unlist(t *stream) {
	if t.silent {
		c.silent.remove(t)
		t.silent = false
		return
	}
	c.recent.remove(t)
}

// expireStreams looks at the streams that have fallen silent, and ends those of
// which nothing was heard for so long that their last snapshot must have been
// lost on its way.
func (c *Correlator) expireStreams() {
	for t := c.recent.head; t != nil && c.now-t.touched >= int64(stopAfter); t = c.recent.head {
		c.recent.remove(t)
		c.silent.push(t)
		t.silent = true
		c.stopped(t)
	}
	for t := c.silent.head; t != nil && c.now-t.touched >= int64(streamTimeout); t = c.silent.head {
		c.Stats.StreamsLost.Add(1)
		c.endStream(t)
	}
}

// link finds the calls a stream belongs to and has not been linked to yet. One
// that goes on after its call has ended stays with that call.
func (c *Correlator) link(t *stream) {
	if t.last.Packets == t.share().Packets || slices.ContainsFunc(t.calls, (*call).over) {
		return
	}
	w, ends := want{last: t.last.LastMono, weak: !t.last.Confirmed && !t.known}, t.ends()
	found := c.match(&ends, w)
	if len(found) == 0 && t.last.Confirmed {
		found = c.matchSSRC(t.last.SSRC, w)
	}
	for _, m := range found {
		if t.known && len(t.calls) == 0 && m.call.has(t) {
			continue // it stays with the call it came from, which is over
		}
		if len(t.calls) == maxLegs || len(m.call.streams) == maxCallStreams || slices.Contains(t.calls, m.call) {
			continue
		}
		if len(t.calls) == 0 {
			c.adopt(t, m)
		}
		t.calls = append(t.calls, m.call)
		m.call.streams = append(m.call.streams, t)
		c.endSilence(m.call)
		t.learned = false
	}
	c.learn(t)
}

// has reports whether the call has a stream of another SSRC on the flow of t.
func (k *call) has(t *stream) bool {
	return slices.ContainsFunc(k.streams, func(o *stream) bool {
		return o.last.SSRC != t.last.SSRC && o.last.src == t.last.src && o.last.dst == t.last.dst
	})
}

// learn binds where a stream comes from that goes where it should, when nobody
// said that it would come from there: what is sent back goes there too.
func (c *Correlator) learn(t *stream) {
	if t.learned || !t.last.Confirmed || len(t.calls) == 0 {
		return
	}
	t.learned = true
	ends := t.ends()
	for _, k := range t.calls {
		to := k.binding(ends.dst, 1-t.sender, false)
		if to == nil || k.binding(ends.src, t.sender, false) != nil {
			continue
		}
		c.from = origin{party: t.sender, tunnel: t.last.src.tunnel(), via: ends.srcIP}
		if b := c.bind(k, ends.src, learned, forRTP); b != nil {
			b.secure, b.kind = to.secure, to.kind
		}
	}
}

// alive notes what a stream that has moved says of its calls.
func (c *Correlator) alive(t *stream) {
	c.learn(t)
	for _, k := range t.calls {
		k.seen = max(k.seen, t.last.LastMono)
		c.heard(k, t)
	}
}

func (k *call) over() bool { return k.state == ended }

// adopt takes from the first call a stream is linked to who sends it.
func (c *Correlator) adopt(t *stream, m match) {
	if !t.known {
		t.known = true
		c.Stats.StreamsLinked.Add(1)
		if t.last.Confirmed {
			c.evidence(t.last.Port).linked++
		}
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
	ends := t.ends()
	found := c.match(&ends, want{last: s.LastMono})
	if len(found) == 0 || found[0].call.over() || found[0].binding.since < t.calls[0].endedAt || found[0].call.has(t) {
		return
	}
	c.leaveCalls(t)
	c.rebase(t)
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
	pt, ends := t.last.PayloadType, t.ends()
	for _, k := range t.calls {
		if o, ok := k.codec(ends.dst, ends.src, pt); ok {
			return o
		}
	}
	if p := rtp.Static(pt); p.Name != "" {
		return newCodec(pt, p.Name, p.Clock)
	}
	return codec{pt: pt, clock: t.last.ClockRate}
}

// early is by how much a stream's first interval is shorter than the others: by up to a
// quarter. Streams that began at once, as after a restart, are not to have all their reports
// at once, minute after minute.
func (c *Correlator) early(id uint64) int64 {
	const golden = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio: it spreads numbers that follow each other
	return int64(c.cfg.ReportInterval) / 4 * int64(id*golden>>48) >> 16
}

// reportInterval makes the interval reports of a stream when they are due.
func (c *Correlator) reportInterval(t *stream) {
	if c.cfg.ReportInterval <= 0 || c.now-t.at < int64(c.cfg.ReportInterval) || t.last.Ended {
		return
	}
	began := t.interval()
	if t.last.Packets == began.Packets {
		return
	}
	q := t.quality(&began)
	t.scores.note(q)
	if !c.isCopy(t) {
		for _, k := range t.calls {
			c.report(t, k, periodic, &began, q, &t.scores)
		}
		if len(t.calls) == 0 && !t.known && t.last.Confirmed && c.cfg.UnknownRTP {
			c.report(t, nil, periodic, &began, q, &t.scores)
		}
	}
	c.mark(&t.inter, &t.last.Mark)
	t.at = c.now
}

// closeStream makes the final report of a stream for a call that is being
// finished, and for its other calls if they are over too. The stream may go on,
// with calls that are not or without.
func (c *Correlator) closeStream(t *stream, k *call) {
	if c.flushing || !slices.ContainsFunc(t.calls, func(o *call) bool { return o != k && !o.over() }) {
		c.leaveCalls(t)
		c.rebase(t)
		return
	}
	c.final(t, k)
	t.calls = slices.DeleteFunc(t.calls, func(o *call) bool { return o == k })
	k.streams = slices.DeleteFunc(k.streams, func(o *stream) bool { return o == t })
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
	base := t.share()
	if t.last.Packets == base.Packets {
		return
	}
	if c.isCopy(t) {
		c.countCopy(t)
		return
	}
	c.coverOthers(t)
	all := t.scores
	if began := t.interval(); t.last.Packets != began.Packets {
		all.note(t.quality(&began))
	}
	c.report(t, k, final, &base, t.quality(&base), &all)
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
