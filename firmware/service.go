package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"heptap/board"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/console"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/netcheck"
	"heptap/firmware/internal/panel"
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
	lines      string // socket of the sessions from serial ports; empty: none, and this is no box
	host       *pid1
	upgrades   *upgrades // nil: another system runs on the machine
	wedge      string
	startAgain time.Duration // after which a box tries again what has not started
	level      slog.Level
	errOut     outlet
	log        *slog.Logger

	one     func(ctx context.Context, cfg config.Config, started func()) (*swap, error) // runs one probe
	swaps   chan *swap
	ended   chan struct{}    // closed when nothing is run any more
	console *console.Console // nil: none
	live    atomic.Pointer[console.Live]
	front   atomic.Pointer[front]  // the panel that is open; nil: none is
	trouble atomic.Pointer[string] // why nothing is captured; nil: it is, or nothing is configured
	door    door                   // where sessions come in
	serial  door                   // and those from serial ports
}

// swap is a configuration that is to run, and who waits for it.
type swap struct {
	cfg  config.Config
	done chan error // has room for one
}

func newService(e *env, configFile, embedded string, verbose bool) *service {
	s := &service{env: e, configFile: configFile, embedded: embedded, swaps: make(chan *swap), ended: make(chan struct{}), startAgain: startAgain, host: openPID1(0), serial: door{lines: true}}
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
	c, err := console.New(console.Options{File: s.configFile, Version: version, About: s.about, Apply: s.apply, Live: s.live.Load, Messages: &s.errOut.tail, Box: s.box(), Pressed: s.pressed, Trouble: s.troubleText, End: s.host.ender(), Ports: networkPorts, NameServers: nameServers, Ping: netcheck.Ping, Resolve: netcheck.Resolve, Identify: s.newIdentifier().run, Systems: s.upgrades.systems(), Log: s.log})
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
		up := false
		answer := func() {
			up = true
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
		if err != nil && !up && s.lines != "" && ctx.Err() == nil && (waiting == nil || len(failed) > 0) {
			if waiting != nil {
				failed = append(failed, err)
			}
			var again bool
			if next, again = s.idle(ctx, cfg, answer, err); again {
				continue
			}
			err = nil
		}
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
	cfg.System.Board = s.boardName(cfg)
	box, err := board.Lookup(cfg.System.Board)
	if err != nil {
		return nil, err
	}
	// First of all: what was the uplink may become a mirror port.
	err = s.host.settle(ctx, cfg)
	if s.lines != "" && len(cfg.Ports) == 0 { // whatever the error, a console is what mends it
		next, _ = s.idle(ctx, cfg, started, err)
		return next, nil
	}
	if err != nil {
		return nil, err
	}
	front, err := openPanel(s.env, box, s.level)
	if err != nil {
		return nil, err
	}
	defer s.shows(front)()
	defer front.light(s.log)() // a large spool takes its time to open
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
		s.live.Store(r.live())
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

// shows has a front panel be the one there is. The returned function closes it.
func (s *service) shows(f *front) (closed func()) {
	s.errOut.lead(f.stderr)
	s.front.Store(f)
	return s.env.atExit(func() {
		s.front.Store(nil)
		f.close()
		s.errOut.lead(s.env.stderr)
	})
}

// pressed says whether the box's button is held.
func (s *service) pressed() bool {
	f := s.front.Load()
	return f != nil && f.held.Load()
}

// troubleText says why nothing is captured, empty while it is, or nothing is configured.
func (s *service) troubleText() string {
	if t := s.trouble.Load(); t != nil {
		return *t
	}
	return ""
}

// notStarted is the trouble of a box whose probe does not start.
const notStarted = "the probe does not start"

// startAgain is how long a configuration that does not start is left alone: what it
// lacks may come, such as a network adapter at USB.
const startAgain = 15 * time.Second

// idle is a box that captures nothing, since nothing is configured, or since that does not
// start, which trouble says. It has a console so that this can be changed, and
// a front panel. It returns what is to run, nil when the box is to end; again says that
// it is time to start the same once more.
func (s *service) idle(ctx context.Context, cfg config.Config, started func(), trouble error) (next *swap, again bool) {
	ctx, stop := context.WithCancel(ctx)
	state, words, troubles := panel.State{Health: health.Degraded}, "waits to be set up: press Enter at the serial console", []string(nil)
	var retry <-chan time.Time
	if trouble == nil {
		s.log.Warn("nothing to capture is configured: press Enter at the serial console")
	} else {
		why := strings.ReplaceAll(trouble.Error(), "\n", "; ")
		state.Health = health.Fault
		words, troubles = "DOES NOT START ("+why+"): press Enter at the serial console", []string{notStarted}
		s.trouble.Store(&why)
		defer s.trouble.Store(nil)
		s.log.Error("nothing is captured: press Enter at the serial console", "err", trouble, "next_try", s.startAgain.String())
		retry = time.After(s.startAgain)
	}
	defer stop()
	if f := s.idlePanel(cfg); f != nil {
		defer s.shows(f)()
		f.player.Update(func(p *panel.State) { *p = state })
		defer f.light(s.log)()
		var watching sync.WaitGroup
		watching.Go(func() {
			f.watch(ctx, s.log, func(i panel.Intent) {
				s.host.intend(s.log, i, func() error { return errors.New("a mark is a record, and nothing is captured") }, stop)
			})
		})
		defer watching.Wait()
		defer stop()
	}
	started()
	tick := time.NewTicker(lifeStep)
	defer tick.Stop()
	for {
		if s.host.parent != nil {
			_ = s.host.parent.Alive(words, troubles...) // who takes none ends us
		}
		select {
		case next := <-s.swaps:
			return next, false
		case <-ctx.Done():
			return nil, false
		case <-retry:
			return nil, true
		case <-tick.C:
		}
	}
}

// idlePanel is that of the configuration's board, or else of the image's. nil: there is none.
func (s *service) idlePanel(cfg config.Config) *front {
	box, err := board.Lookup(s.boardName(cfg))
	if err != nil {
		box, err = board.Lookup(s.board)
	}
	if err != nil {
		return nil
	}
	f, err := openPanel(s.env, box, s.level)
	if err != nil {
		s.log.Warn("no front panel", "err", err)
		return nil
	}
	return f
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

// about says what show version shows below the version.
func (s *service) about() string {
	var b strings.Builder
	fmt.Fprintf(&b, "commit         %s\nbuilt with     %s for %s/%s\n", commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	name := s.boardName(s.running())
	if d, err := board.Lookup(name); err == nil {
		fmt.Fprintf(&b, "board          %s, %s%s\n", d.Name, d.Title, untested(d))
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		fmt.Fprintf(&b, "kernel         %s\n", strings.TrimSpace(string(kernel)))
	}
	return b.String()
}

// running is the configuration that runs, the default while nothing does.
func (s *service) running() config.Config {
	if l := s.live.Load(); l != nil {
		return l.Config
	}
	return config.Default()
}

// boardName is the configuration's board, or that of the image.
func (s *service) boardName(cfg config.Config) string {
	if s.board != "" && cfg.System.Board == config.Default().System.Board {
		return s.board
	}
	return cfg.System.Board
}

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
		TestUplink: r.testUplink, LEDs: r.front.player.String, TestLEDs: r.front.testLEDs, Neighbours: r.neighbours, Changes: r.health.History, Capture: r.captureToFile, Unpin: r.unpin, Files: r.files}
}
