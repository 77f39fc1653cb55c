package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/defrag"
	"heptap/capture/pcapfile"
	"heptap/firmware/internal/config"
	"heptap/hep"
)

// TestCaptures replays every shared capture and compares what comes out with
// what tshark sees in it. A file that is in none of the tables of
// captures_table_test.go must agree in everything; the others must agree as far
// as their entry says, and really differ, so that no entry outlives its reason.
func TestCaptures(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	reasons := map[string]string{}
	for why, list := range nothing {
		for _, f := range list {
			reasons[f] = why
		}
	}
	seen := map[string]bool{}
	var table conformance
	for _, file := range files {
		seen[file] = true
		t.Run(file, func(t *testing.T) {
			switch {
			case strings.HasPrefix(file, "corpora/"):
				corpus(t, dir, file)
			case file == damagedCapture:
				damaged(t, dir)
			case keys(onCircuits)[file]:
				circuits(t, dir, file)
			case reasons[file] != "":
				without(t, dir, file, reasons[file])
			default:
				compare(t, dir, file, &table)
			}
		})
	}
	t.Log(table.String())
	for _, list := range []map[string]bool{keys(partly), keys(reasons), keys(corpora), keys(onCircuits)} {
		for f := range list {
			if !seen[f] {
				t.Errorf("%s has an entry and is not there", f)
			}
		}
	}
}

func keys[V any](m map[string]V) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// compare checks a file that holds something this version reads.
func compare(t *testing.T, dir, file string, table *conformance) {
	want := readTruth(t, dir, file)
	got := replayFile(t, dir, file, false)
	table.add(file, got, want)
	got.sane(t)
	if got.sum.Frames != want.Packets {
		t.Errorf("%d frames, tshark has %d", got.sum.Frames, want.Packets)
	}
	p, isPartly := partly[file]
	differences := slices.Concat(sipDifferences(got, want), rtpDifferences(got, want), rtcpDifferences(got, want))
	if !isPartly {
		for _, d := range differences {
			t.Error(d)
		}
		return
	}
	t.Logf("differs: %s", p.why)
	for _, d := range differences {
		t.Log("  " + d)
	}
	if len(differences) == 0 {
		t.Errorf("agrees in everything now: remove its entry (%s)", p.why)
	}
	p.check(t, got, want)
}

// conformance is the table of what we and tshark see in each file. go test -v
// shows it.
type conformance struct {
	files int
	same  int
	rows  strings.Builder
}

func (c *conformance) add(file string, got *replayed, want *truth) {
	c.files++
	rtcp := func(types map[string]int) (n int) {
		for _, k := range types {
			n += k
		}
		return n
	}
	theirs := [...]int{want.Requests + want.Responses, len(want.CallIDs), len(want.streams(want.Streams, 0)), rtcp(want.RTCPTypes)}
	ours := [...]int{len(got.sip), len(got.callIDs), len(got.linked), rtcp(got.rtcpTypes)}
	note := partly[file].why
	if note == "" {
		c.same++
	}
	fmt.Fprintf(&c.rows, "%-58s", file)
	for i := range ours {
		fmt.Fprintf(&c.rows, " %5d %5d", ours[i], theirs[i])
	}
	fmt.Fprintf(&c.rows, "  %s\n", note)
}

func (c *conformance) String() string {
	return fmt.Sprintf("%d of %d files agree in every message, Call-ID, stream and RTCP packet\n%-58s %11s %11s %11s %11s  (heptap, tshark) note\n%s",
		c.same, c.files, "file", "SIP", "Call-IDs", "streams", "RTCP", c.rows.String())
}

// sipDifferences compares all signalling.
func sipDifferences(got *replayed, want *truth) (out []string) {
	if n := want.Requests + want.Responses; len(got.sip) != n {
		out = append(out, fmt.Sprintf("%d SIP messages, tshark has %d", len(got.sip), n))
	}
	return slices.Concat(out,
		difference("methods", got.methods, want.Methods),
		difference("status codes", got.status, want.Status),
		difference("messages of Call-ID", got.callIDs, want.CallIDs))
}

func difference(what string, got, want map[string]int) (out []string) {
	for k := range union(got, want) {
		if got[k] != want[k] {
			out = append(out, fmt.Sprintf("%s %q: %d, tshark has %d", what, k, got[k], want[k]))
		}
	}
	slices.Sort(out)
	return out
}

func union(a, b map[string]int) map[string]bool {
	all := keys(a)
	maps.Copy(all, keys(b))
	return all
}

// rtpDifferences compares the streams that were linked to a call.
func rtpDifferences(got *replayed, want *truth) (out []string) {
	expected := want.streams(want.Streams, 0)
	for s, w := range expected {
		g, ok := got.linked[s]
		if !ok {
			out = append(out, fmt.Sprintf("stream %v: not there", s))
			continue
		}
		out = append(out, streamDifferences(s, g, w)...)
	}
	for s := range got.linked {
		if _, ok := expected[s]; !ok {
			out = append(out, fmt.Sprintf("stream %v: not in tshark's list", s))
		}
	}
	slices.Sort(out)
	return out
}

// streamDifferences compares the counts of one stream. Lost is, for both,
// RFC 3550's: expected less received, below zero when packets came twice.
func streamDifferences(s streamKey, got streamReport, want truthStream) (out []string) {
	if got.Packets != want.Packets || got.Expected-got.Packets != want.Lost {
		out = append(out, fmt.Sprintf("stream %v: %d packets, %d lost; tshark has %d, %d", s, got.Packets, got.Expected-got.Packets, want.Packets, want.Lost))
	}
	if timing, err := want.timing(); err != nil {
		out = append(out, err.Error())
	} else if !timingDiffers[s] && (differ(got.MaxDelta, timing.maxDelta) || timing.maxJitter > 0 && differ(got.MaxJitter, timing.maxJitter)) {
		out = append(out, fmt.Sprintf("stream %v: delta up to %v ms, jitter up to %v ms; tshark has %v, %v", s, got.MaxDelta, got.MaxJitter, timing.maxDelta, timing.maxJitter))
	}
	return out
}

// differ allows for tshark's rounding to microseconds.
func differ(a, b float64) bool { return a-b > 0.0011 || b-a > 0.0011 }

func rtcpDifferences(got *replayed, want *truth) []string {
	return difference("RTCP packets of type", got.rtcpTypes, want.RTCPTypes)
}

// TestUnknownMedia compares the streams of no known call. tshark's heuristic
// believes the first packet; heptap wants 50 in sequence.
func TestUnknownMedia(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	const proven = 50
	compared := 0
	for _, file := range files {
		if strings.HasPrefix(file, "corpora/") || file == damagedCapture {
			continue
		}
		want := readTruth(t, dir, file)
		linked := want.streams(want.Streams, 0)
		got := replayFile(t, dir, file, true)
		for s, w := range want.streams(want.Heuristic, proven) {
			if _, ok := linked[s]; ok || got.linked[s].Packets > 0 {
				continue
			}
			g, ok := got.unknown[s]
			if !ok {
				t.Errorf("%s: stream %v is not there", file, s)
				continue
			}
			compared++
			for _, d := range streamDifferences(s, g, w) {
				t.Errorf("%s: %s", file, d)
			}
			delete(got.unknown, s)
		}
		for s := range got.unknown {
			t.Errorf("%s: stream %v: not in tshark's list", file, s)
		}
	}
	if compared < 9 {
		t.Errorf("only %d streams compared", compared)
	}
}

// without checks a file that holds no SIP and no media: what is made of what
// else it holds.
func without(t *testing.T, dir, file, why string) {
	want := readTruth(t, dir, file)
	if want.Requests+want.Responses+want.RTCP+len(want.Streams)+len(want.Heuristic) > 0 {
		t.Errorf("holds SIP or media after all (%s)", why)
	}
	got := replayFile(t, dir, file, false)
	got.sane(t)
	if got.sum.Frames != want.Packets {
		t.Errorf("%d frames, tshark has %d", got.sum.Frames, want.Packets)
	}
	if have := got.kinds(); have != besides[file] {
		t.Errorf("records of %s: %q, want %q", why, have, besides[file])
	}
}

// corpus checks a file of odd and hostile messages: nothing is lost without
// being counted, and nothing becomes another Call-ID's.
func corpus(t *testing.T, dir, file string) {
	want, ok := corpora[file]
	if !ok {
		t.Fatal("no entry in the table")
	}
	got := replayFile(t, dir, file, false)
	got.sane(t)
	have := corpusCounts{Frames: got.sum.Frames, SIP: got.sum.SIP, Malformed: got.sum.SIPMalformed, Unsent: got.sum.Unsent, why: want.why}
	if have != want {
		t.Errorf("got %+v\nwant %+v", have, want)
	}
}

// TestKamailioHEP compares our records with those Kamailio's siptrace sent for
// the same messages in the same capture (to port 9060).
func TestKamailioHEP(t *testing.T) {
	dir := capturetest.Captures(t)
	for _, c := range []struct {
		file  string
		part  bool // Kamailio also reports what came over other transports or in fragments
		least int
	}{
		{"made-here/udp-call-rtp-hep.pcap", false, 18},
		{"made-here/rtcp-xr-linphone.pcap", false, 50},
		{"made-here/sip-ws.pcap", true, 6},
		{"made-here/sip-wss-tls12.pcap", true, 6},
	} {
		t.Run(c.file, func(t *testing.T) {
			theirs := map[string]int{}
			forEachDatagram(t, dir+"/"+c.file, func(p *capture.Packet) {
				if p.DstPort == 9060 {
					v, err := hep.Parse(p.Payload)
					if err != nil {
						t.Errorf("Kamailio's frame: %v", err)
						return
					}
					theirs[flowAndPayload(v)]++
				}
			})
			ours := map[string]int{}
			for _, v := range replayFile(t, dir, c.file, false).sip {
				ours[flowAndPayload(v)]++
			}
			n := 0
			for k, count := range ours {
				n += count
				if theirs[k] != count {
					t.Errorf("%d times here, %d times from Kamailio:\n%s", count, theirs[k], k)
				}
			}
			if n < c.least {
				t.Errorf("only %d messages compared", n)
			}
			if !c.part && !maps.Equal(ours, theirs) {
				t.Errorf("%d different messages here, %d from Kamailio", len(ours), len(theirs))
			}
		})
	}
}

func flowAndPayload(v hep.View) string {
	proto := v.Proto()
	if proto == 22 || proto == 50 { // Kamailio's and OpenSIPS's ways of saying TLS and WebSocket
		proto = capture.ProtoTCP
	}
	return fmt.Sprintf("type %d, protocol %d, %v to %v\n%s", v.Type(), proto, v.Src(), v.Dst(), v.Payload())
}

// forEachDatagram calls f for every UDP datagram in the file, those in fragments
// included.
func forEachDatagram(t *testing.T, path string, f func(*capture.Packet)) {
	t.Helper()
	r, err := pcapfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fragments := defrag.New(defrag.Config{})
	frames := make([]capture.Frame, 16)
	for {
		n, err := r.Read(frames)
		if err != nil {
			return
		}
		for i := range frames[:n] {
			p := new(capture.Packet)
			if decode.Decode(&frames[i], p) != capture.DropNone {
				continue
			}
			if p.Fragment.Valid {
				if p = fragments.Add(p); p == nil || decode.Resume(p) != capture.DropNone {
					continue
				}
			}
			if p.Protocol == capture.ProtoUDP && !p.Truncated {
				f(p)
			}
		}
	}
}

// TestSameFileSameRecords replays every file twice, with all kinds of records on:
// the records must be the same, octet for octet, apart from the order of
// simultaneous ones.
func TestSameFileSameRecords(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	everything := func(cfg *config.Config) {
		cfg.Media.Unknown = true
		cfg.Records.Log, cfg.Records.REST, cfg.Records.RESTBodies = config.LogAll, config.RESTAll, true
	}
	for _, file := range files {
		if file == damagedCapture {
			continue
		}
		path := filepath.Join(dir, file)
		a, b := replayPathsWith(t, everything, path).frames(), replayPathsWith(t, everything, path).frames()
		if len(a) != len(b) {
			t.Errorf("%s: %d frames, then %d", file, len(a), len(b))
			continue
		}
		for i := range a {
			if a[i] != b[i] {
				t.Errorf("%s: the frame\n%q\nthen\n%q", file, a[i], b[i])
				break
			}
		}
	}
}

// TestReplayJudges has the same file judged twice, by packet time and not by
// how far ahead the reader is.
func TestReplayJudges(t *testing.T) {
	dir := capturetest.Captures(t)
	const file = "sipcapture+heplify/FAX-Call-t38-CA-TDM-SIP-FB-1.pcap"
	want := "[the mirror is good: 7217 frames in 109 s, 7213 between other hosts, 5 of 5 conversations both ways]"
	for range 2 {
		if got := fmt.Sprint(replayFile(t, dir, file, false).sum.Mirror); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestDirectionsApart splits a capture as a TAP does, one file per direction,
// and replays both: the records must be those of the whole.
func TestDirectionsApart(t *testing.T) {
	dir := capturetest.Captures(t)
	for _, file := range []string{"made-here/rtcp-xr-linphone.pcap", "made-here/udp-short2.pcap", "irontec+sngrep/aaa.pcap"} {
		sides := splitByDirection(t, dir+"/"+file)
		whole := replayFile(t, dir, file, false)
		apart := replayPaths(t, false, sides...)
		apart.sane(t)
		for _, d := range slices.Concat(difference("methods", apart.methods, whole.methods), difference("status", apart.status, whole.status),
			difference("Call-ID", apart.callIDs, whole.callIDs), difference("RTCP", apart.rtcpTypes, whole.rtcpTypes)) {
			t.Errorf("%s, directions apart: %s", file, strings.ReplaceAll(d, "tshark", "the whole file"))
		}
		if !maps.Equal(apart.linked, whole.linked) {
			t.Errorf("%s: streams differ\n%v\n%v", file, apart.linked, whole.linked)
		}
		for i := range min(len(apart.sip), len(whole.sip)) {
			if string(apart.sip[i].Payload()) != string(whole.sip[i].Payload()) {
				t.Errorf("%s: message %s differs", file, strconv.Itoa(i))
				break
			}
		}
	}
}

// TestUnwrapHEP has what Kamailio reports about the calls in a capture taken for
// seen: each message once more, with the addresses that Kamailio says.
func TestUnwrapHEP(t *testing.T) {
	path := filepath.Join(capturetest.Captures(t), "made-here/udp-call-rtp-hep.pcap")
	plain := replayPaths(t, false, path)
	both := replayPathsWith(t, func(cfg *config.Config) { cfg.Decode.HEP = config.HEPUnwrap }, path)
	both.sane(t)
	if n := both.sum.SIPOver["hep"]; n != 18 || len(both.sip) != len(plain.sip)+int(n) {
		t.Fatalf("%d messages in HEP, %d in all, %d without them", n, len(both.sip), len(plain.sip))
	}
	times := map[string]int{}
	for _, v := range both.sip {
		times[flowAndPayload(v)]++
	}
	for text, n := range times {
		if n != 2 {
			t.Errorf("%d times: %s", n, text)
		}
	}
}
