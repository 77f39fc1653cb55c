package metrics

import (
	"time"

	"heptap/buffer"
	"heptap/firmware/internal/uplink"
)

// past adds how old what waits for a collector is, and when it is tried again.
func (l *list) past(c *uplink.CollectorStats, who []string) {
	age, next := 0.0, 0.0
	if c.Backlog > 0 && !c.Oldest.IsZero() {
		age = max(time.Since(c.Oldest).Seconds(), 0)
	}
	if !c.Next.IsZero() {
		next = max(time.Until(c.Next).Seconds(), 0)
	}
	l.gauge("heptap_uplink_backlog_oldest_seconds", "How long ago the oldest record was made that waits on disk; 0 when none does, or the time is not known.", age, who...)
	l.gauge("heptap_uplink_next_attempt_seconds", "Until the next attempt to connect; 0 when none is waited for.", next, who...)
}

// backlogs adds how many octets wait for each collector, of what the spool holds.
func (l *list) backlogs(all []uplink.CollectorStats, held buffer.Count) {
	for i := range all {
		l.gauge("heptap_uplink_backlog_bytes", "Octets on disk that wait to be sent, about: the records' share of all that is there.",
			float64(all[i].BacklogBytes(held.Records, uint64(held.Bytes))), "collector", all[i].Collector)
	}
}
