package syslog_test

import (
	"maps"
	"path/filepath"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/pcapfile"
	"heptap/capture/syslog"
)

// payloads calls fn for each datagram and segment of a capture file to or from
// port.
func payloads(t *testing.T, path string, port uint16, fn func(p *capture.Packet)) {
	t.Helper()
	r, err := pcapfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	frames := make([]capture.Frame, 64)
	var p capture.Packet
	for n := 0; err == nil; n, err = r.Read(frames) {
		for i := range frames[:n] {
			if decode.Decode(&frames[i], &p) == capture.DropNone && len(p.Payload) > 0 && (p.DstPort == port || p.SrcPort == port) {
				fn(&p)
			}
		}
	}
}

// TestCaptures compares facility and severity of all datagrams with what
// tshark 4.0.17 says of the same files.
func TestCaptures(t *testing.T) {
	dir := capturetest.Captures(t)
	for name, want := range map[string]map[string]int{
		"ntop+nDPI/syslog.pcap": {"kern.info": 4, "user.notice": 1, "user.info": 1, "local0.notice": 6, "local0.info": 16, "local2.err": 2,
			"local7.err": 3, "local7.notice": 15, "local7.info": 7, "daemon.crit": 2, "daemon.info": 22, "syslog.notice": 4},
		"made-here/syslog.pcap":               {"none": 1, "user.debug": 1, "local0.info": 1, "local7.err": 1},
		"zeek+zeek/syslog-missing-pri.pcap":   {"none": 1},
		"irontec+sngrep/aaa.pcap":             {},
		"arkime+arkime/arkime_synthetic.pcap": {},
	} {
		got := map[string]int{}
		payloads(t, filepath.Join(dir, name), 514, func(p *capture.Packet) {
			if p.Protocol != capture.ProtoUDP {
				return
			}
			var v syslog.View
			if err := v.Parse(p.Payload); err != nil {
				t.Errorf("%s: %v: %.80q", name, err, p.Payload)
			}
			key := "none"
			if v.HasPriority {
				key = v.Facility.String() + "." + v.Severity.String()
			}
			if v.HasPriority != syslog.Is(p.Payload) {
				t.Errorf("%s: Is %v: %.80q", name, !v.HasPriority, p.Payload)
			}
			t.Logf("%.160s", show(&v))
			got[key]++
		})
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, tshark %v", name, got, want)
		}
	}
}

// TestCapturedStreams reads the messages in TCP segments, which in these files
// are one each.
func TestCapturedStreams(t *testing.T) {
	dir := capturetest.Captures(t)
	for name, want := range map[string][]string{
		"made-here/syslog.pcap": {
			`daemon.warning v1 time=2026-11-23T09:58:33.073238+00:00 host=vm program=freeswitch sd=[timeQuality tzKnown="1" isSynced="0"]: over tcp, newline framing`,
			`daemon.crit v1 time=2026-11-23T09:58:33.075980+00:00 host=vm program=sbc sd=[timeQuality tzKnown="1" isSynced="0"]: over tcp, octet counting`,
		},
		"zeek+zeek/tcp-syslog-nontransparent.pcap": {
			"user.info time=Oct 11 22:14:16 host=mymachine program=su: 'su root' failed",
			"mail.emerg time=Oct 11 22:14:18 host=mymachine program=su: 'su bob' failed",
		},
	} {
		var got []string
		payloads(t, filepath.Join(dir, name), 514, func(p *capture.Packet) {
			if p.Protocol != capture.ProtoTCP {
				return
			}
			var f syslog.Framer
			r := f.Next(p.Payload, true)
			var v syslog.View
			if err := v.Parse(p.Payload[r.Start:r.End]); err != nil || r.Kind != syslog.Message || r.Cut || r.N != len(p.Payload) {
				t.Errorf("%s: %v, %+v: %q", name, err, r, p.Payload)
			}
			got = append(got, show(&v))
		})
		if len(got) != len(want) {
			t.Fatalf("%s: %q", name, got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s:\n got %s\nwant %s", name, got[i], want[i])
			}
		}
	}
}

// TestNothingElseIsSyslog asks Is about every payload of all captures that is
// not on syslog's port. ntop+nDPI/syslog.pcap has some on other ports.
func TestNothingElseIsSyslog(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	seen := 0
	for _, name := range files {
		if name == "ntop+nDPI/syslog.pcap" {
			continue
		}
		r, err := pcapfile.Open(filepath.Join(dir, name))
		if err != nil {
			continue // a damaged file
		}
		frames := make([]capture.Frame, 64)
		var p capture.Packet
		for n := 0; err == nil; n, err = r.Read(frames) {
			for i := range frames[:n] {
				if decode.Decode(&frames[i], &p) != capture.DropNone || p.DstPort == 514 || len(p.Payload) == 0 {
					continue
				}
				seen++
				if syslog.Is(p.Payload) {
					t.Errorf("%s, %v: %.60q", name, p.SrcPort, p.Payload)
				}
			}
		}
		r.Close()
	}
	if seen < 10000 {
		t.Errorf("only %d payloads", seen)
	}
}
