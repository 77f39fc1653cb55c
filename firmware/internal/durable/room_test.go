package durable

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRoom asks on a file system of 16 MiB.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path, other := filepath.Join(dir, "spool"), filepath.Join(dir, "other")
	is := func(what string, reserve, want int64) {
		t.Helper()
		if got, err := Room(path, reserve); err != nil || got < want-64<<10 || got > want {
			t.Errorf("%s: %d, %v; want %d or a little less", what, got, err, want)
		}
	}
	write := func(path string, n int) {
		t.Helper()
		if err := os.WriteFile(path, make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	is("nothing there", 2<<20, 14<<20)
	write(path, 5<<20)
	is("what the file has is its own", 2<<20, 14<<20)
	write(other, 3<<20)
	is("what others have is not", 2<<20, 11<<20)
	is("a quarter at most is kept free", 1<<40, 9<<20)
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Fatal(err)
	}
	is("holes are nothing", 2<<20, 11<<20)
	write(other, 10<<20)
	is("less than the file has", 2<<20, 4<<20)
	if _, err := Room(filepath.Join(dir, "none", "spool"), 0); err == nil {
		t.Error("a folder that is not there has room")
	}
}
