package appliance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"heptap/firmware/internal/config"
	"heptap/hal"
)

// uplink keeps what the box talks over as the configuration has it, which may change
// while the box runs.
type uplink struct {
	links   Links
	dhcp    DHCP
	dhcp6   DHCP6   // nil: no DHCPv6
	routers Routers // nil: none are listened to
	log     *slog.Logger
	resolve func(servers []netip.Addr) error // takes name servers
	times   func(servers []netip.Addr)       // takes NTP servers, once it is known whether there are any
	show    func(what, text string)          // for the status

	setting sync.Mutex // held by set
	cfg     config.Uplink
	stop    func()

	mu   sync.Mutex
	wake []chan struct{} // of what waits for a change of the interfaces
}

// poke tells of a change of the interfaces.
func (u *uplink) poke() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range u.wake {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// set has the uplink be what cfg says. When it returns, nothing of what was before is
// left that cfg does not have; what is new may take a while. What is the same
// before and after stays, and connections over it.
func (u *uplink) set(ctx context.Context, cfg config.Uplink) {
	u.setting.Lock()
	defer u.setting.Unlock()
	if u.stop != nil && cfg == u.cfg {
		return
	}
	if u.stop != nil {
		u.stop()
		u.log.Info("the uplink's configuration has changed")
		u.leave(u.cfg, cfg)
	}
	u.cfg = cfg
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		u.keep(ctx, cfg)
		close(done)
	}()
	u.stop = func() {
		cancel()
		<-done
	}
}

// leave gives up what before has and after has not.
func (u *uplink) leave(before, after config.Uplink) {
	note := func(err error) {
		if err != nil {
			u.log.Error("uplink", "err", err)
		}
	}
	if d := before.Device(); before.VLAN != 0 && d != after.Device() {
		note(u.links.Remove(d))
	}
	if b := before.Bond(); b != "" && b != after.Bond() {
		note(u.links.Remove(b))
	}
	for _, d := range []string{before.Interface, before.Backup} {
		if d == "" || d == after.Device() {
			continue
		}
		if s, err := u.links.State(d); err != nil || !s.Exists {
			continue
		}
		note(u.links.Assign(d, hal.Assignment{}))
		note(u.links.Autoconf(d, false))
	}
}

// keep runs until ctx is done. The addresses stay.
func (u *uplink) keep(ctx context.Context, cfg config.Uplink) {
	u.show("uplink", "")
	u.show("uplink IPv6", "")
	found := &findings{dns: cfg.Servers(), resolve: u.resolve, times: u.times, log: u.log, waits: cfg.Interface != ""}
	found.note("", nil, nil)
	name := cfg.Device()
	if name == "" {
		u.show("uplink", "none configured: set uplink interface DEVICE")
		<-ctx.Done()
		return
	}
	u.show("uplink", name+", no address yet")
	log := u.log.With("iface", name)
	state := func() (hal.LinkState, error) { return u.links.State(name) }
	four := &port{device: name, addrs: u.links, dhcp: u.dhcp, log: log, state: state, told: func(l Lease) { u.tell(found, name, l) }}
	six := &six{cfg: cfg, found: found, routers: u.routers, dhcp: u.dhcp6, show: u.show,
		port: port{device: name, v6: true, addrs: u.links, dhcp: u.dhcp6, log: log, state: state}}
	if cfg.Address.IsValid() {
		four.static = hal.Assignment{Address: cfg.Address, Gateway: cfg.Gateway}
	}
	four.gateway = cfg.Gateway
	four.v6 = cfg.Address.IsValid() && cfg.Address.Addr().Is6()
	wake := []chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)}
	four.changed, six.changed = wake[1], wake[2]
	u.mu.Lock()
	u.wake = wake
	u.mu.Unlock()
	var parts sync.WaitGroup
	if cfg.VLAN != 0 || cfg.Backup != "" {
		u.build(cfg) // before anything waits for it
		parts.Go(func() { u.rebuild(ctx, cfg, wake[0]) })
	}
	parts.Go(func() { four.run(ctx) })
	parts.Go(func() { six.run(ctx) })
	parts.Wait()
}

// tell takes what four has now.
func (u *uplink) tell(found *findings, name string, l Lease) {
	if l.Address.IsValid() {
		found.note(byIPv4, l.DNS, l.Time)
	} else {
		found.note(byIPv4, nil, nil)
	}
	switch {
	case !l.Address.IsValid():
		u.show("uplink", name+", no address")
	case l.Gateway.IsValid():
		u.show("uplink", fmt.Sprintf("%s, %s, gateway %s", name, l.Address, l.Gateway))
	default:
		u.show("uplink", fmt.Sprintf("%s, %s", name, l.Address))
	}
}

// build makes the bond and the VLAN.
func (u *uplink) build(cfg config.Uplink) error {
	below := cfg.Interface
	if b := cfg.Bond(); b != "" {
		if err := u.links.Bond(b, cfg.Interface, cfg.Backup); err != nil {
			return err
		}
		below = b
	}
	if cfg.VLAN == 0 {
		return nil
	}
	if err := u.links.Up(below); err != nil {
		return err
	}
	return u.links.VLAN(cfg.Device(), below, cfg.VLAN)
}

// rebuild makes them again when what they are made of comes later, or again.
func (u *uplink) rebuild(ctx context.Context, cfg config.Uplink, changed <-chan struct{}) {
	said := ""
	for {
		text := ""
		if err := u.build(cfg); err != nil {
			text = err.Error()
		}
		if text != said && text != "" {
			u.log.Warn("uplink not built yet", "err", text)
		}
		said = text
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-time.After(askMost):
		}
	}
}

// Ways by which servers become known, in the order in which they count.
const (
	byIPv4    = "ipv4"
	byIPv6    = "ipv6"
	byRouters = "routers"
)

const (
	dnsMost  = 3 // what resolvers look at
	timeMost = 8
)

// findings are the servers that are known by each way.
type findings struct {
	dns     []netip.Addr // that hold in place of all that is found
	resolve func(servers []netip.Addr) error
	times   func(servers []netip.Addr)
	log     *slog.Logger
	waits   bool // NTP servers are not told of before IPv4 has said something, or another one has some

	mu    sync.Mutex
	found map[string][2][]netip.Addr
}

// note takes what a way has found.
func (f *findings) note(way string, dns, times []netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found == nil {
		f.found = map[string][2][]netip.Addr{}
	}
	if way != "" {
		f.found[way] = [2][]netip.Addr{dns, times}
	}
	var names, clocks []netip.Addr
	for _, way := range []string{byIPv4, byIPv6, byRouters} {
		names = append(names, f.found[way][0]...)
		clocks = append(clocks, f.found[way][1]...)
	}
	if len(f.dns) > 0 {
		names = f.dns
	}
	if err := f.resolve(first(names, dnsMost)); err != nil {
		f.log.Error("name servers", "err", err)
	}
	if _, ok := f.found[byIPv4]; ok || !f.waits || len(clocks) > 0 {
		f.times(first(clocks, timeMost))
	}
}

// first returns the first so many that are different.
func first(all []netip.Addr, n int) (out []netip.Addr) {
	for _, a := range all {
		if len(out) < n && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// reconfigure has the box be called, and talk, as a configuration says, of which
// only those lines are looked at.
func (b *Box) reconfigure(ctx context.Context, text string) error {
	cfg, err := config.Parse(strings.NewReader(text), "settings of the box")
	if err != nil {
		return err
	}
	b.setHostname(cfg)
	if b.uplink == nil {
		return errors.New("the box has no network")
	}
	b.uplink.set(ctx, cfg.Uplink)
	return nil
}

// Settings are the lines of a configuration that are PID 1's to carry out, as it is
// asked to by VerbSettings.
func Settings(cfg config.Config) string {
	c := config.Default()
	c.System.Node, c.Uplink = cfg.System.Node, cfg.Uplink
	return config.Format(c)
}
