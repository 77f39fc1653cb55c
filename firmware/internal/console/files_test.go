package console

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/outbox"
	"heptap/firmware/internal/packets"
)

func TestParseCapture(t *testing.T) {
	now := time.Date(2026, 11, 26, 15, 4, 5, 0, time.UTC)
	at := func(h, m, s int) time.Time { return time.Date(2026, 11, 26, h, m, s, 0, time.UTC) }
	for _, c := range []struct {
		line, err string
		want      Capture
	}{
		{"", "", Capture{Name: "capture-20261126-150405.pcapng"}},
		{"noon", "", Capture{Name: "noon.pcapng"}},
		{"noon.pcapng unlocked", "", Capture{Name: "noon.pcapng", Unlocked: true}},
		{"x call a call b pin 3", "", Capture{Name: "x.pcapng", Calls: []string{"a", "b"}, Pin: 3}},
		{"x address 192.0.2.1", "", Capture{Name: "x.pcapng", Address: netip.MustParsePrefix("192.0.2.1/32")}},
		{"x address ::ffff:192.0.2.1", "", Capture{Name: "x.pcapng", Address: netip.MustParsePrefix("192.0.2.1/32")}},
		{"x address 2001:db8::/32", "", Capture{Name: "x.pcapng", Address: netip.MustParsePrefix("2001:db8::/32")}},
		{"x last 90s", "", Capture{Name: "x.pcapng", From: at(15, 2, 35)}},
		{"x from 12:00:00 until 2026-11-26T13:00:00+01:00", "", Capture{Name: "x.pcapng", From: at(12, 0, 0), Until: at(12, 0, 0)}},
		{"x address host", "address host:", Capture{}},
		{"x from noon", "want 15:04:05", Capture{}},
		{"x last soon", "last soon:", Capture{}},
		{"x pin 0", "no such pin", Capture{}},
		{"x call", "usage", Capture{}},
		{"x y", "usage", Capture{}},
		{"x y z", "usage", Capture{}},
	} {
		got, err := parseCapture(strings.Fields(c.line), now)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", c.line, err)
			}
		case err != nil || got.Name != c.want.Name || got.Unlocked != c.want.Unlocked || got.Pin != c.want.Pin || got.Address != c.want.Address ||
			!reflect.DeepEqual(got.Calls, c.want.Calls) || !got.From.Equal(c.want.From) || !got.Until.Equal(c.want.Until):
			t.Errorf("%s: %+v, %v", c.line, got, err)
		}
	}
}

func TestFiles(t *testing.T) {
	r := look(t, nil)
	l := r.o.Live()
	m := packets.New(packets.Config{Bytes: 1 << 20, Workers: 1, Pins: 1, After: time.Second})
	l.Files = outbox.New(t.TempDir(), 1<<20)
	l.Unpin = m.Unpin
	var asked Capture
	l.Capture = func(c Capture, by string) (outbox.File, packets.Result, error) {
		asked = c
		return outbox.File{Name: c.Name, Bytes: 2048}, packets.Result{Frames: 7, Bared: 2, Full: true}, nil
	}
	if out, done := r.script(t, "show packets\n"); done || out != "error: no frames are held; set packets memory 4MiB\n" {
		t.Errorf("%q", out)
	}
	l.Stages.Packets = func() packets.Stats { return m.Stats(0) }
	m.Mark("the phone rang", "button", 0, 0)
	if out, done := r.script(t, "show packets\nshow files\nunpin 1\nshow packets | match pinned\n"); !done ||
		!strings.Contains(out, "pin 1          0 B, mark at 1970-01-01 00:00:00 by button, more may follow: the phone rang\n") || !strings.Contains(out, "0 files in ") || !strings.Contains(out, "No mark is pinned") {
		t.Errorf("%q", out)
	}
	if out, done := r.script(t, "capture to file x call one\n"); !done || asked.Calls[0] != "one" ||
		out != "x.pcapng: 7 frames from 00:00:00.000 to 00:00:00.000, 2.0 KiB\nOf 2 frames something was blanked or left out.\nThere was no room for all: file delete NAME makes some, or set packets files 256MiB.\n" {
		t.Errorf("%q, %+v", out, asked)
	}
	// The session of these tests did not come in by the socket.
	asked = Capture{}
	if out, done := r.script(t, "capture to file x unlocked\n"); done || !strings.Contains(out, "may not see secrets") || asked.Name != "" {
		t.Errorf("%q, %+v", out, asked)
	}
	if !rightsOf(Socket).secrets || rightsOf("serial").secrets || rightsOf("").secrets {
		t.Error("rights")
	}
	for _, line := range []string{"file send x", "file delete", "unpin", "unpin x", "file delete ../x", "capture to file x frob 1"} {
		if out, done := r.script(t, line+"\n"); done || !strings.HasPrefix(out, "error: ") {
			t.Errorf("%s: %q", line, out)
		}
	}
}

// TestFilesOfNothing: a box on which nothing runs is the one that needs a bundle.
func TestFilesOfNothing(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, startText+"set spool path "+dir+"\n")
	out, done := r.script(t, "support bundle x\nshow files\nfile delete x.tar.gz\nshow files\n")
	if !done || !strings.HasPrefix(out, "x.tar.gz: ") || !strings.Contains(out, "1 files in "+dir+"/files, ") || !strings.HasSuffix(out, "\n0 files in "+dir+"/files, 0 B of 64.0 MiB\n") {
		t.Errorf("%q", out)
	}
	if out, done := r.script(t, "capture to file\n"); done || out != "error: nothing runs at this moment\n" {
		t.Errorf("%q", out)
	}
}

func TestFileToStick(t *testing.T) {
	r := look(t, nil)
	d := outbox.New(t.TempDir(), 1<<20)
	if _, err := d.Create("a.pcapng", func(w io.Writer, _ int64) error { _, err := w.Write([]byte("x")); return err }); err != nil {
		t.Fatal(err)
	}
	r.o.Live().Files = d
	if out, done := r.script(t, "file send a.pcapng usb\n"); done || !strings.Contains(out, "this is no box: another program can copy "+filepath.Join(d.Path(), "a.pcapng")) {
		t.Errorf("%s", out)
	}
	var copied string
	fail := error(nil)
	r.o.Box = &Box{CopyToStick: func(_ context.Context, path string, tell func(int64)) error {
		copied = path
		for n := int64(0); n <= 9<<20; n += 1 << 20 {
			tell(n)
		}
		return fail
	}}
	if out, done := r.script(t, "file send a.pcapng usb\n"); !done || out != "  copying ...\n  8.0 MiB\ncopied; the stick may be pulled out\n" || copied != filepath.Join(d.Path(), "a.pcapng") {
		t.Errorf("%s, %s", out, copied)
	}
	fail = errors.New("the stick is full")
	for line, want := range map[string]string{"file send a.pcapng usb": "error: the stick is full\n", "file send none usb": "no such file", "file send ../a usb": "a file's name", "file send a.pcapng usb x": "want: file send NAME URL|usb"} {
		if out, done := r.script(t, line); done || !strings.Contains(out, want) {
			t.Errorf("%s: %s", line, out)
		}
	}
	r.o.Box.CopyToStick = func(ctx context.Context, _ string, tell func(int64)) error { <-ctx.Done(); return ctx.Err() }
	if out := r.say(t, "file send a.pcapng u\t\r\x03"); !strings.Contains(out, "given up; what there was of it is taken away") {
		t.Errorf("%q", out)
	}
}
