package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/record"
	"heptap/firmware/internal/probe"
)

var (
	alice, bob           = netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.2:5060")
	aliceMedia, bobMedia = netip.MustParseAddrPort("192.0.2.1:6000"), netip.MustParseAddrPort("192.0.2.2:7000")
)

// traffic is calls one after the other, each of 2 s with media in both
// directions, of which every tenth packet from alice is lost.
func traffic(calls int) []capture.Frame {
	var frames []capture.Frame
	now := time.Unix(1_700_000_000, 0)
	add := func(src, dst netip.AddrPort, payload []byte, step time.Duration) {
		frames = append(frames, capturetest.Frames(now, 0, capturetest.UDP(src, dst, payload))...)
		now = now.Add(step)
	}
	for c := range calls {
		ds := capturetest.SIPCall(capturetest.Call{Caller: alice, Callee: bob, CallerMedia: aliceMedia, CalleeMedia: bobMedia, CallID: fmt.Sprint("call-", c)})
		for _, d := range ds[:5] {
			add(d.Src, d.Dst, d.Payload, 10*time.Millisecond)
		}
		for i := range 100 {
			if i%10 != 5 {
				add(aliceMedia, bobMedia, capturetest.RTPPacket(8, uint16(i), uint32(160*i), uint32(2*c+1), make([]byte, 160)), 0)
			}
			add(bobMedia, aliceMedia, capturetest.RTPPacket(8, uint16(i), uint32(160*i), uint32(2*c+2), make([]byte, 160)), 20*time.Millisecond)
		}
		for _, d := range ds[5:] {
			add(d.Src, d.Dst, d.Payload, 10*time.Millisecond)
		}
	}
	return frames
}

type result struct {
	sip, reports []string
	stats        probe.Stats
}

func run(t *testing.T, replay bool, inputs ...probe.Input) result {
	t.Helper()
	var res result
	start := time.Now()
	p := probe.New(probe.Config{
		Inputs: inputs, Replay: replay, Now: func() int64 { return int64(time.Since(start)) },
		Correlate: correlate.Config{Calls: 1000, Streams: 1000, CallIdle: time.Hour},
		Deliver: func(b []byte) error {
			record.Seal(b, 1, 1, [16]byte{})
			var r record.Record
			if err := record.Parse(b, &r); err != nil {
				return err
			}
			switch r.Type {
			case record.SIP:
				res.sip = append(res.sip, string(r.Primary)+" "+string(r.Payload[:20]))
			case record.RTPReport:
				res.reports = append(res.reports, fmt.Sprint(string(r.Primary), " ", r.Flow.Src))
			}
			return nil
		},
	})
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	res.stats = p.Stats()
	for _, in := range res.stats.Inputs {
		if in.InFlight() != 0 {
			t.Errorf("%s: the law does not hold: received %d, kernel drops %d, decoded %d, dropped %d", in.Name,
				in.Source.Received, in.Source.KernelDrops, in.Decoded, in.DroppedTotal())
		}
	}
	return res
}

func TestReplay(t *testing.T) {
	frames := traffic(3)
	res := run(t, true, probe.Input{Name: "file", Source: capturetest.NewFakeSource(frames)})
	if len(res.sip) != 21 || len(res.reports) != 6 {
		t.Fatalf("%d SIP records and %d reports, want 21 and 6\n%v", len(res.sip), len(res.reports), res.reports)
	}
	again := run(t, true, probe.Input{Name: "file", Source: capturetest.NewFakeSource(frames)})
	if !slices.Equal(res.sip, again.sip) || !slices.Equal(res.reports, again.reports) {
		t.Error("the same file gives other records")
	}
}

// A TAP delivers each direction on a port of its own; the records must be the
// same, in the same order.
func TestTwoPortsGiveTheSameAsOne(t *testing.T) {
	frames := traffic(20)
	one := run(t, true, probe.Input{Name: "span", Source: capturetest.NewFakeSource(frames)})
	var sides [2][]capture.Frame
	for _, f := range frames {
		side := 0
		if f.Data[29] == 2 { // last octet of the IPv4 source
			side = 1
		}
		sides[side] = append(sides[side], f)
	}
	two := run(t, true, probe.Input{Name: "a", Source: capturetest.NewFakeSource(sides[0])}, probe.Input{Name: "b", Source: capturetest.NewFakeSource(sides[1])})
	if !slices.Equal(one.sip, two.sip) {
		t.Errorf("SIP records differ:\n%q\n%q", one.sip, two.sip)
	}
	slices.Sort(one.reports)
	slices.Sort(two.reports)
	if !slices.Equal(one.reports, two.reports) {
		t.Errorf("reports differ:\n%q\n%q", one.reports, two.reports)
	}
}

// liveSource delivers frames, then nothing, until the test's context ends.
type liveSource struct {
	*capturetest.FakeSource
	idle atomic.Bool
}

func (s *liveSource) Read(f []capture.Frame) (int, error) {
	if n, err := s.FakeSource.Read(f); err == nil {
		return n, nil
	}
	s.idle.Store(true)
	time.Sleep(time.Millisecond) // stands in for the poll of a ring
	return 0, nil
}

// A live probe gives everything out without waiting for its end, and ends
// without an error when told to.
func TestLive(t *testing.T) {
	frames := traffic(1)
	start := time.Now()
	for i := range frames {
		frames[i].Mono = int64(i)
	}
	src := &liveSource{FakeSource: capturetest.NewFakeSource(frames)}
	quiet := &liveSource{FakeSource: capturetest.NewFakeSource(nil)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sip atomic.Int32
	p := probe.New(probe.Config{
		Inputs:    []probe.Input{{Name: "busy", Source: src}, {Name: "quiet", Source: quiet}},
		Now:       func() int64 { return int64(time.Since(start)) },
		Correlate: correlate.Config{Calls: 10, Streams: 10, CallIdle: time.Hour},
		Deliver: func(b []byte) error {
			if sip.Add(1) == 7 {
				cancel()
			}
			return nil
		},
	})
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := sip.Load(); n < 7 {
		t.Errorf("%d records", n)
	}
}

func TestDeliverFails(t *testing.T) {
	full := errors.New("disk full")
	p := probe.New(probe.Config{
		Inputs: []probe.Input{{Name: "file", Source: capturetest.NewFakeSource(traffic(50))}}, Replay: true,
		Correlate: correlate.Config{Calls: 10, Streams: 10, CallIdle: time.Hour},
		Deliver:   func([]byte) error { return full },
	})
	if err := p.Run(t.Context()); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}
