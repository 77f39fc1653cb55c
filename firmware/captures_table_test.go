package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// damagedCapture is a file with no readable frame.
const damagedCapture = "aboutsip+pkts/cool.pcap"

// partial says how far a file is covered, and why no further.
type partial struct {
	why         string
	reassembled int         // SIP messages over plain UDP that tshark put together from IP fragments
	linked      []streamKey // streams we link, all of them known to tshark
	rtcp        bool        // its RTCP is covered in full
	check       func(t *testing.T, got *replayed, want *truth)
}

// partly lists every capture with SIP, RTP or RTCP that is not covered in
// full, or where we and tshark disagree. SIP is compared as far as it comes
// over plain UDP in one piece.
var partly = map[string]partial{
	// Transports of the next issue.
	"OISF+suricata-verify/sip-tcp-pattern-matching__sip.pcap": {why: "SIP over TCP"},
	"made-here/tcp-call.pcap":                                 {why: "SIP over TCP"},
	"made-here/wrapped-qinq-tcp-call.pcap":                    {why: "SIP over TCP (the QinQ is read)"},
	"sipcapture+heplify/sip_ipv4_tcp.pcap":                    {why: "SIP over TCP; without its SDP the media belong to no call", check: mediaWithoutCall},
	"sipcapture+heplify/sip_ipv4_tcp_retrans.pcap":            {why: "half of the SIP is over TCP"},
	"arkime+arkime/arkime_synthetic.pcap":                     {why: "three of four messages over TCP"},
	"sipcapture+heplify/sip_sctp.pcap":                        {why: "SIP over SCTP"},
	"made-here/sip-sctp-fragmented.pcap":                      {why: "SIP over SCTP"},
	"made-here/sip-ws.pcap":                                   {why: "SIP over WebSocket; IP fragments", reassembled: 4},

	// IP fragments, reassembled by the next issue.
	"irontec+sngrep/ipv6frag.pcap":            {why: "two INVITEs in IPv6 fragments"},
	"made-here/sip-wss-tls12.pcap":            {why: "MESSAGEs of 4 kB in IP fragments; SIP over WSS needs keys", reassembled: 6},
	"open5gs+open5gs/volte.pcapng":            {why: "GTP-U, TCP, and two messages in IP fragments", reassembled: 2},
	"ntop+nDPI/gre.pcapng":                    {why: "SIP inside GRE"},
	"arkime+arkime/gtp-iphone.pcap":           {why: "SIP, RTP and RTCP inside GTP-U"},
	"made-here/vxlan-call.pcap":               {why: "SIP inside VXLAN"},
	"made-here/wrapped-tzsp-tcp-call.pcap":    {why: "SIP over TCP inside TZSP"},
	"made-here/wrapped-erspan2-tcp-call.pcap": {why: "SIP over TCP inside ERSPAN"},
	"made-here/wrapped-grekey-tcp-call.pcap":  {why: "SIP over TCP inside GRE"},

	// Where tshark and we disagree.
	"snort3+snort3_demo/gtpingtp.pcap": {
		why: "a datagram from port 2152 to 5060 is a SIP response: tshark takes the port for GTP, finds it malformed and looks no further", check: sipOnGTPPort},
	"sipcapture+heplify/FAX-Call-t38-CA-TDM-SIP-FB-1.pcap": {
		why: "a refused T.38 re-INVITE makes tshark take 2010 packets of G.711 for broken T.38", check: faxStays},
	"made-here/rtcp-xr-linphone.pcap": {
		why: "tshark leaves one direction of the Opus stream as data, though the SDP names it (its heuristic finds it)", check: bothDirections},
	"ntop+nDPI/fuzz-2006-06-26-2594.pcap": {
		why: "a fuzzer's work on aaa.pcap: what is SIP in it is a matter of taste", check: fuzzed},
}

// mediaWithoutCall checks media whose signalling we cannot read: all counted,
// no stream long enough to be believed, RTCP under an id of its own.
func mediaWithoutCall(t *testing.T, got *replayed, want *truth) {
	if n := int(got.sum.Protocols["rtp"]); n != want.Frames["rtp"] {
		t.Errorf("%d packets of RTP, tshark has %d", n, want.Frames["rtp"])
	}
	for _, d := range rtcpDifferences(got, want) {
		t.Error(d)
	}
	for _, v := range got.other {
		if !strings.HasPrefix(string(v.Correlation()), "rtcp:10.33.6.100:6001-10.33.6.101:6051") {
			t.Errorf("RTCP under %q", v.Correlation())
		}
	}
	if len(got.sip)+len(got.linked)+len(got.unknown) != 0 {
		t.Errorf("%d messages, %d streams, %d unknown", len(got.sip), len(got.linked), len(got.unknown))
	}
}

func sipOnGTPPort(t *testing.T, got *replayed, want *truth) {
	if len(got.sip) != 1 || got.sip[0].Dst().Port() != 5060 || got.sip[0].Src().Port() != 2152 || got.status["487"] != 1 {
		t.Errorf("%d messages, %v", len(got.sip), got.status)
	}
}

// faxStays: 1838 packets of tshark's stream and the 2010 it calls T.38.
func faxStays(t *testing.T, got *replayed, want *truth) {
	back, forth := stream("10.35.60.100:15580", "10.23.1.52:16756", 0x0eaf0eaf), stream("10.23.1.52:16756", "10.35.60.100:15580", 0x17d90134)
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
	// Comfort noise and DTMF: tshark restarts its clock at them; the greatest
	// gap between two of its frames is 286.074 ms, as we say, not 9.2 s.
	stream("10.23.1.52:16756", "10.35.60.100:15580", 0x17d90134): true,
	// tshark leaves out the gap before a marked packet: 50.452 ms by its own frame times.
	stream("192.168.0.2:26264", "192.168.0.1:7078", 0x61dcf074): true,
	// Telephone-events keep the time of their beginning (RFC 4733 2.2.1):
	// tshark puts them into the jitter, we leave them out.
	stream("67.16.104.172:52220", "10.0.6.73:65534", 0x3e6e7cb5): true,
	// Two calls with the same addresses and SSRC, each packet twice: tshark's
	// jitter jumps between the calls' clocks.
	stream("10.77.0.1:6000", "10.77.0.3:6000", 0xdee0ee8f): true,
	stream("10.77.0.3:6000", "10.77.0.1:6000", 0xdee0ee8f): true,
	// Telephone-events alone: tshark counts no delta between them.
	stream("10.10.0.82:19438", "127.0.0.1:24272", 0x37ed87f3): true,
}

// hidden lists streams of 50 packets or more that we cannot reach.
var hidden = map[streamKey]string{
	stream("10.4.128.21:31226", "192.168.101.2:50056", 0x4b1f94f8): "GTP-U",
	stream("192.168.101.3:50016", "10.4.128.21:31238", 0x4b1f94f8): "GTP-U",
	stream("10.4.128.21:31238", "192.168.101.3:50016", 0x862a84d4): "GTP-U",
	stream("192.168.101.2:50056", "10.4.128.21:31226", 0x862a84d4): "GTP-U",
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
	"corpora/protos-c07-even.pcap.gz": {4471, 4344, 0, 24, "126 without a usable start line, one that looks like RTP; 24 leave no room for HEP's own header"},
}

// nothing lists, by reason, the captures without SIP, RTP and RTCP that this
// version reads: replay must make no record of them.
var nothing = map[string][]string{
	"HTTP: a later issue": {
		"ntop+nDPI/http_on_sip_port.pcap", "ntop+nDPI/jsonrpc.pcap", "zeek+zeek/post.pcap", "zeek+zeek/pipelined-requests.pcap",
		"zeek+zeek/docker-http-upgrade.pcap", "deepflowio+deepflow/sw8.pcap", "zeek+zeek/get-gzip.pcap", "zeek+zeek/content-length-overflow.pcap",
		"zeek+zeek/1000-requests-one-dropped-response.pcap.gz", "zeek+zeek/get_nosyn.pcap", "zeek+zeek/multipart.pcap",
		"seladb+PcapPlusPlus/one_tcp_stream.pcap", "OISF+suricata-verify/http2-range.pcap", "arkime+arkime/twovlan.pcap",
		"made-here/http-rest-jsonrpc.pcap", "appneta+tcpreplay/test__test.pcap",
	},
	"WebSocket: the next issue": {
		"OISF+suricata-verify/basic_websockets.pcap", "zeek+zeek/fragmented-http-reply.pcap", "arkime+arkime/websocket.pcap",
		"zeek+zeek/jupyter-websocket.pcap",
	},
	"TLS and DTLS: a later issue": {
		"irontec+sngrep/tlssaved.pcap", "boundary+wireshark/rsasnakeoil2.pcap", "gopacket+gopacket/test301.pcapng", "ntop+nDPI/tls_alert.pcap",
		"zeek+zeek/certificate-request-failed.pcap", "OISF+suricata-verify/tls_DER.pcap", "zeek+zeek/chrome-1250-tls-x25519-kyber.pcap",
		"ntop+nDPI/tls_2_reasms.pcapng", "zeek+zeek/dtls1_2.pcap", "ntop+nDPI/tls_ech.pcapng", "OISF+suricata-verify/tls-client-auth.pcap",
		"cisco+joy/tls10.pcap",
	},
	"SCTP, ISUP, Diameter: a later issue": {
		"arkime+arkime/m3ua_synthetic.pcap", "arkime+arkime/diameter_synthetic.pcap", "aboutsip+pkts/sctp-test.cap",
		"OISF+suricata-verify/sctp-keywords-prefilter__input.pcap", "made-here/isup-m3ua-calls.pcap", "made-here/isup-m2pa-calls.pcap",
	},
	"syslog: a later issue": {
		"ntop+nDPI/syslog.pcap", "zeek+zeek/tcp-syslog-nontransparent.pcap", "zeek+zeek/syslog-missing-pri.pcap", "made-here/syslog.pcap",
	},
	"DNS: a later issue": {
		"the-tcpdump-group+tcpdump/dns_tcp.pcap", "zeek+zeek/naptr.pcap", "ntop+nDPI/dns_fragmented.pcap",
		"the-tcpdump-group+tcpdump/dns-zlip-1.pcap", "CESNET+ipfixprobe/dns.pcap",
	},
	"tunnels with other protocols inside: the next issue": {
		"the-tcpdump-group+tcpdump/erspan-type-ii-2.pcap", "the-tcpdump-group+tcpdump/erspan-type-iii-ft-0.pcap",
		"OISF+suricata-verify/bug-5437-02__input.pcap", "FoxIO-LLC+ja4/gre-erspan-vxlan.pcap",
		"OISF+suricata-verify/vxlan-decoder-03__vxlan.pcap", "OISF+suricata-verify/geneve-decoder__input.pcap",
		"OISF+suricata-verify/pppoe-session-http.pcap", "OISF+suricata-verify/tunnel-pkt-flows.pcap",
	},
	"HEP inside a capture: a later issue": {"sipcapture+hep-wireshark/hep.pcap"},
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
