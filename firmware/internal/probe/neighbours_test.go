package probe_test

import (
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/neighbour"
	"heptap/firmware/internal/probe"
)

// TestNeighbours has devices present themselves on one of two ports, by LLDP, by CDP,
// and where it does not count; to decode all of it stays something that it does not read.
func TestNeighbours(t *testing.T) {
	lldp := func(chassis string) []byte {
		return []byte("\x01\x80\xc2\x00\x00\x0e\x00\x1b\x21\xaa\xbb\xcc\x88\xcc\x02\x02\x07" + chassis + "\x04\x02\x07p\x06\x02\x00\x78\x00\x00")
	}
	tagged := []byte(strings.Replace(string(lldp("t")), "\x88\xcc", "\x81\x00\x00\x07\x88\xcc", 1))
	cdp := []byte("\x01\x00\x0c\xcc\xcc\xcc\x00\x1b\x21\xaa\xbb\xcc\x00\x16\xaa\xaa\x03\x00\x00\x0c\x20\x00\x02\xb4\x00\x00\x00\x01\x00\x05c\x00\x03\x00\x05q")
	perVLAN := []byte("\x01\x00\x0c\xcc\xcc\xcd\x00\x1b\x21\xaa\xbb\xcc\x00\x0c\xaa\xaa\x03\x00\x00\x0c\x01\x0b\x00\x00\x00\x00") // spanning tree under SNAP
	short := lldp("s")[:17]
	frames := capturetest.Frames(time.Unix(1000, 0), time.Second, lldp("a"), tagged, cdp, perVLAN, short, lldp("a"))
	raw := frames[0]
	raw.Link = capture.LinkRaw // begins with no Ethernet header
	hidden := frames[0]
	hidden.Hidden = true
	frames = append(frames, raw, hidden)
	p := probe.New(probe.Config{Replay: true, Correlate: correlate.Config{Calls: 1, Streams: 1, CallIdle: time.Hour}, Deliver: func([]byte) error { return nil },
		Inputs: []probe.Input{{Name: "span0", Source: capturetest.NewFakeSource(frames)}, {Name: "span1", Port: 1, Source: capturetest.NewFakeSource(nil)}}})
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := p.Neighbours(time.Unix(1010, 0).UnixNano())
	if len(all) != 2 || all[0].Port != "span0" || all[1].Port != "span1" || len(all[1].Found) != 0 {
		t.Fatalf("%+v", all)
	}
	var found []string
	for _, n := range all[0].Found {
		found = append(found, n.Chassis+" "+n.Port+" "+n.Age.String())
	}
	if got := strings.Join(found, ", "); got != "a p 5s, c q 8s, t p 9s" {
		t.Error(got)
	}
	want := neighbour.Counters{Frames: 5, Read: 4, Bad: 1}
	st := p.Stats()
	if all[0].Counters != want || st.Ports[0].Neighbours != want {
		t.Errorf("%+v, %+v", all[0].Counters, st.Ports[0].Neighbours)
	}
	in := &st.Inputs[0]
	if in.Dropped[capture.DropEtherType] != 4 || in.Dropped[capture.DropLLC] != 2 || in.InFlight() != 0 {
		t.Errorf("%v, %d in flight", in.Dropped, in.InFlight())
	}
}
