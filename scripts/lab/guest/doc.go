// Package guest runs programs on Debian's kernel in QEMU: what needs a device
// that this machine does not have, or a reset that it would not survive.
//
// The guest is a kernel and an initramfs, nothing else, or a disk with its own
// boot loader. Boot starts it; what it
// writes to its serial line is matched with Expect, and what it asks there
// ("@question") is answered, so that a test inside can have the world outside
// act: press a button, read a light, pull a plug. Everything waits for markers,
// never for a while: emulation is slow and its speed varies.
//
// QEMU always emulates (-accel tcg). The packages below inside/ are what runs
// in there.
package guest
