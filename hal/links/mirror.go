package links

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"heptap/hal"
)

// before is what an interface was like before MirrorUp.
type before struct {
	index     int
	up, noARP bool
	stamps    *unix.HwTstampConfig // nil: not changed
	features  []feature
	ipv6      map[string][]byte // sysctl: value with its newline
	addrs     []netlink.Addr
}

// quietIPv6 are the sysctls of an interface that MirrorUp sets, in order.
// With addr_gen_mode first, no link-local address comes in between.
var quietIPv6 = []struct{ name, value string }{
	{"addr_gen_mode", "1"}, {"accept_ra", "0"}, {"autoconf", "0"}, {"disable_ipv6", "1"},
}

// MirrorUp implements hal.Links.
func (l *Links) MirrorUp(name string, opts hal.MirrorOptions) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := l.link(name)
	if err != nil {
		return fmt.Errorf("mirror port: %w", err)
	}
	if !opts.Force {
		if err := l.free(link, opts); err != nil {
			return fmt.Errorf("mirror port %s: %w", name, err)
		}
	}
	err = l.silence(link)
	if err == nil && opts.HardwareTime {
		l.stampAll(name)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("mirror port %s: %w: needs CAP_NET_ADMIN and a writable /proc/sys", name, err)
	case err != nil:
		return fmt.Errorf("mirror port %s: %w", name, err)
	}
	return nil
}

// free says whether the box can do without the interface.
func (l *Links) free(link netlink.Link, opts hal.MirrorOptions) error {
	index := link.Attrs().Index
	if link.Attrs().RawFlags&unix.IFF_LOOPBACK != 0 {
		return fmt.Errorf("%w: it is the loopback", hal.ErrInUse)
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := retry(func() ([]netlink.Route, error) { return l.nl.RouteList(nil, family) })
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			if isDefault(r) && leadsOver(r, index) {
				return fmt.Errorf("%w: it has the default route", hal.ErrInUse)
			}
		}
	}
	for _, c := range opts.Collectors {
		routes, err := l.nl.RouteGet(c.Unmap().AsSlice())
		if err != nil {
			continue // no way there at all, so not over this interface
		}
		if slices.ContainsFunc(routes, func(r netlink.Route) bool { return leadsOver(r, index) }) {
			return fmt.Errorf("%w: collector %s is reached over it", hal.ErrInUse, c)
		}
	}
	return nil
}

func isDefault(r netlink.Route) bool {
	if r.Dst == nil {
		return true
	}
	ones, _ := r.Dst.Mask.Size()
	return ones == 0 && r.Dst.IP.IsUnspecified()
}

func leadsOver(r netlink.Route, index int) bool {
	return r.LinkIndex == index ||
		slices.ContainsFunc(r.MultiPath, func(n *netlink.NexthopInfo) bool { return n.LinkIndex == index })
}

// silence does what the package comment lists. The state before is kept from
// the first time, also when something fails half-way.
func (l *Links) silence(link netlink.Link) error {
	a := link.Attrs()
	b := l.saved[a.Name]
	if b == nil || b.index != a.Index {
		b = &before{index: a.Index, ipv6: map[string][]byte{},
			up: a.RawFlags&unix.IFF_UP != 0, noARP: a.RawFlags&unix.IFF_NOARP != 0}
		l.saved[a.Name] = b
	}
	features, err := mergingOn(l.ioctl, a.Name)
	if err != nil {
		return err
	}
	b.features = append(b.features, features...)
	if err := setFeatures(l.ioctl, a.Name, features, false); err != nil {
		return err
	}
	addrs, err := retry(func() ([]netlink.Addr, error) { return l.nl.AddrList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	b.addrs = append(b.addrs, slices.DeleteFunc(slices.Clone(addrs), ownByKernel)...)
	if err := l.quiet(a.Name, b); err != nil {
		return err
	}
	for i := range addrs {
		// disable_ipv6 has removed those of IPv6 already.
		if err := l.nl.AddrDel(link, &addrs[i]); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove address %s: %w", addrs[i].IPNet, err)
		}
	}
	if err := l.nl.LinkSetARPOff(link); err != nil {
		return fmt.Errorf("ARP off: %w", err)
	}
	if err := l.nl.LinkSetUp(link); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return nil
}

// stampAll has the card stamp all frames, where it can: not every driver does, and one that
// stamps PTP only is left as it was.
func (l *Links) stampAll(name string) {
	was, err := unix.IoctlGetHwTstamp(l.ioctl, name)
	if err != nil || was.Rx_filter == unix.HWTSTAMP_FILTER_ALL {
		return
	}
	want := &unix.HwTstampConfig{Tx_type: was.Tx_type, Rx_filter: unix.HWTSTAMP_FILTER_ALL}
	if unix.IoctlSetHwTstamp(l.ioctl, name, want) != nil {
		return
	}
	if want.Rx_filter != unix.HWTSTAMP_FILTER_ALL { // what the driver made of it
		_ = unix.IoctlSetHwTstamp(l.ioctl, name, was)
		return
	}
	if b := l.saved[name]; b.stamps == nil {
		b.stamps = was
	}
}

// ownByKernel says whether the kernel makes the address itself, when IPv6 is
// on and a router advertises.
func ownByKernel(a netlink.Addr) bool {
	return a.IP.To4() == nil && (a.IP.IsLinkLocalUnicast() || a.Flags&unix.IFA_F_PERMANENT == 0)
}

// quiet writes the sysctls and keeps what was there.
func (l *Links) quiet(name string, b *before) error {
	for _, s := range quietIPv6 {
		old, err := l.sysctl(name, s.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // no IPv6, or a kernel without that one
		}
		if err != nil {
			return fmt.Errorf("IPv6 off: %w", err)
		}
		if _, ok := b.ipv6[s.name]; !ok {
			b.ipv6[s.name] = old
		}
		if string(bytes.TrimSpace(old)) == s.value {
			continue
		}
		if err := l.setSysctl(name, s.name, []byte(s.value)); err != nil {
			return fmt.Errorf("IPv6 off: %w", err)
		}
	}
	return nil
}

func (l *Links) sysctl(link, name string) ([]byte, error) {
	if l.conf == nil {
		return nil, fs.ErrNotExist
	}
	return l.conf.ReadFile(path.Join(link, name))
}

func (l *Links) setSysctl(link, name string, value []byte) error {
	f, err := l.conf.OpenFile(path.Join(link, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(value)
	return errors.Join(err, f.Close())
}

// RestoreMirror implements hal.Links.
func (l *Links) RestoreMirror(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.saved[name]
	if b == nil {
		return l.open()
	}
	link, err := l.link(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && link.Attrs().Index != b.index {
		delete(l.saved, name) // the one we changed is gone, and what we did with it
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore mirror port: %w", err)
	}
	if err := l.restore(link, b); err != nil {
		return fmt.Errorf("restore mirror port %s: %w", name, err)
	}
	delete(l.saved, name)
	return nil
}

// restore gives back all it can, and tells what it could not.
func (l *Links) restore(link netlink.Link, b *before) error {
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	if b.stamps != nil {
		note("hardware timestamps", unix.IoctlSetHwTstamp(l.ioctl, link.Attrs().Name, b.stamps))
	}
	if !b.up {
		note("set down", l.nl.LinkSetDown(link))
	}
	if !b.noARP {
		note("ARP on", l.nl.LinkSetARPOn(link))
	}
	for _, s := range slices.Backward(quietIPv6) {
		if old, ok := b.ipv6[s.name]; ok {
			note(s.name, l.setSysctl(link.Attrs().Name, s.name, old))
		}
	}
	for _, a := range b.addrs {
		a.ValidLft, a.PreferedLft = max(a.ValidLft, 0), max(a.PreferedLft, 0)
		if err := l.nl.AddrAdd(link, &a); !errors.Is(err, unix.EEXIST) {
			note("address "+a.IPNet.String(), err)
		}
	}
	note("offloads", setFeatures(l.ioctl, link.Attrs().Name, b.features, true))
	return errors.Join(errs...)
}
