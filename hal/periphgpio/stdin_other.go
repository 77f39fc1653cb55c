//go:build !linux

package periphgpio

// keepStdin runs f. The driver does nothing where there is no Linux.
func keepStdin(f func() error) error { return f() }
