package appliance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Linux is the Kernel of a real box.
type Linux struct{}

var _ Kernel = Linux{}

// TakeCtrlAltDel makes Ctrl-Alt-Del a SIGINT to PID 1 instead of a restart at once.
func (Linux) TakeCtrlAltDel() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) }

// Mount implements Kernel.
func (Linux) Mount(source, target, kind string, flags uintptr, options string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}

// Unmount implements Kernel.
func (Linux) Unmount(target string) error {
	if err := unix.Unmount(target, 0); err != nil {
		return fmt.Errorf("unmount %s: %w", target, err)
	}
	return nil
}

// LoadModule implements Kernel.
func (Linux) LoadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	options := ""
	if filepath.Base(path) == "bonding.ko" {
		options = "max_bonds=0" // none that nobody has asked for
	}
	if err := unix.FinitModule(int(f.Fd()), options, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("module %s: %w", strings.TrimSuffix(filepath.Base(path), ".ko"), err)
	}
	return nil
}

// Own implements Kernel.
func (Linux) Own(path string, uid, gid int, mode os.FileMode) error {
	if err := os.Lchown(path, uid, gid); err != nil {
		return err
	}
	if mode == 0 {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSymlink != 0 {
		return err
	}
	return os.Chmod(path, mode)
}

// SetHostname implements Kernel.
func (Linux) SetHostname(name string) error { return unix.Sethostname([]byte(name)) }

// SetClock implements Kernel.
func (Linux) SetClock(t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	return unix.ClockSettime(unix.CLOCK_REALTIME, &ts)
}

// Random implements Kernel.
func (Linux) Random() error {
	for {
		_, err := unix.Getrandom(make([]byte, 1), 0)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// checker is Debian's e2fsck-static.
const checker = "/sbin/e2fsck"

// Check implements Kernel.
func (Linux) Check(device, how string) (status int, said string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, "", err
	}
	defer r.Close()
	p, err := os.StartProcess(checker, []string{"e2fsck", how, device}, &os.ProcAttr{Files: []*os.File{nil, w, w}, Env: []string{}})
	w.Close()
	if err != nil {
		return 0, "", err
	}
	var b bytes.Buffer
	_, _ = b.ReadFrom(r) // whatever it said before it ended
	state, err := p.Wait()
	if err != nil {
		return 0, b.String(), err
	}
	return state.ExitCode(), b.String(), nil
}

// Blocks implements Kernel.
func (Linux) Blocks(device string) (uint64, error) {
	f, err := os.Open(device)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", device, err)
	}
	if int32(size) != blockSize {
		return 0, fmt.Errorf("%s: blocks of %d octets: %w", device, int32(size), errors.ErrUnsupported)
	}
	b, err := os.ReadFile(filepath.Join("/sys/class/block", filepath.Base(device), "size"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}

// ResizePartition implements Kernel.
func (Linux) ResizePartition(disk string, number int, first, blocks uint64) error {
	f, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer f.Close()
	p := unix.BlkpgPartition{Start: int64(first * blockSize), Length: int64(blocks * blockSize), Pno: int32(number)}
	arg := unix.BlkpgIoctlArg{Op: unix.BLKPG_RESIZE_PARTITION, Datalen: int32(unsafe.Sizeof(p)), Data: (*byte)(unsafe.Pointer(&p))}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKPG, uintptr(unsafe.Pointer(&arg))); errno != 0 {
		return fmt.Errorf("resize partition %d of %s: %w", number, disk, errno)
	}
	return nil
}

// resizeFS is EXT4_IOC_RESIZE_FS, _IOW('f', 16, __u64).
const resizeFS = 0x40086610

// ext4Block is the block size that scripts/image gives the data partition.
const ext4Block = 4096

// Grow implements Kernel.
func (Linux) Grow(mounted string, blocks uint64) error {
	d, err := os.Open(mounted)
	if err != nil {
		return err
	}
	defer d.Close()
	n := blocks / (ext4Block / blockSize)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, d.Fd(), resizeFS, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return fmt.Errorf("grow the file system on %s: %w", mounted, errno)
	}
	return nil
}

// Sync implements Kernel.
func (Linux) Sync() { unix.Sync() }

// End implements Kernel.
func (Linux) End(how Power) error {
	unix.Sync()
	if how == Restart {
		return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	}
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}
