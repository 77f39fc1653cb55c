package rtp_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"heptap/capture/rtp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var cases = []struct {
	name string
	hex  string
	ok   bool
	want rtp.Header
}{
	{"plain", "8000 ffff 01020304 a0b0c0d0 d5d5", true, rtp.Header{Sequence: 65535, Timestamp: 0x01020304, SSRC: 0xa0b0c0d0, PayloadOffset: 12, PayloadLen: 2}},
	{"marker", "80 e5 0001 00000000 00000001", true, rtp.Header{Marker: true, PayloadType: 101, Sequence: 1, SSRC: 1, PayloadOffset: 12}},
	{"two csrc", "82 08 0001 00000002 00000003 00000004 00000005 aabb", true, rtp.Header{PayloadType: 8, Sequence: 1, Timestamp: 2, SSRC: 3, PayloadOffset: 20, PayloadLen: 2}},
	{"extension", "90 08 0001 00000002 00000003 bede0001 10ff0000 aa", true, rtp.Header{PayloadType: 8, Sequence: 1, Timestamp: 2, SSRC: 3, PayloadOffset: 20, PayloadLen: 1}},
	{"empty extension", "90 08 0001 00000002 00000003 bede0000", true, rtp.Header{PayloadType: 8, Sequence: 1, Timestamp: 2, SSRC: 3, PayloadOffset: 16}},
	{"padding", "a0 08 0001 00000002 00000003 aabb 0002", true, rtp.Header{PayloadType: 8, Sequence: 1, Timestamp: 2, SSRC: 3, PayloadOffset: 12, PayloadLen: 2}},
	{"padding only", "a0 08 0001 00000002 00000003 00000004", true, rtp.Header{PayloadType: 8, Sequence: 1, Timestamp: 2, SSRC: 3, PayloadOffset: 12}},
	{"csrc, extension, padding", "b1 08 0001 00000002 00000003 00000009 bede0001 00000000 aa 01", true, rtp.Header{PayloadType: 8, Sequence: 1, Timestamp: 2, SSRC: 3, PayloadOffset: 24, PayloadLen: 1}},
	{"short", "8000 ffff 01020304 a0b0c0", false, rtp.Header{}},
	{"empty", "", false, rtp.Header{}},
	{"version 1", "4000 ffff 01020304 a0b0c0d0 d5d5", false, rtp.Header{}},
	{"csrc cut", "82 08 0001 00000002 00000003 00000004 000000", false, rtp.Header{}},
	{"extension cut", "90 08 0001 00000002 00000003 bede00", false, rtp.Header{}},
	{"extension too long", "90 08 0001 00000002 00000003 bede0002 10ff0000", false, rtp.Header{}},
	{"padding zero", "a0 08 0001 00000002 00000003 aabb 0000", false, rtp.Header{}},
	{"padding more than payload", "a0 08 0001 00000002 00000003 aabb 0005", false, rtp.Header{}},
	{"padding, no payload", "a0 08 0001 00000002 00000003", false, rtp.Header{}},
}

func TestParse(t *testing.T) {
	for _, c := range cases {
		h := rtp.Header{SSRC: 99}
		if ok := h.Parse(unhex(t, c.hex)); ok != c.ok || h != c.want {
			t.Errorf("%s: %v %+v, want %v %+v", c.name, ok, h, c.ok, c.want)
		}
	}
}

func TestParseFrontIgnoresPadding(t *testing.T) {
	var h rtp.Header
	b := unhex(t, "a0 08 0001 00000002 00000003 aabb 00ff")
	if h.Parse(b) || !h.ParseFront(b) || h.PayloadLen != 4 {
		t.Fatalf("%+v", h)
	}
}

func TestIsRTCP(t *testing.T) {
	for _, c := range []struct {
		hex  string
		want bool
	}{
		{"80c80006", true}, {"81c90007", true}, {"80c00000", true}, {"80df0000", true},
		{"80bf0000", false}, {"80e00000", false}, {"80000000", false}, {"40c80006", false}, {"80c800", false}, {"", false},
	} {
		if got := rtp.IsRTCP(unhex(t, c.hex)); got != c.want {
			t.Errorf("%s: %v", c.hex, got)
		}
	}
}

func TestStatic(t *testing.T) {
	for pt, want := range map[uint8]rtp.PayloadType{
		0: {"PCMU", 8000}, 8: {"PCMA", 8000}, 9: {"G722", 8000}, 13: {"CN", 8000}, 18: {"G729", 8000}, 34: {"H263", 90000},
		2: {}, 19: {}, 35: {}, 96: {}, 127: {}, 255: {},
	} {
		if got := rtp.Static(pt); got != want {
			t.Errorf("%d: %+v", pt, got)
		}
	}
	for pt := range 256 {
		if s := rtp.Static(uint8(pt)); (s.Name == "") != (s.Clock == 0) {
			t.Errorf("%d: %+v", pt, s)
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	b := unhex(t, cases[7].hex)
	var h rtp.Header
	if n := testing.AllocsPerRun(100, func() { h.Parse(b) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range cases {
		f.Add(unhex(f, c.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h, front rtp.Header
		ok := h.Parse(b)
		if !ok && h != (rtp.Header{}) {
			t.Fatalf("refused, but %+v", h)
		}
		if !ok {
			return
		}
		if h.PayloadOffset < rtp.HeaderSize || h.PayloadLen < 0 || h.PayloadOffset+h.PayloadLen > len(b) {
			t.Fatalf("payload outside the packet of %d: %+v", len(b), h)
		}
		if h.PayloadType > 127 {
			t.Fatalf("payload type %d", h.PayloadType)
		}
		// What Parse takes, ParseFront takes; they differ in the padding only.
		if !front.ParseFront(b) || front.PayloadLen < h.PayloadLen || front.PayloadOffset+front.PayloadLen != len(b) {
			t.Fatalf("%+v, front %+v", h, front)
		}
		front.PayloadLen = h.PayloadLen
		if front != h {
			t.Fatalf("%+v, front %+v", h, front)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	p := make([]byte, 172)
	p[0], p[1] = 0x80, 8
	var h rtp.Header
	for b.Loop() {
		h.Parse(p)
	}
}
