package appliance

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of linux/input-event-codes.h.
const (
	evKey    = 1
	keyPower = 116
)

// powerKeys tells when a power key is pressed: on the case, or by whoever runs
// the virtual machine. Keyboards that come later are found, too.
func powerKeys(ctx context.Context, sys, dev string, pressed func()) {
	open := map[string]bool{}
	gone := make(chan string)
	for {
		found, _ := filepath.Glob(filepath.Join(sys, "class/input/event*")) // the pattern is good
		for _, f := range found {
			name := filepath.Base(f)
			keys, err := os.ReadFile(filepath.Join(f, "device/capabilities/key"))
			if err != nil || open[name] || !hasKey(string(keys), keyPower) {
				continue
			}
			d, err := os.Open(filepath.Join(dev, "input", name))
			if err != nil {
				continue
			}
			open[name] = true
			go func() {
				readKeys(d, pressed)
				d.Close()
				gone <- name
			}()
		}
		select {
		case <-ctx.Done():
			return
		case name := <-gone:
			delete(open, name)
		case <-time.After(5 * time.Second):
		}
	}
}

// hasKey looks a key up in a bitmap as sysfs prints it: words of the kernel's
// long in hexadecimal, the most significant first.
func hasKey(bitmap string, key int) bool {
	const wordBits = int(unsafe.Sizeof(uintptr(0))) * 8
	words := strings.Fields(bitmap)
	i := len(words) - 1 - key/wordBits
	if i < 0 {
		return false
	}
	w, err := strconv.ParseUint(words[i], 16, 64)
	return err == nil && w&(1<<(key%wordBits)) != 0
}

// readKeys reads events (linux/input.h) until the device is gone.
func readKeys(r io.Reader, pressed func()) {
	const size, at = int(unsafe.Sizeof(unix.Timeval{})) + 8, int(unsafe.Sizeof(unix.Timeval{}))
	buf := make([]byte, 64*size)
	for {
		n, err := r.Read(buf)
		for e := buf[:n]; len(e) >= size; e = e[size:] {
			if binary.NativeEndian.Uint16(e[at:]) == evKey && binary.NativeEndian.Uint16(e[at+2:]) == keyPower && binary.NativeEndian.Uint32(e[at+4:]) == 1 {
				pressed()
			}
		}
		if err != nil {
			return
		}
	}
}
