package correlate_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/record"
)

// The tests here let a table count packets of RTP, as a worker does, and look at
// what becomes of it.

// both is a table and a correlator in one clock, and all that either said.
type both struct {
	*rig
	table *media.Table
	bytes []byte // of all records, as they are stored
	said  []media.Snapshot
}

func newBoth(t testing.TB) *both {
	b := &both{table: media.New(media.Config{})}
	b.rig = newRig(t, func(c *correlate.Config) {
		c.Events = true
		look := c.Emit
		c.Emit = func(r *record.Record) {
			look(r)
			var err error
			if b.bytes, err = r.AppendBinary(b.bytes); err != nil {
				t.Fatal(err)
			}
		}
	})
	return b
}

// packet counts a packet from Alice, 20 ms after the one before.
func (b *both) packet(pt uint8, seq uint16, ts, ssrc uint32, payload []byte) {
	b.count(capturetest.RTPPacket(pt, seq, ts, ssrc, payload))
}

func (b *both) count(rtp []byte) {
	src, dst := aliceMedia.Addr().As4(), bobMedia.Addr().As4()
	b.table.Add(&capture.Packet{Src: src[:], Dst: dst[:], SrcPort: aliceMedia.Port(), DstPort: bobMedia.Port(),
		Wall: b.now, Mono: b.now, TTL: 64, Payload: rtp})
	b.pass(20 * time.Millisecond)
	b.table.Snapshot(b.now, b.take)
	b.c.Advance(b.now)
}

func (b *both) take(s *media.Snapshot) {
	b.said = append(b.said, *s)
	b.c.Stream(s, b.now)
}

// keys plays a call in which some keys are pressed, each in twelve packets, of
// which the last three say that it is over (RFC 4733 2.5.1).
func keys(t testing.TB, pressed []byte) *both {
	b := newBoth(t)
	ds := call("keys")
	b.sip(ds[:5]...)
	seq, ts := uint16(1), uint32(0)
	voice := bytes.Repeat([]byte{0xd5}, 160)
	speak := func(n int) {
		for range n {
			b.packet(8, seq, ts, 1, voice)
			seq, ts = seq+1, ts+160
		}
	}
	speak(100)
	for _, key := range pressed {
		for i := range 12 {
			held, over := min(i+1, 10)*160, byte(0)
			if i >= 9 {
				over = 0x80
			}
			b.packet(101, seq, ts, 1, []byte{key, over | 10, byte(held >> 8), byte(held)})
			seq++
		}
		ts += 12 * 160
		speak(25)
	}
	b.table.Flush(b.take)
	b.sip(ds[5:]...)
	b.c.Flush()
	return b
}

// Telephone-events (RFC 4733) are counted, and how long they were held. Which
// keys they were is stored nowhere: whatever is pressed, the records are the
// same octets and the snapshots the same numbers.
func TestDigitsAreNowhere(t *testing.T) {
	one := keys(t, []byte{1, 2, 3, 4, 0})
	var final got
	for _, g := range one.reports() {
		final = g
	}
	if final.report["DTMF_EVENTS"] != 5.0 || final.report["DTMF_DURATION"] != 1000.0 || final.report["TYPE"] != "FINAL" {
		t.Fatalf("%+v", final)
	}
	for _, other := range [][]byte{{9, 9, 9, 9, 9}, {11, 10, 15, 12, 7}} {
		two := keys(t, other)
		if !bytes.Equal(one.bytes, two.bytes) {
			t.Errorf("the records of %v differ from those of 1 2 3 4 0", other)
		}
		if fmt.Sprint(one.said) != fmt.Sprint(two.said) {
			t.Errorf("the snapshots of %v differ from those of 1 2 3 4 0", other)
		}
	}
	if fewer := keys(t, []byte{1, 2, 3, 4}); bytes.Equal(one.bytes, fewer.bytes) {
		t.Error("the records do not tell how many keys were pressed: the comparison is blind")
	}
}

// Of SRTP (RFC 3711), what looks like telephone-events is ciphertext, and not counted.
func TestNoEventsInCiphertext(t *testing.T) {
	for _, profile := range []string{"AVP", "SAVP"} {
		r := newRig(t, nil)
		lines := []string{"m=audio 6000 RTP/" + profile + " 8 101", "a=rtpmap:101 telephone-event/8000"}
		r.sip(natCall("events", aliceSIP, session("192.0.2.1", lines...), session("192.0.2.2", "m=audio 7000 RTP/"+profile+" 8 101", lines[1]))[:5]...)
		r.pass(3 * time.Second)
		r.seen(1, aliceMedia, bobMedia, 1, 150, func(s *media.Snapshot) { s.Events, s.EventUnits, s.EventType = 4, 3200, 101 })
		r.c.Flush()
		for _, g := range r.reports() {
			if _, counted := g.report["DTMF_EVENTS"]; counted != (profile == "AVP") {
				t.Errorf("%s: %+v", profile, g.report)
			}
		}
		r.wantOwners(aliceMedia, "events")
	}
}

// Sequence numbers (RFC 3550 5.1) and timestamps wrap, and the sender changes
// its SSRC (8.2): nothing is lost, and all of it is one call's.
func TestWrapAndNewSSRC(t *testing.T) {
	b := newBoth(t)
	b.sip(call("wraps")[:5]...)
	seq, ts := uint16(65400), ^uint32(0)-50*160
	for i := range 600 {
		ssrc := uint32(7)
		if i >= 400 {
			ssrc = 8
		}
		b.packet(8, seq, ts, ssrc, make([]byte, 160))
		seq, ts = seq+1, ts+160
	}
	b.table.Flush(b.take)
	b.c.Flush()
	got := ""
	for _, g := range b.reports() {
		got += fmt.Sprint(g.primary, " ", g.report["TYPE"], " ", g.report["SSRC"], " ", g.report["EXPECTED_PK"], " ", g.report["PACKET_LOSS"], "\n")
	}
	if want := "wraps FINAL 0x00000007 400 0\nwraps FINAL 0x00000008 200 0\n"; got != want {
		t.Errorf("%swant\n%s", got, want)
	}
}

// A sender that is silent while nobody speaks sends comfort noise now and then
// (RFC 3389), or nothing at all and a marker when it speaks again (RFC 3551 4.1).
// Neither has stopped, and neither has lost anything.
func TestSilenceSuppression(t *testing.T) {
	for _, noise := range []bool{true, false} {
		b := newBoth(t)
		b.sip(call("quiet")[:5]...)
		seq, ts, start := uint16(1), uint32(0), b.now
		quiet := func(seconds int) {
			for range seconds {
				b.pass(time.Second)
				b.table.Snapshot(b.now, b.take)
				b.stream(99, bobMedia, aliceMedia, uint64(b.now-start)/20e6, 0, false)
			}
			ts += uint32(seconds) * 8000
		}
		for spurt := range 24 {
			for i := range 50 {
				p := capturetest.RTPPacket(8, seq, ts, 1, make([]byte, 160))
				if i == 0 {
					p[1] |= 0x80
				}
				b.count(p)
				seq, ts = seq+1, ts+160
			}
			if noise {
				b.packet(13, seq, ts, 1, []byte{70})
				seq++
			}
			if quiet(1); spurt%4 == 3 {
				quiet(15)
			}
		}
		b.table.Flush(b.take)
		b.c.Flush()
		if got := b.events(); len(got) != 0 {
			t.Errorf("comfort noise %v: events %q", noise, got)
		}
		for _, g := range b.reports() {
			if g.report["PACKET_LOSS"] != 0.0 {
				t.Errorf("comfort noise %v: %v lost", noise, g.report["PACKET_LOSS"])
			}
		}
	}
}
