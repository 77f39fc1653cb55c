package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"

	"heptap/firmware/internal/config"
	"heptap/hal"
	"heptap/hal/links"
)

// setUpLinks makes every mirror port listen and say nothing. The returned
// function puts the ports back as they were.
func (r *runner) setUpLinks() (undo func(), err error) {
	l, err := links.Open()
	if err != nil {
		return nil, err
	}
	up, restore := r.mirrors(l)
	var done []string
	undo = func() {
		for _, name := range done {
			if err := restore(name); err != nil {
				r.log.Warn("mirror port not restored", "iface", name, "err", err)
			}
		}
		l.Close()
	}
	for _, p := range r.cfg.Ports {
		if !p.LinkSetup {
			continue
		}
		if err := up(p.Interface, p.Timestamps == config.TimestampsHardware); err != nil {
			err = explain(l, p, err)
			undo()
			return nil, err
		}
		done = append(done, p.Interface)
	}
	return undo, nil
}

// mirrors returns what makes a port a mirror port, and what it was before: PID 1,
// where there is one.
func (r *runner) mirrors(l *links.Links) (up func(name string, hardwareTime bool) error, restore func(name string) error) {
	collectors := r.collectorAddrs()
	if r.host.parent == nil {
		return func(name string, hardwareTime bool) error {
			return l.MirrorUp(name, hal.MirrorOptions{Collectors: collectors, HardwareTime: hardwareTime})
		}, l.RestoreMirror
	}
	ask := func(do func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(context.Background(), settingsAtMost)
		defer cancel()
		return do(ctx)
	}
	return func(name string, hardwareTime bool) error {
			return ask(func(ctx context.Context) error {
				return r.host.parent.MirrorUp(ctx, name, hal.MirrorOptions{Collectors: collectors, HardwareTime: hardwareTime})
			})
		}, func(name string) error {
			return ask(func(ctx context.Context) error { return r.host.parent.RestoreMirror(ctx, name) })
		}
}

// explain says what a technician can do about a port that cannot be set up.
func explain(l *links.Links, p config.Port, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		var names []string
		if all, lerr := l.List(); lerr == nil {
			for _, s := range all {
				names = append(names, s.Name)
			}
		}
		return fmt.Errorf("capture %s: no device %s; there are: %s", p.Name, p.Interface, strings.Join(names, ", "))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("capture %s: %w; heptap run needs root, or CAP_NET_ADMIN and CAP_NET_RAW", p.Name, err)
	case errors.Is(err, hal.ErrInUse):
		return fmt.Errorf("capture %s: %w; to capture on it as it is: set capture %s link-setup off", p.Name, err, p.Name)
	}
	return fmt.Errorf("capture %s: %w; to leave the device as it is: set capture %s link-setup off", p.Name, err, p.Name)
}

// collectorAddrs are the collectors' addresses, as far as they are written as
// such: the ports that lead there must not become mirror ports.
func (r *runner) collectorAddrs() (out []netip.Addr) {
	for _, c := range r.cfg.Collector {
		host, _, err := net.SplitHostPort(c.Address)
		if err != nil {
			continue
		}
		if a, err := netip.ParseAddr(host); err == nil {
			out = append(out, a)
		}
	}
	return out
}
