package correlate

import (
	"strings"
	"sync/atomic"

	"heptap/capture/record"
	"heptap/capture/sdp"
)

// Events are found where streams tell of themselves, so that nobody has to go
// through the calls: a stream that goes on says that it is the only one, one
// that is silent that it has stopped. Each is told once per call and party.

// audio says whether the stream carries audio, comfort noise included.
func (t *stream) audio() bool {
	k := t.codecNow()
	return k.kind == sdp.Audio || k.kind == sdp.Other && k.clock != 90000
}

// heard notes that audio of t was seen in k, and looks whether it is alone.
func (c *Correlator) heard(k *call, t *stream) {
	s := &k.sides[t.sender]
	if k.oneWay && s.heard && !s.stopped || !t.audio() {
		return
	}
	s.heard = true
	if s.stopped && !s.resumed {
		s.resumed = true
		c.event(k, t, "RTP resumed", &c.Stats.Resumed)
	}
	if !k.oneWay && k.state == established && k.isOneWay(t) && c.now-k.answered > int64(askAgain) &&
		c.now-max(k.sides[0].at, k.sides[1].at) > int64(askAgain) {
		k.oneWay = true
		c.event(k, t, "one-way audio", &c.Stats.OneWay)
	}
}

// isOneWay says whether t is audio that nobody answered in a call where both
// parties said that they would send, for long enough to be no accident.
func (k *call) isOneWay(t *stream) bool {
	if k.answered == 0 || k.sides[1-t.sender].heard || !k.bothKnown() || !k.flows(0) || !k.flows(1) || !t.audio() {
		return false
	}
	return t.last.LastMono-max(t.last.FirstMono, k.answered) > int64(oneWayAfter)
}

// stopped looks whether a stream of which nothing was heard for stopAfter should
// have gone on.
func (c *Correlator) stopped(t *stream) {
	if len(t.calls) == 0 || t.last.Ended || t.pauses() || c.isCopy(t) {
		return
	}
	for _, k := range t.calls {
		s := &k.sides[t.sender]
		if s.stopped || k.state != established || !k.flows(t.sender) || t.replaced(k) {
			continue
		}
		s.stopped = true
		c.event(k, t, "RTP stopped", &c.Stats.Stopped)
	}
}

// pauses says whether the sender may fall silent when nobody speaks: its last
// packet was comfort noise, or it has marked the beginning of talkspurts (RFC
// 3551 4.1), of which it needs more than for telephone-events.
func (t *stream) pauses() bool {
	s := &t.last
	k := t.codecNow()
	return s.LastPayloadType == 13 || s.LastPayloadType == 19 || !t.audio() ||
		strings.EqualFold(string(k.name[:k.n]), "CN") || s.Markers > 2+3*s.Events
}

// replaced says whether the party sends another stream by now, or the media
// was negotiated anew after the last packet of t.
func (t *stream) replaced(k *call) bool {
	if max(k.sides[0].at, k.sides[1].at) > t.last.LastMono {
		return true
	}
	for _, o := range k.streams {
		if o != t && o.sender == t.sender && o.last.LastMono > t.last.LastMono {
			return true
		}
	}
	return false
}

// event emits a log record about a stream of a call.
func (c *Correlator) event(k *call, t *stream, name string, count *atomic.Uint64) {
	count.Add(1)
	if !c.cfg.Events {
		return
	}
	s, flow := &t.last, t.last.flow()
	parties := [...]string{"caller", "callee"}
	o := object{append(c.payload[:0], '{')}
	o.text("event", name)
	o.bytes("callid", k.id)
	o.text("from", parties[t.sender])
	o.text("to", parties[1-t.sender])
	o.text("ssrc", "0x"+string(ssrcHex(s.SSRC)))
	o.addr("src_ip", "src_port", flow.Src)
	o.addr("dst_ip", "dst_port", flow.Dst)
	o.float("answered_for", ms(c.now-k.answered)/1000)
	o.float("last_packet", float64(s.LastWall)/1e9)
	c.payload = append(o.b, '}')
	c.rec = record.Record{
		Type: record.Log, Class: record.Final, Wall: s.LastWall + c.now - s.LastMono, Mono: c.now,
		Flow: flow, HasVLAN: s.HasVLAN, VLAN: s.VLAN, TOS: s.TOS, Primary: k.id, Payload: c.payload,
	}
	c.cfg.Emit(&c.rec)
}
