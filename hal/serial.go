package hal

import (
	"context"
	"io"
)

// SerialKind says what a serial port is made of.
type SerialKind string

// The kinds.
const (
	SerialUART   SerialKind = "uart"   // on the board, or of the machine we run in
	SerialUSB    SerialKind = "usb"    // a bridge or modem that is plugged into us
	SerialGadget SerialKind = "gadget" // we are plugged into something as a USB device
)

// SerialPort is one serial port as the kernel shows it. Fields that it has
// nothing to say about are empty.
type SerialPort struct {
	Path     string // "/dev/ttyUSB0"; another one may come next time
	Kind     SerialKind
	Driver   string // "ftdi_sio"
	Vendor   uint16 // of USB
	Product  uint16 // of USB
	Serial   string // serial number, of USB
	Location string // of the device below /sys/devices: the same for the same socket
}

// SerialLine is an open serial port: raw, eight bits, no parity, no echo.
// Read and Write block until they can do something. Once the context of the
// session is done they return an error that wraps os.ErrClosed. A break that
// the other end sends is read as an octet 0.
type SerialLine interface {
	io.ReadWriter

	// Port returns which port it is.
	Port() SerialPort

	// SetSpeed sets the speed in bits per second, for both directions. Where a
	// speed means nothing (gadgets, pseudo terminals) it is only remembered.
	SetSpeed(baud int) error

	// Break sends a break, of 0.25 to 0.5 s.
	Break() error
}

// Serial is a serial port that may come and go.
type Serial interface {
	// Name returns the name the port was opened under. It never changes.
	Name() string

	// Serve calls session whenever the port is there: at once, or when it is
	// plugged in, and again after it was unplugged or session has returned,
	// though not more than about once a second. There is one session at a
	// time. Its context is done when the port is gone or ctx is done; it must
	// return then.
	//
	// Serve returns nil when ctx is done. Any other return is an error that
	// waiting will not mend, such as permission denied.
	Serve(ctx context.Context, session func(ctx context.Context, line SerialLine)) error
}
