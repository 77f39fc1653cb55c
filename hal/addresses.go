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
	// takes all of both families away. What is right already stays
	// untouched, so that connections outlive a lease that is renewed.
	Assign(name string, a Assignment) error
}
