package pcapfile_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/pcapfile"
)

// TestWriterOctets compares with octets that were worked out by hand from
// draft-ietf-opsawg-pcapng 4.1, 4.2 and 4.3.
func TestWriterOctets(t *testing.T) {
	var out bytes.Buffer
	w, err := pcapfile.NewWriter(&out, "x", "")
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.Interface("s0", capture.LinkEthernet, 0, "")
	if err != nil || id != 0 {
		t.Fatal(id, err)
	}
	f := capture.Frame{Data: []byte("ddddddssssssTTp"), Length: 100, Wall: 0x0102030405060708, Link: capture.LinkEthernet, HasVLAN: true, VLANTCI: 0x2007}
	if err := w.Frame(id, &f, "hi"); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"0a0d0d0a 28000000 4d3c2b1a 01000000 ffffffff ffffffff 0400 0100 78000000 00000000 28000000",
		"01000000 28000000 0100 0000 00000000 0200 0200 73300000 0900 0100 09000000 00000000 28000000",
		"06000000 40000000 00000000 04030201 08070605 13000000 68000000",
		hex.EncodeToString([]byte("ddddddssssss")) + "81002007" + hex.EncodeToString([]byte("TTp")) + "00",
		"0100 0200 68690000 00000000 40000000",
	}, "")
	if got := hex.EncodeToString(out.Bytes()); got != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	if w.Written != int64(out.Len()) {
		t.Errorf("%d octets counted of %d", w.Written, out.Len())
	}
}

func TestWriterRefuses(t *testing.T) {
	var out bytes.Buffer
	w, _ := pcapfile.NewWriter(&out, "", "")
	n := out.Len()
	if w.Frame(0, &capture.Frame{}, "") == nil {
		t.Error("a frame of no interface")
	}
	if _, err := w.Interface("a", capture.LinkEthernet, 0, strings.Repeat("c", 1<<20)); err != nil {
		t.Error(err)
	}
	if out.Len() > n+5000 {
		t.Error("a comment of a mebibyte")
	}
	if w.Frame(0, &capture.Frame{Data: make([]byte, pcapfile.MaxFrame+1)}, "") == nil {
		t.Error("a frame that is too long")
	}
	if _, err := pcapfile.NewWriter(failing{}, "", ""); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

var errFull = errors.New("full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

// TestWriterRead has Reader read what Writer wrote.
func TestWriterRead(t *testing.T) {
	in := []capture.Frame{
		{Data: []byte("0123456789abcdefghij"), Length: 20, Wall: 1_700_000_000_123_456_789, Link: capture.LinkEthernet},
		{Data: []byte("0123456789ab\x08\x00"), Length: 1500, Wall: 1_700_000_000_123_456_790, Link: capture.LinkEthernet, HasVLAN: true, VLANTCI: 5, VLANTPID: 0x88a8},
		{Data: []byte("E"), Length: 1, Wall: 1_700_000_001_000_000_000, Link: capture.LinkRaw},
		{Length: 7, Wall: 1_700_000_001_000_000_001, Link: capture.LinkRaw},
	}
	var out bytes.Buffer
	w, err := pcapfile.NewWriter(&out, "test", "what it is")
	if err != nil {
		t.Fatal(err)
	}
	eth, _ := w.Interface("span0", capture.LinkEthernet, 0, "")
	raw, _ := w.Interface("span1", capture.LinkRaw, 0, "a mark")
	for i := range in {
		id := eth
		if in[i].Link == capture.LinkRaw {
			id = raw
		}
		if err := w.Frame(id, &in[i], strings.Repeat("c", i)); err != nil {
			t.Fatal(err)
		}
	}
	all, _ := readAll(t, mustNew(t, out.Bytes()), 3)
	want := []got{
		{"0123456789abcdefghij", 20, in[0].Wall, capture.LinkEthernet, 0},
		{"0123456789ab\x88\xa8\x00\x05\x08\x00", 1504, in[1].Wall, capture.LinkEthernet, 0},
		{"E", 1, in[2].Wall, capture.LinkRaw, 0},
		{"", 7, in[3].Wall, capture.LinkRaw, 0},
	}
	if len(all) != len(want) {
		t.Fatalf("%d frames", len(all))
	}
	for i := range want {
		if all[i] != want[i] {
			t.Errorf("frame %d: got %+v, want %+v", i, all[i], want[i])
		}
	}
	tsharkReads(t, out.Bytes(), len(want))
}

// tsharkReads has tshark count the frames of a file, where there is a tshark.
func tsharkReads(t *testing.T, file []byte, frames int) {
	t.Helper()
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Log("no tshark")
		return
	}
	name := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := exec.Command(tshark, "-n", "-r", name, "-T", "fields", "-e", "frame.number")
	c.Stderr = &said
	b, err := c.Output()
	if err != nil || strings.Contains(said.String(), "damaged") || strings.Contains(said.String(), "isn't") {
		t.Fatalf("tshark: %v: %s", err, said.String())
	}
	if n := bytes.Count(b, []byte("\n")); n != frames {
		t.Errorf("tshark sees %d frames, want %d: %s", n, frames, said.String())
	}
}

// FuzzWriter has Reader read back whatever frame was written.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("0123456789ab\x08\x00payload"), 40, int64(1), true, uint16(7), uint16(0x8100), "c")
	f.Add([]byte{}, 0, int64(-1), false, uint16(0), uint16(0), "")
	f.Fuzz(func(t *testing.T, data []byte, length int, wall int64, tagged bool, tci, tpid uint16, comment string) {
		in := capture.Frame{Data: data, Length: length & 0xffff, Wall: wall & (1<<62 - 1), Link: capture.LinkEthernet, HasVLAN: tagged, VLANTCI: tci, VLANTPID: tpid}
		var out bytes.Buffer
		w, err := pcapfile.NewWriter(&out, comment, comment)
		if err != nil {
			t.Fatal(err)
		}
		id, _ := w.Interface(comment, in.Link, 0, comment)
		if err := w.Frame(id, &in, comment); err != nil {
			if len(data) <= pcapfile.MaxFrame-4 {
				t.Fatal(err)
			}
			return
		}
		r := mustNew(t, out.Bytes())
		var frames [2]capture.Frame
		n, err := r.Read(frames[:])
		if err != nil || n != 1 {
			t.Fatalf("%d frames, %v", n, err)
		}
		extra := 0
		if tagged && len(data) >= 12 {
			extra = 4
		}
		if g := &frames[0]; g.Wall != in.Wall || len(g.Data) != len(data)+extra || g.Length != max(in.Length, len(data))+extra {
			t.Fatalf("got %d of %d at %d", len(g.Data), g.Length, g.Wall)
		}
	})
}
