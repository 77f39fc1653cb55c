package appliance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// The probe reads what anybody on the network may have written, so it may do little:
//
//	user          probeID, and no group but its own
//	capabilities  CAP_NET_RAW to capture, CAP_SYS_TIME to keep the clock,
//	              CAP_NET_BIND_SERVICE to receive syslog where it is expected; no other can
//	              come back (bounding set, no_new_privs)
//	file tree     /, /proc and /dev read only. Of the data partition it has what it
//	              makes itself; what PID 1 writes there it can neither change nor remove
//	devices       GPIO lines, input events, LEDs and the clocks of network cards; no disk, no watchdog, no serial port
//
// Whatever else it needs it asks PID 1 for: see Parent.

// probeID is the user and the group that the probe runs as.
const probeID = 1000

// ConfinedCommand is the command by which this program becomes a confined one.
const ConfinedCommand = "confined"

func probeCapabilities() []uintptr {
	return []uintptr{unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_TIME}
}

// Confine gives up what a probe does not need, and then runs this program with
// those arguments. It returns only with an error. The calling process must be root's.
func Confine(args ...string) error {
	runtime.LockOSThread() // most of it is a thread's, and exec keeps this one
	for _, step := range []struct {
		what string
		do   func() error
	}{{"read-only file tree", readOnlyTree}, {"capabilities", boundCapabilities}, {"user", changeUser}, {"capabilities of the user", raiseCapabilities},
		{"no new privileges", func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }}} {
		if err := step.do(); err != nil {
			return fmt.Errorf("confine: %s: %w", step.what, err)
		}
	}
	return fmt.Errorf("confine: %w", unix.Exec("/proc/self/exe", append([]string{"heptap"}, args...), os.Environ()))
}

// readOnlyTree makes a mount namespace of its own.
func readOnlyTree() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, m := range []struct {
		at    string
		flags uintptr
	}{{"/dev", unix.MS_NOSUID | unix.MS_NOEXEC}, {"/proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC}, {"/", unix.MS_NOSUID}} {
		if err := unix.Mount("", m.at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|m.flags, ""); err != nil {
			return fmt.Errorf("%s: %w", m.at, err)
		}
	}
	return nil
}

// boundCapabilities leaves of the bounding set what the probe has.
func boundCapabilities() error {
	keep := map[uintptr]bool{}
	for _, c := range probeCapabilities() {
		keep[c] = true
	}
	for c := uintptr(0); ; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && c > 0 {
			return nil // there are no more
		}
		if err != nil {
			return err
		}
		if keep[c] {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return err
		}
	}
}

// changeUser keeps the capabilities: without PR_SET_KEEPCAPS they would go with root.
func changeUser() error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return err
	}
	for _, call := range [][4]uintptr{{unix.SYS_SETGROUPS}, {unix.SYS_SETRESGID, probeID, probeID, probeID}, {unix.SYS_SETRESUID, probeID, probeID, probeID}} {
		// Of this thread alone, and the others end with exec.
		if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
			return errno
		}
	}
	return nil
}

// raiseCapabilities has exec keep the capabilities for a user who is not root.
func raiseCapabilities() error {
	var set uint32 // all of them are below 32
	for _, c := range probeCapabilities() {
		set |= 1 << c
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: set, Permitted: set, Inheritable: set}}
	if err := unix.Capset(&head, &data[0]); err != nil {
		return err
	}
	for _, c := range probeCapabilities() {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// notTheProbes are the names on the data partition that PID 1 alone writes.
func notTheProbes() map[string]bool {
	return map[string]bool{"crashes": true, "clock": true, "end": true, "system": true, "lost+found": true}
}

// ownData gives the probe its part of the data partition. In the directory itself it may make
// files, but not touch those of others (the sticky bit).
func (b *Box) ownData() {
	top := b.path(dataDir)
	note := func(err error) {
		if err != nil {
			b.log.Error("what the probe may write", "err", err)
		}
	}
	note(b.Kernel.Own(top, 0, probeID, os.ModeSticky|0o770))
	// What a probe has said last the next one may read, for a support bundle.
	note(os.MkdirAll(b.crashes(), 0o750))
	note(b.Kernel.Own(b.crashes(), 0, probeID, os.ModeSetgid|0o750))
	words, err := filepath.Glob(filepath.Join(b.crashes(), "*"))
	note(err)
	for _, w := range words {
		note(b.Kernel.Own(w, 0, probeID, 0o640))
	}
	entries, err := os.ReadDir(top)
	note(err)
	for _, e := range entries {
		if notTheProbes()[e.Name()] {
			continue
		}
		note(filepath.WalkDir(filepath.Join(top, e.Name()), func(path string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return b.Kernel.Own(path, probeID, probeID, 0)
		}))
	}
	run := b.path(runDir)
	if err := os.MkdirAll(run, 0o770); err != nil {
		note(err)
		return
	}
	note(b.Kernel.Own(run, 0, probeID, os.ModeSticky|0o770))
}

// runDir is where the probe has its sockets.
const runDir = "/run/heptap"

// ownDevices lets the probe have the board's lights and buttons, and read the clocks of network cards.
func (b *Box) ownDevices() {
	own := func(pattern string, mode os.FileMode) {
		found, err := filepath.Glob(b.path(pattern))
		if err != nil {
			return
		}
		for _, f := range found {
			if err := b.Kernel.Own(f, 0, probeID, mode); err != nil {
				b.log.Warn("devices of the probe", "err", err)
			}
		}
	}
	for _, pattern := range []string{"/dev/gpiochip*", "/dev/input/event*", "/sys/class/leds/*/brightness", "/sys/class/leds/*/trigger"} {
		own(pattern, 0o660)
	}
	own("/dev/ptp[0-9]*", 0o640) // to be read, not set
}

// tellPrivileges logs what the kernel says that a process may do.
func (b *Box) tellPrivileges(pid int) {
	status, err := os.ReadFile(b.path(fmt.Sprintf("/proc/%d/status", pid)))
	if err != nil {
		return // it has ended already
	}
	mounts, err := os.ReadFile(b.path(fmt.Sprintf("/proc/%d/mountinfo", pid)))
	if err != nil {
		return
	}
	var attrs []any
	for l := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(strings.TrimSpace(l), ":")
		switch key {
		case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs":
			attrs = append(attrs, key, strings.Join(strings.Fields(value), " "))
		}
	}
	b.log.Info("what the probe may do", append(attrs, "read_only", readOnly(string(mounts)))...)
}

// readOnly lists the mounts that are read only, of proc_pid_mountinfo(5).
func readOnly(mountinfo string) string {
	var out []string
	for l := range strings.Lines(mountinfo) {
		f := strings.Fields(l)
		if len(f) > 5 && (f[5] == "ro" || strings.HasPrefix(f[5], "ro,")) {
			out = append(out, f[4])
		}
	}
	return strings.Join(out, " ")
}
