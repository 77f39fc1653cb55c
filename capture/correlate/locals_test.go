package correlate_test

import (
	"fmt"
	"strings"
	"testing"

	"heptap/capture/correlate"
)

// What stands before the @ of a Call-ID leads to its call, as long as that is alive
// and the only one.
func TestLocalPart(t *testing.T) {
	r := newRig(t, nil)
	labels := func(ids ...string) func(*correlate.Note) {
		return func(n *correlate.Note) {
			for _, id := range ids {
				n.Labels = append(n.Labels, []byte(id))
			}
		}
	}
	begin(r, "a84b4c76e66710@pc33")
	begin(r, "shared-0001@one")
	begin(r, "shared-0001@two")
	begin(r, "abcdefghij@pc33")
	begin(r, "493012345678@pc33")
	begin(r, "4930123456781234@pc33")
	begin(r, "abc-123@pc33")
	begin(r, "whole-0001")
	begin(r, strings.Repeat("a1", 100)+"@pc33")
	for _, tt := range []struct{ label, want string }{
		{"a84b4c76e66710", "a84b4c76e66710@pc33"},
		{"a84b4c76e66710@pc33", "a84b4c76e66710@pc33"},
		{"whole-0001", "whole-0001"},
		{"4930123456781234", "4930123456781234@pc33"},
		{strings.Repeat("a1", 100), strings.Repeat("a1", 100) + "@pc33"},
		{"a84b4c76e6671", ""},   // a part
		{"a84b4c76e667100", ""}, // more
		{"A84B4C76E66710", ""},  // Call-IDs have capitals (RFC 3261 20.8)
		{"shared-0001", ""},     // two calls
		{"abcdefghij", ""},      // a word
		{"493012345678", ""},    // a telephone number
		{"abc-123", ""},         // too short
		{"pc33", ""},
		{"", ""},
	} {
		primary, links := "log@host", []string(nil)
		if tt.want != "" {
			primary, links = tt.want, []string{"sip:" + tt.want}
		}
		r.wantNote(primary, links, labels(tt.label))
	}
	r.wait(3 * 3600e9)
	r.wantNote("log@host", nil, labels("a84b4c76e66710", "whole-0001"))
	begin(r, "shared-0001@one") // alone by now
	r.wantNote("shared-0001@one", []string{"sip:shared-0001@one"}, labels("shared-0001"))
}

// Calls that share what stands before the @ are no load, and the newest calls are
// found among a crowd.
func TestLocalPartOfMany(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Calls = 20_000 })
	for i := range 5000 {
		begin(r, fmt.Sprintf("hostile-1@%d", i))
	}
	r.wantNote("log@host", nil, func(n *correlate.Note) { n.Labels = [][]byte{[]byte("hostile-1")} })
	for i := range 10_000 {
		begin(r, fmt.Sprintf("local-%06d@h", i))
	}
	found := 0
	for i := range 10_000 {
		id := fmt.Sprintf("local-%06d", i)
		switch p, _ := r.note(func(n *correlate.Note) { n.Labels = [][]byte{[]byte(id)} }); p {
		case id + "@h":
			found++
		case "log@host":
		default:
			t.Fatalf("%s leads to %s", id, p)
		}
	}
	if found < 8500 {
		t.Errorf("%d of 10000 calls are found", found)
	}
}

// The value of a key that a user says to name a call does so, whether or not the call
// is known; unless it is known to be something else.
func TestKeyed(t *testing.T) {
	const uuid = "0123456789abcdef0123456789abcdef"
	r := newRig(t, nil)
	r.leg("a", "Session-ID: "+uuid)
	begin(r, "one@host")
	keyed := func(id string) func(*correlate.Note) {
		return func(n *correlate.Note) { n.Keyed = [][]byte{[]byte(id)} }
	}
	r.wantNote("one@host", []string{"sip:one@host"}, keyed("one@host"))
	r.wantNote("two@host", []string{"sip:two@host"}, keyed("two@host"))
	r.wantNote("a", []string{"sip:a"}, keyed(uuid))
	r.wantNote("fedcba9876543210fedcba9876543210", []string{"sip:fedcba9876543210fedcba9876543210"}, keyed("fedcba9876543210fedcba9876543210"))
	r.wantNote("log@host", nil, keyed(""))
	r.wantNote("log@host", nil, keyed(strings.Repeat("a1", 129)))
}
