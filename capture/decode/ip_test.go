package decode_test

import (
	"encoding/binary"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
)

// raw4 and raw6 build an IP packet with "hello" in UDP and let edit change it.
func raw4(edit func(ip []byte)) []byte {
	b := capturetest.UDP(a4, b4, []byte("hello"), capturetest.Link(capture.LinkRaw))
	edit(b)
	return b
}

func TestIPv4(t *testing.T) {
	put := binary.BigEndian.PutUint16
	pad := func(b []byte, n int) []byte { return append(b, make([]byte, n)...) }
	tests := []struct {
		name      string
		data      []byte
		extra     int // octets on the wire that the capture did not keep
		want      capture.DropReason
		payload   string
		truncated bool
	}{
		{name: "plain", data: raw4(func([]byte) {}), payload: "hello"},
		{name: "padded", data: pad(raw4(func([]byte) {}), 13), payload: "hello"},
		{name: "total length 0", data: raw4(func(b []byte) { put(b[2:], 0) }), payload: "hello"},
		{name: "total length 0, padded", data: pad(raw4(func(b []byte) { put(b[2:], 0) }), 13), payload: "hello"},
		{name: "total length 0, cut", data: raw4(func(b []byte) { put(b[2:], 0); put(b[24:], 113) }), extra: 100, payload: "hello", truncated: true},
		{name: "total length 0, cut, UDP longer than the wire", data: raw4(func(b []byte) { put(b[2:], 0); put(b[24:], 114) }), extra: 100, want: capture.DropUDPLength},
		{name: "total below header", data: raw4(func(b []byte) { put(b[2:], 19) }), want: capture.DropIPLength},
		{name: "header below 20", data: raw4(func(b []byte) { b[0] = 0x44 }), want: capture.DropIPLength},
		{name: "header above total", data: raw4(func(b []byte) { b[0] = 0x4f }), want: capture.DropIPLength},
		{name: "total is the header", data: raw4(func(b []byte) { put(b[2:], 20) }), want: capture.DropUDPShort},
		{name: "total ends in the UDP header", data: raw4(func(b []byte) { put(b[2:], 27) }), want: capture.DropUDPShort},
		{name: "total ends before UDP does", data: raw4(func(b []byte) { put(b[2:], 32) }), want: capture.DropUDPLength},
		{name: "UDP length 0", data: raw4(func(b []byte) { put(b[24:], 0) }), want: capture.DropUDPLength},
		{name: "UDP length 7", data: raw4(func(b []byte) { put(b[24:], 7) }), want: capture.DropUDPLength},
		{name: "UDP length 8", data: raw4(func(b []byte) { put(b[24:], 8) }), payload: ""},
		{name: "UDP shorter than IP", data: raw4(func(b []byte) { put(b[24:], 11) }), payload: "hel"},
		{name: "UDP longer than IP", data: raw4(func(b []byte) { put(b[24:], 14) }), want: capture.DropUDPLength},
		{name: "UDP longer than IP, cut", data: raw4(func(b []byte) { put(b[2:], 43); put(b[24:], 24) }), extra: 10, want: capture.DropUDPLength},
		{name: "both longer than captured", data: raw4(func(b []byte) { put(b[2:], 43); put(b[24:], 23) }), extra: 10, payload: "hello", truncated: true},
		{name: "both longer than the wire", data: raw4(func(b []byte) { put(b[2:], 43); put(b[24:], 23) }), payload: "hello", truncated: true},
		{name: "only padding cut", data: raw4(func([]byte) {}), extra: 13, payload: "hello"},
		{name: "don't fragment", data: raw4(func(b []byte) { b[6] = 0x40 }), payload: "hello"},
		{name: "reserved flag", data: raw4(func(b []byte) { b[6] = 0x80 }), payload: "hello"},
		{name: "options", data: unhex(t, "46 00 0025 0000 0000 40 11 0000 c0000201 c0000202 94040000 13c4 13c6 000d 0000 68656c6c6f"), payload: "hello"},
		{name: "authentication header", data: unhex(t, "45 00 0039 0000 0000 40 33 0000 c0000201 c0000202"+
			"11040000 00000001 00000001 000000000000000000000000 13c4 13c6 000d 0000 68656c6c6f"), payload: "hello"},
		{name: "authentication header cut", data: unhex(t, "45 00 0039 0000 0000 40 33 0000 c0000201 c0000202 11040000 00000001"), want: capture.DropIPv6Extension},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := whole(capture.LinkRaw, tt.data)
			f.Length += tt.extra
			check(t, f, tt.want, tt.payload, tt.truncated)
		})
	}
}

func check(t *testing.T, f *capture.Frame, want capture.DropReason, payload string, truncated bool) {
	t.Helper()
	var p capture.Packet
	if got := decode.Decode(f, &p); got != want {
		t.Fatalf("%v, want %v", got, want)
	}
	if want == capture.DropNone && (string(p.Payload) != payload || p.Truncated != truncated) {
		t.Errorf("payload %q, truncated %v; want %q, %v", p.Payload, p.Truncated, payload, truncated)
	}
}

// TestProtocols: what an IP protocol is called, with a UDP header as its
// content, which is no tunnel.
func TestProtocols(t *testing.T) {
	want := map[byte]capture.DropReason{
		1: capture.DropICMP, 58: capture.DropICMP, 2: capture.DropIGMP, 6: capture.DropTCPShort, 132: capture.DropNone,
		4: capture.DropIPVersion, 41: capture.DropIPVersion, 47: capture.DropTunnel, 50: capture.DropESP,
		97: capture.DropTunnel, 115: capture.DropTunnel, 137: capture.DropMPLS,
		17: capture.DropNone, 51: capture.DropIPv6Extension, // what follows is no authentication header
	}
	for protocol := range 256 {
		reason, ok := want[byte(protocol)]
		if !ok {
			reason = capture.DropIPProtocol
		}
		var p capture.Packet
		got := decode.Decode(whole(capture.LinkRaw, raw4(func(b []byte) { b[9] = byte(protocol) })), &p)
		if got != reason {
			t.Errorf("protocol %d: %v, want %v", protocol, got, reason)
		}
		if got == capture.DropIPProtocol && p.Unknown != uint16(protocol) {
			t.Errorf("protocol %d is called %d", protocol, p.Unknown)
		}
	}
}

// v6 returns an IPv6 packet whose payload is given in hexadecimal.
func v6(t *testing.T, next byte, payload string) []byte {
	b := unhex(t, "60000000 0000 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002"+payload)
	b[6] = next
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

func TestIPv6(t *testing.T) {
	const udp = "13c4 13c6 000d 0000 68656c6c6f"
	const options = "00 01 0400000000" // after the next header octet: 8 octets of PadN
	repeat := func(n int) (s string) {
		for range n - 1 {
			s += "3c 00 010400000000"
		}
		return s + "11 00 010400000000" + udp
	}
	long := "11 ff" // 256 words of 8 octets
	for range 2046 {
		long += "00"
	}
	length := func(b []byte, n uint16) []byte {
		binary.BigEndian.PutUint16(b[4:], n)
		return b
	}
	tests := []struct {
		name string
		data []byte
		want capture.DropReason
	}{
		{"plain", v6(t, 17, udp), capture.DropNone},
		{"padded", append(length(v6(t, 17, udp), 13), 0, 0, 0), capture.DropNone},
		{"hop-by-hop", v6(t, 0, "11"+options+udp), capture.DropNone},
		{"routing", v6(t, 43, "11"+options+udp), capture.DropNone},
		{"destination", v6(t, 60, "11"+options+udp), capture.DropNone},
		{"mobility", v6(t, 135, "11"+options+udp), capture.DropNone},
		{"hip", v6(t, 139, "11"+options+udp), capture.DropNone},
		{"shim6", v6(t, 140, "11"+options+udp), capture.DropNone},
		{"authentication", v6(t, 51, "11040000 00000001 00000001 000000000000000000000000"+udp), capture.DropNone},
		{"authentication too short", v6(t, 51, "11000000 00000001"+udp), capture.DropIPv6Extension},
		{"all", v6(t, 0, "3c"+options+"2b"+options+"33"+options+"11040000 00000001 00000001 000000000000000000000000"+udp), capture.DropNone},
		{"long", v6(t, 60, long+udp), capture.DropNone},
		{"eight", v6(t, 60, repeat(8)), capture.DropNone},
		{"nine", v6(t, 60, repeat(9)), capture.DropIPv6Extension},
		{"length beyond the packet", v6(t, 60, "11 05 010400000000"+udp), capture.DropIPv6Extension},
		{"no room", v6(t, 60, "11000104"), capture.DropIPv6Extension},
		{"atomic fragment", v6(t, 44, "11 00 0000 12345678"+udp), capture.DropNone},
		{"atomic fragment, reserved bits", v6(t, 44, "11 ff 0006 12345678"+udp), capture.DropNone},
		{"fragment header cut", v6(t, 44, "11 00 0000"), capture.DropIPv6Extension},
		{"no next header", v6(t, 59, udp), capture.DropIPProtocol},
		{"esp", v6(t, 50, udp), capture.DropESP},
		{"icmp after options", v6(t, 0, "3a"+options+udp), capture.DropICMP},
		{"tcp after options", v6(t, 60, "06"+options+udp), capture.DropTCPShort},
		{"tunnel", v6(t, 41, udp), capture.DropIPVersion},
		{"payload length 0", length(v6(t, 17, udp), 0), capture.DropUDPShort},
		{"payload length 0 under hop-by-hop", length(v6(t, 0, "11"+options+udp), 0), capture.DropNone},
		{"big TCP", length(v6(t, 0, "06 00 c204 00020000"+udp), 0), capture.DropTCPShort},
		{"UDP length 0", v6(t, 17, "13c4 13c6 0000 0000 68656c6c6f"), capture.DropUDPLength},
		{"UDP longer than IP", v6(t, 17, "13c4 13c6 000e 0000 68656c6c6f"), capture.DropUDPLength},
		{"UDP longer than IP after options", v6(t, 60, "11"+options+"13c4 13c6 000e 0000 68656c6c6f"), capture.DropUDPLength},
		{"UDP longer than IP although padded", append(v6(t, 17, "13c4 13c6 000e 0000 68656c6c6f"), 0), capture.DropUDPLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, whole(capture.LinkRaw, tt.data), tt.want, "hello", false)
		})
	}
	f := whole(capture.LinkRaw, length(v6(t, 17, "13c4 13c6 0012 0000 68656c6c6f"), 18))
	check(t, f, capture.DropNone, "hello", true)
}
