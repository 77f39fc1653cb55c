// Package watchdog is hal.Watchdog on Linux: the devices /dev/watchdogN with
// the ioctls of Documentation/watchdog/watchdog-api.rst, and what the kernel
// says of them in /sys/class/watchdog.
//
// A device is chosen by its identity, because its number depends on which
// module was loaded first: the kernel's timer in software (softdog), which a
// wedged kernel takes with it, may well be watchdog0. It is only ever chosen by
// name.
//
// Opening a device starts it, so List does not; a device opened by mistake is
// stopped again. Closing the file stops it only after a "V" has been written
// (magic close), and only Stop writes one: a process that dies leaves the
// watchdog running, and so does Close. (The few devices that know no magic close
// are stopped by any close.)
//
// The cause of the last reset is the device's own boot status. Devices that
// keep none, and boxes whose firmware clears it, report none: a cause is
// believed, its absence says nothing.
package watchdog
