package correlate

import (
	"bytes"

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
	if v.BodyCut || v.HeadersCut {
		c.Stats.SIPCut.Add(1)
	}
	if len(v.CallID) == 0 {
		c.Stats.SIPNoCallID.Add(1)
	} else {
		c.followCall(m.Mono)
	}
	c.rec = record.Record{Type: record.SIP, Class: sipClass(v.CSeqMethod, v.Method), Primary: v.CallID, Payload: m.Payload}
	c.emit(m)
}

// emit completes c.rec with what every record takes from its message.
func (c *Correlator) emit(m *capture.Message) {
	r := &c.rec
	r.Wall, r.Mono, r.Flow, r.HasVLAN, r.VLAN, r.TOS = m.Wall, m.Mono, m.Flow, m.HasVLAN, m.VLAN, m.TOS
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
	}
	return record.Routine
}

// followCall moves the call of the message in c.sip on, and takes in its SDP.
func (c *Correlator) followCall(mono int64) {
	v := &c.sip
	body := v.SDP()
	k, h := c.lookup(v.CallID)
	invite := string(v.CSeqMethod) == "INVITE"
	if k == nil {
		// A call begins with an INVITE. One whose beginning we missed is taken
		// up where it next shows its media.
		if begins := v.IsRequest && string(v.Method) == "INVITE"; !begins && (body == nil || !offersMedia(v.CSeqMethod)) {
			return
		}
		if k = c.newCall(v.CallID, h, v.FromTag); k == nil {
			return
		}
	}
	k.seen = c.now
	switch {
	case v.IsRequest && string(v.Method) == "INVITE" && k.state == ended:
		c.revive(k)
	case v.IsRequest && string(v.Method) == "BYE":
		c.end(k)
	case v.IsRequest && invite && len(v.ToTag) > 0: // in a dialog we know
		c.establish(k)
	case !v.IsRequest && invite && v.Status >= 200 && v.Status < 300:
		if k.state == setup {
			c.establish(k)
		}
	case !v.IsRequest && invite && v.Status >= 300:
		// A refused re-INVITE leaves the dialog as it was (RFC 3261 14.1).
		if k.state == setup {
			c.end(k)
		}
	}
	if body != nil && k.state != ended {
		c.takeSDP(k, body)
	}
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

// takeSDP remembers where the sender of the message in c.sip wants its media.
func (c *Correlator) takeSDP(k *call, body []byte) {
	if !offersMedia(c.sip.CSeqMethod) {
		return
	}
	c.Stats.SDPBodies.Add(1)
	if err := c.sdp.Parse(body); err != nil {
		c.Stats.SDPMalformed.Add(1)
		return
	}
	sender := c.sip.FromTag
	if !c.sip.IsRequest {
		sender = c.sip.ToTag
	}
	party := uint8(1)
	if bytes.Equal(sender[:min(len(sender), maxTag)], k.callerTag) {
		party = 0
	}
	c.bindSession(k, party)
}
