package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// testCall is one call with a second of media each way on VLAN 42, as frames.
func testCall(callID string, start time.Time) []capture.Frame {
	caller, callee := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.2:5062")
	from := netip.AddrPortFrom(caller.Addr(), 40000+2*uint16(callID[0])) // each call has ports of its own
	to := netip.AddrPortFrom(callee.Addr(), from.Port()+10000)
	tag := capturetest.VLAN(42)
	var data [][]byte
	messages := capturetest.SIPCall(capturetest.Call{Caller: caller, Callee: callee, CallerMedia: from, CalleeMedia: to, CallID: callID})
	for i, d := range messages {
		if i == len(messages)-2 { // before the BYE
			for n := range 50 {
				voice := capturetest.RTPPacket(0, uint16(n), uint32(n)*160, 0xfeed, make([]byte, 160))
				data = append(data, capturetest.UDP(from, to, voice, tag), capturetest.UDP(to, from, voice, tag))
			}
		}
		data = append(data, capturetest.UDP(d.Src, d.Dst, d.Payload, tag))
	}
	return capturetest.Frames(start, 10*time.Millisecond, data...)
}

func writeCapture(t *testing.T, name string, frames []capture.Frame) string {
	t.Helper()
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	return write(t, name, b.String())
}

var start = time.Unix(1700000000, 0)

func TestReplayToDecode(t *testing.T) {
	file := writeCapture(t, "call.pcap", testCall("call-1@example", start))
	hepData := heptap(t, nil, "replay", "-o", "-", "-config", write(t, "c.conf", "set system node probe-1\nset system agent-id 99\n"), file).want(t, 0)
	lines := heptap(t, []byte(hepData.stdout), "decode", "-").want(t, 0).lines(t)
	if len(lines) != 9 { // 7 messages, 2 reports
		t.Fatalf("%d lines", len(lines))
	}
	for i, p := range lines {
		if p.Agent != 99 || p.Node != "probe-1" || p.Primary != "call-1@example" || p.Proto != 17 || p.VLAN == nil || *p.VLAN != 42 || p.Payload == nil {
			t.Errorf("line %d: %+v", i, p)
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000000Z", p.Time); err != nil {
			t.Errorf("line %d: time %v", i, err)
		}
	}
	if p := lines[0]; p.Type != 1 || p.TypeName != "sip" || p.Src != "192.0.2.1:5060" || p.Dst != "192.0.2.2:5062" ||
		p.Time != "2023-11-14T22:13:20.000000Z" || !strings.HasPrefix(*p.Payload, "INVITE sip:") {
		t.Errorf("first line: %+v", p)
	}
	reports := 0
	for _, p := range lines {
		if p.Type == 34 {
			reports++
			if !strings.Contains(*p.Payload, `"TOTAL_PK":50,`) || !strings.Contains(*p.Payload, `"CODEC_NAME":"PCMU"`) {
				t.Errorf("report %s", *p.Payload)
			}
		}
	}
	if reports != 2 {
		t.Errorf("%d reports", reports)
	}
}

func TestReplaySummaryOfSeveralFiles(t *testing.T) {
	one := writeCapture(t, "one.pcap", testCall("one@example", start))
	two := writeCapture(t, "two.pcap", append(testCall("two@example", start.Add(5*time.Millisecond)),
		capturetest.Frames(start.Add(time.Minute), 0, make([]byte, 60))...))
	out := filepath.Join(t.TempDir(), "out.hep")
	r := heptap(t, nil, "replay", "-o", out, "-summary", "-", two, one).want(t, 0)
	var sum replaySummary
	if err := json.Unmarshal([]byte(r.stdout), &sum); err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{"frames": 215, "decoded": 214, "sip": 14, "calls": 2, "sip records": 14, "rtp records": 4, "hep": 18, "rtp": 200}
	got := map[string]uint64{"frames": sum.Frames, "decoded": sum.Decoded, "sip": sum.SIP, "calls": sum.Calls,
		"sip records": sum.Records["sip"], "rtp records": sum.Records["rtp"], "hep": sum.HEPPackets, "rtp": sum.Protocols["rtp"]}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v\n%s", got, want, r.stdout)
	}
	var dropped uint64
	for reason, n := range sum.Dropped {
		if reason == "" || n == 0 {
			t.Errorf("dropped %v", sum.Dropped)
		}
		dropped += n
	}
	if dropped != 1 || sum.Error != "" || len(sum.Files) != 2 {
		t.Errorf("%s", r.stdout)
	}
	if info, err := os.Stat(out); err != nil || uint64(info.Size()) != sum.HEPOctets {
		t.Errorf("%v octets in the file, %d in the summary: %v", info.Size(), sum.HEPOctets, err)
	}
	// Both files are merged by time: the calls' first messages alternate.
	lines := heptap(t, nil, "decode", out).want(t, 0).lines(t)
	var ids []string
	for _, p := range lines[:6] {
		ids = append(ids, p.Primary)
	}
	if strings.Join(ids, " ") != strings.TrimSpace(strings.Repeat("one@example two@example ", 3)) {
		t.Errorf("order %v", ids)
	}
}

// TestReplayCutFile cuts a capture at every octet of one of its records.
func TestReplayCutFile(t *testing.T) {
	frames := testCall("call-1@example", start)[:5] // the last one is the ACK
	whole, err := os.ReadFile(writeCapture(t, "whole.pcap", frames))
	if err != nil {
		t.Fatal(err)
	}
	const recordHeader = 16
	last := len(whole) - len(frames[4].Data) - recordHeader
	for _, cut := range []int{last + 1, last + recordHeader, len(whole) - 1} {
		file := write(t, "cut.pcap", string(whole[:cut]))
		out, summary := filepath.Join(t.TempDir(), "out.hep"), filepath.Join(t.TempDir(), "sum.json")
		heptap(t, nil, "replay", "-o", out, "-summary", summary, file).want(t, 1, "cut.pcap", fmt.Sprintf("offset %d", last))
		if n := len(heptap(t, nil, "decode", out).want(t, 0).lines(t)); n != 4 {
			t.Errorf("cut at %d: %d records, want the 4 before the damage", cut, n)
		}
		var sum replaySummary
		if b, err := os.ReadFile(summary); err != nil || json.Unmarshal(b, &sum) != nil || sum.Error == "" || sum.Frames != 4 {
			t.Errorf("summary %s: %v", b, err)
		}
	}
	// Between two records the file is whole.
	heptap(t, nil, "replay", "-o", "-", write(t, "short.pcap", string(whole[:last]))).want(t, 0)
}

func TestReplayOfNoCapture(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.hep")
	heptap(t, nil, "replay", "-o", out, filepath.Join(t.TempDir(), "none.pcap")).want(t, 1, "none.pcap", "no such file")
	heptap(t, nil, "replay", "-o", out, write(t, "text.pcap", "hello, this is no capture file at all")).want(t, 1, "text.pcap", "offset 0")
	heptap(t, nil, "replay", "-o", filepath.Join(t.TempDir(), "no", "where"), writeCapture(t, "c.pcap", testCall("c", start))).want(t, 1, "no such file")
}

// TestReplayKeepsFiles asserts that a mistake costs nothing: neither the
// output of an earlier run nor the capture itself.
func TestReplayKeepsFiles(t *testing.T) {
	earlier := write(t, "earlier.hep", "precious")
	heptap(t, nil, "replay", "-o", earlier, filepath.Join(t.TempDir(), "none.pcap")).want(t, 1)
	if b, err := os.ReadFile(earlier); err != nil || string(b) != "precious" {
		t.Errorf("an output file was emptied for a missing input: %q, %v", b, err)
	}
	file := writeCapture(t, "call.pcap", testCall("c", start))
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if r := heptap(t, nil, "replay", "-o", file, file); r.code == 0 {
		t.Error("output over its own input is accepted")
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the input was overwritten: %d octets of %d left", len(after), len(before))
	}
}

func TestReplayTwice(t *testing.T) {
	file := writeCapture(t, "call.pcap", append(testCall("a@example", start), testCall("b@example", start.Add(3*time.Second))...))
	one := heptap(t, nil, "replay", "-o", "-", file).want(t, 0)
	two := heptap(t, nil, "replay", "-o", "-", file).want(t, 0)
	if one.stdout != two.stdout || one.stdout == "" {
		t.Errorf("%d octets, then %d others", len(one.stdout), len(two.stdout))
	}
}

func TestDecodeDamaged(t *testing.T) {
	whole := heptap(t, nil, "replay", "-o", "-", writeCapture(t, "c.pcap", testCall("c", start))).want(t, 0).stdout
	length := func(b string) int { return int(b[4])<<8 | int(b[5]) }
	first := length(whole)
	second := first + length(whole[first:])

	r := heptap(t, nil, "decode", write(t, "cut.hep", whole[:second-3])).want(t, 1, fmt.Sprintf("offset %d", first))
	if n := len(r.lines(t)); n != 1 {
		t.Errorf("%d lines before the cut", n)
	}
	r = heptap(t, []byte(whole[:first]+"garbage"+whole[first:]), "decode", "-").want(t, 1, fmt.Sprintf("offset %d", first))
	if n := len(r.lines(t)); n != 1 {
		t.Errorf("%d lines before the garbage", n)
	}
	if r := heptap(t, nil, "decode", "-").want(t, 0); r.stdout != "" {
		t.Errorf("nothing decodes to %q", r.stdout)
	}
	heptap(t, nil, "decode", filepath.Join(t.TempDir(), "none.hep")).want(t, 1, "no such file")
}

// TestDecodeOctets asserts that payloads that are no text come as base64.
func TestDecodeOctets(t *testing.T) {
	frames := testCall("c", start)[:1]
	frames[0].Data[len(frames[0].Data)-1] = 0xff // in the INVITE's body
	r := heptap(t, nil, "replay", "-o", "-", writeCapture(t, "c.pcap", frames)).want(t, 0)
	lines := heptap(t, []byte(r.stdout), "decode", "-").want(t, 0).lines(t)
	if len(lines) != 1 || lines[0].Payload != nil || lines[0].Base64 == nil {
		t.Errorf("%+v", lines)
	}
}
