package appliance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	boards "heptap/board"
)

// pi has no firmware to be booted by in QEMU: what these tests hold its image to is what can be
// read, and TestPiKernel starts its kernel without the boot loader.
var pi = board{name: "raspberrypi-4", arch: "arm64"}

// piFile returns a file of the image's first partition.
func piFile(t *testing.T, name string) []byte {
	t.Helper()
	out, err := exec.Command("mcopy", "-i", image(t, pi)+"@@1M", "::"+name, "-").Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// TestPiBootFiles follows the boot loader from one file to the next.
func TestPiBootFiles(t *testing.T) {
	if got := string(piFile(t, "autoboot.txt")); !strings.HasPrefix(got, "[all]\ntryboot_a_b=1\nboot_partition=1\n#") || len(got) != 480 || got != string(piFile(t, "autoboot.bak")) {
		t.Errorf("autoboot.txt: %q", got)
	}
	config := string(piFile(t, "config.txt"))
	if config != string(piFile(t, "tryboot.txt")) {
		t.Error("a system that is tried is configured in another way")
	}
	files := []string{"start4.elf", "fixup4.dat"}
	for line := range strings.Lines(config) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "initramfs "); ok {
			files = append(files, strings.Fields(name)[0])
		}
		for _, key := range []string{"kernel=", "device_tree=", "cmdline="} {
			if name, ok := strings.CutPrefix(line, key); ok {
				files = append(files, name)
			}
		}
	}
	slices.Sort(files)
	if want := []string{"board.dtb", "cmdline.txt", "fixup4.dat", "initramfs", "kernel", "start4.elf"}; !slices.Equal(files, want) {
		t.Errorf("config.txt leads to %q", files)
	}
	// The update is the same files, as a FAT, behind the signature.
	update, err := os.ReadFile(strings.TrimSuffix(image(t, pi), ".img") + ".update")
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(update, []byte("\xeb\x58\x90mkfs.fat"))
	slot := filepath.Join(t.TempDir(), "slot")
	if at < 0 || os.WriteFile(slot, update[at:], 0o600) != nil || os.Truncate(slot, 128<<20) != nil {
		t.Fatal("no FAT in the update")
	}
	magic := map[string]string{"start4.elf": "\x7fELF", "board.dtb": "\xd0\x0d\xfe\xed", "initramfs": "\x28\xb5\x2f\xfd", "kernel": "MZ"}
	for _, name := range append(files, "config.txt", "tryboot.txt") {
		content := piFile(t, name)
		if !bytes.HasPrefix(content, []byte(magic[name])) {
			t.Errorf("%s begins with %q", name, content[:min(4, len(content))])
		}
		if out, err := exec.Command("mcopy", "-i", slot, "::"+name, "-").Output(); err != nil || !bytes.Equal(out, content) {
			t.Errorf("the update's %s is another one: %v", name, err)
		}
	}
	if kernel := piFile(t, "kernel"); string(kernel[56:60]) != "ARM\x64" { // Documentation/arch/arm64/booting.rst
		t.Error("the kernel is no arm64 Image")
	}
	if out := run(t, "mdir", "-b", "-i", slot, "::"); strings.Contains(out, "autoboot") {
		t.Error("the update has an autoboot.txt of its own")
	}
	cmdline := strings.Fields(string(piFile(t, "cmdline.txt")))
	for _, want := range []string{"heptap.board=raspberrypi-4", "console=ttyS1,115200n8", "panic=5", "iomem=relaxed"} {
		if !slices.Contains(cmdline, want) {
			t.Errorf("no %s in %q", want, cmdline)
		}
	}
}

// TestPiTable holds the partitions to what PID 1 and the boot loader go by.
func TestPiTable(t *testing.T) {
	table := run(t, "sfdisk", "-d", image(t, pi))
	for n, want := range []string{"EBD0A0A2-B9E5-4433-87C0-68B6B72699C7 heptap-esp", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B heptap-slot-a", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B heptap-slot-b", "0FC63DAF-8483-4772-8E79-3D69D8477DE4 heptap-data"} {
		kind, name, _ := strings.Cut(want, " ")
		ok := false
		for line := range strings.Lines(table) {
			ok = ok || strings.Contains(line, fmt.Sprintf(".img%d :", n+1)) && strings.Contains(line, kind) && strings.Contains(line, `name="`+name+`"`)
		}
		if !ok {
			t.Errorf("partition %d is not %s:\n%s", n+1, want, table)
		}
	}
}

// TestPiReproducible is for a machine that does it in less than half a minute.
func TestPiReproducible(t *testing.T) {
	long(t)
	first, dir := image(t, pi), t.TempDir()
	t.Log(build(t, pi, dir))
	for _, name := range []string{"img", "img.zst", "update"} {
		file := "heptap-" + pi.name + "." + name
		one, err := os.ReadFile(filepath.Join(filepath.Dir(first), file))
		if err != nil {
			t.Fatal(err)
		}
		two, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !bytes.Equal(one, two) {
			t.Errorf("%s is different when it is built again: %v", file, err)
		}
	}
}

// node is one of a device tree.
type node struct {
	path  string
	props map[string][]byte
}

func (n node) words(name string) (out []uint32) {
	for b := n.props[name]; len(b) >= 4; b = b[4:] {
		out = append(out, binary.BigEndian.Uint32(b))
	}
	return out
}

func (n node) texts(name string) []string {
	return strings.Split(strings.TrimSuffix(string(n.props[name]), "\x00"), "\x00")
}

// deviceTree reads a flattened one (Devicetree Specification, 5), by path.
func deviceTree(t *testing.T, b []byte) map[string]node {
	t.Helper()
	be := binary.BigEndian
	tokens, names := b[be.Uint32(b[8:]):], b[be.Uint32(b[12:]):]
	all := map[string]node{}
	var path []string
	for {
		token := be.Uint32(tokens)
		tokens = tokens[4:]
		switch token {
		case 1: // a node begins
			name, _, _ := bytes.Cut(tokens, []byte{0})
			tokens = tokens[(len(name)+4)&^3:]
			path = append(path, string(name))
			p := strings.Join(path, "/")
			all[p] = node{p, map[string][]byte{}}
		case 2:
			path = path[:len(path)-1]
		case 3:
			size, at := be.Uint32(tokens), be.Uint32(tokens[4:])
			name, _, _ := bytes.Cut(names[at:], []byte{0})
			all[strings.Join(path, "/")].props[string(name)] = tokens[8 : 8+size]
			tokens = tokens[8+(size+3)&^3:]
		case 4:
		case 9:
			return all
		default:
			t.Fatalf("token %d in the device tree", token)
		}
	}
}

// TestPiDeviceTree holds the board's description, the list of modules and the command line to the
// kernel's own device tree.
func TestPiDeviceTree(t *testing.T) {
	tree := deviceTree(t, piFile(t, "board.dtb"))
	d, err := boards.Lookup(pi.name)
	if err != nil {
		t.Fatal(err)
	}
	gpio := tree["/soc/gpio@7e200000"]
	if got := gpio.texts("compatible"); !slices.Contains(got, "brcm,bcm2711-gpio") {
		t.Fatalf("GPIO: %q", got)
	}
	names := gpio.texts("gpio-line-names")
	lines := []boards.Line{d.Button.Line}
	for _, l := range d.LEDs {
		lines = append(lines, l.Line)
	}
	for _, l := range lines {
		// The driver's label, of its device: pinctrl-bcm2711.
		if n := slices.Index(names, l.Name); l.Chip != "pinctrl-bcm2711" || n < 0 || l.Name != fmt.Sprint("GPIO", n) {
			t.Errorf("%+v: line %d of %q", l, n, names)
		}
	}
	if !bytes.Contains(piFile(t, "kernel"), []byte("pinctrl-bcm2711\x00")) {
		t.Error("the kernel calls no GPIO chip pinctrl-bcm2711")
	}
	serial := tree["/aliases"].texts("serial1")[0]
	if got := tree[serial].texts("compatible"); !slices.Contains(got, "brcm,bcm2835-aux-uart") || string(tree[serial].props["status"]) != "okay\x00" {
		t.Errorf("serial1 is %s, %q", serial, got)
	}
	if len(d.Consoles) != 1 || d.Consoles[0].Path != "/dev/ttyS1" { // the number is the alias's
		t.Errorf("consoles %+v", d.Consoles)
	}
	page := tree["/reserved-memory/heptap-mailbox@20000000"]
	if got := page.words("reg"); !slices.Equal(got, []uint32{0, 0x20000000, 0x1000}) || page.props["no-map"] == nil {
		t.Errorf("the mailbox's page: %v", got)
	}
	if usb := tree["/soc/usb@7e980000"]; string(usb.props["dr_mode"]) != "peripheral\x00" {
		t.Errorf("the USB-C socket is %q", usb.props["dr_mode"])
	}
}

// TestPiModules: what of the device tree the box needs has a driver, in the kernel or in the image.
func TestPiModules(t *testing.T) {
	tree := deviceTree(t, piFile(t, "board.dtb"))
	debian := strings.TrimSpace(run(t, "../../../board/image/fetch.sh", "arm64"))
	list := initramfsModules(t)
	aliases := driversOf(t, debian)
	for _, what := range []string{
		"/soc/gpio@7e200000", "/soc/watchdog@7e100000", "/soc/mailbox@7e00b880", "/soc/firmware", "/soc/firmware/clocks", "/soc/firmware/gpio", "/soc/firmware/reset",
		"/soc/cprman@7e101000", "/soc/aux@7e215000", "/soc/serial@7e215040", "/soc/usb@7e980000", "/soc/rng@7e104000", "/soc/avs-monitor@7d5d2000/thermal",
		"/emmc2bus/mmc@7e340000", "/sd_io_1v8_reg", "/sd_vcc_reg", "/scb/pcie@7d500000", "/scb/ethernet@7d580000", "/scb/ethernet@7d580000/mdio@e14", "/leds", "/phy",
	} {
		n, ok := tree[what]
		if !ok {
			t.Errorf("%s is not in the device tree", what)
			continue
		}
		var found []string
		for _, c := range n.texts("compatible") {
			found = append(found, aliases[c]...)
		}
		if !slices.ContainsFunc(found, func(m string) bool { return strings.HasPrefix(m, "built in") || slices.Contains(list, m) }) {
			t.Errorf("%s (%q) has no driver in the image; its drivers are %q", what, n.texts("compatible"), found)
		}
	}
	// By other ways than the device tree: the watchdog is a cell of the power management's, the PHY
	// is found by its number, a gadget's function by its name.
	for _, m := range []string{"bcm2835_wdt", "broadcom", "usb_f_acm", "g_serial", "xhci_pci", "r8152", "ax88179_178a", "cdc_ncm"} {
		if !slices.Contains(list, m) {
			t.Errorf("no module %s in the image", m)
		}
	}
	// What the board's description calls things is what the drivers do.
	d, err := boards.Lookup(pi.name)
	if err != nil {
		t.Fatal(err)
	}
	for where, name := range map[string]string{"watchdog/bcm2835_wdt": d.Watchdog.Identity, "net/ethernet/broadcom/genet/genet": "bcmgenet", "net/usb/r8152": "r8152", "net/usb/ax88179_178a": "ax88179_178a", "net/usb/cdc_ncm": "cdc_ncm"} {
		found, err := filepath.Glob(filepath.Join(debian, "lib/modules/*/kernel/drivers", where+".ko"))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %q, %v", where, found, err)
		}
		if text, err := os.ReadFile(found[0]); err != nil || !bytes.Contains(text, []byte(name+"\x00")) {
			t.Errorf("%s.ko does not call anything %q: %v", where, name, err)
		}
		if driver := "driver=" + name; name != d.Watchdog.Identity && !slices.ContainsFunc(d.Ports, func(p boards.Port) bool { return "driver="+p.Driver == driver }) {
			t.Errorf("no port of the board has %s", driver)
		}
	}
	if first := slices.Index(list, "broadcom"); first > slices.Index(list, "genet") {
		t.Error("the PHY's driver comes too late for the Ethernet controller")
	}
}

// initramfsModules are the modules that the image loads, in their order, by name.
func initramfsModules(t *testing.T) (names []string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "initramfs")
	if err := os.WriteFile(file, piFile(t, "initramfs"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "sh", "-c", fmt.Sprintf("cd %s && zstd -q -d -c initramfs | cpio --quiet -id lib/modules/watchdog lib/modules/order", dir))
	for _, list := range []string{"watchdog", "order"} {
		text, err := os.ReadFile(filepath.Join(dir, "lib/modules", list))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(string(text)) {
			names = append(names, strings.ReplaceAll(strings.TrimSuffix(name, ".ko"), "-", "_"))
		}
	}
	return names
}

// driversOf are the kernel's drivers by what a device tree calls compatible.
func driversOf(t *testing.T, debian string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	found, err := filepath.Glob(filepath.Join(debian, "lib/modules/*/modules.alias"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "alias" {
			if compatible, ok := strings.CutPrefix(f[1], "of:N*T*C"); ok {
				out[compatible] = append(out[compatible], strings.ReplaceAll(f[2], "-", "_"))
			}
		}
	}
	// A driver that is built in without being a module at all has no alias: what it takes is in the kernel's text.
	kernel := piFile(t, "kernel")
	for _, n := range deviceTree(t, piFile(t, "board.dtb")) {
		for _, c := range n.texts("compatible") {
			if c != "" && bytes.Contains(kernel, append([]byte(c), 0)) {
				out[c] = append(out[c], "built in: its name is in the kernel")
			}
		}
	}
	return out
}
