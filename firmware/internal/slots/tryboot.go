package slots

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

// Disk is a partition.
type Disk interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	// Settle returns when all that was written is on the disk. What is read later
	// comes from there.
	Settle() error
}

// TryBoot is the boot loader of a Raspberry Pi. It starts the partition that autoboot.txt
// on the first one names, and once, when it is told to, the one that is named there to be tried.
type TryBoot struct {
	Boot  Disk         // partition 1: a FAT with autoboot.txt, autoboot.bak and the factory system
	Slots map[int]Disk // the others, by their numbers
}

var _ Loader = TryBoot{}

const (
	bootPartition = 1
	tryBootTries  = 1
	autobootSize  = 480 // octets, in one sector; the boot loader reads 512 at most
)

// kept is a system, and the partition that it is on.
type kept struct {
	Slot
	partition int
}

// List implements Loader.
func (t TryBoot) List() ([]Slot, error) {
	all, err := t.read()
	if err != nil {
		return nil, err
	}
	return plain(all), nil
}

// plain returns the systems in the order in which they are started.
func plain(all []kept) []Slot {
	var out []Slot
	for _, k := range all {
		out = append(out, k.Slot)
	}
	order(out)
	return out
}

// On returns the number of the system on a partition.
func (t TryBoot) On(partition int) (number int, err error) {
	if partition <= bootPartition { // 0 is the first that there is
		return Factory, nil
	}
	all, err := t.read()
	if err != nil {
		return 0, err
	}
	for _, k := range all {
		if k.partition == partition {
			return k.Number, nil
		}
	}
	return 0, fmt.Errorf("partition %d was started, and autoboot.txt knows of no system there", partition)
}

// Install implements Loader.
func (t TryBoot) Install(running int, version string, sum [sha256.Size]byte, r io.Reader) (Slot, error) {
	all, err := t.read()
	if err != nil {
		return Slot{}, err
	}
	s, err := next(plain(all), running, version, tryBootTries)
	if err != nil {
		return Slot{}, err
	}
	var stay []kept
	to := 0
	for partition := range t.Slots {
		if to == 0 || partition < to {
			to = partition
		}
	}
	for _, k := range all {
		if k.Number == running {
			stay = append(stay, k)
			for partition := range t.Slots {
				if partition != k.partition {
					to = partition
				}
			}
		}
	}
	if to == 0 {
		return Slot{}, errors.New("there is no partition for a system")
	}
	// From here on nothing leads to what is written.
	if err := t.write(stay); err != nil {
		return Slot{}, err
	}
	if err := fill(t.Slots[to], sum, r); err != nil {
		return Slot{}, err
	}
	return s, t.write(append(stay, kept{s, to}))
}

// fill writes a system to a partition, and reads it from there.
func fill(d Disk, sum [sha256.Size]byte, r io.Reader) error {
	size, err := d.Size()
	if err != nil {
		return err
	}
	w := io.NewOffsetWriter(d, 0)
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(r, size), make([]byte, 1<<20))
	if err != nil {
		return err
	}
	if more, err := io.ReadFull(r, make([]byte, 1)); more > 0 {
		return fmt.Errorf("%w, of %d octets", ErrTooLong, size)
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	if err := d.Settle(); err != nil {
		return err
	}
	return compare(io.NewSectionReader(d, 0, n), sum)
}

// MarkGood implements Loader.
func (t TryBoot) MarkGood(number int) error {
	return t.change(number, func(s Slot) Slot { return marked(s, false) })
}

// GiveUp implements Loader.
func (t TryBoot) GiveUp(number int) error {
	return t.change(number, func(s Slot) Slot { return marked(s, true) })
}

// Next is the new system that a restart is to have tried, if there is one.
func (t TryBoot) Next(running int) (number int, ok bool, err error) {
	all, err := t.List()
	if err != nil || len(all) == 0 {
		return 0, false, err
	}
	s := all[0]
	return s.Number, s.Counted && s.Left > 0 && s.Number != running, nil
}

// Tried counts a start of a new system, for the boot loader, which does not: it is for
// right before the restart that tries it.
func (t TryBoot) Tried(number int) error {
	return t.change(number, func(s Slot) Slot {
		s.Left, s.Done = max(0, s.Left-1), s.Done+1
		return s
	})
}

func (t TryBoot) change(number int, to func(Slot) Slot) error {
	all, err := t.read()
	if err != nil {
		return err
	}
	if _, err := find(plain(all), number); err != nil {
		return err
	}
	same := true
	for i, k := range all {
		if k.Number == number {
			all[i].Slot = to(k.Slot)
			same = all[i] == k
		}
	}
	if same {
		return nil
	}
	return t.write(all)
}

// The two files. The copy is written first: at any moment one of them is whole.
func autobootNames() []string { return []string{"AUTOBOOTBAK", "AUTOBOOTTXT"} }

// read returns what systems there are, as autoboot.txt has it, or its copy if that is damaged.
func (t TryBoot) read() (all []kept, err error) {
	all, _, err = t.readBoth()
	return all, err
}

// readBoth says also whether autoboot.txt is not what it should be. When the copy is damaged,
// too, or both are as the image brings them, there are no systems.
func (t TryBoot) readBoth() (all []kept, damaged bool, err error) {
	known := false
	for _, name := range autobootNames() {
		at, err := findFile(t.Boot, name, autobootSize)
		if err != nil {
			return nil, false, err
		}
		var text [autobootSize]byte
		if _, err := t.Boot.ReadAt(text[:], at); err != nil {
			return nil, false, err
		}
		found, ok := parseAutoboot(text[:])
		if ok {
			all, known = found, true
		}
		damaged = known && !ok
	}
	return all, damaged, nil
}

// Repair writes autoboot.txt again if its copy alone is whole. The boot loader has started
// the factory system then; the next start is of the right one.
func (t TryBoot) Repair() (repaired bool, err error) {
	all, damaged, err := t.readBoth()
	if err != nil || !damaged {
		return false, err
	}
	return true, t.write(all)
}

// write has autoboot.txt say what systems there are: one sector, in place, the copy before.
func (t TryBoot) write(all []kept) error {
	text := formatAutoboot(all)
	if len(text) != autobootSize {
		return fmt.Errorf("autoboot.txt: the versions are too long")
	}
	for _, name := range autobootNames() {
		at, err := findFile(t.Boot, name, autobootSize)
		if err != nil {
			return err
		}
		if _, err := t.Boot.WriteAt(text, at); err != nil {
			return err
		}
		if err := t.Boot.Settle(); err != nil {
			return err
		}
		back := make([]byte, autobootSize)
		if _, err := t.Boot.ReadAt(back, at); err != nil {
			return err
		}
		if !bytes.Equal(text, back) {
			return ErrDamaged
		}
	}
	return nil
}

// formatAutoboot is a text for the boot loader, with what it does not need in comments.
func formatAutoboot(all []kept) []byte {
	start, try := kept{partition: bootPartition}, kept{}
	var known strings.Builder
	for _, k := range all {
		if !k.Counted && k.Number > start.Number {
			start = k
		}
		if k.Counted && k.Number > try.Number {
			try = k
		}
		fmt.Fprintf(&known, "# %d %d %s %t %d %d\n", k.partition, k.Number, k.Version, k.Counted, k.Left, k.Done)
	}
	if try.partition == 0 {
		try = start
	}
	text := fmt.Appendf(nil, "[all]\ntryboot_a_b=1\nboot_partition=%d\n[tryboot]\nboot_partition=%d\n[none]\n%s", start.partition, try.partition, known.String())
	text = fmt.Appendf(text, "# %08x\n", crc32.ChecksumIEEE(text))
	if fill := autobootSize - len(text); fill > 0 {
		text = append(append(append(text, '#'), bytes.Repeat([]byte{' '}, max(0, fill-2))...), '\n')[:autobootSize]
	}
	return text
}

// parseAutoboot reads what formatAutoboot has written. ok is false for anything else.
func parseAutoboot(text []byte) (all []kept, ok bool) {
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 7 || f[0] != "#" {
			continue
		}
		var n [4]int
		for i, w := range []string{f[1], f[2], f[5], f[6]} {
			v, err := strconv.ParseUint(w, 10, 30)
			if err != nil {
				return nil, false
			}
			n[i] = int(v)
		}
		all = append(all, kept{Slot{Number: n[1], Version: f[3], Counted: f[4] == "true", Left: n[2], Done: n[3]}, n[0]})
	}
	// There is one text for each state, which a damaged one is not.
	return all, bytes.Equal(formatAutoboot(all), text)
}
