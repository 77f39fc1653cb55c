package probe

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/mirror"
	"heptap/capture/record"
	"heptap/capture/stream"
	"heptap/firmware/internal/assembly"
	"heptap/firmware/internal/packets"
)

var (
	callerMedia, calleeMedia = netip.MustParseAddrPort("192.0.2.1:6000"), netip.MustParseAddrPort("192.0.2.2:7000")
	caller, callee           = netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.2:5060")
)

func idleWorker(streams int) *worker {
	return testWorker(Input{}, streams, func() int64 { return 0 })
}

func testWorker(in Input, streams int, now func() int64) *worker {
	cfg := &Config{Now: now, Assembly: assembly.Config{Stream: stream.Config{Ignore: stream.NewIgnore(0)}}}
	return newWorker(in, cfg, media.New(media.Config{Streams: streams}), mirror.NewTally(mirror.TallyConfig{}), make(chan struct{}, 1), new(asked))
}

// testMerge is a merge of the workers, live, whose records go to emit.
func testMerge(workers []*worker, now func() int64, emit func(*record.Record)) *merge {
	c := correlate.New(correlate.Config{Calls: 10, Streams: 10, CallIdle: time.Hour, Emit: emit})
	return &merge{workers: workers, heads: make([]head, len(workers)), now: now, judge: func(int64) {}, latest: -1 << 63,
		assembly: assembly.New(assembly.Config{Message: c.Message, RTP: c.Stream}), correlator: c}
}

// rtpFrames are one packet of each of n streams.
func rtpFrames(n int) []capture.Frame {
	var data [][]byte
	for i := range n {
		src := netip.AddrPortFrom(callerMedia.Addr(), uint16(10000+2*(i%20000)))
		data = append(data, capturetest.UDP(src, calleeMedia, capturetest.RTPPacket(8, 0, 0, uint32(i), make([]byte, 160))))
	}
	return capturetest.Frames(time.Unix(1000, 0), time.Microsecond, data...)
}

// next makes f the stream's next packet, 20 ms later.
func next(f *capture.Frame) {
	b := f.Data[42:]
	if b[3]++; b[3] == 0 {
		b[2]++
	}
	ts := uint32(b[4])<<24 | uint32(b[5])<<16 | uint32(b[6])<<8 | uint32(b[7])
	ts += 160
	b[4], b[5], b[6], b[7] = byte(ts>>24), byte(ts>>16), byte(ts>>8), byte(ts)
	f.Mono += 20e6
	f.Wall += 20e6
}

// memories are workers without and with a packet memory of 4 MiB.
var memories = map[string]func() *packets.Writer{
	"memory=off": func() *packets.Writer { return nil },
	"memory=on":  func() *packets.Writer { return packets.New(packets.Config{Bytes: 4 << 20, Workers: 1}).Writer() },
}

func TestRTPAllocs(t *testing.T) {
	for name, memory := range memories {
		t.Run(name, func(t *testing.T) { testRTPAllocs(t, memory()) })
	}
}

func testRTPAllocs(t *testing.T, memory *packets.Writer) {
	w, frames := idleWorker(100), rtpFrames(10)
	w.memory = memory
	n := testing.AllocsPerRun(1000, func() {
		for i := range frames {
			next(&frames[i])
			w.frame(&frames[i])
		}
		w.countRTP()
		w.tally.publish(&w.counters)
	})
	if n != 0 || w.counters.Protocols[capture.RTP].Load() != 10*1001 {
		t.Errorf("%v allocations per 10 frames, %d counted", n, w.counters.Protocols[capture.RTP].Load())
	}
}

// BenchmarkRTP is a worker's whole way of a frame: decode, dissect, statistics.
func BenchmarkRTP(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(memories)) {
		for _, streams := range []int{100, 20000} {
			b.Run(fmt.Sprintf("%d/%s", streams, name), func(b *testing.B) { benchRTP(b, streams, memories[name]()) })
		}
	}
}

func benchRTP(b *testing.B, streams int, memory *packets.Writer) {
	w, frames := idleWorker(streams), rtpFrames(streams)
	w.memory = memory
	for i := range frames { // the streams begin
		w.frame(&frames[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f := &frames[i%streams]
		next(f)
		w.frame(f)
		if i%framesPerRead == 0 {
			w.mirror.Tick(w.time)
		}
	}
}

// path is a worker and a merge in one goroutine.
type path struct {
	w      *worker
	m      *merge
	frames []capture.Frame
}

func newPath(tb testing.TB, memory *packets.Writer) *path {
	w := idleWorker(10)
	w.memory = memory
	buf := make([]byte, 0, 4096)
	m := testMerge([]*worker{w}, w.now, func(r *record.Record) {
		b, err := r.AppendBinary(buf)
		if err != nil {
			tb.Fatal(err)
		}
		record.Seal(b, 1, 1, [16]byte{})
	})
	var data [][]byte
	for _, d := range capturetest.SIPCall(capturetest.Call{Caller: caller, Callee: callee, CallerMedia: callerMedia, CalleeMedia: calleeMedia})[:5] {
		data = append(data, capturetest.UDP(d.Src, d.Dst, d.Payload))
	}
	return &path{w: w, m: m, frames: capturetest.Frames(time.Unix(1000, 0), 0, data...)}
}

// run takes the frame of a known call all the way to its record. Each is sent
// anew: it is no copy of the one before.
func (x *path) run(i int) {
	f := &x.frames[i%len(x.frames)]
	f.Mono, f.Wall = f.Mono+1e6, f.Wall+1e6
	binary.BigEndian.PutUint16(f.Data[18:], uint16(i)|1) // IPv4 identification
	x.w.frame(f)
	if i%32 == 31 {
		x.w.send()
		x.m.turn()
	}
}

func TestSIPAllocs(t *testing.T) {
	for name, memory := range memories {
		x := newPath(t, memory())
		n := testing.AllocsPerRun(200, func() {
			for i := range 160 {
				x.run(i)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations per 160 messages of a known call", name, n)
		}
	}
}

// BenchmarkSIP is the whole way of a SIP message of a known call: decode,
// dissect, copy, queue, merge, correlation, sealed record.
func BenchmarkSIP(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(memories)) {
		b.Run(name, func(b *testing.B) {
			x := newPath(b, memories[name]())
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				x.run(i)
			}
		})
	}
}
