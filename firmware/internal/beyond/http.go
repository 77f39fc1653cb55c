package beyond

import (
	"bytes"
	"encoding/base64"
	"time"
	"unsafe"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/dissect"
	"heptap/capture/httpwire"
	"heptap/capture/mi"
	"heptap/capture/record"
	"heptap/capture/rest"
	"heptap/capture/syslog"
)

// Scope says of whose queries records are made.
type Scope string

// The scopes.
const (
	NoQueries     Scope = "off"
	ServerQueries Scope = "servers" // those of SIP servers
	AllQueries    Scope = "all"
)

const (
	maxFollowed  = 4096                    // connections of HTTP
	givesWay     = 10 * int64(time.Second) // how long one must have been silent to make room for another
	maxExchanges = 512                     // on all of them
	bodyBytes    = 2048                    // octets that are read of a body
	maxUser      = 64

	// webBytes is the most that a web holds: exchanges with their text, connections
	// with the places of 256 requests, decompressors and a buffer (package rest).
	webBytes = int64(unsafe.Sizeof(web{})) + maxExchanges*2*(4<<10+bodyBytes) + maxFollowed*(int64(unsafe.Sizeof(httpConn{}))+400+(32+40)*16) + 1<<20
)

// web follows connections of HTTP.
type web struct {
	parser *rest.Parser
	first  *httpConn // of those that are followed: the last to speak
	last   *httpConn // the longest silent
	n      int
	told   [maxExchanges]exchange
	free   []uint16
	tokens rest.Tokens
}

// named says which header fields name a call besides those that package rest knows.
func (cfg *Config) named() func([]byte) bool {
	if keys := syslog.NewKeys(cfg.Keys); !keys.Empty() {
		return keys.Has
	}
	return nil
}

// exchange is what is remembered of a request for its reply.
type exchange struct {
	of    pair[miRequest]
	query bool // it is no management command
}

func newWeb(cfg *Config) *web {
	w := &web{parser: rest.NewParser(rest.Config{BodyBytes: bodyBytes, Fields: cfg.Fields, Named: cfg.named(), MaxExchanges: maxExchanges})}
	for i := range w.told {
		w.free = append(w.free, uint16(i))
	}
	return w
}

// Follow implements assembly.Followers.
func (b *Beyond) Follow(flow capture.FiveTuple, tell func() uint64, proto capture.Protocol, front []byte) dissect.Follower {
	if !b.cfg.Net {
		tell = nil
	}
	switch proto {
	case capture.HTTP:
		if b.wanted(&flow) {
			return b.followHTTP(flow, tell)
		}
	case capture.MI:
		if b.cfg.MI {
			return b.followMI(flow, tell, front)
		}
	}
	return nil
}

// wanted says whether a connection of HTTP may carry what records are made of:
// queries are a server's, commands are sent to one.
func (b *Beyond) wanted(f *capture.FiveTuple) bool {
	c := b.cfg.Correlator
	switch {
	case b.cfg.Queries == AllQueries:
		return true
	case b.cfg.Queries == NoQueries && !b.cfg.MI:
		return false
	}
	return c.Server(f.Tunnel, f.Src.Addr()) || c.Server(f.Tunnel, f.Dst.Addr())
}

func (b *Beyond) followHTTP(flow capture.FiveTuple, tell func() uint64) dissect.Follower {
	if b.web == nil {
		b.web = newWeb(&b.cfg)
	}
	w := b.web
	if w.n == maxFollowed && !w.makeRoom(b.latest-givesWay) {
		b.Stats.HTTPRefused.Add(1)
		return nil
	}
	c := &httpConn{b: b, flow: flow, tell: tell, shown: &shown{}}
	c.shown.to, c.conn = c, w.parser.NewConn(c)
	w.enter(c)
	w.n++
	b.Stats.HTTPFollowed.Store(int64(w.n))
	return c.shown
}

// makeRoom gives up the longest silent of the connections on which nothing is under way and that have
// said nothing since before: a mirror that lost their ends leaves many of them. It reports whether there is one.
func (w *web) makeRoom(before int64) bool {
	for c := w.last; c != nil && c.at.Mono <= before; c = c.prev {
		if c.conn.Idle() {
			c.b.Stats.HTTPLeft.Add(1)
			c.leave(rest.NoReply)
			return true
		}
	}
	return false
}

// enter puts c in front.
func (w *web) enter(c *httpConn) {
	if c.prev, c.next = nil, w.first; c.next != nil {
		c.next.prev = c
	} else {
		w.last = c
	}
	w.first = c
}

// remove takes c out.
func (w *web) remove(c *httpConn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		w.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		w.last = c.prev
	}
}

// Advance tells the time: what was held is looked at again, and queries that have
// waited for too long are told as failed.
func (b *Beyond) Advance(mono int64) {
	b.releaseHeld(mono)
	b.releaseReplies(mono)
	b.latest = max(b.latest, mono)
	if mono < b.nextAt {
		return
	}
	const second = int64(1e9)
	b.nextAt = mono + second
	b.giveUp(mono, false)
	for _, c := range b.miConns {
		c.expire(mono)
	}
	w := b.web
	if w == nil {
		return
	}
	for c := w.first; c != nil; c = c.next {
		if c.conn.Idle() {
			continue
		}
		c.expire(mono)
	}
	b.Stats.keep(w.parser.Stats())
}

// httpConn is one connection of HTTP, and reads what goes over it.
type httpConn struct {
	b          *Beyond
	conn       *rest.Conn
	flow       capture.FiveTuple // of direction 0
	at         dissect.At        // of the last octets
	ends       ends
	tell       func() uint64 // makes the connection's records, and returns its id; nil without
	user       [maxUser]byte // who the last request said it was
	userN      uint8
	shown      *shown
	prev, next *httpConn
}

// Write implements dissect.Follower.
func (c *httpConn) Write(dir int, at *dissect.At, n dissect.Numbers, p []byte) {
	c.at = *at
	if w := c.b.web; w.first != c {
		w.remove(c)
		w.enter(c)
	}
	if n := c.conn.Write(dir, at.Mono, rest.Numbers(n), p); n < len(p) {
		c.conn.Gap(dir, -1) // it takes another view of where a message begins
	}
}

// Gap implements dissect.Follower.
func (c *httpConn) Gap(dir int, n int64) { c.conn.Gap(dir, n) }

// Cut implements dissect.Follower.
func (c *httpConn) Cut(dir int, at *dissect.At) {
	c.ends.finished(dir, at)
	c.conn.Cut(dir)
}

// expire fails what has waited for too long at mono.
func (c *httpConn) expire(mono int64) {
	before := c.ends
	c.ends.over(&dissect.Ending{By: -1, At: after(&c.at, mono)}, &c.at)
	c.conn.Expire(mono)
	c.ends = before
}

// End implements dissect.Follower.
func (c *httpConn) End(e dissect.Ending) {
	c.ends.over(&e, &c.at)
	reasons := [...]rest.Reason{dissect.EndLeft: rest.NoReply, dissect.EndClosed: rest.Closed, dissect.EndReset: rest.Reset}
	c.leave(reasons[e.Why])
}

// leave lets go of c.
func (c *httpConn) leave(why rest.Reason) {
	c.conn.End(why)
	w := c.b.web
	w.remove(c)
	c.shown.to = nil
	w.n--
	c.b.Stats.HTTPFollowed.Store(int64(w.n))
	c.b.Stats.keep(w.parser.Stats())
}

// Head implements rest.Handler: of the secrets in a head only the name of the
// user is read (RFC 7617 2).
func (c *httpConn) Head(_ int, head []byte) {
	var h httpwire.Head
	if h.Parse(head); !h.IsRequest {
		return
	}
	c.userN = 0
	value := h.Get("authorization")
	scheme, encoded, _ := bytes.Cut(value, []byte(" "))
	if !bytes.EqualFold(scheme, []byte("Basic")) {
		return
	}
	encoded = bytes.TrimSpace(encoded)
	var text [192]byte
	encoded = encoded[:min(len(encoded), base64.StdEncoding.EncodedLen(len(text)))]
	n, _ := base64.StdEncoding.Decode(text[:], encoded)
	if user, _, ok := bytes.Cut(text[:n], []byte(":")); ok {
		c.userN = uint8(copy(c.user[:], user))
	}
}

// message is what a note takes its time and addresses from: of mono, and in
// direction dir.
func (c *httpConn) message(dir int, mono int64) *capture.Message {
	at := after(&c.at, mono)
	return c.b.messageAt(&c.flow, dir, &at)
}

// messageAt is what a note takes its time and addresses from: of the frame at, in
// direction dir of a connection.
func (b *Beyond) messageAt(flow *capture.FiveTuple, dir int, at *dissect.At) *capture.Message {
	m := &b.message
	*m = capture.Message{Flow: *flow, Port: at.Port, TOS: at.TOS, HasVLAN: at.HasVLAN, VLAN: at.VLAN, Mono: at.Mono, Wall: at.Wall}
	if dir == 1 {
		m.Flow = flow.Reverse()
	}
	return m
}

// Request implements rest.Handler.
func (c *httpConn) Request(x *rest.Exchange) {
	b := c.b
	m := c.message(x.Dir, x.Request.Last)
	if r, ok := c.command(x); ok {
		if e := b.web.take(x); e != nil {
			*e = exchange{of: pair[miRequest]{mono: m.Mono + 1, wall: m.Wall, serial: b.serial, of: miRequest{tag: r.Tag(), tell: c.tell}}}
			b.serial++
			b.Stats.MI.Requests.Add(1)
			b.miCommands(m, &e.of, &r, true)
		}
		return
	}
	if b.cfg.Queries == NoQueries || b.cfg.Queries == ServerQueries && !b.cfg.Correlator.Server(m.Flow.Tunnel, m.Flow.Src.Addr()) {
		b.Stats.QueriesOther.Add(1)
		return
	}
	e := b.web.take(x)
	if e == nil {
		return
	}
	*e = exchange{query: true, of: pair[miRequest]{mono: m.Mono + 1, wall: m.Wall, serial: b.serial}}
	b.serial++
	n := c.query(m, x, e, false)
	n.Begins = true
	o := b.object()
	o.words("event", x.Method, []byte(" "), x.Target)
	o.octets("first_line", x.Request.Line, maxValue)
	o.octets("host", x.Host, maxValue)
	b.part(&o, &x.Request)
	n.Payload = b.done(&o)
	c.ask(x, e)
	b.cfg.Correlator.Note(n)
}

// ask says with the note at hand what the query x asks.
func (c *httpConn) ask(x *rest.Exchange, e *exchange) {
	b := c.b
	a := b.ask(e.of.serial, false)
	a.First = x.Request.First
	b.plain = rest.AppendPlain(b.plain[:0], x.Target)
	n := len(b.plain)
	b.plain = rest.AppendPlain(b.plain, x.Request.Body)
	a.Target, a.Body = b.plain[:n], b.plain[n:]
}

// command reads a management command out of a request, if it is one and is
// wanted. JSON-RPC and XML-RPC to no path of a SIP platform are a query when a SIP server asks
// a host that is none.
func (c *httpConn) command(x *rest.Exchange) (r mi.Request, ok bool) {
	if !c.b.cfg.MI {
		return r, false
	}
	r, ok = mi.HTTPRequest(x.Method, x.Target, x.Request.ContentType, x.Request.Body)
	if !ok {
		return r, false
	}
	if r.Backend == mi.AnyRPC {
		f, server := c.flow, c.b.cfg.Correlator.Server
		if x.Dir == 1 {
			f = f.Reverse()
		}
		if server(f.Tunnel, f.Src.Addr()) && !server(f.Tunnel, f.Dst.Addr()) {
			return r, false
		}
	}
	r.User = string(c.user[:c.userN])
	return r, true
}

// Reply implements rest.Handler.
func (c *httpConn) Reply(x *rest.Exchange) {
	b := c.b
	e := b.web.drop(x)
	if e == nil {
		return
	}
	m := c.message(1-x.Dir, x.Reply.Last)
	if !e.query {
		if r, ok := mi.HTTPReply(e.of.of.tag, x.Status, x.Reply.ContentType, x.Reply.Body); ok {
			b.Stats.MI.Replies.Add(1)
			b.miAnswers(m, &e.of, &r)
		}
		return
	}
	n := c.query(m, x, e, true)
	o := b.object()
	var status [3]byte
	for i, d := len(status)-1, x.Status; i >= 0; i, d = i-1, d/10 {
		status[i] = byte('0' + d%10)
	}
	o.words("event", x.Method, []byte(" "), x.Target, []byte(" → "), status[:])
	o.octets("first_line", x.Reply.Line, maxValue)
	o.int("status", int64(x.Status))
	o.ms("latency_ms", x.Latency())
	o.ms("took_ms", x.Reply.Last-x.Request.First)
	if x.Interim > 0 {
		o.int("interim", int64(x.Interim))
	}
	c.ends.leaver(&o, x.Dir, x.Request.Last, x.Reply.Last)
	b.part(&o, &x.Reply)
	n.Payload = b.done(&o)
	b.ask(e.of.serial, true)
	b.cfg.Correlator.Note(n)
}

// Failed implements rest.Handler.
func (c *httpConn) Failed(x *rest.Exchange, why rest.Reason) {
	b := c.b
	e := b.web.drop(x)
	if e == nil {
		return
	}
	f := c.ends.failure(why, x.Dir, &c.at)
	m := b.messageAt(&c.flow, f.dir, &f.at)
	if !e.query {
		b.miFailed(m, &e.of, &f)
		return
	}
	n := c.query(m, x, e, true)
	b.ask(e.of.serial, true)
	o := b.object()
	o.words("event", x.Method, []byte(" "), x.Target, []byte(" failed: "), []byte(why.String()))
	f.tell(&o, x.Request.Last)
	if x.Status != 0 {
		o.octets("first_line", x.Reply.Line, maxValue)
		o.int("status", int64(x.Status))
		b.part(&o, &x.Reply)
	}
	n.Payload = b.done(&o)
	b.cfg.Correlator.Note(n)
}

// query begins a note about x. What has a key such as X-Call-ID or callid and an @ is a Call-ID;
// without an @, and without a key, it may be one. What the reply has counts for the record that tells of it, and
// not for the request's, also when it came first.
func (c *httpConn) query(m *capture.Message, x *rest.Exchange, e *exchange, replied bool) *correlate.Note {
	b, w := c.b, c.b.web
	n := b.begin(m, record.REST)
	n.Conn = carrier(c.tell)
	e.of.name(b, "rest")
	b.tokens, b.keyed, b.called = b.tokens[:0], b.keyed[:0], b.called[:0]
	parts := [...]*rest.Part{&x.Request, &x.Reply}
	for _, p := range parts[:told(replied)] {
		for i := range p.Named {
			f := &p.Named[i]
			switch {
			case b.keys.Has(f.Name) && ownWord(f.Value):
				b.keyed = append(b.keyed, plainID(f.Value))
			case saysCall(f.Name) && ofHost(f.Value):
				b.called = append(b.called, f.Value)
			default:
				b.tokens = append(b.tokens, plainID(f.Value))
			}
		}
	}
	c.named(x, replied)
	rest.TokensOf(&w.tokens, x.Target, x.Request.Body)
	for i := range w.tokens.Len() {
		if t := w.tokens.At(i); len(t) >= minNamed { // 1001 may be anything
			b.tokens = append(b.tokens, plainID(t))
		}
	}
	n.Calls, n.Keyed, n.Tokens = b.called, b.keyed, b.tokens
	return n
}

// told is how many of a request and its reply are told of.
func told(replied bool) int {
	if replied {
		return 2
	}
	return 1
}

// ofHost reports whether id has the form word@word of a Call-ID (RFC 3261 25.1): others number their
// calls too, and their ids, which seldom have, must be those of calls that are alive.
func ofHost(id []byte) bool { return len(id) >= minNamed && bytes.IndexByte(id, '@') > 0 }

// named adds what the URL and the bodies of x have behind one of the keys and behind such as callid=,
// there what is too short to be looked up otherwise, too.
func (c *httpConn) named(x *rest.Exchange, replied bool) {
	b := c.b
	text := b.keyedText[:0]
	bodies := [...][]byte{x.Target, x.Request.Body, x.Reply.Body}
	for _, part := range bodies[:1+told(replied)] {
		text = append(rest.AppendPlain(text, part), '\n')
	}
	b.keyedText = text
	b.log.find(text)
	b.keyed, b.tokens = append(b.keyed, b.log.keyed...), append(b.tokens, b.log.short...)
	for _, id := range b.log.named {
		if ofHost(id) {
			b.called = append(b.called, id)
		}
	}
}

// maxValue is the most octets of a first line, or of a field.
const maxValue = 1024

// part appends what is known of one of the two messages.
func (b *Beyond) part(o *object, p *rest.Part) {
	o.octets("content_type", p.ContentType, maxWord)
	o.int("octets", p.BodyBytes)
	if len(p.Fields)+len(p.Named) > 0 {
		o.key("headers")
		o.b = append(o.b, '{')
		for _, list := range [][]rest.Field{p.Fields, p.Named} {
			for i := range list {
				o.field(&list[i])
			}
		}
		o.b = append(o.b, '}')
	}
	for _, f := range []struct {
		key string
		on  bool
	}{{"gap", p.Gap}, {"incomplete", p.Incomplete}, {"binary", p.Binary}, {"undecoded", p.Undecoded}} {
		if f.on {
			o.bool(f.key, true)
		}
	}
	if b.cfg.Bodies && len(p.Body) > 0 {
		if o.octets("payload", p.Body, bodyBytes) || p.Cut {
			o.bool("truncated", true)
		}
	}
}

// field appends a header field under its name in small letters.
func (o *object) field(f *rest.Field) {
	var name [64]byte
	n := copy(name[:], f.Name)
	for i, c := range name[:n] {
		switch {
		case c >= 'A' && c <= 'Z':
			name[i] = c | 0x20
		case c < ' ' || c >= 0x7f || c == '"' || c == '\\':
			name[i] = '_'
		}
	}
	if len(f.Value) > 0 {
		o.octets(string(name[:n]), f.Value, maxValue)
	}
}

// take remembers that the request of x was told.
func (w *web) take(x *rest.Exchange) *exchange {
	if len(w.free) == 0 {
		return nil // not before the parser has run out of exchanges
	}
	i := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	x.Tag = uint64(i) + 1
	return &w.told[i]
}

// drop forgets it. What is returned holds until the next take.
func (w *web) drop(x *rest.Exchange) *exchange {
	if x.Tag == 0 {
		return nil
	}
	i := uint16(x.Tag - 1)
	w.free = append(w.free, i)
	return &w.told[i]
}
