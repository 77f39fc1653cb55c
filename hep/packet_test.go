package hep_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heptap/hep"
)

// golden is the reference frame of the HEP3 specification, revision 37.
const golden = `48455033 0071
	0000 0001 0007 02
	0000 0002 0007 11
	0000 0003 000a d4ca0001
	0000 0004 000a 527400d3
	0000 0007 0008 2eea
	0000 0008 0008 13c4
	0000 0009 000a 4e4982cb
	0000 000a 000a 0001d4c0
	0000 000b 0007 01
	0000 000c 000a 000000e4
	0000 000f 0014 494e56495445207369703a626f62`

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func goldenPacket() hep.Packet {
	return hep.Packet{
		Src:     netip.MustParseAddrPort("212.202.0.1:12010"),
		Dst:     netip.MustParseAddrPort("82.116.0.211:5060"),
		Wall:    time.Unix(0x4e4982cb, 120000*1000).UnixNano(),
		AgentID: 228,
		Proto:   17,
		Type:    hep.TypeSIP,
		Payload: []byte("INVITE sip:bob"),
	}
}

// fullPacket has every chunk AppendBinary knows.
func fullPacket() hep.Packet {
	p := goldenPacket()
	p.TOS, p.TCPFlags = 0xb8, 0x18
	p.HasVLAN, p.VLAN = true, 100
	p.MOS, p.R = 403, 93
	p.AuthKey = []byte("myHep")
	p.Correlation = []byte("call-1@example.net")
	p.Node = []byte("node1")
	p.Extra = []byte(`{"net":"17"}`)
	p.Flags = hep.FlagGap | hep.FlagDuplicate
	p.Sequence = hep.Sequence{Origin: 0x0123456789abcdef, Number: 3<<40 | 7, Part: 2}
	p.Clock = hep.Clock{State: hep.ClockWas, Offset: -1500 * time.Microsecond}
	return p
}

// equal compares what two packets mean: nil and empty octets alike.
func equal(a, b *hep.Packet) bool {
	return a.Src == b.Src && a.Dst == b.Dst && a.Wall == b.Wall && a.AgentID == b.AgentID && a.Proto == b.Proto &&
		a.Type == b.Type && a.TOS == b.TOS && a.TCPFlags == b.TCPFlags && a.HasVLAN == b.HasVLAN && a.VLAN == b.VLAN &&
		a.MOS == b.MOS && a.R == b.R && a.Flags == b.Flags && a.Sequence == b.Sequence && a.Clock == b.Clock && bytes.Equal(a.AuthKey, b.AuthKey) && bytes.Equal(a.Correlation, b.Correlation) &&
		bytes.Equal(a.Node, b.Node) && bytes.Equal(a.Payload, b.Payload) && bytes.Equal(a.Extra, b.Extra) &&
		bytes.Equal(a.Others, b.Others)
}

func mustAppend(tb testing.TB, p hep.Packet) []byte {
	tb.Helper()
	b, err := p.AppendBinary(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	want := unhex(t, golden)
	p := goldenPacket()
	if got := mustAppend(t, p); !bytes.Equal(got, want) {
		t.Errorf("append:\n got %x\nwant %x", got, want)
	}
	v, err := hep.Parse(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Packet(); !equal(&got, &p) {
		t.Errorf("parse:\n got %+v\nwant %+v", got, p)
	}
	if v.Family() != 2 {
		t.Errorf("family %d", v.Family())
	}
}

func TestAppendOrder(t *testing.T) {
	tests := []struct {
		name string
		edit func(*hep.Packet)
		want string
	}{
		{"every chunk", func(*hep.Packet) {}, "01 02 03 04 07 08 09 0a 0b 0c 0e 11 12 13 17 18 20 21 0f 65 6874/0100 6874/0101 6874/0102"},
		{"IPv6", func(p *hep.Packet) {
			p.Src, p.Dst = netip.MustParseAddrPort("[2001:db8::1]:5060"), netip.MustParseAddrPort("[2001:db8::2]:5061")
		}, "01 02 05 06 07 08 09 0a 0b 0c 0e 11 12 13 17 18 20 21 0f 65 6874/0100 6874/0101 6874/0102"},
		{"VLAN 0 is a tag too", func(p *hep.Packet) { *p = goldenPacket(); p.HasVLAN = true }, "01 02 03 04 07 08 09 0a 0b 0c 12 0f"},
		{"no payload", func(p *hep.Packet) { *p = goldenPacket(); p.Payload = nil; p.Extra = []byte("{}") }, "01 02 03 04 07 08 09 0a 0b 0c 65"},
		{"zero", func(p *hep.Packet) { *p = hep.Packet{} }, "01 02 03 04 07 08 09 0a 0b 0c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := fullPacket()
			tt.edit(&p)
			b := mustAppend(t, p)
			var got []string
			for rest := b[6:]; len(rest) > 0; rest = rest[int(rest[4])<<8|int(rest[5]):] {
				if rest[4] == 0 && rest[5] <= 6 {
					t.Errorf("chunk %02x is empty", rest[3])
				}
				id := hex.EncodeToString(rest[3:4])
				if vendor := hex.EncodeToString(rest[:2]); vendor != "0000" {
					id = vendor + "/" + hex.EncodeToString(rest[2:4])
				}
				got = append(got, id)
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("\n got %s\nwant %s", s, tt.want)
			}
			v, err := hep.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			back := v.Packet()
			if again := mustAppend(t, back); !bytes.Equal(again, b) {
				t.Errorf("not canonical:\n got %x\nwant %x", again, b)
			}
		})
	}
}

func TestAppendAddresses(t *testing.T) {
	tests := []struct {
		name, src, dst string
		family         uint8
		wantSrc        string
		wantDst        string
	}{
		{"v4", "192.0.2.1:1", "192.0.2.2:2", 2, "192.0.2.1:1", "192.0.2.2:2"},
		{"v6", "[2001:db8::1]:1", "[2001:db8::2]:2", 10, "[2001:db8::1]:1", "[2001:db8::2]:2"},
		{"mapped", "[::ffff:192.0.2.1]:1", "192.0.2.2:2", 2, "192.0.2.1:1", "192.0.2.2:2"},
		{"mixed", "192.0.2.1:1", "[2001:db8::2]:2", 10, "192.0.2.1:1", "[2001:db8::2]:2"},
		{"zone is not sent", "[fe80::1%eth0]:1", "[fe80::2]:2", 10, "[fe80::1]:1", "[fe80::2]:2"},
		{"no source", "", "[2001:db8::2]:2", 10, "[::]:0", "[2001:db8::2]:2"},
		{"no destination", "192.0.2.1:1", "", 2, "192.0.2.1:1", "0.0.0.0:0"},
		{"neither", "", "", 2, "0.0.0.0:0", "0.0.0.0:0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := hep.Packet{Type: 1}
			if tt.src != "" {
				p.Src = netip.MustParseAddrPort(tt.src)
			}
			if tt.dst != "" {
				p.Dst = netip.MustParseAddrPort(tt.dst)
			}
			v, err := hep.Parse(mustAppend(t, p))
			if err != nil {
				t.Fatal(err)
			}
			if v.Family() != tt.family || v.Src().String() != tt.wantSrc || v.Dst().String() != tt.wantDst {
				t.Errorf("got %d %v %v", v.Family(), v.Src(), v.Dst())
			}
		})
	}
}

func TestAppendTime(t *testing.T) {
	const lastWall = (0xffffffff*1_000_000 + 999_999) * 1000
	for _, tt := range []struct{ wall, want int64 }{
		{0, 0},
		{-1, 0},
		{math.MinInt64, 0},
		{1_700_000_000_123_456_789, 1_700_000_000_123_456_000},
		{lastWall, lastWall},
		{lastWall + 1000, lastWall},
		{math.MaxInt64, lastWall},
	} {
		p := goldenPacket()
		p.Wall = tt.wall
		v, err := hep.Parse(mustAppend(t, p))
		if err != nil {
			t.Fatal(err)
		}
		if v.Wall() != tt.want {
			t.Errorf("wall %d: got %d, want %d", tt.wall, v.Wall(), tt.want)
		}
	}
}

func TestAppendTooLarge(t *testing.T) {
	p := fullPacket()
	p.Payload = nil
	room := hep.MaxFrame - len(mustAppend(t, p)) - 6
	prefix := []byte("prefix")
	p.Payload = make([]byte, room)
	b, err := p.AppendBinary(bytes.Clone(prefix))
	if err != nil || len(b) != len(prefix)+hep.MaxFrame {
		t.Fatalf("largest frame: %d octets, %v", len(b), err)
	}
	if _, err := hep.Parse(b[len(prefix):]); err != nil {
		t.Errorf("largest frame: %v", err)
	}
	p.Payload = make([]byte, room+1)
	b, err = p.AppendBinary(bytes.Clone(prefix))
	if !errors.Is(err, hep.ErrTooLarge) || !bytes.Equal(b, prefix) {
		t.Errorf("one more: %q, %v", b, err)
	}
	p.Payload, p.Correlation = nil, make([]byte, 1<<16)
	if b, err = p.AppendBinary(bytes.Clone(prefix)); !errors.Is(err, hep.ErrTooLarge) || !bytes.Equal(b, prefix) {
		t.Errorf("chunk over 16 bits: %q, %v", b, err)
	}
}

func TestTypeName(t *testing.T) {
	for typ, want := range map[uint8]string{0: "none", 1: "sip", 5: "rtcp", 34: "rtp", 53: "dns", 54: "isup", 87: "mi",
		88: "rest", 89: "net", 96: "control", 100: "log", 20: "type20", 255: "type255"} {
		if got := hep.TypeName(typ); got != want {
			t.Errorf("%d: got %q, want %q", typ, got, want)
		}
	}
}

func TestAllocs(t *testing.T) {
	p := fullPacket()
	p.Payload = make([]byte, 800)
	b := make([]byte, 0, 2048)
	if n := testing.AllocsPerRun(100, func() { b, _ = p.AppendBinary(b[:0]) }); n != 0 {
		t.Errorf("append allocates %v times", n)
	}
	var sum int
	if n := testing.AllocsPerRun(100, func() {
		v, err := hep.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		q := v.Packet()
		sum += len(q.Payload)
	}); n != 0 {
		t.Errorf("parse allocates %v times", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	plain := goldenPacket()
	plain.Payload = make([]byte, 800)
	probe := plain
	probe.Correlation, probe.Node, probe.Extra = []byte("3848276298220188511@atlanta.example.com"), []byte("node1"), []byte(`{"net":"17"}`)
	for _, bb := range []struct {
		name string
		p    hep.Packet
	}{{"plain", plain}, {"ids", probe}} {
		b.Run(bb.name, func(b *testing.B) {
			dst := make([]byte, 0, 2048)
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = bb.p.AppendBinary(dst[:0])
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}

func BenchmarkParse(b *testing.B) {
	p := fullPacket()
	p.Payload = make([]byte, 800)
	frame, _ := p.AppendBinary(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := hep.Parse(frame); err != nil {
			b.Fatal(err)
		}
	}
}
