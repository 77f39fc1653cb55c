package beyond_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/dissect"
	"heptap/capture/infer"
	"heptap/firmware/internal/beyond"
)

// TestQueriesGetCalls asserts that what a query asks reaches the correlator as it can be
// read there: numbers behind escapes, in the target and in the body.
func TestQueriesGetCalls(t *testing.T) {
	const from, to = "493012345678", "494087654321"
	for _, tt := range []struct {
		name string
		ask  func(s *site)
		typ  string
	}{
		{"escapes in the URL", func(s *site) {
			ask, answer, _ := s.http(sipServer, database)
			ask("GET /route?from=%2B49%2030%2012345678&to=%34%39%34087654321 HTTP/1.1\r\nHost: db\r\n\r\n")
			answer(answer200)
		}, "rest"},
		{"a body of JSON", func(s *site) {
			ask, answer, _ := s.http(sipServer, database)
			ask("POST /route HTTP/1.1\r\nHost: db\r\nContent-Type: application/json\r\nContent-Length: 49\r\n\r\n" + `{"a":"\u002b493012345678","b":"sip:494087654321"}`)
			answer(answer200)
		}, "rest"},
		{"no reply but the end", func(s *site) {
			ask, _, f := s.http(sipServer, database)
			ask("GET /route?from=" + from + "&to=" + to + " HTTP/1.1\r\nHost: db\r\n\r\n")
			s.end(f, dissect.EndClosed, 0, 0)
		}, "rest"},
		{"ENUM", func(s *site) { s.dns("1.2.3.4.5.6.7.8.0.4.9.4.e164.arpa", typeNAPTR) }, "dns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSiteWith(t, &infer.Config{Starts: 1000, Pending: 100}, nil)
			ds := capturetest.SIPCall(capturetest.Call{Caller: sipPhone, Callee: sipServer, CallerMedia: sipPhone, CalleeMedia: sipServer, CallID: "call2@phone", From: from, To: to})
			ds[0].Payload = append([]byte("INVITE sip:"+to+"@registrar.example"), ds[0].Payload[len("INVITE sip:"+to+"@"+sipServer.String()):]...)
			s.sip(ds[:2]...)
			tt.ask(s)
			s.sip(ds[2:5]...)
			s.recs = nil
			s.c.Flush()
			want := map[string]string{"type": "control", "how": "inferred", "to": "call2@phone"}
			for _, r := range s.recs {
				if id, ok := r["from"].(string); ok {
					want["links"], want["primary"] = "sip:call2@phone "+tt.typ+":"+id, id
				}
			}
			s.want(want)
		})
	}
}

// spy is a correlator that tells what it was asked.
type spy struct {
	*correlate.Correlator
	asked []correlate.Ask
}

func (s *spy) Note(n *correlate.Note) bool {
	if n.Ask != nil {
		a := *n.Ask
		a.Target = bytes.Clone(a.Target)
		s.asked = append(s.asked, a)
	}
	return s.Correlator.Note(n)
}

func TestQuestionsWithoutService(t *testing.T) {
	var c *spy
	s := newSite(t, func(cfg *beyond.Config) {
		c = &spy{Correlator: cfg.Correlator.(*correlate.Correlator)}
		cfg.Correlator = c
	})
	s.dns("_sip._udp.registrar.example", typeSRV)
	s.dns("_sip", typeSRV)
	want := []string{"registrar.example", "", "_sip", ""}
	for i, a := range c.asked {
		if i >= len(want) || string(a.Target) != want[i] || a.Reply != (i%2 == 1) || a.ID != c.asked[i&^1].ID {
			t.Errorf("%d: %+v", i, a)
		}
	}
	if len(c.asked) < 2 {
		t.Errorf("%v", c.asked)
	}
}

// What a question follows is asked for with it: from ENUM (RFC 6116) by the domain of the URI
// to its NAPTR and SRV records, and from these to addresses (RFC 3263 4).
func TestQuestionsThatFollow(t *testing.T) {
	const number, domain, host = "4.3.2.1.5.5.5.0.3.9.4.e164.arpa", "gw.example.net", "a.carrier.example"
	enum := answer(typeNAPTR, "\x00\x0a\x00\x0a\x01u\x07E2U+sip\x22!^.*$!sip:bob@GW.example.net:5060!\x00")
	naptr := answer(typeNAPTR, "\x00\x0a\x00\x0a\x01s\x07SIP+D2U\x00"+wireName("_sip._udp."+domain))
	srv := answer(typeSRV, "\x00\x01\x00\x02\x13\xc4"+wireName(host))
	var c *spy
	s := newSite(t, func(cfg *beyond.Config) {
		c = &spy{Correlator: cfg.Correlator.(*correlate.Correlator)}
		cfg.Correlator = c
	})
	asked := func(what, want string) {
		t.Helper()
		if got := string(c.asked[len(c.asked)-2].Target); got != want {
			t.Errorf("%s: asked for %q, want %q", what, got, want)
		}
	}
	s.dns(number, typeNAPTR, enum)
	asked("the number", number)
	s.dns(domain, typeNAPTR, naptr)
	asked("the domain", domain+"/"+number)
	s.dns("_sip._udp."+domain, typeSRV, srv)
	asked("the service", domain+"/"+number)
	s.recs = nil
	s.dns(host, typeA)
	asked("the host", host+"/"+domain+"/"+number)
	s.want(map[string]string{"event": "DNS A " + host, "follows": domain + "/" + number}, map[string]string{"type": "dns", "follows": "<nil>"})
	s.now += int64(5 * time.Second)
	s.dns(host, typeA)
	asked("the host, much later", host)
	s.dns("_sip._udp.other.example", typeSRV, srv)
	s.dns(host, typeA)
	asked("the host, named by another domain", host+"/other.example")
	long := strings.Repeat("long-label.", 16) + "example"
	s.dns(domain, typeNAPTR, answer(typeNAPTR, "\x00\x0a\x00\x0a\x01s\x07SIP+D2U\x00"+wireName(long)))
	s.dns(long, typeSRV, srv)
	s.dns(host, typeA)
	asked("the host, named by a long name", host+"/"+long)
	s.dns("x"+"."+"much-longer."+long, typeSRV, srv)
	s.dns(host, typeA)
	asked("the host, named by one that is too long", host)
}

func (s *site) sip(ds ...capturetest.Datagram) {
	for _, d := range ds {
		s.now += int64(5 * time.Millisecond)
		s.c.Message(&capture.Message{Protocol: capture.SIP, Mono: s.now, Wall: s.now, Payload: d.Payload,
			Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: d.Src, Dst: d.Dst}})
	}
}

// wireName is a name as it is in a message (RFC 1035 3.1), answer what one to the question is
// (4.1.3), its name being that of the question.
func wireName(name string) (wire string) {
	for _, label := range strings.Split(name, ".") {
		wire += string([]byte{byte(len(label))}) + label
	}
	return wire + "\x00"
}

func answer(typ byte, data string) string {
	return "\xc0\x0c\x00" + string([]byte{typ}) + "\x00\x01\x00\x00\x01\x00" + string([]byte{byte(len(data) >> 8), byte(len(data))}) + data
}

// dns has the server ask a resolver something, and get a reply.
func (s *site) dns(name string, typ byte, answers ...string) {
	flow := capture.FiveTuple{Proto: capture.ProtoUDP, Src: sipServer, Dst: resolver}
	reply := []byte(question(3, name, typ, 0) + strings.Join(answers, ""))
	reply[7] = byte(len(answers))
	for i, text := range []string{question(3, name, typ, -1), string(reply)} {
		s.now += int64(5 * time.Millisecond)
		m := &capture.Message{Protocol: capture.DNS, Mono: s.now, Wall: s.now, Payload: []byte(text), Flow: flow}
		if i == 1 {
			m.Flow = flow.Reverse()
		}
		s.b.Message(m)
	}
}
