package probe

import (
	"strconv"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/intake"
)

// Relay is what other agents have seen, and who tells it from what the mirror
// ports show (*intake.Intake).
type Relay interface {
	// Peek returns the first item, nil when there is none; Done ends it.
	Peek() *intake.Item
	Done()
	// Tap looks at a message of a mirror port, Relay at an item, before its record is made.
	Tap(m *capture.Message) intake.Verdict
	Relay(it *intake.Item) bool
}

// relayed takes in what another agent has seen.
func (p *Probe) relayed(it *intake.Item) {
	if !p.cfg.Relay.Relay(it) {
		p.correlator.Told(&it.Message, &it.Record)
		return
	}
	r := &it.Record
	var conn uint64
	if proto := r.Flow.Proto; proto != capture.ProtoUDP && proto != capture.ProtoSCTP {
		conn = p.assembly.Connection(&r.Flow, r.Wall, it.Message.Protocol == capture.SIP)
	}
	if m := &it.Message; m.Protocol != capture.Unknown {
		m.Conn = conn
		p.correlator.Relayed(m, r)
		p.beside(m)
		return
	}
	if (r.Type == record.Net || r.Type == record.REST || r.Type == record.MI) && conn != 0 && len(r.Links) < record.MaxLinks { // it is, or went over, one that a port shows
		p.id = strconv.AppendUint(p.id[:0], conn, 10)
		r.Links = append(r.Links, record.Link{Type: record.Net, How: record.Flow, ID: p.id})
	}
	p.correlator.Foreign(r)
}
