package buffer_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"heptap/buffer"
	"heptap/buffer/buffertest"
)

const diskEnv = "HEPTAP_BUFFER_DISK"

// diskFullChild is the part of TestDiskFull that runs in a mount namespace of
// its own.
func diskFullChild() {
	dir := os.Getenv(diskEnv)
	if dir == "" {
		return
	}
	if err := diskFull(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestDiskFull runs a spool on a tmpfs much smaller than its cap.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	child, err := os.StartProcess("/proc/self/exe", []string{os.Args[0]}, &os.ProcAttr{
		Env:   append(os.Environ(), diskEnv+"="+dir),
		Files: []*os.File{nil, os.Stdout, w},
		Sys:   &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS},
	})
	w.Close()
	if errors.Is(err, syscall.EPERM) && os.Getenv("CI") != "true" {
		t.Skip("no mount namespaces here")
	}
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			break
		}
	}
	state, err := child.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if !state.Success() {
		t.Fatalf("%v: %s", state, said.String())
	}
}

// failures collects what diskFull finds wrong; it is a testing.TB for nobody.
type failures []error

func (f *failures) check(ok bool, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

func diskFull(dir string) error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		return err
	}
	defer syscall.Unmount(dir, 0)
	var f failures
	path := filepath.Join(dir, "spool")
	// A damaged file of before takes a third of the disk: it has to go first.
	if err := os.WriteFile(path+".damaged-20260101T000000Z", make([]byte, 1<<20), 0o600); err != nil {
		return err
	}
	s, err := buffer.Open(path, buffer.Options{Classes: 4, MaxBytes: 64 << 20})
	if err != nil {
		return err
	}
	evicted := map[uint64]bool{}
	seq := uint64(1)
	for range 200 {
		res, err := s.Append(batch(seq, 64, 800))
		if err != nil {
			return fmt.Errorf("append: %w", err)
		}
		seq += 64
		for _, l := range append(res.Evicted, res.Shed...) {
			for _, q := range l.Seqs {
				f.check(!evicted[q], "record %d went twice", q)
				evicted[q] = true
			}
		}
	}
	st := s.Stats()
	names, _ := filepath.Glob(path + ".damaged-*")
	f.check(len(names) == 0, "the damaged file was kept on a full disk")
	f.check(st.Evicted[3].Records > 0, "nothing evicted: %+v", st)
	f.check(st.Held.Total().Bytes > 1<<20, "only %d octets held", st.Held.Total().Bytes)
	n := uint64(0)
	for from := uint64(0); ; {
		e, _, err := s.Read(from, 1<<20, nil)
		if err != nil {
			return err
		}
		if len(e) == 0 {
			break
		}
		for _, e := range e {
			f.check(!evicted[e.Seq] && string(e.Data) == string(data(e.Seq, 800)), "record %d is wrong", e.Seq)
			n++
		}
		from = e[len(e)-1].Seq + 1
	}
	f.check(n == st.Held.Total().Records && n+uint64(len(evicted)) == seq-1, "%d held, %d gone, %d appended", n, len(evicted), seq-1)
	f = append(f, hopeless(dir, s, seq)...)
	return errors.Join(append(f, s.Close(), verified(path))...)
}

// hopeless takes the disk's last octet away from an empty spool: the error must
// say so, and the spool must work again when there is space.
func hopeless(dir string, s *buffer.Spool, seq uint64) (f failures) {
	if err := s.Trim(seq); err != nil {
		return failures{err}
	}
	other, err := os.Create(filepath.Join(dir, "other"))
	if err != nil {
		return failures{err}
	}
	defer other.Close()
	for err == nil {
		_, err = other.Write(make([]byte, 4096))
	}
	var big []buffer.Entry
	for i := range uint64(6) {
		big = append(big, buffer.Entry{Seq: seq + i, Class: 3, Data: make([]byte, 600<<10)})
	}
	_, err = s.Append(big)
	f.check(errors.Is(err, syscall.ENOSPC) || errors.Is(err, buffer.ErrFull), "append on a full disk: %v", err)
	f.check(other.Truncate(0) == nil, "truncate")
	last, _ := s.Last()
	_, err = s.Append(batch(max(last, seq)+1, 10, 100))
	f.check(err == nil, "append with space again: %v", err)
	st := s.Stats()
	f.check(st.Damaged == 0, "a full disk is no damage")
	return f
}

func verified(path string) error {
	r, err := buffer.Verify(path)
	if err == nil && !r.OK() {
		err = fmt.Errorf("verify: %q", r.Problems)
	}
	return err
}

// TestPermission is about an environment error, which must not set files aside.
func TestPermission(t *testing.T) {
	path := buffertest.Path(t)
	s := open(t, path, buffer.Options{})
	mustAppend(t, s, batch(1, 10, 100))
	s.Close()
	link := filepath.Join(t.TempDir(), "loop")
	if err := os.Symlink(link, link); err != nil {
		t.Fatal(err)
	}
	if _, err := buffer.Open(link, buffer.Options{}); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("open: %v", err)
	}
	if _, err := buffer.Open(path+"/below", buffer.Options{}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("open: %v", err)
	}
	if n := asides(t, path); n != 0 {
		t.Errorf("%d files set aside", n)
	}
}
