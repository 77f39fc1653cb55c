package hal

import (
	"strings"
	"time"
)

// WatchdogState is what a watchdog says of itself.
type WatchdogState struct {
	Device     string        // the kernel's name, "watchdog0"; another one after another boot
	Timeout    time.Duration // how long after the last Feed it resets the box
	Pretimeout time.Duration // how long before that it warns the kernel; 0: it does not

	// Stoppable says whether Stop can end it: some devices, and kernels built
	// so, let a watchdog run for ever once it has been opened.
	Stoppable bool

	// LastReset is why the box was reset before this boot, as far as this
	// device knows. It does not change while the watchdog is open.
	LastReset ResetCause
}

// ResetCause is a set of reasons; 0 is none that the device knows of, which
// includes that the power was off.
type ResetCause uint16

// The reasons a watchdog may report.
const (
	ResetByWatchdog ResetCause = 1 << iota // it was not fed
	ResetOverheat
	ResetFan
	ResetPowerLow  // supply voltage too low, or failed
	ResetPowerHigh // supply voltage too high
	ResetExternal  // a line from outside
	resetEnd
)

// String names the reasons, "watchdog, overheat", or says "not reported".
func (c ResetCause) String() string {
	names := [...]string{"watchdog", "overheat", "fan failed", "power low", "power high", "external"}
	var parts []string
	for i, name := range names {
		if c&(1<<i) != 0 {
			parts = append(parts, name)
		}
	}
	if c >= resetEnd {
		parts = append(parts, "unknown")
	}
	if parts == nil {
		return "not reported"
	}
	return strings.Join(parts, ", ")
}

// Watchdog is a timer in hardware that resets the box unless it is fed. It
// runs from the moment it is opened.
//
// Methods may be called from any goroutine. After Stop and Close they return an
// error that wraps os.ErrClosed, apart from these two themselves and Name.
type Watchdog interface {
	// Name returns what the device calls itself, "i6300ESB timer". It does not
	// depend on what else is loaded, and never changes.
	Name() string

	// State returns what the device says now.
	State() (WatchdogState, error)

	// SetTimeout asks for a timeout and returns the one that the device then
	// has: whole seconds, at least those asked for unless it cannot wait that
	// long. The time counts anew. A timeout of 0 or less is an error.
	SetTimeout(d time.Duration) (time.Duration, error)

	// SetPretimeout asks for a warning that long before the reset, 0 for none,
	// and returns the one that the device then has. The error wraps
	// errors.ErrUnsupported if it cannot warn. SetTimeout to the same or less
	// takes the warning away.
	SetPretimeout(d time.Duration) (time.Duration, error)

	// Feed starts the time anew.
	Feed() error

	// Stop stops the watchdog and closes it, for a stop in good order. The
	// error wraps ErrStillRunning if it does not let itself be stopped; it is
	// closed then all the same.
	Stop() error

	// Close gives the device back and leaves it running: the box is reset,
	// unless somebody opens the watchdog again in time. Closing twice does
	// nothing, and neither does closing after Stop.
	Close() error
}

// ErrStillRunning says that a watchdog did not stop: the box will be reset.
const ErrStillRunning = watchdogError("the watchdog cannot be stopped")

type watchdogError string

// Error implements error.
func (e watchdogError) Error() string { return string(e) }
