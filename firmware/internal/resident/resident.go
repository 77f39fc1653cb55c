// Package resident keeps down what of the process is in memory.
package resident

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// UnmapProgram lets go of the pages of the program itself that are in memory: text and
// constants, never written. Those that only the start needed, a third of them, stay away;
// the others come back from the page cache as they are used. Else the kernel would take
// them for in use, and small boxes would look for room elsewhere first.
func UnmapProgram() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("pages of the program: %w", err)
	}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("pages of the program: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// START-END PERMS OFFSET DEVICE INODE PATH: proc_pid_maps(5).
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[5] != exe || strings.Contains(fields[1], "w") {
			continue
		}
		var start, end uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &start, &end); err != nil {
			return fmt.Errorf("pages of the program: %q: %w", lines.Text(), err)
		}
		// Not by unix.Madvise: no Go slice is there.
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("pages of the program: madvise: %w", errno)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("pages of the program: %w", err)
	}
	return nil
}
