package periphgpio

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// keepStdin runs f and makes sure that file descriptor 0 is afterwards what it
// was before: GPIOChip.Close in host v3.8.5 sets its descriptor to 0 and then
// closes it, and the driver's Init calls that for a chip with two names.
func keepStdin(f func() error) error {
	var before unix.Stat_t
	if unix.Fstat(0, &before) != nil {
		return f() // closed already: nothing to keep
	}
	saved, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return fmt.Errorf("keep stdin: %w", err)
	}
	defer unix.Close(saved)
	err = f()
	var after unix.Stat_t
	if unix.Fstat(0, &after) == nil && after.Dev == before.Dev && after.Ino == before.Ino {
		return err
	}
	if dup := unix.Dup3(saved, 0, 0); dup != nil {
		err = errors.Join(err, fmt.Errorf("restore stdin: %w", dup))
	}
	return err
}
