package ring_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/ring"
)

// spreadKinds are the tunnels that Fanout.Inner opens.
var spreadKinds = []capturetest.Kind{capturetest.KindVLAN, capturetest.KindQinQ, capturetest.KindMPLS, capturetest.KindMPLSEthernet,
	capturetest.KindMPLSControl, capturetest.KindPPPoE, capturetest.KindIPIP, capturetest.KindGRE, capturetest.KindGREEthernet,
	capturetest.KindNVGRE, capturetest.KindERSPAN1, capturetest.KindERSPAN2, capturetest.KindERSPAN3, capturetest.KindERSPAN3IP,
	capturetest.KindVXLAN, capturetest.KindVXLANPolicy, capturetest.KindGeneve, capturetest.KindGTP, capturetest.KindGTPExtended}

// spreadTunnels returns them over either IP version.
func spreadTunnels() (all []capturetest.Tunnel) {
	for _, k := range spreadKinds {
		all = append(all, capturetest.Tunnel{Kind: k, ID: 5},
			capturetest.Tunnel{Kind: k, ID: 6, Src: netip.MustParseAddr("2001:db8:ffff::1"), Dst: netip.MustParseAddr("2001:db8:ffff::2")})
	}
	return all
}

// flowEnds returns the ends of a random flow.
func flowEnds(rng *rand.Rand) (a, b netip.AddrPort) {
	port := func() uint16 { return uint16(10000 + 2*rng.IntN(10000)) }
	if rng.IntN(2) == 0 {
		addr := func() netip.Addr {
			a := netip.MustParseAddr("2001:db8::").As16()
			binary.BigEndian.PutUint16(a[14:], uint16(rng.Uint32()))
			return netip.AddrFrom16(a)
		}
		return netip.AddrPortFrom(addr(), port()), netip.AddrPortFrom(addr(), port())
	}
	addr := func() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(rng.IntN(4)), byte(rng.IntN(256))}) }
	return netip.AddrPortFrom(addr(), port()), netip.AddrPortFrom(addr(), port())
}

func spreadVM(t *testing.T) func(frame []byte) int {
	t.Helper()
	prog, size, err := ring.SpreadFrames()
	if err != nil {
		t.Fatal(err)
	}
	if size > 4096 {
		t.Fatalf("%d instructions, the kernel takes 4096", size)
	}
	t.Logf("%d instructions", size)
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	return func(frame []byte) int {
		n, err := vm.Run(frame)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

// TestSpread: the number is that of the innermost flow, in both directions and
// whatever is around it.
func TestSpread(t *testing.T) {
	run := spreadVM(t)
	rng := rand.New(rand.NewPCG(1, 2))
	all := spreadTunnels()
	for range 5000 {
		a, b := flowEnds(rng)
		there, back := capturetest.UDP(a, b, []byte("hello")), capturetest.UDP(b, a, []byte("hello, too"))
		if rng.IntN(3) == 0 {
			there, back = capturetest.TCP(a, b, capture.TCP{}, nil), capturetest.TCP(b, a, capture.TCP{}, nil)
		}
		want := run(there)
		var chain []capturetest.Tunnel
		tags := 0
		for range rng.IntN(3) {
			tun := all[rng.IntN(len(all))]
			if tun.Encap() == capture.EncapVLAN {
				tags++
			}
			if tun.Fits(there) && tags < 2 {
				chain = append(chain, tun)
				there, back = tun.Wrap(there), tun.Reverse().Wrap(back)
			}
		}
		if x, y := run(there), run(back); x != want || y != want || want == 0 {
			t.Fatalf("%v to %v in %v: %d there, %d back, want %d\n% x", a, b, chain, x, y, want, there)
		}
	}
}

// TestSpreadFragments: all fragments of a datagram have one number, also in a tunnel.
func TestSpreadFragments(t *testing.T) {
	run := spreadVM(t)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a, b := flowEnds(rng)
		parts := capturetest.Fragments(capturetest.UDP(a, b, make([]byte, 500)), 200, 7)
		want := run(parts[0])
		for _, f := range parts {
			for _, tun := range spreadTunnels() {
				if got := run(f); got != want || want == 0 {
					t.Fatalf("%v to %v: %d, want %d", a, b, got, want)
				}
				if got := run(tun.Wrap(f)); got != want {
					t.Fatalf("%v to %v in %v: %d, want %d", a, b, tun.Kind, got, want)
				}
			}
		}
	}
}

// TestSpreadIsEven: flows inside of one tunnel are spread over all rings.
func TestSpreadIsEven(t *testing.T) {
	run := spreadVM(t)
	rng := rand.New(rand.NewPCG(5, 6))
	for _, rings := range []int{2, 3, 4, 8} {
		const flows = 8000
		share := make([]int, rings)
		for i := range flows {
			a, b := flowEnds(rng)
			if i%2 == 0 { // two gateways, ports two apart, as RTP is
				a, b = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), uint16(10000+i)), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 2}), uint16(20000+i))
			}
			share[run(capturetest.Tunnel{Kind: capturetest.KindVXLAN, ID: 1}.Wrap(capturetest.UDP(a, b, nil)))%rings]++
		}
		for _, n := range share {
			if n < flows/rings*8/10 || n > flows/rings*12/10 {
				t.Errorf("%d rings: %v", rings, share)
			}
		}
	}
}

// TestSpreadNoTunnel: what is on a tunnel's port and is none is spread as what it is.
func TestSpreadNoTunnel(t *testing.T) {
	run := spreadVM(t)
	src := netip.MustParseAddrPort("192.0.2.1:5060")
	for _, port := range []uint16{4789, 8472, 6081, 2152, 37008} {
		dst := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), port)
		seen := map[int]bool{}
		for i := range uint16(50) {
			frame := capturetest.UDP(netip.AddrPortFrom(src.Addr(), 5060+i), dst, []byte("OPTIONS sip:a@b SIP/2.0\r\n\r\n"))
			if run(frame) == 0 {
				t.Errorf("port %d: nothing to tell it by", port)
			}
			seen[run(frame)] = true
		}
		if len(seen) < 45 {
			t.Errorf("port %d: only %d numbers", port, len(seen))
		}
	}
	for _, frame := range [][]byte{nil, make([]byte, 14), numbered(1, 60)} {
		if n := run(frame); n != 0 {
			t.Errorf("% x: %d", frame, n)
		}
	}
}

// TestSpreadInKernel: in a group of four rings every flow inside of one tunnel,
// both directions and fragments of it, is on one ring, and all rings have some.
func TestSpreadInKernel(t *testing.T) {
	l := newLab(t)
	cfg := ring.Config{Fanout: &ring.Fanout{Group: 43, Inner: true}}
	rings := []*ring.Ring{l.open(cfg), l.open(cfg), l.open(cfg), l.open(cfg)}
	type flow struct {
		port uint16 // of UDP
		addr byte   // of fragments
	}
	sent := 0
	send := func(frame []byte) {
		l.send(frame)
		sent++
	}
	tunnels := append(spreadTunnels(), capturetest.Tunnel{Kind: capturetest.KindVLAN, ID: 9})
	for i := range uint16(32) {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), 10000+2*i)
		b := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 2}), 40000)
		c := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), 10000+2*i)
		there, back, parts := capturetest.UDP(a, b, nil), capturetest.UDP(b, a, nil), capturetest.Fragments(capturetest.UDP(c, b, make([]byte, 300)), 200, 1)
		send(there)
		send(back)
		for _, tun := range tunnels {
			send(tun.Wrap(there))
			send(tun.Reverse().Wrap(back))
			for _, f := range parts {
				send(tun.Wrap(f))
			}
		}
	}
	where, share, total := map[flow]int{}, make([]int, len(rings)), 0
	frames := make([]capture.Frame, 64)
	for deadline := time.Now().Add(patience); total < sent && time.Now().Before(deadline); {
		for i, r := range rings {
			n, err := r.Read(frames)
			if err != nil {
				t.Fatal(err)
			}
			for k := range frames[:n] {
				var p capture.Packet
				if reason := decode.Decode(&frames[k], &p); reason != capture.DropNone {
					t.Fatalf("%v: % x", reason, frames[k].Data)
				}
				id := flow{port: min(p.SrcPort, p.DstPort)}
				if p.Fragment.Valid {
					id = flow{addr: p.Src[3] + 1}
				}
				if was, seen := where[id]; seen && was != i {
					t.Errorf("%+v on rings %d and %d", id, was, i)
				}
				where[id] = i
				share[i]++
			}
			total += n
		}
	}
	if total != sent || len(where) != 64 {
		t.Errorf("%d frames of %d flows, want %d of 64", total, len(where), sent)
	}
	for i, n := range share {
		if n < sent/16 {
			t.Errorf("ring %d has %d of %d frames", i, n, sent)
		}
	}
	t.Logf("%d frames, %v", total, share)
}
