package sdp_test

import (
	"fmt"
	"strings"
	"testing"

	"heptap/capture/sdp"
)

func TestCandidates(t *testing.T) {
	for _, c := range []struct{ rfc, lines, want string }{
		{"8839 5.1 host and relay", "a=candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host\r\na=candidate:3 2 udp 1 192.0.2.9 3479 typ relay raddr 203.0.113.141 rport 8998 generation 0",
			"203.0.113.141:8998/1 192.0.2.9:3479/2r"},
		{"8839 5.1 IPv6", "a=candidate:1 1 UDP 1 2001:db8::3 8998 typ host", "[2001:db8::3]:8998/1"},
		{"8839 5.1 a name", "a=candidate:1 1 UDP 1 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 typ host", ""},
		{"6544 TCP", "a=candidate:1 1 TCP 1 192.0.2.1 9 typ host tcptype active", ""},
		{"8838 end-of-candidates", "a=end-of-candidates", ""},
		{"8839 5.1 senseless", "a=candidate:1 3 UDP 1 192.0.2.1 9 typ host\na=candidate:1 1 UDP 1 192.0.2.1 0 typ host\na=candidate:\na=candidate:1 1 UDP 1 192.0.2.1 70000 typ host\na=candidate:1 1 UDP 1 192.0.2.1", ""},
		{"8839 5.2", "a=remote-candidates:1 192.0.2.1 5000 2 192.0.2.1 5001 x", "192.0.2.1:5000/1R 192.0.2.1:5001/2R"},
		{"5576 4.1", "a=ssrc:314159 cname:user@example.com\na=ssrc:314159 msid:x\na=ssrc:4294967295\na=ssrc:x\na=ssrc:4294967296", "ssrc 314159 ssrc 4294967295"},
	} {
		s := parse(t, []byte("v=0\nm=audio 9 RTP/AVP 0\n"+c.lines+"\n"))
		var out []string
		for _, k := range s.Media()[0].Candidates() {
			out = append(out, fmt.Sprintf("%v/%d%s%s", k.Addr, k.Component, map[bool]string{true: "r"}[k.Relay], map[bool]string{true: "R"}[k.Remote]))
		}
		for _, id := range s.Media()[0].SSRCs() {
			out = append(out, fmt.Sprint("ssrc ", id))
		}
		if got := strings.Join(out, " "); got != c.want || s.Dropped != 0 {
			t.Errorf("RFC %s: %q, want %q", c.rfc, got, c.want)
		}
	}
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "a=candidate:1 1 UDP 1 192.0.2.1 %d typ host\na=ssrc:%d x\n", 5000+i, i)
	}
	s := parse(t, []byte("v=0\na=fingerprint:sha-256 00\nm=audio 9 RTP/AVP 0\n"+b.String()+"m=video 0 RTP/AVP 96\na=bundle-only\n"))
	m := s.Media()
	if len(m[0].Candidates()) != sdp.MaxCandidates || len(m[0].SSRCs()) != sdp.MaxSSRCs || s.Dropped != 80-sdp.MaxCandidates-sdp.MaxSSRCs {
		t.Errorf("%d candidates, %d SSRCs, %d dropped", len(m[0].Candidates()), len(m[0].SSRCs()), s.Dropped)
	}
	if !m[0].Crypto || !m[1].Crypto || m[0].BundleOnly || !m[1].BundleOnly || len(m[1].Candidates()) != 0 {
		t.Errorf("%+v", m[1])
	}
}
