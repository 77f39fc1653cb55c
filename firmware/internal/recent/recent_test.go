package recent_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/recent"
)

func link(t record.Type, how record.How, score uint8, id string) record.Link {
	return record.Link{Type: t, How: how, Score: score, ID: []byte(id)}
}

func rec(t record.Type, mono int64, primary, payload string, links ...record.Link) *record.Record {
	return &record.Record{Type: t, Mono: mono, Wall: 1700000000e9 + mono, Primary: []byte(primary), Payload: []byte(payload), Links: links,
		Flow: capture.FiveTuple{Proto: capture.ProtoTCP, Src: netip.MustParseAddrPort("192.0.2.1:40000"), Dst: netip.MustParseAddrPort("192.0.2.2:5060")}}
}

// site is a call with a query, a resolution for the query and two connections,
// the first of which carried two other calls as well, and one more query for
// one of those.
func site() *recent.Store {
	s := recent.New(recent.Config{Bytes: 1 << 20})
	seen, flow, inferred := record.Seen, record.Flow, record.Inferred
	for _, r := range []*record.Record{
		rec(record.Net, 10, "net-1", "opened"),
		rec(record.SIP, 20, "call-a", "INVITE a", link(record.Net, flow, 0, "net-1")),
		rec(record.SIP, 21, "call-b", "INVITE b", link(record.Net, flow, 0, "net-1")),
		rec(record.SIP, 22, "call-c", "INVITE c", link(record.Net, flow, 0, "net-1")),
		rec(record.DNS, 29, "dns-1", "A api", link(record.REST, flow, 0, "rest-1")),
		rec(record.Net, 30, "net-2", "opened"),
		rec(record.REST, 35, "rest-1", "GET route", link(record.Net, flow, 0, "net-2"), link(record.SIP, inferred, 83, "call-a")),
		rec(record.REST, 36, "rest-2", "GET route", link(record.Net, flow, 0, "net-3"), link(record.SIP, seen, 0, "call-b")),
		rec(record.RTPReport, 60, "call-a", "report"),
		rec(record.Net, 90, "net-1", "closed", link(record.SIP, flow, 0, "call-a"), link(record.SIP, flow, 0, "call-b"), link(record.SIP, flow, 0, "call-c")),
	} {
		s.Add(r)
	}
	return s
}

// steps prints an answer: payload, depth, via, from, path.
func steps(a recent.Answer) (out []string) {
	how := []string{"", "seen", "flow", "inferred"}
	for _, f := range a.Found {
		out = append(out, fmt.Sprintf("%s: %d via %v %s from %d %s", f.Payload, f.Depth, f.Via.Type, f.Via.Text, f.From, how[f.Path.How]))
	}
	return out
}

func TestFollow(t *testing.T) {
	s := site()
	fromA := []string{
		"opened: 1 via net net-1 from 2 flow", "INVITE a: 0 via sip call-a from 0 seen", "opened: 1 via net net-2 from 7 inferred",
		"GET route: 0 via sip call-a from 0 inferred", "report: 0 via sip call-a from 0 flow", "closed: 0 via sip call-a from 0 flow",
	}
	for _, tc := range []struct {
		name  string
		start recent.ID
		depth int
		want  []string
		hubs  []recent.ID
	}{
		{"only those that name it", recent.ID{Type: record.SIP, Text: "call-a"}, 0, []string{fromA[1], fromA[3], fromA[4], fromA[5]}, nil},
		{"a call does not pull in those that shared its connection", recent.ID{Type: record.SIP, Text: "call-a"}, 9,
			slices.Insert(slices.Clone(fromA), 2, "A api: 1 via rest rest-1 from 7 inferred"), []recent.ID{{Type: record.Net, Text: "net-1"}}},
		{"of any type", recent.ID{Text: "call-a"}, 0, []string{fromA[1], fromA[3], fromA[4], fromA[5]}, nil},
		{"as the report calls it", recent.ID{Type: record.RTPReport, Text: "call-a"}, 0, []string{fromA[1], fromA[3], fromA[4], fromA[5]}, nil},
		{"of another type", recent.ID{Type: record.DNS, Text: "call-a"}, 9, nil, nil},
		{"unknown", recent.ID{Text: "call-"}, 9, nil, nil},
		{"a connection that is asked for itself", recent.ID{Type: record.Net, Text: "net-1"}, 0, []string{
			"opened: 0 via net net-1 from 0 seen", "INVITE a: 0 via net net-1 from 0 flow", "INVITE b: 0 via net net-1 from 0 flow",
			"INVITE c: 0 via net net-1 from 0 flow", "closed: 0 via net net-1 from 0 seen"}, nil},
		{"from a resolution to the call", recent.ID{Type: record.DNS, Text: "dns-1"}, 2, []string{
			"INVITE a: 2 via sip call-a from 7 inferred", "A api: 0 via dns dns-1 from 0 seen", "opened: 2 via net net-2 from 7 flow",
			"GET route: 1 via rest rest-1 from 5 flow", "report: 2 via sip call-a from 7 inferred", "closed: 2 via sip call-a from 7 inferred"}, nil},
	} {
		a := s.Follow(tc.start.Type, []byte(tc.start.Text), recent.Limits{Depth: tc.depth})
		if got := steps(a); !slices.Equal(got, tc.want) || !slices.Equal(a.Hubs, tc.hubs) || a.Cut {
			t.Errorf("%s:\n got %s\nwant %s\nhubs %v", tc.name, strings.Join(got, "\n     "), strings.Join(tc.want, "\n     "), a.Hubs)
		}
	}
	a := s.Follow(record.DNS, []byte("dns-1"), recent.Limits{Depth: 2})
	if f := a.Found[0]; f.Named != (recent.Trust{How: record.Seen}) || f.Led != (recent.Trust{How: record.Inferred, Score: 83}) ||
		f.Path != (recent.Trust{How: record.Inferred, Score: 83}) {
		t.Errorf("%+v", f)
	}
}

// TestFollowLinkRecords goes over records of links, from queries to their call and between
// legs, both ways.
func TestFollowLinkRecords(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 1 << 20})
	inferred := record.Inferred
	for _, r := range []*record.Record{
		rec(record.SIP, 20, "call-a", "INVITE a"),
		rec(record.REST, 21, "rest-1", "GET route"),
		rec(record.SIP, 22, "call-b", "INVITE b"),
		rec(record.Control, 30, "rest-1", "link 1", link(record.SIP, inferred, 99, "call-a"), link(record.REST, record.Seen, 0, "rest-1")),
		rec(record.Control, 31, "call-b", "link b", link(record.SIP, inferred, 98, "call-a"), link(record.SIP, inferred, 98, "call-b")),
	} {
		s.Add(r)
	}
	for _, tc := range []struct {
		start recent.ID
		want  []string
	}{
		{recent.ID{Type: record.REST, Text: "rest-1"}, []string{"INVITE a: 1 via sip call-a from 4 inferred", "GET route: 0 via rest rest-1 from 0 seen",
			"INVITE b: 2 via sip call-b from 5 inferred", "link 1: 0 via rest rest-1 from 0 seen", "link b: 1 via sip call-a from 4 inferred"}},
		{recent.ID{Type: record.SIP, Text: "call-a"}, []string{"INVITE a: 0 via sip call-a from 0 seen", "GET route: 1 via rest rest-1 from 4 inferred",
			"INVITE b: 1 via sip call-b from 5 inferred", "link 1: 0 via sip call-a from 0 inferred", "link b: 0 via sip call-a from 0 inferred"}},
		{recent.ID{Text: "call-b"}, []string{"INVITE a: 1 via sip call-a from 5 inferred", "GET route: 2 via rest rest-1 from 4 inferred",
			"INVITE b: 0 via sip call-b from 0 seen", "link 1: 1 via sip call-a from 5 inferred", "link b: 0 via sip call-b from 0 inferred"}},
	} {
		a := s.Follow(tc.start.Type, []byte(tc.start.Text), recent.Limits{Depth: 9})
		if got := steps(a); !slices.Equal(got, tc.want) || len(a.Hubs) != 0 {
			t.Errorf("%v:\n got %s\nwant %s\nhubs %v", tc.start, strings.Join(got, "\n     "), strings.Join(tc.want, "\n     "), a.Hubs)
		}
	}
}

// TestHub has a batch query that names nine calls, and a call that nine
// queries name.
func TestHub(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 1 << 20})
	var links []record.Link
	for i := range 9 {
		s.Add(rec(record.SIP, int64(i), fmt.Sprint("call-", i), "INVITE"))
		s.Add(rec(record.REST, int64(20+i), fmt.Sprint("query-", i), "GET", link(record.SIP, record.Seen, 0, "busy")))
		links = append(links, link(record.SIP, record.Seen, 0, fmt.Sprint("call-", i)))
	}
	s.Add(rec(record.REST, 10, "batch", "POST", links...))
	s.Add(rec(record.SIP, 11, "busy", "INVITE busy"))
	for _, tc := range []struct {
		id         string
		hub, found int
		hubs       string
	}{
		{"call-3", 8, 2, "[{rest batch}]"},   // the INVITE, the batch
		{"call-3", 9, 10, "[]"},              // all of them: 8 others join it
		{"batch", 8, 10, "[]"},               // began there
		{"query-2", 8, 2, "[{sip busy}]"},    // the query, the call
		{"query-2", 9, 10, "[]"},             // and the other queries
		{"busy", 8, 10, "[]"},                // began there
		{"query-2", 0, 2, "[{sip busy}]"},    // 8 is the default
		{"query-2", 100, 10, "[]"},           // more than there are
		{"call-3", 1, 2, "[{rest batch}]"},   // the least
		{"nothing", 1, 0, "[]"},              // not there
		{"query-2", -1, 2, "[{sip busy}]"},   // the default
		{"call-3", -50, 2, "[{rest batch}]"}, // the default
	} {
		a := s.Follow(0, []byte(tc.id), recent.Limits{Depth: 5, Hub: tc.hub})
		if len(a.Found) != tc.found || fmt.Sprint(a.Hubs) != tc.hubs {
			t.Errorf("%s with %d: %d records, hubs %v; want %d, %s", tc.id, tc.hub, len(a.Found), a.Hubs, tc.found, tc.hubs)
		}
	}
}

// TestLimits asks for less than there is: the newest records are given.
func TestLimits(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 1 << 20})
	for i := range 2000 {
		s.Add(rec(record.SIP, int64(i), "call", strings.Repeat("x", 100)))
	}
	size := int64(76 + 8 + 4 + 100) // header, two addresses, id, payload
	for _, tc := range []struct {
		l    recent.Limits
		want int
		cut  bool
	}{
		{recent.Limits{}, 1000, true}, {recent.Limits{Records: 1999}, 1999, true}, {recent.Limits{Records: 2000}, 2000, false},
		{recent.Limits{Records: 5000, Bytes: 10*size - 1}, 9, true}, {recent.Limits{Records: 5000, Bytes: 2000 * size}, 2000, false},
	} {
		a := s.Follow(record.SIP, []byte("call"), tc.l)
		if len(a.Found) != tc.want || a.Cut != tc.cut || a.Found[0].Mono != int64(2000-tc.want) {
			t.Errorf("%+v: %d records, cut %v, from %d", tc.l, len(a.Found), a.Cut, a.Found[0].Mono)
		}
	}
	if n := len(s.Around(record.SIP, []byte("call"))); n != 2000 {
		t.Errorf("around: %d", n)
	}
}

func TestRefused(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 64 << 10}) // takes 16 KiB at most
	s.Add(rec(record.SIP, 1, "small", "x"))
	s.Add(rec(record.SIP, 2, "large", strings.Repeat("x", 16<<10)))
	s.Add(rec(record.SIP, 3, "nearly", strings.Repeat("x", 16<<10-256)))
	s.Add(rec(record.SIP, 4, "form", "x", make([]record.Link, record.MaxLinks+1)...))
	s.Add(rec(record.REST, 5, strings.Repeat("i", 70000), "x"))
	if st := s.Stats(); st.Refused != 4 || st.Records != 1 || len(s.Around(0, []byte("small"))) != 1 || len(s.Around(0, []byte("large"))) != 0 {
		t.Errorf("%+v", st)
	}
	// Records without an id are kept, and nothing finds them.
	s.Add(rec(record.SIP, 6, "", "x", link(record.Net, record.Flow, 0, "")))
	if st := s.Stats(); st.Records != 2 || len(s.Around(0, nil)) != 0 {
		t.Errorf("%+v, %d without an id", st, len(s.Around(0, nil)))
	}
}

func TestStats(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 8 << 10, Age: 10 * time.Second})
	if st := s.Stats(); st != (recent.Stats{Limit: 8 << 10}) {
		t.Errorf("empty: %+v", st)
	}
	// One entry: 32 of header, 24 for its slot, 76+8+2+34 of record: 176.
	add := func(n int, at time.Duration) {
		for range n {
			s.Add(rec(record.SIP, int64(at), "id", strings.Repeat("x", 34)))
		}
	}
	add(40, 0)
	add(6, 9*time.Second)
	want := recent.Stats{Records: 46, Octets: 46 * 176, Limit: 8 << 10, Span: 9 * time.Second, Added: 46}
	if st := s.Stats(); st != want {
		t.Errorf("got %+v, want %+v", st, want)
	}
	// 96 octets are left at the ring's end: they are passed over, for which two
	// entries go with the one whose place is taken.
	add(1, 10*time.Second)
	want = recent.Stats{Records: 46, Octets: 45*176 + 96 + 176, Limit: 8 << 10, Span: 10 * time.Second, Added: 47, Evicted: 1}
	if st := s.Stats(); st != want {
		t.Errorf("got %+v, want %+v", st, want)
	}
	add(1, 11*time.Second) // more than 10 s after the first 40
	want = recent.Stats{Records: 8, Octets: 6*176 + 96 + 2*176, Limit: 8 << 10, Span: 2 * time.Second, Added: 48, Evicted: 1, Aged: 39}
	if st := s.Stats(); st != want {
		t.Errorf("got %+v, want %+v", st, want)
	}
}

func TestMemoryBytes(t *testing.T) {
	for _, tc := range []struct {
		c    recent.Config
		want int64 // ring, 8 octets for each 256 of it, the largest entry, and a page
	}{
		{recent.Config{Bytes: 16 << 20}, 16<<20 + 512<<10 + 256<<10 + 4096},
		{recent.Config{Bytes: 256 << 20}, 256<<20 + 8<<20 + 256<<10 + 4096},
		{recent.Config{Bytes: 1}, 4096 + 128 + 1024 + 4096},
	} {
		if got := tc.c.MemoryBytes(); got != tc.want {
			t.Errorf("%+v: %d, want %d", tc.c, got, tc.want)
		}
	}
}

func TestAddAllocates(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 256 << 10, Age: time.Second})
	r := rec(record.SIP, 0, "a84b4c76e66710@pc33.example.com", strings.Repeat("x", 700),
		link(record.Net, record.Flow, 0, "17640947659377874237"), link(record.REST, record.Inferred, 70, "q"))
	large := rec(record.SIP, 0, "large", strings.Repeat("x", 1<<20))
	if n := testing.AllocsPerRun(2000, func() {
		r.Mono += int64(time.Millisecond)
		s.Add(r)
		s.Add(large)
	}); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
}

// TestReaders has several read while one adds. A record's payload says its id
// and number over and over, so that a torn copy shows.
func TestReaders(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 128 << 10, Age: 5 * time.Millisecond})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for reader := range 3 {
		wg.Go(func() {
			for n := reader; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Append(nil, "call-", n%20)
				for _, r := range s.Around(record.SIP, id) {
					whole(t, &r)
				}
				a := s.Follow(0, id, recent.Limits{Depth: 3})
				for i := range a.Found {
					whole(t, &a.Found[i].Record)
				}
				if st := s.Stats(); st.Added != st.Records+st.Evicted+st.Aged {
					t.Errorf("%+v", st)
				}
			}
		})
	}
	for i := range 20000 {
		call := fmt.Sprint("call-", i%20)
		r := rec(record.SIP, int64(i)*1000, call, strings.Repeat(fmt.Sprintf("%s %d;", call, i), i%60+1), link(record.Net, record.Flow, 0, fmt.Sprint("net-", i%7)))
		s.Add(r)
	}
	close(stop)
	wg.Wait()
}

func whole(t *testing.T, r *record.Record) {
	piece := fmt.Appendf(nil, "%s %d;", r.Primary, r.Mono/1000)
	if !bytes.Equal(r.Payload, bytes.Repeat(piece, int(r.Mono/1000%60+1))) || r.Seq != uint64(r.Mono/1000+1) {
		t.Errorf("record %d of %s: %q", r.Seq, r.Primary, r.Payload)
	}
}

// TestAnswersStay has what was given back survive the ring's moving on.
func TestAnswersStay(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 4 << 10})
	s.Add(rec(record.SIP, 1, "call", "first"))
	got := s.Around(record.SIP, []byte("call"))
	for range 100 {
		s.Add(rec(record.SIP, 2, "other", strings.Repeat("y", 300)))
	}
	if len(s.Around(record.SIP, []byte("call"))) != 0 || len(got) != 1 || string(got[0].Payload) != "first" || string(got[0].Primary) != "call" {
		t.Errorf("%+v", got)
	}
}

// TestNamedTwice has a record name an id as its primary one and by a better link.
func TestNamedTwice(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 64 << 10})
	s.Add(rec(record.Log, 1, "call", "line", link(record.SIP, record.Inferred, 40, "call"), link(record.SIP, record.Seen, 0, "call"),
		link(record.DNS, record.Inferred, 40, "q"), link(record.DNS, record.Inferred, 90, "q"), link(record.DNS, record.Inferred, 60, "q")))
	for _, tc := range []struct {
		t    record.Type
		id   string
		want recent.Trust
	}{
		{record.SIP, "call", recent.Trust{How: record.Seen}}, {record.DNS, "q", recent.Trust{How: record.Inferred, Score: 90}},
	} {
		if a := s.Follow(tc.t, []byte(tc.id), recent.Limits{}); len(a.Found) != 1 || a.Found[0].Named != tc.want {
			t.Errorf("%s: %+v", tc.id, a.Found)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	s := recent.New(recent.Config{Bytes: 16 << 20, Age: 30 * time.Minute})
	var records []*record.Record
	for i := range 4096 {
		records = append(records, rec(record.SIP, 0, fmt.Sprint("a84b4c76e66710-", i/8, "@pc33.example.com"), strings.Repeat("x", 700),
			link(record.Net, record.Flow, 0, fmt.Sprint(17640947659377874237-uint64(i%100)))))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := records[i&4095]
		r.Mono = int64(i) * 1e6
		s.Add(r)
	}
}

func BenchmarkFollow(b *testing.B) {
	s := recent.New(recent.Config{Bytes: 16 << 20})
	for i := range 20000 {
		s.Add(rec(record.SIP, int64(i), fmt.Sprint("call-", i/8), strings.Repeat("x", 600), link(record.Net, record.Flow, 0, fmt.Sprint("net-", i/4000))))
	}
	b.ReportAllocs()
	for b.Loop() {
		if a := s.Follow(record.SIP, []byte("call-2450"), recent.Limits{Depth: 3}); len(a.Found) != 8 {
			b.Fatal(len(a.Found))
		}
	}
}
