package infer

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

// world is a made-up network of which everything is known: what it shows to a
// Matcher is jittered, reordered and lossy, what belongs to what is exact.
type world struct {
	r      *rand.Rand
	jitter int64   // most that a capture time is wrong, either way
	lag    int64   // most that an input comes later than its time says
	loss   float64 // share of inputs that are never seen
	calls  int
	asked  uint64
	inputs []input
	truth  map[string]fact // by query id or by the leg's Call-ID
}

// fact is the truth about one query or leg.
type fact struct {
	call  string // empty: it belongs to no call
	shape string // noise that looks the same has the same name with ", noise" behind it
	at    int64
}

// input is one call of a Matcher's method, at the time of its arrival.
type input struct {
	comes int64
	feed  func(m *Matcher)
}

func newWorld(seed uint64) *world {
	return &world{
		r: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), jitter: ms, lag: 80 * ms, loss: 0.01,
		truth: map[string]fact{},
	}
}

func queryName(id uint64) string { return fmt.Sprintf("q%d", id) }

// show lets the matcher see something that happened at a time, or not.
func (w *world) show(at int64, feed func(m *Matcher, at int64)) bool {
	if w.r.Float64() < w.loss {
		return false
	}
	at += w.r.Int64N(2*w.jitter+1) - w.jitter
	comes := at + w.jitter
	if w.lag > 0 && w.r.IntN(4) == 0 {
		comes += w.r.Int64N(w.lag)
	}
	w.inputs = append(w.inputs, input{comes, func(m *Matcher) { feed(m, at) }})
	if w.r.IntN(200) == 0 { // a mirror's duplicate
		w.inputs = append(w.inputs, input{comes + w.r.Int64N(5*ms), func(m *Matcher) { feed(m, at+ms/10) }})
	}
	return true
}

func host(n int) Host {
	return Host{Addr: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})}
}

func server(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(n >> 8), byte(n)}), 8080)
}

// call is one that arrives at a host.
type call struct {
	id             string
	at             int64
	h              Host
	called, caller string
}

func (w *world) newCall(at int64, h Host, called, caller string) call {
	w.calls++
	return call{fmt.Sprintf("call-%d@%s", w.calls, h.Addr), at, h, called, caller}
}

func (c call) request() Request {
	return Request{
		Host: c.h, CallID: []byte(c.id), CSeq: 1, Invite: true, MaxForwards: 70,
		Called: [2][]byte{[]byte(c.called), []byte(c.called)}, Caller: [2][]byte{[]byte(c.caller)},
	}
}

// arrive shows the call's INVITE.
func (w *world) arrive(c call) { w.arriveAs(c.at, c.request()) }

func (w *world) arriveAs(at int64, r Request) {
	w.show(at, func(m *Matcher, at int64) { r.At = at; m.Arrived(&r) })
}

// sent shows that the host went on with the call.
func (w *world) sent(c call, at int64) {
	w.show(at, func(m *Matcher, at int64) { m.Sent(c.h, []byte(c.id), at) })
}

// ask shows a query, and its reply after took nanoseconds (0: none).
func (w *world) ask(shape, belongs string, h Host, srv, at, took int64, target string, more ...string) {
	w.asked++
	q := Query{ID: w.asked, Host: h, Server: server(int(srv)), Target: []byte(target)}
	for i, t := range more {
		q.More[i] = []byte(t)
	}
	if !w.show(at, func(m *Matcher, at int64) { q.At = at; m.Query(&q) }) {
		return
	}
	w.truth[queryName(q.ID)] = fact{belongs, shape, at}
	if took > 0 {
		w.show(at+took, func(m *Matcher, at int64) { m.Reply(q.ID, at) })
	}
}

// place shows an INVITE that leaves a host.
func (w *world) place(shape, belongs string, at int64, r Request) {
	if !w.show(at, func(m *Matcher, at int64) { r.At = at; m.Placed(&r) }) {
		return
	}
	w.truth[string(r.CallID)] = fact{belongs, shape, at}
}

// exp returns an exponentially distributed time with the given mean.
func (w *world) exp(mean int64) int64 { return int64(w.r.ExpFloat64() * float64(mean)) }

// between returns a time from lo to hi.
func (w *world) between(lo, hi int64) int64 { return lo + w.r.Int64N(hi-lo+1) }

// every calls f at random times, so many in a second, for the given time.
func (w *world) every(perSecond float64, until int64, f func(at int64)) {
	mean := int64(float64(sec) / perSecond)
	for at := w.exp(mean); at < until; at += w.exp(mean) {
		f(at + sec)
	}
}

// play shows everything to a new Matcher and returns what it decided.
func (w *world) play(c Config) ([]Decision, *Matcher) {
	m, out := collect(c)
	slices.SortStableFunc(w.inputs, func(a, b input) int { return int(min(max(a.comes-b.comes, -1), 1)) })
	for _, in := range w.inputs {
		m.Advance(in.comes)
		in.feed(m)
	}
	m.Flush()
	return *out, m
}

// tally is how well the decisions of one shape hold against the truth.
type tally struct{ asked, belong, linked, right int }

func (t tally) precision() float64 {
	if t.linked == 0 {
		return 1
	}
	return float64(t.right) / float64(t.linked)
}

// result is the tallies by kind of query, of the time before anything is learned
// and of that after it, the sum of all, and of each score how many links had it and how many
// of them were right.
type result struct {
	shapes map[string]*[2]tally
	total  [2]tally
	scores [100][2]int
}

// cold is how long a Matcher with the defaults works by its priors alone.
const cold = 30 * sec

func (res *result) add(w *world, ds []Decision) error {
	seen := map[string]bool{}
	for _, d := range ds {
		name := string(d.Leg)
		if name == "" {
			name = queryName(d.Query)
		}
		f, ok := w.truth[name]
		if !ok || seen[name] {
			return fmt.Errorf("%s: decided twice, or never asked", name)
		}
		seen[name] = true
		shape := strings.TrimSuffix(f.shape, ", noise")
		if res.shapes[shape] == nil {
			res.shapes[shape] = new([2]tally)
		}
		warm := 0
		if f.at > cold {
			warm = 1
		}
		right := string(d.CallID) == f.call
		res.shapes[shape][warm].count(f.call != "", d.Outcome == Linked, right)
		res.total[warm].count(f.call != "", d.Outcome == Linked, right)
		if d.Outcome == Linked {
			res.scores[d.Score][0]++
			if right {
				res.scores[d.Score][1]++
			}
		}
	}
	return nil
}

func (t *tally) count(belongs, linked, right bool) {
	t.asked++
	if belongs {
		t.belong++
	}
	if linked {
		t.linked++
		if right {
			t.right++
		}
	}
}
