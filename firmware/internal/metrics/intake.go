package metrics

import (
	"heptap/firmware/internal/intake"
	"heptap/hep"
)

// intake shows what other agents have sent.
func (l *list) intake(s *intake.Stats) {
	for t, n := range s.Packets {
		l.counter("heptap_intake_packets_total", "HEP packets of other agents, by how they came.", n, "transport", intake.Transport(t).String())
	}
	l.counter("heptap_intake_taken_total", "HEP packets of other agents that were queued.", s.Taken)
	for d, n := range s.Drops {
		if d := intake.Drop(d); d != intake.DropNone {
			l.counter("heptap_intake_dropped_total", "HEP packets of other agents that went no further, by reason; copy and repeated were queued before.", n, "reason", d.String())
		}
	}
	for f, n := range s.Faults {
		if n > 0 {
			l.counter("heptap_intake_malformed_total", "What was wrong with packets that are no HEP.", n, "fault", hep.Fault(f).Error())
		}
	}
	const done = "HEP packets of other agents, by what had to be done or said about them."
	for _, m := range []struct {
		what string
		n    uint64
	}{
		{"hep1 or hep2", s.Legacy}, {"inflated", s.Inflated}, {"repaired", s.Repaired}, {"clock off", s.Skewed}, {"id not understood", s.IDs}, {"type sip without sip", s.NotSIP},
		{"other chunk kept", s.Chunks}, {"other chunk left out", s.Lost},
	} {
		l.counter("heptap_intake_odd_total", done, m.n, "what", m.what)
	}
	l.counter("heptap_intake_mirror_copies_total", "Messages on a mirror port that an agent had shown before.", s.Copies)
	l.counter("heptap_intake_both_total", "Messages kept beside a copy that was cut short.", s.Both)
	l.gauge("heptap_intake_queued", "HEP packets of other agents that wait to be correlated.", float64(s.Queued))
	l.gauge("heptap_intake_queued_bytes", "Octets they take.", float64(s.QueuedBytes))
	l.gauge("heptap_intake_connections", "Connections of other agents now.", float64(s.OpenConns))
	const conns = "Connections of other agents, by what became of them."
	for _, m := range []struct {
		fate string
		n    uint64
	}{
		{"served", s.Conns}, {"refused", s.RefusedConns}, {"made room", s.Replaced}, {"tls handshake failed", s.Handshakes}, {"idle", s.IdleConns}, {"broken", s.BrokenConns},
	} {
		l.counter("heptap_intake_connections_total", conns, m.n, "fate", m.fate)
	}
	l.counter("heptap_intake_socket_errors_total", "Errors of the sockets that other agents send to.", s.ReceiveErrors, "call", "receive")
	l.counter("heptap_intake_socket_errors_total", "Errors of the sockets that other agents send to.", s.AcceptErrors, "call", "accept")
	for i := range s.Peers {
		p := &s.Peers[i]
		l.counter("heptap_intake_peer_packets_total", "HEP packets by the address of their sender, the last 256 of them.", p.Packets, "peer", p.Addr.String())
		l.counter("heptap_intake_peer_dropped_total", "Of these, those that went no further.", p.Dropped(), "peer", p.Addr.String())
	}
	l.counter("heptap_intake_peers_forgotten_total", "Senders that made room for others.", s.PeersGone)
}
