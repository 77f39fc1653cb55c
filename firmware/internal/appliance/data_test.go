package appliance

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heptap/firmware/internal/durable"
)

// disk is a store with a disk sda, of which the third partition is for data.
type disk struct {
	*store
	kernel *fakeKernel
	root   string
	log    text
	image  *memoryDisk
}

func newDisk(t *testing.T) *disk {
	d := &disk{root: t.TempDir(), kernel: &fakeKernel{fail: map[string]error{}}}
	d.store = &store{kernel: d.kernel, log: logTo(&d.log), sys: filepath.Join(d.root, "sys"), dev: filepath.Join(d.root, "dev"),
		template: filepath.Join(d.root, "template.gz"), at: filepath.Join(d.root, "data"), vouch: func(string, time.Duration) {}}
	d.image = sfdisk(t, 6, imageTable)
	blocks := uint64(16 << 20 / blockSize)
	d.kernel.blocks = map[string]uint64{"sda": blocks, "sda3": 12 * mib}
	d.partition(t, "sda", "sda3", dataPartition, "3")
	d.partition(t, "sda", "sda1", systemPartition, "1")
	files(t, d.root, map[string]string{"dev/sda": string(append(d.image.b, make([]byte, 10<<20)...)), "dev/sda3": strings.Repeat("damaged", 100)})
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write([]byte("an empty file system")); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	files(t, d.root, map[string]string{"template.gz": z.String()})
	return d
}

func (d *disk) partition(t *testing.T, disk, device, name, number string) {
	t.Helper()
	files(t, d.root, map[string]string{
		"sys/devices/" + disk + "/" + device + "/uevent":    "DEVNAME=" + device + "\nPARTN=" + number + "\nPARTNAME=" + name + "\n",
		"sys/devices/" + disk + "/" + device + "/partition": number + "\n",
	})
	class := filepath.Join(d.root, "sys/class/block")
	if err := errors.Join(os.MkdirAll(class, 0o755), os.Symlink("../../devices/"+disk+"/"+device, filepath.Join(class, device))); err != nil {
		t.Fatal(err)
	}
}

func TestStoreOpen(t *testing.T) {
	d := newDisk(t)
	p, kept := d.open(t.Context())
	if want := (place{filepath.Join(d.dev, "sda3"), filepath.Join(d.dev, "sda"), 3}); !kept || p != want {
		t.Fatalf("%+v, kept %v, want %+v", p, kept, want)
	}
	// The disk is of 16 MiB: the partition, from 3 to 5 MiB, then ends at 15.
	want := "resize sda 3 6144 24576\ncheck sda3 -p\nmount sda3 ext4 " + d.at + "\ngrow 24576"
	if got := d.kernel.said(); got != want {
		t.Errorf("asked\n%s\nwant\n%s\nlog %s", got, want, d.log.String())
	}
	d.kernel.calls = nil
	d.open(t.Context())
	if got := d.kernel.said(); strings.Contains(got, "resize") {
		t.Errorf("resized again:\n%s", got)
	}
}

func TestStoreRepairs(t *testing.T) {
	for _, c := range []struct {
		name   string
		checks []int
		want   []string // of what was asked and said
		not    string
	}{
		{"journal", []int{1}, []string{"check sda3 -p", "repaired something", "mount sda3"}, "DAMAGED"},
		{"damaged", []int{4, 1}, []string{"check sda3 -p", "check sda3 -y", "THE DATA PARTITION IS DAMAGED", "was repaired"}, "DESTROYED"},
		{"destroyed", []int{8, 8}, []string{"check sda3 -y", "DESTROYED AND MADE ANEW", "mount sda3"}, "IN MEMORY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDisk(t)
			d.kernel.checks = c.checks
			if _, kept := d.open(t.Context()); !kept {
				t.Error("not kept")
			}
			all := d.kernel.said() + "\n" + d.log.String()
			for _, w := range c.want {
				if !strings.Contains(all, w) {
					t.Errorf("no %q in\n%s", w, all)
				}
			}
			if strings.Contains(all, c.not) {
				t.Errorf("%q in\n%s", c.not, all)
			}
			b, err := os.ReadFile(filepath.Join(d.dev, "sda3"))
			if formatted := bytes.HasPrefix(b, []byte("an empty file system")); err != nil || formatted != (c.name == "destroyed") {
				t.Errorf("formatted: %v, %v", formatted, err)
			}
		})
	}
}

// Without a usable disk the box runs from memory, and says so.
func TestStoreInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		d.kernel.fail["mount sda3"] = errors.New("i/o error")
		if _, kept := d.open(t.Context()); kept {
			t.Error("kept")
		}
		if !strings.HasSuffix(d.kernel.said(), "mount tmpfs tmpfs "+d.at) || !strings.Contains(d.log.String(), "NO DATA PARTITION") {
			t.Errorf("%s\n%s", d.kernel.said(), d.log.String())
		}
		begun := time.Now()
		if _, err := d.find(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) || time.Since(begun) != diskWait {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

func TestStoreSeveral(t *testing.T) {
	d := newDisk(t)
	d.partition(t, "sdb", "sdb3", dataPartition, "3")
	p, err := d.find(t.Context(), dataPartition)
	if err != nil || filepath.Base(p.device) != "sda3" || !strings.Contains(d.log.String(), "found=2") {
		t.Errorf("%+v, %v, %s", p, err, d.log.String())
	}
}

func TestStoreLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		go func() {
			time.Sleep(5 * time.Second)
			d.partition(t, "sdb", "sdb2", "late", "2")
		}()
		p, err := d.find(t.Context(), "late")
		if err != nil || p.number != 2 {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func TestSettings(t *testing.T) {
	var log text
	s := &settings{dir: filepath.Join(t.TempDir(), "config"), log: logTo(&log)}
	if _, ok, err := s.load(); ok || err != nil {
		t.Fatalf("nothing there: %v, %v", ok, err)
	}
	const first, second, wrong = "set system node one\n", "set system node two\n", "set nonsense\n"
	if err := s.bring([]byte(first)); err != nil {
		t.Fatal(err)
	}
	cfg, ok, err := s.load()
	if !ok || err != nil || cfg.System.Node != "one" {
		t.Fatalf("%q, %v, %v", cfg.System.Node, ok, err)
	}
	// Changed on the box: the same text on the system partition does not undo it.
	if err := errors.Join(durable.Write(s.file(), []byte(second), 0o600), s.bring([]byte(first))); err != nil {
		t.Fatal(err)
	}
	if cfg, _, _ = s.load(); cfg.System.Node != "two" {
		t.Errorf("the change was undone: %q", cfg.System.Node)
	}
	if err := s.bring([]byte(wrong)); err == nil || !strings.Contains(err.Error(), "heptap.conf") {
		t.Errorf("a text with a mistake: %v", err)
	}
	if cfg, _, _ = s.load(); cfg.System.Node != "two" {
		t.Errorf("a text with a mistake was taken over: %q", cfg.System.Node)
	}
	if names, err := os.ReadDir(s.dir); err != nil || len(names) != 2 {
		t.Errorf("left over: %v, %v", names, err)
	}
	if err := durable.Write(s.file(), []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.load(); ok || err == nil {
		t.Error("a damaged configuration was read")
	}
}

func TestFromSystem(t *testing.T) {
	d := newDisk(t)
	at := filepath.Join(d.root, "boot")
	files(t, at, map[string]string{systemConfig: "set system node x\n"})
	texts, err := fromSystem(t.Context(), d.store, at, systemConfig, "none")
	if err != nil || len(texts) != 1 || string(texts[systemConfig]) != "set system node x\n" {
		t.Errorf("%q, %v", texts, err)
	}
	if want := []string{"mount sda1 vfat " + at, "unmount " + at}; !reflect.DeepEqual(d.kernel.calls, want) {
		t.Errorf("%q, want %q", d.kernel.calls, want)
	}
}

// What was asked to be made anew is, once.
func TestStoreFactoryReset(t *testing.T) {
	d := newDisk(t)
	files(t, d.at, map[string]string{resetFile: "", "spool.db": "records"})
	if _, kept := d.open(t.Context()); !kept {
		t.Error("not kept")
	}
	want := []string{"check sda3 -p", "mount sda3 ext4 " + d.at, "unmount " + d.at, "check sda3 -p", "mount sda3 ext4 " + d.at}
	var got []string
	for _, c := range d.kernel.calls {
		if strings.Contains(c, "sda3 ") || strings.HasPrefix(c, "unmount") {
			got = append(got, c)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if b, err := os.ReadFile(filepath.Join(d.dev, "sda3")); err != nil || !strings.HasPrefix(string(b), "an empty file system") {
		t.Errorf("not made anew: %.40q, %v", b, err)
	}
	if !strings.Contains(d.log.String(), "FACTORY RESET") {
		t.Error(d.log.String())
	}
}
