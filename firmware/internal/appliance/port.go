package appliance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"heptap/hal"
)

// Lease is what a DHCP server grants.
type Lease struct {
	hal.Assignment
	DNS     []netip.Addr
	Time    []netip.Addr // NTP servers (option 42)
	Server  netip.Addr
	Granted time.Time
	Renew   time.Duration // after Granted: when to ask that server again,
	Rebind  time.Duration // when to ask any,
	Expire  time.Duration // and when the address must no longer be used

	grant any // of the client that got it
}

// DHCP asks for addresses (RFC 2131).
type DHCP interface {
	// Acquire asks any server on the device's network, if it can be for the
	// address that is wished for.
	Acquire(ctx context.Context, device string, wish netip.Addr) (Lease, error)

	// Renew asks for more time. The error wraps ErrRefused when the address is
	// not ours any more.
	Renew(ctx context.Context, device string, l Lease) (Lease, error)
}

// ErrRefused says that a DHCP server wants an address back.
var ErrRefused = errors.New("refused by the DHCP server")

const (
	askFirst = time.Second // between attempts to get a lease, doubled up to
	askMost  = time.Minute
	renewMin = time.Minute // between attempts to renew one (RFC 2131, 4.4.5)
)

// port keeps the uplink's address.
type port struct {
	device  string
	v6      bool           // the address is of IPv6
	static  hal.Assignment // this one; without, it is asked for by DHCP
	gateway netip.Addr     // in place of what DHCP says
	addrs   hal.Addresses
	state   func() (hal.LinkState, error)
	dhcp    DHCP
	log     *slog.Logger
	changed <-chan struct{} // when the device or its carrier may have come or gone
	told    func(l Lease)   // what the port is about to have

	lease Lease
}

// run returns when ctx is done. The address stays.
func (p *port) run(ctx context.Context) {
	missing := false
	for ctx.Err() == nil {
		s, err := p.state()
		if err != nil || !s.Exists {
			if !missing {
				p.log.Warn("no such device yet", "err", err)
				missing = true
			}
			p.wait(ctx, askMost)
			continue
		}
		missing = false
		if err := p.addrs.Up(s.Name); err != nil {
			p.log.Error("uplink not set up", "err", err)
			p.wait(ctx, askFirst)
			continue
		}
		if p.static.Address.IsValid() {
			p.apply(Lease{Assignment: p.static})
			p.wait(ctx, 0)
			continue
		}
		p.hold(ctx, s.Index)
	}
}

// wait returns when something changed, after d if that is not 0, or when ctx is
// done.
func (p *port) wait(ctx context.Context, d time.Duration) (changed bool) {
	var after <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-ctx.Done():
	case <-after:
	case <-p.changed:
		return true
	}
	return false
}

// apply gives the port what l says.
func (p *port) apply(l Lease) {
	if p.gateway.IsValid() && l.Address.IsValid() {
		l.Gateway = p.gateway
	}
	p.told(l) // before anything can be sent
	var err error
	if l.Address.IsValid() {
		err = p.addrs.Assign(p.device, l.Assignment)
	} else {
		err = p.addrs.Release(p.device, p.v6)
	}
	if err != nil {
		p.log.Error("uplink's address", "err", err)
	}
}

// hold gets leases and keeps them for as long as the device is the one of that index.
func (p *port) hold(ctx context.Context, index int) {
	pause := askFirst
	said := ""
	for ctx.Err() == nil {
		s, err := p.state()
		if err != nil || !s.Exists || s.Index != index {
			return
		}
		p.expire()
		if !s.Carrier {
			p.wait(ctx, p.left(askMost))
			continue
		}
		l, err := p.dhcp.Acquire(ctx, p.device, p.lease.Address.Addr())
		if err != nil {
			if text := err.Error(); text != said && ctx.Err() == nil {
				p.log.Warn("no address by DHCP yet", "err", err)
				said = text
			}
			if p.wait(ctx, p.left(pause)) {
				pause = askFirst
			} else {
				pause = min(2*pause, askMost)
			}
			continue
		}
		p.take(l)
		pause, said = askFirst, ""
		p.keep(ctx)
	}
}

// take uses a lease.
func (p *port) take(l Lease) {
	if l.Assignment.Address != p.lease.Address {
		p.log.Info("address by DHCP", "address", l.Address, "gateway", l.Gateway, "server", l.Server, "for", l.Expire.String())
	}
	p.lease = l
	p.apply(l)
}

// expire gives up an address whose time is over.
func (p *port) expire() {
	if p.lease.Address.IsValid() && time.Since(p.lease.Granted) >= p.lease.Expire {
		p.drop("its time is over, and no DHCP server gave it more")
	}
}

func (p *port) drop(why string) {
	p.log.Warn("address given up", "address", p.lease.Address, "why", why)
	p.lease = Lease{}
	p.apply(p.lease)
}

// left is d, or less if the lease ends earlier.
func (p *port) left(d time.Duration) time.Duration {
	if p.lease.Address.IsValid() {
		d = min(d, max(time.Until(p.lease.Granted.Add(p.lease.Expire)), time.Millisecond))
	}
	return d
}

// keep renews the lease in time. It returns when it must be asked for anew: the
// network may be another one since the cable was out, or its server does not answer.
func (p *port) keep(ctx context.Context) {
	next := p.lease.Granted.Add(p.lease.Renew)
	for ctx.Err() == nil {
		if p.wait(ctx, max(time.Until(next), time.Millisecond)) {
			if s, err := p.state(); err == nil && s.Exists && s.Carrier {
				continue // something else changed
			}
			return
		}
		if ctx.Err() != nil {
			return
		}
		rebind := p.lease.Granted.Add(p.lease.Rebind)
		if !time.Now().Before(rebind) {
			return
		}
		l, err := p.dhcp.Renew(ctx, p.device, p.lease)
		switch {
		case err == nil:
			p.take(l)
			next = l.Granted.Add(l.Renew)
		case errors.Is(err, ErrRefused):
			p.drop(err.Error())
			return
		default:
			next = time.Now().Add(min(max(time.Until(rebind)/2, renewMin), max(time.Until(rebind), time.Millisecond)))
		}
	}
}

// resolver returns the text of resolv.conf(5).
func resolver(servers []netip.Addr) string {
	var b strings.Builder
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	return b.String()
}
