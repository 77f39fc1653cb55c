package metrics

import (
	"fmt"
	"time"

	"heptap/firmware/internal/recent"
)

// recent shows what the store of recent records holds.
func (l *list) recent(s *recent.Stats) {
	l.gauge("heptap_recent_records", "Recent records held to be looked at.", float64(s.Records))
	l.gauge("heptap_recent_bytes", "Octets that these take.", float64(s.Octets))
	l.gauge("heptap_recent_limit_bytes", "Octets that they may take.", float64(s.Limit))
	l.gauge("heptap_recent_span_seconds", "How much older than the newest of them the oldest is.", s.Span.Seconds())
	const gone = "Recent records let go, by reason, or too large to be taken."
	l.counter("heptap_recent_gone_total", gone, s.Evicted, "reason", "room")
	l.counter("heptap_recent_gone_total", gone, s.Aged, "reason", "age")
	l.counter("heptap_recent_gone_total", gone, s.Refused, "reason", "too large")
}

// recentText says what the store holds, and why it holds no more.
func recentText(s recent.Stats) string {
	const mib = 1 << 20
	text := fmt.Sprintf("recent records: %d over %v, %.1f of %.1f MiB", s.Records, s.Span.Round(time.Second), float64(s.Octets)/mib, float64(s.Limit)/mib)
	switch {
	case s.Evicted > 0:
		text += fmt.Sprintf("; %d older ones were let go for want of room, %d for their age", s.Evicted, s.Aged)
	case s.Aged > 0:
		text += fmt.Sprintf("; %d older ones were let go for their age", s.Aged)
	}
	if s.Refused > 0 {
		text += fmt.Sprintf("; too large: %d", s.Refused)
	}
	return text + "\n"
}
