package beyond_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/dissect"
	"heptap/capture/infer"
	"heptap/capture/mi"
	"heptap/capture/record"
	"heptap/capture/stream"
	"heptap/firmware/internal/beyond"
)

var (
	sipServer = netip.MustParseAddrPort("192.0.2.10:5060")
	sipPhone  = netip.MustParseAddrPort("192.0.2.20:5060")
	database  = netip.MustParseAddrPort("192.0.2.30:8080")
	admin     = netip.MustParseAddrPort("192.0.2.40:51000")
)

// site is a correlator that has seen a call through the proxy, and a Beyond that
// makes notes for it.
type site struct {
	t    testing.TB
	b    *beyond.Beyond
	c    *correlate.Correlator
	now  int64
	id   uint64           // of the last connection
	recs []map[string]any // of payloads, with "type", "primary", "links", "flow"
}

func newSite(t testing.TB, change func(*beyond.Config)) *site { return newSiteWith(t, nil, change) }

func newSiteWith(t testing.TB, in *infer.Config, change func(*beyond.Config)) *site {
	s := &site{t: t, now: int64(time.Hour)}
	s.c = correlate.New(correlate.Config{Calls: 100, Streams: 100, CallIdle: time.Hour, Infer: in, Net: true, Connections: 100, Emit: s.emit})
	cfg := beyond.Config{MI: true, Queries: beyond.ServerQueries, Correlator: s.c}
	if change != nil {
		change(&cfg)
	}
	s.b = beyond.New(cfg)
	for _, d := range capturetest.SIPCall(capturetest.Call{Caller: sipPhone, Callee: sipServer, CallerMedia: sipPhone, CalleeMedia: sipServer, CallID: "call1@phone"})[:5] {
		s.c.Message(&capture.Message{Protocol: capture.SIP, Mono: s.now, Wall: s.now, Payload: d.Payload,
			Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: d.Src, Dst: d.Dst}})
	}
	s.recs = nil
	return s
}

func (s *site) emit(r *record.Record) {
	m := map[string]any{}
	if r.Type != record.SIP {
		if err := json.Unmarshal(r.Payload, &m); err != nil {
			s.t.Errorf("no JSON: %v\n%s", err, r.Payload)
		}
	}
	m["type"], m["primary"], m["flow"], m["wall"] = r.Type.String(), string(r.Primary), fmt.Sprint(r.Flow.Src, ">", r.Flow.Dst), r.Wall
	var links []string
	for _, l := range r.Links {
		links = append(links, l.Type.String()+":"+string(l.ID))
	}
	m["links"] = strings.Join(links, " ")
	s.recs = append(s.recs, m)
}

// tell tells the correlator of a new connection when it is called first.
func (s *site) tell(flow capture.FiveTuple) func() uint64 {
	s.id++
	id, told := s.id, false
	return func() uint64 {
		if !told {
			told = true
			s.c.Opened(s.connection(id, flow))
		}
		return id
	}
}

func (s *site) connection(id uint64, flow capture.FiveTuple) *correlate.Connection {
	at := stream.Meta{Mono: s.now, Wall: s.now}
	return &correlate.Connection{ID: id, Flow: flow, Carries: capture.HTTP, Attempt: stream.Attempt{Began: at}, Ending: stream.Ending{First: 0, Reset: -1, At: at}}
}

// http opens a connection; its two functions say something in either direction.
func (s *site) http(from, to netip.AddrPort) (ask, answer func(string), f dissect.Follower) {
	s.t.Helper()
	flow := capture.FiveTuple{Proto: capture.ProtoTCP, Src: from, Dst: to}
	f = s.b.Follow(flow, s.tell(flow), capture.HTTP, nil)
	say := func(dir int) func(string) {
		return func(text string) {
			s.now += int64(10 * time.Millisecond)
			f.Write(dir, &dissect.At{Mono: s.now, Wall: s.now + 5}, dissect.Numbers{}, []byte(text))
		}
	}
	return say(0), say(1), f
}

// want compares members of the records so far, and forgets these.
func (s *site) want(records ...map[string]string) {
	s.t.Helper()
	for i, want := range records {
		if i >= len(s.recs) {
			break
		}
		for k, v := range want {
			if got := fmt.Sprint(s.recs[i][k]); got != v {
				s.t.Errorf("record %d: %s is %q, want %q\n%v", i, k, got, v, s.recs[i])
			}
		}
	}
	if len(s.recs) != len(records) {
		s.t.Errorf("%d records, want %d: %v", len(s.recs), len(records), s.recs)
	}
	s.recs = nil
}

const answer200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"route\":\"A1\"}"

func TestQuery(t *testing.T) {
	s := newSite(t, func(c *beyond.Config) { c.Fields = []string{"X-Tenant"} })
	ask, answer, _ := s.http(sipServer, database)
	ask("GET /lrn/4930123456?token=geheim&call=call1@phone HTTP/1.1\r\nHost: db\r\nX-Tenant: acme\r\nAuthorization: Bearer abc\r\n\r\n")
	answer(answer200)
	s.want(map[string]string{"type": "rest", "event": "GET /lrn/4930123456?token=***&call=call1@phone", "host": "db", "headers": "map[x-tenant:acme]",
		"links": "sip:call1@phone", "flow": "192.0.2.10:5060>192.0.2.30:8080", "octets": "0", "payload": "<nil>"},
		map[string]string{"type": "rest", "event": "GET /lrn/4930123456?token=***&call=call1@phone → 200", "status": "200", "latency_ms": "10", "first_line": "HTTP/1.1 200 OK",
			"links": "sip:call1@phone", "flow": "192.0.2.30:8080>192.0.2.10:5060", "octets": "14", "payload": "<nil>", "took_ms": "10"})
	ask("POST /cdr HTTP/1.1\r\nHost: db\r\nX-Call-ID: call1@phone\r\nContent-Length: 2\r\n\r\nhi")
	answer("HTTP/1.1 204 No Content\r\n\r\n")
	if len(s.recs) == 2 && (s.recs[0]["primary"] != s.recs[1]["primary"] || s.recs[0]["primary"] == "") {
		t.Error("request and reply under different ids")
	}
	s.want(map[string]string{"links": "sip:call1@phone", "octets": "2"}, map[string]string{"status": "204"})
	// One that names no call is recorded all the same.
	ask("GET /health HTTP/1.1\r\nHost: db\r\n\r\n")
	answer(answer200)
	s.want(map[string]string{"links": ""}, map[string]string{"links": ""})
}

// Fields that name a session or a trace lead to the calls that have it.
func TestQueryOfSession(t *testing.T) {
	const uuid = "0123456789abcdef0123456789abcdef"
	for _, field := range []string{"Session-ID: " + uuid + ";remote=00000000000000000000000000000000", "traceparent: 00-" + uuid + "-00f067aa0ba902b7-01"} {
		s := newSite(t, nil)
		d := capturetest.SIPCall(capturetest.Call{Caller: sipPhone, Callee: sipServer, CallerMedia: sipPhone, CalleeMedia: sipServer, CallID: "call2@phone"})[0]
		payload := strings.Replace(string(d.Payload), "\r\n", "\r\n"+field+"\r\n", 1)
		s.c.Message(&capture.Message{Protocol: capture.SIP, Mono: s.now, Wall: s.now, Payload: []byte(payload), Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: d.Src, Dst: d.Dst}})
		s.recs = nil
		ask, _, _ := s.http(sipServer, database)
		ask("GET /route HTTP/1.1\r\nHost: db\r\n" + field + "\r\n\r\n")
		s.want(map[string]string{"links": "sip:call2@phone"})
	}
}

func TestQueryBodies(t *testing.T) {
	s := newSite(t, func(c *beyond.Config) { c.Bodies = true })
	ask, answer, _ := s.http(sipServer, database)
	ask("POST /x HTTP/1.1\r\nHost: db\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n" + `{"password":"geheim","id":"call1@phone"}`)
	answer(answer200)
	s.want(map[string]string{"payload": `{"password":"***","id":"call1@phone"}`, "links": "sip:call1@phone"}, map[string]string{"payload": `{"route":"A1"}`})
}

// fin has the sender of a direction finish, and end ends the connection, wait
// after what came last.
func (s *site) fin(f dissect.Follower, dir int, wait time.Duration) {
	s.now += int64(wait)
	f.Cut(dir, &dissect.At{Mono: s.now, Wall: s.now + 5})
}

func (s *site) end(f dissect.Follower, why dissect.End, by int8, wait time.Duration) {
	s.now += int64(wait)
	f.End(dissect.Ending{Why: why, By: by, At: dissect.At{Mono: s.now, Wall: s.now + 5}})
}

const (
	fromServer = "192.0.2.10:5060>192.0.2.30:8080" // the SIP server, which asks
	fromDB     = "192.0.2.30:8080>192.0.2.10:5060"
)

// A query without reply says who ended the connection, is stamped with the frame
// that did, runs the same way, and says how long that was after the request: the end
// comes 2 s after it, or 30 s after a FIN that came 2 s after it.
func TestQueryFails(t *testing.T) {
	const none = "<nil>"
	for _, tt := range []struct {
		name           string
		end            func(s *site, f dissect.Follower)
		failed, by     string
		flow           string
		waited         string
		at             time.Duration // of the record, after the request
		client, server string        // when they finished, if that was before or after
	}{
		{"reset by the server", func(s *site, f dissect.Follower) { s.end(f, dissect.EndReset, 1, 2*time.Second) },
			"reset", "server", fromDB, "2000", 2 * time.Second, none, none},
		{"reset by the client", func(s *site, f dissect.Follower) { s.end(f, dissect.EndReset, 0, 2*time.Second) },
			"reset", "client", fromServer, "2000", 2 * time.Second, none, none},
		{"closed by the server", func(s *site, f dissect.Follower) {
			s.fin(f, 1, 2*time.Second)
			s.end(f, dissect.EndClosed, 1, 30*time.Second) // the client takes its time
		}, "closed", "server", fromDB, "2000", 2 * time.Second, none, none},
		{"given up by the client", func(s *site, f dissect.Follower) {
			s.fin(f, 0, 2*time.Second)
			s.fin(f, 1, 30*time.Second) // the server has seen it by then
			s.end(f, dissect.EndClosed, 0, 0)
		}, "closed", "client", fromServer, "2000", 2 * time.Second, none, "32000"},
		{"one direction only", func(s *site, f dissect.Follower) {
			s.fin(f, 0, 2*time.Second)
			s.end(f, dissect.EndClosed, 0, 0)
		}, "closed", "client", fromServer, "2000", 2 * time.Second, none, none},
		{"half closed, then reset by the server", func(s *site, f dissect.Follower) {
			s.fin(f, 0, 2*time.Second)
			s.end(f, dissect.EndReset, 1, 30*time.Second)
		}, "reset", "server", fromDB, "32000", 32 * time.Second, "2000", none},
		{"closed and reset by the client", func(s *site, f dissect.Follower) {
			s.fin(f, 0, 2*time.Second)
			s.end(f, dissect.EndReset, 0, 30*time.Second)
		}, "reset", "client", fromServer, "2000", 2 * time.Second, none, none},
		{"timeout", func(s *site, f dissect.Follower) {
			s.b.Advance(s.now + int64(61*time.Second))
			s.end(f, dissect.EndReset, 1, 90*time.Second)
		}, "timeout", "nobody", fromDB, "61000", 61 * time.Second, none, none},
		{"left", func(s *site, f dissect.Follower) { s.end(f, dissect.EndLeft, -1, 7*time.Second) },
			"no reply", "nobody", fromDB, "7000", 7 * time.Second, none, none},
		{"became something else", func(s *site, f dissect.Follower) { f.End(dissect.Ending{By: -1}) },
			"no reply", "nobody", fromDB, "0", 0, none, none},
		{"no HTTP", func(s *site, f dissect.Follower) {
			s.now += int64(time.Second)
			f.Write(1, &dissect.At{Mono: s.now, Wall: s.now + 5}, dissect.Numbers{}, []byte("220 mail ready\r\n"))
			s.end(f, dissect.EndReset, 1, time.Second)
		}, "malformed", none, fromDB, "1000", time.Second, none, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			ask, _, f := s.http(sipServer, database)
			ask("GET /lrn/4930123456 HTTP/1.1\r\nHost: db\r\n\r\n")
			asked := s.now + 5
			tt.end(s, f)
			s.want(map[string]string{"event": "GET /lrn/4930123456", "flow": fromServer, "wall": fmt.Sprint(asked)},
				map[string]string{"event": "GET /lrn/4930123456 failed: " + tt.failed, "failed": tt.failed, "ended_by": tt.by, "flow": tt.flow,
					"waited_ms": tt.waited, "wall": fmt.Sprint(asked + int64(tt.at)), "status": none,
					"client_closed_ms": tt.client, "server_closed_ms": tt.server})
		})
	}
}

// A reply that comes when the client has gone says so, one that ends inside its
// body what there was of it.
func TestQueryTooLate(t *testing.T) {
	s := newSite(t, func(c *beyond.Config) { c.Bodies = true })
	ask, answer, f := s.http(sipServer, database)
	ask("GET /slow HTTP/1.1\r\nHost: db\r\n\r\n")
	s.fin(f, 0, 2*time.Second)
	answer(answer200)
	s.end(f, dissect.EndReset, 0, 0)
	s.want(nil, map[string]string{"status": "200", "client_closed_ms": "2000", "latency_ms": "2010"})
	ask, answer, f = s.http(sipServer, database)
	ask("GET /cut HTTP/1.1\r\nHost: db\r\n\r\n")
	answer(answer200[:len(answer200)-4])
	s.end(f, dissect.EndReset, 1, 2*time.Second)
	s.want(nil, map[string]string{"failed": "reset", "ended_by": "server", "status": "200", "first_line": "HTTP/1.1 200 OK", "waited_ms": "2010",
		"octets": "10", "incomplete": "true", "payload": `{"route":"`, "truncated": "true"})
}

// A query names the connection that it came over, which has records with the first of
// it, and the end of that names the queries and commands it carried.
func TestQueryAndConnection(t *testing.T) {
	s := newSite(t, func(c *beyond.Config) { c.Net = true })
	flow := capture.FiveTuple{Proto: capture.ProtoTCP, Src: sipServer, Dst: database}
	ask, answer, f := s.http(sipServer, database)
	s.want() // nobody needs to know of a connection without queries
	ask("GET /lrn?call=call1@phone HTTP/1.1\r\nHost: db\r\n\r\n")
	answer(answer200)
	ask("GET /lrn/2 HTTP/1.1\r\nHost: db\r\n\r\n")
	if len(s.recs) != 4 {
		t.Fatal(s.recs)
	}
	one, two := s.recs[1]["primary"].(string), s.recs[3]["primary"].(string)
	s.want(map[string]string{"type": "net", "primary": "1", "state": "opened", "carries": "http", "links": ""},
		map[string]string{"type": "rest", "links": "net:1 sip:call1@phone"}, map[string]string{"primary": one, "links": "net:1 sip:call1@phone"},
		map[string]string{"type": "rest", "links": "net:1"})
	s.end(f, dissect.EndReset, 1, time.Second)
	s.c.Closed(s.connection(1, flow), stream.RST)
	s.want(map[string]string{"primary": two, "failed": "reset", "links": "net:1"},
		map[string]string{"type": "net", "state": "reset", "queries": fmt.Sprint([]string{one, two}), "queries_total": "2", "links": "rest:" + one + " rest:" + two,
			"calls_total": "<nil>", "commands_total": "<nil>"})

	flow = capture.FiveTuple{Proto: capture.ProtoTCP, Src: admin, Dst: sipServer}
	ask, _, _ = s.http(admin, sipServer)
	const batch = `[{"jsonrpc":"2.0","method":"dlg_list","id":4},{"jsonrpc":"2.0","method":"ps","id":5}]`
	ask(fmt.Sprintf("POST /mi HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(batch), batch))
	if len(s.recs) != 3 {
		t.Fatal(s.recs)
	}
	one = s.recs[1]["primary"].(string)
	s.c.Closed(s.connection(2, flow), stream.FIN)
	s.want(nil, map[string]string{"type": "mi", "links": "net:2"}, map[string]string{"type": "mi", "primary": one, "links": "net:2"},
		map[string]string{"commands": "[" + one + "]", "commands_total": "1", "queries": "<nil>", "links": "mi:" + one})

	s = newSite(t, nil) // without
	ask, _, _ = s.http(sipServer, database)
	ask("GET /lrn/2 HTTP/1.1\r\nHost: db\r\n\r\n")
	s.want(map[string]string{"type": "rest", "links": ""})
}

// Only what servers of SIP send is anybody's business, unless all is wanted.
func TestQueryScope(t *testing.T) {
	for _, tt := range []struct {
		scope    beyond.Scope
		from     netip.AddrPort
		followed bool
		records  int
	}{
		{beyond.ServerQueries, sipServer, true, 2},
		{beyond.ServerQueries, sipPhone, false, 0},
		{beyond.AllQueries, sipPhone, true, 2},
		{beyond.NoQueries, sipServer, true, 0}, // there may be commands
	} {
		s := newSite(t, func(c *beyond.Config) { c.Queries = tt.scope })
		if f := s.b.Follow(capture.FiveTuple{Proto: capture.ProtoTCP, Src: tt.from, Dst: database}, nil, capture.HTTP, nil); (f != nil) != tt.followed {
			t.Errorf("%v: followed %v", tt, f != nil)
		}
		if tt.followed {
			ask, answer, _ := s.http(tt.from, database)
			ask("GET /x HTTP/1.1\r\n\r\n")
			answer(answer200)
		}
		if len(s.recs) != tt.records {
			t.Errorf("%v: %d records", tt, len(s.recs))
		}
	}
}

func TestCommandOverHTTP(t *testing.T) {
	s := newSite(t, func(c *beyond.Config) { c.Filters.Kamailio, _ = mi.ParseFilter("b: stats.*") })
	ask, answer, f := s.http(admin, sipServer)
	post := func(body string) string {
		return fmt.Sprintf("POST /RPC HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWxpY2U6Z2VoZWlt\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	ok := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	ask(post(`{"jsonrpc":"2.0","method":"dispatcher.reload","id":4}`))
	answer(ok(`{"jsonrpc":"2.0","result":"done","id":4}`))
	s.want(map[string]string{"type": "mi", "event": "MI dispatcher.reload", "command": "dispatcher.reload", "user": "alice", "platform": "kamailio-rpc", "links": ""},
		map[string]string{"type": "mi", "ok": "true", "reply": `"done"`, "took_ms": "10", "flow": "192.0.2.10:5060>192.0.2.40:51000"})
	ask(post(`{"jsonrpc":"2.0","method":"stats.fetch","params":["all"],"id":5}`))
	answer(ok(`{"jsonrpc":"2.0","result":{},"id":5}`))
	s.want()
	ask(post(`{"jsonrpc":"2.0","method":"dispatcher.reload","id":6}`))
	s.end(f, dissect.EndReset, 1, time.Second)
	s.want(map[string]string{"event": "MI dispatcher.reload"}, map[string]string{"type": "mi", "event": "MI dispatcher.reload failed: reset",
		"command": "dispatcher.reload", "backend": "json", "platform": "kamailio-rpc", "failed": "reset", "ended_by": "server", "waited_ms": "1000", "flow": "192.0.2.10:5060>192.0.2.40:51000"})
}

// A remote procedure call is a query when a SIP server asks another host for it, unless its path
// is one of a SIP platform.
func TestQueryByRPC(t *testing.T) {
	const body = `{"jsonrpc":"2.0","method":"lookup","params":["4930123456"],"id":4}`
	post := func(path, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	}
	for _, tt := range []struct {
		name, path string
		from, to   netip.AddrPort
		typ, event string
	}{
		{"of a server", "/api", sipServer, database, "rest", "POST /api"},
		{"of a server to a platform's path", "/RPC", sipServer, database, "mi", "MI lookup"},
		{"to a server", "/api", admin, sipServer, "mi", "MI lookup"},
		{"of a server to itself", "/api", sipServer, sipServer, "mi", "MI lookup"},
	} {
		s := newSite(t, nil)
		ask, answer, _ := s.http(tt.from, tt.to)
		ask(post(tt.path, body))
		s.want(map[string]string{"type": tt.typ, "event": tt.event})
		answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if len(s.recs) != 1 || s.recs[0]["type"] != tt.typ {
			t.Errorf("%s: the reply is %v", tt.name, s.recs)
		}
	}
}

// The replies to a batch are told apart by their ids (JSON-RPC 2.0, 6).
func TestBatchOfCommands(t *testing.T) {
	s := newSite(t, nil)
	ask, answer, _ := s.http(admin, sipServer)
	const batch = `[{"jsonrpc":"2.0","method":"dlg_list","id":4},{"jsonrpc":"2.0","method":"ps","id":5},{"jsonrpc":"2.0","method":"uptime","id":6},{"jsonrpc":"2.0","method":"version","id":6}]`
	ask(fmt.Sprintf("POST /mi HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(batch), batch))
	s.want(map[string]string{"command": "dlg_list"}, map[string]string{"command": "ps"}, map[string]string{"command": "uptime"}, map[string]string{"command": "version"})
	const replies = `[{"jsonrpc":"2.0","error":{"code":-32603,"message":"no"},"id":5},{"jsonrpc":"2.0","result":[],"id":4},{"jsonrpc":"2.0","result":1,"id":6},{"jsonrpc":"2.0","result":2,"id":7}]`
	answer(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(replies), replies))
	s.want(map[string]string{"event": "MI ps failed", "command": "ps", "rpc_id": "5", "code": "-32603"}, map[string]string{"event": "MI dlg_list ok", "command": "dlg_list"},
		map[string]string{"event": "MI ok", "command": "<nil>", "rpc_id": "6"}, map[string]string{"event": "MI ok", "command": "<nil>", "rpc_id": "7"})
}

// TestCommandAfterQuery has a command take the place that a query had.
func TestCommandAfterQuery(t *testing.T) {
	s := newSite(t, nil)
	ask, answer, _ := s.http(sipServer, database)
	ask("GET /x HTTP/1.1\r\nHost: db\r\n\r\n")
	answer(answer200)
	s.want(map[string]string{"type": "rest"}, map[string]string{"type": "rest"})
	ask, answer, _ = s.http(admin, sipServer)
	ask("POST /RPC HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 49\r\n\r\n" + `{"jsonrpc":"2.0","method":"core.version","id":41}`)
	answer("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 38\r\n\r\n" + `{"jsonrpc":"2.0","result":"5","id":41}`)
	s.want(map[string]string{"type": "mi", "event": "MI core.version"}, map[string]string{"type": "mi", "event": "MI core.version ok", "took_ms": "10"})
}

// A number of a few digits in a URL is no Call-ID, though a call has it for one;
// a field that is called so may have any.
func TestShortCallID(t *testing.T) {
	s := newSite(t, nil)
	for _, d := range capturetest.SIPCall(capturetest.Call{Caller: sipPhone, Callee: sipServer, CallerMedia: sipPhone, CalleeMedia: sipServer, CallID: "1001"})[:4] {
		s.c.Message(&capture.Message{Protocol: capture.SIP, Mono: s.now, Wall: s.now, Payload: d.Payload,
			Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: d.Src, Dst: d.Dst}})
	}
	s.recs = nil
	ask, _, _ := s.http(sipServer, database)
	ask("GET /extension/1001 HTTP/1.1\r\nHost: db\r\n\r\n")
	ask("GET /x HTTP/1.1\r\nHost: db\r\nX-Call-ID: 1001\r\n\r\n")
	ask("GET /x?callid=1001&user=1002 HTTP/1.1\r\nHost: db\r\n\r\n")
	ask("GET /x?callid=1003 HTTP/1.1\r\nHost: db\r\n\r\n")
	body := `{"call-id":"1001"}`
	ask(fmt.Sprintf("POST /x HTTP/1.1\r\nHost: db\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	none, linked := map[string]string{"type": "rest", "links": ""}, map[string]string{"type": "rest", "links": "sip:1001"}
	s.want(none, linked, linked, none, linked)
}

// TestCommandNamesCall has a command that is about a call that is alive, and one
// about another.
func TestCommandNamesCall(t *testing.T) {
	for _, tt := range []struct{ params, links string }{
		{`["call1@phone"]`, "sip:call1@phone"}, {`["call2@phone"]`, ""}, {`{"callid":"call2@phone"}`, "sip:call2@phone"},
	} {
		s := newSite(t, nil)
		ask, answer, _ := s.http(admin, sipServer)
		body := `{"jsonrpc":"2.0","method":"dlg.dlg_list","params":` + tt.params + `,"id":4}`
		ask(fmt.Sprintf("POST /RPC HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		s.want(map[string]string{"type": "mi", "command": "dlg.dlg_list", "parameters": tt.params, "links": tt.links})
		reply := `{"jsonrpc":"2.0","result":"OK","id":4}`
		answer(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(reply), reply))
		s.want(map[string]string{"type": "mi", "event": "MI dlg.dlg_list ok", "links": tt.links})
	}
}

func TestCommandOverStream(t *testing.T) {
	s := newSite(t, nil)
	flow := capture.FiveTuple{Proto: capture.ProtoTCP, Src: admin, Dst: sipServer}
	hello := "Asterisk Call Manager/2.10.4\r\n"
	f := s.b.Follow(flow, s.tell(flow), capture.MI, []byte(hello))
	for _, x := range []struct {
		dir  int
		text string
	}{
		{1, hello},
		{0, "Action: Login\r\nActionID: 1\r\nUsername: bob\r\nSecret: geheim\r\n\r\n"},
		{1, "Response: Success\r\nActionID: 1\r\nMessage: Authentication accepted\r\n\r\n"},
		{0, "Action: Hangup\r\nActionID: 2\r\nChannel: SIP/x-1\r\n\r\n"},
		{1, "Response: Error\r\nActionID: 2\r\nMessage: No such channel\r\n\r\n"},
	} {
		s.now += int64(10 * time.Millisecond)
		f.Write(x.dir, &dissect.At{Mono: s.now, Wall: s.now}, dissect.Numbers{}, []byte(x.text))
	}
	s.end(f, dissect.EndClosed, 0, time.Second)
	s.want(map[string]string{"command": "Login", "hidden": "true", "parameters": "***"}, map[string]string{"command": "Login", "hidden": "true"},
		map[string]string{"command": "Hangup", "user": "bob", "platform": "asterisk-ami"}, map[string]string{"command": "Hangup", "ok": "false", "reply": "Message: No such channel"})
}

// JSON-RPC over TCP is a command when it goes to a SIP server.
func TestJSONRPCOverStream(t *testing.T) {
	const command = `{"jsonrpc":"2.0","method":"core.info","id":1}`
	s := newSite(t, nil)
	for _, to := range []netip.AddrPort{database, sipServer} {
		f := s.b.Follow(capture.FiveTuple{Proto: capture.ProtoTCP, Src: admin, Dst: to}, nil, capture.MI, []byte(command))
		if to == database {
			if f != nil {
				t.Error("a host that is no server is listened to")
			}
			continue
		}
		f.Write(0, &dissect.At{Mono: s.now, Wall: s.now}, dissect.Numbers{}, []byte(command))
		f.Write(1, &dissect.At{Mono: s.now + 1e6, Wall: s.now + 1e6}, dissect.Numbers{}, []byte(`{"jsonrpc":"2.0","result":"up","id":1}`))
		s.want(map[string]string{"event": "MI core.info", "backend": "tcp"}, map[string]string{"event": "MI core.info ok", "reply": `"up"`})
	}
}

// What goes over an event socket that FreeSWITCH has opened for a channel is about its call,
// from the reply on that names it, a command without reply too.
func TestEventSocketOfACall(t *testing.T) {
	s := newSite(t, nil)
	flow := capture.FiveTuple{Proto: capture.ProtoTCP, Src: sipServer, Dst: admin}
	f := s.b.Follow(flow, nil, capture.MI, []byte("connect\n\n"))
	const link = "sip:call9%2F9@phone"
	for _, x := range []struct {
		dir  int
		text string
		want map[string]string
	}{
		{1, "connect\n\n", map[string]string{"event": "MI connect", "links": ""}},
		{0, "Event-Name: CHANNEL_DATA\nvariable_sip_call_id: call9%252F9%40phone\nContent-Type: command/reply\nReply-Text: %2BOK%0A\n\n",
			map[string]string{"event": "MI connect ok", "links": link}},
		{1, "sendmsg\ncall-command: execute\nexecute-app-name: answer\n\n", map[string]string{"event": "MI sendmsg", "links": link}},
		{0, "Content-Type: command/reply\nReply-Text: +OK\n\n", map[string]string{"event": "MI sendmsg ok", "links": link}},
		{1, "sendmsg\ncall-command: hangup\n\n", map[string]string{"event": "MI sendmsg", "links": link}},
	} {
		s.now += int64(10 * time.Millisecond)
		f.Write(x.dir, &dissect.At{Mono: s.now, Wall: s.now}, dissect.Numbers{}, []byte(x.text))
		s.want(x.want)
	}
	s.end(f, dissect.EndReset, 0, time.Second)
	s.want(map[string]string{"event": "MI sendmsg failed: reset", "links": link})
}

// A command on a connection of its own that has no reply says why.
func TestCommandOverStreamFails(t *testing.T) {
	const command = "Action: Hangup\r\nActionID: 2\r\nChannel: SIP/x-1\r\n\r\n"
	const fromAdmin, fromPBX = "192.0.2.40:51000>192.0.2.10:5060", "192.0.2.10:5060>192.0.2.40:51000"
	for _, tt := range []struct {
		name                     string
		end                      func(s *site, f dissect.Follower)
		failed, by, flow, waited string
	}{
		{"reset by the server", func(s *site, f dissect.Follower) { s.end(f, dissect.EndReset, 1, 2*time.Second) }, "reset", "server", fromPBX, "2000"},
		{"closed by the client", func(s *site, f dissect.Follower) {
			s.fin(f, 0, 2*time.Second)
			s.fin(f, 1, time.Second)
			s.end(f, dissect.EndClosed, 0, 0)
		}, "closed", "client", fromAdmin, "2000"},
		{"no reply in a minute", func(s *site, f dissect.Follower) {
			s.b.Advance(s.now + int64(60*time.Second))
			s.b.Advance(s.now + int64(65*time.Second))
			s.end(f, dissect.EndLeft, -1, 70*time.Second)
		}, "timeout", "nobody", fromPBX, "60000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			f := s.b.Follow(capture.FiveTuple{Proto: capture.ProtoTCP, Src: admin, Dst: sipServer}, nil, capture.MI, []byte("Asterisk Call Manager/2.10.4\r\n"))
			f.Write(0, &dissect.At{Mono: s.now, Wall: s.now}, dissect.Numbers{}, []byte(command))
			tt.end(s, f)
			s.want(map[string]string{"command": "Hangup"}, map[string]string{"type": "mi", "event": "MI Hangup failed: " + tt.failed, "command": "Hangup",
				"backend": "ami", "platform": "asterisk-ami", "failed": tt.failed, "ended_by": tt.by, "flow": tt.flow, "waited_ms": tt.waited})
		})
	}
}

// All that is followed is given back, and too much of it is counted.
func TestFollowIsBounded(t *testing.T) {
	s := newSite(t, nil)
	flow := capture.FiveTuple{Proto: capture.ProtoTCP, Src: sipServer, Dst: database}
	for range 2 {
		var all []dissect.Follower
		for range 5000 {
			if f := s.b.Follow(flow, s.tell(flow), capture.HTTP, nil); f != nil {
				all = append(all, f)
			}
		}
		if got := s.b.Stats.HTTPFollowed.Load(); got != 4096 || len(all) != 4096 {
			t.Fatalf("%d followed, %d counted", len(all), got)
		}
		for _, f := range all {
			f.Write(0, &dissect.At{Mono: s.now, Wall: s.now}, dissect.Numbers{}, []byte("GET /x HTTP/1.1\r\n\r\n"))
		}
		if got := len(s.recs); got != 512 {
			t.Errorf("%d requests told at once", got)
		}
		for i := range all {
			all[(i*7)%4096].End(dissect.Ending{By: -1})
		}
		if got := s.b.Stats.HTTPFollowed.Load(); got != 0 || len(s.recs) != 1024 {
			t.Errorf("%d followed at the end, %d records", got, len(s.recs))
		}
		s.recs = nil
	}
	if got := s.b.Stats.HTTPRefused.Load(); got != 2*(5000-4096) {
		t.Errorf("%d refused", got)
	}
}

// The ends of connections that a mirror has lost must not keep others from being followed: the longest silent
// makes room, but none that waits for a reply, and none that spoke of late.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	s := newSite(t, nil)
	slow, answerSlow, waiting := s.http(sipServer, database)
	again, answerAgain, busy := s.http(sipServer, database)
	var silent []dissect.Follower
	for range 4096 - 2 {
		ask, answer, f := s.http(sipServer, database)
		ask("GET /x HTTP/1.1\r\nHost: db\r\n\r\n")
		answer(answer200)
		silent = append(silent, f)
		switch len(silent) {
		case 2000:
			slow("GET /slow HTTP/1.1\r\nHost: db\r\n\r\n")
		case 4000:
			again("GET /x HTTP/1.1\r\nHost: db\r\n\r\n")
			answerAgain(answer200)
		}
	}
	flow := capture.FiveTuple{Proto: capture.ProtoTCP, Src: sipServer, Dst: database}
	follow := func() dissect.Follower {
		f := s.b.Follow(flow, s.tell(flow), capture.HTTP, nil)
		if f != nil {
			f.Write(0, &dissect.At{Mono: s.now, Wall: s.now}, dissect.Numbers{}, nil)
		}
		return f
	}
	// All of the newest 499 spoke within 10 s.
	s.b.Advance(s.now)
	for range 4096 - 2 - 499 {
		if follow() == nil {
			t.Fatal("refused, though others are silent")
		}
	}
	if f := follow(); f != nil || s.b.Stats.HTTPRefused.Load() != 1 || s.b.Stats.HTTPFollowed.Load() != 4096 || s.b.Stats.HTTPLeft.Load() != 4096-2-499 {
		t.Errorf("%v: %d refused, %d followed, %d left", f, s.b.Stats.HTTPRefused.Load(), s.b.Stats.HTTPFollowed.Load(), s.b.Stats.HTTPLeft.Load())
	}
	s.recs = nil
	silent[0].Write(0, &dissect.At{Mono: s.now, Wall: s.now}, dissect.Numbers{}, []byte("GET /y HTTP/1.1\r\n\r\n")) // one that made room
	silent[0].Gap(0, 1)
	silent[0].Cut(0, &dissect.At{Mono: s.now})
	silent[0].End(dissect.Ending{By: -1})
	s.want()
	answerSlow(answer200)
	again("GET /y HTTP/1.1\r\nHost: db\r\n\r\n")
	s.want(map[string]string{"status": "200"}, map[string]string{"first_line": "GET /y HTTP/1.1"})
	waiting.End(dissect.Ending{By: -1})
	busy.End(dissect.Ending{By: -1})
	if n := s.b.Stats.HTTPFollowed.Load(); n != 4094 {
		t.Errorf("%d followed", n)
	}
}

// So do those of management protocols, of which 64 are followed.
func TestSilentMIConnectionsMakeRoom(t *testing.T) {
	const hello, ping, pong = "Asterisk Call Manager/2.10.4\r\n", "Action: Hangup\r\nActionID: 2\r\nChannel: SIP/x-1\r\n\r\n", "Response: Success\r\nActionID: 2\r\n\r\n"
	s := newSite(t, func(c *beyond.Config) { c.MI = true })
	flow := capture.FiveTuple{Proto: capture.ProtoTCP, Src: admin, Dst: sipServer}
	say := func(f dissect.Follower, dir int, text string) {
		s.now += int64(time.Second)
		s.b.Advance(s.now)
		f.Write(dir, &dissect.At{Mono: s.now, Wall: s.now}, dissect.Numbers{}, []byte(text))
	}
	follow := func() dissect.Follower {
		f := s.b.Follow(flow, s.tell(flow), capture.MI, []byte(hello))
		if f != nil {
			f.Write(1, &dissect.At{Mono: s.now, Wall: s.now}, dissect.Numbers{}, []byte(hello))
		}
		return f
	}
	var all []dissect.Follower
	for range 64 {
		all = append(all, follow())
		s.now += int64(time.Second)
		s.b.Advance(s.now)
	}
	say(all[0], 0, ping)
	say(all[0], 1, pong)
	say(all[2], 0, ping) // it waits, and is told as failed after a minute
	s.recs = nil
	// It is 67 s since the first: the first eight are silent for a minute, but for the one that spoke and the one that waits.
	for i := range 7 {
		if f := follow(); (f != nil) != (i < 6) {
			t.Errorf("%d: followed %v", i, f != nil)
		}
	}
	if n, left := s.b.Stats.MIRefused.Load(), s.b.Stats.MILeft.Load(); n != 1 || left != 6 {
		t.Errorf("%d refused, %d left", n, left)
	}
	say(all[1], 0, ping) // it made room
	all[1].End(dissect.Ending{By: -1})
	if len(s.recs) != 0 {
		t.Errorf("%v", s.recs)
	}
	say(all[2], 1, pong)
	say(all[0], 0, ping)
	s.want(map[string]string{"event": "MI Hangup ok"}, map[string]string{"event": "MI Hangup"})
}
