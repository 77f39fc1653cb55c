package appliance

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/dhcpv6/nclient6"
	"github.com/insomniacslk/dhcp/iana"

	"heptap/hal"
)

// Client6 is DHCPv6 over the interface's link-local address.
type Client6 struct{}

var _ DHCP6 = Client6{}

func (Client6) open(device string) (*nclient6.Client, []dhcpv6.Modifier, error) {
	n, err := nclient6.New(device, nclient6.WithTimeout(dhcpWait), nclient6.WithRetry(dhcpTries))
	if err != nil {
		return nil, nil, fmt.Errorf("dhcpv6 on %s: %w", device, err)
	}
	sum := sha256.Sum256([]byte(device))
	return n, []dhcpv6.Modifier{
		// The same at each start, so that the box keeps its address.
		dhcpv6.WithClientID(&dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: n.InterfaceAddr()}),
		dhcpv6.WithRequestedOptions(dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionNTPServer, dhcpv6.OptionSNTPServerList),
		dhcpv6.WithIAID([4]byte(sum[:4])),
	}, nil
}

// Acquire implements DHCP.
func (c Client6) Acquire(ctx context.Context, device string, _ netip.Addr) (Lease, error) {
	n, with, err := c.open(device)
	if err != nil {
		return Lease{}, err
	}
	defer n.Close()
	offer, err := n.Solicit(ctx, with...)
	if err != nil {
		return Lease{}, fmt.Errorf("dhcpv6 on %s: %w", device, err)
	}
	reply, err := n.Request(ctx, offer, with[:2]...)
	if err != nil {
		return Lease{}, fmt.Errorf("dhcpv6 on %s: %w", device, err)
	}
	return leaseOf6(reply, time.Now())
}

// Renew implements DHCP.
func (c Client6) Renew(ctx context.Context, device string, l Lease) (Lease, error) {
	grant, ok := l.grant.(*dhcpv6.Message)
	if !ok {
		return Lease{}, errors.New("dhcpv6: not a lease of this client")
	}
	n, with, err := c.open(device)
	if err != nil {
		return Lease{}, err
	}
	defer n.Close()
	m, err := dhcpv6.NewMessage(with[:2]...)
	if err != nil {
		return Lease{}, fmt.Errorf("dhcpv6: %w", err)
	}
	m.MessageType = dhcpv6.MessageTypeRenew
	m.AddOption(dhcpv6.OptServerID(grant.Options.ServerID()))
	m.AddOption(dhcpv6.OptElapsedTime(0))
	m.AddOption(grant.Options.OneIANA())
	reply, err := n.SendAndRead(ctx, n.RemoteAddr(), m, nclient6.IsMessageType(dhcpv6.MessageTypeReply))
	if err != nil {
		return Lease{}, fmt.Errorf("dhcpv6 on %s: %w", device, err)
	}
	return leaseOf6(reply, time.Now())
}

// Inform implements DHCP6.
func (c Client6) Inform(ctx context.Context, device string) (dns, times []netip.Addr, err error) {
	n, with, err := c.open(device)
	if err != nil {
		return nil, nil, err
	}
	defer n.Close()
	m, err := dhcpv6.NewMessage(with[:2]...)
	if err != nil {
		return nil, nil, fmt.Errorf("dhcpv6: %w", err)
	}
	m.MessageType = dhcpv6.MessageTypeInformationRequest
	m.AddOption(dhcpv6.OptElapsedTime(0))
	reply, err := n.SendAndRead(ctx, n.RemoteAddr(), m, nclient6.IsMessageType(dhcpv6.MessageTypeReply))
	if err != nil {
		return nil, nil, fmt.Errorf("dhcpv6 on %s: %w", device, err)
	}
	dns, times = servers6(reply)
	return dns, times, nil
}

// servers6 takes the servers out of a message.
func servers6(m *dhcpv6.Message) (dns, times []netip.Addr) {
	take := func(ips []net.IP) (out []netip.Addr) {
		for _, ip := range ips {
			if a, ok := netip.AddrFromSlice(ip.To16()); ok && a.Is6() && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && len(out) < 4 {
				out = append(out, a)
			}
		}
		return out
	}
	if times = take(m.Options.NTPServers()); len(times) == 0 {
		times = take(m.Options.SNTP())
	}
	return take(m.Options.DNS()), times
}

// forever is the lifetime that does not end (RFC 8415, 7.7).
const forever = 0xffffffff * time.Second

// leaseOf6 takes out of a reply what is needed. A server that knows nothing of the
// address any more, or has none, refuses.
func leaseOf6(m *dhcpv6.Message, now time.Time) (Lease, error) {
	ia := m.Options.OneIANA()
	if s := m.Options.Status(); s != nil && s.StatusCode != iana.StatusSuccess {
		return Lease{}, fmt.Errorf("%w: %v %s", ErrRefused, s.StatusCode, s.StatusMessage)
	}
	if ia == nil {
		return Lease{}, errors.New("dhcpv6: no address in the reply")
	}
	if s := ia.Options.Status(); s != nil && s.StatusCode != iana.StatusSuccess {
		return Lease{}, fmt.Errorf("%w: %v %s", ErrRefused, s.StatusCode, s.StatusMessage)
	}
	given := ia.Options.OneAddress()
	if given == nil {
		return Lease{}, errors.New("dhcpv6: no address in the reply")
	}
	addr, ok := netip.AddrFromSlice(given.IPv6Addr.To16())
	if !ok || !addr.Is6() || addr.Is4In6() || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback() || addr.IsLinkLocalUnicast() {
		return Lease{}, fmt.Errorf("dhcpv6: no usable address: %v", given.IPv6Addr)
	}
	if given.ValidLifetime <= 0 {
		return Lease{}, fmt.Errorf("%w: a lifetime of 0", ErrRefused)
	}
	l := Lease{Assignment: hal.Assignment{Address: netip.PrefixFrom(addr, 128)}, Granted: now, grant: m}
	l.DNS, l.Time = servers6(m)
	l.Expire = min(max(given.ValidLifetime, leaseLeast), forever)
	if l.Rebind = ia.T2; l.Rebind <= 0 || l.Rebind > l.Expire {
		l.Rebind = l.Expire / 5 * 4
	}
	if l.Renew = ia.T1; l.Renew <= 0 || l.Renew > l.Rebind {
		l.Renew = min(l.Expire/2, l.Rebind)
	}
	return l, nil
}
