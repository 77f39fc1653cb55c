package export_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/export"
	"heptap/hep"
)

func report() record.Record {
	return record.Record{
		Type: record.RTPReport, Class: record.Final, Wall: 1700000000123456789, TOS: 0xb8,
		Flow: capture.FiveTuple{Proto: capture.ProtoUDP,
			Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5062")},
		HasVLAN: true, VLAN: 100, MOS: 441, R: 93,
		Primary: []byte("a84b4c76e66710@pc33.example.com"),
		Links: []record.Link{
			{Type: record.SIP, How: record.Inferred, Score: 70, ID: []byte("guess")},
			{Type: record.SIP, How: record.Flow, ID: []byte(`b "leg"\` + "\x01\xff")},
			{Type: record.SIP, How: record.Flow, ID: []byte("later")},
			{Type: 89, How: record.Inferred, Score: 70, ID: []byte("17")},
			{Type: 89, How: record.Inferred, Score: 71, ID: []byte("18")},
		},
		Payload: []byte(`{"MOS":4.41}`),
	}
}

const invite = "INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: x\r\n\r\n\x00\xff binary body"

func sip() record.Record {
	r := report()
	r.Type, r.Class, r.HasVLAN, r.MOS, r.R, r.TOS = record.SIP, record.Call, false, 0, 0, 0
	r.Flow.Src = netip.MustParseAddrPort("[2001:db8::1]:5060")
	r.Flow.Dst = netip.MustParseAddrPort("[2001:db8::2]:5061")
	r.Flow.Proto = capture.ProtoTCP
	r.Links, r.Payload = nil, []byte(invite)
	return r
}

func seal(t testing.TB, r record.Record) []byte {
	t.Helper()
	b, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	record.Seal(b, 7, 1, [16]byte{1})
	return b
}

func profile(t testing.TB, o export.Options) *export.Profile {
	t.Helper()
	p, err := export.New("opensips", o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var options = export.Options{Node: "probe-1", AgentID: 2001, AuthKey: "myHep"}

func parse(t *testing.T, b []byte) hep.View {
	t.Helper()
	v, err := hep.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestReport(t *testing.T) {
	b, err := profile(t, options).Encode([]byte("before"), seal(t, report()))
	if err != nil || string(b[:6]) != "before" {
		t.Fatal(err, b[:6])
	}
	v := parse(t, b[6:])
	want := report()
	vlan, ok := v.VLAN()
	got := fmt.Sprint(v.Type(), v.Proto(), v.Src(), v.Dst(), v.Wall(), v.TOS(), vlan, ok, v.MOS(), v.R(), v.AgentID(), v.Family())
	if exp := fmt.Sprint(34, 17, want.Flow.Src, want.Flow.Dst, int64(1700000000123456000), 0xb8, 100, true, 441, 93, 2001, 2); got != exp {
		t.Errorf("got  %s\nwant %s", got, exp)
	}
	if string(v.Correlation()) != string(want.Primary) || string(v.Node()) != "probe-1" || string(v.AuthKey()) != "myHep" {
		t.Errorf("0x11 %q, node %q, key %q", v.Correlation(), v.Node(), v.AuthKey())
	}
	if string(v.Payload()) != `{"MOS":4.41}` {
		t.Errorf("payload %q", v.Payload())
	}
	if got, want := string(v.Extra()), `{"sip":["b \"leg\"\\\u0001`+"\ufffd"+`","later"],"net":"18"}`; got != want {
		t.Errorf("extra %s\nwant  %s", got, want)
	}
	var m struct {
		SIP []string
		Net string
	}
	if err := json.Unmarshal(v.Extra(), &m); err != nil || m.SIP[0] != "b \"leg\"\\\x01\ufffd" || m.Net != "18" {
		t.Errorf("extra as JSON: %v %q", err, m)
	}
}

// A record of a link has both ids in chunk 101, those of one type in an array.
func TestLinkRecord(t *testing.T) {
	inferred := func(id string) record.Link {
		return record.Link{Type: record.SIP, How: record.Inferred, Score: 99, ID: []byte(id)}
	}
	for _, tt := range []struct {
		links []record.Link
		extra string
	}{
		{[]record.Link{inferred("a"), {Type: record.REST, How: record.Seen, ID: []byte("rest-1")}}, `{"sip":"a","rest":"rest-1"}`},
		{[]record.Link{inferred("a"), inferred("b")}, `{"sip":["a","b"]}`},
	} {
		r := report()
		r.Type, r.Primary, r.Links = record.Control, tt.links[1].ID, tt.links
		b, err := profile(t, options).Encode(nil, seal(t, r))
		if err != nil {
			t.Fatal(err)
		}
		if v := parse(t, b); v.Type() != 96 || string(v.Correlation()) != string(r.Primary) || string(v.Extra()) != tt.extra {
			t.Errorf("type %d, 0x11 %q, extra %s, want %s", v.Type(), v.Correlation(), v.Extra(), tt.extra)
		}
	}
}

// A payload says so if the call in chunk 101 was inferred.
func TestInferredIsSaid(t *testing.T) {
	seen, guess := record.Link{Type: record.SIP, How: record.Seen, ID: []byte("a")}, record.Link{Type: record.SIP, How: record.Inferred, Score: 98, ID: []byte("a")}
	flow := record.Link{Type: record.Net, How: record.Flow, ID: []byte("17")}
	for _, tt := range []struct {
		typ           record.Type
		links         []record.Link
		payload, want string
	}{
		{record.REST, []record.Link{flow, guess}, `{"status":200}`, `{"status":200,"link":"inferred","link_score":98}`},
		{record.DNS, []record.Link{guess}, " {} \n", ` {"link":"inferred","link_score":98}`},
		{record.REST, []record.Link{guess, seen}, `{"status":200}`, `{"status":200}`},
		{record.REST, []record.Link{flow, seen}, `{"status":200}`, `{"status":200}`},
		{record.REST, nil, `{"status":200}`, `{"status":200}`},
		{record.REST, []record.Link{guess}, `{"link":"x"}`, `{"link":"x"}`},
		{record.REST, []record.Link{guess}, `{"status":`, `{"status":`},
		{record.Log, []record.Link{guess}, `text`, `text`},
		{record.Control, []record.Link{guess}, `{"event":"link"}`, `{"event":"link"}`},
		{record.SIP, []record.Link{guess}, message("BYE sip:b@x", "b", ""), message("BYE sip:b@x", "b", "")},
	} {
		b, err := profile(t, options).Encode(nil, seal(t, of(tt.typ, "r1", tt.payload, tt.links...)))
		if err != nil {
			t.Fatal(err)
		}
		v := parse(t, b)
		if string(v.Payload()) != tt.want {
			t.Errorf("%v %v: %q, want %q", tt.typ, tt.links, v.Payload(), tt.want)
		}
	}
}

func TestSIPIsRaw(t *testing.T) {
	b, err := profile(t, export.Options{}).Encode(nil, seal(t, sip()))
	if err != nil {
		t.Fatal(err)
	}
	v := parse(t, b)
	if string(v.Payload()) != invite {
		t.Errorf("payload %q", v.Payload())
	}
	if v.Type() != 1 || v.Proto() != 6 || v.Family() != 10 || v.Src() != sip().Flow.Src || v.Dst() != sip().Flow.Dst {
		t.Errorf("type %d, proto %d, family %d, %v > %v", v.Type(), v.Proto(), v.Family(), v.Src(), v.Dst())
	}
	if _, ok := v.VLAN(); ok || v.Extra() != nil || v.Node() != nil || v.AuthKey() != nil || v.MOS() != 0 {
		t.Error("chunks that were not asked for")
	}
}

func TestPayloadIsCleaned(t *testing.T) {
	r := report()
	r.Payload = []byte("{\"a\":\"\x00\xff\xfe\u00e9\"}")
	b, err := profile(t, options).Encode(nil, seal(t, r))
	if err != nil {
		t.Fatal(err)
	}
	if v := parse(t, b); string(v.Payload()) != "{\"a\":\"\ufffd\ufffd\u00e9\"}" {
		t.Errorf("payload %q", v.Payload())
	}
}

func TestSameOctetsAgain(t *testing.T) {
	p, q, rec := profile(t, options), profile(t, options), seal(t, report())
	a, _ := p.Encode(nil, rec)
	if _, err := p.Encode(nil, seal(t, sip())); err != nil {
		t.Fatal(err)
	}
	b, _ := p.Encode(nil, rec)
	c, _ := q.Encode(nil, rec)
	if len(a) == 0 || !bytes.Equal(a, b) || !bytes.Equal(a, c) {
		t.Error("the same record gives other octets")
	}
}

func TestRefused(t *testing.T) {
	long := sip()
	long.Primary = bytes.Repeat([]byte("x"), hep.MaxFrame-100)
	tiny := options
	tiny.MaxFrame = 180
	small := options
	small.MaxFrame = 200
	for _, tt := range []struct {
		name string
		o    export.Options
		rec  []byte
		want error
	}{
		{"an id over the protocol's limit", options, seal(t, long), hep.ErrTooLarge},
		{"nothing left of SIP", tiny, seal(t, sip()), hep.ErrTooLarge},
		{"over the collector's limit", small, seal(t, report()), hep.ErrTooLarge},
		{"corrupt", options, append(seal(t, sip()), 0), record.ErrCorrupt},
		{"empty", options, nil, record.ErrCorrupt},
	} {
		b, err := profile(t, tt.o).Encode([]byte("x"), tt.rec)
		if !errors.Is(err, tt.want) || string(b) != "x" {
			t.Errorf("%s: %v, %d octets", tt.name, err, len(b))
		}
	}
}

// A message larger than a frame, or than the collector takes, is cut with a flag
// and a counter, and never wrapped. What follows is whole again.
func TestSIPIsCut(t *testing.T) {
	big := sip()
	big.Payload = append([]byte(invite), bytes.Repeat([]byte("x"), record.MaxPayload-len(invite))...)
	big.Primary = bytes.Repeat([]byte("i"), 1000)
	for _, max := range []int{0, 4000, 1500} {
		var cut atomic.Uint64
		o := options
		o.MaxFrame, o.Cut = max, &cut
		if max == 0 {
			max = hep.MaxFrame
		}
		p := profile(t, o)
		b, err := p.Encode(nil, seal(t, big))
		if err != nil {
			t.Fatal(max, err)
		}
		v := parse(t, b)
		if len(b) != max || !bytes.HasPrefix(big.Payload, v.Payload()) || v.Flags() != hep.FlagCut || cut.Load() != 1 {
			t.Errorf("%d: %d octets, flags %v, %d cut", max, len(b), hep.FlagNames(v.Flags()), cut.Load())
		}
		b, err = p.Encode(nil, seal(t, sip()))
		if v = parse(t, b); err != nil || v.Flags() != 0 || cut.Load() != 1 {
			t.Error("the next message is not whole", err)
		}
	}
}

func TestFlags(t *testing.T) {
	for f, want := range map[uint16]uint16{0: 0, record.FlagGap: hep.FlagGap, record.FlagCut: hep.FlagCut, record.FlagDuplicate: hep.FlagDuplicate, record.FlagRelayed: hep.FlagRelayed} {
		r := sip()
		r.Flags = f
		b, err := profile(t, options).Encode(nil, seal(t, r))
		if err != nil {
			t.Fatal(err)
		}
		v := parse(t, b)
		if v.Flags() != want {
			t.Errorf("record flag %#x became %#x", f, v.Flags())
		}
	}
}

// What another agent saw goes out under its name, octet for octet.
func TestRelayed(t *testing.T) {
	r := sip()
	r.Type, r.Flags, r.AgentID, r.Node, r.Payload = 9, record.FlagRelayed, 77, []byte("proxy-1"), []byte("\x00\xff\x01")
	b, err := profile(t, options).Encode(nil, seal(t, r))
	if err != nil {
		t.Fatal(err)
	}
	if v := parse(t, b); v.AgentID() != 77 || string(v.Node()) != "proxy-1" || string(v.Payload()) != "\x00\xff\x01" {
		t.Errorf("agent %d, node %q, payload %q", v.AgentID(), v.Node(), v.Payload())
	}
	r.Chunks = []byte("\x00\x02\x01\x00\x00\x08ab")
	for _, typ := range []record.Type{9, record.SIP, record.Log} {
		r.Type = typ
		var cut atomic.Uint64
		o := options
		o.Cut = &cut
		for _, name := range export.Profiles() {
			p, err := export.New(name, o)
			if err != nil {
				t.Fatal(err)
			}
			if b, err = p.Encode(nil, seal(t, r)); err != nil || !bytes.HasSuffix(bytes.TrimSuffix(b, []byte("\x68\x74\x01\x00\x00\x08\x00\x08")), r.Chunks) {
				t.Errorf("type %d: %v, the other chunks are not in %q", typ, err, b)
			}
			o.MaxFrame = len(b) - 1 // they go first
			if p, err = export.New(name, o); err != nil {
				t.Fatal(err)
			}
			before := cut.Load()
			c, err := p.Encode(nil, seal(t, r))
			if v := parse(t, c); err != nil || len(c) != len(b)-len(r.Chunks) || cut.Load() != before+1 || v.Flags() != hep.FlagRelayed {
				t.Errorf("type %d: %v, %d octets of %d, %d cut", typ, err, len(c), len(b), cut.Load()-before)
			}
			o.MaxFrame = 0
		}
	}
	r.Node, r.Chunks = nil, nil
	if b, err = profile(t, options).Encode(nil, seal(t, r)); err != nil {
		t.Fatal(err)
	}
	if v := parse(t, b); v.AgentID() != 77 || len(v.Node()) != 0 {
		t.Errorf("agent %d, node %q: Homer would show our name for it", v.AgentID(), v.Node())
	}
}

// What goes over TCP has the number that the user chose, other things that of IP.
func TestProtocolNumbers(t *testing.T) {
	sip := func(via string) string {
		return "OPTIONS sip:b@x SIP/2.0\r\nVia: SIP/2.0/" + via + " h;branch=z9hG4bK1\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\n\r\n"
	}
	for _, tt := range []struct {
		what    string
		typ     record.Type
		proto   uint8
		payload string
		want    [5]uint8 // seen, ip, opensips, and with homer7 seen, opensips
	}{
		{"UDP", record.SIP, 17, sip("WS"), [5]uint8{17, 17, 17, 17, 17}},
		{"SCTP", record.SIP, 132, sip("SCTP"), [5]uint8{132, 132, 132, 132, 132}},
		{"TCP", record.SIP, 6, sip("TCP"), [5]uint8{6, 6, 6, 6, 6}},
		{"WebSocket", record.SIP, 6, sip("WS"), [5]uint8{6, 6, 50, 6, 50}},
		{"an agent's TLS", record.SIP, 22, sip("TLS"), [5]uint8{22, 6, 22, 22, 22}},
		{"Kamailio's WSS", record.SIP, 22, sip("WSS"), [5]uint8{22, 6, 50, 22, 50}},
		{"OpenSIPS's WSS", record.SIP, 50, sip("WSS"), [5]uint8{50, 6, 50, 6, 50}},
		{"no SIP", record.SIP, 50, "hello", [5]uint8{50, 6, 50, 6, 50}},
		{"a connection of TLS", record.Net, 6, `{"Protocol":"TLS","Event":"CLOSED"}`, [5]uint8{6, 6, 22, 6, 22}},
		{"a connection of WS", record.Net, 6, `{"Protocol":"WS"}`, [5]uint8{6, 6, 50, 6, 50}},
		{"a connection", record.Net, 6, `{"Protocol":"TCP","Message":"TLS"}`, [5]uint8{6, 6, 6, 6, 6}},
		{"a query", record.REST, 6, `{"Protocol":"TLS"}`, [5]uint8{6, 6, 6, 6, 6}},
	} {
		r := of(tt.typ, "a", tt.payload)
		r.Flow.Proto = tt.proto
		if tt.proto == 22 || tt.proto == 50 {
			r.Flags |= record.FlagRelayed
		}
		for i, p := range []struct {
			profile string
			numbers export.Numbers
		}{{"opensips", "seen"}, {"opensips", "ip"}, {"opensips", "opensips"}, {"homer7", ""}, {"homer7", "opensips"}} {
			o := options
			o.Numbers = p.numbers
			enc, err := export.New(p.profile, o)
			if err != nil {
				t.Fatal(err)
			}
			b, err := enc.Encode(nil, seal(t, r))
			if err != nil {
				t.Fatal(err)
			}
			if v := parse(t, b); v.Proto() != tt.want[i] {
				t.Errorf("%s: %s, %q: %d, want %d", tt.what, p.profile, p.numbers, v.Proto(), tt.want[i])
			}
		}
	}
}

func TestNew(t *testing.T) {
	for _, name := range export.Profiles() {
		if _, err := export.New(name, options); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "homer", "Homer7"} {
		if _, err := export.New(name, options); !errors.Is(err, export.ErrProfile) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, node := range []string{`a"b`, `a\b`, "a\nb", "\xc3\xa9", strings.Repeat("x", 256)} {
		if _, err := export.New("opensips", export.Options{Node: node}); !errors.Is(err, export.ErrNode) {
			t.Errorf("%q: %v", node, err)
		}
	}
}

// What heplify-server pastes into JSON must not break it.
func TestNewHomer7(t *testing.T) {
	for _, key := range []export.Secret{`a"b`, `a\b`, "a\nb", "\xff"} {
		if _, err := export.New("homer7", export.Options{AuthKey: key}); !errors.Is(err, export.ErrAuthKey) || strings.Contains(err.Error(), string(key)) {
			t.Errorf("%q: %v", string(key), err)
		}
		if _, err := export.New("opensips", export.Options{AuthKey: key}); err != nil {
			t.Error(err)
		}
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	var b bytes.Buffer
	s := export.Secret("hunter2")
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "key", s, "options", options)
	j, err := json.Marshal(map[string]any{"key": s})
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	fmt.Fprintf(&b, "%s %v %q %x %#v %d %+v %#v", s, s, s, s, s, s, options, options)
	for _, secret := range []string{"hunter2", "68756e746572", "myHep"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("printed: %s", b.String())
		}
	}
}

func TestAllocs(t *testing.T) {
	p, buf := profile(t, options), make([]byte, 0, 4096)
	dirty := report()
	dirty.Payload = []byte("\x00\xff")
	for _, rec := range [][]byte{seal(t, report()), seal(t, sip()), seal(t, dirty)} {
		n := testing.AllocsPerRun(100, func() {
			if _, err := p.Encode(buf, rec); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

// FuzzEncode checks that whatever a record holds becomes a frame that a strict
// reader takes, with valid JSON where JSON belongs.
func FuzzEncode(f *testing.F) {
	f.Add(uint8(34), []byte("id"), []byte("link"), []byte("payload"))
	f.Add(uint8(1), []byte(""), []byte("\xff\x00\""), []byte(invite))
	f.Fuzz(func(t *testing.T, typ uint8, primary, link, payload []byte) {
		r := report()
		r.Type, r.Primary, r.Payload = record.Type(typ), primary, payload
		r.Links = append(r.Links[:1], record.Link{Type: record.SIP, How: record.Seen, ID: link}, record.Link{Type: record.Type(typ), How: record.Seen, ID: link})
		rec, err := r.AppendBinary(nil)
		if err != nil {
			t.Skip()
		}
		record.Seal(rec, 1, 1, [16]byte{})
		b, err := profile(t, options).Encode(nil, rec)
		if errors.Is(err, hep.ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		v := parse(t, b)
		var m map[string]any
		if err := json.Unmarshal(v.Extra(), &m); err != nil || len(m) == 0 {
			t.Errorf("extra %q: %v", v.Extra(), err)
		}
		if p := v.Payload(); r.Type == record.SIP && !bytes.Equal(p, payload) ||
			r.Type != record.SIP && (!utf8.Valid(p) || bytes.IndexByte(p, 0) >= 0) {
			t.Errorf("payload %q became %q", payload, p)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	call := sip()
	call.Payload = bytes.Repeat([]byte("SIP/2.0 200 OK\r\n"), 54) // 864 octets, as a mean message
	shut := of(record.Net, "17", closed, link(record.Flow, 0, "a"), link(record.Flow, 0, "b"))
	for _, tt := range []struct {
		name string
		rec  record.Record
	}{{"sip", call}, {"report", report()}, {"connection of two calls", shut}} {
		for _, name := range export.Profiles() {
			b.Run(name+"/"+tt.name, func(b *testing.B) {
				p, err := export.New(name, options)
				if err != nil {
					b.Fatal(err)
				}
				rec, buf := seal(b, tt.rec), make([]byte, 0, 4096)
				b.ReportAllocs()
				b.SetBytes(int64(len(rec)))
				for b.Loop() {
					if _, err := p.Encode(buf, rec); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// TestWall has Options.Wall say when a record was made, for the frame and for what is
// too old.
func TestWall(t *testing.T) {
	o := options
	o.MaxAge, o.Now = time.Hour, func() time.Time { return time.Unix(1_800_000_000, 0) }
	r := sip()
	want, rec := r.Stamp(), seal(t, r)
	if _, err := profile(t, o).Encode(nil, rec); !errors.Is(err, export.ErrOld) {
		t.Fatal(err)
	}
	o.Wall = func(s record.Stamp) int64 {
		if s.Mono != want.Mono || s.Wall != want.Wall {
			t.Errorf("asked about %+v", s)
		}
		return 1_799_999_999_123_456_000
	}
	p := profile(t, o)
	b, err := p.Encode(nil, rec)
	if err != nil || p.Old(rec) {
		t.Fatal(err)
	}
	if v := parse(t, b); v.Wall() != 1_799_999_999_123_456_000 {
		t.Errorf("stamped %d", v.Wall())
	}
}

// Every frame carries its record's number when that is wanted, the same in each profile.
func TestSequence(t *testing.T) {
	r := report()
	r.Type, r.Primary = record.REST, []byte("query-1")
	r.Links = []record.Link{{Type: record.SIP, How: record.Seen, ID: []byte("one")}, {Type: record.SIP, How: record.Seen, ID: []byte("two")}}
	b, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	record.Seal(b, 3<<40+7, 1, [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	for name, frames := range map[string]int{"opensips": 1, "homer7": 2} {
		for _, on := range []bool{true, false} {
			p, err := export.New(name, export.Options{Sequence: on})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // and the same when it is sent again
				out, err := p.Encode(nil, b)
				if err != nil {
					t.Fatal(err)
				}
				for i := range frames {
					n := export.First(out)
					v := parse(t, out[:n])
					want := hep.Sequence{}
					if on {
						want = hep.Sequence{Origin: 0x0102030405060708, Number: 3<<40 + 7, Part: uint8(i)}
					}
					if got := v.Sequence(); got != want {
						t.Errorf("%s, %v, frame %d: %+v", name, on, i, got)
					}
					out = out[n:]
				}
				if len(out) != 0 {
					t.Errorf("%s: more than %d frames", name, frames)
				}
			}
		}
	}
}

// Every frame says what is known of the clock when that is wanted, but for those of
// another agent, who has another clock.
func TestClock(t *testing.T) {
	is := hep.Clock{State: hep.ClockRight, Offset: 3 * time.Millisecond}
	for _, relayed := range []bool{false, true} {
		r := report()
		if relayed {
			r.Flags |= record.FlagRelayed
		}
		b, err := r.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		record.Seal(b, 1, 1, [16]byte{1})
		for _, name := range export.Profiles() {
			p, err := export.New(name, export.Options{Clock: func() hep.Clock { return is }})
			if err != nil {
				t.Fatal(err)
			}
			out, err := p.Encode(nil, b)
			if err != nil {
				t.Fatal(err)
			}
			want := is
			if relayed {
				want = hep.Clock{}
			}
			if v := parse(t, out[:export.First(out)]); v.Clock() != want {
				t.Errorf("%s, relayed %v: %+v", name, relayed, v.Clock())
			}
		}
	}
}

// A frame has room for its number when it is cut to size.
func TestSequenceFits(t *testing.T) {
	p, err := export.New("opensips", export.Options{Sequence: true, MaxFrame: 512})
	if err != nil {
		t.Fatal(err)
	}
	r := sip()
	r.Payload = bytes.Repeat([]byte("x"), 1000)
	out, err := p.Encode(nil, seal(t, r))
	if v := parse(t, out); err != nil || len(out) != 512 || v.Sequence().Number != 7 {
		t.Errorf("%d octets, %+v, %v", len(out), v.Sequence(), err)
	}
}
