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
	"heptap/capture/record"
)

// Media that begins before the answer, moves during the call, comes from one of
// several answers or by way of a relay.

// toBob makes a request of ds one within the dialog.
var toBob = []string{"To: <sip:bob@192.0.2.2:5060>", "To: <sip:bob@192.0.2.2:5060>;tag=a6c85cf"}

// An offer and its answer may come in any of the transactions of RFC 3261 13.2.1,
// RFC 3262 5 and RFC 3311 5.1: media follows.
func TestOffersMoveMedia(t *testing.T) {
	for _, c := range []struct{ name, method string }{
		{"re-INVITE, RFC 3261 14", "INVITE"}, {"UPDATE, RFC 3311 5.1", "UPDATE"}, {"PRACK, RFC 3262 5", "PRACK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			ds := call("moves")
			r.sip(ds[:5]...)
			r.pass(3 * time.Second)
			r.stream(1, aliceMedia, bobMedia, 150, 0, true)
			cseq := "CSeq: 2 " + c.method
			ask := edit(ds[0], append(toBob, "INVITE sip", c.method+" sip", "CSeq: 1 INVITE", cseq, " 6000 RTP", " 6200 RTP")...)
			r.sip(ask, edit(ds[3], "CSeq: 1 INVITE", cseq, " 7000 RTP", " 7200 RTP"))
			r.pass(3 * time.Second)
			r.seen(2, ap("192.0.2.1:6200"), ap("192.0.2.2:7200"), 2, 150)
			r.seen(3, ap("192.0.2.2:7200"), ap("192.0.2.1:6200"), 3, 150)
			r.c.Flush()
			for _, from := range []string{"192.0.2.1:6000", "192.0.2.1:6200", "192.0.2.2:7200"} {
				r.wantOwners(ap(from), "moves")
			}
		})
	}
}

// Of a transaction of any other method, SDP offers nothing (RFC 3261 11.2).
func TestOptionsMoveNothing(t *testing.T) {
	r := newRig(t, nil)
	ds := call("asked")
	r.sip(ds[:5]...)
	r.sip(edit(ds[0], append(toBob, "INVITE sip", "OPTIONS sip", "CSeq: 1 INVITE", "CSeq: 2 OPTIONS", " 6000 RTP", " 6200 RTP")...))
	if n := r.c.Stats.SDPBodies.Load(); n != 2 {
		t.Errorf("%d bodies of SDP taken in, want the offer and the answer", n)
	}
	r.pass(3 * time.Second)
	r.seen(1, ap("192.0.2.1:6200"), ap("192.0.2.9:7200"), 1, 150)
	r.c.Flush()
	r.wantOwners(ap("192.0.2.1:6200"))
}

// Early media (RFC 3960 2): the callee is heard before its answer, and in a
// call that is never answered.
func TestEarlyMedia(t *testing.T) {
	for _, answered := range []bool{true, false} {
		r := newRig(t, func(c *correlate.Config) { c.Events = true })
		ds := call("early")
		r.sip(ds[0], edit(ds[3], "200 OK", "183 Session Progress"))
		for i := range uint64(20) {
			r.pass(2 * time.Second)
			r.stream(1, bobMedia, aliceMedia, 100*(i+1), 0, false)
		}
		if answered {
			r.sip(ds[3:5]...)
			r.pass(time.Second)
			r.stream(2, aliceMedia, bobMedia, 50, 0, false)
			r.sip(ds[5:]...)
		} else {
			r.sip(edit(ds[3], "200 OK", "486 Busy Here"))
		}
		r.wait(2 * correlate.Linger)
		r.wantOwners(bobMedia, "early")
		if got := r.events(); len(got) != 0 {
			t.Errorf("answered %v: events %q: nothing is wrong before the answer", answered, got)
		}
	}
}

// A forked INVITE brings early media from two phones (RFC 3261 12.1, one dialog
// for each). One of them answers. What the other sent still belongs to the call,
// until a call that is nearer has its address.
func TestForksMedia(t *testing.T) {
	r := newRig(t, nil)
	ds := call("fork")
	ringing := edit(ds[3], "200 OK", "183 Session Progress")
	r.sip(ds[0], ringing, edit(ringing, "tag=a6c85cf", "tag=other", "192.0.2.2", "192.0.2.3", " 7000 ", " 7100 "))
	other := ap("192.0.2.3:7100")
	r.pass(3 * time.Second)
	r.stream(1, bobMedia, aliceMedia, 150, 0, false)
	r.seen(2, other, aliceMedia, 2, 150)
	r.sip(ds[3:5]...)
	r.pass(3 * time.Second)
	r.seen(1, bobMedia, aliceMedia, 0xdeadbeef, 300)
	r.sip(capturetest.SIPCall(capturetest.Call{Caller: ap("192.0.2.9:5060"), Callee: ap("192.0.2.3:5060"),
		CallerMedia: ap("192.0.2.9:6000"), CalleeMedia: other, CallID: "next"})[:5]...)
	r.pass(3 * time.Second)
	r.seen(3, ap("192.0.2.9:6000"), other, 3, 150)
	r.seen(4, other, ap("192.0.2.9:6000"), 4, 150)
	r.seen(5, other, ap("198.51.100.77:9999"), 5, 150) // one end alone tells
	r.c.Flush()
	r.wantOwners(bobMedia, "fork")
	r.wantOwners(ap("192.0.2.9:6000"), "next")
	r.wantOwners(other, "fork", "next", "next")
}

// Early media may end before the answer: nobody expects it to go on.
func TestEarlyMediaStops(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Events = true })
	ds := call("rings")
	r.sip(ds[0], edit(ds[3], "200 OK", "183 Session Progress"))
	r.pass(5 * time.Second)
	r.stream(1, bobMedia, aliceMedia, 250, 0, false)
	for range 60 {
		r.wait(time.Second)
	}
	if got := r.events(); len(got) != 0 {
		t.Errorf("events %q", got)
	}
}

// A relayed candidate (RFC 8445 5.1.1.2): what the TURN server (RFC 8656) sends
// on comes from an address that SDP names.
func TestRelayedCandidate(t *testing.T) {
	r := newRig(t, nil)
	ds := natCall("relay", ap("203.0.113.7:40000"), session("198.51.100.9", "m=audio 9 RTP/AVP 8",
		"a=candidate:1 1 udp 2130706431 10.0.0.5 50000 typ host", "a=candidate:2 1 udp 16777215 198.51.100.200 61000 typ relay raddr 203.0.113.7 rport 50001"), plainAnswer)
	r.sip(ds[:5]...)
	r.pass(3 * time.Second)
	r.seen(1, ap("198.51.100.200:61000"), bobMedia, 1, 150)
	r.seen(2, bobMedia, ap("198.51.100.200:61000"), 2, 150)
	r.c.Flush()
	r.wantOwners(ap("198.51.100.200:61000"), "relay")
	r.wantOwners(bobMedia, "relay")
}

// A server that sends from a port it did not say reaches a phone behind a NAT at
// the port the phone said, if the NAT keeps it, or where the phone's media came
// from.
func TestNATOneEnd(t *testing.T) {
	for _, c := range []struct {
		public  string
		learned bool // the phone is heard first
		linked  bool
	}{
		{"203.0.113.7:6000", false, true}, {"203.0.113.7:51234", true, true}, {"203.0.113.7:51234", false, false}, {"203.0.113.8:6000", false, false},
	} {
		r := newRig(t, nil)
		r.sip(natCall("nat", ap("203.0.113.7:40000"), session("10.0.0.5", "m=audio 6000 RTP/AVP 8"), plainAnswer)[:5]...)
		r.pass(3 * time.Second)
		if c.learned {
			r.seen(1, ap(c.public), bobMedia, 1, 150)
		}
		r.seen(2, ap("192.0.2.2:9999"), ap(c.public), 2, 150)
		r.c.Flush()
		if got := len(r.owners(ap("192.0.2.2:9999"))) == 1; got != c.linked {
			t.Errorf("%+v: linked %v", c, got)
		}
	}
}

// More phones with one private address than a call has legs, and a server with
// one port for all: neither the port of the other side nor the private address
// tells, but the address that the signalling came from does.
func TestSamePrivateAddressOneServerPort(t *testing.T) {
	const phones = 50
	r := newRig(t, nil)
	for i := range phones {
		r.sip(natCall(fmt.Sprint("call-", i), ap(fmt.Sprintf("203.0.113.%d:40000", 1+i)), session("192.168.1.2", "m=audio 5004 RTP/AVP 8"), plainAnswer)[:5]...)
	}
	r.pass(3 * time.Second)
	for i := range phones {
		from := ap(fmt.Sprintf("203.0.113.%d:33333", 1+i))
		r.seen(uint64(2*i+1), from, bobMedia, uint32(2*i+1), 150)
		r.seen(uint64(2*i+2), bobMedia, from, uint32(2*i+2), 150)
	}
	r.c.Flush()
	for i := range phones {
		r.wantOwners(ap(fmt.Sprintf("203.0.113.%d:33333", 1+i)), fmt.Sprint("call-", i))
	}
	back := map[string]string{}
	for _, g := range r.reports() {
		if g.flow.Src == bobMedia {
			back[g.flow.Dst.Addr().String()] += g.primary
		}
	}
	for i := range phones {
		if got := back[fmt.Sprintf("203.0.113.%d", 1+i)]; got != fmt.Sprint("call-", i) {
			t.Errorf("what goes back to phone %d is reported under %q", i, got)
		}
	}
}

// A sender that takes another SSRC (RFC 3550 8.2) goes on in its call, as a
// stream of its own, and has not stopped.
func TestSSRCChange(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Events = true })
	r.sip(call("change")[:5]...)
	for i := range uint64(30) {
		r.pass(2 * time.Second)
		r.stream(1, bobMedia, aliceMedia, 100*(i+1), 0, false)
		id, n := uint64(2), 100*(i+1)
		if i >= 10 {
			id, n = 3, 100*(i-9)
		}
		s := r.snapshot(id, aliceMedia, bobMedia, n, 0, false)
		s.SSRC = uint32(id)
		r.c.Stream(s, r.now)
	}
	r.c.Flush()
	r.wantOwners(aliceMedia, "change", "change")
	if got := r.events(); len(got) != 0 {
		t.Errorf("events %q", got)
	}
}

// Signalling and media in different tunnels, or one of them in none, meet as
// long as the address is in one place only (issue 3: endpoints with the same
// address in two tunnels are kept apart).
func TestTunnelAroundOne(t *testing.T) {
	for _, c := range []struct {
		name       string
		sip, media uint32
		again      int // tunnel of the SIP of another call with the same addresses, 0 none, negative: one that is over
		linked     bool
	}{
		{"plain", 0, 0, 0, true},
		{"around media", 0, 7, 0, true},
		{"around signalling", 7, 0, 0, true},
		{"of each direction, or of each kind", 7, 8, 0, true},
		{"its own and another's", 7, 7, 8, true},
		{"that may be of either", 7, 9, 8, false},
		{"that may be of either, or of none", 0, 9, 8, false},
		{"of what is over only", 7, 9, -8, true},
		{"of none, what was in one is over", 0, 9, -8, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			in := func(ds []capturetest.Datagram, tunnel uint32) {
				for _, d := range ds {
					r.c.Message(&capture.Message{Protocol: capture.SIP, Wall: r.now, Mono: r.now, Payload: d.Payload,
						Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: d.Src, Dst: d.Dst, Tunnel: tunnel}})
					r.pass(10 * time.Millisecond)
				}
			}
			switch {
			case c.again > 0:
				in(call("wrong")[:5], uint32(c.again))
			case c.again < 0:
				in(call("wrong"), uint32(-c.again))
			}
			in(call("right")[:5], c.sip)
			for range 20 {
				r.wait(time.Second)
			}
			r.pass(3 * time.Second)
			r.seen(1, aliceMedia, bobMedia, 1, 150, func(s *media.Snapshot) { s.Flow.Tunnel = c.media })
			r.c.Flush()
			if n := r.c.Left(); n != 0 {
				t.Errorf("%d things left", n)
			}
			if c.linked {
				r.wantOwners(aliceMedia, "right")
			} else {
				r.wantOwners(aliceMedia)
			}
		})
	}
}

// However many tunnels there are, an address that is in one of them only is found.
func TestManyTunnels(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Calls = 200 })
	const n = 100
	for i := range n {
		from := netip.AddrPortFrom(aliceMedia.Addr(), uint16(10000+2*i))
		for _, d := range capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallerMedia: from, CalleeMedia: bobMedia, CallID: fmt.Sprint("call-", i)})[:5] {
			r.c.Message(&capture.Message{Protocol: capture.SIP, Wall: r.now, Mono: r.now, Payload: d.Payload,
				Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: d.Src, Dst: d.Dst, Tunnel: uint32(1 + i)}})
		}
	}
	r.pass(3 * time.Second)
	for i := range n {
		r.seen(uint64(i+1), bobMedia, netip.AddrPortFrom(aliceMedia.Addr(), uint16(10000+2*i)), uint32(i), 150)
	}
	r.c.Flush()
	for _, g := range r.reports() {
		if want := fmt.Sprint("call-", (g.flow.Dst.Port()-10000)/2); g.primary != want {
			t.Errorf("to %v: reported under %q, want %q", g.flow.Dst, g.primary, want)
		}
	}
	if got := len(r.reports()); got != n {
		t.Errorf("%d reports", got)
	}
}

// A stream that another mirror port shows late, in part or with more loss is
// reported once, by the one that has more of it.
func TestStreamSeenByTwoPorts(t *testing.T) {
	for _, c := range []struct {
		name  string
		other func(i uint64, s *media.Snapshot)
	}{
		{"alike", func(i uint64, s *media.Snapshot) {}},
		{"with loss", func(i uint64, s *media.Snapshot) { s.Packets, s.Missing = s.Packets-5*i, 5*i }},
		{"late", func(i uint64, s *media.Snapshot) { s.LastMono -= 30e6 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(c *correlate.Config) { c.Events = true })
			ds := call("ports")
			r.sip(ds[:5]...)
			for i := range uint64(60) { // two interval reports
				r.pass(2 * time.Second)
				r.stream(3, bobMedia, aliceMedia, 100*(i+1), 0, false)
				r.stream(1, aliceMedia, bobMedia, 100*(i+1), 0, false)
				s := r.snapshot(2, aliceMedia, bobMedia, 100*(i+1), 0, false)
				s.Port = 1
				c.other(i, s)
				r.c.Stream(s, r.now)
			}
			r.sip(ds[5:]...)
			r.wait(time.Minute)
			r.c.Flush()
			r.wantOwners(aliceMedia, "ports")
			for _, g := range r.reports() {
				if g.flow.Src == aliceMedia && g.report["PACKET_LOSS"] != 0.0 {
					t.Errorf("%v of the poorer stream", g.report["TYPE"])
				}
			}
			if n := r.c.Stats.StreamsCopied.Load(); n != 1 {
				t.Errorf("%d copies", n)
			}
			if got := r.events(); len(got) != 0 {
				t.Errorf("events %q", got)
			}
		})
	}
}

// Both B-legs of a call advertise where the media goes; both have it, neither
// the last one alone, and so have their interval reports and RTCP.
func TestLegsShareAll(t *testing.T) {
	r := newRig(t, nil)
	for _, id := range []string{"a", "b1", "b2"} {
		r.sip(call(id)[:5]...)
	}
	for i := range uint64(40) {
		r.pass(2 * time.Second)
		r.stream(1, aliceMedia, bobMedia, 100*(i+1), 0, false)
	}
	r.send(capture.RTCP, ap("192.0.2.1:6001"), ap("192.0.2.2:7001"), capturetest.RTCPPacket(7, 1, 1, 1, 1, "x"))
	r.c.Flush()
	count := map[string]int{}
	for _, g := range r.recs {
		switch g.typ {
		case record.RTPReport:
			count[fmt.Sprint(g.report["TYPE"], " ", g.primary, " ", len(g.links))]++
		case record.RTCP:
			count[fmt.Sprint("RTCP ", len(g.links))]++
		}
	}
	want := "map[FINAL a 2:1 FINAL b1 2:1 FINAL b2 2:1 PERIODIC a 2:1 PERIODIC b1 2:1 PERIODIC b2 2:1 RTCP 2:1]"
	if got := fmt.Sprint(count); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
}

// Legs that end one after the other have one final report each, with what came
// until the last one ended, and each names the other.
func TestLegsEnd(t *testing.T) {
	for _, apart := range []time.Duration{0, 100 * time.Millisecond, 3 * time.Second, 7 * time.Second} {
		r := newRig(t, nil)
		a, b := call("a"), call("b")
		r.sip(a[:5]...)
		r.sip(b[:5]...)
		r.pass(2 * time.Second)
		r.stream(1, aliceMedia, bobMedia, 100, 0, false)
		r.sip(b[5:]...)
		r.wait(apart)
		r.sip(a[5:]...)
		last := r.snapshot(1, aliceMedia, bobMedia, 300, 0, false)
		for i := range 30 {
			r.wait(time.Second)
			if i == 4 { // what was counted by the end comes late
				r.c.Stream(last, r.now)
			}
		}
		if n := r.c.Stats.Calls.Load(); n != 0 {
			t.Errorf("%v apart: %d calls left", apart, n)
		}
		count := map[string]int{}
		for _, g := range r.reports() {
			count[fmt.Sprint(g.primary, " ", g.report["TOTAL_PK"], " ", g.links)]++
		}
		if got := fmt.Sprint(count); got != "map[a 300 [sip:b]:1 b 300 [sip:a]:1]" {
			t.Errorf("%v apart: %s", apart, got)
		}
	}
}
