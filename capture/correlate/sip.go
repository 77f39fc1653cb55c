package correlate

import (
	"bytes"
	"hash/maphash"

	"heptap/capture"
	"heptap/capture/record"
)

// sipMessage emits m as a record and follows the call it belongs to.
func (c *Correlator) sipMessage(m *capture.Message) {
	v := &c.sip
	if v.Parse(m.Payload) != nil || v.HeadersCut && len(v.CallID) == 0 {
		c.Stats.SIPMalformed.Add(1)
		return // a start line, but nothing that can be told from garbage
	}
	c.Stats.SIP.Add(1)
	if c.relayed == nil {
		c.evidence(m.Port).sawSIP(v.IsRequest)
	}
	if v.BodyCut || v.HeadersCut {
		c.Stats.SIPCut.Add(1)
	}
	var k *call
	c.fresh, c.offered, c.parsed = false, nil, false
	if len(v.CallID) == 0 {
		c.Stats.SIPNoCallID.Add(1)
	} else {
		if k = c.followCall(m); k == nil {
			c.carriedOther(m.Conn, v.CallID, m.Wall)
			c.names.heard.note(maphash.Bytes(c.seed, v.CallID), string(v.CSeqMethod) == "INVITE", c.now)
		}
	}
	from, to := c.saw(&m.Flow)
	c.links = c.links[:0]
	if k != nil {
		c.linkLeg(k)
	}
	c.rec = record.Record{}
	c.rec.Type, c.rec.Class, c.rec.Primary, c.rec.Payload = record.SIP, sipClass(v.CSeqMethod, v.Method), v.CallID, m.Payload
	if m.Conn != 0 {
		c.id = decimal(c.id[:0], m.Conn)
		c.links = append(c.links, record.Link{Type: record.Net, How: record.Flow, ID: c.id})
	}
	c.rec.Links = c.links
	c.emit(m)
	if c.inference != nil && c.relayed == nil {
		c.inferMessage(m, k, c.fresh, from, to)
	}
	if c.stranded != nil && c.relayed == nil && k != nil {
		c.work(m, k, to)
	}
}

// emit completes c.rec with what every record takes from its message.
func (c *Correlator) emit(m *capture.Message) {
	r := &c.rec
	r.Wall, r.Mono, r.Flow, r.HasVLAN, r.VLAN, r.TOS = m.Wall, m.Mono, m.Flow, m.HasVLAN, m.VLAN, m.TOS
	r.Flags = record.FlagsOf(m.Flags)
	if c.relayed != nil {
		c.of(r, c.relayed)
	}
	c.cfg.Emit(r)
}

// sipClass tells signalling of calls from the rest by the transaction's
// method. Homer draws the same line between its call table and the others.
func sipClass(cseqMethod, method []byte) record.Class {
	if len(cseqMethod) == 0 {
		cseqMethod = method
	}
	switch string(cseqMethod) {
	case "INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "REFER", "INFO":
		return record.Call
	case "REGISTER", "OPTIONS":
		return record.KeepAlive
	}
	return record.Routine
}

// followCall moves the call of m, which c.sip views, on, and takes in its SDP. It
// returns the call, or nil when it is not followed.
func (c *Correlator) followCall(m *capture.Message) *call {
	v := &c.sip
	begins := v.IsRequest && string(v.Method) == "INVITE"
	if len(v.CallID) > maxCallID {
		if begins {
			c.Stats.CallsRefused.Add(1)
		}
		return nil
	}
	body := v.SDP()
	if !offersMedia(v.CSeqMethod) {
		body = nil
	}
	k, h := c.lookup(v.CallID)
	if k == nil {
		// A call begins with an INVITE. One whose beginning we missed is taken
		// up where it next shows its media.
		if !begins && body == nil {
			return nil
		}
		if k = c.newCall(v.CallID, h, v.FromTag()); k == nil {
			return nil
		}
		c.fresh = true
		if begins && len(v.ToTag()) == 0 {
			c.legsOf(k)
		}
		if v.IsRequest && string(v.Method) == "ACK" {
			c.establish(k) // only the ACK to a 2xx has a body (RFC 3261 13.2.2.4)
		}
	}
	k.seen, k.control = c.now, false
	c.carried(m.Conn, k, m.Wall)
	was := k.answered
	c.progress(k, begins)
	if was == 0 && k.answered != 0 && c.relayed == nil {
		c.await(k, m.Port)
	}
	if body != nil && k.state != ended {
		c.takeSDP(k, body, m)
	}
	return k
}

// progress moves the call's state on.
func (c *Correlator) progress(k *call, invite bool) {
	v := &c.sip
	switch {
	case invite:
		c.invite(k)
	case v.IsRequest:
		if string(v.Method) == "BYE" {
			c.bye(k)
		}
	case string(v.CSeqMethod) != "INVITE" || v.Status < 200:
	case v.Status < 300:
		c.answer(k)
	default:
		c.refuse(k)
	}
}

// invite takes in an INVITE. One on an ended call takes it up again: with
// credentials after a 401 or 407 (RFC 3261 22.2), or to the next destination
// after a refusal. After a BYE it must be a new one, not a late copy.
func (c *Correlator) invite(k *call) {
	v := &c.sip
	if len(v.ToTag()) > 0 { // in a dialog: the answer was missed
		if k.state == setup {
			c.establish(k)
		}
		return
	}
	if k.state == ended {
		tag := v.FromTag()
		other := !bytes.Equal(tag[:min(len(tag), maxTag)], k.callerTag)
		if k.bye && !other && v.CSeq <= k.cseq {
			return
		}
		if other {
			k.setCaller(tag)
		}
		k.branches, k.dialogs = few{}, few{}
		k.sides, k.answered, k.oneWay = [2]side{}, 0, false
		c.enter(k, setup, c.now+int64(SetupTimeout))
	}
	k.cseq = max(k.cseq, v.CSeq)
	if k.state == setup {
		k.branches.add(c.branch())
	}
}

// answer takes in a 2xx to an INVITE. A forked call may get several, each of a
// dialog of its own (RFC 3261 13.2.2.4), and one after refusals by others.
func (c *Correlator) answer(k *call) {
	if k.state == ended && k.bye {
		return // a late copy
	}
	if k.state == setup && c.party(k, c.sip.ToTag()) == 1 {
		k.decide(uint32(maphash.Bytes(c.seed, c.sip.ToTag())))
	}
	k.dialogs.add(c.dialog())
	k.branches = few{}
	c.establish(k)
}

// refuse takes in a final response that is no 2xx. The call ends when none of
// its branches is left: a proxy may ask others. A refused re-INVITE leaves the
// dialog as it was (RFC 3261 14.1).
func (c *Correlator) refuse(k *call) {
	if k.state != setup {
		return
	}
	if k.branches.remove(c.branch()); k.branches.empty() {
		c.end(k, false)
	}
}

// bye takes in a BYE. The call ends with its last dialog; the caller of a
// forked call hangs up all but one at once.
func (c *Correlator) bye(k *call) {
	answered := k.state == established
	if k.dialogs.remove(c.dialog()); k.dialogs.empty() {
		c.end(k, answered)
	}
}

// dialog names the dialog of the message in c.sip, the same in both directions.
func (c *Correlator) dialog() uint32 {
	return uint32(maphash.Bytes(c.seed, c.sip.FromTag()) ^ maphash.Bytes(c.seed, c.sip.ToTag()))
}

// branch names the transaction of the message in c.sip (RFC 3261 8.1.1.7).
func (c *Correlator) branch() uint32 {
	_, branch := c.sip.TopVia()
	return uint32(maphash.Bytes(c.seed, branch))
}

// offersMedia reports whether a body of SDP in a transaction of this method
// is an offer or answer (RFC 3264) rather than a description of something
// else, such as the capabilities in the reply to OPTIONS (RFC 3261 11.2).
func offersMedia(cseqMethod []byte) bool {
	switch string(cseqMethod) {
	case "INVITE", "ACK", "PRACK", "UPDATE":
		return true
	}
	return false
}

// takeSDP remembers where the sender of m, which c.sip views, wants its media.
func (c *Correlator) takeSDP(k *call, body []byte, m *capture.Message) {
	c.Stats.SDPBodies.Add(1)
	tag := c.sender()
	party := c.party(k, tag)
	c.from = origin{party: party, via: m.Flow.Src.Addr().Unmap(), tunnel: m.Flow.Tunnel, tag: uint32(maphash.Bytes(c.seed, tag))}
	s := &k.sides[party]
	said := c.said(body)
	// Among many addresses it matters which was confirmed last: those are read.
	if len(k.bindings) <= maxBindings/4 && s.repeats(said, c.now) {
		c.offered = body
		return
	}
	if err := c.sdp.Parse(body); err != nil {
		c.Stats.SDPMalformed.Add(1)
		return
	}
	c.offered, c.parsed = body, true
	s.take(c.sdp.Media(), c.now)
	s.said = said
	c.bindSession(k)
}

// said names an SDP that came as c.from says.
func (c *Correlator) said(body []byte) uint64 {
	return maphash.Bytes(c.seed, body) ^ maphash.Comparable(c.seed, [...]uint64{c.viaOf(c.from.via), uint64(c.from.tunnel)<<32 | uint64(c.from.tag)})
}

// sender returns the tag of who sent the message in c.sip.
func (c *Correlator) sender() []byte {
	if c.sip.IsRequest {
		return c.sip.FromTag()
	}
	return c.sip.ToTag()
}

// party says who sent the message in c.sip, with this tag: 0 the caller, 1 the
// callee. Who invites outside a dialog is the caller, whatever tag a box in
// between gave it.
func (c *Correlator) party(k *call, sender []byte) uint8 {
	v := &c.sip
	if v.IsRequest && string(v.Method) == "INVITE" && len(v.ToTag()) == 0 {
		return 0
	}
	if bytes.Equal(sender[:min(len(sender), maxTag)], k.callerTag) {
		return 0
	}
	return 1
}
