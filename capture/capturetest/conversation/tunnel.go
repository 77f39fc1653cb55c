package conversation

import (
	"net/netip"

	"heptap/capture/capturetest"
)

// tunnel wraps every frame.
func (w *work) tunnel(kind capturetest.Kind) {
	t := w.dig(kind)
	for i := range w.frames {
		if !t.Fits(w.frames[i].data) {
			return
		}
	}
	through := [2]capturetest.Tunnel{t, t.Reverse()}
	switch kind {
	case capturetest.KindMPLS, capturetest.KindMPLSEthernet, capturetest.KindMPLSControl, capturetest.KindGTP, capturetest.KindGTPExtended:
		through[Callee].ID++ // a label or TEID is the receiver's
	}
	for i := range w.frames {
		f := &w.frames[i]
		f.data = through[f.from].Wrap(f.data)
	}
}

// dig draws a tunnel between two addresses of its own, of either IP version.
func (w *work) dig(kind capturetest.Kind) capturetest.Tunnel {
	t := capturetest.Tunnel{Kind: kind, ID: 16 + uint32(w.r.IntN(60000))}
	switch kind {
	case capturetest.KindVLAN, capturetest.KindQinQ, capturetest.KindISL:
		t.ID = 1 + t.ID%4000
	case capturetest.KindNVGRE:
		t.ID |= 0x1000 // those below are reserved (RFC 7637 3.2)
	case capturetest.KindGRE, capturetest.KindGREEthernet:
		t.ID *= uint32(w.r.IntN(2)) // 0 is no key
	}
	net, host := byte(w.r.IntN(256)), byte(1+w.r.IntN(200))
	switch w.r.IntN(3) {
	case 0:
		t.Src, t.Dst = v6(net, host), v6(net, host+1)
	case 1:
		t.Src, t.Dst = netip.AddrFrom4([4]byte{198, 18, net, host}), netip.AddrFrom4([4]byte{198, 19, net, host})
	}
	return t
}

func v6(net, host byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 4: net, 15: host})
}
