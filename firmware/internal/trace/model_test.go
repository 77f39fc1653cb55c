package trace

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/record"
)

// event is a record before it is one: what the model decides by.
type event struct {
	typ            record.Type
	src, dst       string // of the packet
	proto          uint8
	response       bool
	method         string // of the request
	ruri, from, to [2]string
	toTag          bool
	callID         string
	links          []string
}

func (v *event) record() *record.Record {
	if v.typ != record.SIP {
		r := other(v.typ, v.callID, v.src, v.dst, v.links...)
		r.Flow.Proto = v.proto
		return r
	}
	uri := func(p [2]string) string { return "sip:" + p[0] + "@" + p[1] }
	m := message{src: v.src, dst: v.dst, proto: v.proto, callID: v.callID, from: "<" + uri(v.from) + ">;tag=f", to: "\"x\" <" + uri(v.to) + ">", cseq: v.method, start: v.method + " " + uri(v.ruri) + " SIP/2.0"}
	if v.response {
		m.start = "SIP/2.0 200 OK"
	}
	if v.toTag {
		m.to += ";tag=t"
	}
	r := m.record()
	for _, l := range v.links {
		r.Links = append(r.Links, record.Link{Type: record.SIP, How: record.Seen, ID: []byte(l)})
	}
	return r
}

// matchesAlone compares the plain way. The rules of the model have plain values.
func (v *event) matchesAlone(c *Config, r *Rule) bool {
	src, dst := netip.MustParseAddrPort(v.src), netip.MustParseAddrPort(v.dst)
	if v.response {
		src, dst = dst, src
	}
	in := func(list []string, a netip.Addr) bool {
		for _, s := range list {
			for _, g := range c.Groups {
				if g.Name == s && slices.ContainsFunc(g.Networks, func(p netip.Prefix) bool { return p.Contains(a) }) {
					return true
				}
			}
			if p, err := netip.ParsePrefix(s); err == nil && p.Contains(a) || s == a.String() {
				return true
			}
		}
		return len(list) == 0
	}
	ports := func(list []Ports, any ...uint16) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(p Ports) bool {
			return slices.ContainsFunc(any, func(n uint16) bool { return p.Low <= n && n <= p.High })
		})
	}
	if !in(r.From, src.Addr()) || !in(r.To, dst.Addr()) || !in(r.Address, src.Addr()) && !in(r.Address, dst.Addr()) ||
		!ports(r.Port, src.Port(), dst.Port()) || !ports(r.FromPort, src.Port()) || !ports(r.ToPort, dst.Port()) {
		return false
	}
	if len(r.Transports) > 0 && !slices.Contains(r.Transports, map[uint8]string{capture.ProtoUDP: "udp", capture.ProtoTCP: "tcp"}[v.proto]) {
		return false
	}
	parties := [][2]string{v.from, v.to}
	callees := [][2]string{v.to}
	if !v.response {
		parties, callees = append(parties, v.ruri), append(callees, v.ruri)
	}
	if v.typ != record.SIP {
		parties, callees = nil, nil
	}
	users := func(list []string, of [][2]string) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(s string) bool {
			u, d, both := strings.Cut(s, "@")
			return slices.ContainsFunc(of, func(p [2]string) bool {
				return (p[0] == u || u == "*") && (!both || p[1] == d)
			})
		})
	}
	var callers [][2]string
	if v.typ == record.SIP {
		callers = parties[:1]
	}
	domain := len(r.Domain) == 0 || slices.ContainsFunc(parties, func(p [2]string) bool { return slices.Contains(r.Domain, p[1]) })
	method := len(r.Methods) == 0 || v.typ == record.SIP && slices.Contains(r.Methods, v.method)
	return users(r.User, parties) && users(r.Caller, callers) && users(r.Callee, callees) && domain && method
}

// model remembers the first message of each Call-ID and compares with all rules
// each time.
type model struct {
	c     *Config
	first map[string]*event
	leg   map[string]string
	call  map[string]bool // it is a call's
}

// decide returns the place of the rule that decides, len(rules) for the default,
// and those that count before it.
func (m *model) decide(v *event) (rule int, counted []int, keep bool) {
	if v.typ == record.SIP {
		f := m.first[v.callID]
		m.call[v.callID] = m.call[v.callID] || v.method != "OPTIONS" && v.method != "REGISTER"
		begins := v.method == "INVITE" && !v.response && !v.toTag
		if f == nil || begins && (f.method != "INVITE" || f.response || f.toTag) {
			f = v
			m.first[v.callID] = v
		}
		for _, l := range v.links {
			if m.leg[v.callID] == "" && l != v.callID {
				m.leg[v.callID] = l
			}
		}
		return m.legs(v, f)
	}
	var found []*event
	ids := v.links
	if v.typ != record.Net && v.typ != record.REST {
		ids = append([]string{v.callID}, ids...)
	}
	for _, id := range ids {
		if f := m.first[id]; f != nil && (v.typ != record.Net || m.call[id]) {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return m.ordered(v)
	}
	for _, f := range found {
		if rule, counted, keep = m.legs(v, f); keep {
			return rule, counted, keep
		}
	}
	return m.legs(v, found[0])
}

// legs asks the leg before when the call itself leaves it to the default.
func (m *model) legs(v, first *event) (rule int, counted []int, keep bool) {
	rule, counted, keep = m.ordered(v, first)
	if leg := m.first[m.leg[first.callID]]; rule == len(m.c.Rules) && leg != nil {
		return m.ordered(v, first, leg)
	}
	return rule, counted, keep
}

// ordered goes through the rules for v, of the call that began with the first of
// calls and is a leg of the one that began with the second.
func (m *model) ordered(v *event, calls ...*event) (rule int, counted []int, keep bool) {
	for i := range m.c.Rules {
		r := &m.c.Rules[i]
		if len(r.Types) > 0 && !slices.Contains(r.Types, v.typ) {
			continue
		}
		alone := len(calls) == 0 || v == calls[0] || v.typ == record.SIP && len(r.Methods) > 0 || v.typ != record.SIP && len(r.Types) > 0
		ok := alone && v.matchesAlone(m.c, r)
		for _, first := range calls {
			if !(len(r.Methods) > 0 && (first.response || first.toTag)) {
				ok = ok || first.matchesAlone(m.c, r)
			}
		}
		switch {
		case !ok:
		case r.Action == Count:
			counted = append(counted, i)
		default:
			return i, counted, r.Action == Allow
		}
	}
	return len(m.c.Rules), counted, m.c.Default != Deny
}

// pick returns some of list, comma-separated.
func pick(r *rand.Rand, list ...string) string {
	n := 1 + r.IntN(2)
	var out []string
	for range n {
		out = append(out, list[r.IntN(len(list))])
	}
	return strings.Join(out, ",")
}

func randomRules(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString(groups)
	if r.IntN(3) == 0 {
		b.WriteString("default deny\n")
	}
	for i := range r.IntN(12) {
		fmt.Fprintf(&b, "rule r%d %s", i, []string{"allow", "deny", "count"}[r.IntN(3)])
		for _, c := range [][]string{
			{"types", "sip", "rtp", "rtcp", "log", "net", "rest"},
			{"transport", "udp", "tcp"},
			{"from", "phones", "trunks", "192.0.2.0/24", "10.0.0.1"}, {"to", "phones", "trunks", "192.0.2.1", "10.0.0.0/9"}, {"address", "trunks", "10.0.0.2"},
			{"port", "5060", "5061-5070"}, {"from-port", "5060"}, {"to-port", "5061"},
			{"method", "INVITE", "BYE", "INFO", "OPTIONS", "REGISTER"},
			{"user", "alice", "bob@a.example", "carol"}, {"caller", "alice", "*@b.example"}, {"callee", "bob", "carol@b.example"},
			{"domain", "a.example", "b.example"},
		} {
			if r.IntN(6) == 0 {
				fmt.Fprintf(&b, " %s %s", c[0], pick(r, c[1:]...))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func randomEvent(r *rand.Rand) *event {
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	addr := func() string {
		return one("10.0.0.1", "10.0.0.2", "10.200.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.1") + ":" + one("5060", "5061", "5066", "6000")
	}
	who := func() [2]string {
		return [2]string{one("alice", "bob", "carol"), one("a.example", "b.example", "c.example")}
	}
	v := &event{typ: record.SIP, src: addr(), dst: addr(), proto: []uint8{capture.ProtoUDP, capture.ProtoTCP}[r.IntN(2)], callID: fmt.Sprint("c", r.IntN(12))}
	if r.IntN(3) == 0 {
		v.typ = []record.Type{record.RTPReport, record.RTCP, record.Log, record.Net, record.REST}[r.IntN(5)]
		for range r.IntN(3) {
			v.links = append(v.links, fmt.Sprint("c", r.IntN(15)))
		}
		return v
	}
	v.method = one("INVITE", "INVITE", "BYE", "INFO", "OPTIONS", "REGISTER")
	v.response, v.toTag = r.IntN(3) == 0, r.IntN(2) == 0
	v.ruri, v.from, v.to = who(), who(), who()
	if r.IntN(4) == 0 {
		v.links = []string{fmt.Sprint("c", r.IntN(15))}
	}
	return v
}

// TestModel holds an Engine against the model, over rules and records at random.
func TestModel(t *testing.T) {
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	covered := 0
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		lines := randomRules(r)
		c := config(t, lines)
		e, err := New(c, Limits{Calls: 100, Idle: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		m := model{c: &c, first: map[string]*event{}, leg: map[string]string{}, call: map[string]bool{}}
		want := make([]uint64, len(c.Rules)+1)
		denied := uint64(0)
		for n := range 60 {
			v := randomEvent(r)
			rec := v.record()
			rule, counted, keep := m.decide(v)
			if got := e.Allow(rec); got != keep {
				t.Fatalf("seed %d, record %d: %v, want %v by rule %d\n%s\n%+v\nfirst %+v", seed, n, got, keep, rule, lines, v, m.first[v.callID])
			}
			want[rule]++
			for _, i := range counted {
				want[i]++
			}
			if !keep {
				denied++
			}
		}
		st := e.Stats()
		for i := range c.Rules {
			for j := range c.Rules[:i] {
				if c.covers(&c.Rules[j], &c.Rules[i]) {
					covered++
					if want[i] != 0 {
						t.Fatalf("seed %d: rule r%d is said never to be reached, and decides\n%s", seed, i, lines)
					}
				}
			}
		}
		for i, s := range st.Rules {
			if s.Records != want[i] {
				t.Fatalf("seed %d: rule %s counts %d, want %d\n%s", seed, s.Name, s.Records, want[i], lines)
			}
		}
		for _, n := range st.Denied {
			denied -= n
		}
		if denied != 0 {
			t.Fatalf("seed %d: %d denied records not counted", seed, denied)
		}
	}
	if covered == 0 {
		t.Error("no rule was covered by another")
	}
}

// FuzzAllow feeds an Engine whatever is called SIP: the sums of what it counts
// hold, it decides twice in the same way, and it writes nothing into the record.
func FuzzAllow(f *testing.F) {
	for _, m := range []message{{start: "INVITE sip:%61@[::1] SIP/2.0"}, {start: "SIP/2.0 200 OK", cseq: "BYE", via: "WSS x, TLS y", proto: capture.ProtoTCP},
		{wholeText: "\r\n\r\nINVITE tel:+1-2;x SIP/2.0\r\nf:<sip:;user=phone@h.>\r\n\r\n"}, {wholeText: "SIP/"}, {wholeText: "INVITE "}} {
		r := m.record()
		f.Add(r.Payload, r.Primary, r.Flow.Proto, uint8(r.Type))
	}
	const rules = "rule a count user a*,*b@*h\nrule b deny types sip,net transport ws,tls\nrule c deny method BYE,INFO host x*\nrule d allow caller * callee *1* domain *h,::1\nrule e deny from phones"
	c := config(f, groups+rules)
	f.Fuzz(func(t *testing.T, payload, primary []byte, proto, typ uint8) {
		e, err := New(c, Limits{Calls: 4, Idle: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		r := message{wholeText: string(payload), proto: proto}.record()
		r.Type, r.Primary, r.Payload, r.Flow.Proto = record.Type(typ), primary, payload, proto
		r.Links = []record.Link{{Type: record.SIP, ID: payload}, {Type: record.SIP, ID: primary}}
		before := string(payload)
		first := e.Allow(r)
		if e.Allow(r) != first {
			t.Fatal("the same record twice, decided otherwise")
		}
		if string(payload) != before {
			t.Fatal("the payload was written to")
		}
		var decided, denied uint64
		for _, s := range e.Stats().Rules {
			if s.Action != Count {
				decided += s.Records
			}
		}
		for _, n := range e.Stats().Denied {
			denied += n
		}
		if decided != 2 || denied != 0 && denied != 2 || (denied == 0) != first {
			t.Fatalf("%d decided, %d denied, kept %v", decided, denied, first)
		}
	})
}
