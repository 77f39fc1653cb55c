package watchdog

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
)

// device is what the kernel offers on an open /dev/watchdogN. Times are whole
// seconds.
type device interface {
	Info() (*unix.WatchdogInfo, error)
	Get(request uint) (uint32, error)
	Set(request uint, value uint32) error
	KeepAlive() error
	Write(b []byte) (int, error)
	Close() error
}

// Watchdog implements hal.Watchdog.
type Watchdog struct {
	class   string // /sys/class/watchdog
	found   Found
	options uint32 // WDIOF_*
	cause   hal.ResetCause

	mu  sync.Mutex // held throughout each method
	dev device     // nil once closed
}

var _ hal.Watchdog = (*Watchdog)(nil)

// Open opens a watchdog, which starts it with the timeout that it has. The
// error wraps fs.ErrNotExist if there is none like that, and unix.EBUSY if
// somebody has it open.
func Open(w Wanted) (*Watchdog, error) {
	return open("/sys/class/watchdog", w, func(name string) (device, error) {
		f, err := os.OpenFile(filepath.Join("/dev", name), os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		return file{f}, nil
	})
}

func open(class string, w Wanted, openDevice func(name string) (device, error)) (*Watchdog, error) {
	found, err := find(class, w)
	if err != nil {
		return nil, err
	}
	dev, err := openDevice(found.Device)
	if err != nil {
		return nil, fmt.Errorf("watchdog %s: %w", found.Identity, err)
	}
	d := &Watchdog{class: class, found: found, dev: dev}
	if err := d.learn(); err != nil {
		_, stop := dev.Write([]byte("V")) // as if it had never been opened
		return nil, errors.Join(fmt.Errorf("watchdog %s: %w", found.Identity, err), stop, dev.Close())
	}
	return d, nil
}

// learn asks the device what does not change.
func (d *Watchdog) learn() error {
	info, err := d.dev.Info()
	if err != nil {
		return fmt.Errorf("what it can do: %w", err)
	}
	if identity := unix.ByteSliceToString(info.Identity[:]); identity != d.found.Identity {
		return fmt.Errorf("%s is now %q", d.found.Device, identity)
	}
	d.options = info.Options
	status, err := d.dev.Get(unix.WDIOC_GETBOOTSTATUS)
	if err != nil && !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("cause of the last reset: %w", err)
	}
	d.cause = resetCause(status)
	return nil
}

// resetCause translates WDIOF_* flags of a boot status.
func resetCause(status uint32) (c hal.ResetCause) {
	for _, m := range []struct {
		flag  uint32
		cause hal.ResetCause
	}{
		{unix.WDIOF_CARDRESET, hal.ResetByWatchdog},
		{unix.WDIOF_OVERHEAT, hal.ResetOverheat},
		{unix.WDIOF_FANFAULT, hal.ResetFan},
		{unix.WDIOF_POWERUNDER, hal.ResetPowerLow},
		{unix.WDIOF_POWEROVER, hal.ResetPowerHigh},
		{unix.WDIOF_EXTERN1 | unix.WDIOF_EXTERN2, hal.ResetExternal},
	} {
		if status&m.flag != 0 {
			c |= m.cause
		}
	}
	return c
}

// Name implements hal.Watchdog.
func (d *Watchdog) Name() string { return d.found.Identity }

// use calls f with the device, and says in its error which one that is.
func (d *Watchdog) use(what string, f func(device) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := os.ErrClosed
	if d.dev != nil {
		err = f(d.dev)
	}
	if err != nil {
		return fmt.Errorf("watchdog %s: %s: %w", d.found.Identity, what, err)
	}
	return nil
}

// State implements hal.Watchdog.
func (d *Watchdog) State() (hal.WatchdogState, error) {
	s := hal.WatchdogState{
		Device:    d.found.Device,
		Stoppable: !d.found.unstoppable,
		LastReset: d.cause,
	}
	err := d.use("state", func(dev device) (err error) {
		if s.Timeout, err = get(dev, unix.WDIOC_GETTIMEOUT); err != nil || d.options&unix.WDIOF_PRETIMEOUT == 0 {
			return err
		}
		s.Pretimeout, err = get(dev, unix.WDIOC_GETPRETIMEOUT)
		return err
	})
	if err != nil {
		return hal.WatchdogState{}, err
	}
	return s, nil
}

func get(dev device, request uint) (time.Duration, error) {
	n, err := dev.Get(request)
	return time.Duration(n) * time.Second, err
}

// SetTimeout implements hal.Watchdog.
func (d *Watchdog) SetTimeout(timeout time.Duration) (has time.Duration, err error) {
	if timeout <= 0 {
		return 0, fmt.Errorf("watchdog %s: timeout %v: must be longer than 0", d.found.Identity, timeout)
	}
	timeout = max(timeout, d.found.shortest)
	if d.found.longest > 0 {
		timeout = min(timeout, d.found.longest)
	}
	err = d.use("set timeout", func(dev device) error {
		if d.options&unix.WDIOF_SETTIMEOUT != 0 {
			if err := dev.Set(unix.WDIOC_SETTIMEOUT, wholeSeconds(timeout)); err != nil {
				return err
			}
		}
		if has, err = get(dev, unix.WDIOC_GETTIMEOUT); err != nil {
			return err
		}
		return dev.KeepAlive()
	})
	if err != nil {
		return 0, err
	}
	return has, nil
}

// SetPretimeout implements hal.Watchdog.
func (d *Watchdog) SetPretimeout(before time.Duration) (has time.Duration, err error) {
	err = d.use("set pretimeout", func(dev device) error {
		if before < 0 {
			return fmt.Errorf("%v: must not be less than 0", before)
		}
		if d.options&unix.WDIOF_PRETIMEOUT == 0 {
			return errors.ErrUnsupported
		}
		if err := dev.Set(unix.WDIOC_SETPRETIMEOUT, wholeSeconds(before)); err != nil {
			return err
		}
		has, err = get(dev, unix.WDIOC_GETPRETIMEOUT)
		return err
	})
	if err != nil {
		return 0, err
	}
	return has, nil
}

// wholeSeconds rounds up; the kernel takes an int.
func wholeSeconds(d time.Duration) uint32 {
	n := d / time.Second
	if d%time.Second != 0 {
		n++
	}
	return uint32(min(n, math.MaxInt32))
}

// Feed implements hal.Watchdog.
func (d *Watchdog) Feed() error { return d.use("feed", device.KeepAlive) }

// Stop implements hal.Watchdog.
func (d *Watchdog) Stop() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dev == nil {
		return nil
	}
	_, err := d.dev.Write([]byte("V"))
	err = errors.Join(err, d.dev.Close())
	d.dev = nil
	if err == nil && attribute(filepath.Join(d.class, d.found.Device), "state") == "active" {
		err = hal.ErrStillRunning
	}
	if err != nil {
		return fmt.Errorf("watchdog %s: stop: %w", d.found.Identity, err)
	}
	return nil
}

// Close implements hal.Watchdog.
func (d *Watchdog) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dev == nil {
		return nil
	}
	err := d.dev.Close()
	d.dev = nil
	if err != nil {
		return fmt.Errorf("watchdog %s: close: %w", d.found.Identity, err)
	}
	return nil
}

// file is an open /dev/watchdogN.
type file struct{ *os.File }

func (f file) Info() (*unix.WatchdogInfo, error) { return unix.IoctlGetWatchdogInfo(int(f.Fd())) }

func (f file) Get(request uint) (uint32, error) { return unix.IoctlGetUint32(int(f.Fd()), request) }

func (f file) Set(request uint, value uint32) error {
	return unix.IoctlSetPointerInt(int(f.Fd()), request, int(value))
}

func (f file) KeepAlive() error { return unix.IoctlWatchdogKeepalive(int(f.Fd())) }
