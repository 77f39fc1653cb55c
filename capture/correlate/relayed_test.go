package correlate_test

import (
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/mirror"
	"heptap/capture/record"
)

// agent is what another agent says beside its messages.
func agent(primary string, links ...record.Link) *record.Record {
	return &record.Record{AgentID: 7, Node: []byte("proxy-1"), Primary: []byte(primary), Links: links, MOS: 430}
}

func (r *rig) relayed(from *record.Record, ds ...capturetest.Datagram) {
	for _, d := range ds {
		r.c.Relayed(&capture.Message{Protocol: capture.SIP, Wall: r.now - 5, Mono: r.now, Payload: d.Payload, Conn: 9,
			Flow: capture.FiveTuple{Proto: capture.ProtoTCP, Src: d.Src, Dst: d.Dst}}, from)
		r.pass(10 * time.Millisecond)
	}
}

// A call that another agent shows is followed: the media that the mirror port
// shows is its own. The port is not judged by the signalling that it did not show.
func TestRelayedCall(t *testing.T) {
	var sip []record.Record
	r := newRig(t, nil)
	r.c = correlate.New(correlate.Config{Calls: 10, Streams: 10, CallIdle: time.Hour, Emit: func(rec *record.Record) {
		if rec.Type == record.SIP {
			c := *rec
			c.Node, c.Links = append([]byte(nil), rec.Node...), append([]record.Link(nil), rec.Links...)
			sip = append(sip, c)
		} else {
			r.recs = append(r.recs, got{typ: rec.Type, primary: string(rec.Primary), flow: rec.Flow})
			if rec.Flags&record.FlagRelayed != 0 {
				t.Error("a report of our own is another agent's")
			}
		}
	}})
	forced := record.Link{Type: record.SIP, How: record.Seen, ID: []byte("forced")}
	ds := call("call-1")
	r.relayed(agent("forced", forced), ds[:5]...)
	r.pass(2 * time.Second)
	r.stream(1, aliceMedia, bobMedia, 100, 0, true)
	r.relayed(agent("forced", forced), ds[5:]...)
	r.pass(time.Minute)
	r.c.Advance(r.now)
	if len(sip) != len(ds) {
		t.Fatalf("%d messages, want %d", len(sip), len(ds))
	}
	for i := range sip {
		m := &sip[i]
		if string(m.Primary) != "call-1" || m.Flags != record.FlagRelayed || m.AgentID != 7 || string(m.Node) != "proxy-1" || m.MOS != 430 ||
			len(m.Links) != 2 || string(m.Links[0].ID) != "9" || string(m.Links[1].ID) != "forced" || m.Wall >= m.Mono {
			t.Errorf("%+v", m)
		}
	}
	if n := len(r.recs); n != 1 || r.recs[0].primary != "call-1" {
		t.Errorf("%+v", r.recs)
	}
	var s mirror.Sample
	r.c.Evidence(0, &s)
	if s.SIPRequests+s.SIPResponses+s.CallsSilent+s.CallsWithMedia != 0 {
		t.Errorf("the port has shown %d requests and %d responses", s.SIPRequests, s.SIPResponses)
	}
	r.c.Repeated(&capture.Message{Protocol: capture.SIP, Mono: r.now, Payload: ds[0].Payload, Flow: capture.FiveTuple{Src: ds[0].Src, Dst: ds[0].Dst}})
	r.c.Evidence(0, &s)
	if s.SIPRequests != 1 || len(sip) != len(ds) {
		t.Errorf("%d requests, %d records", s.SIPRequests, len(sip))
	}
}

// RTCP of no known call keeps the id that its sender gave it.
func TestRelayedRTCP(t *testing.T) {
	r := newRig(t, nil)
	rtcp := func(from *record.Record) string {
		r.c.Relayed(&capture.Message{Protocol: capture.RTCP, Wall: r.now, Mono: r.now, Payload: capturetest.RTCPPacket(1, 2, 3, 4, 5, "x"),
			Flow: capture.FiveTuple{Proto: capture.ProtoUDP, Src: aliceMedia, Dst: bobMedia}}, from)
		return r.recs[len(r.recs)-1].primary
	}
	if got := rtcp(agent("theirs")); got != "theirs" {
		t.Error(got)
	}
	if got := rtcp(agent("")); got == "" || got == "theirs" {
		t.Error(got)
	}
	r.sip(call("ours")[:5]...)
	if got := rtcp(agent("theirs")); got != "ours" {
		t.Error(got)
	}
}

func TestForeign(t *testing.T) {
	r := newRig(t, nil)
	r.c.Foreign(&record.Record{Type: record.REST, Primary: []byte("x"), Payload: []byte("{}"), Mono: r.now, Links: []record.Link{{Type: record.SIP, ID: []byte("c")}}})
	if len(r.recs) != 1 || r.recs[0].typ != record.REST || r.recs[0].primary != "x" || len(r.recs[0].links) != 1 || r.c.Stats.Foreign.Load() != 1 {
		t.Errorf("%+v", r.recs)
	}
}
