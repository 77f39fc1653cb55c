package sip_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"heptap/capture/sip"
)

// crlf writes a message with LF in the source and CRLF on the wire.
func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

// invite is an INVITE of about 860 octets, as a proxy passes it on.
var invite = crlf(`INVITE sip:+4930123456@192.0.2.20:5060;user=phone SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK7d2e.4f1a6b33.0;rport
Via: SIP/2.0/UDP 192.0.2.5:5062;received=192.0.2.5;branch=z9hG4bK-524287-1---8f1c
Max-Forwards: 69
Record-Route: <sip:192.0.2.10;lr;ftag=5bd2c0a9>
From: "Anna Muster" <sip:anna@example.com>;tag=5bd2c0a9
To: <sip:+4930123456@example.com;user=phone>
Call-ID: 9b1c7f04-3a52-4a37-9d50-2f1a1f6c5a11@192.0.2.5
CSeq: 4711 INVITE
Contact: <sip:anna@192.0.2.5:5062;transport=udp>
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, UPDATE
User-Agent: ExamplePhone/3.2.1
Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000
Content-Type: application/sdp
Content-Length: 162

v=0
o=anna 2890844526 2890844526 IN IP4 192.0.2.5
s=-
c=IN IP4 192.0.2.5
t=0 0
m=audio 49170 RTP/AVP 8 0 101
a=rtpmap:101 telephone-event/8000
a=sendrecv
`)

func parse(t testing.TB, b []byte) *sip.View {
	t.Helper()
	var v sip.View
	if err := v.Parse(b); err != nil {
		t.Fatalf("%v:\n%s", err, b)
	}
	return &v
}

func check(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if string(got) != want {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

func TestInvite(t *testing.T) {
	v := parse(t, invite)
	check(t, "Method", v.Method, "INVITE")
	check(t, "RequestURI", v.RequestURI, "sip:+4930123456@192.0.2.20:5060;user=phone")
	check(t, "CallID", v.CallID, "9b1c7f04-3a52-4a37-9d50-2f1a1f6c5a11@192.0.2.5")
	check(t, "CSeqMethod", v.CSeqMethod, "INVITE")
	check(t, "From", v.From, `"Anna Muster" <sip:anna@example.com>;tag=5bd2c0a9`)
	check(t, "FromTag", v.FromTag(), "5bd2c0a9")
	check(t, "FromUser", v.FromUser(), "anna")
	check(t, "ToTag", v.ToTag(), "")
	check(t, "ToUser", v.ToUser(), "+4930123456")
	via, branch := v.TopVia()
	check(t, "Via", via, "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK7d2e.4f1a6b33.0;rport")
	check(t, "ViaBranch", branch, "z9hG4bK7d2e.4f1a6b33.0")
	check(t, "Contact", v.Contact, "<sip:anna@192.0.2.5:5062;transport=udp>")
	check(t, "ContactURI", v.ContactURI(), "sip:anna@192.0.2.5:5062;transport=udp")
	if !v.MoreVia {
		t.Error("the second Via is not seen")
	}
	check(t, "UserAgent", v.UserAgent, "ExamplePhone/3.2.1")
	check(t, "SessionID", v.SessionID, "ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000")
	check(t, "ContentType", v.ContentType, "application/sdp")
	check(t, "Header", v.Header("record-route"), "<sip:192.0.2.10;lr;ftag=5bd2c0a9>")
	check(t, "absent header", v.Header("x-cid"), "")
	if !v.IsRequest || v.CSeq != 4711 || v.ContentLength != 162 || v.Expires != -1 || v.BodyCut || v.HeadersCut || v.Length != len(invite) {
		t.Errorf("%+v", v)
	}
	if !bytes.HasPrefix(v.Body, []byte("v=0\r\n")) || len(v.Body) != 162 || !bytes.Equal(v.SDP(), v.Body) {
		t.Errorf("body %q", v.Body)
	}
}

func TestMoreVia(t *testing.T) {
	for head, want := range map[string]bool{"": false, "Via: a\r\n": false, "Via: a, b\r\n": false, "v: a\r\nVIA : b\r\n": true, "Via: a\r\nv: b\r\nv: c\r\n": true, "Via: a\r\nVia2: b\r\n": false} {
		if v := parse(t, []byte("OPTIONS sip:a SIP/2.0\r\nCall-ID: x\r\n"+head+"\r\n")); v.MoreVia != want {
			t.Errorf("%q: %v", head, v.MoreVia)
		}
	}
}

func TestResponse(t *testing.T) {
	// Compact forms, LF alone, folding, an old Server, a response to no request.
	v := parse(t, []byte("\r\n\r\nsip/2.0  486  Busy here \nv:SIP/2.0/TLS a;branch=z9\n\t;x=\"a,b\" , SIP/2.0/UDP b;branch=z8\n"+
		"f: \"A \\\" <x>; tag=no\" <sips:a:secret@h;tag=no> ; TAG = \"1;2\"\nt: tel:+49-30;phone-context=x;tag=t2\n"+
		"i:\n abc@h\ncSeQ: 0007\n  BYE\nReason: Q.850;cause=17\nServer: s\nExpires: 60\nl : 3\nm: *\nc: text/plain\n\nhello"))
	check(t, "Reason", v.Reason, "Busy here")
	via, branch := v.TopVia()
	check(t, "Via", via, "SIP/2.0/TLS a;branch=z9\n\t;x=\"a,b\"")
	check(t, "ViaBranch", branch, "z9")
	check(t, "FromTag", v.FromTag(), "1;2")
	check(t, "FromUser", v.FromUser(), "a")
	check(t, "ToTag", v.ToTag(), "t2")
	check(t, "ToUser", v.ToUser(), "+49-30")
	check(t, "CallID", v.CallID, "abc@h")
	check(t, "CSeqMethod", v.CSeqMethod, "BYE")
	check(t, "ReasonHeader", v.ReasonHeader, "Q.850;cause=17")
	check(t, "Server", v.Server, "s")
	check(t, "Contact", v.Contact, "*")
	check(t, "Body", v.Body, "hel")
	if v.IsRequest || v.Status != 486 || v.CSeq != 7 || v.Expires != 60 || v.Method != nil {
		t.Errorf("%+v", v)
	}
	if v.SDP() != nil {
		t.Error("text/plain is SDP")
	}
}

func TestCut(t *testing.T) {
	v := parse(t, []byte("BYE sip:a SIP/2.0\r\nCSeq: 1 BYE\r\nCall-ID: 1234"))
	if !v.HeadersCut || v.CallID != nil || v.CSeq != 1 || len(v.Body) != 0 {
		t.Errorf("half a Call-ID taken: %+v", v)
	}
	v = parse(t, []byte("BYE sip:a SIP/2.0\r\nCSeq: 1 BYE\r\nContent-Length: 10\r\n\r\nabc"))
	if !v.BodyCut || string(v.Body) != "abc" {
		t.Errorf("%+v", v)
	}
	v = parse(t, []byte("BYE sip:a SIP/2.0\r\nCall-ID: 1\r\n 2\r\n 3"))
	check(t, "Call-ID before a cut fold", v.CallID, "1\r\n 2")
}

func TestSniff(t *testing.T) {
	for s, want := range map[string]bool{
		"INVITE sip:a SIP/2.0\r\n":                      true,
		"invite sip:a sip/2.0\n":                        true,
		"\r\n\r\nKDMQ sip:a SIP/2.0\r\n":                true,
		"INVITE  sip:a;  lr   SIP/2.0 \t\r\n":           true,
		"SIP/2.0 200\r\n":                               true,
		"SIP/2.0 200 \r\n":                              true,
		"SIP/2.0 200 d\xc3\xa4d \r\n":                   true,
		"":                                              false,
		"\r\n\r\n":                                      false,
		"INVITE sip:a SIP/2.0":                          false,
		"INVITE sip:a SIP/7.0\r\n":                      false,
		"INVITE SIP/2.0\r\n":                            false,
		"INVITE  SIP/2.0\r\n":                           false,
		"INVITE sip:aSIP/2.0\r\n":                       false,
		" INVITE sip:a SIP/2.0\r\n":                     false,
		"INVITE\tsip:a SIP/2.0\r\n":                     false,
		"INVITE sip:\x00 SIP/2.0\r\n":                   false,
		"SIP/2.0 20 OK\r\n":                             false,
		"SIP/2.0 2000 OK\r\n":                           false,
		"SIP/2.0200 OK\r\n":                             false,
		"SIP/2.0\r\n":                                   false,
		"SIP/2.0 2a0 OK\r\n":                            false,
		"HTTP/1.1 200 OK\r\n":                           false,
		"GET / HTTP/1.1\r\n":                            false,
		"OPTIONS rtsp://a RTSP/1.0\r\n":                 false,
		"hello":                                         false,
		"\x80\x00\x00\x01":                              false,
		"(INVITE) sip:a SIP/2.0\r\n":                    false,
		strings.Repeat("A", 129) + " sip:a SIP/2.0\r\n": false,
		strings.Repeat("A", 128) + " sip:a SIP/2.0\r\n": true,
		"A sip:" + strings.Repeat("a", 8192-16) + " SIP/2.0\r\n":   true,
		"A sip:" + strings.Repeat("a", 8192-15) + " SIP/2.0\r\n":   false,
		strings.Repeat("\n", 9000) + "INVITE sip:a SIP/2.0\r\n":    false,
		strings.Repeat("\r\n", 100) + "INVITE sip:a SIP/2.0\r\n\r": true,
	} {
		if got := sip.Sniff([]byte(s)); got != want {
			t.Errorf("Sniff(%.60q) = %v", s, got)
		}
	}
}

func TestIsKeepAlive(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "\r\n": true, "\r\n\r\n": true, "\x00": true, "\x00\x00\x00\x00": true, "     ": true,
		"hello": false, "\r\n\r\nA": false, strings.Repeat("\x00", 65): false, "\x00\x01": false,
	} {
		if got := sip.IsKeepAlive([]byte(s)); got != want {
			t.Errorf("IsKeepAlive(%q) = %v", s, got)
		}
	}
}

func TestErrors(t *testing.T) {
	for s, want := range map[string]error{
		"hello":                               sip.ErrStartLine,
		"INVITE sip:a SIP/2.0\r\n\r\n":        sip.ErrHeaders,
		"INVITE sip:a SIP/2.0\r\n\r\nCSeq: 1": sip.ErrHeaders,
		"SIP/2.0 200 OK\nFoo: bar\nbaz\n\n":   sip.ErrHeaders,
	} {
		var v, empty sip.View
		empty.CSeq, empty.ContentLength, empty.Expires = -1, -1, -1
		if err := v.Parse([]byte(s)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", s, err, want)
		}
		if v.Method != nil || v.CallID != nil || v.IsRequest || v.Status != 0 || v.Length != 0 || v.CSeq != empty.CSeq {
			t.Errorf("%q: leaves %+v", s, v)
		}
	}
}

func TestPart(t *testing.T) {
	head := "INVITE sip:a SIP/2.0\nCall-ID: 1\nContent-Type: "
	for _, c := range []struct{ name, msg, want string }{
		{"plain", "Application/SDP ; charset=x\n\nv=0\n", "v=0\n"},
		{"other type with that prefix", "application/sdp-ng\n\nv=0\n", ""},
		{"multipart", "multipart/mixed; boundary=\"a b\"\n\npreamble\n--a b\nContent-Type: application/isup;version=x\n\n\x01\x02\n" +
			"--a b\nContent-Type: application/sdp\nContent-Disposition: session\n\nv=0\ns=-\n--a b--\nepilogue", "v=0\ns=-"},
		{"folded boundary, compact name", "multipart/mixed\n ;boundary=xx\n\n--xx\nc:application/sdp\n\nv=0\n\n--xx--\n", "v=0\n"},
		{"boundary that begins like it", "multipart/mixed;boundary=x\n\n--xx\nc:application/sdp\n\nno\n--x \nc:application/sdp\n\nyes\n--x--", "yes"},
		{"nested", "multipart/mixed;boundary=o\n\n--o\nContent-Type: multipart/alternative;boundary=i\n\n--i\nContent-Type: text/plain\n\nt\n" +
			"--i\nContent-Type: application/sdp\n\nv=0\n--i--\n--o--\n", "v=0"},
		{"not closed", "multipart/mixed;boundary=o\n\n--o\nContent-Type: application/sdp\n\nv=0\nm=a", "v=0\nm=a"},
		{"no boundary", "multipart/mixed\n\n--o\nContent-Type: application/sdp\n\nv=0\n--o--\n", ""},
		{"empty", "application/sdp\n\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, m := range [][]byte{[]byte(head + c.msg), crlf(head + c.msg)} {
				got := strings.ReplaceAll(string(parse(t, m).SDP()), "\r", "")
				if got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			}
		})
	}
	if v := parse(t, []byte("INVITE sip:a SIP/2.0\ni: 1\n\nv=0\n")); string(v.SDP()) != "v=0\n" {
		t.Error("no Content-Type, SDP not recognised")
	}
}

func TestAllocs(t *testing.T) {
	var v sip.View
	if n := testing.AllocsPerRun(100, func() {
		if !sip.Sniff(invite) || v.Parse(invite) != nil || v.SDP() == nil || v.Header("allow") == nil {
			t.Fatal("does not parse")
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkSniff(b *testing.B) {
	rtp := append([]byte{0x80, 0x08, 0x12, 0x34}, make([]byte, 168)...)
	for _, c := range []struct {
		name string
		b    []byte
	}{{"invite", invite}, {"rtp", rtp}, {"http", []byte("GET /index.html HTTP/1.1\r\nHost: example.com\r\n\r\n")}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				sip.Sniff(c.b)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(invite)))
	b.ReportAllocs()
	var v sip.View
	for b.Loop() {
		if v.Parse(invite) != nil {
			b.Fatal("does not parse")
		}
	}
}
