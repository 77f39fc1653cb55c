package evdev

import (
	"encoding/binary"
	"strconv"
	"time"
)

// Types, codes and values (linux/input-event-codes.h).
const (
	evSyn      = 0
	evKey      = 1
	synReport  = 0
	synDropped = 3
	keyCodes   = 0x300 // KEY_CNT
)

// longBytes is the size of a long of the kernel's interface to this program.
const longBytes = strconv.IntSize / 8

// eventBytes is the size of struct input_event.
const eventBytes = 2*longBytes + 8

// event is one input event.
type event struct {
	at    time.Duration // of the monotonic clock
	kind  uint16
	code  uint16
	value int32
}

// decode appends to events those in b. A part of one at the end, which the
// kernel does not make, is left out.
func decode(events []event, b []byte) []event {
	for ; len(b) >= eventBytes; b = b[eventBytes:] {
		rest := b[2*longBytes:]
		events = append(events, event{
			at:    time.Duration(long(b))*time.Second + time.Duration(long(b[longBytes:]))*time.Microsecond,
			kind:  binary.NativeEndian.Uint16(rest),
			code:  binary.NativeEndian.Uint16(rest[2:]),
			value: int32(binary.NativeEndian.Uint32(rest[4:])),
		})
	}
	return events
}

func long(b []byte) uint64 {
	if longBytes == 8 {
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}
