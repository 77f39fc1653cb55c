package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const prefix = "htl-"

// owner is a process, told from a later one of the same number by when it began.
type owner struct {
	pid   int
	start uint64 // clock ticks since boot
}

func self() (owner, error) {
	pid := os.Getpid()
	start, err := startOf(pid)
	return owner{pid, start}, err
}

func (o owner) String() string {
	return prefix + strconv.Itoa(o.pid) + "-" + strconv.FormatUint(o.start, 36)
}

// alive says whether the process still runs. When that cannot be told, it does.
func (o owner) alive() bool {
	start, err := startOf(o.pid)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return start == o.start
}

// parseOwner reads the owner off the name of a namespace or directory.
func parseOwner(name string) (owner, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return owner{}, false
	}
	parts := strings.SplitN(rest, "-", 3)
	if len(parts) != 3 {
		return owner{}, false
	}
	pid, err1 := strconv.Atoi(parts[0])
	start, err2 := strconv.ParseUint(parts[1], 36, 64)
	return owner{pid, start}, err1 == nil && err2 == nil && pid > 0
}

// startOf returns when a process began: field 22 of its stat, counted behind
// the name, which may hold anything (proc(5)).
func startOf(pid int) (uint64, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if errors.Is(err, syscall.ESRCH) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return 0, err
	}
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("process %d: stat %q", pid, text)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// Sweep removes what earlier labs left behind whose process was killed, and
// returns the names. What belongs to a living process is not touched.
func Sweep() (removed []string, err error) {
	names, err := namespaces()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range names {
		if o, ok := parseOwner(name); !ok || o.alive() {
			continue
		}
		errs = append(errs, removeNamespace(name))
		removed = append(removed, name)
	}
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	errs = append(errs, err)
	for _, dir := range dirs {
		o, ok := parseOwner(filepath.Base(dir))
		if !ok || o.alive() || !ours(dir) {
			continue
		}
		errs = append(errs, os.RemoveAll(dir))
		removed = append(removed, dir)
	}
	return removed, errors.Join(errs...)
}

// ours says whether dir is a directory of this user, not somebody else's by
// the same name.
func ours(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}
