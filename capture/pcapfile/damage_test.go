package pcapfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/pcapfile"
)

// TestEveryPrefix cuts a file at every length: whole records come, and the
// error names the offset of the one that is cut.
func TestEveryPrefix(t *testing.T) {
	small := capturetest.Frames(time.Unix(1700000000, 0), time.Millisecond, []byte("one"), []byte("twotwo"), nil, []byte("four"))
	pcap, ng := pcapOf(t, small), pcapngOf(t, small)
	for _, tt := range []struct {
		name string
		file []byte
		ends []int // of the parts of the file: header first, then records
		head int   // how many of them hold no frame
	}{
		{"pcap", pcap, []int{24, 24 + 19, 24 + 41, 24 + 57, 24 + 77}, 1},
		{"pcapng", ng, blockEnds(ng), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.ends[len(tt.ends)-1] != len(tt.file) || len(tt.ends) != tt.head+len(small) {
				t.Fatalf("parts end at %v, the file at %d", tt.ends, len(tt.file))
			}
			for n := range len(tt.file) + 1 {
				parts, start := 0, 0
				for parts < len(tt.ends) && tt.ends[parts] <= n {
					start = tt.ends[parts]
					parts++
				}
				testPrefix(t, tt.file[:n], max(parts-tt.head, 0), start, n == start && n > 0)
			}
		})
	}
}

// testPrefix expects the given number of frames and then the end, or damage.
func testPrefix(t *testing.T, file []byte, frames, offset int, whole bool) {
	t.Helper()
	for _, batch := range []int{1, 100} {
		r, err := pcapfile.New(bytes.NewReader(file))
		var all []got
		if err == nil {
			all, err = readAll(t, r, batch)
		}
		if len(all) != frames {
			t.Fatalf("cut at %d: %d frames, want %d", len(file), len(all), frames)
		}
		if whole {
			if !errors.Is(err, io.EOF) {
				t.Fatalf("cut at %d: %v", len(file), err)
			}
			continue
		}
		damage, ok := errors.AsType[*pcapfile.DamageError](err)
		if !ok || damage.Offset != int64(offset) || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			t.Fatalf("cut at %d: %v, want offset %d", len(file), err, offset)
		}
	}
}

func TestDamage(t *testing.T) {
	le := binary.LittleEndian
	file := handmade(le, 0xa1b2c3d4, 4, 0)
	edit := func(off int, v uint32) []byte {
		b := bytes.Clone(file)
		le.PutUint32(b[off:], v)
		return b
	}
	tests := []struct {
		name   string
		file   []byte
		frames int
		offset int64
		err    string
	}{
		{"empty", nil, 0, 0, "unexpected EOF"},
		{"text", []byte("INVITE sip:bob@example.com SIP/2.0\r\n"), 0, 0, "neither pcap nor pcapng: magic 49 4e 56 49"},
		{"version", edit(4, 0x00050002), 0, 0, "pcap version 2.5"},
		{"second record huge", edit(24+21+8, 0x23020000), 1, 45, "captured length 587333632 is above 262144"},
		{"first record a little longer", edit(24+8, 6), 1, 46, "captured length"},
		{"first record longer than the file", edit(24+8, 60000), 0, 24, "unexpected EOF"},
		{"gzip of nothing", compress(nil), 0, 0, "unexpected EOF"},
		{"gzip header cut", compress(file)[:5], 0, 0, "gzip: unexpected EOF"},
		{"gzip cut", compress(file)[:len(compress(file))-9], 2, int64(len(file)), "gzip: unexpected EOF"},
		{"gzip checksum", append(compress(file)[:len(compress(file))-8], 0, 0, 0, 0, byte(len(file)), 0, 0, 0), 2, int64(len(file)), "gzip: invalid checksum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := pcapfile.New(bytes.NewReader(tt.file))
			var all []got
			if err == nil {
				all, err = readAll(t, r, 10)
			}
			damage, ok := errors.AsType[*pcapfile.DamageError](err)
			if len(all) != tt.frames || !ok || damage.Offset != tt.offset || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%d frames, %v", len(all), err)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.pcap")
	if _, err := pcapfile.Open(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("not a capture"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pcapfile.Open(path); !errors.Is(err, pcapfile.ErrFormat) || !strings.Contains(err.Error(), "none.pcap: damaged at offset 0") {
		t.Error(err)
	}
	file := handmade(binary.BigEndian, 0xa1b2c3d4, 4, 0)
	if err := os.WriteFile(path, file[:len(file)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := pcapfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := readAll(t, r, 10); len(all) != 1 || !strings.Contains(err.Error(), "none.pcap: damaged at offset 45: unexpected EOF") {
		t.Error(err)
	}
	if _, err := r.Read(make([]capture.Frame, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
}

func TestReaderFails(t *testing.T) {
	broken := errors.New("disk on fire")
	file := pcapOf(t, capturetest.Frames(time.Unix(1, 0), 0, []byte("a")))
	r, err := pcapfile.New(io.MultiReader(bytes.NewReader(file), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	if all, err := readAll(t, r, 10); len(all) != 1 || !errors.Is(err, broken) {
		t.Errorf("%d frames, %v", len(all), err)
	}
	r, err = pcapfile.New(io.MultiReader(bytes.NewReader(file), iotest.ErrReader(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(t, r, 10); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}
