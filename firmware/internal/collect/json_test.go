package collect_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"heptap/firmware/internal/collect"
	"heptap/hep"
)

func packet() hep.Packet {
	return hep.Packet{
		Src:     netip.MustParseAddrPort("192.0.2.1:5060"),
		Dst:     netip.MustParseAddrPort("192.0.2.2:5061"),
		Wall:    time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC).UnixNano(),
		AgentID: 2001,
		Proto:   17,
		Type:    hep.TypeSIP,
		AuthKey: []byte("secret"),
		Payload: []byte("BYE sip:a@b SIP/2.0\r\n\r\n"),
	}
}

func encode(tb testing.TB, p hep.Packet) []byte {
	tb.Helper()
	b, err := p.AppendBinary(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func line(tb testing.TB, frame []byte) string {
	tb.Helper()
	v, err := hep.Parse(frame)
	if err != nil {
		tb.Fatal(err)
	}
	got := collect.AppendJSON([]byte("kept "), v)
	if !bytes.HasPrefix(got, []byte("kept ")) {
		tb.Fatalf("dst was not kept: %q", got)
	}
	return string(got[5:])
}

func TestAppendJSON(t *testing.T) {
	const head = `{"type":1,"type_name":"sip","time":"2026-01-02T03:04:05.000006Z","proto":17,"src":"192.0.2.1:5060","dst":"192.0.2.2:5061",`
	const bye = `"payload":"BYE sip:a@b SIP/2.0\r\n\r\n"}`
	tests := []struct {
		name string
		edit func(*hep.Packet)
		want string
	}{
		{"plain", func(*hep.Packet) {}, head + `"agent":2001,"node":"","primary":"",` + bye},
		{"ids", func(p *hep.Packet) {
			p.HasVLAN, p.VLAN = true, 100
			p.Node, p.Correlation, p.Extra = []byte(`no"de`), []byte(`a\b@c`), []byte("{\n\t\"net\":\t\"17 \\\" 18\" ,\"x\":[1, {}]\r\n}")
		}, head + `"vlan":100,"agent":2001,"node":"no\"de","primary":"a\\b@c","extra":{"net":"17 \" 18","x":[1,{}]},` + bye},
		{"flags", func(p *hep.Packet) { p.Flags = hep.FlagGap | hep.FlagCut }, head + `"agent":2001,"node":"","primary":"","flags":["gap","cut"],` + bye},
		{"clock", func(p *hep.Packet) { p.Clock = hep.Clock{State: hep.ClockNever, Offset: -2500} },
			head + `"agent":2001,"node":"","primary":"","clock":"never compared","clock_off_us":-2,` + bye},
		{"sequence", func(p *hep.Packet) { p.Sequence = hep.Sequence{Origin: 0xabc, Number: 5<<40 + 12, Part: 1} },
			head + `"agent":2001,"node":"","primary":"","sequence":"0000000000000abc-5-12.1",` + bye},
		{"VLAN 0", func(p *hep.Packet) { p.HasVLAN = true }, head + `"vlan":0,"agent":2001,"node":"","primary":"",` + bye},
		{"other chunks", func(p *hep.Packet) { p.Others = []byte("\x00\x00\x00\x22\x00\x08DE\x00\x01\x02\x00\x00\x06") },
			head + `"agent":2001,"node":"","primary":"","chunks":["0000:0022:4445","0001:0200:"],` + bye},
		{"extra is no object", func(p *hep.Packet) { p.Extra = []byte("[\"a\"]") }, head + `"agent":2001,"node":"","primary":"","extra_raw":"[\"a\"]",` + bye},
		{"extra is no JSON", func(p *hep.Packet) { p.Extra = []byte(`{"a":`) }, head + `"agent":2001,"node":"","primary":"","extra_raw":"{\"a\":",` + bye},
		{"extra is two", func(p *hep.Packet) { p.Extra = []byte("{}\n{}") }, head + `"agent":2001,"node":"","primary":"","extra_raw":"{}\n{}",` + bye},
		{"extra is no UTF-8", func(p *hep.Packet) { p.Extra = []byte("{\"a\":\"\xff\"}") }, head + `"agent":2001,"node":"","primary":"","extra_raw":"{\"a\":\"` + "\uFFFD" + `\"}",` + bye},
		{"binary", func(p *hep.Packet) { p.Payload = []byte{0, 0xff, 1} }, head + `"agent":2001,"node":"","primary":"","payload_b64":"AP8B"}`},
		{"controls", func(p *hep.Packet) { p.Payload = []byte("a\x00\x1f\x7f\t<é€\U0001F4DE>") }, head + `"agent":2001,"node":"","primary":"","payload":"a\u0000\u001f` + "\x7f" + `\t<é€` + "\U0001F4DE" + `>"}`},
		{"ids are no UTF-8", func(p *hep.Packet) { p.Node = []byte("\xffa\xc3"); p.Payload = nil }, head + `"agent":2001,"node":"` + "\uFFFDa\uFFFD" + `","primary":"","payload":""}`},
		{"IPv6", func(p *hep.Packet) {
			*p = hep.Packet{Src: netip.MustParseAddrPort("[2001:db8::1]:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:1"), Type: 34, Proto: 6}
		}, `{"type":34,"type_name":"rtp","time":"1970-01-01T00:00:00.000000Z","proto":6,"src":"[2001:db8::1]:5060","dst":"192.0.2.2:1","agent":0,"node":"","primary":"","payload":""}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := packet()
			tt.edit(&p)
			got := line(t, encode(t, p))
			if got != tt.want+"\n" {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("not valid JSON")
			}
		})
	}
	if got := line(t, []byte("HEP3\x00\x06")); !strings.Contains(got, `"type":0,"type_name":"none"`) || !strings.Contains(got, `"src":"","dst":""`) {
		t.Errorf("empty frame: %s", got)
	}
}

func TestAppendJSONCompressed(t *testing.T) {
	const text = "INVITE sip:bob"
	pack := func(w io.WriteCloser, buf *bytes.Buffer, text string) []byte {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	var g, z, f, huge bytes.Buffer
	fw, _ := flate.NewWriter(&f, 9)
	gzipped := pack(gzip.NewWriter(&g), &g, text)
	bomb := pack(gzip.NewWriter(&huge), &huge, strings.Repeat("x", 1<<20+1))
	for name, tt := range map[string]struct {
		in   []byte
		want string
	}{
		"gzip":    {gzipped, `"payload":"` + text + `"`},
		"zlib":    {pack(zlib.NewWriter(&z), &z, text), `"payload":"` + text + `"`},
		"deflate": {pack(fw, &f, text), `"payload":"` + text + `"`},
		"cut":     {gzipped[:15], `"payload_b64":"` + base64.StdEncoding.EncodeToString(gzipped[:15]) + `"`},
		"neither": {[]byte{0xff}, `"payload_b64":"/w=="`},
		"bomb":    {bomb, `"payload_b64":"` + base64.StdEncoding.EncodeToString(bomb) + `"`},
	} {
		frame := append([]byte("HEP3\x00\x00\x00\x00\x00\x10\x00\x00"), tt.in...)
		binary.BigEndian.PutUint16(frame[4:], uint16(len(frame)))
		binary.BigEndian.PutUint16(frame[10:], uint16(6+len(tt.in)))
		if got := line(t, frame); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// FuzzAppendJSON: whatever a frame holds, the line is one, is valid JSON, and
// says what encoding/json understands by it.
func FuzzAppendJSON(f *testing.F) {
	f.Add([]byte(`{"net": "17"}`), []byte("INVITE sip:bob"), []byte("node"))
	f.Add([]byte("{\"a\":\"\\\\\", \"b\" : [ ]}"), []byte("\xff\x00"), []byte("\xe2\x80\xa8\""))
	f.Add([]byte("null"), []byte("{\"x\":1}\n"), []byte("\xed\xa0\x80"))
	f.Fuzz(func(t *testing.T, extra, payload, node []byte) {
		p := packet()
		p.Extra, p.Payload, p.Node, p.Correlation = extra, payload, node, extra
		b, err := p.AppendBinary(nil)
		if err != nil {
			t.Skip()
		}
		got := line(t, b)
		if !utf8.ValidString(got) || strings.Count(got, "\n") != 1 {
			t.Fatalf("got %q", got)
		}
		var obj struct {
			Node, Primary string
			Extra         json.RawMessage
			ExtraRaw      *string `json:"extra_raw"`
			Payload       *string
			PayloadB64    []byte `json:"payload_b64"`
		}
		if err := json.Unmarshal([]byte(got), &obj); err != nil {
			t.Fatalf("%v: %q", err, got)
		}
		clean := func(b []byte) string { return string([]rune(string(b))) }
		if obj.Node != clean(node) || obj.Primary != clean(extra) {
			t.Fatalf("node %q, primary %q", obj.Node, obj.Primary)
		}
		if utf8.Valid(payload) != (obj.Payload != nil) || obj.Payload != nil && *obj.Payload != string(payload) ||
			obj.Payload == nil && !bytes.Equal(obj.PayloadB64, payload) {
			t.Fatalf("payload of %q", got)
		}
		if obj.ExtraRaw != nil && (*obj.ExtraRaw != clean(extra) || obj.Extra != nil) {
			t.Fatalf("extra_raw %q", *obj.ExtraRaw)
		}
		var want, have map[string]any
		if len(extra) > 0 && obj.ExtraRaw == nil {
			if json.Unmarshal(extra, &want) != nil || json.Unmarshal(obj.Extra, &have) != nil {
				t.Fatalf("extra %q of %q", obj.Extra, extra)
			}
			a, _ := json.Marshal(want)
			b, _ := json.Marshal(have)
			if !bytes.Equal(a, b) {
				t.Fatalf("extra %s of %s", b, a)
			}
		}
	})
}

func TestAppendJSONAllocs(t *testing.T) {
	p := packet()
	p.Node, p.Correlation, p.Extra = []byte("node"), []byte("id"), []byte(`{"net":"17"}`)
	v, err := hep.Parse(encode(t, p))
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { dst = collect.AppendJSON(dst[:0], v) }); n != 0 {
		t.Errorf("allocates %v times", n)
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	p := packet()
	p.Node, p.Correlation, p.Extra = []byte("node"), []byte("id"), []byte(`{"net":"17"}`)
	p.Payload = bytes.Repeat([]byte("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"), 18)
	v, _ := hep.Parse(encode(b, p))
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = collect.AppendJSON(dst[:0], v)
	}
}
