package jetstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"heptap/firmware/internal/uplink"
)

// asServer in the environment makes the test binary a NATS server, with its files in that directory.
const asServer = "HEPTAP_JETSTREAM_SERVER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asServer); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve is a server in a process of its own, so that its costs can be told from the probe's. It ends with its input.
func serve(dir string) error {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return fmt.Errorf("the NATS server does not start")
	}
	fmt.Println(s.Addr())
	_, err = bufio.NewReader(os.Stdin).ReadByte()
	s.Shutdown()
	s.WaitForShutdown()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// usage is the processor time of a process, with what it had the kernel do (proc(5), stat).
func usage(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')'):]))
	var ticks int
	for _, s := range f[12:14] { // utime, stime; the name is the first
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

// resident is what a process has in memory, in octets.
func resident(b *testing.B, pid int) (octets float64) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "RssAnon:" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				b.Fatal(err)
			}
			octets = float64(n) * 1024
		}
	}
	return octets
}

func sizeOf(b *testing.B, dir string) (octets int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			octets += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return octets
}

// BenchmarkRecord is what one record of 900 octets costs on its way from the log into a stream on disk: the probe's
// processor time, the server's, octets of HEP and on its disk, and the server's memory, of which the ids in the
// duplicate window are the most. README.md reckons with these.
func BenchmarkRecord(b *testing.B) {
	dir := b.TempDir()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asServer+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = cmd.Wait() // it has done its work
	}()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	addr = strings.TrimSpace(addr)
	nc, err := nats.Connect("nats://" + addr)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "HEP", Subjects: []string{"heptap.>"}, Storage: nats.FileStorage, Duplicates: time.Hour}); err != nil {
		b.Fatal(err)
	}
	d := dialer(b, addr, nil)
	l, err := uplink.Open(uplink.Options{Collectors: []uplink.Collector{{Name: "stream", NewEncoder: func() uplink.Encoder { return newEncoder(b, 8) },
		Dial: dials(d, 10*time.Second)}}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()
	defer func() { cancel(); <-ran }()
	const variety = 1024
	var records [variety][]byte
	for i := range records {
		records[i] = rec(b, uint64(i), 900-120)
	}
	frame, err := newEncoder(b, 8).Encode(nil, records[0])
	if err != nil {
		b.Fatal(err)
	}
	memory, probe, srv := resident(b, cmd.Process.Pid), usage(b, syscall.Getpid()), usage(b, cmd.Process.Pid)
	for n := 0; b.Loop(); n++ {
		if n%variety == 0 {
			for l.Stats().Collectors[0].InMemory > 8*variety {
				time.Sleep(time.Millisecond)
			}
		}
		if err := l.Append(records[n%variety]); err != nil {
			b.Fatal(err)
		}
	}
	for l.Stats().Collectors[0].InMemory > 0 {
		time.Sleep(time.Millisecond)
	}
	per := func(v float64, unit string) { b.ReportMetric(v/float64(b.N), unit) }
	per(float64((usage(b, syscall.Getpid()) - probe).Nanoseconds()), "probe-ns/rec")
	per(float64((usage(b, cmd.Process.Pid) - srv).Nanoseconds()), "server-ns/rec")
	per(float64(sizeOf(b, dir)), "disk-B/rec")
	per(resident(b, cmd.Process.Pid)-memory, "server-B/rec")
	b.ReportMetric(float64(len(frame)), "message-B")
	if k := l.Stats().Collectors[0]; k.Confirmed != k.Made || k.Resent != 0 {
		b.Errorf("%+v", k.Counts)
	}
}
