package appliance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heptap/board"
	"heptap/firmware/internal/bundle"
)

// tryable makes a Raspberry Pi of a box, whose boot loader has started a partition.
func tryable(t *testing.T, r *rig, partition byte) {
	t.Helper()
	upgradable(t, r, factoryEntry)
	r.Boot = board.BootTry
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	boot := filepath.Join(r.d.dev, "sda1")
	text := filepath.Join(r.d.root, "autoboot.txt")
	files(t, r.d.root, map[string]string{"autoboot.txt": fmt.Sprintf("[all]\ntryboot_a_b=1\nboot_partition=1\n%-442s\n", "#"), "dev/sda1": ""})
	if err := os.Truncate(boot, 40<<20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.vfat", "-F", "32", boot}, {"mcopy", "-i", boot, text, "::autoboot.txt"}, {"mcopy", "-i", boot, text, "::autoboot.bak"}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "" {
			t.Skip(err)
		} else if err != nil {
			t.Fatalf("%q: %v: %s", command, err, out)
		}
	}
	for n, name := range []string{slotA, slotB} {
		device := fmt.Sprint("sda", n+5)
		r.d.partition(t, "sda", device, name, fmt.Sprint(n+2))
		files(t, r.d.root, map[string]string{"dev/" + device: ""})
		r.d.kernel.blocks[device] = 2
	}
	r.started8(t, partition)
}

// started8 has the boot loader say which partition it has started.
func (r *rig) started8(t *testing.T, partition byte) {
	t.Helper()
	files(t, r.d.root, map[string]string{bootedPartition: "\x00\x00\x00" + string(partition)})
}

// again is the same box at its next start.
func (r *rig) again(t *testing.T, partition byte) {
	t.Helper()
	r.started8(t, partition)
	r.stopVigil()
	old := r.Box
	r.console = text{}
	r.d.kernel.calls = nil
	r.Box = &Box{Kernel: old.Kernel, OpenNet: old.OpenNet, DHCP: old.DHCP, Watchdog: old.Watchdog, Start: old.Start, Console: old.Console,
		Title: old.Title, Board: old.Board, Boot: old.Boot, Release: old.Release, Root: old.Root, Requests: old.Requests}
	r.start(t)
}

// autoboot is the text that the boot loader reads, without what fills it up.
func (r *rig) autoboot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("mcopy", "-i", filepath.Join(r.d.dev, "sda1"), "::autoboot.txt", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(out), "[none]\n")
	return before
}

// TestTryUpgrade is a Raspberry Pi's story: an update that is good, one that never gets
// there, the way back.
func TestTryUpgrade(t *testing.T) {
	const first, second = "[all]\ntryboot_a_b=1\nboot_partition=%d\n[tryboot]\nboot_partition=%d\n", "system %d, %s"
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		tryable(t, r, 1)
		want := func(what string, start, try int) {
			t.Helper()
			if got := r.autoboot(t); got != fmt.Sprintf(first, start, try) {
				t.Errorf("%s: autoboot.txt is\n%s", what, got)
			}
		}
		tried := func() bool { return strings.Contains(r.d.kernel.said(), "try") }
		files(t, r.d.root, map[string]string{DownloadFile: update(t, newer, "the new system", key(1))})
		r.start(t)
		f := <-r.born
		f.lives(t, 3*time.Second, "well")
		if told := f.asks(t, `upgrade ""`); !strings.Contains(told, `!upgrade "done system 1, v1.1.0"`) || !strings.Contains(told, `  1        v1.1.0                   new\n* factory`) {
			t.Fatalf("told %s", told)
		}
		want("installed", 1, 2)
		if text, err := os.ReadFile(filepath.Join(r.d.dev, "sda5")); err != nil || !strings.HasPrefix(string(text), "the new system") {
			t.Errorf("%q, %v", text, err)
		}
		if tried() {
			t.Error("the firmware was told before the restart")
		}
		r.requests <- Restart
		<-r.ended
		if !tried() {
			t.Errorf("the firmware was not told: %s", r.d.kernel.said())
		}

		r.again(t, 2)
		f = <-r.born
		if told := f.told.String(); !strings.Contains(told, `* 1        v1.1.0                   on trial, the last start\n`) || !strings.Contains(told, `!given-up ""`) {
			t.Errorf("told %s", told)
		}
		f.lives(t, 6*time.Minute, "well")
		want("committed", 2, 2)
		files(t, r.d.root, map[string]string{DownloadFile: update(t, bundle.Header{Board: "test-board", Version: "v1.2.0", Built: 300, Data: 2}, "the next system", key(1))})
		if told := f.asks(t, `upgrade ""`); !strings.Contains(told, `!upgrade "done system 2, v1.2.0"`) {
			t.Fatalf("told %s", told)
		}
		want("installed beside it", 2, 3)
		r.requests <- Restart
		<-r.ended

		// It ends somehow: the one before is back.
		r.again(t, 2)
		f = <-r.born
		if told := f.told.String(); !strings.Contains(told, `* 1        v1.1.0                   committed\n  2        v1.2.0                   given up\n`) || !strings.Contains(told, `!given-up "v1.2.0"`) {
			t.Errorf("told %s", told)
		}
		if told := f.asks(t, `upgrade-back ""`); !strings.Contains(told, "=ok") {
			t.Errorf("told %s", told)
		}
		if how := <-r.ended; how != Restart {
			t.Errorf("ended by %v", how)
		}
		if tried() {
			t.Error("a system that was given up is tried again")
		}
		if got := r.autoboot(t); !strings.Contains(got, "[all]\ntryboot_a_b=1\nboot_partition=1\n") {
			t.Errorf("after the way back:\n%s", got)
		}
		r.stopVigil()
	})
}

// A firmware that does not take the message leaves the new system new, and says so.
func TestTryRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, boxConfig)
		tryable(t, r, 1)
		r.d.kernel.fail["try"] = errors.New("the firmware does not answer")
		files(t, r.d.root, map[string]string{DownloadFile: update(t, newer, "the new system", key(1))})
		r.start(t)
		f := <-r.born
		f.asks(t, `upgrade ""`)
		r.requests <- Restart
		<-r.ended
		r.again(t, 1)
		f = <-r.born
		if told := f.told.String(); !strings.Contains(told, "  1        v1.1.0                   new") || !strings.Contains(told, `!why "the new system could not be tried: the firmware does not answer"`) {
			t.Errorf("told %s", told)
		}
		r.stop(t)
		r.stopVigil()
	})
}

// TestTryUnknown is what a box says that cannot know which system it is.
func TestTryUnknown(t *testing.T) {
	for name, spoil := range map[string]func(r *rig) error{
		"it is not said":      func(r *rig) error { return os.Remove(r.path(bootedPartition)) },
		"half of it":          func(r *rig) error { return os.Truncate(r.path(bootedPartition), 2) },
		"an unknown system":   func(r *rig) error { return os.WriteFile(r.path(bootedPartition), []byte{0, 0, 0, 3}, 0o600) },
		"no autoboot.txt":     func(r *rig) error { return os.Truncate(filepath.Join(r.d.dev, "sda1"), 0) },
		"a slot is not there": func(r *rig) error { return os.Remove(filepath.Join(r.d.root, "sys/class/block/sda6")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, boxConfig)
				tryable(t, r, 1)
				if err := spoil(r); err != nil {
					t.Fatal(err)
				}
				r.start(t)
				pass(time.Minute)
				f := <-r.born
				if told := f.asks(t, `upgrade ""`); !strings.Contains(told, "=error \"it is not known which system runs") {
					t.Errorf("told %s", told)
				}
				r.requests <- Restart
				<-r.ended
				r.stopVigil()
				if strings.Contains(r.d.kernel.said(), "try") {
					t.Error("a system is tried")
				}
			})
		})
	}
}

func TestMailboxPlaces(t *testing.T) {
	const iomem = "00000000-03ffffff : System RAM\nfe00b840-fe00b87b : fe00b840.mailbox mailbox@7e00b840\nfe00b880-fe00b8bf : fe00b880.mailbox mailbox@7e00b880\n"
	if at, err := mailboxAt([]byte(strings.Replace(iomem, "fe00b840.mailbox mailbox@7e00b840", "fe00b840.mmc", 1))); err != nil || at != 0xfe00b880 {
		t.Errorf("%#x, %v", at, err)
	}
	for _, bad := range []string{"", "00000000-00000000 : 0.mailbox\n", "x-y : 1.mailbox\n"} {
		if at, err := mailboxAt([]byte(bad)); err == nil {
			t.Errorf("%q: %#x", bad, at)
		}
	}
	if at, err := pageAt([]byte("\x00\x00\x00\x00\x20\x00\x00\x00\x00\x00\x10\x00")); err != nil || at != 0x20000000 {
		t.Errorf("%#x, %v", at, err)
	}
	for _, bad := range []string{"", "\x00\x00\x00\x01\x20\x00\x00\x00\x00\x00\x10\x00", "\x00\x00\x00\x00\x20\x00\x00\x08\x00\x00\x10\x00", "\x00\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00"} {
		if at, err := pageAt([]byte(bad)); err == nil {
			t.Errorf("%q: %#x", bad, at)
		}
	}
}

func FuzzMailboxPlaces(f *testing.F) {
	f.Add([]byte("fe00b880-fe00b8bf : fe00b880.mailbox mailbox@7e00b880\n"))
	f.Add([]byte("\x00\x00\x00\x00\x20\x00\x00\x00\x00\x00\x10\x00"))
	f.Add([]byte{0, 0, 0, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		if at, err := mailboxAt(b); err == nil && (at == 0 || at%4 != 0) {
			t.Errorf("%#x", at)
		}
		if at, err := pageAt(b); err == nil && (at >= 1<<30 || at%4096 != 0) {
			t.Errorf("%#x", at)
		}
		if n, err := partitionOf(b); err == nil && (n < 0 || n > 255) {
			t.Errorf("%d", n)
		}
	})
}
