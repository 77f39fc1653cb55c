package sdp_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heptap/capture/sdp"
)

// offer is what a WebRTC-minded soft phone offers, shortened.
var offer = []byte(strings.ReplaceAll(`v=0
o=- 20518 0 IN IP4 192.0.2.5
s=-
c=IN IP4 192.0.2.5
t=0 0
a=sendonly
m=audio 54400/2 RTP/SAVPF 111 0 8 101 8 300 x
c=IN IP6 2001:db8::5/127
a=rtpmap:111 opus/48000/2
a=rtpmap:101 telephone-event/8000
a=rtpmap:99 nothing/8000
a=rtpmap:0 junk
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR
a=rtcp:53020 IN IP4 192.0.2.9
a=rtcp-mux
a=ptime:20
a=recvonly 
m=video 0 UDP/TLS/RTP/SAVP 96
a=fingerprint:SHA-1 4A:AD
m=image 6000 udptl t38
c=IN IP4 0.0.0.0
a=inactive
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
m=au-dio 7078 RTP/AVP 0
c=IN IP4 phone.example.com
`, "\n", "\r\n"))

func parse(t testing.TB, b []byte) *sdp.Session {
	t.Helper()
	s := new(sdp.Session)
	if err := s.Parse(b); err != nil {
		t.Fatalf("%v: %q", err, b)
	}
	return s
}

// describe writes a media description on one line, for comparison.
func describe(m *sdp.Media) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s(%s) %d/%d %s", m.Type, m.TypeName, m.Port, m.NumPorts, m.Proto)
	for _, f := range []struct {
		name string
		set  bool
	}{{"rtp", m.RTP}, {"secure", m.Secure}, {"feedback", m.Feedback}, {"udptl", m.UDPTL}, {"crypto", m.Crypto}, {"mux", m.RTCPMux}, {"hold", m.Hold()}} {
		if f.set {
			b.WriteString(" " + f.name)
		}
	}
	fmt.Fprintf(&b, " %s(%s) rtcp %s %s ptime %d", m.Addr, m.AddrRaw, m.RTCP(false), m.Direction, m.PTime)
	for _, f := range m.Formats() {
		fmt.Fprintf(&b, " %d=%s/%d/%d", f.PT, f.Name, f.ClockRate, f.Channels)
	}
	return b.String()
}

func TestOffer(t *testing.T) {
	s := parse(t, offer)
	want := []string{
		"audio(audio) 54400/2 RTP/SAVPF rtp secure feedback crypto mux 2001:db8::5(2001:db8::5) rtcp 192.0.2.9:53020 recvonly ptime 20" +
			" 111=opus/48000/2 0=PCMU/8000/1 8=PCMA/8000/1 101=telephone-event/8000/1",
		"video(video) 0/1 UDP/TLS/RTP/SAVP rtp secure crypto hold 192.0.2.5(192.0.2.5) rtcp invalid AddrPort sendonly ptime 0 96=/0/1",
		"image(image) 6000/1 udptl udptl hold 0.0.0.0(0.0.0.0) rtcp invalid AddrPort inactive ptime 0",
		"application(application) 9/1 UDP/DTLS/SCTP hold 192.0.2.5(192.0.2.5) rtcp invalid AddrPort sendonly ptime 0",
		"other(au-dio) 7078/1 RTP/AVP rtp hold invalid IP(phone.example.com) rtcp invalid AddrPort sendonly ptime 0 0=PCMU/8000/1",
	}
	if len(s.Media()) != len(want) {
		t.Fatalf("%d media", len(s.Media()))
	}
	for i := range s.Media() {
		if got := describe(&s.Media()[i]); got != want[i] {
			t.Errorf("media %d:\n got %s\nwant %s", i, got, want[i])
		}
	}
	m := &s.Media()[0]
	if got := m.RTCP(true); got != netip.MustParseAddrPort("[2001:db8::5]:54400") {
		t.Errorf("RTCP multiplexed: %v", got)
	}
	if m.Format(9) != nil || m.Format(101) == nil || string(m.FormatRaw) != "111 0 8 101 8 300 x" {
		t.Errorf("%q", m.FormatRaw)
	}
	if string(s.Origin) != "- 20518 0 IN IP4 192.0.2.5" || s.Connection != netip.MustParseAddr("192.0.2.5") || s.Direction != sdp.SendOnly {
		t.Errorf("%q %v %v", s.Origin, s.Connection, s.Direction)
	}
}

func TestReuse(t *testing.T) {
	s := parse(t, offer)
	if err := s.Parse([]byte("v=0\nm=audio 4000 RTP/AVP 0 97\n")); err != nil {
		t.Fatal(err)
	}
	want := "audio(audio) 4000/1 RTP/AVP rtp invalid IP() rtcp invalid AddrPort sendrecv ptime 0 0=PCMU/8000/1 97=/0/1"
	if len(s.Media()) != 1 || describe(&s.Media()[0]) != want || s.Origin != nil || s.Connection.IsValid() {
		t.Errorf("left over: %s", describe(&s.Media()[0]))
	}
	if err := s.Parse([]byte("hello\nc=IN IP4 192.0.2.1\n")); !errors.Is(err, sdp.ErrNotSDP) || len(s.Media()) != 0 {
		t.Errorf("%v, %d media", err, len(s.Media()))
	}
}

func TestGarbage(t *testing.T) {
	// Attributes of a media line that makes no sense must not go to the one before.
	s := parse(t, []byte("v=0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.1\nc=IN IP4 192.0.2.2\n\n=\nx\nm=video x RTP/AVP 1\n"+
		"c=IN IP4 192.0.2.3\na=inactive\nm=video 70000 RTP/AVP 1\nm=\nm=video 1\na=rtcp-mux"))
	want := "audio(audio) 4000/1 RTP/AVP rtp 192.0.2.1(192.0.2.1) rtcp 192.0.2.1:4001 sendrecv ptime 0 0=PCMU/8000/1"
	if len(s.Media()) != 1 || describe(&s.Media()[0]) != want {
		t.Errorf("%d media, first %s", len(s.Media()), describe(&s.Media()[0]))
	}
}

func TestRTCP(t *testing.T) {
	for lines, want := range map[string]string{
		"m=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.1\n":                               "192.0.2.1:4001",
		"m=audio 4000 RTP/AVP 0\na=rtcp:9\nc=IN IP4 192.0.2.1\n":                     "192.0.2.1:9",
		"m=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.1\na=rtcp:9 IN IP6 2001:db8::1\n":  "[2001:db8::1]:9",
		"m=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.1\na=rtcp:9 IN IP4 name.example\n": "192.0.2.1:9",
		"m=audio 65535 RTP/AVP 0\nc=IN IP4 192.0.2.1\n":                              "invalid AddrPort",
		"m=audio 0 RTP/AVP 0\nc=IN IP4 192.0.2.1\na=rtcp:9\n":                        "invalid AddrPort",
		"m=image 4000 udptl t38\nc=IN IP4 192.0.2.1\n":                               "invalid AddrPort",
		"m=audio 4000 RTP/AVP 0\nc=IN IP4 name.example\n":                            "invalid AddrPort",
	} {
		if got := parse(t, []byte(lines)).Media()[0].RTCP(false).String(); got != want {
			t.Errorf("%q: %s, want %s", lines, got, want)
		}
	}
}

func TestCaps(t *testing.T) {
	line := "m=audio 4000 RTP/AVP"
	for pt := range 30 {
		line += fmt.Sprintf(" %d", pt+90)
	}
	s := parse(t, []byte(strings.Repeat(line+"\n", 20)))
	if len(s.Media()) != sdp.MaxMedia || len(s.Media()[15].Formats()) != sdp.MaxFormats || s.Dropped != 16*6+4 {
		t.Errorf("%d media, %d formats, %d dropped", len(s.Media()), len(s.Media()[15].Formats()), s.Dropped)
	}
}

func TestAddresses(t *testing.T) {
	for _, a := range []string{"1.2.3.4", "255.255.255.255", "256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1..2.3", "::", "::1", "1::", ":1", "1:", "1",
		"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "1::2::3", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4",
		"::1.2.3.4.5", "::1.2.3", "12345::", "::12345", "g::", "::g", ":::", "1:::2", "fe80::1.", "2001:DB8::aF", "::1x", "1:2:3:4:5:6:7:8:"} {
		compareAddr(t, a)
	}
}

// compareAddr compares the address a in SDP with what net/netip makes of it.
func compareAddr(t *testing.T, a string) {
	t.Helper()
	want, err := netip.ParseAddr(a)
	if err != nil || want.Zone() != "" {
		want = netip.Addr{}
	}
	if got := parse(t, []byte("v=0\nc=IN IP4 "+a)).Connection; got != want.Unmap() {
		t.Errorf("%q: %v, want %v", a, got, want.Unmap())
	}
}

func FuzzAddr(f *testing.F) {
	f.Add("1.2.3.4")
	f.Add("2001:db8::192.0.2.1")
	f.Fuzz(func(t *testing.T, a string) {
		if strings.ContainsAny(a, " \t\r\n/") {
			t.Skip("not one word of SDP")
		}
		compareAddr(t, a)
	})
}

// inside reports whether the view s is part of b, or a name of RFC 3551.
func inside(b, s []byte) bool {
	if len(s) == 0 {
		return true
	}
	off := cap(b) - cap(s)
	return off >= 0 && off+len(s) <= len(b) && &b[off] == &s[0]
}

func FuzzParse(f *testing.F) {
	f.Add(offer)
	f.Add([]byte("v=0\nm=audio 1 RTP/AVP 0\na=rtpmap:0 PCMU/8000/1\na=rtcp:1"))
	seeds, _ := filepath.Glob("../../../shared/captures/corpora/pjsip-seeds/sdp/*")
	for _, name := range seeds {
		if b, err := os.ReadFile(name); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s sdp.Session
		if err := s.Parse(b); err != nil {
			if len(s.Media()) != 0 || s.Dropped != 0 {
				t.Fatalf("%v, but %d media", err, len(s.Media()))
			}
			return
		}
		if !inside(b, s.Origin) || !inside(b, s.ConnectionRaw) {
			t.Fatal("a view is not inside the description")
		}
		for i := range s.Media() {
			m := &s.Media()[i]
			if !inside(b, m.TypeName) || !inside(b, m.Proto) || !inside(b, m.AddrRaw) || !inside(b, m.FormatRaw) {
				t.Fatalf("media %d: a view is not inside the description", i)
			}
			if m.NumPorts == 0 || m.RTCP(false).IsValid() && !m.AddrPort().IsValid() {
				t.Fatalf("media %d: %s", i, describe(m))
			}
			for _, fm := range m.Formats() {
				if fm.PT > 127 || fm.Channels == 0 || fm.PT > 34 && !inside(b, fm.Name) || m.Format(fm.PT) == nil {
					t.Fatalf("media %d: %+v", i, fm)
				}
			}
		}
		// What was parsed before leaves no trace.
		again := parse(t, offer)
		if err := again.Parse(b); err != nil || len(again.Media()) != len(s.Media()) {
			t.Fatalf("again: %v, %d media", err, len(again.Media()))
		}
		for i := range s.Media() {
			if a, b := describe(&s.Media()[i]), describe(&again.Media()[i]); a != b {
				t.Fatalf("fresh  %s\nreused %s", a, b)
			}
		}
		if bytes.IndexByte(b, '=') < 0 {
			t.Fatal("parsed without a line of SDP")
		}
	})
}

func TestAllocs(t *testing.T) {
	s := new(sdp.Session)
	if n := testing.AllocsPerRun(100, func() {
		if s.Parse(offer) != nil || !s.Media()[0].RTCP(false).IsValid() {
			t.Fatal("does not parse")
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	audio := []byte("v=0\r\no=anna 2890844526 2890844526 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n" +
		"m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n")
	s := new(sdp.Session)
	for _, c := range []struct {
		name string
		b    []byte
	}{{"audio", audio}, {"webrtc", offer}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.b)))
			for b.Loop() {
				if s.Parse(c.b) != nil {
					b.Fatal("does not parse")
				}
			}
		})
	}
}
