package metrics

import (
	"strconv"

	"heptap/capture"
	"heptap/capture/stream"
	"heptap/firmware/internal/assembly"
	"heptap/firmware/internal/probe"
)

// mirror shows what a mirror port is said to be.
func (l *list) mirror(p *probe.PortStats) {
	for i := range p.Verdicts {
		v := &p.Verdicts[i]
		l.gauge("heptap_mirror_verdict", "What holds of a mirror port now; the value is the confidence in percent.", float64(v.Confidence),
			"port", p.Name, "verdict", v.Kind.String(), "severity", v.Severity.String())
	}
	c := &p.Neighbours
	for _, m := range []struct {
		fate string
		n    uint64
	}{{"read", c.Read}, {"bad", c.Bad}, {"too fast", c.Over}} {
		l.counter("heptap_lldp_frames_total", "Frames of LLDP and CDP on a mirror port, by what became of them.", m.n, "port", p.Name, "fate", m.fate)
	}
	l.counter("heptap_lldp_neighbours_expired_total", "Devices that were not heard again in time.", c.Expired, "port", p.Name)
	l.counter("heptap_lldp_neighbours_evicted_total", "Devices that gave way to others, for want of room.", c.Evicted, "port", p.Name)
}

// assembly shows what was put together, and what came twice.
func (l *list) assembly(s *assembly.Stats) {
	for i := range s.Ports {
		d, port := &s.Ports[i], []string{"port", strconv.Itoa(i)}
		l.counter("heptap_copies_total", "Mirrored copies of packets other than RTP, by the index of the port they came by.", d.Copies, port...)
		l.counter("heptap_copies_checked_total", "Packets compared with those before.", d.Checked, port...)
		l.counter("heptap_copies_lag_nanoseconds_total", "How much later the copies came, summed up.", uint64(d.LagSum), port...)
		l.gauge("heptap_copies_lag_most_nanoseconds", "The most a copy came later.", float64(d.LagMax), port...)
		l.counter("heptap_repeats_total", "Packets with the same content that were sent again.", d.Again, port...)
	}
	l.counter("heptap_copies_forgotten_total", "Packets that could not be remembered for the whole window.", s.Duplicate.Overrun)
	l.fragments(s)
	l.streams(&s.Stream)
	l.connections(s)
	l.sctp(s)
	l.counter("heptap_messages_moved_total", "Messages whose time was moved behind that of the one before.", s.Moved)
	l.counter("heptap_hep_unwrapped_total", "Messages found in HEP on the wire.", s.Unwrapped)
}

func (l *list) fragments(s *assembly.Stats) {
	const help = "IP datagrams in fragments, by what became of them."
	d := &s.Fragments
	for _, m := range []struct {
		fate string
		n    uint64
	}{
		{"whole", d.Whole}, {"expired", d.Expired}, {"evicted", d.Evicted}, {"reused", d.Reused}, {"mixed", d.Mixed},
		{"overlapping", d.Discarded}, {"too many", d.TooMany},
	} {
		l.counter("heptap_ip_datagrams_total", help, m.n, "fate", m.fate)
	}
	l.counter("heptap_ip_datagrams_partial_total", "Of those not whole, how many are shown as far as they came.", d.Partial)
	const odd = "IP fragments that were not simply new."
	for _, m := range []struct {
		what string
		n    uint64
	}{
		{"malformed", d.Malformed}, {"too long", d.TooLong}, {"duplicate", d.Duplicates}, {"copy", d.Copies}, {"absorbed", d.Absorbed},
		{"overlapping", d.Overlaps}, {"conflicting", d.Conflicts},
	} {
		l.counter("heptap_ip_fragments_odd_total", odd, m.n, "what", m.what)
	}
	l.gauge("heptap_ip_fragment_bytes", "Octets held in fragments.", float64(d.Bytes))
	for r, n := range d.Dropped {
		if n > 0 {
			l.counter("heptap_ip_datagrams_dropped_total", "IP datagrams that came in fragments and could not be read, by reason.", n, "reason", capture.DropReason(r).String())
		}
	}
	for k, n := range d.Datagrams {
		if n > 0 {
			l.counter("heptap_ip_datagrams_carried_total", "UDP datagrams that came in fragments, by what they carry.", n, "protocol", capture.Protocol(k).String())
		}
	}
}

// streams shows TCP as such.
func (l *list) streams(s *stream.Stats) {
	classes := [stream.NumClasses]string{stream.ClassClosed: "closed", stream.ClassReleased: "released", stream.ClassUnknown: "unknown", stream.ClassKnown: "known"}
	for i, n := range s.Tracked {
		l.gauge("heptap_tcp_connections", "TCP connections remembered now.", float64(n), "class", classes[i])
		l.counter("heptap_tcp_connections_evicted_total", "Connections that gave their place to others.", s.Evicted[i], "class", classes[i])
	}
	l.gauge("heptap_tcp_handshakes", "Handshakes without data that are remembered now.", float64(s.Openings))
	for i, n := range s.Closed {
		l.counter("heptap_tcp_connections_closed_total", "Connections that ended, by why.", n, "reason", stream.Reason(i).String())
	}
	l.counter("heptap_tcp_connections_released_total", "Connections with nothing to read in them.", s.Released)
	l.counter("heptap_tcp_connections_refused_total", "Handshakes that an RST ended.", s.Refused)
	l.counter("heptap_tcp_connections_empty_total", "Connections that ended without data.", s.Empty)
	l.counter("heptap_tcp_handshakes_recycled_total", "Handshakes that gave their place to others.", s.OpeningsRecycled)
	var p stream.PortStats
	for i := range s.Ports {
		o := &s.Ports[i]
		p.Retransmissions += o.Retransmissions
		p.OutOfOrder += o.OutOfOrder
		p.Overlaps += o.Overlaps
		p.Conflicts += o.Conflicts
		p.Gaps += o.Gaps
		p.GapOctets += o.GapOctets
		p.AckedUnseen += o.AckedUnseen
		p.Late += o.Late
		p.MidStream += o.MidStream
		p.Truncated += o.Truncated
	}
	const help = "Segments of followed connections that were not simply the next one."
	for _, m := range []struct {
		what string
		n    uint64
	}{
		{"retransmitted", p.Retransmissions}, {"out of order", p.OutOfOrder}, {"overlapping", p.Overlaps}, {"conflicting", p.Conflicts},
		{"late", p.Late}, {"truncated", p.Truncated}, {"stray", s.Strays}, {"malformed", s.Malformed}, {"after the end", s.AfterEnd}, {"bad reset", s.BadResets},
	} {
		l.counter("heptap_tcp_segments_odd_total", help, m.n, "what", m.what)
	}
	l.counter("heptap_tcp_gaps_total", "Times the wait for missing octets was given up.", p.Gaps)
	l.counter("heptap_tcp_gap_octets_total", "Octets missing in gaps of known size.", p.GapOctets)
	l.counter("heptap_tcp_acked_unseen_total", "Segments that their receiver acknowledged and that never came here.", p.AckedUnseen)
	l.counter("heptap_tcp_midstream_total", "Connections whose beginning was not seen.", p.MidStream)
	l.gauge("heptap_tcp_buffered_bytes", "Octets that wait for others before them.", float64(s.BufferedBytes))
	const hits = "Times there was no room for octets that had to wait."
	l.counter("heptap_tcp_budget_hits_total", hits, s.ConnectionBudgetHits, "budget", "connection")
	l.counter("heptap_tcp_budget_hits_total", hits, s.TotalBudgetHits, "budget", "total")
}

// connections shows what is in TCP connections.
func (l *list) connections(s *assembly.Stats) {
	c := &s.Conns
	l.gauge("heptap_tls_handshakes", "TLS handshakes that are being watched.", float64(c.Sessions))
	l.counter("heptap_tls_handshakes_refused_total", "TLS handshakes that were not watched: there were too many at once.", c.SessionsRefused)
	for k, n := range c.Conns {
		if n > 0 || capture.Protocol(k) == capture.SIP {
			l.counter("heptap_connections_total", "TCP connections by what they were found to carry; one that becomes another counts for both.", n, "protocol", capture.Protocol(k).String())
		}
	}
	l.counter("heptap_connections_not_sip_total", "Connections on a SIP port that are neither SIP nor TLS.", c.NotSIP)
	l.counter("heptap_connection_messages_total", "SIP messages found in connections.", c.Messages)
	l.counter("heptap_connection_messages_beside_total", "Lines of logs, DNS and NG messages found in connections.", c.Beside)
	l.counter("heptap_connection_messages_cut_total", "Of these, incomplete ones.", c.Cut)
	l.counter("heptap_connection_keepalives_total", "Keep-alives between messages.", c.KeepAlives)
	l.counter("heptap_connection_gaps_total", "Gaps in connections that carry messages.", c.Gaps)
	l.counter("heptap_connection_junk_octets_total", "Octets passed over in search of a message.", c.JunkOctets)
	l.counter("heptap_websocket_handshakes_total", "WebSockets opened.", c.Handshakes, "answer", "verified")
	l.counter("heptap_websocket_handshakes_total", "WebSockets opened.", c.Unverified, "answer", "unverified")
	const ws = "What WebSockets carried besides SIP."
	for _, m := range []struct {
		what string
		n    uint64
	}{
		{"control", c.Controls}, {"wrong mask", c.WrongMasks}, {"bad frame", c.BadFrames}, {"other", c.OtherMessages}, {"not inflated", c.NotInflated},
	} {
		l.counter("heptap_websocket_odd_total", ws, m.n, "what", m.what)
	}
}

func (l *list) sctp(s *assembly.Stats) {
	c := &s.SCTP
	l.gauge("heptap_sctp_associations", "SCTP associations known now.", float64(c.Associations))
	for k, n := range s.UserMessages {
		if n > 0 || capture.Protocol(k) == capture.SIP {
			l.counter("heptap_sctp_messages_total", "SCTP user messages by what they are.", n, "protocol", capture.Protocol(k).String())
		}
	}
	for _, m := range []struct {
		what string
		n    uint64
	}{
		{"opened", c.Opened}, {"begun anew", c.Restarts}, {"closed", c.Closed}, {"aborted", c.Aborted - c.Refused}, {"refused", c.Refused},
		{"unanswered", c.Unanswered}, {"expired", c.Expired}, {"evicted", c.Evicted},
	} {
		l.counter("heptap_sctp_associations_total", "What became of SCTP associations.", m.n, "what", m.what)
	}
	const help = "SCTP chunks that were not simply the next one."
	for _, m := range []struct {
		what string
		n    uint64
	}{
		{"repeated", c.Repeats}, {"lost", c.Lost}, {"acknowledged unseen", c.AckedUnseen}, {"abandoned", c.Abandoned}, {"malformed", c.Malformed},
	} {
		l.counter("heptap_sctp_chunks_odd_total", help, m.n, "what", m.what)
	}
	l.counter("heptap_sctp_incomplete_total", "SCTP user messages given up: a piece never came.", c.Incomplete)
}
