package appliance

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// raspi4b is QEMU's machine, of its release 9 and later; Debian 12 has release 7.2, and 10 in
// its backports. HEPTAP_QEMU_PI names another program than that of the PATH.
func raspi4b(t *testing.T) string {
	t.Helper()
	qemu := os.Getenv("HEPTAP_QEMU_PI")
	if qemu == "" {
		qemu = "qemu-system-aarch64"
	}
	out, err := exec.Command(qemu, "-M", "help").Output()
	if err != nil || !strings.Contains(string(out), "raspi4b") {
		t.Skipf("%s has no machine raspi4b: %v", qemu, err)
	}
	return qemu
}

// TestPiKernel starts the image's kernel and initramfs from its card in QEMU, which does what the
// boot loader would do: it loads the files, and says which partition they are from. Of
// the device tree is left what QEMU's machine has; the watchdog is not among that, nor what the
// firmware switches: QEMU takes the start of the watchdog for a reset.
func TestPiKernel(t *testing.T) {
	long(t)
	qemu := raspi4b(t)
	dir := t.TempDir()
	for _, name := range []string{"kernel", "initramfs", "board.dtb", "cmdline.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), piFile(t, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	card, tree := filepath.Join(dir, "card"), filepath.Join(dir, "board.dtb")
	run(t, "cp", "--sparse=always", image(t, pi), card)
	run(t, "truncate", "-s", "1G", card)
	for _, node := range []string{"interrupt-controller@7ef00100", "i2c@7ef04500", "i2c@7ef09500", "hdmi@7ef00700", "hdmi@7ef05700", "clock@7ef00000", "i2c@7e804000", "watchdog@7e100000", "serial@7e215040"} {
		run(t, "fdtput", "-t", "s", tree, "/soc/"+node, "status", "disabled")
	}
	// QEMU's card is in the other slot, and its first serial port is not a radio's.
	run(t, "fdtput", "-d", tree, "/soc/mmc@7e300000", "mmc-pwrseq", "non-removable")
	run(t, "fdtput", "-r", tree, "/soc/mmc@7e300000/wifi@1")
	run(t, "fdtput", "-r", tree, "/soc/serial@7e201000/bluetooth")
	run(t, "fdtput", "-cp", tree, "/chosen/bootloader")
	run(t, "fdtput", "-t", "x", tree, "/chosen/bootloader", "partition", "1")
	cmdline := strings.Replace(strings.TrimSpace(string(piFile(t, "cmdline.txt"))), "console=ttyS1", "console=ttyAMA0", 1)

	cmd := exec.Command(qemu, "-M", "raspi4b", "-accel", "tcg", "-display", "none", "-monitor", "none", "-no-reboot", "-kernel", filepath.Join(dir, "kernel"),
		"-initrd", filepath.Join(dir, "initramfs"), "-dtb", tree, "-append", cmdline, "-drive", "if=sd,format=raw,file="+card, "-serial", "stdio")
	console, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() })
	defer func() {
		late.Stop()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	want := []string{"msg=modules list=watchdog", "data partition ends with its disk now", `msg="data partition" device=/dev/mmcblk0p4`, "system         factory", "probe          waits to be set up"}
	var seen strings.Builder
	begun := time.Now()
	for s := bufio.NewScanner(console); len(want) > 0 && s.Scan(); {
		seen.WriteString(s.Text() + "\n")
		if strings.Contains(s.Text(), want[0]) {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("no %q in\n%s", want[0], seen.String())
	}
	t.Logf("from QEMU's start to the end of the boot: %.0f s", time.Since(begun).Seconds())
}
