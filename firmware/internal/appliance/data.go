package appliance

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of the image's partitions (scripts/image).
const (
	systemPartition = "heptap-esp"
	dataPartition   = "heptap-data"
)

const (
	diskWait    = 20 * time.Second // for a disk to appear, USB ones are slow
	diskStep    = 100 * time.Millisecond
	checkAtMost = 30 * time.Minute // a file system check of a large and slow disk
)

// place is where a partition is.
type place struct {
	device string // /dev/sda3
	disk   string // /dev/sda
	number int    // 3
}

// store brings up the data partition.
type store struct {
	kernel   Kernel
	log      *slog.Logger
	sys, dev string // /sys, /dev
	template string // gzip of a file system with nothing in it
	at       string // where it is mounted
	vouch    func(what string, d time.Duration)
}

// open finds, repairs, mounts and grows the data partition. Whatever happens there is
// something at s.at in the end; kept says whether it outlives the power.
func (s *store) open(ctx context.Context) (p place, kept bool) {
	s.vouch("data partition", diskWait+time.Minute)
	p, err := s.find(ctx, dataPartition)
	if err == nil {
		s.growPartition(p)
		err = s.mount(p)
		if err == nil {
			err = s.renew(p)
		}
	}
	if err != nil {
		s.log.Error("NO DATA PARTITION: configuration and records are in memory, and lost with the power", "err", err)
		if err := s.kernel.Mount("tmpfs", s.at, "tmpfs", 0, "size=25%,mode=755"); err != nil {
			s.log.Error("no place for data", "err", err)
		}
		return p, false
	}
	if blocks, err := s.kernel.Blocks(p.device); err != nil {
		s.log.Warn("data partition's size", "err", err)
	} else if err := s.kernel.Grow(s.at, blocks); err != nil {
		s.log.Warn("data partition not grown", "err", err)
	}
	return p, true
}

// find waits for the partition of that name. Of several it takes the first.
func (s *store) find(ctx context.Context, name string) (place, error) {
	ctx, cancel := context.WithTimeout(ctx, diskWait)
	defer cancel()
	for {
		all := s.partitions(name)
		if len(all) > 1 {
			s.log.Warn("several disks have a partition of this name: the first is used; take the others out", "name", name, "used", all[0].device, "found", len(all))
		}
		if len(all) > 0 {
			return all[0], nil
		}
		select {
		case <-ctx.Done():
			return place{}, fmt.Errorf("partition %s: %w", name, fs.ErrNotExist)
		case <-time.After(diskStep):
		}
	}
}

// partitions are those of a name, by the names of their devices.
func (s *store) partitions(name string) (out []place) {
	class := filepath.Join(s.sys, "class/block")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(class, e.Name(), "uevent"))
		if err != nil || !slices.Contains(strings.Split(string(b), "\n"), "PARTNAME="+name) {
			continue
		}
		n, err := os.ReadFile(filepath.Join(class, e.Name(), "partition"))
		if err != nil {
			continue
		}
		number, err := strconv.Atoi(strings.TrimSpace(string(n)))
		link, lerr := filepath.EvalSymlinks(filepath.Join(class, e.Name()))
		if err != nil || lerr != nil {
			continue
		}
		out = append(out, place{device: filepath.Join(s.dev, e.Name()), disk: filepath.Join(s.dev, filepath.Base(filepath.Dir(link))), number: number})
	}
	slices.SortFunc(out, func(a, b place) int { return strings.Compare(a.device, b.device) })
	return out
}

// growPartition makes the partition end where its disk does, and mends the
// partition table. That it cannot is no reason not to run.
func (s *store) growPartition(p place) {
	if err := s.tryGrow(p); err != nil {
		s.log.Warn("partition table left as it is", "disk", p.disk, "err", err)
	}
}

func (s *store) tryGrow(p place) error {
	blocks, err := s.kernel.Blocks(p.disk)
	if err != nil {
		return err
	}
	disk, err := os.OpenFile(p.disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer disk.Close()
	t, err := readTable(disk, blocks)
	if err != nil {
		return err
	}
	to, changed, err := t.grow(p.number, blocks)
	if err != nil || !changed {
		return err
	}
	if t.broken {
		s.log.Error("THE PARTITION TABLE WAS DAMAGED and is restored from its copy", "disk", p.disk)
	}
	if err := t.write(disk, blocks); err != nil {
		return err
	}
	if err := s.kernel.ResizePartition(p.disk, p.number, to.first, to.last-to.first+1); err != nil {
		return err
	}
	s.log.Info("data partition ends with its disk now", "disk", p.disk, "MiB", (to.last-to.first+1)*blockSize>>20)
	return nil
}

// e2fsck's exit status is a set of bits (e2fsck(8)).
const (
	fsckUncorrected = 4 // and above: it could not do it
)

// mount checks the partition and mounts it, after repairing it or, when that does
// not help, making it anew.
func (s *store) mount(p place) error {
	err := s.checkAndMount(p, "-p")
	if err == nil {
		return nil
	}
	s.log.Error("THE DATA PARTITION IS DAMAGED: repairing it, some of it may be lost", "device", p.device, "err", err)
	if err = s.checkAndMount(p, "-y"); err == nil {
		s.log.Error("the data partition was repaired", "device", p.device)
		return nil
	}
	s.log.Error("THE DATA PARTITION IS DESTROYED AND MADE ANEW: configuration history and spool are lost", "device", p.device, "err", err)
	if err := s.format(p); err != nil {
		return err
	}
	return s.checkAndMount(p, "-p")
}

func (s *store) checkAndMount(p place, how string) error {
	s.vouch("file system check", checkAtMost)
	status, said, err := s.kernel.Check(p.device, how)
	switch {
	case err != nil:
		// Without the checker, the journal still makes most of it good.
		s.log.Warn("data partition not checked", "err", err)
	case status >= fsckUncorrected:
		return fmt.Errorf("e2fsck %s: exit status %d: %s", how, status, lastLines(said, 3))
	case status != 0:
		s.log.Warn("file system check repaired something", "device", p.device, "said", lastLines(said, 3))
	}
	s.vouch("mount", time.Minute)
	return s.kernel.Mount(p.device, s.at, "ext4", mountQuiet, "errors=remount-ro")
}

// format writes the template over the beginning of the partition.
func (s *store) format(p place) error {
	s.vouch("making the data partition anew", 5*time.Minute)
	return unpack(s.template, p.device)
}

// unpack writes what a file of gzip holds over the beginning of a device.
func unpack(file, device string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	dev, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(dev, z)
	return errors.Join(err, dev.Sync(), dev.Close())
}

// lastLines returns the end of a text in one line.
func lastLines(text string, n int) string {
	lines := bytes.Split(bytes.TrimSpace([]byte(text)), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("; ")))
}
