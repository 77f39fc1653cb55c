package appliance

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"

	"heptap/firmware/internal/slots"
)

// Names of a Raspberry Pi's slots (scripts/image). Beside them are systemPartition, with
// the factory system and autoboot.txt, and dataPartition.
const (
	slotA = "heptap-slot-a"
	slotB = "heptap-slot-b"
)

// bootedPartition is where the boot loader tells which partition it has started, in 4
// octets, big endian ("Common bootloader properties" of Raspberry Pi's documentation).
const bootedPartition = "/proc/device-tree/chosen/bootloader/partition"

// tryDisk is what the boot loader of a Raspberry Pi has: partitions that are written as
// they are, and never mounted for that.
type tryDisk struct {
	kernel    Kernel
	log       *slog.Logger
	find      func(ctx context.Context, name string) (place, error)
	partition string // file, see bootedPartition
}

var _ bootLoader = (*tryDisk)(nil)

// started implements bootLoader.
func (d *tryDisk) started(ctx context.Context) (number int, err error) {
	value, err := readAtMost(d.partition, 16)
	if err != nil {
		return 0, fmt.Errorf("the boot loader does not say which partition it has started: %w", err)
	}
	partition, err := partitionOf(value)
	if err != nil {
		return 0, err
	}
	err = d.try(ctx, func(t slots.TryBoot) error {
		repaired, err := t.Repair()
		if repaired {
			d.log.Error("AUTOBOOT.TXT WAS DAMAGED and is restored from its copy: the system before starts at the next restart", "err", err)
		}
		if err != nil {
			return err
		}
		number, err = t.On(partition)
		return err
	})
	return number, err
}

func partitionOf(value []byte) (int, error) {
	if len(value) != 4 {
		return 0, fmt.Errorf("the boot loader tells a partition in %d octets, not 4", len(value))
	}
	n := binary.BigEndian.Uint32(value)
	if n > 255 {
		return 0, fmt.Errorf("the boot loader has started partition %d", n)
	}
	return int(n), nil
}

// use implements bootLoader.
func (d *tryDisk) use(ctx context.Context, do func(slots.Loader) error) error {
	return d.try(ctx, func(t slots.TryBoot) error { return do(t) })
}

// try opens the partitions for what do does. What it writes it has settled, so that there is
// nothing to be told when they are closed.
func (d *tryDisk) try(ctx context.Context, do func(slots.TryBoot) error) error {
	t := slots.TryBoot{Slots: map[int]slots.Disk{}}
	for _, name := range []string{systemPartition, slotA, slotB} {
		p, err := d.find(ctx, name)
		if err != nil {
			return err
		}
		file, err := os.OpenFile(p.device, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer file.Close()
		disk := &partDisk{File: file, kernel: d.kernel, device: p.device}
		if name == systemPartition {
			t.Boot = disk
		} else {
			t.Slots[p.number] = disk
		}
	}
	return do(t)
}

// takes implements bootLoader: it starts whatever is on a partition.
func (d *tryDisk) takes(*bufio.Reader) error { return nil }

// restart implements bootLoader. The firmware forgets what it was told with the power, so
// it is told first: what is counted then was tried.
func (d *tryDisk) restart(ctx context.Context, running int) error {
	return d.try(ctx, func(t slots.TryBoot) error {
		number, some, err := t.Next(running)
		if err != nil || !some {
			return err
		}
		if err := d.kernel.TryBoot(); err != nil {
			return err
		}
		d.log.Warn("A NEW SYSTEM IS TRIED: any end of it before it is committed brings this one back", "system", number)
		return t.Tried(number)
	})
}

// partDisk is a partition's device.
type partDisk struct {
	*os.File
	kernel Kernel
	device string
}

// Size implements slots.Disk.
func (d *partDisk) Size() (int64, error) {
	n, err := d.kernel.Blocks(d.device)
	return int64(n) * blockSize, err
}

// Settle implements slots.Disk: what the kernel has of it in memory is forgotten.
func (d *partDisk) Settle() error {
	if err := d.Sync(); err != nil {
		return err
	}
	return unix.Fadvise(int(d.Fd()), 0, 0, unix.FADV_DONTNEED)
}
