package box_test

import (
	"slices"
	"testing"

	"heptap/scripts/lab/box"
)

func TestCompare(t *testing.T) {
	a, b, c := box.Message{CallID: "a", What: "INVITE"}, box.Message{CallID: "b"}, box.Message{CallID: "a", What: "200"}
	type list = []box.Message
	for _, tc := range []struct {
		name                           string
		want, got                      list
		missing, again, neverOnTheWire list
	}{
		{"nothing", nil, nil, nil, nil, nil},
		{"the same in another order", list{a, b, c}, list{c, a, b}, nil, nil, nil},
		{"one of two of a kind is missing", list{a, b, a}, list{b, a}, list{a}, nil, nil},
		{"once too often", list{a, b}, list{a, b, a}, nil, list{a}, nil},
		{"another message", list{a}, list{b}, list{a}, nil, list{b}},
		{"all are missing", list{c, a}, nil, list{c, a}, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := box.Compare(tc.want, tc.got)
			for _, x := range []struct {
				what      string
				got, want list
			}{{"missing", d.Missing, tc.missing}, {"again", d.Again, tc.again}, {"extra", d.Extra, tc.neverOnTheWire}} {
				if !slices.Equal(x.got, x.want) {
					t.Errorf("%s: %v, want %v", x.what, x.got, x.want)
				}
			}
		})
	}
}

func TestMessageOfPayload(t *testing.T) {
	r := box.Record{Src: "192.0.2.1:5060", Payload: "SIP/2.0 180 Ringing\r\ni: x@y\r\nCSeq:  7 INVITE\r\n\r\nbody"}
	m, err := r.Message()
	if want := (box.Message{CallID: "x@y", CSeq: "7 INVITE", What: "180", Src: "192.0.2.1:5060"}); err != nil || m != want {
		t.Errorf("%+v, %v; want %+v", m, err, want)
	}
	for _, bad := range []string{"", "\r\n\r\n", "INVITE sip:a@b SIP/2.0\r\nCall-ID: x"} {
		r.Payload = bad
		if m, err := r.Message(); err == nil {
			t.Errorf("%q: %+v, want an error", bad, m)
		}
	}
}
