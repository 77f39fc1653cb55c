package mi_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"heptap/capture/mi"
)

func show(r mi.Request) string {
	s := strings.TrimPrefix(showRequest(&r), "> 0 ")
	for i := range r.Batch {
		s += " | " + strings.TrimPrefix(showRequest(&r.Batch[i]), "> 0 ")
	}
	if r.More > 0 {
		s += fmt.Sprintf(" +%d", r.More)
	}
	return s
}

func showAll(r mi.Reply) string {
	s := strings.TrimPrefix(showReply(&r), "< 0 ")
	for i := range r.Batch {
		s += " | " + strings.TrimPrefix(showReply(&r.Batch[i]), "< 0 ")
	}
	if r.More > 0 {
		s += fmt.Sprintf(" +%d", r.More)
	}
	return s
}

// The examples are those of the documentation of mi_datagram (2.4 and 3.x), and
// what Kamailio 5.6.3 was sent and answered, but for those with secrets.
var datagrams = []struct {
	text    string
	backend mi.Backend
	request string
	reply   string // of the platform, to be read with the request's tag
	want    string
}{
	{`{"jsonrpc":"2.0","method":"get_statistics","id":"1065","params":["dialog:","tm:"]}`, mi.OpenSIPS,
		`opensips-mi/datagram id=1065 user=  get_statistics "[\"dialog:\",\"tm:\"]"`,
		`{"jsonrpc":"2.0","result":{"dialog:active_dialogs":"0"},"id":"1065"}`,
		`opensips-mi/datagram id=1065 0 "" "{\"dialog:active_dialogs\":\"0\"}" ok`},
	{`{"jsonrpc":"2.0","method":"core.echo","params":["a",1],"id":7}`, mi.Kamailio,
		`kamailio-rpc/datagram id=7 user=  core.echo "[\"a\",1]"`,
		"{\n\t\"jsonrpc\":\t\"2.0\",\n\t\"result\":\t[\"a\", \"1\"],\n\t\"id\":\t7\n}",
		`kamailio-rpc/datagram id=7 0 "" "[\"a\", \"1\"]" ok`},
	{`{"jsonrpc":"2.0","method":"no.such","id":"x"}`, mi.Kamailio,
		`kamailio-rpc/datagram id=x user=  no.such ""`,
		"{\n\t\"jsonrpc\":\t\"2.0\",\n\t\"error\":\t{\n\t\t\"code\":\t500,\n\t\t\"message\":\t\"Method Not Found\"\n\t},\n\t\"id\":\t\"x\"\n}",
		`kamailio-rpc/datagram id=x 500 "Method Not Found" "{\n\t\t\"code\":\t500,\n\t\t\"message\":\t\"Method Not Found\"\n\t}"`},
	{`{"jsonrpc":"2.0","method":"uac.reg_add","params":["l","u","d","ru","rd","r","au","hunter2"],"id":1}`, mi.Kamailio,
		`kamailio-rpc/datagram id=1 user=  uac.reg_add "***" secret`,
		`{"jsonrpc":"2.0","error":{"code":500,"message":"hunter2"},"id":1}`,
		`kamailio-rpc/datagram id=1 500 "" "***" hidden`},
	{`{"params":{"user":"bob","auth_password":"hunter2"},"method":"x_add","jsonrpc":"2.0"}`, mi.OpenSIPS,
		`opensips-mi/datagram id= user=  x_add "{\"user\":\"bob\",\"auth_password\":\"***\"}" noreply`,
		"Internal error\n",
		`opensips-mi/datagram id= 0 "Internal error" ""`},
	{`{"jsonrpc":"2.0","method":"cache_store","params":["local","passwd_bob","hunter2"],"id":1}`, mi.OpenSIPS,
		`opensips-mi/datagram id=1 user=  cache_store "***" secret`,
		`{"jsonrpc":"2.0","result":"OK","id":1}`,
		`opensips-mi/datagram id=1 0 "" "***" ok hidden`},
	{`[{"jsonrpc":"2.0","method":"core.version","id":1},{"jsonrpc":"2.0","method":"core.uptime","id":2}]`, mi.Kamailio,
		`kamailio-rpc/datagram id=1 user=  core.version "" | kamailio-rpc/datagram id=2 user=  core.uptime ""`,
		`[{"jsonrpc":"2.0","result":"v","id":1},{"jsonrpc":"2.0","result":3,"id":2}]`,
		`kamailio-rpc/datagram id=1 0 "" "\"v\"" ok | kamailio-rpc/datagram id=2 0 "" "3" ok`},
	{":get_statistics:\ndialog:\ntm:\n", mi.OpenSIPS,
		`opensips-mi/datagram id= user=  get_statistics "dialog:\ntm:"`,
		"200 OK\ndialog:active_dialogs = 0\ndialog:early_dialogs = 0\n",
		`opensips-mi/datagram id= 200 "OK" "dialog:active_dialogs = 0\ndialog:early_dialogs = 0" ok`},
	{":ul_show_contact:reply_fifo\nlocation\nbob@example.org\n", mi.OpenSIPS,
		`opensips-mi/datagram id= user=  ul_show_contact "location\nbob@example.org"`,
		"404 AOR not found\n\x00",
		`opensips-mi/datagram id= 404 "AOR not found" ""`},
	{":x_add:\nuser::bob\npassword::\"hunter2\"\n", mi.OpenSIPS,
		`opensips-mi/datagram id= user=  x_add "user::bob\npassword:***"`,
		"200 OK\nAOR:: bob ha1=hunter2\n\tpassword:: hunter2\n\tcontact:: sip:bob@[2001:db8::1]\n",
		`opensips-mi/datagram id= 200 "OK" "AOR:: bob ha1=***\n\tpassword:***\n\tcontact:: sip:bob@[2001:db8::1]" ok`},
	{"\xa1\x03\x13\x058\x18\x90\x91\x0bhtable.get\x00!a\x00!x\x00", mi.Kamailio,
		`kamailio-rpc/binrpc id=5381890 user=  htable.get "[\"a\",\"x\"]"`,
		"\xa1\x136J\x75\xdc\x8a \x01\xf4\x911Not enough parameters (htable name and key name)\x00",
		`kamailio-rpc/binrpc id=4a75dc8a 0 "" "[500,\"Not enough parameters (htable name and key name)\"]" ok`},
}

func TestDatagrams(t *testing.T) {
	for _, x := range datagrams {
		b := []byte(x.text)
		if got, ok := mi.IsDatagram(b); !ok || got != x.backend {
			t.Errorf("%q: %v %v", x.text, got, ok)
		}
		r, ok := mi.DatagramRequest(b)
		if got := show(r); !ok || got != x.request {
			t.Errorf("%q: got\n%s\nwant\n%s", x.text, got, x.request)
		}
		reply, ok := mi.DatagramReply(r.Tag(), []byte(x.reply))
		if got := showAll(reply); !ok || got != x.want {
			t.Errorf("%q: got\n%s\nwant\n%s", x.reply, got, x.want)
		}
		if reply, ok := mi.DatagramReply(mi.Tag{}, []byte(x.reply)); ok && (!reply.Hidden || reply.Output != "" && reply.Output != "***" || reply.Word != "") {
			t.Errorf("%q without a request: %s", x.reply, showAll(reply))
		}
		if n := testing.AllocsPerRun(10, func() { mi.IsDatagram(b) }); n != 0 {
			t.Errorf("%q: %v allocations", x.text, n)
		}
		// Cut at any length neither request nor reply may tell more.
		for k := range b {
			if r, ok := mi.DatagramRequest(b[:k]); ok && strings.Contains(show(r), "hunter2") {
				t.Errorf("%q: %s", b[:k], show(r))
			}
		}
		for k := range x.reply {
			if r, ok := mi.DatagramReply(r.Tag(), []byte(x.reply[:k])); ok && strings.Contains(showAll(r), "hunter2") {
				t.Errorf("%q: %s", x.reply[:k], showAll(r))
			}
		}
	}
}

func TestIsDatagramReply(t *testing.T) {
	for text, want := range map[string]mi.Backend{
		`{"jsonrpc":"2.0","result":[],"id":1}`:                                mi.AnyRPC,
		`{"jsonrpc":"2.0","error":{"code":-32601,"message":"no"},"id":1}`:     mi.AnyRPC,
		"\xa1\x13!g\x19Y\xf4\x91\x1fkamailio 5.6.3 (x86_64/linux) \x00":       mi.Kamailio,
		"\xa13\x1e\x11\xb2`\x02 \x01\xf4\x91\x19command nosuch not found\x00": mi.Kamailio,
		"\xa1\x10\x02\x01\x10\x07":                                            mi.Kamailio,
		"\xa1\x10\x00\x01":                                                    0, // an empty reply: nothing to tell it by
		"\xa1\x13!g\x19Y\xf4\x91\x1fkamailio 5.6.3 (x86_64/linux) \x00\x00":   0,
		"\xa1\x13 g\x19Y\xf4\x91\x1fkamailio 5.6.3 (x86_64/linux) \x00":       0,
		"\xa1\x03\x02\x00\x00\x00\x01\x10\x07":                                0, // no command
		"\x81\x03\x0fg\x19Y\xf4\x91\rcore.version\x00":                        0,
		"200 OK\n":                                0,
		`{"jsonrpc":"1.0","method":"x","id":1}`:   0,
		`{"method":"x","id":1}`:                   0,
		`{"jsonrpc":"2.0","method":"a b","id":1}`: 0,
		`{"jsonrpc":"2.0","method":7,"id":1}`:     0,
		`{"jsonrpc":"2.0","id":1}`:                0,
		`{"jsonrpc":"2.0","method":"x"]`:          0,
		`[]`:                                      0,
		`[1,2,3]`:                                 0,
		`["jsonrpc"]`:                             0,
		":a b:\n":                                 0,
		":ab\n":                                   0,
		"::\n\n":                                  0,
		":ab:\n\x01\x02\n":                        0,
		`{"t":{` + strings.Repeat(`"a":{`, 40):    0,
		"{\"jsonrpc\":\"2.0\",\"result\":" + strings.Repeat("[", 33):             0,
		"INVITE sip:a SIP/2.0\r\n":                                               0,
		"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe":               0,
		"5323_1 d7:command4:pinge":                                               0,
		`{"jsonrpc":"2.0","result":1,"method":"x","id":1}`:                       0,
		`{"jsonrpc":"2.0","method":"` + strings.Repeat("x", 129) + `","id":1}`:   0,
		`{"jsonrpc":"2.0","method":"x","params":["` + strings.Repeat("y", 1<<15): mi.OpenSIPS, // cut by the capture
	} {
		if got, ok := mi.IsDatagram([]byte(text)); got != want || ok != (want != 0) {
			t.Errorf("%.60q: %v %v, want %v", text, got, ok, want)
		}
	}
}

func TestBounds(t *testing.T) {
	one := `{"jsonrpc":"2.0","method":"ps","params":["é` + strings.Repeat("a", 2000) + `"],"id":"` + strings.Repeat("b", 100) + `"}`
	r, ok := mi.DatagramRequest([]byte("[" + strings.Repeat(one+",", 19) + one + "]"))
	if !ok || len(r.Batch) != mi.MaxBatch-1 || r.More != 4 || len(r.Params) != mi.MaxParams || !r.Cut || len(r.ID) != 64 {
		t.Errorf("%v %d %d %d %v %d", ok, len(r.Batch), r.More, len(r.Params), r.Cut, len(r.ID))
	}
	reply := `{"jsonrpc":"2.0","result":"` + strings.Repeat("é", 1500) + `","id":1}`
	p, ok := mi.DatagramReply(r.Tag(), []byte("["+strings.Repeat(reply+",", 16)+reply+"]"))
	if !ok || len(p.Batch) != mi.MaxBatch-1 || p.More != 1 || len(p.Output) != mi.MaxOutput-1 || !p.Cut {
		t.Errorf("%v %d %d %d %v", ok, len(p.Batch), p.More, len(p.Output), p.Cut)
	}
}

const (
	xmlCall = `<?xml version='1.0'?>
<methodCall>
        <methodName>get_statistics</methodName>
        <params>
                <param>
                        <value><string>net:</string></value>
                </param>
                <param>
                        <value>uri&amp;&#x3a;</value>
                </param>
        </params>
</methodCall>`
	xmlAnswer = `<?xml version="1.0" encoding="UTF-8"?><methodResponse><params><param><value><string>
:: net:waiting_udp = 0
:: uri:negative_checks = 0
</string></value></param></params></methodResponse>`
	xmlFault = `<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>404</int></value></member>
<member><name>faultString</name><value><string>AOR not found</string></value></member></struct></value></fault></methodResponse>`
	xmlStruct = `<methodResponse><params><param><value><struct>
<member><name>auth_password</name><value><string>hunter2</string></value></member>
<member><name>n</name><value><array><data><value><i4>-7</i4></value><value/><value><nil/></value><value><double>0.5</double></value></data></array></value></member>
</struct></value></param></params></methodResponse>`
	page = `<html><body><table><tr><td><pre>net:waiting_udp = 0<br>
ha1 = hunter2<br>
</pre></td></tr></table></body></html>`
)

var exchanges = []struct {
	method, target, contentType, body string
	want                              string // empty: no command
	status                            int
	replyType, reply, wantReply       string
}{
	{"POST", "/mi", "application/json", `{"jsonrpc":"2.0","method":"ul_dump","id":1}`,
		`opensips-mi/json id=1 user=  ul_dump ""`,
		200, "application/json", `{"jsonrpc":"2.0","result":{"Domains":[{"password":"hunter2"}]},"id":1}`,
		`opensips-mi/json id=1 0 "" "{\"Domains\":[{\"password\":\"***\"}]}" ok`},
	{"POST", "/RPC", "application/json", `{"jsonrpc":"2.0","method":"core.version","id":1}`,
		`kamailio-rpc/json id=1 user=  core.version ""`,
		200, "application/json", "{\n\t\"jsonrpc\":\t\"2.0\",\n\t\"result\":\t\"kamailio 5.6.3 (x86_64/linux) \",\n\t\"id\":\t1\n}",
		`kamailio-rpc/json id=1 0 "" "\"kamailio 5.6.3 (x86_64/linux) \"" ok`},
	{"POST", "/api/v1", "application/json", `{"jsonrpc":"2.0","method":"get_balance","id":1}`,
		`rpc/json id=1 user=  get_balance ""`,
		502, "text/html", `<h1>Bad Gateway</h1>`, `rpc/json id= 502 "" "<h1>Bad Gateway</h1>"`},
	{"GET", "/json/get_statistics?params=net%3A%2Curi%3A", "", "",
		`opensips-mi/json id= user=  get_statistics "net:,uri:"`,
		200, "application/json", `["net:waiting_udp = 0", "net:waiting_tcp = 0"]`,
		`opensips-mi/json id= 200 "" "[\"net:waiting_udp = 0\", \"net:waiting_tcp = 0\"]" ok`},
	{"GET", "/json/ps", "", "", `opensips-mi/json id= user=  ps ""`, 500, "", "", `opensips-mi/json id= 500 "" ""`},
	{"GET", "/mi/statistics/get_statistics?arg=net%3A+uri%3A", "", "",
		`opensips-mi/http id= user=  get_statistics "net: uri:"`,
		200, "text/html", page, `opensips-mi/http id= 200 "" "net:waiting_udp = 0\nha1 = ***" ok`},
	{"POST", "/mi/uac/x_add", "application/x-www-form-urlencoded", "arg=user+password%3Dhunter2&b=c",
		`opensips-mi/http id= user=  x_add "user password=***"`, 200, "", "", `opensips-mi/http id= 200 "" "" ok`},
	{"POST", "/RPC2", "text/xml", xmlCall, `opensips-mi/xmlrpc id= user=  get_statistics "[\"net:\",\"uri&:\"]"`,
		200, "text/xml", xmlAnswer, `opensips-mi/xmlrpc id= 0 "" "\"\\n:: net:waiting_udp = 0\\n:: uri:negative_checks = 0\\n\"" ok`},
	{"POST", "/RPC2", "text/xml", strings.ReplaceAll(xmlCall, "get_statistics", "stats.get_statistics"),
		`kamailio-rpc/xmlrpc id= user=  stats.get_statistics "[\"net:\",\"uri&:\"]"`,
		200, "text/xml", xmlFault, `kamailio-rpc/xmlrpc id= 404 "AOR not found" "{\"faultCode\":404,\"faultString\":\"AOR not found\"}"`},
	{"POST", "/RPC2", "text/xml", `<methodCall><methodName>uac.reg_dump</methodName></methodCall>`,
		`kamailio-rpc/xmlrpc id= user=  uac.reg_dump ""`,
		200, "text/xml", xmlStruct, `kamailio-rpc/xmlrpc id= 0 "" "{\"auth_password\":\"***\",\"n\":[-7,\"\",null,0.5]}" ok`},
	{"POST", "/RPC2", "text/xml", `<methodCall><methodName>freeswitch.api</methodName><params><param><value>status</value></param><param><value></value></param></params></methodCall>`,
		`freeswitch-esl/xmlrpc id= user= api status "[\"\"]"`,
		200, "text/xml", xmlAnswer, `freeswitch-esl/xmlrpc id= 0 "" "\"\\n:: net:waiting_udp = 0\\n:: uri:negative_checks = 0\\n\"" ok`},
	{"POST", "/RPC2", "text/xml", `<methodCall><methodName>freeswitch.api</methodName><params><param><value>user_data</value></param><param><value>1 param password</value></param></params></methodCall>`,
		`freeswitch-esl/xmlrpc id= user= api user_data "***" secret`, 200, "text/xml", xmlAnswer, `freeswitch-esl/xmlrpc id= 0 "" "***" ok hidden`},
	{"GET", "/", "", "", "", 0, "", "", ""},
	{"GET", "/mi", "", "", "", 0, "", "", ""},
	{"GET", "/mi/statistics", "", "", "", 0, "", "", ""},
	{"GET", "/json/a/b", "", "", "", 0, "", "", ""},
	{"GET", "/json/", "", "", "", 0, "", "", ""},
	{"POST", "/mi", "application/json", `{"method":"x"}`, "", 0, "", "", ""},
	{"POST", "/mi", "application/json", `{"jsonrpc":"2.0","result":1,"id":1}`, "", 0, "", "", ""},
	{"POST", "/RPC2", "text/xml", `<methodResponse/>`, "", 0, "", "", ""},
	{"POST", "/RPC2", "text/xml", `<methodCall><methodName>a b</methodName></methodCall>`, "", 0, "", "", ""},
	{"PUT", "/mi", "application/json", `{"jsonrpc":"2.0","method":"x","id":1}`, "", 0, "", "", ""},
}

func TestHTTP(t *testing.T) {
	for _, x := range exchanges {
		r, ok := mi.HTTPRequest([]byte(x.method), []byte(x.target), []byte(x.contentType), []byte(x.body))
		if !ok {
			if x.want != "" {
				t.Errorf("%s %s: no command", x.method, x.target)
			}
			continue
		}
		if got := show(r); got != x.want {
			t.Errorf("%s %s: got\n%s\nwant\n%s", x.method, x.target, got, x.want)
		}
		reply, ok := mi.HTTPReply(r.Tag(), x.status, []byte(x.replyType), []byte(x.reply))
		if got := showAll(reply); !ok || got != x.wantReply {
			t.Errorf("reply to %s %s: got\n%s\nwant\n%s", x.method, x.target, got, x.wantReply)
		}
		for k := range x.body {
			if r, ok := mi.HTTPRequest([]byte(x.method), []byte(x.target), []byte(x.contentType), []byte(x.body[:k])); ok && strings.Contains(show(r), "hunter2") {
				t.Errorf("%q: %s", x.body[:k], show(r))
			}
		}
		for k := range x.reply {
			if p, _ := mi.HTTPReply(r.Tag(), x.status, []byte(x.replyType), []byte(x.reply[:k])); strings.Contains(showAll(p), "hunter2") {
				t.Errorf("%q: %s", x.reply[:k], showAll(p))
			}
		}
	}
	if _, ok := mi.HTTPReply(mi.Tag{}, 200, nil, []byte("x")); ok {
		t.Error("a reply without a request")
	}
}

// TestSecrets sends the same secret in every way that a command may be sent.
func TestSecrets(t *testing.T) {
	for _, params := range []string{
		`["password","hunter2"]`, `["x","SIP_PASSWORD","hunter2"]`, `["password=hunter2"]`, `["Authorization: Digest response=hunter2"]`,
		`{"password":"hunter2"}`, `{"p\u0061ssword":"hunter2"}`, `{"key":"secret","value":"hunter2"}`, `{"a":{"ha1":"hunter2"}}`,
		`["p\u0061ssword","hunter2"]`, `["set password hunter2"]`, `["sip:bob:hunter2@example.org"]`,
	} {
		body := `{"jsonrpc":"2.0","method":"a_b","params":` + params + `,"id":1}`
		r, ok := mi.DatagramRequest([]byte(body))
		if !ok || strings.Contains(show(r), "hunter2") {
			t.Errorf("%s: %v %s", body, ok, show(r))
		}
	}
	for _, arg := range []string{"bob password hunter2", "password=hunter2", "password hunter2", "ha1: hunter2", "a,password,hunter2"} {
		if r, ok := mi.HTTPRequest([]byte("GET"), []byte("/mi/m/c?arg="+url.QueryEscape(arg)), nil, nil); !ok || strings.Contains(show(r), "hunter2") {
			t.Errorf("%s: %v %s", arg, ok, show(r))
		}
		if r, ok := mi.DatagramRequest([]byte(":c:\n" + arg + "\n")); !ok || strings.Contains(show(r), "hunter2") {
			t.Errorf("%s: %v %s", arg, ok, show(r))
		}
		l := &log{}
		c := mi.NewConn(mi.ESL, l)
		c.Write(0, []byte("bgapi x "+arg+"\n\nsendmsg\nexecute-app-arg: "+arg+"\n\nsendevent CUSTOM\ncontent-length: 30\n\n"+fmt.Sprintf("%30s", arg)))
		if all := fmt.Sprint(l.lines); len(l.lines) != 3 || strings.Contains(all, "hunter2") {
			t.Errorf("%s: %s", arg, all)
		}
		l = &log{}
		c = mi.NewConn(mi.AMI, l)
		c.Write(0, []byte("Action: X\r\nVariable: "+arg+"\r\n\r\nAction: Command\r\nCommand: "+arg+"\r\n\r\n"))
		if all := fmt.Sprint(l.lines); len(l.lines) != 2 || strings.Contains(all, "hunter2") {
			t.Errorf("%s: %s", arg, all)
		}
	}
}

func TestFilter(t *testing.T) {
	for _, x := range []struct {
		text       string
		pass, stop string
	}{
		{"", "ul_dump core.version", ""},
		{"w: dr_reload,ds_reload , lb_reload", "dr_reload ds_reload lb_reload", "ul_dump DR_RELOAD dr_reload2"},
		{"B:ul_dump, core.*", "dr_reload core UL_DUMP", "ul_dump core.version core."},
		{"w:*", "a b", ""},
		{" b : sip_trace ", "ps", "sip_trace"},
		{"w: statistics:get", "statistics:get", "get"},
	} {
		f, err := mi.ParseFilter(x.text)
		if err != nil {
			t.Errorf("%q: %v", x.text, err)
		}
		for _, c := range strings.Fields(x.pass) {
			if !f.Pass(c) {
				t.Errorf("%q stops %s", x.text, c)
			}
		}
		for _, c := range strings.Fields(x.stop) {
			if f.Pass(c) {
				t.Errorf("%q passes %s", x.text, c)
			}
		}
	}
	for text, want := range map[string]error{
		"dr_reload": mi.ErrFilterKind, "x: a": mi.ErrFilterKind, ": a": mi.ErrFilterKind, "w:": mi.ErrFilterName, "w: a,,b": mi.ErrFilterName,
		"w: a b": mi.ErrFilterName, "w: a*b": mi.ErrFilterName, "b: **": mi.ErrFilterName, "w:" + strings.Repeat("a,", 300): mi.ErrFilterSize,
		"w: " + strings.Repeat("a", 129): mi.ErrFilterName,
	} {
		if f, err := mi.ParseFilter(text); !errors.Is(err, want) || !f.Pass("any") {
			t.Errorf("%.30q: %v, want %v", text, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	for v, want := range map[fmt.Stringer]string{mi.NoBackend: "none", mi.OpenSIPS: "opensips-mi", mi.Kamailio: "kamailio-rpc", mi.FreeSWITCH: "freeswitch-esl",
		mi.Asterisk: "asterisk-ami", mi.AnyRPC: "rpc", mi.Backend(99): "invalid", mi.NoTransport: "none", mi.JSON: "json", mi.HTML: "http", mi.XMLRPC: "xmlrpc",
		mi.Datagram: "datagram", mi.BinRPC: "binrpc", mi.ESL: "esl", mi.AMI: "ami", mi.Transport(99): "invalid"} {
		if v.String() != want {
			t.Errorf("%q, want %q", v, want)
		}
	}
}
