// Package inside is the other end of package guest: the tests of a package as
// the only program of a machine.
//
// A test binary whose TestMain calls Main is /init in the guest. As process 1
// it mounts what a program expects, starts itself once for each line of
// /phases, a pattern as -test.run takes it, and switches the machine off. A
// phase that follows a reset by the watchdog is the last one, whatever ran
// before it: the machine starts from the beginning, but its watchdog remembers.
//
// Anywhere else such a binary runs nothing.
package inside
