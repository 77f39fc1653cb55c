package infer

import (
	"fmt"
	"testing"
)

// quiet builds a host with a call every other second for half an hour, each of which
// fetches a menu without saying whose; and health checks and metrics.
func quiet(seed uint64, length int64) *world {
	w := newWorld(seed)
	healthChecks(w, length)
	return w
}

// TestOnlyCall asserts that queries without any key are linked where that is safe.
func TestOnlyCall(t *testing.T) {
	res := &result{shapes: map[string]*[2]tally{}}
	for seed := range uint64(4) {
		w := quiet(seed, 1800*sec)
		ds, _ := w.play(Config{})
		if err := res.add(w, ds); err != nil {
			t.Fatal(err)
		}
	}
	for name, s := range res.shapes {
		t.Logf("%-24s of calls %5d of %5d: %d linked, %d of them right", name, s[1].belong, s[1].asked, s[1].linked, s[1].right)
	}
	menu, all := res.shapes["menu without a number"][1], res.total[1]
	if menu.right*2 < menu.belong || all.precision() < precision {
		t.Errorf("%d of %d found, precision %.4f", menu.right, menu.belong, all.precision())
	}
}

// office builds a host with a call every ten seconds among a few numbers, and as many queries
// that look like those of calls.
func office(seed uint64, length int64) *world {
	w := newWorld(seed)
	h, nums := host(20), w.numbers(40, "49", 9)
	w.every(0.1, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		w.arrive(c)
		took := w.between(5*ms, 80*ms)
		w.ask("small office", c.id, h, 20, at+w.between(ms, 9*ms), took, "/lookup?number="+c.caller[1:])
		w.sent(c, at+10*ms+took)
		w.sent(c, at+w.between(sec, 9*sec))
	})
	w.every(0.1, length, func(at int64) {
		w.ask("small office, noise", "", h, 20, at, 30*ms, "/lookup?number="+w.pick(nums)[1:])
	})
	return w
}

// TestSmallOffice asserts the precision where little is to be learned from.
func TestSmallOffice(t *testing.T) {
	res := &result{shapes: map[string]*[2]tally{}}
	for seed := range uint64(10) {
		w := office(seed, 1800*sec)
		ds, _ := w.play(Config{})
		if err := res.add(w, ds); err != nil {
			t.Fatal(err)
		}
	}
	s := res.shapes["small office"]
	t.Logf("of calls %d of %d: %d linked, %d of them right", s[0].belong+s[1].belong, s[0].asked+s[1].asked, s[0].linked+s[1].linked, s[0].right+s[1].right)
	for score, n := range res.scores {
		if n[0] > 0 {
			t.Logf("score %2d: %6d links, %s %% right", score, n[0], share(n[1], n[0]))
		}
	}
	res.check(t, 0)
}

// TestOnlyOneCall asserts that a query without any key, of a kind that is linked, is not when a second request
// is open, however long ago that came.
func TestOnlyOneCall(t *testing.T) {
	m, out := collect(Config{})
	at, id := 10*sec, uint64(0)
	menu := func(callID string) Decision {
		id++
		m.Arrived(invite(callID, at, fmt.Sprintf("+4930%07d", id*7919), "+4940654321"))
		q := ask(id, at+3*ms, "/menu/start")
		q.More[0] = []byte(`{"lang":"de"}`)
		m.Query(q)
		m.Reply(id, at+10*ms)
		m.Sent(host(1), []byte(callID), at+12*ms)
		at += 9500 * ms
		m.Advance(at)
		return (*out)[len(*out)-1]
	}
	for i := range 150 {
		menu(fmt.Sprint("c", i))
	}
	if d := menu("last"); d.Outcome != Linked || string(d.CallID) != "last" {
		t.Fatalf("one open request: %v", d.Outcome)
	}
	m.Arrived(invite("other", at-5*sec, "+498912345678", "+4940111222")) // waits for somebody to answer
	if d := menu("newer"); d.Outcome != TooClose {
		t.Errorf("two open requests: %v %s", d.Outcome, d.CallID)
	}
	m.Sent(host(1), []byte("other"), at)
	if d := menu("again"); d.Outcome != Linked || string(d.CallID) != "again" {
		t.Errorf("one open request again: %v", d.Outcome)
	}
}
