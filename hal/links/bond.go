package links

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// bondLook is how often a bond looks for its members' carrier, in milliseconds.
const bondLook = 100

// Bond implements hal.Addresses: mode active-backup, in which the switches need
// not know of it (Documentation/networking/bonding.rst).
func (l *Links) Bond(name string, members ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.bond(name, members); err != nil {
		return fmt.Errorf("bond %q: %w", name, err)
	}
	return nil
}

func (l *Links) bond(name string, members []string) error {
	var there []netlink.Link
	for _, m := range members {
		link, err := l.link(m)
		switch {
		case err == nil:
			there = append(there, link)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	if len(there) == 0 {
		return fmt.Errorf("of %q: %w", members, fs.ErrNotExist)
	}
	bond, err := l.findBond(name)
	if err != nil {
		return err
	}
	if err := l.freeOthers(bond, there); err != nil {
		return err
	}
	for _, m := range there {
		if err := l.enslave(bond, m); err != nil {
			return fmt.Errorf("member %q: %w", m.Attrs().Name, err)
		}
	}
	if b, ok := bond.(*netlink.Bond); ok && b.Primary == there[0].Attrs().Index {
		return nil
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name // and no index: with both, the kernel takes it for another name, which one that is up is not given
	first := netlink.NewLinkBond(attrs)
	first.Primary = there[0].Attrs().Index
	if err := l.nl.LinkModify(first); err != nil {
		return fmt.Errorf("%q first: %w", there[0].Attrs().Name, err)
	}
	return nil
}

// findBond returns the bond of that name; if there is none it makes it.
func (l *Links) findBond(name string) (netlink.Link, error) {
	link, err := l.link(name)
	if err == nil && link.Type() != "bond" {
		return nil, fmt.Errorf("%w, and is no bond", fs.ErrExist)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return link, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	b := netlink.NewLinkBond(attrs)
	b.Mode, b.Miimon = netlink.BOND_MODE_ACTIVE_BACKUP, bondLook
	if err := l.nl.LinkAdd(b); err != nil {
		return nil, err
	}
	return l.link(name)
}

// freeOthers takes those out of a bond that do not belong there.
func (l *Links) freeOthers(bond netlink.Link, members []netlink.Link) error {
	all, err := retry(l.nl.LinkList)
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	keep := map[int]bool{}
	for _, m := range members {
		keep[m.Attrs().Index] = true
	}
	for _, link := range all {
		if a := link.Attrs(); a.MasterIndex == bond.Attrs().Index && !keep[a.Index] {
			if err := l.nl.LinkSetNoMaster(link); err != nil {
				return fmt.Errorf("free %q: %w", a.Name, err)
			}
		}
	}
	return nil
}

// enslave makes a link a member. It has to be down for that, and is up then.
func (l *Links) enslave(bond, member netlink.Link) error {
	if member.Attrs().MasterIndex == bond.Attrs().Index {
		return nil
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		if err := l.release(member, family); err != nil {
			return err
		}
	}
	if err := l.nl.LinkSetDown(member); err != nil {
		return err
	}
	return l.nl.LinkSetMasterByIndex(member, bond.Attrs().Index)
}

// VLAN implements hal.Addresses.
func (l *Links) VLAN(name, parent string, id int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.vlan(name, parent, id); err != nil {
		return fmt.Errorf("VLAN %d on %q: %w", id, parent, err)
	}
	return nil
}

func (l *Links) vlan(name, parent string, id int) error {
	below, err := l.link(parent)
	if err != nil {
		return err
	}
	link, err := l.link(name)
	if err == nil {
		v, ok := link.(*netlink.Vlan)
		if !ok {
			return fmt.Errorf("%q: %w, and is no VLAN", name, fs.ErrExist)
		}
		if v.VlanId == id && v.Attrs().ParentIndex == below.Attrs().Index {
			return nil
		}
		err = l.nl.LinkDel(v)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = name, below.Attrs().Index
	return l.nl.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: id, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q})
}

// Remove implements hal.Addresses.
func (l *Links) Remove(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := l.link(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if kind := link.Type(); kind != "bond" && kind != "vlan" {
		return fmt.Errorf("remove %q: neither a bond nor a VLAN", name)
	}
	if err := l.nl.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove %q: %w", name, err)
	}
	return nil
}
