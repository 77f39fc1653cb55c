package periphgpio

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestKeepStdin(t *testing.T) {
	before, err := os.Stdin.Stat()
	if err != nil {
		t.Skip("no stdin to keep:", err)
	}
	broken := errors.New("broken")
	for name, damage := range map[string]func(){
		"nothing": func() {},
		"closed":  func() { _ = unix.Close(0) }, // what GPIOChip.Close does
		"reused": func() { // and the next file takes its place
			_ = unix.Close(0)
			if fd, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil || fd != 0 {
				t.Errorf("open: descriptor %d, %v", fd, err)
			}
		},
	} {
		if err := keepStdin(func() error { damage(); return broken }); !errors.Is(err, broken) {
			t.Errorf("%s: err %v", name, err)
		}
		after, err := os.Stdin.Stat()
		if err != nil || !os.SameFile(before, after) {
			t.Fatalf("%s: stdin is not what it was: %v", name, err)
		}
	}
}
