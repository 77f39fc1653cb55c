package appliance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"heptap/firmware/internal/durable"
)

// Verbs by which a probe has the box end.
const (
	VerbRestart      = "restart"
	VerbPowerOff     = "power-off"
	VerbFactoryReset = "factory-reset"
)

// resetFile on the data partition says that it is to be made anew at the next
// start: while it is mounted it cannot be. A power cut before that happens later is no
// way out of it, and one while it is made anew leaves a partition that is destroyed,
// which is made anew, too.
const resetFile = "factory-reset"

// factoryReset has everything that the box has kept be lost, and restarts it. What a
// technician has put onto the system partition holds again then.
func (b *Box) factoryReset() error {
	b.log.Warn("FACTORY RESET: configuration, history and records are erased at the restart")
	if err := durable.Write(b.path(filepath.Join(dataDir, resetFile)), nil, 0o600); err != nil {
		return err
	}
	b.ask(Restart)
	return nil
}

// renew makes the mounted data partition anew if that was asked for.
func (s *store) renew(p place) error {
	mark := filepath.Join(s.at, resetFile)
	if _, err := os.Lstat(mark); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s.log.Warn("FACTORY RESET: the data partition is made anew", "device", p.device)
	if err := s.kernel.Unmount(s.at); err != nil {
		return err
	}
	if err := s.format(p); err != nil {
		return err
	}
	return s.checkAndMount(p, "-p")
}
