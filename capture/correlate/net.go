package correlate

import (
	"strconv"
	"time"

	"heptap/capture"
	"heptap/capture/mask"
	"heptap/capture/record"
	tcp "heptap/capture/stream"
)

// A record of a connection (type 89) has OpenSIPS's keys first (proto_hep,
// net_tcp_report.c: Protocol, Event, Status, Message, Ws-Request, Ws-Reply),
// and then what a tap sees besides, each value in a field of its own. "event" in
// small letters is what Homer labels the record with.
//
//	state       CONNECTED/SUCCESS: opened. CONNECTED/FAILURE: refused, unreachable,
//	            unanswered, empty, failed (the handshake of TLS or WebSocket).
//	            CLOSED: closed, reset, aborted (SCTP), forgotten (idle, or no room),
//	            replaced (by one with the same ports). STATS: open, the capture has ended before it
//	silent      seconds without an octet before who closed or reset it did so, from 1 on
//	calls_at    when the first message of each of calls came, in Unix microseconds
//	others      the Call-IDs of what else of SIP it carried: REGISTER, MESSAGE, SUBSCRIBE,
//	            OPTIONS. others_at is as calls_at. Calls come first, in the links too
//	queries     the ids of the queries over HTTP that began on it, commands those of
//	            management commands
//	carries     http or mi, of a connection that was told of for these
//
// Addresses are of who opened the connection and of whom it was opened to.

// Opened makes the record that a connection was opened, from which on it is
// remembered until Closed.
func (c *Correlator) Opened(n *Connection) {
	c.open(n.ID)
	if !n.Again {
		c.Stats.NetOpened.Add(1)
	}
	if !c.cfg.Net {
		return
	}
	at := n.Attempt.Began
	if n.Attempt.Complete > at.Mono {
		at.Wall, at.Mono = at.Wall+n.Attempt.Complete-at.Mono, n.Attempt.Complete
	}
	failed := n.failed()
	o := c.netObject(n.Transport, "CONNECTED", !failed, openedText(n, failed))
	state := "opened"
	if failed {
		state = "failed"
	}
	o.text("event", n.Transport.String()+" "+state)
	o.text("state", state)
	if n.MidStream {
		o.bool("picked_up", true)
	}
	o.carrying(n)
	o.ends(n)
	if n.SCTP != nil {
		o.shake(n)
	} else {
		o.attempt(&n.Attempt)
	}
	c.web(o, n.Web)
	o.tls(n.TLS, at.Wall)
	c.emitNet(o, n, &at, nil)
	if failed {
		c.strand(n.ID, &n.Flow, n.Attempt.Began, n.Ending.At, false)
	}
}

// failed says whether the handshake above TCP has failed.
func (n *Connection) failed() bool {
	return n.Web != nil && n.Web.Status != 0 && n.Web.Status != 101 || n.TLS != nil && n.TLS.Outcome.Failed()
}

func openedText(n *Connection, failed bool) string {
	switch {
	case failed && n.TLS != nil:
		return "TLS handshake failed: " + n.TLS.Failure()
	case failed:
		return "the server refused the WebSocket with status " + strconv.Itoa(n.Web.Status)
	case n.MidStream:
		return "Connection found open"
	}
	return "Connection opened"
}

// Failed makes the record that no connection was made, or one without a single
// octet. A flood of them is cut short, and counted.
func (c *Correlator) Failed(u *tcp.Unopened, id uint64) {
	c.Stats.NetFailed[u.Outcome].Add(1)
	if !c.cfg.Net {
		return
	}
	if !c.failures.take(max(c.now, u.At.Mono)) {
		c.Stats.NetSuppressed.Add(1)
		return
	}
	n := &Connection{ID: id, Flow: u.Flow, Attempt: u.Attempt}
	at := u.At
	if at.Wall == 0 { // nothing came
		at = u.Attempt.Began
		at.Wall, at.Mono = at.Wall+u.At.Mono-at.Mono, u.At.Mono
	}
	o := c.netObject(TCP, "CONNECTED", false, failedText(u, &at))
	o.text("event", "TCP "+u.Outcome.String())
	o.text("state", u.Outcome.String())
	if by := party(u.By); by != "" {
		o.text("ended_by", by)
	}
	if u.Outcome == tcp.Unreachable {
		o.int("icmp_type", int64(u.ICMP>>8))
		o.int("icmp_code", int64(u.ICMP&0xff))
	}
	o.ends(n)
	o.attempt(&u.Attempt)
	o.float("tried_for", ms(at.Mono-u.Attempt.Began.Mono)/1000)
	c.emitNet(o, n, &at, nil)
	c.strand(id, &u.Flow, u.Attempt.Began, at, u.Outcome == tcp.Unanswered)
}

func failedText(u *tcp.Unopened, at *tcp.Meta) string {
	switch u.Outcome {
	case tcp.Refused:
		return "Connection refused (RST)"
	case tcp.Unreachable:
		return "Destination unreachable: " + icmpText(u.ICMP, u.IPv6)
	case tcp.Unanswered:
		return "No answer to " + plural(int(u.Attempt.SYNs), "SYN") + " within " + time.Duration(at.Mono-u.Attempt.Began.Mono).Round(time.Millisecond).String()
	}
	how := "Closed"
	if u.Reset {
		how = "Reset"
	}
	return how + " by the " + party(u.By) + " before any data"
}

func plural(n int, what string) string {
	s := strconv.Itoa(n) + " " + what
	if n != 1 {
		s += "s"
	}
	return s
}

// icmpText names a code of destination unreachable (RFC 792, RFC 1812 5.2.7.1, RFC
// 4443 3.1).
func icmpText(what uint16, v6 bool) string {
	code := int(what & 0xff)
	names := []string{"network", "host", "protocol", "port", "fragmentation needed", "source route failed", "network unknown",
		"host unknown", "source host isolated", "network prohibited", "host prohibited", "network for this service", "host for this service",
		"administratively prohibited", "host precedence violation", "precedence cutoff"}
	if v6 {
		names = []string{"no route", "administratively prohibited", "beyond scope of source address", "address", "port",
			"source address failed policy", "reject route"}
	}
	if code < len(names) {
		return names[code]
	}
	return "code " + strconv.Itoa(code)
}

// Closed makes the record of a connection's end.
func (c *Correlator) Closed(n *Connection, why tcp.Reason) {
	had := c.close(n.ID)
	c.Stats.NetClosed.Add(1)
	if !c.cfg.Net {
		return
	}
	e := &n.Ending
	word, reason, by := closing(n, why)
	event := "CLOSED"
	if why == tcp.End {
		event = "STATS"
	}
	o := c.netObject(n.Transport, event, true, closedText(n, why, by))
	o.text("event", n.Transport.String()+" "+word)
	o.text("state", word)
	o.text("reason", reason)
	if by != "" {
		o.text("ended_by", by)
	}
	o.carrying(n)
	o.ends(n)
	o.float("duration", ms(e.At.Mono-n.Attempt.Began.Mono)/1000)
	if n.Silent >= int64(time.Second) && (why == tcp.FIN || why == tcp.RST) {
		o.float("silent", ms(n.Silent)/1000)
	}
	if n.SCTP != nil {
		o.carried(n)
	} else {
		o.sent("client", &n.Sent[0])
		o.sent("server", &n.Sent[1])
	}
	if w := n.Web; w != nil && w.Closer >= 0 {
		o.text("ws_closed_by", party(w.Closer))
		if w.Code != 0 {
			o.int("ws_close_code", int64(w.Code))
			o.bytes("ws_close_reason", w.Reason)
		}
	}
	o.tlsEnd(n.TLS, e.At.Mono)
	if had != nil {
		o.load(had)
	}
	c.emitNet(o, n, &e.At, had)
}

// load appends what a connection carried.
func (o *object) load(had *conn) {
	if had.total[aCall] > 0 || had.total[anExchange] == 0 {
		o.int("calls_total", int64(had.total[aCall]))
		o.loadIDs("calls", had, aCall)
	}
	if n := had.total[otherSIP]; n > 0 {
		o.int("others_total", int64(n))
		o.loadIDs("others", had, otherSIP)
	}
	o.exchanges("queries", had, record.REST, had.total[anExchange]-had.mi)
	o.exchanges("commands", had, record.MI, had.mi)
}

// loadIDs appends the ids that had remembers, and when each came first.
func (o *object) loadIDs(key string, had *conn, what load) {
	if had.first(what) < had.upto[what] {
		o.list(key, had.list(what))
		o.ints(key+"_at", had.firsts(what))
	}
}

func (o *object) exchanges(key string, had *conn, t record.Type, total uint64) {
	if total > 0 {
		o.int(key+"_total", int64(total))
		o.list(key, had.typed(t))
	}
}

// closing says how a connection ended, in one word, why, and who ended it.
func closing(n *Connection, why tcp.Reason) (word, reason, by string) {
	e := &n.Ending
	switch why {
	case tcp.RST:
		if n.SCTP != nil {
			return "aborted", "abort", party(e.Reset)
		}
		return "reset", "rst", party(e.Reset)
	case tcp.FIN:
		if n.SCTP != nil {
			return "closed", "shutdown", party(e.First)
		}
		return "closed", "fin", party(e.First)
	case tcp.Reused:
		return "replaced", why.String(), ""
	case tcp.End:
		return "open", why.String(), ""
	}
	return "forgotten", why.String(), ""
}

// toldSilence is the least silence before the end that its record tells of in words: timers
// are longer, and pauses of a conversation mostly shorter.
const toldSilence = int64(10 * time.Second)

func closedText(n *Connection, why tcp.Reason, by string) string {
	if s := n.SCTP; s != nil {
		if text := s.closedText(why, by); text != "" {
			return text
		}
	}
	after := ""
	if n.Silent >= toldSilence {
		after = " after " + time.Duration(n.Silent).Round(time.Second).String() + " of silence"
	}
	switch why {
	case tcp.RST:
		return "Reset by the " + by + after
	case tcp.FIN:
		if by, alert := n.alertEnds(); alert != "" {
			return "Closed after the TLS alert " + alert + " from the " + by
		}
		if n.Web != nil && n.Web.Closer >= 0 {
			return "WebSocket closed by the " + party(n.Web.Closer) + after
		}
		return "Closed by the " + by + after
	case tcp.Idle:
		return "No segment for so long that it is forgotten"
	case tcp.Evicted:
		return "Forgotten: another connection needed the place"
	case tcp.Reused:
		return "A new connection has the same addresses and ports"
	}
	return "The capture ends while it is open"
}

// party names who sends a direction.
func party(dir int8) string {
	switch dir {
	case 0:
		return "client"
	case 1:
		return "server"
	}
	return ""
}

// netObject begins the payload of a record with what OpenSIPS has.
func (c *Correlator) netObject(t Transport, event string, ok bool, message string) *object {
	c.object = object{append(c.payload[:0], '{')}
	o := &c.object
	o.text("Protocol", t.String())
	o.text("Event", event)
	status := "SUCCESS"
	if !ok {
		status = "FAILURE"
	}
	o.text("Status", status)
	o.text("Message", message)
	return o
}

func (o *object) carrying(n *Connection) {
	if n.Carries != capture.Unknown {
		o.text("carries", n.Carries.String())
	}
}

func (o *object) ends(n *Connection) {
	o.addr("client_ip", "client_port", unmap(n.Flow.Src))
	o.addr("server_ip", "server_port", unmap(n.Flow.Dst))
}

func (o *object) attempt(t *tcp.Attempt) {
	if t.SYNs == 0 {
		return
	}
	o.int("syn_sent", int64(t.SYNs))
	if t.Answered != 0 {
		o.float("answered_ms", ms(t.Answered-t.Began.Mono))
		o.int("synack_sent", int64(t.Answers))
	}
	if t.Complete != 0 {
		o.float("handshake_ms", ms(t.Complete-t.Began.Mono))
	}
	for dir, mss := range t.MSS {
		if mss != 0 {
			o.int("mss_"+party(int8(dir)), int64(mss))
		}
	}
}

func (o *object) sent(who string, s *tcp.Sent) {
	o.int("octets_"+who, int64(s.Octets))
	o.int("segments_"+who, int64(s.Segments))
	o.int("retransmissions_"+who, int64(s.Again))
	if s.Lost != 0 {
		o.int("octets_not_captured_"+who, int64(s.Lost))
	}
}

// web appends what a WebSocket's handshake said, without its secrets.
func (c *Correlator) web(o *object, w *Web) {
	if w == nil {
		return
	}
	if len(w.Request) > 0 {
		c.masked = mask.AppendHead(c.masked[:0], w.Request)
		o.bytes("Ws-Request", c.masked)
	}
	if len(w.Reply) > 0 {
		c.masked = mask.AppendHead(c.masked[:0], w.Reply)
		o.bytes("Ws-Reply", c.masked)
	}
	if w.Status != 0 {
		o.int("ws_status", int64(w.Status))
	}
	if len(w.Subprotocol) > 0 {
		o.bytes("ws_subprotocol", w.Subprotocol)
	}
}

// emitNet emits the record whose payload is in o.
func (c *Correlator) emitNet(o *object, n *Connection, at *tcp.Meta, had *conn) {
	c.payload = append(o.b, '}')
	c.id = decimal(c.id[:0], n.ID)
	c.links = c.links[:0]
	if had != nil {
		for i := range had.n() {
			c.links = append(c.links, record.Link{Type: had.types[i], How: record.Flow, ID: had.id(i)})
		}
	}
	c.rec = record.Record{Type: record.Net, Class: record.Final, Wall: at.Wall, Mono: at.Mono, Flow: n.Flow,
		HasVLAN: at.HasVLAN, VLAN: at.VLAN, TOS: at.TOS, Primary: c.id, Links: c.links, Payload: c.payload}
	c.cfg.Emit(&c.rec)
}
