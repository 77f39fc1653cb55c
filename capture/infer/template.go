package infer

import (
	"math"
	"math/bits"
	"time"
)

// What is learned about the queries that are asked in the same way.
//
// Every request that shares a key with a query is a candidate. Most queries of
// calls have a true one; all have some by chance. How many by chance is
// measured, not assumed: the query is held against the requests of a time some
// while before it, when its call had not yet arrived (a decoy). What is found
// there is chance, and so
//
//	odds that a candidate is the true one = (seen - chance) / chance
//
// for candidates that look like it. How a candidate looks is three features:
//
//	when   before the host's next message: how long after the arrival, or after the reply
//	       to the last query of the same request. After it: how long after it
//	role   what the key is to the request
//	extra  how the reply lies to the host's next message; of a leg, what SDP and
//	       Max-Forwards say
//
// They are counted one by one, role and extra apart for candidates that the host
// was still working on and others.

// Cells of when.
const (
	whenEarly = 0 // before the arrival: clocks
	whenOpen  = 1 // and those after it: by the power of two of milliseconds since the last step
	openCells = 13
	whenDone  = whenOpen + openCells // and those after it: since the host's next message
	doneCells = 5
	numWhen   = whenDone + doneCells
)

// Cells of extra, for queries.
const (
	noReply        = iota
	notOpen        // the host had gone on before the query
	beforeReply    // the host went on before the reply
	rightAfter     // within 4 ms of it
	soonAfter      // within 16 ms
	after          // within 64 ms
	longAfter      // later, or not yet
	numQueryExtra  // and for legs: 3*SDP + Max-Forwards
	numExtra       = 12
	sameSession    = 1
	sameMedia      = 2
	otherMedia     = 3
	hopLess        = 1
	otherHops      = 2
	doneMillis     = 16 // most of the first cell of whenDone; each further has eight times as much
	doneGrowthBits = 3
)

// feature is how a candidate looks.
type feature struct {
	when, extra int
	role        role
}

func (f feature) open() int {
	if f.when < whenDone {
		return 1
	}
	return 0
}

// whenOf returns the cell for a query at a time, about a request that arrived, last
// made a step, and was answered (0: not yet).
func whenOf(at, arrived, step, answered int64) int {
	if at < arrived {
		return whenEarly
	}
	if answered == 0 || at <= answered {
		return whenOpen + min(bits.Len64(uint64((at-step)/int64(time.Millisecond))), openCells-1)
	}
	n := uint64((at - answered) / int64(time.Millisecond) / doneMillis)
	return whenDone + min((bits.Len64(n)+doneGrowthBits-1)/doneGrowthBits, doneCells-1)
}

// cells counts candidates by how they look.
type cells struct {
	when  [numWhen]float32
	role  [2][numRoles]float32
	extra [2][numExtra]float32
}

func (c *cells) add(f feature, weight float32) {
	o := f.open()
	c.when[f.when] += weight
	c.role[o][f.role] += weight
	c.extra[o][f.extra] += weight
}

func (c *cells) halve() {
	for i := range c.when {
		c.when[i] /= 2
	}
	for o := range 2 {
		for i := range c.role[o] {
			c.role[o][i] /= 2
		}
		for i := range c.extra[o] {
			c.extra[o][i] /= 2
		}
	}
}

// template is what was counted for one kind of query.
type template struct {
	id     uint64
	used   uint64
	n      float32 // queries
	seen   cells
	chance cells
}

// memory is the number of queries after which what was learned counts half.
const memory = 4096

func (t *template) halve() {
	t.n /= 2
	t.seen.halve()
	t.chance.halve()
}

// templates is a table of them: those of a set that were used longest ago give way.
type templates struct {
	all  []template
	tick uint64
}

const ways = 4

func newTemplates(n int) *templates { return &templates{all: make([]template, ways*sets(n))} }

// get returns the template with an id, a new one if need be.
func (ts *templates) get(id uint64) *template {
	id |= 1 // 0 is a free place
	set := int(mix(id)&uint64(len(ts.all)/ways-1)) * ways
	ts.tick++
	oldest := &ts.all[set]
	for i := range ways {
		t := &ts.all[set+i]
		if t.id == id {
			t.used = ts.tick
			return t
		}
		if t.used < oldest.used {
			oldest = t
		}
	}
	*oldest = template{id: id, used: ts.tick}
	return oldest
}

// rates are a template's counts for each query, what is not known yet filled in
// by what is known of others.
type rates struct {
	seen, chance cells
}

// fill is the weight of what is filled in, in queries.
const fill = 12

// over fills up the counts of t with p.
func (r *rates) over(t *template, p *rates) {
	mixCells(&r.seen, &t.seen, &p.seen, t.n)
	mixCells(&r.chance, &t.chance, &p.chance, t.n)
}

func mixCells(out, have, other *cells, n float32) {
	total := n + fill
	for i := range out.when {
		out.when[i] = (have.when[i] + fill*other.when[i]) / total
	}
	for o := range 2 {
		for i := range out.role[o] {
			out.role[o][i] = (have.role[o][i] + fill*other.role[o][i]) / total
		}
		for i := range out.extra[o] {
			out.extra[o][i] = (have.extra[o][i] + fill*other.extra[o][i]) / total
		}
	}
}

// odds says how much each cell speaks for a candidate.
type odds struct {
	when  [numWhen]float64
	role  [2][numRoles]float64
	extra [2][numExtra]float64
	share float64 // of queries that have a true candidate, at least
	mean  float64 // candidates by chance, for a query
}

// Limits of what one feature may say.
const (
	mostShare = 0.98
	mostRatio = 200
	floorRate = 1e-5 // candidates by chance of a cell, for a query: never none
)

// of makes the odds from rates of which n queries are behind. What
// could be an accident of few counts, so many standard deviations of it, counts as chance.
func (o *odds) of(r *rates, n float32, deviations float64) {
	*o = odds{}
	for i := range o.when {
		seen, chance := float64(r.seen.when[i]), max(float64(r.chance.when[i]), floorRate)
		doubt := math.Sqrt(seen*float64(n))/float64(n+fill) + math.Sqrt(chance*float64(n)/decoysEach)/float64(n+fill)
		truth := max(seen-chance-deviations*doubt, 0)
		o.share += truth
		o.mean += chance
		o.when[i] = truth / chance
	}
	o.share = min(o.share, mostShare)
	for k := range o.when {
		o.when[k] /= 1 - o.share
	}
	for k := range 2 {
		ratios(o.role[k][:], r.seen.role[k][:], r.chance.role[k][:], n+fill)
		ratios(o.extra[k][:], r.seen.extra[k][:], r.chance.extra[k][:], n+fill)
	}
}

// even is how many candidates are thought to be spread evenly over the cells, on
// top of those counted: a cell that was never seen is rare, not impossible.
const even = 1

// ratios compares the shape of what is true with that of chance.
func ratios(out []float64, seen, chance []float32, n float32) {
	var sumTrue, sumChance float64
	for i := range out {
		sumTrue += max(float64((seen[i]-chance[i])*n), 0)
		sumChance += float64(chance[i] * n * decoysEach)
	}
	spread := even / float64(len(out))
	for i := range out {
		t := (max(float64((seen[i]-chance[i])*n), 0) + spread) / (sumTrue + even)
		c := (float64(chance[i]*n*decoysEach) + spread) / (sumChance + even)
		out[i] = min(max(t/c, 1.0/mostRatio), mostRatio)
	}
}
