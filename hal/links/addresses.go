package links

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"heptap/hal"
)

var _ hal.Addresses = (*Links)(nil)

// Rename implements hal.Addresses.
func (l *Links) Rename(name, to string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := l.link(name)
	if err == nil {
		err = l.nl.LinkSetName(link, to)
	}
	if errors.Is(err, unix.EEXIST) {
		err = fs.ErrExist
	}
	if err != nil {
		return fmt.Errorf("rename link %q to %q: %w", name, to, err)
	}
	return nil
}

// Up implements hal.Addresses.
func (l *Links) Up(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := l.link(name)
	if err == nil {
		err = l.nl.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("set up link %q: %w", name, err)
	}
	return nil
}

// Assign implements hal.Addresses.
func (l *Links) Assign(name string, a hal.Assignment) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := l.link(name)
	if err != nil {
		return fmt.Errorf("assign address: %w", err)
	}
	if !a.Address.IsValid() {
		return errors.Join(l.release(link, netlink.FAMILY_V4), l.release(link, netlink.FAMILY_V6))
	}
	f := family(a.Address.Addr())
	if err := l.address(link, f, a.Address); err != nil {
		return fmt.Errorf("assign address %s to %s: %w", a.Address, name, err)
	}
	if err := l.gateway(link, f, a.Gateway); err != nil {
		return fmt.Errorf("default route by %s over %s: %w", a.Gateway, name, err)
	}
	return nil
}

// release takes away what address and gateway have given.
func (l *Links) release(link netlink.Link, family int) error {
	if err := errors.Join(l.address(link, family, netip.Prefix{}), l.gateway(link, family, netip.Addr{})); err != nil {
		return fmt.Errorf("release addresses of %s: %w", link.Attrs().Name, err)
	}
	return nil
}

func family(a netip.Addr) int {
	if a.Unmap().Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

// address makes want the only address of its family. The new one comes before
// the old ones go. IPv6 is switched on where it is needed.
func (l *Links) address(link netlink.Link, family int, want netip.Prefix) error {
	have, err := retry(func() ([]netlink.Addr, error) { return l.nl.AddrList(link, family) })
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	there := false
	var old []netlink.Addr
	for _, h := range have {
		switch {
		case h.IPNet.String() == want.String():
			there = true
		case !ownByKernel(h):
			old = append(old, h)
		}
	}
	if want.IsValid() && !there {
		bits := want.Addr().BitLen()
		if family == netlink.FAMILY_V6 {
			if err := l.setSysctl(link.Attrs().Name, "disable_ipv6", []byte("0")); err != nil {
				return fmt.Errorf("IPv6 on: %w", err)
			}
		}
		if err := l.nl.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: want.Addr().AsSlice(), Mask: net.CIDRMask(want.Bits(), bits)}}); err != nil {
			return err
		}
	}
	for i := range old {
		// Removing the first address of a network takes the others along.
		if err := l.nl.AddrDel(link, &old[i]); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove address %s: %w", old[i].IPNet, err)
		}
	}
	if want.IsValid() && len(old) > 0 {
		return l.address(link, family, want)
	}
	return nil
}

// gateway makes want the only default route of the family over link.
func (l *Links) gateway(link netlink.Link, family int, want netip.Addr) error {
	have, err := retry(func() ([]netlink.Route, error) { return l.nl.RouteList(link, family) })
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	there := false
	for _, r := range have {
		if !isDefault(r) {
			continue
		}
		if via, ok := netip.AddrFromSlice(r.Gw); ok && via.Unmap() == want.Unmap() {
			there = true
			continue
		}
		if r.Protocol == unix.RTPROT_RA || r.Protocol == unix.RTPROT_KERNEL {
			continue // what a router advertised is the kernel's affair
		}
		if err := l.nl.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	if !want.IsValid() || there {
		return nil
	}
	// On the link even if the network's mask does not say so, as some providers have it.
	return l.nl.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: want.Unmap().AsSlice(), Flags: int(netlink.FLAG_ONLINK)})
}
