package metrics

import (
	"heptap/capture/rest"
	"heptap/firmware/internal/beyond"
	"heptap/firmware/internal/syslogd"
)

// beyond shows what was read of what is beside signalling.
func (l *list) beyond(s *beyond.Stats) {
	l.counter("heptap_log_lines_total", "Lines of logs seen.", s.LogLines.Load())
	l.counter("heptap_log_malformed_total", "Of those, the ones that are no text.", s.LogNoText.Load())
	l.counter("heptap_log_held_total", "Lines that named no call, and were looked at again half a second later.", s.LogHeld.Load())
	l.counter("heptap_log_late_total", "Of those, the ones that named a call by then.", s.LogLate.Load())
	for _, p := range [...]struct {
		name string
		e    *beyond.Exchanges
	}{{"ng", &s.NG}, {"dns", &s.DNS}, {"mi", &s.MI}} {
		const help = "Requests and replies beside signalling, by what became of them."
		for _, f := range [...]struct {
			fate string
			n    uint64
		}{
			{"request", p.e.Requests.Load()}, {"sent again", p.e.Again.Load()}, {"reply", p.e.Replies.Load()},
			{"reply without request", p.e.Strays.Load()}, {"malformed", p.e.Malformed.Load()}, {"request forgotten", p.e.Crowded.Load()},
			{"no reply", p.e.Unanswered.Load()}, {"reply unpaired", p.e.Ambiguous.Load()},
		} {
			l.counter("heptap_exchanges_total", help, f.n, "protocol", p.name, "fate", f.fate)
		}
	}
	const queries = "Requests over HTTP on connections that are followed, management commands among them, by what became of them."
	l.counter("heptap_queries_total", queries, s.QueriesAnswered.Load(), "fate", "answered")
	for i := range s.QueriesFailed {
		l.counter("heptap_queries_total", queries, s.QueriesFailed[i].Load(), "fate", rest.Reason(i).String())
	}
	l.counter("heptap_queries_late_total", "Replies to requests that were given up.", s.QueriesLate.Load())
	l.gauge("heptap_http_connections", "Connections of HTTP that are followed now.", float64(s.HTTPFollowed.Load()))
	const left = "Silent connections that were followed and made room for others."
	l.counter("heptap_followed_left_total", left, s.HTTPLeft.Load(), "protocol", "http")
	l.counter("heptap_followed_left_total", left, s.MILeft.Load(), "protocol", "mi")
	const refused = "Connections that were not followed: there were too many."
	l.counter("heptap_followed_refused_total", refused, s.HTTPRefused.Load(), "protocol", "http")
	l.counter("heptap_followed_refused_total", refused, s.MIRefused.Load(), "protocol", "mi")
	const help = "Requests and replies beside signalling of which no record is made."
	l.counter("heptap_exchanges_passed_over_total", help, s.QueriesOther.Load(), "protocol", "http", "why", "not of a SIP server")
	l.counter("heptap_exchanges_passed_over_total", help, s.QueriesUntold.Load(), "protocol", "http", "why", "too many at once")
	l.counter("heptap_exchanges_passed_over_total", help, s.NGNoCall.Load(), "protocol", "ng", "why", "names no call")
	l.counter("heptap_exchanges_passed_over_total", help, s.DNSOther.Load(), "protocol", "dns", "why", "not for SIP")
	l.counter("heptap_exchanges_passed_over_total", help, s.MIFiltered.Load(), "protocol", "mi", "why", "filtered")
}

// received shows what came to the listener for lines of logs.
func (l *list) received(s *syslogd.Stats) {
	l.counter("heptap_syslog_lines_total", "Lines of logs received on the management side.", s.UDP, "transport", "udp")
	l.counter("heptap_syslog_lines_total", "Lines of logs received on the management side.", s.TCP, "transport", "tcp")
	l.counter("heptap_syslog_lines_taken_total", "Of these, those that were queued.", s.Taken)
	l.counter("heptap_syslog_lines_dropped_total", "Of these, those dropped for want of room.", s.Full)
	l.counter("heptap_syslog_lines_cut_total", "Of these, those longer than what is read of one.", s.Cut)
	l.gauge("heptap_syslog_connections", "Connections that lines of logs come by.", float64(s.Open))
	const help = "Connections, and datagrams, for lines of logs, by what became of them."
	l.counter("heptap_syslog_senders_total", help, s.Conns, "fate", "served")
	l.counter("heptap_syslog_senders_total", help, s.Idle, "fate", "idle")
	l.counter("heptap_syslog_senders_total", help, s.Replaced, "fate", "made room")
	l.counter("heptap_syslog_senders_total", help, s.Refused, "fate", "too many")
	l.counter("heptap_syslog_senders_total", help, s.Forbidden, "fate", "not allowed")
	l.counter("heptap_syslog_senders_total", help, s.NotSyslog, "fate", "not syslog")
	l.counter("heptap_syslog_socket_errors_total", "Errors of the sockets for lines of logs.", s.Errors)
}
