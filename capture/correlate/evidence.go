package correlate

import (
	"time"

	"heptap/capture"
	"heptap/capture/media"
	"heptap/capture/mirror"
	"heptap/capture/rtcp"
)

// What correlation sees is evidence of whether a mirror port shows what it
// should: SIP without media, media without SIP, loss that the receivers did not
// have, loss in all streams at once. It is gathered here and judged by mirror.

const (
	// evidencePorts is how many mirror ports are told apart; those beyond share the last place.
	evidencePorts = 16
	// mediaDue is how long after its answer a call must have shown media. A
	// stream's first snapshot is up to 3 s late.
	mediaDue = 8 * time.Second
	// reporterStays is how long a stream's reports are taken from one receiver
	// alone. Another one, behind the same mixer or translator, has losses of its own.
	reporterStays = time.Minute
	// maxAwaited is how many answered calls wait for that at a time. Those that
	// find no room are not judged.
	maxAwaited = 4096
)

// evidence is that of one port, in running totals.
type evidence struct {
	requests, responses uint64
	started, linked     uint64
	calls, silent       uint64
	receipts            mirror.Receipts
	common              *mirror.CommonLoss
	kernelDrops         uint64 // of the port, as the last sample said
}

// awaited is a call that was answered and has yet to show media.
type awaited struct {
	call  *call
	order uint64 // of the call, which may have become another one
	due   int64
	port  uint8
}

// awaiting is a queue of those, in order of their time.
type awaiting struct {
	ring [maxAwaited]awaited
	head int
	n    int
}

func (c *Correlator) evidence(port uint8) *evidence { return &c.ports[min(port, evidencePorts-1)] }

// sawSIP counts a SIP message.
func (e *evidence) sawSIP(request bool) {
	if request {
		e.requests++
	} else {
		e.responses++
	}
}

// sawStream looks at what is new in a snapshot of t, before t takes it over.
func (c *Correlator) sawStream(t *stream, s *media.Snapshot) {
	if !s.Confirmed {
		return
	}
	e := c.evidence(s.Port)
	if !t.last.Confirmed {
		e.started++
		if t.known {
			e.linked++
		}
		return
	}
	if e.common == nil {
		e.common = mirror.NewCommonLoss(0)
	}
	e.common.Add(c.now, uint64(less(s.Expected, t.last.Expected)), uint64(less(s.Missing, t.last.Missing)))
}

// await remembers to look for the media of a call that was answered by a message
// of that port.
func (c *Correlator) await(k *call, port uint8) {
	q := &c.awaiting
	if q.n == maxAwaited {
		return
	}
	q.ring[(q.head+q.n)%maxAwaited] = awaited{k, k.order, c.now + int64(mediaDue), port}
	q.n++
}

// expects says whether k must have shown media by now: it is the call that was
// answered then, goes on, and is not on hold.
func (a *awaited) expects(k *call) bool {
	if k.order != a.order || k.state != established || k.answered != a.due-int64(mediaDue) || k.silent {
		return false
	}
	return (k.flows(0) || k.flows(1)) && (k.sides[0].at != 0 || k.sides[1].at != 0)
}

// checkAwaited looks at the calls that must have shown media by now. A silent one
// is not asked while there are as many streams of no known call: its media may
// be among them, as those of a TURN client are, or have found no room.
func (c *Correlator) checkAwaited() {
	q := &c.awaiting
	for ; q.n > 0 && q.ring[q.head].due <= c.now; q.n, q.head = q.n-1, (q.head+1)%maxAwaited {
		a := &q.ring[q.head]
		k := a.call
		if a.call = nil; !a.expects(k) {
			continue
		}
		e := c.evidence(a.port)
		if len(k.streams) == 0 {
			k.silent = true
			c.silentCalls++
			if c.silentCalls <= c.foreign || c.Stats.StreamsRefused.Load() > 0 && c.now-c.refusedAt < int64(2*mediaDue) {
				continue
			}
			e.silent++
		}
		e.calls++
	}
}

// endSilence notes that a call is over, or not silent after all.
func (c *Correlator) endSilence(k *call) {
	if k.silent {
		k.silent = false
		c.silentCalls--
	}
}

// setForeign notes whether t is a stream of no known call.
func (c *Correlator) setForeign(t *stream, foreign bool) {
	switch {
	case foreign && !t.foreign:
		c.foreign++
	case !foreign && t.foreign:
		c.foreign--
	}
	t.foreign = foreign
}

// sawReport compares what a receiver says it lost of a stream (RFC 3550 6.4.1)
// with what was seen of it. found are the calls that the report belongs to.
func (c *Correlator) sawReport(f capture.FiveTuple, reporter uint32, b *rtcp.ReportBlock, found []match) {
	t := c.reportedOn(f, b.SSRC, found)
	if t == nil || !t.last.Confirmed || t.older != nil { // seen in parts, it is not comparable
		return
	}
	switch {
	case t.reportedAt == 0 || t.reporter == reporter:
	case c.now-t.reportedAt < int64(reporterStays):
		return
	default:
		t.pair = mirror.LossPair{}
	}
	t.reporter, t.reportedAt = reporter, max(c.now, 1)
	e, s := c.evidence(t.last.Port), &t.last
	e.receipts.Add(t.pair.Add(
		mirror.OwnLoss{Expected: uint32(s.Expected), Missing: uint32(s.Missing), Runs: s.LossEvents, KernelDrops: uint32(e.kernelDrops)},
		mirror.ReportedLoss{Highest: b.HighestSeq, Lost: b.PacketsLost}))
}

// reportedOn finds the stream that a report is about. It runs against the report,
// on the port itself (RFC 5761) or the one below (RFC 3550 11). A NAT or a=rtcp
// (RFC 3605) may give RTCP any port: then it is the only stream of the calls
// with that source between the two addresses.
func (c *Correlator) reportedOn(f capture.FiveTuple, ssrc uint32, found []match) (only *stream) {
	e := endsOf(f)
	src, dst := e.dst, e.src
	for range 2 {
		if t := c.senders[c.key(sender{src, dst, ssrc})]; t != nil && t.last.SSRC == ssrc {
			return t
		}
		src, dst = src.below(), dst.below()
	}
	for _, m := range found {
		for _, t := range m.call.streams {
			if t == only || t.last.SSRC != ssrc || t.last.src.addr() != e.dstIP || t.last.dst.addr() != e.srcIP {
				continue
			}
			if only != nil {
				return nil
			}
			only = t
		}
	}
	return only
}

// Evidence fills in what correlation knows of a mirror port: SIP, streams,
// calls without media, and losses. It reads s.KernelDrops, which must be
// filled in: what our own ring loses is nobody else's loss. It is for the
// goroutine that calls Message.
func (c *Correlator) Evidence(port uint8, s *mirror.Sample) {
	e := c.evidence(port)
	e.kernelDrops = s.KernelDrops
	s.SIPRequests, s.SIPResponses = e.requests, e.responses
	s.StreamsStarted, s.StreamsLinked = e.started, e.linked
	s.CallsWithMedia, s.CallsSilent = e.calls, e.silent
	s.Receipts = e.receipts
	if e.common != nil {
		e.common.Tick(c.now)
		s.Common = e.common.Totals()
	}
}
