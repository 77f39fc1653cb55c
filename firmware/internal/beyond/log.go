package beyond

import (
	"bytes"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/mask"
	"heptap/capture/record"
	"heptap/capture/syslog"
)

// What is given of a line, in octets.
const (
	maxText       = 8 << 10
	maxStructured = 1 << 10
	maxField      = 256
	likelyID      = 16
	minNamed      = 8 // of what a line calls a Call-ID without one being known, and of what may be one in a query
)

// logLine is the line at hand.
type logLine struct {
	view   syslog.View
	cut    bool
	source [64]byte // the sender's address as text

	named  [][]byte // what the line itself calls a Call-ID
	short  [][]byte // likewise, but short: one only if a call that is alive has it. Among the tokens
	keyed  [][]byte // values of Config.Keys
	tokens [][]byte
	names  [][]byte
	likely bool // there is a token that looks like a Call-ID
	keys   *syslog.Keys
	take   func(syslog.Token) bool
	render func() []byte
}

// init makes what would be made anew for each line.
func (l *logLine) init(b *Beyond) {
	for _, list := range []*[][]byte{&l.named, &l.short, &l.keyed, &l.tokens, &l.names} {
		*list = make([][]byte, 0, 2*syslog.MaxTokens)
	}
	l.keys, l.take, l.render = b.keys, l.token, b.renderLog
}

// logMessage makes a note of one line of a log, or holds it.
func (b *Beyond) logMessage(m *capture.Message) {
	b.Stats.LogLines.Add(1)
	if b.log.view.Parse(m.Payload) != nil {
		b.Stats.LogNoText.Add(1)
		return
	}
	if hold := !b.cfg.AllLogs && len(m.Payload) <= maxHeldLine; !b.logNote(m, hold) && hold && b.log.likely {
		b.hold(m)
	}
}

// logNote makes a note of the line that was parsed, and reports whether it names a
// call. again says that it may be held if it names none.
func (b *Beyond) logNote(m *capture.Message, again bool) (linked bool) {
	l := &b.log
	l.cut = m.Flags&capture.CutShort != 0
	l.find(l.view.Message, l.view.Structured)
	n := b.begin(m, record.Log)
	l.ids(n)
	n.OnlyLinked, n.Render = !b.cfg.AllLogs, l.render
	n.Again = again && l.likely
	host := l.view.Host
	if len(host) == 0 {
		host = m.Flow.Src.Addr().Unmap().AppendTo(l.source[:0])
	}
	b.id = append(append(b.id[:0], "log@"...), host[:min(len(host), maxField)]...)
	n.Else, n.Where = b.id, b.id[len("log@"):]
	return b.cfg.Correlator.Note(n)
}

// find fills named, keyed, tokens and names with what texts have of them, and borrows
// it.
func (l *logLine) find(texts ...[]byte) {
	l.named, l.short, l.keyed, l.tokens, l.names, l.likely = l.named[:0], l.short[:0], l.keyed[:0], l.tokens[:0], l.names[:0], false
	for _, text := range texts {
		syslog.Tokens(text, l.keys, l.take)
	}
}

// call adds a Call-ID that is known to be one.
func (l *logLine) call(id string) {
	if id != "" {
		l.named = append(l.named, []byte(id))
	}
}

// ids gives a note what was found.
func (l *logLine) ids(n *correlate.Note) {
	n.Calls, n.Keyed, n.Tokens, n.Names = l.named, l.keyed, l.tokens, l.names
}

// token sorts a candidate id: a line that has a key like callid= is taken at its
// word, everything else has to be the Call-ID of a call that is alive.
func (l *logLine) token(t syslog.Token) bool {
	switch {
	case t.Keyed && ownWord(t.Value):
		l.keyed = append(l.keyed, plainID(t.Value))
	case t.Named && saysCall(t.Key) && len(t.Value) >= minNamed:
		l.named = append(l.named, t.Value)
	case t.Named && saysCall(t.Key):
		l.short = append(l.short, t.Value)
		l.tokens = append(l.tokens, t.Value)
	default:
		l.tokens = append(l.tokens, plainID(t.Value))
	}
	if t.Kind == syslog.UUID || t.Kind == syslog.Asterisk {
		l.names = append(l.names, t.Value)
	}
	l.likely = l.likely || t.Kind != syslog.Word || len(t.Value) >= likelyID
	return true
}

// ownWord reports whether the value of a key is a Call-ID though none is known that is
// like it: "unknown", "(null)" and 1001 are not.
func ownWord(v []byte) bool {
	return len(v) >= minNamed && (len(v) >= likelyID || bytes.ContainsAny(v, "0123456789@"))
}

// plainID returns the id in the value of a Session-ID or a traceparent field, or else
// the value.
func plainID(v []byte) []byte {
	if id := correlate.SessionUUID(v); id != nil {
		return id
	}
	if id := correlate.TraceID(v); id != nil {
		return id
	}
	return v
}

// saysCall reports whether "call" is in a key, or it is Kamailio's and
// OpenSIPS's ci. Of the keys of Named tokens the others are too common a word.
func saysCall(key []byte) bool {
	if len(key) == 2 {
		return key[0]|0x20 == 'c' && key[1]|0x20 == 'i'
	}
	for ; len(key) >= 4; key = key[1:] {
		if key[0]|0x20 == 'c' && key[1]|0x20 == 'a' && key[2]|0x20 == 'l' && key[3]|0x20 == 'l' {
			return true
		}
	}
	return false
}

// renderLog makes the payload of the record of the line.
func (b *Beyond) renderLog() []byte {
	l := &b.log
	v := &l.view
	o := b.object()
	var room [2][16]byte
	program, severity := v.Program, room[0][:0]
	if len(program) == 0 {
		program = v.MsgID
	}
	if len(program) == 0 {
		program = append(room[1][:0], "log"...)
	}
	if v.HasPriority {
		severity = append(append(severity, ": "...), v.Severity.String()...)
	}
	o.words("event", program, severity)
	o.octets("host", v.Host, maxField)
	o.octets("program", v.Program, maxField)
	o.octets("pid", v.PID, maxField)
	o.octets("msgid", v.MsgID, maxField)
	if v.HasPriority {
		o.text("severity", v.Severity.String())
		o.text("facility", v.Facility.String())
	}
	o.octets("time", v.Time, maxField)
	b.masked = mask.AppendBody(b.masked[:0], nil, v.Message)
	cut := o.octets("text", b.masked, maxText) || l.cut
	b.masked = mask.AppendBody(b.masked[:0], nil, v.Structured)
	cut = o.octets("structured", b.masked, maxStructured) || cut
	if cut {
		o.bool("truncated", true)
	}
	return b.done(&o)
}
