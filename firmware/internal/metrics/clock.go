package metrics

import "heptap/firmware/internal/clock"

// clock adds how right the time is.
func (l *list) clock(st *clock.State) {
	right := 0.0
	if st.Right {
		right = 1
	}
	l.gauge("heptap_clock_right", "1 when the time is known to be right, 0 when not.", right)
	l.counter("heptap_clock_steps_total", "Steps of the wall clock, by whoever made them.", st.Steps)
	l.counter("heptap_clock_rounds_total", "Times that the time servers were asked.", st.Rounds)
	l.counter("heptap_clock_failed_total", "Of these, those without an answer to believe.", st.Failed)
	if !st.At.IsZero() {
		l.gauge("heptap_clock_offset_seconds", "How far off the clock was when a time server was last believed.", st.Offset.Seconds())
	}
}
