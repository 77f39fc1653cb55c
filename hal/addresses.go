package hal

import "net/netip"

// Assignment is what an interface has of IPv4 or IPv6 when the box talks over it.
type Assignment struct {
	Address netip.Prefix // the box's address and its network; invalid for none
	Gateway netip.Addr   // the default route; invalid for none
}

// Addresses set up the interfaces that the box itself talks over. A mirror
// port is not among them: see Links.
//
// Methods may be called from any goroutine. One that names an interface which
// does not exist returns an error that wraps fs.ErrNotExist.
type Addresses interface {
	// Rename gives an interface another name. It must not be set up. The error
	// wraps fs.ErrExist if another one has that name.
	Rename(name, to string) error

	// Up sets an interface up.
	Up(name string) error

	// Assign makes the interface's addresses of a's family, and the default
	// route of that family over it, those of a, and no others; an invalid a.Address
	// takes all of both families away. Addresses and routes that the kernel has from
	// a router's advertisement are left alone. What is right already stays
	// untouched, so that connections outlive a lease that is renewed.
	Assign(name string, a Assignment) error

	// Release takes the addresses and the default route of one family away, as
	// Assign does of both.
	Release(name string, v6 bool) error

	// Autoconf has the kernel take addresses and a default route from routers that
	// advertise them (RFC 4862), or take none and forget those it has. IPv6 is on as long
	// as that is so, or there is an address of it.
	Autoconf(name string, on bool) error

	// Bond makes an interface of that name, or makes the one there is, the bond of
	// members, of which one at a time is used: the first that has a carrier,
	// where the order is that of members. Members that do not exist are left out; if
	// none exists, the error wraps fs.ErrNotExist. They lose their addresses and are
	// set up. The error wraps errors.ErrUnsupported if the kernel has no bonds.
	Bond(name string, members ...string) error

	// VLAN makes an interface of that name, or makes the one there is, the VLAN of
	// that id, 1 to 4094, on parent (IEEE 802.1Q). The error wraps
	// errors.ErrUnsupported if the kernel has none.
	VLAN(name, parent string, id int) error

	// Remove removes an interface that Bond or VLAN has made. If there is no such
	// interface it does nothing.
	Remove(name string) error
}
