package dissect_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/dissect"
	"heptap/capture/pcapfile"
)

const everything = dissect.Logs | dissect.Lookups | dissect.Control | dissect.Commands

const (
	dnsQuery  = "\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01" // without the first octet of its ID
	ngOffer   = "12_1 d7:call-id2:c17:command5:offere"
	proxyLook = "12_1 L c1 192.0.2.1 6000 tag1 tag2"
	// Each begins as RTP with padding and one CSRC does (Kamailio, ctl/binrpc.h).
	binAsks    = "\xa1\x01\x0e\x12\x34\x91\x0ccore.uptime\x00"
	binAnswers = "\xa1\x11\x09\x12\x34\x03\x35up\x00\x20\x00\x05\x83"
)

func TestBeside(t *testing.T) {
	rtp := string(capturetest.RTPPacket(8, 1, 160, 7, make([]byte, 160)))
	tests := []struct {
		name     string
		payload  string
		src, dst uint16
		also     dissect.Beside // which of them it takes
		want     capture.Protocol
	}{
		{"syslog (RFC 3164)", "<14>Nov 14 22:13:20 host app: text", 40000, 40000, dissect.Logs, capture.Syslog},
		{"syslog (RFC 5424)", "<165>1 2023-11-14T22:13:20Z host app - - - text", 40000, 1514, dissect.Logs, capture.Syslog},
		{"syslog about SIP", "<13>proxy: INVITE sip:bob@example.com SIP/2.0\r\n", 40000, 40000, dissect.Logs, capture.Syslog},
		{"syslog without PRI", "text alone", 40000, 514, dissect.Logs, capture.Syslog},
		{"text from port 514", "text alone", 514, 40000, 0, capture.Unknown},
		{"no text to port 514", "\x01\x02", 40000, 514, 0, capture.Unknown},
		{"no PRI", "<192>text", 40000, 40000, 0, capture.Unknown},
		{"a question", "\x00" + dnsQuery, 40000, 53, dissect.Lookups, capture.DNS},
		{"a question whose ID begins as RTP does", "\x80" + dnsQuery, 40000, 53, dissect.Lookups, capture.DNS},
		{"a question whose ID begins as QUIC does", "\xc3" + dnsQuery, 53, 40000, dissect.Lookups, capture.DNS},
		{"a question of mDNS", "\x00" + dnsQuery, 5353, 5353, dissect.Lookups, capture.DNS},
		{"a question elsewhere", "\x00" + dnsQuery, 40000, 54, 0, capture.Unknown},
		{"NG", ngOffer, 40000, 2223, dissect.Control, capture.NG},
		{"NG on a port of SIP", ngOffer, 5060, 2223, dissect.Control, capture.NG},
		{"NG to port 514", ngOffer, 40000, 514, dissect.Control, capture.NG},
		{"rtpproxy", proxyLook, 40000, 7722, dissect.Control, capture.NG},
		{"rtpproxy's reply", "12_1 35000 192.0.2.3\n", 7722, 40000, 0, capture.Unknown},
		{"JSON-RPC", `{"jsonrpc":"2.0","method":"uptime","id":1}`, 40000, 8080, dissect.Commands, capture.MI},
		{"JSON-RPC's reply", `{"jsonrpc":"2.0","result":"OK","id":1}`, 8080, 40000, dissect.Commands, capture.MI},
		{"other JSON", `{"method":"uptime","id":1}`, 40000, 8080, 0, capture.Unknown},
		{"a line", ":uptime:\n", 40000, 8080, dissect.Commands, capture.MI},
		{"binrpc", binAsks, 40000, 2049, dissect.Commands, capture.MI},
		{"binrpc's reply", binAnswers, 2049, 40000, dissect.Commands, capture.MI},
		{"RTP with padding and one CSRC", "\xa1\x00\x0e" + rtp[3:12] + "\x00\x00\x00\x07" + rtp[12:], 40000, 2049, 0, capture.RTP},
		{"a line's reply", "200 OK\n", 8080, 40000, 0, capture.Unknown},
		// What is signalling or media stays so.
		{"RTP to port 53", rtp, 40000, 53, 0, capture.RTP},
		{"RTP from port 514", rtp, 514, 40000, 0, capture.RTP},
		{"SIP to port 514", "OPTIONS sip:bob@example.com SIP/2.0\r\nCall-ID: 1\r\n\r\n", 5060, 514, 0, capture.SIP},
		{"SIP to port 53", "OPTIONS sip:bob@example.com SIP/2.0\r\nCall-ID: 1\r\n\r\n", 5060, 53, 0, capture.SIP},
		{"STUN from port 53", string(stun("")), 53, 40000, 0, capture.STUN},
		{"a keep-alive to port 514", "\r\n\r\n", 5060, 514, 0, capture.KeepAlive},
		{"SSDP", "NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\n\r\n", 1900, 1900, 0, capture.Unknown},
		{"HEP", string(hep([]byte("<14>text"))), 9060, 9060, 0, capture.HEP},
	}
	for _, tt := range tests {
		for also := range everything + 1 {
			if tt.also != 0 && also&tt.also == 0 {
				continue // see TestBesideOff
			}
			p := capture.Packet{Payload: []byte(tt.payload), SrcPort: tt.src, DstPort: tt.dst}
			if got := dissect.Datagram(&p, also); got != tt.want {
				t.Errorf("%s, asked for %04b: %v, want %v", tt.name, also, got, tt.want)
			}
		}
	}
}

// What is not asked for is what it was before anybody looked for it.
func TestBesideOff(t *testing.T) {
	for payload, port := range map[string]uint16{"<14>Nov 14 22:13:20 host app: text": 40000, "text alone": 514, "\x00" + dnsQuery: 53, ngOffer: 2223, proxyLook: 7722, ":uptime:\n": 8080} {
		p := capture.Packet{Payload: []byte(payload), SrcPort: 40000, DstPort: port}
		if got := dissect.Datagram(&p, 0); got != capture.Unknown {
			t.Errorf("%q: %v", payload, got)
		}
		p.SrcPort = 5060
		if got := dissect.Datagram(&p, 0); got != capture.NotSIP {
			t.Errorf("%q from 5060: %v", payload, got)
		}
	}
}

func TestBesideAllocs(t *testing.T) {
	for _, payload := range []string{"<14>Nov 14 22:13:20 host app: text", "\x80" + dnsQuery, ngOffer, proxyLook, `{"jsonrpc":"2.0","method":"uptime","id":1}`, ":uptime:\n", binAsks, "no protocol of ours"} {
		p := capture.Packet{Payload: []byte(payload), SrcPort: 40000, DstPort: 53}
		if n := testing.AllocsPerRun(100, func() { dissect.Datagram(&p, everything) }); n != 0 {
			t.Errorf("%q: %v allocations", payload, n)
		}
	}
}

func BenchmarkBeside(b *testing.B) {
	ps := packets()
	ps["Text"] = &capture.Packet{Payload: []byte(strings.Repeat("no protocol of ours ", 60))}
	ps["Binary"] = &capture.Packet{Payload: []byte(strings.Repeat("\x7f\x05\x00no", 100))}
	ps["Syslog"] = &capture.Packet{Payload: []byte("<14>Nov 14 22:13:20 host app: text")}
	ps["DNS"] = &capture.Packet{Payload: []byte("\x80" + dnsQuery), DstPort: 53}
	ps["NG"] = &capture.Packet{Payload: []byte(ngOffer)}
	ps["JSON"] = &capture.Packet{Payload: []byte(`{"jsonrpc":"2.0","method":"uptime","id":1}`)}
	for _, name := range []string{"RTP", "RTCP", "SIP", "Unknown", "Text", "Binary", "Syslog", "DNS", "NG", "JSON"} {
		p := ps[name]
		for _, also := range []dissect.Beside{0, everything} {
			b.Run(fmt.Sprintf("%s/%v", name, also != 0), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					dissect.Datagram(p, also)
				}
			})
		}
	}
}

// TestCapturedBeside counts what tshark counts in the same files; the syslog of
// it is what goes to port 514.
func TestCapturedBeside(t *testing.T) {
	dir := capturetest.Captures(t)
	for _, tt := range []struct {
		file        string
		syslog, dns int
	}{
		{"irontec+sngrep/aaa.pcap", 0, 357},
		{"ntop+nDPI/syslog.pcap", 83, 0},
		{"made-here/syslog.pcap", 4, 1},
		{"zeek+zeek/syslog-missing-pri.pcap", 1, 0},
		{"zeek+zeek/naptr.pcap", 0, 2},
		{"CESNET+ipfixprobe/dns.pcap", 0, 16},
	} {
		r, err := pcapfile.Open(filepath.Join(dir, tt.file))
		if err != nil {
			t.Fatal(err)
		}
		counts := map[capture.Protocol]int{}
		frames := make([]capture.Frame, 64)
		var p capture.Packet
		for n := 0; err == nil; n, err = r.Read(frames) {
			for i := range frames[:n] {
				if decode.Decode(&frames[i], &p) == capture.DropNone && p.Protocol == capture.ProtoUDP {
					counts[dissect.Datagram(&p, everything)]++
				}
			}
		}
		r.Close()
		if counts[capture.Syslog] != tt.syslog || counts[capture.DNS] != tt.dns || counts[capture.NG]+counts[capture.MI] != 0 {
			t.Errorf("%s: %v, tshark %d of syslog and %d of DNS", tt.file, counts, tt.syslog, tt.dns)
		}
	}
}
