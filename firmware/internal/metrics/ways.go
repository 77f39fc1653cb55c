package metrics

import (
	"time"

	"heptap/firmware/internal/reach"
)

// Way is how one collector is reached.
type Way struct {
	Collector string
	reach.Status
}

// way adds what is known of the way to a collector.
func (l *list) way(w *Way, now time.Time) {
	for _, e := range w.Expiries() {
		l.gauge("heptap_uplink_certificate_days", "Whole days that a certificate of TLS is valid, less than 0 when it has expired: the collector's, or the own one.",
			float64(e.Days(now)), "collector", w.Collector, "whose", e.Whose())
	}
	l.counter("heptap_uplink_fragmented_total", "Datagrams that were larger than the way to the collector takes whole.", w.Fragmented, "collector", w.Collector)
}
