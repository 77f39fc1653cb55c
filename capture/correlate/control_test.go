package correlate_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	tcp "heptap/capture/stream"
)

// control hands in what a media proxy is told, or answers.
func (r *rig) control(kind correlate.ControlKind, id, tag, sdp string) {
	r.c.Control(&correlate.Control{Kind: kind, At: tcp.Meta{Mono: r.now, Wall: r.now}, CallID: []byte(id), FromTag: []byte("ft"), Tag: []byte(tag), SDP: []byte(sdp)})
	r.pass(10 * time.Millisecond)
}

// controlled is a call through a media proxy, of which only the control is seen.
func controlled(r *rig, id string) (caller, toCaller, toCallee, callee netip.AddrPort) {
	caller, toCaller, toCallee, callee = ap("192.0.2.1:6000"), ap("192.0.2.3:30000"), ap("192.0.2.3:30002"), ap("192.0.2.2:7000")
	r.control(correlate.ControlOffer, id, "ft", session("192.0.2.1", "m=audio 6000 RTP/AVP 8"))
	r.control(correlate.ControlOffer, id, "ft", session("192.0.2.3", "m=audio 30002 RTP/AVP 8")) // the reply
	r.control(correlate.ControlAnswer, id, "tt", session("192.0.2.2", "m=audio 7000 RTP/AVP 8"))
	r.control(correlate.ControlAnswer, id, "tt", session("192.0.2.3", "m=audio 30000 RTP/AVP 8"))
	return
}

// A call whose SIP is encrypted is followed by what its media proxy is told:
// its media on both sides of the proxy is its own.
func TestControlledCall(t *testing.T) {
	r := newRig(t, nil)
	caller, toCaller, toCallee, callee := controlled(r, "tls@host")
	r.pass(2 * time.Second)
	r.seen(1, caller, toCaller, 1, 100)
	r.seen(2, toCallee, callee, 1, 100)
	r.seen(3, callee, toCallee, 2, 100)
	r.seen(4, toCaller, caller, 2, 100)
	r.control(correlate.ControlDelete, "tls@host", "ft", "")
	r.wait(correlate.Linger + time.Second)
	for _, src := range []netip.AddrPort{caller, toCallee, callee, toCaller} {
		r.wantOwners(src, "tls@host")
	}
	s := &r.c.Stats
	if got := fmt.Sprint(s.CallsControlled.Load(), s.CallsSeen.Load(), s.CallsEnded.Load(), s.Calls.Load(), s.Endpoints.Load()); got != "1 1 1 0 0" {
		t.Errorf("controlled, seen, ended, calls left, addresses left: %s", got)
	}
}

// One that is never answered, and one that is and of which nothing more is
// seen, expire as calls do that are known from SIP.
func TestControlledCallExpires(t *testing.T) {
	r := newRig(t, nil)
	r.control(correlate.ControlOffer, "a@host", "ft", session("192.0.2.1", "m=audio 6000 RTP/AVP 8"))
	controlled(r, "b@host")
	for _, step := range []struct {
		after time.Duration
		calls int64
	}{{correlate.SetupTimeout - time.Second, 2}, {5 * time.Second, 1}, {54 * time.Minute, 1}, {2 * time.Minute, 0}} {
		r.wait(step.after)
		if got := r.c.Stats.Calls.Load(); got != step.calls {
			t.Errorf("%d calls, want %d", got, step.calls)
		}
	}
	if got := r.c.Stats.CallsExpired.Load(); got != 2 {
		t.Errorf("%d expired", got)
	}
}

// SIP that is seen takes over: what the proxy is told to forget does not end the
// call, its BYE does.
func TestControlBesideSIP(t *testing.T) {
	r := newRig(t, nil)
	r.control(correlate.ControlOffer, "call-1", "from-tag-1", session("192.0.2.1", "m=audio 6000 RTP/AVP 8"))
	ds := call("call-1")
	r.sip(ds[:5]...)
	r.control(correlate.ControlDelete, "call-1", "ft", "")
	r.wait(time.Minute)
	if got := r.c.Stats.Calls.Load(); got != 1 {
		t.Errorf("%d calls after a delete", got)
	}
	r.sip(ds[5:]...)
	r.wait(time.Minute)
	if got := fmt.Sprint(r.c.Stats.Calls.Load(), r.c.Stats.CallsEnded.Load(), r.c.Stats.CallsEstablished.Load()); got != "0 1 1" {
		t.Errorf("calls, ended, established: %s", got)
	}
}

// rtpproxy is told an address instead of SDP.
func TestControlAddress(t *testing.T) {
	r := newRig(t, nil)
	tell := func(kind correlate.ControlKind, tag string, addr netip.AddrPort) {
		r.c.Control(&correlate.Control{Kind: kind, At: tcp.Meta{Mono: r.now, Wall: r.now}, CallID: []byte("c@host"), FromTag: []byte("ft"), Tag: []byte(tag), Addr: addr})
	}
	tell(correlate.ControlOffer, "ft", ap("192.0.2.1:6000"))
	tell(correlate.ControlAnswer, "tt", ap("192.0.2.3:65535")) // has no port for RTCP
	r.pass(2 * time.Second)
	r.seen(1, ap("198.51.100.7:1234"), ap("192.0.2.1:6000"), 1, 100)
	tell(correlate.ControlDelete, "ft", netip.AddrPort{})
	r.wait(correlate.Linger + time.Second)
	r.wantOwners(ap("198.51.100.7:1234"), "c@host")
}

// Nothing is made of what says nothing.
func TestControlOfNothing(t *testing.T) {
	r := newRig(t, nil)
	r.control(correlate.ControlOffer, "", "ft", session("192.0.2.1", "m=audio 6000 RTP/AVP 8"))
	r.control(correlate.ControlOffer, string(make([]byte, 257)), "ft", session("192.0.2.1", "m=audio 6000 RTP/AVP 8"))
	r.control(correlate.ControlOffer, "a@host", "ft", "")
	r.control(correlate.ControlDelete, "b@host", "ft", session("192.0.2.1", "m=audio 6000 RTP/AVP 8"))
	if got := r.c.Stats.CallsSeen.Load(); got != 0 {
		t.Errorf("%d calls", got)
	}
	r.control(correlate.ControlOffer, "c@host", "ft", "no SDP")
	if got := r.c.Stats.SDPMalformed.Load(); got != 1 {
		t.Errorf("%d malformed", got)
	}
}

// Who speaks SIP is known by address, whichever port it is on.
func TestSpeaks(t *testing.T) {
	r := newRig(t, nil)
	if r.c.Speaks(0, aliceSIP.Addr()) {
		t.Error("before")
	}
	r.sip(capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallID: "x"})[0])
	for addr, want := range map[string]bool{"192.0.2.1": true, "192.0.2.2": true, "::ffff:192.0.2.2": true, "192.0.2.3": false} {
		if got := r.c.Speaks(0, netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if r.c.Speaks(7, aliceSIP.Addr()) {
		t.Error("in another tunnel")
	}
	r.c.Advance(r.now + int64(3*time.Hour))
	if r.c.Speaks(0, aliceSIP.Addr()) {
		t.Error("three hours later")
	}
}
