package beyond_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/record"
	"heptap/firmware/internal/beyond"
)

var (
	alice, bob = netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.2:5060")
	gateway    = netip.MustParseAddrPort("192.0.2.11:2905")
	exchange   = netip.MustParseAddrPort("192.0.2.12:2905")
)

// noted is what became of one note.
type noted struct {
	primary, calls, payload string
	links                   []string
	typ                     record.Type
	class                   record.Class
	flags                   uint16
	wall                    int64
}

// rig is an ISUP whose notes are kept.
type rig struct {
	t   testing.TB
	u   *beyond.ISUP
	out []noted
	now int64
}

func newRig(t testing.TB, circuits int) *rig {
	r := &rig{t: t, now: 1_700_000_000e9}
	r.u = beyond.NewISUP(beyond.ISUPConfig{Circuits: circuits, Note: func(n *correlate.Note) bool {
		got := noted{primary: string(n.Primary), payload: string(n.Payload), typ: n.Type, class: n.Class, flags: n.Flags, wall: n.At.Wall}
		for _, id := range n.Calls {
			got.calls += string(id)
		}
		for _, l := range n.Links {
			got.links = append(got.links, fmt.Sprintf("%v %d %s", l.Type, l.How, l.ID))
		}
		if !json.Valid(n.Payload) {
			t.Errorf("not JSON: %s", n.Payload)
		}
		r.out = append(r.out, got)
		return true
	}})
	return r
}

func octets(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// one hands in a message and returns its only note, or none.
func (r *rig) one(m *capture.Message) noted {
	r.t.Helper()
	r.out = r.out[:0]
	if m.Wall == 0 {
		m.Wall, m.Mono = r.now, r.now
	}
	r.u.Message(m)
	if len(r.out) != 1 {
		if len(r.out) > 1 {
			r.t.Errorf("%d notes", len(r.out))
		}
		return noted{}
	}
	return r.out[0]
}

// body is an IAM as SIP carries it (RFC 3204: no CIC), made by hand from Q.763.
// No satellite; national call, ISUP all the way; calling category 13 and transmission
// medium 0, so that CR LF and NUL are in it; called 12345 national; calling
// 4930 international, presentation allowed, user provided and verified.
const body = "01 00 0d 0a 0d 00 02 07 05 83 10 21 43 05 0a 04 04 11 94 03 00"

// message is a SIP message whose only or second part is content.
func message(multipart bool, headers, content string) []byte {
	first := "INVITE sip:12345@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:4930@192.0.2.1>;tag=a\r\n" +
		"To: <sip:12345@192.0.2.2>\r\nCall-ID: sip-i@192.0.2.1\r\nCSeq: 1 INVITE\r\n"
	if !multipart {
		return []byte(first + headers + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(content)) + content)
	}
	parts := "--unique\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n\r\n" +
		"--unique\r\n" + headers + "\r\n" + content + "\r\n--unique--\r\n"
	return []byte(first + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;boundary=unique\r\n" +
		fmt.Sprintf("Content-Length: %d\r\n\r\n", len(parts)) + parts)
}

// A body of SIP-I is put into words, with every parameter, under the Call-ID.
func TestSIPBody(t *testing.T) {
	r := newRig(t, 0)
	got := r.one(&capture.Message{Protocol: capture.SIP, Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: alice, Dst: bob}, Conn: 77, Flags: capture.GapBefore,
		Payload: message(true, "Content-Type: application/ISUP;version=itu-t92+;base=itu-t92+\r\nContent-Disposition: signal;handling=required\r\n", string(octets(body)))})
	const e164 = "ISDN (Telephony) numbering plan (ITU-T Recommendation E.164)"
	const want = `{"event":"ISUP IAM","callid":"sip-i@192.0.2.1","variant":"ITU-T","version":"itu-t92+","base":"itu-t92+","msg_type":1,"msg_name":"IAM",` +
		`"nature_of_connnection":{"satellite":0,"satellite_name":"no satellite circuit in the connection","continuity_check":0,"continuity_check_name":"continuity check not required",` +
		`"echo_device":0,"echo_device_name":"outgoing echo control device not included"},`
	if !strings.HasPrefix(got.payload, want) {
		t.Errorf("got  %s\nwant %s", got.payload, want)
	}
	for _, s := range []string{
		`"calling_party":{"num":13,"name":"test call"}`, `"transmission_medium":{"num":0,"name":"speech"}`,
		`"num":"12345"`, `"num":"4930"`,
		`{"code":9,"name":"Calling party's category","text":"test call"}`,
		`{"code":4,"name":"Called party number","number":"12345","text":"national (significant) number; ` + e164 + `; routing to internal network number allowed"}`,
		`{"code":10,"name":"Calling party number","number":"4930","text":"international number; ` + e164 + `; complete; presentation allowed; user provided, verified and passed"}`,
	} {
		if !strings.Contains(got.payload, s) {
			t.Errorf("lacks %s\nin    %s", s, got.payload)
		}
	}
	for _, s := range []string{`"cic"`, `"opc"`, `"dpc"`, `"fault"`, `"hex"`} {
		if strings.Contains(got.payload, s) {
			t.Errorf("has %s", s)
		}
	}
	if got.typ != record.ISUP || got.class != record.Call || got.primary != "sip-i@192.0.2.1" || got.calls != "sip-i@192.0.2.1" ||
		fmt.Sprint(got.links) != "[net 2 77]" || got.flags != record.FlagGap || got.wall != r.now {
		t.Errorf("%+v", got)
	}
	if s := &r.u.Stats; s.Bodies.Load() != 1 || s.Faulty.Load() != 0 || s.Circuits.Load() != 0 {
		t.Error("counts")
	}
}

func TestSIPBodies(t *testing.T) {
	iam, rel := string(octets(body)), string(octets("0c 02 00 02 84 91"))
	for _, c := range []struct {
		name      string
		multipart bool
		headers   string
		content   string
		want      []string // in the payload; none: no note
		faulty    bool
		unread    bool
	}{
		{"only body, capitals, quotes", false, "Content-Type: Application/isup; version=\"ETSI356\"\r\n", rel, []string{`"event":"ISUP REL"`, `"variant":"ETSI","version":"ETSI356","msg_type":12`,
			`"itu_cause_name":"User busy","itu_cause_num":17`, `"name":"Cause indicators"`, "public network serving the remote user (RLN)"}, false, false},
		{"compact form", false, "c: application/ISUP\r\n", rel, []string{`"variant":"unspecified","msg_type":12`}, false, false},
		{"answer", false, "Content-Type: application/isup\r\n", string(octets("09 00")), []string{`"event":"ISUP ANM"`, `"msg_name":"AMN"`, `"parameters":[]`}, false, false},
		{"progress", false, "Content-Type: application/isup\r\n", string(octets("2c 02 00")), []string{`"event":"ISUP CPG"`, `"event_information":{"event_num":2`}, false, false},
		{"base64", true, "Content-Type: application/isup;version=itu-t92+\r\nContent-Transfer-Encoding: base64\r\n", base64.StdEncoding.EncodeToString([]byte(rel)),
			[]string{`"msg_name":"REL"`, `User busy`}, false, false},
		{"base64 that is none", true, "Content-Type: application/isup\r\nContent-Transfer-Encoding: base64\r\n", "*", []string{`"fault":"content transfer encoding","hex":"2a"`}, false, true},
		{"unknown encoding", true, "Content-Type: application/isup\r\nContent-Transfer-Encoding: x\r\n", "ab", []string{`"fault":"content transfer encoding","hex":"6162"`}, false, true},
		{"ANSI", true, "Content-Type: application/isup;version=ansi88\r\n", iam, []string{`"event":"ISUP IAM"`, `"variant":"ANSI","version":"ansi88","msg_type":1,"msg_name":"IAM","hex":"01000d0a0d`}, false, true},
		{"base counts more", true, "Content-Type: application/isup;version=nxv3;base=itu-t92+\r\n", iam, []string{`"variant":"ITU-T","version":"nxv3","base":"itu-t92+","msg_type":1,`}, false, false},
		{"long and foreign", true, "Content-Type: application/isup;base=ttc87\r\n", strings.Repeat("\x00", 300), []string{`"octets":300`, `"msg_name":"unknown 0"`}, false, true},
		{"version to be escaped", true, "Content-Type: application/isup;version=\"a\\\"\xff\"\r\n", iam, []string{`"hex":"01`}, false, true},
		{"cut", true, "Content-Type: application/isup\r\n", iam[:10], []string{`"fault":"Called party number: cut"`}, true, false},
		{"unknown type", true, "Content-Type: application/isup\r\n", "\xfa\x01", []string{`"event":"ISUP unknown 250"`, `"fault":"unknown message type"`, `"hex":"01"`}, true, false},
		{"nothing in it", true, "Content-Type: application/isup\r\n", "", nil, false, false},
		{"another type", true, "Content-Type: application/isupx\r\n", iam, nil, false, false},
		{"named elsewhere", false, "Subject: application/isup\r\nContent-Type: text/plain\r\n", "x", nil, false, false},
		{"no body", false, "", "", nil, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 0)
			got := r.one(&capture.Message{Protocol: capture.SIP, Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: alice, Dst: bob}, Payload: message(c.multipart, c.headers, c.content)})
			if (got.payload == "") != (c.want == nil) {
				t.Fatalf("note %q", got.payload)
			}
			for _, s := range c.want {
				if !strings.Contains(got.payload, s) {
					t.Errorf("lacks %s\nin    %s", s, got.payload)
				}
			}
			if s := &r.u.Stats; s.Faulty.Load() != b2u(c.faulty) || s.Unread.Load() != b2u(c.unread) {
				t.Errorf("%d faulty, %d unread", s.Faulty.Load(), s.Unread.Load())
			}
		})
	}
}

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// A message without a Call-ID still makes a record, and one that is no SIP none.
func TestSIPWithoutCallID(t *testing.T) {
	r := newRig(t, 0)
	flow := capture.FiveTuple{Proto: capture.ProtoUDP, Src: alice, Dst: bob}
	whole := string(message(false, "Content-Type: application/isup\r\n", "\x10\x00"))
	got := r.one(&capture.Message{Protocol: capture.SIP, Flow: flow, Payload: []byte(strings.Replace(whole, "Call-ID", "X-None", 1))})
	if got.primary != "isup@192.0.2.1:5060" || got.calls != "" || !strings.Contains(got.payload, `"callid":""`) {
		t.Errorf("%+v", got)
	}
	if got := r.one(&capture.Message{Protocol: capture.SIP, Flow: flow, Payload: []byte("no start line\r\nContent-Type: application/isup\r\n\r\n")}); got.payload != "" {
		t.Errorf("%+v", got)
	}
}

// TestSIPTruncated cuts a message at every octet.
func TestSIPTruncated(t *testing.T) {
	whole := message(true, "Content-Type: application/isup;version=itu-t92+\r\n", string(octets(body)))
	for n := range whole {
		r := newRig(t, 0)
		r.one(&capture.Message{Protocol: capture.SIP, Payload: whole[:n]})
	}
}

// m3ua is a DATA message (RFC 4666 3.3.1) with an MSU of the service indicator si
// in the national network.
func m3ua(opc, dpc uint32, si uint8, msu []byte) []byte {
	size := 16 + len(msu)
	b := []byte{1, 0, 1, 1}
	b = binary.BigEndian.AppendUint32(b, uint32(8+(size+3)&^3))
	b = append(b, 2, 0x10)
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = binary.BigEndian.AppendUint32(b, opc)
	b = binary.BigEndian.AppendUint32(b, dpc)
	b = append(b, si, 2, 0, 7)
	b = append(b, msu...)
	return append(b, make([]byte, -size&3)...)
}

// mtp3 is an MSU behind the label of Q.704, in the national network.
func mtp3(opc, dpc uint32, si uint8, msu []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{2<<6 | si}, dpc|opc<<14|7<<28)
	return append(b, msu...)
}

func m2ua(msu []byte) []byte {
	size := 4 + len(msu)
	b := []byte{1, 0, 6, 1}
	b = binary.BigEndian.AppendUint32(b, uint32(8+(size+3)&^3))
	b = append(b, 3, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = append(b, msu...)
	return append(b, make([]byte, -size&3)...)
}

func m2pa(msu []byte) []byte {
	b := []byte{1, 0, 11, 1}
	b = binary.BigEndian.AppendUint32(b, uint32(17+len(msu)))
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 2, 0)
	return append(b, msu...)
}

// iam is on CIC 300, with nothing but a called number, 49.
const iam = "2c 01 01 00 20 01 0a 00 02 00 04 04 10 94"

// Each layer's message makes captagent's record.
func TestLayers(t *testing.T) {
	// The numbers beside "hop_counter" and the like are isup's own tests'.
	const captagent = `{"cic":300,"msg_type":12,"msg_name":"REL","cause":{"standard_num":0,"standard_name":"ITU-T","location_num":4,` +
		`"location_name":"public network serving the remote user (RLN)","itu_class_name":"normal event","itu_class_num":1,"itu_cause_name":"User busy","itu_cause_num":17},` +
		`"opc":101,"dpc":202,"call":"101:202:300@1700000000.000000","circuit":"101:202:300","picked_up":true,"sigtran":"%s","parameters":[{"code":18,"name":"Cause indicators","text":`
	rel := octets("2c 01 0c 02 00 02 84 91")
	for _, c := range []struct {
		layer string
		ppid  uint32
		b     []byte
	}{
		{"M3UA", 3, m3ua(101, 202, 5, rel)},
		{"M2UA", 2, m2ua(mtp3(101, 202, 5, rel))},
		{"M2PA", 5, m2pa(mtp3(101, 202, 5, rel))},
	} {
		r := newRig(t, 0)
		got := r.one(&capture.Message{Protocol: capture.SIGTRAN, PPID: c.ppid, Conn: 9, Payload: c.b,
			Flow: capture.FiveTuple{Proto: capture.ProtoSCTP, Src: gateway, Dst: exchange}})
		if want := fmt.Sprintf(captagent, c.layer); !strings.HasPrefix(got.payload, want) {
			t.Errorf("got  %s\nwant %s", got.payload, want)
		}
		if strings.Contains(got.payload, `\`) {
			t.Errorf("heplify-server does not undo escapes: %s", got.payload)
		}
		if got.typ != record.ISUP || got.class != record.Call || got.primary != "101:202:300@1700000000.000000" || got.calls != "" ||
			fmt.Sprint(got.links) != "[net 2 9]" {
			t.Errorf("%+v", got)
		}
	}
}

// What is not ISUP of ITU-T is counted, and no record.
func TestNoISUP(t *testing.T) {
	r := newRig(t, 0)
	for _, c := range []struct {
		ppid uint32
		b    []byte
	}{
		{3, m3ua(101, 202, 3, []byte("SCCP"))},
		{3, m3ua(101, 20200, 5, octets(iam))},   // more than 14 bits
		{3, m3ua(101, 202, 5, []byte{1, 0})},    // no message type
		{3, []byte{1, 0, 3, 1, 0, 0, 0, 8}},     // ASPUP
		{3, []byte{1, 0}},                       // cut
		{46, m3ua(101, 202, 5, octets(iam))},    // not SIGTRAN's identifier
		{2, m2ua(mtp3(101, 202, 0, []byte{1}))}, // network management
		{5, m2pa(nil)},
	} {
		if got := r.one(&capture.Message{Protocol: capture.SIGTRAN, PPID: c.ppid, Payload: c.b, Flow: capture.FiveTuple{Src: gateway, Dst: exchange}}); got.payload != "" {
			t.Errorf("%d, % x: %+v", c.ppid, c.b, got)
		}
	}
	s := &r.u.Stats
	got := []uint64{s.M2UA.Load(), s.M3UA.Load(), s.M2PA.Load(), s.Malformed.Load(), s.Other.Load(), s.Foreign.Load(), s.Messages.Load()}
	if want := []uint64{1, 4, 1, 3, 4, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("counts %d, want %d", got, want)
	}
}

// TestSIGTRANTruncated cuts messages of each layer at every octet: what is left of
// ISUP is a record, and what is not is counted.
func TestSIGTRANTruncated(t *testing.T) {
	msu := octets("2c 01 0c 02 00 02 84 91")
	for ppid, whole := range map[uint32][]byte{3: m3ua(101, 202, 5, msu), 2: m2ua(mtp3(101, 202, 5, msu)), 5: m2pa(mtp3(101, 202, 5, msu))} {
		records := 0
		for n := range len(whole) + 1 {
			r := newRig(t, 0)
			if got := r.one(&capture.Message{Protocol: capture.SIGTRAN, PPID: ppid, Payload: whole[:n], Flow: capture.FiveTuple{Src: gateway, Dst: exchange}}); got.payload != "" {
				records++
			}
			s := &r.u.Stats
			if s.Messages.Load()+s.Malformed.Load()+s.Other.Load() != 1 {
				t.Errorf("identifier %d, %d octets: %d, %d, %d", ppid, n, s.Messages.Load(), s.Malformed.Load(), s.Other.Load())
			}
		}
		want := 6 // CIC and type are the least, of 8 octets
		if ppid == 2 {
			want += 3 // octets of padding
		}
		if records != want {
			t.Errorf("identifier %d: %d records", ppid, records)
		}
	}
}
