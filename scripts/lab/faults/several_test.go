package faults_test

import (
	"slices"
	"testing"
	"time"
)

// of is the label of a server's collector.
func (s *server) of() string { return "collector=" + s.name }

// watch lets time pass and looks at what comes meanwhile.
func (r *rig) watch(d time.Duration, servers ...*server) {
	r.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		r.elapse(100 * time.Millisecond)
		for _, s := range servers {
			s.scan()
		}
	}
}

// advances waits until a server has something that is made from now on, or one of others.
func (s *server) advances(others ...*server) {
	s.r.t.Helper()
	from := s.r.gen.count()
	s.r.until(s.name+" gets something new", func() bool {
		return slices.ContainsFunc(append(others, s), func(s *server) bool { return s.scan().newest > from })
	})
}

// among returns how often each message that was sent has come to any of the servers.
func (r *rig) among(servers ...*server) []int {
	times := make([]int, r.gen.count())
	for _, s := range servers {
		for n, k := range s.scan().times[:min(len(times), len(s.tally.times))] {
			times[n] += int(k)
		}
	}
	return times
}

// all waits until every message that was sent is at one of the servers.
func (r *rig) all(what string, servers ...*server) time.Duration {
	r.t.Helper()
	begin, sent := time.Now(), r.gen.count()
	r.until(what, func() bool {
		for _, k := range r.among(servers...)[:sent] {
			if k == 0 {
				return false
			}
		}
		return true
	})
	return time.Since(begin).Round(10 * time.Millisecond)
}

// settleTogether is settle for servers of which one takes another's place.
func (r *rig) settleTogether(took time.Duration, servers ...*server) {
	r.t.Helper()
	missing, again := 0, 0
	for _, k := range r.among(servers...) {
		if k == 0 {
			missing++
		} else {
			again += k - 1
		}
	}
	for _, s := range servers {
		if err := s.tally.quietly(); err != nil {
			r.t.Errorf("%s: %v", s.name, err)
		}
		r.t.Logf("%s: %d messages, over %d connections", s.name, s.tally.unique, s.tally.connections())
	}
	resent := r.total("heptap_uplink_resent_total")
	if missing > 0 || again > resent {
		r.t.Errorf("%d messages are missing; %d duplicates, and the probe says it sent %d again", missing, again, resent)
	}
	r.t.Logf("sent %d, missing %d, duplicates %d, resent %d; recovered in %v", r.gen.count(), missing, again, resent, took)
}

// Each of several collectors gets everything, and has only its own troubles.
func TestMirror(t *testing.T) {
	t.Parallel()
	overBoth(t, longOnly, func(t *testing.T, over transport) {
		r := over.rig(t)
		good, frozen, slow, gone, dead := r.server, r.add("frozen"), r.add("slow"), r.add("gone"), r.add("dead")
		for _, s := range []*server{frozen, slow, gone} {
			r.configure("set collector " + s.name + " stall 2s")
		}
		flag := r.flag()
		good.collect()
		c := frozen.collect("-receive", "262144")
		slow.collect("-receive", "65536", "-pause", "400ms", "-while", flag.name)
		gone.collect()
		r.run()
		r.traffic(pick(1500, 4000))
		for _, s := range []*server{good, frozen, slow, gone} {
			s.advances()
		}
		frozen.freeze(c)
		flag.set()
		r.must(gone.far.Pull())
		late := good.follow()
		r.watch(pick(6*time.Second, time.Minute), good)
		sent := r.gen.count()
		r.until("the good one has what was made in the meantime", func() bool { return len(good.scan().missing(sent)) == 0 })
		late.check(t, "the good one")
		good.lag = nil
		for _, s := range []*server{frozen, slow, gone, dead} {
			if n := s.scan().unique; n == sent {
				t.Errorf("%s has everything: it had no trouble", s.name)
			}
		}
		m := r.metrics()
		if failed := m.Sum("heptap_uplink_broken_total", good.of()) + m.Sum("heptap_uplink_unanswered_total", good.of()); failed > 0 {
			t.Errorf("the good one's connections failed %.0f times", failed)
		}
		frozen.thaw(c)
		flag.clear()
		r.must(gone.far.Plug())
		dead.collect()
		r.elapse(time.Second)
		r.pause()
		r.captured(0)
		every := []*server{good, frozen, slow, gone, dead}
		took := make([]time.Duration, len(every))
		for i, s := range every {
			took[i] = s.delivered(nil)
		}
		m = r.stop()
		for i, s := range every {
			s.settle(took[i])
			if n := place(m, "confirmed", s.of()); n != r.gen.count() {
				t.Errorf("%s has confirmed %d of %d", s.name, n, r.gen.count())
			}
		}
		if good.tally.again > 0 {
			t.Errorf("%d messages came twice to the good one", good.tally.again)
		}
	})
}

// The first that is well gets everything: another one when it fails, in whatever way, and
// itself again when it has been well for a while.
func TestFailover(t *testing.T) {
	t.Parallel()
	overBoth(t, longOnly, func(t *testing.T, over transport) {
		r := over.rig(t, "set delivery arrangement failover", "set delivery fail-back 10s")
		first, second, third := r.server, r.add("second"), r.add("third")
		every := []*server{first, second, third}
		for _, s := range every {
			r.configure("set collector " + s.name + " stall 2s")
		}
		uses := func(s *server) {
			t.Helper()
			s.advances()
			r.until(s.name+" is said to be used", func() bool {
				return r.metrics().Sum("heptap_uplink_member", "member="+s.name, "is=active") == 1
			})
		}
		c1 := first.collect()
		c2 := second.collect("-receive", "262144")
		third.collect()
		r.run()
		r.traffic(pick(1000, 4000))
		uses(first)
		r.elapse(time.Second)
		if n := second.scan().unique + third.scan().unique; n > 0 {
			t.Errorf("%d messages went elsewhere while the first was well", n)
		}
		r.kill(c1.Process)
		uses(second)
		second.freeze(c2)
		uses(third)
		first.collect()
		uses(first)
		if r.metrics().Sum("heptap_uplink_member", "member=second", "is=failed") != 1 {
			t.Error("the second is frozen, and not said to have failed")
		}
		second.thaw(c2)
		r.must(first.far.Pull()) // and nothing tells but time
		second.advances(third)
		r.must(first.far.Plug())
		r.elapse(time.Second)
		r.pause()
		r.captured(0)
		took := r.all("everything is at one of them", every...)
		m := r.stop()
		r.settleTogether(took, every...)
		if place(m, "confirmed") != r.gen.count() {
			t.Errorf("not everything is confirmed: %s", uplinkText(m))
		}
	})
}

// Each call is at one of several collectors, with all that belongs to it, and
// who has trouble has it alone.
func TestBalance(t *testing.T) {
	t.Parallel()
	overBoth(t, longOnly, func(t *testing.T, over transport) {
		r := over.rig(t, "set delivery arrangement balance", "set collector frozen stall 2s")
		good, frozen, dead := r.server, r.add("frozen"), r.add("dead")
		every := []*server{good, frozen, dead}
		good.collect()
		c := frozen.collect("-receive", "262144")
		d := dead.collect()
		r.run()
		r.traffic(pick(1000, 4000))
		for _, s := range every {
			s.advances()
		}
		frozen.freeze(c)
		r.kill(d.Process)
		late := good.follow()
		r.watch(pick(6*time.Second, time.Minute), good)
		late.check(t, "the good one")
		m := r.metrics()
		if failed := m.Sum("heptap_uplink_broken_total", good.of()) + m.Sum("heptap_uplink_unanswered_total", good.of()); failed > 0 {
			t.Errorf("the good one's connections failed %.0f times", failed)
		}
		frozen.thaw(c)
		dead.collect()
		r.elapse(time.Second)
		r.pause()
		r.captured(0)
		took := r.all("everything is at one of them", every...)
		m = r.stop()
		for _, s := range every {
			s.settle(took)
			if n := place(m, "confirmed", s.of()); n != s.tally.unique || n == 0 {
				t.Errorf("%s has %d, and has confirmed %d", s.name, s.tally.unique, n)
			}
		}
		r.whole(every...)
	})
}

// whole checks that no call is at two servers.
func (r *rig) whole(servers ...*server) {
	r.t.Helper()
	at := make([]string, (r.gen.count()+perCall-1)/perCall)
	for n := range r.gen.count() {
		for _, s := range servers {
			call := n / perCall
			if s.tally.has(n) && at[call] != s.name {
				if at[call] != "" {
					r.t.Fatalf("call %d is at %s and at %s", call, at[call], s.name)
				}
				at[call] = s.name
			}
		}
	}
}

// With move-over the share of one that failed goes to another one, until it is well again.
func TestBalanceMovesOver(t *testing.T) {
	t.Parallel()
	overBoth(t, longOnly, func(t *testing.T, over transport) {
		r := over.rig(t, "set delivery arrangement balance", "set delivery move-over on", "set delivery fail-back 10s")
		every := []*server{r.server, r.add("second"), r.add("third")}
		second := every[1]
		every[0].collect()
		c := second.collect()
		every[2].collect()
		r.run()
		r.traffic(pick(1000, 4000))
		for _, s := range every {
			s.advances()
		}
		r.kill(c.Process)
		r.elapse(pick(2*time.Second, 30*time.Second))
		r.all("everything is at one of those that are left, or was before", every...)
		second.collect()
		second.advances()
		r.elapse(time.Second)
		r.pause()
		r.captured(0)
		took := r.all("everything is at one of them", every...)
		m := r.stop()
		r.settleTogether(took, every...)
		if n := place(m, "confirmed") + place(m, "filtered"); n != len(every)*r.gen.count() {
			t.Errorf("not everything is confirmed: %s", uplinkText(m))
		}
	})
}
