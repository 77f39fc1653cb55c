package correlate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/mirror"
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
	f.Add([]byte{0xa0, 0, 0xa3, 0, 0xc1, 0, 0x41, 0xff, 0x41, 0xfe, 0xb0, 7, 0x60, 9, 0x60, 30, 0xa5, 0, 0x60, 30}, []byte(nil))
	f.Add([]byte{0xa0, 1, 0xa3, 1, 0xa0, 2, 0xa3, 2, 0xd0, 0x11, 0xe0, 0x13, 0x60, 9, 0xa5, 1, 0x60, 9, 0xa5, 2, 0x60, 9}, rr(0, 1, 2))
	f.Fuzz(func(t *testing.T, ops, raw []byte) {
		var texts [4][]capturetest.Datagram
		for i := range texts {
			texts[i] = capturetest.SIPCall(capturetest.Call{Caller: aliceSIP, Callee: bobSIP, CallID: fmt.Sprint("c", i),
				CallerMedia: netip.AddrPortFrom(aliceMedia.Addr(), uint16(6000+2*(i/2))), CalleeMedia: bobMedia})
		}
		for i, d := range texts[3] { // it advertises all there is, from behind a NAT
			if bytes.Contains(d.Payload, []byte("m=audio")) {
				texts[3][i] = body(d, session("10.0.0.5", "m=audio 6000 RTP/SAVPF 8 101", "a=rtpmap:101 telephone-event/8000", "a=ssrc:1 cname:x", "a=rtcp:6999",
					"a=candidate:1 1 udp 1 192.0.2.1 6002 typ host", "a=candidate:2 1 udp 1 198.51.100.1 6004 typ relay", "m=image 6006 udptl t38", "m=video 0 RTP/AVP 96"))
			}
		}
		cfg := correlate.Config{Calls: 3, Streams: 3, CallIdle: time.Hour, ReportInterval: time.Minute, UnknownRTP: len(ops)%2 == 0, Events: len(ops)%4 < 2}
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
		from, tunnel, port := aliceMedia, uint32(0), uint8(0)
		send := func(p capture.Protocol, b []byte) {
			c.Message(&capture.Message{Protocol: p, Mono: now, Wall: now, Payload: b, Port: port, Flow: capture.FiveTuple{Proto: 17, Src: from, Dst: bobMedia, Tunnel: tunnel}})
		}
		var sample, before mirror.Sample
		for len(ops) >= 2 {
			op, arg := ops[0], ops[1]
			ops = ops[2:]
			switch op >> 4 {
			case 10: // a message from behind a NAT
				from = ap("203.0.113.7:40000")
				ds := texts[arg&3]
				send(capture.SIP, ds[int(op&15)%len(ds)].Payload)
				from = aliceMedia
			case 11:
				send(capture.UDPTL, raw)
			case 12: // what follows is elsewhere
				tunnel, port = uint32(arg&3), op&15
			case 13, 14: // a receiver's report
				from, to := ap("192.0.2.2:7001"), netip.AddrPortFrom(aliceMedia.Addr(), 6001+2*uint16(op&3))
				c.Message(&capture.Message{Protocol: capture.RTCP, Mono: now, Wall: now, Payload: rr(uint32(op&1), uint32(arg)<<(op&7), uint32(arg)),
					Flow: capture.FiveTuple{Proto: 17, Src: from, Dst: to, Tunnel: tunnel}})
			case 4, 5: // a stream goes on, or ends
				src := netip.AddrPortFrom(aliceMedia.Addr(), 6000+2*uint16(op&3))
				s := &media.Snapshot{ID: uint64(op & 7), SSRC: uint32(op & 1), Port: port, Flow: capture.FiveTuple{Proto: 17, Src: src, Dst: bobMedia, Tunnel: tunnel}, Confirmed: arg&1 != 0, Ended: op>>4 == 5,
					FirstMono: now - int64(arg)*1e9, PayloadType: arg & 127,
					Mark: media.Mark{LastMono: now, Packets: uint64(now/1e9) + uint64(arg), Expected: uint64(arg) * 2, Missing: uint64(arg), LossEvents: uint32(op), MeanJitter: uint32(arg)}}
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
			sample.KernelDrops += uint64(op & 1)
			if c.Evidence(0, &sample); sample.SIPRequests < before.SIPRequests || sample.StreamsStarted < before.StreamsStarted || sample.CallsSilent < before.CallsSilent ||
				sample.CallsSilent > sample.CallsWithMedia || sample.StreamsLinked > sample.StreamsStarted {
				t.Fatalf("evidence: %+v\nafter %+v", sample, before)
			}
			before = sample
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
		if s.Calls.Load() != 0 || s.Streams.Load() != 0 || s.Endpoints.Load() != 0 || c.Left() != 0 {
			t.Fatalf("left: calls %d, streams %d, endpoints %d, %d in all", s.Calls.Load(), s.Streams.Load(), s.Endpoints.Load(), c.Left())
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
