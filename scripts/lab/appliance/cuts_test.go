package appliance

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/hep"
	labbox "heptap/scripts/lab/box"
	"heptap/scripts/lab/writelog"
)

// part is a part of the disk, in octets.
type part struct{ from, size int64 }

// The partitions of the image (scripts/image), on a disk of 1 GiB.
var (
	systemPart = part{1 << 20, 128 << 20}
	slotsPart  = part{129 << 20, 256 << 20}
	dataPart   = part{385 << 20, 638 << 20}
)

// copy copies a part of the disk to a file.
func (x *box) copy(name string, p part) string {
	x.t.Helper()
	file := filepath.Join(x.dir, name)
	run(x.t, "dd", "if="+x.disk, "of="+file, "bs=1M", "conv=sparse", "status=none", fmt.Sprintf("skip=%d", p.from>>20), fmt.Sprintf("count=%d", p.size>>20))
	run(x.t, "truncate", "-s", fmt.Sprint(p.size), file)
	return file
}

// momentsOf are those behind each write to a part.
func momentsOf(l *writelog.Log, p part) (out []int) {
	for i := range l.Len() {
		if l.Writes(i, p.from, p.from+p.size) {
			out = append(out, i+1)
		}
	}
	return out
}

// replay makes a file of what a power cut leaves of a part that was as in before, on a disk
// of which what was not flushed is lost as lost says.
func (x *box) replay(l *writelog.Log, before string, p part, at int, lost func() bool) (file string) {
	x.t.Helper()
	file = filepath.Join(x.dir, "cut")
	run(x.t, "cp", "--sparse=always", before, file)
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		x.t.Fatal(err)
	}
	err = l.Replay(f, p.from, p.size, at, lost)
	if err := errors.Join(err, f.Close()); err != nil {
		x.t.Fatal(err)
	}
	return file
}

// TestPowerCuts has a box spool calls, and then cuts its power at random moments of all
// that it has written, each with a disk that loses a random half of what was not flushed.
// The file system is repaired without a question, the configuration is there, the spool is
// whole, and has the records from the first on without a gap; none that was flushed
// goes again.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	x := newBox(t, x86, 1024)
	before := x.copy("before", dataPart)
	x.writes = filepath.Join(x.dir, "writes")
	x.boot()
	x.expect("msg=capturing")
	x.arrive(x.call("first@lab"))
	x.collector.Kill()
	var sent []string
	for i := range 40 {
		sent = append(sent, x.call(fmt.Sprintf("%d@lab", i))...)
		time.Sleep(250 * time.Millisecond) // so that there are many commits
	}
	x.expect("records on disk")
	x.cut()

	l, err := writelog.Open(x.writes)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	moments, random := momentsOf(l, dataPart), rand.New(rand.NewPCG(1, 7))
	half, all := func() bool { return random.IntN(2) == 0 }, func() bool { return true }
	n := 10
	if os.Getenv("HEPTAP_LONG") != "" {
		n = 500
	}
	var at []int
	for range n {
		at = append(at, moments[random.IntN(len(moments))])
	}
	slices.Sort(at)
	at = append(at, moments[len(moments)-1])
	have := 0 // surely
	for _, m := range at {
		sure := x.spooled(x.replay(l, before, dataPart, m, all), m, sent)
		lucky := x.spooled(x.replay(l, before, dataPart, m, half), m, sent)
		if sure < have || lucky < sure {
			t.Errorf("after write %d there are %d messages, and %d where everything was lost that was not flushed; before there were %d", m, lucky, sure, have)
		}
		have = sure
	}
	t.Logf("%d power cuts among %d writes to the data partition; %d of %d messages at the last", len(at), len(moments), have, len(sent))
	if have < len(sent)/2 {
		t.Errorf("only %d of %d messages were ever on the disk", have, len(sent))
	}
}

// spooled says how many of the messages the spool has on a data partition in that file.
func (x *box) spooled(file string, at int, sent []string) (n int) {
	x.t.Helper()
	out, err := exec.Command("e2fsck", "-p", file).CombinedOutput()
	var status *exec.ExitError
	if err != nil && (!errors.As(err, &status) || status.ExitCode() >= 4) {
		x.t.Fatalf("after write %d: e2fsck -p: %v\n%s", at, err, out)
	}
	tool, err := labbox.Binary()
	if err != nil {
		x.t.Fatal(err)
	}
	spool, frames := filepath.Join(x.dir, "spool.db"), filepath.Join(x.dir, "frames")
	_, _ = os.Remove(spool), os.Remove(frames)
	run(x.t, "debugfs", "-R", "dump /spool.db "+spool, file)
	if info, err := os.Stat(spool); err != nil || info.Size() == 0 {
		return 0 // the box had only begun
	}
	if config := run(x.t, "debugfs", "-R", "cat /config/heptap.conf", file); !strings.Contains(config, "set system node lab") {
		x.t.Errorf("after write %d the configuration is gone: %s", at, config)
	}
	run(x.t, tool, "spool", "verify", spool)
	run(x.t, tool, "spool", "export", "-o", frames, spool)
	b, err := os.ReadFile(frames)
	if err != nil {
		x.t.Fatal(err)
	}
	for r := hep.NewReader(bytes.NewReader(b)); ; {
		frame, err := r.Next()
		if err != nil {
			break
		}
		v, err := hep.Parse(frame)
		if err != nil {
			x.t.Fatal(err)
		}
		if v.Type() != 1 || !strings.HasSuffix(string(v.Correlation()), "@lab") || string(v.Correlation()) == "first@lab" {
			continue
		}
		if n == len(sent) || string(v.Payload()) != sent[n] {
			x.t.Fatalf("after write %d: message %d in the spool is not the one that was sent:\n%s", at, n, v.Payload())
		}
		n++
	}
	return n
}
