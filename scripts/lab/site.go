package lab

import (
	"net/netip"

	"heptap/scripts/lab/relay"
)

// Addresses of a site.
const (
	addrA         = "10.77.0.1/24"
	addrB         = "10.77.0.2/24"
	addrProbe     = "10.99.0.1/24"
	addrCollector = "10.99.0.2/24"
)

// SiteConfig says what a site is like.
type SiteConfig struct {
	RelayA, RelayB relay.Config // on the cable of each phone
	Tap            bool         // two interfaces span0 and span1 on the link of phone a, instead of a mirror of both

	// Span is what becomes of a frame on its way from the mirror to the probe;
	// nil: nothing. It may not go with Tap.
	Span func(frame []byte) [][]byte

	// More are further hosts on the switch, at 10.77.0.3 and on, whose ports are
	// mirrored as those of the phones are. They may not go with Tap.
	More []string
}

// Site is the lab of the package's picture: two phones behind relays on a
// switch, its mirror, the probe, and the collector behind the uplink.
type Site struct {
	*Lab
	A, B, Probe, Collector *Host
	More                   []*Host // as SiteConfig has them
	Switch                 *Switch
	RelayA, RelayB         *relay.Relay
	Span                   *relay.OneWay // nil without SiteConfig.Span
	Uplink                 *Link         // the probe's end
}

// OpenSite builds a site. Close must be called.
func OpenSite(cfg SiteConfig) (*Site, error) {
	l, err := Open()
	if err != nil {
		return nil, err
	}
	s := &Site{Lab: l}
	if err := s.build(cfg); err != nil {
		_ = l.Close() // what went wrong first is what counts
		return nil, err
	}
	return s, nil
}

func (s *Site) build(cfg SiteConfig) (err error) {
	for _, h := range []struct {
		at   **Host
		name string
	}{{&s.A, "a"}, {&s.B, "b"}, {&s.Probe, "probe"}, {&s.Collector, "collector"}} {
		if *h.at, err = s.Host(h.name); err != nil {
			return err
		}
	}
	if s.Switch, err = s.Lab.Switch("switch"); err != nil {
		return err
	}
	if s.RelayA, err = s.A.AttachThrough(cfg.RelayA, s.Switch, "a", "eth0", netip.MustParsePrefix(addrA)); err != nil {
		return err
	}
	if s.RelayB, err = s.B.AttachThrough(cfg.RelayB, s.Switch, "b", "eth0", netip.MustParsePrefix(addrB)); err != nil {
		return err
	}
	ports, err := s.buildMore(cfg.More)
	if err != nil {
		return err
	}
	switch {
	case cfg.Tap:
		err = s.Switch.Tap(s.Probe, "span0", "span1", "a")
	case cfg.Span != nil:
		s.Span, err = s.Switch.MirrorThrough(cfg.Span, s.Probe, "span0", ports...)
	default:
		err = s.Switch.Mirror(s.Probe, "span0", ports...)
	}
	if err != nil {
		return err
	}
	return s.buildUplink()
}

// buildMore plugs in the further hosts and returns all ports that are mirrored.
func (s *Site) buildMore(names []string) (ports []string, err error) {
	ports = []string{"a", "b"}
	at := netip.MustParsePrefix(addrB)
	for _, name := range names {
		h, err := s.Host(name)
		if err != nil {
			return nil, err
		}
		at = netip.PrefixFrom(at.Addr().Next(), at.Bits())
		if err := h.Attach(s.Switch, name, "eth0", at); err != nil {
			return nil, err
		}
		s.More, ports = append(s.More, h), append(ports, name)
	}
	return ports, nil
}

func (s *Site) buildUplink() error {
	wan, err := s.Lab.Switch("uplink")
	if err != nil {
		return err
	}
	if err := s.Probe.Attach(wan, "probe", "up0", netip.MustParsePrefix(addrProbe)); err != nil {
		return err
	}
	if err := s.Collector.Attach(wan, "collector", "up0", netip.MustParsePrefix(addrCollector)); err != nil {
		return err
	}
	s.Uplink = wan.Link("probe")
	return nil
}
