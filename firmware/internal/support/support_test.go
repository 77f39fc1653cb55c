package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// open returns the files of a bundle.
func open(t *testing.T, bundle []byte) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil || h.Mode != 0o600 {
			t.Fatal(err, h.Mode)
		}
		out[h.Name] = string(b)
	}
}

func TestWrite(t *testing.T) {
	parts := []Part{Text("a.txt", "hello"), {"b.txt", func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return errors.New("no more")
	}}, {"none.txt", func(io.Writer) error { return errors.New("not there") }}, Text("empty.txt", "")}
	random := make([]byte, 3<<20) // that does not compress
	for i, x := 0, uint32(1); i < len(random); i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		random[i] = byte(x)
	}
	for i := range 20 {
		parts = append(parts, Text(fmt.Sprint("large", i), string(random)))
	}
	var out bytes.Buffer
	if err := Write(&out, "box", time.Unix(0, 0), parts); err != nil {
		t.Fatal(err)
	}
	files := open(t, out.Bytes())
	if files["box/a.txt"] != "hello" || files["box/b.txt"] != "half" || len(files["box/large0"]) != maxPart+len(cutLine) {
		t.Errorf("%q %q %d", files["box/a.txt"], files["box/b.txt"], len(files["box/large0"]))
	}
	for _, name := range []string{"box/none.txt", "box/empty.txt", "box/large9"} {
		if text, ok := files[name]; ok && len(text) > len(cutLine) {
			t.Errorf("%s: %d octets", name, len(text))
		}
	}
	if p := files["box/problems.txt"]; !strings.HasPrefix(p, "b.txt: no more\nnone.txt: not there\nlarge0: cut") {
		t.Errorf("%.100q", p)
	}
	if out.Len() > maxTotal+maxTotal/8 {
		t.Errorf("%d octets", out.Len())
	}
	if err := Write(failing{}, "box", time.Unix(0, 0), parts); err == nil {
		t.Error("a writer that fails")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestBox(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) string {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("proc/version", "Linux version 6.1\n")
	write("proc/device-tree/model", "A Board\x00")
	write("dev/kmsg", "6,1,1500000,-;eth0: link up\n SUBSYSTEM=net\n")
	for i := range 20 {
		write(fmt.Sprintf("words/2026112%02d-120000.000.txt", i), fmt.Sprint("ended: signal ", i))
	}
	file := write("probe.conf", "# key hush\nset collector c address 192.0.2.1:9060\nset collector c auth-key hush\nset privacy secret \"hush hush hush hush\"\n")
	var out bytes.Buffer
	parts := append(Box(root, "1.2.3", filepath.Join(root, "words")), Config(file))
	if err := Write(&out, "b", time.Now(), parts); err != nil {
		t.Fatal(err)
	}
	files := open(t, out.Bytes())
	for name, want := range map[string]string{"versions.txt": "A Board\n", "kernel.txt": "[    1.500000] eth0: link up\n", "crashes/202611219-120000.000.txt": "signal 19",
		"goroutines.txt": "goroutine profile", "system.txt": "lo: ", "about.txt": "no content of calls", "configuration.txt": "auth-key ***"} {
		if !strings.Contains(files["b/"+name], want) {
			t.Errorf("%s: %.200q", name, files["b/"+name])
		}
	}
	for name, text := range files {
		if strings.Contains(text, "hush") {
			t.Errorf("%s has a secret in it", name)
		}
	}
	if _, ok := files["b/crashes/202611207-120000.000.txt"]; ok {
		t.Error("too many last words")
	}
	if len(files["b/heap.pprof"]) == 0 {
		t.Error("no memory profile")
	}
	broken := write("broken.conf", "set collector c auth-key hush\nset frob hush\n")
	var text bytes.Buffer
	if err := Config(broken).Write(&text); err == nil || strings.Contains(err.Error()+text.String(), "hush") {
		t.Errorf("%v: %q", err, text.String())
	}
}
