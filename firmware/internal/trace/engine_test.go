package trace

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/record"
)

// Addresses of the tests: a phone, a proxy, a trunk.
const phone, proxy, trunk = "10.0.0.1:5060", "192.0.2.1:5060", "198.51.100.1:5060"

const groups = "group phones 10.0.0.0/8 2001:db8:a::/48\ngroup trunks 198.51.100.0/24\n"

type message struct {
	start     string // start line
	cseq      string // method of CSeq; of a request its own when empty
	callID    string
	src, dst  string
	from, to  string // URIs; with a tag when they have one
	via       string // topmost, without SIP/2.0/
	proto     uint8  // UDP when 0
	noCallID  bool
	wholeText string // instead of all that
}

func (m message) record() *record.Record {
	if m.src == "" {
		m.src, m.dst = phone, proxy
	}
	if m.proto == 0 {
		m.proto = capture.ProtoUDP
	}
	if m.via == "" {
		m.via = "UDP phone.example.com:5060;branch=z9hG4bK1"
	}
	if m.from == "" {
		m.from = "<sip:alice@example.com>;tag=1"
	}
	if m.to == "" {
		m.to = "<sip:bob@example.net>"
	}
	if m.callID == "" {
		m.callID = "call"
	}
	if m.cseq == "" {
		m.cseq, _, _ = strings.Cut(m.start, " ")
	}
	text := m.wholeText
	if text == "" {
		text = m.start + "\r\nVia: SIP/2.0/" + m.via + "\r\nFrom: " + m.from + "\r\nTo: " + m.to + "\r\nCall-ID: " + m.callID + "\r\nCSeq: 1 " + m.cseq + "\r\nContent-Length: 0\r\n\r\n"
	}
	r := &record.Record{Type: record.SIP, Class: record.Routine, Primary: []byte(m.callID), Payload: []byte(text),
		Flow: capture.FiveTuple{Proto: m.proto, Src: netip.MustParseAddrPort(m.src), Dst: netip.MustParseAddrPort(m.dst)}}
	switch m.cseq {
	case "INVITE", "ACK", "BYE", "CANCEL", "INFO", "UPDATE":
		r.Class = record.Call
	}
	if m.noCallID {
		r.Primary = nil
	}
	return r
}

func invite(callID, src, dst string) *record.Record {
	return message{start: "INVITE sip:bob@example.net SIP/2.0", callID: callID, src: src, dst: dst}.record()
}

func bye(callID, src, dst string) *record.Record {
	return message{start: "BYE sip:bob@example.net SIP/2.0", to: "<sip:bob@example.net>;tag=2", callID: callID, src: src, dst: dst}.record()
}

func request(method, callID, src, dst string) *record.Record {
	return message{start: method + " sip:example.net SIP/2.0", callID: callID, src: src, dst: dst}.record()
}

func inCall(method, callID, src, dst string) *record.Record {
	return message{start: method + " sip:bob@example.net SIP/2.0", to: "<sip:bob@example.net>;tag=2", callID: callID, src: src, dst: dst}.record()
}

func answer(status, method, callID, src, dst string) *record.Record {
	return message{start: "SIP/2.0 " + status, cseq: method, to: "<sip:bob@example.net>;tag=2", callID: callID, src: src, dst: dst}.record()
}

// leg makes r a message of one more leg of a call.
func leg(r *record.Record, of string) *record.Record {
	r.Links = []record.Link{{Type: record.Net, How: record.Flow, ID: []byte("9")}, {Type: record.SIP, How: record.Seen, ID: []byte(of)}}
	return r
}

// other is a record of another type, linked to calls.
func other(t record.Type, primary, src, dst string, calls ...string) *record.Record {
	r := &record.Record{Type: t, Class: record.Final, Primary: []byte(primary), Payload: []byte("{}"),
		Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst)}}
	for _, c := range calls {
		r.Links = append(r.Links, record.Link{Type: record.SIP, How: record.Flow, ID: []byte(c)})
	}
	return r
}

// connection is a record of one.
func connection(protocol string, proto uint8) *record.Record {
	r := other(record.Net, "18", phone, proxy)
	r.Flow.Proto, r.Payload = proto, []byte(`{"Protocol":"`+protocol+`","Event":"CLOSED"}`)
	return r
}

func engine(t testing.TB, lines string) *Engine {
	t.Helper()
	e, err := New(config(t, groups+lines), Limits{Calls: 100, Idle: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestConditions tries each condition on one record that no engine has seen.
func TestConditions(t *testing.T) {
	inv := message{start: "INVITE tel:+49-30-1 SIP/2.0"}
	ok200 := message{start: "SIP/2.0 200 OK", cseq: "INVITE", src: proxy, dst: phone}
	ws := message{start: "INVITE sip:bob@example.net SIP/2.0", via: "WSS x.invalid;branch=1", proto: capture.ProtoTCP}
	net89 := connection("WS", capture.ProtoTCP)
	report := other(record.RTPReport, "unknown", "10.0.0.1:6000", "198.51.100.1:7000")
	six := message{start: "REGISTER sip:example.com SIP/2.0", src: "[2001:db8:a::1]:5060", dst: "[2001:db8:b::1]:5061"}
	mapped := message{start: "REGISTER sip:example.com SIP/2.0", src: "[::ffff:10.0.0.1]:5060", dst: "[::ffff:192.0.2.1]:5060"}
	for _, tt := range []struct {
		r          *record.Record
		conditions string
		want       bool
	}{
		{inv.record(), "", true},
		{inv.record(), "types sip", true},
		{inv.record(), "types rtp,log", false},
		{report, "types rtp", true},
		{inv.record(), "transport udp", true},
		{inv.record(), "transport tcp,tls,ws,wss,sctp", false},
		{ws.record(), "transport wss", true},
		{ws.record(), "transport tcp,ws", false},
		{message{start: "INVITE sip:a@b SIP/2.0", via: "TLS x", proto: capture.ProtoTCP}.record(), "transport tls", true},
		{message{start: "INVITE sip:a@b SIP/2.0", via: "UDP x", proto: capture.ProtoTCP}.record(), "transport tcp", true},
		{message{start: "INVITE sip:a@b SIP/2.0", via: "WS x"}.record(), "transport udp", true}, // the packet knows better
		{message{start: "INVITE sip:a@b SIP/2.0", via: "UDP x", proto: capture.ProtoSCTP}.record(), "transport sctp", true},
		{message{start: "INVITE sip:a@b SIP/2.0", via: "TLS x", proto: 22}.record(), "transport tls", true}, // relayed by OpenSIPS
		{message{start: "INVITE sip:a@b SIP/2.0", via: "UDP x", proto: 22}.record(), "transport tls", true},
		{message{start: "INVITE sip:a@b SIP/2.0", via: "WS x", proto: 22}.record(), "transport ws", true}, // by Kamailio
		{message{start: "INVITE sip:a@b SIP/2.0", via: "WSS x", proto: 50}.record(), "transport wss", true},
		{message{start: "INVITE sip:a@b SIP/2.0", via: "UDP x", proto: 50}.record(), "transport ws", true},
		{message{start: "INVITE sip:a@b SIP/2.0", proto: 47}.record(), "transport udp,tcp,tls,ws,wss,sctp", false},
		{net89, "transport ws", true},
		{net89, "transport tcp", false},
		{connection("TLS", capture.ProtoTCP), "transport tls", true},
		{connection("TLS", capture.ProtoTCP), "transport tcp,ws,wss", false},
		{connection("WSS", capture.ProtoTCP), "transport wss", true},
		{connection("WSS", capture.ProtoTCP), "transport tls,ws", false},
		{connection("TCP", capture.ProtoTCP), "transport tcp", true},
		{connection("SCTP", capture.ProtoSCTP), "transport sctp", true},
		{inv.record(), "from phones", true},
		{inv.record(), "from trunks,10.0.0.1", true},
		{inv.record(), "from 10.0.0.2", false},
		{inv.record(), "to phones", false},
		{inv.record(), "to 192.0.2.0/24", true},
		{inv.record(), "address 192.0.2.1 from phones", true},
		{inv.record(), "address trunks", false},
		{ok200.record(), "from phones", true}, // a response belongs to its request
		{ok200.record(), "to phones", false},
		{report, "from phones to trunks", true},
		{six.record(), "from phones", true},
		{six.record(), "from 10.0.0.0/8,0.0.0.0/0", false},
		{mapped.record(), "from phones to 192.0.2.1", true},
		{six.record(), "port 5061", true},
		{six.record(), "from-port 5061", false},
		{six.record(), "to-port 5061-5062", true},
		{six.record(), "port 1-5059,5062-65535", false},
		{inv.record(), "method INVITE,BYE", true},
		{inv.record(), "method invite", false}, // case counts (RFC 3261 7.1)
		{inv.record(), "method ACK", false},
		{ok200.record(), "method INVITE", true},
		{report, "method INVITE", false},
		{inv.record(), "user +49301", true}, // Request-URI
		{inv.record(), "user alice", true},  // From
		{inv.record(), "user bob", true},    // To
		{inv.record(), "user carol,bob@example.net", true},
		{inv.record(), "user bob@example.com", false}, // each is in another URI
		{inv.record(), "caller alice", true},
		{inv.record(), "caller bob", false},
		{inv.record(), "callee bob", true},
		{inv.record(), "callee +49301", true},
		{inv.record(), "callee alice", false},
		{inv.record(), "domain example.com", true},
		{inv.record(), "domain EXAMPLE.net", true},
		{inv.record(), "domain *.net,x", true},
		{inv.record(), "domain example", false},
		{inv.record(), "host phone.example.com", true},
		{inv.record(), "host *.net", false},
		{report, "user *", false},
		{report, "host *", false},
		{inv.record(), "from phones method INVITE user bob port 5060 transport udp types sip host phone*", true},
		{inv.record(), "from phones method INVITE user bob port 5060 transport udp types sip host proxy*", false},
		{message{wholeText: "garbage"}.record(), "user *", false},
		{message{wholeText: "garbage"}.record(), "from phones", true},
		{message{wholeText: "INVITE sip:a@b SIP/2.0\r\nFrom: <sip:x"}.record(), "user a", true}, // cut short
	} {
		e := engine(t, "default deny\nrule r allow "+tt.conditions)
		if got := e.Allow(tt.r); got != tt.want {
			t.Errorf("%s: %v, %.30q", tt.conditions, got, tt.r.Payload)
		}
	}
}

// TestCalls plays records against rules: the letters say which are kept.
func TestCalls(t *testing.T) {
	rtp := func(src, dst string, calls ...string) *record.Record {
		return other(record.RTPReport, calls[0], src, dst, calls[1:]...)
	}
	const gw = "203.0.113.1:9000" // media of neither group
	for _, tt := range []struct {
		name, rules string
		records     []*record.Record
		want        string // y or n
	}{
		{"a call follows its INVITE", "rule a allow from phones\ndefault deny",
			[]*record.Record{invite("1", phone, proxy), answer("200 OK", "INVITE", "1", proxy, phone), bye("1", proxy, phone), invite("1", proxy, trunk),
				rtp(gw, gw, "1"), other(record.REST, "q", proxy, gw, "1"), other(record.Net, "9", trunk, proxy, "1"),
				invite("2", trunk, proxy), bye("2", phone, proxy), rtp(phone, gw, "2")}, "yyyyyyynnn"},
		{"types for each call", "rule a allow types sip,rest from phones\nrule b deny from phones",
			[]*record.Record{invite("1", phone, proxy), rtp(gw, gw, "1"), other(record.REST, "q", gw, gw, "1"), other(record.Log, "1", gw, gw),
				invite("2", trunk, proxy), rtp(gw, gw, "2"), other(record.REST, "q", gw, gw, "2")}, "ynynyyy"},
		{"responses first", "rule a deny from phones",
			[]*record.Record{answer("180 Ringing", "INVITE", "1", proxy, phone), invite("1", phone, proxy), answer("180 Ringing", "INVITE", "2", trunk, proxy)}, "nny"},
		{"the INVITE decides, when it comes", "rule a deny caller alice method INVITE",
			[]*record.Record{answer("200 OK", "OPTIONS", "1", proxy, phone), inCall("BYE", "1", proxy, phone), invite("1", phone, proxy), inCall("BYE", "1", proxy, phone)}, "yynn"},
		{"a re-INVITE does not", "rule a deny from phones",
			[]*record.Record{invite("1", trunk, proxy), inCall("INVITE", "1", phone, proxy), invite("1", phone, proxy)}, "yyy"},
		{"methods inside a call", "rule a deny method INFO,OPTIONS\nrule b allow from phones\ndefault deny",
			[]*record.Record{invite("1", phone, proxy), inCall("INFO", "1", phone, proxy), answer("200 OK", "INFO", "1", proxy, phone), inCall("OPTIONS", "1", proxy, phone), bye("1", proxy, phone)}, "ynnny"},
		{"the order counts there too", "rule b allow from phones\nrule a deny method INFO",
			[]*record.Record{invite("1", phone, proxy), inCall("INFO", "1", trunk, proxy), invite("2", trunk, proxy), inCall("INFO", "2", phone, proxy)}, "yyyn"},
		{"picked up at a method that is denied", "rule a deny method INFO\nrule b deny from trunks",
			[]*record.Record{inCall("INFO", "1", phone, proxy), bye("1", phone, proxy), inCall("INFO", "2", trunk, proxy), bye("2", trunk, proxy)}, "nynn"},
		{"a rule with method INVITE is about calls", "rule a allow method INVITE from phones\ndefault deny",
			[]*record.Record{invite("1", phone, proxy), bye("1", phone, proxy), rtp(gw, gw, "1"), request("REGISTER", "r", phone, proxy)}, "yyyn"},
		{"other transactions", "rule a deny method OPTIONS,REGISTER from phones",
			[]*record.Record{request("OPTIONS", "o", phone, proxy), answer("200 OK", "OPTIONS", "o", proxy, phone), request("OPTIONS", "p", proxy, phone), answer("200 OK", "OPTIONS", "p", phone, proxy)}, "nnyy"},
		{"a rule with types is tried on the record itself", "rule a deny types rtp from phones",
			[]*record.Record{invite("1", trunk, proxy), rtp(phone, gw, "1"), rtp(gw, phone, "1"), rtp(gw, phone, "2"), rtp(phone, gw, "2")}, "ynyyn"},
		{"one without types is not, in a call", "rule a deny from phones",
			[]*record.Record{invite("1", trunk, proxy), rtp(phone, gw, "1"), rtp(phone, gw, "2")}, "yyn"},
		{"one of several calls is enough", "rule a deny from phones",
			[]*record.Record{invite("1", phone, proxy), invite("2", trunk, proxy), invite("3", phone, proxy), rtp(gw, gw, "1", "3"), rtp(gw, gw, "1", "2"), rtp(gw, gw, "2", "1"),
				other(record.Net, "9", gw, gw, "3", "1", "2"), other(record.Net, "9", gw, gw, "3", "1"), other(record.Net, "9", gw, gw, "3", "unknown")}, "nynnyyynn"},
		{"pings say nothing of their connection", "rule a deny method OPTIONS",
			[]*record.Record{request("OPTIONS", "o", phone, proxy), invite("1", phone, proxy), other(record.Net, "9", phone, proxy, "o"), other(record.Net, "9", phone, proxy, "1", "o"), other(record.Log, "o", gw, gw)}, "nyyyn"},
		{"legs through a B2BUA", "rule a allow from phones\ndefault deny",
			[]*record.Record{leg(invite("b", proxy, trunk), "a"), invite("a", phone, proxy), leg(answer("200 OK", "INVITE", "b", trunk, proxy), "a"), bye("b", trunk, proxy), rtp(gw, gw, "b"), bye("c", trunk, proxy)}, "nyyyyn"},
		{"a leg has rules of its own", "rule t deny to trunks\nrule r deny types rtp from phones\nrule a allow from phones\ndefault deny",
			[]*record.Record{invite("a", phone, proxy), leg(invite("b", proxy, trunk), "a"), leg(invite("c", proxy, proxy), "a"), rtp(gw, gw, "c"), other(record.Log, "c", gw, gw), leg(invite("d", proxy, proxy), "d")}, "ynynyn"},
		{"a connection is no call of that name", "rule a deny from phones",
			[]*record.Record{invite("17", phone, proxy), other(record.Net, "17", trunk, proxy), other(record.Log, "17", trunk, proxy)}, "nyn"},
		{"no Call-ID", "rule a deny from phones",
			[]*record.Record{message{start: "INVITE sip:a@b SIP/2.0", noCallID: true}.record(), message{start: "INVITE sip:a@b SIP/2.0", noCallID: true, src: trunk, dst: proxy}.record()}, "ny"},
		{"nothing but the default", "default deny", []*record.Record{invite("1", phone, proxy), rtp(gw, gw, "1")}, "nn"},
		{"counting decides nothing", "rule c count\nrule a deny from phones\nrule d count", []*record.Record{invite("1", phone, proxy), invite("2", trunk, proxy)}, "ny"},
		{"substrings are no methods", "rule a deny method NOTIFY", // heplify's filter of text drops INVITEs that allow NOTIFY
			[]*record.Record{message{start: "INVITE sip:a@b SIP/2.0", to: "<sip:b@c>\r\nAllow: INVITE, NOTIFY"}.record(), request("NOTIFY", "n", phone, proxy)}, "yn"},
	} {
		e := engine(t, tt.rules)
		got := ""
		for _, r := range tt.records {
			if e.Allow(r) {
				got += "y"
			} else {
				got += "n"
			}
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestCounts(t *testing.T) {
	e := engine(t, "rule dry count from phones\nrule info deny method INFO\nrule late count types sip\nrule a allow from phones\nrule after count")
	size := 0
	feed := func(r *record.Record) { size += len(r.Payload); e.Allow(r) }
	feed(invite("1", phone, proxy))                    // dry, late, a
	feed(inCall("INFO", "1", proxy, phone))            // dry, info
	feed(other(record.RTPReport, "1", phone, trunk))   // dry, a
	feed(invite("2", trunk, proxy))                    // late, after, default
	feed(other(record.RTCP, "rtcp:x", trunk, proxy))   // after, default
	feed(request("OPTIONS", "o", "10.9.9.9:1", proxy)) // dry, late, a
	st := e.Stats()
	var got []string
	var decided, octets uint64
	for _, r := range st.Rules {
		got = append(got, fmt.Sprint(r.Name, " ", r.Action, " ", r.Records))
		if r.Action != Count {
			decided += r.Records
			octets += r.Octets
		}
	}
	if want := "dry count 4,info deny 1,late count 3,a allow 3,after count 2,default allow 2"; strings.Join(got, ",") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ","), want)
	}
	if decided != 6 || octets != uint64(size) || len(st.Denied) != 1 || st.Denied[record.SIP] != 1 || st.Calls != 2 || st.Others != 1 {
		t.Errorf("%d decided, %d octets of %d: %+v", decided, octets, size, st)
	}
}

func TestOff(t *testing.T) {
	var e *Engine
	if !e.Allow(invite("1", phone, proxy)) || e.MemoryBytes() != 0 || e.Stats().Rules != nil {
		t.Error("an engine that is nil does something")
	}
	if (&Config{}).On() || (&Config{Default: Allow}).On() || !(&Config{Default: Deny}).On() || !(&Config{Rules: []Rule{{}}}).On() {
		t.Error("On")
	}
}

// TestBounds asserts that a flood of other things forgets no call, and that what
// is forgotten is counted.
func TestBounds(t *testing.T) {
	e := engine(t, "rule a deny from phones")
	at := func(r *record.Record, s int) *record.Record { r.Mono = int64(s) * int64(time.Second); return r }
	e.Allow(at(invite("call", phone, proxy), 0))
	for i := range 1000 {
		e.Allow(at(request("OPTIONS", fmt.Sprint("o", i), trunk, proxy), 1))
	}
	st := e.Stats()
	if st.Calls != 1 || st.Others != 25 || st.Evicted != 975 || e.Allow(at(bye("call", trunk, proxy), 2)) {
		t.Errorf("%+v", st)
	}
	for i := range 200 { // the call is used now and then, and stays
		e.Allow(at(invite(fmt.Sprint("c", i), trunk, proxy), 3))
		if i%50 == 0 && e.Allow(at(other(record.RTPReport, "call", trunk, proxy), 3)) {
			t.Fatalf("forgotten after %d others", i)
		}
	}
	if st := e.Stats(); st.Calls != 100 || st.Evicted != 975+101 {
		t.Errorf("%+v", st)
	}
	if e.Allow(at(bye("call", trunk, proxy), 3602)) {
		t.Error("forgotten within the hour")
	}
	if !e.Allow(at(bye("call", trunk, proxy), 7203)) { // decided anew
		t.Error("remembered for more than an hour")
	}
	if st := e.Stats(); st.Expired == 0 {
		t.Errorf("%+v", st)
	}
	// What turns out to be of a call is held as one.
	e.Allow(at(request("OPTIONS", "x", phone, proxy), 7300))
	before := e.Stats()
	e.Allow(at(bye("x", trunk, proxy), 7301))
	if st := e.Stats(); st.Calls != before.Calls+1 || st.Others != before.Others-1 {
		t.Errorf("%+v, then %+v", before, st)
	}
	// Time does not run backwards.
	if !e.Allow(at(bye("call", phone, proxy), -5000)) {
		t.Error("forgotten because of a time long ago")
	}
}

// TestTable holds the table against a slice that is searched.
func TestTable(t *testing.T) {
	l := Limits{Calls: 8, Idle: 100}
	var tab table
	tab.init(&l)
	type held struct {
		id   string
		kind kind
		seen int64
	}
	var all []held // the longest unused first
	perKind, _ := l.room()
	drop := func(i int) { all = append(all[:i:i], all[i+1:]...) }
	makeRoom := func(k kind, now int64) {
		n, oldest := 0, -1
		for i := 0; i < len(all); i++ {
			if all[i].kind == k && now-all[i].seen > int64(l.Idle) {
				drop(i)
				i--
			} else if all[i].kind == k {
				if n++; oldest < 0 {
					oldest = i
				}
			}
		}
		if n == perKind[k] {
			drop(oldest)
		}
	}
	seed := uint32(1)
	random := func(n int) int { seed = seed*1664525 + 1013904223; return int(seed>>8) % n }
	now := int64(0)
	for step := range 20000 {
		now += int64(random(20))
		id, k := fmt.Sprint(random(16)), kind(random(2))
		i := -1
		for j := range all {
			if all[j].id == id {
				i = j
			}
		}
		got := tab.find([]byte(id), now)
		if i >= 0 && now-all[i].seen > int64(l.Idle) {
			drop(i)
			i = -1
		}
		if (got != none) != (i >= 0) {
			t.Fatalf("step %d: %s found %v, want %v", step, id, got != none, i >= 0)
		}
		switch {
		case i < 0:
			makeRoom(k, now)
			all = append(all, held{id, k, now})
			tab.add([]byte(id), k, now)
		default:
			h := all[i]
			drop(i)
			h.seen = now
			if h.kind != k {
				makeRoom(k, now)
				h.kind = k
				tab.move(got, k, now)
			}
			all = append(all, h)
		}
		n := [numKinds]int{}
		for _, h := range all {
			n[h.kind]++
		}
		if tab.lists[calls].n != n[calls] || tab.lists[others].n != n[others] || tab.held[calls].Load() != int64(n[calls]) {
			t.Fatalf("step %d: %d calls and %d others, want %v", step, tab.lists[calls].n, tab.lists[others].n, n)
		}
	}
}

func TestFirstMember(t *testing.T) {
	for text, want := range map[string]string{
		`{"Protocol":"WS","Event":"x"}`:    "WS",
		"{\n\t\"Protocol\":\t\"TLS\",\n":   "TLS",
		`{"Event":"x","Protocol":"WS"}`:    "",
		`{"Protocol":5}`:                   "",
		`{"Protocol":"a\"b"}`:              "",
		`{"Protocol":"WS`:                  "",
		`{" Protocol":"WS"}`:               "",
		`{"Event":"{\"Protocol\":\"WS\""}`: "",
		`{`:                                "", ``: "", `["Protocol":"WS"]`: "",
		`{"Protocol" : "" }`:                     "",
		strings.Repeat(" ", 100) + `{"Protocol"`: "",
	} {
		if got := string(firstMember([]byte(text), "Protocol")); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}
