package syslog_test

import (
	"fmt"
	"strings"
	"testing"

	"heptap/capture/syslog"
)

// tokens writes down what is found in a line; "!" is in front of what is named, and "!!"
// of what is so by one of keys.
func tokens(line []byte, keys ...string) string {
	var out []string
	syslog.Tokens(line, syslog.NewKeys(keys), func(t syslog.Token) bool {
		s := string(t.Value)
		if t.Key != nil {
			s = string(t.Key) + "=" + s
		}
		if t.Named {
			s = "!" + s
		}
		if t.Keyed {
			s = "!" + s
		}
		out = append(out, s+[]string{"", "@", "(uuid)", "(asterisk)"}[t.Kind])
		return true
	})
	return strings.Join(out, " ")
}

func TestTokens(t *testing.T) {
	const uuid = "6c1c5f5a-9a0e-4b9e-8c0a-0123456789ab"
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"words", "INVITE failed with 503 after 3 tries", ""},
		{"header", "Call-ID: abc@10.77.0.1 answered", "!Call-ID=abc@10.77.0.1@"},
		{"header without a space", "Call-ID:abc@10.77.0.1, CSeq: 1", "!Call-ID=abc@10.77.0.1@"},
		{"space only", "Dialog with Call-ID a84b4c76e66710 gone", "!Call-ID=a84b4c76e66710"},
		{"named by nothing that is an id", "Call-ID header missing in 12345678901@x.", "12345678901@x@"},
		{"call ID", "call ID: x1", "!ID=x1"},
		{"call id, quoted", "Call id 'abc@x' ended", "!id=abc@x@"},
		{"Asterisk", "[C-0000002a] chan_sip.c: Call 'a84b4c76e66710@pc33' from SIP/alice-0000001f", "C-0000002a(asterisk) a84b4c76e66710@pc33@ SIP/alice-0000001f"},
		{"FreeSWITCH", uuid + " 2026-11-23 09:58:33.073238 [DEBUG] sofia.c:1234 sofia/internal/100", uuid + "(uuid) sofia/internal/100"},
		{"Kamailio ci", "INFO: script: new call m=INVITE ci=3848276298220188511@atlanta.com ua=x", "!ci=3848276298220188511@atlanta.com@"},
		{"ci: is no key", "ci: 12345678x", "ci=12345678x"},
		{"heplify's quotes", "ID=\u00ababc def\u00bb", "!ID=abc"},
		{"heplify's quotes, one word", "x ID=\u00ababc[1]@h\u00bb y", "!ID=abc[1]@h@"},
		{"heplify's plain", "ACC: ID=9f8e7d6c;x=1", "!ID=9f8e7d6c"},
		{"lower case id is a key like any other", "id=9f8e7d6c5b", "id=9f8e7d6c5b"},
		{"callid=", "callid=\"abc@x\" other=1", "!callid=abc@x@"},
		{"SD", `[timeQuality tzKnown="1"][sip@32473 callid="abc@10.77.0.1"]`, "sip@32473@ !callid=abc@10.77.0.1@"},
		{"JSON", `{"level":"info","sip_call_id": "7f3a\"","x":"1-2345@10.0.0.1"}`, "!sip_call_id=7f3a\\ x=1-2345@10.0.0.1@"},
		{"variable", "variable_sip_call_id: " + uuid, "!variable_sip_call_id=" + uuid + "(uuid)"},
		{"arrow", "SIPCallId => 77@h", "!SIPCallId=77@h@"},
		{"null", "callid=<null> x", ""},
		{"nothing behind the name", "Call-ID:", ""},
		{"rtpengine", "INFO: [abc@10.0.0.1]: [core] Creating new call", "!abc@10.0.0.1@"},
		{"rtpengine, port", "INFO: [a84b4c76e66710@pc33 port 30000]: [core] x", "!a84b4c76e66710@pc33@"},
		{"rtpengine, tag and number", "INFO: [abc@10.0.0.1/as58f4/1 port 30000]: x", "!abc@10.0.0.1@"},
		{"rtpengine, at the front", "[3848276298220188511@atlanta.com]: x", "!3848276298220188511@atlanta.com@"},
		{"brackets elsewhere", "saw [3848276298220188511@atlanta.com] x", "3848276298220188511@atlanta.com@"},
		{"brackets that hold a name", "INFO: [core]: x", ""},
		{"a URI is no id", "INVITE sip:bob@biloxi.com from <sip:alice@atlanta.com> tel:+4930123456", ""},
		{"times and addresses are none", "2026-11-23T09:58:33 10:11:12.131415 192.168.100.100 192.168.100.100:5060 1/2/3/4/5/6 main.c:12345", ""},
		{"a number may be a UUID", "00000000-1111-2222-3333-444444444444", "00000000-1111-2222-3333-444444444444(uuid)"},
		{"long number", "dialog 3848276298 over", "3848276298"},
		{"value", "session=ab12cd next", "session=ab12cd"},
		{"short", "session=ab1 a1b2c3", ""},
		{"end of sentence", "Lost dialog a84b4c76e66710@pc33.", "a84b4c76e66710@pc33@"},
		{"rsyslog's tab", "x#011a84b4c76e66710@pc33#012", "a84b4c76e66710@pc33@"},
		{"two", "callid=1@a callid=2@b", "!callid=1@a@ !callid=2@b@"},
		{"a key without a value", "callid= other=12345678x", "other=12345678x"},
		{"spaces around the =", "callid = abc@h", "!callid=abc@h@"},
		{"a URL's parameter", "GET /x?callid=abc12345&y=2 HTTP/1.1", "!callid=abc12345 HTTP/1.1"},
		{"JSON, empty", `{"callid":"","x":"1-2345@10.0.0.1"}`, "x=1-2345@10.0.0.1@"},
		{"JSON, a list", `{"callid":["1@a","2@b"]}`, "!callid=1@a@ 2@b@"},
		{"JSON, an object", `{"callid":{"id":"1@a"}}`, "id=1@a@"},
		{"caller ID is another thing", "Caller-ID: 49301234567", "Caller-ID=49301234567"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tokens([]byte(c.in)); got != c.want {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
		})
	}
}

// Keys that a user gives name a Call-ID wherever = or a colon follows them.
func TestKeys(t *testing.T) {
	keys := []string{"X-Dialog", "leg_id", "sip.call", strings.Repeat("k", 65)}
	for _, c := range []struct{ name, in, want string }{
		{"key=value", "route found dialog=1 x-dialog=abcdefgh next=1", "!!x-dialog=abcdefgh"},
		{"written in another way", "xDialog=abcdefgh X_DIALOG=ijklmnop", "!!xDialog=abcdefgh !!X_DIALOG=ijklmnop"},
		{"a header field", "X-Dialog: abc@h\r\nX-Other: def", "!!X-Dialog=abc@h@"},
		{"a header field without a space", "X-Dialog:abc@h", "!!X-Dialog=abc@h@"},
		{"JSON", `{"level":"info","legId":"ab","x":"1-2345@10.0.0.1"}`, "!!legId=ab x=1-2345@10.0.0.1@"},
		{"JSON with a space", `{"sip.call" : "ab"}`, "!!sip.call=ab"},
		{"JSON, a number", `{"leg_id":12345678}`, "!!leg_id=12345678"},
		{"structured data", `[route@32473 legid="abc" n="1"]`, "route@32473@ !!legid=abc"},
		{"a URL", "/route?leg_id=abc&b=2", "!!leg_id=abc"},
		{"a form", "a=1&leg_id=abc&b=2", "!!leg_id=abc"},
		{"no value", "leg_id= next=12345678x", "next=12345678x"},
		{"no value, in quotes", `leg_id="" leg_id='' "leg_id":"" leg_id: ,`, ""},
		{"null", `{"leg_id":null}`, ""},
		{"prose", "the leg_id 12345678x is gone", "12345678x"},
		{"part of a longer key", "old_leg_id=12345678x leg_id2=12345678y", "old_leg_id=12345678x leg_id2=12345678y"},
		{"part of a path", "/leg_id/12345678x", "/leg_id/12345678x"},
		{"too long a value", "leg_id=" + strings.Repeat("a", 257) + " x", ""},
		{"the longest", "leg_id=" + strings.Repeat("a", 256) + " x", "!!leg_id=" + strings.Repeat("a", 256)},
		{"too long a key is none", strings.Repeat("k", 65) + "=ab", ""},
		{"the line's own names, too", "callid=1@a leg_id=2@b", "!callid=1@a@ !!leg_id=2@b@"},
		{"at the end", "leg_id", ""},
		{"at the end, with =", "leg_id=", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tokens([]byte(c.in), keys...); got != c.want {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
		})
	}
	var none *syslog.Keys
	if none.Has([]byte("leg_id")) || !none.Empty() || !syslog.NewKeys([]string{"", "-_"}).Empty() || syslog.NewKeys(keys).Has(nil) {
		t.Error("keys out of nothing")
	}
}

func TestTokensBound(t *testing.T) {
	var line strings.Builder
	for i := range 100 {
		fmt.Fprintf(&line, "id%07d@h ", i)
	}
	n := 0
	syslog.Tokens([]byte(line.String()), nil, func(syslog.Token) bool { n++; return true })
	if n != syslog.MaxTokens {
		t.Errorf("%d tokens", n)
	}
	n = 0
	syslog.Tokens([]byte(line.String()), nil, func(syslog.Token) bool { n++; return n < 3 })
	if n != 3 {
		t.Errorf("%d tokens, stopped at 3", n)
	}
	if got := tokens([]byte("x callid=" + strings.Repeat("a", 300) + "@h y")); got != "" {
		t.Errorf("an id of 300 octets: %q", got)
	}
}
