package mirror_test

import (
	"math/rand/v2"
	"testing"

	"heptap/capture/mirror"
)

// TestRepaired: once a fault is put right its verdict goes, within a stated
// time, and healthy comes back.
func TestRepaired(t *testing.T) {
	for _, c := range []struct {
		name         string
		fault, right func(s *site)
		kind         mirror.Kind
		within       int // seconds
	}{
		{"link", func(s *site) { s.link = mirror.LinkDown }, func(s *site) { s.link = mirror.LinkUp }, mirror.NoLink, 1},
		{"frames", func(s *site) { s.disconnect = true }, func(s *site) { s.disconnect = false }, mirror.NoFrames, 1},
		{"no mirror", func(s *site) { s.flooded = true }, func(s *site) { s.flooded = false }, mirror.NotMirror, 35},
		{"direction", func(s *site) { s.oneWay = true }, func(s *site) { s.oneWay = false }, mirror.OneDirection, 35},
		{"doubled", func(s *site) { s.copies = 1 }, func(s *site) { s.copies = 0 }, mirror.Doubled, 95},
		{"cut", func(s *site) { s.cut = .5 }, func(s *site) { s.cut = 0 }, mirror.CutFrames, 95},
		{"drops", func(s *site) { s.drop = .02 }, func(s *site) { s.drop = 0 }, mirror.Drops, 300},
		{"media", func(s *site) { s.silent = 1 }, func(s *site) { s.silent = 0 }, mirror.SIPWithoutRTP, 500},
		{"signalling", func(s *site) { s.noSIP = true }, func(s *site) { s.noSIP = false }, mirror.RTPWithoutSIP, 95},
		{"ring", func(s *site) { s.ringDrops = func(int) bool { return true } }, func(s *site) { s.ringDrops = nil }, mirror.RingDrops, 95},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(5) {
				s := newSite(seed)
				s.phones, s.callRate = 60, .3
				c.fault(s)
				j := mirror.New(mirror.Config{})
				s.watch(j, 400, nil)
				if has(j.Verdicts(nil), c.kind) == nil {
					t.Fatalf("%d: no verdict to begin with\n%s", seed, j.AppendReport(nil))
				}
				c.right(s)
				gone, healthy := 0, false
				s.watch(j, c.within+200, func(at int, all []mirror.Verdict) {
					switch v := has(all, c.kind); {
					case v == nil && gone == 0:
						gone = at - 400
					case v != nil && gone != 0 && v.Severity > mirror.Note:
						t.Errorf("%d: gone after %d s, and back after %d", seed, gone, at-400)
					}
					healthy = has(all, mirror.Healthy) != nil
				})
				if gone == 0 || gone > c.within {
					t.Errorf("%d: gone after %d s, want within %d\n%s", seed, gone, c.within, j.AppendReport(nil))
				}
				if !healthy {
					t.Errorf("%d: not healthy again\n%s", seed, j.AppendReport(nil))
				}
			}
		})
	}
}

// TestNoFlapping: a fault at the edge of what is seen may come and go, but not
// every minute.
func TestNoFlapping(t *testing.T) {
	for seed := range uint64(30) {
		s := newSite(seed)
		s.drop = float64(seed) * .0001
		s.copies = .28 + float64(seed)*.002
		s.asymmetric = .2 + float64(seed)*.01
		s.tcp = 60
		j := mirror.New(mirror.Config{})
		var was [mirror.NumKinds]bool
		var changes [mirror.NumKinds]int
		s.watch(j, 3600, func(_ int, all []mirror.Verdict) {
			for k := range mirror.NumKinds {
				if is := has(all, k) != nil; is != was[k] {
					was[k] = is
					changes[k]++
				}
			}
		})
		for k, n := range changes {
			if n > 20 {
				t.Errorf("%d: %v changed %d times in an hour", seed, mirror.Kind(k), n)
			}
		}
	}
}

// TestForgets: what makes all that was seen worthless begins everything anew.
func TestForgets(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(j *mirror.Judge, s *site)
	}{
		{"the link went down", func(j *mirror.Judge, s *site) {
			s.link = mirror.LinkDown
			s.watch(j, 1, nil)
			s.link = mirror.LinkUp
		}},
		{"the clock was set back", func(_ *mirror.Judge, s *site) { s.t -= 100 }},
		{"nobody watched", func(_ *mirror.Judge, s *site) { s.t += 100 }},
		{"the totals began anew", func(_ *mirror.Judge, s *site) { s.s = mirror.Sample{} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(1)
			s.copies = 1
			j := mirror.New(mirror.Config{})
			s.watch(j, 120, nil)
			if has(j.Verdicts(nil), mirror.Doubled) == nil {
				t.Fatal("nothing to forget")
			}
			c.do(j, s)
			s.watch(j, 1, nil)
			all := j.Verdicts(nil)
			if len(all) != 1 || all[0].Kind != mirror.TooEarly || j.Stats.Resets == 0 {
				t.Errorf("%d resets, says %v", j.Stats.Resets, all)
			}
		})
	}
}

// TestSince: a verdict holds since its evidence began, not since it was given.
func TestSince(t *testing.T) {
	s := newSite(1)
	j := mirror.New(mirror.Config{})
	s.watch(j, 200, nil)
	s.cut = .5
	s.watch(j, 60, nil)
	v := has(j.Verdicts(nil), mirror.CutFrames)
	if v == nil || v.Since < 200*second || v.Since > 205*second {
		t.Errorf("%+v, want it since 200 s", v)
	}
}

// TestOrder: the worst comes first, and something always holds.
func TestOrder(t *testing.T) {
	s := newSite(1)
	s.drop, s.oneWay, s.copies, s.encap = .01, true, 1, 6
	j := mirror.New(mirror.Config{})
	s.watch(j, 300, func(at int, all []mirror.Verdict) {
		if len(all) == 0 {
			t.Fatalf("nothing at %d s", at)
		}
		for i := 1; i < len(all); i++ {
			if all[i].Severity > all[i-1].Severity || all[i].Severity == all[i-1].Severity && all[i].Kind <= all[i-1].Kind {
				t.Fatalf("at %d s: %v before %v", at, all[i-1].Kind, all[i].Kind)
			}
		}
	})
	if all := j.Verdicts(nil); len(all) < 4 {
		t.Errorf("only %d hold", len(all))
	}
}

// TestSameSamplesSameVerdicts: nothing but the samples decides.
func TestSameSamplesSameVerdicts(t *testing.T) {
	run := func() (texts string) {
		s := healthySite(11)
		s.drop = .01
		j := mirror.New(mirror.Config{Port: "span0"})
		s.watch(j, 400, func(int, []mirror.Verdict) { texts += j.Text() + "\n" })
		return texts + string(j.AppendReport(nil))
	}
	if first, second := run(), run(); first != second {
		t.Error("two runs differ")
	}
}

// TestNonsense: samples that cannot be do no harm.
func TestNonsense(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	number := func() uint64 {
		switch rng.IntN(4) {
		case 0:
			return 0
		case 1:
			return 1<<64 - 1
		case 2:
			return rng.Uint64()
		}
		return rng.Uint64N(1000)
	}
	j := mirror.New(mirror.Config{Port: "span0"})
	mono := int64(0)
	for range 20_000 {
		s := mirror.Sample{
			Link: mirror.Link(rng.IntN(4)), Received: number(), KernelDrops: number() % 3, Decoded: number(),
			Frames: mirror.Frames{Unicast: number(), Broadcast: number(), Multicast: number(), Cut: number(), Giant: number()},
			Talk:   mirror.Talk{TCPBoth: number() >> 1, TCPOneWay: number() >> 1}, Checked: number(), Copies: number(), CopyLag: number(),
			SIPRequests: number(), RTPPackets: number(), CallsWithMedia: number(), CallsSilent: number(), Unread: number(),
			TCP:      mirror.Acked{Seen: number() >> 1, Unseen: number() >> 1, Late: number() >> 1, Connections: number() >> 1},
			Receipts: mirror.Receipts{Clean: number() >> 2, Mirror: number() >> 2, Hearing: number(), HearingMirror: number()},
			Common:   mirror.Common{Instants: number(), CommonInstants: number(), Streams: number(), Lossy: number(), Lost: number()},
		}
		s.UnreadByName[rng.IntN(mirror.MaxNamed)] = mirror.Named{Name: "x", Frames: number()}
		switch rng.IntN(5) {
		case 0:
			mono = rng.Int64()
		case 1:
		default:
			mono += second
		}
		for range 1 + rng.IntN(8) { // the same again, so that it counts
			j.Observe(mono, &s)
			mono += second
			s.Received += number() % 1000
			s.TCP.Unseen += number() % 1000
		}
		for _, v := range j.Verdicts(nil) {
			if v.Kind >= mirror.NumKinds || v.String() == "" || v.Confidence > 99 {
				t.Fatalf("%+v", v)
			}
		}
		j.AppendReport(nil)
	}
}

func TestObserveAlloc(t *testing.T) {
	s := newSite(1)
	s.oneWay, s.copies, s.drop = true, 1, .01
	j := mirror.New(mirror.Config{})
	s.watch(j, 300, nil)
	x := s.s
	room := make([]mirror.Verdict, 0, mirror.NumKinds)
	mono := int64(s.t) * second
	if n := testing.AllocsPerRun(1000, func() {
		mono += second
		x.Received += 1000
		j.Observe(mono, &x)
		room = j.Verdicts(room[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	s := newSite(1)
	j := mirror.New(mirror.Config{})
	s.watch(j, 100, nil)
	x, mono := s.s, int64(s.t)*second
	b.ReportAllocs()
	for b.Loop() {
		mono += second
		x.Received += 1000
		x.Frames.Unicast += 1000
		j.Observe(mono, &x)
	}
}
