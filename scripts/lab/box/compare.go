package box

import (
	"cmp"
	"slices"
)

// Difference is what a comparison of two lists of messages finds.
type Difference struct {
	Missing []Message // in want, not in got: as often as it is missing
	Extra   []Message // in got, and not in want at all
	Again   []Message // in got more often than in want
}

// Compare compares message by message: each must come as often as it was on
// the wire.
func Compare(want, got []Message) Difference {
	left := map[Message]int{}
	for _, m := range want {
		left[m]++
	}
	known := map[Message]bool{}
	for m := range left {
		known[m] = true
	}
	var d Difference
	for _, m := range got {
		switch {
		case !known[m]:
			d.Extra = append(d.Extra, m)
		case left[m] == 0:
			d.Again = append(d.Again, m)
		default:
			left[m]--
		}
	}
	for m, n := range left {
		d.Missing = append(d.Missing, slices.Repeat([]Message{m}, n)...)
	}
	slices.SortFunc(d.Missing, func(a, b Message) int { return cmp.Compare(a.String(), b.String()) })
	return d
}

// Messages returns the SIP messages among records.
func Messages(records []Record) (all []Message, err error) {
	for i := range records {
		if records[i].Type != TypeSIP {
			continue
		}
		m, err := records[i].Message()
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}
