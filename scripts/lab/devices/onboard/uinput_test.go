package onboard

import (
	"encoding/binary"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"heptap/scripts/lab/guest/inside"
)

// ioctls and codes of linux/uinput.h and linux/input-event-codes.h.
const (
	uiSetEvBit   = 0x40045564
	uiSetKeyBit  = 0x40045565
	uiSetLEDBit  = 0x40045569
	uiDevSetup   = 0x405c5503
	uiDevCreate  = 0x5501
	uiDevDestroy = 0x5502

	evKey, evLED = 0x01, 0x11
	keyWPS       = 0x211
	ledCaps      = 1
)

// keyboard is an input device that the test makes: a keyboard of one key with
// one light, and what is on the other side of both.
type keyboard struct {
	t   testing.TB
	f   *os.File
	lit bool
}

// plug makes the device appear.
func plug(t testing.TB, name string) *keyboard {
	t.Helper()
	inside.Load(t, "uinput")
	inside.Load(t, "evdev")
	f, err := os.OpenFile("/dev/uinput", os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	k := &keyboard{t: t, f: f}
	for _, c := range []struct{ request, value int }{
		{uiSetEvBit, evKey}, {uiSetKeyBit, keyWPS}, {uiSetEvBit, evLED}, {uiSetLEDBit, ledCaps},
	} {
		k.ioctl(uint(c.request), uintptr(c.value))
	}
	var setup [92]byte // struct uinput_setup: id, name, ff_effects_max
	binary.NativeEndian.PutUint16(setup[:], 3)
	copy(setup[8:87], name)
	k.ioctl(uiDevSetup, uintptr(unsafe.Pointer(&setup)))
	k.ioctl(uiDevCreate, 0)
	return k
}

func (k *keyboard) ioctl(request uint, value uintptr) {
	k.t.Helper()
	raw, err := k.f.SyscallConn()
	if err != nil {
		k.t.Fatal(err)
	}
	var errno unix.Errno
	err = raw.Control(func(fd uintptr) { _, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), value) })
	if err != nil || errno != 0 {
		k.t.Fatalf("uinput: request %#x: %v %v", request, err, errno)
	}
}

// unplug makes it disappear.
func (k *keyboard) unplug() {
	k.t.Helper()
	k.ioctl(uiDevDestroy, 0)
	if err := k.f.Close(); err != nil {
		k.t.Error(err)
	}
}

func (k *keyboard) set(down bool) {
	value := byte(0)
	if down {
		value = 1
	}
	var events [48]byte // two struct input_event: the key, and EV_SYN
	binary.NativeEndian.PutUint16(events[16:], evKey)
	binary.NativeEndian.PutUint16(events[18:], keyWPS)
	events[20] = value
	if _, err := k.f.Write(events[:]); err != nil {
		k.t.Errorf("uinput: %v", err)
	}
}

// light reads what the kernel has told the light so far.
func (k *keyboard) light() bool {
	raw, err := k.f.SyscallConn()
	if err != nil {
		k.t.Fatal(err)
	}
	var b [64 * 24]byte
	for {
		var n int
		if outer := raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), b[:]) }); outer != nil {
			k.t.Fatal(outer)
		}
		if err != nil { // EAGAIN
			return k.lit
		}
		for e := b[:n]; len(e) >= 24; e = e[24:] {
			if binary.NativeEndian.Uint16(e[16:]) == evLED && binary.NativeEndian.Uint16(e[18:]) == ledCaps {
				k.lit = e[20] != 0
			}
		}
	}
}
