package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"heptap/board"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/console"
	"heptap/firmware/internal/netcheck"
	"heptap/firmware/internal/reach"
)

// service runs a probe after the other: the console has one with another
// configuration take the place of the one that runs. Records are not lost meanwhile,
// the spool carries them over; calls under way are forgotten, and nothing is
// captured in between.
type service struct {
	env        *env
	configFile string
	embedded   string // address of the collector beside the probe
	board      string // where a configuration does not say; empty: the default
	lines      string // socket of the sessions from serial ports; empty: none
	host       *pid1
	upgrades   *upgrades // nil: another system runs on the machine
	wedge      string
	level      slog.Level
	errOut     outlet
	log        *slog.Logger

	one     func(ctx context.Context, cfg config.Config, started func()) (*swap, error) // runs one probe
	swaps   chan *swap
	ended   chan struct{}    // closed when nothing is run any more
	console *console.Console // nil: none
	live    atomic.Pointer[console.Live]
	door    door // where sessions come in
	serial  door // and those from serial ports
}

// swap is a configuration that is to run, and who waits for it.
type swap struct {
	cfg  config.Config
	done chan error // has room for one
}

func newService(e *env, configFile, embedded string, verbose bool) *service {
	s := &service{env: e, configFile: configFile, embedded: embedded, swaps: make(chan *swap), ended: make(chan struct{}), host: openPID1(0), serial: door{lines: true}}
	if verbose {
		s.level = slog.LevelDebug
	}
	s.one = s.once
	s.errOut.lead(e.stderr)
	s.log = slog.New(slog.NewTextHandler(&s.errOut, &slog.HandlerOptions{Level: s.level}))
	return s
}

// outlet is where log lines go: past what a panel draws, while there is one.
type outlet struct {
	mu   sync.Mutex
	w    io.Writer
	tail console.Tail
}

func (o *outlet) lead(w io.Writer) {
	o.mu.Lock()
	o.w = w
	o.mu.Unlock()
}

func (o *outlet) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = o.tail.Write(b)
	return o.w.Write(b)
}

// run runs cfg, and what is put in its place, until ctx is done.
func (s *service) run(ctx context.Context, cfg config.Config) error {
	sessions, stop := context.WithCancel(context.Background())
	defer func() {
		stop()
		s.door.close()
		s.serial.close()
	}()
	defer close(s.ended)
	c, err := console.New(console.Options{File: s.configFile, Version: version, Apply: s.apply, Live: s.live.Load, Messages: &s.errOut.tail, Box: s.box(), End: s.host.ender(), Ports: networkPorts, Ping: netcheck.Ping, Resolve: netcheck.Resolve, Identify: s.newIdentifier().run, Systems: s.upgrades.systems(), Log: s.log})
	if err != nil { // such as a configuration that came by a pipe
		s.log.Warn("no console", "err", err)
	} else {
		s.console = c
		defer c.Close()
	}

	before := cfg
	var waiting *swap  // for cfg to run
	var failed []error // why it does not, and before is tried again
	for {
		answer := func() {
			if s.console != nil {
				s.door.open(sessions, s.console, cfg.ConsolePath(), s.log)
				s.serial.open(sessions, s.console, s.lines, s.log)
			}
			if waiting != nil {
				waiting.done <- errors.Join(failed...)
				waiting, failed = nil, nil
			}
		}
		next, err := s.one(ctx, cfg, answer)
		switch {
		case waiting != nil && len(failed) == 0 && ctx.Err() == nil:
			failed = append(failed, err)
			cfg = before
		case waiting != nil:
			err = errors.Join(append(failed, err)...)
			waiting.done <- errors.Join(err, errStopping)
			return err
		case next == nil:
			return err
		default:
			if err != nil {
				s.log.Warn("stopped to be replaced", "err", err)
			}
			before, cfg, waiting = cfg, next.cfg, next
			debug.FreeOSMemory() // two probes' tables are more than the budget
		}
	}
}

// once runs one probe, until ctx is done or another one is to take its place,
// which it then returns.
func (s *service) once(ctx context.Context, cfg config.Config, started func()) (next *swap, err error) {
	whole := cfg
	if s.board != "" && cfg.System.Board == config.Default().System.Board {
		cfg.System.Board = s.board
	}
	box, err := board.Lookup(cfg.System.Board)
	if err != nil {
		return nil, err
	}
	// First of all: what was the uplink may become a mirror port.
	err = s.host.settle(ctx, cfg)
	if s.lines != "" && len(cfg.Ports) == 0 { // whatever the error, a console is what mends it
		return s.idle(ctx, started, err), nil
	}
	if err != nil {
		return nil, err
	}
	front, err := openPanel(s.env, box, s.level)
	if err != nil {
		return nil, err
	}
	s.errOut.lead(front.stderr)
	defer s.env.atExit(func() {
		front.close()
		s.errOut.lead(s.env.stderr)
	})()
	r := &runner{env: s.env, cfg: cfg, box: box, front: front, out: s.env.stdout, errOut: front.stderr, log: s.log, host: s.host, upgrades: s.upgrades, wedge: s.wedge}
	r.again = func(ctx context.Context) {
		select {
		case s.swaps <- &swap{cfg: whole, done: make(chan error, 1)}:
		case <-ctx.Done():
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	up := make(chan struct{})
	r.started = func() {
		live := r.live()
		if front.button != nil {
			live.Pressed = front.held.Load
		}
		s.live.Store(live)
		started()
		close(up)
	}
	defer s.live.Store(nil)
	watch.Go(func() {
		select {
		case <-up: // one that does not run yet is not replaced
		case <-ctx.Done():
			return
		}
		select {
		case next = <-s.swaps:
			r.replaced.Store(true)
			cancel()
		case <-ctx.Done():
		}
	})
	err = r.run(ctx, s.embedded)
	cancel()
	watch.Wait()
	return next, err
}

// idle is a box with nothing to capture, which has a console so that this can be
// changed. It returns what is to run.
func (s *service) idle(ctx context.Context, started func(), trouble error) *swap {
	s.log.Warn("nothing to capture is configured: press Enter at the serial console")
	if trouble != nil {
		s.log.Error("box", "err", trouble)
	}
	started()
	tick := time.NewTicker(lifeStep)
	defer tick.Stop()
	for {
		if s.host.parent != nil {
			_ = s.host.parent.Alive("waits to be set up: press Enter at the serial console") // who takes none ends us
		}
		select {
		case next := <-s.swaps:
			return next
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// apply has a configuration take the place of the one that runs. It returns when
// it does, or when the one before runs again.
func (s *service) apply(cfg config.Config) error {
	if err := runnable(cfg); err != nil {
		return err
	}
	w := &swap{cfg, make(chan error, 1)}
	select {
	case s.swaps <- w:
	case <-s.ended:
		return errStopping
	}
	select {
	case err := <-w.done:
		return err
	case <-s.ended:
		return errStopping
	}
}

var errStopping = errors.New("the probe is stopping")

// live is what the console looks at.
func (r *runner) live() *console.Live {
	links := func() (out []console.Link) {
		ports := map[string]string{}
		for _, p := range r.cfg.Ports {
			ports[p.Interface] = p.Name
		}
		for _, own := range r.own.rings {
			if name, more := ports[own.iface]; more { // a port may have several rings
				out = append(out, console.Link{Port: name, Device: own.iface, State: own.State().String()})
				delete(ports, own.iface)
			}
		}
		return out
	}
	ways := func() map[string]reach.Status {
		out := map[string]reach.Status{}
		for i := range r.ways {
			out[r.ways[i].Name] = r.ways[i].Status()
		}
		return out
	}
	return &console.Live{Ways: ways, Node: nodeName(r.cfg), Config: r.cfg, Stages: r.meters, Recent: r.recent, Links: links, Started: time.Now(), Mark: r.mark,
		TestUplink: r.testUplink, TestLEDs: r.front.testLEDs, Neighbours: r.neighbours, Changes: r.health.History, Capture: r.captureToFile, Unpin: r.unpin, Files: r.files}
}
