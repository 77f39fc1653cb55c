package correlate_test

import (
	"fmt"
	"testing"

	"heptap/capture"
	"heptap/capture/correlate"
	tcp "heptap/capture/stream"
)

// association is one from aliceSIP to bobSIP, opened a second ago.
func (r *rig) association(id uint64) *correlate.Connection {
	n := r.connection(id)
	n.Transport, n.Flow.Proto, n.Attempt.MSS = correlate.SCTP, capture.ProtoSCTP, [2]uint16{}
	n.SCTP = &correlate.Association{Cookies: 2, CookieAcks: 1, Streams: [2]uint16{10, 17}}
	return n
}

func (r *rig) wantNet(i int, want map[string]any) {
	r.t.Helper()
	g := r.nets()[i].report
	for k, v := range want {
		if g[k] != v {
			r.t.Errorf("%s: %v, want %v", k, g[k], v)
		}
	}
	for _, k := range []string{"syn_sent", "synack_sent", "segments_client", "octets_not_captured_client"} {
		if g[k] != nil {
			r.t.Errorf("%s: SCTP has none", k)
		}
	}
}

func TestAssociationAndCalls(t *testing.T) {
	r := newRig(t, withNet)
	n := r.association(7)
	r.c.Opened(n)
	r.over(7, "one")
	n.Sent = [2]tcp.Sent{{Octets: 100, Segments: 3, Again: 1, Lost: 5}, {Octets: 50, Segments: 2}}
	n.SCTP.Cause = 12
	n.Ending = tcp.Ending{First: -1, Reset: 1, At: tcp.Meta{Wall: r.now, Mono: r.now}}
	r.c.Closed(n, tcp.RST)
	r.wantNet(0, map[string]any{"Protocol": "SCTP", "Event": "CONNECTED", "Status": "SUCCESS", "Message": "Connection opened", "event": "SCTP opened", "state": "opened",
		"init_sent": 1., "init_ack_sent": 1., "cookie_echo_sent": 2., "cookie_ack_sent": 1., "answered_ms": 2., "handshake_ms": 3., "streams_client": 10., "streams_server": 17.})
	r.wantNet(1, map[string]any{"Protocol": "SCTP", "Event": "CLOSED", "Status": "SUCCESS", "Message": "Aborted by the server: user-initiated abort", "event": "SCTP aborted",
		"state": "aborted", "reason": "abort", "ended_by": "server", "abort_cause": 12., "abort_cause_text": "user-initiated abort",
		"octets_client": 100., "chunks_client": 3., "retransmissions_client": 1., "chunks_not_captured_client": 5., "octets_server": 50., "chunks_not_captured_server": nil, "calls_total": 1.})
	if all := r.nets(); fmt.Sprint(all[1].links) != "[sip:one]" || all[1].primary != "7" || len(all) != 2 {
		t.Errorf("%+v", all)
	}
}

func TestAssociationEnds(t *testing.T) {
	for _, c := range []struct {
		why          tcp.Reason
		first, reset int8
		cause        uint16
		text, state  string
	}{
		{tcp.FIN, 0, -1, 0, "Shut down by the client", "closed"},
		{tcp.FIN, -1, -1, 0, "Shut down", "closed"},
		{tcp.RST, -1, 0, 0, "Aborted by the client", "aborted"},
		{tcp.RST, -1, 0, 999, "Aborted by the client: cause 999", "aborted"},
		{tcp.Idle, -1, -1, 0, "No packet for so long that it is forgotten", "forgotten"},
		{tcp.Evicted, -1, -1, 0, "Forgotten: another connection needed the place", "forgotten"},
		{tcp.Reused, -1, -1, 0, "Its ends have begun anew", "replaced"},
		{tcp.End, -1, -1, 0, "The capture ends while it is open", "open"},
	} {
		r := newRig(t, withNet)
		n := r.association(7)
		n.Ending.First, n.Ending.Reset, n.SCTP.Cause = c.first, c.reset, c.cause
		r.c.Closed(n, c.why)
		r.wantNet(0, map[string]any{"Message": c.text, "state": c.state, "event": "SCTP " + c.state})
	}
}

func TestUnassociated(t *testing.T) {
	for _, c := range []struct {
		what         tcp.Outcome
		answers      uint8
		first, reset int8
		cause        uint16
		text, by     string
	}{
		{tcp.Refused, 0, -1, 1, 0, "Association refused (ABORT)", "server"},
		{tcp.Refused, 0, -1, 1, 4, "Association refused (ABORT: out of resource)", "server"},
		{tcp.Unanswered, 0, -1, -1, 0, "No answer to 3 INITs within 1s", ""},
		{tcp.Unanswered, 1, -1, -1, 0, "INIT was answered, and the cookie was not", ""},
		{tcp.Empty, 1, -1, 0, 12, "Aborted by the client: user-initiated abort before any data", "client"},
		{tcp.Empty, 1, 1, -1, 0, "Shut down by the server before any data", "server"},
		{tcp.Empty, 1, -1, -1, 0, "Shut down before any data", ""},
	} {
		r := newRig(t, withNet)
		n := r.association(7)
		n.Attempt.SYNs, n.Attempt.Answers = 3, c.answers
		n.Ending.First, n.Ending.Reset, n.SCTP.Cause = c.first, c.reset, c.cause
		r.c.Unassociated(n, c.what)
		want := map[string]any{"Protocol": "SCTP", "Event": "CONNECTED", "Status": "FAILURE", "Message": c.text, "event": "SCTP " + c.what.String(), "state": c.what.String(),
			"init_sent": 3., "tried_for": 1., "ended_by": nil}
		if c.by != "" {
			want["ended_by"] = c.by
		}
		r.wantNet(0, want)
		if r.c.Stats.NetFailed[c.what].Load() != 1 {
			t.Error("not counted")
		}
	}
}

// A flood of refusals is cut short, and counted; without records they are counted.
func TestManyUnassociated(t *testing.T) {
	for _, on := range []bool{true, false} {
		r := newRig(t, func(c *correlate.Config) { withNet(c); c.Net = on })
		for range 1000 {
			r.c.Unassociated(r.association(7), tcp.Refused)
		}
		s := &r.c.Stats
		if n := uint64(len(r.nets())); n+s.NetSuppressed.Load() != 1000 && on || n > 300 || !on && n != 0 || s.NetFailed[tcp.Refused].Load() != 1000 {
			t.Errorf("%d records, %d suppressed", n, s.NetSuppressed.Load())
		}
	}
}
