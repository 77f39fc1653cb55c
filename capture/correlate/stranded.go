package correlate

import (
	"net/netip"
	"time"
	"unsafe"

	"heptap/capture"
	"heptap/capture/record"
	tcp "heptap/capture/stream"
)

// A SIP server that cannot connect to where a call should go refuses the call. No id
// says which connection that was for; what does is that the host
//
//	had got an INVITE before it began to connect, and had not answered it (but for
//	100) nor passed it on, and
//	refused it right after the connection had failed, with a status that is said of
//	lost connections (RFC 3261 8.1.3.1, 16.9; 477 is Kamailio's), and
//	did so with no other INVITE.
//
// Servers also connect for reasons of their own, to see whether a gateway is back.
// So it is counted for each destination how often its failures are followed by a refusal:
// where most are not, those that are have met one by chance, and are not linked.
//
// The connection is linked to the call by a record of its own.

const (
	maxWorks   = 8192 // INVITEs that hosts are, or were, at work on
	maxStrands = 64   // failures that wait for what follows
	maxGoals   = 256  // destinations that are counted

	strandWindow = int64(500 * time.Millisecond) // from the failure to the refusal
	strandBefore = int64(5 * time.Second)        // from the INVITE to the attempt
	strandSkew   = int64(5 * time.Millisecond)   // between two mirror ports

	scoreAlone  = 97 // no other INVITE was being worked on
	scoreAmong  = 95 // others were, and were not refused
	statusSend  = 477
	statusLost  = 430
	statusTimed = 408
)

// stranded finds the calls that failed for want of a connection.
type stranded struct {
	works   [maxWorks]work
	next    uint32 // works so far
	strands [maxStrands]strand
	n       int
	goals   [maxGoals]goal
}

// goal is where connections fail to.
type goal struct {
	at    place
	seen  int64 // mono plus one of the last failure, 0 for an empty slot
	fails uint16
	meets uint16 // failures that a refusal followed
}

// met takes in a failure, and says whether those to its destination are made for
// calls.
func (g *goal) met(refusal bool) bool {
	const enough, half = 64, 2
	if g.fails == enough {
		g.fails, g.meets = g.fails/half, g.meets/half
	}
	g.fails++
	if refusal {
		g.meets++
	}
	return refusal && 5*int(g.meets) >= 3*int(g.fails)
}

// goal returns the counts of a destination; the one that was silent for longest
// gives way.
func (s *stranded) goal(at place, now int64) *goal {
	oldest := &s.goals[0]
	for i := range s.goals {
		g := &s.goals[i]
		if g.seen != 0 && g.at == at {
			g.seen = max(now+1, 1)
			return g
		}
		if g.seen < oldest.seen {
			oldest = g
		}
	}
	*oldest = goal{at: at, seen: max(now+1, 1)}
	return oldest
}

// work is an INVITE at a host that takes it further.
type work struct {
	host    place
	hash    uint64 // of the call, which has
	order   uint64
	cseq    int64
	arrived int64 // mono
	wentOn  int64 // when the host passed it on or answered it, 0 while it has not
	refused bool  // with a status that lost connections have
}

// strand is a connection that could not be made.
type strand struct {
	id         uint64
	host       place
	began      int64 // mono
	from, to   int64 // when the refusal has to come
	flow       capture.FiveTuple
	wall, mono int64
}

func strandedBytes() int64 { return int64(unsafe.Sizeof(stranded{})) }

func hostPlace(f *capture.FiveTuple, a netip.AddrPort) place {
	return placeOf(f.Tunnel, netip.AddrPortFrom(a.Addr().Unmap(), 0))
}

// work takes in what the message m of call k, which c.sip views, says of who is at work
// on it. receiver is what the host does that it was sent to.
func (c *Correlator) work(m *capture.Message, k *call, receiver role) {
	v, s := &c.sip, c.stranded
	if string(v.CSeqMethod) != "INVITE" || v.IsRequest && len(v.ToTag()) > 0 {
		return
	}
	var w *work
	if k.work != 0 && s.next-k.work < maxWorks {
		w = &s.works[(k.work-1)%maxWorks]
	}
	if w != nil && w.wentOn == 0 && (v.IsRequest || v.Status != 100) && w.host == hostPlace(&m.Flow, m.Flow.Src) {
		w.wentOn, w.refused = m.Mono, !v.IsRequest && lost(v.Status)
	}
	if !v.IsRequest || !works(receiver) {
		return
	}
	host := hostPlace(&m.Flow, m.Flow.Dst)
	if w != nil && w.host == host && w.cseq == v.CSeq {
		return // sent again
	}
	s.works[s.next%maxWorks] = work{host: host, hash: k.hash, order: k.order, cseq: v.CSeq, arrived: m.Mono}
	s.next++
	k.work = s.next
}

// lost says whether a status is one that a host refuses a call with which it can pass
// on to nobody.
func lost(status int) bool {
	return status/100 == 5 || status == statusTimed || status == statusLost || status == statusSend
}

// strand takes in that a connection was not made.
func (c *Correlator) strand(id uint64, f *capture.FiveTuple, began, ended tcp.Meta, unanswered bool) {
	s := c.stranded
	if s == nil {
		return
	}
	host := hostPlace(f, f.Src)
	if !works(c.hosts.role(host, c.now)) {
		return
	}
	x := strand{id: id, host: host, began: began.Mono, from: ended.Mono - strandSkew, to: ended.Mono + strandWindow,
		flow: *f, wall: ended.Wall, mono: ended.Mono}
	if unanswered { // how long the host waited is not known
		x.from, x.to = began.Mono+strandWindow, ended.Mono
	}
	if s.n == maxStrands {
		c.Stats.StrandsLeftOut.Add(1)
		return
	}
	s.strands[s.n] = x
	s.n++
}

// decideStrands decides about the failures whose time has come at mono.
func (c *Correlator) decideStrands(mono int64) {
	s := c.stranded
	left := 0
	for i := range s.n {
		if x := s.strands[i]; x.to <= mono-int64(settle) {
			c.decideStrand(&x)
		} else {
			s.strands[left] = x
			left++
		}
	}
	s.n = left
}

// decideStrand looks for the one call that was refused for it.
func (c *Correlator) decideStrand(x *strand) {
	s := c.stranded
	var found *work
	pending, refused := 0, 0
	for n := uint32(1); n <= min(s.next, maxWorks); n++ {
		w := &s.works[(s.next-n)%maxWorks]
		if w.arrived < x.began-strandBefore {
			break
		}
		if w.host != x.host || w.arrived > x.began+strandSkew || w.wentOn != 0 && w.wentOn < x.began-strandSkew {
			continue
		}
		pending++
		if w.refused && w.wentOn >= x.from && w.wentOn <= x.to {
			refused++
			found = w
		}
	}
	if !s.goal(placeOf(x.flow.Tunnel, unmap(x.flow.Dst)), x.mono).met(refused == 1) {
		c.Stats.StrandsOpen.Add(1)
		return
	}
	k := c.calls[found.hash]
	for k != nil && k.order != found.order {
		k = k.chain
	}
	if k == nil {
		c.Stats.StrandsOpen.Add(1)
		return
	}
	c.Stats.StrandsLinked.Add(1)
	score, reasons := scoreAmong, `["refused right after the connection failed"]`
	if pending == 1 {
		score, reasons = scoreAlone, `["refused right after the connection failed","the only call at the host"]`
	}
	at := placedAt(x.flow, x.wall, x.mono)
	c.id = decimal(c.id[:0], x.id)
	c.linkRecord(record.Net, c.id, &at, k.id, score, func(b []byte) []byte { return append(b, reasons...) })
}
