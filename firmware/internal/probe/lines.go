package probe

import (
	"math"

	"heptap/capture"
	"heptap/capture/record"
)

// Lines are messages that were received rather than seen (*syslogd.Listener).
type Lines interface {
	// Peek returns the first one, nil when there is none; Done ends it.
	Peek() *capture.Message
	Done()
}

// lineTime is when the first line that was received counts as seen.
func (m *merge) lineTime() int64 {
	if m.lines != nil {
		if l := m.lines.Peek(); l != nil {
			return l.Mono
		}
	}
	return math.MaxInt64
}

// takeLine hands over the first line, or leaves it out when the ports have more than can be done.
func (m *merge) takeLine() {
	l := m.lines.Peek()
	m.latest = max(m.latest, l.Mono)
	if m.pressed(record.Line) {
		m.linesShed.Add(1)
	} else {
		m.line(l)
	}
	m.judge(m.latest)
	m.lines.Done()
}
