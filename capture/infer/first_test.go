package infer

import "fmt"

// first builds the first workload: 200 calls a second at one host, 1,000 queries a second of which
// half belong to calls, overlapping numbers, several calls to one number at once.
func first(seed uint64, length int64) *world {
	w := newWorld(seed)
	h, nums := host(1), w.numbers(4000, "49", 9)
	busy := nums[:20]
	took := func() int64 { return 3*ms + min(w.exp(15*ms), 250*ms) }
	w.every(200, length, func(at int64) {
		to := w.pick(nums)
		if w.r.IntN(5) == 0 {
			to = w.pick(busy)
		}
		c := w.newCall(at, h, to, w.pick(nums))
		w.arrive(c)
		t := at + w.between(ms, 5*ms)
		n := took()
		w.ask("route, by called", c.id, h, 1, t, n, "/route?to="+c.called[1:])
		t += n + w.between(ms/2, 3*ms)
		if w.r.IntN(2) == 0 {
			n = took()
			w.ask("name, by caller", c.id, h, 2, t, n, "/cnam/0"+c.caller[3:])
			t += n + w.between(ms/2, 3*ms)
		}
		n = took()
		w.ask("credit, by both", c.id, h, 1, t, n, "/credit", fmt.Sprintf(`{"from":"%s","to":"%s"}`, c.caller, c.called))
		t += n + w.between(ms/2, 3*ms)
		w.sent(c, t)
		w.sent(c, t+w.between(500*ms, 5*sec))
	})
	// The same client asks for others too, in the same way and in other ways.
	w.every(100, length, func(at int64) { w.ask("route, by called, noise", "", h, 1, at, took(), "/route?to="+w.pick(nums)[1:]) })
	w.every(50, length, func(at int64) { w.ask("name, by caller, noise", "", h, 2, at, took(), "/cnam/0"+w.pick(nums)[3:]) })
	w.every(50, length, func(at int64) {
		w.ask("credit, by both, noise", "", h, 1, at, took(), "/credit", fmt.Sprintf(`{"from":"%s","to":"%s"}`, w.pick(nums), w.pick(nums)))
	})
	w.every(200, length, func(at int64) { w.ask("contacts", "", h, 3, at, took(), "/contacts/"+w.pick(nums)[1:]) })
	w.every(100, length, func(at int64) { w.ask("other", "", h, 4, at, took(), "/session/renew", `{"ttl":3600}`) })
	return w
}
