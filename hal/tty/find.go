package tty

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"heptap/hal"
)

// Wanted says which ports are meant; empty fields match any.
type Wanted struct {
	Path     string // pattern as path.Match reads it: "/dev/ttyS0", "/dev/ttyUSB*"
	Kind     hal.SerialKind
	Driver   string
	Vendor   uint16
	Product  uint16
	Serial   string
	Location string // pattern
}

// Matches says whether a port is one of those.
func (w Wanted) Matches(p hal.SerialPort) bool {
	like := func(pattern, s string) bool {
		ok, err := path.Match(pattern, s)
		return pattern == "" || ok && err == nil
	}
	return like(w.Path, p.Path) && like(w.Location, p.Location) &&
		(w.Kind == "" || w.Kind == p.Kind) && (w.Driver == "" || w.Driver == p.Driver) &&
		(w.Vendor == 0 || w.Vendor == p.Vendor) && (w.Product == 0 || w.Product == p.Product) &&
		(w.Serial == "" || w.Serial == p.Serial)
}

// roots are the directories of a kernel.
type roots struct{ class, devices, dev string }

func kernel() roots { return roots{class: "/sys/class/tty", devices: "/sys/devices", dev: "/dev"} }

// List returns the serial ports there are, by path. It opens none.
func List() ([]hal.SerialPort, error) { return kernel().list() }

func (r roots) list() ([]hal.SerialPort, error) {
	entries, err := os.ReadDir(r.class)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("serial ports: %w", err)
	}
	var ports []hal.SerialPort
	for _, e := range entries {
		if p, ok := r.port(e.Name()); ok {
			ports = append(ports, p)
		}
	}
	slices.SortFunc(ports, func(a, b hal.SerialPort) int {
		return cmp.Or(cmp.Compare(len(a.Path), len(b.Path)), cmp.Compare(a.Path, b.Path)) // ttyS2 before ttyS10
	})
	return ports, nil
}

// port describes the terminal of a name; false for what is no port: virtual
// consoles, pseudo terminals, and UARTs that are not there.
func (r roots) port(name string) (hal.SerialPort, bool) {
	p := hal.SerialPort{Path: filepath.Join(r.dev, name), Kind: hal.SerialUART}
	if strings.HasPrefix(name, "ttyGS") {
		p.Kind = hal.SerialGadget
		return p, true // of no device, as the kernel has it
	}
	dir := filepath.Join(r.class, name)
	device, err := filepath.EvalSymlinks(filepath.Join(dir, "device"))
	if err != nil || attribute(dir, "type") == "0" { // PORT_UNKNOWN: a place for a UART
		return hal.SerialPort{}, false
	}
	if driver, err := filepath.EvalSymlinks(filepath.Join(device, "driver")); err == nil {
		p.Driver = filepath.Base(driver)
	}
	p.Location, _ = strings.CutPrefix(strings.TrimSuffix(device, "/"+name), r.devices+"/")
	for up := device; strings.HasPrefix(up, r.devices+"/"); up = filepath.Dir(up) {
		vendor := attribute(up, "idVendor")
		if vendor == "" {
			continue
		}
		p.Kind = hal.SerialUSB
		p.Vendor, p.Product = hex16(vendor), hex16(attribute(up, "idProduct"))
		p.Serial = attribute(up, "serial")
		break
	}
	return p, true
}

// find returns the first port that is wanted. Without one the error wraps
// fs.ErrNotExist.
func (r roots) find(w Wanted) (hal.SerialPort, error) {
	ports, err := r.list()
	if err != nil {
		return hal.SerialPort{}, err
	}
	for _, p := range ports {
		if w.Matches(p) {
			return p, nil
		}
	}
	return hal.SerialPort{}, fmt.Errorf("no such port among %d: %w", len(ports), fs.ErrNotExist)
}

func attribute(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func hex16(text string) uint16 {
	n, err := strconv.ParseUint(text, 16, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}
