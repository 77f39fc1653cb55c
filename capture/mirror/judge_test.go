package mirror_test

import (
	"os"
	"testing"

	"heptap/capture/mirror"
)

// TestFaults makes each fault on a busy, a lossy and a small site, and wants
// its verdict within the stated time, and no other accusation.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  func(s *site)
		want   mirror.Kind
		least  mirror.Severity
		within int // seconds
	}{
		{"link down", func(s *site) { s.link = mirror.LinkDown }, mirror.NoLink, mirror.Fault, 1},
		{"nothing arrives", func(s *site) { s.disconnect = true }, mirror.NoFrames, mirror.Fault, 35},
		{"ordinary port", func(s *site) { s.flooded, s.phones = true, 60 }, mirror.NotMirror, mirror.Note, 70},
		{"one direction", func(s *site) { s.oneWay = true }, mirror.OneDirection, mirror.Fault, 5},
		{"everything twice", func(s *site) { s.copies = 1 }, mirror.Doubled, mirror.Warning, 15},
		{"truncated", func(s *site) { s.cut = .3 }, mirror.CutFrames, mirror.Fault, 15},
		{"drops 0.4 %", func(s *site) { s.drop = .004 }, mirror.Drops, mirror.Warning, 250},
		{"drops 5 %", func(s *site) { s.drop = .05 }, mirror.Drops, mirror.Fault, 30},
		{"drops 5 %, no TCP", func(s *site) { s.drop, s.tcp = .05, 0 }, mirror.Drops, mirror.Warning, 600},
		{"overloaded at moments", func(s *site) { s.overload, s.tcp, s.deaf = .1, 0, 0 }, mirror.CommonDrops, mirror.Warning, 300},
		{"media elsewhere", func(s *site) { s.silent = 1 }, mirror.SIPWithoutRTP, mirror.Warning, 120},
		{"signalling elsewhere", func(s *site) { s.noSIP = true }, mirror.RTPWithoutSIP, mirror.Warning, 200},
		{"encrypted", func(s *site) { s.tls = true }, mirror.TLSOnly, mirror.Note, 80},
		{"slow box", func(s *site) { s.ringDrops = func(t int) bool { return t%7 == 0 } }, mirror.RingDrops, mirror.Warning, 15},
		{"vxlan", func(s *site) { s.encap = 6 }, mirror.Encapsulated, mirror.Note, 10},
		{"healthy", func(*site) {}, mirror.Healthy, mirror.OK, 61},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, shape := range []struct {
				name string
				set  func(s *site)
			}{
				{"plain", func(*site) {}},
				{"busy", func(s *site) { s.phones, s.callRate, s.tcp = 300, 1, 60 }},
				{"lossy", func(s *site) { s.lossy, s.loss, s.behind, s.burst = .2, .02, .01, 3 }},
				{"small", func(s *site) { s.phones, s.callRate, s.tcp = 8, .06, min(4, s.tcp) }},
			} {
				for seed := range uint64(10) {
					s := newSite(seed)
					shape.set(s)
					c.fault(s)
					within := c.within
					first := 0
					j := mirror.New(mirror.Config{Port: "span0"})
					s.watch(j, within+120, func(at int, all []mirror.Verdict) {
						if v := has(all, c.want); v != nil && first == 0 {
							first = at
							if v.Severity < c.least {
								t.Errorf("%s/%d: %v is a %v, want %v at least", shape.name, seed, c.want, v.Severity, c.least)
							}
						}
						for i := range all {
							v := &all[i]
							if v.Accuses() && v.Kind != c.want && (v.Kind != mirror.Drops || s.drop+s.overload == 0) {
								t.Fatalf("%s/%d: at %d s: %v", shape.name, seed, at, v)
							}
						}
					})
					if first == 0 || first > within {
						t.Errorf("%s/%d: %v after %d s, want within %d; says: %s", shape.name, seed, c.want, first, within, j.AppendReport(nil))
					}
				}
			}
		})
	}
}

// healthySite is a random site with a good mirror, and whatever a network does.
func healthySite(seed uint64) *site {
	s := newSite(seed)
	r := s.rng
	maybe := func(p float64) bool { return r.Float64() < p }
	s.phones = 1 + int(r.ExpFloat64()*30)
	s.register = 20 + r.IntN(100)
	s.callRate = min(.25, float64(s.phones)*r.Float64()*.004)
	s.callSeconds = 30 + r.Float64()*200
	s.tcp = r.IntN(40)
	s.tcpRate = r.ExpFloat64() * 10
	s.otherOneWay = r.IntN(60)
	s.asymmetric = r.Float64() * .08
	s.silent = r.Float64() * .08
	s.copies = r.Float64() * .03
	if maybe(.8) {
		s.lossy, s.loss, s.burst = r.Float64(), r.ExpFloat64()*.02, 1+r.IntN(20)
	}
	if maybe(.5) {
		s.behind = r.ExpFloat64() * .02
	}
	if maybe(.3) {
		s.sharedEvery, s.sharedMost = r.Float64()*.2, r.Float64()
	}
	if maybe(.5) {
		s.deaf = r.Float64() * .3
	}
	if maybe(.2) {
		s.pathChange = 60 + r.IntN(500)
	}
	if maybe(.2) {
		at := r.IntN(600)
		s.ringDrops = func(t int) bool { return t >= at && t < at+5 }
	}
	if maybe(.3) {
		at := r.IntN(500)
		s.night = func(t int) bool { return t >= at }
	}
	if maybe(.1) {
		s.tls = true
	}
	return s
}

// TestHealthy runs 2000 sites, 10,000 when there is time, whose network loses,
// bursts, sleeps and routes asymmetrically behind a mirror that shows all of it.
// Not one may be accused.
func TestHealthy(t *testing.T) {
	sites := 2000
	switch {
	case os.Getenv("HEPTAP_LONG") != "":
		sites = 10_000
	case testing.Short():
		sites = 300
	case raceEnabled: // ten times slower, and there is nothing to race
		sites = 1000
	}
	accused, common, healthy := 0, 0, 0
	for seed := range uint64(sites) {
		s := healthySite(seed)
		j := mirror.New(mirror.Config{})
		var accusation string
		wasCommon, wasHealthy := false, false
		s.watch(j, 700, func(at int, all []mirror.Verdict) {
			wasCommon = wasCommon || has(all, mirror.CommonDrops) != nil
			wasHealthy = wasHealthy || has(all, mirror.Healthy) != nil
			for i := range all {
				if all[i].Accuses() && accusation == "" {
					accusation = all[i].String()
				}
			}
		})
		if accusation != "" {
			accused++
			t.Errorf("site %d: %s\n%s", seed, accusation, j.AppendReport(nil))
			if accused > 10 {
				t.FailNow()
			}
		}
		if wasCommon {
			common++
			if s.sharedEvery == 0 && s.lossy < .8 && s.ringDrops == nil {
				t.Logf("site %d: common loss without a common cause: lossy %.2f loss %.3f burst %d\n%s", seed, s.lossy, s.loss, s.burst, j.AppendReport(nil))
			}
		}
		if wasHealthy {
			healthy++
		}
	}
	t.Logf("%d sites: %d accused (%.4f %%), %d with common loss, %d called healthy", sites, accused, 100*float64(accused)/float64(sites), common, healthy)
	if healthy < sites*3/4 {
		t.Errorf("only %d of %d sites were ever called healthy: a judge that never says anything accuses nobody", healthy, sites)
	}
}
