// Package writelog reads what QEMU's blklogwrites filter has logged of a disk, and makes of
// it what a power cut leaves: all that was flushed, and of what was written since then
// whatever the disk's cache had got around to.
//
// The format is that of Linux's dm-log-writes (Documentation/admin-guide/device-mapper/
// log-writes.rst, drivers/md/dm-log-writes.c), little endian: a superblock in the first
// sector with a magic number, a version, how many entries there are, and the size of a
// sector; then entries, each a header of 8 octet numbers (sector, sectors, flags, length
// of data) in a sector of its own, and what was written. How many there are is not brought
// up to date at each, so that the end of the file is the end.
package writelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	magic   = 0x6a736677736872
	version = 1

	flagFlush   = 1 << 0 // all before it is on the disk
	flagFUA     = 1 << 1 // it is on the disk itself
	flagDiscard = 1 << 2 // nothing is written
)

// Log is what was written to a disk, in its order.
type Log struct {
	file    *os.File
	sector  int64
	entries []entry
}

type entry struct {
	to, size int64 // in octets, of the disk
	flags    uint64
	from     int64 // of the log's file
}

// Open reads a log. Close must be called.
func Open(path string) (*Log, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	l := &Log{file: f}
	if err := l.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return l, nil
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }

// Len is how many entries there are.
func (l *Log) Len() int { return len(l.entries) }

// Writes says whether entry i writes to the part [from, to) of the disk.
func (l *Log) Writes(i int, from, to int64) bool {
	e := &l.entries[i]
	return e.size > 0 && e.to < to && e.to+e.size > from
}

func (l *Log) read() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	var super [28]byte
	if _, err := l.file.ReadAt(super[:], 0); err != nil {
		return err
	}
	l.sector = int64(binary.LittleEndian.Uint32(super[24:]))
	if binary.LittleEndian.Uint64(super[:]) != magic || binary.LittleEndian.Uint64(super[8:]) != version || l.sector < 512 || l.sector > 1<<16 {
		return errors.New("not a log of writes")
	}
	for at := l.sector; at+l.sector <= info.Size(); {
		var head [32]byte
		if _, err := l.file.ReadAt(head[:], at); err != nil {
			return err
		}
		at += l.sector
		e := entry{to: int64(binary.LittleEndian.Uint64(head[:])) * l.sector, size: int64(binary.LittleEndian.Uint64(head[8:])) * l.sector,
			flags: binary.LittleEndian.Uint64(head[16:]), from: at}
		if e.flags&flagDiscard != 0 {
			e.size = 0
		}
		if e.to < 0 || e.size < 0 || e.size > info.Size()-at {
			return nil // the last one was being written
		}
		at += e.size
		l.entries = append(l.entries, e)
	}
	return nil
}

// Replay writes to a copy of the part of the disk that begins at from and is of so many
// octets what a power cut after n entries leaves there: lost says of each write that was
// not flushed whether the disk has lost it.
func (l *Log) Replay(part io.WriterAt, from, octets int64, n int, lost func() bool) error {
	flushed := 0
	for i, e := range l.entries[:n] {
		if e.flags&flagFlush != 0 {
			flushed = i
		}
	}
	for i, e := range l.entries[:n] {
		if i >= flushed && e.flags&flagFUA == 0 && e.size > 0 && lost() {
			continue
		}
		if err := l.copy(part, e, from, octets); err != nil {
			return err
		}
	}
	return nil
}

// copy writes what of an entry is in the part.
func (l *Log) copy(part io.WriterAt, e entry, from, octets int64) error {
	begin, end := max(e.to, from), min(e.to+e.size, from+octets)
	if begin >= end {
		return nil
	}
	b := make([]byte, end-begin)
	if _, err := l.file.ReadAt(b, e.from+begin-e.to); err != nil {
		return err
	}
	_, err := part.WriteAt(b, begin-from)
	return err
}
