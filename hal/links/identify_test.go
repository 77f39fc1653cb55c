package links_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"heptap/hal/links"
)

// TestIdentify asks a driver that has no LED: that it says so is what there is to be
// seen without hardware.
func TestIdentify(t *testing.T) {
	l := newLab(t)
	h, err := l.l.Hardware("m")
	if err != nil || h.Driver != "veth" || h.MAC != l.link("m").Attrs().HardwareAddr.String() || strings.Count(h.MAC, ":") != 5 {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := l.l.Hardware("lo"); err != nil || h.Driver != "" {
		t.Errorf("%+v, %v", h, err)
	}
	if err := l.l.Blink("m", time.Second); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("veth: %v", err)
	}
	for _, name := range []string{"nowhere", strings.Repeat("x", 16)} {
		if _, err := l.l.Hardware(name); err == nil {
			t.Errorf("%q has hardware", name)
		}
		if err := l.l.Blink(name, time.Second); err == nil {
			t.Errorf("%q blinks", name)
		}
	}
	if err := l.l.Blink("nowhere", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	other, err := links.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := other.Blink("m", time.Second); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := other.Hardware("m"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
