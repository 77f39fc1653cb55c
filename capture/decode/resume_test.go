package decode_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
)

// join decodes fragments and puts them together, the way defrag does when none
// is missing. A frame alone is whole.
func join(t testing.TB, frames [][]byte) capture.Packet {
	t.Helper()
	whole := mustDecode(t, frames[0])
	if len(frames) == 1 {
		return whole
	}
	whole.Payload = slices.Clone(whole.Payload)
	for _, f := range frames[1:] {
		p := mustDecode(t, f)
		if !p.Fragment.Valid || int(p.Fragment.Offset) != len(whole.Payload) || p.Fragment.ID != whole.Fragment.ID || p.Tunnel != whole.Tunnel || p.Depth != whole.Depth {
			t.Fatalf("%+v behind %d octets of %+v", p.Fragment, len(whole.Payload), whole)
		}
		whole.Payload = append(whole.Payload, p.Payload...)
	}
	whole.Payload = slices.Clip(whole.Payload)
	whole.Length, whole.Fragment = len(whole.Payload), capture.Fragment{}
	return whole
}

// TestResume: fragments of a packet in any tunnel are decoded to what the frame
// is when it is whole.
func TestResume(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for name, inner := range inners() {
		for _, outer := range tunnels() {
			for _, middle := range tunnels() {
				if !middle.Fits(inner) || !outer.Fits(middle.Wrap(inner)) {
					continue
				}
				b := outer.Wrap(middle.Wrap(inner))
				if outer.Kind == capturetest.KindVNTag || outer.Kind == capturetest.KindETag || !isIP(b) {
					continue // nothing that could be fragmented
				}
				want := mustDecode(t, b)
				if want.Fragment.Valid && want.Depth == 0 {
					continue // a fragment already
				}
				p := join(t, capturetest.Fragments(b, 64+8*rng.IntN(20), 7))
				for n := 0; !reflect.DeepEqual(p, want); n++ {
					if p.Fragment.Valid || n == 1 {
						t.Fatalf("%s in %v in %v: %+v\nwant %+v", name, middle, outer, p, want)
					}
					if reason := decode.Resume(&p); reason != capture.DropNone {
						t.Fatalf("%s in %v in %v: %v", name, middle, outer, reason)
					}
				}
			}
		}
	}
}

// isIP says whether an Ethernet frame, tagged or not, carries IP.
func isIP(frame []byte) bool {
	return capturetest.Tunnel{Kind: capturetest.KindIPIP}.Fits(frame)
}

// TestResumeTwice: fragments in a tunnel whose packets were fragmented again.
func TestResumeTwice(t *testing.T) {
	inner := capturetest.UDP(a4, b4, make([]byte, 1000), capturetest.IPID(5), capturetest.VLAN(9))
	for _, tun := range []capturetest.Tunnel{
		{Kind: capturetest.KindVXLAN, ID: 12}, {Kind: capturetest.KindGRE, ID: 13}, {Kind: capturetest.KindIPIP}, {Kind: capturetest.KindGTP, ID: 1},
	} {
		var parts []capture.Packet
		for i, f := range capturetest.Fragments(inner, 400, 0) {
			p := join(t, capturetest.Fragments(tun.Wrap(f), 200, uint32(i+1)))
			if reason := decode.Resume(&p); reason != capture.DropNone || !p.Fragment.Valid || p.Fragment.ID != 5 || p.Depth != 1 {
				t.Fatalf("%v: %v, %+v", tun, reason, p)
			}
			parts = append(parts, p)
		}
		whole := parts[0]
		whole.Payload = nil
		for _, p := range parts {
			if int(p.Fragment.Offset) != len(whole.Payload) {
				t.Fatalf("%v: a fragment at %d behind %d octets", tun, p.Fragment.Offset, len(whole.Payload))
			}
			whole.Payload = append(whole.Payload, p.Payload...)
		}
		whole.Payload = slices.Clip(whole.Payload)
		whole.Length, whole.Fragment = len(whole.Payload), capture.Fragment{}
		if reason := decode.Resume(&whole); reason != capture.DropNone {
			t.Fatalf("%v: %v", tun, reason)
		}
		if want := mustDecode(t, tun.Wrap(inner)); !reflect.DeepEqual(whole, want) {
			t.Errorf("%v: %+v\nwant %+v", tun, whole, want)
		}
	}
}

// TestResumeDepth: fragments do not get around the limit.
func TestResumeDepth(t *testing.T) {
	tun := capturetest.Tunnel{Kind: capturetest.KindGRE, ID: 5}
	for n := 1; n <= capture.MaxEncaps+1; n++ {
		b := capturetest.UDP(a4, b4, make([]byte, 200))
		for range n {
			b = tun.Wrap(b)
		}
		p := join(t, capturetest.Fragments(b, 100, 1))
		want := capture.DropNone
		if n > capture.MaxEncaps {
			want = capture.DropTunnelDepth
		}
		if reason := decode.Resume(&p); reason != want {
			t.Errorf("%d deep: %v", n, reason)
		}
	}
	p := capture.Packet{Src: make([]byte, 4), Dst: make([]byte, 4), Protocol: 4, Depth: capture.MaxEncaps,
		Payload: capturetest.UDP(a4, b4, nil, capturetest.Link(capture.LinkRaw))}
	if reason := decode.Resume(&p); reason != capture.DropTunnelDepth {
		t.Errorf("tunnel at the limit: %v", reason)
	}
}

// TestResumeTruncated: what is missing at the end of a datagram is its end, and
// no contradiction.
func TestResumeTruncated(t *testing.T) {
	sip := []byte("INVITE sip:a@b SIP/2.0\r\n" + strings.Repeat("X-Long: header\r\n", 20) + "\r\n")
	udp := capturetest.UDP(a4, b4, sip, capturetest.Link(capture.LinkRaw))[20:]
	vxlan := capturetest.Tunnel{Kind: capturetest.KindVXLAN, ID: 1}.Wrap(capturetest.UDP(a4, b4, sip))[34:]
	tcp := capturetest.TCP(a4, b4, capture.TCP{Seq: 9}, sip, capturetest.Link(capture.LinkRaw))[20:]
	sctp := capturetest.SCTP(a4, b4, 1, capturetest.SCTPData(3, 1, 2, 3, 4, sip), capturetest.Link(capture.LinkRaw))[20:]
	for _, tt := range []struct {
		name     string
		protocol uint8
		data     []byte
		length   int // of what is left, when all is known of it
		unknown  int // when the fragments behind the cut were never seen
	}{
		{"UDP", 17, udp, len(sip), len(sip)},
		{"VXLAN", 17, vxlan, len(sip), len(sip)},
		{"TCP", 6, tcp, len(sip), 200 - 20},
		{"SCTP", 132, sctp, len(sctp) - 12, 200 - 12},
	} {
		for _, known := range []bool{true, false} {
			p := capture.Packet{Src: make([]byte, 4), Dst: make([]byte, 4), Protocol: tt.protocol, Payload: tt.data[:200:200], Length: 200, Truncated: true}
			want := tt.unknown
			if known {
				p.Length, want = len(tt.data), tt.length
			}
			if reason := decode.Resume(&p); reason != capture.DropNone || !p.Truncated || p.Length != want {
				t.Errorf("%s, %v: %v, %d octets, want %d, truncated %v", tt.name, known, reason, p.Length, want, p.Truncated)
			}
		}
	}
	p := capture.Packet{Src: make([]byte, 4), Dst: make([]byte, 4), Protocol: 17, Payload: udp[:200:200], Length: 200}
	if reason := decode.Resume(&p); reason != capture.DropUDPLength {
		t.Errorf("a whole one whose UDP length is wrong: %v", reason)
	}
}

// TestResumeReasons: what fragments turn out to be that is not decoded.
func TestResumeReasons(t *testing.T) {
	udp := "13c4 13c6 000d 0000 68656c6c6f"
	for _, tt := range []struct {
		name     string
		size     int // of addresses
		protocol uint8
		payload  string
		want     capture.DropReason
		unknown  uint16
	}{
		{"UDP", 4, 17, udp, capture.DropNone, 0},
		{"UDP behind destination options (RFC 8200 4.6)", 16, 60, "11 00 010400000000" + udp, capture.DropNone, 0},
		{"no UDP header", 4, 17, "13c4", capture.DropUDPShort, 0},
		{"nothing", 4, 17, "", capture.DropUDPShort, 0},
		{"a fragment of a fragment (RFC 8200 4.5: one fragment header)", 16, 44, "11 00 0001 12345678" + udp, capture.DropIPv6Extension, 0},
		{"an atomic fragment of one", 16, 44, "11 00 0000 12345678" + udp, capture.DropNone, 0},
		{"ICMP", 4, 1, udp, capture.DropICMP, 0},
		{"OSPF", 4, 89, udp, capture.DropIPProtocol, 89},
		{"ESP", 16, 50, udp, capture.DropESP, 0},
	} {
		p := capture.Packet{Src: make([]byte, tt.size), Dst: make([]byte, tt.size), Protocol: tt.protocol, Payload: unhex(t, tt.payload), Unknown: 9}
		p.Length = len(p.Payload)
		if reason := decode.Resume(&p); reason != tt.want || p.Unknown != tt.unknown {
			t.Errorf("%s: %v, %d", tt.name, reason, p.Unknown)
		}
	}
}

// FuzzResume: any octets may turn out to have been fragmented.
func FuzzResume(f *testing.F) {
	for _, tun := range tunnels() {
		if b := tun.Wrap(capturetest.UDP(a6, b6, []byte("hello"))); b[12] == 8 {
			f.Add(b[34:], b[23], false, uint8(0), uint16(0))
		} else if b[12] == 0x86 {
			f.Add(b[54:], b[20], true, uint8(2), uint16(7))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, protocol uint8, v6 bool, depth uint8, more uint16) {
		size := 4
		if v6 {
			size = 16
		}
		depth %= capture.MaxEncaps + 1
		data = slices.Clip(data)
		p := capture.Packet{Src: make([]byte, size), Dst: make([]byte, size), Protocol: protocol, Depth: depth, Payload: data,
			Length: len(data) + int(more), Truncated: more > 0}
		if reason := decode.Resume(&p); reason != capture.DropNone {
			if reason >= capture.NumDropReasons {
				t.Fatalf("reason %d", reason)
			}
			return
		}
		within(t, data, p.Payload)
		if p.Depth < depth || p.Depth > capture.MaxEncaps || p.Fragment.Valid && p.Depth == depth || p.Length < len(p.Payload) {
			t.Fatalf("%+v", p)
		}
	})
}
