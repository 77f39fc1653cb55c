package evdev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Device is an input device that the kernel has.
type Device struct {
	Path string // "/dev/input/event3"
	Name string // "gpio-keys"
}

// List returns the input devices there are, by path. It opens none.
func List() ([]Device, error) { return list("/sys/class/input") }

func list(class string) ([]Device, error) {
	dirs, err := filepath.Glob(filepath.Join(class, "event*"))
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	var devices []Device
	for _, dir := range dirs {
		name, err := os.ReadFile(filepath.Join(dir, "device", "name"))
		if err != nil {
			continue // gone meanwhile
		}
		devices = append(devices, Device{Path: "/dev/input/" + filepath.Base(dir), Name: strings.TrimSpace(string(name))})
	}
	slices.SortFunc(devices, func(a, b Device) int { return strings.Compare(a.Path, b.Path) })
	return devices, nil
}

// source is an open input device that tells of one key.
type source interface {
	Read(b []byte) (int, error)
	SetReadDeadline(t time.Time) error
	// Pressed says whether the key is down now, and forgets events that have
	// not been read.
	Pressed() (bool, error)
	Close() error
}

// openKey opens the device with a name like pattern that has the key.
func openKey(pattern string, key uint16) (source, error) {
	devices, err := List()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range devices {
		names = append(names, d.Name)
		if ok, err := path.Match(pattern, d.Name); err != nil || !ok {
			continue
		}
		f, err := openDevice(d.Path, key)
		if err == nil || !errors.Is(err, errNoKey) {
			return f, err
		}
	}
	have := "there is none"
	if names != nil {
		have = "have " + strings.Join(names, ", ")
	}
	return nil, fmt.Errorf("no input device %q with key %d, %s: %w", pattern, key, have, fs.ErrNotExist)
}

var errNoKey = errors.New("the device has no such key")

// ioctls of linux/input.h, with their sizes as this package uses them.
const (
	bitmapBytes   = keyCodes / 8
	eviocgkey     = 2<<30 | bitmapBytes<<16 | 'E'<<8 | 0x18         // EVIOCGKEY
	eviocgbitKey  = 2<<30 | bitmapBytes<<16 | 'E'<<8 | 0x20 + evKey // EVIOCGBIT(EV_KEY)
	eviocsclockid = 1<<30 | 4<<16 | 'E'<<8 | 0xa0                   // EVIOCSCLOCKID
)

type file struct {
	*os.File
	key uint16
}

func openDevice(name string, key uint16) (source, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	d := file{f, key}
	has, err := d.bit(eviocgbitKey)
	if err == nil && !has {
		err = errNoKey
	}
	if err == nil {
		err = d.control(func(fd int) error { return unix.IoctlSetPointerInt(fd, eviocsclockid, unix.CLOCK_MONOTONIC) })
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// Read implements source. It says that the deadline has passed only when
// nothing waits to be read: a process that was stopped finds both when it goes
// on, and os.File looks at the deadline first.
func (d file) Read(b []byte) (int, error) {
	n, err := d.File.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	again := d.control(func(fd int) (err error) { n, err = unix.Read(fd, b); return err })
	if errors.Is(again, unix.EAGAIN) || errors.Is(again, unix.EINTR) {
		return 0, err
	}
	return max(n, 0), again
}

// Pressed implements source.
func (d file) Pressed() (bool, error) { return d.bit(eviocgkey) }

// bit reads a bitmap of keys, and from it the one of ours.
func (d file) bit(request uint) (bool, error) {
	var bitmap [bitmapBytes]byte
	err := d.control(func(fd int) error {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&bitmap)))
		if errno != 0 {
			return errno
		}
		return nil
	})
	// The kernel's bitmaps are of longs; on the little-endian machines that we
	// are built for that is the same as of octets.
	return bitmap[d.key/8]>>(d.key%8)&1 == 1, err
}

// control does not use Fd, which would make reads block for good.
func (d file) control(f func(fd int) error) error {
	raw, err := d.SyscallConn()
	if err != nil {
		return err
	}
	if outer := raw.Control(func(fd uintptr) { err = f(int(fd)) }); outer != nil {
		return outer
	}
	return err
}
