package appliance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"heptap/board"
	"heptap/firmware/internal/config"
	"heptap/hal"
)

// Box is what PID 1 is made of.
type Box struct {
	Kernel    Kernel
	OpenNet   func() (Links, error) // once the kernel's file systems are there
	DHCP      DHCP
	DHCP6     DHCP6                        // nil: no DHCPv6
	Routers   Routers                      // nil: none are listened to
	Watchdog  func() (hal.Watchdog, error) // the error wraps fs.ErrNotExist if the box has none
	Start     func(args ...string) (*Child, error)
	Console   io.Writer
	Serial    SerialPorts // nil: none
	Terminals []Terminal  // the board's own that are for a console
	Title     string      // what the status begins with: program, version, board
	Board     string      // its name
	Boot      board.Boot  // its boot loader
	Built     time.Time   // no clock is before it
	Release   Release     // what this is, to updates
	Root      string      // where the file tree begins; empty for /
	Requests  <-chan Power

	news   teller
	child  atomic.Pointer[supervisor]
	given  atomic.Bool // nobody vouches for the box any more
	line   *line
	log    *slog.Logger
	status *status
	vigil  *vigil
	dog    hal.Watchdog
	links  Links
	uplink *uplink

	systems *systems
	stick   *stick

	dogSaid hal.ResetCause  // of the last reset
	ctx     context.Context // of what runs beside the probe
	wedge   []string        // arguments of a probe that is to get stuck, for tests
	trial   trialTimes      // of a system on trial, for tests; zero: the usual ones

	stopVigil func()
	power     chan Power
}

// dataDir is where the data partition is, which is also where a probe has its
// spool when nothing else is configured.
const dataDir = "/var/lib/heptap"

const (
	bootAtMost   = 3 * time.Minute
	endAtMost    = 2 * time.Minute // to sync and unmount
	randomAtMost = time.Minute
	dogTimeout   = 60 * time.Second
	feedEvery    = 5 * time.Second
	moduleDir    = "/lib/modules"
	consoleWait  = 5 * time.Second // for the last lines
)

func (b *Box) path(p string) string { return filepath.Join(b.Root, p) }

// Run boots the box, keeps it running and ends it in order. It returns how; the
// caller then has the kernel do that.
func (b *Box) Run(ctx context.Context) Power {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.line = newLine()
	go b.line.run(b.Console)
	b.log = slog.New(slog.NewTextHandler(b.line, &slog.HandlerOptions{Level: slog.LevelInfo}))
	b.status = newStatus(b.Title)
	b.power = make(chan Power, 1)
	b.stick = &stick{kernel: b.Kernel, sys: b.path("/sys"), dev: b.path("/dev"), at: b.path(stickDir), owner: probeID}

	b.mountAll()
	b.startVigil(ctx)
	b.loadModules("order")
	b.tellClock(b.hardwareClock())
	b.setClock(b.Built, "this program was built")
	random := b.gatherRandom()
	store := &store{kernel: b.Kernel, log: b.log.With("task", "data"), sys: b.path("/sys"), dev: b.path("/dev"),
		template: b.path("/lib/data.ext4.gz"), at: b.path(dataDir), vouch: b.vigil.vouch}
	place, kept := store.open(ctx)
	b.tellStorage(place, kept)
	b.recallClock()
	ended := b.lookBack(kept, b.keepPanics())
	cfg := b.configure(ctx, store)
	b.startSystems(ctx, store, ended)
	b.ownData()
	b.setHostname(cfg)
	b.awaitRandom(random)

	var parts sync.WaitGroup
	parts.Go(func() { b.status.run(ctx, b.line) })
	parts.Go(func() { b.keepClock(ctx) })
	parts.Go(func() { powerKeys(ctx, b.path("/sys"), b.path("/dev"), func() { b.ask(Off) }) })
	b.ctx = ctx
	b.startShells(ctx, &parts)
	b.startLinks(ctx, &parts, cfg)
	probe, stopProbe := context.WithCancel(ctx)
	var child sync.WaitGroup
	child.Go(func() { b.probe(probe, cfg) })

	how := b.wait(ctx)
	b.log.Info("the box ends", "how", how.String())
	stopProbe()
	child.Wait()
	cancel()
	if b.uplink != nil {
		b.uplink.stop()
	}
	parts.Wait()
	b.systems.jobs.Wait()
	b.end(how)
	return how
}

// mountAll mounts the kernel's file systems. Without them nothing else works, so that
// what follows will say what it misses.
func (b *Box) mountAll() {
	for _, f := range fileSystems() {
		if err := b.Kernel.Mount(f.kind, b.path(f.at), f.kind, f.flags, f.options); err != nil && !f.optional && !errors.Is(err, unix.EBUSY) {
			b.log.Error("file system", "err", err)
		}
	}
	// What comes up by itself must not talk by itself.
	quiet := b.path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
	if err := os.WriteFile(quiet, []byte("1"), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.log.Warn("IPv6 not switched off", "err", err)
	}
}

// startVigil loads the watchdogs' modules, opens the watchdog and feeds it.
func (b *Box) startVigil(ctx context.Context) {
	b.loadModules("watchdog")
	dog, err := b.Watchdog()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b.log.Warn("this box has no watchdog")
		b.status.set("watchdog", "none")
	case err != nil:
		b.log.Error("watchdog", "err", err)
		b.status.set("watchdog", "not usable: %v", err)
	default:
		b.dog = dog
		b.tellWatchdog()
	}
	b.vigil = newVigil(b.dog, b.log.With("task", "watchdog"), b.stuck)
	b.vigil.vouch("boot", bootAtMost)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		b.vigil.run(ctx, feedEvery)
		close(ended)
	}()
	b.stopVigil = func() {
		cancel()
		<-ended
	}
}

func (b *Box) tellWatchdog() {
	timeout, err := b.dog.SetTimeout(dogTimeout)
	if err != nil {
		b.log.Error("watchdog's timeout", "err", err)
	}
	cause := "unknown"
	if s, err := b.dog.State(); err == nil {
		cause, b.dogSaid = s.LastReset.String(), s.LastReset
	}
	b.log.Info("watchdog", "identity", b.dog.Name(), "timeout", timeout.String(), "last_reset", cause)
	b.status.set("watchdog", "%s, %v", b.dog.Name(), timeout)
}

// loadModules loads what a list names, in its order.
func (b *Box) loadModules(list string) {
	f, err := os.Open(b.path(filepath.Join(moduleDir, list)))
	if err != nil {
		b.log.Error("modules", "err", err)
		return
	}
	defer f.Close()
	loaded, absent := 0, 0
	for s := bufio.NewScanner(f); s.Scan(); {
		err := b.Kernel.LoadModule(b.path(filepath.Join(moduleDir, s.Text())))
		switch {
		case err == nil:
			loaded++
		case errors.Is(err, unix.ENODEV):
			absent++ // a driver that says at once that its hardware is not there
		default:
			b.log.Warn("module", "err", err)
		}
	}
	b.log.Info("modules", "list", list, "loaded", loaded, "without_hardware", absent)
}

// gatherRandom has the kernel begin to gather what its random numbers are made of.
func (b *Box) gatherRandom() <-chan error {
	done := make(chan error, 1)
	go func() { done <- b.Kernel.Random() }()
	return done
}

// awaitRandom waits for that. The keys of TLS come of it, and without, DHCP
// does not even begin.
func (b *Box) awaitRandom(done <-chan error) {
	b.vigil.vouch("random numbers", randomAtMost+time.Minute)
	select {
	case err := <-done:
		if err != nil {
			b.log.Error("random numbers", "err", err)
		}
	case <-time.After(randomAtMost):
		b.log.Error("the kernel has not gathered enough for good random numbers; going on without", "after", randomAtMost.String())
	}
}

func (b *Box) tellStorage(p place, kept bool) {
	var st unix.Statfs_t
	size := uint64(0)
	if err := unix.Statfs(b.path(dataDir), &st); err == nil {
		size = st.Blocks * uint64(st.Bsize) >> 20
	}
	if kept {
		b.status.set("data", "%s, %d MiB", p.device, size)
		b.log.Info("data partition", "device", p.device, "MiB", size)
		return
	}
	b.status.set("data", "IN MEMORY, lost with the power; %d MiB", size)
}

// configure takes over a new configuration, if there is one, and reads what
// holds. Without one that can be read, the default is returned.
func (b *Box) configure(ctx context.Context, store *store) config.Config {
	b.vigil.vouch("configuration", bootAtMost)
	s := &settings{dir: b.path(filepath.Join(dataDir, "config")), log: b.log.With("task", "config")}
	texts, err := fromSystem(ctx, store, b.path("/boot"), systemConfig, systemTest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.log.Warn("system partition", "err", err)
	}
	if text, ok := texts[systemConfig]; ok {
		if err := s.bring(text); err != nil {
			b.log.Error("configuration", "err", err)
		}
	}
	b.testSwitch(string(texts[systemTest]))
	cfg, ok, err := s.load()
	switch {
	case err != nil:
		b.log.Error("THE CONFIGURATION CANNOT BE READ", "err", err)
		b.status.set("configuration", "CANNOT BE READ: %v", err)
		return config.Default()
	case !ok:
		b.log.Warn("no configuration: press Enter at a serial console, or put one as heptap.conf onto the partition HEPTAP and start the box again")
		b.status.set("configuration", "none: press Enter at a serial console, or put one as heptap.conf onto the partition HEPTAP")
		return config.Default()
	default:
		b.status.set("configuration", "%s", s.file())
	}
	return cfg
}

func (b *Box) setHostname(cfg config.Config) {
	if cfg.System.Node == "" {
		cfg.System.Node = "heptap"
	}
	if err := b.Kernel.SetHostname(cfg.System.Node); err != nil {
		b.log.Error("host name", "err", err)
	}
	b.status.set("node", "%s", cfg.System.Node)
}

// startLinks names the interfaces and keeps the uplink set up.
func (b *Box) startLinks(ctx context.Context, parts *sync.WaitGroup, cfg config.Config) {
	b.vigil.vouch("network", bootAtMost)
	l, err := b.OpenNet()
	if err != nil {
		b.log.Error("NO NETWORK", "err", err)
		b.status.set("uplink", "NO NETWORK: %v", err)
		return
	}
	b.links = l
	if err := l.Up("lo"); err != nil {
		b.log.Error("loopback", "err", err)
	}
	b.uplink = &uplink{links: l, dhcp: b.DHCP, dhcp6: b.DHCP6, routers: b.Routers, log: b.log.With("task", "uplink"),
		resolve: func(servers []netip.Addr) error {
			return os.WriteFile(b.path("/etc/resolv.conf"), []byte(resolver(servers)), 0o644)
		},
		times: func(servers []netip.Addr) {
			var text []string
			for _, s := range servers {
				text = append(text, s.String())
			}
			b.news.tell(NewsTimeServers, strings.Join(text, " "))
		},
		show: func(what, text string) { b.status.set(what, "%s", text) }}
	in := &interfaces{links: l, class: b.path("/sys/class/net"), log: b.log.With("task", "links"), tell: func(string) { b.uplink.poke() }}
	b.uplink.set(ctx, cfg.Uplink)
	parts.Go(func() { in.run(ctx) })
}

// probe keeps a probe running until ctx is done.
func (b *Box) probe(ctx context.Context, cfg config.Config) {
	for _, p := range cfg.Ports {
		b.status.set("mirror "+p.Name, "%s", p.Interface)
	}
	args := []string{"run", "-config", b.path(filepath.Join(dataDir, "config/heptap.conf")), "-board", b.Board, "-lines", b.path(linesSocket)}
	args = append(args, b.wedge...)
	s := &supervisor{start: func() (*Child, error) {
		b.stick.end() // an earlier probe may have begun to copy
		b.ownDevices()
		return b.Start(args...)
	}, out: b.line, words: b.crashes(),
		log: b.log.With("task", "supervisor"), vouch: b.vigil.vouch, now: time.Now, news: &b.news, do: b.do, lives: b.tellPrivileges, alive: b.systems.alive,
		ended: func(status string) {
			if isCrash(status) && !b.given.Load() { // the next start counts that
				b.systems.jobs.Go(func() { b.systems.crashed("the probe, " + status) })
			}
		},
		state: func(text string) { b.status.set("probe", "%s", text) }}
	b.child.Store(s)
	if s.run(ctx) {
		b.ask(Off)
		b.idle(ctx)
	}
}

// do does what the probe asks for.
func (b *Box) do(verb, text string) error {
	switch verb {
	case VerbSettings:
		return b.reconfigure(b.ctx, text)
	case VerbRestart:
		b.ask(Restart)
		return nil
	case VerbPowerOff:
		b.ask(Off)
		return nil
	case VerbFactoryReset:
		return b.factoryReset()
	case VerbUpgrade:
		return b.systems.install(text == UpgradeForce, b.systems.download)
	case VerbUpgradeUSB:
		name, force := strings.CutSuffix(text, " "+UpgradeForce)
		return b.systems.install(force, func() (*os.File, func() error, error) { return b.stick.read(name) })
	case VerbUpgradeKeep:
		return b.systems.keep()
	case VerbUpgradeBack:
		return b.systems.back()
	case verbMirror:
		return b.mirror(text)
	case verbStick:
		return b.vigil.meanwhile("USB stick", stickAtMost, func() error { return b.stick.do(text) })
	case verbRestore, verbBlink:
		if b.links == nil {
			return errors.New("the box has no network")
		}
		if verb == verbBlink {
			return told(b.links.Blink(text, blinkFor))
		}
		return b.links.RestoreMirror(text)
	}
	return fmt.Errorf("%s: nothing that this system does", verb)
}

// idle vouches for a box that has nothing to do but to stay reachable.
func (b *Box) idle(ctx context.Context) {
	tick := time.NewTicker(feedEvery)
	defer tick.Stop()
	for {
		b.vigil.vouch("nothing to do", aliveAtMost)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask has the box end, unless it already does.
func (b *Box) ask(how Power) {
	select {
	case b.power <- how:
	default:
	}
}

func (b *Box) wait(ctx context.Context) Power {
	select {
	case how := <-b.power:
		return how
	case how := <-b.Requests:
		return how
	case <-ctx.Done():
		return Off
	}
}

// end leaves nothing unwritten. The watchdog is stopped only before the power is
// switched off, which it would switch on again; a restart that hangs is its business.
func (b *Box) end(how Power) {
	b.vigil.vouch("end", endAtMost)
	b.stick.end()
	b.systems.keepTroubles()
	if how == Restart {
		b.systems.restarts()
	}
	b.noteEnd(map[Power]string{Off: ResetOff, Restart: ResetRestart}[how])
	b.Kernel.Sync()
	if err := b.Kernel.Unmount(b.path(dataDir)); err != nil {
		b.log.Error("data partition", "err", err)
	} else {
		b.log.Info("data partition unmounted")
	}
	if b.links != nil {
		if err := b.links.Close(); err != nil {
			b.log.Error("network", "err", err)
		}
	}
	if how == Off {
		b.stopVigil()
		if b.dog != nil {
			if err := b.dog.Stop(); err != nil {
				b.log.Warn("watchdog", "err", err)
			}
		}
	}
	b.log.Info("done", "how", how.String())
	b.line.drain(consoleWait)
	b.line.close()
}

// BoardOf returns the board that the kernel's command line names, which is
// part of the signed image.
func BoardOf(cmdline string) string {
	for _, w := range strings.Fields(cmdline) {
		if name, ok := strings.CutPrefix(w, "heptap.board="); ok {
			return name
		}
	}
	return ""
}

// Title is what the status begins with.
func Title(version, board string) string { return fmt.Sprintf("heptap %s on %s", version, board) }
