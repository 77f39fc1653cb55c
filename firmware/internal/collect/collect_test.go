package collect_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"heptap/firmware/internal/collect"
	"heptap/hep"
)

const patience = 30 * time.Second

// run serves cfg on the loopback; stop ends it and returns what Run returned.
func run(t *testing.T, cfg collect.Config) (c *collect.Collector, stop func() error) {
	t.Helper()
	cfg.UDP, cfg.TCP = "127.0.0.1:0", "127.0.0.1:0"
	c, err := collect.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return c, stop
}

// send writes b, half-closes and returns how the collector ended it.
func send(t *testing.T, c *collect.Collector, b []byte) (end error, confirmed bool) {
	t.Helper()
	k, err := hep.Dial(t.Context(), "tcp", c.TCPAddr().String(), hep.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := k.Write(b); err != nil {
		return err, false
	}
	if err := k.CloseWrite(); err != nil {
		return err, false
	}
	select {
	case end = <-k.Peer():
		return end, k.Confirmed()
	case <-time.After(patience):
		t.Fatal("no end")
		return nil, false
	}
}

func stream(t *testing.T, n int) (b []byte) {
	t.Helper()
	for i := range n {
		p := packet()
		p.Correlation = strconv.AppendInt(nil, int64(i), 10)
		p.Payload = bytes.Repeat([]byte{'x'}, i*37%3000)
		b = append(b, encode(t, p)...)
	}
	return b
}

func TestCollect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.hep")
	f, removed, err := collect.OpenFile(path)
	if err != nil || removed != 0 {
		t.Fatal(removed, err)
	}
	defer f.Close()
	lines := lineWriter{wrote: make(chan struct{}, 1000)}
	c, stop := run(t, collect.Config{Out: f, JSON: &lines})
	b := stream(t, 200)
	if end, confirmed := send(t, c, b); end != io.EOF || !confirmed {
		t.Fatalf("%v, confirmed %v", end, confirmed)
	}
	if c.Frames() != 200 || c.Stats().TCPFrames != 200 {
		t.Errorf("%d frames, %+v", c.Frames(), c.Stats())
	}
	u, err := hep.Dial(t.Context(), "udp", c.UDPAddr().String(), hep.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	last := encode(t, packet())
	if _, err := u.Write(last); err != nil {
		t.Fatal(err)
	}
	for i := range 201 {
		select {
		case <-lines.wrote:
		case <-time.After(patience):
			t.Fatalf("%d lines, then none", i)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, append(b, last...)) {
		t.Errorf("file of %d octets, %v", len(got), err)
	}
	var decoded bytes.Buffer
	if _, err := collect.Decode(bytes.NewReader(got), &decoded); err != nil || !bytes.Equal(decoded.Bytes(), lines.Bytes()) {
		t.Errorf("decode differs from what was collected: %v", err)
	}
	if n := bytes.Count(lines.Bytes(), []byte("\n")); n != 201 {
		t.Errorf("%d lines", n)
	}
}

// lineWriter tells of each line it is given.
type lineWriter struct {
	bytes.Buffer
	wrote chan struct{}
}

func (w *lineWriter) Write(b []byte) (int, error) {
	defer func() { w.wrote <- struct{}{} }()
	return w.Buffer.Write(b)
}

// fullDisk takes room octets and no more.
type fullDisk struct {
	*os.File
	room int
}

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(d.room, len(b))
	d.room -= n
	if _, err := d.File.Write(b[:n]); err != nil {
		return 0, err
	}
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// onlyWriter hides all but Write.
type onlyWriter struct{ io.Writer }

func TestFullDisk(t *testing.T) {
	frame := encode(t, packet())
	for _, tt := range []struct {
		name string
		hide bool
		left int // octets in the file
	}{{"file", false, 2 * len(frame)}, {"pipe", true, 2*len(frame) + 10}} {
		t.Run(tt.name, func(t *testing.T) {
			f, _, err := collect.OpenFile(filepath.Join(t.TempDir(), "out.hep"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var out io.Writer = &fullDisk{f, 2*len(frame) + 10}
			if tt.hide {
				out = onlyWriter{out}
			}
			c, stop := run(t, collect.Config{Out: out})
			if end, confirmed := send(t, c, bytes.Repeat(frame, 5)); end == io.EOF || confirmed {
				t.Errorf("%v, confirmed %v", end, confirmed)
			}
			err = stop()
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("run: %v", err)
			}
			if named := strings.Contains(err.Error(), "10 octets of a partial frame"); named != tt.hide {
				t.Errorf("run: %v", err)
			}
			if st, err := f.Stat(); err != nil || st.Size() != int64(tt.left) || c.Frames() != 2 {
				t.Errorf("%d octets for %d frames, want %d", st.Size(), c.Frames(), tt.left)
			}
		})
	}
}

func TestDecodeDamage(t *testing.T) {
	frame := encode(t, packet())
	n := int64(len(frame))
	chunk := bytes.Clone(frame)
	chunk[11] = 9 // length of the first chunk
	for _, tt := range []struct {
		name   string
		tail   []byte
		fault  hep.Fault
		offset int64
	}{
		{"cut", frame[:n-1], hep.FaultTruncated, 2 * n},
		{"magic", []byte("not HEP at all"), hep.FaultMagic, 2 * n},
		{"chunk", append(bytes.Clone(chunk), frame...), hep.FaultChunkSize, 2*n + 6},
	} {
		var lines bytes.Buffer
		_, err := collect.Decode(bytes.NewReader(append(bytes.Repeat(frame, 2), tt.tail...)), &lines)
		var pe *hep.ParseError
		if !errors.As(err, &pe) || !errors.Is(err, tt.fault) || pe.Offset != tt.offset ||
			!strings.Contains(err.Error(), "offset "+strconv.FormatInt(tt.offset, 10)) {
			t.Errorf("%s: got %v, want %v at %d", tt.name, err, tt.fault, tt.offset)
		}
		if got := bytes.Count(lines.Bytes(), []byte("\n")); got != 2 {
			t.Errorf("%s: %d lines", tt.name, got)
		}
	}
	if _, err := collect.Decode(bytes.NewReader(frame), &failingWriter{}); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got %v", err)
	}
}

type failingWriter struct{}

func (*failingWriter) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestOpenFile(t *testing.T) {
	frame := encode(t, packet())
	for _, tt := range []struct {
		name    string
		in      []byte
		removed int64
		refused bool
	}{
		{"new", nil, 0, false},
		{"whole", bytes.Repeat(frame, 3), 0, false},
		{"cut", append(bytes.Repeat(frame, 3), frame[:20]...), 20, false},
		{"cut in a header", append(bytes.Repeat(frame, 3), "HE"...), 2, false},
		{"damaged", append(bytes.Repeat(frame, 3), append([]byte("XXXXXXX"), frame...)...), 0, true},
		{"another file", []byte("GIF89a, more or less"), 0, true},
		{"another short file", []byte("GIF"), 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f.hep")
			if tt.in != nil {
				if err := os.WriteFile(path, tt.in, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f, removed, err := collect.OpenFile(path)
			if (err != nil) != tt.refused || removed != tt.removed {
				t.Fatalf("removed %d, %v", removed, err)
			}
			want := tt.in[:len(tt.in)-int(tt.removed)]
			if !tt.refused {
				if _, err := f.Write(frame); err != nil {
					t.Fatal(err)
				}
				_ = f.Close()
				want = append(bytes.Clone(want), frame...)
			}
			if got, _ := os.ReadFile(path); !bytes.Equal(got, want) {
				t.Errorf("%d octets, want %d", len(got), len(want))
			}
		})
	}
}
