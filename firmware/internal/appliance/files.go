package appliance

import "golang.org/x/sys/unix"

const (
	mountQuiet    = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME
	mountReadOnly = unix.MS_RDONLY
)

// fileSystem is one of the kernel's.
type fileSystem struct {
	kind, at, options string
	flags             uintptr
	optional          bool // not every kernel, or board, has it
}

// fileSystems are mounted in this order.
func fileSystems() []fileSystem {
	return []fileSystem{
		{kind: "devtmpfs", at: "/dev", options: "mode=755", flags: unix.MS_NOSUID | unix.MS_NOEXEC},
		{kind: "proc", at: "/proc", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{kind: "sysfs", at: "/sys", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{kind: "tmpfs", at: "/run", options: "size=16m,mode=755", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{kind: "tmpfs", at: "/tmp", options: "size=16m,mode=1777", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{kind: "pstore", at: "/sys/fs/pstore", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, optional: true},
	}
}
