package main

import (
	"fmt"
	"strings"
	"time"

	"heptap/firmware/internal/health"
	"heptap/firmware/internal/metrics"
)

// wayStates returns what is known of the way to each collector.
func (r *runner) wayStates() []metrics.Way {
	all := make([]metrics.Way, 0, len(r.ways))
	for i := range r.ways {
		all = append(all, metrics.Way{Collector: r.ways[i].Name, Status: r.ways[i].Status()})
	}
	return all
}

// ways judges the ways to the collectors: certificates that somebody has to renew, if the
// clock shows no time that cannot be, and datagrams that are too large, of which the log is told
// once, and again when the way takes less.
func (m *monitor) ways(all []metrics.Way, now time.Time) {
	judge := !now.Before(buildTime())
	for i := range all {
		w := &all[i]
		level, reasons := health.OK, []string(nil)
		for _, e := range w.Expiries() {
			if !judge || !e.Soon(now) {
				continue
			}
			reasons = append(reasons, e.Text(now))
			if level = max(level, health.Degraded); e.Days(now) < 0 {
				level = health.Fault
			}
		}
		m.r.health.Set(condCertificate+"/"+w.Collector, level, strings.Join(reasons, "; "))
		if told, known := m.large[w.Collector]; w.Fragmented > 0 && (!known || w.MTU < told) {
			m.large[w.Collector] = w.MTU
			m.r.log.Warn("datagrams to a collector are larger than one packet of its way, and are sent in fragments, which get lost more often", "collector", w.Collector,
				"packet", w.MTU, "cure", fmt.Sprintf("set collector %s transport tcp", w.Collector))
		}
	}
}
