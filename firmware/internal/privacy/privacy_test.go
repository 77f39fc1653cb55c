package privacy

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"heptap/capture/pseudonym"
	"heptap/capture/record"
)

const secret = "a secret for tests only"

func newKey(t testing.TB) *pseudonym.Key {
	t.Helper()
	k, err := pseudonym.New(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// marked is what a test wants to become of a text: «alice» is a name or number
// that gets its pseudonym, ‹Alice› what is blanked.
var marked = regexp.MustCompile(`«[^«»]+»|‹[^‹›]*›`)

// before and after are the text before and after Apply.
func before(s string) string {
	return strings.NewReplacer("«", "", "»", "", "‹", "", "›", "").Replace(s)
}

func after(k *pseudonym.Key, s string) string {
	return marked.ReplaceAllStringFunc(s, func(m string) string {
		b := []byte(before(m))
		if strings.HasPrefix(m, "«") {
			k.User(b)
		} else {
			blank(b)
		}
		return string(b)
	})
}

// lines is s as SIP ends lines.
func lines(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

const invite = `INVITE sip:«+49301234567»@pbx.example.com;user=phone SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK12345678
From: "‹Alice› ‹Liddell›" <sip:«alice»:‹wonder›@example.com>;tag=1234567890
t: <sip:«+49301234567»;phone-context=+49@example.com>
Call-ID: 4930123456789@192.0.2.1
CSeq: 12345678 INVITE
Contact: <sip:«alice»@192.0.2.1:5060;transport=udp>;expires=3600, "‹Other›" <sips:«bob.smith»@192.0.2.2>
P-Asserted-Identity: "«030 1234567»" <tel:«+49-30-1234567»;phone-context=example.com>
Remote-Party-ID: Anonymous <sip:anonymous@anonymous.invalid>;privacy=full
Route: <sip:«edge»@proxy.example.com;lr>
User-Agent: Phone 1234567890
Proxy-Authorization: Digest username="«alice»", realm="example.com", nonce="abcdef0123", uri="sip:«+49301234567»@pbx.example.com", response="0123456789abcdef"
Identity: ‹eyJhbGciOiJFUzI1NiJ9.eyJkZXN0Ijp7›
X-Account: «4930777777» of «alice», case 0000001234567
Subject: dinner with «alice»
Replaces: 4930123456789@192.0.2.9;to-tag=1;from-tag=2
Content-Type: application/sdp
Content-Length: 268

v=0
o=«alice» 1234567890 1234567890 IN IP4 192.0.2.1
s=call of «alice»
e=‹alice@example.com›
c=IN IP4 192.0.2.1
t=0 0
m=audio 40000 RTP/SAVP 0
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj
a=rtpmap:0 PCMU/8000
a=label:12345678
`

func apply(f *Filter, r record.Record) string {
	f.Apply(&r)
	return string(r.Payload)
}

func diff(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("line %d\n got %q\nwant %q", i+1, a, b)
		}
	}
}

func TestSIP(t *testing.T) {
	f := New(Options{Key: newKey(t)})
	text := lines(invite)
	got := apply(f, record.Record{Type: record.SIP, Primary: []byte("4930123456789@192.0.2.1"), Payload: []byte(before(text))})
	diff(t, got, after(newKey(t), text))
	for _, secret := range []string{"Alice", "alice", "1234567@", "Liddell", "bob", "wonder"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is still there", secret)
		}
	}
}

// Without an option nothing changes.
func TestOff(t *testing.T) {
	f := New(Options{})
	for _, r := range []record.Record{
		{Type: record.SIP, Payload: []byte(lines(before(invite)))},
		{Type: record.Log, Payload: []byte(`{"text":"alice@example.com called 4930123456"}`)},
		{Type: record.REST, Payload: []byte(`{"payload":"secret of 4930123456"}`)},
	} {
		want := string(r.Payload)
		diff(t, apply(f, r), want)
	}
}

func TestCredentials(t *testing.T) {
	f := New(Options{Credentials: true})
	text := lines(`REGISTER sip:example.com SIP/2.0
From: "Alice" <sip:alice@example.com>;tag=1
Call-ID: a@192.0.2.1
CSeq: 1 REGISTER
Authorization: Digest username="alice", realm="example.com", nonce="‹abc,def=›", uri="sip:example.com", response="‹0123456789abcdef›", algorithm=MD5, cnonce=‹c0ffee›, qop=auth, nc=00000001, opaque="‹o›"
Proxy-Authorization: Bearer ‹eyJhbGciOi.J9_-x›
WWW-Authenticate: Digest realm="example.com", nonce="‹n0nce›", stale=FALSE
Proxy-Authorization: Digest realm="example.com", response=""‹c0ffee›", qop=auth, ‹c0ffee›
X-Authorization: Digest username="alice", response="‹c0ffee›"
X-Token: bearer ‹c0ffee›
Contact: <sip:alice:‹hush›@example.com>
Content-Type: application/sdp

v=0
o=alice 1 1 IN IP4 192.0.2.1
k=‹clear:password›
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:‹d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4›
`)
	got := apply(f, record.Record{Type: record.SIP, Payload: []byte(before(text))})
	diff(t, got, after(newKey(t), text))
}

func TestBodies(t *testing.T) {
	f := New(Options{Bodies: true})
	text := lines(`MESSAGE sip:bob@example.com SIP/2.0
From: "Alice" <sip:alice@example.com>;tag=1
Call-ID: a@192.0.2.1
CSeq: 1 MESSAGE
Subject: ‹hello bob›
Content-Type: text/plain
Content-Length: 26

‹Meet me at Müller's, 8 pm›`)
	got := apply(f, record.Record{Type: record.SIP, Payload: []byte(before(text))})
	diff(t, got, after(newKey(t), text))
	got = apply(f, record.Record{Type: record.REST, Payload: []byte(`{"event":"POST /a","payload":"{\"pin\":\"1234\"}","octets":14}`)})
	if want := `{"event":"POST /a","payload":"{\"xxx\":\"xxxx\"}","octets":14}`; got != want {
		t.Errorf("REST: %s, want %s", got, want)
	}
}

// Of a multipart body each part is changed as what it is; binary parts are
// blanked, since numbers in them cannot be found.
func TestMultipart(t *testing.T) {
	f := New(Options{Key: newKey(t)})
	text := lines(`INVITE sip:«4930123456»@example.com SIP/2.0
From: <sip:«alice»@example.com>;tag=1
Call-ID: a@192.0.2.1
CSeq: 1 INVITE
Content-Type: multipart/mixed;boundary=next

--next
Content-Type: application/sdp

v=0
o=«alice» 1 1 IN IP4 192.0.2.1
--next
Content-Type: application/ISUP;version=itu-t92+

‹` + "\x01\x00\x60\x00aB9\xff" + `›
--next
Content-Type: application/resource-lists+xml

<entry uri="sip:«bob»@example.com"/><entry uri='tel:«+4930555555»'/>
--next--
`)
	diff(t, apply(f, record.Record{Type: record.SIP, Payload: []byte(before(text))}), after(newKey(t), text))
}

// A message that is cut anywhere gives nothing away that a whole one does not.
func TestCutShort(t *testing.T) {
	f := New(Options{Key: newKey(t)})
	whole := lines(before(invite))
	f.Apply(&record.Record{Type: record.SIP, Payload: []byte(whole)})
	for n := range len(whole) {
		got := apply(f, record.Record{Type: record.SIP, Payload: []byte(whole[:n])})
		for _, secret := range []string{"Alice", "Liddell", "alice@", "1234567@", "sip:alice", "bob.smith", "wonder@", "4930777777"} {
			if strings.Contains(got, secret) {
				t.Fatalf("cut after %d: %q is still there:\n%s", n, secret, got)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	id := func(typ record.Type, s string) record.Link { return record.Link{Type: typ, ID: []byte(s)} }
	for _, c := range []struct {
		name string
		rec  record.Record
		text string
	}{
		{"log", record.Record{Type: record.Log, Links: []record.Link{id(record.SIP, "call-alice-1@192.0.2.1")}},
			`{"event":"asterisk: info","text":"call-alice-1@192.0.2.1: «alice» -> PJSIP/«4930123456»-00000012, \"+49 30\n«4930777777»\n«carol»@example.com","time":"Nov 23 09:58:33"}`},
		{"times", record.Record{Type: record.Log},
			`{"text":"1795200000.253599 2026-11-26T10:00:00.123456789Z 550e8400-e29b-41d4-a716-446655440000 C-00000012 192.0.2.100 17640947659377874237 12345"}`},
		{"addresses", record.Record{Type: record.Log},
			`{"text":"«101» is at 10.33.6.101:101, [2001:db8::101]:5060, 10:10:101; «101»@10.0.0.1 has 192.0.2.101."}`},
		{"rest", record.Record{Type: record.REST, Primary: []byte("q:4930123456")},
			`{"event":"GET /route?to=%2B«4930123456»&from=sip%3A«alice»%40example.com&id=q:4930123456","host":"alice.example.com","payload":"{\"n\":\"«4930123456»\"}","octets":4930123456}`},
		{"rest, a URI at the end", record.Record{Type: record.REST}, `{"event":"GET /sip:«alice»@example.com/x"}`},
		{"mi", record.Record{Type: record.MI}, `{"event":"MI ul_show_contact","parameters":"location «alice»@example.com","user":"«operator»","rpc_id":"1234567890"}`},
		{"dns", record.Record{Type: record.DNS},
			`{"event":"DNS NAPTR ENUM","questions":[{"name":"ENUM"}],"enum":"+«4930123456»","answers":[{"naptr":{"regexp":"!^.*$!sip:«info»@example.com!"}}]}`},
		{"isup", record.Record{Type: record.ISUP},
			`{"cic":33,"circuit":"11:22:33","called_number":{"num":"«493022223»"},"calling_number":{"num":"«101»"},"parameters":[{"name":"Calling party number","text":"«101» (national)"},{"hex":"‹0a02›"}]}`},
		{"rtcp", record.Record{Type: record.RTCP}, `{"sdes_information":[{"type":1,"text":"«alice»@192.0.2.1"},{"type":2,"text":"‹Alice Liddell›"}]}`},
		{"net", record.Record{Type: record.Net, Primary: []byte("17640947659377874237")},
			`{"event":"TCP closed","calls":["4930123456@192.0.2.1","b"],"client_ip":"192.0.2.1","ja3":"a71b3c644dfad49f04fb09d515f85bce"}`},
		{"rtp", record.Record{Type: record.RTPReport, Primary: []byte("4930123456@192.0.2.1")},
			`{"CORRELATION_ID":"4930123456@192.0.2.1","RTP_SIP_CALL_ID":"4930123456@192.0.2.1","SRC_IP":"192.0.2.1"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, k := New(Options{Key: newKey(t)}), newKey(t)
			for _, lately := range []string{"alice", "101"} { // were user parts
				f.user([]byte(lately))
			}
			number := []byte("4930123456")
			text := strings.ReplaceAll(c.text, "ENUM", enumOf(string(number)))
			k.User(number)
			want := after(k, strings.ReplaceAll(c.text, "ENUM", enumOf(string(number))))
			c.rec.Payload = []byte(before(text))
			got := apply(f, c.rec)
			if got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("no JSON any more")
			}
		})
	}
}

func enumOf(number string) string {
	var b strings.Builder
	for i := len(number) - 1; i >= 0; i-- {
		b.WriteByte(number[i])
		b.WriteByte('.')
	}
	return b.String() + "e164.arpa"
}

func TestKeep(t *testing.T) {
	f := New(Options{Key: newKey(t), Keep: []string{"112", "Hotline"}})
	got := apply(f, record.Record{Type: record.SIP, Payload: []byte(lines("INVITE sip:112@example.com SIP/2.0\nTo: \"hotline\" <sip:HOTLINE@example.com>\nCall-ID: a\n\n"))})
	for _, kept := range []string{"sip:112@", `"hotline"`, "sip:HOTLINE@"} {
		if !strings.Contains(got, kept) {
			t.Errorf("%q is gone:\n%s", kept, got)
		}
	}
}

func TestAllocs(t *testing.T) {
	f := New(Options{Key: newKey(t), Credentials: true})
	whole := []byte(lines(before(invite)))
	b := bytes.Clone(whole)
	r := record.Record{Type: record.SIP, Payload: b}
	f.Apply(&r)
	if n := testing.AllocsPerRun(100, func() { copy(b, whole); f.Apply(&r) }); n != 0 {
		t.Errorf("%v allocations for a message of known names", n)
	}
}

func BenchmarkSIP(b *testing.B) {
	f := New(Options{Key: newKey(b), Credentials: true})
	whole := []byte(lines(before(invite)))
	r := record.Record{Type: record.SIP, Payload: bytes.Clone(whole)}
	b.SetBytes(int64(len(whole)))
	for b.Loop() {
		copy(r.Payload, whole)
		f.Apply(&r)
	}
}
