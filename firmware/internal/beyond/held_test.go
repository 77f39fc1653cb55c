package beyond_test

import (
	"fmt"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// A server may log a call before the mirror port shows it.
func TestLogBeforeItsCall(t *testing.T) {
	r := newBench(t, nil)
	const line = "<14>Nov 14 22:13:20 sbc1 kamailio[7]: from TLS: 5c9f7@pc33 is for bob"
	if got := r.send(capture.Syslog, phone, stranger, line); len(got) != 0 {
		t.Fatal(got)
	}
	r.call("5c9f7@pc33")
	r.now += int64(400 * time.Millisecond)
	if r.b.Advance(r.now); len(r.recs) != 0 {
		t.Fatal("looked at again too soon", r.recs)
	}
	r.now += int64(200 * time.Millisecond)
	r.b.Advance(r.now)
	if len(r.recs) != 1 || r.recs[0].primary != "5c9f7@pc33" || r.recs[0].json["program"] != "kamailio" {
		t.Fatal(r.recs)
	}
	if s := &r.b.Stats; s.LogLines.Load() != 1 || s.LogHeld.Load() != 1 || s.LogLate.Load() != 1 || r.c.Stats.NotesUnlinked.Load() != 0 {
		t.Errorf("%d lines, %d held, %d late, %d left out", s.LogLines.Load(), s.LogHeld.Load(), s.LogLate.Load(), r.c.Stats.NotesUnlinked.Load())
	}
	// One that names nothing later either is left out, and counted once.
	r.send(capture.Syslog, phone, stranger, "<14>Nov 14 22:13:20 sbc1 kamailio[7]: 77777@elsewhere")
	r.send(capture.Syslog, phone, stranger, "<14>Nov 14 22:13:20 sbc1 kamailio[7]: nothing")
	r.b.Flush()
	if got := r.c.Stats.NotesUnlinked.Load(); got != 2 || len(r.recs) != 1 {
		t.Errorf("%d left out, %d records", got, len(r.recs))
	}
}

// No more lines are held than there is room for; all have their second chance, in order.
func TestHeldLinesAreBounded(t *testing.T) {
	r := newBench(t, nil)
	const n = 1000
	for i := range n {
		r.send(capture.Syslog, phone, stranger, fmt.Sprintf("<14>Nov 14 22:13:20 sbc1 app: call-%d@pc33", i))
	}
	for i := range n {
		if i%7 == 0 {
			r.c.Message(r.message(capture.SIP, phone, proxy, string(capturetest.SIPCall(capturetest.Call{Caller: phone, Callee: proxy, CallID: fmt.Sprintf("call-%d@pc33", i)})[0].Payload)))
		}
	}
	r.b.Flush()
	if len(r.recs) < 30 || len(r.recs) > 256/7+1 {
		t.Errorf("%d records", len(r.recs))
	}
	for i := 1; i < len(r.recs); i++ {
		var a, b int
		fmt.Sscanf(r.recs[i-1].primary, "call-%d@", &a)
		if fmt.Sscanf(r.recs[i].primary, "call-%d@", &b); b <= a {
			t.Errorf("%s after %s", r.recs[i].primary, r.recs[i-1].primary)
		}
	}
	if got := r.c.Stats.NotesUnlinked.Load() + r.c.Stats.NotesLinked.Load(); got != n {
		t.Errorf("%d lines were linked or left out, want %d", got, n)
	}
}
