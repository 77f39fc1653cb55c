package correlate_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/record"
)

func discard(*record.Record) {}

// FuzzCorrelator plays a random sequence of messages, snapshots and jumps in
// time. Nothing may panic, every report must be JSON, the caps must hold, and
// in the end nothing may be left.
func FuzzCorrelator(f *testing.F) {
	f.Add([]byte{0, 0, 3, 0, 40, 1, 0x50, 0, 5, 0, 0x60, 9}, []byte(nil))
	f.Add([]byte{0, 1, 3, 1, 0x41, 1, 0x61, 200, 0, 1, 0x61, 0, 5, 1}, []byte("INVITE sip:x SIP/2.0\r\nCall-ID: \x00\r\nCSeq: 1 INVITE\r\n\r\n"))
	f.Add([]byte{0x70, 0, 0, 2, 3, 2, 0x7f, 0, 0x42, 2, 0x52, 2}, capturetest.RTCPPacket(1, 2, 3, 4, 5, "x"))
	f.Fuzz(func(t *testing.T, ops, raw []byte) {
		var texts [4][]capturetest.Datagram
		for i := range texts {
			texts[i] = capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallID: fmt.Sprint("c", i),
				CallerMedia: netip.AddrPortFrom(aliceMedia.Addr(), uint16(6000+2*(i/2))), CalleeMedia: bobMedia})
		}
		cfg := correlate.Config{Calls: 3, Streams: 3, CallIdle: time.Hour, ReportInterval: time.Minute, UnknownRTP: len(ops)%2 == 0}
		cfg.Emit = func(r *record.Record) {
			if r.Type != record.SIP && !json.Valid(r.Payload) {
				t.Fatalf("not JSON: %q", r.Payload)
			}
			if _, err := r.AppendBinary(nil); err != nil && len(r.Payload) <= record.MaxPayload {
				t.Fatal(err)
			}
		}
		c := correlate.New(cfg)
		now := int64(1e9)
		send := func(p capture.Protocol, b []byte) {
			c.Message(&capture.Message{Protocol: p, Mono: now, Wall: now, Payload: b, Flow: capture.FiveTuple{Proto: 17, Src: aliceMedia, Dst: bobMedia}})
		}
		for len(ops) >= 2 {
			op, arg := ops[0], ops[1]
			ops = ops[2:]
			switch op >> 4 {
			case 4, 5: // a stream goes on, or ends
				src := netip.AddrPortFrom(aliceMedia.Addr(), 6000+2*uint16(op&3))
				s := &media.Snapshot{ID: uint64(op & 7), Flow: capture.FiveTuple{Proto: 17, Src: src, Dst: bobMedia}, Confirmed: arg&1 != 0, Ended: op>>4 == 5,
					FirstMono: now - int64(arg)*1e9, PayloadType: arg & 127,
					Mark: media.Mark{LastMono: now, Packets: uint64(now/1e9) + uint64(arg), Expected: uint64(arg) * 2, Missing: uint64(arg), LossEvents: uint64(op), MeanJitter: int64(arg)}}
				c.Stream(s, now)
			case 6:
				now += int64(arg) * 1e9
				c.Advance(now)
			case 7:
				now += int64(int8(arg)) << (op & 15) << 32 // also backwards
			case 8:
				send(capture.RTCP, raw)
			case 9:
				send(capture.SIP, raw)
			default:
				ds := texts[arg&3]
				send(capture.SIP, ds[int(op&15)%len(ds)].Payload)
			}
			if s := &c.Stats; s.Calls.Load() > 3 || s.Streams.Load() > 3 || s.Endpoints.Load() > 15 {
				t.Fatalf("calls %d, streams %d, endpoints %d", s.Calls.Load(), s.Streams.Load(), s.Endpoints.Load())
			}
		}
		s := &c.Stats
		gone := s.CallsEnded.Load() + s.CallsExpired.Load() + s.CallsRecycled.Load()
		if uint64(s.Calls.Load())+gone != s.CallsSeen.Load() {
			t.Fatalf("calls: seen %d, gone %d, left %d", s.CallsSeen.Load(), gone, s.Calls.Load())
		}
		c.Flush()
		c.Advance(now + int64(100*time.Hour))
		if s.Calls.Load() != 0 || s.Streams.Load() != 0 || s.Endpoints.Load() != 0 {
			t.Fatalf("left: calls %d, streams %d, endpoints %d", s.Calls.Load(), s.Streams.Load(), s.Endpoints.Load())
		}
	})
}

// The whole life of a call, its media and its reports allocates nothing once
// places have been made.
func TestAllocsOfWholeCalls(t *testing.T) {
	c := correlate.New(correlate.Config{Calls: 100, Streams: 100, CallIdle: time.Hour, ReportInterval: time.Minute, Emit: discard})
	ds := call("whole")
	r := &rig{t: t, now: 1e9}
	one := r.snapshot(1, aliceMedia, bobMedia, 100, 1, true)
	msg := capture.Message{Protocol: capture.SIP, Flow: capture.FiveTuple{Proto: 17, Src: aliceSIP, Dst: bobSIP}}
	n := testing.AllocsPerRun(200, func() {
		for i, d := range ds {
			r.now += 1e9
			msg.Mono, msg.Payload = r.now, d.Payload
			c.Message(&msg)
			if i == 5 {
				one.FirstMono, one.LastMono = r.now-5e9, r.now
				c.Stream(one, r.now)
			}
		}
		r.now += int64(20 * time.Second)
		c.Advance(r.now)
	})
	if n != 0 {
		t.Errorf("%v allocations per call", n)
	}
	if c.Stats.Calls.Load() != 0 || c.Stats.ReportsFinal.Load() == 0 {
		t.Errorf("%d calls left, %d reports", c.Stats.Calls.Load(), c.Stats.ReportsFinal.Load())
	}
}
