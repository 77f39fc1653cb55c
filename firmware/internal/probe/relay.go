package probe

import (
	"bytes"
	"strconv"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/capture/sip"
	"heptap/firmware/internal/assembly"
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

// inside says what the agent has read that sent it: SIP in a WebSocket is what the
// agent's protocol number (50, OpenSIPS) or the Via of the hop (RFC 7118 5.1) says.
func inside(it *intake.Item) assembly.Inside {
	if it.Message.Protocol != capture.SIP {
		return assembly.Nothing
	}
	const esp = 50
	var v sip.View
	if it.Record.Flow.Proto == esp {
		return assembly.WebSocket
	}
	if v.Parse(it.Message.Payload) == nil {
		if t, _ := v.TopHop(); bytes.EqualFold(t, []byte("WSS")) || bytes.EqualFold(t, []byte("WS")) {
			return assembly.WebSocket
		}
	}
	return assembly.SIP
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
		conn = p.assembly.Connection(&r.Flow, r.Wall, inside(it))
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
