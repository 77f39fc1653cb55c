package box

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"heptap/scripts/lab"
)

// Where the parts of a box listen.
const (
	collectorPort = "9060"
	metricsAddr   = "127.0.0.1:9107"
)

// Config says how the probe is set up.
type Config struct {
	Binary string
	Lines  []string  // of its configuration, beside those every probe has
	Stderr io.Writer // of the probe: log, panel, counters; an *os.File is handed over as it is

	// Foreign says that somebody else's collector listens at CollectorAddr.
	Foreign bool
	// Waits says that the probe does not send at once.
	Waits bool
}

// CollectorAddr is where the probe finds the collector.
func CollectorAddr(s *lab.Site) string {
	return net.JoinHostPort(s.Collector.Addr.String(), collectorPort)
}

// Box is a probe and its collector in a site.
type Box struct {
	site      *lab.Site
	binary    string
	out       string
	probe     *lab.Process
	collector *lab.Process
	log       *tail
	http      *http.Client
}

// tail keeps the end of what a program says, for error messages.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > 64<<10 {
		t.b = append(t.b[:0], t.b[len(t.b)-(32<<10):]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// Start starts a collector that writes to a file, and a probe that captures
// from the site's mirror (or TAP) and sends to it over TCP. It returns when
// both are ready.
func Start(ctx context.Context, s *lab.Site, cfg Config) (*Box, error) {
	b := &Box{site: s, binary: cfg.Binary, out: filepath.Join(s.Dir(), "collected.hep"), log: &tail{}}
	addr := CollectorAddr(s)
	b.http = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: b.dial}}

	if !cfg.Foreign {
		if err := b.startCollector(ctx, addr); err != nil {
			return nil, err
		}
	}
	conf := filepath.Join(s.Dir(), "probe.conf")
	if err := os.WriteFile(conf, []byte(b.config(cfg.Lines, addr)), 0o644); err != nil {
		return nil, err
	}
	run := s.Probe.Command(cfg.Binary, "run", "-config", conf)
	if run.Stderr = cfg.Stderr; cfg.Stderr == nil {
		run.Stderr = b.log
	}
	var err error
	if b.probe, err = s.Start(run); err != nil {
		return nil, err
	}
	state := `state="up"`
	if cfg.Waits {
		state = ""
	}
	ready := func() bool {
		m, err := b.Metrics(ctx)
		return err == nil && m.Sum("heptap_uplink_state", state) >= 1
	}
	return b, b.until(ctx, b.probe, "the probe is up", ready)
}

func (b *Box) startCollector(ctx context.Context, addr string) (err error) {
	collect := b.site.Collector.Command(b.binary, "collect", "-tcp", addr, "-udp", "", "-o", b.out)
	collect.Stderr = b.log
	if b.collector, err = b.site.Start(collect); err != nil {
		return err
	}
	return b.until(ctx, b.collector, "the collector listens", func() bool { return b.answers(b.site.Collector, addr) })
}

func (b *Box) config(lines []string, collector string) string {
	all := []string{
		"set system node lab", "set system agent-id 2001",
		"set collector central address " + collector, "set collector central transport tcp",
		"set spool path " + filepath.Join(b.site.Dir(), "spool"),
		"set metrics listen " + metricsAddr,
	}
	return strings.Join(append(all, lines...), "\n") + "\n"
}

func (b *Box) answers(h *lab.Host, addr string) bool {
	ok := false
	_ = h.Do(func() error {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			ok = true
			conn.Close()
		}
		return nil
	})
	return ok
}

// until waits for something that no program tells.
func (b *Box) until(ctx context.Context, p *lab.Process, what string, f func() bool) error {
	for {
		if f() {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("before %s: %w\n%s", what, errors.Join(errors.New("the program has ended"), p.Wait(ctx)), b.log)
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w\n%s", what, ctx.Err(), b.log)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Settled waits until the collector has confirmed every record made so far,
// or has at least been sent it: nothing is in memory only because the uplink
// is slow, and nothing is in the spool.
func (b *Box) Settled(ctx context.Context) error {
	return b.until(ctx, b.probe, "everything is delivered", func() bool {
		m, err := b.Metrics(ctx)
		return err == nil && m.Sum("heptap_uplink_state", `state="up"`) >= 1 &&
			m.Sum("heptap_uplink_records", `place="spooled"`) == 0
	})
}

// StopProbe ends the probe as an operator would and waits for it.
func (b *Box) StopProbe() error {
	return b.probe.Stop(syscall.SIGTERM, 20*time.Second)
}

// Probe is the running probe.
func (b *Box) Probe() *lab.Process { return b.probe }

// Log is the end of what the collector and, unless it was given another
// writer, the probe said.
func (b *Box) Log() string { return b.log.String() }

// Finish stops the probe and then our collector, and returns what arrived.
func (b *Box) Finish() ([]Record, error) {
	if err := b.StopProbe(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, b.log)
	}
	if b.collector == nil {
		return nil, nil
	}
	if err := b.collector.Stop(syscall.SIGTERM, 20*time.Second); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, b.log)
	}
	return Decode(b.binary, b.out)
}

// Console has a command carried out on the probe's console, and returns what it says.
func (b *Box) Console(ctx context.Context, command string) (string, error) {
	return b.console(ctx, nil, command)
}

// Type types lines at the probe's console, and returns what that has shown.
func (b *Box) Type(ctx context.Context, lines ...string) (string, error) {
	return b.console(ctx, strings.NewReader(strings.Join(lines, "\n")+"\n"))
}

func (b *Box) console(ctx context.Context, typed io.Reader, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, b.binary, append([]string{"console", "-socket", filepath.Join(b.site.Dir(), "spool", "console.sock")}, command...)...)
	cmd.Stdin = typed
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("console %q: %w\n%s", command, err, out)
	}
	return string(out), err
}
