package appliance

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"golang.org/x/sys/unix"

	"heptap/firmware/internal/slots"
)

const (
	slotPartition = "heptap-slots"
	slotsAt       = "/run/slots"
	slotsDir      = "EFI/Linux" // where systemd-boot looks for systems
	efiVariables  = "/sys/firmware/efi/efivars"
	// entrySelected is the file name of what the boot loader has started: a variable of
	// systemd's Boot Loader Interface.
	entrySelected = "LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
	factoryEntry  = "heptap_factory.efi"
	secureBoot    = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c" // 1: only what is signed is started
)

// slotDisk is what systemd-boot has: the partition that updates are on. It is mounted only
// while something is done with it: a FAT that is not mounted stands any power cut.
type slotDisk struct {
	kernel    Kernel
	find      func(ctx context.Context, name string) (place, error)
	template  string // gzip of one with nothing on it
	at        string
	variables string // where EFI variables are

	secure bool // the firmware starts only what is signed (UEFI Secure Boot)
}

var _ bootLoader = (*slotDisk)(nil)

// use mounts the partition, made anew if it is none any more, for what do does.
func (d *slotDisk) use(ctx context.Context, do func(slots.Loader) error) error {
	p, err := d.find(ctx, slotPartition)
	if err != nil {
		return err
	}
	if err := d.mount(p); err != nil {
		if ferr := unpack(d.template, p.device); ferr != nil {
			return errors.Join(err, ferr)
		}
		if err := d.mount(p); err != nil {
			return err
		}
	}
	err = do(slots.Entries{Files: &slotFiles{d, p}})
	d.kernel.Sync()
	return errors.Join(err, d.kernel.Unmount(d.at))
}

func (d *slotDisk) mount(p place) error {
	return d.kernel.Mount(p.device, d.at, "vfat", mountQuiet, "umask=077")
}

// slotFiles are those on the mounted partition.
type slotFiles struct {
	d *slotDisk
	p place
}

func (f *slotFiles) dir() string             { return filepath.Join(f.d.at, slotsDir) }
func (f *slotFiles) path(name string) string { return filepath.Join(f.dir(), name) }

func (f *slotFiles) List() ([]string, error) {
	if err := os.MkdirAll(f.dir(), 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(f.dir())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func (f *slotFiles) Create(name string) (io.WriteCloser, error) { return os.Create(f.path(name)) }
func (f *slotFiles) Open(name string) (io.ReadCloser, error)    { return os.Open(f.path(name)) }
func (f *slotFiles) Rename(from, to string) error               { return os.Rename(f.path(from), f.path(to)) }
func (f *slotFiles) Remove(name string) error                   { return os.RemoveAll(f.path(name)) }

// Settle writes all of it to the disk, and forgets it, so that it is read from there.
func (f *slotFiles) Settle() error {
	f.d.kernel.Sync()
	if err := f.d.kernel.Unmount(f.d.at); err != nil {
		return err
	}
	return f.d.mount(f.p)
}

// started asks the boot loader which system it has started, and the firmware
// whether it had to be signed.
func (d *slotDisk) started(context.Context) (number int, err error) {
	if err := d.kernel.Mount("efivarfs", d.variables, "efivarfs", mountQuiet|mountReadOnly, ""); err != nil && !errors.Is(err, unix.EBUSY) {
		return 0, err
	}
	value, err := readAtMost(filepath.Join(d.variables, entrySelected), 1024)
	state, serr := readAtMost(filepath.Join(d.variables, secureBoot), 1024)
	d.secure = serr == nil && len(state) == 5 && state[4] == 1
	if err = errors.Join(err, d.kernel.Unmount(d.variables)); err != nil {
		return 0, err
	}
	return entryNumber(value)
}

// takes implements bootLoader.
func (d *slotDisk) takes(system *bufio.Reader) error {
	if !d.secure {
		return nil
	}
	if begin, err := system.Peek(peBegin); err != nil || !peSigned(begin) {
		return errUnsigned
	}
	return nil
}

// restart implements bootLoader: systemd-boot counts by itself.
func (d *slotDisk) restart(context.Context, int) error { return nil }

// peBegin is how much of a system has to be there for peSigned.
const peBegin = 4096

var errUnsigned = errors.New("this box starts only what is signed (UEFI Secure Boot), and the system in the update is not: make it by scripts/image -secure-boot")

// peSigned says whether a system has a signature of Secure Boot's, by whomever: without,
// the firmware would not start it, nor always another one. begin is its first peBegin
// octets, of a PE file (Microsoft's "PE Format", optional header, certificate table).
func peSigned(begin []byte) bool {
	const (
		at32Plus    = 4 + 20 // of the optional header, behind the signature and the COFF header
		magic32Plus = 0x20b
		certificate = at32Plus + 112 + 4*8 // the fifth of the data directories
	)
	if len(begin) < 0x40 {
		return false
	}
	at := binary.LittleEndian.Uint32(begin[0x3c:])
	if at > peBegin || len(begin) < int(at)+certificate+8 {
		return false
	}
	pe := begin[at:]
	return string(pe[:4]) == "PE\x00\x00" && binary.LittleEndian.Uint16(pe[at32Plus:]) == magic32Plus && binary.LittleEndian.Uint32(pe[certificate+4:]) > 0
}

// entryNumber reads a variable as efivarfs has it: 4 octets of attributes, and the file
// name of a system as UTF-16, little endian, ended by 0.
func entryNumber(value []byte) (number int, err error) {
	if len(value) < 4 || len(value)%2 != 0 {
		return 0, fmt.Errorf("%d octets of an EFI variable", len(value))
	}
	var units []uint16
	for v := value[4:]; len(v) > 0; v = v[2:] {
		units = append(units, binary.LittleEndian.Uint16(v))
	}
	name := strings.TrimRight(string(utf16.Decode(units)), "\x00")
	if name == factoryEntry {
		return slots.Factory, nil
	}
	s, ok := slots.ParseEntry(name)
	if !ok {
		return 0, fmt.Errorf("the boot loader has started %.80q: no system of heptap's", name)
	}
	return s.Number, nil
}
