package listing

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"heptap/capture/record"
)

func TestGist(t *testing.T) {
	for _, tc := range []struct {
		t             record.Type
		payload, want string
	}{
		{record.SIP, "INVITE sip:b@example SIP/2.0\r\nVia: x\r\n", "INVITE sip:b@example SIP/2.0"},
		{record.SIP, "\r\n\r\nSIP/2.0 200 OK\nVia: x", "SIP/2.0 200 OK"},
		{record.SIP, "", ""},
		{record.Net, `{"Protocol":"TCP","Event":"CLOSED","client_port":5,"Message":"Connection closed","calls":["a"],"octets_client":12,"reason":""}`,
			"Message=Connection closed octets_client=12"},
		{record.RTPReport, `{"CORRELATION_ID":"a","TYPE":"FINAL","MOS":4.1,"MEAN_MOS":4.2,"CODEC_NAME":"PCMA"}`, "TYPE=FINAL MEAN_MOS=4.2 CODEC_NAME=PCMA"},
		{record.Log, `{"event":"RTP stopped","o":{"a":[1,{}]},"n":null,"b":true}`, "event=RTP stopped n=null b=true"},
		{record.Log, `{"event":"cut`, `{"event":"cut`},
		{record.Log, "a line\nanother", "a line"},
		{record.Log, `[1,2]`, "[1,2]"},
		{record.REST, `{}`, ""},
	} {
		if got := Gist(&record.Record{Type: tc.t, Payload: []byte(tc.payload)}); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.payload, got, tc.want)
		}
	}
	if got := Printable(Shorten("a\x1b[31m\tb\xff\u202e\u00fcabc", 10)); got != "a.[31m.b....." {
		t.Errorf("%q", got)
	}
}

// FuzzGist asserts that whatever a record holds, a line of text comes out that
// is short and moves no cursor.
func FuzzGist(f *testing.F) {
	f.Add(uint8(1), []byte("INVITE sip:b@example SIP/2.0\r\n"))
	f.Add(uint8(89), []byte(`{"Message":"a\u001b[2Jb","x":[1],"y":1.5}`))
	f.Add(uint8(34), []byte(`{"TYPE":`))
	f.Fuzz(func(t *testing.T, typ uint8, payload []byte) {
		s := Printable(Shorten(Gist(&record.Record{Type: record.Type(typ), Payload: payload}), maxGist))
		if utf8.RuneCountInString(s) > maxGist+3 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", s)
		}
	})
}
