package appliance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf16"
)

// A GUID partition table (UEFI 2.10, 5.3), as far as growing the last
// partition needs it: logical blocks of 512 octets, entries of 128.
const (
	blockSize   = 512
	headerSize  = 92
	entrySize   = 128
	maxEntries  = 1024
	gptSign     = "EFI PART"
	gptRevision = 0x00010000
	alignment   = 1 << 20 / blockSize // partitions end where flash likes it
)

// errTable says that there is no table that can be relied on.
var errTable = errors.New("no valid partition table")

// table is a partition table in memory.
type table struct {
	header  [headerSize]byte // as on the disk, of the copy that was read
	entries []byte
	broken  bool // the first copy is not valid; this is the second one
}

// partition is one entry of a table. Blocks are of 512 octets.
type partition struct {
	number      int    // from 1
	name        string // at most 36 UTF-16 code units
	first, last uint64 // blocks, inclusive
}

// readTable reads the table of a disk of so many blocks, the copy at its end if
// that at its beginning is damaged. The error wraps errTable if neither is good.
func readTable(r io.ReaderAt, blocks uint64) (*table, error) {
	t, err := readCopy(r, 1, blocks)
	if err == nil {
		return t, nil
	}
	t, second := readCopy(r, blocks-1, blocks)
	if second != nil {
		return nil, fmt.Errorf("%w: at the beginning: %w; at the end: %w", errTable, err, second)
	}
	t.broken = true
	return t, nil
}

func readCopy(r io.ReaderAt, at, blocks uint64) (*table, error) {
	if at == 0 || at >= blocks || blocks > 1<<54 {
		return nil, errors.New("the disk is too small or too large")
	}
	t := &table{}
	if _, err := r.ReadAt(t.header[:], int64(at*blockSize)); err != nil {
		return nil, err
	}
	if err := t.check(at, blocks); err != nil {
		return nil, err
	}
	t.entries = make([]byte, t.count()*entrySize)
	if _, err := r.ReadAt(t.entries, int64(t.u64(72)*blockSize)); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(t.entries) != t.u32(88) {
		return nil, errors.New("checksum of the entries")
	}
	return t, nil
}

// check looks at the header of a copy that stands in block at.
func (t *table) check(at, blocks uint64) error {
	h := t.header
	clear(h[16:20])
	switch {
	case string(h[:8]) != gptSign:
		return errors.New("no signature")
	case t.u32(8) != gptRevision, t.u32(12) != headerSize, t.u32(84) != entrySize:
		return errors.New("unknown revision or sizes")
	case crc32.ChecksumIEEE(h[:]) != t.u32(16):
		return errors.New("checksum of the header")
	case t.u64(24) != at:
		return errors.New("the header is not where it says")
	case t.count() == 0 || t.count() > maxEntries:
		return errors.New("number of entries")
	}
	first, last, entries := t.u64(40), t.u64(48), t.u64(72)
	if first > last || last >= blocks || entries == 0 || entries >= blocks || t.entryBlocks() > blocks-entries {
		return errors.New("parts of it are outside of the disk")
	}
	return nil
}

func (t *table) u32(at int) uint32 { return binary.LittleEndian.Uint32(t.header[at:]) }
func (t *table) u64(at int) uint64 { return binary.LittleEndian.Uint64(t.header[at:]) }
func (t *table) count() uint32     { return t.u32(80) }
func (t *table) entryBlocks() uint64 {
	return (uint64(t.count())*entrySize + blockSize - 1) / blockSize
}

// partitions returns the entries in use that make sense.
func (t *table) partitions() (out []partition) {
	for i := range int(t.count()) {
		e := t.entries[i*entrySize : (i+1)*entrySize]
		if bytes.Equal(e[:16], make([]byte, 16)) {
			continue
		}
		p := partition{number: i + 1, first: binary.LittleEndian.Uint64(e[32:]), last: binary.LittleEndian.Uint64(e[40:])}
		if p.first > p.last || p.first < t.u64(40) || p.last > t.u64(48) {
			continue
		}
		var units []uint16
		for u := e[56:entrySize]; len(u) > 0 && (u[0] != 0 || u[1] != 0); u = u[2:] {
			units = append(units, binary.LittleEndian.Uint16(u))
		}
		p.name = string(utf16.Decode(units))
		out = append(out, p)
	}
	return out
}

// grow makes the partition end where a disk of so many blocks does, unless
// another one lies behind it. It returns the partition as it is then, and
// whether the table must be written: because of that, or because a copy is damaged or
// not where it belongs.
func (t *table) grow(number int, blocks uint64) (p partition, changed bool, err error) {
	all := t.partitions()
	for _, q := range all {
		if q.number == number {
			p = q
		}
	}
	if p.number == 0 {
		return p, false, fmt.Errorf("partition %d: not in the table", number)
	}
	if blocks < 2*t.entryBlocks()+4 {
		return p, false, errors.New("the disk is too small for two copies of the table")
	}
	usable := blocks - 1 - t.entryBlocks() // the first block of the copy at the end
	if usable <= t.u64(48)+1 && !t.broken {
		return p, false, nil
	}
	if usable > t.u64(48)+1 {
		binary.LittleEndian.PutUint64(t.header[48:], usable-1)
	}
	end := usable / alignment * alignment
	for _, q := range all {
		if q.first > p.first {
			end = 0
		}
	}
	if end > p.last+1 {
		p.last = end - 1
		binary.LittleEndian.PutUint64(t.entries[(number-1)*entrySize+40:], p.last)
	}
	return p, true, nil
}

// syncer is a disk that can be written.
type syncer interface {
	io.WriterAt
	Sync() error
}

// write puts both copies onto a disk of so many blocks. At any moment one of
// them is whole on the disk.
func (t *table) write(w syncer, blocks uint64) error {
	end := blocks - 1 - t.entryBlocks()
	last := append(t.padded(), t.sealed(blocks-1, 1, end)...)
	if _, err := w.WriteAt(last, int64(end*blockSize)); err != nil {
		return err
	}
	if err := w.Sync(); err != nil {
		return err
	}
	// Header and entries in one go: little is between the old and the new.
	first := append(t.sealed(1, blocks-1, 2), t.padded()...)
	if _, err := w.WriteAt(first, blockSize); err != nil {
		return err
	}
	return w.Sync()
}

// padded are the entries in whole blocks.
func (t *table) padded() []byte {
	return append(bytes.Clone(t.entries), make([]byte, int(t.entryBlocks())*blockSize-len(t.entries))...)
}

// sealed is the block of a header that stands in block at.
func (t *table) sealed(at, other, entries uint64) []byte {
	b := make([]byte, blockSize)
	copy(b, t.header[:])
	binary.LittleEndian.PutUint64(b[24:], at)
	binary.LittleEndian.PutUint64(b[32:], other)
	binary.LittleEndian.PutUint64(b[72:], entries)
	binary.LittleEndian.PutUint32(b[88:], crc32.ChecksumIEEE(t.entries))
	clear(b[16:20])
	binary.LittleEndian.PutUint32(b[16:], crc32.ChecksumIEEE(b[:headerSize]))
	return b
}
