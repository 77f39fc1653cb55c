package export_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// This file is a model of heplify-server with PostgreSQL and of Homer 7 above it:
// what is stored of a frame, and what is shown of what is stored. Every rule
// names the function it stands for, in sipcapture/heplify-server (HSRV),
// homer-app (HAPP) or homer-ui (HUI), or the section of the HEP notes ("facts").

// row is one row of a table (facts 3.3).
type row struct {
	table          string
	sid            string
	at             time.Time // create_date
	protocolHeader string
	dataHeader     string
	raw            string
}

// header reads one member of a row's header.
func header(text, name string) any {
	var m map[string]any
	if json.Unmarshal([]byte(text), &m) != nil {
		return nil
	}
	return m[name]
}

// homer is the server and its database.
type homer struct {
	rows   []row
	oldest time.Time // of the partitions; zero for any
}

// errBatch is what fails a whole COPY, and with it the rows of everybody else in it
// (HSRV database/postgres.go bulkInsert: the error comes with the last Exec).
var errBatch = errors.New("the batch fails")

// packet is HSRV decoder.HEP.
type packet struct {
	family, proto, typ, node, src, dst, key, payload, cid, name string
	sport, dport, sec, usec                                     uint64
}

// store takes frames as they come over TCP, cut by their length (HSRV server/tcp.go).
func (s *homer) store(b []byte) error {
	for len(b) > 0 {
		if len(b) < 6 || string(b[:4]) != "HEP3" {
			return fmt.Errorf("no frame: %q", b[:min(len(b), 8)])
		}
		n := int(binary.BigEndian.Uint16(b[4:]))
		if n > 65507 || n > len(b) { // HSRV server: maxPktLen
			return fmt.Errorf("a frame of %d octets", n)
		}
		if err := s.frame(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// parse is HSRV decoder/hep.go parseHEP, which looks at no vendor.
func (p *packet) parse(b []byte) error {
	sizes := map[uint16]int{1: 1, 2: 1, 11: 1, 7: 2, 8: 2, 18: 2, 3: 4, 4: 4, 9: 4, 10: 4, 12: 4, 5: 16, 6: 16}
	for b = b[6:]; len(b) > 0; {
		if len(b) < 6 {
			return errors.New("a chunk of less than 6 octets")
		}
		typ, n := binary.BigEndian.Uint16(b[2:]), int(binary.BigEndian.Uint16(b[4:]))
		if n < 6 || n > len(b) {
			return fmt.Errorf("chunk %#x does not fit", typ)
		}
		v := b[6:n]
		if want, ok := sizes[typ]; ok && len(v) != want {
			return fmt.Errorf("chunk %#x of %d octets", typ, len(v))
		}
		num := uint64(0)
		for _, c := range v[:min(len(v), 4)] {
			num = num<<8 | uint64(c)
		}
		addr, _ := netip.AddrFromSlice(v)
		switch typ {
		case 1:
			p.family = strconv.FormatUint(num, 10)
		case 2:
			p.proto = strconv.FormatUint(num, 10)
		case 3, 5:
			p.src = addr.String()
		case 4, 6:
			p.dst = addr.String()
		case 7:
			p.sport = num
		case 8:
			p.dport = num
		case 9:
			p.sec = num
		case 10:
			p.usec = num
		case 11:
			p.typ = strconv.FormatUint(num, 10)
		case 12:
			p.node = strconv.FormatUint(num, 10)
		case 14:
			p.key = string(v)
		case 15:
			p.payload = string(v)
		case 17:
			p.cid = string(v)
		case 19:
			p.name = string(v)
		}
		b = b[n:]
	}
	return nil
}

// toUTF8 is HSRV decoder.toUTF8(s, "").
func toUTF8(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r != 0 && (r != utf8.RuneError || n > 1) {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// frame is HSRV decoder.parse and database/postgres.go insert.
func (s *homer) frame(b []byte) error {
	var p packet
	if err := p.parse(b); err != nil {
		return err
	}
	if p.name == "" {
		p.name = p.node
	}
	p.payload = toUTF8(p.payload) // normPayload
	r := row{at: time.Unix(int64(p.sec), int64(p.usec)*1000).UTC(), raw: p.payload}
	switch {
	case p.payload == "": // all three branches want one
		return nil
	case p.typ == "1" && len(p.payload) > 32:
		if !s.sip(&p, &r) {
			return nil // parseSIP: logged and dropped
		}
	case p.typ == "54":
		r.table = "hep_proto_54_default"
		isup(&r)
	case p.typ == "0" || p.typ == "1" || p.cid == "":
		return nil
	default:
		r.table, r.sid = "hep_proto_35_default", p.cid
		if p.typ == "5" || p.typ == "53" || p.typ == "100" {
			r.table = "hep_proto_" + p.typ + "_default"
		}
		name := map[string]string{"5": "rtcp", "34": "rtpagent", "35": "rtcpxr", "38": "horaclifix", "53": "dns", "100": "log"}[p.typ]
		if name == "" {
			name = p.typ // parseHEP's ProtoString
		}
		r.dataHeader = `{"node":"` + p.name + `","proto":"` + name + `"}` // makeRTCDataHeader
	}
	r.protocolHeader = p.header()
	return s.insert(r)
}

// header is HSRV database/header.go makeProtoHeader: nothing is escaped.
func (p *packet) header() string {
	pass := ""
	if p.key != "" {
		pass = `","capturePass":"` + p.key
	}
	return fmt.Sprintf(`{"protocolFamily":%s,"protocol":%s,"srcIp":"%s","dstIp":"%s","srcPort":%d,"dstPort":%d,"timeSeconds":%d,"timeUseconds":%d,"payloadType":%s,"captureId":"%s%s","correlation_id":"%s"}`,
		p.family, p.proto, p.src, p.dst, p.sport, p.dport, p.sec, p.usec, p.typ, p.name, pass, p.cid)
}

// insert is what PostgreSQL says to the row.
func (s *homer) insert(r row) error {
	switch {
	case r.table == "hep_proto_53_default":
		return fmt.Errorf("%w: no table %s", errBatch, r.table) // HSRV rotator/pgfiles.go makes none (facts 3.3)
	case !s.oldest.IsZero() && r.at.Before(s.oldest):
		return fmt.Errorf("%w: no partition for %v", errBatch, r.at) // facts, Delivery: partitions are dropped
	case len(r.sid) > 2704:
		return fmt.Errorf("%w: a sid of %d octets in the index", errBatch, len(r.sid)) // btree, a third of a page
	}
	for _, column := range []string{r.sid, r.protocolHeader, r.dataHeader, r.raw} {
		if !utf8.ValidString(column) || strings.ContainsRune(column, 0) {
			return fmt.Errorf("%w: not UTF-8: %q", errBatch, column)
		}
	}
	for _, jsonb := range []string{r.protocolHeader, r.dataHeader} {
		if !json.Valid([]byte(jsonb)) || strings.Contains(jsonb, `\u0000`) {
			return fmt.Errorf("%w: not jsonb: %s", errBatch, jsonb)
		}
	}
	s.rows = append(s.rows, r)
	return nil
}

// sip is HSRV decoder/sip.go parseSIP with AlegIDs ["X-CID"], and the branch of
// insert.
func (s *homer) sip(p *packet, r *row) bool {
	field := func(name string) string {
		for line := range strings.Lines(p.payload) {
			if v, ok := strings.CutPrefix(line, name+":"); ok {
				return strings.TrimSpace(v)
			}
		}
		return ""
	}
	callID, xCID := field("Call-ID"), field("X-CID")
	_, method, _ := strings.Cut(field("CSeq"), " ")
	if callID == "" || len(method) < 3 {
		return false
	}
	if p.cid == "" {
		if p.cid = callID; xCID != "" {
			p.cid = xCID
		}
	}
	profile := "default"
	switch method {
	case "INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "REFER", "INFO", "NOTIFY":
		profile = "call"
	case "REGISTER":
		profile = "registration"
	}
	escaped, err := json.Marshal(callID) // makeSIPDataHeader escapes (EscapeFields)
	r.table, r.sid = "hep_proto_1_"+profile, callID
	r.dataHeader = `{"callid":` + string(escaped) + `,"method":"` + method + `"}`
	return err == nil
}

// isup is HSRV database/header.go makeISUPDataHeader: the sid is the circuit's,
// and texts are unescaped and then pasted.
func isup(r *row) {
	var m struct {
		CIC, DPC, OPC  json.Number
		MsgName        string `json:"msg_name"`
		Called, Caller struct{ Num string }
	}
	d := json.NewDecoder(strings.NewReader(r.raw))
	d.UseNumber()
	_ = d.Decode(&m) // what cannot be read stays empty
	num := func(n json.Number) int64 { v, _ := strconv.ParseInt(string(n), 10, 64); return v }
	cic, dpc, opc := num(m.CIC), num(m.DPC), num(m.OPC)
	r.sid = fmt.Sprintf("%d:%d:%d", min(opc, dpc), max(opc, dpc), cic)
	r.dataHeader = fmt.Sprintf(`{"cic":%d,"dpc":%d,"opc":%d,"msg_name":"%s","callid":"%s"}`, cic, dpc, opc, m.MsgName, r.sid)
}

// in are the rows of a table with one of these values in a field, within a time.
func (s *homer) in(table string, from, to time.Time, field func(*row) any, values []string) (out []row) {
	for i := range s.rows {
		r := &s.rows[i]
		v, _ := field(r).(string)
		if r.table == table && !r.at.Before(from) && !r.at.After(to) && slices.Contains(values, v) {
			out = append(out, *r)
		}
	}
	return out
}

func bySID(r *row) any { return r.sid }

// transaction is HAPP data/service/search.go GetTransaction of calls that were
// found between from and to, with the default rules of 1_call (facts 3.4).
func (s *homer) transaction(from, to time.Time, callIDs ...string) []row {
	all := s.in("hep_proto_1_call", from, to, bySID, callIDs)
	var ids, correlations []string
	for _, r := range all {
		id, _ := header(r.dataHeader, "callid").(string)
		cid, _ := header(r.protocolHeader, "correlation_id").(string)
		ids, correlations = append(ids, id), append(correlations, cid)
	}
	from, to = from.Add(-300*time.Second), to.Add(200*time.Second)
	all = append(all, s.in("hep_proto_100_default", from, to, bySID, ids)...)
	all = append(all, s.in("hep_proto_5_default", from, to, bySID, ids)...)
	for _, r := range s.in("hep_proto_1_call", from, to, bySID, correlations) {
		if !slices.Contains(all, r) { // "lets remove duplicates"
			all = append(all, r)
		}
	}
	for i := range ids {
		ids[i] += "_b2b-1"
	}
	return append(all, s.in("hep_proto_1_call", from, to, func(r *row) any { return header(r.dataHeader, "callid") }, ids)...)
}

// logTab is HAPP's /call/report/log (facts 3.4) and HUI tab-logs.component.ts,
// which shows text as it is when it is no JSON.
func (s *homer) logTab(from, to time.Time, callIDs ...string) []row {
	return s.in("hep_proto_100_default", from, to, bySID, callIDs)
}

// charts is HAPP's /call/report/qos (facts 3.4) and HUI workers/qos.worker.ts init:
// both parsers run in one try block, RTCP first. It returns how many points each
// chart has, and what stops it.
func (s *homer) charts(from, to time.Time, callIDs ...string) (rtcp, rtp int, err error) {
	for _, r := range s.in("hep_proto_5_default", from, to, bySID, callIDs) {
		var v any
		if err := json.Unmarshal([]byte(r.raw), &v); err != nil {
			return 0, 0, fmt.Errorf("JSON.parse of RTCP %q: %w", r.raw, err)
		}
		m, _ := v.(map[string]any)
		sender, _ := m["sender_information"].(map[string]any)
		if !truthy(sender["packets"]) || !truthy(sender["octets"]) {
			continue
		}
		switch m["type"] {
		case 200., 201., 202., 207.:
		default:
			continue
		}
		switch m["report_blocks"].(type) {
		case nil, []any, string:
		default:
			return 0, 0, fmt.Errorf("report_blocks is not iterable: %s", r.raw)
		}
		rtcp++
	}
	for _, r := range s.in("hep_proto_35_default", from, to, bySID, callIDs) {
		var v any
		if err := json.Unmarshal([]byte(r.raw), &v); err != nil {
			return rtcp, 0, fmt.Errorf("JSON.parse of RTP %q: %w", r.raw, err)
		}
		m, ok := v.(map[string]any)
		if v == nil {
			return rtcp, 0, errors.New("a member of null")
		}
		for _, name := range []string{"TOTAL_PK", "EXPECTED_PK", "JITTER", "MOS", "DELTA", "PACKET_LOSS"} {
			if _, number := m[name].(float64); m[name] != nil && !number {
				return rtcp, 0, fmt.Errorf("%s is not a number: %s", name, r.raw) // draws nothing, or nonsense
			}
		}
		if ok {
			rtp++
		}
	}
	return rtcp, rtp, nil
}

func truthy(v any) bool { return v != nil && v != 0. && v != "" && v != false }

// circuit is what a search of 54_default by the circuit finds.
func (s *homer) circuit(sid string) (out []row) {
	for _, r := range s.rows {
		if r.table == "hep_proto_54_default" && r.sid == sid {
			out = append(out, r)
		}
	}
	return out
}

// TestModelRefuses keeps the model honest: what is known to break is seen to.
func TestModelRefuses(t *testing.T) {
	now := time.Unix(1700000000, 0).UTC()
	frame := func(typ byte, cid, payload string) []byte {
		var c [][]byte
		for id, v := range map[byte]string{1: "\x02", 2: "\x11", 3: "\xc0\x00\x02\x01", 4: "\xc0\x00\x02\x02", 7: "\x13\xc4", 8: "\x13\xc4",
			9: "\x65\x53\xf1\x00", 10: "\x00\x00\x00\x00", 11: string(typ), 12: "\x00\x00\x07\xd1", 17: cid, 15: payload} {
			if v != "" {
				c = append(c, append([]byte{0, 0, 0, id, 0, byte(6 + len(v))}, v...))
			}
		}
		b := append([]byte("HEP3\x00\x00"), bytes.Join(c, nil)...)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		return b
	}
	for _, tt := range []struct {
		name         string
		typ          byte
		cid, payload string
		batch, chart bool
	}{
		{"sound", 34, "call", `{"MOS":4.1}`, false, false},
		{"a quote in 0x11", 34, `ca"ll`, `{"MOS":4.1}`, true, false},
		{"0x11 not UTF-8", 100, "\xff", `x`, true, false},
		{"DNS has no table", 53, "call", `{}`, true, false},
		{"text among reports", 88, "call", "GET /", false, true},
		{"text among RTCP", 5, "call", "RTCP", false, true},
		{"null among reports", 34, "call", "null", false, true},
		{"blocks of an object", 5, "call", `{"type":200,"sender_information":{"packets":1,"octets":1},"report_blocks":{}}`, false, true},
	} {
		var s homer
		err := s.store(frame(tt.typ, tt.cid, tt.payload))
		if errors.Is(err, errBatch) != tt.batch {
			t.Errorf("%s: stored %v", tt.name, err)
		}
		if _, _, err := s.charts(now, now, "call"); (err != nil) != tt.chart {
			t.Errorf("%s: charts %v", tt.name, err)
		}
	}
}
