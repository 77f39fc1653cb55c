package writelog

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes a log; each step is a sector's number, its flags and what is written there.
func write(t *testing.T, steps ...any) string {
	t.Helper()
	var b bytes.Buffer
	sector := func(text string, numbers ...uint64) {
		s := make([]byte, 512)
		for i, n := range numbers {
			binary.LittleEndian.PutUint64(s[8*i:], n)
		}
		copy(s, text)
		b.Write(s)
	}
	sector("", magic, version, 0, 512)
	for i := 0; i < len(steps); i += 3 {
		text := steps[i+2].(string)
		sector("", uint64(steps[i].(int)), uint64(len(text)), uint64(steps[i+1].(int)), 0)
		for _, c := range text {
			sector(strings.Repeat(string(c), 512))
		}
	}
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// disk is one letter per sector.
type disk []byte

func (d disk) WriteAt(b []byte, at int64) (int, error) {
	for i := 0; i < len(b); i += 512 {
		d[int(at)/512+i/512] = b[i]
	}
	return len(b), nil
}

func TestReplay(t *testing.T) {
	l, err := Open(write(t,
		0, 0, "abcd", // lost unless flushed
		1, flagFUA, "F",
		0, flagFlush, "",
		2, 0, "xy",
		3, flagFUA, "G",
		0, flagDiscard, "",
		5, 0, "z"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Len() != 7 || !l.Writes(0, 3*512, 4*512) || l.Writes(0, 4*512, 9*512) || l.Writes(2, 0, 9*512) {
		t.Errorf("%d entries", l.Len())
	}
	all := func() bool { return true }
	for _, c := range []struct {
		n    int
		lost func() bool
		want string
	}{
		{0, all, "......"},
		{1, all, "......"},
		{2, all, ".F...."},
		{3, all, "aFcd.."},
		{4, all, "aFcd.."},
		{5, all, "aFcG.."},
		{7, all, "aFcG.."},
		{7, func() bool { return false }, "aFxG.z"},
	} {
		d := disk("......")
		if err := l.Replay(d, 0, 6*512, c.n, c.lost); err != nil || string(d) != c.want {
			t.Errorf("after %d: %s, want %s, %v", c.n, d, c.want, err)
		}
	}
	d := disk("..") // the part from sector 2 on
	if err := l.Replay(d, 2*512, 2*512, 7, all); err != nil || string(d) != "cG" {
		t.Errorf("part: %s, %v", d, err)
	}
}

func TestOpen(t *testing.T) {
	path := write(t, 0, 0, "ab", 1, 0, "cd")
	if err := os.Truncate(path, 512*6+100); err != nil { // in the last entry
		t.Fatal(err)
	}
	l, err := Open(path)
	if err != nil || l.Len() != 1 {
		t.Fatalf("%v, %v", l, err)
	}
	l.Close()
	if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil {
		t.Error("zeros are a log")
	}
}
