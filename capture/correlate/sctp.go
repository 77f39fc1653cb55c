package correlate

import (
	"strconv"
	"time"

	tcp "heptap/capture/stream"
)

// Association is what is known of a connection of SCTP (RFC 9260) besides. In its
// Connection, Attempt's SYNs and Answers are INIT and INIT ACK chunks, and it is complete with the
// COOKIE ACK; Sent's Segments are data chunks, each once, Again those that came once
// more, and Lost those that were never seen; the ending's FIN is SHUTDOWN, its RST
// ABORT.
type Association struct {
	Cookies, CookieAcks uint8     // chunks COOKIE ECHO and COOKIE ACK that were seen, 255 at most
	Streams             [2]uint16 // that each end asked to send on, 0 when not seen
	Cause               uint16    // of the ABORT, 0 for none
}

// Unassociated makes the record that no association was made, or one that carried
// nothing: Refused, Unanswered or Empty.
func (c *Correlator) Unassociated(n *Connection, what tcp.Outcome) {
	c.Stats.NetFailed[what].Add(1)
	if !c.cfg.Net {
		return
	}
	at := n.Ending.At
	if !c.failures.take(max(c.now, at.Mono)) {
		c.Stats.NetSuppressed.Add(1)
		return
	}
	by := n.Ending.First
	if n.Ending.Reset >= 0 {
		by = n.Ending.Reset
	}
	o := c.netObject(SCTP, "CONNECTED", false, unassociatedText(n, what, party(by)))
	o.text("event", "SCTP "+what.String())
	o.text("state", what.String())
	if by := party(by); by != "" {
		o.text("ended_by", by)
	}
	o.ends(n)
	o.shake(n)
	o.cause(n)
	o.float("tried_for", ms(at.Mono-n.Attempt.Began.Mono)/1000)
	c.emitNet(o, n, &at, nil)
}

func unassociatedText(n *Connection, what tcp.Outcome, by string) string {
	switch {
	case what == tcp.Unanswered && n.Attempt.Answers > 0:
		return "INIT was answered, and the cookie was not"
	case what == tcp.Unanswered:
		return "No answer to " + plural(int(n.Attempt.SYNs), "INIT") + " within " +
			time.Duration(n.Ending.At.Mono-n.Attempt.Began.Mono).Round(time.Millisecond).String()
	case what == tcp.Refused:
		return "Association refused (ABORT" + n.SCTP.because() + ")"
	case n.Ending.Reset >= 0:
		return "Aborted by the " + by + n.SCTP.because() + " before any data"
	}
	if by != "" {
		by = " by the " + by
	}
	return "Shut down" + by + " before any data"
}

// because says the cause of an ABORT behind a colon, or nothing.
func (s *Association) because() string {
	if s.Cause == 0 {
		return ""
	}
	return ": " + causeText(s.Cause)
}

// closedText is what there is to be said of an end that TCP has not, or nothing.
func (s *Association) closedText(why tcp.Reason, by string) string {
	switch {
	case why == tcp.RST:
		return "Aborted by the " + by + s.because()
	case why == tcp.FIN && by != "":
		return "Shut down by the " + by
	case why == tcp.FIN:
		return "Shut down"
	case why == tcp.Idle:
		return "No packet for so long that it is forgotten"
	case why == tcp.Reused:
		return "Its ends have begun anew"
	}
	return ""
}

// causeText names an error cause (RFC 9260 3.3.10).
func causeText(cause uint16) string {
	names := [...]string{"", "invalid stream identifier", "missing mandatory parameter", "stale cookie", "out of resource", "unresolvable address",
		"unrecognized chunk type", "invalid mandatory parameter", "unrecognized parameters", "no user data", "cookie received while shutting down",
		"restart of an association with new addresses", "user-initiated abort", "protocol violation"}
	if int(cause) < len(names) {
		return names[cause]
	}
	return "cause " + strconv.Itoa(int(cause))
}

// shake appends what is known of a handshake.
func (o *object) shake(n *Connection) {
	t := &n.Attempt
	for _, c := range [...]struct {
		key string
		n   uint8
	}{{"init_sent", t.SYNs}, {"init_ack_sent", t.Answers}, {"cookie_echo_sent", n.SCTP.Cookies}, {"cookie_ack_sent", n.SCTP.CookieAcks}} {
		if c.n != 0 {
			o.int(c.key, int64(c.n))
		}
	}
	if t.SYNs != 0 && t.Answered != 0 {
		o.float("answered_ms", ms(t.Answered-t.Began.Mono))
	}
	if t.SYNs != 0 && t.Complete != 0 {
		o.float("handshake_ms", ms(t.Complete-t.Began.Mono))
	}
	for dir, streams := range n.SCTP.Streams {
		if streams != 0 {
			o.int("streams_"+party(int8(dir)), int64(streams))
		}
	}
}

// carried appends what an association carried, and the cause of its end.
func (o *object) carried(n *Connection) {
	for dir := range n.Sent {
		s, who := &n.Sent[dir], party(int8(dir))
		o.int("octets_"+who, int64(s.Octets))
		o.int("chunks_"+who, int64(s.Segments))
		o.int("retransmissions_"+who, int64(s.Again))
		if s.Lost != 0 {
			o.int("chunks_not_captured_"+who, int64(s.Lost))
		}
	}
	o.cause(n)
}

func (o *object) cause(n *Connection) {
	if cause := n.SCTP.Cause; cause != 0 {
		o.int("abort_cause", int64(cause))
		o.text("abort_cause_text", causeText(cause))
	}
}
