package legs_test

import (
	"fmt"
	"testing"

	"heptap/capture/record"
	"heptap/firmware/internal/legs"
)

func sipOf(id string, others ...string) *record.Record {
	r := &record.Record{Type: record.SIP, Class: record.Call, Primary: []byte(id)}
	for _, o := range others {
		r.Links = append(r.Links, record.Link{Type: record.SIP, How: record.Seen, ID: []byte(o)})
	}
	return r
}

// TestLegs: every leg is the first one's, as long as it is remembered.
func TestLegs(t *testing.T) {
	l := legs.New(100)
	a, ok := l.Call(sipOf("a"))
	if !ok || a != legs.Hash([]byte("a")) {
		t.Fatal(a, ok)
	}
	for _, r := range []*record.Record{sipOf("b", "a"), sipOf("c", "b"), sipOf("b"), sipOf("c")} {
		if call, ok := l.Call(r); !ok || call != a {
			t.Errorf("%s is of another call", r.Primary)
		}
	}
	if _, ok := l.Call(&record.Record{Type: record.Net, Primary: []byte("1"), Links: sipOf("x", "a", "z").Links}); ok {
		t.Error("a record of two calls is of one")
	}
	for i := range 200 {
		l.Call(sipOf(fmt.Sprint("other", i), fmt.Sprint("first", i)))
	}
	if call, _ := l.Call(sipOf("c")); call == a {
		t.Error("nothing is forgotten")
	}
}
