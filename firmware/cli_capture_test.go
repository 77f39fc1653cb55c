package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/pcapfile"
)

// pcapngFrames reads a file, whose frames it returns without their times.
func pcapngFrames(t *testing.T, file []byte) (out []string) {
	t.Helper()
	r, err := pcapfile.New(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var frames [8]capture.Frame
	for {
		n, err := r.Read(frames[:])
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames[:n] {
			out = append(out, string(f.Data))
		}
	}
}

// TestCapture marks and captures with a probe that runs: by the console and by the
// command, blanked and not, kept on the box and sent to a web server.
func TestCapture(t *testing.T) {
	needRoot(t)
	a, _ := placeCall(t, "", 0)
	conf, spool := loopbackConfig(t, a.LocalAddr().(*net.UDPAddr).Port, "set packets after 1s\nset packets files 1MiB\n")
	b := launch(t, nil, "run", "-config", conf)
	b.says("memory budget.*packets_MiB=17 ")
	b.says("msg=capturing")
	text := "MESSAGE sip:b@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:b@127.0.0.1>\r\n" +
		"Call-ID: one\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nSECRET"
	for _, m := range []string{text, strings.ReplaceAll(text, "Call-ID: one", "Call-ID: two")} {
		if _, err := a.WriteTo([]byte(m), a.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	b.until("^records_made_total .* 2$")
	console := func(status int, words ...string) string {
		t.Helper()
		return heptap(t, nil, append([]string{"console", "-config", conf}, words...)...).want(t, status).stdout
	}
	console(0, "mark", "it", "rang")
	if out := console(0, "show", "packets"); !regexp.MustCompile(`(?s)goes back +\d+s for signalling.*2 kept.*pin 1 .*by session \d+ \(socket\), more may follow: it rang`).MatchString(out) {
		t.Errorf("%s", out)
	}
	files := filepath.Join(filepath.Dir(spool), "files")

	// On the loopback a frame is seen twice, once as it leaves and once as it comes.
	out := console(0, "capture", "to", "file", "noon")
	if !regexp.MustCompile(`^noon\.pcapng: [24] frames from \S+ to \S+, .*\nOf [24] frames something was blanked or left out\.\n$`).MatchString(out) {
		t.Errorf("%q", out)
	}
	file, err := os.ReadFile(filepath.Join(files, "noon.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	all := pcapngFrames(t, file)
	if len(all) < 2 || bytes.Contains(file, []byte("SECRET")) || !strings.Contains(all[0], "\r\n\r\nxxxxxx") || !bytes.Contains(file, []byte("it rang (session")) || !bytes.Contains(file, []byte("span0")) {
		t.Errorf("%d frames:\n%q", len(all), file)
	}
	if out := console(1, "capture", "to", "file", "noon"); !strings.Contains(out, "there is a file of that name already") {
		t.Errorf("%q", out)
	}
	if out := console(1, "capture", "to", "file", "../x"); !strings.Contains(out, "begins with a letter") {
		t.Errorf("%q", out)
	}
	if out := console(1, "capture", "to", "file", "call", "three"); !strings.Contains(out, "no frame that is held is of that") {
		t.Errorf("%q", out)
	}
	console(0, "capture", "to", "file", "open", "unlocked")
	if file, _ := os.ReadFile(filepath.Join(files, "open.pcapng")); !bytes.Contains(file, []byte("SECRET")) {
		t.Error("it is not unlocked")
	}

	took := filepath.Join(t.TempDir(), "took.pcapng")
	r := heptap(t, nil, "capture", "-config", conf, "-o", took, "call", "two", "pin", "1").want(t, 0)
	if file, err := os.ReadFile(took); err != nil || bytes.Contains(file, []byte("Call-ID: one")) || len(pcapngFrames(t, file)) != len(all)/2 || !strings.Contains(r.stderr, "frames from") {
		t.Errorf("%v %s", err, r.stderr)
	}
	r = heptap(t, nil, "capture", "-config", conf, "-o", "-").want(t, 0)
	if n := len(pcapngFrames(t, []byte(r.stdout))); n != len(all) {
		t.Errorf("%d frames on standard output", n)
	}
	heptap(t, nil, "capture", "-config", conf, "-o", took, "frob", "x").want(t, 1, "want: capture to file")
	heptap(t, nil, "capture", "-config", conf).want(t, 2, "want -o FILE")

	var put []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { put, _ = io.ReadAll(r.Body) }))
	defer server.Close()
	if out := console(0, "file", "send", "noon.pcapng", server.URL+"/up/"); !strings.Contains(out, "/up/noon.pcapng") || !bytes.Equal(put, file) {
		t.Errorf("%q, %d octets", out, len(put))
	}
	if out := console(0, "show", "files"); !strings.Contains(out, "noon.pcapng") || !strings.Contains(out, "2 files in "+files) {
		t.Errorf("%q", out)
	}
	console(0, "file", "delete", "noon.pcapng")
	console(0, "unpin", "1")
	console(1, "unpin", "1")
	b.stop(0)
	heptap(t, nil, "capture", "-config", conf, "-o", took).want(t, 1, "is the probe running")
}

// bundleFiles returns what is in a support bundle, by its names without the folder.
func bundleFiles(t *testing.T, name string) map[string]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if st, _ := f.Stat(); st.Mode().Perm() != 0o600 || st.Size() > 4<<20 {
		t.Errorf("mode %v, %d octets", st.Mode(), st.Size())
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		out[name] = string(b)
	}
}

// TestSupport makes bundles of a probe that has seen a call, and of one that does not run.
func TestSupport(t *testing.T) {
	needRoot(t)
	a, send := placeCall(t, "hidden-call-id", 3)
	conf, spool := loopbackConfig(t, a.LocalAddr().(*net.UDPAddr).Port, "set collector c address 127.0.0.1:9\nset collector c auth-key hush\n")
	crashes := filepath.Join(filepath.Dir(spool), "crashes")
	if err := os.Mkdir(crashes, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(crashes, "20261126-120000.000.txt"), []byte("ended: exit status 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := launch(t, nil, "run", "-config", conf)
	b.says("msg=capturing")
	send()
	b.until("^records_made_total .* 3$")
	heptap(t, nil, "console", "-config", conf, "mark", "something private").want(t, 0)
	out := filepath.Join(t.TempDir(), "s.tar.gz")
	heptap(t, nil, "support", "-config", conf, "-o", out).want(t, 0)
	files := bundleFiles(t, out)
	for name, want := range map[string]string{"configuration.txt": "auth-key ***", "status.txt": "== show counters", "health.txt": "changes, which the LEDs showed:", "messages.txt": "msg=capturing",
		"crashes/20261126-120000.000.txt": "ended: exit status 2", "versions.txt": "heptap ", "system.txt": "lo: ", "about.txt": "problems.txt"} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s: %.300q", name, files[name])
		}
	}
	for name, text := range files {
		if strings.Contains(text, "hush") || strings.Contains(text, "hidden-call-id") || name != "messages.txt" && strings.Contains(text, "something private") {
			t.Errorf("%s tells too much", name)
		}
	}
	if r := heptap(t, nil, "console", "-config", conf, "support", "bundle", "now").want(t, 0); !strings.HasPrefix(r.stdout, "now.tar.gz: ") {
		t.Errorf("%q", r.stdout)
	}
	if left, _ := os.ReadDir(filepath.Join(filepath.Dir(spool), "files")); len(left) != 1 || left[0].Name() != "now.tar.gz" {
		t.Errorf("%v", left)
	}
	b.stop(0)
	heptap(t, nil, "support", "-config", conf, "-o", out).want(t, 0, "without the probe")
	if files = bundleFiles(t, out); files["status.txt"] != "" || !strings.Contains(files["configuration.txt"], "auth-key ***") || files["crashes/20261126-120000.000.txt"] == "" {
		t.Errorf("%v", files)
	}
	heptap(t, nil, "support").want(t, 2, "want -o FILE")
}
