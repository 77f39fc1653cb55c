// Package homertest models heplify-server with PostgreSQL, and Homer 7 above it, for tests: what is stored of
// a frame, and what is shown of what is stored. Every rule names the function that it stands for, in
// sipcapture/heplify-server (HSRV), homer-app (HAPP) or homer-ui (HUI), or the section of the HEP notes
// ("facts").
package homertest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Row is one row of a table (facts 3.3).
type Row struct {
	Table          string
	SID            string
	At             time.Time // create_date
	ProtocolHeader string
	DataHeader     string
	Raw            string
}

// Header reads one member of a row's header.
func Header(text, name string) any {
	var m map[string]any
	if json.Unmarshal([]byte(text), &m) != nil {
		return nil
	}
	return m[name]
}

// Homer is the server and its database.
type Homer struct {
	Rows   []Row
	Oldest time.Time // of the partitions; zero for any
}

// ErrBatch is what fails a whole COPY, and with it the rows of everybody else in it
// (HSRV database/postgres.go bulkInsert: the error comes with the last Exec).
var ErrBatch = errors.New("the batch fails")

// packet is HSRV decoder.HEP.
type packet struct {
	family, proto, typ, node, src, dst, key, payload, cid, name string
	sport, dport, sec, usec                                     uint64
}

// Store takes frames as they come over TCP, cut by their length (HSRV server/tcp.go).
func (s *Homer) Store(b []byte) error {
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

// ToUTF8 is HSRV decoder.ToUTF8(s, "").
func ToUTF8(s string) string {
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
func (s *Homer) frame(b []byte) error {
	var p packet
	if err := p.parse(b); err != nil {
		return err
	}
	if p.name == "" {
		p.name = p.node
	}
	p.payload = ToUTF8(p.payload) // normPayload
	r := Row{At: time.Unix(int64(p.sec), int64(p.usec)*1000).UTC(), Raw: p.payload}
	switch {
	case p.payload == "": // all three branches want one
		return nil
	case p.typ == "1" && len(p.payload) > 32:
		if !s.sip(&p, &r) {
			return nil // parseSIP: logged and dropped
		}
	case p.typ == "54":
		r.Table = "hep_proto_54_default"
		isup(&r)
	case p.typ == "0" || p.typ == "1" || p.cid == "":
		return nil
	default:
		r.Table, r.SID = "hep_proto_35_default", p.cid
		if p.typ == "5" || p.typ == "53" || p.typ == "100" {
			r.Table = "hep_proto_" + p.typ + "_default"
		}
		name := map[string]string{"5": "rtcp", "34": "rtpagent", "35": "rtcpxr", "38": "horaclifix", "53": "dns", "100": "log"}[p.typ]
		if name == "" {
			name = p.typ // parseHEP's ProtoString
		}
		r.DataHeader = `{"node":"` + p.name + `","proto":"` + name + `"}` // makeRTCDataHeader
	}
	r.ProtocolHeader = p.header()
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
func (s *Homer) insert(r Row) error {
	switch {
	case r.Table == "hep_proto_53_default":
		return fmt.Errorf("%w: no table %s", ErrBatch, r.Table) // HSRV rotator/pgfiles.go makes none (facts 3.3)
	case !s.Oldest.IsZero() && r.At.Before(s.Oldest):
		return fmt.Errorf("%w: no partition for %v", ErrBatch, r.At) // facts, Delivery: partitions are dropped
	case len(r.SID) > 2704:
		return fmt.Errorf("%w: a sid of %d octets in the index", ErrBatch, len(r.SID)) // btree, a third of a page
	}
	for _, column := range []string{r.SID, r.ProtocolHeader, r.DataHeader, r.Raw} {
		if !utf8.ValidString(column) || strings.ContainsRune(column, 0) {
			return fmt.Errorf("%w: not UTF-8: %q", ErrBatch, column)
		}
	}
	for _, jsonb := range []string{r.ProtocolHeader, r.DataHeader} {
		if !json.Valid([]byte(jsonb)) || strings.Contains(jsonb, `\u0000`) {
			return fmt.Errorf("%w: not jsonb: %q", ErrBatch, jsonb)
		}
	}
	s.Rows = append(s.Rows, r)
	return nil
}

// sip is HSRV decoder/sip.go parseSIP with AlegIDs ["X-CID"], and the branch of
// insert.
func (s *Homer) sip(p *packet, r *Row) bool {
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
	escaped, err := json.Marshal(map[string]string{"callid": callID, "method": method}) // makeSIPDataHeader escapes (EscapeFields)
	r.Table, r.SID = "hep_proto_1_"+profile, callID
	r.DataHeader = string(escaped)
	return err == nil
}

// isup is HSRV database/header.go makeISUPDataHeader: the sid is the circuit's,
// and texts are unescaped and then pasted.
func isup(r *Row) {
	var m struct {
		CIC, DPC, OPC  json.Number
		MsgName        string `json:"msg_name"`
		Called, Caller struct{ Num string }
	}
	d := json.NewDecoder(strings.NewReader(r.Raw))
	d.UseNumber()
	_ = d.Decode(&m) // what cannot be read stays empty
	num := func(n json.Number) int64 { v, _ := strconv.ParseInt(string(n), 10, 64); return v }
	cic, dpc, opc := num(m.CIC), num(m.DPC), num(m.OPC)
	r.SID = fmt.Sprintf("%d:%d:%d", min(opc, dpc), max(opc, dpc), cic)
	r.DataHeader = fmt.Sprintf(`{"cic":%d,"dpc":%d,"opc":%d,"msg_name":"%s","callid":"%s"}`, cic, dpc, opc, m.MsgName, r.SID)
}

// in are the rows of a table with one of these values in a field, within a time.
func (s *Homer) in(table string, from, to time.Time, field func(*Row) any, values []string) (out []Row) {
	for i := range s.Rows {
		r := &s.Rows[i]
		v, _ := field(r).(string)
		if r.Table == table && !r.At.Before(from) && !r.At.After(to) && slices.Contains(values, v) {
			out = append(out, *r)
		}
	}
	return out
}

func bySID(r *Row) any { return r.SID }

// Transaction is HAPP data/service/search.go GetTransaction of calls that were
// found between from and to, with the default rules of 1_call (facts 3.4).
func (s *Homer) Transaction(from, to time.Time, callIDs ...string) []Row {
	all := s.in("hep_proto_1_call", from, to, bySID, callIDs)
	var ids, correlations []string
	for _, r := range all {
		id, _ := Header(r.DataHeader, "callid").(string)
		cid, _ := Header(r.ProtocolHeader, "correlation_id").(string)
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
	return append(all, s.in("hep_proto_1_call", from, to, func(r *Row) any { return Header(r.DataHeader, "callid") }, ids)...)
}

// LogTab is HAPP's /call/report/log (facts 3.4) and HUI tab-logs.component.ts,
// which shows text as it is when it is no JSON.
func (s *Homer) LogTab(from, to time.Time, callIDs ...string) []Row {
	return s.in("hep_proto_100_default", from, to, bySID, callIDs)
}

// Charts is HAPP's /call/report/qos (facts 3.4) and HUI workers/qos.worker.ts init:
// both parsers run in one try block, RTCP first. It returns how many points each
// chart has, and what stops it.
func (s *Homer) Charts(from, to time.Time, callIDs ...string) (rtcp, rtp int, err error) {
	for _, r := range s.in("hep_proto_5_default", from, to, bySID, callIDs) {
		var v any
		if err := json.Unmarshal([]byte(r.Raw), &v); err != nil {
			return 0, 0, fmt.Errorf("JSON.parse of RTCP %q: %w", r.Raw, err)
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
			return 0, 0, fmt.Errorf("report_blocks is not iterable: %s", r.Raw)
		}
		rtcp++
	}
	for _, r := range s.in("hep_proto_35_default", from, to, bySID, callIDs) {
		var v any
		if err := json.Unmarshal([]byte(r.Raw), &v); err != nil {
			return rtcp, 0, fmt.Errorf("JSON.parse of RTP %q: %w", r.Raw, err)
		}
		m, ok := v.(map[string]any)
		if v == nil {
			return rtcp, 0, errors.New("a member of null")
		}
		for _, name := range []string{"TOTAL_PK", "EXPECTED_PK", "JITTER", "MOS", "DELTA", "PACKET_LOSS"} {
			if _, number := m[name].(float64); m[name] != nil && !number {
				return rtcp, 0, fmt.Errorf("%s is not a number: %s", name, r.Raw) // draws nothing, or nonsense
			}
		}
		if ok {
			rtp++
		}
	}
	return rtcp, rtp, nil
}

func truthy(v any) bool { return v != nil && v != 0. && v != "" && v != false }

// Circuit is what a search of 54_default by the circuit finds.
func (s *Homer) Circuit(sid string) (out []Row) {
	for _, r := range s.Rows {
		if r.Table == "hep_proto_54_default" && r.SID == sid {
			out = append(out, r)
		}
	}
	return out
}
