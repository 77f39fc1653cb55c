package hep_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"heptap/hep"
)

// frame puts a HEP3 header before chunks given in hex.
func frame(tb testing.TB, chunks string) []byte {
	tb.Helper()
	b := append([]byte("HEP3\x00\x00"), unhex(tb, chunks)...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	return b
}

func TestParseRefuses(t *testing.T) {
	whole := unhex(t, golden)
	tests := []struct {
		name   string
		in     []byte
		fault  hep.Fault
		offset int64
		chunk  uint16
	}{
		{"nothing", nil, hep.FaultTruncated, 0, 0},
		{"half a header", []byte("HEP3\x00"), hep.FaultTruncated, 0, 0},
		{"magic", append([]byte("EEP3"), whole[4:]...), hep.FaultMagic, 0, 0},
		{"HEP1", []byte("\x01\x10\x02\x11abcdefghijkl"), hep.FaultMagic, 0, 0},
		{"length below the header", []byte("HEP3\x00\x05"), hep.FaultLength, 4, 0},
		{"length over MaxFrame", append([]byte("HEP3\xff\xe4"), make([]byte, 65502)...), hep.FaultTooLarge, 4, 0},
		{"cut", whole[:len(whole)-1], hep.FaultTruncated, int64(len(whole) - 1), 0},
		{"octet too many", append(bytes.Clone(whole), 0), hep.FaultLength, 4, 0},
		{"chunk header cut", frame(t, "0000 000b 00"), hep.FaultChunkLength, 6, 0},
		{"chunk shorter than its header", frame(t, "0000 000b 0005"), hep.FaultChunkLength, 6, 0x0b},
		{"chunk of length 0", frame(t, "0000 000b 0000 01"), hep.FaultChunkLength, 6, 0x0b},
		{"chunk leaves the frame", frame(t, "0000 000b 0007 01 0000 000f 0009 4142"), hep.FaultChunkLength, 13, 0x0f},
		{"unknown chunk leaves the frame", frame(t, "0007 0100 0009 4142"), hep.FaultChunkLength, 6, 0x100},
		{"empty type", frame(t, "0000 000b 0006"), hep.FaultChunkSize, 6, 0x0b},
		{"wide family", frame(t, "0000 0001 0008 0002"), hep.FaultChunkSize, 6, 0x01},
		{"wide protocol", frame(t, "0000 0002 0008 0011"), hep.FaultChunkSize, 6, 0x02},
		{"IPv4 of 16", frame(t, "0000 0003 0016 00000000000000000000000000000000"), hep.FaultChunkSize, 6, 0x03},
		{"IPv4 of 3", frame(t, "0000 0004 0009 010203"), hep.FaultChunkSize, 6, 0x04},
		{"IPv6 of 4", frame(t, "0000 0005 000a 01020304"), hep.FaultChunkSize, 6, 0x05},
		{"IPv6 of 15", frame(t, "0000 0006 0015 000000000000000000000000000000"), hep.FaultChunkSize, 6, 0x06},
		{"port of 4", frame(t, "0000 0007 000a 01020304"), hep.FaultChunkSize, 6, 0x07},
		{"port of 1", frame(t, "0000 0008 0007 01"), hep.FaultChunkSize, 6, 0x08},
		{"seconds of 8", frame(t, "0000 0009 000e 0102030405060708"), hep.FaultChunkSize, 6, 0x09},
		{"microseconds of 2", frame(t, "0000 000a 0008 0102"), hep.FaultChunkSize, 6, 0x0a},
		{"agent id of 2", frame(t, "0000 000c 0008 0102"), hep.FaultChunkSize, 6, 0x0c},
		{"VLAN of 4", frame(t, "0000 0012 000a 01020304"), hep.FaultChunkSize, 6, 0x12},
		{"two types", frame(t, "0000 000b 0007 01 0000 000b 0007 01"), hep.FaultDuplicate, 13, 0x0b},
		{"two payloads, one empty", frame(t, "0000 000f 0006 0000 000f 0007 41"), hep.FaultDuplicate, 12, 0x0f},
		{"two extras", frame(t, "0000 0065 0007 7b 0000 0065 0007 7d"), hep.FaultDuplicate, 13, 0x65},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := hep.Parse(tt.in)
			var pe *hep.ParseError
			if !errors.As(err, &pe) {
				t.Fatalf("got %v", err)
			}
			if !errors.Is(err, tt.fault) || hep.FaultOf(err) != tt.fault || pe.Offset != tt.offset || pe.Chunk != tt.chunk {
				t.Errorf("got %v, want %v at %d in chunk %#x", err, tt.fault, tt.offset, tt.chunk)
			}
			if v.Frame() != nil || v.Packet().Payload != nil {
				t.Error("view of a refused frame is not empty")
			}
		})
	}
	if _, err := hep.Parse(whole[:10]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut frame: %v is not io.ErrUnexpectedEOF", err)
	}
}

func TestParseAccepts(t *testing.T) {
	tests := []struct {
		name   string
		chunks string
		want   hep.Packet
	}{
		{"no chunks", "", hep.Packet{}},
		{"other order", "0000 000f 0007 41 0000 0011 0008 6364 0000 000b 0007 05",
			hep.Packet{Type: 5, Payload: []byte("A"), Correlation: []byte("cd")}},
		{"empty octets are absent", "0000 0011 0006 0000 000b 0007 64", hep.Packet{Type: 100}},
		{"another vendor's chunks are not generic", "0001 000b 0007 63 0003 0011 0008 6364 0005 0001 0006 0000 000b 0007 01",
			hep.Packet{Type: 1}},
		{"another vendor may repeat", "0002 000f 0007 41 0002 000f 0007 42 0000 000f 0007 43", hep.Packet{Payload: []byte("C")}},
		{"unknown types", "0000 0000 0006 0000 000d 0008 0001 0000 0014 000e 0000010203040506 0000 0029 0007 41 0000 0101 0007 42 0000 000b 0007 22",
			hep.Packet{Type: 34}},
		{"quality of another size is skipped", "0000 0020 000a 00000193 0000 0021 0007 05 0000 0017 0008 0001 0000 0018 0006",
			hep.Packet{}},
		{"quality", "0000 0020 0008 0193 0000 0021 0008 005d 0000 0017 0007 02 0000 0018 0007 b8",
			hep.Packet{MOS: 403, R: 93, TCPFlags: 2, TOS: 0xb8}},
		{"flags", "6874 0100 0008 0006", hep.Packet{Flags: hep.FlagCut | hep.FlagDuplicate}},
		{"flags of another size or vendor are skipped", "6874 0100 0007 06 6875 0100 0008 0001 0000 0100 0008 0001", hep.Packet{}},
		{"sequence", "6874 0101 0017 0123456789abcdef 0000030000000007 02",
			hep.Packet{Sequence: hep.Sequence{Origin: 0x0123456789abcdef, Number: 3<<40 + 7, Part: 2}}},
		{"sequence of another size or vendor is skipped", "6874 0101 0016 0123456789abcdef 0000030000000007 6875 0101 0017 0123456789abcdef 0000030000000007 02", hep.Packet{}},
		{"clock", "6874 0102 000f 02 ffffffffffe91ca0", hep.Packet{Clock: hep.Clock{State: hep.ClockWas, Offset: -1500 * time.Microsecond}}},
		{"clock of another size or vendor is skipped", "6874 0102 000e 02 ffffffffffe91c 6875 0102 000f 02 ffffffffffe91ca0", hep.Packet{}},
		{"VLAN without its priority bits", "0000 0012 0008 e064", hep.Packet{HasVLAN: true, VLAN: 100}},
		{"the address there counts, whatever the family", "0000 0001 0007 0a 0000 0003 000a c0000201 0000 0007 0008 13c4",
			hep.Packet{Src: netip.MustParseAddrPort("192.0.2.1:5060")}},
		{"family decides between two", "0000 0001 0007 0a 0000 0003 000a c0000201 0000 0005 0016 20010db8000000000000000000000001",
			hep.Packet{Src: netip.MustParseAddrPort("[2001:db8::1]:0")}},
		{"microseconds carry over", "0000 0009 000a 00000001 0000 000a 000a 001e8480", hep.Packet{Wall: 3e9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := hep.Parse(frame(t, tt.chunks))
			if err != nil {
				t.Fatal(err)
			}
			got := v.Packet()
			if !got.Src.IsValid() {
				got.Src = tt.want.Src
			}
			if !equal(&got, &tt.want) {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestZeroView(t *testing.T) {
	var v hep.View
	p := v.Packet()
	if v.Frame() != nil || v.Compressed() != nil || v.Family() != 0 || !equal(&p, &hep.Packet{}) {
		t.Errorf("got %+v", p)
	}
}

func TestNoPrefixParses(t *testing.T) {
	b := mustAppend(t, fullPacket())
	for n := range b {
		if _, err := hep.Parse(b[:n]); err == nil {
			t.Fatalf("%d of %d octets parse", n, len(b))
		}
	}
}

func TestParseLegacy(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want hep.Packet
	}{
		{"HEP1", "01 10 02 11 13c4 13c5 c0000201 c0000202 53495020", hep.Packet{
			Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5061"),
			Proto: 17, Type: 1, Payload: []byte("SIP ")}},
		{"HEP2", "02 10 02 06 13c4 13c5 c0000201 c0000202 cb82494e c0d40100 d107 0000 53495020", hep.Packet{
			Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5061"),
			Wall: 0x4e4982cb*1e9 + 120000*1e3, AgentID: 2001, Proto: 6, Type: 1, Payload: []byte("SIP ")}},
		{"HEP2, IPv6, header length wrong", "02 ff 0a 11 13c4 13c5 20010db8000000000000000000000001 20010db8000000000000000000000002 01000000 00000000 0100 0000 41", hep.Packet{
			Src: netip.MustParseAddrPort("[2001:db8::1]:5060"), Dst: netip.MustParseAddrPort("[2001:db8::2]:5061"),
			Wall: 1e9, AgentID: 1, Proto: 17, Type: 1, Payload: []byte("A")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := unhex(t, tt.in)
			got, err := hep.ParseAny(in)
			if err != nil {
				t.Fatal(err)
			}
			if !equal(&got, &tt.want) {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
			for n := range len(in) - len(got.Payload) {
				if _, err := hep.ParseAny(in[:n]); err == nil {
					t.Fatalf("%d octets of a header of %d parse", n, len(in)-len(got.Payload))
				}
			}
		})
	}
	if _, err := hep.ParseAny(unhex(t, "01 10 03 11 13c4 13c5 c0000201 c0000202")); !errors.Is(err, hep.FaultFamily) {
		t.Errorf("family 3: %v", err)
	}
	p := goldenPacket()
	if got, err := hep.ParseAny(unhex(t, golden)); err != nil || !equal(&got, &p) {
		t.Errorf("HEP3: %+v, %v", got, err)
	}
}

// inside reports whether part lies within whole.
func inside(whole, part []byte) bool {
	if len(part) == 0 {
		return true
	}
	a, b := uintptr(unsafe.Pointer(unsafe.SliceData(whole))), uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	return b >= a && b+uintptr(len(part)) <= a+uintptr(len(whole)) && cap(part) == len(part)
}

func seeds(f *testing.F) {
	f.Add(unhex(f, golden))
	f.Add(mustAppend(f, fullPacket()))
	six := fullPacket()
	six.Src = netip.MustParseAddrPort("[2001:db8::1]:5060")
	f.Add(mustAppend(f, six))
	f.Add(frame(f, "0003 0011 0008 6364 0000 000b 0007 01 0000 000f 0006"))
	f.Add(unhex(f, "01 10 02 11 13c4 13c5 c0000201 c0000202 53495020"))
	f.Add(unhex(f, "02 10 02 06 13c4 13c5 c0000201 c0000202 cb82494e c0d40100 d107 0000 53495020"))
}

// FuzzParse: what parses says the same after it was appended and parsed again,
// the appended form is canonical, no proper prefix parses, views stay inside.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := hep.Parse(in)
		if err != nil {
			if v.Frame() != nil || hep.FaultOf(err) == hep.FaultNone {
				t.Fatalf("error %v, view of %d octets", err, len(v.Frame()))
			}
			return
		}
		for _, part := range [][]byte{v.Frame(), v.AuthKey(), v.Payload(), v.Compressed(), v.Correlation(), v.Node(), v.Extra()} {
			if !inside(in, part) {
				t.Fatal("view leaves the frame")
			}
		}
		for n := range in {
			if _, err := hep.Parse(in[:n]); err == nil {
				t.Fatalf("prefix of %d octets parses", n)
			}
		}
		p := v.Packet()
		for c := range v.Others {
			if !inside(in, c) {
				t.Fatal("a chunk leaves the frame")
			}
			p.Others = append(p.Others, c...)
		}
		b, err := p.AppendBinary(nil)
		if err != nil {
			// The frame lacked chunks that are always written.
			if !errors.Is(err, hep.ErrTooLarge) || len(in) < hep.MaxFrame-fixedMax {
				t.Fatalf("append: %v", err)
			}
			return
		}
		checkCanonical(t, p, b)
	})
}

const fixedMax = 6 + 7 + 7 + 2*22 + 8 + 8 + 10 + 10 + 7 + 10

// checkCanonical: b, appended from p, parses to p and appends to itself.
func checkCanonical(t *testing.T, p hep.Packet, b []byte) {
	t.Helper()
	v, err := hep.Parse(b)
	if err != nil {
		t.Fatalf("own frame: %v", err)
	}
	q := v.Packet()
	for c := range v.Others {
		q.Others = append(q.Others, c...)
	}
	if !p.Src.IsValid() {
		p.Src = netip.AddrPortFrom(q.Src.Addr(), p.Src.Port())
	}
	if !p.Dst.IsValid() {
		p.Dst = netip.AddrPortFrom(q.Dst.Addr(), p.Dst.Port())
	}
	if !equal(&p, &q) {
		t.Fatalf("parse after append:\n got %+v\nwant %+v", q, p)
	}
	again, err := q.AppendBinary([]byte("x"))
	if err != nil || !bytes.Equal(again[1:], b) {
		t.Fatalf("not canonical: %v\n got %x\nwant %x", err, again, b)
	}
}

// FuzzAppend: any packet appends to a frame that says the same, or is refused.
func FuzzAppend(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, []byte{192, 0, 2, 2}, uint16(5060), int64(1e18), uint32(1), uint8(1), uint8(3), []byte("id"), []byte("INVITE"))
	f.Add(make([]byte, 16), []byte{1, 2, 3, 4}, uint16(0), int64(-1), uint32(0), uint8(0), uint8(0), []byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, src, dst []byte, port uint16, wall int64, agent uint32, typ, opt uint8, id, payload []byte) {
		a, _ := netip.AddrFromSlice(src)
		d, _ := netip.AddrFromSlice(dst)
		p := hep.Packet{
			Src: netip.AddrPortFrom(a.Unmap(), port), Dst: netip.AddrPortFrom(d.Unmap(), ^port), Wall: wall, AgentID: agent,
			Type: typ, Proto: opt, TOS: opt & 3, TCPFlags: opt & 4, MOS: uint16(opt & 8), R: uint16(opt & 16),
			HasVLAN: opt&32 != 0, Flags: uint16(opt & 128), Sequence: hep.Sequence{Number: uint64(opt & 16)}, Clock: hep.Clock{State: hep.ClockState(opt & 3), Offset: time.Duration(opt&3) * time.Duration(wall)}, Correlation: id, Payload: payload,
		}
		if p.HasVLAN {
			p.VLAN = port & 0xfff
		}
		if opt&64 != 0 {
			p.AuthKey, p.Node, p.Extra = id, id, id
		}
		b, err := p.AppendBinary([]byte("keep"))
		if err != nil {
			if !errors.Is(err, hep.ErrTooLarge) || string(b) != "keep" {
				t.Fatalf("%v, %q", err, b)
			}
			return
		}
		b = b[4:]
		if n := len(b); n > hep.MaxFrame || int(binary.BigEndian.Uint16(b[4:])) != n {
			t.Fatalf("length %d", n)
		}
		v, err := hep.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		p.Wall = v.Wall() // microseconds, and clamped: TestAppendTime
		checkCanonical(t, p, b)
	})
}

// FuzzLegacy: HEP1 and HEP2 never panic, stay inside, and survive as HEP3.
func FuzzLegacy(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := hep.ParseAny(in)
		if err != nil {
			if !equal(&p, &hep.Packet{}) || hep.FaultOf(err) == hep.FaultNone {
				t.Fatalf("error %v with %+v", err, p)
			}
			return
		}
		if !inside(in, p.Payload) {
			t.Fatal("payload leaves the datagram")
		}
		if !hep.Legacy(in) {
			return
		}
		if p.Type != hep.TypeSIP || !p.Src.IsValid() || !p.Dst.IsValid() {
			t.Fatalf("got %+v", p)
		}
		b, err := p.AppendBinary(nil)
		if err != nil {
			if len(in) < hep.MaxFrame-fixedMax {
				t.Fatal(err)
			}
			return
		}
		checkCanonical(t, p, b)
	})
}

// What nobody reads may be passed on: not what concerns one hop, is read, or has the number
// of something that is read and another vendor.
func TestOthers(t *testing.T) {
	const macs = "0000 0014 000e 0000010203040506 0000 0016 0008 0800 "
	const vendors = "0002 0034 0007 aa 0006 ffff 0006 "
	const more = "0000 0022 0007 61 0000 0029 0006 0000 0029 0007 01 0000 0066 0007 01 "
	v, err := hep.Parse(frame(t, "0000 0000 0006 0000 000b 0007 01 "+macs+"0000 000d 0008 0005 0000 000e 0007 61 0000 0010 0007 61 "+vendors+
		"0002 0011 0007 aa 0003 0065 0007 aa 0002 0033 0007 aa 6874 0100 0009 000001 6874 0100 0008 0001 6874 0101 0017 0123456789abcdef 0000030000000007 02 0000 0017 0008 0001 "+more+"0000 0065 0006"))
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for c := range v.Others {
		got = append(got, c...)
	}
	if want := unhex(t, macs+vendors+more); !bytes.Equal(got, want) {
		t.Errorf("\n got %x\nwant %x", got, want)
	}
	for c := range v.Others {
		if !bytes.HasPrefix(got, c) {
			t.Errorf("begins with %x", c)
		}
		break
	}
	p := goldenPacket()
	p.Others = got
	again, err := hep.Parse(mustAppend(t, p))
	if q := again.Packet(); err != nil || len(q.Others) != 0 || !bytes.HasSuffix(again.Frame(), got) {
		t.Errorf("%v, %x", err, again.Frame())
	}
	var none hep.View
	for c := range none.Others {
		t.Errorf("%x in nothing", c)
	}
}

func TestFlagNames(t *testing.T) {
	if got := fmt.Sprint(hep.FlagNames(0), hep.FlagNames(hep.FlagGap|hep.FlagDuplicate), hep.FlagNames(0xfffe)); got != "[] [gap duplicate] [cut duplicate relayed]" {
		t.Error(got)
	}
}
