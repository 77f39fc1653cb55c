package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// where iproute2 keeps the names of namespaces (ip-netns(8)).
const netnsDir = "/run/netns"

// Namespace is a network namespace of a lab.
type Namespace struct {
	lab  *Lab
	name string // in full
}

// Namespace makes a namespace. Its loopback is up, IPv6 is off, so that
// nothing is on the wire that nobody sent.
func (l *Lab) Namespace(name string) (*Namespace, error) {
	full := l.name + "-" + name
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, os.ErrClosed
	}
	l.spaces = append(l.spaces, full)
	l.mu.Unlock()
	if err := run("ip", "netns", "add", full); err != nil {
		return nil, err
	}
	n := &Namespace{lab: l, name: full}
	err := n.Do(func() error {
		for _, which := range []string{"all", "default"} {
			err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("namespace %s: IPv6 off: %w", name, err)
	}
	return n, n.ip("link", "set", "dev", "lo", "up")
}

// Name is the namespace's name as ip netns shows it.
func (n *Namespace) Name() string { return n.name }

// Do runs f inside the namespace: sockets that f opens belong to it, from
// whatever goroutine they are used later. f must not start processes or
// goroutines that count on the namespace.
func (n *Namespace) Do(f func() error) error {
	errs := make(chan error, 1)
	go func() { errs <- n.inside(f) }()
	return <-errs
}

func (n *Namespace) inside(f func() error) error {
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer unix.Close(home)
	there, err := unix.Open(filepath.Join(netnsDir, n.name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("namespace %s: %w", n.name, err)
	}
	defer unix.Close(there)
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter namespace %s: %w", n.name, err)
	}
	err = f()
	if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
		// The thread stays locked and ends with the goroutine.
		return errors.Join(err, fmt.Errorf("leave namespace %s: %w", n.name, back))
	}
	runtime.UnlockOSThread()
	return err
}

func (n *Namespace) ip(args ...string) error {
	return run("ip", append([]string{"-n", n.name}, args...)...)
}

// tune switches off the offloads that would put frames on the wire which no
// wire carries: unfinished checksums and segments that are too long.
func (n *Namespace) tune(dev string) error {
	return run("ip", "netns", "exec", n.name, "ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
}

// namespaces lists the names there are.
func namespaces() ([]string, error) {
	entries, err := os.ReadDir(netnsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// removeNamespace ends what still runs in a namespace, by number, and
// removes it.
func removeNamespace(name string) error {
	out, err := output("ip", "netns", "pids", name)
	if err != nil {
		if _, serr := os.Lstat(filepath.Join(netnsDir, name)); errors.Is(serr, fs.ErrNotExist) {
			return nil
		}
	}
	for _, field := range strings.Fields(out) {
		// A thread of this process may be inside for a moment (Do).
		if pid, err := strconv.Atoi(field); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	// The name of one that was being made when its process died is a plain
	// file, and busy for a moment at times.
	for attempt := 0; ; attempt++ {
		err := run("ip", "netns", "del", name)
		if err == nil {
			return nil
		}
		names, lerr := namespaces()
		if lerr == nil && !slices.Contains(names, name) {
			return nil
		}
		if attempt == 10 {
			return err
		}
		time.Sleep(50 * time.Millisecond) // between attempts; nothing tells when it is free
	}
}
