package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"heptap/hep"
	"heptap/hep/heptest"
)

// background is a heptap that runs until it is told to stop.
type background struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout bytes.Buffer // read it after stop
	done   chan error

	mu     sync.Mutex
	stderr []string
	news   chan struct{}
}

// launch starts heptap and follows its standard error.
func launch(t *testing.T, prepare func(*exec.Cmd), args ...string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{t: t, cmd: heptapCommand(ctx, args...), done: make(chan error, 1), news: make(chan struct{}, 1)}
	b.cmd.Stdout = &b.stdout
	r, w := io.Pipe()
	b.cmd.Stderr = w
	if prepare != nil {
		prepare(b.cmd)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for sc := bufio.NewScanner(r); sc.Scan(); {
			b.mu.Lock()
			b.stderr = append(b.stderr, sc.Text())
			b.mu.Unlock()
			select {
			case b.news <- struct{}{}:
			default:
			}
		}
	}()
	go func() { b.done <- b.cmd.Wait(); w.Close() }()
	t.Cleanup(func() { cancel(); <-b.done })
	return b
}

// says waits for a line of standard error that matches, and returns its groups.
func (b *background) says(pattern string) []string {
	b.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(time.Minute)
	for from := 0; ; {
		b.mu.Lock()
		lines := b.stderr[from:]
		b.mu.Unlock()
		for _, l := range lines {
			if m := re.FindStringSubmatch(l); m != nil {
				return m
			}
		}
		from += len(lines)
		select {
		case <-b.news:
		case err := <-b.done:
			b.done <- err
			b.t.Fatalf("ended (%v) without saying %q:\n%s", err, pattern, b.said())
		case <-deadline:
			b.t.Fatalf("does not say %q:\n%s", pattern, b.said())
		}
	}
}

func (b *background) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.stderr, "\n")
}

// stop ends it as an init system would, and checks the exit status.
func (b *background) stop(code int) result {
	b.t.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.t.Fatal(err)
	}
	select {
	case err := <-b.done:
		b.done <- err
	case <-time.After(time.Minute):
		b.t.Fatalf("SIGTERM does not end it:\n%s", b.said())
	}
	r := result{code: b.cmd.ProcessState.ExitCode(), stdout: b.stdout.String(), stderr: b.said()}
	return r.want(b.t, code)
}

// someFrames returns the HEP frames of a call.
func someFrames(t *testing.T, callID string) string {
	t.Helper()
	return heptap(t, nil, "replay", "-o", "-", writeCapture(t, "c.pcap", testCall(callID, start))).want(t, 0).stdout
}

// sendTCP writes to a collector, half-closes, and waits for its end.
func sendTCP(t *testing.T, addr, data string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, data); err != nil {
		return // refused in the middle: garbage
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, c)
}

func TestCollectTLS(t *testing.T) {
	dir := t.TempDir()
	ca := heptest.NewAuthority(t, "CA")
	certificate, key := heptest.Files(t, dir, ca.Issue(t, heptest.Certificate{}))
	b := launch(t, nil, "collect", "-udp", "", "-tcp", "", "-tls", "127.0.0.1:0", "-tls-certificate", certificate, "-tls-key", key)
	m := b.says(`collecting .*tls=(\S+)`)
	c, err := hep.Dial(t.Context(), "tcp", m[1], hep.DialOptions{TLS: &hep.TLSOptions{Roots: ca.Pool}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	frames := someFrames(t, "over-tls")
	if _, err := io.WriteString(c, frames); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := <-c.Peer(); err != io.EOF || !c.Confirmed() {
		t.Errorf("%v, confirmed %v", err, c.Confirmed())
	}
	if r := b.stop(0); !strings.Contains(r.stdout, "over-tls") {
		t.Error(r.stdout)
	}
	heptap(t, nil, "collect", "-tls", "127.0.0.1:0").want(t, 2)
}

func TestCollect(t *testing.T) {
	out := filepath.Join(t.TempDir(), "got.hep")
	b := launch(t, nil, "collect", "-udp", "127.0.0.1:0", "-tcp", "127.0.0.1:0", "-o", out, "-json")
	m := b.says(`collecting udp=(\S+) tcp=(\S+)`)
	udp, tcp := m[1], m[2]
	one, two := someFrames(t, "one@example"), someFrames(t, "two@example")

	sendTCP(t, tcp, one)
	for _, garbage := range []string{"GET / HTTP/1.1\r\n\r\n", "HEP3\x00\x03", "HEP3\xff\xff" + strings.Repeat("\x00", 80000), strings.Repeat("\x00", 1<<20), one[:100], "\x16\x03\x01\x02\x00\x01\x00"} {
		sendTCP(t, tcp, garbage)
	}
	u, err := net.Dial("udp", udp)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	for _, garbage := range []string{"", "x", "HEP3", "HEP3\x00\x10garbage..", one[:200]} {
		_, _ = u.Write([]byte(garbage))
	}
	sendTCP(t, tcp, two) // it is still there

	r := b.stop(0)
	got, err := os.ReadFile(out)
	if err != nil || string(got) != one+two {
		t.Errorf("%d octets in the file, %d sent: %v", len(got), len(one)+len(two), err)
	}
	if n := len(r.lines(t)); n != 18 {
		t.Errorf("%d lines of JSON, want 18", n)
	}
	if !strings.Contains(r.stderr, "frames=18") || strings.Contains(r.stderr, "bad_frames=0") {
		t.Errorf("totals:\n%s", r.stderr)
	}
}

// TestCollectGoesOn asserts that a second run appends to the first one's file,
// also when that ends in part of a frame.
func TestCollectGoesOn(t *testing.T) {
	frames := someFrames(t, "one@example")
	out := write(t, "got.hep", frames+frames[:50])
	b := launch(t, nil, "collect", "-udp", "", "-tcp", "127.0.0.1:0", "-o", out)
	sendTCP(t, b.says(`collecting .*tcp=(\S+)`)[1], frames)
	if r := b.stop(0); !strings.Contains(r.stderr, "bytes=50") {
		t.Errorf("the cut frame is not mentioned:\n%s", r.stderr)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != frames+frames {
		t.Errorf("%d octets, want %d: %v", len(got), 2*len(frames), err)
	}
}

func TestCollectCannotListen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heptap(t, nil, "collect", "-udp", "", "-tcp", l.Addr().String()).want(t, 1, "address already in use")
	heptap(t, nil, "collect", "-udp", "", "-tcp", "").want(t, 1)
	heptap(t, nil, "collect", "-o", filepath.Join(t.TempDir(), "no", "file")).want(t, 1, "no such file")
}

// needRoot skips a test that captures, but where CI promised root.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

// loopbackConfig captures from lo what goes to or from the port.
func loopbackConfig(t *testing.T, port int, more string) (conf, spool string) {
	t.Helper()
	dir := t.TempDir()
	return write(t, "probe.conf", fmt.Sprintf("set capture span0 interface lo\nset capture span0 link-setup off\nset capture span0 ring-size 4MiB\n"+
		"set capture span0 filter \"udp and port %d\"\nset spool path %s\nset spool memory 4MiB\nset system node box\nset calls max 1000\nset media streams 1024\n%s",
		port, dir, more)), filepath.Join(dir, "spool.db")
}

// placeCall sends a call's messages over the loopback, and returns once
// capturing is known to work: when all seen has been captured.
func placeCall(t *testing.T, callID string, messages int) (from *net.UDPConn, send func()) {
	t.Helper()
	a, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, func() {
		for i := range messages {
			text := fmt.Sprintf("OPTIONS sip:b@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK%d\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\n"+
				"To: <sip:b@127.0.0.1>\r\nCall-ID: %s\r\nCSeq: %d OPTIONS\r\nContent-Length: 0\r\n\r\n", i, callID, i+1)
			if _, err := a.WriteTo([]byte(text), b.LocalAddr()); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestRunWithCollector captures from the loopback and prints with the embedded
// collector: the smallest complete probe.
func TestRunWithCollector(t *testing.T) {
	needRoot(t)
	sock, send := placeCall(t, "lo-1@example", 20)
	conf, spool := loopbackConfig(t, sock.LocalAddr().(*net.UDPAddr).Port, "")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	b := launch(t, nil, "run", "-config", conf, "-collect", free.Addr().String())
	b.says("memory budget.*total_MiB.*recent_MiB=2 ")
	b.says("msg=capturing")
	send()
	b.until("^records_made_total .* 20$")
	b.until("^recent records: 20 over [0-9]+s, 0.0 of 2.0 MiB$")
	r := b.stop(0)
	lines := r.lines(t)
	seen := map[string]int{}
	for _, p := range lines {
		if p.TypeName != "sip" || p.Primary != "lo-1@example" || p.Node != "box" {
			t.Errorf("%+v", p)
		}
		if p.Payload != nil {
			seen[*p.Payload]++
		}
	}
	if len(seen) != 20 || len(lines) != 20 {
		t.Errorf("%d lines, %d different messages, want 20", len(lines), len(seen))
	}
	if n := len(heptap(t, []byte(heptap(t, nil, "spool", "export", spool).want(t, 0).stdout), "decode", "-").want(t, 0).lines(t)); n != 0 {
		t.Errorf("a healthy uplink left %d records in the spool", n)
	}
}

// until asks for the counters (SIGUSR1) until a line of them matches.
func (b *background) until(pattern string) {
	b.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		b.mu.Lock()
		b.stderr = b.stderr[:0]
		b.mu.Unlock()
		if err := b.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			b.t.Fatal(err)
		}
		for quiet := false; !quiet; {
			select {
			case <-b.news:
			case err := <-b.done:
				b.done <- err
				b.t.Fatalf("ended: %v\n%s", err, b.said())
			case <-time.After(100 * time.Millisecond):
				quiet = true
			}
		}
		for line := range strings.Lines(b.said()) {
			if re.MatchString(strings.TrimSpace(line)) {
				return
			}
		}
	}
	b.t.Fatalf("the counters never say %q:\n%s", pattern, b.said())
}

// TestRunKeepsRecords runs without a collector that answers: SIGTERM must leave
// every record in the spool.
func TestRunKeepsRecords(t *testing.T) {
	needRoot(t)
	sock, send := placeCall(t, "lo-2@example", 20)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	for _, collector := range []string{"set recent memory off\n", "set collector central address " + free.Addr().String() + "\n"} {
		conf, spool := loopbackConfig(t, sock.LocalAddr().(*net.UDPAddr).Port, collector)
		b := launch(t, nil, "run", "-config", conf)
		b.says("msg=capturing")
		send()
		b.until("^records_made_total .* 20$")
		if said := b.said(); strings.Contains(said, "recent records:") != strings.Contains(collector, "central") {
			t.Errorf("%q: %s", collector, said)
		}
		heptap(t, nil, "spool", "ls", spool).want(t, 1, "in use by the probe")
		heptap(t, nil, "run", "-config", conf).want(t, 1, "in use by the probe")
		b.stop(0)
		stdout := heptap(t, nil, "spool", "export", spool).want(t, 0).stdout
		if n := len(heptap(t, []byte(stdout), "decode", "-").want(t, 0).lines(t)); n != 20 {
			t.Errorf("%q: %d records in the spool, want 20", collector, n)
		}
	}
}

// TestRunCannotCapture asserts that what is missing is said, and what to do.
func TestRunCannotCapture(t *testing.T) {
	conf := write(t, "probe.conf", "set capture span0 interface nosuchdev0\nset spool path "+t.TempDir()+"\n")
	heptap(t, nil, "run", "-config", conf).want(t, 1, "span0", "nosuchdev0")
	heptap(t, nil, "run", "-config", write(t, "empty.conf", "set system node x\n")).want(t, 1, "no mirror port", "set capture span0 interface")

	conf, _ = loopbackConfig(t, 5060, "")
	unprivileged := func(cmd *exec.Cmd) {
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: false}}
		}
	}
	// As another user the binary, the configuration and the spool must be in reach.
	shared, err := os.MkdirTemp("", "heptap-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(shared) })
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	conf = filepath.Join(shared, "probe.conf")
	text = regexp.MustCompile(`(?m)^set spool path .*$`).ReplaceAll(text, []byte("set spool path "+shared))
	copied := filepath.Join(shared, "heptap")
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{conf: text, copied: binary} {
		if err := os.WriteFile(name, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := heptapCommand(ctx, "run", "-config", conf)
	cmd.Path, cmd.Dir = copied, shared
	unprivileged(cmd)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	finish(t, cmd.Run(), &stdout, &stderr).want(t, 1, "run as root", "CAP_NET_RAW")
}
