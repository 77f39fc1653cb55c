package probe

import (
	"fmt"
	"testing"

	"heptap/capture/record"
)

func sharesOf(calls int, names ...string) shares {
	var rs []Reader
	for _, n := range names {
		rs = append(rs, Reader{Name: n, Share: true})
	}
	return newShares(rs, calls)
}

func sipOf(id string, legs ...string) *record.Record {
	r := &record.Record{Type: record.SIP, Class: record.Call, Primary: []byte(id)}
	for _, l := range legs {
		r.Links = append(r.Links, record.Link{Type: record.SIP, How: record.Seen, ID: []byte(l)})
	}
	return r
}

func otherOf(t record.Type, primary string, calls ...string) *record.Record {
	r := &record.Record{Type: t, Primary: []byte(primary)}
	for _, l := range calls {
		r.Links = append(r.Links, record.Link{Type: record.SIP, How: record.Flow, ID: []byte(l)})
	}
	return r
}

// TestShareOfCall: all that belongs to one call goes to one reader, its later legs
// among it, the rest to everybody.
func TestShareOfCall(t *testing.T) {
	for n := range 200 {
		s := sharesOf(1000, "a", "b", "c")
		a, b, c := fmt.Sprint("a", n), fmt.Sprint("b", n), fmt.Sprint("c", n)
		whose := s.whose(sipOf(a))
		if whose < 0 || whose > 2 {
			t.Fatalf("a call is reader %d's", whose)
		}
		for i, r := range []*record.Record{sipOf(b, a), sipOf(c, b), sipOf(b), sipOf(c), otherOf(record.RTPReport, c), otherOf(record.RTCP, b, a), otherOf(record.REST, "7", c),
			otherOf(record.Net, "9", a, c), otherOf(record.Log, b), otherOf(record.Control, "x", b)} {
			if got := s.whose(r); got != whose {
				t.Errorf("call %d, record %d: reader %d's, want %d", n, i, got, whose)
			}
		}
		for i, r := range []*record.Record{otherOf(record.RTPReport, "rtp:1"), otherOf(record.Log, "log@box"), otherOf(record.REST, "7"), otherOf(record.Net, a), {Type: record.SIP}} {
			if got := s.whose(r); got != everybody {
				t.Errorf("call %d, record %d of no call: reader %d's", n, i, got)
			}
		}
	}
	s := sharesOf(1000, "a", "b")
	two := map[int]string{}
	for n := 0; len(two) < 2; n++ {
		id := fmt.Sprint(n)
		two[s.whose(sipOf(id))] = id
	}
	if got := s.whose(otherOf(record.Net, "9", two[0], two[1])); got != everybody {
		t.Errorf("a connection with two calls is reader %d's", got)
	}
	if s := newShares([]Reader{{Name: "a"}}, 10); s.whose(sipOf("x")) != everybody {
		t.Error("dealt out, and nobody gets a share")
	}
}

// TestSharesMoveLittle: with one reader less, only its calls move, and shares are alike.
func TestSharesMoveLittle(t *testing.T) {
	const calls = 30000
	before, after := sharesOf(10, "homer-1", "homer-2", "homer-3"), sharesOf(10, "homer-1", "homer-2")
	var n [3]int
	for i := range calls {
		r := sipOf(fmt.Sprintf("%d@192.0.2.1", i))
		x, y := before.whose(r), after.whose(r)
		if n[x]++; x != 2 && x != y {
			t.Fatalf("call %d moved from %d to %d", i, x, y)
		}
	}
	for i := range n {
		if n[i] < calls*30/100 || n[i] > calls*37/100 {
			t.Errorf("shares %v", n)
		}
	}
}
