package decode_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
)

// inners are the frames that tunnels are tried with.
func inners() map[string][]byte {
	return map[string][]byte{
		"UDP over IPv4":  capturetest.UDP(a4, b4, []byte("hello, world"), capturetest.TTL(9), capturetest.TOS(0xb8), capturetest.IPID(77)),
		"UDP over IPv6":  capturetest.UDP(a6, b6, []byte("hello, world"), capturetest.TTL(9), capturetest.TOS(0xb8)),
		"TCP over IPv4":  capturetest.TCP(a4, b4, capture.TCP{Seq: 1, Ack: 2, Window: 3, Flags: capture.FlagACK}, []byte("hello")),
		"SCTP over IPv6": capturetest.SCTP(a6, b6, 1, capturetest.SCTPData(3, 1, 2, 3, 4, []byte("hello"))),
		"fragment of 4":  capturetest.Fragments(capturetest.UDP(a4, b4, make([]byte, 300), capturetest.IPID(5)), 100, 0)[1],
		"fragment of 6":  capturetest.Fragments(capturetest.UDP(a6, b6, make([]byte, 300)), 100, 5)[1],
	}
}

func mustDecode(t testing.TB, frame []byte) capture.Packet {
	t.Helper()
	var p capture.Packet
	if reason := decode.Decode(ether(frame), &p); reason != capture.DropNone {
		t.Fatalf("%v (%#x, in %#x)\n% x", reason, p.Unknown, p.Encap, frame)
	}
	return p
}

// same says whether two packets are the same but for what they were wrapped in.
func same(a, b capture.Packet) bool {
	for _, p := range []*capture.Packet{&a, &b} {
		p.Tunnel, p.Encap, p.Depth, p.VLAN, p.HasVLAN, p.Ethernet = 0, 0, 0, 0, false, capture.Ethernet{}
	}
	return reflect.DeepEqual(a, b)
}

// The addresses are those of the innermost Ethernet header, behind tags, and of the
// frame where a tunnel carries no Ethernet; other links have none.
func TestEthernet(t *testing.T) {
	inner := inners()["UDP over IPv4"]
	own := capture.Ethernet{Dst: [6]byte{2, 0, 0, 0, 0, 2}, Src: [6]byte{2, 0, 0, 0, 0, 1}}
	outer := capture.Ethernet{Dst: [6]byte{2, 0, 0, 0, 0, 4}, Src: [6]byte{2, 0, 0, 0, 0, 3}}
	for _, c := range []struct {
		name  string
		frame []byte
		want  capture.Ethernet
	}{
		{"plain", inner, own},
		{"VXLAN", capturetest.Tunnel{Kind: capturetest.KindVXLAN, ID: 1}.Wrap(inner), own},
		{"GRE", capturetest.Tunnel{Kind: capturetest.KindGRE, ID: 1}.Wrap(inner), outer},
		{"a TCP segment", inners()["TCP over IPv4"], own},
		{"a fragment", inners()["fragment of 6"], own},
	} {
		if p := mustDecode(t, c.frame); p.Ethernet != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, p.Ethernet, c.want)
		}
	}
	p := capture.Packet{Ethernet: own}
	raw := capture.Frame{Link: capture.LinkRaw, Data: inner[14:], Length: len(inner) - 14}
	if reason := decode.Decode(&raw, &p); reason != capture.DropNone || p.Ethernet != (capture.Ethernet{}) {
		t.Errorf("raw IP: %v, %+v", reason, p.Ethernet)
	}
	cooked := append(make([]byte, 14), 8, 0)
	for _, body := range [][]byte{inner[14:], inners()["TCP over IPv4"][14:]} {
		p.Ethernet = own
		f := capture.Frame{Link: capture.LinkLinuxSLL, Data: append(cooked, body...), Length: 16 + len(body)}
		if reason := decode.Decode(&f, &p); reason != capture.DropNone || p.Ethernet != (capture.Ethernet{}) {
			t.Errorf("cooked: %v, %+v", reason, p.Ethernet)
		}
	}
}

// tunnels returns every kind in every way it is tried.
func tunnels() []capturetest.Tunnel {
	var all []capturetest.Tunnel
	for k := range capturetest.NumKinds {
		all = append(all, capturetest.Tunnel{Kind: k, ID: 0x123},
			capturetest.Tunnel{Kind: k, ID: 7, Src: netip.MustParseAddr("2001:db8:ffff::1"), Dst: netip.MustParseAddr("2001:db8:ffff::2")})
	}
	return all
}

func TestTunnels(t *testing.T) {
	overIP := map[capture.Encap]bool{capture.EncapVLAN: false, capture.EncapMPLS: false, capture.EncapPPPoE: false}
	for name, inner := range inners() {
		plain := mustDecode(t, inner)
		for _, tun := range tunnels() {
			if !tun.Fits(inner) {
				continue
			}
			t.Run(name+" in "+tun.Kind.String(), func(t *testing.T) {
				p := mustDecode(t, tun.Wrap(inner))
				if !same(p, plain) {
					t.Fatalf("%+v\nwant %+v", p, plain)
				}
				depth := uint8(1)
				if _, known := overIP[tun.Encap()]; known {
					depth = 0
				}
				switch tun.Kind {
				case capturetest.KindVNTag, capturetest.KindETag, capturetest.KindPBB, capturetest.KindNSH:
					depth = 0
				}
				if p.Encap != tun.Encap() || p.Depth != depth {
					t.Errorf("encapsulations %#x, depth %d; want %#x, %d", p.Encap, p.Depth, tun.Encap(), depth)
				}
				back := mustDecode(t, tun.Reverse().Wrap(inner))
				if p.Tunnel != back.Tunnel {
					t.Errorf("tunnel %#x there, %#x back", p.Tunnel, back.Tunnel)
				}
				other := tun
				other.ID += 0x100
				if !namesNetwork(tun.Kind) && p.Tunnel != 0 || namesNetwork(tun.Kind) && mustDecode(t, other.Wrap(inner)).Tunnel == p.Tunnel {
					t.Errorf("tunnel %#x", p.Tunnel)
				}
			})
		}
	}
}

// namesNetwork says whether the id of a tunnel is part of the flow.
func namesNetwork(k capturetest.Kind) bool {
	switch k {
	case capturetest.KindGRE, capturetest.KindGREFull, capturetest.KindGREEthernet, capturetest.KindNVGRE, capturetest.KindVXLAN,
		capturetest.KindVXLANPolicy, capturetest.KindVXLANGPE, capturetest.KindGeneve, capturetest.KindGeneveIP:
		return true
	}
	return false
}

// TestTunnelID: what tells networks apart, and what does not.
func TestTunnelID(t *testing.T) {
	inner := capturetest.UDP(a4, b4, []byte("hello"))
	id := func(tuns ...capturetest.Tunnel) uint32 {
		b := inner
		for _, tun := range tuns {
			b = tun.Wrap(b)
		}
		return mustDecode(t, b).Tunnel
	}
	const vxlan, gre, nvgre = capturetest.KindVXLAN, capturetest.KindGREEthernet, capturetest.KindNVGRE
	type tun = capturetest.Tunnel
	if id(tun{Kind: vxlan}) != 0 || id(tun{Kind: gre}) != 0 {
		t.Error("network 0 is the one without a name")
	}
	seen := map[uint32][]tun{0: nil}
	for _, tuns := range [][]tun{
		{{Kind: vxlan, ID: 1}}, {{Kind: vxlan, ID: 2}}, {{Kind: vxlan, ID: 0xffffff}}, {{Kind: capturetest.KindGeneve, ID: 1}},
		{{Kind: gre, ID: 1}}, {{Kind: gre, ID: 2}}, {{Kind: gre, ID: 0x0fffff}}, {{Kind: nvgre, ID: 0x1000}}, {{Kind: nvgre, ID: 0x1001}},
		{{Kind: vxlan, ID: 1}, {Kind: vxlan, ID: 2}}, {{Kind: vxlan, ID: 2}, {Kind: vxlan, ID: 1}}, {{Kind: gre, ID: 1}, {Kind: vxlan, ID: 1}},
	} {
		got := id(tuns...)
		if other, taken := seen[got]; taken {
			t.Errorf("%v and %v are both %#x", tuns, other, got)
		}
		seen[got] = tuns
	}
	// The low octet of NVGRE's key belongs to a flow (RFC 7637 3.2).
	a, b := tun{Kind: nvgre, ID: 0x1234}.Wrap(inner), tun{Kind: nvgre, ID: 0x1234}.Wrap(inner)
	b[14+20+7]++
	if mustDecode(t, a).Tunnel != mustDecode(t, b).Tunnel {
		t.Error("the flow id of NVGRE tells networks apart")
	}
}

// TestTunnelsNested puts random tunnels around each other.
func TestTunnelsNested(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	all := tunnels()
	for range 20000 {
		for name, inner := range inners() {
			plain, b := mustDecode(t, inner), inner
			var chain []capturetest.Tunnel
			var encap capture.Encap
			tags := 0
			for range 1 + rng.IntN(5) {
				tun := all[rng.IntN(len(all))]
				if tun.Encap()&(capture.EncapVLAN|capture.EncapOther) != 0 {
					tags++
				}
				if tun.Fits(b) && tags <= capture.MaxVLANTags/2 {
					b, chain, encap = tun.Wrap(b), append(chain, tun), encap|tun.Encap()
				}
			}
			p := mustDecode(t, b)
			// Those that carry IP lose the tags.
			if !same(p, plain) || (p.Encap^encap)&^capture.EncapVLAN != 0 {
				t.Fatalf("%s in %v: %+v", name, chain, p)
			}
		}
	}
}

// TestTunnelDepth: more encapsulations than the limit are named.
func TestTunnelDepth(t *testing.T) {
	for k := range capturetest.NumKinds {
		b := capturetest.UDP(a6, b6, []byte("hello"))
		tun := capturetest.Tunnel{Kind: k, ID: 5, Src: netip.MustParseAddr("2001:db8:ffff::1"), Dst: netip.MustParseAddr("2001:db8:ffff::2")}
		for n := 1; n <= 40 && tun.Fits(b); n++ {
			b = tun.Wrap(b)
			var p capture.Packet
			reason := decode.Decode(ether(b), &p)
			want := capture.DropNone
			switch k {
			case capturetest.KindVLAN, capturetest.KindVNTag, capturetest.KindETag:
				if n > capture.MaxVLANTags {
					want = capture.DropVLANDepth
				}
			case capturetest.KindQinQ:
				if n > capture.MaxVLANTags/2 {
					want = capture.DropVLANDepth
				}
			default:
				if n > capture.MaxEncaps {
					want = capture.DropTunnelDepth
				}
			}
			if reason != want || p.Encap != tun.Encap() {
				t.Errorf("%v, %d deep: %v, want %v", k, n, reason, want)
			}
		}
	}
}

// TestTunnelsCut cuts tunnelled frames at every length: the answer is that of
// the whole frame, or that something is missing.
func TestTunnelsCut(t *testing.T) {
	for name, inner := range inners() {
		for _, tun := range tunnels() {
			if !tun.Fits(inner) {
				continue
			}
			b := tun.Wrap(inner)
			whole := mustDecode(t, b)
			for n := range b {
				for _, length := range []int{len(b), n} {
					var p capture.Packet
					reason := decode.Decode(&capture.Frame{Data: b[:n:n], Length: length, Link: capture.LinkEthernet}, &p)
					if reason == capture.DropNone {
						if !bytes.HasPrefix(whole.Payload, p.Payload) || p.Length != whole.Length || p.Encap != whole.Encap || p.Protocol != whole.Protocol {
							t.Fatalf("%s in %v, cut to %d octets: %+v", name, tun.Kind, n, p)
						}
					} else if !isShort(reason) {
						t.Fatalf("%s in %v, cut to %d octets: %v", name, tun.Kind, n, reason)
					}
				}
			}
		}
	}
}

// isShort says whether a reason says that something is missing.
func isShort(r capture.DropReason) bool {
	switch r {
	case capture.DropLinkShort, capture.DropIPShort, capture.DropUDPShort, capture.DropTCPShort, capture.DropSCTPShort,
		capture.DropTunnelShort, capture.DropIPv6Extension:
		return true
	}
	return false
}

// TestNotATunnel: what is on a tunnel's port and is none, or looks like one
// elsewhere.
func TestNotATunnel(t *testing.T) {
	inner := capturetest.UDP(a4, b4, []byte("hello"))
	payload := func(tun capturetest.Tunnel, edit func(b []byte)) []byte {
		b := tun.Wrap(inner)[42:]
		edit(b)
		return b
	}
	none := func([]byte) {}
	rtp := capturetest.RTPPacket(8, 1, 160, 0xdecade, make([]byte, 160))
	rtp[0] = 0x88 // eight CSRCs
	sip := []byte("OPTIONS sip:a@b SIP/2.0\r\n\r\n")
	const vxlan, gtp, geneve, tzsp = capturetest.KindVXLAN, capturetest.KindGTP, capturetest.KindGeneve, capturetest.KindTZSP
	tests := []struct {
		name    string
		port    uint16
		payload []byte
		encap   capture.Encap // 0: it stays a datagram
	}{
		{"SIP on GTP-U", 2152, sip, 0},
		{"SIP on VXLAN", 4789, sip, 0},
		{"SIP on L2TP", 1701, sip, 0},
		{"lower case on Teredo", 3544, []byte("hello, world, this is a text that is long enough to be IPv6"), 0},
		{"RTP on VXLAN", 4789, capturetest.RTPPacket(8, 1, 160, 0xdecade, make([]byte, 160)), 0},
		{"RTP with eight CSRCs on VXLAN", 4789, rtp, 0},
		{"RTP on Geneve", 6081, rtp, 0},
		{"nothing on VXLAN", 4789, nil, 0},
		{"CRLF on TZSP", 37008, []byte("\r\n\r\n"), 0},
		{"zeros on HPERM", 7932, make([]byte, 100), 0},
		{"STUN on TZSP", 37008, unhex(t, "0101 000c 2112a442 000000000000000000000000 0020 0008 0001a147e112a643"), 0},
		{"STUN anywhere", 3478, unhex(t, "0101 000c 2112a442 000000000000000000000000 0020 0008 0001a147e112a643"), 0},
		{"VXLAN", 4789, payload(capturetest.Tunnel{Kind: vxlan}, none), capture.EncapVXLAN},
		{"VXLAN on Linux's port", 8472, payload(capturetest.Tunnel{Kind: vxlan}, none), capture.EncapVXLAN},
		{"VXLAN anywhere", 5060, payload(capturetest.Tunnel{Kind: vxlan}, none), capture.EncapVXLAN},
		{"VXLAN anywhere, checksum of IP wrong", 5060, payload(capturetest.Tunnel{Kind: vxlan}, func(b []byte) { b[8+14+10]++ }), 0},
		{"VXLAN anywhere, longer than the datagram", 5060, payload(capturetest.Tunnel{Kind: vxlan}, none)[:50], 0},
		{"VXLAN, no VNI", 4789, payload(capturetest.Tunnel{Kind: vxlan}, func(b []byte) { b[0] = 0 }), 0},
		{"VXLAN, reserved octet (RFC 7348 5)", 4789, payload(capturetest.Tunnel{Kind: vxlan}, func(b []byte) { b[7] = 1 }), 0},
		{"VXLAN, reserved flags", 4789, payload(capturetest.Tunnel{Kind: vxlan}, func(b []byte) { b[2] = 1 }), 0},
		{"VXLAN, IP version", 4789, payload(capturetest.Tunnel{Kind: vxlan}, func(b []byte) { b[8+14] = 0x65 }), 0},
		{"VXLAN, IP header", 4789, payload(capturetest.Tunnel{Kind: vxlan}, func(b []byte) { b[8+14] = 0x44 }), 0},
		{"VXLAN, cut by a mirror", 4789, payload(capturetest.Tunnel{Kind: vxlan}, none)[:53], capture.EncapVXLAN},
		{"GTP-U", 2152, payload(capturetest.Tunnel{Kind: gtp}, none), capture.EncapGTP},
		{"GTP-U anywhere", 5060, payload(capturetest.Tunnel{Kind: gtp}, none), capture.EncapGTP},
		{"GTP-U anywhere, checksum of IP wrong", 5060, payload(capturetest.Tunnel{Kind: gtp}, func(b []byte) { b[8+10]++ }), 0},
		{"GTP-U, longer than the datagram (TS 29.281 5.1)", 2152, payload(capturetest.Tunnel{Kind: gtp}, func(b []byte) { b[3]++ }), 0},
		{"GTP-U, echo (TS 29.281 7.2)", 2152, unhex(t, "32 01 0004 00000000 0001 0000"), 0},
		{"GTP', not GTP", 2152, payload(capturetest.Tunnel{Kind: gtp}, func(b []byte) { b[0] = 0x20 }), 0},
		{"GTP-U, extension of length 0", 2152, unhex(t, "34 ff 0020 00000001 0000 00 85 00"+"00000000000000000000000000000000000000000000000000000000"), 0},
		{"Geneve", 6081, payload(capturetest.Tunnel{Kind: geneve}, none), capture.EncapGeneve},
		{"Geneve, version 1", 6081, payload(capturetest.Tunnel{Kind: geneve}, func(b []byte) { b[0] |= 0x40 }), 0},
		{"Geneve, option beyond the others (RFC 8926 3.5)", 6081, payload(capturetest.Tunnel{Kind: geneve}, func(b []byte) { b[11] = 9 }), 0},
		{"TZSP", 37008, payload(capturetest.Tunnel{Kind: tzsp}, none), capture.EncapTZSP},
		{"TZSP anywhere", 5555, payload(capturetest.Tunnel{Kind: tzsp}, none), capture.EncapTZSP},
		{"TZSP without end", 37008, append([]byte{1, 0, 0, 1}, make([]byte, 100)...), 0},
		{"TZSP of 802.11", 37008, payload(capturetest.Tunnel{Kind: tzsp}, func(b []byte) { b[3] = 18 }), 0},
		{"L2TP control (RFC 2661 3.1)", 1701, unhex(t, "c802 000c 0001 0000 0000 0000"), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustDecode(t, capturetest.UDP(a4, netip.AddrPortFrom(b4.Addr(), tt.port), tt.payload))
			if p.Encap != tt.encap {
				t.Fatalf("encapsulations %#x, want %#x", p.Encap, tt.encap)
			}
			if tt.encap == 0 && (p.DstPort != tt.port || !bytes.Equal(p.Payload, tt.payload)) {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestTunnelReasons: what a tunnel holds that is not decoded is named.
func TestTunnelReasons(t *testing.T) {
	const mac = "020000000002 020000000001 "
	ip := func(protocol string, payload string) string {
		b := unhex(t, payload)
		head := unhex(t, "4500 0000 0000 0000 40"+protocol+"0000 c0000201 c0000202")
		binary.BigEndian.PutUint16(head[2:], uint16(20+len(b)))
		return mac + "0800" + string(hexed(head)) + string(hexed(b))
	}
	arp := "0806 0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202"
	tests := []struct {
		name    string
		frame   string
		want    capture.DropReason
		unknown uint16
		encap   capture.Encap
	}{
		{"ARP in GRE", ip("2f", "0000 6558"+mac+arp), capture.DropARP, 0, capture.EncapGRE},
		{"LLDP in GRE", ip("2f", "0000 6558"+mac+"88cc 0000"), capture.DropEtherType, 0x88cc, capture.EncapGRE},
		{"keep-alive in GRE", ip("2f", "0000 0000"), capture.DropEtherType, 0, capture.EncapGRE},
		{"GRE version 2", ip("2f", "0002 0800"), capture.DropTunnel, 47, capture.EncapGRE},
		{"PPTP acknowledgement (RFC 2637 4.1)", ip("2f", "2081 880b 0000 0001 00000005"), capture.DropTunnel, 47, capture.EncapGRE},
		{"ERSPAN III of version 1", ip("2f", "1000 22eb 00000001 10050001 00000000 00000000"), capture.DropTunnel, 0x22eb, capture.EncapGRE | capture.EncapERSPAN},
		{"LCP in PPPoE", mac + "8864 1100 0001 000a c021 0105 0008 01020304", capture.DropPPP, 0xc021, capture.EncapPPPoE},
		{"PPPoE without a protocol", mac + "8864 1100 0001 0000", capture.DropTunnelShort, 0, capture.EncapPPPoE},
		{"MPLS OAM (RFC 5586)", mac + "8847 0000d140 10000007 0000000000000000 0000000000000000", capture.DropMPLS, 0, capture.EncapMPLS},
		{"EtherIP version 2", ip("61", "2000"+mac+arp), capture.DropTunnel, 97, capture.EncapOther},
		{"L2TPv3 control (RFC 3931 4.1.1.2)", ip("73", "00000000 c803000c"), capture.DropTunnel, 115, capture.EncapOther},
		{"NSH OAM (RFC 8300 2.2)", mac + "894f 2fc2 02 03 00000001", capture.DropTunnel, 0x894f, capture.EncapOther},
		{"ESP", ip("32", "00000001 00000001"), capture.DropESP, 0, 0},
		{"OSPF", ip("59", "0201 002c"), capture.DropIPProtocol, 89, 0},
		{"ISO in MPLS", mac + "8847 00010140 83 1b 01 00", capture.DropMPLS, 0, capture.EncapMPLS},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.frame)
			f := ether(append(b, make([]byte, max(0, 60-len(b)))...)) // padded, as on a wire
			var p capture.Packet
			if got := decode.Decode(f, &p); got != tt.want || p.Unknown != tt.unknown || p.Encap != tt.encap {
				t.Errorf("%v, %#x in %#x; want %v, %#x in %#x", got, p.Unknown, p.Encap, tt.want, tt.unknown, tt.encap)
			}
		})
	}
}

func hexed(b []byte) []byte {
	const digits = "0123456789abcdef"
	var out []byte
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return out
}

// TestPseudowire: addresses that begin like an IP version or a control word do
// not mislead (RFC 4928 3).
func TestPseudowire(t *testing.T) {
	for first := range 256 {
		for _, kind := range []capturetest.Kind{capturetest.KindMPLSEthernet, capturetest.KindMPLSControl, capturetest.KindERSPAN1} {
			for name, inner := range inners() {
				inner[0] = byte(first) &^ 1
				inner[6] = 0
				p := mustDecode(t, capturetest.Tunnel{Kind: kind, ID: 3}.Wrap(inner))
				if !same(p, mustDecode(t, inner)) {
					t.Errorf("%s in %v, address %02x: %+v", name, kind, first, p)
				}
			}
		}
	}
}

// TestVLANOfTunnels: the innermost tag counts, wherever it is.
func TestVLANOfTunnels(t *testing.T) {
	vlan := func(n uint32) capturetest.Tunnel { return capturetest.Tunnel{Kind: capturetest.KindVLAN, ID: n} }
	vxlan := capturetest.Tunnel{Kind: capturetest.KindVXLAN, ID: 9}
	for _, tt := range []struct {
		name  string
		chain []capturetest.Tunnel // the innermost first
		want  uint16
	}{
		{"outside only", []capturetest.Tunnel{vxlan, vlan(5)}, 5},
		{"inside only", []capturetest.Tunnel{vlan(6), vxlan}, 6},
		{"both", []capturetest.Tunnel{vlan(6), vxlan, vlan(5)}, 6},
		{"two inside", []capturetest.Tunnel{vlan(7), vlan(6), vxlan, vlan(5)}, 7},
	} {
		b := capturetest.UDP(a4, b4, []byte("hello"))
		for _, tun := range tt.chain {
			b = tun.Wrap(b)
		}
		if p := mustDecode(t, b); p.VLAN != tt.want || !p.HasVLAN {
			t.Errorf("%s: %d, %v", tt.name, p.VLAN, p.HasVLAN)
		}
	}
}
