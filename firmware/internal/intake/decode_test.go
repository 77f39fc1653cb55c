package intake

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/netip"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/hep"
)

var (
	phone = netip.MustParseAddrPort("192.0.2.1:5062")
	proxy = netip.MustParseAddrPort("192.0.2.2:5060")
)

const (
	arrival = int64(1_700_000_100_000_000_000)
	sent    = int64(1_700_000_099_500_000_000)

	options = "OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@example.com>;tag=1\r\n" +
		"To: <sip:b@example.com>\r\nCall-ID: one@example.com\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)

func testDecoder(change func(*Options)) *decoder {
	o := Options{Delimiter: ":", AgentID: 2001, Node: "box"}
	if change != nil {
		change(&o)
	}
	return newDecoder(&Intake{options: o, flows: newFlows(), seed: maphash.MakeSeed()})
}

// packet is what OpenSIPS sends of a type.
func packet(typ uint8, primary, payload string) hep.Packet {
	return hep.Packet{Src: phone, Dst: proxy, Wall: sent, AgentID: 1, Proto: 6, Type: typ, Correlation: []byte(primary), Payload: []byte(payload)}
}

func frame(t testing.TB, p hep.Packet) []byte {
	t.Helper()
	b, err := p.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, d *decoder, b []byte) (*Item, Drop) {
	t.Helper()
	it := &Item{Mono: 77}
	return it, d.decode(b, arrival, it)
}

// show prints what an item would leave the box as.
func show(it *Item) string {
	r := &it.Record
	s := fmt.Sprintf("%d %s %v>%v/%d", r.Type, r.Primary, r.Flow.Src, r.Flow.Dst, r.Flow.Proto)
	for _, l := range r.Links {
		s += fmt.Sprintf(" {%v %d %s}", l.Type, l.How, l.ID)
	}
	if it.Message.Protocol != capture.Unknown {
		s += " " + it.Message.Protocol.String()
	}
	return s + " " + string(r.Payload)
}

const ends = "192.0.2.1:5062>192.0.2.2:5060/6"

// What OpenSIPS sends, in its JSON form and in its text form (facts of proto_hep,
// net_tcp_report.c, rest_methods.c, xlog.c and mi_trace.c).
func TestOpenSIPS(t *testing.T) {
	const rest = "RESTCORRQUJDREVGR0hJSktMTU5PUFFSUw=="
	for _, tt := range []struct {
		name                    string
		typ                     uint8
		primary, payload, extra string
		want                    string
	}{
		{"tcp", 89, "17640947659377874237", "{\n\t\"Protocol\":\t\"TCP\",\n\t\"Event\":\t\"ACCEPTED\",\n\t\"Status\":\t\"SUCCESS\",\n\t\"Message\":\t\"Connection accepted...\"\n}", "",
			`89 17640947659377874237 ` + ends + ` {"Protocol":"TCP","Event":"ACCEPTED","Status":"SUCCESS","Message":"Connection accepted..."}`},
		{"tls", 89, "7", `{"Protocol":"TLS","client-subject":"/CN=a","client-issuer":"/CN=ca","server-subject":"/CN=b","server-issuer":"/CN=ca","master-key":"0011AABB","Event":"CONNECTED","Status":"SUCCESS","Message":"ok"}`, "",
			`89 7 ` + ends + ` {"Protocol":"TLS","client-subject":"/CN=a","client-issuer":"/CN=ca","server-subject":"/CN=b","server-issuer":"/CN=ca","master-key":"***","Event":"CONNECTED","Status":"SUCCESS","Message":"ok"}`},
		{"raw key", 89, "7", "{\"Protocol\":\"TLS\",\"m\\u0061ster-key\":\"\xff\x80\\u0001\",\"Event\":\"ACCEPTED\"}", "",
			`89 7 ` + ends + ` {"Protocol":"TLS","master-key":"***","Event":"ACCEPTED"}`},
		{"nested key", 89, "7", `{"Protocol":"TLS","x":{"master-key":"00"},"y":[{"m\u0061ster-key":"00"}],"z":[1,"\u0001"]}`, "",
			`89 7 ` + ends + ` {"Protocol":"TLS","x":"***","y":"***","z":[1,"\u0001"]}`},
		{"wss", 89, "7", `{"Protocol":"WSS","master-key":"AA","Event":"ACCEPTED","Status":"SUCCESS","Message":"tls","Event":"ACCEPTED","Ws-Request":"GET / HTTP/1.1\r\nAuthorization: Basic Zm9v\r\n\r\n","Status":"FAILURE","Message":"ws"}`, "",
			`89 7 ` + ends + ` {"Protocol":"WSS","master-key":"***","tls-Event":"ACCEPTED","tls-Status":"SUCCESS","tls-Message":"tls","Event":"ACCEPTED","Ws-Request":"GET / HTTP/1.1\r\nAuthorization: Basic ***\r\n\r\n","Status":"FAILURE","Message":"ws"}`},
		{"rest", 88, rest, `{"first_line":"GET /lrn?tn=123 HTTP/1.1"}`, "{\n\t\"sip\":\t\"one@example.com\"\n}",
			`88 ` + rest + ` 192.0.2.1:50707>192.0.2.2:50195/6 {sip 1 one@example.com} {"first_line":"GET /lrn?tn=123 HTTP/1.1"}`},
		{"xlog", 100, "one@example.com", `{"Event":"INFO","text":"routing \"b\""}`, `{"sip":"one@example.com"}`,
			`100 one@example.com ` + ends + ` {sip 1 one@example.com} {"Event":"INFO","text":"routing \"b\""}`},
		{"old xlog", 86, "one@example.com", `{"Event":"INFO","text":"x"}`, `{"sip":"one@example.com"}`,
			`100 one@example.com ` + ends + ` {sip 1 one@example.com} {"Event":"INFO","text":"x"}`},
		{"mi", 87, "MICORRQQ==", `{"command":"ul_show","backend":"json","parameters":"location"}`, "",
			`87 MICORRQQ== ` + ends + ` {"command":"ul_show","backend":"json","parameters":"location"}`},
		{"control", 96, "", "", `{"sip":"one","rest":"RESTCORRx"}`, `96  ` + ends + ` {sip 1 one} {rest 1 RESTCORRx} `},
		{"sip", 1, "one@example.com", `{"payload":` + quoted(options) + `}`, `{"net":"17640947659377874237"}`,
			`1 one@example.com ` + ends + ` {net 1 17640947659377874237} sip ` + options},
		{"forced id", 1, "forced", options, "", `1 forced ` + ends + ` {sip 1 forced} sip ` + options},

		{"text tcp", 89, "7", "TCP:ACCEPTED:SUCCESS:Connection accepted...", "",
			`89 7 ` + ends + ` {"Protocol":"TCP","Event":"ACCEPTED","Status":"SUCCESS","Message":"Connection accepted..."}`},
		{"text tls", 89, "7", "TLS:/CN=a:/CN=ca:/CN=b:/CN=ca:0011AABB:CONNECTED:SUCCESS:ok", "",
			`89 7 ` + ends + ` {"Protocol":"TLS","client-subject":"/CN=a","client-issuer":"/CN=ca","server-subject":"/CN=b","server-issuer":"/CN=ca","master-key":"***","Event":"CONNECTED","Status":"SUCCESS","Message":"ok"}`},
		{"text tls, one certificate", 89, "7", "TLS:/CN=b:/CN=ca:0011AABB:ACCEPTED:SUCCESS:ok", "",
			`89 7 ` + ends + ` {"Protocol":"TLS","subject":"/CN=b","issuer":"/CN=ca","master-key":"***","Event":"ACCEPTED","Status":"SUCCESS","Message":"ok"}`},
		{"text tls, a name with a delimiter", 89, "7", "TLS:/CN=sip:b:/CN=ca:0011AABB:ACCEPTED:FAILURE:TLS error: (ret=1)", "",
			`89 7 ` + ends + ` {"Protocol":"TLS","master-key":"***","Event":"ACCEPTED","Status":"FAILURE","Message":"TLS error: (ret=1)"}`},
		{"text ws", 89, "7", "WS:ACCEPTED:GET / HTTP/1.1\r\nHost: a:80\r\n\r\n:SUCCESS:HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n\r\n:done", "",
			`89 7 ` + ends + ` {"Protocol":"WS","Event":"ACCEPTED","Ws-Request":"GET / HTTP/1.1\r\nHost: a:80\r\n\r\n","Status":"SUCCESS","Ws-Reply":"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n\r\n","Message":"done"}`},
		{"text rest", 88, "one@example.com", "POST /a:b HTTP/1.1:{\"n\":1}", "",
			`88 one@example.com 192.0.2.1:50707>192.0.2.2:50195/6 {sip 1 one@example.com} {"first_line":"POST /a:b HTTP/1.1","payload":"{\"n\":1}"}`},
		{"text rest reply", 88, "one@example.com", "HTTP/1.1 200 OK:a:b", "",
			`88 one@example.com 192.0.2.1:50707>192.0.2.2:50195/6 {sip 1 one@example.com} {"first_line":"HTTP/1.1 200 OK","payload":"a:b"}`},
		{"text old xlog", 86, "one@example.com", "NOTICE:a: b", "", `100 one@example.com ` + ends + ` {sip 1 one@example.com} {"Event":"NOTICE","text":"a: b"}`},
		{"text old xlog of no call", 86, "<null>", "NOTICE:a", "", `100 <null> ` + ends + ` {"Event":"NOTICE","text":"a"}`},
		{"text mi", 87, "MICORRQQ==", "ul_show:fifo:a,b", "", `87 MICORRQQ== ` + ends + ` {"command":"ul_show","backend":"fifo","parameters":"a,b"}`},
		{"text mi reply", 87, "MICORRQQ==", "200:OK:a:b", "", `87 MICORRQQ== ` + ends + ` {"code":"200","reason":"OK","reply":"a:b"}`},
		{"text mi reply, 3.x", 87, "MICORRQQ==", `{"jsonrpc":"2.0","result":"OK"`, "", `87 MICORRQQ== ` + ends + ` {"reply":"{\"jsonrpc\":\"2.0\",\"result\":\"OK\""}`},
	} {
		p := packet(tt.typ, tt.primary, tt.payload)
		p.Extra = []byte(tt.extra)
		it, drop := decode(t, testDecoder(nil), frame(t, p))
		if got := show(it); drop != DropNone || got != tt.want {
			t.Errorf("%s: %v\n got %s\nwant %s", tt.name, drop, got, tt.want)
		}
		r := &it.Record
		if r.Wall != sent || r.Mono != 77 || r.AgentID != 1 || len(r.Node) != 0 || r.Flags != record.FlagRelayed {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// What others send passes as it is.
func TestAsItCame(t *testing.T) {
	for _, tt := range []struct {
		name    string
		typ     uint8
		payload string
		proto   capture.Protocol
	}{
		{"rtcp of rtpengine", 5, `{ "sender_information":{"packets":5},"ssrc":1,"type":200}`, capture.Unknown},
		{"binary rtcp", 5, "\x80\xc9\x00\x01\x00\x00\x00\x07", capture.RTCP},
		{"report", 34, `{"TYPE":"FINAL","MOS":4.3}`, capture.Unknown},
		{"kamailio's log", 100, "INFO: script: hello", capture.Unknown},
		{"log in JSON of others", 100, "{\n \"msg\": 1 }", capture.Unknown},
		{"isup", 54, `{"cic":1,"opc":2,"dpc":3}`, capture.Unknown},
		{"binary", 9, "\x01\x00\x01\x01\xff\x00", capture.Unknown},
		{"ng", 61, "1_a d7:command4:pinge", capture.Unknown},
		{"sip that is none", 1, "hello", capture.Unknown},
		{"net that is none", 89, "something", capture.Unknown},
		{"rest that is none", 88, "DELETE /x HTTP/1.1:y", capture.Unknown},
		{"mi that is none", 87, "hello: world", capture.Unknown},
	} {
		p := packet(tt.typ, "id", tt.payload)
		p.Node, p.HasVLAN, p.VLAN, p.TOS, p.MOS, p.R, p.Flags = []byte("proxy-1"), true, 7, 0xb8, 430, 90, hep.FlagGap|hep.FlagCut
		it, drop := decode(t, testDecoder(nil), frame(t, p))
		r := &it.Record
		if drop != DropNone || string(r.Payload) != tt.payload || uint8(r.Type) != tt.typ || string(r.Primary) != "id" || it.Message.Protocol != tt.proto {
			t.Errorf("%s: %v, %s", tt.name, drop, show(it))
		}
		if string(r.Node) != "proxy-1" || !r.HasVLAN || r.VLAN != 7 || r.TOS != 0xb8 || r.MOS != 430 || r.R != 90 || r.Flags != record.FlagRelayed|record.FlagGap|record.FlagCut {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
}

// What OpenSIPS sends in its text form as type 100 is told from the lines of
// others by its addresses.
func TestTextLog(t *testing.T) {
	p := packet(100, "one", "ERROR:no route")
	p.Src = p.Dst
	it, _ := decode(t, testDecoder(nil), frame(t, p))
	if got := string(it.Record.Payload); got != `{"Event":"ERROR","text":"no route"}` {
		t.Error(got)
	}
	p.Proto = 17
	if it, _ = decode(t, testDecoder(nil), frame(t, p)); string(it.Record.Payload) != "ERROR:no route" {
		t.Error(show(it))
	}
}

// The delimiter is a setting of OpenSIPS, homer5_delim.
func TestDelimiter(t *testing.T) {
	d := testDecoder(func(o *Options) { o.Delimiter = "##" })
	for in, want := range map[string]string{
		"TLS##/CN=sip:a##/CN=ca##AA:BB##ACCEPTED##SUCCESS##a: b": `{"Protocol":"TLS","subject":"/CN=sip:a","issuer":"/CN=ca","master-key":"***","Event":"ACCEPTED","Status":"SUCCESS","Message":"a: b"}`,
		"TCP##CLOSED##SUCCESS##EOF received":                     `{"Protocol":"TCP","Event":"CLOSED","Status":"SUCCESS","Message":"EOF received"}`,
		"TCP:CLOSED:SUCCESS:EOF received":                        "TCP:CLOSED:SUCCESS:EOF received",
	} {
		if it, drop := decode(t, d, frame(t, packet(89, "1", in))); drop != DropNone || string(it.Record.Payload) != want {
			t.Errorf("%s: %v, %s", in, drop, it.Record.Payload)
		}
	}
}

func TestDrops(t *testing.T) {
	zip := func(b []byte) []byte {
		var g bytes.Buffer
		w := gzip.NewWriter(&g)
		if _, err := w.Write(b); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return g.Bytes()
	}
	compressed := func(b []byte) []byte {
		p := packet(1, "one", "")
		f := frame(t, p)
		f = append(f, 0, 0, 0, 0x10, byte((len(b)+6)>>8), byte(len(b)+6))
		f = append(f, b...)
		f[4], f[5] = byte(len(f)>>8), byte(len(f))
		return f
	}
	withNode := packet(100, "x", "y")
	withNode.AgentID, withNode.Node = 2001, []byte("box")
	sameID := withNode
	sameID.Node = []byte("captagent")
	withKey := packet(100, "x", "y")
	withKey.AuthKey = []byte("secret")
	keyed := func(o *Options) { o.AuthKey = "secret" }
	for _, tt := range []struct {
		name   string
		frame  []byte
		change func(*Options)
		want   Drop
	}{
		{"nothing", nil, nil, DropMalformed},
		{"no HEP", []byte("OPTIONS sip:x SIP/2.0\r\n\r\n"), nil, DropMalformed},
		{"HEP1 cut", []byte{1, 16, 2, 17}, nil, DropMalformed},
		{"our own", frame(t, withNode), nil, DropOwn},
		{"our id, another's name", frame(t, sameID), nil, DropNone},
		{"keep-alive", frame(t, packet(0, "", "x")), nil, DropKeepAlive},
		{"rtp", frame(t, packet(4, "", "x")), nil, DropMedia},
		{"empty", frame(t, packet(1, "one", "")), nil, DropEmpty},
		{"compressed", compressed(zip([]byte(options))), nil, DropNone},
		{"compressed, damaged", compressed([]byte("\x1f\x8bgarbage")), nil, DropInflate},
		{"a bomb", compressed(zip(make([]byte, maxInflated+1))), nil, DropInflate},
		{"no key", frame(t, packet(100, "x", "y")), keyed, DropKey},
		{"key", frame(t, withKey), keyed, DropNone},
		{"another key", frame(t, withKey), func(o *Options) { o.AuthKey = "secret2" }, DropKey},
		{"a key in what cannot be read", frame(t, packet(89, "1", `{"master-key":"00"`)), nil, DropSecret},
		{"TLS text that cannot be read", frame(t, packet(89, "1", "TLS:00AA:WHAT:SUCCESS:x")), nil, DropSecret},
	} {
		if _, got := decode(t, testDecoder(tt.change), tt.frame); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// HEP1 has no time, HEP2 has it in little-endian (facts of sipcapture's hep.c).
func TestLegacy(t *testing.T) {
	head := []byte{1, 16, 2, 17, 0x13, 0xc6, 0x13, 0xc4, 192, 0, 2, 1, 192, 0, 2, 2}
	d := testDecoder(nil)
	it, drop := decode(t, d, append(bytes.Clone(head), options...))
	if drop != DropNone || it.Record.Wall != arrival || it.stamped || show(it) != "1  192.0.2.1:5062>192.0.2.2:5060/17 sip "+options {
		t.Errorf("HEP1: %v, %s at %d", drop, show(it), it.Record.Wall)
	}
	head[0] = 2
	two := append(bytes.Clone(head), 0x63, 0xf1, 0x53, 0x65, 0x20, 0xa1, 0x07, 0x00, 0x2a, 0x00, 0, 0)
	it, drop = decode(t, d, append(two, options...))
	if drop != DropNone || it.Record.Wall != sent || it.Record.AgentID != 42 || string(it.Record.Payload) != options {
		t.Errorf("HEP2: %v, %s at %d, agent %d", drop, show(it), it.Record.Wall, it.Record.AgentID)
	}
	if d.count.legacy.Load() != 2 {
		t.Error("not counted")
	}
}

// OpenSIPS closes a connection with 127.0.0.2 for both ends.
func TestClosedConnection(t *testing.T) {
	d := testDecoder(nil)
	event := func(id, name string, at netip.AddrPort) capture.FiveTuple {
		p := packet(89, id, `{"Protocol":"TCP","Event":"`+name+`","Status":"SUCCESS","Message":"m"}`)
		if at.IsValid() {
			p.Src, p.Dst = at, at
		}
		it, drop := decode(t, d, frame(t, p))
		if drop != DropNone {
			t.Fatal(drop)
		}
		return it.Record.Flow
	}
	nowhere := netip.MustParseAddrPort("127.0.0.2:0")
	open := event("1", "ACCEPTED", netip.AddrPort{})
	if got := event("1", "CLOSED", nowhere); got != open || got.Src != phone {
		t.Errorf("%v", got)
	}
	if got := event("2", "CLOSED", nowhere); got.Src != nowhere {
		t.Errorf("made up: %v", got)
	}
	for i := range 2*maxFlows + 5 {
		event(fmt.Sprint("x", i), "ACCEPTED", netip.AddrPort{})
	}
	if n := len(d.flows.of); n > maxFlows {
		t.Errorf("%d flows are remembered", n)
	}
}

// What a record has no field for is kept as it came: as much as there is room for, and
// nothing with a key in it.
func TestChunks(t *testing.T) {
	const mac = "\x00\x00\x00\x14\x00\x0e\x00\x00\x01\x02\x03\x04\x05\x06"
	const vendors = "\x00\x02\x01\x00\x00\x08ab"
	large := "\x00\x07\x02\x00\x03\xda" + strings.Repeat("x", 980)
	p := packet(100, "1", "text")
	p.TCPFlags = 0x18
	p.Others = []byte(mac + "\x00\x00\x00\x26\x00\x11master-key=" + large + large + vendors + "\x00\x02\x00\x11\x00\x08no")
	d := testDecoder(nil)
	it, drop := decode(t, d, frame(t, p))
	if want := "\x00\x00\x00\x17\x00\x07\x18" + mac + large + vendors; drop != DropNone || string(it.Record.Chunks) != want {
		t.Errorf("%v\n got %q\nwant %q", drop, it.Record.Chunks, want)
	}
	if n, lost := d.count.chunks.Load(), d.count.chunksLost.Load(); n != 3 || lost != 2 {
		t.Errorf("%d kept, %d lost", n, lost)
	}
	if it, _ = decode(t, d, frame(t, packet(100, "1", "text"))); len(it.Record.Chunks) != 0 {
		t.Errorf("the next has %q", it.Record.Chunks)
	}
}

// Whoever says that it is repaired, a master key does not pass.
func TestRelayedSecret(t *testing.T) {
	for in, want := range map[string]string{
		`{ "Protocol":"TLS","master-key":"***"}`: `{ "Protocol":"TLS","master-key":"***"}`,
		`{ "Protocol":"TLS","master-key":"00"}`:  `{"Protocol":"TLS","master-key":"***"}`,
		`{ "a":{"m\u0061ster-key":"00"}}`:        `{"a":"***"}`,
		`{ "master-key":"00"`:                    "",
	} {
		p := packet(89, "1", in)
		p.Flags = hep.FlagRelayed
		it, drop := decode(t, testDecoder(nil), frame(t, p))
		if (drop == DropSecret) != (want == "") || string(it.Record.Payload) != want {
			t.Errorf("%s: %v, %s", in, drop, it.Record.Payload)
		}
	}
}

func TestRESTPorts(t *testing.T) {
	p := packet(88, "RESTCORRx", `{"first_line":"GET / HTTP/1.1"}`)
	p.Dst = netip.AddrPortFrom(proxy.Addr(), 36895) // 8080 in the host's order
	it, _ := decode(t, testDecoder(nil), frame(t, p))
	if got := it.Record.Flow.Dst.Port(); got != 8080 {
		t.Error(got)
	}
	if it, _ = decode(t, testDecoder(func(o *Options) { o.KeepRESTPorts = true }), frame(t, p)); it.Record.Flow.Dst.Port() != 36895 {
		t.Error(it.Record.Flow)
	}
	p.Node = []byte("heptap") // no OpenSIPS has a name
	if it, _ = decode(t, testDecoder(nil), frame(t, p)); it.Record.Flow.Dst.Port() != 36895 {
		t.Error(it.Record.Flow)
	}
	p.Node, p.Flags = nil, hep.FlagRelayed
	if it, _ = decode(t, testDecoder(nil), frame(t, p)); it.Record.Flow.Dst.Port() != 36895 {
		t.Error("repaired twice", it.Record.Flow)
	}
}

func TestExtra(t *testing.T) {
	for _, tt := range []struct{ extra, want string }{
		{`{"sip":["a","b\u0040c"],"net":"1"}`, "[{1 1 0 a} {1 1 0 b@c} {89 1 0 1}]"},
		{`{"sip":"a","sip":"a","what":"b","net":5}`, "[{1 1 0 a}]"},
		{`not JSON`, "[]"},
		{`{"sip":"` + strings.Repeat("x", maxID+1) + `"}`, "[]"},
	} {
		p := packet(100, "x", "y")
		p.Extra = []byte(tt.extra)
		it, drop := decode(t, testDecoder(nil), frame(t, p))
		var got []string
		for _, l := range it.Record.Links {
			got = append(got, fmt.Sprintf("{%d %d %d %s}", l.Type, l.How, l.Score, l.ID))
		}
		if drop != DropNone || fmt.Sprint(got) != tt.want {
			t.Errorf("%.40s: %v, %v", tt.extra, drop, got)
		}
	}
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, `,"%d"`, i)
	}
	p := packet(100, "x", "y")
	p.Extra = []byte(`{"sip":[` + many.String()[1:] + `]}`)
	d := testDecoder(nil)
	if it, _ := decode(t, d, frame(t, p)); len(it.Record.Links) != record.MaxLinks || d.count.ids.Load() != 40-record.MaxLinks {
		t.Errorf("%d links, %d not taken", len(it.Record.Links), d.count.ids.Load())
	}
}

// An address that is missing is not made up, and does no harm.
func TestNoAddress(t *testing.T) {
	v6 := netip.MustParseAddrPort("[2001:db8::1]:5060")
	for _, tt := range []struct {
		src, dst netip.AddrPort
		want     string
	}{
		{netip.AddrPort{}, netip.AddrPort{}, "0.0.0.0:0>0.0.0.0:0"},
		{v6, netip.AddrPort{}, "[2001:db8::1]:5060>[::]:0"},
		{phone, netip.AddrPort{}, "192.0.2.1:5062>0.0.0.0:0"},
	} {
		f := flowOf(tt.src, tt.dst, 17)
		if got := fmt.Sprintf("%v>%v", f.Src, f.Dst); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}

// What comes most often costs no memory but what the item keeps for the next.
func TestAllocs(t *testing.T) {
	d, q := testDecoder(nil), newQueue()
	p := packet(1, "one@example.com", options)
	p.Node, p.Extra = []byte("proxy-1"), []byte(`{"net":"17640947659377874237"}`)
	sip := frame(t, p)
	rtcp := frame(t, packet(5, "one@example.com", `{"ssrc":1}`))
	from := new(peer)
	n := testing.AllocsPerRun(1000, func() {
		for _, b := range [][]byte{sip, rtcp} {
			it := q.item()
			it.peer = from
			if d.decode(b, arrival, it) != DropNone || q.try(it) != DropNone || q.Peek() != it {
				t.Fatal("not taken")
			}
			q.Done()
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	d, q := testDecoder(nil), newQueue()
	sip := frame(b, packet(1, "one@example.com", options))
	from := new(peer)
	b.ReportAllocs()
	for b.Loop() {
		it := q.item()
		it.peer = from
		if d.decode(sip, arrival, it) != DropNone || q.try(it) != DropNone || q.Peek() != it {
			b.Fatal("not taken")
		}
		q.Done()
	}
}

func FuzzDecode(f *testing.F) {
	for _, p := range []hep.Packet{
		packet(1, "a", options), packet(1, "a", `{"payload":`+quoted(options)+`}`), packet(89, "1", "TLS:/CN=a:/CN=b:00:ACCEPTED:SUCCESS:x"),
		packet(89, "1", `{"Protocol":"TLS","master-key":"00","Event":"CLOSED","Event":"x"}`), packet(88, "a", "GET / HTTP/1.1:x"),
		packet(87, "a", "ps:fifo:x"), packet(86, "a", "INFO:x"), packet(5, "a", "\x80\xc9\x00\x01\x00\x00\x00\x07"),
	} {
		p.Extra = []byte(`{"sip":["x","y"],"net":"1"}`)
		f.Add(p.Type, p.Payload, p.Extra, p.Correlation)
	}
	f.Fuzz(func(t *testing.T, typ uint8, payload, extra, primary []byte) {
		p := packet(typ, string(primary), string(payload))
		p.Extra = extra
		b, err := p.AppendBinary(nil)
		if err != nil {
			return
		}
		d := testDecoder(nil)
		it, drop := decode(t, d, b)
		if drop != DropNone {
			return
		}
		r := &it.Record
		if len(r.Links) > record.MaxLinks || r.Flags&record.FlagRelayed == 0 || !r.Flow.Src.IsValid() || !r.Flow.Dst.IsValid() {
			t.Fatalf("%+v", r)
		}
		if typ == 89 && !bytes.Equal(r.Payload, payload) && !json.Valid(r.Payload) {
			t.Fatalf("%q became %q", payload, r.Payload)
		}
		// No repair undoes another: what leaves the box passes the next one as it is.
		again := packet(uint8(r.Type), string(r.Primary), string(r.Payload))
		again.Flags, again.Node = hep.FlagRelayed, []byte("other")
		if b, err = again.AppendBinary(nil); err != nil || len(r.Payload) == 0 {
			return
		}
		if second, drop := decode(t, d, b); drop != DropNone || r.Type != record.SIP && !bytes.Equal(second.Record.Payload, r.Payload) {
			t.Fatalf("%v: %q became %q", drop, r.Payload, second.Record.Payload)
		}
	})
}

// FuzzSecret looks for a master key that gets through, in whatever text it is put.
func FuzzSecret(f *testing.F) {
	f.Add("TLS:/CN=a:/CN=b:", ":ACCEPTED:SUCCESS:ok")
	f.Add(`{"Protocol":"TLS","master-key":"`, `","Event":"ACCEPTED"}`)
	f.Add("{\"a\":1,\"master\\u002dkey\": \"", "\"}")
	f.Fuzz(func(t *testing.T, before, after string) {
		const key = "6BADC0DE6BADC0DE"
		object := strings.HasSuffix(before, `"master-key":"`) && strings.HasPrefix(after, `"`)
		text := strings.HasPrefix(before, "TLS:") && strings.Count(before, ":") == 1 && strings.HasPrefix(after, ":ACCEPTED:SUCCESS:")
		if !object && !text {
			return
		}
		p := packet(89, "1", before+key+after)
		b, err := p.AppendBinary(nil)
		if err != nil {
			return
		}
		it, drop := decode(t, testDecoder(nil), b)
		if drop == DropNone && bytes.Contains(it.Record.Payload, []byte(key)) {
			t.Fatalf("%q", it.Record.Payload)
		}
	})
}

func TestScan(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "[]", ` { "a" : "b" , "c":[1,{"d":"}"}] } `: "[a=b c=[1,{\"d\":\"}\"}]]", `{"a":1}`: "[a=1]", `{"a":true,"a":null}`: "[a=true a=null]",
	} {
		ms, ok := scan(nil, []byte(text))
		var got []string
		for _, m := range ms {
			got = append(got, string(m.key)+"="+string(m.value))
		}
		if !ok || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v", text, ok, got)
		}
		for n := range strings.TrimSpace(text) {
			if _, ok := scan(nil, []byte(strings.TrimSpace(text)[:n])); ok {
				t.Errorf("%s: %d octets of it are an object", text, n)
			}
		}
	}
	for _, text := range []string{"", "[]", "x", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1}x`, `{a:1}`, `{"a":tru}`, `{"a":"b}`, "{\"a\":1}\x00"} {
		if _, ok := scan(nil, []byte(text)); ok {
			t.Errorf("%q is an object", text)
		}
	}
	if _, ok := scan(nil, []byte("{"+strings.Repeat(`"a":1,`, maxMembers)+`"a":1}`)); ok {
		t.Error("no end of members")
	}
}

func TestUnescape(t *testing.T) {
	for text, want := range map[string]string{
		`a\"\\\/\b\f\n\r\t`: "a\"\\/\b\f\n\r\t", `\u0041\u00e9`: "Aé", `\ud83d\ude00`: "😀", `\ud83dx`: "\ufffdx", `\u12`: `\u12`, `\q\`: `\q\`, "\xff": "\xff",
	} {
		if got := string(unescape(nil, []byte(text))); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"a":"b","c":[1,{"d":"}"}],"e":"\u0041"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ms, ok := scan(nil, b)
		if json.Valid(b) && bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) && !ok && len(ms) < maxMembers {
			t.Fatalf("%q is an object", b)
		}
		if !ok {
			return
		}
		var o object
		o.begin()
		for _, m := range ms {
			o.name(unescape(nil, m.key))
			if m.text {
				o.b = appendQuoted(o.b, unescape(nil, m.value))
			} else {
				o.b = append(o.b, m.value...)
			}
		}
		if out := o.end(); !json.Valid(out) {
			t.Fatalf("%q was written as %q", b, out)
		}
	})
}

// TestDecoderLetsGo has a connection send the largest there is, once: what is made
// of it belongs to the item, and its decoder is as small as before.
func TestDecoderLetsGo(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(`{"text":"` + strings.Repeat("\xff", maxInflated-100) + `"}`)); err != nil {
		t.Fatal(err)
	}
	z.Close()
	f := frame(t, packet(100, "1", ""))
	f = append(append(f, 0, 0, 0, 0x10, byte((packed.Len()+6)>>8), byte(packed.Len()+6)), packed.Bytes()...)
	f[4], f[5] = byte(len(f)>>8), byte(len(f))
	d := testDecoder(nil)
	it, drop := decode(t, d, f)
	if drop != DropNone || len(it.Record.Payload) < maxInflated {
		t.Fatalf("%v, %d octets", drop, len(it.Record.Payload))
	}
	if n := cap(d.head) + cap(d.text) + cap(d.object.b); n > 3*keptScratch {
		t.Errorf("the decoder keeps %d octets", n)
	}
}

const sdes = "v=0\r\nm=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:geheim|2^20|1:4\r\n"

// TestNGSecrets has rtpengine send its control protocol as it does, cookie and
// dictionary, under the type that it has when nobody chooses one, and under another.
// The keys are gone, the lengths are right, and the call is named; a heptap in
// between that does not know of this changes nothing.
func TestNGSecrets(t *testing.T) {
	in := fmt.Sprintf("5_7 d7:call-id5:c@one7:command5:offer8:passwordd1:ai17e1:bl6:geheimee3:sdp%d:%se", len(sdes), sdes)
	want := fmt.Sprintf("5_7 d7:call-id5:c@one7:command5:offer8:passwordd1:ai11e1:bl6:******ee3:sdp%d:%se", len(sdes), strings.Replace(sdes, "geheim", "******", 1))
	cut := "5_7 d7:call-id5:c@one7:command5:offer8:password9:gehei"
	for _, typ := range []uint8{61, 201} {
		for _, flags := range []uint16{0, hep.FlagRelayed} {
			for in, want := range map[string]string{in: want, cut: strings.Replace(cut, "9:gehei", "*******", 1)} {
				p := packet(typ, "c@one", in)
				p.Flags = flags
				it, drop := decode(t, testDecoder(nil), frame(t, p))
				r := &it.Record
				if drop != DropNone || string(r.Payload) != want {
					t.Errorf("%v\n got %q\nwant %q", drop, r.Payload, want)
				}
				if len(r.Links) != 1 || r.Links[0].Type != record.SIP || string(r.Links[0].ID) != "c@one" || r.Links[0].How != record.Seen {
					t.Errorf("links %+v", r.Links)
				}
			}
		}
	}
}

// TestSecrets has agents send what they should not: in either form of OpenSIPS, and
// as anybody may send it.
func TestSecrets(t *testing.T) {
	for _, tt := range []struct {
		typ      uint8
		in, want string
	}{
		{87, `{"command":"reg_add","backend":"http","parameters":"user=a, password=geheim"}`, `{"command":"reg_add","backend":"http","parameters":"user=a, password=***"}`},
		{87, `{"code":200,"reason":"OK","reply":"{\"secret\":\"geheim\",\"a\":1}"}`, `{"code":200,"reason":"OK","reply":"{\"secret\":\"***\",\"a\":1}"}`},
		{87, "reg_add:fifo:password=geheim", `{"command":"reg_add","backend":"fifo","parameters":"password=***"}`},
		{87, "200:OK:token: geheim", `{"code":"200","reason":"OK","reply":"token: ***"}`},
		{87, `{"result":{"password":"geheim"}}`, `{"reply":"{\"result\":{\"password\":\"***\"}}"}`},
		{87, "what is password=geheim", "what is password=***"},
		{88, "what is password=geheim", "what is password=***"},
		{100, `{"Event":"INFO","text":"Authorization: Basic geheim"}`, `{"Event":"INFO","text":"Authorization: ***"}`},
		{100, "<13>sbc app: a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:geheim|2^20", "<13>sbc app: a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^20"},
		{100, `{"x":{"password":"geheim"}}`, `{"x":{"password":"***"}}`},
		{35, `{"TYPE":"FINAL","x":{"master-key":"AABB"}}`, `{"TYPE":"FINAL","x":{"master-key":"***"}}`},
		{87, `{"command":"reg_add","password":"geheim","pin":1234,"x":[{"token":"geheim"}]}`, `{"command":"reg_add","password":"***","pin":"***","x":[{"token":"***"}]}`},
		{3, sdes, strings.Replace(sdes, "geheim", "***", 1)},
		{60, `{"sdp":"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:ge\\/heim|2^20\r\nk=base64:geheim\r\na=mid:1"}`, `{"sdp":"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^20\r\nk=***\r\na=mid:1"}`},
		{61, `1_a {"sdp":"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:geheim"}`, `1_a {"sdp":"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***"}`},
		{61, "1_a d7:command4:ping3:sdp", "1_a d7:command4:ping3:sdp"},
		{86, "INFO:sip:a:geheim@b", `{"Event":"INFO","text":"sip:a:***@b"}`},
	} {
		it, drop := decode(t, testDecoder(nil), frame(t, packet(tt.typ, "1", tt.in)))
		if got := string(it.Record.Payload); drop != DropNone || got != tt.want {
			t.Errorf("type %d %s:\n got %s\nwant %s", tt.typ, tt.in, got, tt.want)
		}
	}
}
