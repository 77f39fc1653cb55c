package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestSickDisk starts a probe on a disk that is read-only, and on one that is full: it must capture
// all the same, say so, take up the spool by itself when the disk works again, and lose nothing.
func TestSickDisk(t *testing.T) {
	needRoot(t)
	for _, name := range []string{"read-only", "full"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
			heal := func() error { return syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=16m") }
			if name == "read-only" {
				if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
					t.Fatal(err)
				}
			} else {
				if err := os.WriteFile(dir+"/other", make([]byte, 16<<20-4096), 0o600); err != nil {
					t.Fatal(err)
				}
				heal = func() error { return os.Remove(dir + "/other") }
			}
			a, send := placeCall(t, "sick", 5)
			conf, _ := loopbackConfig(t, a.LocalAddr().(*net.UDPAddr).Port, fmt.Sprintf("set spool path %s\nset spool max-size 4MiB\nset system console off\n", dir))
			b := launch(t, nil, "run", "-config", conf)
			b.says("the spool does not work; records are kept in memory only.*(read-only|no space)")
			b.says("msg=capturing")
			send()
			b.until("^records_made_total .* 5$")
			if err := heal(); err != nil {
				t.Fatal(err)
			}
			b.says("the spool works again")
			b.says("msg=capturing")
			b.stop(0)
			out := heptap(t, nil, "spool", "ls", dir+"/spool.db").want(t, 0).stdout
			if !strings.Contains(out, "keepalive        5 records") {
				t.Errorf("want 5 records of before:\n%s", out)
			}
		})
	}
}
