package tty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
	"heptap/hal/haltest"
)

// adapter is a pseudo terminal in the place of a USB adapter: the name of the
// port is a link to whichever is plugged in.
type adapter struct {
	t    *testing.T
	path string

	mu     sync.Mutex
	master *os.File
}

func newAdapter(t *testing.T) *adapter {
	a := &adapter{t: t, path: filepath.Join(t.TempDir(), "ttyUSB0")}
	a.plug()
	t.Cleanup(a.unplug)
	return a
}

func (a *adapter) plug() {
	a.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := master.SyscallConn()
	if err != nil {
		a.t.Fatal(err)
	}
	var n uint32
	_ = raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetUint32(int(fd), unix.TIOCGPTN)
		}
	})
	if err == nil {
		err = os.Symlink(fmt.Sprintf("/dev/pts/%d", n), a.path)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.master = master
}

func (a *adapter) unplug() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.master != nil {
		if err := errors.Join(a.master.Close(), os.Remove(a.path)); err != nil {
			a.t.Error(err)
		}
		a.master = nil
	}
}

func (a *adapter) far() *os.File {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.master
}

// Read waits while the port is not open: the master says EIO then.
func (a *adapter) Read(b []byte) (int, error) {
	for {
		n, err := a.far().Read(b)
		if !errors.Is(err, unix.EIO) {
			return n, err
		}
		time.Sleep(time.Millisecond)
	}
}

func (a *adapter) Write(b []byte) (int, error) { return a.far().Write(b) }

func (a *adapter) serial(t *testing.T) *Serial {
	s, err := New("console", Config{Wanted: Wanted{Path: a.path}, Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	s.find = func(w Wanted) (hal.SerialPort, error) {
		p := hal.SerialPort{Path: a.path, Kind: hal.SerialUSB}
		if _, err := os.Stat(a.path); err != nil || !w.Matches(p) {
			return hal.SerialPort{}, fmt.Errorf("no port: %w", fs.ErrNotExist)
		}
		return p, nil
	}
	return s
}

func TestSerial(t *testing.T) {
	haltest.TestSerial(t, func(t *testing.T) haltest.SerialUnderTest {
		a := newAdapter(t)
		return haltest.SerialUnderTest{Serial: a.serial(t), Far: a, Unplug: a.unplug, Plug: a.plug}
	})
}

// TestHangupWithoutReading is about a session that only waits: it must hear
// that the port is gone.
func TestHangupWithoutReading(t *testing.T) {
	a := newAdapter(t)
	ctx, cancel := context.WithCancel(t.Context())
	begun, over, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- a.serial(t).Serve(ctx, func(ctx context.Context, _ hal.SerialLine) {
			close(begun)
			<-ctx.Done()
			close(over)
		})
	}()
	<-begun
	a.unplug()
	<-over
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestModeIsGivenBack looks at the port's mode through another open file, and
// keeps the output that nobody reads from holding the close up.
func TestModeIsGivenBack(t *testing.T) {
	a := newAdapter(t)
	f, err := os.OpenFile(a.path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mode := func() unix.Termios {
		m, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS2)
		if err != nil {
			t.Fatal(err)
		}
		return *m
	}
	before := mode()
	ctx, cancel := context.WithCancel(t.Context())
	err = a.serial(t).Serve(ctx, func(_ context.Context, line hal.SerialLine) {
		m := mode()
		if m.Lflag&(unix.ECHO|unix.ICANON|unix.ISIG) != 0 || m.Oflag&unix.OPOST != 0 || m.Ospeed != 115200 {
			t.Errorf("mode %+v", m)
		}
		if err := line.SetSpeed(250000); err != nil { // has no name
			t.Error(err)
		}
		if m := mode(); m.Ospeed != 250000 || m.Ispeed != 250000 {
			t.Errorf("speeds %d and %d", m.Ispeed, m.Ospeed)
		}
		cancel()
	})
	if err != nil {
		t.Error(err)
	}
	if after := mode(); after != before {
		t.Errorf("mode was %+v and is now %+v", before, after)
	}
}

func TestServeFails(t *testing.T) {
	a := newAdapter(t)
	s := a.serial(t)
	s.find = func(Wanted) (hal.SerialPort, error) { return hal.SerialPort{Path: "/proc/self/exe"}, nil }
	if err := s.Serve(t.Context(), func(context.Context, hal.SerialLine) { t.Error("a session on a file") }); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("err %v", err)
	}
	for _, cfg := range []Config{{Wanted: Wanted{Path: "["}}, {Wanted: Wanted{Location: "["}}, {Baud: -1}, {Baud: maxBaud + 1}} {
		if _, err := New("x", cfg); err == nil {
			t.Errorf("%+v is no error", cfg)
		}
	}
}

// box makes a kernel's directories: a UART, a place for one, a USB bridge, a
// modem, a gadget's port and what is no port at all.
func box(t *testing.T) roots {
	t.Helper()
	dir := t.TempDir()
	r := roots{class: filepath.Join(dir, "class"), devices: filepath.Join(dir, "devices"), dev: "/dev"}
	file := func(text string, elem ...string) {
		name := filepath.Join(elem...)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text+"\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	tty := func(name, device, driver string) {
		device = filepath.Join(r.devices, device)
		entry, drivers := filepath.Join(device, "tty", name), filepath.Join(dir, "drivers", driver)
		err := errors.Join(os.MkdirAll(entry, 0o755), os.MkdirAll(drivers, 0o755), os.MkdirAll(r.class, 0o755),
			os.Symlink(device, filepath.Join(entry, "device")), os.Symlink(entry, filepath.Join(r.class, name)))
		if err != nil {
			t.Fatal(err)
		}
		if link := filepath.Join(device, "driver"); os.Symlink(drivers, link) != nil {
			if _, err := os.Lstat(link); err != nil {
				t.Fatal(err)
			}
		}
	}
	tty("ttyS0", "pnp0/00:03", "serial")
	file("4", r.class, "ttyS0", "type")
	tty("ttyS1", "platform/serial8250", "serial8250")
	file("0", r.class, "ttyS1", "type")
	tty("ttyUSB10", "pci0/usb1/1-2/1-2:1.0/ttyUSB10", "ftdi_sio")
	for name, text := range map[string]string{"idVendor": "0403", "idProduct": "6001", "serial": "A5XK3RJT"} {
		file(text, r.devices, "pci0/usb1/1-2", name)
	}
	tty("ttyACM0", "pci0/usb1/1-3/1-3:1.0", "cdc_acm")
	file("1d6b", r.devices, "pci0/usb1/1-3", "idVendor")
	file("0104", r.devices, "pci0/usb1/1-3", "idProduct")
	for _, name := range []string{"ttyGS0", "tty1", "ptmx"} {
		if err := os.Mkdir(filepath.Join(r.class, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestList(t *testing.T) {
	got, err := box(t).list()
	want := []hal.SerialPort{
		{Path: "/dev/ttyS0", Kind: hal.SerialUART, Driver: "serial", Location: "pnp0/00:03"},
		{Path: "/dev/ttyGS0", Kind: hal.SerialGadget},
		{Path: "/dev/ttyACM0", Kind: hal.SerialUSB, Driver: "cdc_acm", Vendor: 0x1d6b, Product: 0x104, Location: "pci0/usb1/1-3/1-3:1.0"},
		{Path: "/dev/ttyUSB10", Kind: hal.SerialUSB, Driver: "ftdi_sio", Vendor: 0x403, Product: 0x6001, Serial: "A5XK3RJT", Location: "pci0/usb1/1-2/1-2:1.0"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if none, err := (roots{class: filepath.Join(t.TempDir(), "absent")}).list(); err != nil || none != nil {
		t.Errorf("without sysfs: %v, %v", none, err)
	}
	if _, err := List(); err != nil {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	r := box(t)
	for _, tt := range []struct {
		wanted Wanted
		path   string
	}{
		{Wanted{}, "/dev/ttyS0"},
		{Wanted{Path: "/dev/ttyUSB*"}, "/dev/ttyUSB10"},
		{Wanted{Kind: hal.SerialGadget}, "/dev/ttyGS0"},
		{Wanted{Kind: hal.SerialUSB}, "/dev/ttyACM0"},
		{Wanted{Vendor: 0x403, Product: 0x6001}, "/dev/ttyUSB10"},
		{Wanted{Serial: "A5XK3RJT"}, "/dev/ttyUSB10"},
		{Wanted{Driver: "cdc_acm"}, "/dev/ttyACM0"},
		{Wanted{Location: "pci0/usb1/1-2/*"}, "/dev/ttyUSB10"},
		{Wanted{Path: "/dev/ttyS1"}, ""},
		{Wanted{Vendor: 0x403, Product: 0x6015}, ""},
		{Wanted{Location: "pci0/usb2/*"}, ""},
	} {
		got, err := r.find(tt.wanted)
		if tt.path == "" && !errors.Is(err, fs.ErrNotExist) || tt.path != "" && err != nil || got.Path != tt.path {
			t.Errorf("%+v: got %+v, %v", tt.wanted, got, err)
		}
	}
}
