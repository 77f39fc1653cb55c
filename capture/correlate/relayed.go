package correlate

import (
	"heptap/capture"
	"heptap/capture/record"
)

// Relayed correlates a message that another agent has seen, and emits its record
// under that agent's name. r is what the agent says besides: its id and name,
// links, and a primary id, which counts for RTCP of no known call. A mirror port is
// not judged by it: it need not have shown the call. It borrows both.
func (c *Correlator) Relayed(m *capture.Message, r *record.Record) {
	c.Advance(m.Mono)
	c.relayed = r
	if m.Protocol == capture.SIP {
		c.Stats.SIPRelayed.Add(1)
	}
	c.Message(m)
	c.relayed = nil
}

// Foreign emits a record that another agent made, as it is. It borrows r.
func (c *Correlator) Foreign(r *record.Record) {
	c.Advance(r.Mono)
	c.Stats.Foreign.Add(1)
	c.cfg.Emit(r)
}

// Told takes in what another agent says of a message of which there is a record already: the
// id of another leg, which the rest of the call is linked to. It borrows both.
func (c *Correlator) Told(m *capture.Message, r *record.Record) {
	v := &c.sip
	if len(r.Links) == 0 || m.Protocol != capture.SIP || v.Parse(m.Payload) != nil || len(v.CallID) == 0 || len(v.CallID) > maxCallID {
		return
	}
	k, _ := c.lookup(v.CallID)
	for i := 0; i < len(r.Links) && k != nil && len(k.leg) == 0; i++ {
		if l := &r.Links[i]; l.Type == record.SIP && len(l.ID) <= maxCallID {
			c.setLeg(k, l.ID)
		}
	}
}

// Repeated takes in a message of a mirror port of which there is a record
// already, because another agent has shown it before. It counts for the port.
func (c *Correlator) Repeated(m *capture.Message) {
	c.Advance(m.Mono)
	v := &c.sip
	if m.Protocol != capture.SIP || v.Parse(m.Payload) != nil {
		return
	}
	c.evidence(m.Port).sawSIP(v.IsRequest)
	c.saw(&m.Flow)
	if len(v.CallID) == 0 || len(v.CallID) > maxCallID {
		return
	}
	if k, _ := c.lookup(v.CallID); k != nil {
		k.seen = c.now
		c.carried(m.Conn, k, m.Wall)
	} else {
		c.carriedOther(m.Conn, v.CallID, m.Wall)
	}
}

// of completes r with the agent that saw it.
func (c *Correlator) of(r, agent *record.Record) {
	r.Flags |= record.FlagRelayed
	r.AgentID, r.Node, r.Chunks, r.MOS, r.R = agent.AgentID, agent.Node, agent.Chunks, agent.MOS, agent.R
	if r.Links == nil {
		c.links = c.links[:0]
	}
	for _, l := range agent.Links {
		c.addLink(l)
	}
	r.Links = c.links
}
