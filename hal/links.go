package hal

import (
	"context"
	"net/netip"
)

// LinkState is what a network interface is like at one moment.
type LinkState struct {
	Name      string
	Index     int // the kernel's number; a new one when the interface comes again
	Exists    bool
	Up        bool // set up by us, or somebody
	Carrier   bool // set up, and the other end is there
	MTU       int  // octets
	SpeedMbit int  // negotiated; 0 without carrier or where nobody knows
}

// LinkEvent is a change of one interface. Before.Exists is false for one that
// is new, After.Exists for one that is gone; the name is set in both.
type LinkEvent struct {
	Before, After LinkState
}

// MirrorOptions say what MirrorUp may do.
type MirrorOptions struct {
	// Collectors are addresses that must stay reachable: an interface that
	// the route to one of them leads over is not a mirror port.
	Collectors []netip.Addr

	// Force sets up even an interface that has the default route or leads to
	// a collector.
	Force bool

	// HardwareTime has the card stamp every frame it receives, where it can. That it
	// cannot is no error: who captures sees it by the frames.
	HardwareTime bool
}

// Links are the box's network interfaces.
//
// Methods may be called from any goroutine. After Close they return an error
// that wraps os.ErrClosed.
type Links interface {
	// List returns the interfaces there are, ordered by index.
	List() ([]LinkState, error)

	// State returns one interface. One that does not exist is no error: its
	// state has the name, and nothing else.
	State(name string) (LinkState, error)

	// MirrorUp makes the interface a mirror port, one that only listens: no
	// addresses, no ARP, no IPv6, nothing in the kernel that merges frames, and
	// up. Whether it is promiscuous is left to the capture. What it was like
	// before is remembered for RestoreMirror. Doing it again does no harm. The
	// error wraps fs.ErrNotExist if there is no such interface, and ErrInUse
	// if the box itself needs it.
	MirrorUp(name string, opts MirrorOptions) error

	// RestoreMirror undoes MirrorUp, as far as the interface is still the
	// same one. Without a MirrorUp before, it does nothing.
	RestoreMirror(name string) error

	// Watch calls fn for each interface there is (as new), then at each
	// change, until ctx is done; then it returns nil. fn is called from this
	// goroutine, one event at a time. Changes that follow each other quickly
	// may come as one.
	Watch(ctx context.Context, fn func(LinkEvent)) error

	// Close releases what Links holds. It restores nothing. Closing twice
	// does nothing.
	Close() error
}

// ErrInUse says that an interface is not free to be a mirror port.
const ErrInUse = linkError("the interface is in use")

type linkError string

// Error implements error.
func (e linkError) Error() string { return string(e) }
