package console

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"heptap/firmware/internal/config"
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
	l, err := s.ported()
	if l != nil {
		err = showInterfaces(l, &b)
	}
	if err != nil || s.c.o.Ports == nil {
		return b.String(), err
	}
	others, err := s.otherItems(l)
	if err != nil {
		return b.String(), err
	}
	writeItems(&b, others)
	if s.c.o.NameServers != nil {
		servers := strings.Join(s.c.o.NameServers(), ", ")
		if servers == "" {
			servers = "none"
		}
		row(&b, "name servers", "%s", printable(servers))
	}
	return b.String(), nil
}

// ported returns what runs. Of a box that waits to be set up, the ports of the machine are what there
// is to know: then there is neither that nor an error.
func (s *session) ported() (*Live, error) {
	l, err := s.live()
	if errors.Is(err, errNotRunning) && s.c.o.Ports != nil {
		err = nil
	}
	return l, err
}

// What ports are used for.
const (
	useMirror = "mirror"
	useUplink = "uplink"
	usePart   = "part" // of the uplink
	useNone   = "none"
)

func portFields() []string {
	return []string{"use", "port", "device", "state", "rings", "frames", "drops", "octets", "filter", "address", "gateway"}
}

// portItems are the mirror ports as far as something runs, then all other ports.
func (s *session) portItems() (out []item, err error) {
	l, err := s.ported()
	if err != nil {
		return nil, err
	}
	if l != nil {
		out = mirrorItems(l)
	}
	if s.c.o.Ports == nil {
		return out, nil
	}
	others, err := s.otherItems(l)
	return append(out, others...), err
}

// otherItems are the ports that are no mirror ports. They say which of them is the uplink.
func (s *session) otherItems(l *Live) (out []item, err error) {
	all, err := s.c.o.Ports()
	if err != nil {
		return nil, err
	}
	cfg, _ := s.running() // of one with mistakes nothing is known
	for _, p := range all {
		if l != nil && slices.ContainsFunc(l.Config.Ports, func(c config.Port) bool { return c.Interface == p.Name }) {
			continue
		}
		b, use, before := &strings.Builder{}, useNone, ""
		switch p.Name {
		case cfg.Uplink.Device():
			use, before = useUplink, "uplink on "
		case cfg.Uplink.Interface, cfg.Uplink.Backup, cfg.Uplink.Bond():
			use, before = usePart, "part of the uplink, "
		}
		fmt.Fprintf(b, "%s%s: %s\n", before, printable(p.Name), p.State)
		if len(p.Addresses) > 0 {
			row(b, "  addresses", "%s", strings.Join(p.Addresses, ", "))
		}
		if len(p.Gateways) > 0 {
			row(b, "  gateways", "%s", strings.Join(p.Gateways, ", "))
		}
		v := valuesOf("use", use, "device", p.Name, "state", p.State)
		v["address"], v["gateway"] = p.Addresses, p.Gateways
		out = append(out, item{text: b.String(), values: v})
	}
	return out, nil
}
