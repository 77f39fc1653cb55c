package soak_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

func TestMain(m *testing.M) {
	code := m.Run()
	box.RemoveBuilt()
	os.Exit(code)
}

func long() bool { return os.Getenv("HEPTAP_LONG") == "1" }

// need skips a test that cannot run here. In CI, not being able to is a failure.
func need(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, lab.ErrNotRoot) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// limits make every table of the probe full within seconds.
var limits = []string{
	"set capture span0 ring-size 8MiB", "set decode fragment-memory 512KiB", "set streams connections 4096", "set streams memory 4MiB",
	"set media streams 4096", "set calls max 4000", "set spool memory 4MiB", "set spool max-size 16MiB",
}

// shown are the columns of the table: metrics, summed over their labels.
var shown = []struct{ title, metric string }{
	{"decoded", "heptap_frames_decoded_total"}, {"kernel drops", "heptap_frames_kernel_drops_total"}, {"queue drops", "heptap_queue_drops_total"},
	{"stream drops", "heptap_stream_drops_total"}, {"copies", "heptap_copies_total"}, {"connections", "heptap_tcp_connections"},
	{"handshakes", "heptap_tcp_handshakes"}, {"evicted", "heptap_tcp_connections_evicted_total"}, {"held by TCP", "heptap_tcp_buffered_bytes"},
	{"fragments held", "heptap_ip_fragment_bytes"}, {"associations", "heptap_sctp_associations"}, {"streams", "heptap_rtp_streams"},
	{"calls", "heptap_calls"}, {"calls recycled", "heptap_calls_recycled_total"},
}

// full are the metrics that must not be 0 in the end: each table was full, and
// said what gave way.
var full = []string{
	"heptap_tcp_handshakes_recycled_total", "heptap_tcp_connections_evicted_total", "heptap_tcp_budget_hits_total", "heptap_rtp_candidates_recycled_total",
	"heptap_calls_recycled_total", "heptap_copies_total",
}

// start starts a probe with those limits, which ends with the test; it has so much time.
func start(t *testing.T, most time.Duration) (context.Context, *lab.Site, *box.Box) {
	t.Helper()
	site, err := lab.OpenSite(lab.SiteConfig{})
	need(t, err)
	t.Cleanup(func() {
		if err := site.Close(); err != nil {
			t.Error(err)
		}
	})
	binary, err := box.Binary()
	need(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), most)
	t.Cleanup(cancel)
	b, err := box.Start(ctx, site, box.Config{Binary: binary, Lines: append([]string{"set capture span0 interface span0", "set system board generic"}, limits...)})
	if err != nil {
		t.Fatal(err)
	}
	return ctx, site, b
}

// TestFloods holds the probe to its budget.
func TestFloods(t *testing.T) {
	ctx, site, b := start(t, 20*time.Minute)
	took, step := 20*time.Second, 4*time.Second
	if long() {
		took, step = 10*time.Minute, 30*time.Second
	}
	sent, stop := inject(t, site.A)
	m, err := b.Metrics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	budget := m["heptap_memory_budget_bytes"]
	t.Logf("budget %.0f MiB", budget/(1<<20))
	most := 0.0
	for began := time.Now(); time.Since(began) < took; {
		time.Sleep(step)
		if m, err = b.Metrics(ctx); err != nil {
			t.Fatal(err)
		}
		rss := resident(t, b.Probe().PID())
		most = max(most, rss)
		t.Log(row(time.Since(began), sent.Load(), rss, m))
	}
	stop()
	if most > budget {
		t.Errorf("%.0f MiB resident, the budget is %.0f", most/(1<<20), budget/(1<<20))
	}
	for _, name := range full {
		if m.Sum(name) == 0 {
			t.Errorf("%s is 0: the flood has not filled that table", name)
		}
	}
	if n := m.Sum("heptap_frames_decoded_total"); n < 1000*took.Seconds() {
		t.Errorf("only %.0f frames decoded", n)
	}
	if _, err := b.Finish(); err != nil {
		t.Error(err)
	}
}

func row(at time.Duration, sent uint64, rss float64, m box.Metrics) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%4.0f s  %9d sent  %6.1f MiB resident", at.Seconds(), sent, rss/(1<<20))
	for _, c := range shown {
		fmt.Fprintf(&s, "  %s %.0f", c.title, m.Sum(c.metric))
	}
	return s.String()
}

// resident is how much memory a process has, its rings included.
func resident(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib * 1024
}

// perSecond is how many frames are sent; more than a small box would get of
// any of these, less than keeps this machine from doing anything else.
const perSecond = 20_000

// inject has a host send the flood until stop.
func inject(t *testing.T, h *lab.Host) (sent *atomic.Uint64, stop func()) {
	t.Helper()
	sent = new(atomic.Uint64)
	var end atomic.Bool
	ready, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		err := h.Do(func() error {
			runtime.LockOSThread()
			fd, err := socket()
			ready <- err
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			f := &flood{r: rand.New(rand.NewPCG(1, 2))}
			for began := time.Now(); !end.Load(); time.Sleep(time.Millisecond) {
				for due := uint64(time.Since(began).Seconds() * perSecond); sent.Load() < due && !end.Load(); {
					_ = unix.Send(fd, f.next(), 0) // a full queue of the device is no loss of the probe's
					sent.Add(1)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	return sent, func() { end.Store(true); <-done }
}

// socket opens a packet socket that sends from the host's first device.
func socket() (int, error) {
	devices, err := net.Interfaces()
	if err != nil {
		return -1, err
	}
	for _, d := range devices {
		if d.Flags&net.FlagLoopback != 0 {
			continue
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: d.Index}); err != nil {
			unix.Close(fd)
			return -1, err
		}
		return fd, nil
	}
	return -1, errors.New("no device")
}
