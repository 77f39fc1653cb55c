package correlate

import (
	"bytes"
	"net/netip"
	"time"
	"unsafe"

	"heptap/capture"
	"heptap/capture/infer"
	"heptap/capture/record"
	"heptap/capture/sip"
)

// Ask says that a note is about a query that a host made of another one, or about
// the reply to it. A query that names no call is linked to the call that it was
// most likely made for, if Config.Infer says so.
type Ask struct {
	// ID is the query's, the same in its reply. Who notes queries counts them up.
	ID    uint64
	Reply bool
	// Of a query: when its first octet was seen (monotonic nanoseconds), its URL or
	// DNS name without escapes, and its body. The slices are borrowed.
	First        int64
	Target, Body []byte
}

// inference finds the links that no id on the wire says: see package infer. What it
// is told is about hosts that work for others, see works.
//
//	Arrived       a request outside of a dialog that may make the host ask or call somebody
//	Sent          the host's responses to these but 100, and what it passes on
//	Placed        the first INVITE of a call, unless an id in it names the first leg
//	Query, Reply  notes that have Ask and name no call
//
// A message that another agent saw is not told: its clock is another one.
type inference struct {
	m       *infer.Matcher
	request infer.Request
	query   infer.Query
	text    []byte // of the request, without escapes
	asked   [maxAsked]asked
	placed  [maxPlaced]placed
	places  uint32 // requests placed so far
	keepAt  int64  // when the counts are taken over next
}

const (
	maxAsked  = 8192 // queries that wait for their decision, or whose replies may still come
	maxPlaced = 2048 // INVITEs that wait for theirs

	settle = 150 * time.Millisecond // how late what happened may be told
	// learns is how long it takes until it is known how often the requests of a host meet
	// its queries by chance.
	learns = 24 * time.Second
)

// asked is what is remembered of a query.
type asked struct {
	id      uint64
	typ     record.Type // 0: free
	state   askState
	score   uint8
	primary []byte // of its record
	call    []byte // that it was linked to
	told    placed
}

type askState uint8

const (
	undecided askState = iota
	unlinked
	inferred // the call is known, by inference
	named    // the reply named the call
)

// placed is where and when a record was made that may be linked later.
type placed struct {
	flow       capture.FiveTuple
	wall, mono int64
}

func newInference(cfg infer.Config, decide func(infer.Decision)) *inference {
	cfg.Settle = settle
	return &inference{m: infer.New(cfg, decide), text: make([]byte, 0, 1024)}
}

// inferenceBytes is the most that an inference holds.
func inferenceBytes(cfg infer.Config) int64 {
	return int64(unsafe.Sizeof(inference{})) + maxAsked*(maxCallID+64) + cfg.MemoryBytes()
}

// advance tells the time.
func (i *inference) advance(mono int64, s *Stats) {
	i.m.Advance(mono - int64(settle))
	if mono >= i.keepAt {
		i.keepAt = mono + int64(time.Second)
		s.keepInferred(i.m.Stats())
	}
}

func (s *Stats) keepInferred(m infer.Stats) {
	s.InferHeld.Store(int64(m.Held))
	s.InferWaiting.Store(int64(m.Waiting))
	s.InferEvicted.Store(m.Evicted)
}

// works says whether somebody with these roles may work for others: requests were sent
// to it, and it does not just register, as phones do. One that registers and asks is taken
// for somebody's exchange with a line at a provider.
func works(r role) bool {
	return r&invited != 0 && (r&registers == 0 || r&(serves|asksOthers) != 0)
}

// begins says whether a request of this method may make its host ask or call somebody.
// OPTIONS does not: it is sent to keep a path open.
func begins(method []byte) bool {
	switch string(method) {
	case "INVITE", "REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH":
		return true
	}
	return false
}

// inferMessage tells of the message m, which c.sip views, of the call k (nil: none that
// is followed). first says that it is the first that was seen of k.
func (c *Correlator) inferMessage(m *capture.Message, k *call, first bool, from, to role) {
	v, i := &c.sip, c.inference
	if len(v.CallID) == 0 || len(v.CallID) > maxCallID {
		return
	}
	src := hostOf(&m.Flow, m.Flow.Src)
	if !v.IsRequest {
		if v.Status != 100 && works(from) && begins(v.CSeqMethod) {
			i.m.Sent(src, v.CallID, m.Mono)
		}
		return
	}
	if !begins(v.Method) || len(v.ToTag()) > 0 {
		return
	}
	dst := hostOf(&m.Flow, m.Flow.Dst)
	invite := string(v.Method) == "INVITE"
	places := first && invite && works(from) && len(k.leg) == 0
	arrives := works(to) && !i.m.Known(dst, v.CallID, uint32(v.CSeq), m.Mono)
	if arrives || places {
		c.readRequest(m)
	}
	switch r := &i.request; {
	case places:
		i.places++
		k.placed = i.places
		i.placed[k.placed%maxPlaced] = placedAt(m.Flow, m.Wall, m.Mono)
		r.Host = src
		i.m.Placed(r)
	case !works(from):
	case first && invite: // the leg before it went on
		i.m.Sent(src, k.leg, m.Mono)
	default:
		i.m.Sent(src, v.CallID, m.Mono)
	}
	if arrives {
		i.request.Host = dst
		i.m.Arrived(&i.request)
	}
}

func hostOf(f *capture.FiveTuple, a netip.AddrPort) infer.Host {
	return infer.Host{Addr: a.Addr().Unmap(), Tunnel: f.Tunnel}
}

func placedAt(f capture.FiveTuple, wall, mono int64) placed {
	return placed{flow: f, wall: wall, mono: mono}
}

// readRequest fills in the request with what c.sip says of it, and c.sdp if its
// body was one.
func (c *Correlator) readRequest(m *capture.Message) {
	v, i := &c.sip, c.inference
	r := &i.request
	*r = infer.Request{At: m.Mono, CallID: v.CallID, CSeq: uint32(v.CSeq), Invite: string(v.Method) == "INVITE", MaxForwards: -1}
	i.text = i.text[:0]
	var u sip.URI
	if u.Parse(v.RequestURI) {
		r.Called[0] = i.unescape(u.User)
		if isName(u.Host) {
			r.Domain = u.Host
		}
	}
	r.Called[1] = i.unescape(v.ToUser())
	r.Caller[0] = i.unescape(v.FromUser())
	r.Caller[1] = i.unescape(sip.User(v.Header("p-asserted-identity")))
	if n, ok := small(v.Header("max-forwards")); ok {
		r.MaxForwards = n
	}
	if c.offered == nil || !c.parsed && c.sdp.Parse(c.offered) != nil {
		return
	}
	if ms := c.sdp.Media(); len(ms) > 0 && ms[0].Addr.IsValid() {
		r.Media = netip.AddrPortFrom(ms[0].Addr, ms[0].Port)
	}
	r.Session = c.sdp.Origin
}

// isName says whether a URI's host is a name and no address.
func isName(host []byte) bool {
	letters := false
	for _, b := range host {
		if b == ':' {
			return false
		}
		letters = letters || b|0x20 >= 'a' && b|0x20 <= 'z'
	}
	return letters
}

// small reads a number of one to three digits.
func small(v []byte) (n int, ok bool) {
	if len(v) == 0 || len(v) > 3 {
		return 0, false
	}
	for _, b := range v {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = 10*n + int(b-'0')
	}
	return n, true
}

// unescape returns b without its escapes (RFC 3986 2.1), in i.text if it has any.
func (i *inference) unescape(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 || len(b) > maxCallID {
		return b
	}
	from := len(i.text)
	for len(b) > 0 {
		one, n := b[0], 1
		if one == '%' && len(b) > 2 {
			if hi, lo := hexDigit(b[1]), hexDigit(b[2]); hi < 16 && lo < 16 {
				one, n = hi<<4|lo, 3
			}
		}
		i.text = append(i.text, one)
		b = b[n:]
	}
	return i.text[from:]
}

func hexDigit(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return b | 0x20 - 'a' + 10
	}
	return 0xff
}

// linkAsked adds the link to the record at hand that was inferred for its query before.
func (c *Correlator) linkAsked(a *Ask) {
	if e := c.inference.of(a.ID); e != nil && e.state == inferred {
		c.addLink(record.Link{Type: record.SIP, How: record.Inferred, Score: e.score, ID: e.call})
	}
}

// of returns what is remembered of a query, nil if nothing is.
func (i *inference) of(id uint64) *asked {
	if e := &i.asked[id%maxAsked]; e.typ != 0 && e.id == id {
		return e
	}
	return nil
}

// inferNote tells of the query or the reply that n is about. linked says that it
// named its call itself.
func (c *Correlator) inferNote(n *Note, linked bool) {
	i, a := c.inference, n.Ask
	e := i.of(a.ID)
	switch {
	case e != nil && linked:
		e.state = named
	case a.Reply && e != nil:
		i.m.Reply(a.ID, n.At.Mono)
	case a.Reply:
	case !c.asks(&n.Flow):
		c.Stats.AsksElsewhere.Add(1)
	case e == nil && !linked:
		c.remember(n)
		q := &i.query
		*q = infer.Query{ID: a.ID, Host: hostOf(&n.Flow, n.Flow.Src), At: a.First, Server: unmap(n.Flow.Dst), Kind: uint8(n.Type), Target: a.Target}
		q.More[0] = a.Body
		i.m.Query(q)
	}
}

// asks takes in that a host asked something, and says whether it is told: it must
// take part in SIP, and what was sent to it must have been told for long enough.
func (c *Correlator) asks(f *capture.FiveTuple) bool {
	h := c.hosts.find(placeOf(f.Tunnel, netip.AddrPortFrom(f.Src.Addr().Unmap(), 0)), c.now)
	if h == nil {
		return false
	}
	if h.role&asksOthers == 0 {
		if h.askedFrom = c.now; !works(h.role) {
			h.askedFrom += int64(learns)
		}
		h.role |= asksOthers
	}
	return h.role&invited != 0 && c.now >= h.askedFrom
}

// remember takes the place of an older query for that of n.
func (c *Correlator) remember(n *Note) {
	e := &c.inference.asked[n.Ask.ID%maxAsked]
	if e.typ != 0 && e.state == undecided {
		c.Stats.InferForgotten.Add(1)
	}
	*e = asked{id: n.Ask.ID, typ: n.Type, primary: append(e.primary[:0], n.Primary[:min(len(n.Primary), maxCallID)]...), call: e.call[:0],
		told: placedAt(n.Flow, n.At.Wall, n.At.Mono)}
}

// decided takes in what a query or a call was found to belong to.
func (c *Correlator) decided(d infer.Decision) {
	if len(d.Leg) > 0 {
		c.Stats.InferredLegs[d.Outcome].Add(1)
		if k, _ := c.lookup(d.Leg); d.Outcome == infer.Linked && c.holds(k) {
			c.linkRecord(record.SIP, d.Leg, &c.inference.placed[k.placed%maxPlaced], d.CallID, d.Score, d.Reasons.AppendJSON)
		}
		return
	}
	c.Stats.InferredQueries[d.Outcome].Add(1)
	e := c.inference.of(d.Query)
	if e == nil || e.state != undecided {
		return
	}
	if e.state = unlinked; d.Outcome != infer.Linked {
		return
	}
	e.state, e.score, e.call = inferred, uint8(d.Score), append(e.call[:0], d.CallID...)
	c.linkRecord(e.typ, e.primary, &e.told, d.CallID, d.Score, d.Reasons.AppendJSON)
}

// holds says whether it is still known where the first INVITE of k went.
func (c *Correlator) holds(k *call) bool {
	if k != nil && k.placed != 0 && c.inference.places-k.placed < maxPlaced {
		return true
	}
	c.Stats.InferForgotten.Add(1)
	return false
}

// linkRecord makes the record of an inferred link, from what is found under id to a
// call. appendReasons appends what speaks for it as a JSON array.
func (c *Correlator) linkRecord(t record.Type, id []byte, at *placed, callID []byte, score int, appendReasons func([]byte) []byte) {
	c.links = append(c.links[:0], record.Link{Type: record.SIP, How: record.Inferred, Score: uint8(score), ID: callID})
	own := record.Link{Type: t, How: record.Seen, ID: id}
	if t == record.SIP { // the two are alike
		own.How, own.Score = record.Inferred, uint8(score)
	}
	c.links = append(c.links, own)
	o := object{append(c.payload[:0], '{')}
	o.text("event", "link")
	o.text("how", record.Inferred.String())
	o.int("score", int64(score))
	o.key("reasons")
	o.b = appendReasons(o.b)
	o.text("type", t.String())
	o.bytes("from", id)
	o.bytes("to", callID)
	c.payload = append(o.b, '}')
	c.rec = record.Record{Type: record.Control, Class: record.Final, Wall: at.wall + max(c.now-at.mono, 0), Mono: max(c.now, at.mono), Flow: at.flow,
		Primary: id, Links: c.links, Payload: c.payload}
	c.cfg.Emit(&c.rec)
}
