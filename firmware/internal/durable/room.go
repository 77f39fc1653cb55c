package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Room returns how many octets the file at path may have so that its file system keeps
// reserve free for others, or a quarter of itself, whichever is less. What the file has on
// the medium already counts for it, holes do not.
func Room(path string, reserve int64) (int64, error) {
	var own unix.Stat_t
	if err := unix.Stat(path, &own); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &s); err != nil {
		return 0, fmt.Errorf("%s: %w", filepath.Dir(path), err)
	}
	block := int64(s.Bsize)
	reserve = min(reserve, int64(s.Blocks)*block/4)
	return max(0, own.Blocks*512+int64(s.Bavail)*block-reserve), nil // stat(2): units of 512
}
