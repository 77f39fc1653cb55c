package faults_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"heptap/hep"
)

// tally is what the collectors have read.
type tally struct {
	dir   string
	lanes bool // of a datagram collector: a file has more than one connection's
	all   []template
	files map[string]*readFile

	times    []uint16 // how often each message came, by number
	unique   int
	newest   int    // number of the latest message that came, and 1
	again    int    // frames that had come before
	octets   uint64 // of these
	problems []string
	arrived  func(n int) // is told of each message that comes for the first time

	// Whatever the connections: everything below next has come in sequence,
	// and skipped, unless it is -1, had not come when a later one came.
	next, skipped int
}

// readFile is a file of a collector.
type readFile struct {
	at   int64 // where the first frame begins that was not counted
	last int   // number of the last one counted, -1 for none
	over bool
}

func newTally(dir string) *tally {
	return &tally{dir: dir, all: makeTemplates(), files: map[string]*readFile{}, skipped: -1}
}

// scan counts what has been read since the last scan. over says of a
// generation whether its process has ended.
func (y *tally) scan(over func(generation int) bool) error {
	entries, err := os.ReadDir(y.dir) // sorted by name: by generation, then connection
	if err != nil {
		return err
	}
	for _, e := range entries {
		var generation, conn int
		if _, err := fmt.Sscanf(e.Name(), "g%d-c%d", &generation, &conn); err != nil {
			continue
		}
		f := y.files[e.Name()]
		if f == nil {
			f = &readFile{last: -1}
			y.files[e.Name()] = f
		}
		if f.over {
			continue
		}
		ended := over(generation) // asked before the file is read
		if err := y.file(e.Name(), f, ended); err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
		f.over = ended
	}
	return nil
}

func (y *tally) file(name string, f *readFile, ended bool) error {
	file, err := os.Open(filepath.Join(y.dir, name))
	if err != nil {
		return err
	}
	defer file.Close()
	var header [8]byte
	if _, err := file.ReadAt(header[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			return nil // just made
		}
		return err
	}
	end := int64(binary.NativeEndian.Uint64(header[:]))
	size := end - f.at
	if ended {
		size += readBytes // what was read in the call that the kill interrupted
	}
	if size <= 0 {
		return nil
	}
	b := make([]byte, size)
	n, err := file.ReadAt(b, headerBytes+f.at)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	b = b[:n]
	sure := int(max(0, end-f.at)) // behind that the kill may have interrupted a copy, whose beginning need not come first
	if ended {
		b = b[:max(min(sure, n), len(bytes.TrimRight(b, "\x00")))]
	}
	for frame := nextFrame(b); frame != nil; frame = nextFrame(b) {
		if sure < len(frame) && !y.whole(frame) {
			break // the copy of it was interrupted, and it has holes
		}
		y.frame(name, f, frame)
		f.at += int64(len(frame))
		b = b[len(frame):]
		sure -= len(frame)
	}
	if sure > 0 && len(b) >= 4 && string(b[:4]) != "HEP3" {
		y.problem("%s: not at a frame's boundary: %.20q", name, b)
	}
	return nil
}

func (y *tally) problem(format string, args ...any) {
	if len(y.problems) < 20 {
		y.problems = append(y.problems, fmt.Sprintf(format, args...))
	}
}

// whole reports whether a frame is as it was sent.
func (y *tally) whole(frame []byte) bool {
	v, err := hep.Parse(frame)
	if err != nil {
		return false
	}
	n, err := numberOf(v.Payload())
	if err != nil {
		return false
	}
	want := of(y.all, n)
	return bytes.Equal(v.Payload(), want.frame[want.payload:])
}

func (y *tally) frame(name string, f *readFile, frame []byte) {
	v, err := hep.Parse(frame)
	if err != nil {
		y.problem("%s: %v", name, err)
		return
	}
	n, err := numberOf(v.Payload())
	if err != nil {
		y.problem("%s: %v", name, err)
		return
	}
	if want := of(y.all, n); !bytes.Equal(v.Payload(), want.frame[want.payload:]) {
		y.problem("%s: message %d has changed: %.80q", name, n, v.Payload())
	}
	if n <= f.last && !y.lanes {
		y.problem("%s: message %d after %d", name, n, f.last)
	}
	f.last, y.newest = n, max(y.newest, n+1)
	for len(y.times) <= n {
		y.times = append(y.times, make([]uint16, len(y.times)+1024)...)
	}
	if y.times[n]++; y.times[n] == 1 {
		y.unique++
		if y.arrived != nil {
			y.arrived(n)
		}
	} else {
		y.again++
		y.octets += uint64(len(frame))
	}
	switch {
	case n == y.next:
		y.next++
	case n > y.next && y.skipped < 0:
		y.skipped = y.next
	}
}

// has says whether message n has come.
func (y *tally) has(n int) bool { return n < len(y.times) && y.times[n] > 0 }

// missing returns which of the numbers below n have not come.
func (y *tally) missing(n int) (all []int) {
	for i := range n {
		if !y.has(i) {
			all = append(all, i)
		}
	}
	return all
}

// spans prints numbers as ranges.
func spans(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers) && len(parts) < 20; {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		parts = append(parts, fmt.Sprintf("%d-%d", numbers[i], numbers[j]))
		i = j + 1
	}
	return strings.Join(parts, " ")
}

// connections returns how many connections have carried something.
func (y *tally) connections() (n int) {
	for _, f := range y.files {
		if f.last >= 0 {
			n++
		}
	}
	return n
}

// quietly reports whether nothing but what the numbers say is wrong.
func (y *tally) quietly() error {
	if len(y.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(slices.Compact(y.problems), "\n"))
}
