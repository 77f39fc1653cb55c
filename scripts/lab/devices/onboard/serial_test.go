package onboard

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"heptap/hal"
	"heptap/hal/haltest"
	"heptap/hal/tty"
	"heptap/scripts/lab/guest/inside"
)

// TestUSBSerial holds tty against a USB adapter that is pulled and plugged. The
// other end of its cable is outside.
func TestUSBSerial(t *testing.T) {
	inside.Load(t, "xhci_pci")
	inside.Load(t, "ftdi_sio")
	wanted := tty.Wanted{Kind: hal.SerialUSB, Vendor: 0x0403, Product: 0x6001}
	eventually(t, "the adapter", func() bool {
		ports, err := tty.List()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ports {
			if wanted.Matches(p) && p.Driver == "ftdi_sio" && p.Serial != "" && p.Location != "" {
				t.Logf("%+v", p)
				return true
			}
		}
		return false
	})
	haltest.TestSerial(t, func(t *testing.T) haltest.SerialUnderTest {
		s, err := tty.New("console", tty.Config{Wanted: wanted, Baud: 115200})
		if err != nil {
			t.Fatal(err)
		}
		return haltest.SerialUnderTest{Serial: s, Far: farEnd{t},
			Unplug: func() { inside.Ask(t, "usb unplug") },
			Plug:   func() { inside.Ask(t, "usb plug") }}
	})
}

// farEnd is the other end of the cable.
type farEnd struct{ t *testing.T }

func (f farEnd) Write(b []byte) (int, error) {
	inside.Ask(f.t, "usb write "+hex.EncodeToString(b))
	return len(b), nil
}

func (f farEnd) Read(b []byte) (int, error) {
	_, text, _ := strings.Cut(inside.Ask(f.t, "usb read"), " ")
	got, err := hex.DecodeString(text)
	if len(got) > len(b) {
		f.t.Errorf("%d octets more than was sent: % x", len(got)-len(b), got)
	}
	return copy(b, got), err
}

// eventually waits for what the kernel does in its own time.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(end) {
			t.Fatalf("%s does not come", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
