package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"heptap/capture/capturetest"
	"heptap/hep"
)

// onCircuit is what is in a capture with ISUP in SIGTRAN.
type onCircuit struct {
	calls string         // by when they begin, and the circuits without one: the messages of each
	twice map[string]int // types of messages in chunks that are there twice, which tshark counts twice
}

var onCircuits = map[string]onCircuit{
	"made-here/isup-m3ua-calls.pcap": {calls: "101:202:1 GRS GRA; 101:202:41 BLO BLA; 101:202:1 IAM ACM CPG AMN REL RLC; 101:202:2 IAM ACM CPG AMN REL RLC; " +
		"101:202:3 IAM REL RLC; 101:202:4 IAM ACM CPG AMN REL RLC; 101:202:5 IAM ACM CPG AMN REL RLC; 101:202:6 IAM REL RLC"},
	"made-here/isup-m2pa-calls.pcap": {calls: "11:22:33 GRS GRA; 11:22:73 BLO BLA; 11:22:33 IAM ACM CPG AMN REL RLC; 11:22:34 IAM ACM CPG AMN REL RLC; " +
		"11:22:35 IAM REL RLC; 11:22:36 IAM ACM CPG AMN REL RLC; 11:22:37 IAM ACM CPG AMN REL RLC; 11:22:38 IAM REL RLC"},
	"arkime+arkime/m3ua_synthetic.pcap":                        {calls: "200:400:1 ACM ACM; 500:600:256 unknown 0", twice: map[string]int{"6": 1}},
	"OISF+suricata-verify/sctp-keywords-prefilter__input.pcap": {}, // M3UA without data
}

// isupRecord is what a record of type 54 says.
type isupRecord struct {
	Type       *int   `json:"msg_type"`
	Name       string `json:"msg_name"`
	CIC        *int
	OPC, DPC   *int
	Call       string
	Circuit    string
	CallID     string
	PickedUp   bool                 `json:"picked_up"`
	Parameters []json.RawMessage    // in words
	Called     struct{ Num string } `json:"called_number"`
	Cause      struct {
		Name string `json:"itu_cause_name"`
	}
}

// takeISUP checks what each record of ISUP must have and counts its type.
func (r *replayed) takeISUP(t *testing.T, v hep.View) {
	t.Helper()
	var m isupRecord
	if err := json.Unmarshal(v.Payload(), &m); err != nil || m.Type == nil || m.Name == "" || m.CallID == "" && (m.CIC == nil || m.OPC == nil || m.DPC == nil) {
		t.Errorf("record of ISUP %q: %v, %s", v.Correlation(), err, v.Payload())
		return
	}
	r.isup[strconv.Itoa(*m.Type)]++
}

// circuits checks a capture with ISUP on circuits: message types against tshark's,
// calls against how the capture was made.
func circuits(t *testing.T, dir, file string) {
	want := readTruth(t, dir, file)
	got := replayFile(t, dir, file, false)
	got.sane(t)
	types := maps.Clone(got.isup)
	for typ, n := range onCircuits[file].twice {
		types[typ] += n
	}
	if !maps.Equal(types, want.Fields["isup.message_type"]) {
		t.Errorf("types %v, tshark has %v", types, want.Fields["isup.message_type"])
	}
	var order []string
	calls := map[string]string{}
	for _, v := range got.other {
		if v.Type() != 54 {
			continue
		}
		var m isupRecord
		if err := json.Unmarshal(v.Payload(), &m); err != nil {
			t.Fatal(err)
		}
		id := string(v.Correlation())
		if calls[id] == "" {
			order = append(order, id)
			circuit, _, _ := strings.Cut(id, "@")
			calls[id] = circuit
		}
		calls[id] += " " + m.Name
	}
	for i, id := range order {
		order[i] = calls[id]
	}
	if all := strings.Join(order, "; "); all != onCircuits[file].calls {
		t.Errorf("calls\n%s\nwant\n%s", all, onCircuits[file].calls)
	}
}

// isupIAM is an IAM behind the CIC, as in firmware/internal/beyond's tests: with CR LF
// and NUL in it, to 12345 from 4930.
const isupIAM = "01 00 0d 0a 0d 00 02 07 05 83 10 21 43 05 0a 04 04 11 94 03 00"

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// TestISUPToDecode replays a call of SIP-I, over UDP, and calls on a circuit, over
// SCTP, and reads the output as a user does.
func TestISUPToDecode(t *testing.T) {
	sipA, sipB := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.2:5060")
	mgcf, exchange := netip.MustParseAddrPort("192.0.2.11:2905"), netip.MustParseAddrPort("192.0.2.12:2905")
	parts := "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n\r\n" +
		"--b\r\nContent-Type: application/ISUP;version=itu-t92+;base=itu-t92+\r\nContent-Disposition: signal;handling=optional\r\n\r\n" + string(unhex(isupIAM)) + "\r\n--b--\r\n"
	invite := "INVITE sip:12345@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:4930@192.0.2.1>;tag=a\r\nTo: <sip:12345@192.0.2.2>\r\n" +
		"Call-ID: sip-i@192.0.2.1\r\nCSeq: 1 INVITE\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;boundary=b\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(parts)) + parts
	data := [][]byte{capturetest.UDP(sipA, sipB, []byte(invite))}
	tsn := [2]uint32{100, 500}
	on := func(back bool, message string) {
		src, dst, opc, dpc, way := mgcf, exchange, uint32(11), uint32(22), 0
		if back {
			src, dst, opc, dpc, way = dst, src, dpc, opc, 1
		}
		msu := append([]byte{7, 0}, unhex(message)...)
		b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, opc), dpc)
		b = append(append(b, 5, 2, 0, 7), msu...)
		m := binary.BigEndian.AppendUint32([]byte{1, 0, 1, 1}, uint32(12+(len(b)+3)&^3))
		m = binary.BigEndian.AppendUint16(append(m, 2, 0x10), uint16(4+len(b)))
		m = append(append(m, b...), make([]byte, -len(b)&3)...)
		data = append(data, capturetest.SCTP(src, dst, uint32(7+way), capturetest.SCTPData(3, tsn[way], 1, 0, 3, m)))
		tsn[way]++
	}
	for range 2 {
		on(false, isupIAM)
		on(true, "06 00 00 00")
		on(true, "09 00")
		on(false, "0c 02 00 02 80 90")
		on(true, "10 00")
	}
	file := writeCapture(t, "isup.pcap", capturetest.Frames(start, 10*time.Millisecond, data...))
	all := heptap(t, []byte(heptap(t, nil, "replay", "-o", "-", file).want(t, 0).stdout), "decode", "-").want(t, 0).lines(t)
	var lines, nets []packetLine
	for _, p := range all {
		if p.Type == 89 {
			nets = append(nets, p)
		} else {
			lines = append(lines, p)
		}
	}
	if len(lines) != 12 || len(nets) != 2 || nets[0].Primary != nets[1].Primary || nets[0].Proto != 132 || !strings.Contains(*nets[0].Payload, `"event":"SCTP opened"`) {
		t.Fatalf("%d lines, of connections %+v", len(lines), nets)
	}
	if p := lines[0]; p.Type != 1 || p.Primary != "sip-i@192.0.2.1" || string(sipOf(t, p)) != invite {
		t.Errorf("the SIP record is not what was on the wire: %+v", p)
	}
	var companion isupRecord
	if p := lines[1]; p.Type != 54 || p.Primary != "sip-i@192.0.2.1" || p.Extra["sip"] != "sip-i@192.0.2.1" || p.Proto != 17 || json.Unmarshal([]byte(*p.Payload), &companion) != nil ||
		companion.CallID != "sip-i@192.0.2.1" || companion.Called.Num != "12345" || companion.Name != "IAM" || companion.CIC != nil || len(companion.Parameters) != 6 {
		t.Errorf("companion %+v", p)
	}
	var ids []string
	for i, p := range lines[2:] {
		var m isupRecord
		if err := json.Unmarshal([]byte(*p.Payload), &m); err != nil || p.Type != 54 || p.TypeName != "isup" || p.Proto != 132 || m.Circuit != "11:22:7" || p.Extra["net"] != nets[0].Primary || m.Call != p.Primary ||
			*m.CIC != 7 || *m.OPC+*m.DPC != 33 || m.PickedUp || m.Name != [...]string{"IAM", "ACM", "AMN", "REL", "RLC"}[i%5] {
			t.Errorf("line %d: %v, %+v, %s", i, err, p, *p.Payload)
		}
		ids = append(ids, p.Primary)
	}
	if first, second := "11:22:7@1700000000.010000", "11:22:7@1700000000.060000"; !slices.Equal(ids, append(slices.Repeat([]string{first}, 5), slices.Repeat([]string{second}, 5)...)) {
		t.Errorf("calls %q", ids)
	}

	off := heptap(t, nil, "replay", "-o", "-", "-config", write(t, "off.conf", "set records isup off\nset records net off\n"), file).want(t, 0)
	if lines := heptap(t, []byte(off.stdout), "decode", "-").want(t, 0).lines(t); len(lines) != 1 || lines[0].Type != 1 {
		t.Errorf("switched off: %d lines", len(lines))
	}
}

// sipOf returns a line's payload, which is no text when there is ISUP in it.
func sipOf(t *testing.T, p packetLine) []byte {
	t.Helper()
	if p.Payload != nil {
		return []byte(*p.Payload)
	}
	b, err := base64.StdEncoding.DecodeString(*p.Base64)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
