package syslog_test

import (
	"fmt"
	"strings"
	"testing"

	"heptap/capture/syslog"
)

// tokens writes down what is found in a line; "!" is in front of what is named.
func tokens(line []byte) string {
	var out []string
	syslog.Tokens(line, func(t syslog.Token) bool {
		s := string(t.Value)
		if t.Key != nil {
			s = string(t.Key) + "=" + s
		}
		if t.Named {
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
		{"caller ID is another thing", "Caller-ID: 49301234567", "Caller-ID=49301234567"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tokens([]byte(c.in)); got != c.want {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestTokensBound(t *testing.T) {
	var line strings.Builder
	for i := range 100 {
		fmt.Fprintf(&line, "id%07d@h ", i)
	}
	n := 0
	syslog.Tokens([]byte(line.String()), func(syslog.Token) bool { n++; return true })
	if n != syslog.MaxTokens {
		t.Errorf("%d tokens", n)
	}
	n = 0
	syslog.Tokens([]byte(line.String()), func(syslog.Token) bool { n++; return n < 3 })
	if n != 3 {
		t.Errorf("%d tokens, stopped at 3", n)
	}
	if got := tokens([]byte("x callid=" + strings.Repeat("a", 300) + "@h y")); got != "" {
		t.Errorf("an id of 300 octets: %q", got)
	}
}
