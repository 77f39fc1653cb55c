package metrics

import (
	"heptap/capture/rest"
	"heptap/firmware/internal/beyond"
)

// beyond shows what was read of what is beside signalling.
func (l *list) beyond(s *beyond.Stats) {
	l.counter("heptap_log_lines_total", "Lines of logs seen.", s.LogLines.Load())
	l.counter("heptap_log_malformed_total", "Of those, the ones that are no text.", s.LogNoText.Load())
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
