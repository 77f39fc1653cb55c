package appliance

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/net/ipv6"
)

// Advert is what a router says: of RFC 4861, 4.2, what the kernel does not do by itself.
type Advert struct {
	Managed bool         // addresses are to be had by DHCPv6
	Other   bool         // other things are
	DNS     []netip.Addr // recursive name servers (RFC 8106, 5.1)
}

func (a Advert) same(b Advert) bool {
	return a.Managed == b.Managed && a.Other == b.Other && slices.Equal(a.DNS, b.DNS)
}

// Of RFC 4861 and RFC 8106.
const (
	advertHeader  = 16
	advertManaged = 0x80
	advertOther   = 0x40
	optionDNS     = 25
	dnsHeader     = 8
	dnsKept       = 3
)

var errAdvert = errors.New("no router advertisement")

// parseAdvert reads an ICMPv6 message.
func parseAdvert(b []byte) (a Advert, err error) {
	if len(b) < advertHeader || ipv6.ICMPType(b[0]) != ipv6.ICMPTypeRouterAdvertisement || b[1] != 0 {
		return a, errAdvert
	}
	a.Managed, a.Other = b[5]&advertManaged != 0, b[5]&advertOther != 0
	for b = b[advertHeader:]; len(b) > 0; {
		if len(b) < 8 || b[1] == 0 || int(b[1])*8 > len(b) {
			return Advert{}, fmt.Errorf("%w: option of %d octets is cut", errAdvert, len(b))
		}
		option := b[:int(b[1])*8]
		b = b[len(option):]
		if option[0] != optionDNS || binary.BigEndian.Uint32(option[4:]) == 0 { // a lifetime of 0: not any more
			continue
		}
		for addrs := option[dnsHeader:]; len(addrs) >= 16 && len(a.DNS) < dnsKept; addrs = addrs[16:] {
			d := netip.AddrFrom16([16]byte(addrs))
			if !d.IsUnspecified() && !d.IsMulticast() && !d.IsLoopback() && !d.Is4In6() {
				a.DNS = append(a.DNS, d)
			}
		}
	}
	return a, nil
}

// ICMPv6 is Routers over a raw socket.
type ICMPv6 struct{}

var _ Routers = ICMPv6{}

const (
	solicits     = 3
	solicitEvery = 4 * time.Second // RFC 4861, 10
	neighbour    = 255             // the hop limit that no router has forwarded
)

// Listen implements Routers.
func (ICMPv6) Listen(ctx context.Context, device string, heard func(Advert)) error {
	iface, err := net.InterfaceByName(device)
	if err != nil {
		return fmt.Errorf("routers: %w", err)
	}
	c, err := net.ListenPacket("ip6:ipv6-icmp", "::")
	if err != nil {
		return fmt.Errorf("routers: %w", err)
	}
	defer c.Close()
	p := ipv6.NewPacketConn(c)
	var only ipv6.ICMPFilter
	only.SetAll(true)
	only.Accept(ipv6.ICMPTypeRouterAdvertisement)
	err = errors.Join(p.SetICMPFilter(&only), p.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagInterface, true), p.SetMulticastHopLimit(neighbour), p.SetMulticastInterface(iface))
	if err != nil {
		return fmt.Errorf("routers: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	asking, asked := context.WithCancel(ctx)
	defer asked()
	go solicit(asking, p, device)
	buf := make([]byte, 1500)
	for {
		n, cm, from, err := p.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("routers: %w", err)
		case cm == nil || cm.IfIndex != iface.Index || cm.HopLimit != neighbour:
			continue
		}
		if a, ok := from.(*net.IPAddr); !ok || !a.IP.IsLinkLocalUnicast() {
			continue
		}
		if a, err := parseAdvert(buf[:n]); err == nil {
			asked()
			heard(withZone(a, device))
		}
	}
}

// withZone makes link-local name servers usable.
func withZone(a Advert, device string) Advert {
	for i, d := range a.DNS {
		if d.IsLinkLocalUnicast() {
			a.DNS[i] = d.WithZone(device)
		}
	}
	return a
}

// solicit asks routers to speak up, a few times. That one of these does not go out,
// as before the box has its link-local address, is no error.
func solicit(ctx context.Context, p *ipv6.PacketConn, device string) {
	message := []byte{byte(ipv6.ICMPTypeRouterSolicitation), 0, 0, 0, 0, 0, 0, 0} // the kernel fills in the checksum
	for range solicits {
		_, _ = p.WriteTo(message, nil, &net.IPAddr{IP: net.IPv6linklocalallrouters, Zone: device})
		select {
		case <-ctx.Done():
			return
		case <-time.After(solicitEvery):
		}
	}
}
