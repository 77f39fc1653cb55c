package main

import (
	"slices"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest/conversation"
)

// TestGeneratedDifferences breaks records on purpose: what TestGenerated
// compares with must notice.
func TestGeneratedDifferences(t *testing.T) {
	c := conversation.New(4, conversation.UDP)
	flow := capture.FiveTuple{Proto: capture.ProtoUDP, Src: c.Ends[0], Dst: c.Ends[1]}
	for _, tc := range []struct {
		name  string
		spoil func(*said)
		bad   bool
	}{
		{"the same", func(*said) {}, false},
		{"a message is missing", func(s *said) { s.sip[flow] = s.sip[flow][1:] }, true},
		{"the last message is missing", func(s *said) { s.sip[flow] = s.sip[flow][:len(s.sip[flow])-1] }, true},
		{"a message comes twice", func(s *said) { s.sip[flow] = slices.Insert(s.sip[flow], 1, s.sip[flow][0]) }, true},
		{"two are swapped", func(s *said) { s.sip[flow][0], s.sip[flow][1] = s.sip[flow][1], s.sip[flow][0] }, true}, // their times are
		{"at the same time", func(s *said) { s.sip[flow][1].wall = s.sip[flow][0].wall }, true},
		{"an octet differs", func(s *said) { s.sip[flow][0].text += " " }, true},
		{"another primary id", func(s *said) { s.sip[flow][0].primary = "x" }, true},
		{"another transport", func(s *said) { tcp := flow; tcp.Proto = 6; s.sip[tcp] = s.sip[flow]; delete(s.sip, flow) }, true},
		{"a packet of a stream is missing", func(s *said) {
			for k, v := range s.reports {
				s.reports[k] = [2]int{v[0] - 1, v[1]}
			}
		}, true},
		{"no reports", func(s *said) { clear(s.reports) }, true},
		{"no RTCP", func(s *said) { clear(s.rtcp) }, true},
		{"RTCP twice", func(s *said) {
			for k := range s.rtcp {
				s.rtcp[k]++
			}
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := &generatedCase{plain: c.Render(1), changed: c.Render(2, conversation.Pad())}
			want, got := saidIn(t, []*conversation.Rendering{g.plain})[0], saidIn(t, []*conversation.Rendering{g.changed})[0]
			if len(want.sip[flow]) < 3 || len(want.reports) < 2 || len(want.rtcp) < 2 {
				t.Fatalf("%v has too little in it", c)
			}
			tc.spoil(got)
			if d := differences(want, got); (len(d) > 0) != tc.bad {
				t.Errorf("differences: %v", d)
			}
			if d := g.untrue(got); (len(d) > 0) != tc.bad {
				t.Errorf("against the conversation: %v", d)
			}
		})
	}
}
