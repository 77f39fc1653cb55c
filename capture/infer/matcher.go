package infer

import (
	"net/netip"
	"time"
)

// Matcher finds what belongs together. It is one goroutine's.
type Matcher struct {
	config    Config
	decide    func(Decision)
	table     *table
	queue     *queue
	templates *templates
	priors    *priors
	early     [1024]sent // messages that came before their request
	tokens    tokens
	judge     judge
	now       int64
	began     int64 // time of the first input
	stats     Stats
	skew      int64
	settle    int64
	wait      int64
	horizon   int64
}

// sent is a message of a host.
type sent struct {
	id uint64
	at int64
}

// retention is how many horizons a request is remembered: one for queries
// of its call, the rest as decoys.
const retention = 3

// New returns a Matcher that gives its decisions to decide, which must not call the
// Matcher.
func New(c Config, decide func(Decision)) *Matcher {
	c = c.withDefaults()
	return &Matcher{
		config: c, decide: decide, now: never, began: never,
		table: newTable(min(c.Starts, firstStarts), c.Starts), queue: newQueue(min(c.Pending, firstPending), c.Pending), templates: newTemplates(c.Templates),
		priors: newPriors(float32(c.Horizon.Milliseconds())),
		skew:   int64(c.Skew), settle: int64(c.Settle), wait: int64(c.Wait), horizon: int64(c.Horizon),
	}
}

// MemoryBytes returns the most memory m will ever hold, for the budget.
func (m *Matcher) MemoryBytes() int64 { return m.config.MemoryBytes() }

// Stats returns what was counted.
func (m *Matcher) Stats() Stats {
	s := m.stats
	s.Held = uint64(m.table.held())
	return s
}

// Arrived says that a request arrived at r.Host.
func (m *Matcher) Arrived(r *Request) {
	if !m.good(r.Host, r.CallID, r.At) {
		return
	}
	m.Advance(r.At - m.settle)
	host := r.Host.hash()
	id := idHash(host, r.CallID)
	if m.again(id, r.CallID, r.CSeq, r.At) {
		return
	}
	m.stats.Arrived++
	s := start{host: host, id: id, at: r.At, cseq: r.CSeq, invite: r.Invite, hops: clampHops(r.MaxForwards), media: mediaHash(r.Media)}
	r.keys(r.Domain, func(k key, w role) { s.add(k, w) })
	if e := &m.early[id%uint64(len(m.early))]; e.id == id && e.at >= r.At-m.skew && e.at < r.At+m.horizon {
		s.sent = e.at
		*e = sent{}
	}
	m.stats.Evicted += uint64(m.table.push(&s, r.CallID))
}

// Known says whether a request that arrived at a host is remembered. One that is need
// not be told by Arrived, which takes it in as this does.
func (m *Matcher) Known(h Host, callID []byte, cseq uint32, at int64) bool {
	if !m.good(h, callID, at) {
		return false
	}
	m.Advance(at - m.settle)
	return m.again(idHash(h.hash(), callID), callID, cseq, at)
}

// again takes in that a request arrived, if it is remembered.
func (m *Matcher) again(id uint64, callID []byte, cseq uint32, at int64) (known bool) {
	m.table.walk(id, maxSteps, func(pos int32, slot int) bool {
		s := &m.table.ring[pos]
		if slot == idSlot && s.id == id && s.cseq == cseq && m.table.is(pos, callID) {
			s.at = min(s.at, max(at, s.at-m.settle))
			known = true
		}
		return !known
	})
	if known {
		m.stats.Repeated++
	}
	return known
}

// keys calls f for the keys of a request; a domain names no leg.
func (r *Request) keys(domain []byte, f func(k key, w role)) {
	for _, u := range r.Called {
		f(userKey(u), called)
	}
	for _, u := range r.Caller {
		f(userKey(u), caller)
	}
	f(domainKey(domain), other)
	if r.Invite && len(r.Session) > 0 {
		f(exact(r.Session), other)
	}
}

// add gives s a key, once.
func (s *start) add(k key, w role) {
	if k == 0 {
		return
	}
	for i := range s.key[:s.n] {
		if s.key[i] == k {
			s.role[i] |= w
			return
		}
	}
	if s.n < maxKeys {
		s.key[s.n], s.role[s.n] = k, w
		s.n++
	}
}

func mediaHash(a netip.AddrPort) uint64 {
	if !a.IsValid() {
		return 0
	}
	return Host{Addr: a.Addr(), Tunnel: uint32(a.Port())}.hash() | 1
}

// Sent says that a host sent a message of a call, other than 100 (Trying): the next
// step after what it was working on.
func (m *Matcher) Sent(h Host, callID []byte, at int64) {
	if !m.good(h, callID, at) {
		return
	}
	m.Advance(at - m.settle)
	m.sent(h.hash(), callID, at, true)
}

// sent notes the message with the requests that it may be the next step of.
func (m *Matcher) sent(host uint64, callID []byte, at int64, keep bool) bool {
	id := idHash(host, callID)
	known := false
	m.table.walk(id, maxSteps, func(pos int32, slot int) bool {
		s := &m.table.ring[pos]
		if slot == idSlot && s.id == id && m.table.is(pos, callID) && s.at <= at+m.skew {
			known = true
			if s.sent == 0 || at < s.sent {
				s.sent = at
			}
		}
		return true
	})
	switch {
	case known:
		m.stats.Sent++
	case keep:
		m.stats.SentEarly++
		m.early[id%uint64(len(m.early))] = sent{id, at}
	}
	return known
}

// Query says that a host asked something. The same ID again is a duplicate as long
// as the query waits: at least Config.Settle.
func (m *Matcher) Query(q *Query) {
	if !q.Host.Addr.IsValid() || q.At <= 0 {
		m.stats.Refused++
		return
	}
	m.Advance(q.At - m.settle)
	pos := m.queue.find(q.ID, nil)
	if pos >= 0 && m.queue.slab[pos].asked {
		m.stats.Duplicates++
		return
	}
	if pos < 0 {
		pos = m.room(q.ID, nil)
	}
	m.stats.Queries++
	m.stats.Waiting++
	p := &m.queue.slab[pos]
	p.asked, p.isLeg, p.host, p.at = true, false, q.Host.hash(), q.At
	t := &m.tokens
	t.reset()
	t.read(q.Target, false)
	for _, b := range q.More {
		t.read(b, true)
	}
	p.n, p.cut = uint8(t.n), t.cut
	copy(p.token[:], t.all[:t.n])
	if t.cut {
		m.stats.Cut++
	}
	a := q.Server.Addr().Unmap().As16()
	asked := hashString(p.host^uint64(q.Server.Port())<<8^uint64(q.Kind), a[:])
	p.template = mix(asked ^ t.shape)
	p.wide = mix(asked)
	m.await(pos)
}

// Reply says that a query's reply came.
func (m *Matcher) Reply(id uint64, at int64) {
	if at <= 0 {
		m.stats.Refused++
		return
	}
	m.Advance(at - m.settle)
	pos := m.queue.find(id, nil)
	if pos < 0 {
		pos = m.room(id, nil)
		m.queue.slab[pos].at = at
	}
	if p := &m.queue.slab[pos]; p.reply == 0 || at < p.reply {
		p.reply = at
	}
	m.await(pos)
}

// after is how much longer than Settle a query waits behind its reply, for
// the host's next message.
const afterReply = int64(100 * time.Millisecond)

// await sets when a query is decided: when its reply has come, and what the host
// did then, or when that takes too long.
func (m *Matcher) await(pos int32) {
	p := &m.queue.slab[pos]
	at := p.at + m.wait
	if p.reply != 0 {
		at = min(at, max(p.reply, p.at)+m.settle+afterReply)
	}
	m.queue.schedule(pos, max(at, p.at+m.settle))
}

// Placed says that a host sent an INVITE which no dialog exists for. A proxy's, whose
// Call-ID arrived at the host, is taken as Sent.
func (m *Matcher) Placed(r *Request) {
	if !m.good(r.Host, r.CallID, r.At) {
		return
	}
	m.Advance(r.At - m.settle)
	host := r.Host.hash()
	id := idHash(host, r.CallID)
	if m.queue.find(id, r.CallID) >= 0 {
		m.stats.Duplicates++
		return
	}
	pos := m.room(id, r.CallID)
	m.stats.Placed++
	m.stats.Waiting++
	p := &m.queue.slab[pos]
	p.asked, p.isLeg, p.host, p.at = true, true, host, r.At
	p.media, p.hops = mediaHash(r.Media), clampHops(r.MaxForwards)
	p.template, p.wide = mix(host^hashBasis), hashPrime
	r.keys(nil, func(k key, w role) { p.addKey(k, w) })
	m.queue.schedule(pos, r.At+m.settle)
}

func (p *pending) addKey(k key, w role) {
	if k == 0 {
		return
	}
	for i := range p.token[:p.n] {
		if p.token[i].k == k {
			p.role[i] |= w
			return
		}
	}
	if p.n < maxKeys {
		p.token[p.n], p.role[p.n] = token{k: k}, w
		p.n++
	}
}

// room returns a place for a query. If there is none, what is due next is
// decided now.
func (m *Matcher) room(id uint64, leg []byte) int32 {
	if m.queue.held == len(m.queue.slab) && !m.queue.grow() {
		if pos := m.queue.pop(1<<63 - 1); pos >= 0 {
			m.finish(pos, true)
		}
	}
	return m.queue.take(id, leg)
}

// Advance says that it is at least mono. Inputs may still be older, by
// Config.Settle.
func (m *Matcher) Advance(mono int64) {
	if mono <= m.now {
		return
	}
	if m.began == never {
		m.began = mono
	}
	m.now = mono
	for {
		pos := m.queue.pop(mono)
		if pos < 0 {
			break
		}
		m.finish(pos, false)
	}
	m.table.expire(mono - retention*m.horizon - m.settle)
}

// Flush decides everything that waits.
func (m *Matcher) Flush() {
	for pos := m.queue.pop(1<<63 - 1); pos >= 0; pos = m.queue.pop(1<<63 - 1) {
		m.finish(pos, false)
	}
}

func (m *Matcher) good(h Host, callID []byte, at int64) bool {
	if h.Addr.IsValid() && len(callID) > 0 && len(callID) <= MaxCallID && at > 0 {
		return true
	}
	m.stats.Refused++
	return false
}

// finish decides what waits at a place.
func (m *Matcher) finish(pos int32, full bool) {
	p := &m.queue.slab[pos]
	if !p.asked {
		m.stats.Orphans++
		m.queue.release(pos)
		return
	}
	m.stats.Waiting--
	d := Decision{Query: p.id}
	if p.isLeg {
		d.Query, d.Leg = 0, p.leg.bytes()
		if m.sent(p.host, d.Leg, p.at, false) {
			m.stats.Passed++
			d.Outcome = NoCandidate
			m.queue.release(pos)
			return
		}
	}
	if full {
		d.Outcome = TableFull
	} else {
		m.judge.run(m, p, &d)
	}
	if d.Outcome == Linked {
		m.stats.Linked++
		if p.isLeg {
			m.sent(p.host, d.CallID, p.at, false)
		}
	} else {
		m.stats.None[d.Outcome]++
		d.CallID, d.Reasons = nil, 0
	}
	m.decide(d)
	m.queue.release(pos)
}
