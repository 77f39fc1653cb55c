package decode_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
)

var (
	a4 = netip.MustParseAddrPort("192.0.2.1:5060")
	b4 = netip.MustParseAddrPort("192.0.2.2:5062")
	a6 = netip.MustParseAddrPort("[2001:db8::1]:5060")
	b6 = netip.MustParseAddrPort("[2001:db8::2]:5062")
)

var links = []capture.LinkType{capture.LinkNull, capture.LinkEthernet, capture.LinkRaw12, capture.LinkRaw14, capture.LinkRaw,
	capture.LinkLoop, capture.LinkLinuxSLL, capture.LinkIPv4, capture.LinkIPv6, capture.LinkLinuxSLL2}

func whole(link capture.LinkType, b []byte) *capture.Frame {
	return &capture.Frame{Data: b, Length: len(b), Link: link, Wall: 11, Mono: 22, Port: 3}
}

func ether(b []byte) *capture.Frame { return whole(capture.LinkEthernet, b) }

// unhex reads hexadecimal octets; spaces are for the reader.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLinks(t *testing.T) {
	for _, link := range links {
		for _, v6 := range []bool{false, true} {
			if v6 && link == capture.LinkIPv4 || !v6 && link == capture.LinkIPv6 {
				continue
			}
			src, dst := a4, b4
			if v6 {
				src, dst = a6, b6
			}
			b := capturetest.UDP(src, dst, []byte("hello"), capturetest.Link(link), capturetest.TTL(9), capturetest.TOS(0xb8), capturetest.IPID(77))
			var p capture.Packet
			if reason := decode.Decode(whole(link, b), &p); reason != capture.DropNone {
				t.Errorf("link %d, v6 %v: %v", link, v6, reason)
				continue
			}
			want := capture.FiveTuple{Src: src, Dst: dst, Proto: capture.ProtoUDP}
			if p.FiveTuple() != want || string(p.Payload) != "hello" || p.Truncated || p.HasVLAN {
				t.Errorf("link %d, v6 %v: %v %+v", link, v6, p.FiveTuple(), p)
			}
			if p.TTL != 9 || p.TOS != 0xb8 || (p.IPID == 77) == v6 || p.Wall != 11 || p.Mono != 22 || p.Port != 3 {
				t.Errorf("link %d, v6 %v: %+v", link, v6, p)
			}
		}
	}
}

func TestLinkReasons(t *testing.T) {
	v4 := capturetest.UDP(a4, b4, []byte("hello"), capturetest.Link(capture.LinkRaw))
	v6 := capturetest.UDP(a6, b6, []byte("hello"), capturetest.Link(capture.LinkRaw))
	with := func(header string, rest []byte) []byte { return append(unhex(t, header), rest...) }
	mac := "020000000002 020000000001 "
	tests := []struct {
		name string
		link capture.LinkType
		data []byte
		want capture.DropReason
	}{
		{"null little-endian", capture.LinkNull, with("02000000", v4), capture.DropNone},
		{"null big-endian", capture.LinkNull, with("00000002", v4), capture.DropNone},
		{"null NetBSD v6", capture.LinkNull, with("18000000", v6), capture.DropNone},
		{"null FreeBSD v6", capture.LinkNull, with("0000001c", v6), capture.DropNone},
		{"null Darwin v6", capture.LinkNull, with("1e000000", v6), capture.DropNone},
		{"null v4 said to be v6", capture.LinkNull, with("1e000000", v4), capture.DropIPVersion},
		{"null AppleTalk", capture.LinkNull, with("10000000", v4), capture.DropEtherType},
		{"loop", capture.LinkLoop, with("00000002", v4), capture.DropNone},
		{"loop in the wrong order", capture.LinkLoop, with("02000000", v4), capture.DropEtherType},
		{"raw neither", capture.LinkRaw, []byte{0x50}, capture.DropIPVersion},
		{"raw empty", capture.LinkRaw, nil, capture.DropIPShort},
		{"v6 on an IPv4 link", capture.LinkIPv4, v6, capture.DropIPVersion},
		{"v4 on an IPv6 link", capture.LinkIPv6, v4, capture.DropIPVersion},
		{"802.11", 105, v4, capture.DropLinkType},
		{"arp", capture.LinkEthernet, with(mac+"0806", v4), capture.DropARP},
		{"rarp", capture.LinkEthernet, with(mac+"8035", v4), capture.DropARP},
		{"mpls without end", capture.LinkEthernet, with(mac+"8847"+strings.Repeat("00010040", 16), v4), capture.DropMPLS},
		{"mpls multicast", capture.LinkEthernet, with(mac+"8848 00010140", v4), capture.DropNone},
		{"pppoe of another version", capture.LinkEthernet, with(mac+"8864", v4), capture.DropPPPoE},
		{"macsec", capture.LinkEthernet, with(mac+"88e5", v4), capture.DropMACsec},
		{"pppoe discovery", capture.LinkEthernet, with(mac+"8863", v4), capture.DropPPPoE},
		{"lldp", capture.LinkEthernet, with(mac+"88cc", v4), capture.DropEtherType},
		{"spanning tree", capture.LinkEthernet, with(mac+"0026 424203", v4), capture.DropLLC},
		{"cdp under SNAP", capture.LinkEthernet, with(mac+"0026 aaaa03 00000c 2000", v4), capture.DropLLC},
		{"arp under SNAP", capture.LinkEthernet, with(mac+"0026 aaaa03 000000 0806", v4), capture.DropLLC},
		{"IP under SNAP", capture.LinkEthernet, with(mac+"0029 aaaa03 000000 0800", v4), capture.DropNone},
		{"v6 said to be v4", capture.LinkEthernet, with(mac+"0800", v6), capture.DropIPVersion},
		{"v4 said to be v6", capture.LinkEthernet, with(mac+"86dd", v4), capture.DropIPVersion},
		{"sll arp", capture.LinkLinuxSLL, with("0000 0001 0006 0200000000010000 0806", v4), capture.DropARP},
		{"sll tagged", capture.LinkLinuxSLL, with("0000 0001 0006 0200000000010000 8100 0064 0800", v4), capture.DropNone},
		{"sll 802.2", capture.LinkLinuxSLL, with("0000 0001 0006 0200000000010000 0004 424203", v4), capture.DropLLC},
		{"sll2 tagged v6", capture.LinkLinuxSLL2, with("8100 0000 00000002 0001 00 06 0200000000010000 0064 86dd", v6), capture.DropNone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p capture.Packet
			if got := decode.Decode(whole(tt.link, tt.data), &p); got != tt.want {
				t.Fatalf("%v, want %v", got, tt.want)
			}
			if tt.want == capture.DropNone && string(p.Payload) != "hello" {
				t.Errorf("payload %q", p.Payload)
			}
		})
	}
}

func TestVLAN(t *testing.T) {
	tests := []struct {
		name     string
		tags     []uint16
		stripped bool
		tci      uint16
		has      bool
		vlan     uint16
		want     capture.DropReason
	}{
		{name: "none"},
		{name: "one", tags: []uint16{100}, has: true, vlan: 100},
		{name: "priority tag", tags: []uint16{0xa000}, has: true, vlan: 0},
		{name: "priority bits are not the id", tags: []uint16{0xb064}, has: true, vlan: 100},
		{name: "two: the innermost counts", tags: []uint16{7, 100}, has: true, vlan: 100},
		{name: "four", tags: []uint16{1, 2, 3, 4}, has: true, vlan: 4},
		{name: "eight", tags: []uint16{1, 2, 3, 4, 5, 6, 7, 8}, has: true, vlan: 8},
		{name: "nine", tags: []uint16{1, 2, 3, 4, 5, 6, 7, 8, 9}, want: capture.DropVLANDepth},
		{name: "stripped", stripped: true, tci: 0x2064, has: true, vlan: 100},
		{name: "stripped priority tag", stripped: true, tci: 0, has: true, vlan: 0},
		{name: "tci without the valid flag", tci: 100},
		{name: "stripped outer, inner in the frame", stripped: true, tci: 7, tags: []uint16{100}, has: true, vlan: 100},
		{name: "stripped and seven", stripped: true, tci: 7, tags: []uint16{1, 2, 3, 4, 5, 6, 9}, has: true, vlan: 9},
		{name: "stripped and eight", stripped: true, tci: 7, tags: []uint16{1, 2, 3, 4, 5, 6, 7, 8}, want: capture.DropVLANDepth},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := ether(capturetest.UDP(a4, b4, []byte("hello"), capturetest.VLAN(tt.tags...)))
			f.HasVLAN, f.VLANTCI, f.VLANTPID = tt.stripped, tt.tci, 0x8100
			var p capture.Packet
			if got := decode.Decode(f, &p); got != tt.want {
				t.Fatalf("%v, want %v", got, tt.want)
			}
			if p.HasVLAN != tt.has || p.VLAN != tt.vlan || p.HasVLAN != (p.Encap&capture.EncapVLAN != 0) && tt.want == capture.DropNone {
				t.Errorf("vlan %d (%v), want %d (%v)", p.VLAN, p.HasVLAN, tt.vlan, tt.has)
			}
		})
	}
	for _, tpid := range []uint16{0x8100, 0x88a8, 0x9100, 0x9200, 0x9300} {
		b := capturetest.UDP(a4, b4, []byte("hello"), capturetest.VLAN(5))
		binary.BigEndian.PutUint16(b[12:], tpid)
		var p capture.Packet
		if got := decode.Decode(ether(b), &p); got != capture.DropNone || p.VLAN != 5 {
			t.Errorf("tpid %#x: %v, vlan %d", tpid, got, p.VLAN)
		}
	}
}

// TestCutAtEveryLength cuts frames and checks which header is then missing.
// bounds says up to which length (exclusive) each answer holds.
func TestCutAtEveryLength(t *testing.T) {
	type until struct {
		n    int
		want capture.DropReason
	}
	ipv6Options := unhex(t, "020000000002 020000000001 86dd 60000000 0015 3c 40"+
		"20010db8000000000000000000000001 20010db8000000000000000000000002"+
		"1100010400000000 13c4 13c6 000d 0000 68656c6c6f")
	tcp := capturetest.TCP(a4, b4, capture.TCP{}, make([]byte, 30))
	sctp := capturetest.SCTP(a4, b4, 1, make([]byte, 30))
	fragment := capturetest.Fragments(capturetest.UDP(a4, b4, make([]byte, 300)), 100, 0)[1]
	fragment6 := capturetest.Fragments(capturetest.UDP(a6, b6, make([]byte, 300)), 100, 0)[0]
	options := capturetest.UDP(a4, b4, make([]byte, 30))
	options[14] = 0x47
	tests := []struct {
		name   string
		link   capture.LinkType
		data   []byte
		bounds []until
	}{
		{"ipv4", capture.LinkEthernet, capturetest.UDP(a4, b4, []byte("hello")),
			[]until{{14, capture.DropLinkShort}, {34, capture.DropIPShort}, {43, capture.DropUDPShort}, {48, capture.DropNone}}},
		{"qinq", capture.LinkEthernet, capturetest.UDP(a4, b4, []byte("hello"), capturetest.VLAN(1, 2)),
			[]until{{22, capture.DropLinkShort}, {42, capture.DropIPShort}, {51, capture.DropUDPShort}, {56, capture.DropNone}}},
		{"ipv6", capture.LinkRaw, capturetest.UDP(a6, b6, []byte("hello"), capturetest.Link(capture.LinkRaw)),
			[]until{{40, capture.DropIPShort}, {49, capture.DropUDPShort}, {54, capture.DropNone}}},
		{"ipv6 destination options", capture.LinkEthernet, ipv6Options,
			[]until{{14, capture.DropLinkShort}, {54, capture.DropIPShort}, {62, capture.DropIPv6Extension}, {71, capture.DropUDPShort}, {76, capture.DropNone}}},
		{"sll", capture.LinkLinuxSLL, capturetest.UDP(a4, b4, nil, capturetest.Link(capture.LinkLinuxSLL)),
			[]until{{16, capture.DropLinkShort}, {36, capture.DropIPShort}, {44, capture.DropUDPShort}, {45, capture.DropNone}}},
		{"sll2", capture.LinkLinuxSLL2, capturetest.UDP(a4, b4, nil, capturetest.Link(capture.LinkLinuxSLL2)),
			[]until{{20, capture.DropLinkShort}, {40, capture.DropIPShort}, {48, capture.DropUDPShort}, {49, capture.DropNone}}},
		{"tcp", capture.LinkEthernet, tcp,
			[]until{{14, capture.DropLinkShort}, {34, capture.DropIPShort}, {54, capture.DropTCPShort}, {len(tcp) + 1, capture.DropNone}}},
		{"sctp", capture.LinkEthernet, sctp,
			[]until{{14, capture.DropLinkShort}, {34, capture.DropIPShort}, {46, capture.DropSCTPShort}, {len(sctp) + 1, capture.DropNone}}},
		{"fragment", capture.LinkEthernet, fragment,
			[]until{{14, capture.DropLinkShort}, {34, capture.DropIPShort}, {len(fragment) + 1, capture.DropNone}}},
		{"ipv6 fragment", capture.LinkEthernet, fragment6,
			[]until{{14, capture.DropLinkShort}, {54, capture.DropIPShort}, {62, capture.DropIPv6Extension}, {len(fragment6) + 1, capture.DropNone}}},
		{"ipv4 options", capture.LinkEthernet, options,
			[]until{{14, capture.DropLinkShort}, {42, capture.DropIPShort}, {50, capture.DropUDPShort}, {len(options) + 1, capture.DropUDPLength}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.bounds
			for n := range len(tt.data) + 1 {
				for n >= b[0].n {
					b = b[1:]
				}
				for _, length := range []int{len(tt.data), n, 0} { // a mirror that shortens frames does not say so
					var p capture.Packet
					got := decode.Decode(&capture.Frame{Data: tt.data[:n:n], Length: length, Link: tt.link}, &p)
					if got != b[0].want {
						t.Fatalf("%d of %d octets: %v, want %v", n, len(tt.data), got, b[0].want)
					}
					if got == capture.DropNone && p.Truncated != (n < len(tt.data)) {
						t.Errorf("%d of %d octets: truncated %v", n, len(tt.data), p.Truncated)
					}
				}
			}
		})
	}
}

func TestDropLeavesPacketAlone(t *testing.T) {
	b := capturetest.UDP(a4, b4, []byte("hello"))
	for n := range 42 {
		p := capture.Packet{SrcPort: 1, Payload: []byte("old")}
		decode.Decode(ether(b[:n]), &p)
		if p.SrcPort != 1 || string(p.Payload) != "old" || p.Src != nil {
			t.Fatalf("cut at %d: %+v", n, p)
		}
	}
}

// TestEveryFieldSet: Decode assigns p's fields one by one, so a field added to
// capture.Packet could keep the last frame's value.
func TestEveryFieldSet(t *testing.T) {
	var old capture.Packet
	v := reflect.ValueOf(&old).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Slice:
			f.SetBytes([]byte("stale"))
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int64:
			f.SetInt(99)
		case reflect.Int:
			f.SetInt(99)
		case reflect.Uint8, reflect.Uint16, reflect.Uint32:
			f.SetUint(99)
		case reflect.Struct:
			switch f := f.Addr().Interface().(type) {
			case *capture.TCP:
				*f = capture.TCP{Seq: 1, Ack: 2, Window: 3, Flags: 4}
			case *capture.SCTP:
				f.VTag = 5
			case *capture.Ethernet:
				f.Src[5] = 6
			case *capture.Fragment:
				*f = capture.Fragment{ID: 1, Offset: 2, More: true, Valid: true}
			default:
				t.Fatalf("field %d is a %T", i, f)
			}
		default:
			t.Fatalf("field %d is a %v", i, f.Kind())
		}
	}
	for name, f := range map[string]*capture.Frame{
		"UDP, the plain way":   ether(capturetest.UDP(a4, b4, []byte("hello"))),
		"UDP, the general way": ether(capturetest.UDP(a6, b6, nil)),
		"TCP":                  ether(capturetest.TCP(a6, b6, capture.TCP{}, nil)),
		"SCTP":                 ether(capturetest.SCTP(a6, b6, 1, nil)),
		"fragment":             ether(capturetest.Fragments(capturetest.UDP(a6, b6, make([]byte, 300)), 100, 0)[0]),
	} {
		stale, fresh := old, capture.Packet{}
		if a, b := decode.Decode(f, &stale), decode.Decode(f, &fresh); a != b || a != capture.DropNone || !reflect.DeepEqual(stale, fresh) {
			t.Errorf("%s: %v %+v\n%v %+v", name, a, stale, b, fresh)
		}
	}
}

func TestAllocs(t *testing.T) {
	frames := []*capture.Frame{
		ether(capturetest.UDP(a4, b4, make([]byte, 172))),
		ether(capturetest.UDP(a6, b6, make([]byte, 172), capturetest.VLAN(1, 2))),
		ether(capturetest.UDP(a4, b4, make([]byte, 172))[:30]),
		whole(capture.LinkLinuxSLL, capturetest.UDP(a4, b4, nil, capturetest.Link(capture.LinkLinuxSLL))),
	}
	for _, inner := range inners() {
		frames = append(frames, ether(inner))
		for _, tun := range tunnels() {
			if tun.Fits(inner) {
				frames = append(frames, ether(tun.Wrap(inner)), ether(tun.Wrap(inner)[:60]))
			}
		}
	}
	var p capture.Packet
	data := capturetest.Tunnel{Kind: capturetest.KindVXLAN, ID: 1}.Wrap(capturetest.UDP(a4, b4, make([]byte, 172)))[34:]
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range frames {
			decode.Decode(f, &p)
		}
		p = capture.Packet{Protocol: capture.ProtoUDP, Payload: data, Length: len(data)}
		if decode.Resume(&p) != capture.DropNone {
			t.Fatal("not resumed")
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	rtp := capturetest.RTPPacket(0, 1, 160, 0xdecade, make([]byte, 160)) // 214 octets on Ethernet
	for _, bb := range []struct {
		name string
		f    *capture.Frame
	}{
		{"IPv4", ether(capturetest.UDP(a4, b4, rtp))},
		{"IPv6", ether(capturetest.UDP(a6, b6, rtp))},
		{"QinQ", ether(capturetest.UDP(a4, b4, rtp, capturetest.VLAN(1, 2)))},
		{"TCP", ether(capturetest.TCP(a4, b4, capture.TCP{}, rtp))},
		{"VXLAN", ether(capturetest.Tunnel{Kind: capturetest.KindVXLAN, ID: 1}.Wrap(capturetest.UDP(a4, b4, rtp)))},
		{"ERSPAN", ether(capturetest.Tunnel{Kind: capturetest.KindERSPAN2, ID: 1}.Wrap(capturetest.UDP(a4, b4, rtp)))},
		{"MPLS", ether(capturetest.Tunnel{Kind: capturetest.KindMPLSEthernet, ID: 1}.Wrap(capturetest.UDP(a4, b4, rtp)))},
		{"Cooked", whole(capture.LinkLinuxSLL, capturetest.UDP(a4, b4, rtp, capturetest.Link(capture.LinkLinuxSLL)))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var p capture.Packet
			for b.Loop() {
				if decode.Decode(bb.f, &p) != capture.DropNone {
					b.Fatal("not decoded")
				}
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for i, link := range links {
		src, dst := a4, b4
		if i%2 == 1 {
			src, dst = a6, b6
		}
		f.Add(uint16(link), capturetest.UDP(src, dst, []byte("hello"), capturetest.Link(link)), uint16(0), false)
	}
	for _, inner := range inners() {
		f.Add(uint16(1), inner, uint16(0), false)
	}
	for _, tun := range tunnels() {
		f.Add(uint16(1), tun.Wrap(capturetest.UDP(a6, b6, []byte("hello"))), uint16(0), false)
	}
	f.Add(uint16(1), capturetest.UDP(a4, b4, []byte("hello"), capturetest.VLAN(1, 2, 3)), uint16(20), true)
	for _, from := range []netip.AddrPort{a4, a6} {
		to := b4
		if from == a6 {
			to = b6
		}
		syn := capturetest.TCP(from, to, capture.TCP{Flags: capture.FlagSYN, MSS: 1460}, nil)
		f.Add(uint16(1), syn, uint16(0), false)
		f.Add(uint16(1), capturetest.Unreachable(to.Addr(), 3, syn), uint16(0), false)
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte, more uint16, stripped bool) {
		frame := &capture.Frame{Data: data, Length: len(data) + int(more), Link: capture.LinkType(link), HasVLAN: stripped}
		before := bytes.Clone(data)
		var p capture.Packet
		reason := decode.Decode(frame, &p)
		if !bytes.Equal(before, data) {
			t.Fatal("the frame was written to")
		}
		if reason >= capture.NumDropReasons {
			t.Fatalf("reason %d", reason)
		}
		if reason == capture.DropNone {
			checkView(t, data, &p)
		}
		if decode.Unreachable(frame, &p) {
			checkUnreachable(t, reason, &p)
		}
		for n := range data { // shorter never changes the answer, only hides it
			var cut capture.Packet
			got := decode.Decode(&capture.Frame{Data: data[:n:n], Length: frame.Length, Link: frame.Link, HasVLAN: stripped}, &cut)
			if got != reason && !isShort(got) {
				t.Fatalf("%v, but %v when cut to %d octets", reason, got, n)
			}
			if got == capture.DropNone && (!bytes.HasPrefix(p.Payload, cut.Payload) || len(cut.Payload) < len(p.Payload) && !cut.Truncated) {
				t.Fatalf("cut to %d octets: % x is no honest part of % x", n, cut.Payload, p.Payload)
			}
		}
	})
}

// checkView checks that p's views lie inside data, in the order of the layers.
func checkView(t *testing.T, data []byte, p *capture.Packet) {
	t.Helper()
	src, dst, payload := within(t, data, p.Src), within(t, data, p.Dst), within(t, data, p.Payload)
	if len(p.Src) != 4 && len(p.Src) != 16 || len(p.Src) != len(p.Dst) || dst != src+len(p.Src) || payload < dst+len(p.Dst) || p.Depth > capture.MaxEncaps {
		t.Fatalf("source at %d (%d octets), destination at %d, payload at %d, depth %d", src, len(p.Src), dst, payload, p.Depth)
	}
	if p.Fragment.Valid || len(p.Payload) == 0 {
		return
	}
	switch p.Protocol {
	case capture.ProtoUDP:
		payload -= udpHeader
	case capture.ProtoSCTP:
		payload -= sctpHeader
	case capture.ProtoTCP:
		return // options are between
	default:
		t.Fatalf("protocol %d", p.Protocol)
	}
	if payload < dst+len(p.Dst) || p.SrcPort != binary.BigEndian.Uint16(data[payload:]) {
		t.Fatalf("%+v", p)
	}
}

const udpHeader, sctpHeader = 8, 12

// within returns where view begins in data, of which it has to be a part with
// no spare capacity behind it.
func within(t *testing.T, data, view []byte) int {
	t.Helper()
	var off int
	if len(view) > 0 {
		for off = 0; off < len(data) && &data[off] != &view[0]; off++ {
		}
	} else {
		off = len(data)
	}
	if off+len(view) > len(data) || cap(view) != len(view) {
		t.Fatalf("a view of %d octets (capacity %d) is not inside the frame", len(view), cap(view))
	}
	return off
}
