package appliance

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"heptap/firmware/internal/durable"
)

const (
	panicMost  = 128 << 10 // octets of one piece of a kernel's log
	panicFiles = 16        // pieces that are taken
)

// keepPanics takes what a dying kernel has left where the board keeps it (pstore, as
// by UEFI variables), which has room for little, over to the data partition. It
// says whether there was something.
func (b *Box) keepPanics() bool {
	found, err := filepath.Glob(b.path("/sys/fs/pstore/*"))
	if err != nil || len(found) == 0 {
		return false
	}
	b.log.Error("THE KERNEL DIED BEFORE THIS START; what it said last is kept", "directory", b.crashes(), "pieces", len(found))
	begin := time.Now().UTC().Format("20060102-150405") + "-kernel-"
	for i, f := range found {
		if i < panicFiles {
			text, err := readAtMost(f, panicMost)
			if err == nil {
				err = durable.Write(filepath.Join(b.crashes(), begin+filepath.Base(f)+".txt"), text, 0o640)
			}
			if err != nil {
				b.log.Warn("the kernel's last words are not kept", "file", f, "err", err)
				continue
			}
		}
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			b.log.Warn("the kernel's last words", "err", err)
		}
	}
	prune(b.crashes(), b.log)
	return true
}

// crashes is where last words are.
func (b *Box) crashes() string { return b.path(filepath.Join(dataDir, "crashes")) }
