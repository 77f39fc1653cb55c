package sysfs

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"heptap/hal"
)

// Sensors implements hal.Sensors with the kernel's thermal zones
// (Documentation/driver-api/thermal/sysfs-api.rst), its hwmon chips
// (Documentation/hwmon/sysfs-interface.rst), and what eMMC and UFS storage say
// of their wear. NVMe and SATA disks say that only in answer to commands of
// their own, which are not given here.
type Sensors struct{ root string }

var _ hal.Sensors = Sensors{}

// NewSensors returns those of this box.
func NewSensors() Sensors { return Sensors{root: "/sys"} }

// Limits that sensors have by way of an empty field are no limits.
const (
	coldest   = -60_000
	hottest   = 150_000
	faultFree = "0"
)

// Temperatures implements hal.Sensors. Of two sensors with one name the second
// is "name 2".
func (s Sensors) Temperatures() []hal.Temperature {
	all := append(s.zones(), s.chips()...)
	seen := map[string]int{}
	for i := range all {
		name := all[i].Name
		if seen[name]++; seen[name] > 1 {
			all[i].Name = fmt.Sprintf("%s %d", name, seen[name])
		}
	}
	slices.SortFunc(all, func(a, b hal.Temperature) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b hal.Temperature) bool { return a.Name == b.Name })
}

// zones reads the thermal zones. The first trip point at which the kernel does
// something is High, unless that is switching off.
func (s Sensors) zones() (all []hal.Temperature) {
	for _, dir := range s.glob("class/thermal/thermal_zone*") {
		now, ok := celsius(dir, "temp")
		name, err := read(dir, "type")
		if !ok || err != nil || name == "" {
			continue
		}
		t := hal.Temperature{Name: name, Now: now}
		for i := 0; ; i++ {
			trip := fmt.Sprintf("trip_point_%d_", i)
			kind, err := read(dir, trip+"type")
			if err != nil {
				break
			}
			at := limit(dir, trip+"temp")
			switch {
			case at == 0 || kind == "active": // a fan's beginning is nobody's trouble
			case kind == "critical":
				t.Critical = least(t.Critical, at)
			default: // passive, hot
				t.High = least(t.High, at)
			}
		}
		all = append(all, ordered(t))
	}
	return all
}

// chips reads hwmon, but for those chips that only repeat a thermal zone.
func (s Sensors) chips() (all []hal.Temperature) {
	for _, dir := range s.glob("class/hwmon/hwmon*") {
		chip, err := read(dir, "name")
		if at, link := filepath.EvalSymlinks(filepath.Join(dir, "device")); err != nil || chip == "" ||
			link == nil && strings.HasPrefix(filepath.Base(at), "thermal_zone") {
			continue
		}
		inputs, _ := filepath.Glob(filepath.Join(dir, "temp*_input")) // the pattern is well formed
		slices.SortFunc(inputs, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
		for _, file := range inputs {
			sensor := strings.TrimSuffix(filepath.Base(file), "input")
			now, ok := celsius(dir, sensor+"input")
			if fault, err := read(dir, sensor+"fault"); !ok || err == nil && fault != faultFree {
				continue
			}
			name := chip
			if label, err := read(dir, sensor+"label"); err == nil && label != "" {
				name += " " + label
			}
			all = append(all, ordered(hal.Temperature{Name: name, Now: now, High: limit(dir, sensor+"max"), Critical: limit(dir, sensor+"crit")}))
		}
	}
	return all
}

// ordered leaves out a high limit that the critical one comes before.
func ordered(t hal.Temperature) hal.Temperature {
	if t.Critical > 0 && t.High > t.Critical {
		t.High = 0
	}
	return t
}

// least is the lower one of two limits; 0 is none.
func least(a, b hal.MilliCelsius) hal.MilliCelsius {
	if a == 0 || b < a {
		return b
	}
	return a
}

// celsius reads a temperature; false if there is none that can be true.
func celsius(dir, file string) (hal.MilliCelsius, bool) {
	text, err := read(dir, file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return hal.MilliCelsius(n), err == nil && n >= coldest && n <= hottest
}

func limit(dir, file string) hal.MilliCelsius {
	c, ok := celsius(dir, file)
	if !ok || c <= 0 {
		return 0
	}
	return c
}

// Wear implements hal.Sensors.
func (s Sensors) Wear() (all []hal.Wear) {
	for _, block := range s.glob("block/*") {
		w := hal.Wear{Device: filepath.Base(block)}
		device, err := filepath.EvalSymlinks(filepath.Join(block, "device"))
		if err != nil {
			continue // a loop, a RAM disk
		}
		if text, err := read(device, "life_time"); err == nil { // eMMC: "0x01 0x02", for both kinds of memory
			w.Percent = life(strings.Fields(text)...)
			w.Reserve = reserve(device, "pre_eol_info")
		} else if health := s.ufs(device); health != "" {
			a, _ := read(health, "life_time_estimation_a") // empty is no estimation
			b, _ := read(health, "life_time_estimation_b")
			w.Percent = life(a, b)
			w.Reserve = reserve(health, "eol_info")
		}
		if w.Percent > 0 || w.Reserve != hal.ReserveUnknown {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b hal.Wear) int { return cmp.Compare(a.Device, b.Device) })
	return all
}

// ufs returns the directory in which the UFS host of a disk shows its health.
func (s Sensors) ufs(device string) string {
	for up := device; len(up) > len(s.root); up = filepath.Dir(up) {
		dir := filepath.Join(up, "health_descriptor")
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return ""
}

// life reads the worst of some estimations: n is at most 10*n %, 11 is beyond
// (JESD84-B51, DEVICE_LIFE_TIME_EST; JESD220, bDeviceLifeTimeEst).
func life(estimations ...string) (percent int) {
	for _, text := range estimations {
		if n, err := strconv.ParseUint(text, 0, 8); err == nil && n <= 11 {
			percent = max(percent, int(n)*10)
		}
	}
	return percent
}

func reserve(dir, file string) hal.Reserve {
	text, err := read(dir, file)
	n, numeric := strconv.ParseUint(text, 0, 8)
	if err != nil || numeric != nil || n > uint64(hal.ReserveUrgent) {
		return hal.ReserveUnknown
	}
	return hal.Reserve(n)
}

// glob returns the matching directories, zone 2 before zone 10.
func (s Sensors) glob(pattern string) []string {
	dirs, _ := filepath.Glob(filepath.Join(s.root, pattern)) // the patterns are well formed
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return dirs
}
