// Package board describes the boxes heptap runs on: what their ports, LEDs and
// buttons are reached by. A description is data; nothing here opens anything,
// and no code anywhere asks which board it is on.
//
// A description is a text file of "key value" lines. Lines may be indented, are
// at most 1024 octets long, and those that begin with # are comments. A key
// appears once, but for port, led and console. Unknown keys and options are
// errors, and every error names its line. Options are key=value words, or
// single words, in any order; values hold no spaces.
//
//	name NAME             required; letters, digits and -
//	title TEXT            required; for people
//	arch ARCH             required; a GOARCH, or any
//	boot-tested yes|no    required; whether an image for it has been seen to boot
//	boot uefi|tryboot     the boot loader that starts the image's systems: systemd-boot, or
//	                      a Raspberry Pi's; without it there is no image
//	panel gpio|term|none  required; what the LEDs and the button are
//	note TEXT             what somebody setting it up must know
//	port ROLE MATCH...    ROLE is mirror or uplink. MATCH: name=eth1 (may hold *),
//	                      driver=r8152, path=PATTERN (of the device in sysfs), mac=
//	led ROLE OPTION...    ROLE is status, capture, uplink or spool. OPTION: line=NAME,
//	                      chip=CHIP, number=N, active-low, colour=COLOUR, or instead of
//	                      a GPIO line class=NAME, of /sys/class/leds
//	button OPTION...      line=NAME, chip=CHIP, number=N, active-low, pull=up|down|none, or
//	                      instead of a GPIO line input=PATTERN key=CODE: a key of the
//	                      input device whose name is like that (? stands for a space)
//	console PATH [baud=N] serial console; several may be given
//	watchdog device PATH  or
//	watchdog identity TEXT  as /sys/class/watchdog/*/identity has it, which unlike a
//	                      number does not depend on what else is loaded
//	storage PATH          absolute; directory of the configuration and the spool
//	memory SIZE           how much the probe may use, as in 256MiB; without it the
//	                      probe works it out from what the box has
//
// A GPIO line is given by its name, or by chip and number; the chip by its
// label, which is stable, or its device name. Without any port lines the
// configuration says which interfaces are which.
package board
