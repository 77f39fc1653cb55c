package health

import (
	"fmt"
	"testing"
)

func TestHistory(t *testing.T) {
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	h.Set("a", OK, "")
	h.Set("a", Fault, "broken")
	h.Set("a", Fault, "still broken")
	h.Set("b", Degraded, "slow")
	h.Set("a", OK, "mended")
	h.Clear("b")
	h.Clear("a")
	var got []string
	for _, c := range h.History() {
		got = append(got, fmt.Sprint(c.Name, " ", c.From, " ", c.To, " ", c.Reason))
	}
	want := []string{"a ok fault broken", "b ok degraded slow", "a fault ok mended", "b degraded ok "}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q", got)
	}
	for i := range 3 * MaxChanges {
		h.Set("a", Level(i%2), "")
	}
	if n := len(h.History()); n != MaxChanges {
		t.Errorf("%d changes", n)
	}
}
