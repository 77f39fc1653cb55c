package beyond_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/mi"
	"heptap/capture/record"
	"heptap/firmware/internal/beyond"
)

var (
	phone, proxy  = ap("192.0.2.1:5060"), ap("192.0.2.2:5060")
	engine        = ap("192.0.2.3:2223")
	resolver      = ap("192.0.2.53:53")
	stranger      = ap("198.51.100.9:33333")
	control, asks = ap("192.0.2.2:40001"), ap("192.0.2.2:40002")
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// bench is a Beyond with a correlator behind it.
type bench struct {
	t    testing.TB
	b    *beyond.Beyond
	c    *correlate.Correlator
	now  int64
	recs []rec
}

type rec struct {
	typ     record.Type
	primary string
	links   []string
	raw     string
	json    map[string]any
}

func newBench(t testing.TB, change func(*beyond.Config)) *bench {
	r := &bench{t: t, now: 1_700_000_000e9}
	r.c = correlate.New(correlate.Config{Calls: 100, Streams: 100, CallIdle: time.Hour, Emit: func(x *record.Record) {
		if x.Type == record.SIP {
			return
		}
		g := rec{typ: x.Type, primary: string(x.Primary), raw: string(x.Payload)}
		for _, l := range x.Links {
			g.links = append(g.links, l.Type.String()+":"+string(l.ID))
		}
		if err := json.Unmarshal(x.Payload, &g.json); err != nil {
			t.Errorf("not JSON: %v\n%s", err, x.Payload)
		}
		r.recs = append(r.recs, g)
	}})
	cfg := beyond.Config{Correlator: r.c}
	if change != nil {
		change(&cfg)
	}
	r.b = beyond.New(cfg)
	return r
}

func (r *bench) message(p capture.Protocol, src, dst netip.AddrPort, payload string) *capture.Message {
	return &capture.Message{Protocol: p, Wall: r.now, Mono: r.now, Payload: []byte(payload),
		Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: src, Dst: dst}}
}

// send hands in a datagram, and returns the records made of it.
func (r *bench) send(p capture.Protocol, src, dst netip.AddrPort, payload string) []rec {
	before := len(r.recs)
	r.b.Message(r.message(p, src, dst, payload))
	r.now += int64(time.Millisecond)
	return r.recs[before:]
}

// one is send of what one record has to be made of.
func (r *bench) one(p capture.Protocol, src, dst netip.AddrPort, payload string) rec {
	r.t.Helper()
	got := r.send(p, src, dst, payload)
	if len(got) != 1 {
		r.t.Fatalf("%d records of %q: %v", len(got), payload, got)
	}
	return got[0]
}

// pass lets time pass, and returns the records that are made of it.
func (r *bench) pass(d time.Duration) []rec {
	before := len(r.recs)
	r.now += int64(d)
	r.b.Advance(r.now)
	return r.recs[before:]
}

// settled is one of what is held until it is clear what it belongs to.
func (r *bench) settled(p capture.Protocol, src, dst netip.AddrPort, payload string) rec {
	r.t.Helper()
	got := append(r.send(p, src, dst, payload), r.pass(100*time.Millisecond)...)
	if len(got) != 1 {
		r.t.Fatalf("%d records of %q: %v", len(got), payload, got)
	}
	return got[0]
}

// call begins a call between the phone and the proxy.
func (r *bench) call(id string) {
	for _, d := range capturetest.SIPCall(capturetest.Call{Caller: phone, Callee: proxy, CallerMedia: ap("192.0.2.1:6000"), CalleeMedia: ap("192.0.2.2:7000"), CallID: id})[:2] {
		r.c.Message(r.message(capture.SIP, d.Src, d.Dst, string(d.Payload)))
	}
}

// want compares members of a record with what they have to be; "" stands for
// none.
func (g rec) want(t testing.TB, primary, links string, members map[string]any) {
	t.Helper()
	if g.primary != primary || strings.Join(g.links, " ") != links {
		t.Errorf("primary id %q, links %q, want %q, %q", g.primary, g.links, primary, links)
	}
	for k, v := range members {
		if got, ok := g.json[k]; v == "" && ok || v != "" && fmt.Sprint(got) != fmt.Sprint(v) {
			t.Errorf("%s: %v, want %v\n%s", k, got, v, g.raw)
		}
	}
	for _, k := range []string{"id", "sid", "create_date", "raw", "node", "dbnode", "profile", "srcIp", "dstIp", "srcPort", "dstPort", "protocol",
		"protocolFamily", "timeSeconds", "timeUseconds", "payloadType", "captureId", "capturePass", "correlation_id"} {
		if _, ok := g.json[k]; ok && g.typ != record.DNS { // heplify's object has an id, see dnsNote
			t.Errorf("member %q is one that Homer has itself\n%s", k, g.raw)
		}
	}
}

func base36(n int64) string { return strconv.FormatInt(n, 36) }

func filter(t *testing.T, list string) mi.Filter {
	t.Helper()
	f, err := mi.ParseFilter(list)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLog(t *testing.T) {
	r := newBench(t, func(c *beyond.Config) { c.AllLogs = true })
	r.call("a84b4c76e66710@pc33")
	for _, tt := range []struct {
		name, line     string
		primary, links string
		members        map[string]any
	}{
		{"RFC 5424", `<165>1 2023-11-14T22:13:20.003Z sbc1 kamailio 1234 ID47 [x@1 call="a84b4c76e66710@pc33"] INVITE from sip:bob@example.com`,
			"a84b4c76e66710@pc33", "sip:a84b4c76e66710@pc33",
			map[string]any{"event": "kamailio: notice", "host": "sbc1", "program": "kamailio", "pid": "1234", "msgid": "ID47", "severity": "notice", "facility": "local4",
				"time": "2023-11-14T22:13:20.003Z", "text": "INVITE from sip:bob@example.com", "structured": `[x@1 call="a84b4c76e66710@pc33"]`, "truncated": ""}},
		{"RFC 3164", "<14>Nov 14 22:13:20 sbc1 opensips[77]: ci=a84b4c76e66710@pc33 dropped", "a84b4c76e66710@pc33", "sip:a84b4c76e66710@pc33",
			map[string]any{"event": "opensips: info", "host": "sbc1", "pid": "77", "facility": "user", "text": "ci=a84b4c76e66710@pc33 dropped"}},
		{"a call that is not known, named as one", "<14>Nov 14 22:13:20 sbc1 kamailio: callid=gone-9912@pc34 late", "gone-9912@pc34", "sip:gone-9912@pc34", nil},
		{"words that are no call", "<14>Nov 14 22:13:20 sbc1 cron[7]: job other-9912@pc34", "log@sbc1", "", map[string]any{"event": "cron: info"}},
		{"no host", "<11>just text", "log@192.0.2.1", "", map[string]any{"event": "log: err", "host": "", "text": "just text"}},
		{"no PRI", "oops", "log@192.0.2.1", "", map[string]any{"event": "log", "severity": "", "facility": "", "text": "oops"}},
		{"secrets", "<14>Nov 14 22:13:20 sbc1 app: login user=bob password=hunter2", "log@sbc1", "", map[string]any{"text": "login user=bob password=***"}},
		{"not UTF-8, quotes, NUL", "<14>Nov 14 22:13:20 sbc1 app: \"a\\b\" \xff\x00\x01 é", "log@sbc1", "", map[string]any{"text": "\"a\\b\" \ufffd\ufffd\x01 é"}},
		{"Cisco", "<189>45: *Nov 14 22:13:20: %SYS-5-CONFIG_I: Configured", "log@192.0.2.1", "", map[string]any{"event": "SYS-5-CONFIG_I: notice"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			r.one(capture.Syslog, phone, stranger, tt.line).want(t, tt.primary, tt.links, tt.members)
		})
	}
	if got := r.send(capture.Syslog, phone, stranger, "\x01\x02\x03"); len(got) != 0 || r.b.Stats.LogNoText.Load() != 1 {
		t.Errorf("%v", got)
	}
	long := r.one(capture.Syslog, phone, stranger, "<14>app: "+strings.Repeat("é", 20000))
	if text := long.json["text"].(string); text != strings.Repeat("é", 4096) || long.json["truncated"] != true {
		t.Errorf("%d octets of text, truncated %v", len(text), long.json["truncated"])
	}
	if worst := r.one(capture.Syslog, phone, stranger, "<14>app: x"+strings.Repeat("\x01", 60000)); len(worst.raw) > record.MaxPayload {
		t.Errorf("a payload of %d octets", len(worst.raw))
	}
}

// By default there are records of lines that name a call only; a platform's own
// names of calls are learnt from lines that carry both.
func TestLogLinked(t *testing.T) {
	r := newBench(t, nil)
	r.call("a84b4c76e66710@pc33")
	const uuid = "5e2b1c34-8f2a-4c7e-9d31-0a1b2c3d4e5f"
	for _, tt := range []struct {
		line string
		want int
	}{
		{"<14>Nov 14 22:13:20 fs freeswitch[1]: " + uuid + " hangup", 0},
		{"<14>Nov 14 22:13:20 fs freeswitch[1]: " + uuid + " sofia/internal/bob call-id a84b4c76e66710@pc33", 1},
		{"<14>Nov 14 22:13:20 fs freeswitch[1]: " + uuid + " hangup", 1},
		{"<14>Nov 14 22:13:20 pbx asterisk[1]: VERBOSE[9][C-0000002a] pbx.c: a84b4c76e66710@pc33", 1},
		{"<14>Nov 14 22:13:20 pbx asterisk[1]: VERBOSE[9][C-0000002a] pbx.c: Executing", 1},
		{"<14>Nov 14 22:13:20 pbx asterisk[1]: VERBOSE[9][C-0000002b] pbx.c: Executing", 0},
		{"<14>Nov 14 22:13:20 pbx2 asterisk[1]: VERBOSE[9][C-0000002a] pbx.c: Executing", 0},
	} {
		if got := r.send(capture.Syslog, phone, stranger, tt.line); len(got) != tt.want {
			t.Errorf("%d records of %q, want %d", len(got), tt.line, tt.want)
		}
	}
	r.b.Flush()                                                                                            // lines that were held have had their second chance
	if lines, left := r.b.Stats.LogLines.Load(), r.c.Stats.NotesUnlinked.Load(); lines != 7 || left != 2 { // the first line has found its call by then
		t.Errorf("%d lines, %d left out", lines, left)
	}
}

// dict makes a dictionary in bencode.
func dict(pairs ...string) string {
	var b strings.Builder
	for _, s := range pairs {
		fmt.Fprintf(&b, "%d:%s", len(s), s)
	}
	return "d" + b.String() + "e"
}

func sdp(addr string, port int) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n", addr, addr, port)
}

func TestNG(t *testing.T) {
	r := newBench(t, nil)
	offer := "77_1 " + dict("call-id", "c1@host", "command", "offer", "from-tag", "ft", "sdp", sdp("192.0.2.1", 6000))
	id := "ng-" + base36(r.now/1000) + "-0"
	g := r.one(capture.NG, control, engine, offer)
	g.want(t, "c1@host", "sip:c1@host", map[string]any{"event": "NG offer", "exchange": id, "cookie": "77_1", "command": "offer", "callid": "c1@host", "from_tag": "ft", "again": ""})
	if strings.Contains(g.raw, "d0RmdmcmVCspeEc3") || !strings.Contains(g.raw, `"sdp":"v=0`) {
		t.Errorf("a key, or no SDP: %s", g.raw)
	}
	r.one(capture.NG, control, engine, offer).want(t, "c1@host", "sip:c1@host", map[string]any{"exchange": id, "again": true})
	r.one(capture.NG, engine, control, "77_1 "+dict("result", "ok", "sdp", sdp("192.0.2.3", 30000))).want(t, "c1@host", "sip:c1@host",
		map[string]any{"event": "NG offer ok", "exchange": id, "result": "ok", "took_ms": 2})
	r.one(capture.NG, control, engine, "77_2 "+dict("command", "delete", "call-id", "c2@host")).want(t, "c2@host", "sip:c2@host",
		map[string]any{"event": "NG delete", "cookie": "77_2"})
	r.one(capture.NG, engine, control, "77_2 "+dict("result", "error", "error-reason", "Unknown call-id")).want(t, "c2@host", "sip:c2@host",
		map[string]any{"event": "NG delete error", "error_reason": "Unknown call-id"})
	for _, s := range []string{"77_3 " + dict("command", "ping"), "78_9 " + dict("result", "ok")} {
		if got := r.send(capture.NG, control, engine, s); len(got) != 0 {
			t.Errorf("%q: %v", s, got)
		}
	}
	if got := r.send(capture.NG, engine, control, "77_3 "+dict("result", "pong")); len(got) != 0 {
		t.Errorf("pong: %v", got)
	}
	s := &r.b.Stats
	if got := fmt.Sprint(s.NG.Requests.Load(), s.NG.Again.Load(), s.NG.Replies.Load(), s.NG.Strays.Load(), s.NGNoCall.Load()); got != "3 1 3 1 3" {
		t.Errorf("requests, again, replies, strays, without call: %s", got)
	}
}

func TestRTPProxy(t *testing.T) {
	r := newBench(t, nil)
	r.one(capture.NG, control, engine, "12_1 Uc0,8 c1@host 192.0.2.1 6000 ft;1").want(t, "c1@host", "sip:c1@host",
		map[string]any{"event": "rtpproxy update", "callid": "c1@host", "from_tag": "ft", "media_ip": "192.0.2.1", "media_port": "6000", "modifiers": "c0,8"})
	r.one(capture.NG, engine, control, "12_1 35000 192.0.2.3\n").want(t, "c1@host", "sip:c1@host",
		map[string]any{"event": "rtpproxy update ok", "media_ip": "192.0.2.3", "media_port": 35000, "answer": "35000 192.0.2.3"})
	r.one(capture.NG, control, engine, "12_2 L c1@host 192.0.2.2 7000 tt;1 ft;1").want(t, "c1@host", "sip:c1@host", map[string]any{"event": "rtpproxy lookup"})
	r.one(capture.NG, engine, control, "12_2 35002\n").want(t, "c1@host", "sip:c1@host", map[string]any{"media_ip": "192.0.2.3", "media_port": 35002})
	r.one(capture.NG, control, engine, "12_3 D c1@host ft tt").want(t, "c1@host", "sip:c1@host", map[string]any{"event": "rtpproxy delete"})
	r.one(capture.NG, engine, control, "12_3 E8\n").want(t, "c1@host", "sip:c1@host", map[string]any{"event": "rtpproxy delete error", "answer": "E8"})
	for _, s := range []string{"12_4 35002\n", "12_3", "hello there"} {
		if got := r.send(capture.NG, engine, control, s); len(got) != 0 {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// question builds a DNS message; rcode below 0 makes a query of it.
func question(id uint16, name string, typ byte, rcode int) string {
	flags := [2]byte{1, 0}
	if rcode >= 0 {
		flags = [2]byte{0x81, 0x80 | byte(rcode)}
	}
	s := string([]byte{byte(id >> 8), byte(id), flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, 0})
	for _, label := range strings.Split(name, ".") {
		s += string([]byte{byte(len(label))}) + label
	}
	return s + string([]byte{0, 0, typ, 0, 1})
}

const (
	typeA, typePTR, typeSRV, typeNAPTR = 1, 12, 33, 35
)

func TestDNS(t *testing.T) {
	r := newBench(t, nil)
	other := netip.AddrPortFrom(stranger.Addr(), 40000)
	if got := r.send(capture.DNS, asks, resolver, question(1, "example.com", typeA, -1)); len(got) != 0 {
		t.Errorf("a host that nobody knows to speak SIP: %v", got)
	}
	r.call("c1@host") // the proxy speaks SIP
	id := "dns-" + base36(r.now/1000) + "-1"
	g := r.one(capture.DNS, asks, resolver, question(0x8002, "example.com", typeA, -1))
	g.want(t, id, "", map[string]any{"event": "DNS A example.com", "id": 0x8002, "qr": false, "again": "", "questions": "[map[class:IN name:example.com type:A]]"})
	if g.typ != record.DNS || !strings.HasPrefix(g.raw, `{"event":"DNS A example.com","id":32770,"qr":false,`) {
		t.Errorf("type %v: %s", g.typ, g.raw)
	}
	r.one(capture.DNS, asks, resolver, question(0x8002, "example.com", typeA, -1)).want(t, id, "", map[string]any{"again": true})
	r.one(capture.DNS, resolver, asks, question(0x8002, "example.com", typeA, 3)).want(t, id, "",
		map[string]any{"event": "DNS A example.com: " + nxdomain, "qr": true, "took_ms": 2})
	for _, tt := range []struct {
		name string
		from netip.AddrPort
		q    string
		want int
	}{
		{"SRV of SIP from anybody", other, question(3, "_sip._udp.example.com", typeSRV, -1), 1},
		{"NAPTR from anybody", other, question(4, "4.3.2.1.e164.arpa", typeNAPTR, -1), 1},
		{"SRV of something else from anybody", other, question(5, "_ldap._tcp.example.com", typeSRV, -1), 0},
		{"SRV of something else from a SIP host", asks, question(6, "_turn._udp.example.com", typeSRV, -1), 1},
		{"PTR from a SIP host", asks, question(7, "1.2.0.192.in-addr.arpa", typePTR, -1), 0},
		{"A from anybody", other, question(8, "example.com", typeA, -1), 0},
		{"nothing", asks, "", 0},
	} {
		if got := r.send(capture.DNS, tt.from, resolver, tt.q); len(got) != tt.want {
			t.Errorf("%s: %d records", tt.name, len(got))
		}
	}
	if got := r.send(capture.DNS, resolver, other, question(8, "example.com", typeA, 0)); len(got) != 0 {
		t.Errorf("the reply to a question of no interest: %v", got)
	}
	if got := r.one(capture.DNS, resolver, asks, question(99, "example.com", typeA, 0)); got.json["took_ms"] != nil || got.json["event"] != "DNS A example.com: no answer" {
		t.Errorf("a reply alone: %s", got.raw)
	}
}

const nxdomain = "Non-Existent Domain"

func TestMI(t *testing.T) {
	r := newBench(t, nil)
	tool, server := ap("192.0.2.9:50000"), ap("192.0.2.2:8080")
	id := "mi-" + base36(r.now/1000) + "-0"
	g := r.one(capture.MI, tool, server, `{"jsonrpc":"2.0","method":"dr_reload","params":{"partition":"one"},"id":7}`)
	g.want(t, id, "", map[string]any{"event": "MI dr_reload", "command": "dr_reload", "backend": "datagram", "platform": "opensips-mi", "rpc_id": "7",
		"parameters": `{"partition":"one"}`, "hidden": ""})
	if g.typ != record.MI {
		t.Error(g.typ)
	}
	r.settled(capture.MI, server, tool, `{"jsonrpc":"2.0","result":"OK","id":7}`).want(t, id, "",
		map[string]any{"event": "MI dr_reload ok", "command": "dr_reload", "ok": true, "reply": `"OK"`, "took_ms": 1})
	// Lines have no id: the flow is all there is. The same again is another command.
	for range 2 {
		id = "mi-" + base36(r.now/1000) + "-" + fmt.Sprint(r.b.Stats.MI.Requests.Load())
		r.one(capture.MI, tool, server, ":uptime:\n").want(t, id, "", map[string]any{"event": "MI uptime", "again": ""})
		r.settled(capture.MI, server, tool, "200 OK\nUp since:: 12\n").want(t, id, "", map[string]any{"event": "MI uptime ok", "code": 200, "reason": "OK"})
	}
	// Secrets are in neither.
	g = r.one(capture.MI, tool, server, `{"jsonrpc":"2.0","method":"uac.reg_add","params":["u","p4ssw0rd"],"id":8}`)
	g.want(t, g.primary, "", map[string]any{"hidden": true})
	h := r.settled(capture.MI, server, tool, `{"jsonrpc":"2.0","result":{"auth_password":"p4ssw0rd"},"id":8}`)
	h.want(t, g.primary, "", map[string]any{"hidden": true})
	if strings.Contains(g.raw+h.raw, "p4ssw0rd") {
		t.Error("a secret:", g.raw, h.raw)
	}
	for _, s := range []string{`{"jsonrpc":"2.0","result":"OK","id":99}`, "200 OK\n", "nothing of the kind"} {
		if got := append(r.send(capture.MI, server, ap("192.0.2.77:5"), s), r.pass(time.Second)...); len(got) != 0 {
			t.Errorf("%q without a request: %v", s, got)
		}
	}
}

func TestMIFilter(t *testing.T) {
	r := newBench(t, func(c *beyond.Config) {
		c.Filters.OpenSIPS = filter(t, "w: dr_reload")
		c.Filters.Kamailio = filter(t, "b: core.*")
	})
	tool, server := ap("192.0.2.9:50000"), ap("192.0.2.2:8080")
	ask := func(method string, id int) (n int) {
		n = len(r.send(capture.MI, tool, server, fmt.Sprintf(`{"jsonrpc":"2.0","method":"%s","id":%d}`, method, id)))
		r.send(capture.MI, server, tool, fmt.Sprintf(`{"jsonrpc":"2.0","result":"OK","id":%d}`, id))
		return 10*n + len(r.pass(100*time.Millisecond))
	}
	for i, tt := range []struct {
		method string
		want   int // of the request, of the reply
	}{{"dr_reload", 11}, {"uptime", 0}, {"core.version", 0}, {"htable.dump", 11}} {
		if got := ask(tt.method, i); got != tt.want {
			t.Errorf("%s: %02d, want %02d", tt.method, got, tt.want)
		}
	}
	// Of a batch, one of which is filtered, so is the reply with its id; with others it is not known.
	got := r.send(capture.MI, tool, server, `[{"jsonrpc":"2.0","method":"dr_reload","id":"a"},{"jsonrpc":"2.0","method":"uptime","id":"b"}]`)
	if len(got) != 1 || got[0].json["command"] != "dr_reload" {
		t.Errorf("%v", got)
	}
	r.send(capture.MI, server, tool, `[{"jsonrpc":"2.0","result":"OK","id":"a"},{"jsonrpc":"2.0","result":"x","id":"b"},{"jsonrpc":"2.0","result":"y","id":"c"}]`)
	if got := r.pass(time.Second); len(got) != 1 || got[0].json["event"] != "MI dr_reload ok" || got[0].json["command"] != "dr_reload" || got[0].json["reply"] != `"OK"` {
		t.Errorf("%v", got)
	}
}

// A flood of requests without replies takes no more room than the table has,
// and those that were pushed out are counted.
func TestRequestsAreBounded(t *testing.T) {
	r := newBench(t, nil)
	for i := range 20000 {
		r.b.Message(r.message(capture.NG, control, engine, fmt.Sprintf("5_%d ", i)+dict("command", "ping")))
	}
	if n := r.b.Stats.NG.Crowded.Load(); n < 20000-4096 || n > 20000-3500 {
		t.Errorf("%d pushed out of 20,000", n)
	}
	r.now += int64(time.Minute)
	r.send(capture.NG, engine, control, "5_19999 "+dict("result", "pong"))
	if n := r.b.Stats.NG.Strays.Load(); n != 1 {
		t.Errorf("a reply after a minute: %d strays", n)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	c := correlate.New(correlate.Config{Calls: 10, Streams: 10, Emit: func(*record.Record) {}})
	b := beyond.New(beyond.Config{AllLogs: true, Keys: []string{"X-Dialog", "leg_id"}, Correlator: c})
	r := &bench{t: t, c: c, b: b, now: 1e9}
	r.call("a84b4c76e66710@pc33")
	messages := map[string][]*capture.Message{
		"log": {r.message(capture.Syslog, phone, proxy, `<165>1 2023-11-14T22:13:20.003Z sbc1 kamailio 1234 ID47 [x@1 call="a84b4c76e66710@pc33"] INVITE password=x`),
			r.message(capture.Syslog, phone, proxy, "<14>no host, no call"),
			r.message(capture.Syslog, phone, proxy, "<14>Nov 14 22:13:20 sbc1 app: leg_id=dialog0001 traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")},
		"ng": {r.message(capture.NG, control, engine, "1_1 "+dict("call-id", "c1@host", "command", "offer", "from-tag", "ft", "sdp", sdp("192.0.2.1", 6000))),
			r.message(capture.NG, engine, control, "1_1 "+dict("result", "ok", "sdp", sdp("192.0.2.3", 30000))),
			r.message(capture.NG, control, engine, "1_2 "+dict("call-id", "c1@host", "command", "query", "leg-id", "dialog0001", "metadata", "x-dialog=dialog0002"))},
		"dns": {r.message(capture.DNS, asks, resolver, question(2, "_sip._udp.example.com", typeSRV, -1)),
			r.message(capture.DNS, resolver, asks, question(2, "_sip._udp.example.com", typeSRV, 0)),
			r.message(capture.DNS, asks, resolver, question(2, "a84b4c76e66710.example.com", typeNAPTR, -1))},
	}
	for name, ms := range messages {
		if n := testing.AllocsPerRun(500, func() {
			for _, m := range ms {
				b.Message(m)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkLog(tb *testing.B) {
	c := correlate.New(correlate.Config{Calls: 10, Streams: 10, Emit: func(*record.Record) {}})
	for name, all := range map[string]bool{"linked": false, "all": true} {
		tb.Run(name, func(tb *testing.B) {
			b := beyond.New(beyond.Config{AllLogs: all, Correlator: c})
			r := &bench{t: tb, c: c, b: b, now: 1e9}
			m := r.message(capture.Syslog, phone, proxy, `<134>Nov 14 22:13:20 sbc1 kamailio[1234]: INFO: <script>: request INVITE from sip:alice@example.com to sip:bob@example.com (192.0.2.1:5060) id=8f2a-77`)
			tb.ReportAllocs()
			for tb.Loop() {
				b.Message(m)
			}
		})
	}
}
