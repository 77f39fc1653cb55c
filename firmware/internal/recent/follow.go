package recent

import (
	"cmp"
	"math"
	"slices"

	"heptap/capture/record"
)

// ID is an id and the type it is found under; type 0 stands for any, in
// questions.
type ID struct {
	Type record.Type
	Text string
}

func compareIDs(a, b ID) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Text, b.Text))
}

// Trust says how a link was found, as record.Link does.
type Trust struct {
	How   record.How
	Score uint8 // 0-100, meaningful when How is Inferred
}

// weaker compares how far two links can be trusted: above 0, a less than b.
func weaker(a, b Trust) int {
	if a.How != b.How {
		return cmp.Compare(a.How, b.How)
	}
	if a.How != record.Inferred {
		return 0
	}
	return cmp.Compare(b.Score, a.Score)
}

func weakest(a, b Trust) Trust {
	if weaker(a, b) >= 0 {
		return a
	}
	return b
}

// Limits bound an answer. The zero value of each is its default.
type Limits struct {
	Depth   int   // ids from the first one to the last; 0: only the records that name the first
	Records int   // 1000
	Bytes   int64 // 16 MiB, of records in their canonical form
	Hub     int   // 8, see the package comment
}

func (l Limits) withDefaults() Limits {
	if l.Records <= 0 {
		l.Records = 1000
	}
	if l.Bytes <= 0 {
		l.Bytes = 16 << 20
	}
	if l.Hub <= 0 {
		l.Hub = 8
	}
	return l
}

// hubOf is how many ids may be named besides one of type t.
func (l *Limits) hubOf(t record.Type) int {
	if t == record.Net {
		return 1
	}
	return l.Hub
}

// Found is a record of an answer, and how it was found. Its Seq says how many
// records had been added with it.
type Found struct {
	record.Record
	Depth int    // how many ids lie between it and the one that was asked for
	Via   ID     // the id by which it was found
	From  uint64 // Seq of the record that led to that id; 0: it is the one that was asked for
	Named Trust  // how the record names Via
	Led   Trust  // how From names it
	Path  Trust  // the weakest link on the way from the id that was asked for
}

// Answer is what Follow found.
type Answer struct {
	Found []Found // by monotonic time, then by Seq
	Hubs  []ID    // ids that were not followed because too much comes together in them
	Cut   bool    // there is more than Limits.Records or Bytes; the newest records of the farthest ids were kept
}

// Around returns all records whose primary id or links name an id, by monotonic
// time; type 0 stands for any. They are the caller's, and take as much memory as
// they do in the ring, at most Config.Bytes.
func (s *Store) Around(t record.Type, id []byte) []record.Record {
	q := quota{records: math.MaxInt64, bytes: math.MaxInt64}
	hits := s.gather(ID{Under(t), string(id)}, false, map[uint64]bool{}, &q)
	out := make([]record.Record, len(hits))
	for i := range hits {
		out[i] = hits[i].Record
	}
	slices.SortFunc(out, func(a, b record.Record) int { return byTime(&a, &b) })
	return out
}

func byTime(a, b *record.Record) int {
	return cmp.Or(cmp.Compare(a.Mono, b.Mono), cmp.Compare(a.Seq, b.Seq))
}

// Follow returns the records around an id and around the ids that they name in
// turn, breadth first; type 0 stands for any. What it does not follow, the
// package comment says. Of several ways to a record the shortest counts, of those
// one that goes on from there, and of these the most trustworthy.
func (s *Store) Follow(t record.Type, id []byte, l Limits) Answer {
	l = l.withDefaults()
	f := follower{s: s, limits: l, quota: quota{records: int64(l.Records), bytes: l.Bytes},
		start: ID{Under(t), string(id)}, records: map[uint64]bool{}, ids: map[ID]bool{}}
	nodes := []node{{id: f.start, path: Trust{How: record.Seen}}}
	for depth := 0; len(nodes) > 0 && depth <= l.Depth; depth++ {
		nodes = f.level(nodes, depth)
	}
	slices.SortFunc(f.answer.Found, func(a, b Found) int { return byTime(&a.Record, &b.Record) })
	f.answer.Cut = f.quota.cut
	return f.answer
}

// follower is one Follow under way.
type follower struct {
	s       *Store
	limits  Limits
	quota   quota
	start   ID
	records map[uint64]bool // found, by Seq
	ids     map[ID]bool     // followed, or about to be
	answer  Answer
}

// node is an id that is about to be followed.
type node struct {
	id        ID
	from      uint64
	led, path Trust
	hub       bool
}

// level finds the records of nodes, and returns the ids that they lead to. Hubs
// come last: a record that is found in another way too is followed.
func (f *follower) level(nodes []node, depth int) []node {
	for i := range nodes {
		n := &nodes[i]
		if n.hub = depth > 0 && f.s.hub(n.id, f.limits.hubOf(n.id.Type)); n.hub {
			f.answer.Hubs = append(f.answer.Hubs, n.id)
		}
	}
	nodes = slices.Concat(slices.DeleteFunc(slices.Clone(nodes), func(n node) bool { return n.hub }),
		slices.DeleteFunc(nodes, func(n node) bool { return !n.hub }))
	next := map[ID]node{}
	for _, n := range nodes {
		if f.quota.cut {
			break
		}
		hits := f.s.gather(n.id, n.hub, f.records, &f.quota)
		for i := range hits {
			h := &hits[i]
			found := Found{Record: h.Record, Depth: depth, Via: n.id, From: n.from, Named: h.trust, Led: n.led}
			if depth == 0 {
				found.Via, found.Named = f.began(h)
			}
			found.Path = weakest(n.path, found.Named)
			f.answer.Found = append(f.answer.Found, found)
			if !n.hub {
				f.lead(&found, depth == 0 && isPrimary(f.start, &h.Record), next)
			}
		}
	}
	out := make([]node, 0, len(next))
	for id, n := range next {
		f.ids[id] = true
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b node) int { return cmp.Or(weaker(a.path, b.path), compareIDs(a.id, b.id)) })
	return out
}

// began notes under which types a record that was found first names the id that
// was asked for, so that it is not followed again, and returns the one that it is
// the surest of.
func (f *follower) began(h *hit) (via ID, best Trust) {
	for id, how := range named(&h.Record) {
		if id.Text == f.start.Text && (f.start.Type == 0 || f.start.Type == id.Type) {
			f.ids[id] = true
			if via.Text == "" || weaker(how, best) < 0 {
				via, best = id, how
			}
		}
	}
	return via, best
}

// lead adds to next the ids that a record leads to.
func (f *follower) lead(r *Found, starts bool, next map[ID]node) {
	distinct := map[ID]bool{}
	for id := range named(&r.Record) {
		distinct[id] = true
	}
	crowded := len(distinct)-1 > f.limits.hubOf(r.Type) && !starts
	for id, how := range named(&r.Record) {
		if crowded && !isPrimary(id, &r.Record) || f.ids[id] {
			continue
		}
		n := node{id: id, from: r.Seq, led: how, path: weakest(r.Path, how)}
		had, known := next[id]
		if !known || weaker(n.path, had.path) < 0 || weaker(n.path, had.path) == 0 && n.from < had.from {
			next[id] = n
		}
	}
}

// isPrimary says whether id is the primary one of r.
func isPrimary(id ID, r *record.Record) bool {
	return r.Type != record.Control && (id.Type == 0 || id.Type == Under(r.Type)) && string(r.Primary) == id.Text
}

// named goes through the ids of r, the primary one first, and how r names them.
func named(r *record.Record) func(yield func(ID, Trust) bool) {
	return func(yield func(ID, Trust) bool) {
		if len(r.Primary) > 0 && r.Type != record.Control && !yield(ID{Under(r.Type), string(r.Primary)}, Trust{How: primaryHow(r.Type)}) {
			return
		}
		for i := range r.Links {
			l := &r.Links[i]
			if len(l.ID) > 0 && !yield(ID{Under(l.Type), string(l.ID)}, Trust{l.How, l.Score}) {
				return
			}
		}
	}
}
