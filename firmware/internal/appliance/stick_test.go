package appliance

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newStick returns a stick whose machine has the block devices; each is a directory
// under devices, with what its files have.
func newStick(t *testing.T, devices map[string]map[string]string) (*stick, *fakeKernel) {
	t.Helper()
	root, k := t.TempDir(), &fakeKernel{}
	s := &stick{kernel: k, sys: filepath.Join(root, "sys"), dev: "/dev", at: filepath.Join(root, "stick"), owner: uint32(os.Getuid())}
	for _, dir := range []string{s.at, filepath.Join(s.sys, "class/block")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for d, have := range devices {
		dir := filepath.Join(s.sys, "devices", d)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		files(t, dir, have)
		if err := os.Symlink(dir, filepath.Join(s.sys, "class/block", filepath.Base(d))); err != nil {
			t.Fatal(err)
		}
	}
	return s, k
}

// usbDisk is where the kernel has the disk of a USB port.
const usbDisk = "pci0/usb1/1-1/host6/block/"

func TestStickFind(t *testing.T) {
	disk := map[string]string{"size": "100\n", "uevent": "DEVTYPE=disk\n"}
	part := map[string]string{"size": "90\n", "uevent": "DEVTYPE=partition\nPARTN=1\n", "partition": "1\n"}
	own := map[string]string{"size": "90\n", "uevent": "DEVTYPE=partition\nPARTN=3\nPARTNAME=heptap-data\n", "partition": "3\n"}
	for _, c := range []struct {
		name    string
		devices map[string]map[string]string
		want    string // the device, or what is said
	}{
		{"none", nil, "no USB stick is plugged in"},
		{"another disk", map[string]map[string]string{"pci0/ata1/block/sda": disk, "pci0/ata1/block/sda/sda1": part}, "no USB stick is plugged in"},
		{"with a partition", map[string]map[string]string{usbDisk + "sdb": disk, usbDisk + "sdb/sdb1": part, usbDisk + "sdb/sdb2": part}, "/dev/sdb1"},
		{"whole", map[string]map[string]string{usbDisk + "sdb": disk}, "/dev/sdb"},
		{"a reader without a card", map[string]map[string]string{usbDisk + "sdb": {"size": "0\n"}}, "no USB stick is plugged in"},
		{"the box's own disk is at USB", map[string]map[string]string{usbDisk + "sda": disk, usbDisk + "sda/sda1": part, usbDisk + "sda/sda3": own}, "no USB stick is plugged in"},
		{"that, and a stick", map[string]map[string]string{usbDisk + "sda": disk, usbDisk + "sda/sda1": part, usbDisk + "sda/sda3": own,
			"pci0/usb2/2-1/host7/block/sdb": disk}, "/dev/sdb"},
		{"two", map[string]map[string]string{usbDisk + "sdb": disk, "pci0/usb2/2-1/host7/block/sdc": disk}, "there are several USB sticks: leave one in"},
	} {
		s, _ := newStick(t, c.devices)
		got, err := s.find()
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// stickRig is a probe that has PID 1 copy.
type stickRig struct {
	*stick
	k    *fakeKernel
	p    *Parent
	dir  string // of the probe's files
	told []int64
}

func newStickRig(t *testing.T) *stickRig {
	r := &stickRig{dir: t.TempDir()}
	r.stick, r.k = newStick(t, map[string]map[string]string{usbDisk + "sdb": {"size": "100\n"}})
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	r.p = NewParent(theirs, func(string, string) {})
	go r.p.Run()
	b := &Box{stick: r.stick, vigil: newVigil(nil, logTo(&text{}), func(string) {})}
	s := &supervisor{news: &teller{}, do: b.do}
	s.news.attach(prompt{ours})
	go s.signsOfLife(&Child{Alive: ours})
	return r
}

func (r *stickRig) copy(ctx context.Context, name string) error {
	return r.p.Copy(ctx, filepath.Join(r.dir, name), func(n int64) { r.told = append(r.told, n) })
}

// left is what is on the stick.
func (r *stickRig) left() string {
	var names []string
	all, _ := os.ReadDir(r.at)
	for _, e := range all {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestStickCopies(t *testing.T) {
	r := newStickRig(t)
	for name, size := range map[string]int{"large": 2*stickStep + 5, "even": stickStep, "empty": 0} {
		r.told = nil
		content := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
		files(t, r.dir, map[string]string{name: string(content)})
		if err := r.copy(t.Context(), name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := os.ReadFile(filepath.Join(r.at, name))
		if err != nil || !bytes.Equal(got, content) || len(r.told) != size/stickStep+1 || r.to != nil {
			t.Errorf("%s: %v, %d octets, told %v", name, err, len(got), r.told)
		}
	}
	const once = "mount sdb vfat "
	if said := r.k.said(); strings.Count(said, once) != 3 || strings.Count(said, "unmount ") != 3 {
		t.Error(said)
	}
	if err := r.copy(t.Context(), "large"); err == nil || err.Error() != "the stick has a file of that name already" || r.left() != "empty even large" {
		t.Errorf("%v, %s", err, r.left())
	}
	if said := r.k.said(); strings.Count(said, once) != strings.Count(said, "unmount ") {
		t.Error(said)
	}
}

// TestStickRefuses has what a probe must not get at by PID 1's hands, and sticks that
// are of no use.
func TestStickRefuses(t *testing.T) {
	r := newStickRig(t)
	files(t, r.dir, map[string]string{"secret": "x", "mine": "y"})
	if err := errors.Join(os.Symlink(filepath.Join(r.dir, "secret"), filepath.Join(r.dir, "link")), unix.Mkfifo(filepath.Join(r.dir, "fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "fifo", ".", "none"} {
		if err := r.copy(t.Context(), name); err == nil || r.left() != "" {
			t.Errorf("%s: %v, %s", name, err, r.left())
		}
	}
	r.owner++
	if err := r.copy(t.Context(), "secret"); err == nil || !strings.Contains(err.Error(), "permission denied") || r.left() != "" {
		t.Errorf("somebody else's: %v, %s", err, r.left())
	}
	r.owner--
	if said := r.k.said(); said != "" {
		t.Errorf("mounted before it was known what: %s", said)
	}
	r.k.fail = map[string]error{"mount sdb vfat": unix.EINVAL}
	if err := r.copy(t.Context(), "mine"); err != nil || !strings.Contains(r.k.said(), "mount sdb exfat") {
		t.Errorf("exFAT: %v, %s", err, r.k.said())
	}
	r.k.fail["mount sdb exfat"] = unix.EINVAL
	if err := r.copy(t.Context(), "mine"); err == nil || !strings.Contains(err.Error(), "it wants FAT or exFAT") {
		t.Errorf("neither: %v", err)
	}
	for _, text := range []string{"more", "end", "", "begin", "other"} {
		if err := r.p.Ask(t.Context(), verbStick, text); err == nil {
			t.Errorf("%q was done", text)
		}
	}
}

// TestStickGivenUp has a copy that its user gives up, and one whose probe dies.
func TestStickGivenUp(t *testing.T) {
	r := newStickRig(t)
	files(t, r.dir, map[string]string{"large": strings.Repeat("x", 3*stickStep), "other": "y"})
	ctx, cancel := context.WithCancel(t.Context())
	err := r.p.Copy(ctx, filepath.Join(r.dir, "large"), func(n int64) {
		if n == stickStep {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || r.left() != "" || strings.Count(r.k.said(), "unmount ") != 1 {
		t.Errorf("%v, %q, %s", err, r.left(), r.k.said())
	}
	begin := func() {
		t.Helper()
		if err := errors.Join(r.p.Ask(t.Context(), verbStick, stickBegin+filepath.Join(r.dir, "large")), r.p.Ask(t.Context(), verbStick, stickMore)); err != nil || r.left() != "large" {
			t.Fatalf("%v, %q", err, r.left())
		}
	}
	begin()
	r.end()
	if r.left() != "" {
		t.Error(r.left())
	}
	begin()
	if err := r.copy(t.Context(), "other"); err != nil || r.left() != "other" {
		t.Errorf("%v, %q", err, r.left())
	}
	begin2 := r.p.Ask(t.Context(), verbStick, stickBegin+filepath.Join(r.dir, "large"))
	if err := r.p.Ask(t.Context(), verbStick, "nonsense"); begin2 != nil || err == nil || r.left() != "other" {
		t.Errorf("%v, %v, %q", begin2, err, r.left())
	}
	if said := r.k.said(); strings.Count(said, "mount ")-strings.Count(said, "unmount ") != strings.Count(said, "unmount ") {
		t.Error(said)
	}
}
