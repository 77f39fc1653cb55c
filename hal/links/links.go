package links

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"heptap/hal"
)

// confDir holds one directory per interface with IPv6; it does not exist
// where the kernel has no IPv6.
const confDir = "/proc/sys/net/ipv6/conf"

// Links implements hal.Links.
type Links struct {
	mu     sync.Mutex // held throughout each method but Watch
	closed bool
	nl     *netlink.Handle
	ioctl  int      // socket for ethtool
	conf   *os.Root // confDir of the namespace; nil without IPv6
	saved  map[string]*before
}

var _ hal.Links = (*Links)(nil)

// Open returns the interfaces of the calling thread's network namespace. To
// change any of them, CAP_NET_ADMIN is needed and /proc/sys must be writable.
func Open() (*Links, error) {
	l := &Links{saved: map[string]*before{}}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open links: ioctl socket: %w", err)
	}
	l.ioctl = fd
	if l.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, errors.Join(fmt.Errorf("open links: netlink: %w", err), unix.Close(fd))
	}
	l.conf, err = os.OpenRoot(confDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("open links: %w", err), l.Close())
	}
	return l, nil
}

// Close implements hal.Links. A Watch goes on until its context is done.
func (l *Links) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.nl.Close()
	err := unix.Close(l.ioctl)
	if l.conf != nil {
		err = errors.Join(err, l.conf.Close())
	}
	return err
}

// open says whether l may be used. l.mu is held.
func (l *Links) open() error {
	if l.closed {
		return fmt.Errorf("links: %w", os.ErrClosed)
	}
	return nil
}

// List implements hal.Links.
func (l *Links) List() ([]hal.LinkState, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list()
}

func (l *Links) list() ([]hal.LinkState, error) {
	if err := l.open(); err != nil {
		return nil, err
	}
	found, err := retry(l.nl.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	states := make([]hal.LinkState, 0, len(found))
	for _, link := range found {
		states = append(states, l.state(link))
	}
	slices.SortFunc(states, func(a, b hal.LinkState) int { return cmp.Compare(a.Index, b.Index) })
	return states, nil
}

// State implements hal.Links.
func (l *Links) State(name string) (hal.LinkState, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := l.link(name)
	if errors.Is(err, fs.ErrNotExist) {
		return hal.LinkState{Name: name}, nil
	}
	if err != nil {
		return hal.LinkState{Name: name}, err
	}
	return l.state(link), nil
}

// link finds an interface by its name proper. The library also answers to
// alternative names, which nothing else here knows.
func (l *Links) link(name string) (netlink.Link, error) {
	if err := l.open(); err != nil {
		return nil, err
	}
	link, err := retry(func() (netlink.Link, error) { return l.nl.LinkByName(name) })
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) || errors.Is(err, unix.ENODEV) || err == nil && link.Attrs().Name != name {
		return nil, fmt.Errorf("link %q: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("link %q: %w", name, err)
	}
	return link, nil
}

func (l *Links) state(link netlink.Link) hal.LinkState {
	a := link.Attrs()
	s := hal.LinkState{
		Name: a.Name, Index: a.Index, Exists: true, MTU: a.MTU,
		Up:      a.RawFlags&unix.IFF_UP != 0,
		Carrier: a.RawFlags&unix.IFF_UP != 0 && a.RawFlags&unix.IFF_LOWER_UP != 0,
	}
	if s.Carrier {
		s.SpeedMbit = speed(l.ioctl, a.Name)
	}
	return s
}

// retry calls get again while the kernel's table changes under it.
func retry[T any](get func() (T, error)) (T, error) {
	const attempts = 10
	for range attempts - 1 {
		v, err := get()
		if !errors.Is(err, netlink.ErrDumpInterrupted) && !errors.Is(err, unix.EINTR) {
			return v, err
		}
	}
	return get()
}
