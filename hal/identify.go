package hal

import "time"

// Hardware is what a network interface is made of.
type Hardware struct {
	MAC    string // hardware address; empty where it has none
	Driver string // the kernel's name of it; empty where it does not say
}

// Identifier tells which socket of the box a network interface is. Methods may be
// called from any goroutine. The error wraps fs.ErrNotExist if there is no such
// interface.
type Identifier interface {
	// Hardware says what the interface is made of.
	Hardware(name string) (Hardware, error)

	// Blink has the interface's own LED blink for d, in whole seconds from 1 to 10,
	// and returns afterwards. The error wraps errors.ErrUnsupported if the driver cannot,
	// and fs.ErrPermission if the program may not.
	Blink(name string, d time.Duration) error
}
