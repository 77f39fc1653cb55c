package collect

import (
	"fmt"
	"slices"
	"sort"

	"heptap/hep"
)

// runBits is how many bits of a number count the records of one run of the probe.
const runBits = 40

// What Sequences remembers at most.
const (
	maxRuns  = 256  // runs of probes, the latest ones
	maxSpans = 4096 // pieces of a run; with more the first two become one
)

// Sequences counts records by the numbers that a probe gives them. A record that is several
// frames counts by its first. The zero value is ready.
type Sequences struct {
	runs       []*run // the one that was heard of last is the last
	records    uint64
	duplicates uint64
	missing    uint64 // of runs that are forgotten
	count      uint64
}

// run is what has come of one run of a probe.
type run struct {
	origin, epoch uint64
	spans         []numbers // ascending, apart; the first one begins the run's count
}

// numbers are those from from up to, and without, to.
type numbers struct{ from, to uint64 }

// SequenceStats is what Sequences has counted.
type SequenceStats struct {
	Records    uint64 // with a number, duplicates included
	Duplicates uint64 // with a number that had come before
	Missing    uint64 // numbers between others of the same run that have not come; at least
	Runs       uint64 // runs of probes
}

// String says it in words.
func (s SequenceStats) String() string {
	return fmt.Sprintf("%d numbered records of %d runs of probes, %d of them duplicates, %d missing", s.Records, s.Runs, s.Duplicates, s.Missing)
}

// Note takes in the number of a frame, and reports whether its record came before.
func (q *Sequences) Note(s hep.Sequence) (duplicate bool) {
	if s.Number == 0 || s.Part != 0 {
		return false
	}
	q.records++
	r := q.find(s.Origin, s.Number>>runBits)
	if !r.add(s.Number & (1<<runBits - 1)) {
		q.duplicates++
		return true
	}
	return false
}

// Stats returns the counts so far.
func (q *Sequences) Stats() SequenceStats {
	s := SequenceStats{Records: q.records, Duplicates: q.duplicates, Missing: q.missing, Runs: q.count}
	for _, r := range q.runs {
		s.Missing += r.missing()
	}
	return s
}

// find returns the run, and moves it to the end.
func (q *Sequences) find(origin, epoch uint64) *run {
	for i := len(q.runs) - 1; i >= 0; i-- {
		if r := q.runs[i]; r.origin == origin && r.epoch == epoch {
			if last := len(q.runs) - 1; i != last {
				copy(q.runs[i:], q.runs[i+1:])
				q.runs[last] = r
			}
			return r
		}
	}
	if len(q.runs) == maxRuns {
		q.missing += q.runs[0].missing()
		q.runs = slices.Delete(q.runs, 0, 1)
	}
	r := &run{origin: origin, epoch: epoch}
	q.runs = append(q.runs, r)
	q.count++
	return r
}

// add takes in the number n, and reports whether it is new.
func (r *run) add(n uint64) bool {
	i := sort.Search(len(r.spans), func(i int) bool { return r.spans[i].to >= n })
	switch {
	case i < len(r.spans) && r.spans[i].from <= n && n < r.spans[i].to:
		return false
	case i < len(r.spans) && r.spans[i].to == n:
		if r.spans[i].to++; i+1 < len(r.spans) && r.spans[i+1].from == n+1 {
			r.spans[i].to = r.spans[i+1].to
			r.spans = slices.Delete(r.spans, i+1, i+2)
		}
	case i < len(r.spans) && r.spans[i].from == n+1:
		r.spans[i].from = n
	default:
		r.spans = slices.Insert(r.spans, i, numbers{n, n + 1})
		if len(r.spans) > maxSpans {
			r.spans[1].from = r.spans[0].from
			r.spans = slices.Delete(r.spans, 0, 1)
		}
	}
	return true
}

// missing counts the numbers between the spans.
func (r *run) missing() (n uint64) {
	for i := 1; i < len(r.spans); i++ {
		n += r.spans[i].from - r.spans[i-1].to
	}
	return n
}
