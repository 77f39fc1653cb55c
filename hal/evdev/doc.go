// Package evdev is hal.Button on the kernel's input events (the kernel's
// Documentation/input/input.rst): keys of gpio-keys, power buttons, keypads.
//
// A button is a key code of a device with a certain name: the number in
// /dev/input/eventN depends on the order of probing. The device is opened by
// Run, so that one which was unplugged is found again, under whatever number,
// by the next Run. Nothing is grabbed: others may listen too.
//
// Events carry the kernel's monotonic time, and so does what is reported: a
// press is as long as it was, however late it is read. The kernel lets go of a
// device's keys before it takes the device away: the end of a press by
// unplugging may be reported as a release, if that takes longer than a bounce.
//
//	struct input_event  seconds, microseconds (a long each), type u16, code u16, value s32
package evdev
