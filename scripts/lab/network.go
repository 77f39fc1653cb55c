package lab

import (
	"fmt"
	"net/netip"
	"sync"

	"heptap/scripts/lab/relay"
)

// Switch is a bridge in a namespace of its own.
type Switch struct {
	*Namespace
}

// Switch makes a switch without ports.
func (l *Lab) Switch(name string) (*Switch, error) {
	n, err := l.Namespace(name)
	if err != nil {
		return nil, err
	}
	if err := n.ip("link", "add", "name", "br0", "type", "bridge", "stp_state", "0", "mcast_snooping", "0"); err != nil {
		return nil, err
	}
	return &Switch{n}, n.ip("link", "set", "dev", "br0", "up")
}

// Host is something with an address that is plugged into switches.
type Host struct {
	*Namespace
	Addr netip.Addr // of the first Attach
}

// Host makes a host that is not plugged in.
func (l *Lab) Host(name string) (*Host, error) {
	n, err := l.Namespace(name)
	if err != nil {
		return nil, err
	}
	return &Host{Namespace: n}, nil
}

// cable joins two namespaces by a veth pair; both ends are up.
func cable(a *Namespace, devA string, b *Namespace, devB string) error {
	if err := run("ip", "link", "add", "name", devA, "netns", a.name, "type", "veth", "peer", "name", devB, "netns", b.name); err != nil {
		return err
	}
	for _, end := range []struct {
		n   *Namespace
		dev string
	}{{a, devA}, {b, devB}} {
		if err := end.n.tune(end.dev); err != nil {
			return err
		}
		if err := end.n.ip("link", "set", "dev", end.dev, "up"); err != nil {
			return err
		}
	}
	return nil
}

// Attach plugs the host's interface dev, with an address, into a switch port.
// The port's name in the switch is port.
func (h *Host) Attach(sw *Switch, port, dev string, addr netip.Prefix) error {
	if err := cable(sw.Namespace, port, h.Namespace, dev); err != nil {
		return err
	}
	return h.join(sw, port, dev, addr)
}

func (h *Host) join(sw *Switch, port, dev string, addr netip.Prefix) error {
	if err := sw.ip("link", "set", "dev", port, "master", "br0"); err != nil {
		return err
	}
	if !h.Addr.IsValid() {
		h.Addr = addr.Addr()
	}
	return h.ip("addr", "add", addr.String(), "dev", dev)
}

// AttachThrough is Attach with an impairing relay in the cable. Its Up
// direction is from the host to the switch.
func (h *Host) AttachThrough(cfg relay.Config, sw *Switch, port, dev string, addr netip.Prefix) (*relay.Relay, error) {
	mid, err := h.lab.Namespace("relay-" + port)
	if err != nil {
		return nil, err
	}
	if err := cable(mid, "host", h.Namespace, dev); err != nil {
		return nil, err
	}
	if err := cable(sw.Namespace, port, mid, "switch"); err != nil {
		return nil, err
	}
	var r *relay.Relay
	err = mid.Do(func() (err error) {
		r, err = relay.Open("host", "switch", cfg)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("relay at %s: %w", port, err)
	}
	h.lab.OnClose(r.Close)
	return r, h.join(sw, port, dev, addr)
}

// mirrored is what a mirror takes from a port.
type mirrored string

const (
	ingress mirrored = "ingress" // what the port's device sends into the switch
	egress  mirrored = "egress"
)

func (s *Switch) mirrorTo(span, port string, dir mirrored) error {
	in := []string{"netns", "exec", s.name, "tc"}
	// A port that is mirrored already has its clsact.
	_ = run("ip", append(in, "qdisc", "add", "dev", port, "clsact")...)
	return run("ip", append(in, "filter", "add", "dev", port, string(dir), "protocol", "all", "prio", "1",
		"u32", "match", "u32", "0", "0", "action", "mirred", "egress", "mirror", "dev", span)...)
}

// Mirror plugs the probe's interface dev into a mirror port that copies what
// comes in at the given ports. With all ports of a switch, that is every frame
// once. The interface gets no address.
func (s *Switch) Mirror(probe *Host, dev string, ports ...string) error {
	if err := cable(s.Namespace, dev, probe.Namespace, dev); err != nil {
		return err
	}
	return s.mirrorAll(dev, ports, ingress)
}

func (s *Switch) mirrorAll(span string, ports []string, dir mirrored) error {
	for _, p := range ports {
		if err := s.mirrorTo(span, p, dir); err != nil {
			return err
		}
	}
	return nil
}

// MirrorThrough is Mirror with a relay in the cable that changes what passes,
// see relay.OpenOneWay. Behind it frames may have up to 9,014 octets.
func (s *Switch) MirrorThrough(change func(frame []byte) [][]byte, probe *Host, dev string, ports ...string) (*relay.OneWay, error) {
	mid, err := s.lab.Namespace("relay-" + dev)
	if err != nil {
		return nil, err
	}
	if err := cable(s.Namespace, dev, mid, "switch"); err != nil {
		return nil, err
	}
	if err := cable(mid, "probe", probe.Namespace, dev); err != nil {
		return nil, err
	}
	for _, err := range []error{mid.ip("link", "set", "dev", "probe", "mtu", "9000"), probe.ip("link", "set", "dev", dev, "mtu", "9000")} {
		if err != nil {
			return nil, err
		}
	}
	var r *relay.OneWay
	err = mid.Do(func() (err error) {
		r, err = relay.OpenOneWay("switch", "probe", change)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.lab.OnClose(r.Close)
	return r, s.mirrorAll(dev, ports, ingress)
}

// MirrorEgress has a mirror copy what leaves the switch at the given ports,
// too. If it copies what comes in at all of them, it has every frame twice.
func (s *Switch) MirrorEgress(dev string, ports ...string) error {
	return s.mirrorAll(dev, ports, egress)
}

// Tap plugs two interfaces of the probe into the link of a port, as a TAP
// would: from gets what the port's device sends, to what it is sent.
func (s *Switch) Tap(probe *Host, from, to, port string) error {
	for _, half := range []struct {
		dev string
		dir mirrored
	}{{from, ingress}, {to, egress}} {
		if err := cable(s.Namespace, half.dev, probe.Namespace, half.dev); err != nil {
			return err
		}
		if err := s.mirrorTo(half.dev, port, half.dir); err != nil {
			return err
		}
	}
	return nil
}

// Link is a switch port that can be pulled and plugged back.
type Link struct {
	sw   *Switch
	port string

	mu     sync.Mutex // held while the port changes
	pulled bool
}

// Link returns the link at a port. The host at its end sees the carrier go;
// whoever is behind another port notices nothing, as in life.
func (s *Switch) Link(port string) *Link { return &Link{sw: s, port: port} }

// Pull unplugs. Pulling twice does nothing.
func (l *Link) Pull() error { return l.set(true, "down") }

// Plug plugs back in.
func (l *Link) Plug() error { return l.set(false, "up") }

func (l *Link) set(pulled bool, state string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pulled == pulled {
		return nil
	}
	if err := l.sw.ip("link", "set", "dev", l.port, state); err != nil {
		return err
	}
	l.pulled = pulled
	return nil
}
