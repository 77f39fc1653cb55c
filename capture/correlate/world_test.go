package correlate_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/mirror"
	"heptap/capture/record"
)

// The tests here are the sentences of what media does in the real world: NAT,
// ICE, TURN, bundles, forks, holds, and what a tap sees of it.

// body returns d with other SDP, its Content-Length put right.
func body(d capturetest.Datagram, sdp string) capturetest.Datagram {
	head, _, _ := bytes.Cut(d.Payload, []byte("\r\n\r\n"))
	text := string(head)
	i := strings.LastIndex(text, "Content-Length: ")
	text = text[:i]
	if !strings.Contains(text, "Content-Type: ") {
		text += "Content-Type: application/sdp\r\n"
	}
	d.Payload = fmt.Appendf(nil, "%sContent-Length: %d\r\n\r\n%s", text, len(sdp), sdp)
	return d
}

// session returns an SDP with the given lines behind its head.
func session(addr string, lines ...string) string {
	return "v=0\r\no=- 1 1 IN IP4 " + addr + "\r\ns=-\r\nc=IN IP4 " + addr + "\r\nt=0 0\r\n" + strings.Join(lines, "\r\n") + "\r\n"
}

// natCall is a call whose caller says who and where it is, and signals from
// elsewhere.
func natCall(id string, from netip.AddrPort, offer, answer string) []capturetest.Datagram {
	ds := capturetest.SIPCall(capturetest.Call{Caller: from, Callee: bobSIP, CallerMedia: aliceMedia, CalleeMedia: bobMedia, CallID: id})
	ds[0], ds[3] = body(ds[0], offer), body(ds[3], answer)
	return ds
}

// seen hands in a stream of n packets over the last seconds, and ends it.
func (r *rig) seen(id uint64, src, dst netip.AddrPort, ssrc uint32, n uint64, change ...func(*media.Snapshot)) {
	s := r.snapshot(id, src, dst, n, 0, true)
	s.SSRC = ssrc
	for _, f := range change {
		f(s)
	}
	r.c.Stream(s, r.now)
}

// owners returns the calls that streams from src were reported under.
func (r *rig) owners(src netip.AddrPort) (ids []string) {
	for _, g := range r.reports() {
		if g.flow.Src == src && g.report["TYPE"] == "FINAL" {
			ids = append(ids, g.primary)
		}
	}
	return ids
}

func (r *rig) wantOwners(src netip.AddrPort, ids ...string) {
	r.t.Helper()
	if got := r.owners(src); fmt.Sprint(got) != fmt.Sprint(ids) {
		r.t.Errorf("the stream from %v is reported under %q, want %q", src, got, ids)
	}
}

var plainAnswer = session("192.0.2.2", "m=audio 7000 RTP/AVP 8")

// Symmetric RTP (RFC 4961) from behind a NAT: the phone says a private address
// and comes from a public one, from the port it said or from any other.
func TestNAT(t *testing.T) {
	public := ap("203.0.113.7:40000")
	for _, from := range []string{"203.0.113.7:6000", "203.0.113.7:51234"} {
		r := newRig(t, nil)
		ds := natCall("nat", public, session("10.0.0.5", "m=audio 6000 RTP/AVP 8"), plainAnswer)
		r.sip(ds[:5]...)
		r.pass(3 * time.Second)
		r.seen(1, ap(from), bobMedia, 1, 150)
		r.seen(2, bobMedia, ap(from), 2, 150) // sent back to where the first one came from
		r.sip(ds[5:]...)
		r.wait(time.Minute)
		r.wantOwners(ap(from), "nat")
		r.wantOwners(bobMedia, "nat")
	}
}

// A private address that never appears on the wire never matches: what comes
// from such an address elsewhere is somebody else's.
func TestPrivateAddressOfAnother(t *testing.T) {
	r := newRig(t, nil)
	r.sip(natCall("nat", ap("203.0.113.7:40000"), session("10.0.0.5", "m=audio 6000 RTP/AVP 8"), plainAnswer)[:5]...)
	r.pass(3 * time.Second)
	r.seen(1, ap("10.0.0.5:6000"), ap("10.0.0.9:8000"), 1, 150)
	r.wait(time.Minute)
	r.wantOwners(ap("10.0.0.5:6000"))
}

// Hundreds of phones with the same private address and port, behind as many
// NATs, are told apart by the port that the other side said.
func TestSamePrivateAddress(t *testing.T) {
	const phones = 300
	r := newRig(t, nil)
	public := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(113 + i/250), byte(1 + i%250)}), uint16(20000+i))
	}
	server := func(i int) netip.AddrPort { return netip.AddrPortFrom(bobMedia.Addr(), uint16(10000+2*i)) }
	for i := range phones {
		r.sip(natCall(fmt.Sprint("call-", i), public(i), session("192.168.1.2", "m=audio 5004 RTP/AVP 8"),
			session("192.0.2.2", fmt.Sprintf("m=audio %d RTP/AVP 8", server(i).Port())))[:5]...)
	}
	r.pass(3 * time.Second)
	for i := range phones {
		from := netip.AddrPortFrom(public(i).Addr(), uint16(30000+7*i%20000))
		r.seen(uint64(2*i+1), from, server(i), uint32(i), 150)
		r.seen(uint64(2*i+2), server(i), from, uint32(i)+1e6, 150)
	}
	r.c.Flush()
	for i := range phones {
		r.wantOwners(netip.AddrPortFrom(public(i).Addr(), uint16(30000+7*i%20000)), fmt.Sprint("call-", i))
		r.wantOwners(server(i), fmt.Sprint("call-", i))
	}
}

// ICE (RFC 8445): the media runs between candidates, not the addresses of c= and m=.
func TestICECandidates(t *testing.T) {
	r := newRig(t, nil)
	ds := natCall("ice", ap("203.0.113.7:40000"), session("198.51.100.9", "m=audio 3478 RTP/AVP 111", "a=rtpmap:111 opus/48000/2",
		"a=candidate:1 1 udp 2130706431 10.0.0.5 50000 typ host", "a=candidate:2 1 udp 1694498815 203.0.113.7 50001 typ srflx raddr 10.0.0.5 rport 50000"),
		session("192.0.2.2", "m=audio 7000 RTP/AVP 111", "a=rtpmap:111 opus/48000/2", "a=candidate:1 1 udp 2130706431 192.0.2.77 7100 typ host"))
	r.sip(ds[:5]...)
	r.pass(3 * time.Second)
	r.seen(1, ap("203.0.113.7:50001"), ap("192.0.2.77:7100"), 1, 150)
	r.seen(2, ap("192.0.2.77:7100"), ap("203.0.113.7:50001"), 2, 150)
	r.wait(2 * time.Minute)
	r.c.Flush()
	r.wantOwners(ap("203.0.113.7:50001"), "ice")
	r.wantOwners(ap("192.0.2.77:7100"), "ice")
}

// Between a client and its TURN server the addresses say nothing; an SSRC that
// SDP names (RFC 5576) does.
func TestTURNBySSRC(t *testing.T) {
	r := newRig(t, nil)
	r.sip(natCall("turn", aliceSIP, session("198.51.100.9", "m=audio 3478 RTP/AVP 8", "a=ssrc:4242 cname:x"), plainAnswer)[:5]...)
	r.pass(3 * time.Second)
	r.seen(1, ap("192.0.2.1:50000"), ap("198.51.100.200:3478"), 4242, 150)
	r.seen(2, ap("192.0.2.1:50000"), ap("198.51.100.200:3478"), 4243, 150)
	r.c.Flush()
	r.wantOwners(ap("192.0.2.1:50000"), "turn")
}

// Several m-lines, a=rtcp (RFC 3605), rtcp-mux (RFC 5761), video.
func TestLines(t *testing.T) {
	r := newRig(t, nil)
	r.sip(natCall("av", aliceSIP, session("192.0.2.1", "m=audio 6000 RTP/AVP 8", "a=rtcp:6999", "m=video 6002 RTP/AVP 96", "a=rtpmap:96 H264/90000"),
		session("192.0.2.2", "m=audio 7000 RTP/AVP 8", "a=rtcp-mux", "m=video 7002 RTP/AVP 96", "a=rtpmap:96 H264/90000"))[:5]...)
	r.pass(3 * time.Second)
	r.seen(1, aliceMedia, bobMedia, 1, 150)
	r.seen(2, ap("192.0.2.1:6002"), ap("192.0.2.2:7002"), 2, 150, func(s *media.Snapshot) { s.PayloadType, s.LastPayloadType = 96, 96 })
	sr := capturetest.RTCPPacket(7, 1, 1, 1, 1, "x")
	for _, f := range [][2]string{{"192.0.2.2:7000", "192.0.2.1:6999"}, {"192.0.2.1:6000", "192.0.2.2:7000"}} {
		r.send(capture.RTCP, ap(f[0]), ap(f[1]), sr)
	}
	r.c.Flush()
	r.wantOwners(aliceMedia, "av")
	r.wantOwners(ap("192.0.2.1:6002"), "av")
	for _, g := range r.reports() {
		if want := map[uint16]string{6000: "audio", 6002: "video"}[g.flow.Src.Port()]; g.report["MEDIA"] != want {
			t.Errorf("%v is %v", g.flow, g.report["MEDIA"])
		}
		if _, rated := g.report["MOS"]; rated != (g.flow.Src.Port() == 6000) {
			t.Errorf("%v has MOS %v: speech is rated, video is not", g.flow, g.report["MOS"])
		}
	}
	if n := r.c.Stats.RTCPLinked.Load(); n != 2 {
		t.Errorf("%d RTCP packets linked", n)
	}
}

// An SSRC that goes on after BYE stays with the old call, even when another
// call has the port already.
func TestSSRCAfterBye(t *testing.T) {
	r := newRig(t, nil)
	ds := call("old")
	r.sip(ds[:5]...)
	r.pass(3 * time.Second)
	r.stream(1, aliceMedia, bobMedia, 150, 0, false)
	r.sip(ds[5:]...)
	next := capturetest.SIPCall(capturetest.Call{Caller: ap("192.0.2.9:5060"), Callee: bobSIP, CallerMedia: ap("192.0.2.9:6000"), CalleeMedia: bobMedia, CallID: "new"})
	r.sip(next[:5]...)
	r.pass(2 * time.Second)
	r.stream(1, aliceMedia, bobMedia, 250, 0, false)
	r.seen(2, ap("192.0.2.9:6000"), bobMedia, 9, 100)
	r.stream(1, aliceMedia, bobMedia, 251, 0, true)
	r.wait(time.Minute)
	r.c.Flush()
	r.wantOwners(aliceMedia, "old")
	r.wantOwners(ap("192.0.2.9:6000"), "new")
}

// SRTP (RFC 3711): counted by its headers, and named.
func TestSRTP(t *testing.T) {
	r := newRig(t, nil)
	lines := []string{"m=audio %d RTP/SAVP 8", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xxx"}
	offer := session("192.0.2.1", fmt.Sprintf(lines[0], 6000), lines[1])
	r.sip(natCall("secret", aliceSIP, offer, session("192.0.2.2", fmt.Sprintf(lines[0], 7000), lines[1]))[:5]...)
	r.pass(3 * time.Second)
	r.seen(1, aliceMedia, bobMedia, 1, 150)
	// A first header in clear, then what may parse and means nothing.
	r.send(capture.RTCP, ap("192.0.2.1:6001"), ap("192.0.2.2:7001"), capturetest.RTCPPacket(7, 1, 1, 1, 1, "x"))
	r.c.Flush()
	if g := r.reports(); len(g) != 1 || g[0].report["SRTP"] != true || g[0].primary != "secret" {
		t.Errorf("%+v", g)
	}
	for _, g := range r.recs {
		if g.typ == record.RTCP && (g.report["srtcp"] != true || len(g.report) != 3 || g.primary != "secret") {
			t.Errorf("SRTCP: %+v", g)
		}
	}
	if r.c.Stats.SRTCP.Load() != 1 {
		t.Error("no SRTCP counted")
	}
}

// T.38 is named, keeps the call alive, and is no reason to miss audio.
func TestT38(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Events = true })
	ds := call("fax")
	r.sip(ds[:5]...)
	again := natCall("fax", aliceSIP, session("192.0.2.1", "m=image 6000 udptl t38"), session("192.0.2.2", "m=image 7000 udptl t38"))
	for i := range 20 {
		r.pass(time.Second)
		r.stream(1, aliceMedia, bobMedia, uint64(50*(i+1)), 0, false)
		r.stream(2, bobMedia, aliceMedia, uint64(50*(i+1)), 0, false)
	}
	r.sip(edit(again[0], "CSeq: 1", "CSeq: 2", "To: <sip:bob@192.0.2.2:5060>", "To: <sip:bob@192.0.2.2:5060>;tag=a6c85cf"), edit(again[3], "CSeq: 1", "CSeq: 2"))
	for range 30 {
		r.send(capture.UDPTL, aliceMedia, bobMedia, []byte{0, 1, 1, 0x80, 0, 0})
		r.pass(time.Second)
	}
	r.c.Advance(r.now)
	if n := r.c.Stats.UDPTL.Load(); n != 30 {
		t.Errorf("%d packets of T.38", n)
	}
	if n := r.c.Stats.Stopped.Load() + r.c.Stats.OneWay.Load(); n != 0 {
		t.Errorf("%d events: the audio gave way to the fax", n)
	}
}

// events returns the log records' events.
func (r *rig) events() (out []string) {
	for _, g := range r.recs {
		if g.typ == record.Log {
			out = append(out, fmt.Sprintf("%v: %v to %v", g.report["event"], g.report["from"], g.report["to"]))
		}
	}
	return out
}

// One-way audio is an event, told once.
func TestOneWayAudio(t *testing.T) {
	for _, answered := range []bool{false, true} {
		r := newRig(t, func(c *correlate.Config) { c.Events = true })
		r.sip(call("one-way")[:5]...)
		for i := range uint64(20) {
			r.pass(2 * time.Second)
			r.stream(1, aliceMedia, bobMedia, 100*(i+1), 0, false)
			if answered {
				r.stream(2, bobMedia, aliceMedia, 100*(i+1), 0, false)
			}
		}
		want := "[one-way audio: caller to callee]"
		if answered {
			want = "[]"
		}
		if got := fmt.Sprint(r.events()); got != want {
			t.Errorf("events %s, want %s", got, want)
		}
	}
}

// A call on hold (a=sendonly, RFC 3264 8.4) has audio one way on purpose.
func TestHoldIsNoOneWay(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Events = true })
	r.sip(natCall("hold", aliceSIP, session("192.0.2.1", "m=audio 6000 RTP/AVP 8", "a=sendonly"), session("192.0.2.2", "m=audio 7000 RTP/AVP 8", "a=recvonly"))[:5]...)
	for i := range uint64(20) {
		r.pass(2 * time.Second)
		r.stream(1, aliceMedia, bobMedia, 100*(i+1), 0, false)
	}
	if got := r.events(); len(got) != 0 {
		t.Errorf("events %q", got)
	}
}

// RTP that stops in a call that goes on is an event, and so is that it resumes.
// A sender that suppresses silence is left alone: its last packet was comfort
// noise (RFC 3389), or it marks where speech begins (RFC 3551 4.1).
func TestRTPStops(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*media.Snapshot)
		want   string
	}{
		{"speech", func(*media.Snapshot) {}, "[RTP stopped: callee to caller RTP resumed: callee to caller]"},
		{"comfort noise", func(s *media.Snapshot) { s.LastPayloadType = 13 }, "[]"},
		{"talkspurts", func(s *media.Snapshot) { s.Markers = 20 }, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(c *correlate.Config) { c.Events = true })
			r.sip(call("stops")[:5]...)
			last := uint64(0)
			for i := range uint64(60) {
				r.pass(2 * time.Second)
				r.stream(1, aliceMedia, bobMedia, 100*(i+1), 0, false)
				if i < 10 || i > 30 {
					last += 100
					s := r.snapshot(2, bobMedia, aliceMedia, last, 0, false)
					c.change(s)
					r.c.Stream(s, r.now)
				}
			}
			if got := fmt.Sprint(r.events()); got != c.want {
				t.Errorf("events %s, want %s", got, c.want)
			}
		})
	}
}

// Telephone-events (RFC 4733) are counted; which keys they were is nowhere.
func TestTelephoneEvents(t *testing.T) {
	r := newRig(t, nil)
	r.sip(call("dtmf")[:5]...)
	r.pass(3 * time.Second)
	r.seen(1, aliceMedia, bobMedia, 1, 150, func(s *media.Snapshot) { s.Events, s.EventUnits, s.EventType = 4, 3200, 101 })
	r.c.Flush()
	if g := r.reports(); len(g) != 1 || g[0].report["DTMF_EVENTS"] != 4.0 || g[0].report["DTMF_DURATION"] != 400.0 {
		t.Errorf("%+v", g)
	}
}

// The same address in two tunnels is two places; signalling and media in
// different tunnels meet when there is one place only.
func TestTunnels(t *testing.T) {
	r := newRig(t, nil)
	in := func(id string, tunnel uint32, ds []capturetest.Datagram) {
		for _, d := range ds {
			r.c.Message(&capture.Message{Protocol: capture.SIP, Wall: r.now, Mono: r.now, Payload: d.Payload,
				Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: d.Src, Dst: d.Dst, Tunnel: tunnel}})
			r.pass(10 * time.Millisecond)
		}
	}
	in("one", 1, call("one")[:5])
	in("two", 2, call("two")[:5])
	in("three", 3, capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallerMedia: ap("192.0.2.1:8000"), CalleeMedia: ap("192.0.2.2:9000"), CallID: "three"})[:5])
	r.pass(3 * time.Second)
	through := func(n uint32) func(*media.Snapshot) {
		return func(s *media.Snapshot) { s.Flow.Tunnel = n }
	}
	r.seen(1, aliceMedia, bobMedia, 1, 150, through(1))
	r.seen(2, aliceMedia, bobMedia, 2, 160, through(2))
	r.seen(3, ap("192.0.2.1:8000"), ap("192.0.2.2:9000"), 3, 170)
	r.c.Flush()
	for _, g := range r.reports() {
		if want := map[float64]string{150: "one", 160: "two", 170: "three"}[g.report["TOTAL_PK"].(float64)]; g.primary != want {
			t.Errorf("the stream of %v packets is reported under %q, want %q", g.report["TOTAL_PK"], g.primary, want)
		}
	}
	if n := len(r.reports()); n != 3 {
		t.Errorf("%d reports", n)
	}
}

// A stream that two mirror ports show is reported once.
func TestStreamSeenTwice(t *testing.T) {
	r := newRig(t, nil)
	ds := call("twice")
	r.sip(ds[:5]...)
	for i := range uint64(10) {
		r.pass(2 * time.Second)
		r.stream(1, aliceMedia, bobMedia, 100*(i+1), 0, false)
		r.stream(1<<48|1, aliceMedia, bobMedia, 100*(i+1), 0, false)
	}
	r.sip(ds[5:]...)
	r.wait(time.Minute)
	r.c.Flush()
	r.wantOwners(aliceMedia, "twice")
	if n := r.c.Stats.StreamsCopied.Load(); n != 1 {
		t.Errorf("%d copies", n)
	}
}

// rr is a receiver report about a source (RFC 3550 6.4.2).
func rr(ssrc, highest, lost uint32) []byte {
	b := []byte{0x81, 201, 0, 7, 0, 0, 0, 9}
	for _, v := range []uint32{ssrc, lost & 0xffffff, highest, 0, 0, 0} {
		b = append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return b
}

// What a receiver had and we did not see is the mirror's loss; what neither had
// is not.
func TestEvidenceOfLoss(t *testing.T) {
	for _, c := range []struct {
		name   string
		theirs uint64 // percent that the receiver lost
		want   func(mirror.Receipts) uint64
	}{
		{"in the mirror", 0, func(r mirror.Receipts) uint64 { return r.Mirror }},
		{"before it", 5, func(r mirror.Receipts) uint64 { return r.Shared }},
	} {
		r := newRig(t, nil)
		r.sip(call("lossy")[:5]...)
		var s mirror.Sample
		for i := range uint64(60) {
			r.pass(2 * time.Second)
			n := 100 * (i + 1)
			r.stream(1, aliceMedia, bobMedia, n, n/20, false)
			r.c.Evidence(0, &s)
			if i%3 == 2 {
				r.send(capture.RTCP, ap("192.0.2.2:7001"), ap("192.0.2.1:6001"), rr(0xdeadbeef, uint32(n), uint32(n*c.theirs/100)))
			}
		}
		r.c.Evidence(0, &s)
		if c.want(s.Receipts) == 0 || s.Receipts.Mirror+s.Receipts.Shared+s.Receipts.Clean+s.Receipts.After != c.want(s.Receipts) {
			t.Errorf("loss %s: %+v", c.name, s.Receipts)
		}
		if s.StreamsStarted != 1 || s.StreamsLinked != 1 || s.SIPRequests != 2 || s.SIPResponses != 3 || s.CallsWithMedia != 1 || s.CallsSilent != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// An answered call without a single packet of media is told to the judge; one
// that hangs up first, or is on hold, is not asked.
func TestEvidenceOfSilence(t *testing.T) {
	r := newRig(t, nil)
	for i := range 3 {
		r.sip(capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CalleeMedia: bobMedia, CallID: fmt.Sprint("silent-", i),
			CallerMedia: netip.AddrPortFrom(aliceMedia.Addr(), uint16(6000+2*i))})[:5]...)
	}
	r.sip(call("short")...)
	r.sip(natCall("inactive", aliceSIP, session("192.0.2.1", "m=audio 6100 RTP/AVP 8", "a=inactive"), session("192.0.2.2", "m=audio 7100 RTP/AVP 8", "a=inactive"))[:5]...)
	r.pass(10 * time.Second)
	r.c.Advance(r.now)
	var s mirror.Sample
	r.c.Evidence(0, &s)
	if s.CallsWithMedia != 3 || s.CallsSilent != 3 {
		t.Errorf("%d calls asked, %d silent", s.CallsWithMedia, s.CallsSilent)
	}
}

// Loss in all streams at once is told from loss here and there.
func TestEvidenceOfCommonLoss(t *testing.T) {
	for _, together := range []bool{true, false} {
		r := newRig(t, nil)
		lost := [8]uint64{}
		for i := range uint64(120) {
			r.pass(2 * time.Second)
			for n := range uint64(8) {
				if together && i%20 == 10 || !together && (i+n*3)%20 == 10 {
					lost[n] += 10
				}
				src := netip.AddrPortFrom(aliceMedia.Addr(), uint16(6000+2*n))
				r.stream(n+1, src, bobMedia, 100*(i+1), lost[n], false)
			}
		}
		var s mirror.Sample
		r.c.Evidence(0, &s)
		if got := s.Common.CommonInstants >= 5; got != together {
			t.Errorf("together %v: %+v", together, s.Common)
		}
	}
}
