package appliance

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// hardwareClock has the clock be that of a battery-backed one whose driver came as a
// module: one that is part of the kernel was read by it already, which hctosys
// says (Documentation/ABI/testing/sysfs-class-rtc). It returns the name of whichever
// there is, empty for none. The kernel sets it by the clock every 11 minutes,
// once the time is known to be right.
func (b *Box) hardwareClock() string {
	found, err := filepath.Glob(b.path("/sys/class/rtc/rtc*"))
	if err != nil || len(found) == 0 {
		return ""
	}
	first := ""
	for _, dir := range found {
		name, err := os.ReadFile(filepath.Join(dir, "name"))
		if err != nil {
			continue
		}
		if first == "" {
			first = strings.TrimSpace(string(name))
		}
		if set, err := os.ReadFile(filepath.Join(dir, "hctosys")); err == nil && strings.TrimSpace(string(set)) == "1" {
			return strings.TrimSpace(string(name))
		}
	}
	if first == "" {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(found[0], "since_epoch"))
	seconds, perr := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || perr != nil {
		b.log.Warn("hardware clock not read", "name", first)
		return first
	}
	t := time.Unix(seconds, 0)
	if t.Before(b.Built) || t.Sub(b.Built) > keptMost {
		b.log.Warn("hardware clock is wrong: is its battery empty?", "name", first, "says", t.UTC().Format(time.RFC3339))
		return first
	}
	if err := b.Kernel.SetClock(t); err != nil {
		b.log.Error("clock", "err", err)
	}
	return first
}
