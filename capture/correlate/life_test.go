package correlate_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/media"
)

// edit returns d with old replaced by new, Content-Length left as it is.
func edit(d capturetest.Datagram, pairs ...string) capturetest.Datagram {
	d.Payload = []byte(strings.NewReplacer(pairs...).Replace(string(d.Payload)))
	return d
}

func (r *rig) wait(d time.Duration) {
	r.pass(d)
	r.c.Advance(r.now)
}

// Two phones answer, the caller hangs up one of them: the call goes on.
func TestForkedAnswers(t *testing.T) {
	r := newRig(t, nil)
	ds := call("fork")
	second := ";tag=other"
	r.sip(ds[0], ds[3], edit(ds[3], ";tag=a6c85cf", second, " 7000 ", " 7100 "), edit(ds[5], ";tag=a6c85cf", second))
	r.wait(2 * correlate.Linger)
	if n := r.c.Stats.Calls.Load(); n != 1 {
		t.Fatalf("%d calls after one fork's BYE, want 1", n)
	}
	r.sip(ds[5])
	r.wait(2 * correlate.Linger)
	if n := r.c.Stats.Calls.Load(); n != 0 {
		t.Errorf("%d calls after the last BYE", n)
	}
}

// One branch of a forked INVITE is refused long before the other answers.
func TestRefusedBranch(t *testing.T) {
	r := newRig(t, nil)
	ds := call("branches")
	branch := "branch=z9hG4bKinvite1928301774"
	busy := edit(ds[3], "200 OK", "486 Busy Here", branch, "branch=z9hG4bKtwo")
	r.sip(ds[0], edit(ds[0], branch, "branch=z9hG4bKtwo"), busy, busy)
	r.wait(time.Minute)
	r.sip(ds[3])
	r.stream(1, aliceMedia, bobMedia, 100, 0, true)
	if g := r.reports(); len(g) != 1 || g[0].report["DIR"] != 0.0 {
		t.Errorf("%+v", g)
	}
	if n := r.c.Stats.CallsSeen.Load(); n != 1 {
		t.Errorf("%d calls seen, want 1", n)
	}
}

// A copy of the INVITE that comes after the BYE does not begin the call again;
// a new INVITE under the same Call-ID does.
func TestInviteAfterBye(t *testing.T) {
	r := newRig(t, nil)
	ds := call("again")
	r.sip(ds...)
	r.sip(ds[0])
	r.wait(correlate.Linger + 2*time.Second)
	if n := r.c.Stats.Calls.Load(); n != 0 {
		t.Fatalf("%d calls after a late copy, want 0", n)
	}
	r.sip(ds...)
	r.sip(edit(ds[0], "CSeq: 1", "CSeq: 3"))
	r.wait(correlate.Linger + 2*time.Second)
	if n := r.c.Stats.Calls.Load(); n != 1 {
		t.Errorf("%d calls after a new INVITE, want 1", n)
	}
}

// BYE and re-INVITE cross: the call stays ended.
func TestGlare(t *testing.T) {
	r := newRig(t, nil)
	ds := call("glare")
	r.sip(ds...)
	r.sip(edit(ds[0], "To: <sip:bob@192.0.2.2:5060>", "To: <sip:bob@192.0.2.2:5060>;tag=a6c85cf", "CSeq: 1", "CSeq: 9"))
	r.wait(correlate.Linger + 2*time.Second)
	if n := r.c.Stats.Calls.Load(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// A re-INVITE moves the media and gives a payload type another meaning.
func TestReinvite(t *testing.T) {
	r := newRig(t, nil)
	ds := call("re")
	r.sip(ds[:5]...)
	again := edit(ds[0], "To: <sip:bob@192.0.2.2:5060>", "To: <sip:bob@192.0.2.2:5060>;tag=a6c85cf", "CSeq: 1", "CSeq: 2",
		" 6000 RTP", " 6200 RTP", "AVP 0 8 101", "AVP 96 8 101", "rtpmap:0 PCMU", "rtpmap:96 iLBC")
	r.sip(again, edit(ds[3], "7000 RTP", "7200 RTP", "AVP 0 8 101", "AVP 96 8 101", "rtpmap:0 PCMU", "rtpmap:96 iLBC"))
	s := r.snapshot(1, ap("192.0.2.1:6200"), ap("192.0.2.2:7200"), 100, 0, true)
	s.PayloadType = 96
	r.c.Stream(s, r.now)
	if g := r.reports(); len(g) != 1 || g[0].primary != "re" || g[0].report["CODEC_NAME"] != "iLBC" {
		t.Errorf("%+v", g)
	}
}

// Held the old way, with 0.0.0.0, and moved to IPv6: neither loses the call.
func TestHoldAndIPv6(t *testing.T) {
	r := newRig(t, nil)
	a, b := ap("[2001:db8::1]:6000"), ap("[2001:db8::2]:7000")
	ds := capturetest.SIPCall(capturetest.Call{Caller: ap("[2001:db8::1]:5060"), Callee: ap("[2001:db8::2]:5060"), CallerMedia: a, CalleeMedia: b, CallID: "six"})
	r.sip(ds[:5]...)
	r.sip(edit(ds[0], "c=IN IP6 2001:db8::1", "c=IN IP4 0.0.0.0"))
	if n := r.c.Stats.Endpoints.Load(); n != 2 {
		t.Errorf("%d endpoints, want 2", n)
	}
	r.stream(1, a, b, 100, 0, true)
	if g := r.reports(); len(g) != 1 || g[0].primary != "six" {
		t.Errorf("%+v", g)
	}
}

// The next call takes over the addresses and the SSRC while the last one's
// reports are still to be made.
func TestNextCallAtOnce(t *testing.T) {
	r := newRig(t, nil)
	ds := call("one")
	r.sip(ds[:5]...)
	r.stream(1, aliceMedia, bobMedia, 1000, 2, false)
	r.sip(ds[5:]...)
	r.sip(call("two")[:5]...)
	for i := range uint64(4) {
		r.wait(2 * time.Second)
		r.stream(1, aliceMedia, bobMedia, 1100+100*i, 5, false)
	}
	r.wait(2 * correlate.Linger)
	r.c.Flush()
	g := r.reports()
	if len(g) != 2 || g[0].primary != "one" || g[0].report["EXPECTED_PK"] != 1000.0 ||
		g[1].primary != "two" || g[1].report["EXPECTED_PK"] != 400.0 || g[1].report["PACKET_LOSS"] != 3.0 {
		t.Errorf("%+v", g)
	}
}

// More calls than can be legs of one advertise one address, and the other end
// does not tell them apart: a guess would be wrong.
func TestStrangersOnOnePort(t *testing.T) {
	r := newRig(t, nil)
	for i := range 20 {
		r.sip(capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CalleeMedia: bobMedia,
			CallerMedia: netip.AddrPortFrom(aliceMedia.Addr(), uint16(10000+2*i)), CallID: fmt.Sprint("c", i)})[:5]...)
	}
	r.stream(1, ap("198.51.100.7:4444"), bobMedia, 100, 0, true)
	if g := r.reports(); len(g) != 0 {
		t.Errorf("linked to %q %v", g[0].primary, g[0].links)
	}
	r.stream(2, ap("192.0.2.1:10010"), bobMedia, 100, 0, true)
	if g := r.reports(); len(g) != 1 || g[0].primary != "c5" {
		t.Errorf("%+v", g)
	}
}

// A stream whose last snapshot was lost, or whose candidate gave way in the
// worker's table, does not stay for good.
func TestLostSnapshot(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.UnknownRTP = true })
	r.stream(1, aliceMedia, bobMedia, 20, 0, false) // a candidate
	if n := r.c.Stats.Streams.Load(); n != 0 {
		t.Errorf("%d streams kept for a candidate", n)
	}
	r.stream(2, aliceMedia, bobMedia, 500, 0, false)
	r.wait(4 * time.Minute)
	if n, lost := r.c.Stats.Streams.Load(), r.c.Stats.StreamsLost.Load(); n != 0 || lost != 1 {
		t.Errorf("%d streams left, %d lost", n, lost)
	}
	if g := r.reports(); len(g) != 1 || g[0].report["TYPE"] != "FINAL" || g[0].report["CODEC_NAME"] != "PCMA" || g[0].report["CLOCK"] != 8000.0 {
		t.Errorf("%+v", g)
	}
}

// The smallest and the mean MOS are over all intervals, the last, unfinished
// one included, weighted by their packets; late packets make no loss negative.
func TestScores(t *testing.T) {
	r := newRig(t, nil)
	ds := call("mos")
	r.sip(ds[:5]...)
	first := r.snapshot(1, aliceMedia, bobMedia, 3000, 0, false)
	first.FirstMono = r.now
	r.pass(time.Minute)
	first.LastMono = r.now
	r.c.Stream(first, r.now)
	bad := *first
	bad.Packets, bad.Expected, bad.Missing, bad.LossEvents = 3500, 4000, 500, 500
	r.pass(20 * time.Second)
	bad.LastMono = r.now
	r.c.Stream(&bad, r.now)
	bad.Missing, bad.Packets, bad.LossEvents = 400, 3600, 400 // some were only late
	bad.Ended = true
	r.c.Stream(&bad, r.now)
	g := r.reports()
	if len(g) != 2 {
		t.Fatalf("%d reports", len(g))
	}
	good, mos := g[0].report["MOS"].(float64), g[1].report
	low, mean, all := mos["MIN_MOS"].(float64), mos["MEAN_MOS"].(float64), mos["MOS"].(float64)
	if want := (3*good + low) / 4; low >= all || all >= good || mean < want-0.01 || mean > want+0.01 {
		t.Errorf("first %v, min %v, mean %v, all %v", good, low, mean, all)
	}
}

func TestLossIsNeverNegative(t *testing.T) {
	r := newRig(t, nil)
	r.sip(call("late")[:5]...)
	for i, lost := range []uint64{50, 20} {
		s := r.snapshot(1, aliceMedia, bobMedia, uint64(3000*(i+1)), lost, false)
		r.pass(time.Minute)
		r.c.Stream(s, r.now)
	}
	for _, g := range r.reports() {
		if g.report["PACKET_LOSS"].(float64) < 0 || g.report["LOSS_EVENTS"].(float64) < 0 {
			t.Errorf("%v", g.report)
		}
	}
}

// An INVITE without an end, and one with more addresses than are kept, cost
// what the budget says and no more.
func TestHostileCalls(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Calls = 50 })
	long := call(strings.Repeat("x", 5000))[0]
	r.sip(long)
	if n := r.c.Stats.Calls.Load(); n != 0 || len(r.recs) != 1 || len(r.recs[0].primary) != 5000 {
		t.Errorf("%d calls; the record must be made all the same", n)
	}
	for i := range 100 {
		var sdp strings.Builder
		sdp.WriteString("v=0\r\nc=IN IP4 192.0.2.9\r\n")
		for m := range 30 {
			fmt.Fprintf(&sdp, "m=audio %d RTP/AVP 96\r\na=rtpmap:96 %s/8000\r\n", 1024+64*i+2*m, strings.Repeat("n", 500))
		}
		d := call(fmt.Sprint("many", i))[0]
		head, _, _ := strings.Cut(string(d.Payload), "Content-Type")
		d.Payload = fmt.Appendf(nil, "%sContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", head, sdp.Len(), sdp.String())
		r.sip(d)
	}
	if n := r.c.Stats.Endpoints.Load(); n > 250 || r.c.Stats.BindingsRefused.Load() == 0 {
		t.Errorf("%d endpoints for 50 calls", n)
	}
	r.c.Flush()
	if n := r.c.Stats.Endpoints.Load(); n != 0 {
		t.Errorf("%d endpoints left", n)
	}
}

// At the cap, calls that have ended make room first, then those that show no
// sign of life; a call with media stays.
func TestWhoMakesRoom(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Calls = 3 })
	r.sip(call("talking")[:5]...)
	for i := range 2 {
		r.sip(capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallerMedia: ap("192.0.2.7:8000"), CalleeMedia: ap("192.0.2.8:8000"), CallID: fmt.Sprint("bye lost ", i)})[:5]...)
	}
	for i := range uint64(60) {
		r.wait(2 * time.Second)
		r.stream(1, aliceMedia, bobMedia, 100*(i+1), 0, false)
	}
	r.sip(call("new 1")[0], call("new 2")[0])
	if s := &r.c.Stats; s.CallsRefused.Load() != 0 || s.CallsRecycled.Load() != 2 {
		t.Errorf("refused %d, recycled %d", s.CallsRefused.Load(), s.CallsRecycled.Load())
	}
	r.recs = nil
	r.c.Flush()
	if g := r.reports(); len(g) != 1 || g[0].primary != "talking" {
		t.Errorf("%+v", g)
	}
}

// Whatever a Call-ID holds, reports are JSON that PostgreSQL takes.
func TestReportsAreJSON(t *testing.T) {
	for _, id := range []string{"nul\x00nul", "quote\"back\\slash", "\xff\xfe", "\u2028\x7f\x1b", strings.Repeat("\"", 200)} {
		r := newRig(t, nil)
		r.sip(call(id)...)
		r.stream(1, aliceMedia, bobMedia, 100, 0, true)
		g := r.reports()
		if len(g) != 1 || g[0].primary != id {
			t.Fatalf("%q: %+v", id, g)
		}
		if got := g[0].report["CORRELATION_ID"].(string); strings.ContainsRune(got, 0) {
			t.Errorf("%q has NUL", got)
		}
	}
}

// The addresses of the stations are in a report if the link has any.
func TestReportNamesStations(t *testing.T) {
	for _, e := range []capture.Ethernet{{}, {Dst: [6]byte{0, 0x30, 0x48, 0xab, 0xcd, 0xef}, Src: [6]byte{2, 0, 0, 0, 0, 0x0f}}} {
		r := newRig(t, nil)
		r.sip(call("a")...)
		s := r.snapshot(1, aliceMedia, bobMedia, 100, 0, true)
		s.Ethernet = e
		r.c.Stream(s, r.now)
		g := r.reports()
		if len(g) != 1 {
			t.Fatalf("%+v", g)
		}
		src, dst := g[0].report["SRC_MAC"], g[0].report["DST_MAC"]
		if e == (capture.Ethernet{}) && (src != nil || dst != nil) || e != (capture.Ethernet{}) && (src != "02-00-00-00-00-0F" || dst != "00-30-48-AB-CD-EF") {
			t.Errorf("%v, %v", src, dst)
		}
	}
}

// snapshot is stream without handing it in.
func (r *rig) snapshot(id uint64, src, dst netip.AddrPort, n, lost uint64, ended bool) *media.Snapshot {
	return &media.Snapshot{ID: id, Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: src, Dst: dst}, SSRC: 0xdeadbeef,
		Confirmed: n >= 50, Ended: ended, FirstWall: r.now - int64(n)*20e6, FirstMono: r.now - int64(n)*20e6,
		Mark: media.Mark{LastWall: r.now, LastMono: r.now, Packets: n - lost, Octets: 160 * (n - lost), Expected: n, Missing: lost, LossEvents: uint32(lost), MeanJitter: 1e6},
		Lost: int64(lost), PayloadType: 8, ClockRate: 8000, Jitter: 2e6, MaxJitter: 4e6}
}

// BenchmarkSharedAddress is a call's whole life while 20,000 others advertise
// the same address: it must cost what it costs alone.
func BenchmarkSharedAddress(b *testing.B) {
	for _, others := range []int{0, 20000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			c := correlate.New(correlate.Config{Calls: 30000, Streams: 10, CallIdle: time.Hour, Emit: discard})
			now := int64(1e9)
			send := func(d capturetest.Datagram) {
				c.Message(&capture.Message{Protocol: capture.SIP, Mono: now, Flow: capture.FiveTuple{Proto: 17, Src: d.Src, Dst: d.Dst}, Payload: d.Payload})
			}
			for i := range others {
				for _, d := range call(fmt.Sprint("other-", i))[:5] {
					send(d)
				}
			}
			ds := call("mine")
			b.ReportAllocs()
			for b.Loop() {
				for _, d := range ds {
					send(d)
				}
				now += int64(10 * time.Second)
				c.Advance(now)
			}
		})
	}
}
