package uplink

import (
	"math"
	"slices"
	"sort"
)

// span is a range of sequence numbers, from inclusive, to exclusive.
type span struct{ from, to uint64 }

// forever is the end of the span that is open to the right.
const forever = math.MaxUint64

// spans is a set of sequence numbers: sorted, disjoint, never adjacent.
type spans []span

// find returns the index of the first span that ends after pos.
func (s spans) find(pos uint64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].to > pos })
}

// has reports whether seq is in s.
func (s spans) has(seq uint64) bool {
	i := s.find(seq)
	return i < len(s) && s[i].from <= seq
}

// next returns the first part of s at or after pos.
func (s spans) next(pos uint64) (span, bool) {
	i := s.find(pos)
	if i == len(s) {
		return span{}, false
	}
	return span{max(pos, s[i].from), s[i].to}, true
}

// overlaps reports whether any number of [from, to) is in s.
func (s spans) overlaps(from, to uint64) bool {
	i := s.find(from)
	return from < to && i < len(s) && s[i].from < to
}

// count returns how many numbers of [from, to) are in s.
func (s spans) count(from, to uint64) uint64 {
	var n uint64
	for i := s.find(from); i < len(s) && s[i].from < to; i++ {
		n += min(to, s[i].to) - max(from, s[i].from)
	}
	return n
}

// add returns s with [from, to) in it.
func (s spans) add(from, to uint64) spans {
	if from >= to {
		return s
	}
	i := sort.Search(len(s), func(i int) bool { return s[i].to >= from })
	j := i
	for ; j < len(s) && s[j].from <= to; j++ {
		from, to = min(from, s[j].from), max(to, s[j].to)
	}
	return slices.Replace(s, i, j, span{from, to})
}

// cut returns s without [from, to).
func (s spans) cut(from, to uint64) spans {
	if from >= to {
		return s
	}
	i := s.find(from)
	if i == len(s) || s[i].from >= to {
		return s
	}
	var keep [2]span
	n, j := 0, i
	for ; j < len(s) && s[j].from < to; j++ {
		if s[j].from < from {
			keep[n] = span{s[j].from, from}
			n++
		}
		if s[j].to > to {
			keep[n] = span{to, s[j].to}
			n++
		}
	}
	return slices.Replace(s, i, j, keep[:n]...)
}

// narrowest returns the index of the span before the smallest gap. s has at
// least two spans.
func (s spans) narrowest() int {
	best := 0
	for i := range s[:len(s)-1] {
		if s[i+1].from-s[i].to < s[best+1].from-s[best].to {
			best = i
		}
	}
	return best
}
