package dissect_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"heptap/capture"
	"heptap/capture/dissect"
	"heptap/capture/sip"
	"heptap/capture/websocket"
)

// segment is what one frame adds to a direction, after a gap or none. room says
// that there was none for what had been left before it, fin that nothing follows.
type segment struct {
	dir  int
	data string
	gap  int64
	room bool
	fin  bool
}

const connID = 17640947659377874237

// got is one emitted message.
type got struct {
	dir   int
	flags capture.MessageFlags
	at    int64 // its Mono: the number of its segment, from 1
	text  string
}

func (g got) String() string {
	return fmt.Sprintf("%d at %d, flags %x: %.90q", g.dir, g.at, g.flags, g.text)
}

// rig feeds a Conn as a stream does: it keeps what is not consumed.
type rig struct {
	t       testing.TB
	shared  *dissect.Connections
	conn    dissect.Conn
	pending [2][]byte
	at      [2]dissect.At
	sent    [2]uint32 // octets
	clock   int64
	got     []got
	flow    capture.FiveTuple
}

func newRig(t testing.TB, config dissect.Config, port uint16) *rig {
	r := &rig{t: t, flow: capture.FiveTuple{
		Proto: capture.ProtoTCP,
		Src:   netip.AddrPortFrom(a.Addr(), 40000), Dst: netip.AddrPortFrom(b.Addr(), port),
	}}
	r.shared = dissect.NewConnections(config, r.message)
	r.conn.Reset(r.shared, r.flow, connID)
	return r
}

func (r *rig) message(m *capture.Message) {
	g := got{flags: m.Flags, at: m.Mono, text: string(m.Payload)}
	if m.Flow != r.flow {
		g.dir = 1
	}
	if m.Protocol != capture.SIP || m.Flow != r.flow && m.Flow != r.flow.Reverse() || m.Wall != m.Mono+1000 || m.Port != 3 || m.TOS != 7 || !m.HasVLAN || m.VLAN != 9 || m.Conn != connID {
		r.t.Fatalf("%+v", m)
	}
	r.got = append(r.got, g)
}

func (r *rig) meta() dissect.At {
	return dissect.At{Wall: r.clock + 1000, Mono: r.clock, Port: 3, TOS: 7, HasVLAN: true, VLAN: 9}
}

func (r *rig) segment(s segment) {
	r.clock++
	at := r.meta()
	if s.gap != 0 || s.room {
		r.cut(s.dir, false)
	}
	r.pending[s.dir] = append(r.pending[s.dir], s.data...)
	p := r.pending[s.dir]
	r.sent[s.dir] += uint32(len(s.data))
	n := r.conn.Data(s.dir, p, len(s.data), s.gap, &at, dissect.Numbers{End: r.sent[s.dir], Ack: r.sent[1-s.dir], Known: true})
	if n < 0 || n > len(p) || len(p)-n > dissect.MaxPending {
		r.t.Fatalf("%d of %d octets consumed", n, len(p))
	}
	r.pending[s.dir], r.at[s.dir] = append([]byte(nil), p[n:]...), at
	clear(p) // it was borrowed
	if s.fin {
		r.clock++ // the FIN's own frame
		r.cut(s.dir, true)
	}
}

func (r *rig) cut(dir int, finished bool) {
	if len(r.pending[dir]) > 0 {
		r.conn.Cut(dir, r.pending[dir], finished, &r.at[dir])
		r.pending[dir] = nil
	}
}

// end closes the connection and returns what it gave.
func (r *rig) end() []got {
	r.cut(0, false)
	r.cut(1, false)
	r.conn.Closed()
	if n := r.shared.Stats().Windows; n != 0 {
		r.t.Errorf("%d windows are held by nobody", n)
	}
	return r.got
}

func (r *rig) play(segments ...segment) []got {
	for _, s := range segments {
		r.segment(s)
	}
	return r.end()
}

// octets has each octet of s in a segment of its own.
func octets(s string) (in []segment) {
	for i := range len(s) {
		in = append(in, segment{data: s[i : i+1]})
	}
	return in
}

func request(method, id string) string {
	return method + " sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nCall-ID: " + id + "\r\nCSeq: 1 " + method + "\r\nContent-Length: 0\r\n\r\n"
}

func response(status, id string) string {
	return "SIP/2.0 " + status + "\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nCall-ID: " + id + "\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
}

// wsFrame builds a frame of a final message, masked when mask is not 0.
func wsFrame(first byte, mask uint32, payload string) string {
	b := []byte{first, 0}
	if n := len(payload); n < 126 {
		b[1] = byte(n)
	} else {
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	if mask == 0 {
		return string(b) + payload
	}
	b[1] |= 0x80
	b = binary.BigEndian.AppendUint32(b, mask)
	key := b[len(b)-4:]
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return string(b)
}

const (
	upgradeRequest = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
	switching      = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	upgraded       = switching + "Sec-WebSocket-Protocol: sip\r\n\r\n"
	mask           = 0x12345678
)

func TestConn(t *testing.T) {
	const ws = capture.OverWebSocket
	options, invite, ringing, trying := request("OPTIONS", "1"), request("INVITE", "2"), response("180 Ringing", "2"), response("100 Trying", "2")
	notify := "NOTIFY sip:a@b SIP/2.0\r\nCall-ID: 3\r\nCSeq: 2 NOTIFY\r\nContent-Type: message/sipfrag\r\nContent-Length: 21\r\n\r\nSIP/2.0 200 OK\r\nTo: a"
	compact := "INVITE sip:a SIP/2.0\r\nv: SIP/2.0/TCP a\r\ni: 4\r\nCSeq: 4 INVITE\r\nc: application/sdp\r\nl: 5\r\n\r\nv=0\r\n"
	folded := "INVITE sip:a SIP/2.0\r\nCall-ID:\r\n 5\r\nCSeq: 5\r\n\tINVITE\r\nContent-Length:\r\n  5\r\n\r\nv=0\r\n"
	open := "INVITE sip:a SIP/2.0\r\nCall-ID: 6\r\nCSeq: 6 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns"
	notSIP := func(s dissect.Stats) bool { return s.NotSIP == 1 && s.Messages == 0 }
	for _, c := range []struct {
		name  string
		port  uint16
		in    []segment
		want  []got
		known capture.Protocol
		gone  bool // Nothing
		check func(dissect.Stats) bool
	}{
		// The five of facts/peers.md 2.2 on which heplify 2.0.23 fails.
		{name: "CRLFCRLF between messages", known: capture.SIP,
			in:    []segment{{data: options}, {data: "\r\n\r\n"}, {dir: 1, data: "\r\n"}, {data: strings.Repeat(invite, 5)}},
			want:  []got{{text: options, at: 1}, {text: invite, at: 4}, {text: invite, at: 4}, {text: invite, at: 4}, {text: invite, at: 4}, {text: invite, at: 4}},
			check: func(s dissect.Stats) bool { return s.KeepAlives == 2 && s.Messages == 6 && s.JunkOctets == 0 }},
		{name: "unknown method", known: capture.SIP,
			in:   []segment{{data: request("KDMQ", "k")}, {data: strings.Repeat(invite, 2)}},
			want: []got{{text: request("KDMQ", "k"), at: 1}, {text: invite, at: 2}, {text: invite, at: 2}}},
		{name: "two coalesced WebSocket frames", known: capture.SIP,
			in:    []segment{{data: upgradeRequest}, {dir: 1, data: upgraded}, {data: wsFrame(0x81, mask, invite) + wsFrame(0x81, mask, options)}, {dir: 1, data: wsFrame(0x81, 0, trying) + wsFrame(0x82, 0, ringing)}},
			want:  []got{{text: invite, at: 3, flags: ws}, {text: options, at: 3, flags: ws}, {dir: 1, text: trying, at: 4, flags: ws}, {dir: 1, text: ringing, at: 4, flags: ws}},
			check: func(s dissect.Stats) bool { return s.Handshakes == 1 && s.WrongMasks == 0 }},
		{name: "INVITE after a long silence", known: capture.SIP, // time is the stream's business: here it is only another segment
			in: []segment{{data: options}, {data: invite}}, want: []got{{text: options, at: 1}, {text: invite, at: 2}}},
		{name: "INVITE in two segments", known: capture.SIP,
			in: []segment{{data: invite[:50]}, {data: invite[50:]}}, want: []got{{text: invite, at: 2}}},

		{name: "HTTP JSON-RPC on 5060", port: 5060, known: capture.HTTP,
			in:    []segment{{data: "POST /RPC HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 51\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"INVITE sip:a SIP/2.0\r\n\"}"}, {dir: 1, data: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"}},
			check: func(s dissect.Stats) bool { return s.NotSIP == 1 && s.Conns[capture.HTTP] == 1 && s.JunkOctets == 0 }},
		{name: "bare JSON-RPC on 5060", port: 5060, gone: true, in: []segment{{data: "{\"jsonrpc\":\"2.0\"}\n"}}, check: func(s dissect.Stats) bool { return s.NotSIP == 1 }},
		{name: "TLS on 5061 is what is expected there", port: 5061, known: capture.TLS, in: []segment{{data: "\x16\x03\x01\x00\xf0\x01\x00"}}, check: func(s dissect.Stats) bool { return s.NotSIP == 0 }},
		{name: "a ServerHello first", known: capture.TLS, in: []segment{{dir: 1, data: "\x16\x03\x03"}, {dir: 1, data: "\x00\x50\x02"}}},
		{name: "no TLS record", gone: true, in: []segment{{data: "\x16\x05\x01\x00\xf0\x01"}}},
		{name: "HEP", known: capture.HEP, in: []segment{{data: "HE"}, {data: "P3\x00\x40" + invite}}},
		{name: "SSH", gone: true, in: []segment{{dir: 1, data: "SSH-2.0-OpenSSH_9.2\r\n"}}},
		{name: "one line without end", gone: true, in: []segment{{data: "INVITE " + strings.Repeat("a", 4096)}, {data: strings.Repeat("a", 4096)}}},
		{name: "keep-alives only", in: []segment{{data: "\r\n\r\n"}, {dir: 1, data: "\r\n"}}},
		{name: "the server speaks first", known: capture.SIP, in: []segment{{dir: 1, data: "\r\n\r\n" + options}, {data: ringing}}, want: []got{{dir: 1, text: options, at: 1}, {text: ringing, at: 2}}},
		{name: "one direction is no SIP", known: capture.SIP, in: []segment{{data: options}, {dir: 1, data: "garbage\r\n" + ringing}}, want: []got{{text: options, at: 1}, {dir: 1, text: ringing, at: 2}}},
		{name: "sipfrag in a body (RFC 3420)", known: capture.SIP, in: []segment{{data: notify + options}}, want: []got{{text: notify, at: 1}, {text: options, at: 1}}},
		{name: "cut by the end", known: capture.SIP, in: []segment{{data: options + invite[:80]}}, want: []got{{text: options, at: 1}, {text: invite[:80], at: 1, flags: capture.CutShort}}},
		{name: "compact names (RFC 3261 7.3.3)", known: capture.SIP, in: []segment{{data: compact[:60]}, {data: compact[60:] + options}}, want: []got{{text: compact, at: 2}, {text: options, at: 2}}},
		{name: "folded fields (RFC 3261 7.3.1)", known: capture.SIP, in: []segment{{data: folded[:len(folded)-13]}, {data: folded[len(folded)-13:]}, {data: options}}, want: []got{{text: folded, at: 2}, {text: options, at: 3}}},
		{name: "no Content-Length, ended by FIN (RFC 3261 18.3)", known: capture.SIP, in: []segment{{data: open[:50]}, {data: open[50:], fin: true}, {dir: 1, data: ringing}},
			want: []got{{text: open, at: 2}, {dir: 1, text: ringing, at: 4}}, check: func(s dissect.Stats) bool { return s.Cut == 0 }},
		{name: "no Content-Length, followed no longer", known: capture.SIP, in: []segment{{data: open}}, want: []got{{text: open, at: 1, flags: capture.CutShort}}},
		{name: "no Content-Length, a gap in the body", known: capture.SIP, in: []segment{{data: open}, {data: "=-\r\n" + options, gap: 3}},
			want: []got{{text: open, at: 1, flags: capture.CutShort}, {text: options, at: 2, flags: capture.GapBefore}}},
		{name: "no Content-Length in the middle of a stream, a gap in the body", known: capture.SIP, in: []segment{{data: open[:10], gap: -1}, {data: open[10:]}, {data: options, gap: 3}},
			want: []got{{text: open, at: 2, flags: capture.GapBefore | capture.CutShort}, {text: options, at: 3, flags: capture.GapBefore}}},
		{name: "no room for the rest", known: capture.SIP, in: []segment{{data: notify[:len(notify)-10]}, {data: notify[len(notify)-10:] + options, room: true}},
			want: []got{{text: notify[:len(notify)-10], at: 1, flags: capture.CutShort}, {text: options, at: 2}}, check: func(s dissect.Stats) bool { return s.RestOctets == 10 && s.Gaps == 0 }},
		{name: "no room for the rest of the fields", known: capture.SIP, in: []segment{{data: invite[:60]}, {data: invite[60:] + options, room: true}},
			want: []got{{text: invite[:60], at: 1, flags: capture.CutShort}, {text: options, at: 2}}},
		{name: "garbage between messages", known: capture.SIP, in: []segment{{data: options + "\x00\x01garbage, no line end"}, {data: "\r\n" + invite}},
			want: []got{{text: options, at: 1}, {text: invite, at: 2}}, check: func(s dissect.Stats) bool { return s.JunkOctets > 0 && s.Gaps == 0 }},
		{name: "a gap at the end of a message", known: capture.SIP, in: []segment{{data: options}, {data: invite, gap: 300}},
			want: []got{{text: options, at: 1}, {text: invite, at: 2, flags: capture.GapBefore}}},
		{name: "a gap in one direction only", known: capture.SIP, in: []segment{{data: options}, {dir: 1, data: ringing}, {data: invite, gap: 300}, {dir: 1, data: trying}},
			want: []got{{text: options, at: 1}, {dir: 1, text: ringing, at: 2}, {text: invite, at: 3, flags: capture.GapBefore}, {dir: 1, text: trying, at: 4}}},
		{name: "a gap before a text that quotes a message", known: capture.SIP, in: []segment{{data: options}, {data: "INVITE sip:a SIP/2.0\r\nsays the log\r\n" + invite, gap: 99}},
			want: []got{{text: options, at: 1}, {text: invite, at: 2, flags: capture.GapBefore}}},
		{name: "octet by octet", known: capture.SIP, in: octets(invite + "\r\n\r\n" + compact),
			want: []got{{text: invite, at: int64(len(invite))}, {text: compact, at: int64(len(invite) + 4 + len(compact))}}},

		{name: "a head beyond the limit", known: capture.HTTP, in: []segment{{data: "GET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", 5000)}, {data: strings.Repeat("a: b\r\n", 5000) + "\r\n"}},
			check: func(s dissect.Stats) bool { return s.JunkOctets == 16+60000+2 }},
		{name: "trailers beyond the limit", known: capture.HTTP, in: []segment{{data: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", 6000)}},
			check: func(s dissect.Stats) bool { return s.JunkOctets == 16+36000 }},
		{name: "RTSP on 5060 (RFC 7826)", port: 5060, gone: true, in: []segment{{data: "OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n"}}, check: notSIP},
		{name: "an answer of RTSP", port: 5060, gone: true, in: []segment{{dir: 1, data: "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"}}, check: notSIP},
		{name: "MSRP (RFC 4975)", port: 5060, gone: true, in: []segment{{data: "MSRP a786hjs2 SEND\r\nTo-Path: msrp://b:7654/j;tcp\r\n\r\n"}}, check: notSIP},
		{name: "SMTP", port: 5060, gone: true, in: []segment{{dir: 1, data: "220 mail ESMTP\r\n"}}, check: notSIP},
		{name: "DNS over TCP (RFC 7766)", port: 5060, gone: true, in: []segment{{data: "\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"}}, check: notSIP},
		{name: "Diameter (RFC 6733)", port: 5060, gone: true, in: []segment{{data: "\x01\x00\x00\x80\x80\x00\x01\x01"}}, check: notSIP},
		{name: "HTTP/2 with prior knowledge (RFC 9113 3.4)", port: 5060, gone: true, in: []segment{{data: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}}, check: notSIP},
		{name: "TLS on 5060", port: 5060, known: capture.TLS, in: []segment{{data: "\x16\x03\x01\x00\xf0\x01\x00" + invite}, {data: invite}}},
		{name: "HEP on 5060", port: 5060, known: capture.HEP, in: []segment{{data: "HEP3\x00\x40" + invite}, {data: invite}}, check: notSIP},
		{name: "a PROXY line before SIP", port: 5060, gone: true, in: []segment{{data: "PROXY TCP4 192.0.2.1 192.0.2.2 1 5060\r\n" + invite}}, check: notSIP},
		{name: "SIP of another version", port: 5060, gone: true, in: []segment{{data: "INVITE sip:a SIP/3.0\r\nCall-ID: 1\r\n\r\n"}}, check: notSIP},

		{name: "no Content-Length, ended by the next message", known: capture.SIP,
			in:   []segment{{data: "INVITE sip:a SIP/2.0\r\nCall-ID: 1\r\nc: application/sdp\r\n\r\nv=0\r\n"}, {data: options}},
			want: []got{{text: "INVITE sip:a SIP/2.0\r\nCall-ID: 1\r\nc: application/sdp\r\n\r\nv=0\r\n", at: 1}, {text: options, at: 2}}},
		{name: "a gap in a message", known: capture.SIP,
			in:    []segment{{data: invite + invite[:80]}, {data: invite[90:] + options, gap: 10}},
			want:  []got{{text: invite, at: 1}, {text: invite[:80], at: 1, flags: capture.CutShort}, {text: options, at: 2, flags: capture.GapBefore}},
			check: func(s dissect.Stats) bool { return s.Gaps == 1 && s.Cut == 1 }},
		{name: "a gap in a body of known length", known: capture.SIP,
			in:    []segment{{data: notify[:len(notify)-10]}, {data: notify[len(notify)-4:] + trying, gap: 6}},
			want:  []got{{text: notify[:len(notify)-10], at: 1, flags: capture.CutShort}, {text: trying, at: 2, flags: capture.GapBefore}},
			check: func(s dissect.Stats) bool { return s.RestOctets == 4 && s.JunkOctets == 0 }},

		{name: "the middle of SIP", known: capture.SIP, in: []segment{{gap: -1, data: invite[70:]}, {data: options}, {dir: 1, gap: -1, data: ringing}},
			want: []got{{text: options, at: 2, flags: capture.GapBefore}, {dir: 1, text: ringing, at: 3, flags: capture.GapBefore}}},
		{name: "the middle of SIP, at a message", known: capture.SIP, in: []segment{{gap: -1, data: invite[:30]}, {data: invite[30:]}},
			want: []got{{text: invite, at: 2, flags: capture.GapBefore}}},
		{name: "the middle of TLS", known: capture.TLS, in: []segment{{gap: -1, data: "\x17\x03\x03\x04\x00" + strings.Repeat("\x99", 100)}}},
		{name: "the middle of nothing", gone: true, in: []segment{{gap: -1, data: strings.Repeat("GET it, \r\n", 500)}, {data: strings.Repeat("\x00\xff\x81", 10000)}}},
		{name: "the middle of a WebSocket", known: capture.SIP,
			in:    []segment{{gap: -1, data: "half a frame" + wsFrame(0x81, mask, invite)[:40]}, {data: wsFrame(0x81, mask, invite)[40:] + wsFrame(0x81, mask, options)}, {dir: 1, gap: -1, data: wsFrame(0x81, 0, ringing)}},
			want:  []got{{text: invite, at: 2, flags: ws | capture.GapBefore}, {text: options, at: 2, flags: ws}, {dir: 1, text: ringing, at: 3, flags: ws | capture.GapBefore}},
			check: func(s dissect.Stats) bool { return s.JunkOctets == 12 }},
		{name: "the middle of a WebSocket, unmasked", known: capture.SIP, in: []segment{{gap: -1, data: wsFrame(0x82, 0, invite)}}, want: []got{{text: invite, at: 1, flags: ws | capture.GapBefore}}},
		{name: "the middle of HTTP, then a WebSocket", known: capture.SIP,
			in:   []segment{{dir: 1, gap: -1, data: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"}, {gap: -1, data: upgradeRequest}, {dir: 1, data: upgraded}, {data: wsFrame(0x81, mask, invite)}},
			want: []got{{text: invite, at: 4, flags: ws | capture.GapBefore}}},

		{name: "keep-alive HTTP, then a WebSocket", known: capture.SIP,
			in: []segment{{data: "HEAD / HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
				{dir: 1, data: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"}, {data: upgradeRequest[:100]}, {data: upgradeRequest[100:]}, {dir: 1, data: upgraded + wsFrame(0x81, 0, options)}},
			want: []got{{dir: 1, text: options, at: 5, flags: ws}}},
		{name: "refused, then agreed", known: capture.SIP,
			in:   []segment{{data: upgradeRequest}, {dir: 1, data: "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"}, {data: upgradeRequest}, {dir: 1, data: upgraded}, {data: wsFrame(0x81, mask, invite)}},
			want: []got{{text: invite, at: 5, flags: ws}}},
		{name: "frames before the answer is seen", known: capture.SIP,
			in:   []segment{{data: upgradeRequest}, {data: wsFrame(0x81, mask, invite)}, {dir: 1, data: upgraded}, {data: wsFrame(0x81, mask, options)}},
			want: []got{{text: invite, at: 2, flags: ws}, {text: options, at: 4, flags: ws}}},
		{name: "the answer before its request", known: capture.SIP,
			in:    []segment{{dir: 1, data: upgraded}, {data: upgradeRequest}, {data: wsFrame(0x81, mask, invite)}},
			want:  []got{{text: invite, at: 3, flags: ws}},
			check: func(s dissect.Stats) bool { return s.Unverified == 1 }},
		{name: "the answer is lost", known: capture.SIP,
			in:   []segment{{data: upgradeRequest}, {dir: 1, gap: 200, data: wsFrame(0x81, 0, options)}, {data: wsFrame(0x81, mask, invite)}},
			want: []got{{dir: 1, text: options, at: 2, flags: ws | capture.GapBefore}, {text: invite, at: 3, flags: ws}}},
		{name: "the request is lost", known: capture.SIP,
			in:   []segment{{gap: -1, data: wsFrame(0x81, mask, invite)}, {dir: 1, data: upgraded + wsFrame(0x81, 0, options)}},
			want: []got{{text: invite, at: 1, flags: ws | capture.GapBefore}, {dir: 1, text: options, at: 2, flags: ws}}},
		{name: "wrong key", gone: true, in: []segment{{data: upgradeRequest}, {dir: 1, data: strings.Replace(upgraded, "s3pP", "xxxx", 1)}}, check: func(s dissect.Stats) bool { return s.BadHandshakes == 1 }},
		{name: "another upgrade", gone: true, in: []segment{{data: "GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"}, {dir: 1, data: "HTTP/1.1 101 Ok\r\nUpgrade: h2c\r\n\r\n"}}},
		{name: "CONNECT", gone: true, in: []segment{{data: "CONNECT a:443 HTTP/1.1\r\n\r\n"}, {dir: 1, data: "HTTP/1.1 200 Connected\r\n\r\n"}}},
		{name: "a chat, not SIP", gone: true,
			in:    []segment{{data: strings.Replace(upgradeRequest, "Protocol: sip", "Protocol: chat", 1)}, {dir: 1, data: switching + "\r\n"}, {dir: 1, data: strings.Repeat(wsFrame(0x81, 0, "hello"), 20)}},
			check: func(s dissect.Stats) bool { return s.OtherMessages == 16 && s.Conns[capture.WebSocket] == 1 }},
		{name: "subprotocol sip, keep-alives and others", known: capture.WebSocket,
			in:    []segment{{data: upgradeRequest}, {dir: 1, data: upgraded + strings.Repeat(wsFrame(0x81, 0, "\r\n\r\n")+wsFrame(0x81, 0, "{}"), 20)}},
			check: func(s dissect.Stats) bool { return s.OtherMessages == 20 && s.KeepAlives == 20 }},
		{name: "masks on the wrong side", known: capture.SIP,
			in:    []segment{{data: upgradeRequest}, {dir: 1, data: upgraded + wsFrame(0x81, mask, ringing)}, {data: wsFrame(0x81, 0, invite)}},
			want:  []got{{dir: 1, text: ringing, at: 2, flags: ws}, {text: invite, at: 3, flags: ws}},
			check: func(s dissect.Stats) bool { return s.WrongMasks == 2 }},
		{name: "fragments and a ping", known: capture.SIP,
			in:    []segment{{data: upgradeRequest}, {dir: 1, data: upgraded}, {data: wsFrame(0x01, mask, invite[:20])}, {data: wsFrame(0x89, mask, "?") + wsFrame(0x80, mask, invite[20:])}},
			want:  []got{{text: invite, at: 4, flags: ws}},
			check: func(s dissect.Stats) bool { return s.Controls == 1 }},
		{name: "a senseless frame", known: capture.SIP,
			in:    []segment{{data: upgradeRequest}, {dir: 1, data: upgraded + wsFrame(0x87, 0, "x") + wsFrame(0x81, 0, ringing)}},
			want:  []got{{dir: 1, text: ringing, at: 2, flags: ws}},
			check: func(s dissect.Stats) bool { return s.BadFrames == 1 && s.JunkOctets == 3 }},
		{name: "a gap of known size in a frame", known: capture.SIP,
			in:   []segment{{data: upgradeRequest}, {dir: 1, data: upgraded + wsFrame(0x81, 0, ringing)[:60]}, {dir: 1, gap: 10, data: wsFrame(0x81, 0, ringing)[70:] + wsFrame(0x81, 0, options)}},
			want: []got{{dir: 1, text: ringing[:58], at: 2, flags: ws | capture.CutShort}, {dir: 1, text: options, at: 3, flags: ws | capture.GapBefore}}},
		{name: "a gap of unknown size", known: capture.SIP,
			in:   []segment{{data: upgradeRequest}, {dir: 1, data: upgraded}, {dir: 1, gap: -1, data: ringing[20:] + wsFrame(0x81, 0, options)}},
			want: []got{{dir: 1, text: options, at: 3, flags: ws | capture.GapBefore}}},
		{name: "a gap, and no frame found", gone: true,
			in:    []segment{{data: upgradeRequest}, {dir: 1, data: upgraded}, {dir: 1, gap: -1, data: strings.Repeat("nothing ", 9000)}},
			check: func(s dissect.Stats) bool { return s.GivenUp == 1 }},
		{name: "compressed, and it was not agreed on", known: capture.WebSocket,
			in:    []segment{{data: upgradeRequest}, {dir: 1, data: upgraded + wsFrame(0xc1, 0, "\xf2H\xcd\xc9\xc9\a\x00")}},
			check: func(s dissect.Stats) bool { return s.NotInflated == 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.port == 0 {
				c.port = 8080
			}
			r := newRig(t, dissect.Config{}, c.port)
			r.play(c.in...)
			if len(c.want) > 0 || len(r.got) > 0 {
				if fmt.Sprint(r.got) != fmt.Sprint(c.want) || !slices.Equal(r.got, c.want) {
					t.Errorf("\n got %v\nwant %v", r.got, c.want)
				}
			}
			want := dissect.Undecided
			if c.gone {
				want = dissect.Nothing
			} else if c.known != 0 {
				want = dissect.Known
			}
			if v, p := r.conn.Verdict(); v != want || p != c.known {
				t.Errorf("verdict %d, %v", v, p)
			}
			if s := r.shared.Stats(); c.check != nil && !c.check(s) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestConnManySegments is a message over 40 segments, and one cut at the limit.
func TestConnManySegments(t *testing.T) {
	body := strings.Repeat("a=candidate:1 1 udp 2130706431 192.0.2.1 4000 typ host\r\n", 1000)
	message := fmt.Sprintf("INVITE sip:a SIP/2.0\r\nCall-ID: 1\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	r := newRig(t, dissect.Config{}, 5060)
	n := 0
	for s := message; len(s) > 0; n++ {
		size := min(len(s), 1400)
		r.segment(segment{data: s[:size]})
		s = s[size:]
	}
	if n < 40 || len(r.got) != 1 || r.got[0].text != message || r.got[0].at != int64(n) {
		t.Fatalf("%d segments: %v", n, r.got)
	}
	big := "MESSAGE sip:a SIP/2.0\r\nCall-ID: 2\r\nContent-Length: 200000\r\n\r\n"
	r.segment(segment{data: big + strings.Repeat("x", 100000)})
	r.segment(segment{data: strings.Repeat("x", 100000) + request("BYE", "2")})
	r.end()
	if len(r.got) != 3 || len(r.got[1].text) != dissect.MaxPending || r.got[1].flags != capture.CutShort || r.got[2].flags != 0 {
		t.Fatalf("%v", r.got)
	}
	if s := r.shared.Stats(); s.Cut != 1 || s.RestOctets != uint64(200000+len(big)-dissect.MaxPending) {
		t.Errorf("%+v", s)
	}
}

// deflater is a sender of permessage-deflate.
type deflater struct {
	out   bytes.Buffer
	w     *flate.Writer
	alone bool
}

func (d *deflater) frame(t testing.TB, mask uint32, s string) string {
	var err error
	if d.w == nil || d.alone {
		if d.w, err = flate.NewWriter(&d.out, 9); err != nil {
			t.Fatal(err)
		}
	}
	d.out.Reset()
	if _, err = d.w.Write([]byte(s)); err == nil {
		err = d.w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return wsFrame(0xc1, mask, string(bytes.TrimSuffix(d.out.Bytes(), []byte{0, 0, 0xff, 0xff})))
}

// TestConnDeflate has the two sides compress what they send, each with and
// without context takeover.
func TestConnDeflate(t *testing.T) {
	for _, params := range []string{"", "; client_no_context_takeover", "; server_no_context_takeover; client_no_context_takeover", "; server_max_window_bits=15; client_max_window_bits=15"} {
		client := deflater{alone: strings.Contains(params, "client_no")}
		server := deflater{alone: strings.Contains(params, "server_no")}
		r := newRig(t, dissect.Config{}, 8080)
		r.segment(segment{data: upgradeRequest})
		r.segment(segment{dir: 1, data: switching + "Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Extensions: permessage-deflate" + params + "\r\n\r\n"})
		var want []got
		for i := range 30 {
			s := request("INVITE", fmt.Sprint(i))
			g := got{text: s, at: int64(i + 3), flags: capture.OverWebSocket}
			if i%3 == 2 {
				g.dir = 1
				r.segment(segment{dir: 1, data: server.frame(t, 0, s)})
			} else {
				r.segment(segment{data: client.frame(t, mask, s)})
			}
			want = append(want, g)
		}
		held := uint64(0)
		for _, d := range []deflater{client, server} {
			if !d.alone {
				held++
			}
		}
		if n := r.shared.Stats().Windows; n != held {
			t.Errorf("%q: %d windows, want %d", params, n, held)
		}
		if r.end(); !slices.Equal(r.got, want) {
			t.Errorf("%q:\n got %v\nwant %v", params, r.got, want)
		}
	}
}

// TestConnDeflateLost loses a message that later ones refer to: none of them
// may come out wrong.
func TestConnDeflateLost(t *testing.T) {
	d := deflater{}
	r := newRig(t, dissect.Config{}, 8080)
	r.segment(segment{data: upgradeRequest})
	r.segment(segment{dir: 1, data: switching + "Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"})
	r.segment(segment{data: d.frame(t, mask, request("INVITE", "1"))})
	lost := d.frame(t, mask, request("INVITE", "2"))
	r.segment(segment{data: lost[:6]})
	r.segment(segment{data: lost[10:] + d.frame(t, mask, request("INVITE", "3")), gap: 4})
	r.end()
	for _, g := range r.got[1:] {
		if !strings.HasPrefix(request("INVITE", "2"), g.text) {
			t.Errorf("%v", g)
		}
	}
	if s := r.shared.Stats(); s.NotInflated == 0 || len(r.got) == 0 || r.got[0].text != request("INVITE", "1") {
		t.Errorf("%+v", s)
	}
}

// TestConnWindows runs out of windows.
func TestConnWindows(t *testing.T) {
	config := dissect.Config{Windows: 1}
	r := newRig(t, config, 8080)
	client, server := deflater{}, deflater{}
	r.segment(segment{data: upgradeRequest})
	r.segment(segment{dir: 1, data: switching + "Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"})
	for i := range 3 {
		r.segment(segment{data: client.frame(t, mask, request("INVITE", fmt.Sprint(i)))})
		r.segment(segment{dir: 1, data: server.frame(t, 0, response("180 Ringing", fmt.Sprint(i)))})
	}
	if s := r.shared.Stats(); s.Windows != 1 || s.WindowsRefused != 1 || s.NotInflated != 2 || len(r.got) != 4 {
		t.Errorf("%+v\n%v", s, r.got)
	}
	r.end()
	if got, more := config.MemoryBytes(), (dissect.Config{Windows: 2}).MemoryBytes(); more-got != 32<<10 || got < 32<<10+44<<10+128<<10 {
		t.Errorf("MemoryBytes %d, with one window more %d", got, more)
	}
}

func TestConnControl(t *testing.T) {
	var seen []string
	r := newRig(t, dissect.Config{Control: func(dir int, at *dissect.At, op websocket.Opcode, payload []byte) {
		seen = append(seen, fmt.Sprintf("%d %d %d %q", dir, at.Mono, op, payload))
	}}, 8080)
	r.play(segment{data: upgradeRequest}, segment{dir: 1, data: upgraded + wsFrame(0x88, 0, "\x03\xe8bye")}, segment{data: wsFrame(0x89, mask, "ping")})
	if want := `[1 2 8 "\x03\xe8bye" 0 3 9 "ping"]`; fmt.Sprint(seen) != want {
		t.Errorf("%v, want %v", seen, want)
	}
}

func TestConnHandshake(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   []segment
		want []string
	}{
		{"agreed", []segment{{data: upgradeRequest}, {dir: 1, data: upgraded}}, []string{"0 0 " + upgradeRequest, "1 101 " + upgraded}},
		{"refused", []segment{{data: upgradeRequest}, {dir: 1, data: "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"}},
			[]string{"0 0 " + upgradeRequest, "1 403 HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"}},
		{"nobody asked", []segment{{data: "GET / HTTP/1.1\r\n\r\n"}, {dir: 1, data: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}}, nil},
		{"the request was not seen", []segment{{dir: 1, data: upgraded}}, []string{"1 101 " + upgraded}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var seen []string
			r := newRig(t, dissect.Config{Handshake: func(dir, status int, head []byte) {
				seen = append(seen, fmt.Sprintf("%d %d %s", dir, status, head))
			}}, 8080)
			r.play(tt.do...)
			if !slices.Equal(seen, tt.want) {
				t.Errorf("%q\n%q", seen, tt.want)
			}
		})
	}
}

func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(dissect.Conn{}); n > 288 {
		t.Errorf("a Conn has %d octets", n)
	}
}

// TestConnCuts cuts conversations anywhere: the messages are the same.
func TestConnCuts(t *testing.T) {
	d := deflater{}
	for name, streams := range map[string][2]string{
		"sip": {request("OPTIONS", "1") + "\r\n\r\n" + request("INVITE", "2"), response("100 Trying", "2") + response("200 OK", "2")},
		"websocket": {upgradeRequest + wsFrame(0x81, mask, request("INVITE", "2")) + wsFrame(0x01, mask, "ACK sip:a ") + wsFrame(0x89, mask, "?") + wsFrame(0x80, mask, "SIP/2.0\r\nCall-ID: 2\r\n\r\n"),
			upgraded + wsFrame(0x82, 0, response("200 OK", "2"))},
		"deflate": {strings.Replace(upgradeRequest, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 1) + d.frame(t, mask, request("INVITE", "2")) + d.frame(t, mask, request("ACK", "2")),
			switching + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n" + wsFrame(0x81, 0, response("200 OK", "2"))},
	} {
		texts := func(g []got) (s []string) {
			for _, g := range g {
				s = append(s, fmt.Sprint(g.dir, g.flags, g.text))
			}
			slices.Sort(s)
			return s
		}
		want := texts(newRig(t, dissect.Config{}, 8080).play(segment{data: streams[0]}, segment{dir: 1, data: streams[1]}))
		if len(want) < 3 {
			t.Fatalf("%s: %q", name, want)
		}
		for seed := range uint64(300) {
			rng := rand.New(rand.NewPCG(seed, 2))
			r := newRig(t, dissect.Config{}, 8080)
			rest := streams
			for rest[0] != "" || rest[1] != "" {
				dir := rng.IntN(2)
				n := min(len(rest[dir]), 1+rng.IntN(1<<rng.IntN(10)))
				if n == 0 {
					continue
				}
				r.segment(segment{dir: dir, data: rest[dir][:n]})
				rest[dir] = rest[dir][n:]
			}
			if got := texts(r.end()); !slices.Equal(got, want) {
				t.Fatalf("%s, seed %d:\n got %q\nwant %q", name, seed, got, want)
			}
		}
	}
}

// TestConnLarge plays what the fuzzer's inputs are too small for: every limit is
// passed, in every state. Each octet is consumed or left within MaxPending, and
// emitted once at most.
func TestConnLarge(t *testing.T) {
	pieces := []string{
		upgradeRequest, upgraded, switching + "\r\n", request("INVITE", "1"), response("200 OK", "1"), "\r\n\r\n",
		"GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", "Transfer-Encoding: chunked\r\n\r\n", "INVITE sip:a SIP/2.0\r\n", "c: a/b\r\n\r\n",
		"Content-Length: 99999\r\n\r\n", "a: b\r\n", " folded\r\n", "1\r\na\r\n", "0\r\n", "x", "\x00", "\x16\x03\x01\x00\xf0\x01",
		wsFrame(0x81, mask, request("INVITE", "2")), wsFrame(0x01, mask, "I"), wsFrame(0x00, mask, "N"), wsFrame(0x89, 0, "?"), wsFrame(0xc1, 0, "\xf2H\x00"), "\x82\xfe\xff\xff",
	}
	messages := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 3))
		r := newRig(t, dissect.Config{Windows: 1}, 5060)
		sent := 0
		for sent < 200<<10 {
			s := segment{dir: rng.IntN(2)}
			s.data = strings.Repeat(pieces[rng.IntN(len(pieces))], 1+rng.IntN(1<<rng.IntN(15)))
			s.data = s.data[:min(len(s.data), 1+rng.IntN(60<<10))]
			switch rng.IntN(20) {
			case 0:
				s.gap = -1
			case 1:
				s.gap = 1 + rng.Int64N(1<<10)
			case 2:
				s.room = true
			}
			r.segment(s)
			sent += len(s.data)
		}
		total := 0
		for _, g := range r.end() {
			total += len(g.text)
		}
		if total > sent {
			t.Fatalf("seed %d: %d octets in messages, of %d", seed, total, sent)
		}
		messages += len(r.got)
	}
	if messages < 1000 {
		t.Errorf("only %d messages", messages)
	}
}

func TestConnAllocs(t *testing.T) {
	shared := dissect.NewConnections(dissect.Config{}, func(*capture.Message) {})
	plain := []byte(request("INVITE", "1") + "\r\n\r\n" + response("200 OK", "1"))
	masked := []byte(wsFrame(0x81, mask, request("INVITE", "1")))
	at := dissect.At{Wall: 1}
	flow := capture.FiveTuple{Src: a, Dst: b, Proto: capture.ProtoTCP}
	var c, ws dissect.Conn
	ws.Reset(shared, flow, 1)
	ws.Data(0, masked, len(masked), -1, &at, dissect.Numbers{})
	if n := testing.AllocsPerRun(100, func() {
		c.Reset(shared, flow, 2)
		for range 3 {
			if n := c.Data(0, plain, len(plain), 0, &at, dissect.Numbers{}); n != len(plain) {
				t.Fatal(n)
			}
		}
		if n := ws.Data(0, masked, len(masked), 0, &at, dissect.Numbers{}); n != len(masked) {
			t.Fatal(n)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkConn(b *testing.B) {
	shared := dissect.NewConnections(dissect.Config{}, func(*capture.Message) {})
	at := dissect.At{Wall: 1}
	body := strings.Repeat("a=rtpmap:0 PCMU/8000\r\n", 20)
	text := strings.Replace(request("INVITE", "1"), "Length: 0", fmt.Sprint("Length: ", len(body)), 1) + body
	for _, c := range []struct{ name, data string }{{"SIP", text}, {"WebSocket", wsFrame(0x81, mask, text)}} {
		b.Run(c.name, func(b *testing.B) {
			var conn dissect.Conn
			conn.Reset(shared, capture.FiveTuple{Proto: capture.ProtoTCP}, 3)
			data := []byte(c.data)
			conn.Data(0, data, len(data), -1, &at, dissect.Numbers{})
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if conn.Data(0, data, len(data), 0, &at, dissect.Numbers{}) != len(data) {
					b.Fatal("left")
				}
			}
		})
	}
}

func TestUserMessage(t *testing.T) {
	const beat = "\x01\x00\x03\x03\x00\x00\x00\x08"                                 // of M3UA and of M2UA
	const data = "\x01\x00\x01\x01\x00\x00\x00\x10\x02\x10\x00\x08\x00\x00\x00\x00" // of M3UA only
	for _, c := range []struct {
		octets   string
		ppid     uint32
		src, dst uint16
		want     capture.Protocol
		as       uint32
	}{
		{request("INVITE", "1"), 0, 5060, 5060, capture.SIP, 0},
		{request("INVITE", "1"), 3, 2905, 2905, capture.SIP, 3}, // the octets leave no doubt
		{"\r\n\r\n", 0, 5060, 5060, capture.KeepAlive, 0},
		{"\x01\x00\x02", 0, 5060, 5060, capture.Unknown, 0},
		{"GET / HTTP/1.1\r\n\r\n", 0, 80, 80, capture.Unknown, 0},
		{beat, 3, 9000, 9001, capture.SIGTRAN, 3},
		{beat, 2, 9000, 9001, capture.SIGTRAN, 2},
		{beat, 5, 9000, 9001, capture.SIGTRAN, 5},
		{beat, 3 << 24, 9000, 9001, capture.SIGTRAN, 3 << 24}, // little-endian
		{beat, 0, 9000, 2905, capture.SIGTRAN, 0},
		{beat, 0, 9000, 9001, capture.Unknown, 0},
		{beat, 46, 2905, 2905, capture.Unknown, 46}, // Diameter: the sender is believed
		{data, 0, 9000, 9001, capture.SIGTRAN, 3},
		{data[:12], 0, 9000, 9001, capture.Unknown, 0},
	} {
		if got, as := dissect.UserMessage(c.ppid, c.src, c.dst, []byte(c.octets)); got != c.want || as != c.as {
			t.Errorf("%.20q of %d, %d>%d is %v of %d, want %v of %d", c.octets, c.ppid, c.src, c.dst, got, as, c.want, c.as)
		}
	}
}

// FuzzConn plays a script of two octets per segment, direction and gap in the
// first, size in the second, over the octets given.
func FuzzConn(f *testing.F) {
	d := deflater{}
	f.Add([]byte{0, 200, 1, 200, 0, 255, 1, 255}, []byte(upgradeRequest+upgraded+wsFrame(0x81, mask, request("INVITE", "1"))))
	f.Add([]byte{0, 100, 0, 30, 2, 90, 4, 90}, []byte(request("INVITE", "1")+request("OPTIONS", "1")+"\r\n\r\n"+response("200 OK", "1")))
	f.Add([]byte{4, 10, 5, 20, 0, 60, 1, 60}, []byte(strings.Repeat(wsFrame(0x81, 0, request("INVITE", "1")), 2)))
	f.Add([]byte{1, 255, 0, 255}, []byte(strings.TrimSuffix(upgraded, "\r\n")+"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"+d.frame(f, 0, request("INVITE", "1"))+d.frame(f, 0, request("INVITE", "1"))))
	f.Fuzz(func(t *testing.T, script, octets []byte) {
		r := newRig(t, dissect.Config{Windows: 1}, 5060)
		before := bytes.Clone(octets)
		for len(octets) > 0 && len(script) >= 2 {
			n := min(len(octets), int(script[1])+1)
			s := segment{dir: int(script[0] & 1), data: string(octets[:n])}
			switch script[0] & 6 {
			case 2:
				s.gap = int64(script[0])>>3 + 1
			case 4:
				s.gap = -1
			case 6:
				s.room, s.fin = script[0]&8 != 0, script[0]&16 != 0
			}
			r.segment(s)
			octets, script = octets[n:], script[2:]
		}
		r.end()
		for _, g := range r.got {
			if !sip.Sniff([]byte(g.text)) || len(g.text) > dissect.MaxPending || !bytes.Contains(before, []byte(g.text)) && g.flags&capture.OverWebSocket == 0 && r.clock == 1 {
				t.Fatalf("%v", g)
			}
		}
		if s := r.shared.Stats(); s.Messages != uint64(len(r.got)) {
			t.Fatalf("%+v", s)
		}
	})
}
