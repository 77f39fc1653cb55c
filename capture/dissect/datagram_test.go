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
		{name: "hep", payload: hep(invite), want: capture.HEP},
		{name: "hep that would pass for a start line", payload: []byte("HEP3 sip:x SIP/2.0\r\nCall-ID: 1\r\n\r\n"), want: capture.HEP},
		{name: "hep version 1", payload: append([]byte{1, 16, 2, 17, 15: 0}, invite...), want: capture.HEP},
		{name: "hep version 1, IPv6", payload: append([]byte{1, 40, 10, 6, 39: 0}, invite...), want: capture.HEP},
		{name: "hep version 2, its length as sngrep writes it", payload: append([]byte{2, 99, 2, 17, 27: 0}, invite...), want: capture.HEP},
		{name: "hep version 2 of something else", payload: append([]byte{2, 28, 2, 17, 27: 0}, rtcpPacket...), want: capture.Unknown},
		{name: "hep version 2 of no family", payload: append([]byte{2, 28, 3, 17, 27: 0}, invite...), want: capture.Unknown},
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
		{name: "dtls handshake (RFC 6347 4.1)", payload: append([]byte{22, 254, 253, 8: 0, 12: 87}, make([]byte, 87)...), want: capture.DTLS},
		{name: "dtls of two records", payload: append([]byte{20, 254, 255, 8: 0, 12: 1}, make([]byte, 50)...), want: capture.DTLS},
		{name: "dtls cut by the capture", payload: append([]byte{22, 254, 253, 8: 0, 12: 87}, make([]byte, 7)...), truncated: true, want: capture.DTLS},
		{name: "dtls longer than its datagram", payload: append([]byte{22, 254, 253, 8: 0, 12: 87}, make([]byte, 86)...), want: capture.Unknown},
		{name: "dtls of an empty record", payload: append([]byte{22, 254, 253}, make([]byte, 100)...), want: capture.Unknown},
		{name: "zrtp (RFC 6189 5)", payload: append([]byte("\x10\x00\x00\x01ZRTP\x00\x00\x00\x07\x50\x5a\x00\x03Hello   "), make([]byte, 8)...), want: capture.ZRTP},
		{name: "zrtp of another cookie", payload: append([]byte("\x10\x00\x00\x01ZRTQ\x00\x00\x00\x07\x50\x5a\x00\x03Hello   "), make([]byte, 8)...), want: capture.Unknown},
		{name: "turn channel data (RFC 8656 12.4)", payload: append([]byte{0x40, 0, 0, 172}, rtpPacket...), want: capture.TURN},
		{name: "turn channel data, padded (12.5)", payload: append(append([]byte{0x4f, 0xff, 0, 170}, rtpPacket[:170]...), 0, 0), want: capture.TURN},
		{name: "turn channel data, too long", payload: append(append([]byte{0x40, 0, 0, 172}, rtpPacket...), 0, 0, 0, 0), want: capture.Unknown},
		{name: "turn channel data, too short", payload: append([]byte{0x40, 0, 0, 173}, rtpPacket...), want: capture.Unknown},
		{name: "turn channel data cut by the capture", payload: append([]byte{0x40, 0, 0, 172}, rtpPacket[:40]...), truncated: true, want: capture.TURN},
		{name: "turn channel out of range", payload: append([]byte{0x50, 0, 0, 172}, rtpPacket...), want: capture.Unknown},
		{name: "udptl indicator (T.38 annex A)", payload: []byte{0, 0, 1, 0x06, 0, 0}, want: capture.UDPTL},
		{name: "udptl data with an older packet", payload: []byte{0, 7, 5, 0xc0, 1, 0x80, 0, 0x0f, 0, 1, 1, 0x06}, want: capture.UDPTL},
		{name: "udptl with FEC", payload: []byte{0, 9, 3, 0xc6, 1, 2, 0x80, 1, 3, 1, 3, 7, 7, 7}, want: capture.UDPTL},
		{name: "udptl with an octet over", payload: []byte{0, 0, 1, 0x06, 0, 0, 0}, want: capture.Unknown},
		{name: "udptl with an empty older packet", payload: []byte{0, 0, 1, 0x06, 0, 1, 0}, want: capture.Unknown},
		{name: "udptl of an indicator that has data", payload: []byte{0, 0, 3, 0x86, 1, 1, 0, 0}, want: capture.Unknown},
		{name: "udptl cut by the capture", payload: []byte{0, 0, 1, 0x06, 0, 0}, truncated: true, want: capture.Unknown},
		{name: "dns", payload: []byte("\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"), want: capture.Unknown},
		{name: "quic", payload: append([]byte{0xc3, 0, 0, 0, 1}, make([]byte, 1200)...), want: capture.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Ports decide nothing, but give the unknown a name.
			for _, port := range []uint16{5060, 5061, 40000} {
				want := tt.want
				if port != 40000 && want == capture.Unknown && !tt.truncated {
					want = capture.NotSIP
				}
				for _, p := range []capture.Packet{{SrcPort: port, DstPort: 40000}, {SrcPort: 40000, DstPort: port}} {
					p.Payload, p.Truncated = tt.payload, tt.truncated
					if got := dissect.Datagram(&p, 0); got != want {
						t.Errorf("port %d: %v, want %v", port, got, want)
					}
				}
			}
		})
	}
}

// indication builds a STUN message with an XOR-PEER-ADDRESS of 192.0.2.1:40000
// and DATA (RFC 8656 18).
func indication(typ byte, data []byte) []byte {
	attributes := "\x00\x12\x00\x08\x00\x01" + string([]byte{40000>>8 ^ 0x21, 40000&0xff ^ 0x12, 192 ^ 0x21, 0 ^ 0x12, 2 ^ 0xa4, 1 ^ 0x42})
	attributes += string(binary.BigEndian.AppendUint16([]byte("\x00\x13"), uint16(len(data)))) + string(data)
	for len(attributes)%4 != 0 {
		attributes += "\x00"
	}
	m := stun("")
	m[1] = typ
	binary.BigEndian.PutUint16(m[2:], uint16(len(attributes)))
	return append(m, attributes...)
}

func TestUnwrap(t *testing.T) {
	rtpPacket := capturetest.RTPPacket(8, 1, 160, 7, make([]byte, 157))
	rtcpPacket := capturetest.RTCPPacket(7, 1<<40, 160, 1, 160, "host@192.0.2.1")
	channel := func(data []byte) []byte {
		b := append(binary.BigEndian.AppendUint16([]byte{0x40, 1}, uint16(len(data))), data...)
		return append(b, make([]byte, -len(b)&3)...)
	}
	for _, tt := range []struct {
		name    string
		payload []byte
		cut     int // octets the capture cut off
		want    capture.Protocol
		inner   []byte
		length  int
	}{
		{"rtp in channel data", channel(rtpPacket), 0, capture.RTP, rtpPacket, len(rtpPacket)},
		{"rtcp in channel data", channel(rtcpPacket), 0, capture.RTCP, rtcpPacket, len(rtcpPacket)},
		{"rtp in channel data, cut", channel(rtpPacket), 103, capture.RTP, rtpPacket[:69], len(rtpPacket)},
		{"rtp in a Send indication", indication(0x16, rtpPacket), 0, capture.RTP, rtpPacket, len(rtpPacket)},
		{"rtp in a Data indication", indication(0x17, rtpPacket), 0, capture.RTP, rtpPacket, len(rtpPacket)},
		{"rtp in a Data indication, cut", indication(0x17, rtpPacket), 100, capture.RTP, rtpPacket[:72], len(rtpPacket)},
		{"stun in channel data: a check (RFC 8445 7)", channel(stun("")), 0, capture.STUN, stun(""), 20},
		{"something in channel data", channel([]byte("something")), 0, capture.Unknown, nil, 0},
		{"channel data in channel data", channel(channel(rtpPacket)), 0, capture.Unknown, nil, 0},
		{"nothing in channel data", channel(nil), 0, capture.Unknown, nil, 0},
		{"a binding request", stun(""), 0, capture.Unknown, nil, 0},
		{"an indication without data", stun("\x80\x22\x00\x04test"), 0, capture.Unknown, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.payload[:len(tt.payload)-tt.cut]
			p := capture.Packet{Payload: b, Length: len(tt.payload), Truncated: tt.cut > 0, SrcPort: 3478}
			if outer := dissect.Datagram(&p, 0); outer != capture.TURN && outer != capture.STUN {
				t.Fatal("outside it is", outer)
			}
			got := dissect.Unwrap(&p)
			if got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			want := capture.Packet{Payload: tt.inner, Length: tt.length, Truncated: tt.length > len(tt.inner)}
			if tt.want == capture.Unknown {
				want = capture.Packet{Payload: b, Length: len(tt.payload), Truncated: tt.cut > 0}
			}
			if !bytes.Equal(p.Payload, want.Payload) || p.Length != want.Length || p.Truncated != want.Truncated || p.SrcPort != 3478 {
				t.Errorf("%d octets of %d, truncated %v; want %d of %d, %v", len(p.Payload), p.Length, p.Truncated, len(want.Payload), want.Length, want.Truncated)
			}
		})
	}
	if peer, ok := dissect.Peer(indication(0x17, rtpPacket)); !ok || peer != netip.MustParseAddrPort("192.0.2.1:40000") {
		t.Errorf("peer %v, %v", peer, ok)
	}
	if peer, ok := dissect.Peer(stun("\x00\x12\x00\x14\x00\x02\x21\x12\x01\x13\xa9\xfatransaction?")); !ok || !peer.Addr().Is6() || peer.Port() != 0 {
		t.Errorf("peer %v, %v", peer, ok) // RFC 8489 14.2
	}
	for _, bad := range []string{"", "\x00\x12\x00\x04\x00\x01\x00\x00", "\x00\x12\x00\x08\x00\x03\x00\x00\x00\x00\x00\x00"} {
		if peer, ok := dissect.Peer(stun(bad)); ok {
			t.Errorf("%q: peer %v", bad, peer)
		}
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
		"TURN":      {Payload: append([]byte{0x40, 0, 0, 172}, capturetest.RTPPacket(8, 1, 160, 7, make([]byte, 160))...)},
		"UDPTL":     {Payload: []byte{0, 7, 5, 0xc0, 1, 0x80, 0, 0x0f, 0, 1, 1, 0x06}},
		"Unknown":   {Payload: []byte(strings.Repeat("no protocol of ours", 60))},
	}
}

func TestAllocs(t *testing.T) {
	for name, p := range packets() {
		if n := testing.AllocsPerRun(100, func() { dissect.Datagram(p, 0); q := *p; dissect.Unwrap(&q) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkDatagram(b *testing.B) {
	for name, p := range packets() {
		want := dissect.Datagram(p, 0)
		if !strings.EqualFold(fmt.Sprint(want), name) {
			b.Fatalf("%s is %v", name, want)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if dissect.Datagram(p, 0) != want {
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
	f.Add(indication(0x17, packets()["RTP"].Payload), false)
	f.Add(append([]byte{22, 254, 253, 8: 0, 12: 87}, make([]byte, 87)...), false)
	for _, s := range []string{"<14>text", ngOffer, proxyLook, ":uptime:\n", `{"jsonrpc":"2.0","method":"uptime"}`, "\x80" + dnsQuery} {
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, payload []byte, truncated bool) {
		before := bytes.Clone(payload)
		p := capture.Packet{Payload: payload, Truncated: truncated}
		got := dissect.Datagram(&p, 0)
		if !bytes.Equal(before, payload) || got >= capture.NumProtocols {
			t.Fatalf("protocol %d", got)
		}
		if beside := dissect.Datagram(&p, everything); beside != got && got != capture.Unknown {
			t.Fatalf("%v is %v when more is looked for", got, beside)
		}
		for _, also := range []dissect.Beside{dissect.Logs, dissect.Lookups, dissect.Control, dissect.Commands} {
			q := capture.Packet{Payload: payload, Truncated: truncated, DstPort: 53}
			dissect.Datagram(&q, also)
			q.DstPort = 514
			if proto := dissect.Datagram(&q, also); proto == capture.Syslog && (also != dissect.Logs || payload[0] < ' ' || payload[0] > '~') {
				t.Fatalf("a log, asked for %04b, begins with %q", also, payload[:1])
			}
		}
		inner := p
		dissect.Peer(payload)
		switch dissect.Unwrap(&inner) {
		case capture.Unknown:
			if len(inner.Payload) != len(payload) || inner.Truncated != truncated {
				t.Fatal("changed without a reason")
			}
		default:
			if len(inner.Payload) >= len(payload) || !bytes.Contains(payload, inner.Payload) || inner.Truncated != (inner.Length > len(inner.Payload)) {
				t.Fatalf("%d octets of %d inside %d", len(inner.Payload), inner.Length, len(payload))
			}
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
			if cut := (capture.Packet{Payload: payload[:end], Truncated: true}); dissect.Datagram(&cut, 0) != capture.SIP {
				t.Fatalf("%q is no longer SIP when cut to %d octets", payload, end)
			}
		case capture.KeepAlive:
			if truncated {
				t.Fatal("a keep-alive of which a part is missing")
			}
		}
	})
}
