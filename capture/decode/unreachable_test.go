package decode_test

import (
	"net/netip"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
)

func checkUnreachable(t *testing.T, reason capture.DropReason, p *capture.Packet) {
	t.Helper()
	size := len(p.Src)
	if reason != capture.DropICMP || p.Protocol != capture.ProtoICMP || size != 4 && size != 16 || len(p.Dst) != size || len(p.Payload) != 0 ||
		size == 4 && p.Unknown>>8 != 3 || size == 16 && p.Unknown>>8 != 1 {
		t.Fatalf("%v: %+v", reason, p)
	}
}

func TestUnreachable(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b netip.AddrPort
		icmp uint16
	}{
		{"IPv4", a4, b4, 0x0303},
		{"IPv6", a6, b6, 0x0103},
	} {
		t.Run(tt.name, func(t *testing.T) {
			syn := capturetest.TCP(tt.a, tt.b, capture.TCP{Seq: 0xfffffff0, Flags: capture.FlagSYN, MSS: 1460}, nil)
			frame := capturetest.Unreachable(tt.b.Addr(), 3, syn)
			var p capture.Packet
			if reason := decode.Decode(ether(frame), &p); reason != capture.DropICMP {
				t.Fatal(reason)
			}
			f := ether(frame)
			f.Wall, f.Mono, f.Port = 7, 8, 2
			if !decode.Unreachable(f, &p) {
				t.Fatal("not read")
			}
			checkUnreachable(t, capture.DropICMP, &p)
			if got := p.FiveTuple(); got.Src != tt.a || got.Dst != tt.b || p.TCP != (capture.TCP{Seq: 0xfffffff0}) || p.Unknown != tt.icmp ||
				p.Wall != 7 || p.Mono != 8 || p.Port != 2 {
				t.Errorf("%v %+v", got, p)
			}
			for n := range frame {
				if decode.Unreachable(&capture.Frame{Data: frame[:n], Length: len(frame), Link: capture.LinkEthernet}, &p) {
					t.Errorf("read of %d octets", n)
				}
			}
		})
	}
	var p capture.Packet
	for name, frame := range map[string][]byte{
		"a datagram is none of ours": capturetest.Unreachable(b4.Addr(), 3, capturetest.UDP(a4, b4, []byte("hello"))),
		"no ICMP at all":             capturetest.TCP(a4, b4, capture.TCP{}, nil),
	} {
		if decode.Unreachable(ether(frame), &p) {
			t.Error(name)
		}
	}
	echo := capturetest.Unreachable(b4.Addr(), 3, capturetest.TCP(a4, b4, capture.TCP{}, nil))
	echo[14+20] = 8
	if decode.Unreachable(ether(echo), &p) {
		t.Error("an echo request")
	}
}

// TestMSS reads the option (RFC 9293 3.2) among others, and of SYNs only.
func TestMSS(t *testing.T) {
	for _, tt := range []struct {
		options string
		flags   uint8
		want    uint16
	}{
		{"02 04 05b4", capture.FlagSYN, 1460},
		{"01 01 03 03 07 02 04 05b4 00", capture.FlagSYN | capture.FlagACK, 1460},
		{"02 04 05b4", capture.FlagACK, 0},
		{"00 00 00 00 02 04 05b4", capture.FlagSYN, 0}, // behind the end of the list
		{"03 00 02 04 05b4 00 00", capture.FlagSYN, 0}, // a length that leads nowhere
		{"02 05 05b4 00 00 00 00", capture.FlagSYN, 0},
		{"01 01 02 04", capture.FlagSYN, 0},
		{"", capture.FlagSYN, 0},
	} {
		frame := capturetest.TCP(a4, b4, capture.TCP{Flags: tt.flags}, nil)
		options := unhex(t, tt.options)
		options = append(options, make([]byte, -len(options)&3)...)
		frame = append(frame, options...)
		frame[14+20+12] = byte(5+len(options)/4) << 4
		frame[14+3] += byte(len(options))
		var p capture.Packet
		if reason := decode.Decode(ether(frame), &p); reason != capture.DropNone || p.TCP.MSS != tt.want {
			t.Errorf("%s: %v, %d", tt.options, reason, p.TCP.MSS)
		}
	}
	var p capture.Packet
	if decode.Decode(ether(capturetest.TCP(a6, b6, capture.TCP{Flags: capture.FlagSYN, MSS: 1220}, nil)), &p); p.TCP.MSS != 1220 {
		t.Error(p.TCP.MSS)
	}
}
