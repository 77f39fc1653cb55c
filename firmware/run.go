package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"heptap/board"
	"heptap/buffer"
	"heptap/capture/record"
	"heptap/firmware/internal/collect"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/metrics"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/uplink"
)

const runExamples = `  heptap run -config probe.conf
  heptap run -config probe.conf -collect 127.0.0.1:9060 > records.json

The smallest configuration is one line: set capture span0 interface eth1
Send SIGUSR1 for the counters; SIGTERM sends what it can and keeps the rest.
`

// drainTime is how long a stopping probe tries to send what it holds.
const drainTime = 5 * time.Second

func cmdRun(ctx context.Context, e *env, args []string) error {
	fs := e.flags("run", runExamples)
	configFile := fs.String("config", "", "configuration `FILE`; 'heptap config' lists the options")
	embedded := fs.String("collect", "", "start a collector on `ADDR` (UDP and TCP) beside the probe, printing JSON, and send to it unless another is configured")
	verbose := fs.Bool("v", false, "log more")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *configFile == "" || fs.NArg() != 0 {
		return usagef("want -config FILE and nothing else")
	}
	cfg, err := config.Load(*configFile)
	if err != nil {
		return err
	}
	if len(cfg.Ports) == 0 {
		return fmt.Errorf("%s: no mirror port; add: set capture span0 interface DEVICE", *configFile)
	}
	if *embedded != "" && len(cfg.Collector) == 0 {
		cfg.Collector = []config.Collector{{Name: "embedded", Address: *embedded, Transport: config.TCP, Profile: "opensips",
			Order: config.OrderLive, Stall: 10 * time.Second}}
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	box, err := board.Lookup(cfg.System.Board)
	if err != nil {
		return err
	}
	front, err := openPanel(e, box, &level)
	if err != nil {
		return err
	}
	defer front.close()
	r := &runner{cfg: cfg, box: box, front: front, out: e.stdout, errOut: front.stderr,
		log: slog.New(slog.NewTextHandler(front.stderr, &slog.HandlerOptions{Level: level}))}
	return r.run(ctx, *embedded)
}

// runner is a probe being put together: the concrete parts, and what has to
// be undone in the end.
type runner struct {
	cfg         config.Config
	box         board.Description
	front       *front
	log         *slog.Logger
	out, errOut io.Writer

	health *health.Health
	spool  *buffer.Spool
	uplink *uplink.Log
	own    *ownFlows
	probe  *probe.Probe
	meters *metrics.Sources
}

func (r *runner) run(ctx context.Context, embedded string) (err error) {
	if r.health, err = health.New(healthRules()...); err != nil {
		return err
	}
	undo, err := r.setUpLinks()
	if err != nil {
		return err
	}
	defer undo()
	inputs, err := r.openRings()
	if err != nil {
		return err
	}
	if err := r.openLog(); err != nil {
		for _, in := range inputs {
			in.Source.Close()
		}
		return err
	}
	pc := probe.Config{
		Inputs: inputs, Now: ringNow, Media: mediaConfig(r.cfg),
		Correlate: correlateConfig(r.cfg, len(inputs)),
		Deliver:   r.uplink.Append,
	}
	r.probe = probe.New(pc)
	budget := r.budget(&pc)
	r.meters = &metrics.Sources{Version: version, Probe: r.probe.Stats, Uplink: r.uplink.Stats, Spool: r.spool.Stats,
		Health: r.health.Snapshot, Budget: budget}
	return r.supervise(ctx, embedded)
}

// supervise runs the parts until ctx is done or one of them fails. The order
// of the end matters: first the capture, whose last reports go into the log;
// then the log, which sends what it can; then what only watches.
func (r *runner) supervise(ctx context.Context, embedded string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rest, stopRest := context.WithCancel(context.Background())
	defer stopRest()
	var watchers, logDone sync.WaitGroup
	var errs errorList
	if embedded != "" {
		c, err := collect.Listen(collect.Config{UDP: embedded, TCP: embedded, JSON: r.out, Log: r.log})
		if err != nil {
			return errors.Join(err, r.spool.Close())
		}
		watchers.Go(func() { errs.add(c.Run(rest)) })
	}
	logDone.Go(func() { errs.add(r.uplink.Run(context.Background())); cancel() })
	watchers.Go(func() { newMonitor(r).run(rest) })
	watchers.Go(func() { r.front.run(rest, r, cancel) })
	watchers.Go(func() { r.printOnSignal(rest) })
	if r.cfg.Metrics.Listen.IsValid() {
		watchers.Go(func() {
			if err := r.meters.Serve(rest, r.cfg.Metrics.Listen, r.log); err != nil {
				errs.add(err)
				cancel()
			}
		})
	}
	r.log.Info("capturing", "ports", len(r.cfg.Ports), "version", version)
	errs.add(r.probe.Run(ctx))

	r.log.Info("stopping", "drain", drainTime.String())
	drain, stopDrain := context.WithTimeout(context.Background(), drainTime)
	errs.add(r.uplink.Shutdown(drain))
	stopDrain()
	logDone.Wait()
	stopRest()
	watchers.Wait()
	errs.add(r.meters.WriteText(r.errOut))
	return errs.join()
}

// errorList collects errors from several goroutines.
type errorList struct {
	mu   sync.Mutex
	errs []error
}

func (l *errorList) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && !errors.Is(err, context.Canceled) {
		l.errs = append(l.errs, err)
	}
}

func (l *errorList) join() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errs...)
}

// openLog opens the spool and makes the log over it.
func (r *runner) openLog() error {
	if err := os.MkdirAll(r.cfg.Spool.Path, 0o750); err != nil {
		return fmt.Errorf("spool path: %w; choose another: set spool path DIRECTORY", err)
	}
	var err error
	r.spool, err = buffer.Open(filepath.Join(r.cfg.Spool.Path, "spool.db"), buffer.Options{
		MaxBytes: r.cfg.Spool.MaxSize, Classes: int(record.NumClasses), Logger: r.log.With("task", "spool")})
	if err != nil {
		if errors.Is(err, buffer.ErrInUse) {
			return fmt.Errorf("%w: is another heptap running with this spool path?", err)
		}
		return err
	}
	o, err := r.uplinkOptions()
	if err != nil {
		return errors.Join(err, r.spool.Close())
	}
	r.uplink, err = uplink.Open(o) // owns the spool from here on
	return err
}

func (r *runner) uplinkOptions() (uplink.Options, error) {
	o := uplink.Options{Spool: r.spool, Logger: r.log.With("task", "uplink"), Memory: int(r.cfg.Spool.Memory)}
	if _, err := rand.Read(o.Boot[:]); err != nil {
		return o, err
	}
	for _, c := range r.cfg.Collector {
		if _, err := newProfile(r.cfg); err != nil {
			return o, err
		}
		o.Collectors = append(o.Collectors, uplink.Collector{
			Name: c.Name, Dial: r.dialer(c), NewEncoder: r.encoder,
			Datagram: c.Transport == config.UDP, Strict: c.Order == config.OrderStrict, DrainRate: c.DrainRate,
		})
	}
	return o, nil
}

// encoder makes one lane's encoder. That the profile exists was checked before.
func (r *runner) encoder() uplink.Encoder {
	p, err := newProfile(r.cfg)
	if err != nil {
		panic("firmware: " + err.Error())
	}
	return p
}

// budget works out and prints what the probe will use at most.
func (r *runner) budget(pc *probe.Config) int64 {
	var rings int64
	for _, p := range r.cfg.Ports {
		rings += p.RingSize * int64(p.Rings)
	}
	pipeline := pc.MemoryBytes()
	log := int64(0)
	if o, err := r.uplinkOptions(); err == nil {
		if n, err := o.MemoryBudget(); err == nil {
			log = int64(n)
		}
	}
	const runtime = 48 << 20 // the Go runtime, the binary, metrics, the spool's page index
	total := rings + pipeline + log + runtime
	r.log.Info("memory budget, at most", "total_MiB", total>>20, "rings_MiB", rings>>20,
		"calls_and_streams_MiB", pipeline>>20, "log_MiB", log>>20, "other_MiB", runtime>>20)
	return total
}

// printOnSignal prints the counters at SIGUSR1.
func (r *runner) printOnSignal(ctx context.Context) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGUSR1)
	defer signal.Stop(ch)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ch:
			if err := r.meters.WriteText(r.errOut); err != nil {
				r.log.Warn("counters not printed", "err", err)
			}
		}
	}
}
