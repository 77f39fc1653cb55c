package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"heptap/firmware/internal/console"
	"heptap/firmware/internal/netcheck"
	"heptap/hal/links"
	"heptap/hal/sysclock"
)

// box is what a console has of a machine of its own; nil elsewhere.
func (s *service) box() *console.Box {
	if s.lines == "" {
		return nil
	}
	b := &console.Box{SetClock: setClock, TimeServers: func() []string { t, _ := s.host.timeServers(); return t }}
	if s.host.parent != nil {
		b.CopyToStick = s.host.parent.Copy
	}
	return b
}

// networkPorts are what a cable can be plugged into.
func networkPorts() (out []console.NetworkPort, err error) {
	l, err := links.Open()
	if err != nil {
		return nil, err
	}
	defer l.Close()
	all, err := l.List()
	for _, p := range all {
		i, ierr := net.InterfaceByIndex(p.Index)
		if ierr != nil || i.Flags&net.FlagLoopback != 0 || len(i.HardwareAddr) == 0 {
			continue
		}
		state := "not in use yet"
		switch {
		case p.Carrier && p.SpeedMbit > 0:
			state = fmt.Sprintf("link, %d Mbit/s", p.SpeedMbit)
		case p.Carrier:
			state = "link"
		case p.Up:
			state = "no link"
		}
		out = append(out, console.NetworkPort{Name: p.Name, State: state + ", " + i.HardwareAddr.String(), Addresses: addressesOf(p.Name), Gateways: gatewaysOf(p.Name)})
	}
	return out, err
}

// gatewaysOf are a device's default gateways, as far as the kernel tells.
func gatewaysOf(device string) (out []string) {
	if routes, err := os.ReadFile("/proc/net/route"); err == nil {
		if a, ok := defaultRoute(string(routes), device); ok {
			out = append(out, a.String())
		}
	}
	if routes, err := os.ReadFile("/proc/net/ipv6_route"); err == nil {
		if a, ok := defaultRoute6(string(routes), device); ok {
			out = append(out, a.String())
		}
	}
	return out
}

// nameServers are those that are asked for names, empty where that cannot be read.
func nameServers() []string {
	servers, err := netcheck.NameServers()
	if err != nil {
		return nil
	}
	return servers
}

// setClock sets the machine's clock.
func setClock(t time.Time) error { return sysclock.Clock{}.Step(time.Until(t)) }
