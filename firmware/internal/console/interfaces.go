package console

import (
	"errors"
	"fmt"
	"strings"
)

// NetworkPort is a port of the machine, or what is made of several, and how it is, in words.
type NetworkPort struct {
	Name, State string
	Addresses   []string // with the length of the network
	Gateways    []string // that packets to elsewhere go to
}

// showInterfaces shows the mirror ports as far as something runs, then all other ports.
func (s *session) showInterfaces() (string, error) {
	var b strings.Builder
	mirrors := map[string]bool{}
	l, err := s.live()
	if err == nil {
		err = showInterfaces(l, &b)
		for _, c := range l.Config.Ports {
			mirrors[c.Interface] = true
		}
	}
	if s.c.o.Ports == nil {
		return b.String(), err
	}
	if errors.Is(err, errNotRunning) {
		err = nil // of a box that waits to be set up this is what there is to know
	}
	err = errors.Join(err, s.otherPorts(&b, mirrors))
	return b.String(), err
}

// otherPorts shows those that are no mirror ports, and says which of them is the uplink.
func (s *session) otherPorts(b *strings.Builder, mirrors map[string]bool) error {
	all, err := s.c.o.Ports()
	if err != nil {
		return err
	}
	cfg, _ := s.running() // of one with mistakes nothing is known
	for _, p := range all {
		if mirrors[p.Name] {
			continue
		}
		use := ""
		switch p.Name {
		case cfg.Uplink.Device():
			use = "uplink on "
		case cfg.Uplink.Interface, cfg.Uplink.Backup, cfg.Uplink.Bond():
			use = "part of the uplink, "
		}
		fmt.Fprintf(b, "%s%s: %s\n", use, printable(p.Name), p.State)
		if len(p.Addresses) > 0 {
			row(b, "  addresses", "%s", strings.Join(p.Addresses, ", "))
		}
		if len(p.Gateways) > 0 {
			row(b, "  gateways", "%s", strings.Join(p.Gateways, ", "))
		}
	}
	if s.c.o.NameServers == nil {
		return nil
	}
	servers := strings.Join(s.c.o.NameServers(), ", ")
	if servers == "" {
		servers = "none"
	}
	row(b, "name servers", "%s", printable(servers))
	return nil
}
