package links

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Release implements hal.Addresses.
func (l *Links) Release(name string, v6 bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := l.link(name)
	if err != nil {
		return fmt.Errorf("release address: %w", err)
	}
	f := netlink.FAMILY_V4
	if v6 {
		f = netlink.FAMILY_V6
	}
	return l.release(link, f)
}

// Autoconf implements hal.Addresses.
func (l *Links) Autoconf(name string, on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := l.link(name)
	if err == nil && on {
		err = l.autoconfOn(name)
	} else if err == nil {
		err = l.autoconfOff(link)
	}
	if errors.Is(err, fs.ErrNotExist) && link != nil && !on {
		return nil // a kernel without IPv6
	}
	if err != nil {
		return fmt.Errorf("IPv6 by routers over %q: %w", name, err)
	}
	return nil
}

// autoconfOn lets IPv6 come last, so that the kernel asks routers with all else set.
func (l *Links) autoconfOn(name string) error {
	for _, s := range []struct{ name, value string }{{"addr_gen_mode", "0"}, {"autoconf", "1"}, {"accept_ra", "1"}, {"disable_ipv6", "0"}} {
		old, err := l.sysctl(name, s.name)
		if err != nil {
			return err
		}
		if string(bytes.TrimSpace(old)) == s.value {
			continue
		}
		if err := l.setSysctl(name, s.name, []byte(s.value)); err != nil {
			return err
		}
	}
	return nil
}

// autoconfOff forgets what routers have said.
func (l *Links) autoconfOff(link netlink.Link) error {
	name := link.Attrs().Name
	for _, s := range []string{"accept_ra", "autoconf"} {
		if err := l.setSysctl(name, s, []byte("0")); err != nil {
			return err
		}
	}
	addrs, err := retry(func() ([]netlink.Addr, error) { return l.nl.AddrList(link, netlink.FAMILY_V6) })
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	own := false
	for i := range addrs {
		a := &addrs[i]
		if !ownByKernel(*a) {
			own = true
			continue
		}
		if a.IP.IsLinkLocalUnicast() {
			continue
		}
		if err := l.nl.AddrDel(link, a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove address %s: %w", a.IPNet, err)
		}
	}
	if !own {
		return l.setSysctl(name, "disable_ipv6", []byte("1"))
	}
	routes, err := retry(func() ([]netlink.Route, error) { return l.nl.RouteList(link, netlink.FAMILY_V6) })
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for i := range routes {
		if routes[i].Protocol != unix.RTPROT_RA {
			continue
		}
		if err := l.nl.RouteDel(&routes[i]); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove route: %w", err)
		}
	}
	return nil
}
