package guest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
)

// Content is a file of an initramfs: of this machine, or given as text.
type Content struct {
	Path string // where it is here; empty: Text is the content
	Text string
	Mode os.FileMode
}

// writeInitramfs writes an archive in the format "newc" (cpio(5); the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst). files are by
// their absolute path; directories come by themselves.
func writeInitramfs(w io.Writer, files map[string]Content) error {
	a := archive{w: w, made: map[string]bool{"/": true}}
	a.add("dev", 0o40755, nil)
	a.made["/dev"] = true
	a.device("dev/console", 5, 1) // the kernel opens it before anything is mounted
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		data := []byte(f.Text)
		if f.Path != "" {
			var err error
			if data, err = os.ReadFile(f.Path); err != nil {
				return err
			}
		}
		a.directories(path.Dir(name))
		a.add(name[1:], 0o100000|uint32(f.Mode.Perm()), data)
	}
	a.add("TRAILER!!!", 0, nil)
	return a.err
}

type archive struct {
	w    io.Writer
	made map[string]bool
	ino  uint32
	err  error
}

func (a *archive) directories(dir string) {
	if a.made[dir] {
		return
	}
	a.directories(path.Dir(dir))
	a.made[dir] = true
	a.add(dir[1:], 0o40755, nil)
}

func (a *archive) add(name string, mode uint32, data []byte) { a.entry(name, mode, 0, 0, data) }

func (a *archive) device(name string, major, minor uint32) {
	a.entry(name, 0o20600, major, minor, nil)
}

func (a *archive) entry(name string, mode, major, minor uint32, data []byte) {
	if a.err != nil {
		return
	}
	a.ino++
	var b bytes.Buffer
	b.WriteString("070701")
	for _, v := range []uint32{a.ino, mode, 0, 0, 1, 0, uint32(len(data)), 0, 0, major, minor, uint32(len(name) + 1), 0} {
		fmt.Fprintf(&b, "%08X", v)
	}
	b.WriteString(name)
	b.WriteByte(0)
	pad(&b)
	b.Write(data)
	pad(&b)
	_, a.err = a.w.Write(b.Bytes())
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
