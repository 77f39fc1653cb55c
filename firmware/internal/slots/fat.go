package slots

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A FAT32 file system (Microsoft's "FAT: General Overview of On-Disk Format"), as far as
// it takes to find a small file in its root directory.
const (
	fatSector  = 512
	fatEntry   = 32
	fatEnd     = 0x0ffffff8 // and above: a chain's last cluster
	fatMost    = 128        // clusters of a root directory that are looked at
	attrVolume = 0x08       // a label, or part of a long name
	attrDir    = 0x10
)

// fat is where the parts of one are.
type fat struct {
	r         io.ReaderAt
	table     int64 // octets from the beginning
	data      int64
	cluster   int64 // octets
	clusters  uint32
	directory uint32
}

// openFAT reads the first sector.
func openFAT(r io.ReaderAt) (f fat, err error) {
	var b [fatSector]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return f, err
	}
	u16 := func(at int) int64 { return int64(binary.LittleEndian.Uint16(b[at:])) }
	per, tables, tableSize, total := int64(b[13]), int64(b[16]), int64(binary.LittleEndian.Uint32(b[36:])), int64(binary.LittleEndian.Uint32(b[32:]))
	if b[510] != 0x55 || b[511] != 0xaa || u16(11) != fatSector || per == 0 || per&(per-1) != 0 || tables == 0 || u16(22) != 0 || tableSize == 0 {
		return f, errors.New("the boot partition is no FAT32 with sectors of 512 octets")
	}
	data := u16(14) + tables*tableSize
	if u16(14) == 0 || data >= total {
		return f, errors.New("the boot partition's FAT is damaged")
	}
	clusters := min((total-data)/per, tableSize*fatSector/4-2)
	if clusters < 1 {
		return f, errors.New("the boot partition's FAT is damaged")
	}
	return fat{r: r, table: u16(14) * fatSector, data: data * fatSector, cluster: per * fatSector,
		clusters: uint32(clusters), directory: binary.LittleEndian.Uint32(b[44:])}, nil
}

// at is where a cluster begins.
func (f fat) at(cluster uint32) (int64, error) {
	if cluster < 2 || cluster-2 >= f.clusters {
		return 0, fmt.Errorf("the boot partition's FAT is damaged: cluster %d of %d", cluster, f.clusters)
	}
	return f.data + int64(cluster-2)*f.cluster, nil
}

// next is the cluster behind a cluster.
func (f fat) next(cluster uint32) (uint32, error) {
	var b [4]byte
	_, err := f.r.ReadAt(b[:], f.table+int64(cluster)*4)
	return binary.LittleEndian.Uint32(b[:]) & 0x0fffffff, err
}

// findFile returns where the content of a file of the root directory begins. name is as a
// directory entry has it, 11 octets; size is what the file must have, at most a sector.
func findFile(r io.ReaderAt, name string, size uint32) (int64, error) {
	f, err := openFAT(r)
	if err != nil {
		return 0, err
	}
	block := make([]byte, f.cluster)
	cluster := f.directory
	for range fatMost {
		at, err := f.at(cluster)
		if err != nil {
			return 0, err
		}
		if _, err := r.ReadAt(block, at); err != nil {
			return 0, err
		}
		for e := block; len(e) >= fatEntry && e[0] != 0; e = e[fatEntry:] {
			if string(e[:11]) != name || e[11]&(attrVolume|attrDir) != 0 {
				continue
			}
			if n := binary.LittleEndian.Uint32(e[28:]); n != size {
				return 0, fmt.Errorf("boot partition: %s has %d octets, not %d", name, n, size)
			}
			return f.at(uint32(binary.LittleEndian.Uint16(e[20:]))<<16 | uint32(binary.LittleEndian.Uint16(e[26:])))
		}
		if cluster, err = f.next(cluster); err != nil {
			return 0, err
		}
		if cluster >= fatEnd {
			break
		}
	}
	return 0, fmt.Errorf("boot partition: no file %s", name)
}
