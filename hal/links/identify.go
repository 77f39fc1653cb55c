package links

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
)

var _ hal.Identifier = (*Links)(nil)

// blinkMost is the most seconds that one Blink lasts: the call cannot be ended early.
const blinkMost = 10

// Hardware implements hal.Identifier.
func (l *Links) Hardware(name string) (hal.Hardware, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := l.link(name)
	if err != nil {
		return hal.Hardware{}, err
	}
	h := hal.Hardware{MAC: link.Attrs().HardwareAddr.String()}
	if info, err := unix.IoctlGetEthtoolDrvinfo(l.ioctl, name); err == nil {
		h.Driver = unix.ByteSliceToString(info.Driver[:])
	}
	return h, nil
}

// Blink implements hal.Identifier.
func (l *Links) Blink(name string, d time.Duration) error {
	fd, err := l.another()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	cmd := command(unix.ETHTOOL_PHYS_ID, 8) // struct ethtool_value: command, seconds
	binary.NativeEndian.PutUint32(cmd[4:], uint32(min(max((d+time.Second-1)/time.Second, 1), blinkMost)))
	switch err := ethtool(fd, name, cmd); {
	case err == nil || errors.Is(err, unix.EINTR):
		return nil
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("link %q: %w", name, fs.ErrNotExist)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("blink %q: another port blinks: %w", name, err)
	default:
		return fmt.Errorf("blink %q: %w", name, err)
	}
}

// another returns a descriptor of the ioctl socket that stays good while l is closed,
// for a call that must not hold up others.
func (l *Links) another() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		return -1, err
	}
	fd, err := unix.FcntlInt(uintptr(l.ioctl), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("dup", err)
	}
	return fd, nil
}
