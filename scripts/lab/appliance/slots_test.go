package appliance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSlotNames holds systemd-boot to what package slots relies on: it starts the system with the
// highest number, counts the starts of one that is not committed in its name, and
// goes back to the factory system after the third.
func TestSlotNames(t *testing.T) {
	long(t)
	t.Parallel()
	x := newBox(t, x86, 1024)
	x.resets = true
	system, cmdline, slots := filepath.Join(x.dir, "system"), filepath.Join(x.dir, "cmdline"), x.disk+"@@129M"
	run(t, "mcopy", "-i", x.disk+"@@1M", "::EFI/Linux/heptap_factory.efi", system)
	if err := os.WriteFile(cmdline, []byte("console=ttyS0,115200n8 panic=5 rdinit=/nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	// It crashes: there is no such program, and no other file system.
	run(t, "x86_64-linux-gnu-objcopy", "-p", "--update-section", ".cmdline="+cmdline, system)
	run(t, "mcopy", "-i", slots, system, "::EFI/Linux/heptap_10_v1.0.0+3.efi")
	x.boot() // it is the factory system that says what this waits for
	if n := strings.Count(x.guest.Output(), "Kernel panic"); n != 3 {
		t.Errorf("%d starts of the one that crashes, want 3", n)
	}
	x.expect("msg=capturing")
	x.cut()
	if files := run(t, "mdir", "-b", "-i", slots, "::EFI/Linux"); !strings.Contains(files, "heptap_10_v1.0.0+0-3.efi") {
		t.Errorf("the slots: %s", files)
	}
}
