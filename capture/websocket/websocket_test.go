package websocket_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"heptap/capture/httpwire"
	"heptap/capture/websocket"
)

// frame builds one; bits are F, RSV and opcode.
func frame(bits byte, mask []byte, payload string) []byte {
	b := []byte{bits, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if mask == nil {
		return append(b, payload...)
	}
	b[1] |= 0x80
	b = append(b, mask...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

var mask = []byte{0x12, 0x34, 0x56, 0x78}

// read writes down what a Reader makes of a stream.
func read(t testing.TB, r *websocket.Reader, stream []byte, ends []int, last bool) string {
	var out strings.Builder
	from, rest, junk := 0, 0, 0
	ends = append(slices.Clone(ends), len(stream))
	if last {
		ends = append(ends, len(stream))
	}
	for i, end := range ends {
		for {
			b := stream[from:end:end]
			u := r.Next(b, last && i == len(ends)-1)
			if u.N < 0 || u.N > len(b) || u.N == 0 && u.Kind != websocket.More && u.Kind != websocket.Control && u.Kind != websocket.Bad {
				t.Fatalf("%+v of %d octets", u, len(b))
			}
			switch u.Kind {
			case websocket.Message:
				fmt.Fprintf(&out, "%d:%s", u.Opcode, websocket.Append(nil, b[:u.N]))
				if u.Compressed {
					out.WriteByte('z')
				}
				if u.Cut {
					out.WriteByte('!')
				}
				out.WriteByte('\n')
			case websocket.Control:
				fmt.Fprintf(&out, "%d:%s\n", u.Opcode, websocket.AppendControl(nil, b[u.At:]))
			case websocket.Rest:
				rest += u.N
			case websocket.Junk:
				junk += u.N
			case websocket.Bad:
				return out.String() + "bad"
			}
			if u.Kind == websocket.More {
				if len(b) > websocket.MaxMessage {
					t.Fatalf("%d octets are left pending", len(b))
				}
				break
			}
			from += u.N
		}
	}
	return fmt.Sprintf("%srest %d, junk %d, left %d", out.String(), rest, junk, len(stream)-from)
}

func every(n, length int) (ends []int) {
	for i := n; i < length; i += n {
		ends = append(ends, i)
	}
	return ends
}

func TestReader(t *testing.T) {
	join := func(b ...[]byte) []byte { return bytes.Join(b, nil) }
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"RFC 6455 5.7, unmasked", []byte{0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f}, "1:Hello\nrest 0, junk 0, left 0"},
		{"RFC 6455 5.7, masked", []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}, "1:Hello\nrest 0, junk 0, left 0"},
		{"RFC 6455 5.7, fragmented", []byte{0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f}, "1:Hello\nrest 0, junk 0, left 0"},
		{"RFC 6455 5.7, ping and pong", []byte{0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}, "9:Hello\n10:Hello\nrest 0, junk 0, left 0"},
		{"RFC 7692 7.2.3.1", []byte{0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, "1:\xf2H\xcd\xc9\xc9\a\x00z\nrest 0, junk 0, left 0"},
		{"two in a segment", join(frame(0x81, mask, "one"), frame(0x82, nil, "two")), "1:one\n2:two\nrest 0, junk 0, left 0"},
		{"control frames between fragments (5.4)", join(frame(0x01, mask, "a"), frame(0x89, mask, "p"), frame(0x00, mask, "b"), frame(0x8a, nil, ""), frame(0x80, nil, "c"), frame(0x81, nil, "d")),
			"9:p\n10:\n1:abc\n1:d\nrest 0, junk 0, left 0"},
		{"empty message", frame(0x81, mask, ""), "1:\nrest 0, junk 0, left 0"},
		{"16 bit length", frame(0x81, mask, x(126)), "1:" + x(126) + "\nrest 0, junk 0, left 0"},
		{"64 bit length for a short payload", append([]byte{0x81, 127, 0, 0, 0, 0, 0, 0, 0, 1}, 'x'), "1:x\nrest 0, junk 0, left 0"},
		{"just the limit", frame(0x81, nil, x(65532)), "1:" + x(65532) + "\nrest 0, junk 0, left 0"},
		{"beyond the limit", join(frame(0x81, nil, x(70000)), frame(0x81, nil, "y")), "1:" + x(65526) + "!\n1:y\nrest 4474, junk 0, left 0"},
		{"beyond the limit in fragments", join(frame(0x01, nil, x(40000)), frame(0x00, nil, x(40000)), frame(0x89, nil, "p"), frame(0x80, nil, "z"), frame(0x81, nil, "y")),
			"1:" + x(65528) + "!\n9:p\n1:y\nrest 14475, junk 0, left 0"},
		{"cut by the end", frame(0x81, mask, "Hello")[:8], "1:He!\nrest 0, junk 0, left 0"},
		{"cut by the end between fragments", frame(0x01, mask, "Hello"), "1:Hello!\nrest 0, junk 0, left 0"},
		{"cut by the end in a header", []byte{0x81}, "rest 0, junk 1, left 0"},
		{"RSV2", []byte{0xa1, 0}, "bad"},
		{"reserved opcode", []byte{0x83, 0}, "bad"},
		{"reserved control opcode", []byte{0x8b, 0}, "bad"},
		{"fragmented ping (5.5)", []byte{0x09, 0}, "bad"},
		{"ping of 126 octets (5.5)", []byte{0x89, 126, 0, 126}, "bad"},
		{"continuation of nothing (5.4)", frame(0x80, nil, "x"), "bad"},
		{"a message in a message (5.4)", join(frame(0x01, nil, "a"), frame(0x81, nil, "x")), "bad"},
		{"length with the highest bit (5.2)", []byte{0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 1}, "bad"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{len(c.in) + 1, 1, 7, 1460} {
				if n == 1 && len(c.in) > 1000 {
					continue
				}
				var r websocket.Reader
				if got := read(t, &r, c.in, every(n, len(c.in)), true); got != c.want {
					t.Fatalf("in pieces of %d:\n got %.200q\nwant %.200q", n, got, c.want)
				}
			}
		})
	}
}

// TestReaderLost loses octets of which it is known how many, everywhere.
func TestReaderLost(t *testing.T) {
	var stream []byte
	for _, f := range [][]byte{frame(0x81, mask, "first message"), frame(0x89, nil, "ping"), frame(0x01, mask, "in two"), frame(0x80, mask, "frames"), frame(0x82, nil, "third")} {
		stream = append(stream, f...)
	}
	tail := frame(0x81, nil, "last")
	whole := append(bytes.Clone(stream), tail...)
	known := 0
	for from := range len(stream) {
		for to := from + 1; to <= len(stream); to++ {
			var r websocket.Reader
			read(t, &r, whole[:from], nil, from%2 == 0)
			if !r.Lost(int64(to - from)) {
				continue
			}
			known++
			if got := read(t, &r, whole[to:], nil, false); !strings.Contains(got, "1:last\n") || !strings.HasSuffix(got, "left 0") {
				t.Fatalf("octets %d to %d lost: %q", from, to, got)
			}
		}
	}
	if known < 100 {
		t.Errorf("the place was known only %d times", known)
	}
}

func sipLike(front []byte) websocket.Verdict {
	const want = "SIP/2.0 "
	n := min(len(front), len(want))
	switch {
	case string(front[:n]) != want[:n]:
		return websocket.No
	case n < len(want):
		return websocket.Maybe
	}
	return websocket.Yes
}

func TestFind(t *testing.T) {
	junk := "\x81\x82\x81\x7e\x00\x81\xff"
	sip := "SIP/2.0 200 OK\r\n\r\n"
	for _, c := range []struct {
		name string
		in   string
		at   int
		v    websocket.Verdict
	}{
		{"nothing", "", 0, websocket.No},
		{"at once", string(frame(0x81, nil, sip)), 0, websocket.Yes},
		{"masked, binary, after junk", "ab" + string(frame(0x82, mask, sip)), 2, websocket.Yes},
		{"other content", string(frame(0x81, nil, "{}")), 4, websocket.No},
		{"compressed", string(frame(0xc1, nil, sip)), 20, websocket.No},
		{"the first fragment", string(frame(0x01, nil, sip)), 0, websocket.Yes},
		{"another fragment", string(frame(0x00, nil, sip)), 20, websocket.No},
		{"three fragments", "x" + string(frame(0x01, nil, sip[:1])) + string(frame(0x89, nil, "ping")) + string(frame(0x00, mask, sip[1:3])) + string(frame(0x80, nil, sip[3:])), 1, websocket.Yes},
		{"a fragment and no continuation", string(frame(0x01, nil, sip[:3])) + string(frame(0x81, nil, "{}")), 9, websocket.No},
		{"a fragment, the rest to come", string(frame(0x01, nil, sip[:3])), 0, websocket.Maybe},
		{"too short for its content", string(frame(0x81, nil, "SIP")), 5, websocket.No},
		{"header cut", "abc\x81", 3, websocket.Maybe},
		{"content cut", "abc" + string(frame(0x81, mask, sip)[:8]), 3, websocket.Maybe},
		{"behind what looks like a header", junk + string(frame(0x81, nil, strings.Repeat(sip, 10))), len(junk), websocket.Yes},
	} {
		t.Run(c.name, func(t *testing.T) {
			if at, v := websocket.Find([]byte(c.in), make([]byte, 256), sipLike); at != c.at || v != c.v {
				t.Errorf("%d, %d, want %d, %d", at, v, c.at, c.v)
			}
		})
	}
}

func head(t testing.TB, s string) *httpwire.Head {
	t.Helper()
	h := new(httpwire.Head)
	if !h.Parse([]byte(strings.ReplaceAll(s, "\n", "\r\n") + "\r\n\r\n")) {
		t.Fatalf("%q is no head", s)
	}
	return h
}

const (
	request = "GET /chat HTTP/1.1\nHost: server.example.com\nUpgrade: websocket\nConnection: keep-alive, Upgrade\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Protocol: chat, sip\nSec-WebSocket-Version: 13"
	agreed  = "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\nSec-WebSocket-Protocol: sip"
)

func TestHandshake(t *testing.T) {
	var o websocket.Offer
	if !o.Parse(head(t, request)) || !o.SIP {
		t.Fatalf("RFC 6455 1.3: %+v", o)
	}
	var s websocket.Session
	if !s.Parse(head(t, agreed), &o) || !s.SIP || s.Other || s.Deflate.On {
		t.Fatalf("RFC 6455 1.3: %+v", s)
	}
	for _, r := range []struct{ old, new string }{
		{"GET", "POST"}, {"websocket", "h2c"}, {"keep-alive, Upgrade", "close"}, {"Version: 13", "Version: 8"}, {"ZQ==", "Z"},
	} {
		var o websocket.Offer
		if o.Parse(head(t, strings.Replace(request, r.old, r.new, 1))) {
			t.Errorf("%s instead of %s is accepted", r.new, r.old)
		}
	}
	for _, r := range []struct{ old, new string }{{"101", "200"}, {"Connection: Upgrade", "Connection: close"}, {"websocket", "tls"}, {"s3pP", "S3pP"}} {
		bad := head(t, strings.Replace(agreed, r.old, r.new, 1))
		if s.Parse(bad, &o) {
			t.Errorf("%s instead of %s is accepted", r.new, r.old)
		}
		if s.Parse(bad, nil) != (r.old == "s3pP") {
			t.Errorf("%s instead of %s, without the request", r.new, r.old)
		}
	}
}

func TestExtensions(t *testing.T) {
	full := websocket.Deflate{On: true, ServerBits: 15, ClientBits: 15}
	for _, c := range []struct {
		value string
		want  websocket.Deflate
		other bool
	}{
		{"permessage-deflate", full, false},
		{"permessage-deflate; client_no_context_takeover; server_max_window_bits=10", websocket.Deflate{On: true, ClientAlone: true, ServerBits: 10, ClientBits: 15}, false},
		{"Permessage-Deflate ;server_no_context_takeover;client_max_window_bits = \"8\"", websocket.Deflate{On: true, ServerAlone: true, ServerBits: 15, ClientBits: 8}, false},
		{"permessage-deflate; server_max_window_bits=99; client_max_window_bits", full, false},
		{"x-webkit-deflate-frame", websocket.Deflate{}, true},
		{"permessage-deflate, foo", full, true},
		{" , ", websocket.Deflate{}, false},
	} {
		var s websocket.Session
		if !s.Parse(head(t, agreed+"\nSec-WebSocket-Extensions: "+c.value), nil) || s.Deflate != c.want || s.Other != c.other {
			t.Errorf("%s: %+v", c.value, s)
		}
	}
}

// deflater compresses messages as a sender does (RFC 7692 7.2.1).
type deflater struct {
	alone bool
	out   bytes.Buffer
	w     *flate.Writer
}

func (d *deflater) message(t testing.TB, s string) []byte {
	if d.w == nil || d.alone {
		w, err := flate.NewWriter(&d.out, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		d.w = w
	}
	d.out.Reset()
	if _, err := d.w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := d.w.Flush(); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(bytes.TrimSuffix(d.out.Bytes(), []byte{0, 0, 0xff, 0xff}))
}

func TestInflateExamples(t *testing.T) {
	z := websocket.NewInflater()
	for _, c := range []struct {
		name   string
		in     []byte
		before string
		want   string
		err    error
	}{
		{"RFC 7692 7.2.3.1", []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, "", "Hello", nil},
		{"7.2.3.2, refers to the message before", []byte{0xf2, 0x00, 0x11, 0x00, 0x00}, "Hello", "Hello", nil},
		{"7.2.3.2, which is not there", []byte{0xf2, 0x00, 0x11, 0x00, 0x00}, "", "", websocket.ErrInflate},
		{"7.2.3.3, stored", []byte{0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00}, "", "Hello", nil},
		{"7.2.3.4, BFINAL", []byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}, "", "Hello", nil},
		{"7.2.3.5, two blocks", []byte{0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00}, "", "Hello", nil},
		{"7.2.3.6, empty", []byte{0x00}, "", "", nil},
		{"no deflate", []byte("Hello"), "", "", websocket.ErrInflate},
		{"nothing: an empty message has an octet (7.2.3.6)", nil, "", "", websocket.ErrInflate},
	} {
		out, cut, err := z.Inflate(make([]byte, 0, 100), c.in, []byte(c.before), false)
		if string(out) != c.want || cut || err != c.err {
			t.Errorf("%s: %q, cut %v, %v", c.name, out, cut, err)
		}
	}
}

// TestInflateRandom sends random messages with and without context takeover,
// some of them larger than the window.
func TestInflateRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	z := websocket.NewInflater()
	words := strings.Fields("INVITE SIP/2.0 Via: branch=z9hG4bK sip:bob@example.com Call-ID: CSeq: a=rtpmap:0 PCMU/8000")
	out := make([]byte, 0, 64<<10)
	for _, alone := range []bool{false, true} {
		d := deflater{alone: alone}
		w := websocket.NewWindow(15)
		for i := range 300 {
			var s strings.Builder
			for n := rng.IntN(1 << rng.IntN(13)); n > 0; n-- {
				s.WriteString(words[rng.IntN(len(words))])
				s.WriteByte(byte(rng.IntN(256)))
			}
			wire := d.message(t, s.String())
			got, cut, err := z.Inflate(out, wire, w.Octets(), false)
			if want := s.String(); string(got) != want[:min(len(want), cap(out))] || cut != (len(want) > cap(out)) || err != nil {
				t.Fatalf("message %d of %d octets, alone %v: %d, cut %v, %v", i, len(want), alone, len(got), cut, err)
			}
			if !alone {
				w.Add([]byte(s.String()))
			}
		}
	}
}

func TestInflateLimits(t *testing.T) {
	z := websocket.NewInflater()
	bomb := new(deflater).message(t, strings.Repeat("x", 10<<20))
	if len(bomb) > 64<<10 {
		t.Fatal("the bomb is too large:", len(bomb))
	}
	out, cut, err := z.Inflate(make([]byte, 0, 1000), bomb, nil, false)
	if len(out) != 1000 || cap(out) != 1000 || !cut || err != nil {
		t.Errorf("%d octets, cut %v, %v", len(out), cut, err)
	}
	wire := new(deflater).message(t, strings.Repeat("Via: SIP/2.0/WS a;branch=z9hG4bK1\r\n", 3)+"the rest of it, which is something else")
	out, cut, err = z.Inflate(make([]byte, 0, 1000), wire[:len(wire)-10], nil, true)
	if !bytes.HasPrefix(out, []byte("Via: SIP/2.0/WS a")) || !cut || err != nil {
		t.Errorf("cut by the capture: %q, cut %v, %v", out, cut, err)
	}
	full := []byte("0123456789")
	out, cut, err = z.Inflate(make([]byte, 0, len(full)), new(deflater).message(t, string(full)), nil, false)
	if string(out) != string(full) || cut || err != nil {
		t.Errorf("exactly the room: %q, cut %v, %v", out, cut, err)
	}
}

func TestWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, bits := range []uint8{8, 9, 15} {
		w := websocket.NewWindow(bits)
		var all []byte
		for range 200 {
			b := make([]byte, rng.IntN(600))
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			all = append(all, b...)
			w.Add(b)
			if want := all[max(0, len(all)-1<<bits):]; !bytes.Equal(w.Octets(), want) {
				t.Fatalf("window of %d bits holds %d octets, want %d", bits, len(w.Octets()), len(want))
			}
		}
		if w.Reset(); len(w.Octets()) != 0 {
			t.Error("not empty")
		}
	}
}

// TestConversation puts random messages on a stream, fragmented, masked and
// with control frames in between, cuts it anywhere and expects them back.
func TestConversation(t *testing.T) {
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var stream []byte
		var want strings.Builder
		for range rng.IntN(8) {
			message := strings.Repeat(fmt.Sprintf("message %d,", rng.IntN(100)), rng.IntN(60))
			var controls []string
			for opcode, rest := byte(1), message; ; opcode = 0 {
				n := len(rest)
				if rng.IntN(2) == 0 {
					n = rng.IntN(n + 1)
				}
				var m []byte
				if rng.IntN(2) == 0 {
					m = binary.BigEndian.AppendUint32(nil, rng.Uint32())
				}
				if n == len(rest) {
					stream = append(stream, frame(0x80|opcode, m, rest)...)
					break
				}
				stream = append(stream, frame(opcode, m, rest[:n])...)
				rest = rest[n:]
				for range rng.IntN(3) {
					stream = append(stream, frame(0x89, m, fmt.Sprint(n))...)
					controls = append(controls, fmt.Sprintf("9:%d\n", n))
				}
			}
			want.WriteString(strings.Join(controls, ""))
			fmt.Fprintf(&want, "1:%s\n", message)
		}
		want.WriteString("rest 0, junk 0, left 0")
		var ends []int
		for range rng.IntN(30) {
			ends = append(ends, rng.IntN(len(stream)+1))
		}
		slices.Sort(ends)
		var r websocket.Reader
		if got := read(t, &r, stream, ends, false); got != want.String() {
			t.Fatalf("seed %d:\n got %q\nwant %q", seed, got, want.String())
		}
	}
}

func TestCloseReason(t *testing.T) {
	if code, reason := websocket.CloseReason([]byte("\x03\xe9going away")); code != 1001 || string(reason) != "going away" {
		t.Error(code, string(reason))
	}
	if code, reason := websocket.CloseReason([]byte{3}); code != 0 || reason != nil {
		t.Error(code, reason)
	}
}

func TestAllocs(t *testing.T) {
	b := append(frame(0x01, mask, strings.Repeat("x", 600)), frame(0x80, mask, strings.Repeat("y", 600))...)
	dst := make([]byte, 0, 4096)
	scratch := make([]byte, 256)
	req, resp := head(t, request), head(t, agreed)
	z := websocket.NewInflater()
	fixed := []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}
	w := websocket.NewWindow(15)
	if n := testing.AllocsPerRun(100, func() {
		var r websocket.Reader
		if u := r.Next(b, false); u.Kind != websocket.Message || len(websocket.Append(dst, b[:u.N])) != 1200 {
			t.Fatal("no message")
		}
		websocket.Find(b, scratch, sipLike)
		var o websocket.Offer
		var s websocket.Session
		if !o.Parse(req) || !s.Parse(resp, &o) {
			t.Fatal("no handshake")
		}
		if out, _, err := z.Inflate(dst, fixed, w.Octets(), false); err != nil || len(out) != 5 {
			t.Fatal("not inflated")
		}
		w.Add(fixed)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkMessage(b *testing.B) {
	wire := frame(0x81, mask, strings.Repeat("x", 900))
	dst := make([]byte, 0, 4096)
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		var r websocket.Reader
		u := r.Next(wire, false)
		websocket.Append(dst, wire[:u.N])
	}
}

func BenchmarkInflate(b *testing.B) {
	d := new(deflater)
	text := strings.Repeat("Via: SIP/2.0/WS a;branch=z9hG4bK1\r\nCall-ID: 1\r\n", 10) + "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\n"
	wire := d.message(b, text)
	z := websocket.NewInflater()
	dst := make([]byte, 0, 4096)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := z.Inflate(dst, wire, nil, false); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzReader splits a stream at random and expects what it gives in one piece.
func FuzzReader(f *testing.F) {
	f.Add(append(frame(0x01, mask, "in two"), frame(0x80, nil, "frames")...), uint64(1))
	f.Add(append(frame(0x89, mask, "ping"), frame(0xc1, nil, "\xf2H\xcd\xc9\xc9\a\x00")...), uint64(2))
	f.Add(frame(0x81, nil, strings.Repeat("x", 66000)), uint64(3))
	f.Add([]byte{0x81, 127, 0, 0, 0, 0, 1, 0, 0, 0, 1}, uint64(4))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var ends []int
		for range rng.IntN(20) {
			ends = append(ends, rng.IntN(len(stream)+1))
		}
		slices.Sort(ends)
		before := bytes.Clone(stream)
		var one, many websocket.Reader
		want, got := read(t, &one, stream, nil, true), read(t, &many, stream, ends, true)
		if got != want {
			t.Fatalf("cut at %v: %.300q\nin one piece: %.300q", ends, got, want)
		}
		websocket.Find(stream, make([]byte, 128), sipLike)
		if !bytes.Equal(before, stream) {
			t.Fatal("the stream was written to")
		}
	})
}

// FuzzInflate inflates anything into little room, with and without context.
func FuzzInflate(f *testing.F) {
	f.Add([]byte{0xf2, 0x00, 0x11, 0x00, 0x00}, []byte("Hello"), false)
	f.Add(new(deflater).message(f, strings.Repeat("Via: SIP/2.0/WS", 30)), []byte{}, true)
	z := websocket.NewInflater()
	f.Fuzz(func(t *testing.T, b, before []byte, partial bool) {
		out, cut, err := z.Inflate(make([]byte, 0, 1000), b, before, partial)
		if cap(out) != 1000 || err != nil && (len(out) > 0 || cut) {
			t.Fatalf("%d octets of %d, cut %v, %v", len(out), cap(out), cut, err)
		}
	})
}
