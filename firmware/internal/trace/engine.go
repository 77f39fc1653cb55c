package trace

import (
	"errors"
	"math"
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"

	"heptap/capture/record"
)

// DefaultName is what the counters call what no rule decides.
const DefaultName = "default"

// Limits bound what an Engine remembers.
type Limits struct {
	Calls int           // of which the decision is remembered
	Idle  time.Duration // a call without a record for so long is forgotten
}

// Engine decides about records. Allow has one caller, one goroutine; Stats may be
// called from any.
type Engine struct {
	rules    []compiled
	all      uint64
	decides  uint64      // rules that allow or deny
	methods  uint64      // rules that have method
	named    uint64      // rules that have types
	whole    uint64      // rules that decide for all types
	ofType   [256]uint64 // rules that are about a type
	fallback Action

	now    int64
	fields fields
	table  table

	counts [MaxRules + 1]count // by rule, the default last
	denied [256]atomic.Uint64
	memory int64
}

type count struct{ records, octets atomic.Uint64 }

// place is a condition on addresses.
type place struct {
	set bool
	in  networks
}

// compiled is a rule in the form in which it is compared.
type compiled struct {
	name                 string
	action               Action
	transports           transport
	from, to, either     place
	ports, fromPort      []Ports
	toPort               []Ports
	methods              []string
	user, caller, callee []userGlob
	domain, host         []glob
	parties              bool // any of the five
}

// New makes an Engine. It fails for what Config.Check finds.
func New(c Config, l Limits) (*Engine, error) {
	if err := errors.Join(c.Check()...); err != nil {
		return nil, err
	}
	e := &Engine{fallback: Allow, now: math.MinInt64, memory: l.memoryBytes()}
	if c.Default != "" {
		e.fallback = c.Default
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		k, err := c.compile(r)
		if err != nil {
			return nil, err
		}
		e.rules = append(e.rules, k)
		bit := uint64(1) << i
		e.all |= bit
		if r.Action != Count {
			e.decides |= bit
			if len(r.Types) == 0 {
				e.whole |= bit
			}
		}
		if len(r.Methods) > 0 {
			e.methods |= bit
		}
		if len(r.Types) > 0 {
			e.named |= bit
		}
		for t := range e.ofType {
			if len(r.Types) == 0 {
				e.ofType[t] |= bit
			}
		}
		for _, t := range r.Types {
			e.ofType[t] |= bit
		}
	}
	e.fields.buf = make([]byte, 0, textBytes)
	e.table.init(&l)
	return e, nil
}

// compile turns a rule that Check has found right into what is compared.
func (c *Config) compile(r *Rule) (compiled, error) {
	k := compiled{name: r.Name, action: r.Action, from: c.place(r.From), to: c.place(r.To), either: c.place(r.Address),
		ports: r.Port, fromPort: r.FromPort, toPort: r.ToPort, methods: r.Methods}
	for _, t := range r.Transports {
		k.transports |= transportOf([]byte(t))
	}
	var errs []error
	for to, list := range map[*[]userGlob][]string{&k.user: r.User, &k.caller: r.Caller, &k.callee: r.Callee} {
		for _, s := range list {
			g, err := compileUser(s)
			*to, errs = append(*to, g), append(errs, err)
		}
	}
	for to, list := range map[*[]glob][]string{&k.domain: r.Domain, &k.host: r.Host} {
		for _, s := range list {
			g, err := compile(s, true)
			*to, errs = append(*to, g), append(errs, err)
		}
	}
	k.parties = len(k.user)+len(k.caller)+len(k.callee)+len(k.domain)+len(k.host) > 0
	return k, errors.Join(errs...)
}

func (c *Config) place(list []string) place {
	var all []netip.Prefix
	for _, s := range list {
		p, _ := c.networks(s)
		all = append(all, p...)
	}
	return place{set: len(list) > 0, in: newNetworks(all)}
}

// networks returns what a value of from, to or address stands for.
func (c *Config) networks(s string) ([]netip.Prefix, bool) {
	if p, ok := network(s); ok {
		return []netip.Prefix{p}, true
	}
	for i := range c.Groups {
		if c.Groups[i].Name == s {
			return c.Groups[i].Networks, true
		}
	}
	return nil, false
}

// Allow reports whether the record is to be kept, and counts it. It retains
// nothing of it. An Engine that is nil keeps everything.
func (e *Engine) Allow(r *record.Record) bool {
	if e == nil {
		return true
	}
	e.now = max(e.now, r.Mono)
	e.fields.begin(r)
	var matched uint64
	if r.Type == record.SIP {
		matched = e.message(r)
	} else {
		matched = e.other(r)
	}
	matched &= e.ofType[r.Type]
	rule := e.decider(matched)
	n := uint64(len(r.Payload))
	// A rule that only counts has its turn if nothing before it decides.
	for dry := matched &^ e.decides & (uint64(1)<<rule - 1); dry != 0; dry &= dry - 1 {
		e.count(bits.TrailingZeros64(dry), n)
	}
	keep := e.allows(rule)
	e.count(rule, n)
	if !keep {
		e.denied[r.Type].Add(1)
	}
	return keep
}

func (e *Engine) count(rule int, octets uint64) {
	e.counts[rule].records.Add(1)
	e.counts[rule].octets.Add(octets)
}

// decider returns the first rule in matched that decides, or MaxRules.
func (e *Engine) decider(matched uint64) int { return bits.TrailingZeros64(matched & e.decides) }

// allows says what a rule, or MaxRules for the default, decides.
func (e *Engine) allows(rule int) bool {
	if rule == MaxRules {
		return e.fallback == Allow
	}
	return e.rules[rule].action == Allow
}

// message returns the rules that a SIP message matches, by itself or by the
// first message of its Call-ID.
func (e *Engine) message(r *record.Record) uint64 {
	if len(r.Primary) == 0 {
		return e.match(e.all, record.SIP)
	}
	var c *entry
	i := e.table.find(r.Primary, e.now)
	if i != none {
		if c = &e.table.entries[i]; c.kind == others && r.Class == record.Call {
			e.table.move(i, calls, e.now) // it was not known to be one of a call
		}
	}
	first := (c == nil || !c.invited) && isInvite(r.Payload) && e.fields.parse() && len(e.fields.view.ToTag()) == 0
	if c != nil && !first {
		c.join(e, r)
		return e.withLeg(c, c.matched|e.match(e.methods, record.SIP), record.SIP)
	}
	if c == nil {
		k := others
		if r.Class == record.Call {
			k = calls
		}
		c = &e.table.entries[e.table.add(r.Primary, k, e.now)]
	}
	c.invited = first
	c.join(e, r)
	if e.methods != 0 && e.fields.inDialog() {
		c.matched = e.match(e.all&^e.methods, 0) // those with method are about this message alone
		return e.withLeg(c, c.matched|e.match(e.methods, record.SIP), record.SIP)
	}
	c.matched = e.match(e.all, 0)
	return e.withLeg(c, c.matched, record.SIP)
}

// join notes which leg the message of c says that it is one more leg of.
func (c *entry) join(e *Engine, r *record.Record) {
	for i := 0; i < len(r.Links) && c.leg == 0; i++ {
		if l := &r.Links[i]; l.Type == record.SIP {
			if h := e.table.hash(l.ID); h != c.hash {
				c.leg = h
			}
		}
	}
}

// withLeg returns what a record of c matches, and if nothing of it decides, also
// what the leg before it matched.
func (e *Engine) withLeg(c *entry, matched uint64, t record.Type) uint64 {
	if matched&e.decides&e.ofType[t] != 0 || c.leg == 0 {
		return matched
	}
	if i := e.table.findHash(c.leg, e.now); i != none {
		matched |= e.table.entries[i].matched
	}
	return matched
}

// other returns the rules that a record of another type matches: of the calls it
// belongs to the first is taken that has it kept.
func (e *Engine) other(r *record.Record) uint64 {
	var own, best uint64
	known := false
	look := func(id []byte) (kept bool) {
		i := e.table.find(id, e.now)
		if i == none || r.Type == record.Net && e.table.entries[i].kind == others { // a ping says nothing of its connection
			return false
		}
		if !known {
			own = e.match(e.named, r.Type)
		}
		c := &e.table.entries[i]
		m := e.withLeg(c, c.matched|own, r.Type)
		kept = e.allows(e.decider(m & e.ofType[r.Type]))
		if kept || !known {
			best = m
		}
		known = true
		return kept
	}
	switch r.Type {
	case record.RTCP, record.RTPReport, record.ISUP, record.Log:
		if len(r.Primary) > 0 && look(r.Primary) {
			return best
		}
	}
	for i := range r.Links {
		if l := &r.Links[i]; l.Type == record.SIP && look(l.ID) {
			return best
		}
	}
	if known {
		return best
	}
	return e.match(e.all, r.Type)
}

// match returns which of the rules the record at hand matches by itself, up to
// the first that decides for the type t, or for all types when t is 0.
func (e *Engine) match(rules uint64, t record.Type) uint64 {
	ends := e.whole
	if t != 0 {
		rules &= e.ofType[t]
		ends = e.decides
	}
	var matched uint64
	for ; rules != 0; rules &= rules - 1 {
		i := bits.TrailingZeros64(rules)
		if !e.rules[i].match(&e.fields) {
			continue
		}
		matched |= 1 << i
		if ends>>i&1 != 0 {
			break
		}
	}
	return matched
}

// match compares the cheapest first.
func (k *compiled) match(f *fields) bool {
	switch {
	case k.from.set && !k.from.in.contains(f.from.Addr()), k.to.set && !k.to.in.contains(f.to.Addr()),
		k.either.set && !k.either.in.contains(f.from.Addr()) && !k.either.in.contains(f.to.Addr()),
		len(k.fromPort) > 0 && !within(k.fromPort, f.from.Port()), len(k.toPort) > 0 && !within(k.toPort, f.to.Port()),
		len(k.ports) > 0 && !within(k.ports, f.from.Port()) && !within(k.ports, f.to.Port()),
		k.transports != 0 && k.transports&f.over() == 0,
		len(k.methods) > 0 && !(f.parse() && isOne(k.methods, f.method)):
		return false
	}
	return !k.parties || f.parties() && k.matchParties(f)
}

func (k *compiled) matchParties(f *fields) bool {
	return (len(k.user) == 0 || anyUser(k.user, &f.request, &f.caller, &f.callee)) &&
		(len(k.caller) == 0 || anyUser(k.caller, &f.caller)) &&
		(len(k.callee) == 0 || anyUser(k.callee, &f.callee, &f.request)) &&
		(len(k.domain) == 0 || anyDomain(k.domain, &f.request, &f.caller, &f.callee)) &&
		(len(k.host) == 0 || len(f.host) > 0 && anyGlob(k.host, f.host))
}

func within(list []Ports, port uint16) bool {
	for _, p := range list {
		if p.Low <= port && port <= p.High {
			return true
		}
	}
	return false
}

func isOne(list []string, b []byte) bool {
	for _, s := range list {
		if string(b) == s {
			return true
		}
	}
	return false
}

func anyUser(list []userGlob, parties ...*party) bool {
	for i := range list {
		for _, p := range parties {
			if list[i].match(p) {
				return true
			}
		}
	}
	return false
}

func anyDomain(list []glob, parties ...*party) bool {
	for _, p := range parties {
		if p.hasDomain && anyGlob(list, p.domain) {
			return true
		}
	}
	return false
}

func anyGlob(list []glob, text []byte) bool {
	for _, g := range list {
		if g.match(text) {
			return true
		}
	}
	return false
}

// MemoryBytes is the most the Engine holds, 0 for nil.
func (e *Engine) MemoryBytes() int64 {
	if e == nil {
		return 0
	}
	return e.memory
}

// RuleStats are the running totals of a rule: the records that it decided, or
// would have decided if it only counts.
type RuleStats struct {
	Name    string
	Action  Action
	Records uint64
	Octets  uint64 // of their payloads
}

// Stats are running totals, but for Calls and Others.
type Stats struct {
	Rules   []RuleStats            // in order, the default last; none of an Engine that is nil
	Denied  map[record.Type]uint64 // records that were not kept, by type
	Calls   int64                  // of which the decision is remembered now
	Others  int64                  // Call-IDs of other things, likewise
	Evicted uint64                 // decisions forgotten for want of room
	Expired uint64                 // decisions forgotten because nothing came for so long
}

// Stats returns the totals.
func (e *Engine) Stats() Stats {
	var s Stats
	if e == nil {
		return s
	}
	s.Denied = map[record.Type]uint64{}
	for i := range e.rules {
		c := &e.counts[i]
		s.Rules = append(s.Rules, RuleStats{e.rules[i].name, e.rules[i].action, c.records.Load(), c.octets.Load()})
	}
	c := &e.counts[MaxRules]
	s.Rules = append(s.Rules, RuleStats{DefaultName, e.fallback, c.records.Load(), c.octets.Load()})
	for t := range e.denied {
		if n := e.denied[t].Load(); n > 0 {
			s.Denied[record.Type(t)] = n
		}
	}
	s.Calls, s.Others = e.table.held[calls].Load(), e.table.held[others].Load()
	s.Evicted, s.Expired = e.table.evicted.Load(), e.table.expired.Load()
	return s
}
