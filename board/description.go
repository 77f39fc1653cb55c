package board

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Panel says what a board's LEDs and button are.
type Panel string

// The kinds of panel.
const (
	PanelNone Panel = "none"
	PanelGPIO Panel = "gpio" // real ones, on GPIO lines or as devices of the kernel's
	PanelTerm Panel = "term" // drawn on the terminal
)

// Boot says which boot loader starts a board's systems.
type Boot string

// The kinds of boot loader.
const (
	BootNone Boot = ""        // none that heptap knows: no updates
	BootUEFI Boot = "uefi"    // systemd-boot
	BootTry  Boot = "tryboot" // a Raspberry Pi's
)

// Roles of ports and LEDs.
const (
	RoleMirror  = "mirror"  // faces the switch's mirror port
	RoleUplink  = "uplink"  // port: faces the collectors; LED: their state
	RoleStatus  = "status"  // LED
	RoleCapture = "capture" // LED
	RoleSpool   = "spool"   // LED
)

// The words that descriptions may use, in the order in which errors list them.
func arches() []string    { return []string{"any", "amd64", "arm64", "arm", "386"} }
func portRoles() []string { return []string{RoleMirror, RoleUplink} }
func ledRoles() []string  { return []string{RoleStatus, RoleCapture, RoleUplink, RoleSpool} }
func colours() []string   { return []string{"red", "amber", "yellow", "green", "blue", "white"} }
func pulls() []string     { return []string{"none", "up", "down"} }

// Description is one board. See the package comment for what the fields mean.
type Description struct {
	Name       string
	Title      string
	Arch       string // a GOARCH, or "any"
	BootTested bool   // an image for this board has been seen to boot
	Boot       Boot
	Panel      Panel
	Note       string // may be empty

	Ports    []Port // empty: as configured
	LEDs     []LED
	Button   *Button // nil: none
	Consoles []Console
	Watchdog Watchdog
	Storage  string // absolute directory; empty: as configured
	Memory   int64  // octets; 0: worked out at start
}

// Port is a rule by which a network interface is recognised. Of several rules
// for one role each may match several interfaces.
type Port struct {
	Role string
	Match
}

// Match holds patterns as path.Match reads them. Empty ones match anything;
// at least one is not empty.
type Match struct {
	Name   string // of the interface: eth1, enx*
	Driver string // kernel module: r8152
	Path   string // of the device below /sys/devices: platform/*/usb1/*
	MAC    string // lower case, with colons
}

// Interface is what a Match looks at.
type Interface struct {
	Name, Driver, Path, MAC string
}

// Matches says whether all of m's patterns match.
func (m Match) Matches(i Interface) bool {
	for _, p := range [][2]string{{m.Name, i.Name}, {m.Driver, i.Driver}, {m.Path, i.Path}, {m.MAC, strings.ToLower(i.MAC)}} {
		if p[0] == "" {
			continue
		}
		if ok, err := path.Match(p[0], p[1]); !ok || err != nil {
			return false
		}
	}
	return true
}

// Line is a GPIO line: by name, or by number on a chip. The zero Line is none.
type Line struct {
	Name   string
	Chip   string
	Number int
}

// LED is one light.
type LED struct {
	Role      string
	Line      Line   // zero if Class is set, and on a panel that is not GPIO
	Class     string // name in the kernel's LED class; empty if Line is set
	ActiveLow bool
	Colour    string // may be empty
}

// Button is the button.
type Button struct {
	Line      Line // zero if Key is set, and on a panel that is not GPIO
	ActiveLow bool
	Pull      string // "none", "up" or "down"

	Input string // pattern of an input device's name; empty if Line is set
	Key   uint16 // its key code; 0 if Line is set
}

// Console is a serial console.
type Console struct {
	Path string
	Baud int // 0 where it means nothing, as on USB
}

// Watchdog says which watchdog is the board's. At most one field is set.
type Watchdog struct {
	Device   string
	Identity string
}

// validate checks what no single line can tell.
func (d *Description) validate() error {
	required := []struct{ key, value string }{
		{"name", d.Name}, {"title", d.Title}, {"arch", d.Arch}, {"panel", string(d.Panel)},
	}
	for _, r := range required {
		if r.value == "" {
			return fmt.Errorf("no %s is given", r.key)
		}
	}
	if d.Panel == PanelNone && (len(d.LEDs) > 0 || d.Button != nil) {
		return errors.New("panel none has neither LEDs nor a button")
	}
	seen := map[Line]string{}
	check := func(what string, l Line, kernels bool) error {
		if d.Panel != PanelGPIO {
			if l != (Line{}) || kernels {
				return fmt.Errorf("%s: panel %s has neither GPIO lines nor devices", what, d.Panel)
			}
			return nil
		}
		switch none := l.Name == "" && l.Chip == ""; {
		case kernels && none:
			return nil
		case kernels:
			return fmt.Errorf("%s: is a GPIO line or a device of the kernel's, not both", what)
		case none:
			return fmt.Errorf("%s: no GPIO line is given", what)
		}
		if other, ok := seen[l]; ok {
			return fmt.Errorf("%s: has the same GPIO line as %s", what, other)
		}
		seen[l] = what
		return nil
	}
	roles := map[string]bool{}
	for _, l := range d.LEDs {
		what := "led " + l.Role
		if roles[l.Role] {
			return fmt.Errorf("%s: is given twice", what)
		}
		roles[l.Role] = true
		if err := check(what, l.Line, l.Class != ""); err != nil {
			return err
		}
		if l.Class != "" && l.ActiveLow {
			return fmt.Errorf("%s: active-low: the kernel knows that of its own LEDs", what)
		}
	}
	if b := d.Button; b != nil {
		if err := check("button", b.Line, b.Input != "" || b.Key != 0); err != nil {
			return err
		}
		switch {
		case (b.Input == "") != (b.Key == 0):
			return errors.New("button: input and key belong together")
		case b.Key != 0 && (b.ActiveLow || b.Pull != "none"):
			return errors.New("button: active-low, pull: the kernel knows that of its own keys")
		}
	}
	return d.unique()
}

func (d *Description) unique() error {
	for i, l := range d.LEDs {
		if l.Class != "" && slices.ContainsFunc(d.LEDs[:i], func(o LED) bool { return o.Class == l.Class }) {
			return fmt.Errorf("led %s: another one has the same class", l.Role)
		}
	}
	for i, p := range d.Ports {
		if slices.ContainsFunc(d.Ports[:i], func(q Port) bool { return q.Match == p.Match }) {
			return fmt.Errorf("port %s: another port has the same match", p.Role)
		}
	}
	for i, c := range d.Consoles {
		if slices.ContainsFunc(d.Consoles[:i], func(o Console) bool { return o.Path == c.Path }) {
			return fmt.Errorf("console %s: is given twice", c.Path)
		}
	}
	return nil
}
