package beyond_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/firmware/internal/beyond"
)

const (
	sessionUUID = "ab30317f1a784dc48ff824d0d3715d86"
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent = "00-" + traceID + "-00f067aa0ba902b7-01"
	localPart   = "3848276298220188511"
)

// ids is a site of several calls: call1@phone, one with a Session-ID, one with a
// traceparent, one with a long part before the @, two that share such a part.
func newIDs(t *testing.T) *site {
	s := newSite(t, func(c *beyond.Config) {
		c.Keys, c.AllLogs, c.MI, c.Queries = []string{"X-Dialog", "leg_id"}, true, true, beyond.AllQueries
	})
	for _, c := range [][2]string{{"session-call@h", "Session-ID: " + sessionUUID + ";remote=00000000000000000000000000000000"}, {"trace-call@h", "traceparent: " + traceparent},
		{localPart + "@atlanta.example.com", "X: y"}, {"shared-local-1@a", "X: y"}, {"shared-local-1@b", "X: y"}, {"4930123456@h", "X: y"}} {
		s.say(capture.SIP, sipPhone, sipServer, "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: "+
			c[0]+"\r\nCSeq: 1 INVITE\r\n"+c[1]+"\r\nContent-Length: 0\r\n\r\n")
	}
	s.recs = nil
	return s
}

// say hands in a datagram.
func (s *site) say(p capture.Protocol, from, to netip.AddrPort, payload string) {
	s.now += 1e6
	m := &capture.Message{Protocol: p, Mono: s.now, Wall: s.now, Payload: []byte(payload), Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: from, Dst: to}}
	if p == capture.SIP {
		s.c.Message(m)
	} else {
		s.b.Message(m)
	}
}

// The ways in which ids come.
var carriers = map[string]func(s *site, text string){
	"log": func(s *site, text string) {
		s.say(capture.Syslog, sipServer, admin, "<14>Nov 14 22:13:20 sbc1 app: "+text)
	},
	"5424": func(s *site, text string) {
		s.say(capture.Syslog, sipServer, admin, "<165>1 2023-11-14T22:13:20Z sbc1 app 1 M [x@1 "+text+"] x")
	},
	"mi": func(s *site, text string) {
		s.say(capture.MI, admin, sipServer, `{"jsonrpc":"2.0","id":7,"method":"dlg_end","params":`+text+`}`)
	},
	"ng":   func(s *site, text string) { s.say(capture.NG, sipServer, admin, "7_1 "+text) },
	"dns":  func(s *site, text string) { s.say(capture.DNS, sipServer, admin, question(7, text, typeSRV, -1)) },
	"name": func(s *site, text string) { s.say(capture.DNS, admin, sipServer, question(7, text, typeA, 0)) },
	"head": func(s *site, text string) {
		ask, _, _ := s.http(sipServer, database)
		ask("GET /x HTTP/1.1\r\nHost: db\r\n" + text + "\r\n\r\n")
	},
	"url": func(s *site, text string) {
		ask, _, _ := s.http(sipServer, database)
		ask("GET /x?" + text + " HTTP/1.1\r\nHost: db\r\n\r\n")
	},
	"body": func(s *site, text string) {
		ask, _, _ := s.http(sipServer, database)
		ask(fmt.Sprintf("POST /x HTTP/1.1\r\nHost: db\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
	},
	"reply": func(s *site, text string) {
		ask, answer, _ := s.http(sipServer, database)
		ask("GET /x HTTP/1.1\r\nHost: db\r\n\r\n")
		s.recs = nil
		answer(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
	},
}

// TestIDs carries each kind of id in each kind of record, and what is none.
func TestIDs(t *testing.T) {
	long := strings.Repeat("a1", 129)
	for _, tt := range []struct{ by, text, want string }{
		// Call-IDs of calls that are alive.
		{"log", "forwarding call1@phone to bob", "call1@phone"},
		{"5424", `id="call1@phone"`, "call1@phone"},
		{"mi", `["call1@phone"]`, "call1@phone"},
		{"mi", `{"callid":"call1@phone"}`, "call1@phone"},
		{"ng", dict("call-id", "call1@phone", "command", "query"), "call1@phone"},
		{"head", "X-Call-ID: call1@phone", "call1@phone"},
		{"head", "Call-ID: call1@phone", "call1@phone"},
		{"url", "id=call1%40phone", "call1@phone"},
		{"body", `{"id":"call1@phone"}`, "call1@phone"},
		{"dns", "call1@phone.lookup.example.com", "call1@phone"},
		{"dns", localPart + ".lookup.example.com", localPart + "@atlanta.example.com"},
		{"name", "_x." + localPart + ".lookup.example.com", localPart + "@atlanta.example.com"},

		// The session's UUID.
		{"log", "Session-ID: " + sessionUUID + ";remote=00000000000000000000000000000000", "session-call@h"},
		{"log", `{"session_id":"` + sessionUUID + `"}`, "session-call@h"},
		{"5424", `sid="` + sessionUUID + `"`, "session-call@h"},
		{"mi", `{"session":"` + sessionUUID + `"}`, "session-call@h"},
		{"ng", dict("call-id", "c9@ng", "command", "query", "session-id", sessionUUID+";remote=0"), "c9@ng session-call@h"},
		{"head", "Session-ID: " + sessionUUID + ";remote=00000000000000000000000000000000", "session-call@h"},
		{"url", "s=" + sessionUUID, "session-call@h"},
		{"dns", sessionUUID + ".example.com", "session-call@h"},

		// The trace.
		{"log", "traceparent=" + traceparent + " done", "trace-call@h"},
		{"log", `{"trace_id":"` + traceID + `"}`, "trace-call@h"},
		{"5424", `traceparent="` + traceparent + `"`, "trace-call@h"},
		{"mi", `{"traceparent":"` + traceparent + `"}`, "trace-call@h"},
		{"ng", dict("call-id", "c9@ng", "command", "query", "traceparent", traceparent), "c9@ng trace-call@h"},
		{"head", "traceparent: " + traceparent, "trace-call@h"},
		{"url", "traceparent=" + traceparent, "trace-call@h"},
		{"body", `{"traceparent":"` + traceparent + `"}`, "trace-call@h"},
		{"dns", traceID + ".example.com", "trace-call@h"},

		// Keys of the user, of calls that nothing else is known of.
		{"log", "x-dialog=dialog0001 x", "dialog0001"},
		{"log", "X-Dialog: dialog0001", "dialog0001"},
		{"log", `{"level":"info","legId":"dialog0001"}`, "dialog0001"},
		{"5424", `leg_id="dialog0001"`, "dialog0001"},
		{"mi", `{"leg_id":"dialog0001"}`, "dialog0001"},
		{"ng", dict("call-id", "c9@ng", "command", "query", "x-dialog", "dialog0001"), "c9@ng dialog0001"},
		{"ng", dict("call-id", "c9@ng", "command", "query", "metadata", "tenant=4;leg_id=dialog0001"), "c9@ng dialog0001"},
		{"ng", dict("call-id", "c9@ng", "command", "query", "metadata", "callid=call1@phone"), "c9@ng call1@phone"},
		{"ng", dict("call-id", "c9@ng", "command", "query", "x-call-id", "call1@phone"), "c9@ng call1@phone"},
		{"head", "x-dialog: dialog0001", "dialog0001"},
		{"head", "X_Dialog: dialog0001", "dialog0001"},
		{"url", "a=1&leg_id=dialog%40h%31&b=2", "dialog@h1"},
		{"body", `{"number":"+4930123456","legId":"dialog0001"}`, "dialog0001"},
		{"body", "leg_id=dialog0001&x=1", "dialog0001"},
		{"reply", `{"legId":"dialog0001"}`, "dialog0001"},
		// Of one that is known, of a session or a trace they are what is known.
		{"log", "leg_id=" + sessionUUID, "session-call@h"},
		{"head", "X-Dialog: " + traceparent, "trace-call@h"},
		{"head", "X-Dialog: " + sessionUUID + ";remote=00000000000000000000000000000000", "session-call@h"},
		{"log", "leg_id=00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff"},

		// What a query calls a Call-ID and looks like one, of calls that nothing is known of yet.
		{"head", "X-Call-ID: call9@phone", "call9@phone"},
		{"head", "Call-ID: call9@phone", "call9@phone"},
		{"url", "callid=call9%40phone&x=1", "call9@phone"},
		{"body", `{"callId":"call9@phone"}`, "call9@phone"},
		{"reply", `{"call-id":"call9@phone"}`, "call9@phone"},
		{"body", `{"caller":"call9@phone","caller_id":"call9@phone","callee":"call9@phone"}`, ""},

		// What merely contains one.
		{"log", "xcall1@phone call1@phonex call1@phone.example.com call1 phone", ""},
		{"5424", `id="tel-call1@phone"`, ""},
		{"mi", `["call1@phone-b"]`, ""},
		{"ng", dict("call-id", "call1@phone_2", "command", "query"), "call1@phone_2"},
		{"head", "X-Call-ID: call1.phone2", ""},
		{"head", "X-Call-ID: 7c9e6679-7425-40de-944b-e07fc1f90ae7", ""},
		{"head", "Session-ID: call9@phone", ""},
		{"head", "X-Other: call1@phone", ""},
		{"url", "id=xcall1%40phone", ""},
		{"body", `{"id":"call1@phones"}`, ""},
		{"dns", localPart + "0.example.com", ""},
		{"dns", "x" + localPart + ".example.com", ""},
		{"log", "session " + sessionUUID + "0", ""},
		{"log", "00-" + traceID + "-00f067aa0ba902b7", ""},
		{"log", "trace_id=0" + traceID, ""},
		// Which of two calls the part before the @ is of, does not show; and a number is anybody's.
		{"dns", "shared-local-1.example.com", ""},
		{"dns", "4930123456.example.com", ""},
		{"dns", "6.5.4.3.2.1.0.3.9.4.e164.arpa", ""},

		// Keys without a value, and with one that is no id.
		{"log", "leg_id= next", ""},
		{"log", `{"legId":"","legId":null}`, ""},
		{"log", "leg_id=unknown leg_id=(null) leg_id=undefined leg_id=1001", ""},
		{"log", "old_leg_id=dialog0001 leg_id2=dialog0001 the leg_id dialog0001", ""},
		{"5424", `leg_id=""`, ""},
		{"mi", `{"leg_id":""}`, ""},
		{"mi", `{"leg_id":{"a":"dialog0001"}}`, ""},
		{"ng", dict("call-id", "c9@ng", "command", "query", "x-dialog", ""), "c9@ng"},
		{"ng", dict("call-id", "c9@ng", "command", "query", "label", "dialog0001"), "c9@ng"},
		{"head", "X-Dialog:", ""},
		{"head", "X-Dialog-Old: dialog0001", ""},
		{"url", "leg_id=&b=dialog0001", ""},
		{"body", `{"legId":""}`, ""},

		// Hostile lengths.
		{"log", "leg_id=" + long, ""},
		{"log", "callid=" + long, ""},
		{"5424", `leg_id="` + long + `"`, ""},
		{"mi", `{"leg_id":"` + long + `"}`, ""},
		{"ng", dict("call-id", "c9@ng", "command", "query", "x-dialog", long), "c9@ng"},
		{"ng", dict("call-id", "c9@ng", "command", "query", "metadata", strings.Repeat("leg_id=dialog0001;", 60)), "c9@ng"},
		{"head", "X-Dialog: " + long, ""},
		{"url", "leg_id=" + long, ""},
		{"body", `{"legId":"` + long + `"}`, ""},
		{"log", strings.Repeat("leg_id", 100) + "=dialog0001", ""},
		{"dns", strings.Repeat("a1", 31) + "." + strings.Repeat("b2", 31) + "." + strings.Repeat("c3", 31), ""},
	} {
		t.Run(tt.by+" "+tt.text[:min(len(tt.text), 60)], func(t *testing.T) {
			s := newIDs(t)
			carriers[tt.by](s, tt.text)
			var got []string
			for _, r := range s.recs {
				for l := range strings.FieldsSeq(r["links"].(string)) {
					if id, ok := strings.CutPrefix(l, "sip:"); ok {
						got = append(got, id)
					}
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("links to %q, want %q: %v", got, tt.want, s.recs)
			}
			if len(s.recs) == 0 {
				t.Error("no record")
			}
		})
	}
}

// Without keys of the user their names are names like others.
func TestNoKeys(t *testing.T) {
	s := newSite(t, func(c *beyond.Config) { c.AllLogs = true })
	s.say(capture.Syslog, sipServer, admin, "<14>Nov 14 22:13:20 sbc1 app: leg_id=dialog0001")
	s.say(capture.Syslog, sipServer, admin, "<14>Nov 14 22:13:20 sbc1 app: leg_id=call1@phone")
	s.want(map[string]string{"links": ""}, map[string]string{"links": "sip:call1@phone"})
}

// What a reply names is no link of the request's record, whichever the mirror shows first.
func TestReplyFirst(t *testing.T) {
	for _, reply := range []string{
		"HTTP/1.1 200 OK\r\nX-Call-ID: call9@phone\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"callid\":\"call9@phone\"}",
	} {
		for _, first := range []bool{false, true} {
			s := newIDs(t)
			ask, answer, _ := s.http(sipServer, database)
			if first {
				answer(reply)
			}
			ask("GET /x HTTP/1.1\r\nHost: db\r\n\r\n")
			if !first {
				answer(reply)
			}
			s.want(map[string]string{"first_line": "GET /x HTTP/1.1", "links": ""}, map[string]string{"status": "200", "links": "sip:call9@phone"})
		}
	}
}
