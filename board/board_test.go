package board_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"heptap/board"
)

func TestBuiltIn(t *testing.T) {
	names := board.Names()
	for _, want := range []string{"generic", "raspberrypi-4", "sim"} {
		if !slices.Contains(names, want) {
			t.Errorf("no board %s in %v", want, names)
		}
	}
	for _, name := range names {
		d, err := board.Lookup(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if d.Name != name {
			t.Errorf("file %s describes board %s", name, d.Name)
		}
		roundTrip(t, d)
	}
}

func TestLookupUnknown(t *testing.T) {
	for _, name := range []string{"", "toaster", "../doc", "sim.board"} {
		_, err := board.Lookup(name)
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "generic, raspberrypi-4, sim") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestRaspberryPi(t *testing.T) {
	d, err := board.Lookup("raspberrypi-4")
	if err != nil {
		t.Fatal(err)
	}
	if d.BootTested || d.Panel != board.PanelGPIO || len(d.LEDs) != 4 || d.Memory != 512<<20 ||
		d.Watchdog.Identity != "Broadcom BCM2835 Watchdog timer" {
		t.Errorf("%+v", d)
	}
	want := board.Button{Line: board.Line{Chip: "pinctrl-bcm2711", Name: "GPIO24"}, ActiveLow: true, Pull: "up"}
	if *d.Button != want {
		t.Errorf("button %+v", *d.Button)
	}
	role := func(i board.Interface) (roles []string) {
		for _, p := range d.Ports {
			if p.Matches(i) {
				roles = append(roles, p.Role)
			}
		}
		return roles
	}
	if r := role(board.Interface{Name: "eth0", Driver: "bcmgenet"}); !slices.Equal(r, []string{"uplink"}) {
		t.Errorf("built-in port: %v", r)
	}
	if r := role(board.Interface{Name: "eth1", Driver: "r8152"}); !slices.Equal(r, []string{"mirror"}) {
		t.Errorf("USB adapter: %v", r)
	}
	if r := role(board.Interface{Name: "wlan0", Driver: "brcmfmac"}); r != nil {
		t.Errorf("wireless: %v", r)
	}
}

func TestMatch(t *testing.T) {
	eth := board.Interface{Name: "eth1", Driver: "r8152", Path: "platform/scb/usb1/1-1", MAC: "00:00:5E:00:53:01"}
	tests := []struct {
		match board.Match
		want  bool
	}{
		{board.Match{}, true},
		{board.Match{Name: "eth1"}, true},
		{board.Match{Name: "eth*"}, true},
		{board.Match{Name: "eth"}, false},
		{board.Match{Name: "eth1", Driver: "igb"}, false},
		{board.Match{Name: "eth1", Driver: "r8152"}, true},
		{board.Match{Path: "platform/*/usb1/*"}, true},
		{board.Match{Path: "platform/*"}, false},
		{board.Match{MAC: "00:00:5e:00:53:01"}, true},
		{board.Match{Name: "[", Driver: "r8152"}, false},
	}
	for _, tt := range tests {
		if got := tt.match.Matches(eth); got != tt.want {
			t.Errorf("%+v: %t", tt.match, got)
		}
	}
}

const least = "name x\ntitle X\narch any\nboot-tested no\npanel gpio\n"

func TestParse(t *testing.T) {
	text := "# a board\r\n\n  name my-board\n\ttitle\tMy  board\narch arm\nboot-tested yes\npanel gpio\nnote A note = with things\n" +
		"port mirror name=eth* path=pci/*\nport uplink mac=00:00:5E:00:53:01\n" +
		"led status line=L1 active-low colour=red\nled spool chip=c number=0\nbutton pull=down line=B\n" +
		"console /dev/ttyS0 baud=115200\nconsole /dev/ttyGS0\nwatchdog device /dev/watchdog1\nstorage /data\nmemory 2GiB"
	got, err := board.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := board.Description{
		Name: "my-board", Title: "My  board", Arch: "arm", BootTested: true, Panel: board.PanelGPIO, Note: "A note = with things",
		Ports: []board.Port{{Role: "mirror", Match: board.Match{Name: "eth*", Path: "pci/*"}},
			{Role: "uplink", Match: board.Match{MAC: "00:00:5e:00:53:01"}}},
		LEDs: []board.LED{{Role: "status", Line: board.Line{Name: "L1"}, ActiveLow: true, Colour: "red"},
			{Role: "spool", Line: board.Line{Chip: "c"}}},
		Button:   &board.Button{Line: board.Line{Name: "B"}, Pull: "down"},
		Consoles: []board.Console{{Path: "/dev/ttyS0", Baud: 115200}, {Path: "/dev/ttyGS0"}},
		Watchdog: board.Watchdog{Device: "/dev/watchdog1"}, Storage: "/data", Memory: 2 << 30,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	roundTrip(t, got)
}

func TestParseKernelDevices(t *testing.T) {
	got, err := board.Parse([]byte(least + "led status class=green:status colour=green\nled spool line=L\nbutton key=116 input=Power?Button\n"))
	if err != nil {
		t.Fatal(err)
	}
	leds := []board.LED{{Role: "status", Class: "green:status", Colour: "green"}, {Role: "spool", Line: board.Line{Name: "L"}}}
	button := board.Button{Pull: "none", Input: "Power?Button", Key: 116}
	if !reflect.DeepEqual(got.LEDs, leds) || *got.Button != button {
		t.Errorf("got %+v, %+v", got.LEDs, *got.Button)
	}
	roundTrip(t, got)
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		text, want string
		line       int
	}{
		{"", "no name is given", 0},
		{"name x\ntitle X\narch any\npanel none\n", "no boot-tested is given", 0},
		{"name x\ntitle X\narch any\nboot-tested no\n", "no panel is given", 0},
		{least + "colour red\n", "colour: unknown key", 6},
		{least + "name y\n", "name: is given on line 1 already", 6},
		{least + "led status class=a line=L\n", "led status: is a GPIO line or a device of the kernel's", 0},
		{least + "led status class=a active-low\n", "led status: active-low: the kernel knows", 0},
		{least + "led status class=a\nled spool class=a\n", "led spool: another one has the same class", 0},
		{least + "led status class=../a\n", "led: class: \"../a\": want a name", 6},
		{least + "button key=116\n", "input and key belong together", 0},
		{least + "button input=a\n", "input and key belong together", 0},
		{least + "button input=a key=0\n", "button: key: \"0\"", 6},
		{least + "button input=[ key=1\n", "button: input: \"[\"", 6},
		{least + "button input=a key=1 pull=up\n", "button: active-low, pull", 0},
		{least + "button input=a key=1 line=B\n", "button: is a GPIO line or a device", 0},
		{"name x\ntitle X\narch any\nboot-tested no\npanel term\nled status class=a\n", "led status: panel term has neither", 0},
		{least + "button line=B\nbutton line=C\n", "button: is given on line 6 already", 7},
		{"name X\n", `name: "X": want lower case`, 1},
		{"\n\ntitle\n", "title: no value", 3},
		{"arch z80\n", `"z80": want any, amd64`, 1},
		{"boot-tested maybe\n", "want yes, no", 1},
		{"panel lcd\n", "want gpio, term, none", 1},
		{"port spare name=x\n", `"spare": want mirror, uplink`, 1},
		{"port mirror\n", "nothing to match", 1},
		{"port mirror name=[\n", "syntax error in pattern", 1},
		{"port mirror name=a name=b\n", "name: is given twice", 1},
		{"port mirror mac=00-00-5e-00-53-01\n", "want a MAC address", 1},
		{"port mirror speed=1\n", `unknown option "speed"`, 1},
		{"led power line=X\n", `"power": want status, capture, uplink, spool`, 1},
		{"led status line=\n", "needs a value", 1},
		{"led status line\n", "needs a value", 1},
		{"led status line=X active-low=yes\n", "takes no value", 1},
		{"led status line=X colour=pink\n", "want red, amber", 1},
		{"led status line=X number=3\n", "not both", 1},
		{"led status number=3\n", "needs chip=", 1},
		{"led status chip=c\n", "needs line= or number=", 1},
		{"led status chip=c number=-1\n", "want a number from 0", 1},
		{"led status chip=c number=007\n", "want a number from 0", 1},
		{"led status line=A\nled status line=B\n", "status is given twice", 2},
		{"button line=B pull=sideways\n", "want none, up, down", 1},
		{"console ttyS0\n", "want an absolute path", 1},
		{"console /dev/ttyS0 baud=fast\n", "want a number from 50", 1},
		{"watchdog /dev/watchdog\n", "want device PATH or identity TEXT", 1},
		{"watchdog number 3\n", "want device or identity", 1},
		{"storage ../x\n", "want an absolute path", 1},
		{"storage /a/../b\n", "want an absolute path", 1},
		{"memory 512\n", "want a size", 1},
		{"memory 0MiB\n", "want a number from 1", 1},
		{"note \x1b[31m\n", "control character", 1},
		{"note \xff\n", "not UTF-8", 1},
		{"note " + strings.Repeat("x", 1024) + "\n", "longer than 1024", 1},
		{strings.Repeat("#\n", 40000), "longer than 65536", 0},
		{least + "led status\n", "led status: no GPIO line is given", 0},
		{least + "button\n", "button: no GPIO line is given", 0},
		{least + "led status line=A\nbutton line=A\n", "button: has the same GPIO line as led status", 0},
		{least + "port mirror name=a\nport uplink name=a\n", "another port has the same match", 0},
		{least + "console /dev/ttyS0\nconsole /dev/ttyS0 baud=9600\n", "console /dev/ttyS0: is given twice", 0},
		{strings.Replace(least, "gpio", "none", 1) + "led status\n", "panel none has neither", 0},
		{strings.Replace(least, "gpio", "term", 1) + "led status line=A\n", "panel term has neither GPIO lines nor devices", 0},
		{least + strings.Repeat("console /dev/x\n", 65), "more than 64", 70},
	}
	for _, tt := range tests {
		d, err := board.Parse([]byte(tt.text))
		e, ok := errors.AsType[*board.ParseError](err)
		if !ok || e.Line != tt.line || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: line %d of %q: got %v", tt.text, tt.line, tt.want, err)
		}
		if !reflect.DeepEqual(d, board.Description{}) {
			t.Errorf("%.60q: a description in spite of the error", tt.text)
		}
	}
}

func roundTrip(t *testing.T, d board.Description) {
	t.Helper()
	text, err := d.AppendText([]byte("# "))
	if err != nil {
		t.Fatalf("AppendText: %v", err)
	}
	text = text[2:]
	again, err := board.Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if !reflect.DeepEqual(again, d) {
		t.Fatalf("got  %+v\nwant %+v\nfrom\n%s", again, d, text)
	}
}

func TestAppendTextRefuses(t *testing.T) {
	if b, err := (board.Description{}).AppendText([]byte("x")); err == nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("boards/*.board")
	if err != nil || len(files) == 0 {
		f.Fatal("no boards", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(least + "led status chip=c number=1\nbutton line==B active-low\nwatchdog identity a = b\nport mirror mac=00:00:5E:00:53:01\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := board.Parse(text)
		if err != nil {
			if e, ok := errors.AsType[*board.ParseError](err); !ok || e.Line < 0 {
				t.Fatalf("%T %v", err, err)
			}
			if !reflect.DeepEqual(d, board.Description{}) {
				t.Fatal("a description in spite of the error")
			}
			return
		}
		roundTrip(t, d)
	})
}
