package appliance

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"heptap/scripts/lab/guest"
)

// beside is a process of the tests beside heptap on a box. Such a box has its own disk, kernel and initramfs,
// but QEMU starts the kernel: no boot loader, and so no updates.
type beside struct {
	t      *testing.T
	orders net.Conn
	said   *bufio.Reader
	cable  string // socket at the far end of the box's USB gadget
}

// bootBeside switches the box on, and waits for its own system. A box with a gadget has a USB
// device controller, as a Raspberry Pi, and is at both ends of its cable.
func (x *box) bootBeside(gadget bool) *beside {
	x.t.Helper()
	kernel, err := guest.FetchKernel(x.board.arch)
	if err != nil {
		x.t.Fatal(err)
	}
	base, program := x.initramfs(), filepath.Join(x.dir, "beside")
	if err := guest.BuildProgram(x.board.arch, "heptap/scripts/lab/guest/inside/beside", program); err != nil {
		x.t.Fatal(err)
	}
	files := map[string]guest.Content{"/beside": {Path: program, Mode: 0o755}}
	modules := []string{"virtio_pci", "virtio_console"}
	if gadget {
		modules = append(modules, "dummy_hcd", "cdc_acm")
		order := run(x.t, "sh", "-c", "cpio --quiet -i --to-stdout lib/modules/order < "+base)
		for _, m := range []string{"dummy_hcd", "usb_f_acm", "g_serial"} { // as on a Raspberry Pi, but for the first
			paths, err := kernel.Modules(m)
			if err != nil {
				x.t.Fatal(err)
			}
			for _, p := range paths {
				name := filepath.Base(p)
				files["/lib/modules/"+name] = guest.Content{Path: p, Mode: 0o644}
				if !slices.Contains(strings.Fields(order), name) {
					order += name + "\n"
				}
			}
		}
		files["/lib/modules/order"] = guest.Content{Text: order, Mode: 0o644}
	}
	orders, cable := filepath.Join(x.dir, "orders"), filepath.Join(x.dir, "far")
	_, _ = os.Remove(orders), os.Remove(cable) // of the boot before
	for _, name := range []string{"qmp", "qtest"} {
		_ = os.Remove(filepath.Join(x.dir, name))
	}
	x.start(guest.Config{Kernel: kernel, Base: base, Files: files, Modules: modules, Append: "quiet panic=5 oops=panic rdinit=/beside heptap.board=" + x.board.name,
		Devices: []string{"-blockdev", "driver=raw,node-name=disk,file.driver=file,file.filename=" + x.disk, "-device", "virtio-blk-pci,drive=disk,addr=5",
			"-device", "virtio-serial-pci,addr=7", "-chardev", "socket,id=orders,server=on,wait=off,path=" + orders, "-device", "virtserialport,chardev=orders,name=orders",
			"-chardev", "socket,id=far,server=on,wait=off,path=" + cable, "-device", "virtserialport,chardev=far,name=cable"}})
	b := &beside{t: x.t, cable: cable}
	if b.orders, err = net.Dial("unix", orders); err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { b.orders.Close() })
	b.said = bufio.NewReader(b.orders)
	x.started()
	return b
}

// initramfs takes the initramfs of the factory system off the disk.
func (x *box) initramfs() (file string) {
	x.t.Helper()
	system, packed, file := filepath.Join(x.dir, "system"), filepath.Join(x.dir, "packed"), filepath.Join(x.dir, "initramfs")
	run(x.t, "mcopy", "-o", "-i", x.disk+"@@1M", "::EFI/Linux/heptap_factory.efi", system)
	run(x.t, objcopy(x.board), "-O", "binary", "--only-section=.initrd", system, packed)
	run(x.t, "zstd", "-q", "-d", "-f", packed, "-o", file)
	return file
}

// does has an order carried out, and returns what is said of it.
func (b *beside) does(format string, args ...any) string {
	b.t.Helper()
	order := fmt.Sprintf(format, args...)
	if _, err := fmt.Fprintln(b.orders, order); err != nil {
		b.t.Fatal(err)
	}
	said, err := b.said.ReadString('\n')
	if err != nil || !strings.HasPrefix(said, "ok") {
		b.t.Fatalf("%s: %s %v", order, said, err)
	}
	return strings.TrimSpace(strings.TrimPrefix(said, "ok"))
}

// TestGadget has the console at the serial port of a box that is itself a USB device, and
// pulls the cable.
func TestGadget(t *testing.T) {
	long(t)
	t.Parallel()
	gadget(t, x86)
}

func TestGadgetARM64(t *testing.T) {
	long(t)
	t.Parallel()
	gadget(t, arm)
}

func gadget(t *testing.T, b board) {
	x := newBox(t, b, imageMiB)
	beside := x.bootBeside(true)
	c := newTerminal(t, beside.cable)
	x.says("port=/dev/ttyGS0 kind=gadget")
	x.expect("msg=capturing")
	c.enters(prompt)
	if out := c.does("show version"); !strings.Contains(out, "board          "+b.name) {
		t.Errorf("the version:\n%s", out)
	}
	x.arrive(x.call("gadget@lab"))
	if out := c.does("show call gadget@lab"); !strings.Contains(out, "BYE") {
		t.Errorf("the ladder:\n%s", out)
	}
	if is := beside.does("read /sys/class/udc/dummy_udc.0/state"); is != "configured" {
		t.Errorf("the gadget is %s", is)
	}
	// The far end's socket loses its power, as when the cable is pulled. (The controller's own soft_connect brings dummy_hcd
	// back deaf in this kernel.)
	const off = "/sys/bus/usb/devices/usb1/1-0:1.0/usb1-port1/disable"
	for _, typed := range []string{"", "set system agent-id 7"} { // at rest, and in the middle of a line
		c.types("%s", typed)
		beside.does("write %s 1", off)
		beside.does("gone /dev/ttyACM0")
		beside.does("write %s 0", off)
		c.enters(prompt)
		if out := c.does("show version"); !strings.Contains(out, "board          "+b.name) {
			t.Errorf("plugged in again:\n%s", out)
		}
	}
	x.cut()
}
