// Package heptest has a collector for tests, on real sockets of the loopback
// interface, that does what collectors do to a probe: it stalls, resets, dies
// with octets unread, closes on a record it cannot digest, comes back on the
// same port, and never answers a half-close.
//
// It keeps what it read: every record is one its process had, so what a probe
// counts as confirmed must be among Records. Octets its kernel had and its
// process had not read are lost with a Kill, as they are in life.
//
//	c := heptest.New(t, heptest.Options{})
//	... send to c.Addr() ...
//	records := c.WaitFrames(100)
//
// A Collector ends with its test, goroutines and all.
package heptest
