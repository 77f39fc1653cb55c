package faults_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func (r *rig) spoolFile() string { return filepath.Join(r.spool, "spool.db") }

// heptap runs a command of the binary.
func (r *rig) heptap(args ...string) string {
	r.t.Helper()
	out, err := exec.Command(r.binary, args...).CombinedOutput()
	if err != nil {
		r.t.Errorf("heptap %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

func countLines(s, begin string) (n int) {
	for _, line := range strings.Split(s, "\n") {
		if strings.HasPrefix(line, begin) {
			n++
		}
	}
	return n
}

const pageBytes = 4096 // of bbolt, on the machines these tests run on

// overwrite puts random octets over the pages at first, first+step, ...
func overwrite(f *os.File, first, step int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	rnd := rand.NewChaCha8([32]byte{1})
	junk := make([]byte, pageBytes)
	for at := first / pageBytes * pageBytes; at < info.Size(); at += step {
		rnd.Read(junk)
		if _, err := f.WriteAt(junk, at); err != nil {
			return err
		}
	}
	return nil
}

// A spool that is found damaged is set aside and counted, and the probe runs.
func TestSpoolDamaged(t *testing.T) {
	for _, tt := range []struct {
		name   string
		core   bool
		sound  bool // some records are, and can be got out of the file that was set aside
		damage func(f *os.File, size int64) error
	}{
		{"one page overwritten", true, true, func(f *os.File, size int64) error { return overwrite(f, size/2, size) }},
		{"every 100th page overwritten", true, true, func(f *os.File, size int64) error { return overwrite(f, 100*pageBytes, 100*pageBytes) }},
		{"every 5th page overwritten", false, false, func(f *os.File, size int64) error { return overwrite(f, 5*pageBytes, 5*pageBytes) }},
		{"both meta pages", true, false, func(f *os.File, size int64) error {
			_, err := f.WriteAt(make([]byte, 2*pageBytes), 0)
			return err
		}},
		{"cut in half", true, false, func(f *os.File, size int64) error { return f.Truncate(size / 2 / pageBytes * pageBytes) }},
		{"cut to nothing much", false, false, func(f *os.File, size int64) error { return f.Truncate(100) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.core && !long() {
				t.Skip("a long one")
			}
			t.Parallel()
			r := newRig(t)
			r.run()
			r.must(r.gen.burst(5000, pick(10000, 100000)))
			r.captured(0)
			r.stop()
			old := r.gen.count()
			f, err := os.OpenFile(r.spoolFile(), os.O_RDWR, 0)
			r.must(err)
			info, err := f.Stat()
			r.must(err)
			r.must(tt.damage(f, info.Size()))
			r.must(f.Close())

			r.run()
			r.traffic(2000)
			r.elapse(time.Second)
			r.collect()
			r.elapse(time.Second)
			r.pause()
			r.captured(old)
			took := r.delivered(func(n int) bool { return n < old })
			r.quiet()
			m := r.metrics()
			aside, corrupt := m.Sum("heptap_spool_files_set_aside_total"), m.Sum("heptap_spool_corrupt_total")
			if aside+corrupt+m.Sum("heptap_spool_damages_total") == 0 {
				t.Error("the damage is not counted")
			}
			m = r.stop()
			r.settle(took)
			saved := 0
			for n := range old {
				if r.scan().has(n) {
					saved++
				}
			}
			files, err := os.ReadDir(r.spool)
			r.must(err)
			files = slices.DeleteFunc(files, func(f os.DirEntry) bool { return !strings.HasPrefix(f.Name(), filepath.Base(r.spoolFile())) })
			if aside > 0 {
				got := r.salvage(files, old)
				t.Logf("spool export finds %d of %d records in the damaged file", got, old)
				saved = max(saved, got)
			}
			if tt.sound && saved < old/2 {
				t.Errorf("little was damaged, and %d of %d records are lost", old-saved, old)
			}
			t.Logf("%d of %d old records saved; %.0f files set aside, %.0f records corrupt; %d files: %s", saved, old, aside, corrupt, len(files), uplinkText(m))
			if int(aside) != len(files)-1 {
				t.Errorf("%.0f files are counted as set aside, the directory holds %v", aside, files)
			}
			if got := place(m, "confirmed"); got != r.scan().unique {
				t.Errorf("%d confirmed, %d delivered", got, r.scan().unique)
			}
			if missing := len(r.scan().missing(old)); aside == 0 && place(m, "damaged") != missing {
				t.Errorf("%d records are missing, and the books say: %s", missing, uplinkText(m))
			}
		})
	}
}

// salvage exports the files that were set aside and returns how many different
// messages with numbers below a limit are in them.
func (r *rig) salvage(files []os.DirEntry, below int) int {
	r.t.Helper()
	found := map[int]bool{}
	for _, f := range files {
		path := filepath.Join(r.spool, f.Name())
		if path == r.spoolFile() {
			continue
		}
		out := filepath.Join(r.lab.Dir(), "salvaged.hep")
		// That it ends with an error says that something was damaged.
		said, err := exec.Command(r.binary, "spool", "export", "-o", out, path).CombinedOutput()
		r.t.Logf("spool export %s: %v %s", f.Name(), err, said)
		b, err := os.ReadFile(out)
		if err != nil {
			continue
		}
		for frame := nextFrame(b); frame != nil; frame = nextFrame(b) {
			n, err := frameNumber(frame)
			r.must(err)
			if n < below {
				found[n] = true
			}
			b = b[len(frame):]
		}
	}
	return len(found)
}
