package pcapfile_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/pcapfile"
)

// got is one frame that does not borrow.
type got struct {
	data   string
	length int
	wall   int64
	link   capture.LinkType
	port   uint8
}

// readAll reads s to its end with batches of the given size and closes it.
func readAll(t testing.TB, s capture.Source, batch int) (all []got, err error) {
	t.Helper()
	frames := make([]capture.Frame, batch)
	for {
		n, err := s.Read(frames)
		if err != nil {
			if n != 0 {
				t.Fatalf("%v came with %d frames", err, n)
			}
			if n, again := s.Read(frames); n != 0 || again == nil || again.Error() != err.Error() {
				t.Fatalf("%v, then %d frames and %v", err, n, again)
			}
			if r := s.Stats().Received; r != uint64(len(all)) {
				t.Fatalf("%d received in the totals, %d frames", r, len(all))
			}
			return all, errors.Join(err, s.Close())
		}
		for i := range frames[:n] {
			f := &frames[i]
			if f.Mono != f.Wall {
				t.Fatalf("mono %d, wall %d", f.Mono, f.Wall)
			}
			all = append(all, got{string(f.Data), f.Length, f.Wall, f.Link, f.Port})
		}
	}
}

func mustNew(t testing.TB, file []byte) *pcapfile.Reader {
	t.Helper()
	r, err := pcapfile.New(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func compress(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func pcapOf(t testing.TB, frames []capture.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestConformance(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, frames []capture.Frame) capture.Source{
		"pcap": func(t *testing.T, frames []capture.Frame) capture.Source { return mustNew(t, pcapOf(t, frames)) },
		"gzip": func(t *testing.T, frames []capture.Frame) capture.Source {
			path := filepath.Join(t.TempDir(), "x.pcap.gz")
			if err := os.WriteFile(path, compress(pcapOf(t, frames)), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := pcapfile.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			return r
		},
		"pcapng": func(t *testing.T, frames []capture.Frame) capture.Source { return mustNew(t, pcapngOf(t, frames)) },
		"octet by octet": func(t *testing.T, frames []capture.Frame) capture.Source {
			r, err := pcapfile.New(iotest.OneByteReader(bytes.NewReader(pcapngOf(t, frames))))
			if err != nil {
				t.Fatal(err)
			}
			return r
		},
		"merge of one": func(t *testing.T, frames []capture.Frame) capture.Source {
			return pcapfile.Merge(mustNew(t, pcapOf(t, frames)))
		},
		"merge of three": func(t *testing.T, frames []capture.Frame) capture.Source {
			var parts [3][]capture.Frame
			for i, f := range frames {
				k := i / 7 % 3
				parts[k] = append(parts[k], f)
			}
			return pcapfile.Merge(mustNew(t, pcapOf(t, parts[0])), mustNew(t, pcapngOf(t, parts[1])), mustNew(t, pcapOf(t, parts[2])))
		},
	} {
		t.Run(name, func(t *testing.T) { capturetest.TestFile(t, open) })
	}
}

// handmade returns a pcap file with two records, header and all by hand.
func handmade(order binary.AppendByteOrder, magic uint32, minor uint16, extra int) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(order.AppendUint16(b, 2), minor)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(order.AppendUint32(b, 65535), 0x10000000|276) // with a frame check sequence length
	for i, s := range []string{"first", "second"} {
		for _, v := range []uint32{1700000000 + uint32(i), 999999, uint32(len(s)), uint32(len(s) + i)} {
			b = order.AppendUint32(b, v)
		}
		b = append(b, make([]byte, extra)...)
		b = append(b, s...)
	}
	return b
}

func TestVariants(t *testing.T) {
	for _, tt := range []struct {
		name  string
		magic uint32
		extra int
		nanos int64
	}{
		{"microseconds", 0xa1b2c3d4, 0, 999999000},
		{"nanoseconds", 0xa1b23c4d, 0, 999999},
		{"kuznetzov", 0xa1b2cd34, 8, 999999000},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			t.Run(fmt.Sprint(tt.name, " ", order), func(t *testing.T) {
				all, err := readAll(t, mustNew(t, handmade(order, tt.magic, 4, tt.extra)), 8)
				want := []got{
					{"first", 5, 1700000000e9 + tt.nanos, capture.LinkLinuxSLL2, 0},
					{"second", 7, 1700000001e9 + tt.nanos, capture.LinkLinuxSLL2, 0},
				}
				if !errors.Is(err, io.EOF) || len(all) != 2 || all[0] != want[0] || all[1] != want[1] {
					t.Errorf("%v %v\nwant %v", all, err, want)
				}
			})
		}
	}
	swapped := handmade(binary.LittleEndian, 0xa1b2c3d4, 3, 0)
	binary.LittleEndian.PutUint32(swapped[32:], 900) // captured and original length the wrong way round
	all, err := readAll(t, mustNew(t, swapped), 8)
	if !errors.Is(err, io.EOF) || len(all) != 2 || all[0].data != "first" || all[0].length != 900 {
		t.Errorf("version 2.3: %v %v", all, err)
	}
}

func TestLongestFrame(t *testing.T) {
	long := bytes.Repeat([]byte("x"), pcapfile.MaxFrame)
	frames := capturetest.Frames(time.Unix(1, 0), 0, []byte("a"), long, []byte("b"), long, long)
	for _, file := range [][]byte{pcapOf(t, frames), pcapngOf(t, frames)} {
		all, err := readAll(t, mustNew(t, file), 10)
		if !errors.Is(err, io.EOF) || len(all) != len(frames) {
			t.Fatalf("%d frames, %v", len(all), err)
		}
		for i := range all {
			if all[i].data != string(frames[i].Data) {
				t.Errorf("frame %d of %d octets differs", i, len(frames[i].Data))
			}
		}
		frames[1].Data = append(long, 'x')
		if all, err = readAll(t, mustNew(t, pcapOf(t, frames)), 10); len(all) != 1 || errors.Is(err, io.EOF) {
			t.Errorf("one octet more: %d frames, %v", len(all), err)
		}
		frames[1].Data = long
	}
}

func TestAllocs(t *testing.T) {
	var data [][]byte
	for range 8000 {
		data = append(data, make([]byte, 214))
	}
	frames := capturetest.Frames(time.Unix(1, 0), 0, data...)
	for name, r := range map[string]capture.Source{"pcap": mustNew(t, pcapOf(t, frames)), "pcapng": mustNew(t, pcapngOf(t, frames)),
		"merge": pcapfile.Merge(mustNew(t, pcapOf(t, frames)))} {
		batch := make([]capture.Frame, 64)
		if n := testing.AllocsPerRun(100, func() {
			if n, err := r.Read(batch); n == 0 || err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	var data [][]byte
	for range 10000 {
		data = append(data, make([]byte, 214))
	}
	frames := capturetest.Frames(time.Unix(1, 0), 0, data...)
	for name, file := range map[string][]byte{"pcap": pcapOf(b, frames), "pcapng": pcapngOf(b, frames)} {
		b.Run(name, func(b *testing.B) {
			batch := make([]capture.Frame, 64)
			r := mustNew(b, file)
			b.ReportAllocs()
			for i := 0; i < b.N; {
				n, err := r.Read(batch)
				if err == io.EOF {
					r = mustNew(b, file)
				}
				i += n
			}
		})
	}
}

func FuzzReader(f *testing.F) {
	small := capturetest.Frames(time.Unix(1700000000, 0), time.Millisecond, []byte("one"), []byte("twotwo"))
	f.Add(pcapOf(f, small))
	f.Add(pcapngOf(f, small))
	f.Add(compress(pcapOf(f, small)))
	for _, magic := range []uint32{0xa1b2c3d4, 0xa1b23c4d} {
		f.Add(handmade(binary.BigEndian, magic, 3, 0))
	}
	f.Add(handmade(binary.LittleEndian, 0xa1b2cd34, 4, 8))
	f.Add(kitchenSink(binary.BigEndian))
	f.Add(kitchenSink(binary.LittleEndian))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := pcapfile.New(bytes.NewReader(file))
		if err != nil {
			if _, ok := errors.AsType[*pcapfile.DamageError](err); !ok {
				t.Fatalf("%v is no damage", err)
			}
			return
		}
		all, err := readAll(t, r, 3)
		damage, ok := errors.AsType[*pcapfile.DamageError](err)
		if !ok && !errors.Is(err, io.EOF) {
			t.Fatalf("%v is neither the end nor damage", err)
		}
		for _, g := range all {
			if len(g.data) > pcapfile.MaxFrame || g.length < len(g.data) {
				t.Fatalf("%d octets of %d", len(g.data), g.length)
			}
		}
		if file[0] == 0x1f { // offsets are in what it decompresses to
			return
		}
		if ok && (damage.Offset < 0 || damage.Offset > int64(len(file))) {
			t.Fatalf("offset %d in a file of %d octets", damage.Offset, len(file))
		}
		if ok && damage.Offset > 0 { // what is before the damage is a whole file, but for a lone header
			again, err := pcapfile.New(bytes.NewReader(file[:damage.Offset]))
			if err != nil {
				t.Fatal(err)
			}
			if rest, err := readAll(t, again, 64); !errors.Is(err, io.EOF) || len(rest) != len(all) {
				t.Fatalf("before the damage: %d frames and %v, had %d", len(rest), err, len(all))
			}
		}
	})
}
