package metrics

import "heptap/firmware/internal/beyond"

func (l *list) isup(s *beyond.ISUPStats) {
	const layers = "Messages of SIGTRAN by layer."
	l.counter("heptap_sigtran_messages_total", layers, s.M2UA.Load(), "layer", "M2UA")
	l.counter("heptap_sigtran_messages_total", layers, s.M3UA.Load(), "layer", "M3UA")
	l.counter("heptap_sigtran_messages_total", layers, s.M2PA.Load(), "layer", "M2PA")
	const unread = "Of what may be ISUP, what is no record, or one without words."
	l.counter("heptap_isup_unread_total", unread, s.Malformed.Load(), "reason", "malformed")
	l.counter("heptap_isup_unread_total", unread, s.Other.Load(), "reason", "no isup")
	l.counter("heptap_isup_unread_total", unread, s.Foreign.Load(), "reason", "point codes not of ITU-T")
	l.counter("heptap_isup_unread_total", unread, s.Unread.Load(), "reason", "variant or encoding of a body")
	const messages = "Messages of ISUP."
	l.counter("heptap_isup_messages_total", messages, s.Messages.Load(), "in", "sigtran")
	l.counter("heptap_isup_messages_total", messages, s.Bodies.Load(), "in", "sip")
	l.counter("heptap_isup_faulty_total", "Of these, those with something wrong in them.", s.Faulty.Load())
	l.gauge("heptap_isup_circuits", "Circuits with a call on them, or lately.", float64(s.Circuits.Load()))
	const calls = "Calls on circuits."
	for _, c := range []struct {
		what string
		n    uint64
	}{
		{"began", s.Calls.Load()}, {"picked up", s.PickedUp.Load()}, {"ended", s.Ended.Load()}, {"replaced by the next", s.Replaced.Load()},
		{"dual seizure", s.DualSeizures.Load()}, {"expired", s.Expired.Load()}, {"evicted", s.Evicted.Load()},
	} {
		l.counter("heptap_isup_calls_total", calls, c.n, "what", c.what)
	}
	l.counter("heptap_isup_calls_unnamed_total", "Calls that a message about a group of circuits ended, beyond those that one record names.", s.CallsUnnamed.Load())
}
