package collect

import (
	"math/rand/v2"
	"testing"

	"heptap/hep"
)

func TestSequences(t *testing.T) {
	n := func(origin, run, n uint64) hep.Sequence { return hep.Sequence{Origin: origin, Number: run<<40 + n} }
	part := func(s hep.Sequence, p uint8) hep.Sequence { s.Part = p; return s }
	tests := []struct {
		name string
		in   []hep.Sequence
		want SequenceStats
	}{
		{"none", []hep.Sequence{{}, {Origin: 7}}, SequenceStats{}},
		{"in order", []hep.Sequence{n(1, 1, 0), n(1, 1, 1), n(1, 1, 2)}, SequenceStats{3, 0, 0, 1}},
		{"a hole of two", []hep.Sequence{n(1, 1, 0), n(1, 1, 3)}, SequenceStats{2, 0, 2, 1}},
		{"a hole that is filled, from both ends", []hep.Sequence{n(1, 1, 0), n(1, 1, 4), n(1, 1, 3), n(1, 1, 1), n(1, 1, 2)}, SequenceStats{5, 0, 0, 1}},
		{"before the first", []hep.Sequence{n(1, 1, 9), n(1, 1, 5)}, SequenceStats{2, 0, 3, 1}},
		{"twice", []hep.Sequence{n(1, 1, 5), n(1, 1, 6), n(1, 1, 5), n(1, 1, 6)}, SequenceStats{4, 2, 0, 1}},
		{"the next run begins anew", []hep.Sequence{n(1, 1, 5), n(1, 2, 0), n(1, 2, 1)}, SequenceStats{3, 0, 0, 2}},
		{"another probe's numbers are others", []hep.Sequence{n(1, 1, 5), n(2, 1, 5)}, SequenceStats{2, 0, 0, 2}},
		{"frames of one record", []hep.Sequence{n(1, 1, 5), part(n(1, 1, 5), 1), part(n(1, 1, 5), 2)}, SequenceStats{1, 0, 0, 1}},
	}
	for _, tt := range tests {
		var q Sequences
		for _, s := range tt.in {
			q.Note(s)
		}
		if got := q.Stats(); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// Numbers in any order, some twice, counted as a set counts them.
func TestSequencesAgainstSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var q Sequences
		seen, last, first := map[uint64]bool{}, uint64(0), ^uint64(0)
		var dup uint64
		for range 300 {
			n := rng.Uint64N(200)
			if got := q.Note(hep.Sequence{Origin: 1, Number: 1<<40 + n}); got != seen[n] {
				t.Fatalf("%d: duplicate = %v", n, got)
			}
			if seen[n] {
				dup++
			}
			seen[n], last, first = true, max(last, n), min(first, n)
		}
		want := SequenceStats{300, dup, last - first + 1 - uint64(len(seen)), 1}
		if got := q.Stats(); got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
}

// Whatever comes, only so much is remembered, and nothing missing is invented.
func TestSequencesBounded(t *testing.T) {
	var q Sequences
	for i := range uint64(3 * maxSpans) {
		q.Note(hep.Sequence{Origin: 1, Number: 1<<40 + 2*i})
	}
	if got := len(q.runs[0].spans); got > maxSpans {
		t.Errorf("%d spans", got)
	}
	if got := q.Stats().Missing; got >= 3*maxSpans || got < maxSpans-1 {
		t.Errorf("%d missing", got)
	}
	for i := range uint64(3 * maxRuns) {
		q.Note(hep.Sequence{Origin: i, Number: 1 << 40})
		q.Note(hep.Sequence{Origin: i, Number: 1<<40 + 2})
	}
	if got := q.Stats(); len(q.runs) > maxRuns || got.Runs != 3*maxRuns || got.Missing < 3*maxRuns {
		t.Errorf("%d runs, %+v", len(q.runs), got)
	}
}
