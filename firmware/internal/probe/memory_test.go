package probe

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/pcapfile"
	"heptap/firmware/internal/assembly"
	"heptap/firmware/internal/packets"
	"heptap/firmware/internal/privacy"
)

// TestMemoryOfCaptures has the probe keep the frames of every shared capture, and looks at
// the files that are made of them: with secrets and without, they have every frame, in order, with
// the length that it had, and tshark reads them without a complaint and counts the same.
func TestMemoryOfCaptures(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Log("no tshark")
	}
	asked := 0
	for i, file := range files {
		path := filepath.Join(dir, file)
		if st, err := os.Stat(path); err != nil || st.Size() > 1<<20 {
			continue
		}
		source, err := pcapfile.Open(path)
		if err != nil {
			continue // damaged: other tests are about these
		}
		m := packets.New(packets.Config{Bytes: 16 << 20, Workers: 1, Pins: 1, After: time.Second})
		p := New(Config{Inputs: []Input{{Name: "span0", Source: source}}, Replay: true, Memory: m, Media: media.Config{Streams: 1000}, Assembly: assembly.Config{},
			Correlate: correlate.Config{Calls: 1000, Streams: 1000, CallIdle: time.Hour}, Deliver: func([]byte) error { return nil }})
		_ = p.Run(context.Background()) // a file that ends in the middle of a frame
		st := p.Stats().Inputs[0]
		want := st.Decoded + st.DroppedTotal()
		if got := m.Stats(0); got.Kept != want || got.Evicted+got.Missed > 0 {
			t.Errorf("%s: %d frames kept of %d", file, got.Kept, want)
			continue
		}
		for _, unlocked := range []bool{false, true} {
			s, err := m.Snapshot(0)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			r, err := s.Write(&out, packets.Options{Unlocked: unlocked, Privacy: privacy.New(privacy.Options{Bodies: true, Credentials: true})})
			s.Release()
			if err != nil || uint64(r.Frames) != want {
				t.Errorf("%s, unlocked %v: %d frames of %d, %v", file, unlocked, r.Frames, want, err)
			}
			readBack(t, file, out.Bytes(), r.Frames)
			if !unlocked {
				blanked(t, file, out.Bytes())
			}
			if tshark != "" && !unlocked && r.Frames > 0 && r.Frames < 2000 && asked < 12 && i%5 == 0 { // it takes its time
				asked++
				sharks(t, tshark, file, out.Bytes(), r.Frames)
			}
		}
	}
	t.Logf("tshark read %d files", asked)
}

// blanked looks for keys of SRTP and answers of Digest authentication.
func blanked(t *testing.T, name string, file []byte) {
	t.Helper()
	for _, secret := range [][]byte{[]byte(" inline:"), []byte(", response=\""), []byte(",response=\"")} {
		for b := file; ; {
			i := bytes.Index(b, secret)
			if i < 0 {
				break
			}
			if b = b[i+len(secret):]; len(b) > 0 && !bytes.ContainsAny(b[:1], "x\x00\"") {
				t.Errorf("%s:%s%.20q", name, secret, b)
			}
		}
	}
}

// readBack looks whether a file is in order.
func readBack(t *testing.T, name string, file []byte, want int) {
	t.Helper()
	r, err := pcapfile.New(bytes.NewReader(file))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	n, frames := 0, make([]capture.Frame, 64)
	for {
		k, err := r.Read(frames)
		if err != nil {
			break
		}
		n += k
		for _, f := range frames[:k] {
			if len(f.Data) > f.Length {
				t.Errorf("%s: %d octets of %d", name, len(f.Data), f.Length)
			}
		}
	}
	if n != want {
		t.Errorf("%s: %d frames read of %d", name, n, want)
	}
}

func sharks(t *testing.T, tshark, name string, file []byte, want int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := exec.Command(tshark, "-n", "-r", path, "-T", "fields", "-e", "frame.number")
	c.Stderr = &said
	b, err := c.Output()
	complaint := strings.TrimSpace(strings.ReplaceAll(said.String(), `Running as user "root" and group "root". This could be dangerous.`, ""))
	lines := strings.Fields(string(b))
	if err != nil || complaint != "" || len(lines) != want || want > 0 && lines[want-1] != strconv.Itoa(want) {
		t.Errorf("%s: tshark reads %d frames of %d, %v: %s", name, len(lines), want, err, complaint)
	}
}
