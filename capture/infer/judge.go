package infer

const (
	maxSteps   = 64 // requests of a chain that are looked at; more share their key with too many
	maxFound   = 64 // candidates of one query, those by chance included
	decoysEach = 4  // times at which a query is held against chance
	soon       = 16 * 1e6
)

// candidate is a request that shares a key with the query.
type candidate struct {
	pos     int32
	role    role
	reasons Reasons
	found   bool    // at the query's own time
	feature feature // how it looks, if found
	odds    float64 // against chance
}

// judge is the scratch of one decision.
type judge struct {
	all     [maxFound]candidate // of all times that are remembered
	n       int
	hits    [maxSteps]hit
	hot     [maxNumbers + maxWords]int // keys that too many share
	nHot    int
	fine    rates
	wide    rates
	odds    odds
	horizon int64
	decoys  int
	chance  int // candidates of all decoys
}

type hit struct {
	pos  int32
	role role
}

// run decides what p belongs to, and learns from it.
func (j *judge) run(m *Matcher, p *pending, d *Decision) {
	fine, wide, prior := m.templates.get(p.template), m.templates.get(p.wide), &m.priors.query
	if p.isLeg {
		prior = &m.priors.leg
	}
	j.reach(m, p)
	j.collect(m, p)
	if j.n == 0 && j.nHot == 0 && !p.isLeg && j.unkeyed(fine, prior) {
		j.runKeyless(m, p, d, fine)
		return
	}
	j.wide.over(wide, prior)
	j.fine.over(fine, &j.wide)
	j.odds.of(&j.fine, fine.n, 1)
	j.look(m, p)
	j.choose(m, p, d, false)
	j.learn(m, p, fine)
	j.learn(m, p, wide)
}

// runKeyless does the same for a query of a kind that is known to name nothing
// of calls. It is keyed the template that says so.
func (j *judge) runKeyless(m *Matcher, p *pending, d *Decision, keyed *template) {
	t := m.templates.get(mix(p.template + 1))
	j.fine.over(t, &m.priors.keyless)
	j.odds.of(&j.fine, t.n, 3)
	j.collectOpen(m, p)
	j.look(m, p)
	j.choose(m, p, d, true)
	if t.n < leastKeyless && d.Outcome == Linked {
		d.Outcome = TooWeak
	}
	j.learn(m, p, t)
	j.n = 0
	j.learn(m, p, keyed)
}

// leastKeyless is how many queries of a kind have to be seen before one without
// any key is linked.
const leastKeyless = 30

// lastKeyless is the last cell of such a query: a host that seems to work on a
// request for longer was perhaps only not seen to go on.
const lastKeyless = whenOpen + 8

// unkeyed reports whether queries of a kind are known to name nothing of calls.
func (j *judge) unkeyed(t *template, prior *rates) bool {
	if t.n < leastKeyless {
		return false
	}
	j.fine.over(t, prior)
	j.odds.of(&j.fine, t.n, 1)
	return j.odds.share < 0.05
}

// collect finds the requests that share a key with p, of all times that are
// remembered.
func (j *judge) collect(m *Matcher, p *pending) {
	j.n, j.nHot = 0, 0
	for i := range int(p.n) {
		n, _, all := j.find(m, p, i)
		if !all || j.n+n > maxFound {
			m.stats.Hot++
			j.hot[j.nHot] = i
			j.nHot++
			continue
		}
		j.mergeAll(p, i, n)
	}
	if j.n == 0 {
		j.collectHot(m, p)
	}
	for _, i := range j.hot[:j.nHot] {
		j.confirm(m, p, i)
	}
}

// find puts the requests that have key i of p into j.hits, and returns how many, how far they
// reach back and whether these are all.
func (j *judge) find(m *Matcher, p *pending, i int) (n int, reach int64, all bool) {
	k := p.token[i].k
	all = m.table.walk(keyHash(p.host, k), maxSteps, func(pos int32, slot int) bool {
		s := &m.table.ring[pos]
		reach = p.at - s.at
		if slot < keySlot || s.host != p.host || !s.key[slot-keySlot].matches(k) {
			return true
		}
		r := s.role[slot-keySlot]
		if p.isLeg {
			if r &= p.role[i]; r == 0 || !s.invite || m.table.is(pos, p.leg.bytes()) {
				return true
			}
		}
		j.hits[n] = hit{pos, r}
		n++
		return true
	})
	return n, reach, all
}

// collectHot is for a query of which all keys are shared by too many: the latest of
// the requests that share one are the candidates, with a horizon that suits them.
func (j *judge) collectHot(m *Matcher, p *pending) {
	for _, i := range j.hot[:j.nHot] {
		n, reach, _ := j.find(m, p, i)
		if h := (reach - m.settle) / retention; h >= leastHorizon {
			j.horizon = min(j.horizon, h)
			j.mergeAll(p, i, n)
			return
		}
	}
}

func (j *judge) mergeAll(p *pending, i, n int) {
	for _, h := range j.hits[:n] {
		j.merge(h.pos, h.role, reasonOf(p, i, h.role))
	}
}

func (j *judge) merge(pos int32, r role, why Reasons) {
	for i := range j.all[:j.n] {
		if c := &j.all[i]; c.pos == pos {
			c.role |= r
			c.reasons |= why
			return
		}
	}
	j.all[j.n] = candidate{pos: pos, role: r, reasons: why}
	j.n++
}

// confirm adds what a key that many share says about the candidates that others found.
func (j *judge) confirm(m *Matcher, p *pending, i int) {
	for n := range j.all[:j.n] {
		c := &j.all[n]
		s := &m.table.ring[c.pos]
		for k := range int(s.n) {
			r := s.role[k]
			if p.isLeg {
				r &= p.role[i]
			}
			if r != 0 && s.key[k].matches(p.token[i].k) {
				c.role |= r
				c.reasons |= reasonOf(p, i, r)
			}
		}
	}
}

// collectOpen finds the requests at the host of p, unless there are too many.
func (j *judge) collectOpen(m *Matcher, p *pending) {
	all := m.table.walk(hostHash(p.host), maxSteps, func(pos int32, slot int) bool {
		if s := &m.table.ring[pos]; slot == hostSlot && s.host == p.host {
			j.all[j.n] = candidate{pos: pos, reasons: OnlyCall}
			j.n++
		}
		return true
	})
	if !all {
		j.n = 0
	}
}

func reasonOf(p *pending, i int, r role) Reasons {
	var why Reasons
	for _, w := range [...]struct {
		role                role
		target, body, ofLeg Reasons
	}{
		{called, CalledInTarget, CalledInBody, CalledNumber},
		{caller, CallerInTarget, CallerInBody, CallerNumber},
		{other, DomainInTarget, DomainInBody, SDPSession},
	} {
		switch {
		case r&w.role == 0:
		case p.isLeg:
			why |= w.ofLeg
		case p.token[i].body:
			why |= w.body
		default:
			why |= w.target
		}
	}
	return why
}

// featureOf says how a request looks to p, had p come earlier by back.
func (j *judge) featureOf(m *Matcher, p *pending, s *start, r role, back int64) (feature, bool) {
	at := p.at - back
	if s.at > at+m.skew || s.at <= at-j.horizon {
		return feature{}, false
	}
	f := feature{when: whenOf(at, s.at, s.step(at), s.sent), role: r}
	if p.isLeg {
		f.extra = 3*sdpOf(p, s, r) + hopsOf(p, s)
	} else {
		f.extra = replyOf(p, s, f.open() == 1, back)
	}
	return f, true
}

func replyOf(p *pending, s *start, open bool, back int64) int {
	if !open {
		return notOpen
	}
	if p.reply == 0 {
		return noReply
	}
	gap := s.sent - (p.reply - back)
	switch {
	case s.sent == 0:
		return longAfter
	case gap < 0:
		return beforeReply
	case gap < 4*1e6:
		return rightAfter
	case gap < soon:
		return soonAfter
	case gap < 64*1e6:
		return after
	}
	return longAfter
}

func sdpOf(p *pending, s *start, r role) int {
	switch {
	case r&other != 0:
		return sameSession
	case p.media == 0 || s.media == 0:
		return 0
	case p.media == s.media:
		return sameMedia
	}
	return otherMedia
}

func hopsOf(p *pending, s *start) int {
	switch {
	case p.hops < 0 || s.hops < 0:
		return 0
	case p.hops == s.hops-1:
		return hopLess
	}
	return otherHops
}

// leastHorizon is the shortest horizon that anything is learned with.
const leastHorizon = 250 * 1e6

// reach sets the horizon of a decision: the configured one if what is remembered
// reaches back three of it, else as much as it does. With less than
// leastHorizon there are no decoys.
func (j *judge) reach(m *Matcher, p *pending) {
	j.horizon, j.decoys = m.horizon, decoysEach
	known := p.at - max(m.began, m.table.evicted)
	if known >= retention*m.horizon {
		return
	}
	if j.horizon = known / retention; j.horizon < leastHorizon {
		j.horizon, j.decoys = m.horizon, 0
	}
}

// back returns how much earlier the decoy k of p is: at least a horizon, so that
// its own call had not arrived yet, and less than two. The times differ from query to query, or
// calls at regular intervals would always meet.
func (j *judge) back(p *pending, k int) int64 {
	return j.horizon*int64(decoysEach+k)/decoysEach + int64(mix(p.id+uint64(p.at))%uint64(j.horizon/8))
}

// look computes how the candidates look, and counts the decoys.
func (j *judge) look(m *Matcher, p *pending) {
	j.chance = 0
	for i := range j.all[:j.n] {
		c := &j.all[i]
		s := &m.table.ring[c.pos]
		c.feature, c.found = j.featureOf(m, p, s, c.role, 0)
	}
	for k := range j.decoys {
		for i := range j.all[:j.n] {
			c := &j.all[i]
			if _, ok := j.featureOf(m, p, &m.table.ring[c.pos], c.role, j.back(p, k)); ok {
				j.chance++
			}
		}
	}
}

// learn counts what was found, and what would have been by chance.
func (j *judge) learn(m *Matcher, p *pending, t *template) {
	if j.decoys == 0 {
		return // what is seen means nothing without what is chance
	}
	t.n++
	j.count(m, p, &t.seen, 0, 1)
	for k := range j.decoys {
		j.count(m, p, &t.chance, j.back(p, k), 1/float32(j.decoys))
	}
	if t.n >= memory {
		t.halve()
	}
}

// count adds the candidates that p has, had it come earlier by back. One that has
// only some of the keys that another has is not counted: calls that share a number often come
// together, and at most one can be the true one.
func (j *judge) count(m *Matcher, p *pending, to *cells, back int64, weight float32) {
	var there [numRoles]bool
	for pass := range 2 {
		for i := range j.all[:j.n] {
			c := &j.all[i]
			f, ok := j.featureOf(m, p, &m.table.ring[c.pos], c.role, back)
			switch {
			case !ok:
			case pass == 0:
				there[f.role] = true
			case !surpassed(&there, f.role):
				to.add(f, weight)
			}
		}
	}
}

// surpassed reports whether there is a role that has all of r and more.
func surpassed(there *[numRoles]bool, r role) bool {
	for s := r + 1; s < numRoles; s++ {
		if s&r == r && there[s] {
			return true
		}
	}
	return false
}

// alike is how much alike keys are thought to be in how often they are found by chance:
// the shape of a gamma distribution around the mean of a kind of query. What a key's own decoys
// say moves it from there.
const alike = 2

// choose decides by the odds.
func (j *judge) choose(m *Matcher, p *pending, d *Decision, keyless bool) {
	o := &j.odds
	popular := (alike + float64(j.chance)) / (alike + float64(j.decoys)*o.mean)
	var sum float64
	best, found, open := -1, false, 0
	for i := range j.all[:j.n] {
		c := &j.all[i]
		c.odds = 0
		if !c.found {
			continue
		}
		found = true
		k := c.feature.open()
		open += k
		if keyless && (k == 0 || c.feature.when > lastKeyless) {
			continue
		}
		c.odds = o.when[c.feature.when] * o.role[k][c.feature.role] * o.extra[k][c.feature.extra] / popular
		sum += c.odds
		if best < 0 || c.odds > j.all[best].odds {
			best = i
		}
	}
	switch {
	case best >= 0 && keyless && open > 1:
		d.Outcome = TooClose
	case best >= 0:
		j.weigh(m, p, d, best, sum)
	case j.nHot > 0:
		d.Outcome = TooClose
	case j.n > 0 && !found && !keyless && j.late(m, p):
		d.Outcome = TooLate
	default:
		d.Outcome = NoCandidate
	}
}

// late reports whether a candidate had arrived before p, beyond the horizon.
func (j *judge) late(m *Matcher, p *pending) bool {
	for _, c := range j.all[:j.n] {
		if m.table.ring[c.pos].at < p.at {
			return true
		}
	}
	return false
}

// weigh compares the best candidate with the others. Requests of one call do not
// compete.
func (j *judge) weigh(m *Matcher, p *pending, d *Decision, best int, sum float64) {
	b := &j.all[best]
	s := &m.table.ring[b.pos]
	var own, second float64
	for i := range j.all[:j.n] {
		c := &j.all[i]
		if !c.found {
			continue
		}
		if m.table.ring[c.pos].id == s.id {
			own += c.odds
		} else {
			second = max(second, c.odds)
		}
	}
	d.Score = min(int(100*own/(1+sum)), 99)
	switch {
	case d.Score >= m.config.MinScore:
		d.Outcome, d.CallID, d.Reasons = Linked, m.table.id(b.pos), b.reasons|j.why(p, b)
		if !p.isLeg && p.reply != 0 {
			s.replied(p.reply)
		}
	case second > own/20:
		d.Outcome = TooClose
	default:
		d.Outcome = TooWeak
	}
}

// why are the reasons that are not keys.
func (j *judge) why(p *pending, c *candidate) Reasons {
	r := SameHost
	switch f := c.feature; {
	case f.when == whenEarly:
		r |= ClockSkew
	case f.open() == 1:
		r |= BeforeAnswer
	default:
		r |= AfterAnswer
	}
	if e := c.feature.extra; p.isLeg {
		if e/3 == sameMedia {
			r |= MediaAddress
		}
		if e%3 == hopLess {
			r |= HopLess
		}
	} else if e == rightAfter || e == soonAfter {
		r |= AnsweredNext
	}
	return r
}
