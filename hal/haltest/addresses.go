package haltest

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"heptap/hal"
)

// Addresses is a hal.Addresses that keeps what it is told.
type Addresses struct {
	mu    sync.Mutex
	links map[string]*Interface
}

var _ hal.Addresses = (*Addresses)(nil)

// Interface is one of a fake's interfaces.
type Interface struct {
	Up  bool
	IP4 hal.Assignment
	IP6 hal.Assignment

	Auto    bool   // by routers' advertisements
	Members string // of a bond, with blanks between them
	Parent  string // of a VLAN
	VLAN    int    // its id
}

// NewAddresses returns interfaces that are down and have no address.
func NewAddresses(names ...string) *Addresses {
	a := &Addresses{links: map[string]*Interface{}}
	for _, n := range names {
		a.links[n] = &Interface{}
	}
	return a
}

// Interface returns what an interface is like; ok is false if there is none.
func (a *Addresses) Interface(name string) (i Interface, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.links[name]; l != nil {
		return *l, true
	}
	return i, false
}

func (a *Addresses) link(name string) (*Interface, error) {
	if l := a.links[name]; l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("link %q: %w", name, fs.ErrNotExist)
}

// Rename implements hal.Addresses.
func (a *Addresses) Rename(name, to string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.link(name)
	if err != nil {
		return err
	}
	switch other := a.links[to]; {
	case other == l:
		return nil
	case other != nil:
		return fmt.Errorf("rename %q to %q: %w", name, to, fs.ErrExist)
	case l.Up:
		return fmt.Errorf("rename %q: it is up", name)
	}
	delete(a.links, name)
	a.links[to] = l
	return nil
}

// Up implements hal.Addresses.
func (a *Addresses) Up(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.link(name)
	if err == nil {
		l.Up = true
	}
	return err
}

// Assign implements hal.Addresses.
func (a *Addresses) Assign(name string, to hal.Assignment) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.link(name)
	switch {
	case err != nil:
		return err
	case !to.Address.IsValid():
		l.IP4, l.IP6 = hal.Assignment{}, hal.Assignment{}
	case to.Address.Addr().Unmap().Is4():
		l.IP4 = to
	default:
		l.IP6 = to
	}
	return nil
}

// Release implements hal.Addresses.
func (a *Addresses) Release(name string, v6 bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.link(name)
	switch {
	case err != nil:
		return err
	case v6:
		l.IP6 = hal.Assignment{}
	default:
		l.IP4 = hal.Assignment{}
	}
	return nil
}

// Autoconf implements hal.Addresses.
func (a *Addresses) Autoconf(name string, on bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.link(name)
	if err == nil {
		l.Auto = on
	}
	return err
}

// Bond implements hal.Addresses.
func (a *Addresses) Bond(name string, members ...string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var there []string
	for _, m := range members {
		if l := a.links[m]; l != nil {
			*l = Interface{Up: true}
			there = append(there, m)
		}
	}
	if len(there) == 0 {
		return fmt.Errorf("bond of %q: %w", members, fs.ErrNotExist)
	}
	if a.links[name] == nil {
		a.links[name] = &Interface{}
	}
	a.links[name].Members = strings.Join(there, " ")
	return nil
}

// VLAN implements hal.Addresses.
func (a *Addresses) VLAN(name, parent string, id int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.link(parent); err != nil {
		return err
	}
	if l := a.links[name]; l == nil || l.Parent != parent || l.VLAN != id {
		a.links[name] = &Interface{Parent: parent, VLAN: id}
	}
	return nil
}

// Remove implements hal.Addresses.
func (a *Addresses) Remove(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.links[name]; l != nil && l.Members == "" && l.Parent == "" {
		return fmt.Errorf("remove %q: neither a bond nor a VLAN", name)
	}
	delete(a.links, name)
	return nil
}
