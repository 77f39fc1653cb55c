// Package tty is hal.Serial on Linux's terminals (termios(3)): UARTs, USB
// bridges and modems, and the port that a USB gadget has.
//
// A port is chosen by what it is and where it is plugged in, as /sys/class/tty
// shows it, since numbers go by the order of probing. It is looked for anew
// whenever it is opened. Whether it is still there the kernel says by a hangup;
// whether it is back is looked at once a second.
//
// A port is put into raw mode and put back into the mode that it had. Modem
// control lines are ignored (CLOCAL), so a cable with three wires will do.
package tty
