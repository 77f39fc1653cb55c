package assembly

import (
	"math"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/dissect"
	"heptap/capture/sctp"
	"heptap/capture/sigtran"
	"heptap/capture/stream"
)

// userMessage makes a message of an SCTP user message with SIP (RFC 4168) or
// SIGTRAN in it.
func (a *Assembly) userMessage(u *sctp.Message) {
	proto, ppid := dissect.UserMessage(u.PPID, u.Packet.SrcPort, u.Packet.DstPort, u.Payload)
	a.counters.userMessages[proto].Add(1)
	if proto != capture.SIP && proto != capture.SIGTRAN {
		return
	}
	var flags capture.MessageFlags
	if u.Gap {
		flags |= capture.GapBefore
	}
	if u.Cut {
		flags |= capture.CutShort
	}
	p := u.Packet
	id := a.associate(u.Association)
	m := &a.message
	*m = capture.Message{
		Protocol: proto, Flags: flags, Port: p.Port, TOS: p.TOS, HasVLAN: p.HasVLAN, VLAN: p.VLAN,
		Wall: p.Wall, Mono: p.Mono, Flow: p.FiveTuple(), Payload: u.Payload, Conn: id, PPID: ppid,
	}
	a.emit(m)
}

// associate returns the id of the association that a message came on, and tells of
// it before the first one. It is 0 of one that had ended without any.
func (a *Assembly) associate(s sctp.Association) uint64 {
	id := s.Name()
	if id != 0 || !s.Keep() {
		return id
	}
	n := a.describeSCTP(s)
	s.SetName(n.ID)
	if net := a.config.Net; net != nil {
		net.Opened(n)
	}
	return n.ID
}

// association tells of the end of an association that was told of, and of one that
// was meant for signalling and never carried anything.
func (a *Assembly) association(e *sctp.Event) {
	net := a.config.Net
	if net == nil || e.Kind == sctp.Opened {
		return
	}
	n := a.describeSCTP(e.Association)
	if id := e.Association.Name(); id != 0 {
		n.ID = id
		net.Closed(n, reasonOf(e.Kind))
		return
	}
	what := stream.Empty
	switch e.Kind {
	case sctp.Refused:
		what = stream.Refused
	case sctp.Unanswered:
		what = stream.Unanswered
		n.Ending.At.Mono, n.Ending.At.Wall = a.now, n.Ending.At.Wall+a.now-n.Ending.At.Mono
	case sctp.Closed, sctp.Aborted:
		if n.MidStream || n.Sent[0].Segments+n.Sent[1].Segments > 0 {
			return
		}
	default:
		return
	}
	if net.Signalling(n.Flow) || sigtran.Claims(0, 0, n.Flow.Dst.Port()) {
		net.Unassociated(n, what)
	}
}

// reasonOf says in TCP's words how an association ended.
func reasonOf(k sctp.EventKind) stream.Reason {
	switch k {
	case sctp.Closed:
		return stream.FIN
	case sctp.Aborted, sctp.Refused:
		return stream.RST
	case sctp.Restarted:
		return stream.Reused
	case sctp.Evicted:
		return stream.Evicted
	case sctp.Ended:
		return stream.End
	}
	return stream.Idle
}

// describeSCTP fills in what is known of an association.
func (a *Assembly) describeSCTP(s sctp.Association) *correlate.Connection {
	h := &a.history
	s.History(h)
	a.associated = correlate.Association{Cookies: h.Cookies, CookieAcks: h.CookieAcks, Streams: h.Streams, Cause: h.Cause}
	n := &a.connection
	*n = correlate.Connection{Flow: h.Flow, Transport: correlate.SCTP, MidStream: h.INITs == 0 && h.Answers == 0, SCTP: &a.associated,
		Attempt: stream.Attempt{Began: stream.Meta(h.Began), Answered: h.Answered, Complete: h.Complete, SYNs: h.INITs, Answers: h.Answers},
		Ending:  stream.Ending{First: h.Shutdown, Reset: h.Abort, At: stream.Meta(h.Last)}}
	for dir := range h.Sent {
		sent := &h.Sent[dir]
		n.Sent[dir] = stream.Sent{Octets: sent.Octets, Segments: uint32(min(sent.Chunks, math.MaxUint32)), Again: uint32(min(sent.Again, math.MaxUint32)), Lost: sent.Missed}
	}
	n.ID = identify(&n.Flow, &n.Attempt)
	return n
}
