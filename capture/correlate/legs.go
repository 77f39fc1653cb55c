package correlate

import (
	"bytes"
	"hash/maphash"

	"heptap/capture/record"
)

// A B2BUA makes another call, with another Call-ID, of the call that it gets. The
// two are legs of one call when an id in the INVITE says so:
//
//	Config.LegHeaders     the Call-ID of the first leg (X-CID and the like)
//	Session-ID            the session's UUID, which a B2BUA passes on (RFC 7989 6)
//	P-Charging-Vector     icid-value, the same in the whole of an IMS (RFC 7315 4.6)
//	traceparent           the trace's id (W3C Trace Context 3.2)
//
// The first of them that was seen gives its Call-ID to the links of the others.

// legsOf links k, whose first INVITE is in c.sip, to the leg before it.
func (c *Correlator) legsOf(k *call) {
	v := &c.sip
	for _, name := range c.cfg.LegHeaders {
		if id := v.Header(name); len(id) > 0 && len(id) <= maxCallID && !bytes.Equal(id, k.id) {
			c.setLeg(k, id)
			return
		}
	}
	if id := SessionUUID(v.SessionID); id != nil {
		c.share(k, sessionKind, id)
	}
	if id := icid(v.Header("p-charging-vector")); id != nil {
		c.share(k, "icid", id)
	}
	if id := TraceID(v.Header("traceparent")); id != nil {
		c.share(k, traceKind, id)
	}
}

// The kinds of ids of 32 hexadecimal digits, which show by themselves in logs and
// queries.
const (
	sessionKind = "session"
	traceKind   = "trace"
)

// identified links the record at hand to the calls that have id as the UUID of
// their session or the id of their trace, and reports whether there are any.
func (c *Correlator) identified(id []byte) (any bool) {
	if len(id) != 32 {
		return false
	}
	h := maphash.Bytes(c.seed, id)
	for _, kind := range [...]string{sessionKind, traceKind} {
		s := c.names.find(h^maphash.String(c.seed, kind), c.now)
		if s == nil || s.n == maxNamed {
			continue // of none, or of too many
		}
		for _, have := range s.calls[:s.n] {
			if k := c.calls[have]; k != nil {
				c.addLink(record.Link{Type: record.SIP, How: record.Seen, ID: k.id})
				any = true
			}
		}
	}
	return any
}

// share links k to the oldest call that is alive and has the same id of this
// kind. One that more calls have than a call has legs says nothing.
func (c *Correlator) share(k *call, kind string, id []byte) {
	h := maphash.Bytes(c.seed, id) ^ maphash.String(c.seed, kind)
	s := c.names.find(h, c.now)
	if s == nil {
		s = c.names.add(h, c.now)
	}
	s.seen = max(c.now+1, 1)
	var first *call
	alive := 0
	for _, have := range s.calls[:s.n] {
		if o := c.calls[have]; o != nil && o != k {
			if alive++; first == nil || o.order < first.order {
				first = o
			}
		}
	}
	s.join(k.hash)
	switch {
	case alive == maxNamed:
		c.Stats.LegsDoubted.Add(1)
	case first != nil && len(k.leg) == 0:
		id := first.id
		if len(first.leg) > 0 {
			id = first.leg
		}
		c.setLeg(k, id)
	}
}

func (c *Correlator) setLeg(k *call, id []byte) {
	k.leg = append(k.leg[:0], id...)
	c.Stats.LegsSeen.Add(1)
}

// linkLeg links the record at hand to the first leg of its call.
func (c *Correlator) linkLeg(k *call) {
	if len(k.leg) > 0 {
		c.links = append(c.links, record.Link{Type: record.SIP, How: record.Seen, ID: k.leg})
	}
}

// TraceID returns the id of the trace in a traceparent field (W3C Trace Context
// 3.2.2), nil without one: two digits, 32 of the id, 16, and two at the end, or behind
// them more of a later version.
func TraceID(value []byte) []byte {
	const form = "00-00000000000000000000000000000000-0000000000000000-00"
	value = bytes.TrimSpace(value)
	if len(value) < len(form) || len(value) > len(form) && value[len(form)] != '-' {
		return nil
	}
	for i := range len(form) {
		if form[i] == '-' && value[i] != '-' || form[i] == '0' && hexDigit(value[i]) > 15 {
			return nil
		}
	}
	id := value[3:35]
	if len(bytes.Trim(id, "0")) == 0 {
		return nil
	}
	return id
}

// SessionUUID returns the UUID of who began the session (RFC 7989 5), nil without
// one, or for the nil UUID.
func SessionUUID(value []byte) []byte {
	id, _, _ := bytes.Cut(value, []byte(";"))
	id = bytes.TrimSpace(id)
	if len(id) != 32 || len(bytes.Trim(id, "0")) == 0 {
		return nil
	}
	return id
}

// icid returns the IMS charging id of a P-Charging-Vector (RFC 7315 5.6), nil
// without one.
func icid(value []byte) []byte {
	for len(value) > 0 {
		param, rest, _ := bytes.Cut(value, []byte(";"))
		value = rest
		name, v, ok := bytes.Cut(param, []byte("="))
		if ok && bytes.EqualFold(bytes.TrimSpace(name), []byte("icid-value")) {
			v = bytes.Trim(bytes.TrimSpace(v), `"`)
			if len(v) >= 8 && len(v) <= maxCallID {
				return v
			}
		}
	}
	return nil
}
