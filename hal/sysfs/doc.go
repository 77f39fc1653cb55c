// Package sysfs reaches hardware through files of the kernel's /sys: LEDs of
// the LED class (Documentation/leds/leds-class.rst).
//
// An LED of the class belongs to the kernel, which may have a trigger on it: a
// disk's activity, a heartbeat. Opening one takes the trigger away, and Close
// puts it back with its settings and the brightness that there was. A process
// that is killed leaves the light as it last was.
package sysfs
