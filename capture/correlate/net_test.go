package correlate_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/record"
	tcp "heptap/capture/stream"
)

const sec = int64(time.Second)

// connection is one from aliceSIP to bobSIP, opened a second ago.
func (r *rig) connection(id uint64) *correlate.Connection {
	began := tcp.Meta{Wall: r.now - sec, Mono: r.now - sec}
	return &correlate.Connection{ID: id, Flow: capture.FiveTuple{Proto: capture.ProtoTCP, Src: ap("192.0.2.1:40000"), Dst: bobSIP},
		Attempt: tcp.Attempt{Began: began, Answered: began.Mono + 2e6, Complete: began.Mono + 3e6, MSS: [2]uint16{1460, 1400}, SYNs: 1, Answers: 1},
		Ending:  tcp.Ending{First: -1, Reset: -1, At: tcp.Meta{Wall: r.now, Mono: r.now}}}
}

// over sends what a call says over a connection.
func (r *rig) over(id uint64, callID string) {
	for _, d := range call(callID) {
		r.c.Message(&capture.Message{Protocol: capture.SIP, Wall: r.now, Mono: r.now, Payload: d.Payload, Conn: id,
			Flow: capture.FiveTuple{Proto: capture.ProtoTCP, Src: d.Src, Dst: d.Dst}})
		r.pass(10 * time.Millisecond)
	}
}

func (r *rig) nets() (out []got) {
	for _, g := range r.recs {
		if g.typ == record.Net {
			out = append(out, g)
		}
	}
	return out
}

func withNet(c *correlate.Config) { c.Net, c.Connections = true, 100 }

// Calls lead to their connection and a connection to its calls.
func TestConnectionAndCalls(t *testing.T) {
	r := newRig(t, withNet)
	n := r.connection(17640947659377874237)
	r.c.Opened(n)
	firsts := []any{float64(r.now / 1000)}
	r.over(n.ID, "one")
	firsts = append(firsts, float64(r.now/1000))
	r.over(n.ID, "two")
	r.over(0, "elsewhere")
	n.Sent = [2]tcp.Sent{{Octets: 100, Segments: 3, Again: 1, Lost: 5}, {Octets: 50, Segments: 2}}
	n.Ending = tcp.Ending{FIN: [2]bool{true, true}, First: 1, Reset: -1, At: tcp.Meta{Wall: r.now, Mono: r.now}}
	r.c.Closed(n, tcp.FIN)
	for _, g := range r.recs {
		want := "[net:17640947659377874237]"
		if g.primary == "elsewhere" {
			want = "[]"
		}
		if g.typ == record.SIP && fmt.Sprint(g.links) != want {
			t.Errorf("%s: links %v", g.primary, g.links)
		}
	}
	all := r.nets()
	if len(all) != 2 || all[0].primary != "17640947659377874237" || all[1].primary != all[0].primary {
		t.Fatalf("%+v", all)
	}
	o, c := all[0].report, all[1].report
	for k, want := range map[string]any{"Protocol": "TCP", "Event": "CONNECTED", "Status": "SUCCESS", "event": "TCP opened", "state": "opened",
		"client_ip": "192.0.2.1", "client_port": 40000., "server_ip": "192.0.2.2", "server_port": 5060., "handshake_ms": 3., "answered_ms": 2.,
		"mss_client": 1460., "mss_server": 1400., "syn_sent": 1.} {
		if o[k] != want {
			t.Errorf("%s: %v, want %v", k, o[k], want)
		}
	}
	for k, want := range map[string]any{"Event": "CLOSED", "state": "closed", "reason": "fin", "ended_by": "server", "Message": "Closed by the server",
		"octets_client": 100., "octets_not_captured_client": 5., "retransmissions_client": 1., "octets_server": 50., "calls_total": 2., "duration": 1.21} {
		if c[k] != want {
			t.Errorf("%s: %v, want %v", k, c[k], want)
		}
	}
	if fmt.Sprint(c["calls"]) != "[one two]" || fmt.Sprint(all[1].links) != "[sip:one sip:two]" {
		t.Errorf("%v, %v", c["calls"], all[1].links)
	}
	if fmt.Sprintf("%f", c["calls_at"]) != fmt.Sprintf("%f", firsts) {
		t.Errorf("first messages at %f, want %f", c["calls_at"], firsts)
	}
}

// How long nothing had been said is told of who closed or reset the connection, in words when
// it was long.
func TestSilentConnection(t *testing.T) {
	for _, tt := range []struct {
		silent time.Duration
		why    tcp.Reason
		text   string
		want   any
	}{
		{120 * time.Second, tcp.FIN, "Closed by the server after 2m0s of silence", 120.},
		{3 * time.Second, tcp.FIN, "Closed by the server", 3.},
		{999 * time.Millisecond, tcp.FIN, "Closed by the server", nil},
		{15500 * time.Millisecond, tcp.RST, "Reset by the server after 16s of silence", 15.5},
		{time.Hour, tcp.Idle, "No segment for so long that it is forgotten", nil},
	} {
		r := newRig(t, withNet)
		n := r.connection(1)
		r.c.Opened(n)
		n.Silent, n.Ending = int64(tt.silent), tcp.Ending{First: 1, Reset: 1, At: tcp.Meta{Wall: r.now, Mono: r.now}}
		r.c.Closed(n, tt.why)
		if g := r.nets()[1].report; g["Message"] != tt.text || g["silent"] != tt.want {
			t.Errorf("%v, %v: %v, %v", tt.silent, tt.why, g["Message"], g["silent"])
		}
	}
}

// A trunk carries more calls than a record can name: the newest are, and all
// are counted, each once. Long ids do not take more room.
func TestConnectionOfManyCalls(t *testing.T) {
	r := newRig(t, withNet)
	n := r.connection(1)
	r.c.Opened(n)
	var firsts []any
	for i := range 40 {
		firsts = append(firsts, float64(r.now/1000))
		r.over(1, fmt.Sprintf("call-%02d", i))
	}
	r.over(1, "call-39") // says more, and is the same
	r.c.Closed(n, tcp.Idle)
	g := r.nets()[1]
	if g.report["calls_total"] != 40. || len(g.links) != record.MaxLinks || g.links[0] != "sip:call-24" || g.links[15] != "sip:call-39" {
		t.Errorf("%v: %v", g.report["calls_total"], g.links)
	}
	if fmt.Sprintf("%f", g.report["calls_at"]) != fmt.Sprintf("%f", firsts[24:]) {
		t.Errorf("first messages at %f, want %f", g.report["calls_at"], firsts[24:])
	}
	r = newRig(t, withNet)
	r.c.Opened(n)
	for i := range 9 {
		r.over(1, strings.Repeat("x", 199)+fmt.Sprint(i))
	}
	r.c.Closed(n, tcp.RST)
	if g := r.nets()[1]; g.report["calls_total"] != 9. || len(g.links) != 5 || !strings.HasSuffix(g.links[4], "x8") {
		t.Errorf("%v: %v", g.report["calls_total"], g.links)
	}
}

// single sends a request outside of any call, and its answer.
func (r *rig) single(conn uint64, method, callID string) {
	head := "Via: SIP/2.0/TCP x;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: " + callID + "\r\nCSeq: 1 " + method + "\r\nContent-Length: 0\r\n\r\n"
	for i, start := range []string{method + " sip:b SIP/2.0\r\n", "SIP/2.0 200 OK\r\n"} {
		f := capture.FiveTuple{Proto: capture.ProtoTCP, Src: aliceSIP, Dst: bobSIP}
		if i == 1 {
			f = f.Reverse()
		}
		r.c.Message(&capture.Message{Protocol: capture.SIP, Wall: r.now, Mono: r.now, Payload: []byte(start + head), Conn: conn, Flow: f})
		r.pass(10 * time.Millisecond)
	}
}

// What is no call leads from its connection too: after the calls, in the room that they
// leave.
func TestConnectionAndOthers(t *testing.T) {
	r := newRig(t, withNet)
	n := r.connection(1)
	r.c.Opened(n)
	first := r.now / 1000
	for _, m := range []string{"REGISTER", "MESSAGE", "SUBSCRIBE", "OPTIONS"} {
		r.single(1, m, m+"-1")
	}
	r.over(1, "one")
	r.single(1, "REGISTER", "REGISTER-1") // refreshed
	r.single(0, "OPTIONS", "elsewhere")
	r.single(1, "OPTIONS", strings.Repeat("x", 257))
	r.c.Closed(n, tcp.FIN)
	g := r.nets()[1]
	if want := "[sip:one sip:REGISTER-1 sip:MESSAGE-1 sip:SUBSCRIBE-1 sip:OPTIONS-1]"; fmt.Sprint(g.links) != want {
		t.Errorf("links %v", g.links)
	}
	if fmt.Sprint(g.report["calls"], g.report["others"], g.report["calls_total"], g.report["others_total"]) != "[one] [REGISTER-1 MESSAGE-1 SUBSCRIBE-1 OPTIONS-1] 1 4" {
		t.Errorf("%v", g.report)
	}
	at := fmt.Sprintf("%f %f", []any{float64(first + 80_000)}, []any{float64(first), float64(first + 20_000), float64(first + 40_000), float64(first + 60_000)})
	if got := fmt.Sprintf("%f %f", g.report["calls_at"], g.report["others_at"]); got != at {
		t.Errorf("first messages at %s, want %s", got, at)
	}
}

// Pings never take the room of a call, and calls take that of pings, the oldest first.
func TestConnectionCallsComeFirst(t *testing.T) {
	r := newRig(t, withNet)
	n := r.connection(1)
	r.c.Opened(n)
	for i := range 30 {
		r.single(1, "OPTIONS", fmt.Sprintf("ping-%02d", i))
	}
	for i := range 14 {
		r.over(1, fmt.Sprintf("call-%02d", i))
	}
	r.c.Closed(n, tcp.FIN)
	g := r.nets()[1]
	if len(g.links) != 16 || g.links[0] != "sip:call-00" || g.links[13] != "sip:call-13" || g.links[14] != "sip:ping-28" || g.links[15] != "sip:ping-29" {
		t.Errorf("%v", g.links)
	}
	if g.report["others_total"] != 30. || g.report["calls_total"] != 14. {
		t.Errorf("%v", g.report)
	}
	f := capture.FiveTuple{Proto: capture.ProtoTCP, Src: aliceSIP, Dst: bobSIP}
	m, ping := &capture.Message{Protocol: capture.SIP, Wall: r.now, Mono: r.now, Conn: 2, Flow: f}, []byte("OPTIONS sip:b SIP/2.0\r\nCall-ID: ping-00\r\nCSeq: 1 OPTIONS\r\n\r\n")
	c := correlate.New(correlate.Config{Net: true, Connections: 10, Emit: func(*record.Record) {}})
	c.Opened(r.connection(2))
	if got := testing.AllocsPerRun(1000, func() {
		ping[bytes.IndexByte(ping, '-')+1]++ // another one
		m.Payload = ping
		c.Message(m)
	}); got != 0 {
		t.Errorf("%v allocations for a ping", got)
	}
	r = newRig(t, withNet)
	r.c.Opened(n)
	for i := range 20 {
		r.over(1, fmt.Sprintf("call-%02d", i))
		r.single(1, "OPTIONS", fmt.Sprintf("ping-%02d", i))
	}
	r.c.Closed(n, tcp.FIN)
	if g := r.nets()[1]; len(g.links) != 16 || g.links[0] != "sip:call-04" || g.links[15] != "sip:call-19" || g.report["others"] != nil || g.report["others_total"] != 20. {
		t.Errorf("%v, %v", g.links, g.report)
	}
}

// exchange makes a note of a query, or of a command, over a connection.
func (r *rig) exchange(id uint64, t record.Type, primary string, begins bool) {
	r.c.Note(&correlate.Note{Type: t, Class: record.Final, At: tcp.Meta{Wall: r.now, Mono: r.now}, Primary: []byte(primary), Payload: []byte("{}"), Conn: id, Begins: begins})
}

// Queries and commands lead to their connection and it to them, each once, the newest
// 16; calls take their room.
func TestConnectionOfQueries(t *testing.T) {
	r := newRig(t, withNet)
	n := r.connection(7)
	n.Carries = capture.HTTP
	r.c.Opened(n)
	for i := range 18 {
		r.exchange(7, record.REST, fmt.Sprintf("rest-%02d", i), true)
		r.exchange(7, record.REST, fmt.Sprintf("rest-%02d", i), false)
	}
	for range 2 { // a batch
		r.exchange(7, record.MI, "mi-1", true)
	}
	r.exchange(0, record.REST, "elsewhere", true)
	r.c.Closed(n, tcp.FIN)
	for _, g := range r.recs {
		want := "[net:7]"
		if g.primary == "elsewhere" {
			want = "[]"
		}
		if g.typ != record.Net && fmt.Sprint(g.links) != want {
			t.Errorf("%s: links %v", g.primary, g.links)
		}
	}
	g := r.nets()[1]
	if g.report["queries_total"] != 18. || g.report["commands_total"] != 1. || g.report["calls_total"] != nil || g.report["carries"] != "http" ||
		fmt.Sprint(g.report["commands"]) != "[mi-1]" || fmt.Sprint(g.report["queries"]) != "[rest-03 rest-04 rest-05 rest-06 rest-07 rest-08 rest-09 rest-10 rest-11 rest-12 rest-13 rest-14 rest-15 rest-16 rest-17]" {
		t.Errorf("%v", g.report)
	}
	if len(g.links) != 16 || g.links[0] != "rest:rest-03" || g.links[15] != "mi:mi-1" {
		t.Errorf("%v", g.links)
	}

	r = newRig(t, withNet) // a WebSocket, after a query
	r.c.Opened(n)
	for i := range 3 {
		r.exchange(7, record.REST, fmt.Sprintf("rest-%d", i), true)
	}
	n.Carries, n.Again, n.Transport = capture.Unknown, true, correlate.WS
	r.c.Opened(n)
	for i := range 15 {
		r.over(7, fmt.Sprintf("call-%02d", i))
	}
	r.c.Closed(n, tcp.FIN)
	if g := r.nets()[2]; len(g.links) != 16 || g.links[0] != "sip:call-00" || g.links[14] != "sip:call-14" || g.links[15] != "rest:rest-2" ||
		g.report["queries_total"] != 3. || fmt.Sprint(g.report["queries"]) != "[rest-2]" || g.report["calls_total"] != 15. || g.report["carries"] != nil {
		t.Errorf("%v: %v", g.report, g.links)
	}
	if s := &r.c.Stats; s.NetOpened.Load() != 1 || s.NetClosed.Load() != 1 {
		t.Errorf("%d opened, %d closed", s.NetOpened.Load(), s.NetClosed.Load())
	}
}

// No room for what a connection carried is counted, and costs nothing else.
func TestConnectionCap(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Net, c.Connections = true, 2 })
	for id := range uint64(3) {
		r.c.Opened(r.connection(id + 1))
	}
	r.over(3, "three")
	r.c.Closed(r.connection(3), tcp.FIN)
	r.c.Closed(r.connection(1), tcp.FIN)
	r.c.Opened(r.connection(4))
	if s := &r.c.Stats; s.ConnectionsRefused.Load() != 1 || s.Connections.Load() != 2 || s.NetOpened.Load() != 4 || s.NetClosed.Load() != 2 {
		t.Errorf("refused %d, now %d", s.ConnectionsRefused.Load(), s.Connections.Load())
	}
	if g := r.nets()[3]; g.primary != "3" || g.report["calls_total"] != nil {
		t.Errorf("%+v", g)
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		u     tcp.Unopened
		state string
		text  string
		by    any
	}{
		{tcp.Unopened{Outcome: tcp.Refused, By: 1, Reset: true}, "refused", "Connection refused (RST)", "server"},
		{tcp.Unopened{Outcome: tcp.Unreachable, By: -1, ICMP: 0x030d}, "unreachable", "Destination unreachable: administratively prohibited", nil},
		{tcp.Unopened{Outcome: tcp.Unreachable, By: -1, ICMP: 0x0104, IPv6: true}, "unreachable", "Destination unreachable: port", nil},
		{tcp.Unopened{Outcome: tcp.Unreachable, By: -1, ICMP: 0x0363}, "unreachable", "Destination unreachable: code 99", nil},
		{tcp.Unopened{Outcome: tcp.Unanswered, By: -1, Attempt: tcp.Attempt{SYNs: 3}}, "unanswered", "No answer to 3 SYNs within 2s", nil},
		{tcp.Unopened{Outcome: tcp.Empty, By: 0, Reset: true}, "empty", "Reset by the client before any data", "client"},
	} {
		r := newRig(t, withNet)
		u := tt.u
		u.Flow = capture.FiveTuple{Proto: capture.ProtoTCP, Src: aliceSIP, Dst: bobSIP}
		u.Attempt.Began = tcp.Meta{Wall: r.now, Mono: r.now}
		u.At = tcp.Meta{Wall: r.now + 2*sec, Mono: r.now + 2*sec}
		if u.Outcome == tcp.Unanswered {
			u.At.Wall = 0
		}
		r.c.Failed(&u, 7)
		g := r.nets()[0].report
		if g["state"] != tt.state || g["Message"] != tt.text || g["ended_by"] != tt.by || g["Status"] != "FAILURE" || g["tried_for"] != 2. || r.nets()[0].primary != "7" {
			t.Errorf("%+v: %v", tt.u, g)
		}
	}
}

// A scan makes no flood of records, and what is held back is counted.
func TestFailuresAreFew(t *testing.T) {
	r := newRig(t, withNet)
	fail := func(n int) {
		for range n {
			at := tcp.Meta{Wall: r.now, Mono: r.now}
			r.c.Failed(&tcp.Unopened{Outcome: tcp.Refused, By: 1, At: at, Attempt: tcp.Attempt{Began: at}}, 1)
		}
	}
	fail(1000)
	if n := len(r.nets()); n != 200 {
		t.Errorf("%d records", n)
	}
	r.pass(time.Second)
	fail(1000)
	if n := len(r.nets()); n != 220 {
		t.Errorf("%d records after a second", n)
	}
	if s := &r.c.Stats; s.NetSuppressed.Load() != 1780 || s.NetFailed[tcp.Refused].Load() != 2000 {
		t.Errorf("%d of %d held back", s.NetSuppressed.Load(), s.NetFailed[tcp.Refused].Load())
	}
}

// Off means no records, and the counters go on.
func TestNetOff(t *testing.T) {
	r := newRig(t, nil)
	r.c.Opened(r.connection(1))
	r.c.Closed(r.connection(1), tcp.FIN)
	if len(r.nets()) != 0 || r.c.Stats.NetOpened.Load() != 1 || r.c.Stats.NetClosed.Load() != 1 {
		t.Errorf("%v", r.nets())
	}
}

// What a WebSocket says goes into the records with its secrets blanked.
func TestWebSocketRecords(t *testing.T) {
	r := newRig(t, withNet)
	n := r.connection(5)
	n.Transport = correlate.WS
	n.Web = &correlate.Web{Request: []byte("GET /ws HTTP/1.1\r\nCookie: session=abcdef\r\nAuthorization: Basic Zm9v\r\n\r\n"),
		Reply: []byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Status: 101, Closer: -1}
	r.c.Opened(n)
	n.Web.Closer, n.Web.Code, n.Web.Reason = 0, 1001, []byte("going away")
	n.Ending.First = 0
	r.c.Closed(n, tcp.FIN)
	n.Web = &correlate.Web{Status: 403, Closer: -1}
	r.c.Opened(n)
	all := r.nets()
	request := all[0].report["Ws-Request"].(string)
	if !strings.HasPrefix(request, "GET /ws HTTP/1.1\r\n") || strings.Contains(request, "abcdef") || strings.Contains(request, "Zm9v") {
		t.Errorf("%q", request)
	}
	if g := all[1].report; g["ws_close_code"] != 1001. || g["ws_close_reason"] != "going away" || g["ws_closed_by"] != "client" || g["Message"] != "WebSocket closed by the client" {
		t.Errorf("%v", g)
	}
	if g := all[2].report; g["Status"] != "FAILURE" || g["state"] != "failed" || g["ws_status"] != 403. {
		t.Errorf("%v", g)
	}
}

// A failed connection matters when it was meant for SIP, or was a SIP server's.
func TestSignalling(t *testing.T) {
	r := newRig(t, nil)
	proxy, phone, db := ap("192.0.2.9:5070"), ap("192.0.2.50:35000"), ap("192.0.2.99:3306")
	f := func(src, dst string) capture.FiveTuple {
		return capture.FiveTuple{Proto: capture.ProtoTCP, Src: ap(src), Dst: ap(dst)}
	}
	check := func(src, dst string, want bool) {
		t.Helper()
		if got := r.c.Signalling(f(src, dst)); got != want {
			t.Errorf("%s > %s: %v", src, dst, got)
		}
	}
	check("192.0.2.50:40000", "192.0.2.9:5060", true)
	check("192.0.2.50:40000", "192.0.2.9:5070", false)
	check("192.0.2.9:40000", db.String(), false)
	head := "Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n"
	r.send(capture.SIP, phone, proxy, []byte("REGISTER sip:b SIP/2.0\r\n"+head))
	r.send(capture.SIP, proxy, phone, []byte("SIP/2.0 200 OK\r\n"+head))
	check("192.0.2.50:40000", "192.0.2.9:5070", true) // where requests go to
	check("192.0.2.50:40000", "192.0.2.9:22", false)  // SIP is not all that a host does
	check("192.0.2.9:40000", db.String(), true)       // a SIP server's own
	r.send(capture.SIP, phone, proxy, []byte(strings.Replace("SIP/2.0 200 OK\r\n"+head, "REGISTER", "OPTIONS", 1)))
	check("192.0.2.50:40000", db.String(), false) // a phone's own
	r.pass(3 * time.Hour)
	r.c.Advance(r.now)
	check("192.0.2.9:40000", db.String(), false)
}
