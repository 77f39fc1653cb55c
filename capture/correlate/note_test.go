package correlate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/record"
	tcp "heptap/capture/stream"
)

// note hands in a log line with these words, and returns the record's primary
// id and links.
func (r *rig) note(change func(*correlate.Note), words ...string) (primary string, links []string) {
	r.t.Helper()
	n := correlate.Note{Type: record.Log, Class: record.Routine, At: tcp.Meta{Mono: r.now, Wall: r.now},
		Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: aliceSIP, Dst: bobSIP}, Else: []byte("log@host"), Payload: []byte(`{}`)}
	for _, w := range words {
		n.Tokens = append(n.Tokens, []byte(w))
		if strings.HasPrefix(w, "C-") || len(w) == 36 {
			n.Names = append(n.Names, []byte(w))
		}
	}
	if change != nil {
		change(&n)
	}
	before := len(r.recs)
	r.c.Note(&n)
	if len(r.recs) == before {
		return "", nil
	}
	g := r.recs[before]
	r.recs = r.recs[:before]
	return g.primary, g.links
}

func (r *rig) wantNote(primary string, links []string, change func(*correlate.Note), words ...string) {
	r.t.Helper()
	p, l := r.note(change, words...)
	if p != primary || fmt.Sprint(l) != fmt.Sprint(links) {
		r.t.Errorf("a note with %q: primary id %q, links %q, want %q, %q", words, p, l, primary, links)
	}
}

func begin(r *rig, id string) {
	r.sip(capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallerMedia: aliceMedia, CalleeMedia: bobMedia, CallID: id})[:5]...)
}

// A line is linked to the calls that are alive whose Call-ID is among its
// words, in the order in which it names them, each once.
func TestNoteFindsCalls(t *testing.T) {
	r := newRig(t, nil)
	begin(r, "one@host")
	begin(r, "two@host")
	r.wantNote("log@host", nil, nil, "three@host", "nothing")
	r.wantNote("two@host", []string{"sip:two@host", "sip:one@host"}, nil, "two@host", "x", "one@host", "two@host")
	r.wantNote("", nil, func(n *correlate.Note) { n.OnlyLinked = true }, "three@host")
	r.wantNote("query7", []string{"net:99", "sip:gone@host"}, func(n *correlate.Note) {
		n.Primary, n.Calls = []byte("query7"), [][]byte{[]byte("gone@host")}
		n.Links = []record.Link{{Type: record.Net, How: record.Flow, ID: []byte("99")}}
	})
	if got := r.c.Stats.NotesUnlinked.Load(); got != 1 {
		t.Errorf("%d notes left out, want 1", got)
	}
}

// What names a Call-ID that no followed call has names SIP all the same: of a registration, or of a call whose INVITE
// was missed. Where only lines that name a call make records, a registration's is not enough.
func TestNoteFindsWhatWasHeard(t *testing.T) {
	r := newRig(t, nil)
	const reg, missed = "4f1c-11ee-registration", "4f1c-11ee-missed-call"
	ds := capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallID: missed})
	r.sip(ds[1]) // 100 Trying
	for _, d := range []string{reg, "1001"} {
		ds[1].Payload = []byte("SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: " + d + "\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n")
		r.sip(ds[1])
	}
	lines := func(n *correlate.Note) { n.OnlyLinked = true }
	r.wantNote(reg, []string{"sip:" + reg}, nil, reg)
	r.wantNote("", nil, lines, reg)
	r.wantNote(missed, []string{"sip:" + missed}, nil, missed)
	r.wantNote(missed, []string{"sip:" + missed}, lines, missed)
	r.wantNote("log@host", nil, nil, "1001")
	r.wantNote("log@host", nil, nil, "x"+reg)
	r.wait(3 * time.Minute)
	r.wantNote("log@host", nil, nil, reg)
	for i := range 100_000 { // a flood
		ds[1].Payload = fmt.Appendf(nil, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: flood-%06d\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n", i)
		r.sip(ds[1])
	}
	found := 0
	for i := range 100_000 {
		if p, _ := r.note(nil, fmt.Sprintf("flood-%06d", i)); p != "log@host" {
			found++
		}
	}
	if found < 4000 || found > 8192 {
		t.Errorf("%d of 100,000 are remembered, want most of 8192 and no more", found)
	}
}

// A platform's own name of a call is learnt from a line with one name and one
// call, and then stands for all calls that it was seen with.
func TestNoteLearnsNames(t *testing.T) {
	r := newRig(t, nil)
	for _, id := range []string{"a@host", "b@host", "c@host"} {
		begin(r, id)
	}
	r.wantNote("log@host", nil, nil, "C-00000001") // nothing known of it
	r.wantNote("a@host", []string{"sip:a@host"}, nil, "C-00000001", "a@host")
	r.wantNote("a@host", []string{"sip:a@host"}, nil, "C-00000001")
	r.wantNote("b@host", []string{"sip:b@host", "sip:a@host"}, nil, "C-00000001", "b@host") // the other leg
	r.wantNote("a@host", []string{"sip:a@host", "sip:b@host"}, nil, "C-00000001")
	// A list teaches nothing.
	r.note(nil, "C-00000002", "a@host", "c@host")
	r.note(nil, "C-00000003", "C-00000004", "c@host")
	for _, name := range []string{"C-00000002", "C-00000003", "C-00000004"} {
		r.wantNote("log@host", nil, nil, name)
	}
	r.wait(3 * time.Hour) // the calls are over, and the name is forgotten
	r.wantNote("log@host", nil, nil, "C-00000001")
}

// Two servers count their calls from 1 each. A UUID is the same everywhere.
func TestNoteNamesAreOfOneHost(t *testing.T) {
	r := newRig(t, nil)
	begin(r, "a@host")
	begin(r, "b@host")
	of := func(host string) func(*correlate.Note) {
		return func(n *correlate.Note) { n.Where = []byte(host) }
	}
	const uuid = "0d7fe0d6-b0e9-4d3b-8d3f-3a0c9f4a0b11"
	r.wantNote("a@host", []string{"sip:a@host"}, of("pbx1"), "C-00000001", "a@host")
	r.wantNote("log@host", nil, of("pbx2"), "C-00000001")
	r.wantNote("b@host", []string{"sip:b@host"}, of("pbx2"), "C-00000001", "b@host")
	r.wantNote("a@host", []string{"sip:a@host"}, of("pbx1"), "C-00000001")
	r.wantNote("b@host", []string{"sip:b@host"}, of("pbx2"), "C-00000001")
	r.wantNote("a@host", []string{"sip:a@host"}, of("pbx1"), uuid, "a@host")
	r.wantNote("a@host", []string{"sip:a@host"}, of("pbx2"), uuid)
}

// What a flood of names pushes out is learnt again.
func TestNoteNamesAreBounded(t *testing.T) {
	r := newRig(t, nil)
	begin(r, "a@host")
	for i := range 100_000 {
		r.note(nil, fmt.Sprintf("C-%08x", i), "a@host")
	}
	found := 0
	for i := range 100_000 {
		if p, _ := r.note(nil, fmt.Sprintf("C-%08x", i)); p == "a@host" {
			found++
		}
	}
	if found < 4000 || found > 8192 {
		t.Errorf("%d of 100,000 names are remembered, want most of 8192 and no more", found)
	}
}

func TestNoteAllocatesNothing(t *testing.T) {
	c := correlate.New(correlate.Config{Calls: 10, Emit: func(*record.Record) {}})
	for _, d := range capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallID: "a@host"})[:1] {
		c.Message(&capture.Message{Protocol: capture.SIP, Payload: d.Payload, Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: aliceSIP, Dst: bobSIP}})
	}
	linked := true
	n := correlate.Note{Type: record.Log, Payload: []byte(`{}`),
		Tokens: [][]byte{[]byte("a@host"), []byte("C-00000001")}, Names: [][]byte{[]byte("C-00000001")}}
	if got := testing.AllocsPerRun(1000, func() { linked = c.Note(&n) && linked }); got != 0 || !linked {
		t.Errorf("%v allocations per note, linked %v", got, linked)
	}
}
