package appliance

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"heptap/firmware/internal/config"
	"heptap/hal"
)

// Routers listens to what routers advertise (RFC 4861).
type Routers interface {
	// Listen asks the routers on the device's network, and calls heard with each
	// advertisement, until ctx is done or the device does not work any more.
	Listen(ctx context.Context, device string, heard func(Advert)) error
}

// DHCP6 asks for addresses of IPv6 (RFC 8415). The wish of Acquire is not used.
type DHCP6 interface {
	DHCP

	// Inform asks for everything but an address.
	Inform(ctx context.Context, device string) (dns, time []netip.Addr, err error)
}

// six is the uplink's IPv6, beside what uplink address says.
type six struct {
	port
	cfg     config.Uplink
	found   *findings
	routers Routers
	dhcp    DHCP6
	show    func(what, text string)
}

// run returns when ctx is done. The addresses stay.
func (s *six) run(ctx context.Context) {
	s.port.told = func(l Lease) {
		if !l.Address.IsValid() {
			s.found.note(byIPv6, nil, nil)
			s.show("uplink IPv6", "from routers")
			return
		}
		s.found.note(byIPv6, l.DNS, l.Time)
		s.show("uplink IPv6", fmt.Sprintf("%s, by DHCPv6", l.Address.Addr()))
	}
	for ctx.Err() == nil {
		st, err := s.state()
		if err != nil || !st.Exists {
			s.wait(ctx, askMost)
			continue
		}
		if err := s.begin(); err != nil {
			s.log.Error("IPv6", "err", err)
			s.wait(ctx, askMost)
			continue
		}
		if !s.cfg.IPv6.Auto || s.routers == nil {
			s.until(ctx, st.Index)
			continue
		}
		if st, err = s.state(); err != nil || !st.Carrier {
			s.wait(ctx, askMost)
			continue
		}
		s.listen(ctx, st.Index)
	}
}

// begin sets what does not depend on routers.
func (s *six) begin() error {
	if err := s.addrs.Up(s.device); err != nil {
		return err
	}
	own := s.cfg.Address.IsValid() && s.cfg.Address.Addr().Is6()
	if own { // which stands in for IPv4
		if err := s.addrs.Release(s.device, false); err != nil {
			return err
		}
	}
	if !own && !s.cfg.IPv6.Address.IsValid() && !s.lease.Address.IsValid() {
		if err := s.addrs.Release(s.device, true); err != nil {
			return err
		}
	}
	if err := s.addrs.Autoconf(s.device, s.cfg.IPv6.Auto); err != nil || !s.cfg.IPv6.Address.IsValid() {
		return err
	}
	s.show("uplink IPv6", s.cfg.IPv6.Address.String())
	return s.addrs.Assign(s.device, hal.Assignment{Address: s.cfg.IPv6.Address, Gateway: s.cfg.IPv6Via})
}

// until waits until the device is not the one of that index any more, or has lost
// its carrier.
func (s *six) until(ctx context.Context, index int) {
	for ctx.Err() == nil {
		s.wait(ctx, 0)
		if st, err := s.state(); err != nil || st.Index != index || !st.Carrier && s.cfg.IPv6.Auto {
			return
		}
	}
}

// listen does what routers say for as long as the device is there.
func (s *six) listen(ctx context.Context, index int) {
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	var last Advert
	known, holding := false, false
	changed := make(chan struct{}, 1) // for the lease, which has no look at the device
	heard := func(a Advert) {
		if known && a.same(last) {
			return
		}
		if !known {
			s.show("uplink IPv6", "from routers")
		}
		s.found.note(byRouters, a.DNS, nil)
		managed := a.Managed && !holding
		holding = holding || a.Managed
		other := a.Other && !a.Managed && (!known || !last.Other)
		last, known = a, true
		switch {
		case s.dhcp == nil:
		case managed:
			parts.Go(func() {
				lease := s.port
				lease.changed = changed
				lease.hold(ctx, index)
				s.lease = lease.lease
			})
		case other:
			parts.Go(func() { s.inform(ctx) })
		}
	}
	parts.Go(func() {
		for ctx.Err() == nil {
			if err := s.routers.Listen(ctx, s.device, heard); err != nil && ctx.Err() == nil {
				s.log.Warn("routers are not listened to", "err", err)
			}
			pause(ctx, askFirst)
		}
	})
	s.until(ctx, index)
}

// inform gets what else there is by DHCPv6.
func (s *six) inform(ctx context.Context) {
	for wait := askFirst; ctx.Err() == nil; wait = min(2*wait, askMost) {
		dns, times, err := s.dhcp.Inform(ctx, s.device)
		if err == nil {
			s.found.note(byIPv6, dns, times)
			return
		}
		pause(ctx, wait)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
