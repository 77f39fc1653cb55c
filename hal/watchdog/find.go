package watchdog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// software is what softdog calls itself (drivers/watchdog/softdog.c).
const software = "Software Watchdog"

// Found is a watchdog that the kernel has.
type Found struct {
	Device   string // "watchdog0"
	Identity string // "i6300ESB timer"
	Running  bool   // started, by us or somebody

	unstoppable       bool
	shortest, longest time.Duration // of the timeout; 0: not said
}

// Wanted says which watchdog is meant: by identity, or by device. The zero
// Wanted is the first one that is not the kernel's timer in software.
type Wanted struct {
	Identity string // as /sys/class/watchdog/*/identity has it
	Device   string // "/dev/watchdog0"; "/dev/watchdog" is the same as that
}

// String says what is wanted as a board file does.
func (w Wanted) String() string {
	switch {
	case w.Identity != "":
		return "identity " + strconv.Quote(w.Identity)
	case w.Device != "":
		return "device " + w.Device
	}
	return "any in hardware"
}

func (w Wanted) matches(f Found) bool {
	switch {
	case w.Identity != "":
		return f.Identity == w.Identity
	case w.Device != "":
		device := filepath.Base(w.Device)
		return device == f.Device || device == "watchdog" && f.Device == "watchdog0"
	}
	return f.Identity != software
}

// List returns the watchdogs there are, by number. It starts none. A kernel
// without watchdogs has an empty list.
func List() ([]Found, error) { return list("/sys/class/watchdog") }

func list(class string) ([]Found, error) {
	entries, err := os.ReadDir(class)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("watchdog: %w", err)
	}
	var found []Found
	for _, e := range entries {
		dir := filepath.Join(class, e.Name())
		identity := attribute(dir, "identity")
		if identity == "" {
			continue // gone meanwhile, or a kernel without CONFIG_WATCHDOG_SYSFS
		}
		found = append(found, Found{
			Device:      e.Name(),
			Identity:    identity,
			Running:     attribute(dir, "state") == "active",
			unstoppable: attribute(dir, "nowayout") == "1",
			shortest:    seconds(attribute(dir, "min_timeout")),
			longest:     seconds(attribute(dir, "max_timeout")),
		})
	}
	slices.SortFunc(found, func(a, b Found) int { return number(a.Device) - number(b.Device) })
	return found, nil
}

// find returns the one that is wanted, or an error that lists what there is.
func find(class string, w Wanted) (Found, error) {
	all, err := list(class)
	if err != nil {
		return Found{}, err
	}
	var names []string
	for _, f := range all {
		if w.matches(f) {
			return f, nil
		}
		names = append(names, fmt.Sprintf("%s (%s)", f.Identity, f.Device))
	}
	have := "there is none at all"
	if names != nil {
		have = "have " + strings.Join(names, ", ")
	}
	return Found{}, fmt.Errorf("watchdog: no %s, %s: %w", w, have, fs.ErrNotExist)
}

// attribute reads a file of sysfs. What cannot be read is as good as empty.
func attribute(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func seconds(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

func number(device string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(device, "watchdog"))
	if err != nil {
		return 1 << 30
	}
	return n
}
