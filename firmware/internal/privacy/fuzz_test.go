package privacy

import (
	"bytes"
	"encoding/json"
	"testing"

	"heptap/capture/record"
)

// FuzzApply holds that nothing changes without options, and that otherwise a payload keeps its length and all that is no letter and
// no digit (nor another key of a telephone), that JSON stays JSON.
func FuzzApply(f *testing.F) {
	f.Add(true, []byte("a@192.0.2.1"), []byte(lines(before(invite))))
	f.Add(true, []byte("a"), []byte("INVITE sip:%3a@ SIP/2.0\r\nf:\"\\\" <sip:a;b:c@\r\nAuthorization: Digest a=\",b\r\n\r\n"))
	f.Add(false, []byte("q:4930123456"), []byte(`{"event":"GET /?to=%2B4930123456&sip%3Aalice%40b","payload":"\u0041\\\"4930123456","a":[{"enum":"+493"},"7.6.5.4.e164.arpa"]}`))
	f.Add(false, []byte(""), []byte(`{"text":"tel:+49-30;a=b sip:a:b@c alice@ %4 \\`))
	whole := New(Options{Key: newKey(f), Bodies: true, Credentials: true})
	off := New(Options{})
	f.Fuzz(func(t *testing.T, sip bool, id, payload []byte) {
		types := []record.Type{record.SIP}
		if !sip {
			types = []record.Type{record.REST, record.Log, record.DNS, record.ISUP, record.RTCP, record.MI}
		}
		for _, typ := range types {
			got := bytes.Clone(payload)
			off.Apply(&record.Record{Type: typ, Primary: id, Payload: got})
			if typ != record.SIP && !bytes.Equal(got, payload) {
				t.Fatalf("%v: changed to %q", typ, got)
			}
			got = bytes.Clone(payload)
			whole.Apply(&record.Record{Type: typ, Primary: id, Payload: got})
			for i, c := range payload {
				if !isWord(c) && c < 128 && got[i] != c && (got[i] != 'x' || c != '*' && c != '#') {
					t.Fatalf("%v: octet %d was %q: %q", typ, i, c, got)
				}
				if isWord(c) && !isWord(got[i]) {
					t.Fatalf("%v: octet %d became %q: %q", typ, i, got[i], got)
				}
			}
			if typ != record.SIP && json.Valid(payload) && !json.Valid(got) {
				t.Fatalf("%v: %q is no JSON", typ, got)
			}
		}
	})
}
