package mi

// frontJSON says whether a TCP stream carries JSON-RPC 2.0 with nothing around it, as the module
// jsonrpcs of Kamailio takes it (tcp_socket), by its first request. A reply is too little to tell by.
func frontJSON(b []byte) verdict {
	i := 0
	if len(b) > 0 && b[0] == '[' {
		i = blank(b, 1)
	}
	if i == len(b) {
		return maybe
	}
	p, ok := rpcObject(b, i)
	switch {
	case !ok:
		return no
	case p.cut: // a later member may say otherwise
		return maybe
	case p.isRequest():
		return yes
	}
	return no
}

// nesting is how deep in a JSON value a stream is.
type nesting struct {
	depth   int32
	text    bool // in a string
	escaped bool // behind a backslash of it
}

// next returns how many octets of b belong to the value, and whether it is whole then; ok is
// false when it is no object or array.
func (j *nesting) next(b []byte) (n int, whole, ok bool) {
	for i, c := range b {
		if j.text {
			switch {
			case j.escaped:
				j.escaped = false
			case c == '\\':
				j.escaped = true
			case c == '"':
				j.text = false
			}
			continue
		}
		switch c {
		case '{', '[':
			j.depth++
			continue
		case '}', ']':
			if j.depth--; j.depth == 0 {
				return i + 1, true, true
			}
		case '"':
			j.text = true
		}
		if j.depth <= 0 {
			return 0, false, false
		}
	}
	return len(b), false, true
}

// json takes the octets of a direction of JSON-RPC: one value after the other.
func (c *Conn) json(s *side, b []byte) {
	for len(b) > 0 {
		if s.nesting.depth == 0 {
			space := blank(b, 0)
			if b = b[space:]; len(b) == 0 {
				return
			}
		}
		if s.state == lost { // messages tend to begin where segments do
			if _, ok := jsonBackend(b); !ok || b[0] != '{' && b[0] != '[' {
				c.Stats.Skipped += uint64(len(b))
				return
			}
			s.state = atLines
		}
		n, whole, ok := s.nesting.next(b)
		if !ok {
			c.nonsense(s)
			c.Stats.Skipped += uint64(len(b))
			return
		}
		s.keep(b[:n])
		b = b[n:]
		if whole {
			c.jsonMessage(s.buf)
			s.reset()
		}
	}
}

// jsonMessage is called at the end of a message, of which b may be the front. The reply to a
// request without an id, as Kamailio makes one, has none either.
func (c *Conn) jsonMessage(b []byte) {
	b = b[:min(len(b), maxMasked)]
	if r, ok := jsonRequest(b, Stream); ok {
		if r.NoReply {
			c.seq++
			c.Stats.Requests++
			r.Seq = c.seq
			c.handler.Request(&r)
			return
		}
		c.request(&r, pending{})
		return
	}
	r, ok := jsonReply(Tag{AnyRPC, Stream, true}, b)
	if !ok {
		c.Stats.Malformed++
		return
	}
	p := c.byID(r.ID)
	if p.seq == 0 {
		p = c.inOrder(func(p *pending) bool { return p.id == "" })
	}
	if p.seq != 0 {
		r, _ = jsonReply(p.tag, b)
		r.Seq = p.seq
	}
	c.reply(&r)
}
