package metrics

import (
	"maps"
	"slices"

	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/trace"
)

// filters shows what the collectors' own rules decided.
func (l *list) filters(readers []probe.ReaderStats) {
	for i := range readers {
		for _, r := range readers[i].Filter.Rules {
			l.counter("heptap_uplink_filter_records_total", "Records by the rule of a collector's filter that decided them, or would have if it only counts.", r.Records,
				"collector", readers[i].Name, "rule", r.Name, "action", string(r.Action))
		}
	}
}

// trace shows what the rules decided; nothing when there are none.
func (l *list) trace(st *trace.Stats) {
	for _, r := range st.Rules {
		who := []string{"rule", r.Name, "action", string(r.Action)}
		l.counter("heptap_trace_records_total", "Records by the rule that decided them, or would have if it only counts.", r.Records, who...)
		l.counter("heptap_trace_octets_total", "Octets of these records.", r.Octets, who...)
	}
	if len(st.Rules) == 0 {
		return
	}
	for _, t := range slices.Sorted(maps.Keys(st.Denied)) {
		l.counter("heptap_records_denied_total", "Records that were denied by the rules, and not made, by type.", st.Denied[t], "type", t.String())
	}
	const help = "Call-IDs of which the decision is remembered."
	l.gauge("heptap_trace_remembered", help, float64(st.Calls), "of", "calls")
	l.gauge("heptap_trace_remembered", help, float64(st.Others), "of", "others")
	const forgotten = "Decisions on Call-IDs that were forgotten."
	l.counter("heptap_trace_forgotten_total", forgotten, st.Evicted, "why", "no room")
	l.counter("heptap_trace_forgotten_total", forgotten, st.Expired, "why", "unused")
}
