package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/record"
	"heptap/firmware/internal/probe"
)

// endless is a ring on a busy port: what it holds when the probe is told to
// stop must be read, and then no more.
type endless struct {
	*capturetest.FakeSource
	now    *atomic.Int64
	after  []capture.Frame // there, but after the stop
	stop   func()
	closed atomic.Bool
}

func (s *endless) Read(f []capture.Frame) (int, error) {
	if n, err := s.FakeSource.Read(f); err == nil {
		return n, nil
	}
	if s.stop != nil {
		s.stop() // before the last of it is read
		s.stop = nil
	}
	n := copy(f, s.after)
	return n, nil
}

func (s *endless) Close() error { s.closed.Store(true); return nil }

// When ctx ends, the last counts of many streams reach the correlator before
// it makes the final reports: all of them, whatever the queue has room for.
func TestFinalReportsAtStop(t *testing.T) {
	const streams, packets = 12000, 3
	var frames []capture.Frame
	start := time.Unix(1000, 0)
	for i := range streams {
		src := netip.AddrPortFrom(aliceMedia.Addr(), uint16(20000+i%6000*2))
		dst := netip.AddrPortFrom(bobMedia.Addr(), uint16(20000+i/6000*2))
		for n := range packets {
			frames = append(frames, capturetest.Frames(start, 0, capturetest.UDP(src, dst, capturetest.RTPPacket(8, uint16(n), uint32(160*n), uint32(i), make([]byte, 20))))...)
		}
	}
	ds := capturetest.SIPCall(capturetest.Call{Caller: alice, Callee: bob, CallerMedia: aliceMedia, CalleeMedia: bobMedia, CallID: "last"})
	for _, d := range ds[:5] {
		frames = append(frames, capturetest.Frames(start, 0, capturetest.UDP(d.Src, d.Dst, d.Payload))...)
	}
	for n := range 70 {
		frames = append(frames, capturetest.Frames(start, 0, capturetest.UDP(aliceMedia, bobMedia, capturetest.RTPPacket(8, uint16(n), uint32(160*n), 77, make([]byte, 160))))...)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var now atomic.Int64
	now.Store(start.UnixNano())
	src := &endless{FakeSource: capturetest.NewFakeSource(frames), now: &now, stop: cancel}
	var reports []string
	slow := true
	p := probe.New(probe.Config{
		Inputs: []probe.Input{{Name: "port", Source: src}}, Now: now.Load, Media: media.Config{Streams: 20000},
		Correlate: correlate.Config{Calls: 10, Streams: 20000, CallIdle: time.Hour},
		Deliver: func(b []byte) error {
			record.Seal(b, 1, 1, [16]byte{})
			var r record.Record
			if err := record.Parse(b, &r); err != nil {
				return err
			}
			if r.Type == record.RTPReport {
				reports = append(reports, string(r.Payload))
			}
			if slow {
				time.Sleep(300 * time.Millisecond) // a slow disk: meanwhile the queue fills up
				slow = false
			}
			return nil
		},
	})
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	st := p.Stats()
	if st.Inputs[0].QueueDrops != 0 || st.Inputs[0].InFlight() != 0 || !src.closed.Load() {
		t.Errorf("%d queue drops, %d in flight, closed %v", st.Inputs[0].QueueDrops, st.Inputs[0].InFlight(), src.closed.Load())
	}
	if len(reports) != 1 || !strings.Contains(reports[0], `"TOTAL_PK":70,`) || !strings.Contains(reports[0], `"CORRELATION_ID":"last"`) {
		t.Errorf("%q", reports)
	}
	if c := st.Correlate; c.Streams.Load() != 0 || c.Calls.Load() != 0 || c.Endpoints.Load() != 0 {
		t.Errorf("left: %d streams, %d calls, %d endpoints", c.Streams.Load(), c.Calls.Load(), c.Endpoints.Load())
	}
}

// A busy port does not keep the probe from ending.
func TestStopOnBusyPort(t *testing.T) {
	frames := traffic(1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin := time.Now()
	src := &endless{FakeSource: capturetest.NewFakeSource(frames), after: capturetest.Frames(time.Unix(0, 5), 0, make([]byte, 60)), stop: cancel}
	p := probe.New(probe.Config{
		Inputs: []probe.Input{{Name: "port", Source: src}}, Now: func() int64 { return int64(time.Since(begin)) },
		Correlate: correlate.Config{Calls: 10, Streams: 10, CallIdle: time.Hour},
		Deliver:   func([]byte) error { return nil },
	})
	if err := p.Run(ctx); err != nil {
		t.Error(err)
	}
}

// A ring that dies for good ends the probe with its name and its error, and
// the other ports' records are still made.
func TestRingDies(t *testing.T) {
	dead := errors.New("bind: operation not permitted")
	bad := capturetest.NewFakeSource(traffic(1)[:3])
	bad.Err = dead
	other := &liveSource{FakeSource: capturetest.NewFakeSource(nil)}
	begin := time.Now()
	n := 0
	p := probe.New(probe.Config{
		Inputs: []probe.Input{{Name: "span0", Source: bad}, {Name: "span1", Source: other}}, Now: func() int64 { return int64(time.Since(begin)) },
		Correlate: correlate.Config{Calls: 10, Streams: 10, CallIdle: time.Hour},
		Deliver:   func([]byte) error { n++; return nil },
	})
	err := p.Run(t.Context())
	if !errors.Is(err, dead) || err.Error() != "span0: bind: operation not permitted" || n != 3 {
		t.Errorf("%v, %d records", err, n)
	}
}

// Deliver fails while live workers have more than the queue holds.
func TestDeliverFailsLive(t *testing.T) {
	full := errors.New("disk full")
	begin := time.Now()
	clock := func() int64 { return int64(time.Since(begin)) }
	var inputs []probe.Input
	for i := range 3 {
		frames := traffic(300)
		for n := range frames {
			frames[n].Mono = int64(n)
		}
		inputs = append(inputs, probe.Input{Name: fmt.Sprint(i), Source: &liveSource{FakeSource: capturetest.NewFakeSource(frames)}})
	}
	n := 0
	p := probe.New(probe.Config{Inputs: inputs, Now: clock, Correlate: correlate.Config{Calls: 10, Streams: 10, CallIdle: time.Hour},
		Deliver: func([]byte) error {
			if n++; n > 5 {
				return full
			}
			return nil
		}})
	hammered := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // Stats may be read all the time
		defer close(hammered)
		for ctx.Err() == nil {
			p.Stats()
		}
	}()
	err := p.Run(t.Context())
	cancel()
	<-hammered
	if !errors.Is(err, full) || n != 6 {
		t.Errorf("%v after %d", err, n)
	}
	if st := p.Stats(); st.Records[record.SIP] != 5 {
		t.Errorf("%v records counted, 5 delivered", st.Records)
	}
}

// The clock of the capturing host was set back by an hour, or two files were
// put together: calls and streams after it are followed like those before.
func TestClockSetBack(t *testing.T) {
	frames := traffic(4)
	half := len(frames) / 2
	for i := half; i < len(frames); i++ {
		frames[i].Mono -= int64(time.Hour)
		frames[i].Wall -= int64(time.Hour)
	}
	res := run(t, true, probe.Input{Name: "file", Source: capturetest.NewFakeSource(frames)})
	if len(res.sip) != 28 || len(res.reports) != 8 || res.stats.Correlate.StreamsLinked.Load() != 8 || res.stats.Late != 0 {
		t.Errorf("%d SIP, %d reports, %d linked, %d late", len(res.sip), len(res.reports), res.stats.Correlate.StreamsLinked.Load(), res.stats.Late)
	}
}
