// Package devices tests the packages of hal against the kernel's devices in
// QEMU: GPIO lines, the watchdog and its reset, LEDs, input events, serial
// ports and sensors. The tests themselves are in onboard, and run in the guest;
// what is here boots it, and plays the finger on the button and the eye on the
// light.
package devices
