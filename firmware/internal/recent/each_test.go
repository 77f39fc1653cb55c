package recent_test

import (
	"fmt"
	"net/netip"
	"testing"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/recent"
)

func eachRecord(n int, t record.Type, payload int) *record.Record {
	a := netip.MustParseAddrPort("192.0.2.1:5060")
	return &record.Record{Type: t, Class: record.Call, Mono: int64(n), Flow: capture.FiveTuple{Src: a, Dst: a, Proto: capture.ProtoUDP},
		Primary: fmt.Appendf(nil, "id-%d", n), Payload: make([]byte, payload)}
}

// Each gives what is left in the ring, in order, through fillers and holds.
func TestEach(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 64 << 10})
	s.Each(func(*record.Record) bool { t.Error("a record of an empty store"); return true })
	const n = 5000
	for i := range n {
		kind := record.SIP
		if i%3 == 0 {
			kind = record.REST
		}
		s.Add(eachRecord(i, kind, i%977))
		if i%500 != 0 && i != n-1 {
			continue
		}
		held := int(s.Stats().Records)
		next, rest := i+1-held, 0
		s.Each(func(r *record.Record) bool {
			if want := fmt.Sprintf("id-%d", next); string(r.Primary) != want || r.Seq != uint64(next+1) {
				t.Fatalf("%s (%d), want %s", r.Primary, r.Seq, want)
			}
			if next%3 == 0 {
				rest++
			}
			next++
			return true
		})
		if next != i+1 {
			t.Fatalf("%d of %d records", next-(i+1-held), held)
		}
		s.Each(func(r *record.Record) bool {
			if rest--; r.Type != record.REST {
				t.Fatalf("type %v", r.Type)
			}
			return true
		}, record.REST)
		if rest != 0 {
			t.Fatalf("%d records of one type missing", rest)
		}
	}
	calls := 0
	s.Each(func(*record.Record) bool { calls++; return calls < 3 })
	if calls != 3 {
		t.Errorf("%d calls after false", calls)
	}
}

// What is added meanwhile must not confuse it.
func TestEachWhileAdding(t *testing.T) {
	s := recent.New(recent.Config{Bytes: 64 << 10})
	for i := range 200 {
		s.Add(eachRecord(i, record.SIP, 200))
	}
	last, n := uint64(0), 0
	s.Each(func(r *record.Record) bool {
		if r.Seq <= last {
			t.Fatalf("%d after %d", r.Seq, last)
		}
		last = r.Seq
		n++
		if n < 3000 {
			s.Add(eachRecord(1000+n, record.SIP, 700))
			s.Add(eachRecord(1000+n, record.SIP, 20))
		}
		return n < 10000
	})
	if n < 100 {
		t.Errorf("%d records", n)
	}
}
