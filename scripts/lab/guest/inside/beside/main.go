// Command beside is another process on a box that runs heptap and nothing else: it does there
// what a test wants done, over a virtio port. The kernel starts it as process 1; it
// leaves that place to heptap, and stays as one of its children.
//
// Orders are lines, and are answered by one that begins with "ok" or "error":
//
//	fill FILE LEAVE   FILE grows until its file system has no more than LEAVE octets left
//	free FILE         it is removed
//	write FILE TEXT   TEXT is written to it, as to one of the kernel's
//	read FILE         its content, in one line
//	gone FILE         it is waited until there is no such file
//
// What comes out of /dev/ttyACM0, whenever there is one, comes out of the port "cable", and the
// other way round: it is the far end of the box's own USB gadget, which heptap does not
// get to see.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"heptap/scripts/lab/guest/inside"
)

// module is what a guest with a gadget has.
const module = "dummy_hcd"

func main() {
	if os.Getpid() == 1 {
		fmt.Println("beside:", begin())
		os.Exit(1)
	}
	go func() {
		for ; inside.Has(module); time.Sleep(50 * time.Millisecond) {
			if err := show(); err != nil {
				fmt.Println("beside:", err)
				return
			}
		}
	}()
	if inside.Has(module) {
		go cable()
	}
	for orders := port("orders"); ; time.Sleep(100 * time.Millisecond) {
		for in := bufio.NewScanner(orders); in.Scan(); { // it ends while nobody is at the other end
			said, err := obey(strings.SplitN(in.Text(), " ", 3))
			if err != nil {
				said = "error: " + err.Error()
			}
			_, _ = fmt.Fprintln(orders, strings.ReplaceAll(said, "\n", " "))
		}
	}
}

// begin makes ready what is wanted here, and becomes heptap.
func begin() error {
	modules := []string{"virtio_pci", "virtio_console"}
	if inside.Has(module) {
		modules = append(modules, "cdc_acm")
		if err := hide(); err != nil {
			return err
		}
	}
	for _, m := range modules {
		if err := inside.LoadModule(m); err != nil {
			return err
		}
	}
	if _, err := syscall.ForkExec("/beside", []string{"/beside"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}}); err != nil {
		return err
	}
	return syscall.Exec("/init", []string{"/init"}, []string{"PATH=/", "HOME=/"})
}

const terminals = "/sys/class/tty"

// hide has the kernel's list of terminals be one of ours: the gadget's far end is for a technician's
// machine, and heptap would put its console there, too. That /sys is mounted already is all the same to it.
func hide() error {
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return err
	}
	all, err := filepath.Glob(terminals + "/*")
	if err != nil {
		return err
	}
	links := map[string]string{}
	for _, name := range all {
		if links[name], err = os.Readlink(name); err != nil {
			return err
		}
	}
	if err := unix.Mount("tmpfs", terminals, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for name, to := range links {
		if err := os.Symlink(to, name); err != nil {
			return err
		}
	}
	return nil
}

// show puts into that list what heptap shall see.
func show() error {
	const gadget = "ttyGS0"
	to := "../../devices/virtual/tty/" + gadget
	if _, err := os.Stat(filepath.Join(terminals, to)); err != nil {
		return nil // none so far
	}
	if err := os.Symlink(to, filepath.Join(terminals, gadget)); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// port opens the virtio port of a name, once it is there.
func port(name string) *os.File {
	for ; ; time.Sleep(50 * time.Millisecond) {
		names, _ := filepath.Glob("/sys/class/virtio-ports/*/name") // the pattern is well formed
		for _, n := range names {
			if text, err := os.ReadFile(n); err != nil || strings.TrimSpace(string(text)) != name {
				continue
			}
			if f, err := os.OpenFile(filepath.Join("/dev", filepath.Base(filepath.Dir(n))), os.O_RDWR, 0); err == nil {
				return f
			}
		}
	}
}

func obey(order []string) (string, error) {
	switch {
	case order[0] == "fill" && len(order) == 3:
		leave, err := strconv.ParseInt(order[2], 10, 64)
		if err != nil {
			return "", err
		}
		left, err := fill(order[1], leave)
		return fmt.Sprintf("ok %d octets left", left), err
	case order[0] == "free" && len(order) == 2:
		return "ok", os.Remove(order[1])
	case order[0] == "write" && len(order) == 3:
		return "ok", os.WriteFile(order[1], []byte(order[2]), 0)
	case order[0] == "read" && len(order) == 2:
		text, err := os.ReadFile(order[1])
		return "ok " + strings.TrimSpace(string(text)), err
	}
	if order[0] == "gone" && len(order) == 2 {
		return gone(order[1])
	}
	return "", fmt.Errorf("unknown order %q", order)
}

func gone(name string) (string, error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			return "ok", nil
		}
	}
	return "", fmt.Errorf("%s is still there", name)
}

// fill has a file take what a file system has left, but for so many octets.
func fill(name string, leave int64) (left int64, err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := st.Size()
	for step := int64(1 << 20); ; {
		var fs unix.Statfs_t
		if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
			return 0, err
		}
		left = int64(fs.Bavail) * int64(fs.Bsize)
		if left <= leave || step < int64(fs.Bsize) {
			return left, f.Sync()
		}
		switch err := unix.Fallocate(int(f.Fd()), 0, size, min(step, left-leave)); {
		case errors.Is(err, unix.ENOSPC):
			step /= 2 // its own bookkeeping takes some, too
		case err != nil:
			return left, err
		default:
			size += min(step, left-leave)
		}
	}
}

// cable is the far end of the gadget: what a technician's machine would have.
func cable() {
	far := port("cable")
	keys := make(chan []byte)
	go func() {
		for b := make([]byte, 4096); ; {
			n, err := far.Read(b)
			if err != nil { // nobody is at the other end
				time.Sleep(100 * time.Millisecond)
				continue
			}
			keys <- append([]byte(nil), b[:n]...)
		}
	}()
	for ; ; time.Sleep(50 * time.Millisecond) {
		tty, err := openTerminal("/dev/ttyACM0")
		if err != nil {
			continue
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for b := make([]byte, 4096); ; {
				n, err := tty.Read(b)
				if err != nil {
					return
				}
				if _, err := far.Write(b[:n]); err != nil {
					fmt.Println("beside:", err)
				}
			}
		}()
		for plugged := true; plugged; {
			select {
			case <-gone:
				plugged = false
			case b := <-keys:
				_, _ = tty.Write(b) // it may have been pulled
			}
		}
		tty.Close()
	}
}

// openTerminal opens a terminal whose octets go through as they are (cfmakeraw(3)).
func openTerminal(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	raw, err := f.SyscallConn()
	if err == nil {
		var terr error
		err = raw.Control(func(fd uintptr) {
			var t *unix.Termios
			if t, terr = unix.IoctlGetTermios(int(fd), unix.TCGETS); terr == nil {
				t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
				t.Cflag |= unix.CS8 | unix.CREAD | unix.CLOCAL
				terr = unix.IoctlSetTermios(int(fd), unix.TCSETS, t)
			}
		})
		err = errors.Join(err, terr)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
