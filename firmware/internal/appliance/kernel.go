package appliance

import (
	"os"
	"time"
)

// Power is how the box ends.
type Power int

// The ways.
const (
	Off Power = iota
	Restart
)

// String names it.
func (p Power) String() string {
	if p == Restart {
		return "restart"
	}
	return "power off"
}

// Kernel is what PID 1 asks of the kernel and cannot ask in a test.
type Kernel interface {
	Mount(source, target, kind string, flags uintptr, options string) error
	Unmount(target string) error

	// LoadModule loads a module file. One that is loaded already is no error.
	LoadModule(path string) error

	// Own changes whose a file is and, if mode is not 0, its mode. Of a link it is
	// the link itself that changes, and never its mode.
	Own(path string, uid, gid int, mode os.FileMode) error

	SetHostname(name string) error
	SetClock(t time.Time) error

	// Random waits until the kernel's random numbers can be relied on. That somebody
	// waits makes it gather what it needs; without, it may be minutes.
	Random() error

	// Check has e2fsck look at a device, with -p (only what is safe to repair) or
	// -y (anything), and returns its exit status and what it said.
	Check(device, how string) (status int, said string, err error)

	// Blocks is the size of a disk or partition in blocks of 512 octets. It is an
	// error if the device's own blocks are larger.
	Blocks(device string) (uint64, error)

	// ResizePartition tells the kernel of a partition's new size, in such blocks.
	ResizePartition(disk string, number int, first, blocks uint64) error

	// Grow makes the mounted ext4 as large as so many blocks of 512 octets.
	Grow(mounted string, blocks uint64) error

	Sync()

	// TryBoot has a Raspberry Pi's boot loader, at the restart that follows, start the
	// partition that autoboot.txt names to be tried.
	TryBoot() error

	// End ends the box. It returns only if that cannot be done.
	End(how Power) error
}
