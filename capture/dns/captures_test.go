package dns_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/dns"
	"heptap/capture/pcapfile"
)

// payloads calls fn for each datagram and segment of a capture file to or from
// one of DNS's ports.
func payloads(t *testing.T, path string, fn func(p *capture.Packet)) {
	t.Helper()
	r, err := pcapfile.Open(path)
	if err != nil {
		t.Log(err) // a damaged file
		return
	}
	defer r.Close()
	frames := make([]capture.Frame, 64)
	var p capture.Packet
	for n := 0; err == nil; n, err = r.Read(frames) {
		for i := range frames[:n] {
			if decode.Decode(&frames[i], &p) == capture.DropNone && len(p.Payload) > 0 && !p.Fragment.Valid && (port(p.SrcPort) || port(p.DstPort)) {
				fn(&p)
			}
		}
	}
}

func port(n uint16) bool { return n == 53 || n == 5353 }

// line is what tshark prints with -T fields: id, qr, rcode, question's name and
// type, number of answers.
func line(v *dns.View) string {
	response := 0
	if v.Response {
		response = 1
	}
	return fmt.Sprintf("0x%04x %d %d %s %d %d", v.ID, response, v.RCode, v.Question.Name, v.Question.Type, v.Answers)
}

// TestCaptures compares with what tshark 4.0.17 says.
func TestCaptures(t *testing.T) {
	dir := capturetest.Captures(t)
	for name, want := range map[string][]string{
		"zeek+zeek/naptr.pcap": {
			"0x51ea 0 0 fp-de-carrier-vodafone.rcs.telephony.goog 35 0", "0x51ea 1 0 fp-de-carrier-vodafone.rcs.telephony.goog 35 1",
		},
		"CESNET+ipfixprobe/dns.pcap": {
			"0x4943 0 0 kernel.org 1 0", "0x4943 1 0 kernel.org 1 3",
			"0x1685 0 0 230.144.113.195.in-addr.arpa 12 0", "0x1685 1 0 230.144.113.195.in-addr.arpa 12 1",
			"0xfe01 0 0 google.com 28 0", "0xfe01 1 0 google.com 28 1",
			"0x5f4c 0 0 google.com 2 0", "0x5f4c 1 0 google.com 2 4",
			"0xe85a 0 0 . 46 0", "0xe85a 1 0 . 46 4",
			"0x6b1e 0 0 google.com 15 0", "0x6b1e 1 0 google.com 15 5",
			"0x4949 0 0 youtube.com 16 0", "0x4949 1 0 youtube.com 16 2",
			"0xdc1b 0 0 4.4.8.8.in-addr.arpa 12 0", "0xdc1b 1 0 4.4.8.8.in-addr.arpa 12 1",
		},
		"the-tcpdump-group+tcpdump/dns_tcp.pcap": {"0x4319 0 0 www.tcpdump.org 1 0", "0x4319 1 0 www.tcpdump.org 1 2"},
	} {
		var got []string
		payloads(t, filepath.Join(dir, name), func(p *capture.Packet) {
			b := p.Payload
			if p.Protocol == capture.ProtoTCP { // in this file each is a message
				var f dns.Framer
				r := f.Next(b, true)
				if r.Kind != dns.Message || r.N != len(b) || r.Cut {
					t.Fatalf("%s: %+v of %d", name, r, len(b))
				}
				b = b[r.Start:r.N]
			}
			var v dns.View
			if err := v.Parse(b); err != nil || !dns.Is(b) || v.Cut {
				t.Fatalf("%s: %v, cut %v", name, err, v.Cut)
			}
			compare(t, b, &v)
			got = append(got, line(&v))
		})
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, want)
		}
	}
}

// TestCapturedNAPTR reads the answer that leads to a SIP server.
func TestCapturedNAPTR(t *testing.T) {
	seen := 0
	payloads(t, filepath.Join(capturetest.Captures(t), "zeek+zeek/naptr.pcap"), func(p *capture.Packet) {
		var v dns.View
		var a dns.Answer
		if err := v.Parse(p.Payload); err != nil {
			t.Fatal(err)
		}
		for w := v.Walk(); w.Next(&a); seen++ {
			if a.Broken || string(a.Service) != "SIPS+D2T" || a.Target.String() != "_sips._tcp.fp-de-carrier-vodafone.rcs.telephony.goog" {
				t.Errorf("%+v, %s", a, a.Target)
			}
		}
	})
	if seen != 1 {
		t.Errorf("%d answers", seen)
	}
}

// TestAllCaptures reads every datagram on DNS's ports in all captures and holds
// it against dnsmessage. Only the file of random damage has some that are refused.
func TestAllCaptures(t *testing.T) {
	const damaged, tshark, plain = "ntop+nDPI/fuzz-2006-06-26-2594.pcap", 357, "irontec+sngrep/aaa.pcap"
	dir, files := capturetest.CaptureFiles(t)
	good := map[string]int{}
	total := 0
	for _, name := range files {
		payloads(t, filepath.Join(dir, name), func(p *capture.Packet) {
			if p.Protocol != capture.ProtoUDP {
				return
			}
			var v dns.View
			err := v.Parse(p.Payload)
			switch {
			case err == nil:
				good[name]++
				total++
				compare(t, p.Payload, &v)
			case name != damaged:
				t.Errorf("%s, port %d: %v: %.40x", name, p.DstPort, err, p.Payload)
			}
			if err == nil && v.Cut && name != damaged && !p.Truncated {
				t.Errorf("%s: %s: cut", name, line(&v))
			}
		})
	}
	if good[plain] != tshark || total < 700 {
		t.Errorf("%d messages in %s, tshark %d; %d in all", good[plain], plain, tshark, total)
	}
}
