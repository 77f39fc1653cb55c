package assembly_test

import (
	"crypto/tls"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/capturetest/tlstalk"
	"heptap/firmware/internal/assembly"
)

// later is after anything here.
const later = math.MaxInt64

// A connection is found by its ends in both directions while it is open, once
// it is known to be worth a record.
func TestConnection(t *testing.T) {
	w := &witness{}
	w.r = newRig(t, func(c *assembly.Config) { c.Net, c.Lookup = w, true })
	r := w.r
	there := capture.FiveTuple{Proto: 22, Src: alice, Dst: bob}
	back := there.Reverse()
	other := capture.FiveTuple{Proto: 6, Src: netip.AddrPortFrom(alice.Addr(), 9), Dst: bob}
	r.shake()
	if id := r.Connection(&there, later, assembly.Nothing); id != 0 {
		t.Errorf("%d before anything was said", id)
	}
	r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: 1, Ack: 1, Flags: ack}, []byte(request(1, 0)), capturetest.IPID(4)))
	id := r.Connection(&there, later, assembly.Nothing)
	if id == 0 || id != w.ids[0] || r.Connection(&back, later, assembly.Nothing) != id || r.Connection(&other, later, assembly.Nothing) != 0 {
		t.Errorf("%d there, %d back, told of %d, %d of another", id, r.Connection(&back, later, assembly.Nothing), w.ids, r.Connection(&other, later, assembly.Nothing))
	}
	r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: 1 + uint32(len(request(1, 0))), Ack: 1, Flags: rst}, nil, capturetest.IPID(5)))
	r.Flush()
	if id := r.Connection(&there, later, assembly.Nothing); id != 0 {
		t.Errorf("%d after the end", id)
	}
}

// A connection is found for five minutes after its end, by the clock of whoever says when
// it was, which may be five minutes off. Of two with the same ends the one counts that was
// open then, or was so nearer to it. One of which there is no record is not found.
func TestConnectionThatHasEnded(t *testing.T) {
	w := &witness{}
	w.r = newRig(t, func(c *assembly.Config) { c.Net, c.Lookup = w, true })
	r := w.r
	there := capture.FiveTuple{Proto: 22, Src: alice, Dst: bob}
	const skew, ms = int64(5 * time.Minute), int64(time.Millisecond)
	talk := func(text string) (began, over int64) {
		began = wall0 + r.now + ms
		r.shake()
		r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: 1, Ack: 1, Flags: ack}, []byte(text), capturetest.IPID(uint16(r.now))))
		if text == "" {
			return
		}
		r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: 1 + uint32(len(text)), Ack: 1, Flags: rst}, nil, capturetest.IPID(uint16(r.now))))
		return began, wall0 + r.now
	}
	began, over := talk(request(1, 0))
	is := func(what string, wall int64, n int) {
		t.Helper()
		id, want := r.Connection(&there, wall, assembly.SIP), uint64(0)
		if n >= 0 {
			want = w.ids[n]
		}
		if id != want {
			t.Errorf("%s: %d, want %d of %d", what, id, want, w.ids)
		}
	}
	is("after its end", over+ms, 0)
	is("while it was open", over-ms, 0)
	is("before it began", began-skew, 0)
	is("long before it began", began-skew-1, -1)
	is("long after its end", over+skew+1, -1)
	r.pass(time.Minute)
	first := wall0 + r.now
	r.shake()
	r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: 1, Ack: 1, Flags: ack}, []byte(request(2, 0)), capturetest.IPID(999)))
	is("now, of two", wall0+r.now, 1)
	is("nearer to the end of the first", over+10*int64(time.Second), 0)
	is("nearer to the beginning of the second", first-10*int64(time.Second), 1)
	is("long before the first", began-skew-1, -1)
	r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: 1 + uint32(len(request(2, 0))), Ack: 1, Flags: rst}, nil, capturetest.IPID(998)))
	is("of two that have ended, the last", over, 1)
	r.pass(5*time.Minute - time.Second)
	is("nearly five minutes later", wall0+r.now, 1)
	r.pass(2 * time.Second)
	is("five minutes later", wall0+r.now-skew, -1)
}

// The memory of connections that have ended is bounded: the oldest make room.
func TestEndedConnectionsMakeRoom(t *testing.T) {
	w := &witness{}
	w.r = newRig(t, func(c *assembly.Config) { c.Net, c.Lookup = w, true })
	r := w.r
	const many = 4096 + 3
	for i := range many {
		from := netip.AddrPortFrom(alice.Addr(), uint16(10000+i))
		text := request(i, 0)
		r.add(capturetest.TCP(from, bob, capture.TCP{Flags: syn}, nil), capturetest.TCP(bob, from, capture.TCP{Ack: 1, Flags: syn | ack}, nil),
			capturetest.TCP(from, bob, capture.TCP{Seq: 1, Ack: 1, Flags: ack}, []byte(text)),
			capturetest.TCP(from, bob, capture.TCP{Seq: 1 + uint32(len(text)), Ack: 1, Flags: rst}, nil))
	}
	found := 0
	for i := range many {
		f := capture.FiveTuple{Proto: 6, Src: netip.AddrPortFrom(alice.Addr(), uint16(10000+i)), Dst: bob}
		if id := r.Connection(&f, wall0+r.now, assembly.SIP); id != 0 {
			if found++; id != w.ids[i] || i < 3 {
				t.Fatalf("connection %d has the id %d", i, id)
			}
		}
	}
	if found != 4096 {
		t.Errorf("%d of %d are remembered", found, many)
	}
}

// Who tells of what a host sent names the port where that listens. The connection is found
// when the host has no other one to there.
func TestOutgoing(t *testing.T) {
	w := &witness{}
	w.r = newRig(t, func(c *assembly.Config) { c.Net, c.Lookup = w, true })
	r := w.r
	host, there := netip.MustParseAddr("192.0.2.50"), netip.MustParseAddrPort("192.0.2.60:5060")
	flow := func(port uint16, to netip.AddrPort) capture.FiveTuple {
		return capture.FiveTuple{Proto: capture.ProtoTCP, Src: netip.AddrPortFrom(host, port), Dst: to}
	}
	talk := func(port uint16, to netip.AddrPort) (end func()) {
		from, text := netip.AddrPortFrom(host, port), request(int(port), 0)
		r.add(capturetest.TCP(from, to, capture.TCP{Flags: syn}, nil), capturetest.TCP(to, from, capture.TCP{Ack: 1, Flags: syn | ack}, nil),
			capturetest.TCP(from, to, capture.TCP{Seq: 1, Ack: 1, Flags: ack}, []byte(text)))
		return func() {
			r.add(capturetest.TCP(from, to, capture.TCP{Seq: 1 + uint32(len(text)), Ack: 1, Flags: rst}, nil))
		}
	}
	is := func(what string, to netip.AddrPort, port uint16) {
		t.Helper()
		f := flow(5060, to)
		found, want := r.Outgoing(&f), flow(port, to)
		if port == 0 {
			want = flow(5060, to)
		}
		if found != (port != 0) || f != want {
			t.Errorf("%s: %v, %v, want %v", what, found, f, want)
		}
	}
	is("none", there, 0)
	first := talk(40001, there)
	is("one", there, 40001)
	is("another port", netip.AddrPortFrom(there.Addr(), 5061), 0)
	is("another host", netip.AddrPortFrom(there.Addr().Next(), 5060), 0)
	low := netip.MustParseAddrPort("192.0.2.40:5060") // sorted before the client
	talk(40002, low)
	is("to a lower address", low, 40002)
	back := flow(40001, there).Reverse()
	if r.Outgoing(&back) {
		t.Errorf("what the server sends comes from %v", back)
	}
	second := talk(40003, there)
	is("two", there, 0)
	first()
	is("the other one", there, 40003)
	second()
	is("no more", there, 0)
}

// A connection of TLS that nothing tells is for SIP is told of once somebody has
// read SIP in it, also when the mirror shows one direction. What went over its ports
// before it began did not go over it.
func TestConnectionOfTLS(t *testing.T) {
	cast := tlstalk.NewCast(t)
	client := &tls.Config{InsecureSkipVerify: true, Time: func() time.Time { return tlstalk.Now }}
	there := capture.FiveTuple{Proto: 22, Src: alice, Dst: other}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		events := slices.DeleteFunc(tlstalk.Converse(client, cast.Serve(version)), func(e tlstalk.Event) bool { return e.Dir != 0 || e.FIN })
		w := &secrets{}
		w.r = newRig(t, func(c *assembly.Config) { c.Net, c.Lookup = w, true })
		r := w.r
		r.talk(alice, other, events)
		began := wall0 + int64(time.Millisecond) // of the SYN
		const skew = int64(5 * time.Minute)
		if r.Connection(&there, later, assembly.Nothing) != 0 || r.Connection(&there, began-skew-1, assembly.SIP) != 0 || len(w.log) != 0 {
			t.Errorf("%x: told of too early: %q", version, w.log)
		}
		id := r.Connection(&there, began-skew, assembly.SIP)
		if id == 0 || r.Connection(&there, later, assembly.Nothing) != id || r.Connection(&there, later, assembly.SIP) != id {
			t.Errorf("%x: not found", version)
		}
		const want = `0 opened TLS, 0 messages so far | established (inferred), unknown`
		if got := strings.Join(w.log, " | "); !strings.HasPrefix(got, want) {
			t.Errorf("%x: %s", version, got)
		}
		if s := r.Stats(0).Conns; s.Sessions != 0 {
			t.Errorf("%x: %d sessions are held", version, s.Sessions)
		}
	}
}

// A WebSocket inside TLS is named when an agent has read SIP in it, and so are later ones
// to the same port whose client offers http/1.1 alone. Others are TLS: nothing is
// guessed.
func TestConnectionOfWSS(t *testing.T) {
	cast := tlstalk.NewCast(t)
	offers := func(version uint16, names ...string) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, Time: func() time.Time { return tlstalk.Now }, NextProtos: names, MaxVersion: version}
	}
	web := func(n int) netip.AddrPort { return netip.AddrPortFrom(alice.Addr(), uint16(3000+n)) }
	elsewhere := netip.AddrPortFrom(other.Addr(), other.Port()+1)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		w := &secrets{all: true}
		w.r = newRig(t, func(c *assembly.Config) { c.Net, c.Lookup = w, true })
		r := w.r
		opens := func(n int, to netip.AddrPort, names ...string) {
			server := cast.Serve(version)
			server.NextProtos = []string{"h2", "http/1.1", "sip"}
			events := slices.DeleteFunc(tlstalk.Converse(offers(version, names...), server), func(e tlstalk.Event) bool { return e.FIN })
			r.talk(web(n), to, events)
		}
		opens(0, other, "http/1.1")
		for _, inside := range []assembly.Inside{assembly.Nothing, assembly.SIP, assembly.WebSocket} {
			r.Connection(&capture.FiveTuple{Proto: 50, Src: web(0), Dst: other}, later, inside)
			if inside == assembly.SIP {
				opens(1, other, "http/1.1")
			}
		}
		opens(2, other, "http/1.1")
		opens(3, other, "h2", "http/1.1")
		opens(4, other)
		opens(5, elsewhere, "http/1.1")
		r.pass(time.Second)
		r.Flush()
		want := "opened TLS 0, opened TLS 0, opened WSS 2, opened TLS 0, opened TLS 0, opened TLS 0, closed WSS 1, closed TLS 0, closed WSS 2, closed TLS 0, closed TLS 0, closed TLS 0"
		if got := strings.Join(w.kinds, ", "); got != want {
			t.Errorf("%x:\n got %s\nwant %s", version, got, want)
		}
	}
}
