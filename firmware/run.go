package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"heptap/board"
	"heptap/buffer"
	"heptap/capture/record"
	"heptap/firmware/internal/appliance"
	"heptap/firmware/internal/clock"
	"heptap/firmware/internal/collect"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/durable"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/intake"
	"heptap/firmware/internal/metrics"
	"heptap/firmware/internal/outbox"
	"heptap/firmware/internal/packets"
	"heptap/firmware/internal/panel"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/recent"
	"heptap/firmware/internal/resident"
	"heptap/firmware/internal/syslogd"
	"heptap/firmware/internal/uplink"
	"heptap/hal/sysfs"
	"heptap/hep"
)

const runExamples = `  heptap run -config probe.conf
  heptap run -config probe.conf -collect 127.0.0.1:9060 > records.json

The smallest configuration is one line: set capture span0 interface eth1
Send SIGUSR1 for the counters; SIGTERM sends what it can and keeps the rest.
`

// drainTime is how long a stopping probe tries to send what it holds.
const drainTime = 5 * time.Second

// replaceTime is the same for one that makes place for another configuration: what
// is not sent then waits in the spool for as long as nothing is captured.
const replaceTime = time.Second

func cmdRun(ctx context.Context, e *env, args []string) error {
	fs := e.flags("run", runExamples)
	configFile := fs.String("config", "", "configuration `FILE`; 'heptap config' lists the options")
	embedded := fs.String("collect", "", "start a collector on `ADDR` (UDP and TCP) beside the probe, printing JSON, and send to it unless another is configured")
	verbose := fs.Bool("v", false, "log more")
	boardName := fs.String("board", "", "the board, `NAME`, where the configuration does not say")
	alive := fs.Int("alive", 0, "the open file of this number, `FD`, leads to who started it: a line a second, as long as the whole pipeline works, says how it is")
	lines := fs.String("lines", "", "for PID 1 of the box: take console sessions from its serial ports at this socket, `PATH`, and have a console when nothing to capture is configured")
	wedge := fs.String("wedge", "", "for tests of what watches it: stop for ever at the first record that contains `TEXT`")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *configFile == "" || fs.NArg() != 0 {
		return usagef("want -config FILE and nothing else")
	}
	cfg, err := config.Load(*configFile)
	switch {
	case *lines == "" && err == nil:
		if err := runnable(cfg); err != nil {
			return fmt.Errorf("%s: %w", *configFile, err)
		}
	case *lines == "":
		return err
	case err != nil: // PID 1 has said so; the console is where it is mended
		cfg = config.Default()
	}
	// A reader of our output that goes away must not end the probe.
	signal.Ignore(syscall.SIGPIPE)
	s := newService(e, *configFile, *embedded, *verbose)
	s.board, s.lines = *boardName, *lines
	s.host, s.wedge = openPID1(*alive), *wedge
	s.upgrades = newUpgrades(s.host, s.board)
	return s.run(ctx, cfg)
}

// runnable says what a configuration that is valid lacks to be run.
func runnable(cfg config.Config) error {
	if len(cfg.Ports) == 0 {
		return errors.New("no mirror port; add: set capture span0 interface DEVICE")
	}
	_, err := board.Lookup(cfg.System.Board)
	return err
}

// runner is a probe being put together: the concrete parts, and what has to
// be undone in the end.
type runner struct {
	env         *env
	cfg         config.Config
	box         board.Description
	front       *front
	log         *slog.Logger
	out, errOut io.Writer

	health      *health.Health
	spool       *buffer.Spool
	uplink      *uplink.Log
	own         *ownFlows
	ways        []way             // to the collectors, in the configuration's order
	intake      *intake.Intake    // nil: off
	lines       *syslogd.Listener // nil: off
	probe       *probe.Probe
	recent      *recent.Store   // nil: off; recentMu is held to add
	memory      *packets.Memory // nil: off
	files       *outbox.Dir
	epochs      *clock.Epochs
	time        *clock.Keeper
	hidden      *hidden
	uplinkPorts []*uplinkPort
	meters      *metrics.Sources
	sensors     *sensors

	started  func()                // called when everything runs
	replaced atomic.Bool           // another one waits to take over
	again    func(context.Context) // has another one, of the same configuration, take over
	spoolErr error                 // why there was no spool at the start; nil when there was

	recentMu sync.Mutex

	clock atomic.Pointer[hep.Clock] // as the monitor saw it last; nil: not yet

	cut     atomic.Uint64 // messages cut to the size that the collector takes
	old     atomic.Uint64 // records left out because the collector keeps none so old
	restore func()        // puts the mirror ports back as they were
	host    *pid1

	upgrades *upgrades // nil: another system runs on the machine
	wedge    string    // see wedged; empty: not
}

// run opens the parts, what is most likely to fail first and the mirror ports
// last, and has them run.
func (r *runner) run(ctx context.Context, embedded string) (err error) {
	if r.health, err = health.New(healthRules()...); err != nil {
		return err
	}
	serve, err := r.listen(embedded)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rest, stopRest := context.WithCancel(context.Background())
	defer stopRest()
	started := false
	defer func() {
		if !started {
			stopRest()
			for _, s := range serve {
				err = errors.Join(err, s(rest)) // closes its sockets at once
			}
		}
	}()
	if err := r.open(); err != nil {
		return err
	}
	started = true
	return r.supervise(ctx, cancel, rest, stopRest, serve)
}

// listen opens the embedded collector's and the metrics' sockets, and returns
// what serves them until its context is done.
func (r *runner) listen(embedded string) (serve []func(context.Context) error, err error) {
	r.meters = &metrics.Sources{Version: version}
	if embedded != "" {
		c, err := collect.Listen(collect.Config{UDP: embedded, TCP: embedded, JSON: r.out, Log: r.log})
		if err != nil {
			return nil, err
		}
		serve = append(serve, c.Run)
		if len(r.cfg.Collector) == 0 {
			to := c.TCPAddr()
			if to.Addr().IsUnspecified() {
				to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port())
			}
			r.cfg.Collector = []config.Collector{{Name: "embedded", Address: to.String(), Transport: config.TCP, Profile: config.OpenSIPS,
				Order: config.OrderLive, Stall: 10 * time.Second}}
		}
	}
	if at := r.cfg.Metrics.Listen; at.IsValid() {
		ln, err := metrics.Listen(at)
		if err != nil {
			done, cancel := context.WithCancel(context.Background())
			cancel()
			for _, s := range serve {
				err = errors.Join(err, s(done))
			}
			return nil, err
		}
		serve = append(serve, func(ctx context.Context) error { return r.meters.Serve(ctx, ln, r.log) })
	}
	return serve, nil
}

// open makes the pipeline, and what it leans on. After an error nothing is left
// open and the mirror ports are as they were.
func (r *runner) open() (err error) {
	for _, w := range r.cfg.Warnings() {
		r.log.Warn("configuration", "text", w)
	}
	r.own = &ownFlows{log: r.log}
	if err := r.openWays(); err != nil {
		return err
	}
	machine := machineMemory()
	pc, needs, err := r.plan(machine)
	if err != nil {
		return err
	}
	r.budget(needs, machine)
	r.meters.Budget = needs.total()
	if err := r.openIntake(); err != nil {
		return err
	}
	defer func() {
		if err != nil && r.intake != nil {
			err = errors.Join(err, r.intake.Close())
		}
	}()
	if r.intake != nil {
		pc.Relay = r.intake
	}
	if r.cfg.Syslog.On() {
		if r.lines, err = syslogd.Listen(r.syslogOptions()); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, r.lines.Close())
			}
		}()
		pc.Lines, r.meters.Lines = r.lines, r.lines.Stats
		r.log.Info("receiving lines of logs", "udp", r.cfg.Syslog.UDP, "tcp", r.cfg.Syslog.TCP)
	}
	undo, err := r.setUpLinks()
	if err != nil {
		return err
	}
	r.restore = r.env.atExit(undo)
	if pc.Inputs, err = r.openRings(); err != nil {
		r.restore()
		return err
	}
	if err = r.openLog(); err != nil {
		for _, in := range pc.Inputs {
			err = errors.Join(err, in.Source.Close())
		}
		r.restore()
		return err
	}
	r.deliverTo(&pc)
	if r.wedge != "" {
		pc.Deliver = wedged(pc.Deliver, r.wedge)
	}
	if c := recentConfig(r.cfg); c.Bytes > 0 {
		r.recent = recent.New(c)
		pc.Delivered, r.meters.Recent = r.remember, r.recent.Stats
	}
	if c := packetsConfig(r.cfg); c.Bytes > 0 {
		r.memory = packets.New(c)
		pc.Memory, r.meters.Packets = r.memory, func() packets.Stats { return r.memory.Stats(ringNow()) }
	}
	r.files = outbox.New(r.cfg.FilesPath(), r.cfg.Packets.Files)
	r.probe = probe.New(pc)
	r.uplinkPorts = uplinkPorts(r.cfg.Uplink)
	r.hidden = newHidden(r.cfg.Ports)
	m := r.meters
	m.Hidden = r.hidden.text
	m.Probe, m.Uplink, m.Ways, m.Spool, m.Health = r.probe.Stats, r.uplink.Stats, r.wayStates, r.spoolStats, r.health.Snapshot
	m.Cut, m.Old = r.cut.Load, r.old.Load
	r.sensors = newSensors(sysfs.NewSensors(), r.health)
	m.Sensors = r.sensors.read
	m.Reset = func() string { cause, _ := appliance.LastReset(r.host.lastReset()); return cause }
	return nil
}

// pipeline is the configuration of the pipeline, without what has to be opened.
func (r *runner) pipeline() (pc probe.Config, err error) {
	pc = probe.Config{Media: mediaConfig(r.cfg), Assembly: assemblyConfig(r.cfg), Beyond: beyondConfig(r.cfg), Now: ringNow}
	for _, p := range r.cfg.Ports {
		pc.Inputs = append(pc.Inputs, make([]probe.Input, p.Rings)...)
	}
	pc.Correlate = correlateConfig(r.cfg, len(pc.Inputs))
	pc.Shed = shedOrder[record.Class](&r.cfg.Spool)
	pc.ISUP = r.cfg.Records.ISUP
	pc.Assembly.Lookup = r.cfg.Intake.On()
	if pc.Trace, err = newTrace(r.cfg); err != nil {
		return pc, err
	}
	if pc.Readers, err = newReaders(r.cfg); err != nil {
		return pc, err
	}
	pc.Privacy, err = newPrivacy(r.cfg)
	return pc, err
}

// supervise runs the parts until ctx is done or one of them fails. The order
// of the end matters: first the capture, whose last reports go into the log;
// then the mirror ports, which nothing reads any more; then the log, which sends
// what it can; then what only watches.
func (r *runner) supervise(ctx context.Context, cancel func(), rest context.Context, stopRest func(), serve []func(context.Context) error) error {
	var watchers, logDone sync.WaitGroup
	var errs errorList
	for _, s := range serve {
		watchers.Go(func() {
			if err := s(rest); err != nil {
				errs.add(err)
				cancel()
			}
		})
	}
	logDone.Go(func() { errs.add(r.uplink.Run(context.Background())); cancel() })
	watchers.Go(func() { errs.add(r.time.Run(rest)) })
	watchers.Go(func() { newMonitor(r).run(rest) })
	watchers.Go(func() { r.sensors.run(rest) })
	watchers.Go(func() { r.sendStatus(rest) })
	watchers.Go(func() { r.retryWithWays(rest) })
	for _, p := range r.uplinkPorts {
		watchers.Go(func() { p.run(rest) })
	}
	watchers.Go(func() { r.healSpool(rest) })
	watchers.Go(func() { giveBack(rest) })
	watchers.Go(func() { r.upgradeDaily(rest) })
	watchers.Go(func() {
		r.front.watch(rest, r.log, func(i panel.Intent) {
			r.host.intend(r.log, i, func() error { return r.mark("", "button") }, cancel)
		})
	})
	watchers.Go(func() { r.printOnSignal(rest) })
	if err := resident.UnmapProgram(); err != nil {
		r.log.Debug("the pages of the start stay in memory", "err", err)
	}
	r.log.Info("capturing", "ports", len(r.cfg.Ports), "version", version)
	r.started()
	errs.add(r.capture(ctx, cancel))
	r.restore()

	wait := drainTime
	if r.replaced.Load() {
		wait = replaceTime
	}
	r.log.Info("stopping", "drain", wait.String())
	drain, stopDrain := context.WithTimeout(context.Background(), wait)
	err := r.uplink.Shutdown(drain)
	stopDrain()
	if errors.Is(err, context.DeadlineExceeded) {
		// A collector that is away at the end is what the spool is for.
		r.log.Warn("not everything was confirmed in time; the spool keeps the rest", "path", r.cfg.Spool.Path)
		err = nil
	}
	errs.add(err)
	logDone.Wait()
	stopRest()
	watchers.Wait()
	if !r.replaced.Load() {
		errs.add(r.meters.WriteText(r.errOut))
	}
	return errs.join()
}

// capture runs the probe until ctx is done. What others send is taken in until
// then, and is all in the log when the probe has ended.
func (r *runner) capture(ctx context.Context, cancel func()) error {
	var serve []func(context.Context) error
	if r.intake != nil {
		serve = append(serve, r.intake.Run)
	}
	if r.lines != nil {
		serve = append(serve, r.lines.Run)
	}
	if len(serve) == 0 {
		return r.probe.Run(ctx)
	}
	capturing, stop := context.WithCancel(context.Background())
	defer stop()
	var serving sync.WaitGroup
	var errs errorList
	for _, s := range serve {
		serving.Go(func() { errs.add(s(ctx)) })
	}
	go func() {
		serving.Wait()
		stop()
	}()
	errs.add(r.probe.Run(capturing))
	cancel()
	serving.Wait()
	return errs.join()
}

// syslogOptions are what the configuration says of the lines that are received.
func (r *runner) syslogOptions() syslogd.Options {
	c := &r.cfg.Syslog
	return syslogd.Options{UDP: c.UDP.Items(), TCP: c.TCP.Items(), Allow: c.Prefixes(), Now: ringNow, Log: r.log.With("task", "syslog")}
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
	err := r.openSpool()
	if err != nil && !sick(err) {
		return err
	}
	if err != nil {
		r.log.Error("the spool does not work; records are kept in memory only", "err", err)
		r.spoolErr = err
	}
	r.openClock()
	o, err := r.uplinkOptions()
	if err != nil {
		if r.spool != nil {
			err = errors.Join(err, r.spool.Close())
		}
		return err
	}
	if r.spool != nil {
		o.Spool = r.spool
	} else {
		o.Late = func() (uplink.Spool, error) {
			if err := r.openSpool(); err != nil {
				return nil, err
			}
			return r.spool, nil
		}
	}
	r.uplink, err = uplink.Open(o) // owns the spool from here on
	return err
}

func (r *runner) openSpool() error {
	if err := os.MkdirAll(r.cfg.Spool.Path, 0o750); err != nil {
		return fmt.Errorf("spool path: %w; choose another: set spool path DIRECTORY", err)
	}
	s, err := buffer.Open(filepath.Join(r.cfg.Spool.Path, spoolFile), buffer.Options{
		MaxBytes: r.cfg.Spool.MaxSize, Classes: int(record.NumClasses), Shed: shedOrder[uint8](&r.cfg.Spool), Logger: r.log.With("task", "spool"), Tag: uplink.Tag,
		Room: func(path string) (int64, error) { return durable.Room(path, r.leftFree()) }})
	if errors.Is(err, buffer.ErrInUse) {
		return fmt.Errorf("%w: is another heptap running with this spool path?", err)
	}
	if err == nil {
		r.spool = s
	}
	return err
}

const spoolFile = "spool.db"

// leftFree is how many octets the spool leaves free beside it: for the configuration and
// its history, and for the files of the packet memory.
func (r *runner) leftFree() int64 {
	const settings = 32 << 20
	return settings + r.cfg.Packets.Files
}

// sick says that err is of the disk, and none of the configuration.
func sick(err error) bool {
	for _, e := range [...]syscall.Errno{syscall.EROFS, syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EUCLEAN, syscall.ENXIO, syscall.ENODEV} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// spoolStats are the spool's, of which there is none while the disk does not work.
func (r *runner) spoolStats() buffer.Stats {
	if r.spoolErr != nil {
		return buffer.Stats{}
	}
	return r.spool.Stats()
}

// spoolRetry is how often it is looked whether the disk works again.
const spoolRetry = 10 * time.Second

// healSpool has the probe begin anew once the disk works again.
func (r *runner) healSpool(ctx context.Context) {
	if r.spoolErr == nil {
		return
	}
	tick := time.NewTicker(spoolRetry)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if r.spoolWorks() {
			r.log.Info("the spool works again: capture begins anew with it")
			r.again(ctx)
			return
		}
	}
}

// spoolWorks tries whether a file can be written where the spool is to be.
func (r *runner) spoolWorks() bool {
	if err := os.MkdirAll(r.cfg.Spool.Path, 0o750); err != nil {
		return false
	}
	f, err := os.CreateTemp(r.cfg.Spool.Path, "try-*")
	if err != nil {
		return false
	}
	_, err = f.Write(make([]byte, 1<<20)) // less is no use
	err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	return err == nil
}

// shedOrder is what goes first when space runs short, as the configuration says.
func shedOrder[T ~uint8](s *config.Spool) []T {
	order := []T{}
	for _, name := range s.Shed.Items() {
		if c, ok := record.ClassNamed(name); ok {
			order = append(order, T(c))
		}
	}
	return order
}

// recentConfig bounds the records that are held to be looked at; with no Bytes
// there are none.
func recentConfig(cfg config.Config) recent.Config {
	return recent.Config{Bytes: cfg.Recent.Memory, Age: cfg.Recent.Age}
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
