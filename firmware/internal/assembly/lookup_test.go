package assembly_test

import (
	"net/netip"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/firmware/internal/assembly"
)

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
	if id := r.Connection(&there); id != 0 {
		t.Errorf("%d before anything was said", id)
	}
	r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: 1, Ack: 1, Flags: ack}, []byte(request(1, 0)), capturetest.IPID(4)))
	id := r.Connection(&there)
	if id == 0 || id != w.ids[0] || r.Connection(&back) != id || r.Connection(&other) != 0 {
		t.Errorf("%d there, %d back, told of %d, %d of another", id, r.Connection(&back), w.ids, r.Connection(&other))
	}
	r.add(capturetest.TCP(alice, bob, capture.TCP{Seq: 1 + uint32(len(request(1, 0))), Ack: 1, Flags: rst}, nil, capturetest.IPID(5)))
	r.Flush()
	if id := r.Connection(&there); id != 0 {
		t.Errorf("%d after the end", id)
	}
}
