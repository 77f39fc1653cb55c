package recent

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/record"
)

// model is the naive store: it keeps everything, and is told how many of the
// newest records the real one still has.
type model struct {
	all     []record.Record // as given back, in the order of adding
	refused int
}

func (m *model) held(s Stats) []record.Record { return m.all[len(m.all)-int(s.Records):] }

func clone(r *record.Record) record.Record {
	c := *r
	c.Primary, c.Payload, c.Links = bytes.Clone(r.Primary), bytes.Clone(r.Payload), nil
	for _, l := range r.Links {
		l.ID = bytes.Clone(l.ID)
		c.Links = append(c.Links, l)
	}
	return c
}

func same(a, b *record.Record) bool {
	return a.Seq == b.Seq && a.Type == b.Type && a.Class == b.Class && a.Mono == b.Mono && a.Wall == b.Wall && a.Flow == b.Flow &&
		bytes.Equal(a.Primary, b.Primary) && bytes.Equal(a.Payload, b.Payload) &&
		slices.EqualFunc(a.Links, b.Links, func(x, y record.Link) bool {
			return x.Type == y.Type && x.How == y.How && x.Score == y.Score && bytes.Equal(x.ID, y.ID)
		})
}

// names says whether r names id, by the rules of the package comment.
func names(r *record.Record, id ID) (primary, any bool) {
	sipLike := func(t record.Type) record.Type {
		if t == record.RTCP || t == record.RTPReport || t == record.Log {
			return record.SIP
		}
		return t
	}
	fits := func(t record.Type, text []byte) bool {
		return len(text) > 0 && string(text) == id.Text && (id.Type == 0 || sipLike(t) == sipLike(id.Type))
	}
	primary = hasOwn(r) && fits(r.Type, r.Primary)
	return primary, primary || slices.ContainsFunc(r.Links, func(l record.Link) bool { return fits(l.Type, l.ID) })
}

func (m *model) around(s Stats, id ID) (out []record.Record) {
	for _, r := range m.held(s) {
		if _, any := names(&r, id); any {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b record.Record) int { return cmp.Compare(a.Mono, b.Mono) })
	return out
}

// hasOwn says whether the primary id of r is one that no link of it has.
func hasOwn(r *record.Record) bool { return len(r.Primary) > 0 && r.Type != record.Control }

// idsOf lists what r names, each once.
func idsOf(r *record.Record) (ids []ID) {
	add := func(t record.Type, text []byte) {
		if t == record.RTCP || t == record.RTPReport || t == record.Log {
			t = record.SIP
		}
		if id := (ID{t, string(text)}); len(text) > 0 && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if hasOwn(r) {
		add(r.Type, r.Primary)
	}
	for _, l := range r.Links {
		add(l.Type, l.ID)
	}
	return ids
}

// follow returns the depth of each record of the answer by Seq, and the hubs.
func (m *model) follow(s Stats, start ID, l Limits) (depths map[uint64]int, hubs map[ID]bool) {
	limit := func(t record.Type) int {
		if t == record.Net {
			return 1
		}
		return l.Hub
	}
	depths, hubs = map[uint64]int{}, map[ID]bool{}
	if start.Type == record.RTPReport {
		start.Type = record.SIP
	}
	known, level := map[ID]bool{}, []ID{start}
	for depth := 0; depth <= l.Depth; depth++ {
		var next []ID
		isHub := func(id ID) bool {
			others := map[ID]bool{}
			for _, r := range m.around(s, id) {
				primary, _ := names(&r, id)
				for i, o := range idsOf(&r) {
					if o != id && (primary || i == 0 || !hasOwn(&r)) {
						others[o] = true
					}
				}
			}
			return depth > 0 && len(others) > limit(id.Type)
		}
		slices.SortStableFunc(level, func(a, b ID) int { // hubs last
			return strings.Compare(fmt.Sprint(isHub(a)), fmt.Sprint(isHub(b)))
		})
		for _, id := range level {
			hub := isHub(id)
			if hub {
				hubs[id] = true
			}
			for _, r := range m.around(s, id) {
				primary, _ := names(&r, id)
				if _, found := depths[r.Seq]; found || hub && !primary {
					continue
				}
				depths[r.Seq] = depth
				for i, o := range idsOf(&r) {
					own := i == 0 && hasOwn(&r)
					if depth == 0 && o.Text == start.Text && (start.Type == 0 || o.Type == start.Type) {
						known[o] = true
					}
					if !hub && (own || len(idsOf(&r))-1 <= limit(r.Type) || depth == 0 && primary) {
						next = append(next, o)
					}
				}
			}
		}
		level = nil
		for _, id := range next {
			if !known[id] {
				known[id] = true
				level = append(level, id)
			}
		}
	}
	return depths, hubs
}

// random makes a record whose ids are some of few.
func random(r *rand.Rand, few int, mono int64) record.Record {
	types := []record.Type{record.SIP, record.SIP, record.SIP, record.RTCP, record.RTPReport, record.DNS, record.REST, record.Net, record.Control, record.Log}
	id := func() []byte { return fmt.Append(nil, "id-", r.IntN(few)) }
	rec := record.Record{Type: types[r.IntN(len(types))], Class: record.Class(r.IntN(int(record.NumClasses))), Mono: mono, Wall: mono + 1e18,
		Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: netip.MustParseAddrPort("192.0.2.1:5060"), Dst: netip.MustParseAddrPort("192.0.2.2:5060")},
	}
	if r.IntN(10) > 0 {
		rec.Primary = id()
	}
	for range r.IntN(4) * r.IntN(2) {
		rec.Links = append(rec.Links, record.Link{Type: types[r.IntN(len(types))], How: record.How(1 + r.IntN(3)), Score: uint8(r.IntN(101)), ID: id()})
	}
	rec.Payload = make([]byte, r.IntN(200))
	if r.IntN(50) == 0 {
		rec.Payload = make([]byte, r.IntN(5000))
	}
	for i := range rec.Payload {
		rec.Payload[i] = byte(mono) + byte(i)
	}
	return rec
}

// check holds the store against the model for one id.
func check(t *testing.T, s *Store, m *model, c Config, id ID) {
	t.Helper()
	st := s.Stats()
	if st.Added != st.Records+st.Evicted+st.Aged || st.Added != uint64(len(m.all)) || st.Refused != uint64(m.refused) || st.Octets > st.Limit {
		t.Fatalf("%+v of %d added and %d refused", st, len(m.all), m.refused)
	}
	held := m.held(st)
	if len(held) > 0 {
		newest := slices.MaxFunc(m.all, func(a, b record.Record) int { return cmp.Compare(a.Mono, b.Mono) }).Mono
		span := time.Duration(newest - held[0].Mono)
		if st.Span != span || c.Age > 0 && span > c.Age {
			t.Fatalf("span %v, want %v, at most %v", st.Span, span, c.Age)
		}
	}
	want, got := m.around(st, id), s.Around(id.Type, []byte(id.Text))
	if !slices.EqualFunc(got, want, func(a, b record.Record) bool { return same(&a, &b) }) {
		t.Fatalf("around %v: got %d, want %d\n%v\n%v", id, len(got), len(want), got, want)
	}
	l := Limits{Depth: 4, Records: math.MaxInt32, Bytes: 1 << 30, Hub: 3}
	a := s.Follow(id.Type, []byte(id.Text), l)
	depths, hubs := m.follow(st, id, l)
	if len(a.Found) != len(depths) || len(a.Hubs) != len(hubs) || a.Cut {
		t.Fatalf("following %v: %d records and hubs %v, want %d and %v", id, len(a.Found), a.Hubs, len(depths), hubs)
	}
	paths := map[uint64]Trust{}
	for i := range a.Found {
		paths[a.Found[i].Seq] = a.Found[i].Path
	}
	for i := range a.Found {
		f := &a.Found[i]
		if want := pathOf(m, f, paths); rank(f.Path) != rank(want) {
			t.Fatalf("following %v: record %d by %v, want %v", id, f.Seq, f.Path, want)
		}
		if d, ok := depths[f.Seq]; !ok || d != f.Depth || !same(&f.Record, &m.all[f.Seq-1]) {
			t.Fatalf("following %v: record %d at depth %d, want %d", id, f.Seq, f.Depth, d)
		}
		if _, any := names(&f.Record, f.Via); !any || (f.From == 0) != (f.Depth == 0) {
			t.Fatalf("following %v: %+v", id, f)
		}
		if f.From != 0 {
			if _, any := names(&m.all[f.From-1], f.Via); !any || depths[f.From] != f.Depth-1 {
				t.Fatalf("following %v: %d does not lead to %v at depth %d", id, f.From, f.Via, f.Depth)
			}
		}
		if i > 0 && byTime(&a.Found[i-1].Record, &f.Record) >= 0 {
			t.Fatalf("following %v: out of order at %d", id, i)
		}
	}
}

// rank is the higher, the weaker t is.
func rank(t Trust) int {
	if t.How == record.Inferred {
		return int(t.How)*1000 - int(t.Score)
	}
	return int(t.How) * 1000
}

// pathOf is the weakest of the way to the record that led to f, of how that one
// names Via and of how f does; zero if one of these is not in the records.
func pathOf(m *model, f *Found, paths map[uint64]Trust) Trust {
	says := func(r *record.Record, how Trust) bool {
		own := Trust{How: record.Seen}
		if r.Type == record.RTCP || r.Type == record.RTPReport || r.Type == record.Log {
			own.How = record.Flow
		}
		if primary, _ := names(r, f.Via); primary && how == own {
			return true
		}
		return slices.ContainsFunc(r.Links, func(l record.Link) bool {
			alone := record.Record{Type: record.ISUP, Links: []record.Link{l}}
			_, any := names(&alone, f.Via)
			return any && how == Trust{l.How, l.Score}
		})
	}
	steps := []Trust{f.Named}
	if f.From != 0 {
		steps = append(steps, f.Led, paths[f.From])
		if !says(&m.all[f.From-1], f.Led) {
			return Trust{}
		}
	}
	if !says(&f.Record, f.Named) {
		return Trust{}
	}
	return slices.MaxFunc(steps, func(a, b Trust) int { return cmp.Compare(rank(a), rank(b)) })
}

// compare adds n records and holds the store against the model now and then.
func compare(t *testing.T, seed uint64, n, few int, c Config, mask uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	s, m, mono := New(c), &model{}, int64(1000)
	s.mask = mask
	for range n {
		mono += r.Int64N(20) - 4
		if r.IntN(500) == 0 {
			mono += 2000
		}
		rec := random(r, few, mono)
		refused := s.Stats().Refused
		s.Add(&rec)
		if s.Stats().Refused != refused {
			m.refused++
			if len(rec.Payload) < 500 {
				t.Fatalf("a record of %d octets is refused", len(rec.Payload))
			}
		} else {
			back := clone(&rec)
			back.Seq = uint64(len(m.all) + 1)
			m.all = append(m.all, back)
		}
		if r.IntN(40) == 0 {
			types := []record.Type{0, record.SIP, record.Net, record.RTPReport, record.DNS}
			check(t, s, m, c, ID{types[r.IntN(len(types))], fmt.Sprint("id-", r.IntN(few))})
		}
	}
}

func TestModel(t *testing.T) {
	for _, tc := range []struct {
		name string
		few  int
		c    Config
		mask uint64
	}{
		{"small ring", 40, Config{Bytes: 4 << 10}, math.MaxUint64},
		{"odd size", 300, Config{Bytes: 30001}, math.MaxUint64},
		{"by age", 100, Config{Bytes: 1 << 20, Age: 500}, math.MaxUint64},
		{"both", 100, Config{Bytes: 32 << 10, Age: 900}, math.MaxUint64},
		{"one bucket", 100, Config{Bytes: 32 << 10}, 0xffffffff << 32},
		{"one hash for all", 50, Config{Bytes: 16 << 10}, 0},
		{"few hashes", 200, Config{Bytes: 64 << 10, Age: 4000}, 3<<32 | 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(4) {
				compare(t, seed, 3000, tc.few, tc.c, tc.mask)
			}
		})
	}
}

func FuzzModel(f *testing.F) {
	f.Add(uint64(1), uint16(4096), uint16(0), uint8(20), uint64(math.MaxUint64))
	f.Add(uint64(2), uint16(9000), uint16(300), uint8(200), uint64(0))
	f.Add(uint64(534), uint16(9017), uint16(144), uint8(142), uint64(127)) // the oldest goes, and what came late is too old
	f.Add(uint64(3), uint16(65535), uint16(5000), uint8(90), uint64(7<<32|2))
	f.Fuzz(func(t *testing.T, seed uint64, size, age uint16, few uint8, mask uint64) {
		compare(t, seed, 400, int(few)+1, Config{Bytes: int64(size), Age: time.Duration(age)}, mask)
	})
}
