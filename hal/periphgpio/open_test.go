package periphgpio

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
)

func TestOpenReports(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	r := h.Report()
	states := 0
	if slices.Contains(r.Loaded, "ioctl-gpio") {
		states++
	}
	for _, s := range slices.Concat(r.Skipped, r.Failed) {
		if s.Driver == "ioctl-gpio" && s.Err != nil {
			states++
		}
	}
	if states != 1 || !strings.Contains(r.String(), "ioctl-gpio") {
		t.Fatalf("report %q", r)
	}
	devices, err := filepath.Glob("/dev/gpiochip*")
	if err != nil {
		t.Fatal(err)
	}
	if len(devices) == 0 && len(r.Skipped) != 1 {
		t.Errorf("no GPIO here, but: %s", r)
	}
	if _, err := h.LED("status", Line{Name: "heptap no such line"}, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err %v", err)
	}
	if _, err := h.Button("b", Line{Chip: "heptap no such chip"}, ButtonConfig{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err %v", err)
	}
}

func pins(names ...string) []gpio.PinIO {
	var p []gpio.PinIO
	for i, n := range names {
		p = append(p, &gpiotest.Pin{N: n, Num: i})
	}
	return p
}

func TestFind(t *testing.T) {
	chips := []chip{
		{name: "gpiochip0", label: "pinctrl-soc", lines: pins("ID_SDA", "", "GPIO17", "WAKE")},
		{name: "gpiochip1", label: "expander", lines: pins("WAKE", "GPIO99", "5")},
		{name: "gpiochip2", label: "expander", lines: pins("", "")},
	}
	tests := []struct {
		line Line
		want gpio.PinIO
		err  string
	}{
		{line: Line{Name: "GPIO17"}, want: chips[0].lines[2]},
		{line: Line{Name: "WAKE", Chip: "gpiochip1"}, want: chips[1].lines[0]},
		{line: Line{Name: "WAKE", Chip: "pinctrl-soc"}, want: chips[0].lines[3]},
		{line: Line{Name: "5"}, want: chips[1].lines[2]},
		{line: Line{Chip: "pinctrl-soc", Number: 1}, want: chips[0].lines[1]},
		{line: Line{Chip: "gpiochip2", Number: 1}, want: chips[2].lines[1]},
		{line: Line{}, err: "neither"},
		{line: Line{Name: "WAKE"}, err: "WAKE: ambiguous, 2"},
		{line: Line{Chip: "expander", Number: 0}, err: "expander:0: ambiguous, 2"},
		{line: Line{Name: "GPIO1"}, err: "GPIO1: no such line"},
		{line: Line{Chip: "gpiochip0", Number: 4}, err: "gpiochip0:4: no such line"},
		{line: Line{Chip: "gpiochip0", Number: -1}, err: "no such line"},
		{line: Line{Chip: "gpiochip9", Name: "X"}, err: "gpiochip9:X: no such chip, have pinctrl-soc (gpiochip0)"},
	}
	for _, tt := range tests {
		got, err := find(chips, tt.line)
		if tt.err == "" && (err != nil || got != tt.want) {
			t.Errorf("%v: got %v, %v", tt.line, got, err)
		}
		if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%+v: err %v, want %q", tt.line, err, tt.err)
		}
	}
	if _, err := find(nil, Line{Name: "X"}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no GPIO chips") {
		t.Errorf("err %v", err)
	}
}
