package main

import (
	"net"
	"time"

	"heptap/firmware/internal/console"
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
		case p.Carrier:
			state = "link"
		case p.Up:
			state = "no link"
		}
		out = append(out, console.NetworkPort{Name: p.Name, State: state + ", " + i.HardwareAddr.String()})
	}
	return out, err
}

// setClock sets the machine's clock.
func setClock(t time.Time) error { return sysclock.Clock{}.Step(time.Until(t)) }
