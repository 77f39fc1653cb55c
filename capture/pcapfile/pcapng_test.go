package pcapfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"heptap/capture"
	"heptap/capture/pcapfile"
)

// pcapngOf writes frames with pcapgo, which keeps nanoseconds.
func pcapngOf(t testing.TB, frames []capture.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		f := &frames[i]
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(0, f.Wall), CaptureLength: len(f.Data), Length: f.Length}
		if err := w.WritePacket(ci, f.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// blockEnds returns where the blocks of a little-endian file end.
func blockEnds(b []byte) (ends []int) {
	for off := 0; off < len(b); {
		off += int(binary.LittleEndian.Uint32(b[off+4:]))
		ends = append(ends, off)
	}
	return ends
}

// blocks builds pcapng block by block, for what pcapgo does not write.
type blocks struct {
	binary.AppendByteOrder
	b []byte
}

// add appends a block; numbers are 32-bit words, strings are padded.
func (b *blocks) add(kind uint32, body ...any) *blocks {
	var c []byte
	for _, v := range body {
		switch v := v.(type) {
		case int:
			c = b.AppendUint32(c, uint32(v))
		case [2]int:
			c = b.AppendUint16(b.AppendUint16(c, uint16(v[0])), uint16(v[1]))
		case int64:
			c = b.AppendUint64(c, uint64(v))
		case string:
			c = append(append(c, v...), make([]byte, -len(v)&3)...)
		}
	}
	b.b = b.AppendUint32(b.AppendUint32(b.b, kind), uint32(len(c)+12))
	b.b = b.AppendUint32(append(b.b, c...), uint32(len(c)+12))
	return b
}

func (b *blocks) section() *blocks { return b.add(0x0a0d0d0a, 0x1a2b3c4d, [2]int{1, 0}, -1, -1) }

// iface describes an interface; options as for add.
func (b *blocks) iface(link capture.LinkType, snap int, options ...any) *blocks {
	return b.add(1, append([]any{[2]int{int(link), 0}, snap}, options...)...)
}

// packet appends an enhanced packet block.
func (b *blocks) packet(iface int, ticks uint64, data string) *blocks {
	return b.add(6, iface, int(uint32(ticks>>32)), int(uint32(ticks)), len(data), len(data)+1, data, [2]int{2, 4}, 1, [2]int{0, 0})
}

// kitchenSink has everything the format offers.
func kitchenSink(order binary.AppendByteOrder) []byte {
	b := &blocks{AppendByteOrder: order}
	b.section()
	b.iface(capture.LinkEthernet, 0, [2]int{1, 5}, "a note", [2]int{9, 1}, "\x09", [2]int{0, 0})
	b.iface(capture.LinkLinuxSLL2, 4)
	b.packet(0, 1700000000_000000001, "ethernet")
	b.add(0x0000000a, "secrets of a kind we do not read")
	b.packet(1, 1700000000_000002, "cooked")
	b.add(2, [2]int{1, 77}, int(uint32(1700000000_000003>>32)), int(uint32(1700000000_000003&0xffffffff)), 8, 8, "obsolete")
	b.add(3, 6, "simple")
	b.add(5, 0, 0, 0)
	b.section() // interfaces begin at 0 again
	b.iface(capture.LinkRaw, 3, [2]int{9, 1}, "\x8a", [2]int{14, 8}, int64(1000))
	b.packet(0, 2<<10|512, "raw")
	b.add(3, 6, "sim")
	return b.b
}

func TestBlocks(t *testing.T) {
	want := []got{
		{"ethernet", 9, 1700000000_000000001, capture.LinkEthernet, 0},
		{"cooked", 7, 1700000000_000002000, capture.LinkLinuxSLL2, 0},
		{"obsolete", 8, 1700000000_000003000, capture.LinkLinuxSLL2, 0},
		{"simple", 6, 1700000000_000003000, capture.LinkEthernet, 0},
		{"raw", 4, 1002_500000000, capture.LinkRaw, 0},
		{"sim", 6, 1002_500000000, capture.LinkRaw, 0},
	}
	little, big := kitchenSink(binary.LittleEndian), kitchenSink(binary.BigEndian)
	for name, file := range map[string][]byte{"little-endian": little, "big-endian": big,
		"both": slices.Concat(little, big)} {
		t.Run(name, func(t *testing.T) {
			want := want
			if name == "both" {
				want = slices.Concat(want, want)
			}
			for _, batch := range []int{1, 100} {
				all, err := readAll(t, mustNew(t, file), batch)
				if !errors.Is(err, io.EOF) || !slices.Equal(all, want) {
					t.Errorf("%v %v\nwant %v", all, err, want)
				}
			}
		})
	}
}

func TestResolutions(t *testing.T) {
	tests := []struct {
		resol  string
		offset int64
		ticks  uint64
		want   int64
	}{
		{"\x00", 0, 17, 17e9},
		{"\x03", 0, 17001, 17_001000000},
		{"\x06", 0, 17000001, 17_000001000},
		{"\x0c", 0, 17_000000001_999, 17_000000001},
		{"\x13", 0, 1_0000000010_000000000, 1_000000001},
		{"\x80", 0, 17, 17e9},
		{"\x94", 0, 17<<20 | 1<<19, 17_500000000},
		{"\xbf", 0, 1<<63 | 1<<62, 1_500000000},
		{"\x06", -5, 17000001, 12_000001000},
		{"\x06", -18, 17000001, -1e9 + 1000},
		{"\x00", 0, math.MaxUint64, math.MaxInt64},
		{"\x00", 1, math.MaxInt64, math.MaxInt64},
		{"\x00", math.MinInt64, 5, math.MinInt64},
		{"\x00", 0, 9223372035, 9223372035e9},
		{"\x00", 0, 9223372036, math.MaxInt64},
	}
	for _, tt := range tests {
		b := (&blocks{AppendByteOrder: binary.BigEndian}).section()
		b.iface(1, 0, [2]int{9, 1}, tt.resol, [2]int{14, 8}, tt.offset)
		b.packet(0, tt.ticks, "x")
		all, err := readAll(t, mustNew(t, b.b), 1)
		if !errors.Is(err, io.EOF) || len(all) != 1 || all[0].wall != tt.want {
			t.Errorf("resolution %x, offset %d, ticks %d: %v %v, want %d", tt.resol, tt.offset, tt.ticks, all, err, tt.want)
		}
	}
}

func TestBlockDamage(t *testing.T) {
	start := func() *blocks {
		return (&blocks{AppendByteOrder: binary.LittleEndian}).section().iface(1, 0).packet(0, 1, "good")
	}
	at := int64(len(start().b))
	end := func(b *blocks, edit func(b []byte)) []byte {
		edit(b.b[at:])
		return b.b
	}
	le := binary.LittleEndian
	none := func([]byte) {}
	tests := []struct {
		name string
		file []byte
		err  string
	}{
		{"total length 0", end(start().packet(0, 2, "x"), func(b []byte) { le.PutUint32(b[4:], 0) }), "total length 0"},
		{"total length 8", end(start().packet(0, 2, "x"), func(b []byte) { le.PutUint32(b[4:], 8) }), "total length 8"},
		{"total length odd", end(start().packet(0, 2, "x"), func(b []byte) { le.PutUint32(b[4:], 33) }), "total length 33"},
		{"total lengths differ", end(start().packet(0, 2, "x"), func(b []byte) { le.PutUint32(b[len(b)-4:], 12) }), "at its start and 12 at its end"},
		{"packet block huge", end(start().packet(0, 2, "x"), func(b []byte) { le.PutUint32(b[4:], 1<<31) }), "above 524288"},
		{"packet block too short", end(start().add(6, 0, 0, 0), none), "packet block too short"},
		{"captured length beyond the block", end(start().packet(0, 2, "x"), func(b []byte) { le.PutUint32(b[20:], 29) }), "captured length 29"},
		{"captured length huge", end(start().packet(0, 2, "x"), func(b []byte) { le.PutUint32(b[20:], 1<<31) }), "above 262144"},
		{"interface unknown", end(start().packet(1, 2, "x"), none), "packet of interface 1 of 1"},
		{"interface of the section before", end(start().section().packet(0, 2, "x"), none), "packet of interface 0 of 0"},
		{"simple without interface", end(start().section().add(3, 1, "x"), none), "without an interface"},
		{"simple too short", end(start().add(3), none), "simple packet block too short"},
		{"simple beyond the block", end(start().add(3, 9, "x"), none), "captured length 9"},
		{"interface too short", end(start().add(1, 0), none), "interface description too short"},
		{"interface option too long", end(start().iface(1, 0, [2]int{9, 5}, 1), none), "interface option 9: length 5"},
		{"if_tsresol of the wrong size", end(start().iface(1, 0, [2]int{9, 2}, "ab"), none), "if_tsresol: 61 62"},
		{"if_tsresol beyond 64 bits", end(start().iface(1, 0, [2]int{9, 1}, "\x14"), none), "if_tsresol: 14"},
		{"if_tsresol beyond 64 bits, binary", end(start().iface(1, 0, [2]int{9, 1}, "\xc0"), none), "if_tsresol: c0"},
		{"if_tsoffset of the wrong size", end(start().iface(1, 0, [2]int{14, 4}, 1), none), "if_tsoffset"},
		{"section too short", end(start().add(0x0a0d0d0a, 0x1a2b3c4d), none), "section header too short"},
		{"section version", end(start().add(0x0a0d0d0a, 0x1a2b3c4d, [2]int{2, 0}, -1, -1), none), "pcapng version 2.0"},
		{"section magic", end(start().add(0x0a0d0d0a, 0x1a2b3c4e, [2]int{1, 0}, -1, -1), none), "byte-order magic 4e 3c 2b 1a"},
		{"skipped block cut", end(start().add(99, 1, 2, 3), func(b []byte) { le.PutUint32(b[4:], 1<<31) }), "unexpected EOF"},
		{"skipped block's total lengths differ", end(start().add(99, 1, 2, 3), func(b []byte) { b[len(b)-4]++ }), "at its start and 25 at its end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, batch := range []int{1, 10} {
				all, err := readAll(t, mustNew(t, tt.file), batch)
				damage, ok := errors.AsType[*pcapfile.DamageError](err)
				if len(all) != 1 || !ok || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("%d frames, %v", len(all), err)
				}
				if want := at + 28*int64(strings.Count(tt.name, "section before")+strings.Count(tt.name, "simple without")); damage.Offset != want {
					t.Errorf("offset %d, want %d", damage.Offset, want)
				}
			}
		})
	}
}

func TestManyInterfaces(t *testing.T) {
	b := (&blocks{AppendByteOrder: binary.LittleEndian}).section()
	for range 4096 {
		b.iface(1, 0)
	}
	b.packet(4095, 1, "x")
	at := len(b.b)
	b.iface(1, 0)
	all, err := readAll(t, mustNew(t, b.b), 10)
	if damage, ok := errors.AsType[*pcapfile.DamageError](err); len(all) != 1 || !ok || damage.Offset != int64(at) {
		t.Errorf("%d frames, %v", len(all), err)
	}
}

// TestLongBlockSkipped has a block that no buffer would hold.
func TestLongBlockSkipped(t *testing.T) {
	b := (&blocks{AppendByteOrder: binary.LittleEndian}).section().iface(1, 0).packet(0, 1, "before")
	b.add(0x0bad, strings.Repeat("x", 3<<20)).packet(0, 2, "after")
	for _, batch := range []int{1, 10} {
		all, err := readAll(t, mustNew(t, b.b), batch)
		if !errors.Is(err, io.EOF) || len(all) != 2 || all[1].data != "after" {
			t.Errorf("%v %v", all, err)
		}
	}
}
