package correlate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/infer"
	"heptap/capture/media"
	"heptap/capture/record"
)

// rig is a correlator, a clock and what came out.
type rig struct {
	t    testing.TB
	c    *correlate.Correlator
	now  int64
	recs []got
}

type got struct {
	typ     record.Type
	class   record.Class
	primary string
	links   []string
	report  map[string]any
	flow    capture.FiveTuple
}

func newRig(t testing.TB, change func(*correlate.Config)) *rig {
	r := &rig{t: t, now: 1_700_000_000e9}
	cfg := correlate.Config{Calls: 1000, Streams: 1000, CallIdle: time.Hour, ReportInterval: time.Minute, Emit: func(rec *record.Record) {
		g := got{typ: rec.Type, class: rec.Class, primary: string(rec.Primary), flow: rec.Flow}
		for _, l := range rec.Links {
			g.links = append(g.links, l.Type.String()+":"+string(l.ID))
		}
		if rec.Type != record.SIP {
			if err := json.Unmarshal(rec.Payload, &g.report); err != nil {
				t.Errorf("record %v is not JSON: %v\n%s", rec.Type, err, rec.Payload)
			}
		}
		r.recs = append(r.recs, g)
	}}
	if change != nil {
		change(&cfg)
	}
	r.c = correlate.New(cfg)
	return r
}

func (r *rig) pass(d time.Duration) { r.now += int64(d) }

func (r *rig) send(p capture.Protocol, src, dst netip.AddrPort, payload []byte) {
	r.c.Message(&capture.Message{Protocol: p, Wall: r.now, Mono: r.now, Payload: payload,
		Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: src, Dst: dst}})
	r.pass(10 * time.Millisecond)
}

func (r *rig) sip(ds ...capturetest.Datagram) {
	for _, d := range ds {
		r.send(capture.SIP, d.Src, d.Dst, d.Payload)
	}
}

// stream hands in a snapshot of a stream of n packets, lost of them missing.
func (r *rig) stream(id uint64, src, dst netip.AddrPort, n, lost uint64, ended bool) *media.Snapshot {
	s := r.snapshot(id, src, dst, n, lost, ended)
	r.c.Stream(s, r.now)
	return s
}

func (r *rig) reports() (out []got) {
	for _, g := range r.recs {
		if g.typ == record.RTPReport {
			out = append(out, g)
		}
	}
	return out
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var (
	aliceSIP, bobSIP     = ap("192.0.2.1:5060"), ap("192.0.2.2:5060")
	aliceMedia, bobMedia = ap("192.0.2.1:6000"), ap("192.0.2.2:7000")
)

func call(id string) []capturetest.Datagram {
	return capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallerMedia: aliceMedia, CalleeMedia: bobMedia, CallID: id})
}

func TestCallWithMedia(t *testing.T) {
	r := newRig(t, nil)
	ds := call("call-1")
	r.sip(ds[:5]...)
	for i := range uint64(40) { // 80 s: one interval report
		r.pass(2 * time.Second)
		r.stream(1, aliceMedia, bobMedia, 100*(i+1), i, false)
		r.stream(2, bobMedia, aliceMedia, 100*(i+1), 0, false)
	}
	r.sip(ds[5:]...)
	r.pass(2 * time.Second)
	r.stream(1, aliceMedia, bobMedia, 4100, 41, false)
	r.pass(correlate.Linger)
	r.c.Advance(r.now)

	for i := range 7 {
		if g := r.recs[min(i, len(r.recs)-1)]; i < 5 && (g.typ != record.SIP || g.class != record.Call || g.primary != "call-1") {
			t.Fatalf("record %d: %+v", i, g)
		}
	}
	var periodic, final int
	for _, g := range r.reports() {
		if g.primary != "call-1" || g.report["RTP_SIP_CALL_ID"] != "call-1" || g.report["CODEC_NAME"] != "PCMA" {
			t.Errorf("%+v", g)
		}
		switch {
		case g.report["TYPE"] == "PERIODIC" && g.class == record.Periodic:
			periodic++
		case g.report["TYPE"] == "FINAL" && g.class == record.Final:
			final++
			if g.flow.Src == aliceMedia && (g.report["PACKET_LOSS"] != 41.0 || g.report["EXPECTED_PK"] != 4100.0 || g.report["DIR"] != 0.0) {
				t.Errorf("%v", g.report)
			}
			if g.flow.Src == bobMedia && (g.report["PACKET_LOSS"] != 0.0 || g.report["MOS"].(float64) < 4.3 || g.report["DIR"] != 1.0) {
				t.Errorf("%v", g.report)
			}
		}
	}
	if periodic != 2 || final != 2 {
		t.Errorf("%d interval and %d final reports, want 2 and 2", periodic, final)
	}
	if n := r.c.Stats.Calls.Load(); n != 0 {
		t.Errorf("%d calls left", n)
	}
	if n := r.c.Stats.Endpoints.Load(); n != 0 {
		t.Errorf("%d endpoints left", n)
	}
}

func TestShortStreamIsLinkedBySDP(t *testing.T) {
	r := newRig(t, nil)
	ds := call("short")
	r.sip(ds...)
	r.stream(1, aliceMedia, bobMedia, 3, 0, true)
	if g := r.reports(); len(g) != 1 || g[0].primary != "short" || g[0].report["TYPE"] != "FINAL" {
		t.Errorf("%+v", g)
	}
}

func TestLateSDPLinks(t *testing.T) {
	r := newRig(t, nil)
	r.stream(1, aliceMedia, bobMedia, 100, 0, false)
	r.sip(call("late")[:5]...)
	r.pass(2 * time.Second)
	r.stream(1, aliceMedia, bobMedia, 200, 1, false)
	r.c.Flush()
	if g := r.reports(); len(g) != 1 || g[0].primary != "late" || g[0].report["EXPECTED_PK"] != 200.0 {
		t.Errorf("%+v", g)
	}
}

func TestUnknownStream(t *testing.T) {
	for _, export := range []bool{false, true} {
		r := newRig(t, func(c *correlate.Config) { c.UnknownRTP = export })
		r.stream(1, aliceMedia, bobMedia, 500, 5, true)
		r.stream(2, aliceMedia, bobMedia, 20, 0, true) // not confirmed
		if n := r.c.Stats.StreamsUnknown.Load(); n != 1 {
			t.Errorf("%d unknown streams counted", n)
		}
		if g := r.reports(); len(g) != map[bool]int{false: 0, true: 1}[export] {
			t.Errorf("export %v: %+v", export, g)
		} else if export && g[0].primary != "rtp:192.0.2.1:6000-192.0.2.2:7000:deadbeef" {
			t.Errorf("primary %q", g[0].primary)
		}
	}
}

// Both legs of a B2BUA that passes the SDP on advertise the same addresses.
func TestBothLegsAreLinked(t *testing.T) {
	r := newRig(t, nil)
	r.sip(call("leg-a")[:5]...)
	r.sip(call("leg-b")[:5]...)
	r.stream(1, aliceMedia, bobMedia, 100, 0, true)
	seen := map[string][]string{}
	for _, g := range r.reports() {
		seen[g.primary] = g.links
	}
	if len(seen) != 2 || fmt.Sprint(seen["leg-a"]) != "[sip:leg-b]" || fmt.Sprint(seen["leg-b"]) != "[sip:leg-a]" {
		t.Errorf("%v", seen)
	}
}

// A call whose BYE was lost does not get the media of the next call on its port.
func TestStaleCallIsNotLinked(t *testing.T) {
	r := newRig(t, nil)
	r.sip(call("stale")[:5]...)
	r.pass(time.Minute)
	r.sip(call("fresh")[:5]...)
	r.stream(1, aliceMedia, bobMedia, 100, 0, true)
	if g := r.reports(); len(g) != 1 || g[0].primary != "fresh" {
		t.Errorf("%+v", g)
	}
}

// A stream that goes on when the next call takes over its addresses is shared out.
func TestStreamOverTwoCalls(t *testing.T) {
	r := newRig(t, nil)
	ds := call("one")
	r.sip(ds[:5]...)
	r.pass(2 * time.Second)
	r.stream(1, aliceMedia, bobMedia, 100, 2, false)
	r.sip(ds[5:]...)
	r.pass(correlate.Linger + 2*time.Second)
	r.c.Advance(r.now)
	r.sip(call("two")[:5]...)
	r.pass(2 * time.Second)
	r.stream(1, aliceMedia, bobMedia, 300, 5, false)
	r.c.Flush()
	g := r.reports()
	if len(g) != 2 || g[0].primary != "one" || g[0].report["PACKET_LOSS"] != 2.0 ||
		g[1].primary != "two" || g[1].report["PACKET_LOSS"] != 3.0 || g[1].report["EXPECTED_PK"] != 200.0 {
		t.Errorf("%+v", g)
	}
}

// One port for all calls: the other end tells them apart.
func TestManyCallsOnOnePort(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Calls, c.Streams = 2000, 2000 })
	for i := range 900 {
		r.sip(capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CalleeMedia: bobMedia,
			CallerMedia: netip.AddrPortFrom(aliceMedia.Addr(), uint16(10000+2*i)), CallID: fmt.Sprint("c", i)})[:5]...)
	}
	for i := range 900 {
		port := netip.AddrPortFrom(aliceMedia.Addr(), uint16(10000+2*i))
		r.stream(uint64(2*i), port, bobMedia, 100, 0, true)
		r.stream(uint64(2*i+1), bobMedia, port, 100, 0, true)
	}
	g := r.reports()
	if len(g) != 1800 {
		t.Fatalf("%d reports, want 1800", len(g))
	}
	for i := range g {
		if want := fmt.Sprint("c", i/2); g[i].primary != want || len(g[i].links) != 0 {
			t.Fatalf("report %d: %q %v, want %q", i, g[i].primary, g[i].links, want)
		}
	}
}

func TestChallengedInvite(t *testing.T) {
	r := newRig(t, nil)
	ds := call("auth")
	refused := []byte(strings.Replace(string(ds[3].Payload), "200 OK", "401 Unauthorized", 1))
	r.sip(ds[0])
	r.send(capture.SIP, ds[3].Src, ds[3].Dst, refused)
	r.sip(ds[0], ds[3], ds[4])
	r.pass(correlate.Linger * 2)
	r.c.Advance(r.now)
	r.stream(1, aliceMedia, bobMedia, 100, 0, true)
	if g := r.reports(); len(g) != 1 || g[0].primary != "auth" {
		t.Errorf("%+v", g)
	}
}

func TestRTCP(t *testing.T) {
	r := newRig(t, nil)
	sr := capturetest.RTCPPacket(0xdeadbeef, 1<<32, 8000, 50, 8000, "alice@example.com")
	aliceRTCP, bobRTCP := ap("192.0.2.1:6001"), ap("192.0.2.2:7001")
	r.send(capture.RTCP, aliceRTCP, bobRTCP, sr)
	r.sip(call("c")[:5]...)
	r.send(capture.RTCP, aliceRTCP, bobRTCP, sr)
	r.send(capture.RTCP, aliceMedia, bobMedia, sr) // multiplexed
	var ids []string
	for _, g := range r.recs {
		if g.typ == record.RTCP {
			ids = append(ids, g.primary)
			if g.report["type"] != 200.0 || g.report["sender_information"].(map[string]any)["packets"] != 50.0 {
				t.Errorf("%v", g.report)
			}
		}
	}
	if fmt.Sprint(ids) != "[rtcp:192.0.2.1:6001-192.0.2.2:7001 c c]" {
		t.Errorf("%v", ids)
	}
}

// RTCP goes to the port after that of RTP (RFC 3550 11), also where a NAT put both, unless
// a=rtcp says where (RFC 3605). It is known by one end as well, and RTP is not taken
// for it.
func TestRTCPOnTheNextPort(t *testing.T) {
	sr := capturetest.RTCPPacket(0xdeadbeef, 1<<32, 8000, 50, 8000, "alice@example.com")
	r := newRig(t, nil)
	linked := func(from, to string) bool {
		before := r.c.Stats.RTCPLinked.Load()
		r.send(capture.RTCP, ap(from), ap(to), sr)
		return r.c.Stats.RTCPLinked.Load() > before
	}
	ds := call("c")
	again := func(cseq string, lines ...string) { // Alice's next offer
		r.sip(edit(body(ds[0], session("192.0.2.1", lines...)), "CSeq: 1", "CSeq: "+cseq, "To: <sip:bob@192.0.2.2:5060>", "To: <sip:bob@192.0.2.2:5060>;tag=a6c85cf"))
	}
	for _, step := range []struct {
		what     string
		do       func()
		from, to string
		want     bool
	}{
		{"both ends", func() { r.sip(ds[:5]...) }, "192.0.2.1:6001", "192.0.2.2:7001", true},
		{"one end", nil, "203.0.113.9:9", "192.0.2.2:7001", true},
		{"the other, as a source", nil, "192.0.2.1:6001", "203.0.113.9:9", true},
		{"multiplexed one way only", nil, "192.0.2.1:6001", "192.0.2.2:7000", true},
		{"two ports further", nil, "192.0.2.1:6002", "192.0.2.2:7002", false},
		{"moved", func() { again("2", "m=audio 6000 RTP/AVP 8", "a=rtcp:6999") }, "203.0.113.9:9", "192.0.2.1:6001", false},
		{"where it moved", nil, "203.0.113.9:9", "192.0.2.1:6999", true},
		{"moved, and not so at the other end", nil, "192.0.2.2:7001", "192.0.2.1:6999", true},
		{"back", func() { again("3", "m=audio 6000 RTP/AVP 8") }, "203.0.113.9:9", "192.0.2.1:6001", true},
		{"of the last port", func() { again("4", "m=audio 65535 RTP/AVP 8") }, "203.0.113.9:9", "192.0.2.1:65535", true},
		{"behind a NAT", func() {
			r.sip(natCall("nat", ap("198.51.100.7:5060"), session("10.0.0.5", "m=audio 4000 RTP/AVP 8"), session("192.0.2.2", "m=audio 8000 RTP/AVP 8"))[:5]...)
		}, "203.0.113.9:9", "198.51.100.7:4001", true},
	} {
		if step.do != nil {
			step.do()
		}
		if got := linked(step.from, step.to); got != step.want {
			t.Errorf("%s: %s to %s linked: %v", step.what, step.from, step.to, got)
		}
	}
	r.pass(3 * time.Second)
	r.seen(9, ap("192.0.2.1:6001"), ap("192.0.2.2:7001"), 9, 150)
	r.c.Flush()
	for _, g := range r.reports() {
		if g.flow.Src.Port() == 6001 {
			t.Errorf("RTP on the ports of RTCP is not the call's: %+v", g)
		}
	}
}

func TestCallsExpire(t *testing.T) {
	r := newRig(t, nil)
	r.sip(call("unanswered")[0])
	r.sip(call("answered")[:5]...)
	r.pass(correlate.SetupTimeout + 2*time.Second)
	r.c.Advance(r.now)
	if n := r.c.Stats.Calls.Load(); n != 1 {
		t.Errorf("%d calls after the set-up timeout, want 1", n)
	}
	r.pass(time.Hour)
	r.c.Advance(r.now)
	if n := r.c.Stats.Calls.Load(); n != 0 {
		t.Errorf("%d calls after an idle hour", n)
	}
	if n := r.c.Stats.CallsExpired.Load(); n != 2 {
		t.Errorf("%d expired", n)
	}
}

func TestCapsHold(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Calls, c.Streams = 20, 10 })
	for i := range 15 {
		r.sip(call(fmt.Sprint("up", i))[:5]...)
	}
	for i := range 100 {
		r.sip(call(fmt.Sprint("ring", i))[0])
		r.stream(uint64(i), aliceMedia, ap(fmt.Sprintf("192.0.2.9:%d", 2000+i)), 60, 0, false)
	}
	s := &r.c.Stats
	if s.Calls.Load() != 20 || s.CallsRecycled.Load() != 95 || s.Streams.Load() != 10 || s.StreamsRefused.Load() != 90 {
		t.Errorf("calls %d, recycled %d, streams %d, refused %d", s.Calls.Load(), s.CallsRecycled.Load(), s.Streams.Load(), s.StreamsRefused.Load())
	}
	if n := len(r.recs); n != 175 {
		t.Errorf("%d SIP records, want all 175", n)
	}
	for i := range 20 {
		r.sip(call(fmt.Sprint("more", i))[:5]...)
	}
	if s.Calls.Load() != 20 || s.CallsRefused.Load() == 0 {
		t.Errorf("calls %d, refused %d", s.Calls.Load(), s.CallsRefused.Load())
	}
}

func TestMalformed(t *testing.T) {
	r := newRig(t, nil)
	r.send(capture.SIP, aliceSIP, bobSIP, []byte("INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\nVia: SIP/2.0/UDP x\r\n\r\n"))
	r.send(capture.SIP, aliceSIP, bobSIP, []byte("INVITE sip:x SIP/2.0\r\n"))
	if s := &r.c.Stats; s.SIPNoCallID.Load() != 1 || s.SIPMalformed.Load() != 1 || len(r.recs) != 1 || r.recs[0].primary != "" {
		t.Errorf("%d %d %+v", s.SIPNoCallID.Load(), s.SIPMalformed.Load(), r.recs)
	}
}

func known(tb testing.TB, in *infer.Config) (*correlate.Correlator, []capture.Message) {
	buf := make([]byte, 0, 4096)
	c := correlate.New(correlate.Config{Calls: 10, Streams: 10, CallIdle: time.Hour, Infer: in, Emit: func(r *record.Record) {
		b, err := r.AppendBinary(buf)
		if err != nil {
			tb.Fatal(err)
		}
		record.Seal(b, 1, 1, [16]byte{})
	}})
	var ms []capture.Message
	for _, d := range call("a84b4c76e66710@pc33.example.com")[:5] {
		ms = append(ms, capture.Message{Protocol: capture.SIP, Mono: 1e9, Flow: capture.FiveTuple{Proto: 17, Src: d.Src, Dst: d.Dst}, Payload: d.Payload})
	}
	for i := range ms {
		c.Message(&ms[i])
	}
	return c, ms
}

func TestAllocs(t *testing.T) {
	for _, in := range []*infer.Config{nil, {Starts: 1000, Pending: 100}} {
		c, ms := known(t, in)
		n := testing.AllocsPerRun(200, func() {
			for i := range ms {
				c.Message(&ms[i])
			}
		})
		if n != 0 {
			t.Errorf("%v allocations per %d messages of a known call", n, len(ms))
		}
	}
}

// BenchmarkMessage is SIP view, correlation and neutral record of the messages of a
// known call, SDP in two of five, without and with inference: as it is when they are
// seen again, and with another SDP each time, which must be read.
func BenchmarkMessage(b *testing.B) {
	for _, bm := range []struct {
		name    string
		infer   *infer.Config
		renewed bool
	}{{"seen", nil, false}, {"inferred", &infer.Config{}, false}, {"renewed", &infer.Config{}, true}} {
		b.Run(bm.name, func(b *testing.B) {
			c, ms := known(b, bm.infer)
			if bm.renewed {
				for _, m := range slices.Clone(ms) {
					m.Payload = bytes.ReplaceAll(m.Payload, []byte("a=ptime:20"), []byte("a=ptime:30"))
					ms = append(ms, m)
				}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.Message(&ms[i%len(ms)])
			}
		})
	}
}
