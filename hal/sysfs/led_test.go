package sysfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heptap/hal/haltest"
)

// tree makes files below a directory and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func content(t *testing.T, elem ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestLED(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"with triggers": {"green:status/brightness": "0\n", "green:status/max_brightness": "255\n", "green:status/trigger": "[none] heartbeat timer\n"},
		"without":       {"green:status/brightness": "0\n", "green:status/max_brightness": "1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, files)
			haltest.TestLED(t, func(t *testing.T) haltest.LEDUnderTest {
				l, err := openLED(root, "led", "green:status")
				if err != nil {
					t.Fatal(err)
				}
				return haltest.LEDUnderTest{LED: l, Lit: func() bool {
					switch b := content(t, root, "green:status/brightness"); b {
					case "0":
						return false
					case strings.TrimSpace(files["green:status/max_brightness"]):
						return true
					default:
						t.Errorf("brightness %q", b)
						return false
					}
				}}
			})
		})
	}
}

func TestLEDIsGivenBack(t *testing.T) {
	root := tree(t, map[string]string{"l/brightness": "17\n", "l/max_brightness": "255\n", "l/trigger": "none disk-activity [timer] heartbeat\n",
		"l/delay_on": "100\n", "l/delay_off": "900\n", "l/uevent": "\n", "l/power/control": "auto\n"})
	l, err := openLED(root, "led", "l")
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, root, "l/trigger"); got != "none" {
		t.Errorf("trigger %q", got)
	}
	for _, file := range []string{"delay_on", "delay_off"} { // the kernel takes them away; here they are only wrong
		if err := os.WriteFile(filepath.Join(root, "l", file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Set(true); err != nil || content(t, root, "l/brightness") != "255" {
		t.Errorf("err %v, brightness %s", err, content(t, root, "l/brightness"))
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	for file, want := range map[string]string{"trigger": "timer", "brightness": "17", "delay_on": "100", "delay_off": "900"} {
		if got := content(t, root, "l", file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
}

func TestLEDStartsOverAfterAnError(t *testing.T) {
	root := tree(t, map[string]string{"l/brightness": "0", "l/max_brightness": "1", "l/trigger": "[none] heartbeat"})
	l, err := openLED(root, "led", "l")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "l")
	if err := os.Rename(dir, dir+"-unplugged"); err != nil {
		t.Fatal(err)
	}
	if err := l.Set(true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err %v", err)
	}
	if err := os.Rename(dir+"-unplugged", dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "trigger"), []byte("none [heartbeat]"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.Set(true); err != nil || content(t, dir, "trigger") != "none" || content(t, dir, "brightness") != "1" {
		t.Errorf("err %v, trigger %s, brightness %s", err, content(t, dir, "trigger"), content(t, dir, "brightness"))
	}
}

func TestOpenLEDFails(t *testing.T) {
	root := tree(t, map[string]string{"dark/max_brightness": "0", "dark/brightness": "0"})
	for class, want := range map[string]string{"absent": "led x", "dark": `max_brightness is "0"`, "": "no name", "../leds/dark": "no name"} {
		if _, err := openLED(root, "x", class); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: err %v, want %q", class, err, want)
		}
	}
	if _, err := OpenLED("x", "heptap no such LED"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err %v", err)
	}
}
