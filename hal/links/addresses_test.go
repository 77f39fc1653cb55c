package links_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
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
		for _, name := range []string{"default", "a", "b"} { // as on the box
			for s, value := range map[string]string{"accept_ra": "0", "disable_ipv6": "1"} {
				if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/"+s, []byte(value), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
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
			if ra, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/accept_ra"); err == nil {
				off, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6")
				auto, aerr := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/autoconf")
				i.Auto = err == nil && aerr == nil && ra[0] != '0' && off[0] == '0' && auto[0] != '0'
			}
			structure(t, l.nl, link, &i)
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

// structure reads what an interface is made of.
func structure(t *testing.T, nl *netlink.Handle, link netlink.Link, i *haltest.Interface) {
	t.Helper()
	all, err := nl.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	primary := -1
	if b, ok := link.(*netlink.Bond); ok {
		primary = b.Primary
		if b.Mode != netlink.BOND_MODE_ACTIVE_BACKUP || b.Miimon != 100 {
			t.Errorf("bond: %v, %d ms", b.Mode, b.Miimon)
		}
	}
	for _, other := range all {
		a := other.Attrs()
		switch {
		case a.MasterIndex != link.Attrs().Index:
		case i.Members == "":
			i.Members = a.Name
		case a.Index == primary:
			i.Members = a.Name + " " + i.Members
		default:
			i.Members += " " + a.Name
		}
	}
	if v, ok := link.(*netlink.Vlan); ok {
		i.VLAN = v.VlanId
		for _, other := range all {
			if other.Attrs().Index == v.Attrs().ParentIndex {
				i.Parent = other.Attrs().Name
			}
		}
	}
}
