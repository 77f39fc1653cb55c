package metrics

import (
	"heptap/capture/correlate"
	"heptap/capture/infer"
)

// inferred shows what became of what named no call.
func (l *list) inferred(c *correlate.Stats) {
	const help = "Queries, questions of DNS and calls whose ids name no other call, by what they were found to belong to."
	for i := range infer.NumOutcomes {
		l.counter("heptap_inferred_links_total", help, c.InferredQueries[i].Load(), "of", "query", "outcome", i.String())
		l.counter("heptap_inferred_links_total", help, c.InferredLegs[i].Load(), "of", "leg", "outcome", i.String())
	}
	l.counter("heptap_inference_not_asked_total", "Queries of hosts to which no calls are seen to go.", c.AsksElsewhere.Load())
	l.counter("heptap_inference_forgotten_total", "Links found for what was no longer remembered.", c.InferForgotten.Load())
	l.counter("heptap_inference_evicted_total", "Requests forgotten before their time, for want of room.", c.InferEvicted.Load())
	l.gauge("heptap_inference_requests", "Requests remembered now.", float64(c.InferHeld.Load()))
	l.gauge("heptap_inference_waiting", "Links to be decided now.", float64(c.InferWaiting.Load()))
}
