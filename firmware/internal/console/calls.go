package console

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"heptap/capture/record"
	"heptap/capture/sip"
	"heptap/firmware/internal/listing"
)

// maxCalls is how many calls one look at the recent records tells apart: the newest.
const maxCalls = 20000

// call is what the recent records say of a Call-ID with an INVITE.
type call struct {
	id            string
	begun, last   int64 // wall time
	answered, end int64 // 0: not
	from, to      string
	src, dst      netip.AddrPort
	state         string
	status        int // of the last final response to INVITE
	messages      int
}

// States of calls.
const (
	callTrying    = "trying"
	callRinging   = "ringing"
	callAnswered  = "answered"
	callEnded     = "ended"
	callFailed    = "failed"
	callCancelled = "cancelled"
)

func callFields() []string {
	return []string{"id", "from", "to", "state", "status", "duration", "messages", "src", "dst", "src_ip", "dst_ip", "src_port", "dst_port"}
}

func (c *call) field(name string) []string {
	switch name {
	case "id", "call":
		return []string{c.id}
	case "from":
		return []string{c.from}
	case "to":
		return []string{c.to}
	case "state":
		return []string{c.state}
	case "status":
		if c.status > 0 {
			return []string{strconv.Itoa(c.status)}
		}
	case "duration":
		return []string{fmt.Sprintf("%.3f", c.duration().Seconds())}
	case "messages":
		return []string{strconv.Itoa(c.messages)}
	case "src", "dst", "src_ip", "dst_ip", "src_port", "dst_port":
		return endField(name, c.src, c.dst)
	}
	return nil
}

// duration is how long the call has been answered, as far as was seen.
func (c *call) duration() time.Duration {
	switch {
	case c.answered == 0:
		return 0
	case c.end > 0:
		return time.Duration(c.end - c.answered)
	}
	return time.Duration(c.last - c.answered)
}

// outcome is the state, and the status of a call that failed.
func (c *call) outcome() string {
	if c.state == callFailed {
		return c.state + " " + strconv.Itoa(c.status)
	}
	return c.state
}

// calls are a table of them, of which the oldest give way.
type calls struct {
	byID  map[string]*call
	order []string
}

// add takes in a SIP message.
func (t *calls) add(r *record.Record) {
	var v sip.View
	if len(r.Primary) == 0 || v.Parse(r.Payload) != nil {
		return
	}
	c := t.byID[string(r.Primary)]
	if c == nil {
		if string(v.CSeqMethod) != "INVITE" {
			return
		}
		if len(t.order) == maxCalls {
			delete(t.byID, t.order[0])
			t.order = t.order[1:]
		}
		c = &call{id: string(r.Primary), begun: r.Wall, from: party(v.From), to: party(v.To), src: r.Flow.Src, dst: r.Flow.Dst, state: callTrying}
		if !v.IsRequest {
			c.src, c.dst = c.dst, c.src
		}
		t.byID[c.id] = c
		t.order = append(t.order, c.id)
	}
	c.messages++
	c.last = max(c.last, r.Wall)
	c.step(&v, r.Wall)
}

// step goes on to what a message says of the call's state.
func (c *call) step(v *sip.View, wall int64) {
	switch method := string(v.CSeqMethod); {
	case v.IsRequest && string(v.Method) == "BYE":
		if c.end == 0 {
			c.end, c.state = wall, callEnded
		}
	case v.IsRequest && string(v.Method) == "INVITE" && c.state == callFailed: // with credentials now, or elsewhere
		c.state = callTrying
	case v.IsRequest || method != "INVITE" || c.answered > 0:
	case v.Status >= 200 && v.Status < 300:
		c.answered, c.state, c.status = wall, callAnswered, v.Status
	case v.Status == 487:
		c.state, c.status = callCancelled, v.Status
	case v.Status >= 300:
		c.state, c.status = callFailed, v.Status
	case v.Status > 100 && c.state == callTrying:
		c.state = callRinging
	}
}

// party is who a From or To names.
func party(value []byte) string {
	if u := sip.User(value); len(u) > 0 {
		return string(u)
	}
	return string(value)
}

func callCommands() []command {
	return []command{
		{path: words("show calls"), args: queryArgs, help: "calls, as far as the recent records go back", run: (*session).showCalls,
			hints: func(_ *session, typed []string) []hint { return queryHints(typed, callFields) }},
	}
}

func (s *session) showCalls(words []string) (string, error) {
	q, err := parseQuery(words)
	if err != nil {
		return "", err
	}
	t, err := s.calls()
	if err != nil {
		return "", err
	}
	found := newest[*call]{most: q.last}
	for _, id := range t.order {
		if c := t.byID[id]; q.fits(c) {
			found.add(c)
		}
	}
	var b strings.Builder
	if found.total > 0 {
		fmt.Fprintf(&b, "%-12s  %-16s  %-16s  %-13s  %8s  %s\n", "BEGUN (UTC)", "FROM", "TO", "STATE", "DURATION", "CALL-ID")
	}
	for _, c := range found.list() {
		duration := "-"
		if c.answered > 0 {
			duration = fmt.Sprintf("%.1f s", c.duration().Seconds())
		}
		fmt.Fprintf(&b, "%-12s  %-16s  %-16s  %-13s  %8s  %s\n", clock(c.begun), column(c.from, 16), column(c.to, 16), c.outcome(), duration, listing.Printable(c.id))
	}
	b.WriteString(found.left("calls"))
	return b.String(), nil
}

func (s *session) calls() (*calls, error) {
	t := &calls{byID: map[string]*call{}}
	return t, s.each([]record.Type{record.SIP}, t.add)
}

// column fits text into so many columns.
func column(text string, width int) string {
	r := []rune(listing.Printable(text))
	if len(r) > width {
		return string(r[:max(width-1, 0)]) + "~"
	}
	return string(r)
}
