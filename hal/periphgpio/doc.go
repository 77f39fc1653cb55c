// Package periphgpio drives LEDs and buttons on GPIO lines through periph.io.
//
// LED and Button are written against conn/v3/gpio.PinOut and PinIn only, so
// any periph pin will do, gpiotest.Pin included. Open finds real pins: the
// kernel's GPIO character devices, through host/v3/gpioioctl alone. host.Init
// is not called, because it also brings the sysfs and the board drivers, which
// drive the same lines by other means.
//
// periph keeps drivers, pins and chips in process globals. This package is the
// only one that touches them, and only in Open.
//
// What the code here works around, in host v3.8.5:
//
//   - WaitForEdge(-1) returns at once and WaitForEdge(0) waits for ever, both
//     against the interface's contract. Waits here are always finite and
//     positive, at most 500 ms, and the context is looked at in between.
//   - Read on an output turns it into an input with pull-up, and so do Func and
//     String. An LED's state is kept in software; its pin is only written to.
//   - Read answers Low when it fails, which is "pressed" on an active-low line.
//     See hal.Debouncer for why a press needs an edge, and Button.Run for how a
//     dead line is noticed.
//   - After a failed Out the line believes that it is configured. LED closes
//     it after an error, so that the next Set requests it anew.
//   - Halt races with WaitForEdge on the line's file. It is never called.
//   - Finding one chip under two names, as on a Raspberry Pi, closes file
//     descriptor 0. Open puts it back.
//
// Closing a line, or the end of the process, drops it to an input or to low,
// as the kernel driver decides: an active-low LED may then light up. The first
// write after a request may show as a glitch of some microseconds.
package periphgpio
