package infer

import (
	"fmt"
	"math"
)

// third builds the third workload, of hosts whose habits are drawn by lot. It was
// written when the first two had shaped the matcher, which was not changed because of it; collectHot
// came later, for the second. After the first run the truth about "recent calls" was changed: they had been
// said to belong to no call, so all their links, for a third of these queries, were wrong, and the
// precision in sum was 0.95 cold and 0.925 warm. See the package's comment.
func third(seed uint64, length int64) *world {
	w := newWorld(1000 + seed)
	w.loss, w.jitter, w.lag = 0.02, 2*ms, 100*ms
	for i := range 8 {
		w.anyHost(i, length)
	}
	return w
}

// drawn returns a number from lo to hi, of which each power is as likely.
func (w *world) drawn(lo, hi float64) float64 {
	return lo * math.Exp(w.r.Float64()*math.Log(hi/lo))
}

// habit is one query that a host makes for each call.
type habit struct {
	name   string
	path   string
	what   int // 0 called, 1 caller, 2 both
	write  int
	body   bool
	waits  bool
	mean   int64 // of the time that the reply takes
	often  float64
	server int64
}

func (h habit) query(w *world, belongs string, host Host, at int64, called, caller string) int64 {
	form := func(n string) string {
		return []string{n[1:], n, "0" + n[3:], "00" + n[1:]}[h.write]
	}
	text := []string{"b=" + form(called), "a=" + form(caller), "a=" + form(caller) + "&b=" + form(called)}[h.what]
	took, name := ms+min(w.exp(h.mean), 1500*ms), h.name
	if belongs == "" {
		name += ", noise"
	}
	if h.body {
		w.ask(name, belongs, host, h.server, at, took, h.path, text)
	} else {
		w.ask(name, belongs, host, h.server, at, took, h.path+"?"+text)
	}
	return took
}

func (w *world) anyHost(i int, length int64) {
	h, nums := host(100+i), w.numbers(int(w.drawn(200, 20000)), "49", 9)
	busy, share := nums[:1+w.r.IntN(30)], w.r.Float64()*0.3
	habits := make([]habit, 1+w.r.IntN(3))
	for k := range habits {
		what := w.r.IntN(3)
		habits[k] = habit{
			what: what, path: fmt.Sprintf("/%c/%s", 'p'+k, []string{"route", "screen", "rate"}[k]), write: w.r.IntN(4), body: w.r.IntN(2) == 0,
			waits: w.r.IntN(4) != 0, mean: int64(w.drawn(2, 100) * float64(ms)), often: w.r.Float64(), server: int64(i*10 + w.r.IntN(2)),
		}
		habits[k].name = fmt.Sprintf("%s, waits %v", []string{"by called", "by caller", "by both"}[what], habits[k].waits)
	}
	perSecond := w.drawn(2, 100)
	var recent []call
	var arrive func(at int64, to, from string)
	arrive = func(at int64, to, from string) {
		c := w.newCall(at, h, to, from)
		w.arrive(c)
		recent = append(recent, c)
		t := at + w.between(ms/2, 4*ms)
		for _, q := range habits {
			if w.r.Float64() > q.often {
				continue
			}
			if took := q.query(w, c.id, h, t, to, from); q.waits {
				t += took
			}
			t += w.between(ms/5, 3*ms)
		}
		if i%2 == 0 {
			o := w.outgoing(c, to, from)
			o.Session, o.Media = sdp(1000000+w.calls), media(w.calls)
			w.place("leg", c.id, t, o)
			t += w.between(20*ms, 2*sec)
		}
		w.sent(c, t)
		w.sent(c, t+w.between(500*ms, 10*sec))
		switch w.r.IntN(30) {
		case 0, 1: // tried again
			arrive(t+w.between(sec, 6*sec), to, from)
		case 2: // at once from elsewhere
			arrive(at+w.between(0, 20*ms), to, w.pick(nums))
		}
	}
	w.every(perSecond, length, func(at int64) {
		to := w.pick(nums)
		if w.r.Float64() < share {
			to = w.pick(busy)
		}
		arrive(at, to, w.pick(nums))
	})
	for _, q := range habits {
		if noise := perSecond * (w.r.Float64()*2 - 0.5); noise > 0 {
			w.every(noise, length, func(at int64) { q.query(w, "", h, at, w.pick(nums), w.pick(nums)) })
		}
	}
	// Somebody looks at calls of the last minute. Such a query is made because of the call and
	// counts as its own, though the call's setup did not need it.
	w.every(perSecond/3+0.1, length, func(at int64) {
		about, phone := "", w.pick(nums)
		for k := len(recent) - 1; k >= 0 && recent[k].at > at-60*sec; k-- {
			if recent[k].at < at-sec && w.r.IntN(20) == 0 {
				about, phone = recent[k].id, recent[k].caller
				break
			}
		}
		w.ask("recent calls", about, h, 999, at, 20*ms, "/crm/contact?phone="+phone[1:])
	})
}
