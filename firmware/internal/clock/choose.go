package clock

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Answer is what a server says.
type Answer struct {
	Server   string
	Offset   time.Duration // what the clock has to be moved by
	Distance time.Duration // how wrong that can be: half the way there and back, and what the server's own way may add
}

// errDisagree says that there is no time that more than half of the servers agree on.
var errDisagree = errors.New("the servers disagree")

// choose returns what more than half of the answers agree with: of these the one that
// is the least uncertain, moved into what they have in common (Marzullo's
// intersection, RFC 5905 11.2.1).
func choose(answers []Answer) (Answer, error) {
	type edge struct {
		at    time.Duration
		enter int
	}
	var edges []edge
	for _, a := range answers {
		edges = append(edges, edge{a.Offset - a.Distance, 1}, edge{a.Offset + a.Distance, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if a.at != b.at {
			return int(max(-1, min(1, a.at-b.at)))
		}
		return b.enter - a.enter // intervals that touch have a point in common
	})
	most, inside := 0, 0
	var low, high time.Duration
	for i, e := range edges {
		if inside += e.enter; inside > most {
			most, low = inside, e.at
			high = edges[i+1].at // an interval ends there, or another one begins: then there is better
		}
	}
	if 2*most <= len(answers) {
		return Answer{}, fmt.Errorf("%w: %s", errDisagree, list(answers))
	}
	best := Answer{Distance: 1<<63 - 1}
	for _, a := range answers {
		if a.Offset-a.Distance <= low && a.Offset+a.Distance >= high && a.Distance < best.Distance {
			best = a
		}
	}
	best.Offset = min(max(best.Offset, low), high)
	return best, nil
}

func list(answers []Answer) (s string) {
	for i, a := range answers {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s says %+.3f s", a.Server, a.Offset.Seconds())
	}
	return s
}
