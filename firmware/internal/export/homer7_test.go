package export_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/export"
	"heptap/firmware/internal/export/homertest"
	"heptap/hep"
)

func homer7(t testing.TB, o export.Options) *export.Profile {
	t.Helper()
	p, err := export.New("homer7", o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	second = int64(time.Second)
	began  = 1700000000 * second // when the calls below began
)

// of makes a record of a kind, 5 s into the call.
func of(typ record.Type, primary, payload string, links ...record.Link) record.Record {
	return record.Record{
		Type: typ, Class: record.Call, Wall: began + 5*second, Primary: []byte(primary), Payload: []byte(payload), Links: links,
		Flow: capture.FiveTuple{Proto: capture.ProtoTCP,
			Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5062")},
	}
}

func link(how record.How, score uint8, id string) record.Link {
	return record.Link{Type: record.SIP, How: how, Score: score, ID: []byte(id)}
}

func message(start, callID, more string) string {
	return start + " SIP/2.0\r\nCall-ID: " + callID + "\r\nCSeq: 1 " + strings.Fields(start)[0] + "\r\n" + more + "\r\n"
}

// What the codecs of the protocols make, shortened.
const (
	rtcpJSON = `{"sender_information":{"ntp_timestamp_sec":1,"ntp_timestamp_usec":2,"rtp_timestamp":3,"packets":4,"octets":5},"ssrc":6,"type":200,"report_count":1,"report_blocks":[{"source_ssrc":7,"fraction_lost":0,"packets_lost":-1,"highest_seq_no":8,"ia_jitter":9,"lsr":10,"dlsr":11}]}`
	srtcp    = `{"ssrc":6,"type":200,"srtcp":true}`
	rtpJSON  = `{"CORRELATION_ID":"a","TYPE":"PERIODIC","TOTAL_PK":50,"EXPECTED_PK":50,"PACKET_LOSS":0,"DELTA":20.5,"JITTER":0.4,"MOS":4.41}`
	videoRTP = `{"CORRELATION_ID":"a","TYPE":"FINAL","TOTAL_PK":50,"EXPECTED_PK":50,"PACKET_LOSS":0,"DELTA":20.5,"JITTER":0.4}`
	closed   = `{"Protocol":"TCP","Event":"CLOSED","Status":"SUCCESS","Message":"Closed by the client","event":"TCP closed","calls_total":2,"calls":["a","b"],"calls_at":[1700000000500000,1700000001500000]}`
	iam      = `{"cic":7,"msg_type":1,"msg_name":"IAM","called_number":{"num":"4930"},"opc":200,"dpc":100}`
	linkJSON = `{"event":"link","how":"inferred","score":99,"reasons":["same host"],"type":"rest","from":"r1","to":"a"}`
	sipI     = `{"msg_type":1,"msg_name":"IAM","called_number":{"num":"4930"}}`
)

// longID is longer than a third of a page of PostgreSQL.
var longID = strings.Repeat("x", 2705)

// views says where a record of call a is to be seen.
type views struct{ transaction, log, rtcp, rtp, circuit int }

// TestHomer7 sends every kind of record through the codec to the model of the server,
// and looks for it in what Homer shows of call a, and of call b.
func TestHomer7(t *testing.T) {
	for _, tt := range []struct {
		name     string
		inferred bool
		rec      record.Record
		a, b     views
		sids     string // all that is stored, table:sid
	}{
		{"sip of the call", false, of(record.SIP, "a", message("INVITE sip:b@x", "a", "")), views{transaction: 1}, views{}, "1_call:a"},
		{"sip outside calls", false, of(record.SIP, "a", message("OPTIONS sip:b@x", "a", "")), views{}, views{}, "1_default:a"},
		{"sip registration", false, of(record.SIP, "a", message("REGISTER sip:b@x", "a", "")), views{}, views{}, "1_registration:a"},
		{"sip, leg seen", false, of(record.SIP, "b", message("INVITE sip:b@x", "b", ""), link(record.Seen, 0, "a")), views{}, views{transaction: 1}, "1_call:b"},
		{"sip with a Call-ID that Homer cannot index", false, of(record.SIP, longID, message("INVITE sip:b@x", longID, "")), views{}, views{}, "100_default:sip@probe-1"},
		{"rtcp", false, of(record.RTCP, "a", rtcpJSON), views{transaction: 0, rtcp: 1}, views{}, "5_default:a"},
		{"rtcp of two legs", false, of(record.RTCP, "a", rtcpJSON, link(record.Flow, 0, "b")), views{rtcp: 1}, views{rtcp: 1}, "5_default:a 5_default:b"},
		{"rtcp of nobody", false, of(record.RTCP, "rtcp:192.0.2.1:1-192.0.2.2:2", rtcpJSON), views{}, views{}, "5_default:rtcp:192.0.2.1:1-192.0.2.2:2"},
		{"srtcp", false, of(record.RTCP, "a", srtcp), views{}, views{}, "5_default:a"},
		{"rtcp that is no JSON", false, of(record.RTCP, "a", "RTCP"), views{log: 1}, views{}, "100_default:a"},
		{"rtcp that breaks the chart", false, of(record.RTCP, "a", strings.Replace(rtcpJSON, `"report_blocks":[`, `"report_blocks":{"x":[`, 1)+"}"), views{log: 1}, views{}, "100_default:a"},
		{"rtp report", false, of(record.RTPReport, "a", rtpJSON), views{rtp: 1}, views{}, "35_default:a"},
		{"rtp report of one of two legs", false, of(record.RTPReport, "a", rtpJSON, link(record.Flow, 0, "b")), views{rtp: 1}, views{}, "35_default:a"},
		{"rtp report without MOS", false, of(record.RTPReport, "a", videoRTP), views{rtp: 1}, views{}, "35_default:a"},
		{"rtp report that is no object", false, of(record.RTPReport, "a", "null"), views{log: 1}, views{}, "100_default:a"},
		{"rtp report cut short", false, of(record.RTPReport, "a", rtpJSON[:40]), views{log: 1}, views{}, "100_default:a"},
		{"connection opened", false, of(record.Net, "17", `{"Protocol":"TCP","Event":"CONNECTED"}`), views{}, views{}, "100_default:net@probe-1"},
		{"connection closed", false, of(record.Net, "17", closed, link(record.Flow, 0, "a"), link(record.Flow, 0, "b")), views{log: 1}, views{log: 1}, "100_default:a 100_default:b"},
		{"rest, id seen", false, of(record.REST, "r1", `{"first_line":"GET / HTTP/1.1"}`, link(record.Seen, 0, "a"), link(record.Flow, 0, "b")), views{log: 1}, views{}, "100_default:a"},
		{"rest, inferred", false, of(record.REST, "r1", `{"first_line":"GET /"}`, link(record.Inferred, 97, "a")), views{}, views{}, "100_default:rest@probe-1"},
		{"rest, inferred and wanted", true, of(record.REST, "r1", `{"first_line":"GET /"}`, link(record.Inferred, 97, "a"), link(record.Inferred, 60, "b")), views{log: 1}, views{}, "100_default:a"},
		{"rest, two as likely", true, of(record.REST, "r1", `{"first_line":"GET /"}`, link(record.Inferred, 97, "a"), link(record.Inferred, 97, "b")), views{}, views{}, "100_default:rest@probe-1"},
		{"mi", false, of(record.MI, "m1", `{"method":"ul_show"}`), views{}, views{}, "100_default:mi@probe-1"},
		{"mi that names the call", false, of(record.MI, "m1", `{"method":"dlg_end_dlg"}`, link(record.Seen, 0, "a")), views{log: 1}, views{}, "100_default:a"},
		{"dns", false, of(record.DNS, "d1", `{"id":1,"qr":true}`), views{}, views{}, "100_default:dns@probe-1"},
		{"dns, inferred and wanted", true, of(record.DNS, "d1", `{"id":1,"qr":true}`, link(record.Inferred, 99, "b")), views{}, views{log: 1}, "100_default:b"},
		{"isup of a circuit", false, of(record.ISUP, "100:200:7", iam), views{circuit: 1}, views{circuit: 1}, "54_default:100:200:7"},
		{"isup of a circuit and a call", false, of(record.ISUP, "100:200:7", iam, link(record.Flow, 0, "a")), views{circuit: 1, log: 1}, views{circuit: 1}, "54_default:100:200:7 100_default:a"},
		{"isup in SIP", false, of(record.ISUP, "a", sipI, link(record.Seen, 0, "a")), views{log: 1}, views{}, "100_default:a"},
		{"isup in SIP without a Call-ID", false, of(record.ISUP, "", sipI), views{}, views{}, "100_default:isup@probe-1"},
		{"media event", false, of(record.Log, "a", `{"event":"one-way audio","callid":"a"}`), views{log: 1}, views{}, "100_default:a"},
		{"log line naming two calls", false, of(record.Log, "a", `{"message":"a joins b"}`, link(record.Seen, 0, "a"), link(record.Seen, 0, "b")), views{log: 1}, views{log: 1}, "100_default:a 100_default:b"},
		{"log line naming none", false, of(record.Log, "", `{"message":"started"}`), views{}, views{}, "100_default:log@probe-1"},
		{"log line as text", false, of(record.Log, "a", "plain \"text\"\n"), views{log: 1}, views{}, "100_default:a"},
		{"inferred link of a query", false, of(record.Control, "r1", linkJSON, link(record.Inferred, 99, "a"), record.Link{Type: record.REST, How: record.Seen, ID: []byte("r1")}), views{}, views{}, "100_default:control@probe-1"},
		{"inferred link of a query, wanted", true, of(record.Control, "r1", linkJSON, link(record.Inferred, 99, "a"), record.Link{Type: record.REST, How: record.Seen, ID: []byte("r1")}), views{log: 1}, views{}, "100_default:a"},
		{"inferred link between legs", false, of(record.Control, "b", linkJSON, link(record.Inferred, 99, "a"), link(record.Inferred, 99, "b")), views{}, views{log: 1}, "100_default:b"},
		{"inferred link between legs, wanted", true, of(record.Control, "b", linkJSON, link(record.Inferred, 99, "a"), link(record.Inferred, 99, "b")), views{log: 1}, views{log: 1}, "100_default:a 100_default:b"},
		{"link found late", false, of(96, "a", `{"reason":"X-CID"}`, link(record.Seen, 0, "a"), link(record.Seen, 0, "b")), views{log: 1}, views{log: 1}, "100_default:a 100_default:b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options
			o.Inferred = tt.inferred
			frames, err := homer7(t, o).Encode([]byte("before"), seal(t, tt.rec))
			if err != nil || string(frames[:6]) != "before" {
				t.Fatal(err)
			}
			s := &homertest.Homer{Oldest: time.Unix(0, began-second)}
			if err := s.Store(frames[6:]); err != nil {
				t.Fatal(err)
			}
			var sids []string
			for _, r := range s.Rows {
				sids = append(sids, strings.TrimPrefix(r.Table, "hep_proto_")+":"+r.SID)
				if strings.HasSuffix(r.Table, "100_default") && !json.Valid([]byte(r.Raw)) {
					t.Errorf("a log that is no JSON: %s", r.Raw)
				}
			}
			if got := strings.Join(sids, " "); got != tt.sids {
				t.Errorf("stored %s, want %s", got, tt.sids)
			}
			for id, want := range map[string]views{"a": tt.a, "b": tt.b} {
				if got := seen(t, s, id); got != want {
					t.Errorf("of call %s: %+v, want %+v", id, got, want)
				}
			}
		})
	}
}

// seen looks for a call's records in every view. In the transaction view only the
// call's own messages are counted, for without them there is none.
func seen(t *testing.T, s *homertest.Homer, id string) (v views) {
	t.Helper()
	from, to := time.Unix(0, began-second), time.Unix(0, began+60*second)
	v.transaction, v.log, v.circuit = len(s.Transaction(from, to, id)), len(s.LogTab(from, to, id)), len(s.Circuit("100:200:7"))
	var err error
	if v.rtcp, v.rtp, err = s.Charts(from, to, id); err != nil {
		t.Error(err)
	}
	return v
}

// TestHomer7WholeCall puts all records of a call and its B-leg into one server and
// asks for the call as a user does.
func TestHomer7WholeCall(t *testing.T) {
	p, s := homer7(t, options), &homertest.Homer{}
	for _, r := range []record.Record{
		of(record.SIP, "a", message("INVITE sip:b@x", "a", "")),
		of(record.SIP, "b", message("INVITE sip:b@y", "b", ""), link(record.Seen, 0, "a"), record.Link{Type: record.Net, How: record.Flow, ID: []byte("17")}),
		of(record.RTCP, "a", rtcpJSON), of(record.RTPReport, "a", rtpJSON), of(record.RTPReport, "b", videoRTP),
		of(record.REST, "r1", `{"first_line":"GET /"}`, link(record.Seen, 0, "a")),
		of(record.Net, "17", closed, link(record.Flow, 0, "a"), link(record.Flow, 0, "b")),
		of(record.DNS, "d1", `{"id":1}`), of(record.MI, "m1", `{}`), of(record.ISUP, "100:200:7", iam, link(record.Flow, 0, "b")),
	} {
		b, err := p.Encode(nil, seal(t, r))
		if err == nil {
			err = s.Store(b)
		}
		if err != nil {
			t.Fatal(r.Type, err)
		}
	}
	from, to := time.Unix(0, began), time.Unix(0, began+60*second)
	count := func(rows []homertest.Row) (n [2]int) {
		for _, r := range rows {
			switch r.Table {
			case "hep_proto_1_call":
				n[0]++
			case "hep_proto_100_default":
				n[1]++
			}
		}
		return n
	}
	// The B-leg's correlation_id is a: from b Homer finds a's messages. From a it finds
	// those of b only by a rule of the site's own, or by selecting both.
	for ids, want := range map[string][2]int{"a": {1, 2}, "b": {2, 2}, "a b": {2, 4}} {
		if got := count(s.Transaction(from, to, strings.Fields(ids)...)); got != want {
			t.Errorf("call %s: %d messages, %d logs; want %v", ids, got[0], got[1], want)
		}
	}
	if rtcp, rtp, err := s.Charts(from, to, "a", "b"); rtcp != 1 || rtp != 2 || err != nil {
		t.Error(rtcp, rtp, err)
	}
}

// The payload of a log record says what Homer has no column for, and then what the
// record says itself.
func TestHomer7LogPayload(t *testing.T) {
	closedOf := func(id, ts string) string {
		return `{"record":"net","native_id":"17",` + ts + `"callid":"` + id + `","link":"flow",` + closed[1:]
	}
	bad := `{"event":"x","callid":"other","record":1,"native_id":2,"link":3,"link_score":4}`
	for _, tt := range []struct {
		rec  record.Record
		want []string
	}{
		{of(record.Net, "17", closed, link(record.Flow, 0, "a"), link(record.Flow, 0, "b")),
			[]string{closedOf("a", `"record_ts":1700000005.000000,`), closedOf("b", `"record_ts":1700000005.000000,`)}},
		{of(record.REST, "r\"1", "\t{ \n} ", link(record.Inferred, 97, "a")),
			[]string{`{"record":"rest","native_id":"r\"1","callid":"a","link":"inferred","link_score":97}`}},
		{of(record.MI, "", `{"method":"x"}`), []string{`{"record":"mi","method":"x"}`}},
		{of(record.Log, "a", " {\"event\":\"x\",\"callid\":\"a\"}\n"), []string{`{"record":"log","event":"x","callid":"a"}`}},
		{of(record.Log, "a", bad), []string{bad}},
		{of(record.Log, "a", "a \"line\"\r\n\x00\xff\x01é"), []string{`{"record":"log","callid":"a","text":"a \"line\"\u000d\u000a` + "\ufffd" + `\u0001é"}`}},
		{of(record.REST, "r", `{"x":"\u0000"}`), []string{`{"record":"rest","native_id":"r","text":"{\"x\":\"\\u0000\"}"}`}},
		{of(record.REST, "r", strings.Repeat(`{"x":`, 70)+"1"+strings.Repeat("}", 70)), []string{`{"record":"rest","native_id":"r","text":"` + strings.Repeat(`{\"x\":`, 70) + "1" + strings.Repeat("}", 70) + `"}`}},
	} {
		b, err := homer7(t, options).Encode(nil, seal(t, tt.rec))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range split(t, b) {
			if i >= len(tt.want) || string(v.Payload()) != tt.want[i] {
				t.Errorf("payload %d\n got %s\nwant %s", i, v.Payload(), tt.want[min(i, len(tt.want)-1)])
			}
		}
	}
}

// split cuts frames that stand back to back, with the codec's own reader.
func split(t testing.TB, b []byte) (out []hep.View) {
	t.Helper()
	rest := b
	for r := hep.NewReader(bytes.NewReader(b)); ; {
		f, err := r.Next()
		if err != nil {
			if len(rest) > 0 {
				t.Errorf("%d octets that are no frame", len(rest))
			}
			return out
		}
		if n := export.First(rest); n != len(f) {
			t.Errorf("First says %d of %d octets", n, len(f))
		}
		rest = rest[len(f):]
		v, err := hep.Parse(bytes.Clone(f))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
}

// A connection's end is stamped at each call's first message on it, where a search
// for the call looks; at its own time when that is not known, or no longer kept.
func TestHomer7Stamp(t *testing.T) {
	now := time.Unix(0, began+100*second)
	for _, tt := range []struct {
		at, want string
		maxAge   time.Duration
	}{
		{`[1699999000123456,1700000001500000]`, "a 1699999000123456, b 1700000001500000", 0},
		{`[ 1699999000123456 , 1700000001500000 ]`, "a 1699999000123456, b 1700000001500000", 0},
		{`[1699999000123456]`, "a 1699999000123456, b 1700000005000000", 0},
		{`["x",1700000001500000]`, "a 1700000005000000, b 1700000005000000", 0},
		{`[0,9999999999999999999999]`, "a 1700000005000000, b 1700000005000000", 0},
		{`[1700000009000000,1700000001500000]`, "a 1700000005000000, b 1700000001500000", 0}, // after the record
		{`7`, "a 1700000005000000, b 1700000005000000", 0},
		{`[1699999000123456,1700000001500000]`, "b 1700000001500000", 200 * time.Second},
		{`[1699999000123456,1699999000123456]`, "net@probe-1 1700000005000000", 200 * time.Second},
		{`[1699999000123456],"others_at":[1700000001500000]`, "a 1699999000123456, b 1700000001500000", 0},
		{`null,"others_at":[1699999000123456,1700000001500000]`, "a 1699999000123456, b 1700000001500000", 0},
	} {
		o := options
		o.MaxAge, o.Now = tt.maxAge, func() time.Time { return now }
		b, err := homer7(t, o).Encode(nil, seal(t, of(record.Net, "17", `{"calls_at":`+tt.at+`}`, link(record.Flow, 0, "a"), link(record.Flow, 0, "b"))))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range split(t, b) {
			got = append(got, fmt.Sprintf("%s %d", v.Correlation(), v.Wall()/1000))
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.at, s, tt.want)
		}
	}
}

func TestMaxAge(t *testing.T) {
	now := time.Unix(0, began+5*second).Add(48 * time.Hour)
	for _, name := range export.Profiles() {
		o := options
		o.MaxAge, o.Now = 48*time.Hour, func() time.Time { return now }
		p, err := export.New(name, o)
		if err != nil {
			t.Fatal(err)
		}
		rec := seal(t, of(record.REST, "r", "{}"))
		if _, err := p.Encode(nil, rec); err != nil || p.Old(rec) {
			t.Error("as old as may be", err)
		}
		now = now.Add(1)
		if b, err := p.Encode([]byte("x"), rec); !errors.Is(err, export.ErrOld) || !p.Old(rec) || string(b) != "x" {
			t.Error("older", err)
		}
		now = now.Add(-1)
	}
}

// Chunk 0x11 of SIP: only what AlegIDs of the site's own would not find.
func TestHomer7SIPCorrelation(t *testing.T) {
	for _, tt := range []struct {
		callID, want string
		links        []record.Link
		correlation  string // what Homer has in the end
	}{
		{"b", "", nil, "from-header"},
		{"b", "", []record.Link{link(record.Flow, 0, "a"), link(record.Inferred, 99, "a")}, "from-header"},
		{"b", "a", []record.Link{link(record.Inferred, 99, "x"), link(record.Seen, 0, "a"), link(record.Seen, 0, "z")}, "a"},
		{"b", "", []record.Link{{Type: record.Net, How: record.Seen, ID: []byte("17")}}, "from-header"},
		{"b", `a\"b`, []record.Link{link(record.Seen, 0, `a"b`)}, `a"b`},
		{`b"\x`, `b\"\\x`, nil, `b"\x`}, // would break the batch
		{`"` + strings.Repeat("x", 1024), "sip@probe-1", nil, "sip@probe-1"},
		{"b\x01", `b\u0001`, nil, "b\x01"},
		{"b\xffc\u00e9", "", nil, "from-header"}, // the server mends that itself
	} {
		r := of(record.SIP, tt.callID, message("INVITE sip:b@x", tt.callID, "X-CID: from-header\r\n"), tt.links...)
		o := options
		o.Inferred = true
		b, err := homer7(t, o).Encode(nil, seal(t, r))
		if err != nil {
			t.Fatal(err)
		}
		v := parse(t, b)
		if string(v.Correlation()) != tt.want || !bytes.Equal(v.Payload(), r.Payload) || (len(tt.links) > 0) != (len(v.Extra()) > 0) {
			t.Errorf("%q: 0x11 %q, want %q, extra %q", tt.callID, v.Correlation(), tt.want, v.Extra())
		}
		var s homertest.Homer
		if err := s.Store(b); err != nil || len(s.Rows) != 1 || homertest.Header(s.Rows[0].ProtocolHeader, "correlation_id") != tt.correlation {
			t.Errorf("%q: %v, %+v", tt.callID, err, s.Rows)
		}
		if want := homertest.ToUTF8(tt.callID); s.Rows[0].SID != want {
			t.Errorf("sid %q, want %q", s.Rows[0].SID, want)
		}
	}
}

// However many calls a record has, its frames are bounded, and the rest of the
// calls are in chunk 0x65.
func TestHomer7Bounds(t *testing.T) {
	var links []record.Link
	for i := range record.MaxLinks {
		links = append(links, link(record.Flow, 0, fmt.Sprintf("call-%02d", i)))
	}
	b, err := homer7(t, options).Encode(nil, seal(t, of(record.Net, "17", "{}", links...)))
	if vs := split(t, b); err != nil || len(vs) != record.MaxLinks {
		t.Fatalf("%d frames of %d calls: %v", len(vs), record.MaxLinks, err)
	}
	big := of(record.REST, "r", `{"x":"`+strings.Repeat("y", 40000)+`"}`, links...)
	b, err = homer7(t, options).Encode(nil, seal(t, big))
	if vs := split(t, b); err != nil || len(vs) != 2 || !bytes.Contains(vs[1].Extra(), []byte(`"call-15"`)) {
		t.Errorf("%d frames: %v", len(split(t, b)), err)
	}
	long := of(record.REST, "r", `{}`, link(record.Seen, 0, strings.Repeat("x", 3000)))
	b, err = homer7(t, options).Encode(nil, seal(t, long))
	if vs := split(t, b); err != nil || len(vs) != 1 || string(vs[0].Correlation()) != "rest@probe-1" {
		t.Errorf("a Call-ID that cannot be a key: %v", err)
	}
}

// A record larger than the collector takes leaves a trace in its call.
func TestHomer7Cut(t *testing.T) {
	var cut atomic.Uint64
	o := options
	o.MaxFrame, o.Cut = 512, &cut
	p := homer7(t, o)
	b, err := p.Encode(nil, seal(t, of(record.REST, "r", `{"x":"`+strings.Repeat("y", 600)+`"}`, link(record.Seen, 0, "a"))))
	if err != nil {
		t.Fatal(err)
	}
	v := parse(t, b)
	if want := `{"record":"rest","native_id":"r","callid":"a","link":"seen","octets_cut":608}`; string(v.Payload()) != want || v.Flags() != hep.FlagCut || cut.Load() != 1 {
		t.Errorf("%s, flags %x, %d cut", v.Payload(), v.Flags(), cut.Load())
	}
	r := of(record.RTPReport, "a", `{"x":"`+strings.Repeat("y", 600)+`"}`)
	if b, err := p.Encode([]byte("x"), seal(t, r)); !errors.Is(err, hep.ErrTooLarge) || string(b) != "x" {
		t.Errorf("half a report: %v", err)
	}
}

// first returns chunk 0x11 of one frame.
func first(t *testing.T, b []byte) []byte {
	v := parse(t, b)
	return v.Correlation()
}

func TestHomer7WithoutNode(t *testing.T) {
	b, err := homer7(t, export.Options{AgentID: 2001}).Encode(nil, seal(t, of(record.MI, "m", "{}")))
	if err != nil || string(first(t, b)) != "mi@2001" {
		t.Error(err)
	}
}

// What another agent sent is filed as its own, and cannot break the batch either.
func TestHomer7Relayed(t *testing.T) {
	for _, tt := range []struct {
		rec            record.Record
		node, cid, raw string
	}{
		{of(record.SIP, "forced", message("INVITE sip:b@x", "a", "")), "edge", "forced", message("INVITE sip:b@x", "a", "")},
		{of(record.Log, "a", "text \xff"), "edge", "a", `{"record":"log","callid":"a","text":"text "}`},
		{of(record.MI, "m", "{}"), "edge", "mi@edge", `{"record":"mi","native_id":"m"}`},
	} {
		r := tt.rec
		r.Flags, r.AgentID, r.Node = record.FlagRelayed, 9, []byte("e\"d\\g\x00e")
		r.Flow.Proto = 50 // as OpenSIPS has it over WebSocket, which Homer shows as UDP
		b, err := homer7(t, options).Encode(nil, seal(t, r))
		if err != nil {
			t.Fatal(err)
		}
		v := parse(t, b)
		if string(v.Node()) != tt.node || string(v.Correlation()) != tt.cid || string(v.Payload()) != tt.raw || v.AgentID() != 9 || v.Proto() != 6 {
			t.Errorf("node %q, 0x11 %q, payload %q", v.Node(), v.Correlation(), v.Payload())
		}
		if err := new(homertest.Homer).Store(b); err != nil {
			t.Error(err)
		}
	}
}

// chunk is one chunk of vendor 0, as the specification writes it.
func chunk(typ byte, value string) string {
	return string([]byte{0, 0, 0, typ, byte((6 + len(value)) >> 8), byte(6 + len(value))}) + value
}

// TestHomer7Golden compares whole frames, made by hand from the specification.
func TestHomer7Golden(t *testing.T) {
	frame := func(sec, typ, cid, payload, extra string) string {
		c := chunk(1, "\x02") + chunk(2, "\x06") + chunk(3, "\xc0\x00\x02\x01") + chunk(4, "\xc0\x00\x02\x02") +
			chunk(7, "\x13\xc4") + chunk(8, "\x13\xc6") + chunk(9, sec) + chunk(10, "\x00\x07\xa1\x20") + chunk(11, typ) + chunk(12, "\x00\x00\x07\xd1") +
			chunk(14, "myHep")
		if cid != "" {
			c += chunk(17, cid)
		}
		c += chunk(19, "probe-1") + chunk(15, payload)
		if extra != "" {
			c += chunk(0x65, extra)
		}
		return "HEP3" + string([]byte{byte((6 + len(c)) >> 8), byte(6 + len(c))}) + c
	}
	const five, zero, one = "\x65\x53\xf1\x05", "\x65\x53\xf1\x00", "\x65\x53\xf1\x01" // 1700000005, ...
	invite := message("INVITE sip:b@x", "b", "")
	shut := `{"calls":["a","b"],"calls_at":[1700000000500000,1700000001500000]}`
	for _, tt := range []struct {
		rec  record.Record
		want string
	}{
		{of(record.SIP, "b", invite), frame(five, "\x01", "", invite, "")},
		{of(record.SIP, "b", invite, link(record.Seen, 0, "a")), frame(five, "\x01", "a", invite, `{"sip":"a"}`)},
		{of(record.RTPReport, "a", rtpJSON), frame(five, "\x22", "a", rtpJSON, "")},
		{of(record.ISUP, "100:200:7", iam), frame(five, "\x36", "100:200:7", iam, "")},
		{of(record.DNS, "d1", `{"id":1}`), frame(five, "\x64", "dns@probe-1", `{"record":"dns","native_id":"d1","id":1}`, "")},
		{of(record.Net, "17", shut, link(record.Flow, 0, "a"), link(record.Flow, 0, "b")),
			frame(zero, "\x64", "a", `{"record":"net","native_id":"17","record_ts":1700000005.500000,"callid":"a","link":"flow",`+shut[1:], `{"sip":["a","b"]}`) +
				frame(one, "\x64", "b", `{"record":"net","native_id":"17","record_ts":1700000005.500000,"callid":"b","link":"flow",`+shut[1:], `{"sip":["a","b"]}`)},
	} {
		tt.rec.Wall = began + 5*second + second/2
		got, err := homer7(t, options).Encode(nil, seal(t, tt.rec))
		if err != nil || string(got) != tt.want {
			t.Errorf("%v\n got %q\nwant %q", err, got, tt.want)
		}
	}
}

func TestHomer7SameOctetsAgain(t *testing.T) {
	p, q := homer7(t, options), homer7(t, options)
	recs := [][]byte{seal(t, of(record.Net, "17", closed, link(record.Flow, 0, "a"), link(record.Flow, 0, "b"))), seal(t, report()), seal(t, sip())}
	for _, rec := range recs {
		a, _ := p.Encode(nil, rec)
		for _, other := range recs {
			_, _ = p.Encode(nil, other)
		}
		b, _ := p.Encode(nil, rec)
		if c, _ := q.Encode(nil, rec); len(a) == 0 || !bytes.Equal(a, b) || !bytes.Equal(a, c) {
			t.Error("the same record gives other octets")
		}
	}
}

func TestHomer7Allocs(t *testing.T) {
	o := options
	o.Inferred, o.MaxAge, o.Now = true, 48*time.Hour, func() time.Time { return time.Unix(0, began) }
	p, buf := homer7(t, o), make([]byte, 0, 8192)
	for _, r := range []record.Record{
		report(), sip(), of(record.Net, "17", closed, link(record.Flow, 0, "a"), link(record.Flow, 0, "b")),
		of(record.ISUP, "1:2:3", iam, link(record.Inferred, 90, "a")), of(record.Log, "a", "text\x00\xff"), of(record.RTCP, "a", rtcpJSON),
		of(record.REST, "r", "{}"), of(record.SIP, `a"`, invite, link(record.Seen, 0, "b")),
	} {
		rec := seal(t, r)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := p.Encode(buf, rec); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations", r.Type, n)
		}
	}
}

// FuzzHomer7 checks that whatever a record holds, no frame of it breaks a batch of
// the server's or a chart of Homer's, and that all of them are the same again.
func FuzzHomer7(f *testing.F) {
	f.Add(uint8(34), uint8(1), []byte("id"), []byte("link"), []byte(rtpJSON))
	f.Add(uint8(5), uint8(2), []byte("id"), []byte("li\"nk"), []byte(rtcpJSON))
	f.Add(uint8(5), uint8(3), []byte("\x00\xff"), []byte(""), []byte(`{"report_blocks":{},"type":200,"sender_information":{"packets":1,"octets":1}}`))
	f.Add(uint8(54), uint8(3), []byte("1:2:3"), []byte("a"), []byte(iam))
	f.Add(uint8(89), uint8(2), []byte("17"), []byte("a"), []byte(closed))
	f.Add(uint8(100), uint8(1), []byte("a"), []byte("b"), []byte("{\"callid\":\"\\u0000\"}"))
	f.Add(uint8(1), uint8(1), []byte("a\\"), []byte("b\""), []byte(message("INVITE sip:b@x", `a\`, "X-CID: c\r\n")))
	f.Fuzz(func(t *testing.T, typ, how uint8, primary, id, payload []byte) {
		r := of(record.Type(typ), string(primary), string(payload), link(record.How(how), how, string(id)), link(record.Flow, 0, "b"))
		rec, err := r.AppendBinary(nil)
		if err != nil {
			t.Skip()
		}
		record.Seal(rec, 1, 1, [16]byte{})
		o := options
		o.Inferred = how%2 == 1
		b, err := homer7(t, o).Encode(nil, rec)
		if errors.Is(err, hep.ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var s homertest.Homer
		for _, v := range split(t, b) {
			if typ != 1 && len(v.Correlation()) == 0 && v.Type() != 54 {
				t.Errorf("a frame that is not stored: type %d", v.Type())
			}
			if v.Type() == 100 && !json.Valid(v.Payload()) {
				t.Errorf("a log that is no JSON: %q", v.Payload())
			}
		}
		if typ == 1 { // the Call-ID that the server pastes is the message's own; a record's is the same
			if bytes.ContainsAny(primary, "\r\n") {
				return
			}
			r.Payload = []byte(message("INVITE sip:b@x", string(primary), ""))
			if rec, err = r.AppendBinary(nil); err != nil {
				t.Skip()
			}
			record.Seal(rec, 1, 1, [16]byte{})
			if b, err = homer7(t, o).Encode(nil, rec); err == nil {
				err = s.Store(b)
			}
			if err != nil {
				t.Fatal(err)
			}
		} else {
			if err := s.Store(b); err != nil {
				t.Fatal(err)
			}
			if len(s.Rows) != len(split(t, b)) {
				t.Errorf("%d rows of %d frames", len(s.Rows), len(split(t, b)))
			}
		}
		for _, row := range s.Rows { // the numbers of a report are the correlator's business
			if _, _, err := s.Charts(row.At, row.At, row.SID); err != nil && !strings.Contains(err.Error(), "is not a number") {
				t.Error(err)
			}
		}
		if again, err := homer7(t, o).Encode(nil, rec); err != nil || !bytes.Equal(again, b) {
			t.Error("other octets")
		}
	})
}

// FuzzObject compares what the profile takes for a sound object with what
// encoding/json takes for one.
func FuzzObject(f *testing.F) {
	for _, s := range []string{rtpJSON, rtcpJSON, iam, closed, "{}", " {\"a\" : [1,-0.5e+7,true,null,{}] } ", "{\"a\":01}", "{\"a\":\"\\ud800\"}", "{\"a\":1,}", "{\"a\":\"\t\"}", "{\"a\":-}", "{\"a\":1.}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := (&record.Record{Type: record.RTPReport, Primary: []byte("a"), Payload: b}).AppendBinary(nil)
		if err != nil || len(b) == 0 || bytes.IndexByte(b, 0) >= 0 || !bytes.Equal(bytes.ToValidUTF8(b, nil), b) {
			t.Skip()
		}
		record.Seal(rec, 1, 1, [16]byte{})
		frame, err := homer7(t, options).Encode(nil, rec)
		if err != nil {
			t.Skip()
		}
		var m map[string]any
		want := json.Unmarshal(b, &m) == nil && m != nil
		v := parse(t, frame)
		got := v.Type() == 34
		if got && !want {
			t.Errorf("%q is taken for an object", b)
		}
		if want && !got && !bytes.Contains(b, []byte(`\u0000`)) && bytes.Count(b, []byte("{"))+bytes.Count(b, []byte("[")) <= 60 {
			t.Errorf("%q is not taken for an object", b)
		}
	})
}
