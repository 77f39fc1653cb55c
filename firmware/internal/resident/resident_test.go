package resident

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// What is unmapped is no longer resident, and comes back: the test goes on.
func TestUnmapProgram(t *testing.T) {
	before := program(t)
	if err := UnmapProgram(); err != nil {
		t.Fatal(err)
	}
	if after := program(t); after == 0 || after >= before {
		t.Errorf("%d KiB of the program are resident after they were let go, %d before", after, before)
	}
}

// program returns how many KiB of the program's text and constants are in memory.
func program(t *testing.T) (kib int) {
	t.Helper()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	ours := false
	for l := range strings.Lines(string(b)) {
		f := strings.Fields(l)
		switch {
		case strings.Contains(f[0], "-"):
			ours = len(f) > 5 && f[5] == exe && !strings.Contains(f[1], "w")
		case ours && f[0] == "Rss:":
			var n int
			if _, err := fmt.Sscan(f[1], &n); err != nil {
				t.Fatal(err)
			}
			kib += n
		}
	}
	return kib
}
