package appliance

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReproducible: the same commit gives the same octets, of the image and of the signed update,
// made elsewhere and later, and not too many of them.
func TestReproducible(t *testing.T) {
	boards := []board{x86}
	if os.Getenv("HEPTAP_LONG") != "" {
		boards = append(boards, arm)
	}
	for _, b := range boards {
		need(t, b)
		first, dir := image(t, b), t.TempDir()
		build(t, b, dir)
		for _, suffix := range []string{".img", ".img.zst", ".update"} {
			name := strings.TrimSuffix(filepath.Base(first), ".img") + suffix
			one, err := os.ReadFile(filepath.Join(filepath.Dir(first), name))
			if err != nil {
				t.Fatal(err)
			}
			two, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if suffix == ".img.zst" && len(one) > 64<<20 {
				t.Errorf("%s has %d octets, more than 64 MiB", name, len(one))
			}
			if len(one) == 0 || !bytes.Equal(one, two) {
				t.Errorf("%s is different when it is built again", name)
			}
			t.Logf("%s: %d octets, twice the same", name, len(one))
		}
	}
}

func TestX86(t *testing.T) {
	t.Parallel()
	story(t, x86)
}

func TestARM64(t *testing.T) {
	t.Parallel()
	story(t, arm)
}

// story is what every board must do: capture after a cold boot; keep through a
// power cut and through a shutdown what no collector has; and say nothing on the
// mirror port in all that time.
func story(t *testing.T, b board) {
	x := newBox(t, b, 1024)
	begun := time.Now()
	x.boot()
	x.expect("msg=capturing")
	t.Logf("cold boot to capturing: %.1f s", time.Since(begun).Seconds())
	may := x.says("what the probe may do")
	for _, want := range []string{`Uid="1000 1000 1000 1000"`, "CapEff=0000000002002400", "CapBnd=0000000002002400", "NoNewPrivs=1", "read_only=\"/ /proc /dev"} {
		if !strings.Contains(may, want) {
			t.Errorf("no %s in %s", want, may)
		}
	}
	x.arrive(x.call("first@lab"))
	if !x.said("data partition ends with its disk now") {
		t.Error("the data partition has not grown")
	}
	if !x.said(`identity="i6300ESB timer"`) {
		t.Error("the watchdog was not found")
	}

	x.collector.Kill()
	kept := x.call("power-cut@lab")
	x.expect("records on disk")
	x.cut()

	x.collector.Restart()
	x.boot()
	x.arrive(kept)
	if x.said("DESTROYED") {
		t.Error("the power cut has destroyed the data partition")
	}

	x.collector.Kill()
	kept = x.call("shutdown@lab")
	x.expect("records on disk")
	if _, err := x.guest.QMP("system_powerdown", nil); err != nil {
		t.Fatal(err)
	}
	x.expect("data partition unmounted")
	x.ends()

	x.collector.Restart()
	x.boot()
	x.arrive(kept)
	if x.said("file system check repaired") {
		t.Error("the data partition was not left in order")
	}
	x.cut()
}

// TestWedged: a pipeline that gets stuck has the watchdog reset the box, which then
// says why it was started. One that has nothing to do is no such pipeline; see TestQuietHour, too.
func TestWedged(t *testing.T) {
	t.Parallel()
	wedged(t, x86)
}

func TestWedgedARM64(t *testing.T) {
	long(t)
	t.Parallel()
	wedged(t, arm)
}

func wedged(t *testing.T, b board) {
	x := newBox(t, b, 1024)
	x.put("heptap.test", "wedge wedge@lab\n")
	x.resets = true
	x.boot()
	x.expect("cause=first-start")
	x.expect("msg=capturing")
	x.arrive(x.call("first@lab"))
	if x.quiet(70 * time.Second) { // more than a pipeline has that says nothing
		t.Fatalf("reset while the mirror port was quiet; the console:\n%s", x.guest.Output())
	}
	x.arrive(x.call("second@lab"))
	x.silent()

	begun := time.Now()
	x.wedge()
	t.Logf("wedged to reset and started again: %.1f s", time.Since(begun).Seconds())
	x.recovers()
}

// wedge has the pipeline get stuck, and waits until the box starts again.
func (x *box) wedge() {
	x.t.Helper()
	x.call("wedge@lab")
	x.expect("the watchdog is not fed any more")
	x.expect("goroutine ") // what the probe was doing
	x.started()
}

// recovers holds a box that was reset to say why, and to capture.
func (x *box) recovers() {
	x.t.Helper()
	x.expect(`cause="watchdog: sign of life of the probe was waited for in vain"`)
	x.expect("msg=capturing")
	x.expect("degraded; capture")
	x.arrive(x.call("third@lab"))
	x.cut()
}

// TestDestroyed: whatever is on its disk, the box comes back and captures.
func TestDestroyed(t *testing.T) {
	long(t)
	t.Parallel()
	x := newBox(t, x86, 1024)
	x.boot()
	x.expect("msg=capturing")
	x.cut()

	// The front of the data partition is overwritten: it is repaired from the copies
	// that the file system has of what counts.
	x.overwrite(385<<20, 40<<20)
	x.boot()
	x.expect("THE DATA PARTITION IS DAMAGED")
	x.expect("the data partition was repaired")
	x.expect("msg=capturing")
	x.cut()

	// All of it is gone: it is made anew, and the configuration of the system
	// partition holds.
	run(t, "fallocate", "--punch-hole", "-o", "385MiB", "-l", "638MiB", x.disk)
	x.boot()
	x.expect("DESTROYED AND MADE ANEW")
	x.expect("configuration taken over")
	x.expect("msg=capturing")
	x.arrive(x.call("anew@lab"))
	x.cut()

	// The partition table is gone: its copy at the end of the disk holds. Whether the
	// firmware mends it or the box is all the same.
	x.overwrite(512, 33*512)
	x.boot()
	x.expect("msg=capturing")
	x.cut()
	run(t, "/usr/sbin/sfdisk", "--verify", x.disk)
}

// TestClock: a box whose clock begins long ago has one that does not go back.
func TestClock(t *testing.T) {
	long(t)
	t.Parallel()
	x := newBox(t, arm, 1024)
	x.more = []string{"-rtc", "base=2001-02-03T04:05:06"}
	x.boot()
	x.expect(`when="this program was built"`)
	x.expect("msg=capturing")
	if _, err := x.guest.QMP("system_powerdown", nil); err != nil {
		t.Fatal(err)
	}
	x.ends()
	x.boot()
	x.expect(`when="the time was kept"`)
	x.expect("msg=capturing")
}

// TestHardware: the modules' list has what other machines are made of.
func TestHardware(t *testing.T) {
	long(t)
	for _, m := range []struct {
		name   string
		board  board
		nic    string
		diskAt []string
	}{
		{"NVMe, Intel", x86, "e1000e", []string{"-device", "nvme,drive=disk,serial=1"}},
		{"SATA, Intel", x86, "e1000", []string{"-device", "ide-hd,drive=disk"}},
		{"USB", x86, "e1000e", []string{"-device", "qemu-xhci", "-device", "usb-storage,drive=disk"}},
		{"NVMe, Intel, ARM", arm, "e1000e", []string{"-device", "nvme,drive=disk,serial=1"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			x := newBox(t, m.board, 1024)
			x.nic, x.diskAt = m.nic, m.diskAt
			x.boot()
			x.expect("msg=capturing")
			x.arrive(x.call("hardware@lab"))
			x.collector.Kill()
			kept := x.call("restart@lab")
			x.expect("records on disk")
			if m.board == x86 { // the other one has no keyboard
				if _, err := x.guest.Human("sendkey ctrl-alt-delete"); err != nil {
					t.Fatal(err)
				}
				x.expect("data partition unmounted")
				x.ends()
			} else {
				x.cut()
			}
			x.collector.Restart()
			x.boot()
			x.arrive(kept)
		})
	}
}
