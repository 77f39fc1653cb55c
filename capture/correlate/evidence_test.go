package correlate_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/mirror"
)

// evidence returns what is known of a mirror port.
func (r *rig) evidence(port uint8) (s mirror.Sample) {
	r.c.Evidence(port, &s)
	return s
}

// lossy plays two minutes of a stream from Bob to a phone, of which we miss a
// twentieth, with what step does every six seconds: n packets are sent by then.
func (r *rig) lossy(to netip.AddrPort, step func(n uint32)) {
	for i := range uint64(60) {
		r.pass(2 * time.Second)
		n := 100 * (i + 1)
		r.stream(1, bobMedia, to, n, n/20, false)
		r.evidence(0)
		if i%3 == 2 {
			step(uint32(n))
		}
	}
}

// from returns a receiver report by another source than rr's.
func from(reporter byte, report []byte) []byte {
	report[7] = reporter
	return report
}

// Where the report on a stream comes from: RTCP has the port above (RFC 3550
// 11), the same one (RFC 5761), or what a NAT or a=rtcp (RFC 3605) makes of it.
func TestReporters(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to string
		found    bool
	}{
		{"the port above, RFC 3550 11", "203.0.113.7:40001", "192.0.2.2:7001", true},
		{"rtcp-mux, RFC 5761", "203.0.113.7:40000", "192.0.2.2:7000", true},
		{"any port of the NAT's", "203.0.113.7:51515", "192.0.2.2:7001", true},
		{"another host", "203.0.113.8:40001", "192.0.2.2:7001", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			phone := ap("203.0.113.7:40000")
			r.sip(natCall("nat", ap("203.0.113.7:5060"), session("10.0.0.5", "m=audio 40000 RTP/AVP 8"), plainAnswer)[:5]...)
			r.lossy(phone, func(n uint32) { r.send(capture.RTCP, ap(c.from), ap(c.to), rr(0xdeadbeef, n, 0)) })
			if got := r.evidence(0).Receipts; (got.Mirror > 0) != c.found {
				t.Errorf("%+v", got)
			}
		})
	}
}

// Two receivers behind one address, as of a translator (RFC 3550 2.3), report
// losses of their own. The difference between them is nobody's loss: the stream
// was lost before the mirror, as one of them says, and that one is believed.
func TestTwoReporters(t *testing.T) {
	r := newRig(t, nil)
	r.sip(call("two")[:5]...)
	r.lossy(aliceMedia, func(n uint32) {
		to := ap("192.0.2.2:7001")
		r.send(capture.RTCP, ap("192.0.2.1:6001"), to, from(1, rr(0xdeadbeef, n, n/20)))
		r.send(capture.RTCP, ap("192.0.2.1:6001"), to, from(2, rr(0xdeadbeef, n, 0)))
	})
	if got := r.evidence(0).Receipts; got.Shared == 0 || got.Mirror != 0 {
		t.Errorf("%+v", got)
	}
}

// A receiver with a new SSRC (RFC 3550 8.2) is believed when the old one has
// been quiet for a while.
func TestReporterChanges(t *testing.T) {
	r := newRig(t, nil)
	r.sip(call("new")[:5]...)
	r.lossy(aliceMedia, func(n uint32) {
		switch to := ap("192.0.2.2:7001"); {
		case n < 800:
			r.send(capture.RTCP, ap("192.0.2.1:6001"), to, from(1, rr(0xdeadbeef, n, n/20)))
		case n > 3800: // it counts from another beginning
			r.send(capture.RTCP, ap("192.0.2.1:6001"), to, from(2, rr(0xdeadbeef, n, 1000+n/20)))
		}
	})
	if got := r.evidence(0).Receipts; got.Shared != 1 || got.After != 0 {
		t.Errorf("%+v", got)
	}
}

// What our own ring drops is not the mirror's loss.
func TestKernelDropsAreNoEvidence(t *testing.T) {
	r := newRig(t, nil)
	r.sip(call("drops")[:5]...)
	drops := uint64(0)
	r.lossy(aliceMedia, func(n uint32) {
		drops += 5
		s := mirror.Sample{KernelDrops: drops}
		r.c.Evidence(0, &s)
		r.send(capture.RTCP, ap("192.0.2.1:6001"), ap("192.0.2.2:7001"), rr(0xdeadbeef, n, 0))
		s.KernelDrops = drops
		r.c.Evidence(0, &s)
	})
	if got := r.evidence(0).Receipts; got != (mirror.Receipts{}) {
		t.Errorf("%+v", got)
	}
}

// A stream that came in two parts, as by two rings, is not comparable with what
// its receiver says of the whole.
func TestPartsAreNoEvidence(t *testing.T) {
	r := newRig(t, nil)
	r.sip(call("parts")[:5]...)
	r.stream(9, bobMedia, aliceMedia, 90, 0, false)
	r.lossy(aliceMedia, func(n uint32) {
		r.stream(9, bobMedia, aliceMedia, uint64(n/20+90), 0, false) // the other ring has what this one misses
		r.send(capture.RTCP, ap("192.0.2.1:6001"), ap("192.0.2.2:7001"), rr(0xdeadbeef, n, 0))
	})
	if got := r.evidence(0).Receipts; got.Mirror != 0 {
		t.Errorf("%+v", got)
	}
}

// Each port has its own: SIP where it is seen, streams where they are, silent
// calls where they are answered. Ports beyond the last share one.
func TestEvidenceOfPorts(t *testing.T) {
	r := newRig(t, nil)
	on := func(port uint8, ds ...capturetest.Datagram) {
		for _, d := range ds {
			r.c.Message(&capture.Message{Protocol: capture.SIP, Wall: r.now, Mono: r.now, Payload: d.Payload, Port: port,
				Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: d.Src, Dst: d.Dst}})
		}
	}
	ds := call("tap") // a TAP: one port for each direction
	on(0, ds[0])
	on(1, ds[1:4]...)
	on(0, ds[4])
	r.pass(3 * time.Second)
	s := r.snapshot(1, aliceMedia, bobMedia, 150, 0, false)
	s.Port = 2
	r.c.Stream(s, r.now)
	on(200, call("silent")[:5]...)
	r.wait(time.Minute)
	for _, c := range []struct {
		port uint8
		want mirror.Sample
	}{
		{0, mirror.Sample{SIPRequests: 2}},
		{1, mirror.Sample{SIPResponses: 3, CallsWithMedia: 1}},
		{2, mirror.Sample{StreamsStarted: 1, StreamsLinked: 1}},
		{3, mirror.Sample{}},
		{200, mirror.Sample{SIPRequests: 2, SIPResponses: 3, CallsWithMedia: 1, CallsSilent: 1}},
		{201, mirror.Sample{SIPRequests: 2, SIPResponses: 3, CallsWithMedia: 1, CallsSilent: 1}},
	} {
		if got := r.evidence(c.port); got != c.want {
			t.Errorf("port %d: %+v", c.port, got)
		}
	}
}

// silentCalls answers n calls that show no media.
func (r *rig) silentCalls(n int) {
	for i := range n {
		r.sip(capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallID: fmt.Sprint("silent-", i),
			CallerMedia: netip.AddrPortFrom(aliceMedia.Addr(), uint16(20000+4*i)), CalleeMedia: netip.AddrPortFrom(bobMedia.Addr(), uint16(20002+4*i))})[:5]...)
	}
}

// Media that SDP says nothing of, as between a client and its TURN server (RFC
// 8656), may be that of calls that seem silent: so many of them say nothing of
// the mirror. More of them do, and so do all when those streams are over.
func TestForeignMediaMayBeTheirs(t *testing.T) {
	r := newRig(t, nil)
	for i := range 10 {
		r.seenOn(i, false)
	}
	r.silentCalls(12)
	r.wait(9 * time.Second)
	if s := r.evidence(0); s.StreamsStarted != 10 || s.StreamsLinked != 0 || s.CallsWithMedia != 2 || s.CallsSilent != 2 {
		t.Errorf("12 calls and 10 streams: %d asked, %d silent", s.CallsWithMedia, s.CallsSilent)
	}
	for i := range 10 {
		r.seenOn(i, true)
	}
	r.sip(call("later")[:5]...)
	r.wait(9 * time.Second)
	if s := r.evidence(0); s.CallsWithMedia != 3 || s.CallsSilent != 3 {
		t.Errorf("and one call more after those streams: %d asked, %d silent", s.CallsWithMedia, s.CallsSilent)
	}
}

// seenOn hands in a stream of no known call.
func (r *rig) seenOn(i int, ended bool) {
	r.c.Stream(r.snapshot(uint64(1000+i), ap("198.51.100.9:3478"), netip.AddrPortFrom(ap("198.51.100.8:1").Addr(), uint16(40000+i)), 200, 0, ended), r.now)
}

// Calls that show media after all, or end, make room for others to be excused.
func TestSilenceEnds(t *testing.T) {
	r := newRig(t, nil)
	r.seenOn(0, false)
	ds := call("late")
	r.sip(ds[:5]...)
	r.wait(9 * time.Second) // excused by the stream
	r.stream(1, aliceMedia, bobMedia, 100, 0, false)
	r.silentCalls(1) // the next one excused by it
	r.wait(9 * time.Second)
	if s := r.evidence(0); s.CallsWithMedia != 0 || s.CallsSilent != 0 {
		t.Errorf("%d asked, %d silent", s.CallsWithMedia, s.CallsSilent)
	}
	r.seenOn(0, true)
	r.c.Flush()
	if n := r.c.Left(); n != 0 {
		t.Errorf("%d things left", n)
	}
}

// A call that ends and is answered again under the same Call-ID at once is asked
// once, for the second time.
func TestAnsweredAgain(t *testing.T) {
	r := newRig(t, nil)
	ds := call("again")
	r.sip(ds...)
	r.sip(edit(ds[0], "CSeq: 1", "CSeq: 3"), edit(ds[3], "CSeq: 1", "CSeq: 3"))
	r.wait(9 * time.Second)
	if s := r.evidence(0); s.CallsWithMedia != 1 || s.CallsSilent != 1 {
		t.Errorf("%d asked, %d silent", s.CallsWithMedia, s.CallsSilent)
	}
	r.c.Flush()
	if n := r.c.Left(); n != 0 {
		t.Errorf("%d things left", n)
	}
}

// A stream for which there was no room may be anybody's.
func TestNoRoomIsNoSilence(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Streams = 1 })
	r.sip(call("heard")[:5]...)
	r.stream(1, aliceMedia, bobMedia, 100, 0, false)
	r.silentCalls(5)
	r.pass(3 * time.Second)
	r.stream(2, aliceMedia, ap("192.0.2.2:20002"), 100, 0, false)
	r.wait(6 * time.Second)
	if s := r.evidence(0); s.CallsWithMedia != 1 || s.CallsSilent != 0 {
		t.Errorf("%d asked, %d silent", s.CallsWithMedia, s.CallsSilent)
	}
}

// A call's video alone, its fax (T.38), its hold and its refusal make nobody
// expect audio; a stream too short to be confirmed is media all the same.
func TestWhoIsAsked(t *testing.T) {
	for _, c := range []struct {
		name          string
		offer, answer []string
		packets       uint64
		asked, silent uint64
	}{
		{"audio", []string{"m=audio 6000 RTP/AVP 8"}, []string{"m=audio 7000 RTP/AVP 8"}, 0, 1, 1},
		{"a few packets of it", []string{"m=audio 6000 RTP/AVP 8"}, []string{"m=audio 7000 RTP/AVP 8"}, 3, 1, 0},
		{"refused", []string{"m=audio 6000 RTP/AVP 8"}, []string{"m=audio 0 RTP/AVP 8"}, 0, 0, 0},
		{"held, RFC 3264 8.4", []string{"m=audio 6000 RTP/AVP 8", "a=inactive"}, []string{"m=audio 7000 RTP/AVP 8", "a=inactive"}, 0, 0, 0},
		{"one way on purpose", []string{"m=audio 6000 RTP/AVP 8", "a=sendonly"}, []string{"m=audio 7000 RTP/AVP 8", "a=recvonly"}, 0, 1, 1},
		{"fax", []string{"m=image 6000 udptl t38"}, []string{"m=image 7000 udptl t38"}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.sip(natCall("asked", aliceSIP, session("192.0.2.1", c.offer...), session("192.0.2.2", c.answer...))[:5]...)
			r.pass(2 * time.Second)
			if c.packets > 0 {
				r.stream(1, aliceMedia, bobMedia, c.packets, 0, false)
			}
			r.wait(10 * time.Second)
			if s := r.evidence(0); s.CallsWithMedia != c.asked || s.CallsSilent != c.silent {
				t.Errorf("%d asked, %d silent", s.CallsWithMedia, s.CallsSilent)
			}
		})
	}
}

// Evidence allocates nothing; it is asked for once a second and port.
func TestEvidenceAllocs(t *testing.T) {
	r := newRig(t, nil)
	s := r.snapshot(1, aliceMedia, bobMedia, 100, 0, false)
	r.c.Stream(s, r.now)
	next := func() media.Snapshot {
		r.pass(time.Second)
		s.Packets, s.Expected, s.LastMono = s.Packets+50, s.Expected+50, r.now
		return *s
	}
	*s = next()
	r.c.Stream(s, r.now)
	var sample mirror.Sample
	if n := testing.AllocsPerRun(100, func() {
		*s = next()
		r.c.Stream(s, r.now)
		r.c.Evidence(0, &sample)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
