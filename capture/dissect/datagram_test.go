package dissect_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/dissect"
)

var (
	a = netip.MustParseAddrPort("192.0.2.1:5060")
	b = netip.MustParseAddrPort("192.0.2.2:5062")
)

func stun(attributes string) []byte {
	m := []byte{0, 1, 0, byte(len(attributes)), 0x21, 0x12, 0xa4, 0x42}
	return append(append(m, "transaction!"...), attributes...)
}

// hep returns a HEP3 packet whose payload chunk is the given one.
func hep(payload []byte) []byte {
	m := append([]byte("HEP3"), 0, 0, 0, 0, 0, 15)
	m = append(binary.BigEndian.AppendUint16(m, uint16(6+len(payload))), payload...)
	binary.BigEndian.PutUint16(m[4:], uint16(len(m)))
	return m
}

func TestDatagram(t *testing.T) {
	rtpPacket := capturetest.RTPPacket(8, 1, 160, 7, make([]byte, 160))
	with := func(b []byte, off int, v byte) []byte {
		b = bytes.Clone(b)
		b[off] = v
		return b
	}
	rtcpPacket := capturetest.RTCPPacket(7, 1<<40, 160, 1, 160, "host@192.0.2.1")
	invite := capturetest.SIPCall(capturetest.Call{Caller: a, Callee: b, CallerMedia: a, CalleeMedia: b})[0].Payload
	tests := []struct {
		name      string
		payload   []byte
		truncated bool
		want      capture.Protocol
	}{
		{name: "rtp", payload: rtpPacket, want: capture.RTP},
		{name: "rtp with marker", payload: with(rtpPacket, 1, 0x88), want: capture.RTP},
		{name: "rtp of its header alone", payload: rtpPacket[:12], want: capture.RTP},
		{name: "rtp header cut", payload: rtpPacket[:11], want: capture.Unknown},
		{name: "rtp whose CSRCs do not fit", payload: with(rtpPacket, 0, 0x8f)[:71], want: capture.Unknown},
		{name: "rtp whose CSRCs fit", payload: with(rtpPacket, 0, 0x8f)[:72], want: capture.RTP},
		{name: "rtp whose extension does not fit", payload: with(rtpPacket, 0, 0x90)[:15], want: capture.Unknown},
		{name: "srtp with padding", payload: with(with(rtpPacket, 0, 0xa0), 171, 255), want: capture.RTP},
		{name: "rtp cut by the capture", payload: rtpPacket[:20], truncated: true, want: capture.RTP},
		{name: "rtp of version 1", payload: with(rtpPacket, 0, 0x40), want: capture.Unknown},
		{name: "rtp of version 3", payload: with(rtpPacket, 0, 0xc0), want: capture.Unknown},
		{name: "rtcp", payload: rtcpPacket, want: capture.RTCP},
		{name: "rtcp with a wrong length", payload: with(rtcpPacket, 3, 90), want: capture.Unknown},
		{name: "rtcp cut by the capture", payload: rtcpPacket[:20], truncated: true, want: capture.Unknown},
		{name: "rtp in RTCP's range", payload: with(rtpPacket, 1, 200), want: capture.Unknown},
		{name: "rtp below RTCP's range", payload: with(rtpPacket, 1, 191), want: capture.RTP},
		{name: "rtp above RTCP's range", payload: with(rtpPacket, 1, 224), want: capture.RTP},
		{name: "sip request", payload: invite, want: capture.SIP},
		{name: "sip response", payload: []byte("SIP/2.0 200 OK\r\nCall-ID: 1\r\n\r\n"), want: capture.SIP},
		{name: "sip after keep-alives", payload: append([]byte("\r\n\r\n"), invite...), want: capture.SIP},
		{name: "sip of a method that begins with a digit", payload: []byte("1NVITE sip:bob@example.com SIP/2.0\r\nCall-ID: 1\r\n\r\n"), want: capture.SIP},
		{name: "sip cut by the capture", payload: invite[:60], truncated: true, want: capture.SIP},
		{name: "http", payload: []byte("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"), want: capture.Unknown},
		{name: "ssdp", payload: []byte("NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\n\r\n"), want: capture.Unknown},
		{name: "syslog about sip", payload: []byte("<13>proxy: INVITE sip:bob@example.com SIP/2.0\r\n"), want: capture.Unknown},
		{name: "hep", payload: hep(invite), want: capture.Unknown},
		{name: "hep that would pass for a start line", payload: []byte("HEP3 sip:x SIP/2.0\r\nCall-ID: 1\r\n\r\n"), want: capture.Unknown},
		{name: "hep version 2", payload: append([]byte{2, 28, 2, 17}, invite...), want: capture.Unknown},
		{name: "crlf", payload: []byte("\r\n"), want: capture.KeepAlive},
		{name: "double crlf", payload: []byte("\r\n\r\n"), want: capture.KeepAlive},
		{name: "nothing", want: capture.KeepAlive},
		{name: "nothing captured", truncated: true, want: capture.Unknown},
		{name: "front of something", payload: []byte("\r\n"), truncated: true, want: capture.Unknown},
		{name: "nulls", payload: make([]byte, 4), want: capture.KeepAlive},
		{name: "stun", payload: stun(""), want: capture.STUN},
		{name: "stun with an attribute", payload: stun("\x80\x22\x00\x04test"), want: capture.STUN},
		{name: "stun without cookie", payload: with(stun(""), 4, 0), want: capture.Unknown},
		{name: "stun with the upper bits set", payload: with(stun(""), 0, 0x40), want: capture.Unknown},
		{name: "stun with a length not of words", payload: stun("abc"), want: capture.Unknown},
		{name: "stun too short", payload: with(stun(""), 3, 4), want: capture.Unknown},
		{name: "stun too long", payload: with(stun("abcd"), 3, 0), want: capture.Unknown},
		{name: "stun cut by the capture", payload: with(stun(""), 3, 4), truncated: true, want: capture.STUN},
		{name: "dtls", payload: append([]byte{22, 254, 253}, make([]byte, 100)...), want: capture.Unknown},
		{name: "turn channel data", payload: append([]byte{0x40, 0, 0, 172}, rtpPacket...), want: capture.Unknown},
		{name: "quic", payload: append([]byte{0xc3, 0, 0, 0, 1}, make([]byte, 1200)...), want: capture.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, port := range []uint16{5060, 40000} { // ports decide nothing
				p := capture.Packet{Payload: tt.payload, Truncated: tt.truncated, SrcPort: port, DstPort: port}
				if got := dissect.Datagram(&p); got != tt.want {
					t.Errorf("port %d: %v, want %v", port, got, tt.want)
				}
			}
		})
	}
}

func packets() map[string]*capture.Packet {
	invite := capturetest.SIPCall(capturetest.Call{Caller: a, Callee: b, CallerMedia: a, CalleeMedia: b})[0].Payload
	return map[string]*capture.Packet{
		"RTP":       {Payload: capturetest.RTPPacket(8, 1, 160, 7, make([]byte, 160))},
		"RTCP":      {Payload: capturetest.RTCPPacket(7, 1<<40, 160, 1, 160, "host@192.0.2.1")},
		"SIP":       {Payload: invite},
		"STUN":      {Payload: stun("")},
		"KeepAlive": {Payload: []byte("\r\n\r\n")},
		"Unknown":   {Payload: []byte(strings.Repeat("no protocol of ours", 60))},
	}
}

func TestAllocs(t *testing.T) {
	for name, p := range packets() {
		if n := testing.AllocsPerRun(100, func() { dissect.Datagram(p) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkDatagram(b *testing.B) {
	for name, p := range packets() {
		want := dissect.Datagram(p)
		if !strings.EqualFold(fmt.Sprint(want), name) {
			b.Fatalf("%s is %v", name, want)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if dissect.Datagram(p) != want {
					b.Fatal("changed")
				}
			}
		})
	}
}

func FuzzDatagram(f *testing.F) {
	for _, p := range packets() {
		f.Add(p.Payload, false)
	}
	f.Add(hep([]byte("SIP/2.0 200 OK\r\n\r\n")), true)
	f.Fuzz(func(t *testing.T, payload []byte, truncated bool) {
		before := bytes.Clone(payload)
		p := capture.Packet{Payload: payload, Truncated: truncated}
		got := dissect.Datagram(&p)
		if !bytes.Equal(before, payload) || got >= capture.NumProtocols {
			t.Fatalf("protocol %d", got)
		}
		var first byte
		if len(payload) > 0 {
			first = payload[0]
		}
		switch got {
		case capture.RTP, capture.RTCP:
			if first>>6 != 2 || (payload[1] >= 192 && payload[1] <= 223) != (got == capture.RTCP) {
				t.Fatalf("%v begins with % x", got, payload[:2])
			}
		case capture.STUN:
			if len(payload) < 20 || first>>6 != 0 {
				t.Fatal("no STUN header")
			}
		case capture.SIP:
			// Cut behind its start line it is still SIP.
			end := bytes.IndexByte(bytes.TrimLeft(payload, "\r\n"), '\n') + 1 + len(payload) - len(bytes.TrimLeft(payload, "\r\n"))
			if cut := (capture.Packet{Payload: payload[:end], Truncated: true}); dissect.Datagram(&cut) != capture.SIP {
				t.Fatalf("%q is no longer SIP when cut to %d octets", payload, end)
			}
		case capture.KeepAlive:
			if truncated {
				t.Fatal("a keep-alive of which a part is missing")
			}
		}
	})
}
