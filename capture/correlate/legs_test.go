package correlate_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/record"
)

// leg sends an INVITE with further header lines, and the rest of a call to its
// answer, and returns the links of its records, each once.
func (r *rig) leg(id string, lines ...string) string {
	ds := capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallerMedia: aliceMedia, CalleeMedia: bobMedia, CallID: id})[:4]
	head, rest, _ := bytes.Cut(ds[0].Payload, []byte("\r\n"))
	ds[0].Payload = fmt.Appendf(nil, "%s\r\n%s%s", head, strings.Join(append(lines, ""), "\r\n"), rest)
	before := len(r.recs)
	r.sip(ds...)
	links := ""
	for i, g := range r.recs[before:] {
		if g.typ != record.SIP {
			continue
		}
		if i > 0 && fmt.Sprint(g.links) != links {
			r.t.Errorf("%s: links %v of one message, %v of another", id, g.links, links)
		}
		links = fmt.Sprint(g.links)
	}
	return links
}

func TestLegs(t *testing.T) {
	const uuid, other = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	type call struct{ id, line, want string }
	for _, tt := range []struct {
		name  string
		calls []call
	}{
		{"a header that says so", []call{{"a", "", "[]"}, {"b", "X-CID: a", "[sip:a]"}, {"c", "x-leg: zz", "[sip:zz]"}, {"d", "X-CID: d", "[]"}}},
		{"Session-ID", []call{{"a", "Session-ID: " + uuid + ";remote=" + other, "[]"}, {"b", "Session-ID: " + uuid, "[sip:a]"}, {"c", "Session-ID: " + other, "[]"}}},
		{"the third leg is one of the first", []call{{"a", "Session-ID: " + uuid, "[]"}, {"b", "Session-ID: " + uuid, "[sip:a]"}, {"c", "Session-ID: " + uuid, "[sip:a]"}}},
		{"nil UUID", []call{{"a", "Session-ID: 00000000000000000000000000000000", "[]"}, {"b", "Session-ID: 00000000000000000000000000000000", "[]"}}},
		{"no UUID", []call{{"a", "Session-ID: abc", "[]"}, {"b", "Session-ID: abc", "[]"}}},
		{"charging vector", []call{{"a", `P-Charging-Vector: icid-value="ab12cd34ef";orig-ioi=x`, "[]"}, {"b", `P-Charging-Vector: orig-ioi=x; ICID-value = ab12cd34ef`, "[sip:a]"}}},
		{"trace", []call{{"a", "traceparent: 00-" + uuid + "-00f067aa0ba902b7-01", "[]"}, {"b", "traceparent: 00-" + uuid + "-b7ad6b7169203331-01", "[sip:a]"},
			{"c", "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01", "[]"}, {"d", "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01", "[]"},
			{"e", "traceparent: 00-0123", "[]"}}},
		{"an id of one kind is none of another", []call{{"a", "Session-ID: " + uuid, "[]"}, {"b", "P-Charging-Vector: icid-value=" + uuid, "[]"}}},
		{"shared by all the world", []call{{"a", "P-Charging-Vector: icid-value=constant1", "[]"}, {"b", "P-Charging-Vector: icid-value=constant1", "[sip:a]"},
			{"c", "P-Charging-Vector: icid-value=constant1", "[sip:a]"}, {"d", "P-Charging-Vector: icid-value=constant1", "[sip:a]"},
			{"e", "P-Charging-Vector: icid-value=constant1", "[]"}, {"f", "P-Charging-Vector: icid-value=constant1", "[]"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(c *correlate.Config) { c.LegHeaders = []string{"x-cid", "x-leg"} })
			for _, c := range tt.calls {
				var lines []string
				if c.line != "" {
					lines = append(lines, c.line)
				}
				if got := r.leg(c.id, lines...); got != c.want {
					t.Errorf("%s: links %s, want %s", c.id, got, c.want)
				}
			}
		})
	}
}

// A leg that is over is no leg of what comes later.
func TestLegOfAnOldCall(t *testing.T) {
	const line = "Session-ID: 0123456789abcdef0123456789abcdef"
	r := newRig(t, nil)
	r.leg("a", line)
	r.wait(3 * 3600e9)
	if got := r.leg("b", line); got != "[]" {
		t.Errorf("links %s", got)
	}
}

// What carries the UUID of a session, or the id of a trace, is linked to all of
// its legs; an id that too many calls share is no id.
func TestNoteOfSession(t *testing.T) {
	const uuid, shared = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	r := newRig(t, nil)
	r.leg("a", "Session-ID: "+uuid+";remote=00000000000000000000000000000000")
	r.leg("b", "traceparent: 00-"+uuid+"-00f067aa0ba902b7-01")
	for i := range 5 {
		r.leg(fmt.Sprint("x", i), "Session-ID: "+shared)
	}
	r.wantNote("a", []string{"sip:a", "sip:b"}, nil, uuid)
	r.wantNote("log@host", nil, nil, shared)
	r.wantNote("log@host", nil, nil, "00000000000000000000000000000000")
}
