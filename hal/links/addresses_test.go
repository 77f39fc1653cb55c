package links_test

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"heptap/hal"
	"heptap/hal/haltest"
)

func TestAddresses(t *testing.T) {
	haltest.TestAddresses(t, func(t *testing.T) haltest.AddressesUnderTest {
		l := newLab(t)
		for from, to := range map[string]string{"m": "a", "p": "b"} {
			link, err := l.nl.LinkByName(from)
			if err == nil {
				_ = l.nl.LinkSetDown(link)
				err = l.nl.LinkSetName(link, to)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if b, err := l.nl.LinkByName("b"); err != nil || l.nl.LinkSetUp(b) != nil {
			t.Fatal("b cannot be set up")
		}
		return haltest.AddressesUnderTest{Addresses: l.l, State: func(t *testing.T, name string) (i haltest.Interface) {
			link, err := l.nl.LinkByName(name)
			if err != nil {
				t.Fatal(err)
			}
			i.Up = link.Attrs().RawFlags&unix.IFF_UP != 0
			for family, to := range map[int]*hal.Assignment{netlink.FAMILY_V4: &i.IP4, netlink.FAMILY_V6: &i.IP6} {
				addrs, err := l.nl.AddrList(link, family)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range addrs {
					if a.IP.IsLinkLocalUnicast() {
						continue
					}
					if to.Address.IsValid() {
						t.Errorf("%s has another address, %s", name, a.IPNet)
					}
					to.Address = netip.MustParsePrefix(a.IPNet.String())
				}
				routes, err := l.nl.RouteList(link, family)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range routes {
					if isDefault(r) {
						gw, _ := netip.AddrFromSlice(r.Gw)
						to.Gateway = gw.Unmap()
					}
				}
			}
			return i
		}}
	})
}

func isDefault(r netlink.Route) bool {
	if r.Dst == nil {
		return true
	}
	ones, _ := r.Dst.Mask.Size()
	return ones == 0
}
