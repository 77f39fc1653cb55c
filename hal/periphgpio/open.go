package periphgpio

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/host/v3/gpioioctl"
)

// Skip is a driver that was not loaded, and why.
type Skip struct {
	Driver string
	Err    error
}

// Report says what became of periph's drivers. Skipped is not a fault: the
// hardware is not there. Failed is: it is there and does not work.
type Report struct {
	Loaded  []string
	Skipped []Skip
	Failed  []Skip
}

// String returns the report on one line.
func (r Report) String() string {
	var parts []string
	for _, name := range r.Loaded {
		parts = append(parts, name+" loaded")
	}
	for _, s := range r.Skipped {
		parts = append(parts, fmt.Sprintf("%s skipped: %v", s.Driver, s.Err))
	}
	for _, s := range r.Failed {
		parts = append(parts, fmt.Sprintf("%s failed: %v", s.Driver, s.Err))
	}
	return strings.Join(parts, "; ")
}

// Line says which GPIO line is meant: by its name (what gpioinfo shows), or by
// number on a chip. The chip is named by its label ("pinctrl-bcm2711"), which
// is stable, or by its device ("gpiochip0"), which depends on probing order.
// With Name, Chip may be empty; then the name must be unique in the box.
type Line struct {
	Name   string
	Chip   string
	Number int
}

// String returns the line as board files write it.
func (l Line) String() string {
	switch {
	case l.Name == "":
		return fmt.Sprintf("%s:%d", l.Chip, l.Number)
	case l.Chip == "":
		return l.Name
	}
	return l.Chip + ":" + l.Name
}

// chip is what is needed of a gpioioctl.GPIOChip.
type chip struct {
	name, label string
	lines       []gpio.PinIO
}

// Host gives access to the box's GPIO lines.
type Host struct {
	report Report
	chips  []chip
}

// Open loads the GPIO driver and lists the chips there are. It succeeds on a
// box without any; Report then says so.
//
// periph looks for chips once in the life of a process: a chip whose kernel
// module is loaded after the first Open is never seen. Call it before anything
// else opens files, for the reason given in the package comment.
func Open() (*Host, error) {
	var state *driverreg.State
	err := keepStdin(func() (err error) {
		state, err = driverreg.Init()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("gpio: load drivers: %w", err)
	}
	h := &Host{}
	for _, d := range state.Loaded {
		h.report.Loaded = append(h.report.Loaded, d.String())
	}
	h.report.Skipped = skips(state.Skipped)
	h.report.Failed = skips(state.Failed)
	for _, c := range gpioioctl.Chips {
		lines := make([]gpio.PinIO, 0, c.LineCount())
		for _, l := range c.Lines() {
			lines = append(lines, l)
		}
		h.chips = append(h.chips, chip{name: c.Name(), label: c.Label(), lines: lines})
	}
	return h, nil
}

func skips(failures []driverreg.DriverFailure) []Skip {
	var s []Skip
	for _, f := range failures {
		err := f.Err
		if err == nil {
			err = errors.New("no reason given")
		}
		s = append(s, Skip{Driver: f.D.String(), Err: err})
	}
	return s
}

// Report says which drivers were loaded, skipped and failed.
func (h *Host) Report() Report { return h.report }

// LED opens the LED on an output line. A line that does not exist is
// fs.ErrNotExist.
func (h *Host) LED(name string, line Line, activeLow bool) (*LED, error) {
	p, err := find(h.chips, line)
	if err != nil {
		return nil, fmt.Errorf("led %s: %w", name, err)
	}
	return NewLED(name, p, activeLow)
}

// Button opens the button on an input line. A line that does not exist is
// fs.ErrNotExist.
func (h *Host) Button(name string, line Line, cfg ButtonConfig) (*Button, error) {
	p, err := find(h.chips, line)
	if err != nil {
		return nil, fmt.Errorf("button %s: %w", name, err)
	}
	return NewButton(name, p, cfg)
}

// find does not use gpioreg, which knows no unnamed lines and takes a number
// for a name.
func find(chips []chip, line Line) (gpio.PinIO, error) {
	if line.Name == "" && line.Chip == "" {
		return nil, errors.New("gpio line: neither a name nor a chip is given")
	}
	var found []gpio.PinIO
	matched := 0
	for _, c := range chips {
		if line.Chip != "" && line.Chip != c.label && line.Chip != c.name {
			continue
		}
		matched++
		if line.Name == "" {
			if line.Number >= 0 && line.Number < len(c.lines) {
				found = append(found, c.lines[line.Number])
			}
			continue
		}
		for _, p := range c.lines {
			if p.Name() == line.Name {
				found = append(found, p)
			}
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fmt.Errorf("gpio line %s: ambiguous, %d lines match", line, len(found))
	case len(chips) == 0:
		return nil, fmt.Errorf("gpio line %s: no GPIO chips on this box: %w", line, fs.ErrNotExist)
	case matched == 0:
		return nil, fmt.Errorf("gpio line %s: no such chip, have %s: %w", line, chipNames(chips), fs.ErrNotExist)
	}
	return nil, fmt.Errorf("gpio line %s: no such line: %w", line, fs.ErrNotExist)
}

func chipNames(chips []chip) string {
	names := make([]string, len(chips))
	for i, c := range chips {
		names[i] = fmt.Sprintf("%s (%s)", c.label, c.name)
	}
	return strings.Join(names, ", ")
}
