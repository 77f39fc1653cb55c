package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest/conversation"
	"heptap/capture/record"
)

// TestGeneratedLoss drops segments for good. Every message that is still whole
// must come, in order and unharmed; of a message that is not, at most a
// beginning may, flagged, and nothing else.
func TestGeneratedLoss(t *testing.T) {
	losses := []conversation.Change{conversation.Drop(1), conversation.Drop(5), conversation.PickUp()}
	for _, transport := range []conversation.Transport{conversation.TCP, conversation.WebSocket, conversation.SCTP} {
		for n, changes := range [][]conversation.Change{
			{losses[0]}, {losses[1], conversation.Cut()}, {losses[2]}, {losses[2], conversation.Cut(), conversation.SeqWrap()},
			{losses[1], conversation.Cut(), conversation.Resend(), conversation.Reorder()}, {losses[0], conversation.MidStream(), conversation.Duplicate(100)},
		} {
			var names []string
			for _, c := range changes {
				names = append(names, c.String())
			}
			t.Run(fmt.Sprintf("%v %s", transport, strings.Join(names, ", ")), func(t *testing.T) {
				t.Parallel()
				var renderings []*conversation.Rendering
				for i := range cases(4 * together) {
					seed := uint64(1_000_000 + n*10_000 + i)
					renderings = append(renderings, conversation.New(seed, transport).Render(seed, changes...))
				}
				found, sure := 0, 0
				for first := 0; first < len(renderings); first += together {
					some := renderings[first:min(first+together, len(renderings))]
					for i, s := range saidIn(t, some) {
						f, u := checkLoss(t, some[i], s)
						found, sure = found+f, sure+u
					}
				}
				if sure == 0 {
					t.Error("nothing is left whole")
				}
				t.Logf("%d messages found, %d were sure to be", found, sure)
			})
		}
	}
}

// checkLoss returns how many messages were found, and how many had to be.
func checkLoss(t *testing.T, x *conversation.Rendering, got *said) (found, sure int) {
	t.Helper()
	c := x.Conversation
	for side := range conversation.Side(2) {
		flow := capture.FiveTuple{Proto: protocolOf(c.Transport), Src: c.Ends[side], Dst: c.Ends[1-side]}
		left := got.sip[flow]
		for i, m := range c.Messages {
			if m.From != side {
				continue
			}
			e := x.Expect[i]
			if c.Transport == conversation.SCTP { // a message comes when it is whole
				if at := slices.IndexFunc(left, func(g saidMessage) bool { return g.text == string(m.Text) }); at > 0 {
					left = slices.Concat(left[at:at+1], left[:at], left[at+1:])
				}
			}
			is := len(left) > 0 && (left[0].text == string(m.Text) || !e.Whole && begins(m.Text, &left[0]))
			if e.Sure {
				sure++
			}
			switch {
			case is:
				found++
				left = left[1:]
			case e.Sure:
				next := "nothing"
				if len(left) > 0 {
					next = fmt.Sprintf("%.80q", left[0].text)
				}
				t.Errorf("%v\n%v>%v: message %d is whole and missing: %.80q; what comes instead: %s", x, flow.Src, flow.Dst, i, m.Text, next)
				return found, sure
			}
		}
		if len(left) > 0 {
			t.Errorf("%v\n%v>%v: never sent, or out of order: %.80q", x, flow.Src, flow.Dst, left[0].text)
		}
	}
	return found, sure
}

// begins reports whether a record holds the beginning of a message and says so.
func begins(text []byte, got *saidMessage) bool {
	return got.flags&record.FlagCut != 0 && bytes.HasPrefix(text, []byte(got.text))
}
