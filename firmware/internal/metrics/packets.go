package metrics

import (
	"fmt"
	"time"

	"heptap/firmware/internal/packets"
)

// packets shows what the packet memory holds.
func (l *list) packets(s *packets.Stats) {
	l.gauge("heptap_packets_bytes", "Octets of the packet memory in use, without pins.", float64(s.Octets))
	l.gauge("heptap_packets_limit_bytes", "Octets that they may take.", float64(s.Limit))
	const span = "How far the packet memory goes back."
	l.gauge("heptap_packets_span_seconds", span, s.Signalling.Seconds(), "of", "signalling")
	l.gauge("heptap_packets_span_seconds", span, s.Media.Seconds(), "of", "media")
	l.gauge("heptap_packets_pins", "Marks of which the frames around them are held.", float64(len(s.Pins)))
	l.counter("heptap_packets_pins_dropped_total", "Pins that gave way to newer ones.", s.PinsDropped)
	l.counter("heptap_packets_kept_total", "Frames kept in the packet memory.", s.Kept)
	l.counter("heptap_packets_missed_total", "Frames not kept, because all of the packet memory was being read.", s.Missed)
}

// packetsText says what the packet memory holds.
func packetsText(s packets.Stats) string {
	const mib = 1 << 20
	return fmt.Sprintf("packet memory: signalling of %v, media headers of %v, %.1f of %.1f MiB, %d pins\n", s.Signalling.Round(time.Second), s.Media.Round(time.Second),
		float64(s.Octets)/mib, float64(s.Limit)/mib, len(s.Pins))
}
