package onboard

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"heptap/hal/haltest"
	"heptap/hal/periphgpio"
	"heptap/scripts/lab/guest/inside"
)

// TestGPIOSim holds periphgpio against the kernel's GPIO simulator. The pull of
// an LED's line is what a board has there: once nobody drives it, it is dark.
func TestGPIOSim(t *testing.T) {
	lines := simulate(t, "probe", "simulated", "LED-HIGH", "LED-LOW", "BUTTON-LOW", "BUTTON-HIGH")
	host, err := periphgpio.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(host.Report())
	for i, activeLow := range []bool{false, true} {
		name := []string{"LED-HIGH", "LED-LOW"}[i]
		t.Run(name, func(t *testing.T) {
			put(t, filepath.Join(lines[name], "pull"), pull(activeLow))
			haltest.TestLED(t, func(t *testing.T) haltest.LEDUnderTest {
				led, err := host.LED("led", periphgpio.Line{Name: name}, activeLow)
				if err != nil {
					t.Fatal(err)
				}
				return haltest.LEDUnderTest{LED: led, Lit: func() bool {
					return (take(t, filepath.Join(lines[name], "value")) == "1") != activeLow
				}}
			})
		})
	}
	for i, activeLow := range []bool{true, false} {
		name := []string{"BUTTON-LOW", "BUTTON-HIGH"}[i]
		t.Run(name, func(t *testing.T) {
			haltest.TestButton(t, func(t *testing.T) haltest.ButtonUnderTest {
				file := filepath.Join(lines[name], "pull")
				put(t, file, pull(activeLow))
				button, err := host.Button("button", periphgpio.Line{Name: name}, periphgpio.ButtonConfig{ActiveLow: activeLow})
				if err != nil {
					t.Fatal(err)
				}
				return haltest.ButtonUnderTest{Button: button,
					Press:   func() { put(t, file, pull(!activeLow)) },
					Release: func() { put(t, file, pull(activeLow)) }}
			})
		})
	}
}

func pull(high bool) string {
	if high {
		return "pull-up"
	}
	return "pull-down"
}

// simulate makes a chip with a label and lines of these names, and returns by name the
// directories in sysfs through which they are worked from outside (the
// kernel's Documentation/admin-guide/gpio/gpio-sim.rst).
func simulate(t *testing.T, name, label string, names ...string) map[string]string {
	inside.Load(t, "configfs")
	inside.Load(t, "gpio-simulated")
	const configfs = "/sys/kernel/config"
	if err := unix.Mount("configfs", configfs, "configfs", 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
		t.Fatal(err)
	}
	chip := filepath.Join(configfs, "gpio-sim", name)
	bank := filepath.Join(chip, "bank0")
	makeDir(t, bank)
	put(t, filepath.Join(bank, "label"), label)
	put(t, filepath.Join(bank, "num_lines"), fmt.Sprint(len(names)))
	for i, name := range names {
		line := filepath.Join(bank, fmt.Sprintf("line%d", i))
		makeDir(t, line)
		put(t, filepath.Join(line, "name"), name)
	}
	put(t, filepath.Join(chip, "live"), "1")
	dir := filepath.Join("/sys/devices/platform", take(t, filepath.Join(chip, "dev_name")), take(t, filepath.Join(bank, "chip_name")))
	lines := map[string]string{}
	for i, name := range names {
		lines[name] = filepath.Join(dir, fmt.Sprintf("sim_gpio%d", i))
	}
	return lines
}

// TestPL061 holds periphgpio against the GPIO controller of QEMU's arm64
// machine, whose lines have no names. The eye and the finger are outside.
func TestPL061(t *testing.T) {
	host, err := periphgpio.Open()
	if err != nil {
		t.Fatal(err)
	}
	const chip = "9030000.pl061"
	for i, activeLow := range []bool{false, true} {
		t.Run(fmt.Sprintf("LED, active low %t", activeLow), func(t *testing.T) {
			haltest.TestLED(t, func(t *testing.T) haltest.LEDUnderTest {
				led, err := host.LED("led", periphgpio.Line{Chip: chip, Number: i}, activeLow)
				if err != nil {
					t.Fatal(err)
				}
				return haltest.LEDUnderTest{LED: led, Lit: func() bool {
					return (inside.Ask(t, fmt.Sprintf("pl061 level %d", i)) == "1") != activeLow
				}}
			})
		})
	}
	t.Run("button", func(t *testing.T) {
		haltest.TestButton(t, func(t *testing.T) haltest.ButtonUnderTest {
			inside.Ask(t, "pl061 drive 5 0")
			button, err := host.Button("button", periphgpio.Line{Chip: chip, Number: 5}, periphgpio.ButtonConfig{Pull: gpio.Float})
			if err != nil {
				t.Fatal(err)
			}
			return haltest.ButtonUnderTest{Button: button,
				Press:   func() { inside.Ask(t, "pl061 drive 5 1") },
				Release: func() { inside.Ask(t, "pl061 drive 5 0") }}
		})
	})
}
