package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"heptap/firmware/internal/config"
	"heptap/hep"
)

// damagedCapture is a file with no readable frame.
const damagedCapture = "aboutsip+pkts/cool.pcap"

// partial says why a file differs from what tshark sees in it, and checks what
// must be so nevertheless.
type partial struct {
	why   string
	check func(t *testing.T, got *replayed, want *truth)
}

// partly lists every capture with SIP, RTP or RTCP where tshark and we disagree.
var partly = map[string]partial{
	"aboutsip+pkts/fragmented_udp_sip.pcap": {
		why: "the first fragment of an INVITE, whose others are missing: we show it, cut and flagged", check: oneHalf},
	"open5gs+open5gs/volte.pcapng": {
		why: "captured on all interfaces: what the gateway forwards comes twice, which tshark counts twice", check: allTwice},
	"ntop+nDPI/skype-conference-call.pcap": {
		why: "Skype's SRTCP: one of its packets shows itself as such; tshark does not look at its ports", check: oneSRTCP},
	"arkime+arkime/gtp-iphone.pcap": {
		why: "10 s cut out of streams of less than 50 packets: two streams to us, one with loss to tshark", check: thinned},
	"snort3+snort3_demo/gtpingtp.pcap": {
		why: "a datagram from port 2152 to 5060 is a SIP response: tshark takes the port for GTP, finds it malformed and looks no further", check: sipOnGTPPort},
	"sipcapture+heplify/FAX-Call-t38-CA-TDM-SIP-FB-1.pcap": {
		why: "23 messages are mirrored copies; a refused T.38 re-INVITE makes tshark take 2010 packets of G.711 for broken T.38", check: copied(23, faxStays)},
	"made-here/rtcp-xr-linphone.pcap": {
		why: "tshark leaves one direction of the Opus stream as data, though the SDP names it (its heuristic finds it)", check: bothDirections},
	"ntop+nDPI/fuzz-2006-06-26-2594.pcap": {
		why: "a fuzzer's work on aaa.pcap: what is SIP in it is a matter of taste", check: fuzzed},
}

// copied checks a capture with so many mirrored copies of SIP: they are left out,
// and everything agrees with tshark when they are not looked for.
func copied(copies uint64, rest func(t *testing.T, got *replayed, want *truth)) func(t *testing.T, got *replayed, want *truth) {
	return func(t *testing.T, got *replayed, want *truth) {
		if got.sum.CopiedSIP != copies || len(got.sip)+int(copies) != want.Requests+want.Responses {
			t.Errorf("%d copies left out of %d messages", got.sum.CopiedSIP, len(got.sip))
		}
		all := replayPathsWith(t, func(cfg *config.Config) { cfg.Decode.Duplicates = config.DuplicatesOff }, got.sum.Files...)
		all.sane(t)
		rest(t, all, want)
	}
}

// allTwice: ten of the copies are single datagrams; two messages in fragments
// and two over TCP are put together once, whether or not copies are looked for.
// Of the streams every packet came twice.
func allTwice(t *testing.T, got *replayed, want *truth) {
	copied(10, func(t *testing.T, all *replayed, want *truth) {
		if len(all.sip) != 37 {
			t.Errorf("%d messages, copies included", len(all.sip))
		}
	})(t, got, &truth{Requests: 37})
	if len(got.sip)+14 != want.Requests+want.Responses {
		t.Errorf("%d messages", len(got.sip))
	}
	for what, m := range map[string][2]map[string]int{"method": {got.methods, want.Methods}, "status": {got.status, want.Status}} {
		for k, n := range m[1] {
			if g := m[0][k]; g > n || 3*g < n { // some pass three interfaces
				t.Errorf("%s %s: %d, tshark has %d", what, k, g, n)
			}
		}
	}
	for s, w := range want.streams(want.Streams, 0) {
		if g := got.linked[s]; 2*g.Packets != w.Packets || g.Expected != g.Packets {
			t.Errorf("stream %v: %d packets of %d, tshark has %d", s, g.Packets, g.Expected, w.Packets)
		}
	}
	if got.sum.Copies < 4*27 {
		t.Errorf("%d copies", got.sum.Copies)
	}
}

func oneSRTCP(t *testing.T, got *replayed, want *truth) {
	if len(got.rtcpTypes) != 1 || got.rtcpTypes["206"] != 1 || !strings.Contains(string(got.other[0].Payload()), `"srtcp":true`) {
		t.Errorf("RTCP %v", got.rtcpTypes)
	}
	for _, d := range slices.Concat(sipDifferences(got, want), rtpDifferences(got, want)) {
		t.Error(d)
	}
}

// oneHalf: the first fragment of an INVITE is there alone. It is shown, cut.
func oneHalf(t *testing.T, got *replayed, want *truth) {
	if len(got.sip) != want.Requests+want.Responses+1 || got.methods["INVITE"] != 1 {
		t.Fatalf("%d messages, %v", len(got.sip), got.methods)
	}
	for _, v := range got.sip {
		if half := strings.HasPrefix(string(v.Payload()), "INVITE"); half != (v.Flags() == hep.FlagCut) {
			t.Errorf("flags %v of %.40q", hep.FlagNames(v.Flags()), v.Payload())
		}
	}
}

// thinned: most packets were taken out by hand. A stream of less than 50
// packets ends after 5 s of silence, and what comes then is another one of the
// same call: together they have tshark's packets.
func thinned(t *testing.T, got *replayed, want *truth) {
	for _, d := range slices.Concat(sipDifferences(got, want), rtcpDifferences(got, want)) {
		t.Error(d)
	}
	expected := want.streams(want.Streams, 0)
	for s, w := range expected {
		if g := got.linked[s]; g.Packets != w.Packets {
			t.Errorf("stream %v: %d packets, tshark has %d", s, g.Packets, w.Packets)
		}
	}
	if len(got.linked) != len(expected) {
		t.Errorf("%d streams", len(got.linked))
	}
}

func sipOnGTPPort(t *testing.T, got *replayed, want *truth) {
	if len(got.sip) != 1 || got.sip[0].Dst().Port() != 5060 || got.sip[0].Src().Port() != 2152 || got.status["487"] != 1 {
		t.Errorf("%d messages, %v", len(got.sip), got.status)
	}
}

// faxStays: 1838 packets of tshark's stream and the 2010 it calls T.38.
func faxStays(t *testing.T, got *replayed, want *truth) {
	back, forth := streamOf("10.35.60.100:15580", "10.23.1.52:16756", 0x0eaf0eaf), streamOf("10.23.1.52:16756", "10.35.60.100:15580", 0x17d90134)
	for _, d := range slices.Concat(sipDifferences(got, want), rtcpDifferences(got, want)) {
		t.Error(d)
	}
	if g := got.linked[back]; g.Packets != 1838+want.Frames["t38"] || g.Expected != g.Packets {
		t.Errorf("callee's stream: %+v", g)
	}
	if g := got.linked[forth]; g.Packets != 3147 || g.Expected != 3147 {
		t.Errorf("caller's stream: %+v", g)
	}
	if len(got.linked) != 2 {
		t.Errorf("streams %v", got.linked)
	}
}

func bothDirections(t *testing.T, got *replayed, want *truth) {
	for _, d := range slices.Concat(sipDifferences(got, want), rtcpDifferences(got, want)) {
		t.Error(d)
	}
	all := want.streams(want.Heuristic, 0)
	if len(all) != 2 || len(got.linked) != 2 {
		t.Errorf("%d streams, tshark %d", len(got.linked), len(all))
	}
	for s, w := range all {
		for _, d := range streamDifferences(s, got.linked[s], w) {
			t.Error(d)
		}
	}
}

// fuzzed: of tshark's 52 messages we forward 39.
//
//   - 3 are in datagrams whose UDP length is longer than the packet (frames 253,
//     602, 603): no socket would have delivered them;
//   - frame 247 has a start line that ends in CR alone;
//   - the others consist of a start line and octets 0xaa, with neither Call-ID
//     nor end of header: counted as malformed.
//
// One that we count as malformed is not SIP to tshark.
func fuzzed(t *testing.T, got *replayed, want *truth) {
	if want.Requests+want.Responses != 52 || len(got.sip) != 39 || got.sum.SIPMalformed != 10 {
		t.Errorf("%d messages, %d malformed; tshark has %d", len(got.sip), got.sum.SIPMalformed, want.Requests+want.Responses)
	}
	if got.sum.Dropped["udp length"] < 3 {
		t.Errorf("dropped %v", got.sum.Dropped)
	}
	for m, n := range got.status {
		if n > want.Status[m] {
			t.Errorf("status %s: %d, tshark %d", m, n, want.Status[m])
		}
	}
	for m, n := range got.methods {
		if n > want.Methods[m] {
			t.Errorf("method %s: %d, tshark %d", m, n, want.Methods[m])
		}
	}
}

// timingDiffers lists the streams whose packets agree with tshark's and whose
// timing does not.
var timingDiffers = map[streamKey]bool{
	// tshark leaves out the gap before a marked packet: 1320 and 1116 ms by its own frame times.
	streamOf("10.33.6.100:6000", "10.33.6.101:6050", 0x5a3361b3): true,
	streamOf("10.33.6.101:6050", "10.33.6.100:6000", 0x42f433d4): true,
	// Comfort noise and DTMF: tshark restarts its clock at them; the greatest
	// gap between two of its frames is 286.074 ms, as we say, not 9.2 s.
	streamOf("10.23.1.52:16756", "10.35.60.100:15580", 0x17d90134): true,
	// tshark leaves out the gap before a marked packet: 50.452 ms by its own frame times.
	streamOf("192.168.0.2:26264", "192.168.0.1:7078", 0x61dcf074): true,
	// Telephone-events keep the time of their beginning (RFC 4733 2.2.1):
	// tshark puts them into the jitter, we leave them out.
	streamOf("67.16.104.172:52220", "10.0.6.73:65534", 0x3e6e7cb5): true,
	// Two calls with the same addresses and SSRC, each packet twice: tshark's
	// jitter jumps between the calls' clocks.
	streamOf("10.77.0.1:6000", "10.77.0.3:6000", 0xdee0ee8f): true,
	streamOf("10.77.0.3:6000", "10.77.0.1:6000", 0xdee0ee8f): true,
	// Telephone-events alone: tshark counts no delta between them.
	streamOf("10.10.0.82:19438", "127.0.0.1:24272", 0x37ed87f3): true,
}

// corpusCounts pins what becomes of a corpus. Each message's fate is pinned
// where the package that judges it is tested (capture/sip).
type corpusCounts struct {
	Frames, SIP, Malformed, Unsent uint64
	why                            string
}

var corpora = map[string]corpusCounts{
	"corpora/rfc4475.pcap":            {50, 47, 0, 0, "another version, a status of four digits, and a start line that is none"},
	"corpora/rfc5118.pcap":            {12, 12, 0, 0, ""},
	"corpora/pjsip-sip.pcap":          {19, 17, 1, 0, "one without a start line, one with nothing but it"},
	"corpora/zeek-sip.pcap":           {2, 0, 0, 0, "fuzzers' inputs of 20 kB without a start line"},
	"corpora/protos-c07-even.pcap.gz": {4471, 4344, 0, 0, "126 without a usable start line, one that looks like RTP; 24 leave no room for HEP's own header and are cut"},
}

// besides says how many records of which HEP type there are of a file among
// nothing, none if it is not here: of hosts that take no part in SIP little matters.
var besides = map[string]string{
	"irontec+sngrep/tlssaved.pcap": "89:4",  // to port 5061
	"made-here/syslog.pcap":        "100:2", // both name a Call-ID
	"zeek+zeek/naptr.pcap":         "53:2",
}

// nothing lists, by what they hold, the captures without SIP, RTP and RTCP: what
// replay makes of them is in besides.
var nothing = map[string][]string{
	"HTTP": {
		"ntop+nDPI/http_on_sip_port.pcap", "ntop+nDPI/jsonrpc.pcap", "zeek+zeek/post.pcap", "zeek+zeek/pipelined-requests.pcap",
		"zeek+zeek/docker-http-upgrade.pcap", "deepflowio+deepflow/sw8.pcap", "zeek+zeek/get-gzip.pcap", "zeek+zeek/content-length-overflow.pcap",
		"zeek+zeek/1000-requests-one-dropped-response.pcap.gz", "zeek+zeek/get_nosyn.pcap", "zeek+zeek/multipart.pcap",
		"seladb+PcapPlusPlus/one_tcp_stream.pcap", "OISF+suricata-verify/http2-range.pcap", "arkime+arkime/twovlan.pcap",
		"made-here/http-rest-jsonrpc.pcap", "appneta+tcpreplay/test__test.pcap",
	},
	"WebSocket without SIP": {
		"OISF+suricata-verify/basic_websockets.pcap", "zeek+zeek/fragmented-http-reply.pcap", "arkime+arkime/websocket.pcap",
		"zeek+zeek/jupyter-websocket.pcap",
	},
	"TLS and DTLS": {
		"irontec+sngrep/tlssaved.pcap", "boundary+wireshark/rsasnakeoil2.pcap", "gopacket+gopacket/test301.pcapng", "ntop+nDPI/tls_alert.pcap",
		"zeek+zeek/certificate-request-failed.pcap", "OISF+suricata-verify/tls_DER.pcap", "zeek+zeek/chrome-1250-tls-x25519-kyber.pcap",
		"ntop+nDPI/tls_2_reasms.pcapng", "zeek+zeek/dtls1_2.pcap", "ntop+nDPI/tls_ech.pcapng", "OISF+suricata-verify/tls-client-auth.pcap",
		"cisco+joy/tls10.pcap",
	},
	"SCTP with neither SIP nor SIGTRAN": {
		"arkime+arkime/diameter_synthetic.pcap", "aboutsip+pkts/sctp-test.cap",
	},
	"syslog": {
		"ntop+nDPI/syslog.pcap", "zeek+zeek/tcp-syslog-nontransparent.pcap", "zeek+zeek/syslog-missing-pri.pcap", "made-here/syslog.pcap",
	},
	"DNS": {
		"the-tcpdump-group+tcpdump/dns_tcp.pcap", "zeek+zeek/naptr.pcap", "ntop+nDPI/dns_fragmented.pcap",
		"the-tcpdump-group+tcpdump/dns-zlip-1.pcap", "CESNET+ipfixprobe/dns.pcap",
	},
	"tunnels with other protocols inside": {
		"the-tcpdump-group+tcpdump/erspan-type-ii-2.pcap", "the-tcpdump-group+tcpdump/erspan-type-iii-ft-0.pcap",
		"OISF+suricata-verify/bug-5437-02__input.pcap", "FoxIO-LLC+ja4/gre-erspan-vxlan.pcap",
		"OISF+suricata-verify/vxlan-decoder-03__vxlan.pcap", "OISF+suricata-verify/geneve-decoder__input.pcap",
		"OISF+suricata-verify/pppoe-session-http.pcap", "OISF+suricata-verify/tunnel-pkt-flows.pcap",
	},
	"HEP inside a capture: skipped unless asked for": {"sipcapture+hep-wireshark/hep.pcap"},
	"nothing that heptap is about": {
		"the-tcpdump-group+tcpdump/802.1ad_QinQ.pcap", "ntop+nDPI/mgcp.pcap", "ntop+nDPI/rtsp.pcap", "asterisk+testsuite/sipp__crash.pcap",
		"OISF+suricata-verify/frag-eth-vlan-ipv6-tcp.pcap", "the-tcpdump-group+tcpdump/ipv6_frag6_negative_len.pcap",
	},
}

// damaged replays the file that is damaged from its first frame on.
func damaged(t *testing.T, dir string) {
	var stdout, stderr bytes.Buffer
	e := &env{stdout: &stdout, stderr: &stderr}
	out := filepath.Join(t.TempDir(), "out.hep")
	if code := e.main(t.Context(), []string{"replay", "-o", out, filepath.Join(dir, damagedCapture)}); code != 1 {
		t.Errorf("exit status %d", code)
	}
	if !strings.Contains(stderr.String(), "damaged at offset 24") {
		t.Errorf("message %q", stderr.String())
	}
}
