package buffertest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"heptap/buffer"
)

// The crash harness starts the test binary again as a child that appends and
// says which sequence number is durable, kills it with SIGKILL at some moment,
// opens what is left and looks for every record that the child had vouched for.

const crashEnv = "HEPTAP_BUFFER_CRASH"

// CrashChild must be called first in TestMain: in the child it does not return.
func CrashChild() {
	path := os.Getenv(crashEnv)
	if path == "" {
		return
	}
	fmt.Fprintln(os.Stderr, crashWriter(path, os.Stdout))
	os.Exit(1) // it ends only when it cannot go on
}

var crashOptions = buffer.Options{MaxBytes: 4 << 20, Classes: 2}

// crashWriter appends until it is killed. After each commit it prints "a
// <last>", the number that is durable, with "t <mark>" and "e <count>" for what
// was evicted. Where it trims "t <mark>" comes before the commit, since the mark
// may be durable before a line could tell so.
func crashWriter(path string, w io.Writer) error {
	s, err := buffer.Open(path, crashOptions)
	if err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(uint64(os.Getpid()), 2))
	last, _ := s.Last()
	for {
		var b buffer.Batch
		for range 1 + rnd.IntN(60) {
			last++
			b.Append = append(b.Append, buffer.Entry{Seq: last, Class: 1, Data: crashData(last)})
		}
		if first, ok := s.First(); ok && rnd.IntN(5) == 0 {
			b.Trim = first + uint64(rnd.IntN(200))
			b.Cursors = map[string][]byte{"c": binary.BigEndian.AppendUint64(nil, b.Trim)}
			if _, err := fmt.Fprintln(w, "t", min(b.Trim, last)); err != nil {
				return err
			}
		}
		res, err := s.Commit(b)
		if err != nil {
			return err
		}
		for _, l := range res.Evicted {
			if _, err := fmt.Fprintln(w, "t", l.Seqs[len(l.Seqs)-1]+1); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(w, "e", s.Stats().Evicted.Total().Records); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, "a", last); err != nil {
			return err
		}
	}
}

// crashData is a record that says itself whether it is whole.
func crashData(seq uint64) []byte {
	b := make([]byte, 12+seq%1500)
	binary.BigEndian.PutUint64(b[4:], seq)
	for i := 12; i < len(b); i++ {
		b[i] = byte(seq * uint64(i))
	}
	binary.BigEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:]))
	return b
}

// promise is what children have vouched for.
type promise struct {
	acked   uint64 // highest seq that is durable
	gone    uint64 // what is below may be trimmed or evicted
	evicted uint64 // how many were evicted
}

// TestCrash kills a child rounds times on the spool at path.
func TestCrash(t *testing.T, path string, rounds int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(3, 3))
	var p promise
	for i := range rounds {
		// A quarter of the kills fall into starting and opening, the rest
		// anywhere in the commits after the one counted here.
		commits := 1 + rnd.IntN(30)
		after := time.Duration(rnd.IntN(8000)) * time.Microsecond
		if i%4 == 0 {
			commits, after = 0, 4*after
		}
		runChild(t, path, commits, after, &p)
		crashCheck(t, path, &p)
		if t.Failed() {
			t.Fatalf("after kill %d, %v behind commit %d", i, after, commits)
		}
	}
	if p.acked == 0 {
		t.Fatal("no child ever appended")
	}
	t.Logf("%d kills, %d records vouched for", rounds, p.acked)
}

// runChild lets one child write and kills it some time after its n-th commit.
func runChild(t *testing.T, path string, n int, after time.Duration, p *promise) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	child, err := os.StartProcess("/proc/self/exe", []string{os.Args[0]}, &os.ProcAttr{
		Env:   append(os.Environ(), crashEnv+"="+path),
		Files: []*os.File{nil, w, os.Stderr},
	})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var timer *time.Timer
	countdown := func() {
		if n == 0 {
			timer = time.AfterFunc(after, func() { _ = child.Kill() })
		}
		n--
	}
	countdown()
	lines := bufio.NewScanner(r)
	lines.Split(wholeLines)
	for lines.Scan() {
		what, number, _ := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Errorf("child said %q", lines.Text())
		}
		switch what {
		case "a":
			p.acked = value
			countdown()
		case "e":
			p.evicted = value
		case "t":
			p.gone = max(p.gone, value)
		}
	}
	if timer != nil { // else the child ended by itself
		timer.Stop()
	}
	state, err := child.Wait()
	if err != nil || state.Exited() {
		t.Errorf("child ended by itself: %v %v", state, err)
	}
}

// wholeLines is bufio.ScanLines without the unfinished line at the end.
func wholeLines(b []byte, _ bool) (int, []byte, error) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return 0, nil, nil
	}
	return i + 1, b[:i], nil
}

// crashCheck opens the spool and looks for every record that must be there.
func crashCheck(t *testing.T, path string, p *promise) {
	t.Helper()
	s, err := buffer.Open(path, crashOptions)
	if err != nil {
		t.Error(err)
		return
	}
	if st := s.Stats(); st.Damaged != 0 || st.Corrupt != 0 {
		t.Errorf("a kill damaged the file: %d set aside, %d corrupt", st.Damaged, st.Corrupt)
	}
	last, _ := s.Last()
	if last < p.acked {
		t.Errorf("last is %d, %d was durable", last, p.acked)
	}
	first, held := s.First()
	// The last commits may have evicted more than the child could tell of.
	untold := s.Stats().Evicted.Total().Records - p.evicted
	if held && first > max(p.gone, 1)+untold {
		t.Errorf("first is %d, only what is below %d was done, and %d evicted untold", first, p.gone, untold)
	}
	p.gone, p.evicted = max(p.gone, first), p.evicted+untold // told by now
	want := first
	for held {
		e, _, err := s.Read(want, 1<<20, nil)
		if err != nil {
			t.Error(err)
			break
		}
		if len(e) == 0 {
			break
		}
		for _, e := range e {
			if e.Seq != want || !bytes.Equal(e.Data, crashData(e.Seq)) {
				t.Errorf("record %d where %d should be, or other content", e.Seq, want)
			}
			want = e.Seq + 1
		}
	}
	if held && want != last+1 {
		t.Errorf("records end at %d, last is %d", want-1, last)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	Check(t, path)
}
