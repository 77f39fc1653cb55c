package appliance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"

	"heptap/hal"
)

// Client is DHCP over packet sockets, for an interface that has no address.
type Client struct {
	Hostname func() string // given to the server
}

var _ DHCP = (*Client)(nil)

const (
	dhcpWait  = 3 * time.Second // for an answer
	dhcpTries = 3
)

func (c *Client) open(device string) (*nclient4.Client, error) {
	n, err := nclient4.New(device, nclient4.WithTimeout(dhcpWait), nclient4.WithRetry(dhcpTries))
	if err != nil {
		return nil, fmt.Errorf("dhcp on %s: %w", device, err)
	}
	return n, nil
}

func (c *Client) options() []dhcpv4.Modifier {
	return []dhcpv4.Modifier{
		dhcpv4.WithOption(dhcpv4.OptHostName(c.Hostname())),
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier("heptap")),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer,
			dhcpv4.OptionNTPServers, dhcpv4.OptionRenewTimeValue, dhcpv4.OptionRebindingTimeValue),
	}
}

// Acquire implements DHCP.
func (c *Client) Acquire(ctx context.Context, device string, wish netip.Addr) (Lease, error) {
	n, err := c.open(device)
	if err != nil {
		return Lease{}, err
	}
	defer n.Close()
	options := c.options()
	discover := options
	if wish.Is4() {
		discover = append(discover, dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(wish.AsSlice())))
	}
	offer, err := n.DiscoverOffer(ctx, discover...)
	if err != nil {
		return Lease{}, fmt.Errorf("dhcp on %s: %w", device, err)
	}
	return read(n.RequestFromOffer(ctx, offer, options...))
}

// Renew implements DHCP. It asks by broadcast, which servers answer as they do
// what is sent to them alone.
func (c *Client) Renew(ctx context.Context, device string, l Lease) (Lease, error) {
	grant, ok := l.grant.(*nclient4.Lease)
	if !ok {
		return Lease{}, errors.New("dhcp: not a lease of this client")
	}
	n, err := c.open(device)
	if err != nil {
		return Lease{}, err
	}
	defer n.Close()
	return read(n.Renew(ctx, grant, c.options()...))
}

// read takes out of an acknowledgement what is needed.
func read(grant *nclient4.Lease, err error) (Lease, error) {
	var nak *nclient4.ErrNak
	if errors.As(err, &nak) {
		return Lease{}, ErrRefused
	}
	if err != nil {
		return Lease{}, fmt.Errorf("dhcp: %w", err)
	}
	return leaseOf(grant.ACK, grant.CreationTime, grant)
}

// Defaults of RFC 2131, 4.4.5, and what a lease lasts whose server does not say.
const (
	leaseDefault = time.Hour
	leaseLeast   = 2 * time.Minute
)

func leaseOf(ack *dhcpv4.DHCPv4, now time.Time, grant any) (Lease, error) {
	addr, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	if !ok || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback() {
		return Lease{}, fmt.Errorf("dhcp: no usable address: %v", ack.YourIPAddr)
	}
	bits := 24 // of a server that does not say, as most networks are
	if m := ack.SubnetMask(); m != nil {
		ones, size := m.Size()
		if size != 32 || ones == 0 {
			return Lease{}, fmt.Errorf("dhcp: no usable netmask: %v", net.IP(m))
		}
		bits = ones
	}
	l := Lease{Assignment: hal.Assignment{Address: netip.PrefixFrom(addr, bits)}, Granted: now, grant: grant}
	for _, r := range ack.Router() {
		if gw, ok := netip.AddrFromSlice(r.To4()); ok && !gw.IsUnspecified() && !l.Gateway.IsValid() {
			l.Gateway = gw
		}
	}
	for _, d := range ack.DNS() {
		if a, ok := netip.AddrFromSlice(d.To4()); ok && !a.IsUnspecified() && len(l.DNS) < 3 {
			l.DNS = append(l.DNS, a)
		}
	}
	for _, s := range ack.NTPServers() {
		if a, ok := netip.AddrFromSlice(s.To4()); ok && !a.IsUnspecified() && !a.IsMulticast() && len(l.Time) < 4 {
			l.Time = append(l.Time, a)
		}
	}
	l.Server, _ = netip.AddrFromSlice(ack.ServerIdentifier().To4())
	l.Expire = max(ack.IPAddressLeaseTime(leaseDefault), leaseLeast)
	l.Renew, l.Rebind = ack.IPAddressRenewalTime(0), ack.IPAddressRebindingTime(0)
	if l.Rebind <= 0 || l.Rebind > l.Expire {
		l.Rebind = l.Expire * 7 / 8
	}
	if l.Renew <= 0 || l.Renew > l.Rebind {
		l.Renew = min(l.Expire/2, l.Rebind)
	}
	return l, nil
}
